"""What OpenTelemetry sees of statements and calls, and what it must not see."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import SpanKind, StatusCode

import e6data_adbc
from checks.reliability.scenarios import ROWS, ask
from e6data_adbc import DatabaseOptions
from e6data_adbc.local import LocalEngine
from e6data_adbc.local.wire.rpc import Gate
from tests.support.canary import Canaries

pytestmark = pytest.mark.seconds

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
OTHER = f"00-{'1' * 32}-{'2' * 16}-01"
KEY = DatabaseOptions.TRACE_PARENT.value

_SPANS = InMemorySpanExporter()
_METRICS = InMemoryMetricReader()


class Ids(IdGenerator):
    """Draws from numbers of its own.

    OpenTelemetry's generator draws from those of the process, in whatever thread there is a span: properties that are
    being drawn meanwhile would not be repeatable.
    """

    def __init__(self) -> None:
        self._random = random.Random(1)

    def generate_span_id(self) -> int:
        return self._random.getrandbits(64) | 1

    def generate_trace_id(self) -> int:
        return self._random.getrandbits(128) | 1


@pytest.fixture(scope="module", autouse=True)
def providers() -> Iterator[None]:
    """The providers of this process, which the API takes once and for good.

    That of spans is the process's as long as these tests run: to those that follow in it, queries that somebody
    watches call by call would look otherwise.
    """
    provider = TracerProvider(id_generator=Ids())
    provider.add_span_processor(SimpleSpanProcessor(_SPANS))
    metrics.set_meter_provider(MeterProvider([_METRICS]))
    with mock.patch.object(trace, "_TRACER_PROVIDER", provider):
        yield


@pytest.fixture
def engine() -> Iterator[LocalEngine]:
    """A cluster of this test's own, on a port about which nothing was measured yet: metrics are never cleared."""
    while True:
        with LocalEngine(strategy="green", chunk_rows=100, resume_polls=1) as running:
            if not points("e6data.queries_prepared", running):
                _SPANS.clear()
                yield running
                return


def spans(engine: LocalEngine) -> list[ReadableSpan]:
    """Returns what was exported about this test's engine, in the order in which it began."""
    found = [
        s for s in _SPANS.get_finished_spans() if s.attributes.get("server.port") == engine.port
    ]
    return sorted(found, key=lambda span: span.start_time)


@contextlib.contextmanager
def captured(method: str) -> Iterator[dict[str, str]]:
    """Yields what will be the metadata of the last call of *method* that an engine of this process admitted."""
    seen: dict[str, str] = {}
    admit = Gate.admit

    def admit_and_note(gate: Gate, called: Any, request: Any, context: Any) -> Any:
        if called.name == method:
            seen.clear()
            seen.update(context.invocation_metadata())
        return admit(gate, called, request, context)

    with mock.patch.object(Gate, "admit", admit_and_note):
        yield seen


def only(engine: LocalEngine, name: str) -> ReadableSpan:
    (found,) = (span for span in spans(engine) if span.name == name)
    return found


