"""A table in memory as the source of a load: it can be cut and read again, without an engine."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from e6data_adbc.etl.source import Cut, shape_of
from e6data_adbc.etl.watermark import Plan, PlanKind, Position

__all__ = ["TableSource"]


class TableSource:
    """Rows of a table; partitions are stretches of equal length. Threads may read at once."""

    can_repeat = True

    def __init__(
        self,
        table: pa.Table,
        *,
        name: str = "table",
        batch_rows: int = 10,
        before_batch: Callable[[], object] = lambda: None,
    ) -> None:
        """Takes the rows.

        Args:
            table: With them; ordered by the key where a load is incremental.
            name: What tells the source from others, for the hash.
            batch_rows: The most rows of a batch.
            before_batch: Called before each batch is given; what it raises is the source's failure.
        """
        self.text = name
        self._table = table.combine_chunks()
        self._batch_rows = batch_rows
        self._before_batch = before_batch

    def schema(self) -> pa.Schema:
        """Returns the schema of the table."""
        return self._table.schema

    def plan(self, cut: Cut) -> Plan:
        """Returns stretches of rows as `first:end`."""
        shape = shape_of(self.schema())
        if cut.kind is not PlanKind.PARTITIONS:
            return Plan(cut.kind, shape, cut.column)
        rows = self._table.num_rows
        ends = [rows * part // cut.count for part in range(cut.count + 1)]
        cuts = tuple(f"{first}:{end}" for first, end in itertools.pairwise(ends))
        return Plan(cut.kind, shape, cut.column, cuts)

    def read(self, plan: Plan, part: int) -> Iterator[pa.RecordBatch]:
        """Gives the rows of one stretch, or all."""
        first, _, end = plan.cuts[part].partition(":")
        rows = self._table
        yield from self._batches(rows.slice(int(first), int(end) - int(first)) if end else rows)

    def read_unordered(self, plan: Plan) -> Iterator[pa.RecordBatch]:
        """Gives the rows whose key is NULL."""
        yield from self._batches(self._table.filter(pc.is_null(self._key(plan))))

    def read_after(self, plan: Plan, position: Position) -> Iterator[pa.RecordBatch]:
        """Gives the rows with a key above that of *position*."""
        keys: Any = self._key(plan)
        rows = pc.is_valid(keys)
        if position.key is not None:
            last = pa.array([position.key]).cast(keys.type)[0]
            rows = pc.greater(keys, last)  # NULL where a key is, which a filter leaves out
        yield from self._batches(self._table.filter(rows))

    def cancel(self) -> None:
        """Does nothing: reads end by themselves."""

    def _key(self, plan: Plan) -> Any:
        return self._table.column(plan.column or "")

    def _batches(self, table: pa.Table) -> Iterator[pa.RecordBatch]:
        for batch in table.to_batches(max_chunksize=self._batch_rows):
            self._before_batch()
            yield batch
