"""The commits of a load: which rows each has, and the watermark after it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.sink import RacedError
from e6data_adbc.etl.source import Source, key_text
from e6data_adbc.etl.watermark import Plan, State, Watermark

__all__ = ["KeyStep", "PartsStep", "UnorderedStep"]


class _Counted:
    """Counts rows and bytes of what passes."""

    def __init__(self, source: Source, on_end: Callable[[], None]) -> None:
        self._source = source
        self._on_end = on_end
        self.rows = 0
        self.size = 0

    def _passed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        self.rows += batch.num_rows
        self.size += batch.nbytes
        return batch

    def _check_sequence(self, stored: Watermark | None, begun: Watermark) -> None:
        """Refuses what was decided on a watermark that is no longer there."""
        _check_state(stored, begun)
        if stored is None or stored.sequence != begun.sequence:
            raise RacedError


class PartsStep(_Counted):
    """Whole partitions, at least one, until there are enough rows; a load in one commit has a single one."""

    def __init__(
        self,
        source: Source,
        plan: Plan,
        take: Callable[[], int | None],
        least: int,
        begun: Watermark | None,
        on_end: Callable[[], None],
        is_given_up: Callable[[], bool] = lambda: False,
    ) -> None:
        """Takes what to load.

        Args:
            source: Where rows come from.
            plan: The cuts.
            take: Gives the number of the next partition that nobody of this load has, or None.
            least: Rows after which no more partitions are taken.
            begun: The watermark of the run; None where there is no job.
            on_end: Told when the source has given its last row.
            is_given_up: Whether the load was interrupted meanwhile.
        """
        super().__init__(source, on_end)
        self._is_given_up = is_given_up
        self._plan, self._take, self._least, self._begun = plan, take, least, begun
        first = take()
        self.parts: list[int] = [] if first is None else [first]

    def check(self, stored: Watermark | None) -> None:
        """Refuses partitions that are committed."""
        if self._begun is not None:
            _check_state(stored, self._begun)
            if stored is None or not stored.position.done.isdisjoint(self.parts):
                raise RacedError

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Gives the rows of partition after partition."""
        part: int | None = self.parts[0]
        while part is not None:
            for batch in self._source.read(self._plan, part):
                if self._is_given_up():
                    raise errors.make(Status.CANCELLED, "could not commit rows: interrupted")
                yield self._passed(batch)
            part = self._take() if self.rows < self._least else None
            if part is not None:
                self.parts.append(part)
        self._on_end()

    def after(self, stored: Watermark | None) -> Watermark | None:
        """Adds the partitions to those that are done."""
        if self._begun is None:
            return None
        self.check(stored)
        assert stored is not None  # noqa: S101 - checked
        done = stored.position.done.union(self.parts)
        return stored.advanced(
            dataclasses.replace(stored.position, done=done),
            rows=self.rows,
            size=self.size,
            is_complete=len(done) == self._plan.parts,
        )


class UnorderedStep(_Counted):
    """The rows whose key is NULL or NaN, which come first and in one commit."""

    def __init__(
        self, source: Source, plan: Plan, begun: Watermark, on_end: Callable[[], None]
    ) -> None:
        super().__init__(source, on_end)
        self._plan, self._begun = plan, begun

    def check(self, stored: Watermark | None) -> None:
        """Refuses what another worker has committed."""
        self._check_sequence(stored, self._begun)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Gives the rows."""
        for batch in self._source.read_unordered(self._plan):
            yield self._passed(batch)
        self._on_end()

    def after(self, stored: Watermark | None) -> Watermark:
        """Notes that they are done."""
        self._check_sequence(stored, self._begun)
        position = dataclasses.replace(self._begun.position, has_unordered=True)
        return self._begun.advanced(position, rows=self.rows, size=self.size, is_complete=False)


class KeyStep(_Counted):
    """Rows in the order of a key, to the first change of the key after enough rows."""

    def __init__(
        self,
        source: Source,
        feed: OrderedFeed,
        least: int | None,
        begun: Watermark,
        on_end: Callable[[], None],
    ) -> None:
        """Takes what to load; *least* None stands for all rows."""
        super().__init__(source, on_end)
        self._feed, self._least, self._begun = feed, least, begun

    def check(self, stored: Watermark | None) -> None:
        """Refuses what another worker has committed."""
        self._check_sequence(stored, self._begun)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Gives rows to the end of a key."""
        for batch in self._feed.upto(self._least):
            yield self._passed(batch)
        self._on_end()

    def after(self, stored: Watermark | None) -> Watermark:
        """Moves the position to the last key."""
        self._check_sequence(stored, self._begun)
        position = self._begun.position
        if self._feed.last is not None:
            position = dataclasses.replace(position, key=key_text(self._feed.last))
        return self._begun.advanced(
            position, rows=self.rows, size=self.size, is_complete=self._feed.is_at_end
        )


