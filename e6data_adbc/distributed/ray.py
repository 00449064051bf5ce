"""Ray Data reads queries as datasets, a task for each ticket.

The server sends the columns that a plan needs, and of the rows those that fulfil a filter which is surely the same in
SQL; other filters stay with Ray.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from e6data_adbc.distributed.task import Ticket, missing

try:
    import ray.data
    from ray.data.block import BlockMetadata
    from ray.data.datasource import Datasource, ReadTask
except ImportError as cause:
    raise missing("ray.data", "ray") from cause

from e6data_adbc.distributed.planning import plan
from e6data_adbc.distributed.pushed_conditions import joined
from e6data_adbc.distributed.ray_filters import condition
from e6data_adbc.distributed.reading import read as read_ticket

__all__ = ["read"]


def read(
    sql: str,
    uri: str | None = None,
    *,
    on: str | None = None,
    count: int | None = None,
    bounds: str | Sequence[Any] | None = None,
) -> Any:
    """Returns a `ray.data.Dataset` of *sql*, which runs each time that the dataset is executed.

    Arguments and errors are those of `e6data_adbc.distributed.plan`. Ray repeats a task whose worker died.
    """
    source = e6data(*plan(sql, uri, on, count, bounds))
    return ray.data.read_datasource(source, override_num_blocks=len(source.tickets))


class e6data(Datasource):  # type: ignore[misc] # noqa: N801 - Ray shows the name; it is no dependency
    supports_projection_pushdown = supports_predicate_pushdown = lambda _: True

    def __init__(self, tickets: Sequence[Ticket], schema: pa.Schema) -> None:
        super().__init__()
        self.tickets, self._schema = tickets, schema
        self._projection_map, self._where = None, ""

    def estimate_inmemory_data_size(self) -> None:
        return None

    def apply_predicate(self, predicate_expr: Any) -> e6data:
        found = condition(predicate_expr, self._schema)
        if found is None:
            return self  # by which Ray knows that it has to filter
        other = copy.copy(self)
        other._where = found if not self._where else joined("AND", self._where, found)
        return other

    def get_read_tasks(self, parallelism: int, per_task_row_limit: Any = None, **_: Any) -> Any:
        names = self._schema.names if self._projection_map is None else list(self._projection_map)
        schema, unknown = pa.schema(map(self._schema.field, names)), BlockMetadata(*[None] * 4)
        read = functools.partial(_blocks, names=names, where=self._where or None)
        reads = [functools.partial(read, each) for each in self.tickets]
        return [ReadTask(each, unknown, schema, per_task_row_limit) for each in reads]


def _blocks(ticket: Ticket, names: list[str], where: str | None) -> Any:
    for batch in read_ticket(ticket, names, where):
        # Without a column Ray does not know how many rows there are; it leaves out one of this name.
        stub = {"__bsp_stub": pa.nulls(batch.num_rows)}
        yield pa.Table.from_batches([batch]) if names else pa.table(stub)
