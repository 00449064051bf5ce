"""TLS: which certificates are trusted and shown, and what trouble with them is called."""

from __future__ import annotations

import dataclasses
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
import trustme

from e6data_adbc import errors
from e6data_adbc._options.database_config import Endpoint
from e6data_adbc._options.option_values import Settings
from e6data_adbc._transport.api import RpcFailure
from e6data_adbc._transport.failures import is_sent
from e6data_adbc._transport.transport import Transport
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from e6data_adbc.options import Secret
from tests.support.fake_server import FakeServer
from tests.support.transported import error_of, prepare

OpenTransport = Callable[..., Transport]
pytestmark = pytest.mark.usefixtures("each_transport")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes]:
    """A key and a certificate for `localhost` that nobody trusts."""
    folder: Path = tmp_path_factory.mktemp("tls")
    key, crt = folder / "key.pem", folder / "crt.pem"
    command = (
        f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost"
        f" -addext subjectAltName=DNS:localhost -keyout {key} -out {crt}"
    )
    try:
        subprocess.run(command.split(), check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as cause:
        pytest.skip(f"no certificate without openssl: {cause}")
    return key.read_bytes(), crt.read_bytes()


@pytest.fixture
def tls_server(certificate: tuple[bytes, bytes]) -> Iterator[FakeServer]:
    """A server that speaks TLS."""
    with FakeServer(grpc.ssl_server_credentials([certificate])) as running:
        running.answer("prepareStatementV2", wire.PrepareStatementResponse(queryId="q-1"))
        yield running


def test_tls_with_a_trusted_certificate(
    tls_server: FakeServer, certificate: tuple[bytes, bytes], open_transport: OpenTransport
) -> None:
    """The given certificates are trusted, also for a server that is dialled by another name."""
    pem = certificate[1]
    by_name = Endpoint("localhost", tls_server.port, encrypted=True, root_certs=pem)
    by_address = Endpoint(
        "127.0.0.1", tls_server.port, encrypted=True, root_certs=pem, server_name="localhost"
    )

    assert prepare(open_transport(by_name)) == "q-1"
    if socket.gethostbyname("localhost") == "127.0.0.1":
        assert prepare(open_transport(by_address)) == "q-1"


def test_tls_trouble_is_named(
    tls_server: FakeServer,
    server: FakeServer,
    open_transport: OpenTransport,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """An untrusted certificate, TLS against plaintext and the reverse fail at once and say what to check."""
    untrusted = Endpoint("localhost", tls_server.port, encrypted=True)
    to_plain = Endpoint("127.0.0.1", server.port, encrypted=True)
    to_tls = Endpoint("localhost", tls_server.port, encrypted=False)

    for endpoint in (untrusted, to_plain):
        error = error_of(lambda end=endpoint: prepare(open_transport(end)))
        assert error.status_code == Status.IO
        assert "TLS failed" in str(error)
        assert "adbc.e6data.tls.tls_root_certs" in str(error)
    assert "may expect TLS" in str(error_of(lambda: prepare(open_transport(to_tls))))
    capfd.readouterr()  # gRPC's own words about it


def test_a_client_certificate_is_presented(open_transport: OpenTransport) -> None:
    """A server that asks who calls is shown the certificate; without one it refuses."""
    authority = trustme.CA()
    mine, theirs = authority.issue_cert("me@example.com"), authority.issue_cert("localhost")
    roots = authority.cert_pem.bytes()
    pair = (theirs.private_key_pem.bytes(), theirs.cert_chain_pems[0].bytes())
    credentials = grpc.ssl_server_credentials([pair], roots, require_client_auth=True)
    with FakeServer(credentials) as server:
        server.answer("prepareStatementV2", wire.PrepareStatementResponse(queryId="q-1"))
        known = Endpoint(
            "localhost",
            server.port,
            encrypted=True,
            root_certs=roots,
            client_cert=mine.cert_chain_pems[0].bytes(),
            client_key=Secret(mine.private_key_pem.bytes().decode()),
        )
        unknown = dataclasses.replace(known, client_cert=None, client_key=None)

        assert prepare(open_transport(known)) == "q-1"
        assert error_of(lambda: prepare(open_transport(unknown))).status_code == Status.IO


def test_trouble_that_stays_is_not_worth_another_try(
    server: FakeServer, open_transport: OpenTransport, capfd: pytest.CaptureFixture[str]
) -> None:
    """TLS against plaintext fails in the same way each time; a refused connection may not."""
    to_plain = Endpoint("127.0.0.1", server.port, encrypted=True)
    refused = Endpoint("127.0.0.1", 1, encrypted=False)
    found = []
    for endpoint in (to_plain, refused):
        cause = error_of(lambda end=endpoint: prepare(open_transport(end))).__cause__
        assert isinstance(cause, RpcFailure)
        found.append((is_sent(cause), cause.is_final))

    assert found == [(False, True), (False, False)]
    capfd.readouterr()  # gRPC's own words about it


def test_certificates_must_be_pem() -> None:
    """A wrong file is told when the database is opened, not as a failed connection."""
    endpoint = Endpoint("localhost", 1, encrypted=True, root_certs=b"nonsense")

    with pytest.raises(errors.ProgrammingError, match="tls_root_certs"):
        Transport(endpoint, Settings().rpc)


@pytest.mark.parametrize(
    "head", ["-----BEGIN ENCRYPTED PRIVATE KEY-----", "Proc-Type: 4,ENCRYPTED"], ids=["new", "old"]
)
def test_a_key_with_a_password_is_named(open_transport: OpenTransport, head: str) -> None:
    """There is no option for the password; the error says what to do."""
    mine = trustme.CA().issue_cert("me")
    endpoint = Endpoint(
        "localhost",
        1,
        encrypted=True,
        client_cert=mine.cert_chain_pems[0].bytes(),
        client_key=Secret(f"{head}\ncanary\n"),
    )
    error = error_of(lambda: prepare(open_transport(endpoint)))
    assert error.status_code == Status.INVALID_ARGUMENT
    assert "encrypted with a password" in str(error)
    assert "canary" not in str(error)
