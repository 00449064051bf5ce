"""The driver behind nginx (`grpc_pass`) and HAProxy: what they pass on, cut off, and say in their own words."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import trustme

import e6data_adbc
from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine
from tests.support.gateways import GATEWAYS, Gateway, HAProxy, Nginx
from tests.support.scripted import error_of
from tests.support.waiting import eventually

pytestmark = pytest.mark.seconds

ROWS = 100_000
MANY = f"select n, n * 2 as m, 'text ' || n as s from range({ROWS}) t(n)"
#: Seconds after which what does not happen is a fault.
PATIENCE = 60.0

Open = Callable[..., Gateway]


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    """An engine for all tests here."""
    with LocalEngine(chunk_rows=5000) as running:
        yield running


@pytest.fixture(params=GATEWAYS, ids=lambda kind: kind.program)
def kind(request: pytest.FixtureRequest) -> type[Gateway]:
    """Each proxy that is installed."""
    chosen: type[Gateway] = request.param
    return _installed(chosen)


def _installed(kind: type[Gateway]) -> type[Gateway]:
    if not kind.is_installed():
        pytest.skip(f"{kind.program} is not installed (apt-get install --no-install-recommends)")
    return kind


@pytest.fixture
def front(engine: LocalEngine, tmp_path: Path) -> Iterator[Open]:
    """Starts proxies in front of the engine, and ends them."""
    running: list[Gateway] = []

    def start(kind: type[Gateway], **settings: str) -> Gateway:
        folder = tmp_path / f"{kind.program}-{len(running)}"
        folder.mkdir()
        running.append(kind(engine.target, folder, **settings))
        running[-1].__enter__()
        return running[-1]

    yield start
    for gateway in running:
        gateway.__exit__()


def _ask(connection: Any, sql: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetch_arrow_table()


@pytest.mark.usefixtures("each_transport")
@pytest.mark.parametrize("protocol", ["v1", "v2"])
def test_large_results_come_whole(
    engine: LocalEngine, kind: type[Gateway], front: Open, protocol: str
) -> None:
    """Their frames are of 4 and of 16 KiB, whatever the client would take."""
    gateway = front(kind)
    uri = f"{gateway.uri_of(engine.uri)}?result_protocol={protocol}"
    with e6data_adbc.connect(uri) as through, e6data_adbc.connect(engine.uri) as directly:
        table = _ask(through, MANY)
        assert table.num_rows == ROWS
        assert table == _ask(directly, MANY)


@pytest.mark.usefixtures("each_transport")
def test_errors_without_a_body_keep_their_words(
    engine: LocalEngine, kind: type[Gateway], front: Open
) -> None:
    """A refused statement is the same error with and without the proxy."""
    gateway = front(kind)
    with (
        e6data_adbc.connect(gateway.uri_of(engine.uri)) as through,
        e6data_adbc.connect(engine.uri) as directly,
    ):
        found, known = (
            error_of(lambda one=one: _ask(one, "select no_such_column from range(3) t(n)"))
            for one in (through, directly)
        )
        assert type(found) is type(known)
        assert (found.status_code, found.sqlstate) == (known.status_code, known.sqlstate)
        assert "no_such_column" in str(found)
        assert _ask(through, "select 42").column(0).to_pylist() == [42]


@pytest.mark.usefixtures("each_transport")
def test_errors_that_nginx_finds_too_long_are_its_own(engine: LocalEngine, front: Open) -> None:
    """It answers 502 to a status of more than about 4 KiB: the error says who spoke, and the connection goes on."""
    gateway = front(_installed(Nginx))
    with e6data_adbc.connect(f"{gateway.uri_of(engine.uri)}?total_timeout_seconds=20") as through:
        engine.faults.fail("prepareStatement", code="INTERNAL", details="x" * 8000, times=None)
        engine.faults.fail("prepareStatementV2", code="INTERNAL", details="x" * 8000, times=None)
        try:
            error = error_of(lambda: _ask(through, "select 1"))
        finally:
            engine.faults.clear()
        assert error.status_code in (Status.IO, Status.TIMEOUT)
        assert "answered HTTP 502" in str(error)
        assert _ask(through, "select 42").column(0).to_pylist() == [42]


@pytest.mark.usefixtures("each_transport")
def test_a_request_that_nginx_finds_too_large_is_refused(engine: LocalEngine, front: Open) -> None:
    """It answers 413 to more than a megabyte."""
    gateway = front(_installed(Nginx))
    with e6data_adbc.connect(gateway.uri_of(engine.uri)) as through:
        error = error_of(lambda: _ask(through, f"select '{'x' * 1_200_000}'"))
        assert error.status_code == Status.INVALID_ARGUMENT
        assert "too large" in str(error)
        assert _ask(through, "select 42").column(0).to_pylist() == [42]


@pytest.mark.usefixtures("each_transport")
def test_a_header_that_ends_connections_is_not_sent(
    engine: LocalEngine, kind: type[Gateway], front: Open
) -> None:
    """A token of 9 KB would end every other call on the connection: it is refused here, with its size."""
    gateway = front(kind)
    uri = gateway.uri_of(engine.uri)
    with e6data_adbc.connect(
        f"e6data://{gateway.address}", token_provider=lambda: "x" * 9000
    ) as fat:
        error = error_of(lambda: _ask(fat, "select 1"))
        assert error.status_code == Status.INVALID_ARGUMENT
    with e6data_adbc.connect(uri) as connection:
        assert _ask(connection, "select 42").column(0).to_pylist() == [42]


@pytest.mark.usefixtures("each_transport")
def test_an_idle_connection_that_the_proxy_closed_is_no_fault(
    engine: LocalEngine, kind: type[Gateway], front: Open
) -> None:
    """The next query has another one, and nobody is told."""
    gateway = front(kind, nginx="keepalive_timeout 1s;", idle="1s")
    with e6data_adbc.connect(gateway.uri_of(engine.uri)) as connection:
        for number in range(2):
            assert _ask(connection, f"select {number}").column(0).to_pylist() == [number]
            eventually(lambda: not gateway.has_connections(), PATIENCE)
        assert _ask(connection, "select 42").column(0).to_pylist() == [42]


@pytest.mark.usefixtures("each_transport")
def test_restarts_under_load_lose_no_row_in_silence(
    engine: LocalEngine, kind: type[Gateway], front: Open
) -> None:
    """What is under way comes whole, or is an error that says so; what comes next finds the new process.

    A fetch that meets a GOAWAY is not sent again: proxies write one below calls that they passed on.
    """
    gateway = front(kind)
    ending = threading.Event()
    counts = [0] * 3
    broken: list[int] = []

    def load(number: int) -> None:
        with e6data_adbc.connect(gateway.uri_of(engine.uri)) as connection:
            while not ending.is_set():
                try:
                    rows = _ask(connection, MANY).num_rows
                except errors.OperationalError as error:
                    broken.append(error.status_code)
                    continue
                assert rows == ROWS
                counts[number] += 1

    def waited_for_each(before: list[int]) -> bool:
        return all(now > then for now, then in zip(counts, before, strict=True))

    with ThreadPoolExecutor(3) as pool:
        loads = [pool.submit(load, number) for number in range(3)]
        try:
            for _ in range(3):
                gateway.restart()
                before = list(counts)
                eventually(
                    lambda before=before: (
                        waited_for_each(before) or any(one.done() for one in loads)
                    ),
                    PATIENCE,
                )
        finally:
            ending.set()
        for one in loads:
            one.result(PATIENCE)
    assert set(broken) <= {Status.IO}
    eventually(lambda: engine.ledger.open_queries == [], PATIENCE)


@pytest.mark.usefixtures("each_transport")
def test_few_streams_are_shared(engine: LocalEngine, kind: type[Gateway], front: Open) -> None:
    """More queries at a time than the proxy takes streams: each has its turn."""
    gateway = front(
        kind,
        nginx="http2_max_concurrent_streams 2;",
        haproxy="tune.h2.max-concurrent-streams 2",
    )
    with (
        e6data_adbc.connect(gateway.uri_of(engine.uri)) as connection,
        ThreadPoolExecutor(6) as pool,
    ):
        counts = pool.map(lambda _: _ask(connection, MANY).num_rows, range(6))
        assert list(counts) == [ROWS] * 6


@pytest.mark.usefixtures("each_transport")
def test_small_windows_only_cost_time(engine: LocalEngine, front: Open) -> None:
    """HAProxy lets a request of any size in, through a window of 16 KiB and frames of as much."""
    gateway = front(
        _installed(HAProxy),
        haproxy="tune.h2.initial-window-size 16384\ntune.h2.max-frame-size 16384",
    )
    with e6data_adbc.connect(gateway.uri_of(engine.uri)) as connection:
        text = "x" * 500_000
        assert _ask(connection, f"select '{text}' as t").column(0).to_pylist() == [text]


@pytest.mark.usefixtures("each_transport")
def test_client_certificates(
    engine: LocalEngine, kind: type[Gateway], front: Open, tmp_path: Path
) -> None:
    """A proxy that asks for one takes that of its authority, and nobody without."""
    authority, other = (trustme.CA(key_type=trustme.KeyType.ECDSA) for _ in range(2))
    root = tmp_path / "root.pem"
    authority.cert_pem.write_to_path(str(root))
    server = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA)
    chain, key, both = (tmp_path / name for name in ("chain.pem", "key.pem", "both.pem"))
    server.cert_chain_pems[0].write_to_path(str(chain))
    server.private_key_pem.write_to_path(str(key))
    server.private_key_and_cert_chain_pem.write_to_path(str(both))
    tls = {
        Nginx: "ssl",
        HAProxy: f"ssl crt {both} ca-file {root} verify required alpn h2",
    }[kind]
    gateway = front(
        kind,
        tls=tls,
        nginx=f"ssl_certificate {chain}; ssl_certificate_key {key};"
        f" ssl_client_certificate {root}; ssl_verify_client on;",
    )

    def connect(issuer: trustme.CA | None) -> Any:
        options = {
            "adbc.e6data.tls.tls": "require",
            "adbc.e6data.tls.tls_root_certs": str(root),
        }
        if issuer is not None:
            client = issuer.issue_cert("client.example", key_type=trustme.KeyType.ECDSA)
            options["adbc.e6data.tls.tls_client_cert"] = b"".join(
                pem.bytes() for pem in client.cert_chain_pems
            ).decode()
            options["adbc.e6data.tls.tls_client_key"] = client.private_key_pem.bytes().decode()
        return e6data_adbc.connect(gateway.uri_of(engine.uri), db_kwargs=options)

    with connect(authority) as connection:
        assert _ask(connection, "select 42").column(0).to_pylist() == [42]
    for issuer in (None, other):
        with connect(issuer) as connection:
            error = error_of(lambda one=connection: _ask(one, "select 1"))
            assert isinstance(error, errors.OperationalError), error
