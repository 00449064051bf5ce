"""Data frames: queries that are put together call by call, each of them as one more layer of SQL."""

from __future__ import annotations

import dataclasses
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from e6data_adbc._wire import e6x_engine_pb2 as pb
from e6data_adbc.local.cluster.sessions import Session
from e6data_adbc.local.data.catalogs import quote
from e6data_adbc.local.wire import refusal

__all__ = ["DataFrames", "Frame", "aggregated", "filtered", "limited", "ordered", "projected"]

#: By the number of `AggregateFunction`: SQL of the column `{0}`.
_AGGREGATES: Final = {
    pb.AggregateFunction.SUM: "SUM({0})",
    pb.AggregateFunction.COUNT: "COUNT({0})",
    pb.AggregateFunction.COUNT_STAR: "COUNT(*)",
    pb.AggregateFunction.COUNT_DISTINCT: "COUNT(DISTINCT {0})",
}
_DIRECTIONS: Final = {pb.SortDirection.ASC: "ASC", pb.SortDirection.DESC: "DESC"}


@dataclasses.dataclass(frozen=True)
class Frame:
    """A data frame that was not executed yet."""

    query_id: str
    session: Session
    number: int
    catalog: str
    schema: str
    sql: str


class DataFrames:
    """The data frames of one engine by query id; any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames: dict[str, Frame] = {}

    def create(
        self, request: pb.CreateDataFrameRequest, session: Session, table_of: Callable[[str], str]
    ) -> Frame:
        """Returns a new frame over a table, or over a Parquet file, whose table *table_of* tells."""
        source = (
            table_of(request.parquetFilePath) if request.createFromParquet else quote(request.table)
        )
        frame = Frame(
            str(uuid.uuid4()),
            session,
            request.dataframeNumber,
            request.catalog,
            request.schema,
            f"SELECT * FROM {source}",  # noqa: S608 - quoted
        )
        with self._lock:
            self._frames[frame.query_id] = frame
        return frame

    def find(self, query_id: str, number: int, session: Session) -> Frame:
        """Returns a frame.

        Raises:
            Refusal: There is none of that number, or it is another session's.
        """
        with self._lock:
            frame = self._frames.get(query_id)
        if frame is None or frame.number != number:
            raise refusal.sql_error(f"data frame {number} of query {query_id} not found")
        if frame.session != session:
            raise refusal.access_denied()
        return frame

    def change(self, frame: Frame, layer: Callable[[str], str]) -> None:
        """Puts one more layer of SQL on *frame*.

        Raises:
            Refusal: The layer makes no sense.
        """
        changed = dataclasses.replace(frame, sql=layer(f"({frame.sql}\n) AS frame"))
        with self._lock:
            self._frames[frame.query_id] = changed

    def remove(self, frame: Frame) -> None:
        """Forgets a frame that was executed."""
        with self._lock:
            self._frames.pop(frame.query_id, None)

    def drop(self, session: Session) -> None:
        """Forgets every frame of *session*."""
        with self._lock:
            self._frames = {
                query_id: frame
                for query_id, frame in self._frames.items()
                if frame.session != session
            }


# The layers. *source* is what stands after FROM; names are columns of it, quoted here.


def projected(source: str, fields: Sequence[str]) -> str:
    """Returns the SQL of a projection."""
    if not fields:
        raise refusal.sql_error("a projection needs fields")
    return f"SELECT {', '.join(quote(name) for name in fields)} FROM {source}"  # noqa: S608


def aggregated(source: str, functions: Mapping[str, int], groups: Sequence[str]) -> str:
    """Returns the SQL of an aggregation: the groups, then `FUNCTION(column)` in the order of the columns' names."""
    if not functions:
        raise refusal.sql_error("an aggregation needs functions")
    items = [quote(name) for name in groups]
    for name, function in sorted(functions.items()):
        pattern = _AGGREGATES.get(function)  # type: ignore[call-overload]
        if pattern is None:
            raise refusal.sql_error(f"there is no aggregate function {function}")
        items.append(f"{pattern.format(quote(name))} AS {quote(pattern.format(name))}")
    grouped = f" GROUP BY {', '.join(quote(name) for name in groups)}" if groups else ""
    return f"SELECT {', '.join(items)} FROM {source}{grouped}"  # noqa: S608


def filtered(source: str, where: str) -> str:
    """Returns the SQL of a filter; *where* is the user's own text."""
    return f"SELECT * FROM {source} WHERE ({where}\n)"  # noqa: S608


def ordered(source: str, directions: Mapping[str, int]) -> str:
    """Returns the SQL of an order.

    Raises:
        Refusal: It is over several columns: they come as a map, which does not say which is first.
    """
    if len(directions) != 1:
        raise refusal.sql_error(
            "an order over several columns is not supported by the local engine"
        )
    ((name, direction),) = directions.items()
    return f"SELECT * FROM {source} ORDER BY {quote(name)} {_DIRECTIONS[direction]}"  # type: ignore[index]  # noqa: S608


def limited(source: str, count: int) -> str:
    """Returns the SQL of a limit."""
    if count < 0:
        raise refusal.sql_error(f"the limit {count} is negative")
    return f"SELECT * FROM {source} LIMIT {count}"  # noqa: S608
