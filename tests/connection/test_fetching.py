"""Responses of a result: when they are asked for, in which protocol, and what ends them."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from e6data_adbc import errors
from e6data_adbc._driver.connection import Connection
from e6data_adbc._driver.results.rerun_query import RerunQuery
from e6data_adbc._transport.transport import PendingCall
from e6data_adbc.errors import Status
from tests.support.fake_server import fail
from tests.support.scripted import (
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
