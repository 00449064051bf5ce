"""Loads in processes of their own, which may kill themselves at a point."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any, Final

import pyarrow as pa

from e6data_adbc.etl import Request, Sink, Step, Watermark, load
from e6data_adbc.etl.destinations import open_sink, parse
from e6data_adbc.testing.table_source import TableSource

__all__ = ["POINTS", "KilledLoad", "made_sink", "numbers"]

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
            "v": pa.array([None if n % 7 == 0 else f"v{n}" for n in ids], pa.string()),
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


@dataclasses.dataclass(frozen=True)
class KilledLoad:
    """A load of `numbers` in a process of its own.

    Attributes:
        to: The address.
        options: Of the load; without a `job` it could not go on.
        rows: How many.
        opener: As `made_sink` takes it.
        point: Where the process dies, one of `POINTS`; None to let it live. At `commit` the destination has all rows
            and the watermark, and is about to commit: the process dies a moment later, wherever it is then.
        after: How often it passes the point before.
        delay_seconds: That moment.
        pause_seconds: Before each batch is given, which has ten rows.
    """

    to: str
    options: dict[str, Any]
    rows: int = 60
    opener: str | None = None
    point: str | None = None
    after: int = 0
    delay_seconds: float = 0.0
    pause_seconds: float = 0.0

    def start(self) -> Any:
        """Starts the process, a `multiprocessing.Process`, which the caller has to wait for."""
        process = _CONTEXT.Process(target=_run, args=(self,))
        process.start()
        return process

    def run(self, timeout_seconds: float = 120.0) -> int:
        """Runs it and returns its exit code: 0, or minus the number of the signal that ended it.

        Raises:
            TimeoutError: It did not end.
        """
        process = self.start()
        process.join(timeout_seconds)
        if process.is_alive():
            process.kill()
            process.join()
            raise TimeoutError(f"a load did not end in {timeout_seconds:g} s: {self}")
        code: int = process.exitcode
        process.close()
        return code


#: Processes are forks of one that has this module and nothing else: they start at once, and have no threads of ours.
_CONTEXT: Final = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _run(given: KilledLoad) -> None:
    left, lock = [given.after], threading.Lock()

    def passes(point: str) -> None:
        if point != given.point:
            return
        with lock:
            left[0] -= 1
            is_now = left[0] < 0
        if is_now and point == "commit":
            threading.Timer(given.delay_seconds, _die).start()
        elif is_now:
            _die()

    source = TableSource(numbers(given.rows), before_batch=lambda: time.sleep(given.pause_seconds))
    sink = made_sink(given.to, given.opener)
    try:
        load(source, DyingSink(sink, passes), **given.options)
    finally:
        sink.close()
