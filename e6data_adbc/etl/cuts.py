"""The partitions of a load as conditions of SQL, which is how a destination keeps them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc._driver.partitions import split
from e6data_adbc._sql.effect import cuts_rows
from e6data_adbc._sql.names import quoted_name
from e6data_adbc.errors import Status

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Connection

__all__ = ["ALL_ROWS", "check_can_wrap", "conditions", "wrapped"]

#: The condition of a partition that has every row.
ALL_ROWS = ""


def wrapped(sql: str, condition: str = ALL_ROWS) -> str:
    """Returns the query for the rows of *sql* that fulfil *condition*."""
    # In lines of its own, so that a comment at its end hides no bracket.
    text = f"SELECT * FROM (\n{sql}\n) AS loaded"
    return f"{text} WHERE {condition}" if condition else text


def check_can_wrap(sql: str) -> None:
    """Raises INVALID_ARGUMENT if a part of the rows of *sql* may be others each time it is read."""
    if cuts_rows(sql):
        raise errors.make(
            Status.INVALID_ARGUMENT,
            "could not cut the rows of the query: each read would apply its LIMIT, OFFSET or FETCH anew, perhaps to "
            "other rows",
            hint="if the query gives the same rows each time, write SELECT * FROM (…) around it",
        )


def conditions(
    connection: Connection, sql: str, field: pa.Field[Any], count: int
) -> tuple[str, ...]:
    """Returns the condition of each partition; every row fulfils exactly one, whatever is added meanwhile.

    Args:
        connection: Asked for the smallest and the largest value.
        sql: One query.
        field: The column of its result by which it is cut.
        count: How many partitions there may be; there are fewer where there are fewer values.

    Raises:
        ProgrammingError: There are too many, or the query keeps rows by their place.
        NotSupportedError: The column's type has no order to cut.
    """
    check_can_wrap(sql)
    if count > split.MOST_PARTITIONS:
        raise errors.make(
            Status.INVALID_ARGUMENT,
            f"could not cut a load into {count} partitions: {split.MOST_PARTITIONS} are the most",
        )
    column, kind = quoted_name(field.name, "column"), split.value_type(field)
    if count == 1:
        return (ALL_ROWS,)
    low, high = _bounds(connection, sql, column, kind)
    if low is None or high is None:
        return (ALL_ROWS,)
    spans = split.split(kind, low, high, count)
    return tuple(split.condition(column, span) or ALL_ROWS for span in spans)


def _bounds(
    connection: Connection, sql: str, column: str, kind: pa.DataType
) -> tuple[Any | None, Any | None]:
    """Returns the smallest and the largest value of a column; None where it has none."""
    query = wrapped(sql, split.finite_condition(column, kind) or ALL_ROWS)
    query = query.replace("SELECT *", f"SELECT MIN({column}) AS low, MAX({column}) AS high", 1)
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.execute(query)
        table = cursor.fetch_arrow_table()
    low, high = (_value(table.column(index)[0], kind) for index in range(2))
    return low, high


def _value(found: Any, kind: pa.DataType) -> Any | None:
    if found.is_valid and pa.types.is_struct(
        found.type
    ):  # an instant with its zone's text beside it
        found = found["instant"]
    return found.cast(kind) if found.is_valid else None
