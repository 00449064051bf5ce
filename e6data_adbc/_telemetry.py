"""OpenTelemetry: what the observer of a database is where `opentelemetry-api` is installed."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from e6data_adbc._transport.observer import TRACE_PARENT_HEADER, Fact, Observer, Watch
from e6data_adbc.options import DatabaseOptions

if TYPE_CHECKING:
    from e6data_adbc._options.database_config import Endpoint
    from e6data_adbc._session.endpoint import EndpointState
    from e6data_adbc._transport.headers import Headers

__all__ = ["LoadWatch", "Totals", "make_observer", "watch_load"]

_NAME: Final = "e6data_adbc"
_SYSTEM: Final = "e6data"

#: The counters of an endpoint that are metrics, with what they count; `adbc.e6data.connection.stats` has them too.
METRICS: Final[Mapping[str, str]] = {
    "detections": "Times that the colour was unknown and found out",
    "transitions": "Changes from one colour to the other",
    "mismatches": "Calls that the wrong colour refused with 456",
    "announcements": "Other colours that responses announced",
    "cache_hits": "Calls whose colour was known",
    "sign_ins": "Sessions granted",
    "session_renewals": "Sessions that the server no longer knew",
    "token_renewals": "Bearer tokens that were refused and replaced",
    "retries": "Calls that were sent again",
    "resumes": "Resumes sent to the cluster",
    "queries_prepared": "Queries prepared",
    "queries_uncleared": "Queries that were left on the server",
    "queries_in_doubt": "Queries of which nobody knows whether they ran",
    "results_incomplete": "Results that broke off",
}


def make_observer(endpoint: Endpoint, state: EndpointState) -> Observer:
    """Returns the observer for one database; one that does next to nothing where OpenTelemetry is not installed.

    Args:
        endpoint: Where the database's calls go.
        state: Its counters.
    """
    try:
        from opentelemetry import context, metrics, trace
    except ImportError:
        return Observer()
    facts: dict[str, Fact] = {"server.address": endpoint.host, "server.port": endpoint.port}
    if endpoint.cluster_name:
        facts["e6data.cluster"] = endpoint.cluster_name
    TOTALS.watch(state, facts, metrics)
    return _OpenTelemetryObserver(facts, trace, metrics, context)


#: What belongs to a thing that nobody sees, and the watch over that.
_NOBODY: Final = object()
_UNSEEN: Final = Watch(_NOBODY)


class _OpenTelemetryObserver(Observer):
    """Makes a span of each execution and of each call; the API decides whether anybody sees them."""

    only_hands_on = False

    def __init__(self, facts: dict[str, Fact], trace: Any, metrics: Any, context: Any) -> None:
        self._facts = facts
        self._trace = trace
        self._context = context
        self._tracer = trace.get_tracer(_NAME)
        self._detection = metrics.get_meter(_NAME).create_histogram(
            "e6data.strategy.detection.duration",
            unit="s",
            description="Time until the colour of the cluster was known",
        )

    def parent(self, settings: Any) -> object:
        """Returns the context of the trace that the option names, or else the one current in this thread."""
        named = settings.get(DatabaseOptions.TRACE_PARENT)
        if named is None:
            return self._context.get_current()
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        return TraceContextTextMapPropagator().extract({TRACE_PARENT_HEADER: named})

    def call(self, path: str, parent: object, query_id: str | None) -> Watch:
        """Returns a client span named after the method."""
        if parent is _NOBODY or self._is_unseen(parent):
            return _UNSEEN
        service, _, method = path[1:].partition("/")
        facts = {**self._facts, "rpc.system": "grpc", "rpc.service": service, "rpc.method": method}
        if query_id is not None:
            facts["e6data.query_id"] = query_id
        return self._begin(path[1:], parent, facts, self._trace.SpanKind.CLIENT)

    def headers_unseen(self, parent: object) -> Headers | None:
        """Returns no headers where no span would be seen; None otherwise, as each call has one of its own."""
        return () if parent is _NOBODY or self._is_unseen(parent) else None

    def execution(self, parent: object) -> Watch:
        """Returns a client span; it never has the text of the statement."""
        if self._is_unseen(parent):
            return _UNSEEN
        facts = {**self._facts, "db.system.name": _SYSTEM, "db.operation.name": "execute"}
        return self._begin(f"{_SYSTEM} execute", parent, facts, self._trace.SpanKind.CLIENT)

    def detected(self, seconds: float) -> None:
        """Records one detection."""
        self._detection.record(seconds, self._facts)

    def _is_unseen(self, parent: Any) -> bool:
        """Tells whether a span would be for nobody: there is no SDK, and no trace to hand on."""
        provider = self._trace.get_tracer_provider()
        return not parent and isinstance(provider, self._trace.ProxyTracerProvider)

    def _begin(self, name: str, parent: Any, facts: dict[str, Fact], kind: Any) -> Watch:
        span = self._tracer.start_span(name, context=parent, kind=kind, attributes=facts)
        return _SpanWatch(span, self._trace, parent)


class _SpanWatch(Watch):
    """One span."""

    __slots__ = ("_span", "_trace")

    def __init__(self, span: Any, trace: Any, parent: Any) -> None:
        spot = span.get_span_context()
        headers: Headers = ()
        if spot.is_valid:
            text = f"00-{spot.trace_id:032x}-{spot.span_id:016x}-{spot.trace_flags & 1:02x}"
            headers = ((TRACE_PARENT_HEADER, text),)
        super().__init__(trace.set_span_in_context(span, parent), headers)
        self._span = span
        self._trace = trace

    def note(self, **facts: Fact) -> None:
        """Adds attributes, `query_id` as `e6data.query_id`."""
        self._span.set_attributes({f"{_SYSTEM}.{key}": value for key, value in facts.items()})

    def end(self, error: BaseException | None = None) -> None:
        """Ends the span; of an *error* it has status and class, but no text: servers quote the statement."""
        if error is not None and self._span.is_recording():
            status = getattr(error, "status_code", None)
            name = getattr(status, "name", None) or type(error).__name__
            self._span.set_attribute("error.type", name)
            self._span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, name))
        self._span.end()  # the API ignores a second one


class Totals:
    """The counters of all endpoints of this process, also of those that no database uses any more; for any thread.

    The metrics are read when an exporter asks: nothing is added to the way of a call.
    """

    def __init__(self) -> None:
        self._table = _Table()

    def watch(self, state: EndpointState, facts: Mapping[str, Fact], metrics: Any) -> None:
        """Reads the counters of *state*, as those of *facts*, from now on; a state that is watched is left alone."""
        if self._table.pid != os.getpid():
            # The parent's lock may be held by a thread that does not exist here, and its counts are not ours.
            self._table = _Table()
        table = self._table
        with table.lock:
            named = tuple(sorted(facts.items()))
            place = table.places.get(named) or table.places.setdefault(named, _Place())
            is_new = place.add(state)
            if not table.instruments:
                table.instruments = list(self._make(metrics.get_meter(_NAME), metrics.Observation))
        if is_new:
            state.on_release(place.retire)

    def _make(self, meter: Any, observation: Callable[..., object]) -> Iterable[object]:
        for name, text in METRICS.items():
            area = "strategy." if name in _OF_STRATEGY else ""
            yield meter.create_observable_counter(
                f"{_SYSTEM}.{area}{name}",
                callbacks=[self._reader(name, observation)],
                description=text,
            )
        yield meter.create_observable_up_down_counter(
            f"{_SYSTEM}.queries_live",
            callbacks=[self._reader("queries_live", observation)],
            description="Queries on the server that are ours",
        )

    def _reader(self, name: str, observation: Callable[..., object]) -> Callable[[object], Any]:
        def read(_options: object) -> Iterable[object]:
            table = self._table
            with table.lock:
                places = list(table.places.items())
            return [observation(place.read()[name], dict(facts)) for facts, place in places]

        return read


class _Table:
    """What one process counts."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.RLock()
        self.places: dict[tuple[tuple[str, Fact], ...], _Place] = {}
        self.instruments: list[object] = []


