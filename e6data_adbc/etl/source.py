"""What is loaded: a query, whole, in partitions or in the order of a key; or a stream of Arrow data."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc._dbapi import streams
from e6data_adbc._driver.partitions import split
from e6data_adbc._sql.placeholders import strip_statement
from e6data_adbc.errors import Status
from e6data_adbc.etl.cuts import check_can_wrap, conditions, wrapped
from e6data_adbc.etl.watermark import Plan, PlanKind, Position

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Connection

__all__ = ["Cut", "QuerySource", "Source", "StreamSource", "shape_of", "source_hash"]

_NAME: Final = re.compile(r'(?:[^\W\d]\w*|"(?:[^"]|"")+")(?:\.(?:[^\W\d]\w*|"(?:[^"]|"")+")){0,2}')


@dataclasses.dataclass(frozen=True)
class Cut:
    """How a caller wants the rows cut."""

    kind: PlanKind = PlanKind.WHOLE
    column: str | None = None
    #: The most partitions.
    count: int = 1


@runtime_checkable
class Source(Protocol):
    """Where rows come from."""

    @property
    def text(self) -> str:
        """What tells it from other sources, for the hash."""

    @property
    def can_repeat(self) -> bool:
        """Whether its rows can be read again."""

    def schema(self) -> pa.Schema:
        """Returns the schema of the rows, which are not read for it."""

    def plan(self, cut: Cut) -> Plan:
        """Returns the cuts; asks the engine for bounds where it needs some."""

    def read(self, plan: Plan, part: int) -> Iterator[pa.RecordBatch]:
        """Gives the rows of partition *part*."""

    def read_unordered(self, plan: Plan) -> Iterator[pa.RecordBatch]:
        """Gives the rows whose key is NULL or NaN."""

    def read_after(self, plan: Plan, position: Position) -> Iterator[pa.RecordBatch]:
        """Gives the rows with a key above that of *position*, in the order of the key."""

    def cancel(self) -> None:
        """Makes the reads of other threads end, with an error, as soon as they can."""


def source_hash(*parts: object) -> str:
    """Returns the hash of what is loaded: the same for the same text, mode and cuts."""
    text = json.dumps(parts, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def shape_of(schema: pa.Schema) -> str:
    """Returns names and types of *schema* as text, to compare."""
    return json.dumps([[field.name, str(field.type)] for field in schema])


class StreamSource:
    """Arrow data that can be read once."""

    can_repeat = False

    def __init__(self, data: Any) -> None:
        """Takes anything that has `__arrow_c_stream__`."""
        self._reader = pa.RecordBatchReader.from_stream(data)
        self.text = "stream " + shape_of(self._reader.schema)

    def schema(self) -> pa.Schema:
        """Returns the stream's schema."""
        return self._reader.schema

    def plan(self, cut: Cut) -> Plan:
        """Returns the plan of one commit; ProgrammingError for any other."""
        if cut.kind is not PlanKind.WHOLE:
            raise errors.make(
                Status.INVALID_ARGUMENT,
                f"could not cut a stream by {cut.column!r}: it can be read once, from its beginning",
                hint="give SQL or a table name instead of Arrow data",
            )
        return Plan(schema=shape_of(self.schema()))

    def read(self, plan: Plan, part: int) -> Iterator[pa.RecordBatch]:
        """Gives all rows."""
        del plan, part
        yield from _batches(self._reader)

    def read_unordered(self, plan: Plan) -> Iterator[pa.RecordBatch]:
        """There are none: a stream has no key."""
        del plan
        yield from ()

    def read_after(self, plan: Plan, position: Position) -> Iterator[pa.RecordBatch]:
        """There are none: a stream has no key."""
        del plan, position
        yield from ()

    def cancel(self) -> None:
        """Does nothing: what makes the stream is not known."""


