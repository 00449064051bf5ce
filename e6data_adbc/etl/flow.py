"""The loop of a load: ask the destination where to go on, commit what is next, until nothing is left."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import heapq
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from typing import Any, Final, TypeVar

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc._telemetry import LoadWatch
from e6data_adbc.errors import Status
from e6data_adbc.etl.report import Progress
from e6data_adbc.etl.retry import Budget
from e6data_adbc.etl.sink import OnDuplicate, RacedError, Request, Sink
from e6data_adbc.etl.source import Cut, Source, shape_of, source_hash
from e6data_adbc.etl.steps import KeyStep, OrderedFeed, PartsStep, UnorderedStep
from e6data_adbc.etl.watermark import Plan, PlanKind, Position, State, Watermark

__all__ = ["Flow"]

#: Commits that another worker was faster with, one after the other, before this gives up.
_MOST_RACES: Final = 10_000
#: Of patience, unless the caller says how much: with a commit, and with a destination that was not reached yet.
_COMMIT_SECONDS: Final = 60.0
_FIRST_SECONDS: Final = 5.0
#: Between two looks for a signal while workers load.
_LOOK_SECONDS: Final = 0.5
_T = TypeVar("_T")


class Flow:
    """One call of `load`: a source, a sink, and what is to be done between them."""

    def __init__(  # noqa: PLR0913 - they are the settings of one load
        self,
        source: Source,
        sink: Sink,
        request: Request,
        cut: Cut,
        *,
        commit_rows: int | None = None,
        workers: int = 1,
        patience_seconds: float | None = None,
        on_progress: Callable[[Progress], object] | None = None,
        watch: LoadWatch | None = None,
    ) -> None:
        """Takes them; nothing is read or written yet.

        Args:
            source: Where rows come from.
            sink: Where they go.
            request: How.
            cut: Into what commits.
            commit_rows: The least rows of a commit; None for one commit a partition, and one for all in the order of
                a key.
            workers: How many threads read and commit partitions, where the sink has parallel commits.
            patience_seconds: How long a commit, or the first contact, is tried again after a failure that may pass;
                None for a minute, and some seconds.
            on_progress: Told each event, from any thread, one at a time.
            watch: Told commits, for spans and counters.
        """
        self._source, self._sink, self._request, self._cut = source, sink, request, cut
        self._commit_rows, self._workers = commit_rows, max(workers, 1)
        given = patience_seconds
        self._patience = _COMMIT_SECONDS if given is None else given
        self._first_patience = _FIRST_SECONDS if given is None else given
        self._on_progress = on_progress
        self._watch = watch or LoadWatch()
        self._lock = threading.Lock()
        #: No further commit begins.
        self._stop = threading.Event()
        #: The commits under way are given up.
        self._interrupted = threading.Event()
        self.rows = 0
        self.bytes = 0
        self.commits = 0
        #: What was committed before.
        self.before: Watermark | None = None
        #: What the destination has.
        self.watermark: Watermark | None = None

    @property
    def hash(self) -> str:
        """The hash of what is loaded: another one cannot go on with a run."""
        request, cut = self._request, self._cut
        parts = [self._source.text, request.mode.value, request.key, request.where]
        if request.on_duplicate is not OnDuplicate.ERROR:
            parts.append(request.on_duplicate.value)
        return source_hash(*parts, cut.kind.value, cut.column)

    def run(self) -> None:
        """Loads what is missing.

        Raises:
            Error: It failed; what was committed stays, and the same call goes on after it.
        """
        if self._request.job is None:
            schema = self._source.schema()
            self._patiently(lambda: self._sink.prepare(self._request, schema), self._first())
            self._all_at_once(self._source.plan(self._cut))
            return
        found = self._find(self._ask(self._request.job, self._first()))
        if found is not None:
            self._check(found)
            self.before = found
            if found.is_complete and not found.can_grow:
                self.watermark = found
                return
        schema = self._source.schema()
        if found is not None and found.plan.schema != shape_of(schema):
            raise errors.make(
                Status.INVALID_STATE,
                f"could not resume run {found.run!r} of job {found.job!r}: the columns are {shape_of(schema)}, and "
                f"were {found.plan.schema}",
                hint="load it anew under another run, or forget the job",
            )
        budget = Budget(self._patience)
        self._patiently(lambda: self._sink.prepare(self._request, schema), budget)
        mark = found or self._begin()
        self.watermark = mark
        self._tell("planned")
        if mark.plan.kind is PlanKind.KEY:
            self._in_order(mark)
        else:
            self._in_parts(mark)

    # ---- the run

    def _find(self, history: Sequence[Watermark]) -> Watermark | None:
        return next((mark for mark in history if mark.run == self._request.run), None)

    def _check(self, mark: Watermark) -> None:
        if mark.source != self.hash:
            raise errors.make(
                Status.INVALID_STATE,
                f"could not resume run {mark.run!r} of job {mark.job!r}: it began with the source {mark.source}, and "
                f"this is {self.hash}",
                hint="the SQL, the mode, the key and the column of the cuts have to be the same; name another run, or "
                "forget the job",
            )
        if mark.state is State.SUPERSEDED:
            raise errors.make(
                Status.INVALID_STATE,
                f"could not resume run {mark.run!r} of job {mark.job!r}: a later run went on after its last key",
                hint="start a new run",
            )

    def _begin(self) -> Watermark:
        """Stores the plan before anything else, and returns what is stored: another worker may have been first."""
        plan = self._source.plan(self._cut)
        by_key = plan.kind is PlanKind.KEY

        def draft(history: Sequence[Watermark]) -> Watermark:
            job = self._request.job or ""
            mark = Watermark(job, self._request.run, self.hash, plan)
            return (
                dataclasses.replace(mark, position=self._start(plan, history)) if by_key else mark
            )

        begin = functools.partial(self._sink.begin, draft, supersede=by_key)
        stored = self._patiently(begin, Budget(self._patience))
        self._check(stored)
        return stored

    def _start(self, plan: Plan, history: Sequence[Watermark]) -> Position:
        """Returns the position after the last key of all runs of the job."""
        earlier = [mark for mark in history if mark.plan.kind is PlanKind.KEY]
        for mark in earlier:
            if mark.plan.column != plan.column:
                raise errors.make(
                    Status.INVALID_STATE,
                    f"could not go on with job {mark.job!r}: it was loaded in the order of {mark.plan.column!r}, not "
                    f"of {plan.column!r}",
                    hint="use another job, or forget this one",
                )
        kind: Any = self._source.schema().field(plan.column or "").type
        keys = [mark.position.key for mark in earlier if mark.position.key is not None]
        last = max(keys, key=lambda text: pa.array([text]).cast(kind)[0].as_py(), default=None)
        return Position(
            key=last, has_unordered=any(mark.position.has_unordered for mark in earlier)
        )

    # ---- the commits

    def _all_at_once(self, plan: Plan) -> None:
        """Loads without a watermark: one commit, tried once, for nothing would tell whether a lost answer was a yes."""
        parts = iter(range(plan.parts))

        def take() -> int | None:
            return next(parts, None)

        step = PartsStep(self._source, plan, take, _ALL, None, self._tell_committing)
        self._note(step, self._commit(step))

    def _in_parts(self, mark: Watermark) -> None:
        left = _Left(mark)
        workers = self._workers if self._sink.capabilities.has_parallel_commits else 1
        workers = min(workers, left.count)
        if workers <= 1:
            self._work(left)
            return
        with ThreadPoolExecutor(workers, thread_name_prefix="e6data-load") as pool:
            try:
                jobs = [pool.submit(self._work, left) for _ in range(workers)]
                self._wait_for(jobs)
            except BaseException:  # Ctrl-C, which this thread alone is told
                self._interrupted.set()
                self._source.cancel()
                raise
            finally:
                self._stop.set()
            for job in jobs:
                job.result()

    @staticmethod
    def _wait_for(jobs: Sequence[Future[None]]) -> None:
        """Waits until all have ended, or one has failed; a signal that comes just before a wait does not end that."""
        while True:
            done, left = wait(jobs, _LOOK_SECONDS, FIRST_EXCEPTION)
            if not left or any(job.exception() for job in done):
                return

    def _work(self, left: _Left) -> None:
        """Commits partitions until there are none; where another worker fails, ends after the commit under way."""
        budget = Budget(self._patience)
        races = 0
        while not self._stop.is_set():
            mark = left.mark
            step = PartsStep(
                self._source,
                mark.plan,
                left.take,
                self._commit_rows or 1,
                mark,
                self._tell_committing,
                self._interrupted.is_set,
            )
            if not step.parts:
                return
            after = self._try(step, budget)
            if after is None:
                races += 1
                left.look(self._look_again(mark, races, budget))
                left.give_back(step.parts)
            else:
                races = 0
                left.look(after)

    def _in_order(self, mark: Watermark) -> None:
        budget = Budget(self._patience)
        races = 0
        while True:
            after = self._next_in_order(mark, budget)
            if after is None:
                return
            races = races + 1 if after.sequence == mark.sequence else 0
            mark = self._look_again(mark, races, budget)
            if mark.is_complete and not mark.can_grow:
                return

    def _next_in_order(self, mark: Watermark, budget: Budget) -> Watermark | None:
        """Commits from *mark* on; returns where it was interrupted, or None at the end."""
        if not mark.position.has_unordered:
            step = UnorderedStep(self._source, mark.plan, mark, self._tell_committing)
            after = self._try(step, budget)
            if after is None:
                return mark
            mark = after
        feed = OrderedFeed(self._source.read_after(mark.plan, mark.position), mark.plan.column)
        with contextlib.closing(feed):
            if mark.is_complete and not feed.has_more():
                return None  # nothing new: not even the watermark changes
            while True:
                after = self._try(
                    KeyStep(self._source, feed, self._commit_rows, mark, self._tell_committing),
                    budget,
                )
                if after is None:
                    return mark
                if after.is_complete:
                    return None
                mark = after

    def _commit(self, step: PartsStep | UnorderedStep | KeyStep) -> Watermark | None:
        with self._watch.commit():
            return self._sink.commit(step)

    def _try(self, step: PartsStep | UnorderedStep | KeyStep, budget: Budget) -> Watermark | None:
        """Commits *step*; None where it has to be looked anew what is next."""
        try:
            after = self._commit(step)
        except RacedError:
            self._watch.count("races")
            return None
        except Exception as error:
            if not (self._source.can_repeat and self._sink.is_transient(error) and budget.pause()):
                raise
            self._watch.count("retries")
            return None
        budget.reset()
        self._note(step, after)
        return after

    def _note(self, step: PartsStep | UnorderedStep | KeyStep, after: Watermark | None) -> None:
        with self._lock:
            self.rows += step.rows
            self.bytes += step.size
            self.commits += 1
            for name, number in (("rows", step.rows), ("bytes", step.size), ("commits", 1)):
                self._watch.count(name, number)
            known = self.watermark
            if after is not None and (known is None or after.sequence >= known.sequence):
                self.watermark = after
        self._tell("committed")

    def _look_again(self, mark: Watermark, races: int, budget: Budget) -> Watermark:
        """Returns the watermark as it is now, after another worker's commit or an answer that did not come."""
        if races > _MOST_RACES:
            raise errors.make(
                Status.INVALID_STATE,
                f"could not commit: other workers of job {mark.job!r} were first {races} times",
            )
        found = self._find(self._ask(mark.job, budget))
        if found is None:
            raise errors.make(
                Status.INVALID_STATE,
                f"could not go on: the watermark of job {mark.job!r} was removed meanwhile",
                hint="somebody has made the destination forget the job; look at the table before you load again",
            )
        self._check(found)
        with self._lock:
            self.watermark = found
        return found

    def _ask(self, job: str, budget: Budget) -> list[Watermark]:
        """Returns the job's history from a destination that may be away for a while."""
        return self._patiently(lambda: self._sink.history(job), budget)

    def _first(self) -> Budget:
        """Returns the patience with the first contact: an address that is wrong looks like a server that is away."""
        return Budget(self._first_patience)

    def _patiently(self, call: Callable[[], _T], budget: Budget) -> _T:
        """Returns what *call* does, which may be done again after a failure that may pass."""
        while True:
            try:
                return call()
            except errors.Error as error:  # noqa: PERF203 - a try each time is what it is about
                if not (self._sink.is_transient(error) and budget.pause()):
                    raise
                self._watch.count("retries")

    # ---- telling

    def _tell_committing(self) -> None:
        self._tell("committing")

    def _tell(self, event: str) -> None:
        """Tells the newest watermark, whichever worker committed it."""
        if self._on_progress is not None:
            with self._lock:
                self._on_progress(Progress(event, self.rows, self.commits, self.watermark))


#: More rows than a commit can have.
_ALL: Final = 2**62


class _Left:
    """The partitions that nobody of this process has taken or knows to be committed. Any thread."""

    def __init__(self, mark: Watermark) -> None:
        self._lock = threading.Lock()
        self._free = sorted(set(range(mark.plan.parts)) - mark.position.done)
        self.mark = mark

    @property
    def count(self) -> int:
        return len(self._free)

    def take(self) -> int | None:
        with self._lock:
            while self._free:
                part = heapq.heappop(self._free)
                if part not in self.mark.position.done:
                    return part
            return None

    def give_back(self, parts: Sequence[int]) -> None:
        with self._lock:
            for part in parts:
                heapq.heappush(self._free, part)

    def look(self, mark: Watermark) -> None:
        """Takes note of a later watermark."""
        with self._lock:
            if mark.sequence > self.mark.sequence:
                self.mark = mark
