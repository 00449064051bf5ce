"""A query from prepare to clear: what is sent, what is read, and that it is cleared exactly once."""

from __future__ import annotations

import dataclasses
import decimal
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pyarrow as pa
import pytest

from e6data_adbc import _native, errors
from e6data_adbc._driver.connection import Connection
from e6data_adbc._driver.results.rerun_query import RerunQuery
from e6data_adbc._transport.transport import PendingCall
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from tests.support.fake_server import fail
from tests.support.scripted import (
    DECIMAL,
    LONG,
    QUERY_ID,
    STRING,
    ScriptedEngine,
    chunk,
    error_of,
    metadata,
    rows_of,
    statement_of,
    v1,
    v2,
)

Connect = Callable[..., Connection]


@dataclasses.dataclass
class Stream:
    """What a query sees of the stream that reads it."""

    has_room: bool = True
    rows_delivered: int = 0
    batches_delivered: int = 0


STREAM: Any = Stream()
FETCHES = ("getNextResultBatch", "getNextResultBatchV2")


def test_the_calls_of_a_query(scripted_engine: ScriptedEngine, connect_scripted: Connect) -> None:
    """prepare, execute, metadata, fetch until the end, clear: each once, each about the same query."""
    result = statement_of(connect_scripted(), "  select n from t ; ").execute()
    rows = rows_of(result)
    result.close()

    assert rows == [3, 2]
    methods = [call.method for call in scripted_engine.received]
    assert methods[:3] == ["authenticate", "prepareStatementV2", "executeStatementV2"]
    # The metadata and the first rows are asked for together, and the server may take up either first.
    assert sorted(methods[3:-1]) == [*3 * ["getNextResultBatch"], "getResultMetadata"]
    assert methods[-1] == "clearOrCancelQuery"
    prepare = wire.PrepareStatementV2Request.FromString(scripted_engine.received[1].request)
    assert prepare == wire.PrepareStatementV2Request(
        sessionId="s-1", schema="s", catalog="c", queryString="select n from t"
    )
    assert "plannerip" not in scripted_engine.received[1].headers
    for call in scripted_engine.received[2:]:
        about = wire.GetResultMetadataRequest.FromString(call.request)
        assert (about.engineIP, about.sessionId, about.queryId) == ("10.0.0.1", "s-1", "q-1")
        assert (call.headers["plannerip"], call.headers["strategy"]) == ("10.0.0.1", "blue")


def test_without_a_catalog_the_older_pair_is_used(
    scripted_engine: ScriptedEngine, open_db: Callable[..., object]
) -> None:
    """prepareStatement and executeStatement go together, without a catalog."""
    database = open_db(f"e6data://me:token@127.0.0.1:{scripted_engine.port}")
    result = statement_of(database.connect({})).execute()  # type: ignore[attr-defined]
    result.close()

    methods = [call.method for call in scripted_engine.received]
    assert methods[1:3] == ["prepareStatement", "executeStatement"]


