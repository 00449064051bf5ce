"""A process that loads a table of numbers, and may kill itself at a point: `python -m e6data_adbc.testing.killed_load`.

Its one argument is a JSON object: `to` and `opener` of the destination, `rows`, `options` of the load, `pause_seconds`
before each batch, and `point`, `after` and `delay_seconds`: the process dies when it has passed *point* as often as
*after* says. Points are those of `POINTS`. At `commit` the destination has every row and the watermark, and is about to
commit or already does: the process dies *delay_seconds* later, wherever it is then.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any, Final

import pyarrow as pa

from e6data_adbc.etl import Request, Sink, Step, Watermark, load
from e6data_adbc.etl.destinations import open_sink, parse
from e6data_adbc.testing.table_source import TableSource

__all__ = ["POINTS", "made_sink", "numbers"]

#: Before the plan is stored, after it, while rows are under way, when the destination has all of them but not the
#: watermark, when it has that as well, and after the commit.
POINTS: Final = ("begin", "begun", "batch", "rows", "commit", "committed")


def numbers(rows: int) -> pa.Table:
    """Returns a table of *rows* rows: `id` counts, `k` does at half the speed, `v` is a text."""
    ids = range(rows)
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "k": pa.array([number // 2 for number in ids], pa.int64()),
            "v": pa.array([None if number % 7 == 0 else f"v{number}" for number in ids]),
        }
    )


def made_sink(to: str, opener: str | None) -> Sink:
    """Returns the sink of an address.

    Args:
        to: The address.
        opener: The function that makes it, as `module:function`; None to find it by the scheme.
    """
    if opener is None:
        return open_sink(parse(to), {})
    module, _, name = opener.partition(":")
    sink: Sink = getattr(import_module(module), name)(parse(to))
    return sink


class DyingSink:
    """A sink that tells which point a load passes."""

    def __init__(self, sink: Sink, passes: Callable[[str], None]) -> None:
        self._sink, self._passes = sink, passes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sink, name)

    def prepare(self, request: Request, schema: pa.Schema) -> Any:
        """Lets it through."""
        return self._sink.prepare(request, schema)

    def begin(
        self, draft: Callable[[Sequence[Watermark]], Watermark], *, supersede: bool
    ) -> Watermark:
        """Passes `begin` and `begun`."""
        self._passes("begin")
        mark = self._sink.begin(draft, supersede=supersede)
        self._passes("begun")
        return mark

    def commit(self, step: Step) -> Watermark | None:
        """Passes the points within the step, and `committed`."""
        after = self._sink.commit(DyingStep(step, self._passes))
        self._passes("committed")
        return after


class DyingStep:
    """A step that tells which point a commit passes."""

    def __init__(self, step: Step, passes: Callable[[str], None]) -> None:
        self._step, self._passes = step, passes

    def check(self, stored: Watermark | None) -> None:
        """Lets it through."""
        self._step.check(stored)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Passes `batch` before each."""
        for batch in self._step.batches():
            self._passes("batch")
            yield batch

    def after(self, stored: Watermark | None) -> Watermark | None:
        """Passes `rows` and `commit`."""
        self._passes("rows")
        after = self._step.after(stored)
        self._passes("commit")
        return after


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _main() -> None:
    given: dict[str, Any] = json.loads(sys.argv[1])
    left, lock = [given.get("after", 0)], threading.Lock()

    def passes(point: str) -> None:
        if point != given.get("point"):
            return
        with lock:
            left[0] -= 1
            is_now = left[0] < 0
        if is_now and point == "commit":
            threading.Timer(given.get("delay_seconds", 0.0), _die).start()
        elif is_now:
            _die()

    pause = given.get("pause_seconds", 0.0)
    source = TableSource(numbers(given["rows"]), before_batch=lambda: time.sleep(pause))
    sink = made_sink(given["to"], given.get("opener"))
    try:
        report = load(source, DyingSink(sink, passes), **given["options"])
    finally:
        sink.close()
    print(report.to_json())  # noqa: T201 - what the parent reads


if __name__ == "__main__":
    _main()
