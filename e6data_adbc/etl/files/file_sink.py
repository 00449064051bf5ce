"""Loads into files of Parquet, CSV or Arrow IPC: in a folder of the local disk, or below a prefix of a bucket."""

from __future__ import annotations

import contextlib
import threading
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.conditions import Condition
from e6data_adbc.etl.destinations import Address
from e6data_adbc.etl.faults import telling_of_disk
from e6data_adbc.etl.files import parts
from e6data_adbc.etl.files.formats import FORMATS, Format
from e6data_adbc.etl.files.manifest import Manifest, Part, stage_key
from e6data_adbc.etl.files.parts import Draft
from e6data_adbc.etl.files.published import PublishedFolder
from e6data_adbc.etl.files.s3_folder import S3Folder
from e6data_adbc.etl.files.s3_prefix import Prefix
from e6data_adbc.etl.matching import Arranger, Match, match, store_all
from e6data_adbc.etl.retry import Budget, may_pass
from e6data_adbc.etl.sink import (
    Capabilities,
    ConflictError,
    Mode,
    Prepared,
    Request,
    Sink,
    Step,
)
from e6data_adbc.etl.stream import Rows
from e6data_adbc.etl.watermark import Watermark

__all__ = [
    "FileSink",
    "conflict",
    "local_folder",
    "open_s3_sink",
    "open_sink",
    "refuse_state_table",
]


#: Up to this size the files of a replacement are joined into one.
_JOINED_BYTES: Final = 2**28
#: Seconds for which commits of others may come between before this one is given up.
_PATIENCE: Final = 60.0


def open_sink(address: Address, *, state_table: str | None = None) -> Sink:
    """Returns the sink of `parquet+file:///folder`, `csv+file:///folder` or `ipc+file:///folder`."""
    kind = FORMATS[address.scheme.partition("+")[0]]
    root = local_folder(address, state_table)
    return FileSink(address, kind, PublishedFolder(root, kind.name, address.shown))


def open_s3_sink(address: Address, *, state_table: str | None = None) -> Sink:
    """Returns the sink of `parquet+s3://bucket/prefix`, `csv+s3://bucket/prefix` or `ipc+s3://bucket/prefix`."""
    refuse_state_table(address, state_table)
    kind = FORMATS[address.scheme.partition("+")[0]]
    return FileSink(address, kind, S3Folder(Prefix(address), kind.name, address.shown))


def refuse_state_table(address: Address, state_table: str | None) -> None:
    """Refuses another place for watermarks, where they are beside the rows.

    Raises:
        ProgrammingError: One was given.
    """
    if state_table is not None:
        raise errors.make(
            Status.INVALID_ARGUMENT,
            f"could not open the destination {address.shown!r}: watermarks are kept beside the rows, not in a "
            "state_table",
        )


def local_folder(address: Address, state_table: str | None) -> Path:
    """Returns the folder that *address* names.

    Raises:
        ProgrammingError: It names something else as well, or *state_table* is given.
    """
    split = urllib.parse.urlsplit(address.url)
    cause = None
    if split.netloc not in {"", "localhost"}:
        cause = f"it names the host {split.netloc!r}; a path begins with a third slash"
    elif not split.path.strip("/"):
        cause = "it names no folder"
    elif address.table or split.query:
        cause = "a folder has no tables, and the address no options"
    elif state_table is not None:
        cause = "watermarks are kept in the folder itself, not in a state_table"
    if cause:
        raise errors.make(
            Status.INVALID_ARGUMENT,
            f"could not open the destination {address.shown!r}: {cause}",
            hint=f"write {address.scheme}:///path/to/folder",
        )
    return Path(address.path)


def conflict(target: str) -> errors.Error:
    """Returns the error of a load whose commit another came before; a source that can be read again is."""
    return errors.make(
        Status.INVALID_STATE,
        f"could not commit rows in {target!r}: another commit has come between",
        hint="run the load again",
    )


