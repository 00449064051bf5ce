"""What a destination's library failed with, in words that are the same for all destinations."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
from collections.abc import Iterator

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.destinations import Address
from e6data_adbc.etl.retry import passing_detail
from e6data_adbc.etl.stream import Rows

__all__ = ["Failure", "Fault", "fault_detail", "telling_of_disk"]


class Fault(enum.Enum):
    """What the user has to look at, which the exit code of a load says."""

    #: The server, or how it is signed in to: it is not reached, or lets nobody in, or not into that database.
    CONNECTION = "connection"
    #: Where the rows go: no room, no right, read-only, no folder or schema, or a file of another kind.
    OUTPUT = "output"


@dataclasses.dataclass(frozen=True)
class Failure:
    """A failure of a library, read by its type and code.

    Attributes:
        status: Of the error that is raised.
        passes: Whether its cause may pass.
        fault: What it is about; None for rows, or for what the status tells.
        hint: What the user can do, if more than the library says.
    """

    status: Status
    passes: bool = False
    fault: Fault | None = None
    hint: str | None = None

    @property
    def details(self) -> list[tuple[str, bytes]]:
        """What the error says of itself."""
        said = [] if self.fault is None else [fault_detail(self.fault)]
        return [passing_detail(passes=self.passes), *said]


def fault_detail(fault: Fault) -> tuple[str, bytes]:
    """Returns the detail by which an error says what it is about."""
    return errors.LOAD_FAULT, fault.value.encode()


@contextlib.contextmanager
def telling_of_disk(address: Address, verb: str, rows: Rows | None = None) -> Iterator[None]:
    """Says of what the operating system refuses in the block what it was for.

    Args:
        address: Of the destination.
        verb: What was tried.
        rows: Of the source, whose own failure stays as it is.
    """
    try:
        with address.hiding():
            yield
    except OSError as error:
        if rows is not None and rows.failure is error:
            raise
        raise errors.make(
            Status.IO,
            f"could not {verb} in {address.shown!r}: {error}",
            details=[fault_detail(Fault.OUTPUT)],
        ) from error
