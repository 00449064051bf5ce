"""How far the runs of a job have come into a lake table, as files that versions of the table's log point to.

A log can keep a number for an application, and no more. So a commit first writes its watermarks into a new file, and
the number of that commit names the file: the watermarks are in force when, and only when, the commit is.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import secrets
import uuid
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.files import disk
from e6data_adbc.etl.files.manifest import Part
from e6data_adbc.etl.files.parts import Draft
from e6data_adbc.etl.files.s3_prefix import Prefix, scratch
from e6data_adbc.etl.files.state_folder import NAME, StateFolder
from e6data_adbc.etl.watermark import Watermark

__all__ = ["Record", "Records", "S3Records"]

_FORM: Final = 1
#: A version counts commits above these bits; below them it is drawn, so that no two commits have the same file.
_DRAWN_BITS: Final = 31


@dataclasses.dataclass(frozen=True)
class Record:
    """The watermarks of a job after one of its commits.

    Attributes:
        version: What the table's log says of the job; 0 before the first commit.
        loads: The watermarks of all its runs, the first run first.
        stages: Files of unfinished runs that wait for the last commit, by run.
    """

    version: int = 0
    loads: tuple[Watermark, ...] = ()
    stages: Mapping[str, tuple[Part, ...]] = dataclasses.field(default_factory=dict)

    def find(self, run: str) -> Watermark | None:
        """Returns the watermark of one run, or None."""
        return next((mark for mark in self.loads if mark.run == run), None)

    def with_load(self, mark: Watermark) -> tuple[Watermark, ...]:
        """Returns the watermarks, in which *mark* is in place of the one before it."""
        if self.find(mark.run) is None:
            return (*self.loads, mark)
        return tuple(mark if each.run == mark.run else each for each in self.loads)

    def staged(self) -> set[str]:
        """Returns the names of all files that wait."""
        return {part.name for parts in self.stages.values() for part in parts}

    def next(self, **changes: Any) -> Record:
        """Returns the record of the next commit, with a version above this one's."""
        count = (self.version >> _DRAWN_BITS) + 1
        version = (count << _DRAWN_BITS) + secrets.randbits(_DRAWN_BITS)
        return dataclasses.replace(self, version=version, **changes)


class Records:
    """The records of one job beside a table, in `_e6`, which the table's readers pass over."""

    def __init__(self, root: Path, job: str) -> None:
        """Takes the table's folder and the job; makes nothing."""
        name = hashlib.sha256(job.encode()).hexdigest()[:16]
        self.job = job
        self.state = StateFolder(root / NAME / name)
        #: Under which name the table's log has the version.
        self.application = f"e6data-adbc/{job}"
        self._files = self.state.path / "records"

    def make(self) -> None:
        """Makes what is missing; this process's desk, too."""
        disk.make_folder(self._files)
        self.state.desk()

    def read(self, version: int | None) -> Record:
        """Returns the record that *version* of the table's log names; an empty one for None.

        Raises:
            ProgrammingError: It is not there, or of another form.
        """
        if version is None:
            return Record()
        try:
            fields = json.loads(self._read(version))
        except FileNotFoundError as cause:
            raise errors.make(
                Status.INVALID_STATE,
                f"could not read the watermark of job {self.job!r}: the table's log names the record {version}, which "
                "is not there",
                hint="the table was copied without its folder _e6; load under another job, after a look at its rows",
            ) from cause
        if fields["form"] != _FORM:
            raise errors.make(
                Status.INVALID_STATE,
                f"could not read the watermark of job {self.job!r}: it has form {fields['form']!r}, and this driver "
                f"reads {_FORM}",
                hint="load with the version of the driver that wrote it",
            )
        return Record(
            version,
            tuple(Watermark.from_fields(each) for each in fields["loads"]),
            {run: tuple(Part(**part) for part in parts) for run, parts in fields["stages"].items()},
        )

    def write(self, record: Record) -> None:
        """Writes the file of a commit that is about to be made; it lasts."""
        fields = {
            "form": _FORM,
            "job": self.job,
            "loads": [mark.to_fields() for mark in record.loads],
            "stages": {
                run: [dataclasses.asdict(part) for part in parts]
                for run, parts in record.stages.items()
            },
        }
        self._create(record.version, json.dumps(fields, indent=1).encode())

    def tidy(self, record: Record) -> None:
        """Removes what *record*, the one in force, has no use for; under the lock."""
        self.state.tidy(record.staged())
        for path in self._files.glob("*.json"):
            version = int(path.stem)
            is_older = version >> _DRAWN_BITS <= record.version >> _DRAWN_BITS
            if version != record.version and is_older:
                disk.remove(path)

    # ---- where it is; on a disk

    @property
    def is_there(self) -> bool:
        """Whether some load has made it."""
        return self.state.is_there

    def desk(self) -> Path:
        """Returns the folder of this process's half-written files; must not be called under the lock."""
        return self.state.desk()

    def locked(self, *, waits: bool = True) -> AbstractContextManager[bool]:
        """Has the lock of the job's workers in the block, as far as there is one; see `disk.locked`."""
        return self.state.locked(waits=waits)

    def take(self, drafts: Sequence[Draft], before: Record) -> tuple[Part, ...]:
        """Moves whole files to those that wait; the record after *before* has to name them."""
        del before
        taken = []
        for draft in drafts:
            disk.move(draft.path, self.state.parts / draft.path.name)
            taken.append(Part(draft.path.name, draft.rows, draft.bytes, draft.path.name))
        disk.keep(self.state.parts)
        return tuple(taken)

    def waiting(self, part: Part) -> Path:
        """Returns a file with what waits as *part*."""
        return self.state.parts / part.name

    def close(self) -> None:
        """Removes what is half-written."""
        self.state.close()

    def _read(self, version: int) -> bytes:
        return self._path(version).read_bytes()

    def _create(self, version: int, data: bytes) -> None:
        disk.create(self._path(version), data)
        disk.keep(self._files)

    def _path(self, version: int) -> Path:
        return self._files / f"{version}.json"


