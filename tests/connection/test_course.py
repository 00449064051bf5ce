"""Long results whose usual responses come without Python: what everybody sees is what they see with it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import e6data_adbc
from e6data_adbc import errors
from e6data_adbc._driver.query.query import Query
from e6data_adbc._transport.observer import Observer
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine, When
from tests.support.scripted import ScriptedEngine, chunk, error_of, v1, v2
from tests.support.waiting import Background, eventually

ROWS = 20_000
MANY = f"select * from range({ROWS}) t(n)"
FETCHES = {"v1": "getNextResultBatch", "v2": "getNextResultBatchV2"}

QUERY_ID = "adbc.e6data.statement.query_id"

protocols = pytest.mark.parametrize("protocol", FETCHES)


@pytest.fixture
def engine() -> Iterator[LocalEngine]:
    """An engine of this test's own, with small chunks."""
    with LocalEngine(chunk_rows=100) as running:
        yield running


@pytest.fixture
def scripted() -> Iterator[ScriptedEngine]:
    """A server whose every answer the test decides."""
    with ScriptedEngine() as running:
        yield running


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Returns how often Python was asked for a response by now."""
    calls: list[None] = []
    ask = Query.next_response

    def asked(query: Query) -> Any:
        calls.append(None)
        return ask(query)

    monkeypatch.setattr(Query, "next_response", asked)
    return lambda: len(calls)


def read(uri: str, sql: str = MANY, **options: Any) -> list[int]:
    """Returns the values of the first column."""
    with e6data_adbc.connect(uri, **options) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        values: list[int] = cursor.fetch_arrow_table().column(0).to_pylist()
        return values


@protocols
def test_usual_responses_come_without_python(
    engine: LocalEngine, native: None, entered: Callable[[], int], protocol: str
) -> None:
    """Python is asked for the first response and for the end, and not for those between."""
    assert read(f"{engine.uri}?result_protocol={protocol}") == list(range(ROWS))
    responses = engine.ledger.calls[FETCHES[protocol]]
    assert responses >= 20
    assert entered() <= 4
    assert engine.ledger.open_queries == []


def test_tokens_do_not_need_python_each_time(native: None, entered: Callable[[], int]) -> None:
    """A token is asked for again now and then, and not with each call."""
    with LocalEngine(bearer="b-1", chunk_rows=100) as engine:
        uri = f"e6data://{engine.target}?result_protocol=v1"
        assert read(uri, token_provider=lambda: ("b-1", 900)) == list(range(ROWS))
        assert entered() < engine.ledger.calls["getNextResultBatch"] / 2


def test_a_token_that_is_refused_in_the_midst_is_replaced(native: None) -> None:
    """The server refuses it before it advances: another one, and no row is lost."""
    given: list[str] = []

    def provide() -> str:
        given.append(f"b-{len(given)}")
        return given[-1]

    with LocalEngine(bearer_check=lambda token: token in given, chunk_rows=100) as engine:
        engine.faults.fail("getNextResultBatch", after=50, code="UNAUTHENTICATED", details="denied")
        uri = f"e6data://{engine.target}?result_protocol=v1"
        assert read(uri, token_provider=provide) == list(range(ROWS))
        assert given == ["b-0", "b-1"]


def test_a_signer_sees_each_call(engine: LocalEngine, native: None) -> None:
    """What the user signs may tell the time: nothing is sent twice."""
    paths: list[str] = []

    def sign(path: str) -> dict[str, str]:
        paths.append(path)
        return {"x-number": str(len(paths))}

    assert read(f"{engine.uri}?result_protocol=v1", request_signer=sign) == list(range(ROWS))
    fetches = sum(path.endswith("/getNextResultBatch") for path in paths)
    assert fetches >= engine.ledger.calls["getNextResultBatch"]


@protocols
@pytest.mark.usefixtures("each_transport")
def test_a_failure_says_what_had_come(engine: LocalEngine, protocol: str) -> None:
    """The error of a result that broke off is that of each transport, with the responses before it."""
    engine.faults.fail(FETCHES[protocol], after=9, code="UNAVAILABLE", details="gone")
    with (
        e6data_adbc.connect(f"{engine.uri}?result_protocol={protocol}") as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(MANY)
        error = error_of(cursor.fetch_arrow_table)

        assert error.status_code == Status.IO
        assert "the result is incomplete: 9 responses had come" in str(error)
        assert f"fetch response 10 of query {cursor.adbc_statement.get_option(QUERY_ID)!r}" in str(
            error
        )
        assert errors.detail(error, errors.RPC) == FETCHES[protocol]
        stats = connection.adbc_connection.get_option("adbc.e6data.connection.stats")
        assert '"results_incomplete": 1' in stats
    assert engine.ledger.open_queries == []


def test_the_users_trace_goes_with_each_call(
    native: None, entered: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without OpenTelemetry the parent that the option names is sent, and no call needs Python for it."""
    parent = f"00-{'1' * 32}-{'2' * 16}-01"
    monkeypatch.setattr("e6data_adbc._driver.database.make_observer", lambda *_: Observer())
    with ScriptedEngine() as scripted:
        scripted.answer("getNextResultBatch", *[v1(chunk(1))] * 12, v1())
        conn_kwargs = {"adbc.telemetry.trace_parent": parent}
        assert len(read(scripted.uri + "?result_protocol=v1", conn_kwargs=conn_kwargs)) == 12
        fetches = [call for call in scripted.received if call.method == "getNextResultBatch"]
        assert [call.headers.get("traceparent") for call in fetches] == [parent] * 13
        assert entered() <= 4