def test_the_schema_is_known_at_once(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Where the metadata say every type, nobody waits for the first fetch, which is on its way by then."""
    scripted_engine.answer(
        "getResultMetadata", metadata(("n", "LONG"), ("", "STRING"), rows=70_000)
    )
    scripted_engine.answers["getNextResultBatch"] = scripted_engine.hang
    result = statement_of(connect_scripted()).execute()

    assert result.schema.types == [pa.int64(), pa.utf8()]
    assert result.schema.field(0).metadata == {b"E6DATA:type": b"LONG"}
    assert result.announced_rows == 70_000
    assert scripted_engine.count("getNextResultBatch") <= 1
    result.close()


def test_without_prefetching_nothing_is_fetched_unasked(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """With 0 responses of prefetch the reader alone fetches."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "LONG"), rows=5))
    result = statement_of(connect_scripted(prefetch_responses=0)).execute()

    assert scripted_engine.count("getNextResultBatch") == 0
    assert rows_of(result) == [3, 2]
    result.close()


@pytest.mark.parametrize(
    ("protocol", "responses"),
    [("v1", [v1(chunk(3)), v1()]), ("v2", [v2(chunk(1), chunk(2), end=True)])],
)
def test_a_result_of_one_response_needs_no_reader(
    scripted_engine: ScriptedEngine,
    connect_scripted: Connect,
    protocol: str,
    responses: list[bytes],
) -> None:
    """It is whole, and its query is cleared, once, before anybody reads it; it can be read nevertheless."""
    method = FETCHES[protocol == "v2"]
    scripted_engine.answer("getResultMetadata", metadata(("n", "LONG"), rows=3))
    scripted_engine.answer(method, *responses)
    result = statement_of(connect_scripted(result_protocol=protocol)).execute()
    scripted_engine.wait_for("clearOrCancelQuery")

    assert result.whole is not None
    assert len(result.whole) == 1
    assert sum(rows_of(result)) == 3
    result.close()
    assert scripted_engine.count(method) == len(responses)
    assert scripted_engine.count("clearOrCancelQuery") == 1


def test_the_announced_rows_end_nothing(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """A server may announce what it has so far: what it sends after that is delivered, too."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "LONG"), rows=3))
    scripted_engine.answer("getNextResultBatch", v1(chunk(3)), v1(chunk(4)), v1(chunk(5)), v1())
    result = statement_of(connect_scripted()).execute()

    assert isinstance(result, RerunQuery)  # so it was not received whole
    assert rows_of(result) == [3, 4, 5]
    result.close()


def followed(server: ScriptedEngine, connect: Connect, *responses: object, rows: int) -> RerunQuery:
    """Returns a query that announces *rows*, whose reader has room and has read two responses."""
    server.answer("getResultMetadata", metadata(("n", "LONG"), rows=rows))
    server.answer("getNextResultBatch", *responses)  # type: ignore[arg-type]
    result = statement_of(connect()).execute()
    assert isinstance(result, RerunQuery)
    result.attach(STREAM)
    assert [result.next_response().row_count for _ in range(2)] == [3, 3]  # type: ignore[union-attr]
    return result


def test_the_next_response_is_asked_for_before_this_one_is_copied(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """While announced rows are missing, one call is under way without the reader; at the end there is none too many."""
    result = followed(scripted_engine, connect_scripted, *4 * [v1(chunk(3))], v1(), rows=12)

    scripted_engine.wait_for("getNextResultBatch", 3)
    assert rows_of(result) == [3, 3]
    result.close()
    assert scripted_engine.count("getNextResultBatch") == 5
    assert scripted_engine.count("clearOrCancelQuery") == 1


def test_a_response_that_is_asked_for_early_may_fail(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """What came before is delivered, then comes the failure of the call that was under way."""
    lost = fail(grpc.StatusCode.UNAVAILABLE, "gone")
    result = followed(scripted_engine, connect_scripted, v1(chunk(3)), v1(chunk(3)), lost, rows=12)

    error = error_of(result.next_response)
    assert "fetch response 3" in str(error)
    assert "2 responses had come" in str(error)
    result.close()
    assert scripted_engine.count("getNextResultBatch") == 3


def test_a_query_that_is_closed_leaves_no_early_call(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """The call that nobody waits for is cancelled, and the query cleared once."""
    result = followed(
        scripted_engine, connect_scripted, v1(chunk(3)), v1(chunk(3)), scripted_engine.hang, rows=12
    )
    scripted_engine.wait_for("getNextResultBatch", 3)
    result.close()

    assert scripted_engine.count("clearOrCancelQuery") == 1
    assert error_of(result.next_response).status_code == Status.CANCELLED


@pytest.mark.parametrize("reason", ["no room", "other session", "announced rows", "nobody reads"])
def test_a_response_is_not_asked_for_early(
    scripted_engine: ScriptedEngine, connect_scripted: Connect, reason: str
) -> None:
    """Not where the reader has no room, a response names another session, or the announced rows may be complete."""
    more = {"session_id": "s-2"} if reason == "other session" else {}
    rows = 9 if reason == "announced rows" else 12
    scripted_engine.answer("getResultMetadata", metadata(("n", "LONG"), rows=rows))
    asked: list[int] = []

    def reply(request: bytes, _: object) -> bytes:
        asked.append(len(seen))
        return v1(chunk(3), **more) if len(asked) <= rows // 3 else v1()

    seen: list[int] = []
    scripted_engine.answers["getNextResultBatch"] = reply
    result = statement_of(connect_scripted()).execute()
    if reason != "nobody reads":
        result.attach(dataclasses.replace(STREAM, has_room=reason != "no room"))
    while (response := result.next_response()) is not None:
        seen.append(response.row_count)
    result.close()

    assert seen == rows // 3 * [3]
    # The first is fetched with the metadata; nothing later was asked for before what it follows had been read.
    late = 3 if reason == "announced rows" else 1
    assert asked[late:] == list(range(late, rows // 3 + 1))


def test_rows_that_came_are_delivered_before_a_failure(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """The end of a small result is asked for by whoever executes it, but its failure is the reader's."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "LONG"), rows=3))
    scripted_engine.answer(
        "getNextResultBatch", v1(chunk(3)), fail(grpc.StatusCode.INTERNAL, "gone")
    )
    result = statement_of(connect_scripted()).execute()

    first = result.next_response()
    error = error_of(result.next_response)

    assert first is not None
    assert [rows for rows, _ in first.probe()] == [3]
    assert "could not fetch response 2 of query 'q-1': gone" in str(error)
    result.close()
    assert scripted_engine.count("clearOrCancelQuery") == 1


def test_a_clear_in_the_background_is_repeated_and_waited_for(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """A clear that nobody waited for is sent again like any other; closing the connection waits for its answer."""
    cleared = wire.ClearOrCancelQueryResponse()
    scripted_engine.answer("getResultMetadata", metadata(("n", "LONG"), rows=3))
    scripted_engine.answer("getNextResultBatch", v1(chunk(3)), v1())
    scripted_engine.answer("clearOrCancelQuery", fail(grpc.StatusCode.UNAVAILABLE, "busy"), cleared)
    connection = connect_scripted()
    result = statement_of(connection).execute()
    connection.close()

    assert not result.is_open
    assert scripted_engine.count("clearOrCancelQuery") == 2
    assert connection.workspace.sessions.state.counters.read()["queries_cleared"] == 1


def decimals(*values: str | None) -> bytes:
    """Returns a chunk of decimals; with nulls alone it tells no scale."""
    numbers = [None if value is None else decimal.Decimal(value) for value in values]
    if not any(numbers):
        return chunk(len(values), pa.nulls(len(values), pa.int64()))
    return chunk(0, pa.array(numbers, pa.decimal128(38, 3)), DECIMAL)


def nulls(rows: int) -> bytes:
    """Returns a chunk of nothing but nulls, of no type."""
    return _native.encode_chunk(pa.record_batch({"n": pa.nulls(rows)}), [14])


def test_the_scale_of_a_decimal_comes_from_the_rows(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Responses are fetched ahead until the scale shows, and none of them is lost or asked for twice."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "DECIMAL128")))
    scripted_engine.answer(
        "getNextResultBatch", v1(nulls(4)), v1(nulls(2)), v1(decimals("1.500")), v1(nulls(1)), v1()
    )
    result = statement_of(connect_scripted()).execute()

    assert result.schema.types == [pa.decimal128(38, 3)]
    assert scripted_engine.count("getNextResultBatch") == 3
    assert rows_of(result) == [4, 2, 1, 1]
    assert scripted_engine.count("getNextResultBatch") == 5
    result.close()


def test_a_decimal_without_any_value_ends_the_look_ahead(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """A result of nulls has a schema too, and its end is asked for once."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "DECIMAL128")))
    scripted_engine.answer("getNextResultBatch", v1(nulls(4)), v1())
    result = statement_of(connect_scripted()).execute()

    assert result.schema.types == [pa.decimal128(38, 0)]
    assert rows_of(result) == [4]
    assert scripted_engine.count("getNextResultBatch") == 2
    result.close()


def test_the_look_ahead_is_bounded(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """No more than four times `queue_bytes` are held while a scale is looked for."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "DECIMAL128")))
    scripted_engine.answer("getNextResultBatch", v1(nulls(4)))
    result = statement_of(connect_scripted(queue_bytes=2 * len(v1(nulls(4))) // 4)).execute()

    assert scripted_engine.count("getNextResultBatch") == 2
    result.close()


def test_an_empty_chunk_tells_the_scale(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """The chunk of no rows that ends a V1 result is read for its types, though it is not delivered."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "DECIMAL128")))
    scripted_engine.answer(
        "getNextResultBatch", v1(chunk(0, pa.array([], pa.decimal128(38, 5)), DECIMAL))
    )
    result = statement_of(connect_scripted()).execute()

    assert rows_of(result) == []
    assert result.schema.types[0] in {pa.decimal128(38, 5), pa.decimal128(38, 0)}
    result.close()


def test_v2_ends_with_its_flag(scripted_engine: ScriptedEngine, connect_scripted: Connect) -> None:
    """Several chunks a response; an empty chunk is not the end; the flag is."""
    scripted_engine.answer(
        "getNextResultBatchV2", v2(chunk(1), chunk(0), chunk(2)), v2(chunk(4), end=True)
    )
    result = statement_of(connect_scripted(result_protocol="v2")).execute()

    assert rows_of(result) == [1, 0, 2, 4]
    assert result.next_response() is None
    assert [scripted_engine.count(method) for method in FETCHES] == [0, 2]
    result.close()


def test_v2_waits_between_empty_responses(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Responses without chunks are asked past, not without a pause, and not delivered."""
    scripted_engine.answer("getNextResultBatchV2", v2(), v2(), v2(chunk(1)), v2(end=True))
    result = statement_of(connect_scripted(result_protocol="v2")).execute()
    begin = time.monotonic()

    assert rows_of(result) == [1]
    assert time.monotonic() - begin >= 0.03
    result.close()


def test_v2_gives_up_without_progress(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """A server that only ever has nothing yet is left when the fetch limit is over."""
    scripted_engine.answer("getNextResultBatchV2", v2())
    result = statement_of(
        connect_scripted(result_protocol="v2", fetch_timeout_seconds=0.15)
    ).execute()

    error = error_of(result.next_response)

    assert error.status_code == Status.TIMEOUT
    assert "adbc.e6data.rpc.fetch_timeout_seconds" in str(error)
    result.close()


def test_auto_falls_back_once(scripted_engine: ScriptedEngine, connect_scripted: Connect) -> None:
    """Where the server has no V2, the same query goes on with V1 and does not ask again."""
    result = statement_of(connect_scripted(result_protocol="auto")).execute()

    assert rows_of(result) == [3, 2]
    assert [scripted_engine.count(method) for method in FETCHES] == [3, 2]
    assert (
        scripted_engine.count("prepareStatementV2"),
        scripted_engine.count("executeStatementV2"),
    ) == (1, 1)
    result.close()


def test_v2_alone_does_not_fall_back(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Who asks for V2 is told that there is none."""
    result = statement_of(connect_scripted(result_protocol="v2")).execute()

    assert error_of(result.next_response).status_code == Status.NOT_IMPLEMENTED
    assert scripted_engine.count("getNextResultBatch") == 0
    result.close()


@pytest.mark.parametrize("protocol", ["v1", "v2", "auto"])
def test_a_failed_fetch_is_final(
    scripted_engine: ScriptedEngine, connect_scripted: Connect, protocol: str
) -> None:
    """Rows may be lost, so the call is not repeated and the result stays failed, whoever asks."""
    broken = fail(grpc.StatusCode.UNAVAILABLE, "gone")
    scripted_engine.answer("getNextResultBatch", v1(chunk(3)), broken, v1())
    scripted_engine.answer("getNextResultBatchV2", v2(chunk(3)), broken, v2(end=True))
    result = statement_of(connect_scripted(result_protocol=protocol)).execute()
    result.next_response()

    first, second = error_of(result.next_response), error_of(result.next_response)

    assert first.status_code == second.status_code == Status.IO
    assert "could not fetch response 2 of query 'q-1': gone (IO)" in str(first)
    assert str(first) == str(second)
    assert errors.query_id(second) == "q-1"
    assert sum(map(scripted_engine.count, FETCHES)) == 2
    result.close()
    assert scripted_engine.count("clearOrCancelQuery") == 1


def test_a_broken_response_is_final(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Bytes that are no response end the result with the place of the damage."""
    scripted_engine.answer("getNextResultBatch", b"\xff\xff", v1(chunk(1)))
    result = statement_of(connect_scripted()).execute()

    error = error_of(result.next_response)

    assert error.status_code == Status.INVALID_DATA
    assert errors.detail(error, "e6data.decode_kind") == "bad_protobuf"
    assert error_of(result.next_response).status_code == Status.INVALID_DATA
    result.close()


def test_an_interrupt_is_final(
    scripted_engine: ScriptedEngine, connect_scripted: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C in a fetch may lose a response, so the result stays failed after it."""
    connection = connect_scripted()
    result = statement_of(connection).execute()

    def interrupted(*_: object, **__: object) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(PendingCall, "result", interrupted)
        result.next_response()

    error = error_of(result.next_response)
    assert error.status_code == Status.CANCELLED
    assert scripted_engine.count("getNextResultBatch") <= 1
    result.close()
    assert scripted_engine.count("clearOrCancelQuery") == 1


def test_broken_metadata_clear_the_query(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """A query whose columns cannot be read is an error, and off the server."""
    scripted_engine.answer(
        "getResultMetadata", wire.GetResultMetadataResponse(resultMetaData=b"\0\0")
    )

    error = error_of(statement_of(connect_scripted()).execute)

    assert error.status_code == Status.INVALID_DATA
    assert scripted_engine.count("clearOrCancelQuery") == 1


@pytest.mark.parametrize(
    ("method", "clears"),
    [
        ("prepareStatementV2", 0),
        ("executeStatementV2", 1),
        ("getResultMetadata", 1),
        ("getNextResultBatch", 1),
    ],
)
def test_a_failure_before_the_first_row_clears_once(
    scripted_engine: ScriptedEngine, connect_scripted: Connect, method: str, clears: int
) -> None:
    """From the moment the query has an id it is cleared, once; an answer is not asked for again."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "DECIMAL128")))
    scripted_engine.answer(method, fail(grpc.StatusCode.INTERNAL, "no"))
    statement = statement_of(connect_scripted())

    error = error_of(statement.execute)

    assert scripted_engine.count(method) == 1
    assert scripted_engine.count("clearOrCancelQuery") == clears
    assert errors.query_id(error) == ("q-1" if clears else None)
    if clears:
        assert statement.get_option(QUERY_ID) == "q-1"


@pytest.mark.parametrize(
    ("method", "counts"),
    [
        # Refused before it ran: prepared and executed anew, once.
        (
            "executeStatementV2",
            {"authenticate": 2, "prepareStatementV2": 2, "executeStatementV2": 2},
        ),
        # Each of three queries is asked about in two more sessions; none is executed again.
        (
            "getResultMetadata",
            {"authenticate": 7, "prepareStatementV2": 3, "executeStatementV2": 3},
        ),
        ("getNextResultBatch", {"authenticate": 7, "prepareStatementV2": 3, FETCHES[0]: 9}),
    ],
)
def test_a_permanent_refusal_ends_soon(
    scripted_engine: ScriptedEngine, connect_scripted: Connect, method: str, counts: dict[str, int]
) -> None:
    """`Access denied` that stays: some sign-ins more, and no query runs twice."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "DECIMAL128")))
    scripted_engine.answer(method, fail(grpc.StatusCode.INTERNAL, "Access denied"))

    error = error_of(statement_of(connect_scripted()).execute)

    is_about_query = method.startswith("get")
    assert error.status_code == (Status.IO if is_about_query else Status.UNAUTHORIZED)
    assert ("its session ended, and a new one may not go on" in str(error)) is is_about_query
    assert {name: scripted_engine.count(name) for name in counts} == counts
    assert scripted_engine.count("clearOrCancelQuery") == counts["prepareStatementV2"]


def test_prepare_signs_in_again(scripted_engine: ScriptedEngine, connect_scripted: Connect) -> None:
    """`Access denied` on prepare: sign in anew, prepare once more, and stay with the new session."""
    scripted_engine.answer(
        "authenticate",
        wire.AuthenticateResponse(sessionId="s-1"),
        wire.AuthenticateResponse(sessionId="s-2"),
    )
    scripted_engine.answer(
        "prepareStatementV2",
        fail(grpc.StatusCode.INTERNAL, "Access denied"),
        wire.PrepareStatementResponse(queryId="q-1", engineIP="10.0.0.1"),
    )
    result = statement_of(connect_scripted()).execute()
    result.close()

    last = wire.ClearOrCancelQueryRequest.FromString(scripted_engine.received[-1].request)
    assert last.sessionId == "s-2"
    assert scripted_engine.count("executeStatementV2") == 1


@pytest.mark.parametrize(
    "answer",
    [
        wire.PrepareStatementResponse(engineIP="10.0.0.1"),
        wire.PrepareStatementResponse(queryId="q-1"),
        wire.PrepareStatementResponse(queryId="q-1", engineIP="a\nb"),
        wire.PrepareStatementResponse(queryId="q-1", engineIP="x" * 300),
    ],
)
def test_an_unusable_prepare_is_an_error(
    scripted_engine: ScriptedEngine,
    connect_scripted: Connect,
    answer: wire.PrepareStatementResponse,
) -> None:
    """Without an id and an address that fits a header there is no query to work with."""
    scripted_engine.answer("prepareStatementV2", answer)

    assert error_of(statement_of(connect_scripted()).execute).status_code == Status.INVALID_DATA
    assert scripted_engine.count("executeStatementV2") == 0


def test_a_query_moves_with_its_session(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Each call uses the newest session id of the query; other queries keep the connection's."""
    scripted_engine.answer(
        "prepareStatementV2",
        wire.PrepareStatementResponse(queryId="q-1", engineIP="10.0.0.1", sessionId="s-p"),
    )
    scripted_engine.answer("executeStatementV2", wire.ExecuteStatementResponse(sessionId="s-e"))
    scripted_engine.answer(
        "getNextResultBatch", v1(chunk(1), session_id="s-f"), v1(session_id="green")
    )
    connection = connect_scripted()
    result = statement_of(connection).execute()
    rows_of(result)
    result.close()
    statement_of(connection).execute().close()

    used = [
        wire.GetResultMetadataRequest.FromString(call.request).sessionId
        for call in scripted_engine.received[2:7]
    ]
    assert used == ["s-p", "s-e", "s-e", "s-f", "s-f"]
    again = wire.PrepareStatementV2Request.FromString(scripted_engine.received[7].request)
    assert again.sessionId == "s-1"


def test_announcements_are_noted_from_every_response(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """A strategy announced by a fetch response is known to the database."""
    scripted_engine.answer("getNextResultBatch", v1(chunk(1), new_strategy="green"), v1())
    connection = connect_scripted()
    result = statement_of(connection).execute()
    rows_of(result)
    result.close()

    assert connection.workspace.sessions.state.store.state.pending == "green"


# ---- cancelling and closing


@pytest.mark.parametrize(
    ("method", "clears"),
    [
        ("authenticate", 0),
        ("prepareStatementV2", 0),
        ("executeStatementV2", 1),
        ("getResultMetadata", 1),
        ("getNextResultBatch", 1),
    ],
)
def test_execute_can_be_cancelled_at_every_stage(
    scripted_engine: ScriptedEngine, connect_scripted: Connect, method: str, clears: int
) -> None:
    """`Statement.cancel` ends the running call, and what was on the server is cleared once."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "DECIMAL128")))
    scripted_engine.answer(method, scripted_engine.hang)
    statement = statement_of(connect_scripted())
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(statement.execute)
        scripted_engine.wait_for(method)
        statement.cancel()
        error = running.exception(10)

    assert isinstance(error, errors.OperationalError)
    assert error.status_code == Status.CANCELLED
    assert scripted_engine.count("clearOrCancelQuery") == clears


@pytest.mark.parametrize("protocol", ["v1", "v2"])
def test_a_fetch_can_be_cancelled(
    scripted_engine: ScriptedEngine, connect_scripted: Connect, protocol: str
) -> None:
    """A blocked `next_response` ends; the query is cleared by `close`, once."""
    method = dict(zip(("v1", "v2"), FETCHES, strict=True))[protocol]
    scripted_engine.answer(method, scripted_engine.hang)
    statement = statement_of(connect_scripted(result_protocol=protocol))
    result = statement.execute()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(result.next_response)
        scripted_engine.wait_for(method)
        statement.cancel()
        error = running.exception(10)

    assert isinstance(error, errors.Error)
    assert error.status_code == Status.CANCELLED
    assert scripted_engine.count("clearOrCancelQuery") == 0
    result.close()
    assert scripted_engine.count("clearOrCancelQuery") == 1


def test_waiting_for_v2_rows_can_be_cancelled(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """The pause between empty responses ends with the cancellation."""
    scripted_engine.answer("getNextResultBatchV2", v2())
    result = statement_of(connect_scripted(result_protocol="v2")).execute()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(result.next_response)
        scripted_engine.wait_for("getNextResultBatchV2", 4)
        result.cancel()
        error = running.exception(10)

    assert isinstance(error, errors.Error)
    assert error.status_code == Status.CANCELLED
    result.close()


def test_cancelling_is_idempotent_and_returns_at_once(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Any number of cancellations, before, during and after, change nothing more and send nothing."""
    result = statement_of(connect_scripted()).execute()
    before = len(scripted_engine.received)
    for _ in range(3):
        result.cancel()

    assert error_of(result.next_response).status_code == Status.CANCELLED
    assert len(scripted_engine.received) == before
    result.close()
    result.cancel()
    assert scripted_engine.count("clearOrCancelQuery") == 1


def test_closing_from_many_threads_clears_once(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Whoever closes waits until the query is off the server; only one call is made."""
    gate = threading.Event()

    def slow(request: bytes, context: grpc.ServicerContext) -> wire.ClearOrCancelQueryResponse:
        gate.wait(10)
        return wire.ClearOrCancelQueryResponse()

    scripted_engine.answer("clearOrCancelQuery", slow)
    result = statement_of(connect_scripted()).execute()
    with ThreadPoolExecutor(8) as pool:
        running = [pool.submit(result.close) for _ in range(8)]
        scripted_engine.wait_for("clearOrCancelQuery")
        assert not any(future.done() for future in running)
        gate.set()
        for future in running:
            future.result(10)

    assert scripted_engine.count("clearOrCancelQuery") == 1
    assert error_of(result.next_response).status_code == Status.CANCELLED


def test_closing_ends_a_blocked_fetch(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Closing under a running fetch ends the fetch and clears the query."""
    scripted_engine.answer("getNextResultBatch", scripted_engine.hang)
    result = statement_of(connect_scripted()).execute()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(result.next_response)
        scripted_engine.wait_for("getNextResultBatch")
        result.close()

        assert isinstance(running.exception(10), errors.Error)
    assert scripted_engine.count("clearOrCancelQuery") == 1


def test_a_failed_clear_is_logged_and_raises_nothing(
    scripted_engine: ScriptedEngine, connect_scripted: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """A query that cannot be cleared is reported once, and closing goes on."""
    scripted_engine.answer("clearOrCancelQuery", scripted_engine.hang)
    result = statement_of(connect_scripted(clear_timeout_seconds=0.1)).execute()
    with caplog.at_level(logging.WARNING, "e6data_adbc"):
        result.close()
        result.close()

    (record,) = caplog.records
    assert "'q-1' stays on the server" in record.getMessage()


@pytest.mark.parametrize(
    "answer",
    [fail(grpc.StatusCode.NOT_FOUND, "q-1"), fail(grpc.StatusCode.UNKNOWN, "status: 456")],
)
def test_a_query_that_is_gone_is_cleared(
    scripted_engine: ScriptedEngine,
    connect_scripted: Connect,
    caplog: pytest.LogCaptureFixture,
    answer: Callable[..., bytes],
) -> None:
    """A server that no longer knows the query, or is no longer there, has nothing to clear."""
    scripted_engine.answer("clearOrCancelQuery", answer)
    with caplog.at_level(logging.WARNING, "e6data_adbc"):
        statement_of(connect_scripted()).execute().close()

    assert caplog.records == []


def test_an_unknown_type_name_takes_the_vector_s_type(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """A type name that nobody knows is explained by the first chunk."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "GEOGRAPHY")))
    scripted_engine.answer("getNextResultBatch", v1(chunk(0, pa.array(["x"]), STRING)), v1())
    result = statement_of(connect_scripted()).execute()

    assert result.schema.types == [pa.utf8()]
    assert rows_of(result) == [1]
    result.close()


def test_a_number_of_columns_that_differs_is_left_to_decoding(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """The look-ahead neither fails on, nor learns from, a chunk with other columns."""
    two = pa.record_batch({"a": pa.array([1], pa.int64()), "b": pa.array([2], pa.int64())})
    scripted_engine.answer("getResultMetadata", metadata(("n", "DECIMAL128")))
    scripted_engine.answer(
        "getNextResultBatch", v1(_native.encode_chunk(two, [LONG, LONG], constants=False)), v1()
    )
    result = statement_of(connect_scripted()).execute()

    assert result.schema.types == [pa.decimal128(38, 0)]
    assert rows_of(result) == [1]
    result.close()


def test_a_small_result_that_is_cancelled_is_no_result(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Cancelled while the few announced rows are waited for: the execution is, too, and the query is cleared."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "LONG"), rows=3))
    scripted_engine.answers["getNextResultBatch"] = scripted_engine.hang
    statement = statement_of(connect_scripted())
    with ThreadPoolExecutor(1) as pool:
        executing = pool.submit(error_of, statement.execute)
        scripted_engine.wait_for("getNextResultBatch")
        statement.cancel()

        assert executing.result(10).status_code == Status.CANCELLED
    assert scripted_engine.count("clearOrCancelQuery") == 1


def test_a_forked_child_clears_nothing(
    scripted_engine: ScriptedEngine, connect_scripted: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A query belongs to the process that began it: a child that closes it leaves it alone."""
    query = statement_of(connect_scripted()).execute()
    with monkeypatch.context() as child:
        child.setattr("os.getpid", lambda: -1)
        query.close()
        assert query.is_open
        assert scripted_engine.count("clearOrCancelQuery") == 0
    query.close()

    assert scripted_engine.count("clearOrCancelQuery") == 1
