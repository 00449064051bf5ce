"""How far the runs of a job have come into an Iceberg table: a property of the table, changed with each snapshot."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import uuid
import zlib
from collections.abc import Mapping
from typing import Any, Final

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.watermark import Watermark

__all__ = ["Record", "Staged"]

_FORM: Final = 1
_JOB, _TOKEN, _MARK = "e6data.job", "e6data.token", "e6data.watermark"


@dataclasses.dataclass(frozen=True)
class Staged:
    """A data file that is written and in no snapshot.

    Attributes:
        path: Where it is, as the catalog's tables name files.
        rows: How many it has.
    """

    path: str
    rows: int


@dataclasses.dataclass(frozen=True)
class Record:
    """The watermarks of a job after one of its snapshots.

    It is a property of the table, because snapshots expire. The snapshot of the same commit has the record's token, so
    that a table that was rolled back is known from one whose snapshots have expired.

    Attributes:
        job: Its name.
        token: Drawn for each commit; empty before the first.
        loads: The watermarks of all its runs, the first run first.
        stages: Files of unfinished runs that wait for the last commit, by run.
    """

    job: str
    token: str = ""
    loads: tuple[Watermark, ...] = ()
    stages: Mapping[str, tuple[Staged, ...]] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, job: str, metadata: Any, shown: str) -> Record:
        """Returns the record in force.

        Args:
            job: Whose.
            metadata: The table's, of pyiceberg.
            shown: The table in errors.

        Raises:
            ProgrammingError: The table was rolled back to before the job's last commit.
        """
        found = cls.noted(job, metadata.properties)
        if found.token and _is_rolled_back(job, found.token, metadata):
            raise errors.make(
                Status.INVALID_STATE,
                f"could not read the watermark of job {job!r} in {shown!r}: the table was rolled back to before its "
                "last commit",
                hint="forget the job, look at the rows that are there, and load what is missing under another one",
            )
        return found

    @classmethod
    def noted(cls, job: str, properties: Mapping[str, str]) -> Record:
        """Returns what the properties of a table say, whatever became of its snapshots."""
        text = properties.get(_record_key(job))
        if text is None:
            return cls(job)
        fields: dict[str, Any] = json.loads(text)
        if fields["form"] != _FORM:
            raise errors.make(
                Status.INVALID_STATE,
                f"could not read the watermark of job {job!r}: it has form {fields['form']!r}, and this driver reads "
                f"{_FORM}",
                hint="load with the version of the driver that wrote it",
            )
        loads = []
        for each in fields["loads"]:
            plan = _unpacked(properties[_plan_key(job, each["run"])])
            loads.append(Watermark.from_fields(each | {"plan": plan}))
        stages = {
            run: tuple(Staged(*file) for file in files) for run, files in fields["stages"].items()
        }
        return cls(job, fields["token"], tuple(loads), stages)

    def find(self, run: str) -> Watermark | None:
        """Returns the watermark of one run, or None."""
        return next((mark for mark in self.loads if mark.run == run), None)

    def next(self, **changes: Any) -> Record:
        """Returns the record of the next commit."""
        return dataclasses.replace(self, token=uuid.uuid4().hex, **changes)

    def with_load(self, mark: Watermark) -> tuple[Watermark, ...]:
        """Returns the watermarks, in which *mark* is in place of the one before it."""
        if self.find(mark.run) is None:
            return (*self.loads, mark)
        return tuple(mark if each.run == mark.run else each for each in self.loads)

    def properties(self, before: Record) -> tuple[dict[str, str], list[str]]:
        """Returns the properties of the table that this record sets after *before*, and those that it removes."""
        plans = {_plan_key(self.job, mark.run): mark.plan for mark in self.loads}
        known = {_plan_key(self.job, mark.run) for mark in before.loads}
        gone = sorted(known - set(plans))
        if not self.loads:
            return {}, [*gone, _record_key(self.job)]
        fields = {
            "form": _FORM,
            "job": self.job,
            "token": self.token,
            "loads": [_compact(mark) for mark in self.loads],
            "stages": {
                run: [dataclasses.astuple(file) for file in files]
                for run, files in self.stages.items()
            },
        }
        # A plan does not change, and may be long: it is written once.
        new = {key: _packed(plan.to_json()) for key, plan in plans.items() if key not in known}
        return {_record_key(self.job): json.dumps(fields)} | new, gone

    def summary(self, mark: Watermark | None) -> dict[str, str]:
        """Returns what the snapshot of the commit says of it; *mark* is the watermark that it moves."""
        about = {} if mark is None else {_MARK: json.dumps(_compact(mark))}
        return {_JOB: self.job, _TOKEN: self.token} | about


def _compact(mark: Watermark) -> dict[str, Any]:
    return {name: value for name, value in mark.to_fields().items() if name != "plan"}


def _is_rolled_back(job: str, token: str, metadata: Any) -> bool:
    snapshots = {each.snapshot_id: each for each in metadata.snapshots}
    current = snapshots.get(metadata.current_snapshot_id)
    while current is not None:
        if _said(current, _JOB) == job:
            return _said(current, _TOKEN) != token
        current = snapshots.get(current.parent_snapshot_id)
    # Those of the job have expired, unless the one is there and is no ancestor.
    return any(_said(each, _TOKEN) == token for each in snapshots.values())


def _said(snapshot: Any, name: str) -> str | None:
    found: str | None = None if snapshot.summary is None else snapshot.summary.get(name)
    return found


def _record_key(job: str) -> str:
    return f"e6data.loads.{hashlib.sha256(job.encode()).hexdigest()[:16]}"


def _plan_key(job: str, run: str) -> str:
    return f"e6data.plan.{hashlib.sha256(json.dumps([job, run]).encode()).hexdigest()[:16]}"


def _packed(text: str) -> str:
    return base64.b64encode(zlib.compress(text.encode())).decode()


def _unpacked(text: str) -> Any:
    return json.loads(zlib.decompress(base64.b64decode(text)))