class _Place:
    """The counts of one endpoint over all the states that it has had."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._past: Counter[str] = Counter()
        self._states: list[EndpointState] = []

    def add(self, state: EndpointState) -> bool:
        """Counts *state*, too; False if it is counted already."""
        with self._lock:
            is_new = state not in self._states
            if is_new:
                self._states.append(state)
            return is_new

    def retire(self, state: EndpointState) -> None:
        """Keeps the counts of *state*, and lets go of it."""
        with self._lock:
            self._states.remove(state)
            self._past.update(_read(state))

    def read(self) -> Mapping[str, int]:
        """Returns all counts."""
        with self._lock:
            total = Counter(self._past)
            for state in self._states:
                total.update(_read(state))
        return total


_OF_STRATEGY: Final = frozenset(
    {"detections", "transitions", "mismatches", "announcements", "cache_hits"}
)


def _read(state: EndpointState) -> dict[str, int]:
    counts = {**state.store.counters(), **state.counters.read()}
    ended = counts["queries_cleared"] + counts["queries_uncleared"]
    return {**counts, "queries_live": counts["queries_prepared"] - ended}


#: Those of this process: the metrics of a process are one set, whatever databases it opens.
TOTALS: Final = Totals()


# ---- loads into other systems

#: The counters of loads, with what they count.
LOADS: Final[Mapping[str, str]] = {
    "rows": "Rows that loads committed",
    "bytes": "Their size as Arrow data",
    "commits": "Commits of loads",
    "retries": "Commits and questions that were tried again after a failure that may pass",
    "races": "Commits that another worker was faster with",
}


class LoadWatch:
    """Who sees one load: nobody. Any thread."""

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Watches the load, which runs inside."""
        yield

    @contextlib.contextmanager
    def commit(self) -> Iterator[None]:
        """Watches one commit."""
        yield

    def count(self, name: str, number: int = 1) -> None:
        """Adds to the counter *name* of `LOADS`."""