class QuerySource:
    """A query of an e6data connection. Threads may read partitions at once."""

    can_repeat = True

    def __init__(self, connection: Connection, sql: str) -> None:
        """Takes SQL or the name of a table; sends nothing."""
        text = strip_statement(sql)
        if not text:
            raise errors.make(Status.INVALID_ARGUMENT, "could not load: there is no SQL")
        self._connection = connection
        self.text = f"SELECT * FROM {text}" if _NAME.fullmatch(text) else text
        self._schema: pa.Schema | None = None
        self._lock = threading.Lock()
        self._reading: set[Any] = set()

    def cancel(self) -> None:
        """Cancels the queries that are read."""
        with self._lock:
            reading = list(self._reading)
        for cursor in reading:
            with contextlib.suppress(errors.Error):  # it may have ended meanwhile
                cursor.adbc_cancel()

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[Any]:
        with contextlib.closing(self._connection.cursor()) as cursor:
            with self._lock:
                self._reading.add(cursor)
            try:
                yield cursor
            finally:
                with self._lock:
                    self._reading.discard(cursor)

    def schema(self) -> pa.Schema:
        """Returns the schema that the server says the result will have."""
        if self._schema is None:
            with contextlib.closing(self._connection.cursor()) as cursor:
                self._schema = cursor.adbc_execute_schema(self.text)
        return self._schema

    def plan(self, cut: Cut) -> Plan:
        """Returns the cuts; asks the server for the smallest and the largest value of the column of partitions."""
        shape = shape_of(self.schema())
        if cut.kind is PlanKind.WHOLE or cut.column is None:
            return Plan(schema=shape)
        if cut.kind is PlanKind.KEY:
            check_can_wrap(self.text)
            self._check_key(cut.column)
            return Plan(PlanKind.KEY, shape, cut.column)
        field = self._field(cut.column, "partitions")
        cuts = conditions(self._connection, self.text, field, cut.count)
        return Plan(PlanKind.PARTITIONS, shape, cut.column, cuts)

    def read(self, plan: Plan, part: int) -> Iterator[pa.RecordBatch]:
        """Gives the rows of one partition, as the plan says it, or of the whole query."""
        condition = plan.cuts[part]
        with self._cursor() as cursor:
            cursor.execute(wrapped(self.text, condition) if condition else self.text)
            yield from self._checked(cursor)

    def read_unordered(self, plan: Plan) -> Iterator[pa.RecordBatch]:
        """Gives the rows whose key is NULL or NaN."""
        name = _quoted(plan.column or "")
        unordered = f"{name} IS NULL"
        if pa.types.is_floating(self._key_type(plan)):
            unordered = f"NOT ({self._is_ordered(plan)}) OR {unordered}"
        with self._cursor() as cursor:
            cursor.execute(wrapped(self.text, unordered))
            yield from self._checked(cursor)

    def read_after(self, plan: Plan, position: Position) -> Iterator[pa.RecordBatch]:
        """Gives the rows with a key above that of *position*, in its order."""
        name = _quoted(plan.column or "")
        condition, values = self._is_ordered(plan), []
        if position.key is not None:
            condition += f" AND {name} > ?"
            values = [pa.array([position.key]).cast(self._key_type(plan))[0].as_py()]
        with self._cursor() as cursor:
            cursor.execute(
                f"{wrapped(self.text, condition)} ORDER BY {name}",
                values or None,
            )
            yield from self._checked(cursor)

    def _checked(self, cursor: Any) -> Iterator[pa.RecordBatch]:
        reader = cursor.fetch_record_batch()
        expected, found = shape_of(self.schema()), shape_of(reader.schema)
        if expected != found:
            raise errors.make(
                Status.INVALID_DATA,
                f"could not load the result: its columns are {found}, and the server had announced {expected}",
                hint="run the load again; if it stays so, cast the columns in the query",
            )
        yield from _batches(reader)

    def _check_key(self, column: str) -> None:
        field = self._field(column, "key")
        kind: Any = field.type
        test = pa.types
        if not any(
            accepts(kind)
            for accepts in (
                test.is_integer,
                test.is_decimal,
                test.is_floating,
                test.is_date32,
                test.is_timestamp,
            )
        ):
            raise errors.make(
                Status.NOT_IMPLEMENTED,
                f"could not load in the order of {column!r} of type {str(kind)!r}: only numbers, dates and times have "
                "an order that is surely the engine's as well as ours",
                hint="name another column, or cut by partitions",
            )

    def _field(self, column: str, use: str) -> Any:
        names = self.schema().names
        if names.count(column) != 1:
            raise errors.make(
                Status.INVALID_ARGUMENT,
                f"could not use {column!r} for {use}: the result has the columns {names}",
            )
        return self.schema().field(column)

    def _key_type(self, plan: Plan) -> Any:
        return self._field(plan.column or "", "key").type

    def _is_ordered(self, plan: Plan) -> str:
        name, kind = _quoted(plan.column or ""), self._key_type(plan)
        if pa.types.is_floating(kind):
            return f"({split.finite_condition(name, kind)})"
        return f"{name} IS NOT NULL"


def _batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Gives the batches of *reader*; what its query failed with is raised as the driver said it."""
    while True:
        try:
            batch = reader.read_next_batch()
        except StopIteration:
            return
        except Exception as error:
            known = streams.last_error(reader)
            if known is None:
                raise
            raise known from error
        yield batch


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _as_text(value: Any) -> str:
    if pa.types.is_floating(value.type):
        return repr(value.as_py())
    return str(value.cast(pa.string()).as_py())


def key_text(value: Any) -> str:
    """Returns a key as text that its Arrow type reads back exactly."""
    return _as_text(value)
