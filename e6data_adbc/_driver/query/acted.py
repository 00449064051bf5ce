"""What a statement may have done although its execute failed."""

from __future__ import annotations

from typing import Final

from e6data_adbc import errors
from e6data_adbc._driver.query.execution import AMBIGUOUS
from e6data_adbc._sql.effect import is_surely_query
from e6data_adbc._transport import failures, methods
from e6data_adbc._transport.failures import Signal

__all__ = ["note_effect"]

_EXECUTING: Final = frozenset({methods.EXECUTE.name, methods.EXECUTE_V2.name})
#: What says nothing about when the statement failed: the engine has one code for mistakes in a text and for its faults.
_VAGUE: Final = frozenset(
    {errors.Status.INVALID_ARGUMENT, errors.Status.INTERNAL, errors.Status.CANCELLED}
)


def note_effect(error: errors.Error, sql: str) -> None:
    """Adds to *error* that *sql*, whose execute failed with the engine's INTERNAL, may have acted before it did.

    What surely only reads has no effect, and what the engine refused by name never began.
    """
    if (
        error.status_code in _VAGUE
        and errors.detail(error, errors.RPC) in _EXECUTING
        and errors.detail(error, errors.GRPC_CODE) == "INTERNAL"
        and errors.detail(error, AMBIGUOUS) is None
        and failures.signal(error) is not Signal.ACCESS_DENIED
        and not is_surely_query(sql)
    ):
        note = "it may have acted before it failed: look before running it again"
        errors.amend(error, note=note, details=[(AMBIGUOUS, b"true")])
