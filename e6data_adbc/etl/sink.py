"""The contract between a load and its destination."""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from e6data_adbc.etl.watermark import Watermark

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "Capabilities",
    "ConflictError",
    "Mode",
    "OnDuplicate",
    "OnType",
    "Prepared",
    "RacedError",
    "Request",
    "Schema",
    "Sink",
    "Step",
]


class Mode(enum.Enum):
    """How rows go in."""

    APPEND = "append"
    REPLACE = "replace"
    UPSERT = "upsert"
    REPLACE_WHERE = "replace_where"


class Schema(enum.Enum):
    """How a load may change the destination's table."""

    #: The table is made where it is missing; one that is there has to match.
    CREATE = "create"
    #: The table is there, and its columns hold what the load's hold.
    MATCH = "match"
    #: As CREATE; columns may also be added, or widened without loss.
    EVOLVE = "evolve"


class OnType(enum.Enum):
    """What happens to a value that the destination cannot hold."""

    ERROR = "error"
    #: It is changed into one that it can, and the report says so.
    CAST = "cast"


class OnDuplicate(enum.Enum):
    """What happens where two rows of an upsert have one key."""

    ERROR = "error"
    #: The one that comes last in the order of the load wins.
    LAST = "last"


@dataclasses.dataclass(frozen=True)
class Capabilities:
    """What a destination can do; the rest is refused before anything is written.

    Attributes:
        modes: The modes that it has.
        is_fenced: Whether its commit is conditional, so that of two workers one is refused.
        has_parallel_commits: Whether several threads may commit at once.
        can_evolve: Whether it adds columns.
        can_widen: Whether it gives columns of numbers a wider type, too.
        can_keep_last: Whether an upsert can let the last of several rows with one key win.
        fence: How it refuses one of two workers, in words, for the table of guarantees.
    """

    modes: frozenset[Mode]
    is_fenced: bool
    has_parallel_commits: bool
    can_evolve: bool
    can_keep_last: bool = False
    fence: str = ""
    can_widen: bool = False


@dataclasses.dataclass(frozen=True)
class Request:
    """What a caller wants of a destination.

    Attributes:
        mode: How rows go in.
        key: The columns by which rows are the same, for an upsert.
        where: What a restatement replaces, as a condition in the destination's SQL.
        schema: What may become of the table.
        on_type: What happens to values that do not fit.
        on_duplicate: What happens where two rows of an upsert have one key.
        order: The column in whose order rows come; None where they come in the order of the result.
        job: None for a load that leaves no watermark.
        run: Empty where the job has one run only.
    """

    mode: Mode = Mode.APPEND
    key: tuple[str, ...] = ()
    where: str | None = None
    schema: Schema = Schema.CREATE
    on_type: OnType = OnType.ERROR
    on_duplicate: OnDuplicate = OnDuplicate.ERROR
    order: str | None = None
    job: str | None = None
    run: str = ""


@dataclasses.dataclass(frozen=True)
class Prepared:
    """What a destination will do with columns of a schema.

    Attributes:
        changes: The statements or changes that its table needs first, in words.
        losses: What the types alone say will be lost, by column; empty unless casts are allowed.
    """

    changes: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()


class RacedError(Exception):
    """Another worker committed what this commit has; look at the watermark and go on from there."""


class ConflictError(Exception):
    """A commit was not made, for another came between: of the same job or of anybody."""


class Step(Protocol):
    """One commit of a load, as a destination sees it."""

    def check(self, stored: Watermark | None) -> None:
        """Looks whether the commit still makes sense after *stored*, before rows are written.

        Raises:
            RacedError: Another worker has committed its rows.
        """

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Gives the rows, once. A sink lets what it raises through, or leaves it for `failure`."""

    def after(self, stored: Watermark | None) -> Watermark | None:
        """Returns what to store with the rows, when all of them were taken.

        Args:
            stored: What the destination has, read under the lock of the commit; None for a load without a job.

        Raises:
            RacedError: Another worker has committed its rows.
        """


class Sink(Protocol):
    """A destination of one load. Threads may call `commit` at once if `capabilities.has_parallel_commits`."""

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    @property
    def target(self) -> str:
        """Its address without secrets."""

    def history(self, job: str) -> list[Watermark]:
        """Returns the watermarks of all runs of *job* into this target, by one question to the destination."""

    def prepare(self, request: Request, schema: pa.Schema) -> Prepared:
        """Compares *schema* with what is there, and writes nothing.

        Raises:
            Error: The destination cannot hold the columns, or not in this mode.
        """

    def begin(
        self, draft: Callable[[Sequence[Watermark]], Watermark], *, supersede: bool
    ) -> Watermark:
        """Stores the first watermark of a run, unless there is one; returns what is stored.

        Args:
            draft: Makes it from the job's history, which no other worker changes meanwhile.
            supersede: Whether the job's unfinished other runs end with this.
        """

    def commit(self, step: Step) -> Watermark | None:
        """Writes the rows of *step* and the watermark after them in one commit; returns that watermark.

        Raises:
            RacedError: Another worker was first; nothing was written.
            Error: It failed; nothing was written, or (where an answer was lost) everything.
        """

    def forget(self, job: str) -> int:
        """Removes the watermarks of *job* and what its unfinished runs left; returns how many runs it had."""

    def is_transient(self, error: BaseException) -> bool:
        """Tells, by type and SQLSTATE, whether the same commit may succeed later."""

    def close(self) -> None:
        """Lets go of everything; what is not committed is gone."""