def watch_load(facts: Mapping[str, Fact]) -> LoadWatch:
    """Returns the watch over a load; one that does nothing where OpenTelemetry is not installed.

    Args:
        facts: Attributes of its spans, without secrets: names that begin with `e6data.load.`.
    """
    try:
        from opentelemetry import context, metrics, trace
    except ImportError:
        return LoadWatch()
    return _SpanLoadWatch(facts, trace, metrics, context)


class _SpanLoadWatch(LoadWatch):
    """Makes a span of the load and of each commit; the queries that it runs are beneath them."""

    def __init__(self, facts: Mapping[str, Fact], trace: Any, metrics: Any, context: Any) -> None:
        self._facts = dict(facts)
        self._trace, self._context = trace, context
        self._tracer = trace.get_tracer(_NAME)
        self._place: Any = None
        meter = metrics.get_meter(_NAME)
        self._counters = {
            name: meter.create_counter(f"{_SYSTEM}.load.{name}", description=text)
            for name, text in LOADS.items()
        }

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Watches the load."""
        with self._span(f"{_SYSTEM} load", None):
            self._place = self._context.get_current()
            yield

    @contextlib.contextmanager
    def commit(self) -> Iterator[None]:
        """Watches one commit; threads have no context of their own, so it is that of the load."""
        with self._span(f"{_SYSTEM} load commit", self._place):
            yield

    def count(self, name: str, number: int = 1) -> None:
        """Adds to a counter, by the kind of destination."""
        kind = {key: value for key, value in self._facts.items() if key.endswith(".destination")}
        self._counters[name].add(number, kind)

    @contextlib.contextmanager
    def _span(self, name: str, parent: Any) -> Iterator[None]:
        # Of an error it has status and class, but no text: databases quote values and statements.
        with self._tracer.start_as_current_span(
            name,
            context=parent,
            attributes=self._facts,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            except BaseException as error:
                status = getattr(error, "status_code", None)
                kind = getattr(status, "name", None) or type(error).__name__
                span.set_attribute("error.type", kind)
                span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, kind))
                raise
