"""DuckDB's types ↔ the engine's: the label and vector of a result column, the text of a table column."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

from e6data_adbc import types
from e6data_adbc.types import EngineType, VectorType

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ResultColumn", "UnsupportedTypeError", "arrange", "column_type", "result_column"]


class DuckType(Protocol):
    """What we read of a `duckdb.DuckDBPyType`."""

    @property
    def id(self) -> str:
        """The base name in lower case, for instance `decimal`."""
        ...

    @property
    def children(self) -> Sequence[tuple[str, Any]]:
        """Named parameters: child types, numbers."""
        ...


class UnsupportedTypeError(ValueError):
    """A DuckDB type that the engine has nothing for."""


class OutOfRangeError(ValueError):
    """A value of a DuckDB type that the engine's type cannot say."""


#: The days whose microseconds fit the 64 bits of a date on the wire. DuckDB's infinities lie outside.
MAX_DAY: Final = 2**63 // 86_400_000_000 - 1
#: The timestamps of DuckDB, in microseconds; the two values outside are its infinities and one unused.
MAX_MICROSECOND: Final = 2**63 - 2

#: What becomes of a timestamp in nanoseconds by the setting of that name: the engine has microseconds, and DuckDB's own
#: cast rounds, upwards too. `{1}` is the type, `{2}` the name of the column in a literal. Infinities are cast.
_NANOSECONDS: Final = {
    "floor": "CASE WHEN isfinite(CAST({0} AS {1})) THEN CAST(make_timestamp(epoch_ns({0}) // 1000"
    " - CASE WHEN epoch_ns({0}) % 1000 < 0 THEN 1 ELSE 0 END) AS {1}) ELSE CAST({0} AS {1}) END",
    "refuse": "CASE WHEN isfinite(CAST({0} AS {1})) AND epoch_ns({0}) % 1000 <> 0 THEN error('column ' || {2}"
    " || ' has nanoseconds, and the engine has microseconds; cast it to VARCHAR, or start the local engine with"
    " nanoseconds=floor')"
    " ELSE CAST({0} AS {1}) END",
}
#: The types that have them.
_FINE: Final = frozenset({"timestamp_ns", "timestamptz_ns", "timestamp_tz_ns"})

_INTERVAL: Final = (
    "CASE WHEN date_part('year', {0}) <> 0 OR date_part('month', {0}) <> 0 THEN error("
    "'an interval with months has no type in the result; the engine has days and smaller only') "
    "ELSE epoch_us({0}) END"
)


@dataclasses.dataclass(frozen=True)
class ResultColumn:
    """One column of a result on its way from DuckDB to a vector."""

    name: str
    kind: EngineType
    #: SQL that makes the value encodable, `{0}` being the column; None where DuckDB's value is.
    sql: str | None = None
    #: DuckDB's own name of the type.
    duck: str = ""
    #: The type in full, where that is what metadata tell.
    told: str = ""

    @property
    def vector(self) -> VectorType:
        """The vector type that carries it."""
        return self.kind.vector

    @property
    def type_name(self) -> str:
        """The label in result metadata."""
        return self.told or self.vector.name


def result_column(
    name: str, duck: DuckType, nanoseconds: str = "refuse", *, full_types: bool = False
) -> ResultColumn:
    """Returns how a result column called *name* of DuckDB type *duck* is sent.

    Args:
        name: Of the column.
        duck: Its type.
        nanoseconds: The setting of that name.
        full_types: Likewise.

    Raises:
        UnsupportedTypeError: The engine has no type for it; names the column.
    """
    row = types.DUCK.get(duck.id)
    if row is None:
        raise UnsupportedTypeError(
            f"column {name!r} has the type {duck}, which no engine type carries"
        )
    target = row.duck[duck.id]
    if target is None or str(duck) == target:
        sql = _INTERVAL if row is types.INTERVAL else None
    elif duck.id in _FINE:
        quoted = "'" + name.replace("'", "''") + "'"
        parts = ("{0}", target, quoted.replace("{", "{{").replace("}", "}}"))
        sql = _NANOSECONDS[nanoseconds].format(*parts)
    else:
        sql = f"CAST({{0}} AS {target})"
    is_told = full_types and duck.id in _NESTED
    told = column_type(duck) if is_told else ""
    return ResultColumn(name, row, sql, duck=str(duck), told=told)


def column_type(duck: DuckType) -> str:
    """Returns the text that a column listing gives for *duck*, for instance `array<decimal(7,2)>`."""
    parameters = dict(duck.children) if duck.id in _NESTED else {}
    match duck.id:
        case "decimal":
            return f"decimal({parameters['precision']},{parameters['scale']})"
        case "list" | "array":
            return f"array<{column_type(parameters['child'])}>"
        case "map":
            return f"map<{column_type(parameters['key'])},{column_type(parameters['value'])}>"
        case "struct" | "union":
            inner = ",".join(f"{name}:{column_type(child)}" for name, child in duck.children)
            return f"struct<{inner}>"
        case other:
            row = types.DUCK.get(other, types.STRING)
            # A target with digits behind it says more than the type's name.
            target = row.duck.get(other) or ""
            return (target if row is types.DECIMAL else row.names[0]).lower()


_NESTED: Final = frozenset({"decimal", "list", "array", "map", "struct", "union"})


def arrange(batch: pa.RecordBatch, columns: Sequence[ResultColumn]) -> pa.RecordBatch:
    """Returns *batch* with the Arrow types that the vectors of *columns* are encoded from; copies nothing.

    Raises:
        OutOfRangeError: A date or timestamp is infinite or beyond the wire's range; names the column.
    """
    import pyarrow as pa

    arrays = list(batch.columns)
    changed = False
    for index, column in enumerate(columns):
        check = _CHECKS.get(column.kind)
        if check is not None:
            check(arrays[index], column)
        if column.kind is types.INTERVAL:
            arrays[index] = arrays[index].view(pa.duration("us"))
            changed = True
    return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names) if changed else batch


def _check_date(array: Any, column: ResultColumn) -> None:
    import pyarrow as pa

    _check_span(array.view(pa.int32()), MAX_DAY, column)


def _check_timestamp(array: Any, column: ResultColumn) -> None:
    import pyarrow as pa

    _check_span(array.view(pa.int64()), MAX_MICROSECOND, column)


def _check_span(numbers: Any, limit: int, column: ResultColumn) -> None:
    import pyarrow.compute as pc

    span = pc.min_max(numbers)
    low, high = span["min"].as_py(), span["max"].as_py()
    if low is not None and (low < -limit or high > limit):
        raise OutOfRangeError(
            f"column {column.name!r} has a {column.type_name} that is infinite or out of range"
        )


_CHECKS: Final[dict[EngineType, Callable[[Any, ResultColumn], None]]] = {
    types.DATE: _check_date,
    types.DATETIME: _check_timestamp,
    types.TIMESTAMP_TZ: _check_timestamp,
}
