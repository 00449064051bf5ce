"""Peers that end or garble an answer, each call of a query in turn, and what the driver makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.protobuf.message import Message

from e6data_adbc import errors
from e6data_adbc._driver import Database
from e6data_adbc._driver.connection import Connection
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from tests.support.raw_server import Exchange, RawServer, message
from tests.support.scripted import chunk, metadata, rows_of, statement_of, v1, v2
from tests.support.transports import is_native

Play = Callable[[Exchange], object]

pytestmark = [pytest.mark.usefixtures("each_transport"), pytest.mark.seconds]
QUERY = "select n from t"
CHANGE = "insert into t values (1)"


def _rows() -> dict[str, list[bytes | Message]]:
    """The responses that bring the rows of a query."""
    return {
        "getNextResultBatch": [v1(chunk(3)), v1(chunk(2)), v1()],
        "getNextResultBatchV2": [v2(chunk(3)), v2(chunk(2), end=True)],
    }


class RawEngine(RawServer):
    """An engine on raw HTTP/2: `q-1`, a column `n`, five rows. `trouble` is what the next call of a method meets."""

    def __init__(self) -> None:
        super().__init__(self._play)
        prepared = wire.PrepareStatementResponse(queryId="q-1", engineIP="10.0.0.1")
        self.answers: dict[str, list[bytes | Message]] = {
            "authenticate": [wire.AuthenticateResponse(sessionId="s-1")],
            "prepareStatement": [prepared],
            "prepareStatementV2": [prepared],
            "executeStatement": [wire.ExecuteStatementResponse()],
            "executeStatementV2": [wire.ExecuteStatementResponse()],
            "getResultMetadata": [metadata(("n", "LONG"))],
            **_rows(),
            "status": [wire.StatusResponse(status=False)],
            "clearOrCancelQuery": [wire.ClearOrCancelQueryResponse()],
            "getCataloges": [wire.GetCatalogesResponse()],
        }
        self.trouble: dict[str, list[Play]] = {}

    @property
    def uri(self) -> str:
        return f"e6data://me:token@127.0.0.1:{self.port}/c/s"

    def count(self, method: str) -> int:
        return self.calls.count(method)

    def _play(self, exchange: Exchange) -> None:
        waiting = self.trouble.get(exchange.method)
        if waiting:
            waiting.pop(0)(exchange)
            return
        if exchange.method.startswith("prepare") and self.count(exchange.method) > 1:
            # Another query has all its rows again.
            self.answers |= {name: rows for name, rows in _rows().items() if name in self.answers}
        answers = self.answers.get(exchange.method)
        if answers is None:
            exchange.fail("12", "Method not found!")
            return
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        exchange.answer(answer if isinstance(answer, bytes) else answer.SerializeToString())


def _ended_cleanly(exchange: Exchange) -> None:
    exchange.start()
    exchange.send(b"", is_last=True)


def _compressed(exchange: Exchange) -> None:
    exchange.start(("grpc-encoding", "gzip"))
    exchange.send(message(b"no gzip", flag=1))
    exchange.end("0")


def _fat_trailers(exchange: Exchange) -> None:
    exchange.start()
    exchange.send(message(b""))
    exchange.end("0", "", ("x-large", "x" * 20_000))


def _half(exchange: Exchange) -> None:
    exchange.start()
    exchange.send(message(b"half", length=99))
    exchange.end("0")


#: What HAProxy, nginx and broken networks make of an answer.
BREAKS: dict[str, Play] = {
    "ended_cleanly": _ended_cleanly,
    "garbage": lambda exchange: exchange.raw(bytes(range(256)) * 5),
    "compressed": _compressed,
    "fat_trailers": _fat_trailers,
    "half_a_message": _half,
    "http_400": lambda exchange: exchange.http(400),
    "http_404": lambda exchange: exchange.http(404),
    "http_502": lambda exchange: exchange.http(502),
    "http_504": lambda exchange: exchange.http(504),
    "refused": lambda exchange: exchange.reset(7),
    "calm": lambda exchange: exchange.reset(11),
    "inadequate": lambda exchange: exchange.reset(12),
    "sent_away": lambda exchange: exchange.go_away(0),
    "closed": lambda exchange: exchange.close(),
    "cut_request": lambda exchange: exchange.fail(
        "12", '"m" requires exactly one request message.'
    ),
}


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> Iterator[RawEngine]:
    """An engine on raw HTTP/2."""
    parameters = getattr(request.node, "callspec", None)
    if is_native() and parameters is not None and parameters.params.get("kind") == "fat_trailers":
        pytest.skip("the native transport takes trailers of that size: their status counts")
    with RawEngine() as running:
        yield running


@pytest.fixture
def to_engine(engine: RawEngine, open_db: Callable[..., Database]) -> Callable[..., Connection]:
    """Opens connections to it; keyword arguments are short names of options."""

    def connect(**options: Any) -> Connection:
        text = "&".join(f"{name}={value}" for name, value in options.items())
        return open_db(f"{engine.uri}?{text}").connect({})

    return connect


@pytest.mark.parametrize("method", ["authenticate", "prepareStatementV2"])
@pytest.mark.parametrize("kind", BREAKS)
def test_what_reads_is_sent_again(
    engine: RawEngine, to_engine: Callable[..., Connection], kind: str, method: str
) -> None:
    """In sign-in and prepare nobody notices, whatever code gRPC made of it; the execute is sent once."""
    engine.trouble[method] = [BREAKS[kind]]
    query = statement_of(to_engine(), QUERY).execute()

    assert sum(rows_of(query)) == 5
    assert (engine.count(method), engine.count("executeStatementV2")) == (2, 1)


@pytest.mark.parametrize("kind", BREAKS)
def test_metadata_are_asked_for_again(
    engine: RawEngine, to_engine: Callable[..., Connection], kind: str
) -> None:
    """What breaks the connection takes the fetch beside them with it, and then that is the error."""
    engine.trouble["getResultMetadata"] = [BREAKS[kind]]
    failure, rows = None, 0
    try:
        rows = sum(rows_of(statement_of(to_engine(), QUERY).execute()))
    except errors.Error as error:
        failure = error

    if failure is None:
        assert rows == 5
    else:
        assert (errors.detail(failure, errors.RPC) or "").startswith("getNextResultBatch")
        assert failure.status_code is Status.IO
    assert engine.count("getResultMetadata") >= 2


@pytest.mark.parametrize("kind", BREAKS)
def test_a_listing_is_asked_for_again(
    engine: RawEngine, to_engine: Callable[..., Connection], kind: str
) -> None:
    """As every call that only reads."""
    engine.trouble["getCataloges"] = [BREAKS[kind]]
    reader = to_engine().get_objects(1, None, None, None, None, None)

    assert reader.read_all().num_rows == 0
    assert engine.count("getCataloges") == 2


@pytest.mark.parametrize("sql", [QUERY, CHANGE])
@pytest.mark.parametrize("kind", BREAKS)
def test_an_execute_that_broke_is_never_sent_again(
    engine: RawEngine, to_engine: Callable[..., Connection], kind: str, sql: str
) -> None:
    """Nobody knows whether it acted: not an error of the text, and not one that invites to run it again."""
    engine.trouble["executeStatementV2"] = [BREAKS[kind]]
    # The first one may still go out on the connection that breaks, and be asked again.
    engine.trouble["status"] = [lambda exchange: exchange.fail("5", "no such query")] * 5
    with pytest.raises(errors.Error) as caught:
        statement_of(to_engine(), sql).execute()

    error = caught.value
    assert (engine.count("executeStatementV2"), engine.count("prepareStatementV2")) == (1, 1)
    assert isinstance(error, errors.OperationalError)
    assert errors.detail(error, "e6data.ambiguous") == "true"
    assert errors.detail(error, errors.RETRYABLE) == "false"
    assert errors.query_id(error) == "q-1"
    assert engine.count("clearOrCancelQuery") == 1


@pytest.mark.parametrize("protocol", ["v1", "v2", "auto"])
@pytest.mark.parametrize("kind", BREAKS)
def test_a_fetch_that_broke_ends_the_result(
    engine: RawEngine, to_engine: Callable[..., Connection], kind: str, protocol: str
) -> None:
    """No rows are lost and none come twice: an operational error, or all rows where the server did nothing."""
    method = "getNextResultBatch" if protocol == "v1" else "getNextResultBatchV2"
    engine.trouble[method] = [lambda exchange: exchange.answer(_first(protocol)), BREAKS[kind]]
    del engine.answers[method][0]
    query = statement_of(to_engine(result_protocol=protocol, prefetch_responses=0), QUERY).execute()
    if kind == "cut_request" and protocol == "auto":
        assert sum(rows_of(query)) == 5
        assert engine.count("getNextResultBatch") == 0
        return
    with pytest.raises(errors.Error) as caught:
        rows_of(query)

    error = caught.value
    assert engine.count(method) == 2
    assert errors.detail(error, "e6data.incomplete") == "true"
    assert errors.query_id(error) == "q-1"
    assert error.status_code in (Status.IO, Status.INVALID_DATA)
    if kind != "half_a_message":
        assert isinstance(error, errors.OperationalError)


def _first(protocol: str) -> bytes:
    return v1(chunk(3)) if protocol == "v1" else v2(chunk(3))


@pytest.mark.parametrize("method", ["authenticate", "prepareStatementV2"])
@pytest.mark.parametrize("status", [413, 414, 431])
def test_what_a_proxy_finds_too_large_is_said_once(
    engine: RawEngine, to_engine: Callable[..., Connection], status: int, method: str
) -> None:
    """It would say so again; the error says who refused and what to do."""
    engine.trouble[method] = [lambda exchange: exchange.http(status)]
    with pytest.raises(errors.ProgrammingError, match=f"HTTP {status}.*too large") as caught:
        statement_of(to_engine(), QUERY).execute()

    assert engine.count(method) == 1
    assert errors.detail(caught.value, errors.RETRYABLE) == "false"


@pytest.mark.parametrize("kind", ["http_404", "http_502", "http_504"])
def test_a_proxy_without_a_server_is_named(
    engine: RawEngine, to_engine: Callable[..., Connection], kind: str
) -> None:
    """A page that stays is an operational error that says what answered."""
    engine.trouble["authenticate"] = 9 * [BREAKS[kind]]
    with pytest.raises(errors.OperationalError, match="on the way to the server answered HTTP"):
        statement_of(to_engine(), QUERY).execute()

    assert engine.count("authenticate") == 4


# --------------------------------------------------------------------------------------------
# What the engine says of an execute


@pytest.mark.parametrize(
    ("sql", "is_ambiguous"),
    [
        (CHANGE, True),
        ("create table u as select 1", True),
        ("call something()", True),
        (QUERY, False),
        ("values (1)", False),
    ],
)
@pytest.mark.parametrize("has_catalog", [True, False])
def test_an_internal_error_of_an_execute_may_have_acted(
    engine: RawEngine,
    open_db: Callable[..., Database],
    sql: str,
    is_ambiguous: bool,
    has_catalog: bool,
) -> None:
    """The engine has one code for mistakes and for faults, so what changes something is to be looked at first."""
    method = "executeStatementV2" if has_catalog else "executeStatement"
    engine.trouble[method] = [lambda exchange: exchange.fail("13", "a disk is full")]
    uri = engine.uri if has_catalog else engine.uri.removesuffix("/c/s")
    with pytest.raises(errors.ProgrammingError, match="a disk is full") as caught:
        statement_of(open_db(uri).connect({}), sql).execute()

    found = errors.detail(caught.value, "e6data.ambiguous")
    assert found == ("true" if is_ambiguous else None)
    assert ("look before running it again" in str(caught.value)) is is_ambiguous
    assert engine.count(method) == 1


@pytest.mark.parametrize("code", ["3", "5", "9", "12"])
def test_what_the_engine_refuses_by_name_did_not_act(
    engine: RawEngine, to_engine: Callable[..., Connection], code: str
) -> None:
    """Only INTERNAL says nothing."""
    engine.trouble["executeStatementV2"] = [lambda exchange: exchange.fail(code, "no")]
    with pytest.raises(errors.Error) as caught:
        statement_of(to_engine(), CHANGE).execute()

    assert errors.detail(caught.value, "e6data.ambiguous") is None


# --------------------------------------------------------------------------------------------
# UNIMPLEMENTED


@pytest.mark.parametrize("text", ["", "x", '"m" requires exactly one request message.'])
def test_a_method_that_seems_missing_once_is_asked_again(
    engine: RawEngine, to_engine: Callable[..., Connection], text: str
) -> None:
    """A request that was cut on the way looks so: the result stays in V2."""
    engine.trouble["getNextResultBatchV2"] = [lambda exchange: exchange.fail("12", text)]
    query = statement_of(to_engine(result_protocol="auto"), QUERY).execute()

    assert sum(rows_of(query)) == 5
    assert engine.count("getNextResultBatchV2") == 3
    assert engine.count("getNextResultBatch") == 0


def test_a_method_that_is_missing_is_asked_for_twice_once(
    engine: RawEngine, to_engine: Callable[..., Connection]
) -> None:
    """Then the result comes in V1; later results ask once, as deployments learn."""
    del engine.answers["getNextResultBatchV2"]
    connection = to_engine(result_protocol="auto")
    for asked in (2, 3):
        engine.answers["getNextResultBatch"] = [v1(chunk(3)), v1(chunk(2)), v1()]
        query = statement_of(connection, QUERY).execute()

        assert sum(rows_of(query)) == 5
        assert engine.count("getNextResultBatchV2") == asked


def test_a_cut_request_is_not_a_missing_method_for_good(
    engine: RawEngine, to_engine: Callable[..., Connection]
) -> None:
    """Where it happens again and again, the connection is at fault, and the error says so."""
    cut = BREAKS["cut_request"]
    engine.trouble["getNextResultBatchV2"] = [cut] * 6  # a read is prepared anew, twice at most
    with pytest.raises(errors.OperationalError, match="did not arrive whole"):
        rows_of(statement_of(to_engine(result_protocol="auto"), QUERY).execute())

    assert engine.count("getNextResultBatch") == 0


def test_a_page_is_no_missing_method(
    engine: RawEngine, to_engine: Callable[..., Connection]
) -> None:
    """gRPC makes UNIMPLEMENTED of 404."""
    engine.trouble["getNextResultBatchV2"] = [BREAKS["http_404"]] * 3
    with pytest.raises(errors.OperationalError, match="HTTP 404"):
        rows_of(statement_of(to_engine(result_protocol="auto"), QUERY).execute())

    assert engine.count("getNextResultBatch") == 0


def test_v2_alone_falls_back_to_nothing(
    engine: RawEngine, to_engine: Callable[..., Connection]
) -> None:
    """Who asks for V2 is told that it is not there, at once."""
    del engine.answers["getNextResultBatchV2"]
    with pytest.raises(errors.NotSupportedError):
        rows_of(statement_of(to_engine(result_protocol="v2"), QUERY).execute())

    assert engine.count("getNextResultBatchV2") == 1


def test_an_answer_of_execute_that_is_too_large_came_of_an_execute(
    engine: RawEngine, to_engine: Callable[..., Connection]
) -> None:
    """The statement ran, so it is neither refused nor prepared anew."""
    engine.answers["executeStatementV2"] = [b"\x0a\x7f" + b"x" * 5000]
    engine.trouble["status"] = [lambda exchange: exchange.fail("5", "no such query")]
    with pytest.raises(errors.OperationalError, match="larger than max") as caught:
        statement_of(to_engine(max_message_bytes=4096), CHANGE).execute()

    assert errors.detail(caught.value, "e6data.ambiguous") == "true"
    assert (engine.count("executeStatementV2"), engine.count("prepareStatementV2")) == (1, 1)
