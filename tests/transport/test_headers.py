"""Metadata that is too large for proxies, which end the connection for it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

import e6data_adbc
from e6data_adbc import errors
from e6data_adbc._driver import Database
from e6data_adbc._session.login.hooks import HOOKS, Hook
from e6data_adbc._transport import methods
from e6data_adbc._transport.headers import MAX_VALUE, SecretHeaders, size_problem
from e6data_adbc._transport.transport import Transport
from tests.support.calls import call_of, make_scope
from tests.support.canary import Canaries
from tests.support.fake_server import FakeServer
from tests.support.scripted import ScriptedEngine, statement_of


def test_the_limits_are_those_of_proxies() -> None:
    """8 KiB for a value, 16 KiB for all together as HTTP/2 counts; the words have sizes and no value."""
    at_most = "v" * MAX_VALUE

    assert size_problem((("a", at_most),)) is None
    assert (
        size_problem((("a", at_most + "v"),))
        == "the value of 'a' has 8193 bytes, and 8192 is the most"
    )
    assert size_problem((("a", at_most), ("b", at_most))) is not None
    assert size_problem((("a", at_most),), SecretHeaders((("b", "v" * 7000),))) is None
    found = size_problem((("a", at_most),), SecretHeaders((("b", "v" * 8000),)))
    assert found is not None
    assert "all of them together have" in found
    assert size_problem(tuple((f"k{number}", "") for number in range(400))) is None
    assert size_problem(tuple((f"k{number}", "") for number in range(500))) is not None


def test_nothing_is_sent(canaries: Canaries, server: FakeServer, transport: Transport) -> None:
    """The call fails with the size; the connection and what runs on it are left alone."""
    secret = canaries.plant("a fat token") + "x" * MAX_VALUE
    server.answer("getCataloges", b"")
    scope = make_scope(metadata=20)
    with canaries.raises(e6data_adbc.ProgrammingError, match=r"'authorization' has \d+ bytes"):
        transport.call(
            call_of(methods.CATALOGS, scope, secret=SecretHeaders((("authorization", secret),))),
            scope,
        )

    assert server.received == []
    transport.call(call_of(methods.CATALOGS, scope), scope)
    assert server.count("getCataloges") == 1


def test_a_cluster_name_has_to_fit(open_db: Callable[..., Database]) -> None:
    """It is refused when the database is opened, before any call."""
    with pytest.raises(e6data_adbc.ProgrammingError, match="cluster name: the value of"):
        open_db("e6data://u:t@127.0.0.1:1", adbc__e6data__connection__cluster_name="c" * 9000)


@pytest.mark.parametrize("way", ["access_token", "token_file", "token_provider", "request_signer"])
def test_each_way_to_a_fat_token_ends_before_the_wire(
    canaries: Canaries, open_db: Callable[..., Database], tmp_path: object, way: str
) -> None:
    """Wherever it comes from; the error names the metadata and its size, and is not tried again."""
    token = canaries.plant("a fat token") + "x" * MAX_VALUE
    with ScriptedEngine() as engine:
        options: dict[str, object] = {}
        uri = f"e6data://127.0.0.1:{engine.port}/c/s"
        if way == "access_token":
            options["adbc__e6data__auth__access_token"] = token
        elif way == "token_file":
            file = f"{tmp_path}/token"
            with open(file, "w") as out:
                out.write(token)
            options["adbc__e6data__auth__token_file"] = file
        elif way == "token_provider":
            options["adbc__e6data__auth__token_provider"] = "hook-of-this-test"
            HOOKS.add("hook-of-this-test", Hook("token_provider", lambda: token))
        else:
            uri = engine.uri
            options["adbc__e6data__auth__request_signer"] = "hook-of-this-test"
            HOOKS.add("hook-of-this-test", Hook("request_signer", lambda path: {"x-signed": token}))
        with pytest.raises(errors.Error) as caught:
            statement_of(open_db(uri, **options).connect({})).execute()

        assert re.search(r"8192 (characters, with|bytes,) 8\d+ of them", str(caught.value))
        assert canaries.in_text(str(caught.value)) == []
        assert engine.received == []


def test_a_token_that_fits_is_sent(open_db: Callable[..., Database]) -> None:
    """Real ones have up to some KiB; beyond 8 KiB in all, servers refuse some."""
    with ScriptedEngine() as engine:
        uri = f"e6data://127.0.0.1:{engine.port}/c/s"
        token = "x" * 6000
        database = open_db(uri, adbc__e6data__auth__access_token=token)
        statement_of(database.connect({})).execute().close()

        assert engine.received[0].headers["authorization"] == f"Bearer {token}"
