"""`e6data-adbc doctor`: each step says what is wrong with it."""

from __future__ import annotations

import contextlib
import datetime
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from e6data_adbc import cluster, errors
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
    "HTTP/2",
    "sign-in",
    "colour",
    "cluster",
    "SELECT 1",
    "versions",
]


@pytest.fixture
def doctor(
    capfd: pytest.CaptureFixture[str],
) -> Callable[..., tuple[int, dict[str, tuple[str, str]]]]:
    """Runs the command; returns its exit code, and word and text of each step."""

    def run(uri: str, *words: str) -> tuple[int, dict[str, tuple[str, str]]]:
        code = main(["doctor", uri, *words])
        lines = capfd.readouterr().out.splitlines()
        found = {line[6:15].rstrip(): (line[:4].rstrip(), line[17:]) for line in lines}
        assert list(found) == STEPS
        return code, found

    return run


def failed(found: dict[str, tuple[str, str]]) -> dict[str, str]:
    """The texts of the steps that failed."""
    return {name: text for name, (word, text) in found.items() if word == "FAIL"}


@contextlib.contextmanager
def answering(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Host and port of a server that does *answer* with its connection, and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connected, _ = server.accept()
            with connected:
                answer(connected)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        thread.join()


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


OLD = {
    "cluster.status": {},
    "getNextResultBatchV2": {},
    "prepareStatementV2": {"SELECT 1": "could not prepare the statement"},
    "executeStatementV2": {"SELECT 1": "could not execute query"},
    "authenticate": {"SELECT 1": "could not sign in"},
}


@pytest.mark.parametrize("method", OLD)
def test_an_older_server(doctor: Callable[..., Any], method: str) -> None:
    """What the driver does without is no failure; of what it needs the line says that the server lacks it."""
    with LocalEngine() as engine:
        engine.faults.fail(method, times=None, code="UNIMPLEMENTED", details="Method not found")
        code, found = doctor(engine.uri)

    assert code == (Exit.QUERY if OLD[method] else Exit.OK)
    assert list(failed(found)) == list(OLD[method])
    assert found["sign-in"][0] == ("-" if method == "authenticate" else "ok")
    for step, text in OLD[method].items():
        assert found[step][1].startswith(text)
        assert "the server has no such call: it is older than this driver" in found[step][1]


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
    assert ("user and password" in failed(found)["TCP"]) == status.startswith("407")


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
    assert failed(found)["TCP"].startswith(f"could not connect to the proxy {address}")
    assert "https_proxy" in failed(found)["TCP"]


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
    assert "tls_server_name" in failed(misnamed)["TLS"]


def shaken(
    doctor: Callable[..., Any], folder: Path, **issued: datetime.datetime
) -> tuple[Any, Any]:
    """Returns what the doctor says of a server that agrees on TLS, without h2, and closes.

    Args:
        doctor: Walks to it.
        folder: For the certificate of its authority, which the doctor trusts.
        issued: When the server's own is valid.
    """
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", **issued).configure_cert(context)

    def shake(connected: socket.socket) -> None:
        with contextlib.suppress(OSError):
            context.wrap_socket(connected, server_side=True).close()

    with answering(shake) as target:
        root = folder / "authority.pem"
        return doctor(f"e6data://u:t@{target}?tls=require&tls_root_certs={root}")


def test_a_certificate_of_the_past(doctor: Callable[..., Any], tmp_path: Path) -> None:
    """Its day has passed, which no authority's certificates mend."""
    past = datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc)
    issued = {"not_before": past, "not_after": past.replace(month=2)}

    code, found = shaken(doctor, tmp_path, **issued)

    assert code == Exit.CONNECTION
    assert list(failed(found)) == ["TLS"]
    assert "expired" in failed(found)["TLS"]
    assert "clock" in failed(found)["TLS"]
    assert "tls_root_certs" not in failed(found)["TLS"]


def test_tls_without_http2(doctor: Callable[..., Any], tmp_path: Path) -> None:
    """A server of TLS that offers no h2 is told at that step, not at the first call."""
    code, found = shaken(doctor, tmp_path)

    assert code == Exit.CONNECTION
    assert list(failed(found)) == ["TLS"]
    assert "ALPN" in failed(found)["TLS"]


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "a web server answers, by HTTP/1"),
        (b"<html>no such page</html>", "a web server answers, by HTTP/1"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "the server expects TLS"),
        (b"220 mail.example ESMTP\r\n", "the server speaks something else"),
        (b"", "the server closed the connection"),
    ],
)
def test_who_is_no_engine(doctor: Callable[..., Any], answer: bytes, cause: str) -> None:
    """One line says what the server is, and no call is made."""

    def say(connected: socket.socket) -> None:
        connected.recv(4096)
        connected.sendall(answer)

    with answering(say) as target:
        code, found = doctor(f"e6data://u:t@{target}?tls=disable")

    assert code == Exit.CONNECTION
    assert list(failed(found)) == ["HTTP/2"]
    assert f"could not agree on HTTP/2: {cause}" in failed(found)["HTTP/2"]


@pytest.mark.parametrize(("tls", "step"), [("disable", "HTTP/2"), ("require", "TLS")])
def test_who_says_nothing(doctor: Callable[..., Any], tls: str, step: str) -> None:
    """A port that accepts and is silent ends with the step's time limit."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"e6data://u:t@127.0.0.1:{silent.getsockname()[1]}?tls={tls}"
        code, found = doctor(uri, "--timeout", "0.2")

    assert code == Exit.CONNECTION
    assert list(failed(found)) == [step]
    assert "within 0.2 s" in failed(found)[step]


def test_a_proxy_that_says_nothing(
    doctor: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the proxy that did not answer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("grpc_proxy", f"http://127.0.0.1:{silent.getsockname()[1]}")
        for name in ("no_grpc_proxy", "no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        code, found = doctor("e6data://u:t@engine.invalid:443", "--timeout", "0.2")

    assert code == Exit.CONNECTION
    assert "through the proxy: it did not answer within 0.2 s" in failed(found)["TCP"]


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

        assert engine.ledger.calls["cluster.resume"] == 0
    assert code == Exit.CONNECTION
    assert list(failed(found)) == ["cluster"]
    assert "suspended" in failed(found)["cluster"]
    assert "`e6data-adbc cluster resume` wakes it up" in failed(found)["cluster"]


def test_a_cluster_that_failed(doctor: Callable[..., Any]) -> None:
    """No query wakes it up, and the line does not say so."""
    with LocalEngine() as engine:
        engine.suspend(states=("failed",))
        with pytest.raises(errors.Error):
            cluster.resume(engine.uri)
        code, found = doctor(engine.uri)

    assert code == Exit.CONNECTION
    assert failed(found)["cluster"].startswith("could not find the cluster active: it is failed")
    assert "a query does" not in failed(found)["cluster"]


def test_nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither an argument nor the environment."""
    monkeypatch.delenv("E6DATA_URI", raising=False)

    assert main(["doctor"]) == Exit.USAGE
