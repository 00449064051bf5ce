"""A source of numbered rows for tests of sinks: partitions and keys without an engine, and failures on demand."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from e6data_adbc.etl.flow import Flow
from e6data_adbc.etl.sink import Mode, Request, Sink
from e6data_adbc.etl.source import Cut, shape_of
from e6data_adbc.etl.watermark import Plan, PlanKind, Position

SCHEMA = pa.schema({"id": pa.int64(), "v": pa.string()})


class Numbers:
    """Rows `first` to `first + rows`, in partitions of equal size, or in the order of `id`."""

    can_repeat = True

    def __init__(self, rows: int = 12, first: int = 0, batch_rows: int = 3) -> None:
        self.text = f"numbers {first} {rows}"
        self._first, self._rows, self._batch_rows = first, rows, batch_rows
        #: Called before each batch, with its first number.
        self.before_batch: Callable[[int], object] = lambda number: None

    def schema(self) -> pa.Schema:
        return SCHEMA

    def plan(self, cut: Cut) -> Plan:
        cuts = tuple(str(part) for part in range(cut.count))
        return Plan(cut.kind, shape_of(SCHEMA), cut.column, cuts)

    def read(self, plan: Plan, part: int) -> Iterator[pa.RecordBatch]:
        size = self._rows // plan.parts
        start = self._first + part * size
        yield from self._batches(start, start + size)

    def read_unordered(self, plan: Plan) -> Iterator[pa.RecordBatch]:
        yield from ()

    def read_after(self, plan: Plan, position: Position) -> Iterator[pa.RecordBatch]:
        start = self._first if position.key is None else int(position.key) + 1
        yield from self._batches(start, self._first + self._rows)

    def cancel(self) -> None:
        """Does nothing: reads end by themselves."""

    def _batches(self, start: int, stop: int) -> Iterator[pa.RecordBatch]:
        for number in range(start, stop, self._batch_rows):
            self.before_batch(number)
            ids = list(range(number, min(number + self._batch_rows, stop)))
            yield pa.record_batch({"id": ids, "v": [f"v{each}" for each in ids]}, SCHEMA)


def flow(sink: Sink, source: Numbers, *, parts: int = 1, **options: Any) -> Flow:
    """Returns the load of *source* in *parts* partitions, or by key where *parts* is 0; `job` and so on are options."""
    by_key, whole = Cut(PlanKind.KEY, "id"), Cut()
    cut = {0: by_key, 1: whole}.get(parts, Cut(PlanKind.PARTITIONS, "id", parts))
    names = ("commit_rows", "workers", "on_progress", "patience_seconds")
    settings = {name: options.pop(name) for name in names if name in options}
    request = Request(**{"job": "j", **options, "mode": Mode(options.get("mode", "append"))})
    return Flow(source, sink, request, cut, **settings)


def race(open_sink: Callable[[], Sink], rows: int, **options: Any) -> list[object]:
    """Has two workers of one job load at once; returns what each committed, or what it failed with."""
    ends: list[object] = []
    start = threading.Barrier(2, timeout=60)

    def work() -> None:
        sink = open_sink()
        try:
            one = flow(sink, Numbers(rows), **options)
            start.wait()
            one.run()
            ends.append(one.rows)
        except BaseException as error:
            ends.append(error)
        finally:
            sink.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return ends