@pytest.mark.usefixtures("each_transport")
def test_a_broken_response_is_a_broken_result(scripted: ScriptedEngine) -> None:
    """Bytes that are no response, and a chunk that is none, are told in the same words."""
    for broken in (b"\xff\xff", v1(b"\x80\x01garbage")):
        scripted.answer("getNextResultBatch", *[v1(chunk(3))] * 5, broken, v1())
        error = error_of(lambda: read(scripted.uri + "?result_protocol=v1"))
        assert error.status_code == Status.INVALID_DATA


@pytest.mark.usefixtures("each_transport")
def test_a_session_that_moves_in_the_midst_is_followed(scripted: ScriptedEngine) -> None:
    """Each call carries the session that the last response named."""
    answers = [v1(chunk(1), session_id=f"s-{1 + number // 4}") for number in range(12)]
    scripted.answer("getNextResultBatch", *answers, v1())

    assert len(read(scripted.uri + "?result_protocol=v1")) == 12
    sent = [
        wire.GetNextResultBatchRequest.FromString(call.request).sessionId
        for call in scripted.received
        if call.method == "getNextResultBatch"
    ]
    assert sent == ["s-1"] * 5 + ["s-2"] * 4 + ["s-3"] * 4
    cleared = wire.ClearOrCancelQueryRequest.FromString(scripted.received[-1].request)
    assert cleared.sessionId == "s-3"


@pytest.mark.usefixtures("each_transport")
def test_a_colour_that_is_announced_in_the_midst_is_noted(scripted: ScriptedEngine) -> None:
    """As it is from any other response."""
    usual, announcing = v1(chunk(1)), v1(chunk(1), new_strategy="green")
    scripted.answer("getNextResultBatch", *[usual] * 4, *[announcing] * 4, *[usual] * 4, v1())
    uri = scripted.uri + "?result_protocol=v1"
    with e6data_adbc.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute("select n from t")
        assert cursor.fetch_arrow_table().num_rows == 12
        stats = connection.adbc_connection.get_option("adbc.e6data.connection.stats")
        assert '"announcements": 1' in stats
        assert '"announced": "green"' in stats


@pytest.mark.usefixtures("each_transport")
def test_v2_waits_where_there_is_nothing_yet(scripted: ScriptedEngine) -> None:
    """A response without chunks is none: it is asked again, in the midst and at the end."""
    scripted.answer(
        "getNextResultBatchV2",
        *[v2(chunk(1))] * 4,
        *[v2()] * 3,
        *[v2(chunk(1), chunk(1))] * 4,
        v2(),
        v2(chunk(2), end=True),
    )
    assert len(read(scripted.uri + "?result_protocol=v2")) == 14


@protocols
@pytest.mark.usefixtures("each_transport")
def test_cancelling_ends_the_call_under_way(engine: LocalEngine, protocol: str) -> None:
    """The reader is told at once, the query is cleared, and the connection goes on."""
    gate = threading.Event()
    stuck = engine.faults.delay(FETCHES[protocol], gate=gate, after=20)
    with e6data_adbc.connect(f"{engine.uri}?result_protocol={protocol}") as connection:
        with connection.cursor() as cursor:
            cursor.execute(MANY)
            reading = Background(cursor.fetch_arrow_table)
            assert stuck.reached.wait(30)
            cursor.adbc_cancel()
            with pytest.raises(errors.OperationalError) as caught:
                reading.outcome(30)
            assert getattr(caught.value, "status_code", None) == Status.CANCELLED
        gate.set()
        with connection.cursor() as cursor:
            cursor.execute("select 42")
            assert cursor.fetchone() == (42,)
    eventually(lambda: engine.ledger.open_queries == [], 30)


@pytest.mark.usefixtures("each_transport")
def test_a_reader_that_goes_away_leaves_nothing(engine: LocalEngine) -> None:
    """Closing in the midst clears the query, and nothing is asked after it."""
    uri = f"{engine.uri}?result_protocol=v1&queue_bytes=4096"
    with e6data_adbc.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(MANY)
        reader = cursor.fetch_record_batch()
        for _ in range(3):
            reader.read_next_batch()
        reader.close()
    eventually(lambda: engine.ledger.open_queries == [], 30)
    assert engine.ledger.last.rows < ROWS


@pytest.mark.usefixtures("each_transport")
def test_a_limit_holds_for_each_call(engine: LocalEngine) -> None:
    """A fetch that takes longer than the option says is a TIMEOUT, wherever in the result."""
    gate = threading.Event()
    engine.faults.delay("getNextResultBatch", gate=gate, after=10, when=When.BEFORE)
    uri = f"{engine.uri}?result_protocol=v1&fetch_timeout_seconds=1"
    try:
        error = error_of(lambda: read(uri))
    finally:
        gate.set()
    assert error.status_code == Status.TIMEOUT
    assert "10 responses had come" in str(error)


@protocols
def test_several_results_share_the_connection(
    engine: LocalEngine, native: None, protocol: str
) -> None:
    """A reader that has stopped in the midst of one result keeps no other from being read."""
    uri = f"{engine.uri}?result_protocol={protocol}&queue_bytes=4096"
    with e6data_adbc.connect(uri) as connection:
        slow, quick = connection.cursor(), connection.cursor()
        with slow, quick:
            slow.execute(MANY)
            stopped = slow.fetch_record_batch()
            count = stopped.read_next_batch().num_rows
            for _ in range(3):
                quick.execute(MANY)
                assert quick.fetch_arrow_table().num_rows == ROWS
            assert count + sum(batch.num_rows for batch in stopped) == ROWS
