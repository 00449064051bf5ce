"""How far a load has come: the record that a destination keeps in the same commit as the rows."""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
from typing import Any, Final

from e6data_adbc import errors
from e6data_adbc.errors import Status

__all__ = ["Plan", "PlanKind", "Position", "State", "Watermark"]


class PlanKind(enum.Enum):
    """Into which commits a load is cut."""

    #: One commit has all rows.
    WHOLE = "whole"
    #: A commit has a whole number of partitions.
    PARTITIONS = "partitions"
    #: Rows come in the order of a key, and a commit ends where the key changes.
    KEY = "key"


class State(enum.Enum):
    """What became of a run."""

    LOADING = "loading"
    COMPLETE = "complete"
    #: A later run of the same job went on after this one's last key; it must not go on itself.
    SUPERSEDED = "superseded"


@dataclasses.dataclass(frozen=True)
class Plan:
    """The cuts of a load; it is stored before the first commit, and a resume never makes it anew.

    Attributes:
        kind: Into what the rows are cut.
        schema: The columns and their types, as text; a resume finds the same or is refused.
        column: Of partitions or of the key.
        cuts: The condition that the rows of each partition fulfil, in the source's SQL; an empty one has all rows.
            They are kept as they are, so that a later driver, which may cut otherwise, reads the same partitions.
    """

    kind: PlanKind = PlanKind.WHOLE
    schema: str = ""
    column: str | None = None
    cuts: tuple[str, ...] = ("",)

    @property
    def parts(self) -> int:
        """How many partitions there are."""
        return len(self.cuts)

    def to_json(self) -> str:
        """Returns the plan as one JSON object."""
        fields = dataclasses.asdict(self) | {"kind": self.kind.value, "form": _FORM}
        return json.dumps(fields, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Returns the plan that `to_json` wrote.

        Raises:
            ProgrammingError: INVALID_STATE, a driver wrote it that has another form of plans.
        """
        return _read_plan(text)


#: What `Plan.to_json` writes; a plan of any other form is refused. Those before had bounds instead of cuts.
_FORM: Final = 2


@functools.lru_cache(
    maxsize=8
)  # of ten thousand partitions it is a long text, which every commit reads
def _read_plan(text: str) -> Plan:
    fields: dict[str, Any] = json.loads(text)
    form = fields.pop("form", 1)
    if form != _FORM:
        raise errors.make(
            Status.INVALID_STATE,
            f"could not read how far the load has come: its plan has form {form}, and this driver reads form {_FORM}",
            hint="end it with the version of the driver that began it, or forget the job and load anew",
        )
    return Plan(PlanKind(fields["kind"]), fields["schema"], fields["column"], tuple(fields["cuts"]))


@dataclasses.dataclass(frozen=True)
class Position:
    """What is committed.

    Attributes:
        done: The numbers of the partitions; 0 stands for all rows of a load in one commit.
        key: The last key, as text that its type reads back; None before the first.
        has_unordered: Whether the rows are committed whose key is NULL or NaN.
    """

    done: frozenset[int] = frozenset()
    key: str | None = None
    has_unordered: bool = False

    def to_json(self) -> str:
        """Returns the position as one JSON object, with runs of numbers as `first-last`."""
        return json.dumps(
            {"done": _ranges(self.done), "key": self.key, "has_unordered": self.has_unordered},
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, text: str) -> Position:
        """Returns the position that `to_json` wrote."""
        fields: dict[str, Any] = json.loads(text)
        return cls(_numbers(fields["done"]), fields["key"], fields["has_unordered"])


@dataclasses.dataclass(frozen=True)
class Watermark:
    """How far one run of a job has come.

    Attributes:
        job: The user's name for what is loaded again and again.
        run: The user's name for one execution; empty where the job has one run only.
        sequence: The number of commits so far; a commit is conditional on it.
        source: A hash of what is read: SQL text, mode, keys, column of partitions.
        plan: The cuts.
        position: What is committed.
        rows: How many rows that is.
        bytes: Their size as Arrow data.
        state: What became of the run.
    """

    job: str
    run: str
    source: str
    plan: Plan
    position: Position = Position()
    sequence: int = 0
    rows: int = 0
    bytes: int = 0
    state: State = State.LOADING

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to load."""
        return self.state is State.COMPLETE

    @property
    def can_grow(self) -> bool:
        """Whether a complete run may have more to load: that of a job by key whose runs have no names."""
        return self.plan.kind is PlanKind.KEY and not self.run

    def superseded(self) -> Watermark:
        """Returns the watermark of a run that gives way to a newer one; as it is, where the run has ended."""
        if self.state is not State.LOADING:
            return self
        return dataclasses.replace(self, state=State.SUPERSEDED)

    def advanced(self, position: Position, *, rows: int, size: int, is_complete: bool) -> Watermark:
        """Returns the watermark after one more commit of *rows* rows and *size* bytes."""
        return dataclasses.replace(
            self,
            position=position,
            sequence=self.sequence + 1,
            rows=self.rows + rows,
            bytes=self.bytes + size,
            state=State.COMPLETE if is_complete else State.LOADING,
        )

    def to_fields(self) -> dict[str, Any]:
        """Returns the watermark as what JSON can hold."""
        return {
            "job": self.job,
            "run": self.run,
            "sequence": self.sequence,
            "source": self.source,
            "state": self.state.value,
            "rows": self.rows,
            "bytes": self.bytes,
            "plan": json.loads(self.plan.to_json()),
            "position": json.loads(self.position.to_json()),
        }

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Watermark:
        """Returns the watermark that `to_fields` made."""
        plan = Plan.from_json(json.dumps(fields["plan"]))
        position = Position.from_json(json.dumps(fields["position"]))
        state = State(fields["state"])
        return cls(**fields | {"plan": plan, "position": position, "state": state})

    def describe(self) -> str:
        """Returns a line for people."""
        match self.plan.kind:
            case PlanKind.PARTITIONS:
                where = f"{len(self.position.done)} of {self.plan.parts} partitions"
            case PlanKind.KEY:
                where = f"{self.plan.column} up to {self.position.key}"
            case PlanKind.WHOLE:
                where = "all rows" if self.is_complete else "nothing"
        return f"{self.state.value}, {where}, {self.rows} rows in {self.sequence} commits"


def _ranges(numbers: frozenset[int]) -> str:
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ",".join(str(low) if low == high else f"{low}-{high}" for low, high in runs)


def _numbers(text: str) -> frozenset[int]:
    found: set[int] = set()
    for run in filter(None, text.split(",")):
        low, _, high = run.partition("-")
        found.update(range(int(low), int(high or low) + 1))
    return frozenset(found)