class FileSink:
    """Rows into files of one format under one folder."""

    def __init__(self, address: Address, kind: Format, folder: PublishedFolder | S3Folder) -> None:
        """Takes where, and of what format; touches nothing."""
        self.target = address.shown
        self._address = address
        modes = {Mode.APPEND, Mode.REPLACE} | ({Mode.REPLACE_WHERE} if kind.can_read else set())
        self.capabilities = Capabilities(
            modes=frozenset(modes),
            is_fenced=True,
            has_parallel_commits=True,
            can_evolve=False,
            fence="the number of a manifest, which only one commit can take",
        )
        self._kind = kind
        self._folder = folder
        self._request = Request()
        self._match = Match((), pa.schema([]))
        self._condition: Condition | None = None
        self._lock = threading.Lock()
        #: What casts changed, and how often, for the report.
        self.losses: Counter[str] = Counter()

    def history(self, job: str) -> list[Watermark]:
        """Returns the watermarks of all runs of *job*; what a killed commit has left undone is done first."""
        if not self._folder.is_there:
            return []
        with self._telling("read the watermark"), self._locked():
            return self._folder.settled().history(job)

    def prepare(self, request: Request, schema: pa.Schema) -> Prepared:
        """Compares the columns with those of the files."""
        self._request = request
        is_only = len(schema) == 1
        columns = store_all(
            self.target, request, schema, lambda field: self._kind.stored(field, is_only=is_only)
        )
        with self._telling("read the columns"):
            manifest = self._folder.newest()
            foreign = self._folder.foreign(manifest)
        if foreign:
            raise errors.make(
                Status.INVALID_STATE,
                f"could not load into {self.target!r}: no load has made {foreign[0]!r}, which is there",
                hint="name a folder of its own: what is to be seen there has to be the load's",
            )
        self._match = match(self.target, request, columns, manifest.schema)
        self._condition = None
        if request.where is not None:
            self._condition = Condition(request.where, self._match.schema)
        losses = tuple(f"{each.name}: {each.loss}" for each in self._match.columns if each.loss)
        if manifest.schema is not None:
            return Prepared((), losses)
        listed = ", ".join(f"{field.name} {field.type}" for field in self._match.schema)
        return Prepared((f"make {self._kind.name} files with {listed}",), losses)

    def begin(
        self, draft: Callable[[Sequence[Watermark]], Watermark], *, supersede: bool
    ) -> Watermark:
        """Stores the first watermark of a run, in a manifest of its own."""
        job, run = self._request.job or "", self._request.run
        with self._telling("begin the load"):
            self._make()
        while True:
            with (
                contextlib.suppress(ConflictError),
                self._telling("begin the load"),
                self._locked(),
            ):
                manifest = self._folder.settled()
                found = manifest.find(job, run)
                if found is not None:
                    return found
                mark = draft(manifest.history(job))
                loads = [
                    each.superseded() if supersede and each.job == job else each
                    for each in manifest.loads
                ]
                self._put(manifest.next(loads=(*loads, mark), schema=self._match.schema))
                return mark

    def commit(self, step: Step) -> Watermark | None:
        """Writes the rows into files that nobody sees, and then a manifest that has them and the watermark."""
        rows = Rows(step.batches())
        with self._telling("commit rows", rows):
            return self._written_and_named(step, rows)

    def _written_and_named(self, step: Step, rows: Rows) -> Watermark | None:
        self._make()
        step.check(self._mark(self._folder.newest()))
        arranger = Arranger(self._match, self._request.on_type)
        drafts = self._written(self._arranged(rows, arranger))
        try:
            after = self._committed(step, drafts)
        except BaseException:
            parts.drop(drafts)
            raise
        parts.drop(drafts)
        with self._lock:
            self.losses.update(arranger.losses)
        return after

    def _committed(self, step: Step, drafts: Sequence[Draft]) -> Watermark | None:
        """Commits; again where another came between and the files are still this process's own."""
        budget = Budget(_PATIENCE, most=1.0)
        while True:
            try:
                with self._locked():
                    return self._commit(step, drafts)
            except ConflictError as cause:  # noqa: PERF203 - a try each time is what it is about
                if not (self._folder.keeps_drafts and budget.pause()):
                    raise conflict(self.target) from cause

    def forget(self, job: str) -> int:
        """Removes the watermarks of *job*, and the files that its unfinished runs have waiting."""
        if not self._folder.is_there:
            return 0
        with self._telling("forget the job"):
            self._make()
        while True:
            with (
                contextlib.suppress(ConflictError),
                self._telling("forget the job"),
                self._locked(),
            ):
                manifest = self._folder.settled()
                history = manifest.history(job)
                if history:
                    gone = {stage_key(job, mark.run) for mark in history}
                    stages = {k: v for k, v in manifest.stages.items() if k not in gone}
                    loads = tuple(mark for mark in manifest.loads if mark.job != job)
                    self._put(manifest.next(stages=stages, loads=loads))
                return len(history)

    def is_transient(self, error: BaseException) -> bool:
        """Tells whether another commit came between, or a bucket was away; a disk that fails goes on failing."""
        return isinstance(error.__cause__, ConflictError) or may_pass(error)

    def close(self) -> None:
        """Removes what is half-written."""
        self._folder.close()

    # ---- the commit

    def _commit(self, step: Step, drafts: Sequence[Draft]) -> Watermark | None:
        manifest = self._folder.settled()
        after = step.after(self._mark(manifest))
        number = manifest.number + 1
        request = self._request
        changes: dict[str, Any] = {"schema": self._match.schema}
        if after is not None:
            changes["loads"] = manifest.with_load(after)
        is_last = after is None or after.is_complete
        if request.mode is Mode.APPEND:
            if is_last and not (manifest.files or drafts):
                drafts = [self._nothing()]  # a reader finds the columns of a result without rows
            changes["files"] = (*manifest.files, *self._folder.take(drafts, number))
        else:
            key = stage_key(request.job or "", request.run)
            stages = dict(manifest.stages)
            waiting = stages.pop(key, ())
            if is_last:
                changes |= self._replacement(manifest, waiting, drafts)
            else:
                stages[key] = (*waiting, *self._folder.take(drafts, number))
            changes["stages"] = stages
        self._put(manifest.next(**changes))
        return after

    def _replacement(
        self, manifest: Manifest, waiting: Sequence[Part], drafts: Sequence[Draft]
    ) -> dict[str, Any]:
        """Returns what becomes of the files when those of a load take the place of others."""
        kept, replaced, outside = self._sorted(manifest)
        new = [
            *outside,
            *(Draft(self._folder.waiting(part), part.rows, part.bytes) for part in waiting),
            *drafts,
        ]
        if len(new) > 1 and sum(draft.bytes for draft in new) <= _JOINED_BYTES:
            # One file takes the place of one file at once, several do not.
            new = parts.join(self._kind, self._desk(), self._match.schema, new)
            if not self._folder.keeps_drafts:
                parts.drop([*outside, *drafts])  # those that wait are the manifest's until the next
        if not (kept or new):
            new = [self._nothing()]
        names = [part.name for part in replaced]
        taken = self._folder.take(new, manifest.number + 1, names)
        reused = {part.name for part in taken}
        dropped = tuple(name for name in names if name not in reused)
        return {"files": (*kept, *taken), "dropped": dropped}

    def _sorted(self, manifest: Manifest) -> tuple[list[Part], list[Part], list[Draft]]:
        """Returns files that stay, files that do not, and files with those rows of them that are not replaced."""
        if self._condition is None:
            return [], list(manifest.files), []
        kept: list[Part] = []
        replaced: list[Part] = []
        outside: list[Draft] = []
        for part in manifest.files:
            path = self._folder.seen(part)
            inside = sum(
                self._condition.inside(batch).num_rows
                for batch in self._kind.read(path, self._condition.columns)
            )
            (replaced if inside else kept).append(part)
            if 0 < inside < part.rows:
                outside += self._written(map(self._condition.outside, self._kind.read(path)))
        return kept, replaced, outside

    def _put(self, manifest: Manifest) -> None:
        self._folder.put(manifest)
        self._folder.settle(manifest)

    def _written(self, batches: Iterator[pa.RecordBatch]) -> list[Draft]:
        return parts.write(self._kind, self._desk(), self._match.schema, batches)

    def _nothing(self) -> Draft:
        return parts.empty(self._kind, self._desk(), self._match.schema)

    def _desk(self) -> Path:
        return self._folder.desk()

    def _arranged(self, rows: Rows, arranger: Arranger) -> Iterator[pa.RecordBatch]:
        row = 0
        for batch in rows:
            arranged = arranger.arrange(batch, row)
            if self._condition is not None:
                self._condition.check(arranged)
            yield arranged
            row += batch.num_rows

    # ---- the folder

    def _mark(self, manifest: Manifest) -> Watermark | None:
        request = self._request
        return None if request.job is None else manifest.find(request.job, request.run)

    def _make(self) -> None:
        """Makes what is missing; this process's desk, too, for which there is no lock to be had later."""
        self._folder.make()
        self._folder.desk()

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        with self._address.hiding(), self._folder.locked():
            yield

    def _telling(self, verb: str, rows: Rows | None = None) -> AbstractContextManager[None]:
        return telling_of_disk(self._address, verb, rows)