class OrderedFeed:
    """One ordered result, handed out in stretches that end where the key changes."""

    def __init__(self, batches: Iterator[pa.RecordBatch], column: str | None) -> None:
        """Takes the result, and the column by which it is ordered."""
        self._batches = batches
        self._column = column or ""
        self._rest: pa.RecordBatch | None = None
        #: The last key that was handed out, as an Arrow scalar.
        self.last: Any = None
        self._seen: Any = None
        self.is_at_end = False

    def has_more(self) -> bool:
        """Whether there are rows that were not handed out."""
        self._rest = self._next()
        return self._rest is not None

    def upto(self, least: int | None) -> Iterator[pa.RecordBatch]:
        """Gives at least *least* rows, and all that have the key of the last of them."""
        rows = 0
        while True:
            batch = self._next()
            if batch is None:
                self.is_at_end = True
                return
            cut = None if least is None else self._end(batch, least - rows)
            if cut is not None:
                self._rest = batch.slice(cut)
                batch = batch.slice(0, cut)
            if batch.num_rows:
                rows += batch.num_rows
                self.last = batch.column(self._column)[-1]
                yield batch
            if cut is not None:
                return

    def close(self) -> None:
        """Ends the query."""
        close = getattr(self._batches, "close", None)
        if close is not None:
            close()

    def _next(self) -> pa.RecordBatch | None:
        if self._rest is not None:
            batch, self._rest = self._rest, None
            return batch
        for batch in self._batches:
            if batch.num_rows:
                self._check_order(batch.column(self._column))
                return batch
        return None

    def _end(self, batch: pa.RecordBatch, enough: int) -> int | None:
        """Returns the first row of *batch* that belongs to the next commit; None where there is none."""
        keys: Any = batch.column(self._column)
        if enough <= 0:  # the key that filled the commit may go on here
            last = self.last
        elif enough <= len(keys):
            last = keys[enough - 1]
        else:
            return None
        others = pc.index(pc.not_equal(keys.slice(max(enough, 0)), last), value=True).as_py()
        return None if others < 0 else max(enough, 0) + others

    def _check_order(self, keys: Any) -> None:
        """Refuses a result that is not in order: what follows a resume would be wrong."""
        first = (
            keys.slice(0, 1) if self._seen is None else pa.array([self._seen.as_py()], keys.type)
        )
        before = pa.concat_arrays([first, keys.slice(0, len(keys) - 1)])
        if keys.null_count or pc.any(pc.less(keys, before)).as_py():
            raise errors.make(
                Status.INVALID_DATA,
                f"could not load in the order of {self._column!r}: the server's rows are not in that order",
                hint="cut by partitions instead",
            )
        self._seen = keys[-1]


def _check_state(stored: Watermark | None, begun: Watermark) -> None:
    if stored is None:
        raise errors.make(
            Status.INVALID_STATE,
            f"could not commit: the watermark of job {begun.job!r} was removed meanwhile",
            hint="somebody has made the destination forget the job; look at the table before you load again",
        )
    if stored.state is State.SUPERSEDED:
        raise errors.make(
            Status.INVALID_STATE,
            f"could not go on with run {begun.run!r} of job {begun.job!r}: a later run took over after its last key",
            hint="start a new run",
        )
    if stored.is_complete and not begun.is_complete:
        raise RacedError