class S3Records(Records):
    """The same beside a table in a bucket. There is no lock: late workers do no harm, and the table's log refuses them.

    What has the number of a commit up to that of the record in force, and is not named by it, is of no use for ever.
    """

    is_there = True

    def __init__(self, prefix: Prefix, job: str) -> None:
        """Takes the table's prefix and the job."""
        super().__init__(Path(), job)
        self._prefix = prefix
        self._place = f"{NAME}/{hashlib.sha256(job.encode()).hexdigest()[:16]}"
        self.state = scratch()

    def make(self) -> None:
        """Makes this process's desk."""
        self.state.desk()

    def locked(self, *, waits: bool = True) -> AbstractContextManager[bool]:
        """Has nothing that others have not."""
        del waits
        return contextlib.nullcontext(True)

    def tidy(self, record: Record) -> None:
        """Removes what *record*, the one in force, has no use for."""
        count = record.version >> _DRAWN_BITS
        named = {f"{record.version}.json"}
        for name in self._prefix.sizes(f"{self._place}/records"):
            if name not in named and int(name.partition(".")[0]) >> _DRAWN_BITS <= count:
                self._prefix.remove(f"{self._place}/records/{name}")
        parts = f"{self._place}/parts"
        staged = record.staged()
        for name in self._prefix.sizes(parts):
            if name not in staged and int(name.partition("-")[0]) <= count:
                self._prefix.remove(f"{parts}/{name}")
        for name, upload in self._prefix.uploads(parts):
            if int(name.partition("-")[0]) <= count:
                self._prefix.abort(f"{parts}/{name}", upload)

    def take(self, drafts: Sequence[Draft], before: Record) -> tuple[Part, ...]:
        """Sends files to those that wait."""
        count = (before.version >> _DRAWN_BITS) + 1
        taken = []
        for draft in drafts:
            name = f"{count}-{uuid.uuid4().hex}{draft.path.suffix}"
            self._prefix.send(draft.path, f"{self._place}/parts/{name}")
            taken.append(Part(name, draft.rows, draft.bytes, name))
        return tuple(taken)

    def waiting(self, part: Part) -> Path:
        """Returns a file with what waits as *part*."""
        path = self.desk() / part.name
        return (
            path if path.exists() else self._prefix.fetch(f"{self._place}/parts/{part.name}", path)
        )

    def _read(self, version: int) -> bytes:
        return self._prefix.get(f"{self._place}/records/{version}.json")

    def _create(self, version: int, data: bytes) -> None:
        self._prefix.create(f"{self._place}/records/{version}.json", data)
