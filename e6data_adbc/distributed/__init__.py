"""Queries for engines on many machines: a query as tickets, each a part that any worker reads, as often as it likes.

>>> from e6data_adbc import distributed
>>> tickets, schema = distributed.plan("select * from orders", uri, on="order_id", count=64)  # doctest: +SKIP
>>> for batch in distributed.read(tickets[0], columns=["amount"], where="amount > 100"):  # doctest: +SKIP
...     print(batch.num_rows)

`spark`, `ray`, `dask` and `daft` beside this give the tickets to those engines, which schedule and repeat as they do.
"""

from __future__ import annotations

from e6data_adbc.distributed.exporting import Exported, commit, export
from e6data_adbc.distributed.planning import plan
from e6data_adbc.distributed.reading import read
from e6data_adbc.distributed.task import Ticket

__all__ = ["Exported", "Ticket", "commit", "export", "plan", "read"]