def points(name: str, engine: LocalEngine) -> list[Any]:
    """Returns the data points of the metric *name* about this test's engine."""
    data = _METRICS.get_metrics_data()
    return [
        point
        for resource in (data.resource_metrics if data is not None else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
        if metric.name == name
        for point in metric.data.data_points
        if point.attributes["server.port"] == engine.port
    ]


def value(name: str, engine: LocalEngine) -> int:
    (point,) = points(name, engine)
    return point.value


def test_a_statement_is_a_span_with_its_calls_beneath(engine: LocalEngine) -> None:
    """From prepare to clear everything belongs to the execution, which belongs to the user's span."""
    tracer = trace.get_tracer("test")
    with e6data_adbc.connect(engine.uri) as connection:
        with tracer.start_as_current_span("mine", attributes={"server.port": engine.port}) as mine:
            ask(connection, 0)

    execution = only(engine, "e6data execute")
    assert execution.kind is SpanKind.CLIENT
    assert execution.parent is not None
    assert execution.parent.span_id == mine.get_span_context().span_id
    assert execution.attributes["db.system.name"] == "e6data"
    assert execution.attributes["e6data.rows"] == ROWS
    assert execution.attributes["e6data.strategy"] == "green"
    (record,) = engine.ledger.queries
    assert execution.attributes["e6data.query_id"] == record.query_id
    children = [s for s in spans(engine) if s.name not in {"e6data execute", "mine"}]
    assert {child.parent.span_id for child in children} == {execution.context.span_id}
    methods = [child.attributes["rpc.method"] for child in children]
    assert methods[:2] == ["authenticate", "authenticate"]  # blue refused
    assert methods[2].startswith("prepareStatement")
    assert methods[3].startswith("executeStatement")
    assert methods.count("getNextResultBatch") == 4
    assert methods[-1] == "clearOrCancelQuery"
    assert children[0].status.status_code is StatusCode.ERROR
    assert execution.start_time <= children[0].start_time
    assert children[-1].end_time <= execution.end_time


@pytest.mark.parametrize("level", ["database", "connection", "statement"])
def test_the_option_names_the_parent(engine: LocalEngine, level: str) -> None:
    """`adbc.telemetry.trace_parent` wins over the span of the thread, is read back, and the lower level wins."""
    given = {KEY: PARENT}
    with (
        e6data_adbc.connect(
            engine.uri,
            db_kwargs=given if level == "database" else {KEY: OTHER},
            conn_kwargs=given if level == "connection" else None,
        ) as connection,
        connection.cursor() as cursor,
    ):
        if level == "statement":
            cursor.adbc_statement.set_options(**given)
        assert cursor.adbc_statement.get_option(KEY) == PARENT
        with trace.get_tracer("test").start_as_current_span("mine"):
            cursor.execute("select 1 as n")
            cursor.fetchall()

    execution = only(engine, "e6data execute")
    assert f"{execution.context.trace_id:032x}" == TRACE
    assert f"{execution.parent.span_id:016x}" == "b7ad6b7169203331"
    assert execution.parent.is_remote


def test_an_empty_parent_is_none(engine: LocalEngine) -> None:
    """The empty text takes away what the connection has."""
    with e6data_adbc.connect(engine.uri, conn_kwargs={KEY: PARENT}) as connection:
        with connection.cursor() as cursor:
            cursor.adbc_statement.set_options(**{KEY: ""})
            cursor.execute("select 1 as n")
            cursor.fetchall()

    execution = only(engine, "e6data execute")
    assert execution.parent is None


@pytest.mark.parametrize(
    "text", ["x", f"00-{'0' * 32}-{'1' * 16}-01", f"ff-{TRACE}-{'1' * 16}-01", PARENT.upper()]
)
def test_what_is_no_trace_parent_is_refused(text: str) -> None:
    """The form is the W3C's; anything else is named."""
    with pytest.raises(e6data_adbc.ProgrammingError, match="trace_parent"):
        e6data_adbc.connect("e6data://u:t@127.0.0.1:1", db_kwargs={KEY: text})


def test_each_call_carries_its_own_span(engine: LocalEngine) -> None:
    """The server can join: `traceparent` has the trace and the span of the very call."""
    with e6data_adbc.connect(engine.uri, conn_kwargs={KEY: PARENT}) as connection:
        ask(connection, 0)
        with captured("prepareStatementV2") as headers:
            ask(connection, 1)

    prepare = spans(engine)
    mine = [s for s in prepare if s.attributes.get("rpc.method") == "prepareStatementV2"][-1]
    assert headers["traceparent"] == f"00-{TRACE}-{mine.context.span_id:016x}-01"


def test_a_signer_that_tells_the_trace_is_left_to_it(engine: LocalEngine) -> None:
    """There is one `traceparent`, the signer's."""
    with e6data_adbc.connect(
        engine.uri, request_signer=lambda path: {"traceparent": OTHER}
    ) as connection:
        with captured("prepareStatementV2") as headers:
            ask(connection, 1)

    assert headers["traceparent"] == OTHER


def test_failures_are_spans_without_words(engine: LocalEngine) -> None:
    """A failed call and its execution have status and kind; no text, which may quote the statement."""
    words = Canaries()
    word = words.plant("a word of the statement")
    with e6data_adbc.connect(engine.uri) as connection, connection.cursor() as cursor:
        with pytest.raises(e6data_adbc.ProgrammingError):
            cursor.execute(f"select nothing from '{word}'")

    execution = only(engine, "e6data execute")
    assert execution.status.status_code is StatusCode.ERROR
    assert execution.status.description == execution.attributes["error.type"] == "NOT_FOUND"
    assert not execution.events
    for span in spans(engine):
        words.check(span.to_json())


def test_a_result_that_breaks_off_is_a_failure(engine: LocalEngine) -> None:
    """The execution ends with the error of its fetch."""
    engine.faults.fail("getNextResultBatch")
    with e6data_adbc.connect(engine.uri) as connection, connection.cursor() as cursor:
        with pytest.raises(e6data_adbc.Error):
            # A read would run anew.
            cursor.execute("create table scratch.main.broken as select range as n from range(10)")

    assert only(engine, "e6data execute").attributes["error.type"] == "IO"


def test_no_span_has_a_secret_or_the_statement(canaries: Canaries) -> None:
    """Token, session ids, text of the statement and values are nowhere in what is exported, spans or metrics."""
    token, word = canaries.plant("the token"), canaries.plant("a value")
    with LocalEngine(user="u", token=token) as engine:
        _SPANS.clear()
        with e6data_adbc.connect(engine.uri) as connection, connection.cursor() as cursor:
            cursor.execute("select ? as secret", (word,))
            assert cursor.fetchall() == [(word,)]
            connection.adbc_get_objects(depth="catalogs").read_all()

    text = "".join(span.to_json() for span in spans(engine))
    canaries.check(text, _METRICS.get_metrics_data().to_json())
    assert "select" not in text.lower()


def test_the_counters_are_metrics(engine: LocalEngine) -> None:
    """Detection, changes of colour, refused calls, known colours and live queries; closing loses no count."""
    with e6data_adbc.connect(engine.uri) as connection:
        ask(connection, 0)
        with connection.cursor() as cursor:
            cursor.execute("select range as n from range(100000)")
            cursor.fetchmany(1)
            assert value("e6data.queries_live", engine) == 1
        engine.switch("blue")
        ask(connection, 1)
        refused = sum(engine.ledger.refused.values())

    assert value("e6data.queries_live", engine) == 0
    assert value("e6data.queries_prepared", engine) == 3
    assert value("e6data.strategy.transitions", engine) == 1
    assert value("e6data.strategy.mismatches", engine) in range(1, refused + 1)
    assert value("e6data.strategy.cache_hits", engine) >= 1
    (detection,) = points("e6data.strategy.detection.duration", engine)
    assert detection.count == value("e6data.strategy.detections", engine) >= 1
    assert 0 < detection.sum < 60
    with e6data_adbc.connect(engine.uri) as connection:
        ask(connection, 2)
        assert value("e6data.queries_prepared", engine) == 4


def in_process(code: str, *arguments: str) -> str:
    """Returns what *code* prints in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONWARNINGS": "error"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


CONNECT = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "opentelemetry":
            raise ModuleNotFoundError(name)
if "absent" in sys.argv:
    sys.meta_path.insert(0, Absent())
import e6data_adbc
before = [name for name in sys.modules if name.startswith("opentelemetry")]
with e6data_adbc.connect(sys.argv[1], conn_kwargs={"adbc.telemetry.trace_parent": sys.argv[2]}) as c:
    with c.cursor() as cursor:
        cursor.execute("select 1 as n")
        print(cursor.fetchall(), before, "opentelemetry" in sys.modules)
"""


def test_without_the_library_the_trace_is_handed_on(engine: LocalEngine) -> None:
    """The driver works, loads nothing of it, and sends the user's own parent with each call."""
    with captured("executeStatementV2") as headers:
        assert in_process(CONNECT, engine.uri, PARENT, "absent") == "[(1,)] [] False"

    assert headers["traceparent"] == PARENT


def test_the_library_is_loaded_with_the_first_connection(engine: LocalEngine) -> None:
    """Importing the package does not load it."""
    assert in_process(CONNECT, engine.uri, PARENT) == "[(1,)] [] True"


def test_without_a_library_and_a_parent_nothing_is_sent(engine: LocalEngine) -> None:
    """No header is made up."""
    code = CONNECT.replace(', conn_kwargs={"adbc.telemetry.trace_parent": sys.argv[2]}', "")
    with captured("executeStatementV2") as headers:
        in_process(code, engine.uri, "", "absent")

    assert "traceparent" not in headers
