"""How far a load has come: the record that a destination keeps in the same commit as the rows."""

from __future__ import annotations

import dataclasses
import enum
import json
from typing import Any

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
        bounds: What is divided, as `adbc.e6data.partition.bounds` takes it; None where the column has no values.
        count: How many partitions were asked for.
        parts: How many there are.
    """

    kind: PlanKind = PlanKind.WHOLE
    schema: str = ""
    column: str | None = None
    bounds: str | None = None
    count: int = 1
    parts: int = 1

    def to_json(self) -> str:
        """Returns the plan as one JSON object."""
        fields = dataclasses.asdict(self) | {"kind": self.kind.value}
        return json.dumps(fields, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Returns the plan that `to_json` wrote."""
        fields: dict[str, Any] = json.loads(text)
        return cls(**fields | {"kind": PlanKind(fields["kind"])})


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
