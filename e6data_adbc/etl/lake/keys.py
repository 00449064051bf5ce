"""Rows of an upsert by their keys: which of them go into the table."""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.sink import OnDuplicate, Request

__all__ = ["columns_of", "picked", "winners"]

_PLACE = "place of the row"  # no column of the load is beside it but those of the key


def columns_of(request: Request) -> list[str]:
    """Returns which columns `winners` has to see."""
    return list(dict.fromkeys([*request.key, *([request.order] if request.order else [])]))


def winners(request: Request, batches: Iterable[pa.RecordBatch]) -> Any:
    """Returns the places of the rows that win over others with their key, in order; None where all rows do.

    Args:
        request: Says the key, and whether the last row with one wins.
        batches: The columns of `columns_of`, of all rows. They are held in memory.

    Raises:
        IntegrityError: A key is NULL, or no one row wins.
    """
    table = pa.Table.from_batches(list(batches))
    key = list(request.key)
    if any(table.column(name).null_count for name in key):
        raise errors.make(
            Status.INTEGRITY,
            f"could not upsert by {key}: a row has NULL there, which is no row's key",
        )
    if request.on_duplicate is OnDuplicate.ERROR:
        _check_distinct(request, table, key, "the load has two rows with the same key")
        return None
    if request.order is not None:
        cause = (
            f"two rows with the same key have the same {request.order!r}, so neither is the last"
        )
        _check_distinct(request, table, columns_of(request), cause)
    places = pa.array(range(table.num_rows), pa.int64())
    last = table.select(key).append_column(_PLACE, places).group_by(key)
    found: Any = last.aggregate([(_PLACE, "max")]).column(f"{_PLACE}_max").combine_chunks()
    return found.take(pc.array_sort_indices(found))


def picked(batches: Iterable[pa.RecordBatch], places: Any) -> Iterator[pa.RecordBatch]:
    """Gives the rows of *batches* that are at *places*, which `winners` returned."""
    start = 0
    for batch in batches:
        stop = start + batch.num_rows
        if places is None:
            yield batch
        else:
            first = bisect.bisect_left(places, start, key=lambda place: place.as_py())
            after = bisect.bisect_left(places, stop, key=lambda place: place.as_py())
            here = places.slice(first, after - first)
            yield batch.take(pc.subtract(here, pa.scalar(start, pa.int64())))
        start = stop


def _check_distinct(request: Request, table: Any, names: list[str], cause: str) -> None:
    counts = table.group_by(names).aggregate([([], "count_all")]).column("count_all")
    if table.num_rows and pc.max(counts).as_py() > 1:
        keeps_last = request.on_duplicate is OnDuplicate.LAST
        raise errors.make(
            Status.INTEGRITY,
            f"could not upsert by {list(request.key)}: {cause}",
            hint="choose one of them in the query, with ROW_NUMBER() for instance"
            + ("" if keeps_last else ', or let the last one win with on_duplicate="last"'),
        )
