"""A query from prepare to its metadata: what is sent, with which session, and what a failure leaves."""

from __future__ import annotations

from collections.abc import Callable

import grpc
import pyarrow as pa
import pytest

from e6data_adbc import errors
from e6data_adbc._driver.connection import Connection
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from tests.support.fake_server import fail
from tests.support.scripted import (
    QUERY_ID,
    ScriptedEngine,
    chunk,
    error_of,
    metadata,
    rows_of,
    statement_of,
    v1,
)

Connect = Callable[..., Connection]
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
