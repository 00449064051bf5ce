"""The contract between the driver and whatever carries its calls."""

from __future__ import annotations

import ast
from pathlib import Path

import grpc

import e6data_adbc
from e6data_adbc._transport import methods
from e6data_adbc._transport.api import Call, Code
from e6data_adbc._transport.headers import SecretHeaders

PACKAGE = Path(e6data_adbc.__file__).parent


def _imports(text: str) -> set[str]:
    """Returns the packages that the *text* of a module imports anywhere, by their first names."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    return found


def test_grpc_is_imported_in_one_file() -> None:
    """Whatever else speaks HTTP/2 can stand in its place; the local engine, a server, is apart."""
    importing = {
        file.relative_to(PACKAGE).as_posix()
        for file in PACKAGE.rglob("*.py")
        if "grpc" in (text := file.read_text(encoding="utf-8")) and "grpc" in _imports(text)
    }

    assert {name for name in importing if not name.startswith("local/")} == {"_transport/grpcio.py"}


def test_the_codes_are_those_of_grpc() -> None:
    """All 17, by name and number."""
    assert {code.name: code.value for code in Code} == {
        code.name: code.value[0] for code in grpc.StatusCode
    }


def test_a_call_shows_no_secret() -> None:
    """Neither the message, which may hold a session id, nor secret metadata stands in what is printed of a call."""
    call = Call(
        methods.STATUS,
        lambda: b"canary-1",
        (("strategy", "blue"),),
        1.0,
        "read the status",
        secret=SecretHeaders((("authorization", "canary-2"),)),
    )

    assert "blue" in repr(call)
    assert "canary" not in repr(call)
