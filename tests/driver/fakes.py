"""Fake databases, connections, statements and queries that the native driver can be told to drive.

A `Query` plays a script, one step a call of `next_response`: a batch or a list of batches becomes a response, an
exception is raised, a `Gate` blocks until it is opened or the query is cancelled.
"""

import dataclasses
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from e6data_adbc import _native, errors
from e6data_adbc.errors import Status

TIMEOUT = 10.0

VECTOR_TYPES = {pa.int64(): 6, pa.string(): 7, pa.float64(): 2, pa.bool_(): 1, pa.binary(): 0}


@dataclasses.dataclass(frozen=True)
class StreamOptions:
    """The limits of one stream, as the driver reads them."""

    queue_bytes: int = 1 << 20
    batch_rows: int = 1 << 16
    batch_bytes: int = 1 << 20
    max_chunk_rows: int = 1 << 24
    max_chunk_bytes: int = 1 << 30
    allow_missing_rows: bool = False
    prefetch: int = 2


def batch(rows: int, start: int = 0) -> pa.RecordBatch:
    """Returns *rows* rows of one int64 column `n` that counts from *start*."""
    return pa.record_batch({"n": pa.array(range(start, start + rows), pa.int64())})


def chunk(data: pa.RecordBatch) -> bytes:
    """Returns *data* as the engine sends it."""
    return _native.encode_chunk(data, [VECTOR_TYPES[field.type] for field in data.schema])


class Watched:
    """An object whose changes can be waited for."""

    def __init__(self) -> None:
        self.changed = threading.Condition()

    def note(self, **changes: int) -> None:
        """Adds to counters and wakes whoever waits."""
        with self.changed:
            for name, by in changes.items():
                setattr(self, name, getattr(self, name) + by)
            self.changed.notify_all()

    def wait_for(self, condition: Callable[[], bool], timeout: float = TIMEOUT) -> None:
        """Returns once *condition* holds."""
        with self.changed:
            assert self.changed.wait_for(condition, timeout), f"not within {timeout} s"


class Gate(Watched):
    """A step that blocks `next_response` until it is opened, or the query is cancelled."""

    def __init__(self, *, ignores_cancel: bool = False) -> None:
        super().__init__()
        self.entered = 0
        self.is_open = False
        self.ignores_cancel = ignores_cancel

    def open(self) -> None:
        """Lets the call return."""
        with self.changed:
            self.is_open = True
            self.changed.notify_all()


class Query(Watched):
    """One result, as the driver reads it, with counters of what it did."""

    def __init__(
        self,
        script: Iterable[Any] = (),
        *,
        schema: pa.Schema | None = None,
        query_id: str = "q-1",
        announced_rows: int = -1,
        version: int = 1,
        on_cancel: Callable[[], None] | None = None,
        **options: Any,
    ) -> None:
        super().__init__()
        self.schema = batch(0).schema if schema is None else schema
        self.query_id = query_id
        self.announced_rows = announced_rows
        self.options = StreamOptions(**options)
        self.script = iter(script)
        self.version = version
        self.on_cancel = on_cancel
        self.stats: _native.StreamStats | None = None
        self.calls = 0
        self.cancels = 0
        self.closes = 0

    def attach(self, stats: _native.StreamStats) -> None:
        assert self.stats is None
        self.stats = stats

    def next_response(self) -> _native.Response | None:
        self.note(calls=1)
        assert not self.closes
        for step in self.script:
            if isinstance(step, Gate):
                self._pass(step)
                continue
            if isinstance(step, BaseException):
                raise step
            if isinstance(step, bytes):
                return _native.Response(step, self.version)
            batches = step if isinstance(step, list) else [step]
            chunks = [one if isinstance(one, bytes) else chunk(one) for one in batches]
            data = _native.encode_response(chunks, version=self.version)
            return _native.Response(data, self.version)
        return None

    def _pass(self, gate: Gate) -> None:
        gate.note(entered=1)
        while True:
            with gate.changed:
                if gate.is_open:
                    return
                gate.changed.wait(0.01)
            if self.cancels and not gate.ignores_cancel:
                raise errors.make(
                    Status.CANCELLED, "could not fetch: it was cancelled", query_id=self.query_id
                )

    def cancel(self) -> None:
        self.note(cancels=1)
        if self.on_cancel:
            self.on_cancel()

    def close(self) -> None:
        self.note(closes=1)


