"""The engine as a server: who can reach it, what it tells about itself, how it ends."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
import trustme

import e6data_adbc
from e6data_adbc.local import LocalEngine
from tests.local.wire import Query, Wire, refused

pytestmark = pytest.mark.seconds


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def mutual(
    authority: trustme.CA, make_engine: Callable[..., LocalEngine], tmp_path: Path
) -> LocalEngine:
    """An engine that serves only clients with a certificate of *authority*."""
    certificate = authority.issue_cert("127.0.0.1")
    trusted, chain, key = (tmp_path / name for name in ("ca.pem", "chain.pem", "key.pem"))
    authority.cert_pem.write_to_path(trusted)
    chain.write_bytes(b"".join(pem.bytes() for pem in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(key)
    return make_engine(tls_certificate=chain, tls_key=key, tls_client_authorities=trusted)


def health(engine: LocalEngine, authority: trustme.CA, client: trustme.LeafCert | None) -> str:
    """The code of a call by somebody with the certificate *client*."""
    key = chain = None
    if client is not None:
        key, chain = client.private_key_pem.bytes(), client.cert_chain_pems[0].bytes()
    trusted = authority.cert_pem.bytes()
    credentials = grpc.ssl_channel_credentials(trusted, key, chain)
    with grpc.secure_channel(engine.target, credentials) as channel:
        send = channel.unary_unary("/QueryEngineService/healthCheck")
        error = send.future(b"", timeout=60).exception()
    return "OK" if error is None else str(error.code().name)


def test_a_client_needs_its_certificate(mutual: LocalEngine, authority: trustme.CA) -> None:
    """With client authorities only a client with a certificate of one of them gets through."""
    assert health(mutual, authority, authority.issue_cert("client")) == "OK"
    assert health(mutual, authority, None) == "UNAVAILABLE"
    assert health(mutual, authority, trustme.CA().issue_cert("client")) == "UNAVAILABLE"


def test_client_authorities_need_tls(tmp_path: Path) -> None:
    """They are refused where nobody could show a certificate."""
    with pytest.raises(e6data_adbc.ProgrammingError, match="needs tls_certificate"):
        LocalEngine(tls_client_authorities=tmp_path / "ca.pem")


def test_others_tell_who_they_are(make_wire: Callable[..., Wire]) -> None:
    """Beyond loopback every call that tells something needs credentials, that without a session too."""
    wire = make_wire(host="0.0.0.0", listen_anywhere=True, bearer="b-1")

    assert refused(wire.start("getCataloges")) == ("INTERNAL", "Access denied")
    assert refused(wire.start("getSchemaNamesV2")) == ("INTERNAL", "Access denied")
    wire.call("healthCheck")
    assert wire.call("getCataloges", headers={"authorization": "Bearer b-1"}).catalogResponses
    assert wire.select("select 1 as one").num_rows == 1


@pytest.fixture
def logged(make_wire: Callable[..., Wire], tmp_path: Path) -> tuple[Wire, Any]:
    """A client, and what reads the lines of the log."""
    file = tmp_path / "calls.jsonl"
    return (
        make_wire(log=file),
        lambda: [json.loads(line) for line in file.read_text().splitlines()],
    )


def test_calls_are_logged(logged: tuple[Wire, Any]) -> None:
    """Each call is one line of JSON with path, code, time and query; no statement, no token, no session."""
    wire, lines = logged
    query = wire.run("select 'hush' as v")
    query.read()
    query.clear()
    refused(wire.start("status"))
    wire.engine.stop()

    told = lines()
    assert [line["method"].rpartition("/")[2] for line in told] == [
        *("authenticate", "prepareStatementV2", "executeStatementV2", "getResultMetadata"),
        *("getNextResultBatch", "getNextResultBatch", "clearOrCancelQuery", "status"),
    ]
    assert [line["code"] for line in told] == ["OK"] * 7 + ["INTERNAL"]
    assert told[2]["query"] == query.query_id
    assert told[0]["user"] == wire.engine.user
    assert all(line["milliseconds"] >= 0 and line["peer"] for line in told)
    text = json.dumps(told)
    assert not any(secret in text for secret in ("hush", wire.engine.token, wire.session_id))


def test_counters(make_wire: Callable[..., Wire]) -> None:
    """The metrics count calls, answers and their bytes, refusals by code, and what became of queries."""
    wire = make_wire(chunk_rows=100)
    wire.select("select range from range(1000)")
    wire.run("select 1")
    refused(wire.start("status"))

    told = wire.engine.ledger.metrics()

    assert told["queries"] == told["queries_executed"] == 2
    assert (told["queries_open"], told["rows"], told["chunks"]) == (1, 1000, 10)
    assert told["refused.INTERNAL"] == 1
    assert told["calls.prepareStatementV2"] == 2
    assert told["calls"] == told["answers"] + 1
    assert told["answered_bytes"] > 8000


def test_a_graceful_stop_lets_queries_end(make_wire: Callable[..., Wire]) -> None:
    """While it waits, the engine refuses what is new and answers calls about queries; it ends with the last of them."""
    wire = make_wire(chunk_rows=100)
    query = wire.run("select range as n from range(5000)")
    query.fetch()
    stopping = threading.Thread(target=wire.engine.stop, args=(30,))
    stopping.start()
    # A query that was prepared just before the stop began is cleared, and the next one tried.
    session = {"sessionId": wire.session_id, "queryString": "select 1", "catalog": "sample"}
    while (error := (early := wire.start("prepareStatementV2", **session)).exception()) is None:
        Query(wire, early.result()).clear()

    assert (error.code().name, error.details()) == ("UNAVAILABLE", "the engine is stopping")
    assert sum(1 for _ in query.chunks()) == 49
    assert stopping.is_alive()
    query.clear()
    stopping.join(20)
    assert not stopping.is_alive()


def test_waiting_ends_with_the_grace(make_wire: Callable[..., Wire]) -> None:
    """A query that nobody clears does not hold the engine longer."""
    wire = make_wire()
    wire.run("select 1")

    wire.engine.stop(0.05)

    assert wire.engine.ledger.last.dropped
