"""What a folder of files has: its manifest, of which each commit makes the next by number."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.watermark import Watermark

__all__ = ["Manifest", "Part", "stage_key"]

_FORM: Final = 1


@dataclasses.dataclass(frozen=True)
class Part:
    """One file of a commit.

    Attributes:
        name: Under which it is to be seen, without a folder; another file may have had it before.
        rows: How many it has.
        bytes: Its size.
        waits_as: Its name among the files that wait, which no other file ever has.
    """

    name: str
    rows: int
    bytes: int
    waits_as: str


@dataclasses.dataclass(frozen=True)
class Manifest:
    """A folder after one commit.

    Attributes:
        number: Of the commit; the largest is in force.
        format: The files'.
        schema: Their columns; None before the first is known.
        files: What is to be seen under the folder, and nothing else.
        dropped: What the commit before had to be seen, and this one has not.
        stages: Files of unfinished runs that become visible with their last commit, by `stage_key`.
        loads: The watermarks of all runs, the first run first.
    """

    number: int
    format: str
    schema: pa.Schema | None = None
    files: tuple[Part, ...] = ()
    dropped: tuple[str, ...] = ()
    stages: Mapping[str, tuple[Part, ...]] = dataclasses.field(default_factory=dict)
    loads: tuple[Watermark, ...] = ()

    def history(self, job: str) -> list[Watermark]:
        """Returns the watermarks of *job*."""
        return [mark for mark in self.loads if mark.job == job]

    def find(self, job: str, run: str) -> Watermark | None:
        """Returns the watermark of one run, or None."""
        return next((mark for mark in self.loads if (mark.job, mark.run) == (job, run)), None)

    def next(self, **changes: Any) -> Manifest:
        """Returns the manifest of the next commit."""
        changed = {"dropped": ()} | changes
        return dataclasses.replace(self, number=self.number + 1, **changed)

    def with_load(self, mark: Watermark) -> tuple[Watermark, ...]:
        """Returns the watermarks, in which *mark* is in place of the one before it."""
        if self.find(mark.job, mark.run) is None:
            return (*self.loads, mark)
        return tuple(
            mark if (each.job, each.run) == (mark.job, mark.run) else each for each in self.loads
        )

    def staged(self) -> set[str]:
        """Returns the names of all files that wait."""
        return {part.waits_as for parts in self.stages.values() for part in parts}

    def to_json(self) -> bytes:
        """Returns the manifest as the bytes of its file."""
        fields = {
            "form": _FORM,
            "number": self.number,
            "format": self.format,
            "files": [dataclasses.asdict(part) for part in self.files],
            "dropped": self.dropped,
            "stages": {
                key: [dataclasses.asdict(part) for part in parts]
                for key, parts in self.stages.items()
            },
            "loads": [mark.to_fields() for mark in self.loads],
            "columns": None
            if self.schema is None
            else {field.name: str(field.type) for field in self.schema},
            "schema": None
            if self.schema is None
            else base64.b64encode(self.schema.serialize().to_pybytes()).decode(),
        }
        return json.dumps(fields, indent=1).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """Returns the manifest that `to_json` wrote.

        Raises:
            ProgrammingError: INVALID_STATE, another version of the driver wrote it in another form.
        """
        fields: dict[str, Any] = json.loads(data)
        if fields["form"] != _FORM:
            raise errors.make(
                Status.INVALID_STATE,
                f"could not read the folder's manifest: it has form {fields['form']!r}, and this driver reads {_FORM}",
                hint="load with the version of the driver that wrote it",
            )
        schema = fields["schema"]
        return cls(
            number=fields["number"],
            format=fields["format"],
            schema=None
            if schema is None
            else pa.ipc.read_schema(pa.py_buffer(base64.b64decode(schema))),
            files=tuple(Part(**part) for part in fields["files"]),
            dropped=tuple(fields["dropped"]),
            stages={
                key: tuple(Part(**part) for part in parts)
                for key, parts in fields["stages"].items()
            },
            loads=tuple(Watermark.from_fields(each) for each in fields["loads"]),
        )


def stage_key(job: str, run: str) -> str:
    """Returns under which key a run's files wait."""
    return json.dumps([job, run])
