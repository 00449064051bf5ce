"""Databases that are a file."""

from __future__ import annotations

from pathlib import Path

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.destinations import Address
from e6data_adbc.etl.faults import Fault, fault_detail

__all__ = ["file_is_there"]


def file_is_there(address: Address) -> bool:
    """Tells whether the file of *address* is there; its folder has to be.

    Raises:
        ProgrammingError: The folder is not there.
    """
    path = Path(address.path)
    if not path.parent.is_dir():
        raise errors.make(
            Status.NOT_FOUND,
            f"could not open {address.shown!r}: there is no folder {address.hide(str(path.parent))!r}",
            details=[fault_detail(Fault.OUTPUT)],
        )
    return path.exists()
