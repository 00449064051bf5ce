"""The transport that nobody chose: which it is, what it does not load, and what it takes from a setup for gRPC."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import grpc
import pytest
import trustme

from e6data_adbc import errors
from e6data_adbc._options.database_config import Endpoint
from e6data_adbc._options.option_values import Settings
from e6data_adbc._transport import methods
from e6data_adbc._transport.scope import Scope
from e6data_adbc._transport.transport import Transport
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.options import TransportKind
from tests.support import transports
from tests.support.calls import call_of
from tests.support.fake_server import FakeServer

VARIABLE = "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"

QUERY = """
import sys
import e6data_adbc

with e6data_adbc.connect(sys.argv[1]) as connection, connection.cursor() as cursor:
    assert cursor.execute("select 42 as n").fetchall() == [(42,)]
    assert connection.adbc_get_info()
print("grpc" in sys.modules)
"""


@pytest.mark.parametrize(
    ("chosen", "loads_grpc"), [({}, False), ({"E6DATA_TRANSPORT": "grpc"}, True)]
)
def test_queries_load_no_grpc(uri: str, chosen: dict[str, str], loads_grpc: bool) -> None:
    """A process that never named a transport runs over the driver's own."""
    environment = {name: value for name, value in os.environ.items() if name != "E6DATA_TRANSPORT"}
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", QUERY, uri],
        env=environment | chosen,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert (ran.stdout, ran.stderr) == (f"{loads_grpc}\n", "")


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the native transport carry the calls; grpcio looks at its variable once in a process."""
    transports.choose(TransportKind.NATIVE, monkeypatch)


@pytest.mark.usefixtures("native")
def test_a_file_of_roots_that_grpc_is_given_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever set it up for the public connector, behind a proxy that looks into TLS, has not to do it again."""
    authority = trustme.CA()
    theirs = authority.issue_cert("localhost")
    pair = (theirs.private_key_pem.bytes(), theirs.cert_chain_pems[0].bytes())
    roots = tmp_path / "roots.pem"
    roots.write_bytes(b"# Tan\xc3\xba: of another encoding\n" + authority.cert_pem.bytes())
    monkeypatch.setenv(VARIABLE, str(roots))
    with FakeServer(grpc.ssl_server_credentials([pair])) as server:
        server.answer("prepareStatementV2", wire.PrepareStatementResponse(queryId="q-1"))
        transport = Transport(Endpoint("localhost", server.port, encrypted=True), Settings().rpc)
        scope = Scope(Settings())
        try:
            assert transport.call(call_of(methods.PREPARE_V2, scope), scope).queryId == "q-1"
        finally:
            transport.close()


@pytest.mark.usefixtures("native")
@pytest.mark.parametrize("content", [None, b"nonsense"])
def test_such_a_file_that_cannot_be_used_is_told_at_once(
    content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the name of the variable; and only where there is TLS."""
    roots = tmp_path / "roots.pem"
    if content is not None:
        roots.write_bytes(content)
    monkeypatch.setenv(VARIABLE, str(roots))

    with pytest.raises(errors.ProgrammingError, match=VARIABLE):
        Transport(Endpoint("localhost", 1, encrypted=True), Settings().rpc)
    Transport(Endpoint("localhost", 1, encrypted=False), Settings().rpc).close()
