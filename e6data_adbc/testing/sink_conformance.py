"""What a sink for loads has to do, as one class of tests for its author: docs/guides/new-sink.md."""

from __future__ import annotations

import itertools
import random
import signal
import threading
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from e6data_adbc import errors
from e6data_adbc.etl import Mode, Progress, Request, Sink, Watermark, load
from e6data_adbc.etl.sql.proof import is_kept, sample_of
from e6data_adbc.testing.killed_load import POINTS, KilledLoad, made_sink, numbers
from e6data_adbc.testing.table_source import TableSource

__all__ = ["SinkConformance"]

_ROWS = 60
_PARTS = 6
#: Types that the driver makes of e6data's, and those that other Arrow data may have.
_TYPES: Sequence[pa.DataType] = (
    *(pa.bool_(), pa.int8(), pa.int16(), pa.int32(), pa.int64()),
    *(pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()),
    *(pa.float16(), pa.float32(), pa.float64()),
    *(pa.decimal128(38, 0), pa.decimal128(38, 2), pa.decimal128(38, 38), pa.decimal128(10, 2)),
    *(pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())),
    *(pa.binary(), pa.large_binary(), pa.binary_view()),
    *(pa.date32(), pa.time64("us"), pa.duration("us"), pa.null()),
    *(pa.timestamp("s"), pa.timestamp("us"), pa.timestamp("ns")),
    *(pa.timestamp("us", "UTC"), pa.timestamp("us", "Asia/Kolkata")),
)


