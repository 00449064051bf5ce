"""Where a query is cut: at bounds or quantiles of a column, given or asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc._driver.partitions import split
from e6data_adbc._driver.query.open_query import open_query
from e6data_adbc._driver.query.query import Query
from e6data_adbc._driver.workspace import Workspace
from e6data_adbc._sql.command import Command
from e6data_adbc._transport.scope import Scope
from e6data_adbc.errors import Status
from e6data_adbc.options import StatementOptions

__all__ = ["Source", "spans"]

_BOUNDS: Final = StatementOptions.PARTITION_BOUNDS.value
Scalar = Any  # a pa.Scalar; the stubs make it generic over what only the running program knows


class Source(NamedTuple):
    """The column that a query is cut by.

    Attributes:
        text: The query, as it stands after FROM.
        column: The column's name, quoted.
        kind: Its Arrow type, as `split.value_type` says it.
    """

    text: str
    column: str
    kind: pa.DataType


def spans(
    workspace: Workspace, source: Source, bounds: str | None, count: int, scope: Scope
) -> list[split.Span]:
    """Returns at most *count* spans that together hold each row once; none where the column has no value to divide.

    Args:
        workspace: Asks for what *bounds* leaves open.
        source: What is cut.
        bounds: The option's text.
        count: At least 2.
        scope: Bounds all of it.

    Raises:
        Error: A bound is no value of the column's type, or the server could not be asked.
    """
    if bounds == split.QUANTILES:
        split.check_count(source.kind, count)
        found = [value for (value,) in _ask(workspace, _tiles(source, count), source.kind, scope)]
        return split.spans_between(source.kind, found)
    texts = split.parse_bounds(bounds) if bounds is not None else (None, None)
    low, high = (None if text is None else split.bound(text, source.kind) for text in texts)
    if low is None or high is None:
        low, high = _missing(workspace, source, low, high, scope)
    if low is None or high is None:
        return []
    return split.split(source.kind, low, high, count)


def _missing(
    workspace: Workspace, source: Source, low: Scalar, high: Scalar, scope: Scope
) -> tuple[Scalar, Scalar]:
    """Returns both bounds, the smallest and the largest value where none is given; None where there is no value."""
    column = source.column
    text = f"SELECT MIN({column}), MAX({column}) FROM {source.text}"  # noqa: S608 - the user's own text
    finite = split.finite_condition(column, source.kind)
    answer = _ask(
        workspace, text if finite is None else f"{text} WHERE {finite}", source.kind, scope
    )
    rows = list(answer)
    if len(rows) != 1:
        raise errors.make(
            Status.INVALID_DATA,
            f"could not find the bounds of the partitions: the server gave {len(rows)} rows for one",
            hint=f"give them with {_BOUNDS!r}",
        )
    least, most = rows[0]
    if least is None or most is None:
        return None, None
    if low is not None:  # all values may be on one side of the bound that was given
        return low, max(low, most, key=lambda value: value.as_py())
    if high is not None:
        return min(high, least, key=lambda value: value.as_py()), high
    return least, most


def _tiles(source: Source, count: int) -> str:
    """Returns the query for the smallest value of each of *count* parts with as many rows each, in their order."""
    column = source.column
    finite = split.finite_condition(column, source.kind)
    where = f"{column} IS NOT NULL" if finite is None else finite
    tiles = (
        f"SELECT {column}, NTILE({count}) OVER (ORDER BY {column}) AS tile FROM {source.text}"  # noqa: S608
        f" WHERE {where}"
    )
    return f"SELECT MIN({column}) FROM ({tiles}) AS tiles GROUP BY tile ORDER BY tile"  # noqa: S608


def _ask(
    workspace: Workspace, text: str, kind: pa.DataType, scope: Scope
) -> Iterator[tuple[Scalar, ...]]:
    """Gives the rows of a query with values of *kind*, None for NULL."""
    from e6data_adbc import _native

    effort = workspace.sessions.effort(scope)
    query = open_query(workspace, Command(text), effort, kind=Query)
    rows: list[tuple[Scalar, ...]] = []
    try:
        with scope.waking(query.cancel):
            while (response := query.next_response()) is not None:
                for chunk in response.chunks():
                    batch = pa.record_batch(_native.decode_chunk(chunk, query.schema))
                    rows += zip(*batch.columns, strict=True)
    except _native.NativeDecodeError as error:
        raise errors.from_native(error, verb="find the bounds of the partitions") from error
    finally:
        query.close()
    for row in rows:
        yield tuple(_value(value, kind, query.query_id) for value in row)


def _value(found: Scalar, kind: pa.DataType, query_id: str) -> Scalar | None:
    if found.is_valid and pa.types.is_struct(
        found.type
    ):  # an instant with its zone's text beside it
        found = found["instant"]
    try:
        return found.cast(kind) if found.is_valid else None
    except pa.ArrowException as cause:
        raise errors.make(
            Status.INVALID_DATA,
            f"could not find the bounds of the partitions: the server gave a value of type {str(found.type)!r} for"
            f" a column of type {str(kind)!r}",
            hint=f"give them with {_BOUNDS!r}",
            query_id=query_id,
        ) from cause
