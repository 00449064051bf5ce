"""`e6data-adbc doctor`: each step says what is wrong with it."""

from __future__ import annotations

import contextlib
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme

from e6data_adbc.cli import main
from e6data_adbc.cli.exits import Exit
from e6data_adbc.local import LocalEngine
from tests.support.connect_proxy import ConnectProxy

pytestmark = pytest.mark.seconds

STEPS = [
    "options",
    "DNS",
    "proxy",
    "TCP",
    "TLS",
    "sign-in",
    "colour",
    "cluster",
    "SELECT 1",
    "versions",
]


@pytest.fixture
def doctor(
    capfd: pytest.CaptureFixture[str],
) -> Callable[[str], tuple[int, dict[str, tuple[str, str]]]]:
    """Runs the command; returns its exit code, and word and text of each step."""

    def run(uri: str) -> tuple[int, dict[str, tuple[str, str]]]:
        code = main(["doctor", uri])
        lines = capfd.readouterr().out.splitlines()
        found = {line[6:15].rstrip(): (line[:4].rstrip(), line[17:]) for line in lines}
        assert list(found) == STEPS
        return code, found

    return run


def failed(found: dict[str, tuple[str, str]]) -> dict[str, str]:
    """The texts of the steps that failed."""
    return {name: text for name, (word, text) in found.items() if word == "FAIL"}


def test_all_is_well(engine: Any, doctor: Callable[..., Any]) -> None:
    """Every line says what was found, and no line says the token."""
    code, found = doctor(engine.uri)

    assert code == 0
    assert {word for word, _ in found.values()} == {"ok"}
    assert found["options"][1].startswith(engine.target)
    assert found["colour"][1] in ("blue", "green")
    assert found["cluster"][1] == "active"
    assert re.match(r"in [\d.]+ ms", found["SELECT 1"][1])
    assert engine.token not in str(found)


def test_the_local_engine(doctor: Callable[..., Any]) -> None:
    """There is no way to it, and it is asked."""
    code, found = doctor("e6data:local")

    assert (code, failed(found)) == (0, {})
    assert found["SELECT 1"][0] == "ok"


def test_a_wrong_option(doctor: Callable[..., Any]) -> None:
    """It is the URI that is wrong: exit code 2, and nobody is called."""
    code, found = doctor("e6data://u:t@host?nonsense=1")

    assert code == Exit.USAGE
    assert list(failed(found)) == ["options"]
    assert found["TCP"] == ("-", "not looked at: the URI has to be right first")


def test_a_host_that_nobody_knows(
    doctor: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name, and what to check."""

    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    code, found = doctor("e6data://u:t@engine.invalid")

    assert code == Exit.CONNECTION
    assert failed(found)["DNS"].startswith("could not resolve engine.invalid: Name or service")


def test_nobody_listens(doctor: Callable[..., Any]) -> None:
    """A port that is closed."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        code, found = doctor(f"e6data://u:t@127.0.0.1:{closed.getsockname()[1]}")

    assert code == Exit.CONNECTION
    assert list(failed(found)) == ["TCP"]
    assert "Connection refused" in failed(found)["TCP"]


def test_through_a_proxy(
    engine: Any, doctor: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The host is the proxy's to find; its password is sent, and in no line."""
    with contextlib.closing(ConnectProxy("200 Connection established", engine.target)) as proxy:
        monkeypatch.setenv("https_proxy", f"http://ann:not-a-word@{proxy.address}")
        for name in ("grpc_proxy", "no_grpc_proxy", "no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        code, found = doctor(f"e6data://local:{engine.token}@engine.invalid:443?tls=disable")

    assert (code, failed(found)) == (0, {})
    assert found["proxy"][1] == f"{proxy.address}, named by the environment"
    assert found["TCP"][1].endswith("ms, and through it engine.invalid:443")
    assert set(proxy.asked) == {"CONNECT engine.invalid:443 HTTP/1.1"}
    assert all(proxy.signed)
    assert "not-a-word" not in str(found)


@pytest.mark.parametrize("status", ["403 Forbidden", "407 Proxy Authentication Required"])
def test_a_proxy_that_lets_nobody_through(
    doctor: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    """What it answered, and what to do about it."""
    with contextlib.closing(ConnectProxy(status)) as proxy:
        monkeypatch.setenv("https_proxy", f"http://{proxy.address}")
        for name in ("grpc_proxy", "no_grpc_proxy", "no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        code, found = doctor("e6data://u:t@engine.invalid:443")

    assert code == Exit.CONNECTION
    assert list(failed(found)) == ["TCP"]
    assert (
        f"engine.invalid:443 through the proxy: it answered 'HTTP/1.1 {status}'"
        in failed(found)["TCP"]
    )
    assert "no_proxy" in failed(found)["TCP"]


def test_a_proxy_that_is_not_there(
    doctor: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the proxy's address that does not answer, not the engine's."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
        monkeypatch.setenv("grpc_proxy", f"http://{address}")
        for name in ("no_grpc_proxy", "no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        code, found = doctor("e6data://u:t@engine.invalid:443")

    assert code == Exit.CONNECTION
    assert list(failed(found)) == ["TCP"]
    assert failed(found)["TCP"].startswith(f"could not connect to {address}")


def test_no_tls_where_it_is_expected(engine: Any, doctor: Callable[..., Any]) -> None:
    """The server speaks plaintext."""
    code, found = doctor(f"{engine.uri}?tls=require")

    assert code == Exit.CONNECTION
    assert "tls=disable" in failed(found)["TLS"]


def test_certificates(doctor: Callable[..., Any], tmp_path: Path) -> None:
    """One that nobody vouches for, one with another name, and one that is right."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    with LocalEngine(tls_certificate=tmp_path / "cert.pem", tls_key=tmp_path / "key.pem") as engine:
        uri = f"e6data://local:{engine.token}@{engine.target}?tls=require"
        code, found = doctor(uri)
        trusting = f"{uri}&tls_root_certs={tmp_path / 'authority.pem'}"
        code_of_trusting, trusted = doctor(trusting)
        _, misnamed = doctor(f"{trusting}&tls_server_name=another.name")

    assert code == Exit.CONNECTION
    assert failed(found)["TLS"].startswith("could not trust the server's certificate")
    assert "tls_root_certs" in failed(found)["TLS"]
    assert (code_of_trusting, failed(trusted)) == (0, {})
    assert trusted["TLS"][1].startswith("TLSv1")
    assert "another.name" in failed(misnamed)["TLS"]


def test_a_wrong_token(engine: Any, doctor: Callable[..., Any]) -> None:
    """Signing in fails, and the token is not shown."""
    code, found = doctor(f"e6data://{engine.user}:wr0ng@{engine.target}")

    assert code == Exit.CONNECTION
    assert list(failed(found)) == ["sign-in"]
    assert "wr0ng" not in str(found)


def test_a_suspended_cluster(doctor: Callable[..., Any]) -> None:
    """It is told, and stays suspended."""
    with LocalEngine() as engine:
        engine.suspend()
        code, found = doctor(engine.uri)

        assert engine.ledger.calls["resume"] == 0
    assert code == Exit.CONNECTION
    assert "suspended" in failed(found)["cluster"]
    assert "resume" in failed(found)["cluster"]


def test_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an argument nor the environment."""
    monkeypatch.delenv("E6DATA_URI", raising=False)

    assert main(["doctor"]) == Exit.USAGE