class SinkConformance:
    """Tests of one sink. A subclass whose name begins with `Test` says where to load to, and how to read it back."""

    #: The function that makes the sink of an address, as `module:function`; None to find it by the address's scheme.
    opener: ClassVar[str | None] = None
    #: How often `test_kills` kills a load.
    kills: ClassVar[int] = 6
    #: How often `test_races` lets two workers race.
    races: ClassVar[int] = 3

    # ---- what the author says

    @pytest.fixture
    def address(self, tmp_path: Path) -> Any:
        """A function that returns the address of an empty destination, another one each time."""
        del tmp_path
        raise NotImplementedError("give a fixture that returns a function of no arguments")

    def read(self, address: str) -> pa.Table:
        """Returns what is in the destination, by its own library: the columns by their names, rows in any order.

        A destination that does not exist has no rows.
        """
        raise NotImplementedError

    # ---- what the tests use

    def _sink(self, to: str) -> Sink:
        return made_sink(to, self.opener)

    def _load(self, rows: Any, to: str, **options: Any) -> Any:
        sink = self._sink(to)
        try:
            return load(rows, sink, **options)
        finally:
            sink.close()

    def _ids(self, to: str) -> list[int]:
        found = self.read(to)
        ids: list[Any] = found.column("id").to_pylist() if found.num_rows else []
        return sorted(ids)

    def _needs(self, to: str, mode: Mode) -> None:
        sink = self._sink(to)
        try:
            if mode not in sink.capabilities.modes:
                with pytest.raises(errors.NotSupportedError):
                    load(numbers(3), sink, **_mode_options(mode))
                assert self._ids(to) == [], "what is refused writes nothing"
                pytest.skip(f"it has no mode {mode.value!r}, and says so")
        finally:
            sink.close()

    def _interrupted(self, to: str, event: str, count: int, **options: Any) -> None:
        """Loads until *event* has come *count* times."""
        left = [count]

        def interrupt(progress: Progress) -> None:
            left[0] -= progress.event == event
            if left[0] == 0:
                raise InterruptionError

        with pytest.raises(InterruptionError):
            self._load(_source(), to, progress=interrupt, workers=1, **options)

    # ---- the contract

    def test_rows_arrive(self, address: Callable[[], str]) -> None:
        """What was loaded is there, value by value, and NULL stays NULL."""
        to = address()

        report = self._load(_source(), to)

        assert (report.rows, report.commits) == (_ROWS, 1)
        found = self.read(to)
        columns = [found.column(name).to_pylist() for name in ("id", "k", "v")]
        assert sorted(zip(*columns, strict=True)) == list(
            zip(*numbers(_ROWS).to_pydict().values(), strict=True)
        )

    def test_append_keeps_what_is_there(self, address: Callable[[], str]) -> None:
        """Rows of earlier loads stay."""
        to = address()
        self._load(numbers(5), to)

        self._load(numbers(5), to)

        assert self._ids(to) == sorted([*range(5), *range(5)])

    def test_replace(self, address: Callable[[], str]) -> None:
        """The old rows stay until the new are whole, and none stays then."""
        to = address()
        self._needs(to, Mode.REPLACE)
        self._load(numbers(5), to)
        options: dict[str, Any] = {"mode": "replace", "job": "j", "partition": ("id", _PARTS)}

        self._interrupted(to, "committed", 3, **options)
        assert self._ids(to) == list(range(5))
        self._load(_source(), to, **options)

        assert self._ids(to) == list(range(_ROWS))

    def test_jobs_collect_apart(self, address: Callable[[], str]) -> None:
        """What an unfinished load of one job has collected is no matter of another job."""
        to = address()
        self._needs(to, Mode.REPLACE)
        options: dict[str, Any] = {"mode": "replace", "job": "j", "partition": ("id", _PARTS)}
        self._interrupted(to, "committed", 3, **options)

        self._load(numbers(5), to, mode="replace", job="other")
        assert self._ids(to) == list(range(5))
        self._load(_source(), to, **options)

        assert self._ids(to) == list(range(_ROWS))

    def test_upsert(self, address: Callable[[], str]) -> None:
        """Rows with a known key are changed, the others added; two with one key and a key of NULL are refused."""
        to = address()
        self._needs(to, Mode.UPSERT)
        self._load(numbers(10), to)
        changed = pa.table({"id": [9, 10], "k": [90, 100], "v": ["nine", None]})

        self._load(changed, to, mode="upsert", key="id")

        found = {row["id"]: (row["k"], row["v"]) for row in self.read(to).to_pylist()}
        assert sorted(found) == list(range(11))
        assert (found[9], found[10], found[8]) == ((90, "nine"), (100, None), (4, "v8"))
        for ids in ([1, 1], [None, 2]):
            wrong = pa.table({"id": pa.array(ids, pa.int64()), "k": [0, 0], "v": ["x", "y"]})
            with pytest.raises(errors.IntegrityError):
                self._load(wrong, to, mode="upsert", key="id")
        assert self._ids(to) == list(range(11))

    def test_the_last_row_of_a_key(self, address: Callable[[], str]) -> None:
        """With on_duplicate="last" the last row in the order of the load wins, if the sink can do that."""
        to = address()
        self._needs(to, Mode.UPSERT)
        rows = pa.table({"id": [1, 2, 1], "k": [10, 20, 30], "v": ["a", "b", "c"]})
        options: dict[str, Any] = {"mode": "upsert", "key": "id", "on_duplicate": "last"}
        sink = self._sink(to)
        try:
            if not sink.capabilities.can_keep_last:
                with pytest.raises(errors.NotSupportedError):
                    load(rows, sink, **options)
                return
        finally:
            sink.close()

        self._load(rows, to, **options)

        assert sorted(row["k"] for row in self.read(to).to_pylist()) == [20, 30]

    def test_replace_where(self, address: Callable[[], str]) -> None:
        """Rows that fulfil the condition give way to the load's, which have to fulfil it, too."""
        to = address()
        self._needs(to, Mode.REPLACE_WHERE)
        self._load(numbers(10), to)
        options: dict[str, Any] = {"mode": "replace_where", "where": "id >= 5"}

        self._load(numbers(8).slice(7), to, **options)

        assert self._ids(to) == [0, 1, 2, 3, 4, 7]
        with pytest.raises(errors.Error):
            self._load(numbers(8), to, **options)
        assert self._ids(to) == [0, 1, 2, 3, 4, 7]

    @pytest.mark.parametrize("event", ["planned", "committing", "committed"])
    @pytest.mark.parametrize("shape", ["partitions", "key", "whole"])
    def test_an_interrupted_load_goes_on(
        self, address: Callable[[], str], event: str, shape: str
    ) -> None:
        """What was committed is not loaded again, and nothing else was left."""
        to = address()
        shapes: dict[str, dict[str, Any]] = {
            "partitions": {"partition": ("id", _PARTS)},
            "key": {"incremental": "k", "commit_rows": 13},
            "whole": {},
        }
        options = {"job": "j", **shapes[shape]}
        count = 1 if shape == "whole" or event == "planned" else 2
        self._interrupted(to, event, count, **options)

        last = self._load(_source(), to, **options)

        assert self._ids(to) == list(range(_ROWS))
        assert last.rows + last.skipped_rows == _ROWS

    def test_a_complete_run_asks_once_and_changes_nothing(self, address: Callable[[], str]) -> None:
        """The same call again asks for the history, and neither prepares nor commits."""
        to = address()
        self._load(_source(), to, job="j")
        sink = CountingSink(self._sink(to))

        report = load(_source(), sink, job="j")
        sink.close()

        assert (report.rows, report.skipped_rows, sink.calls) == (0, _ROWS, ["history"])
        assert self._ids(to) == list(range(_ROWS))

    def test_another_source_is_refused(self, address: Callable[[], str]) -> None:
        """One run has one source."""
        to = address()
        self._load(_source(), to, job="j")

        with pytest.raises(errors.ProgrammingError, match="could not resume run"):
            self._load(TableSource(numbers(5), name="other"), to, job="j")

        assert self._ids(to) == list(range(_ROWS))

    def test_runs_and_jobs_are_apart(self, address: Callable[[], str]) -> None:
        """Runs of a job and jobs have watermarks of their own, and a job can be forgotten."""
        to = address()
        for job, run in (("j", "1"), ("j", "2"), ("other", "1")):
            self._load(numbers(4), to, job=job, run=run)
        sink = self._sink(to)
        try:
            assert sorted(mark.run for mark in sink.history("j")) == ["1", "2"]
            assert sink.forget("j") == 2
            assert sink.history("j") == []
            (left,) = sink.history("other")
        finally:
            sink.close()
        assert (left.rows, left.is_complete) == (4, True)
        assert self._ids(to) == sorted([*range(4)] * 3)

    @pytest.mark.parametrize("after", [0, 3])
    def test_a_source_that_fails(self, address: Callable[[], str], after: int) -> None:
        """Its own error is raised, nothing of the unfinished commit stays, and the same sink goes on."""
        to = address()
        self._load(numbers(3), to)
        left = [after]

        def fail() -> None:
            left[0] -= 1
            if left[0] < 0:
                raise SourceFailureError("in midstream")

        sink = self._sink(to)
        try:
            with pytest.raises(SourceFailureError, match="in midstream"):
                load(TableSource(numbers(_ROWS), before_batch=fail), sink)
            assert self._ids(to) == [0, 1, 2]
            load(numbers(1), sink)
        finally:
            sink.close()
        assert self._ids(to) == [0, 0, 1, 2]

    @pytest.mark.parametrize("kind", _TYPES, ids=str)
    def test_types(self, address: Callable[[], str], kind: Any) -> None:
        """The outermost values of a type come back exactly, or are refused with column and type, and the row if one."""
        sample = sample_of(kind)
        assert sample is not None
        for values in (sample.values, *(special for _, special in sample.special)):
            to = address()
            is_null = pa.types.is_null(kind)
            column = pa.nulls(len(values)) if is_null else values.cast(kind, safe=False)
            numbered = pa.array(range(len(column)), pa.int64())
            try:
                self._load(pa.table({"id": numbered, "c": column}), to)
            except (errors.NotSupportedError, errors.DataError) as error:
                text = str(error)
                is_of_value = isinstance(error, errors.DataError)
                assert "'c'" in text, text
                assert str(kind) in text, text
                assert not is_of_value or "row " in text, text
                assert self.read(to).num_rows == 0, "what is refused leaves nothing"
                continue
            found = self.read(to).sort_by("id").column("c").combine_chunks()
            written = column.cast(sample.stored)
            assert is_kept(written, found), f"{written} came back as {found}"

    @pytest.mark.parametrize(
        ("there", "given"),
        [
            (pa.array([1], pa.int32()), pa.array([2**31])),
            (pa.array([1]), pa.array([3.7])),
            (pa.array([1]), pa.array(["33"])),
            (pa.array([1.5], pa.float32()), pa.array([0.1])),
        ],
        ids=["int64 into int32", "float into int", "text into int", "double into float"],
    )
    def test_nothing_is_narrowed(self, address: Callable[[], str], there: Any, given: Any) -> None:
        """A column that is there takes a value as it is, or refuses it."""
        to = address()
        try:
            self._load(pa.table({"id": [1], "c": there}), to)
        except errors.NotSupportedError:
            pytest.skip(f"it has no {there.type}")

        try:
            self._load(pa.table({"id": [2], "c": given}), to)
        except errors.Error as error:
            refusal, kept = str(error), []
        else:
            refusal, kept = "'c'", given.to_pylist()
        assert "'c'" in refusal
        assert self.read(to).sort_by("id").column("c").to_pylist()[1:] == kept

    def test_evolve(self, address: Callable[[], str]) -> None:
        """With `evolve` a new column is added, if the sink can do that; it is never without."""
        to = address()
        self._load(pa.table({"id": [1]}), to)
        more = pa.table({"id": [2], "added": ["x"]})
        with pytest.raises(errors.Error, match="'added'"):
            self._load(more, to)
        sink = self._sink(to)
        try:
            if not sink.capabilities.can_evolve:
                with pytest.raises(errors.NotSupportedError):
                    load(more, sink, schema="evolve")
                return
        finally:
            sink.close()

        self._load(more, to, schema="evolve")

        rows = {row["id"]: row["added"] for row in self.read(to).to_pylist()}
        assert rows == {1: None, 2: "x"}

    @pytest.mark.parametrize(
        ("there", "given"),
        [
            (pa.array([1], pa.int32()), pa.array([2**40])),
            (pa.array([1.5], pa.float32()), pa.array([0.1])),
            (
                pa.array([Decimal("1.25")], pa.decimal128(10, 2)),
                pa.array([Decimal("123456789012345.25")], pa.decimal128(20, 2)),
            ),
        ],
        ids=["int32 to int64", "float to double", "more digits"],
    )
    def test_evolve_widens(self, address: Callable[[], str], there: Any, given: Any) -> None:
        """With `evolve` a column of numbers gets a wider type, if the sink can do that, and all values stay exact."""
        to = address()
        try:
            self._load(pa.table({"id": [1], "c": there}), to)
        except errors.NotSupportedError:
            pytest.skip(f"it has no {there.type}")
        sink = self._sink(to)
        can = sink.capabilities
        sink.close()
        if not can.can_evolve:
            return

        options: dict[str, Any] = {"schema": "evolve", "job": "j"}
        try:
            self._load(pa.table({"id": [2], "c": given}), to, **options)
        except errors.Error as error:
            refusal, kept = str(error), []
        else:
            refusal, kept = "", given.to_pylist()
        assert not (refusal and can.can_widen), refusal
        assert not refusal or "'c'" in refusal
        found = self.read(to).sort_by("id").column("c").to_pylist()
        assert [*map(_number, found)] == [*there.to_pylist(), *kept]

    def test_a_dry_run_writes_nothing(self, address: Callable[[], str]) -> None:
        """`prepare` compares, and no more."""
        to = address()
        sink = self._sink(to)
        try:
            sink.prepare(Request(), numbers(1).schema)
        finally:
            sink.close()

        assert self.read(to).num_rows == 0

    def test_races(self, address: Callable[[], str]) -> None:
        """Two workers of one job: each row is there once, and at least one of them ends well; if it is fenced."""
        sink = self._sink(address())
        is_fenced = sink.capabilities.is_fenced
        sink.close()
        if not is_fenced:
            pytest.skip("it says that it is not fenced")
        for _ in range(self.races):
            to = address()
            start = threading.Barrier(2)
            failures: list[BaseException] = []

            def work(
                to: str = to,
                start: threading.Barrier = start,
                failures: list[BaseException] = failures,
            ) -> None:
                start.wait(timeout=60)
                try:
                    self._load(_source(), to, job="j", partition=("id", _PARTS), workers=2)
                except errors.Error as error:
                    failures.append(error)

            workers = [threading.Thread(target=work) for _ in range(2)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
            assert len(failures) < 2, failures
            assert self._ids(to) == list(range(_ROWS))

    def test_kills(self, address: Callable[[], str]) -> None:
        """SIGKILL before, inside and after commits: the same call loads what is missing, and nothing twice."""
        chance = random.Random(f"{type(self).__name__} kills")  # noqa: S311
        points = itertools.cycle(chance.sample(POINTS, len(POINTS)))
        to, died = address(), 0
        shapes: list[dict[str, Any]] = [
            {"partition": ("id", _PARTS)},
            {"incremental": "k", "commit_rows": 13},
        ]
        for number in range(self.kills):
            options = {"job": f"j{number // len(POINTS)}", **shapes[number // len(POINTS) % 2]}
            code = self._killed(to, options, next(points), chance)
            died += code == -signal.SIGKILL
            assert code in {0, -signal.SIGKILL}
        jobs = (self.kills - 1) // len(POINTS) + 1
        for job in range(jobs):
            options = {"job": f"j{job}", **shapes[job % 2]}
            assert self._killed(to, options, None, chance) == 0

        assert died
        assert self._ids(to) == sorted([*range(_ROWS)] * jobs)

    def _killed(
        self, to: str, options: dict[str, Any], point: str | None, chance: random.Random
    ) -> int:
        return KilledLoad(
            to,
            options,
            rows=_ROWS,
            opener=self.opener,
            point=point,
            after=chance.randrange(2) if point in {"batch", "rows", "committed"} else 0,
            delay_seconds=chance.uniform(0, 0.01),
        ).run()


class InterruptionError(Exception):
    """Raised by the suite in place of a kill."""


class SourceFailureError(Exception):
    """Raised by the suite's source."""


class CountingSink:
    """Notes which calls a sink gets."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._sink, name)
        if name not in {"begin", "commit", "prepare", "forget"}:
            return found
        self.calls.append(name)
        return found

    def history(self, job: str) -> list[Watermark]:
        """Notes the question."""
        self.calls.append("history")
        return self._sink.history(job)

    def close(self) -> None:
        """Closes the sink."""
        self._sink.close()


def _number(value: Any) -> Any:
    """Returns a number that a destination keeps as its digits."""
    return Decimal(value) if isinstance(value, str) else value


def _source() -> TableSource:
    return TableSource(numbers(_ROWS))


def _mode_options(mode: Mode) -> dict[str, Any]:
    needs: dict[Mode, dict[str, Any]] = {
        Mode.UPSERT: {"key": "id"},
        Mode.REPLACE_WHERE: {"where": "id > 0"},
    }
    return {"mode": mode.value, **needs.get(mode, {})}