class Reader:
    """A metadata result: an object with `__arrow_c_stream__`."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


class Options:
    """Options that are kept as they come; None unsets."""

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        self.values: dict[str, Any] = dict(options or {})
        self.history: list[tuple[str, Any]] = []

    def set_option(self, key: str, value: Any) -> None:
        self.history.append((key, value))
        if key.startswith("unknown"):
            raise errors.make(
                Status.NOT_IMPLEMENTED, f"could not set option {key!r}: it is unknown"
            )
        self.values[key] = value

    def get_option(self, key: str) -> Any:
        if key not in self.values:
            raise errors.make(Status.NOT_FOUND, f"could not read option {key!r}: it is unknown")
        return self.values[key]


class Statement(Options, Watched):
    """A statement that answers SQL text from the backend's table of queries."""

    def __init__(self, backend: "Backend") -> None:
        Options.__init__(self)
        Watched.__init__(self)
        self.backend = backend
        self.sql = ""
        self.bound: pa.Table | None = None
        self.running = 0
        self.cancels = 0
        self.closes = 0
        self.prepares = 0

    def set_sql_query(self, query: str) -> None:
        self.sql = query

    def set_substrait_plan(self, plan: bytes) -> None:
        raise errors.make(Status.NOT_IMPLEMENTED, f"could not use a plan of {len(plan)} bytes")

    def prepare(self) -> None:
        self.prepares += 1

    def bind(self, reader: pa.RecordBatchReader) -> None:
        assert isinstance(reader, pa.RecordBatchReader)
        self.bound = reader.read_all()

    def get_parameter_schema(self) -> pa.Schema:
        return pa.schema([pa.field("0", pa.null())])

    def execute(self) -> Query:
        self.note(running=1)
        try:
            answer = self.backend.queries[self.sql]
            answer = answer(self) if callable(answer) else answer
            if isinstance(answer, BaseException):
                raise answer
            return answer
        finally:
            self.note(running=-1)

    def execute_update(self) -> int:
        answer = self.backend.updates[self.sql]
        answer = answer(self) if callable(answer) else answer
        if isinstance(answer, BaseException):
            raise answer
        return int(answer)

    def execute_schema(self) -> pa.Schema:
        return self.execute().schema

    def execute_partitions(self) -> tuple[pa.Schema | None, list[bytes], int]:
        return self.backend.partitions

    def cancel(self) -> None:
        self.note(cancels=1)
        if not self.running:
            raise errors.make(Status.INVALID_STATE, "could not cancel: nothing is running")

    def close(self) -> None:
        self.note(closes=1)


class Connection(Options):
    """A connection whose metadata answers tell what was asked."""

    def __init__(self, backend: "Backend", options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self.backend = backend
        self.statements: list[Statement] = []
        self.asked: list[tuple[Any, ...]] = []
        self.cancels = 0
        self.closes = 0

    def statement(self) -> Statement:
        self.statements.append(Statement(self.backend))
        return self.statements[-1]

    def _answer(self, *asked: Any) -> Reader:
        self.asked.append(asked)
        return Reader(pa.table({"asked": [repr(asked)]}))

    def get_info(self, codes: Sequence[int] | None) -> Reader:
        return self._answer("info", codes)

    def get_table_types(self) -> Reader:
        self.asked.append(("table_types",))
        return Reader(pa.table({"table_type": ["TABLE", "VIEW"]}))

    def get_objects(self, *arguments: Any) -> Reader:
        return self._answer("objects", *arguments)

    def get_statistics(self, *arguments: Any) -> Reader:
        return self._answer("statistics", *arguments)

    def get_statistic_names(self) -> Reader:
        return self._answer("statistic_names")

    def get_table_schema(self, catalog: str | None, schema: str | None, table: str) -> pa.Schema:
        if table == "missing":
            raise errors.make(Status.NOT_FOUND, f"could not find table {table!r}")
        return pa.schema([pa.field("n", pa.int64(), metadata={"E6DATA:type": "LONG"})])

    def read_partition(self, descriptor: bytes) -> Query:
        answer = self.backend.queries[descriptor]
        assert isinstance(answer, Query)
        return answer

    def commit(self) -> None:
        raise errors.make(Status.INVALID_STATE, "could not commit: autocommit is on")

    def rollback(self) -> None:
        raise errors.make(Status.INVALID_STATE, "could not roll back: autocommit is on")

    def cancel(self) -> None:
        self.cancels += 1

    def close(self) -> None:
        self.closes += 1


class Database(Options):
    """A database that opens connections."""

    def __init__(self, backend: "Backend", options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self.backend = backend
        self.connections: list[Connection] = []
        self.closes = 0

    def connect(self, options: dict[str, Any]) -> Connection:
        if "fail_connect" in options:
            raise errors.make(Status.UNAUTHENTICATED, "could not connect: wrong token")
        self.connections.append(Connection(self.backend, options))
        return self.connections[-1]

    def close(self) -> None:
        self.closes += 1


class Backend:
    """What `open_database` is replaced with, and what the fakes answer."""

    def __init__(self) -> None:
        self.databases: list[Database] = []
        self.queries: dict[Any, Any] = {}
        self.updates: dict[str, Any] = {}
        self.partitions: tuple[pa.Schema | None, list[bytes], int] = (None, [], -1)

    def open_database(self, options: dict[str, Any]) -> Database:
        if "fail_init" in options:
            raise errors.make(Status.INVALID_ARGUMENT, "could not open the database: told so")
        self.databases.append(Database(self, options))
        return self.databases[-1]

    @property
    def connection(self) -> Connection:
        """The connection that was opened last."""
        return self.databases[-1].connections[-1]

    @property
    def statement(self) -> Statement:
        """The statement that was made last."""
        return self.connection.statements[-1]


def install() -> Backend:
    """Replaces the driver's Python side for the rest of the process; for scripts in subprocesses."""
    import importlib
    import sys
    import types

    backend = Backend()
    try:
        module = importlib.import_module("e6data_adbc._driver")
    except ImportError:
        module = sys.modules["e6data_adbc._driver"] = types.ModuleType("e6data_adbc._driver")
    module.open_database = backend.open_database  # type: ignore[attr-defined]
    return backend
