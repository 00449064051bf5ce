"""The errors of this package: which class, which status, which words.

The classes are those of `adbc_driver_manager`, the PEP 249 tree that every ADBC driver raises in Python, so one
`except` clause catches what the driver manager raises and what our own functions raise::

    PEP 249 class               ADBC status
    Error
     ├── InterfaceError
     └── DatabaseError
          ├── DataError             INVALID_DATA
          ├── IntegrityError        INTEGRITY
          ├── InternalError         INTERNAL
          ├── NotSupportedError     NOT_IMPLEMENTED
          ├── OperationalError      IO, CANCELLED, TIMEOUT, UNKNOWN
          └── ProgrammingError      ALREADY_EXISTS, INVALID_ARGUMENT, INVALID_STATE, NOT_FOUND,
                                    UNAUTHENTICATED, UNAUTHORIZED

Each instance carries `status_code`, `sqlstate`, `vendor_code` (the gRPC code, where gRPC spoke) and `details`, a list
of `(key, bytes)` pairs; `query_id()` and `detail()` read them. The text alone is enough, because a stream's consumer
often sees nothing else: it names the object, the cause, the status and the query.
"""

import copyreg
import enum
from collections.abc import Iterable
from typing import Any, Final, Protocol

from adbc_driver_manager import (
    AdbcStatusCode as Status,
)
from adbc_driver_manager import (
    DatabaseError,
    DataError,
    Error,
    IntegrityError,
    InterfaceError,
    InternalError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    Warning,  # noqa: A004
)

__all__ = [
    # PEP 249
    "Warning",
    "Error",
    "InterfaceError",
    "DatabaseError",
    "DataError",
    "IntegrityError",
    "InternalError",
    "NotSupportedError",
    "OperationalError",
    "ProgrammingError",
    # Evidence
    "Status",
    "detail",
    "query_id",
    # Adding to it
    "about_query",
    "amend",
    "complete",
    "reworded",
    # Making
    "from_driver",
    "from_grpc",
    "from_native",
    "make",
]

QUERY_ID: Final = "e6data.query_id"
RPC: Final = "e6data.rpc"
RETRYABLE: Final = "e6data.retryable"
GRPC_CODE: Final = "e6data.grpc_code"
DECODE_KIND: Final = "e6data.decode_kind"
BYTE_OFFSET: Final = "e6data.byte_offset"
#: Of the destination of a load: `connection` or `output`.
LOAD_FAULT: Final = "e6data.load.fault"

CLASSES: Final[dict[Status, type[Error]]] = {
    Status.UNKNOWN: OperationalError,
    Status.NOT_IMPLEMENTED: NotSupportedError,
    Status.NOT_FOUND: ProgrammingError,
    Status.ALREADY_EXISTS: ProgrammingError,
    Status.INVALID_ARGUMENT: ProgrammingError,
    Status.INVALID_STATE: ProgrammingError,
    Status.INVALID_DATA: DataError,
    Status.INTEGRITY: IntegrityError,
    Status.INTERNAL: InternalError,
    Status.IO: OperationalError,
    Status.CANCELLED: OperationalError,
    Status.TIMEOUT: OperationalError,
    Status.UNAUTHENTICATED: ProgrammingError,
    Status.UNAUTHORIZED: ProgrammingError,
}

#: gRPC status name → ADBC status. The choices are those of the Flight SQL driver, so that tools which know one driver
#: over gRPC understand this one.
GRPC_STATUS: Final[dict[str, Status]] = {
    "CANCELLED": Status.CANCELLED,
    "UNKNOWN": Status.UNKNOWN,
    "INVALID_ARGUMENT": Status.INVALID_ARGUMENT,
    "DEADLINE_EXCEEDED": Status.TIMEOUT,
    "NOT_FOUND": Status.NOT_FOUND,
    "ALREADY_EXISTS": Status.ALREADY_EXISTS,
    "PERMISSION_DENIED": Status.UNAUTHORIZED,
    "RESOURCE_EXHAUSTED": Status.INTERNAL,
    "FAILED_PRECONDITION": Status.UNKNOWN,
    "ABORTED": Status.UNKNOWN,
    "OUT_OF_RANGE": Status.UNKNOWN,
    "UNIMPLEMENTED": Status.NOT_IMPLEMENTED,
    "INTERNAL": Status.INTERNAL,
    "UNAVAILABLE": Status.IO,
    "DATA_LOSS": Status.IO,
    "UNAUTHENTICATED": Status.UNAUTHENTICATED,
}


#: SQLSTATE by status, where nothing more is known. `native/driver/src/error.rs` has the same.
SQLSTATES: Final[dict[Status, str]] = {
    Status.IO: "08006",
    Status.TIMEOUT: "HYT00",
    Status.CANCELLED: "57014",
    Status.UNAUTHENTICATED: "28000",
    Status.UNAUTHORIZED: "42501",
    Status.NOT_IMPLEMENTED: "0A000",
    Status.INVALID_DATA: "08P01",
}


class GrpcFailure(Protocol):
    """What `from_grpc` reads of a failed call.

    Attributes:
        code: The status, with gRPC's name and number for it.
        text: The server's text, which may be missing.
    """

    text: str

    @property
    def code(self) -> enum.Enum:
        """The status."""
        ...


class NativeFailure(Protocol):
    """What `from_native` reads of a `_native.NativeDecodeError`."""

    kind: str
    column: int | None
    row: int | None
    offset: int


def make(
    status: Status,
    text: str,
    *,
    hint: str | None = None,
    query_id: str | None = None,
    sqlstate: str | None = None,
    vendor_code: int | None = None,
    details: Iterable[tuple[str, bytes]] = (),
) -> Error:
    """Returns the error for *status*, ready to be raised.

    Args:
        status: Decides the class.
        text: `could not <verb> <object>: <cause>`, without prefix, status and full stop.
        hint: The next step for the user, if there is one.
        query_id: The server's id of the query; named in the text unless *text* has it already.
        sqlstate: Five characters.
        vendor_code: The gRPC status code.
        details: More evidence, as key and value.
    """
    message = f"[e6data] {text} ({status.name})"
    evidence = list(details)
    if query_id:
        evidence.append((QUERY_ID, query_id.encode()))
        if query_id not in text:
            message += f"; query {query_id!r}"
    if hint:
        message += f"; {hint}"
    return _new(CLASSES[status], message, status, vendor_code, sqlstate, evidence)


def from_grpc(
    failure: GrpcFailure,
    *,
    verb: str,
    query_id: str | None = None,
    hint: str | None = None,
    internal: Status = Status.INTERNAL,
    sqlstate: str | None = None,
) -> Error:
    """Returns the error for a failed call; raise it `from` *failure*.

    Args:
        failure: What the channel said.
        verb: What was attempted, for instance `fetch chunk 12 of query 'q-81'`.
        query_id: The server's id of the query.
        hint: The next step for the user.
        internal: The status that stands for the server's INTERNAL. The engine reports mistakes in the SQL text
            with that code, so the caller who sent the text passes INVALID_ARGUMENT.
        sqlstate: What is known of a mistake in the text.
    """
    code = failure.code
    status = GRPC_STATUS.get(code.name, Status.UNKNOWN)
    if status is Status.INTERNAL and code.name == "INTERNAL":
        status = internal
    cause = failure.text.strip() or f"the server answered {code.name} without a text"
    return make(
        status,
        f"could not {verb}: {cause}",
        hint=hint,
        query_id=query_id,
        sqlstate=sqlstate or ("42000" if status is Status.INVALID_ARGUMENT else None),
        vendor_code=code.value,
        details=[(GRPC_CODE, code.name.encode())],
    )


def from_native(failure: NativeFailure, *, verb: str, columns: list[str] | None = None) -> Error:
    """Returns the `DataError` for bytes that the native decoder refused; never quotes a value.

    Args:
        failure: The decoder's evidence.
        verb: What was attempted, for instance `decode the chunk`.
        columns: The column names of the result, to name the column.
    """
    where = f"at byte {failure.offset}"
    if failure.column is not None:
        known = columns is not None and failure.column < len(columns)
        name = repr(columns[failure.column]) if columns and known else str(failure.column)
        where += f", column {name}"
    if failure.row is not None:
        where += f", row {failure.row}"
    return make(
        Status.INVALID_DATA,
        f"could not {verb}: {failure.kind.replace('_', ' ')} {where}",
        details=[
            (DECODE_KIND, failure.kind.encode()),
            (BYTE_OFFSET, str(failure.offset).encode()),
        ],
    )


def from_driver(
    status: int,
    message: str,
    sqlstate: str | None,
    vendor_code: int | None,
    details: list[tuple[str, bytes]],
) -> Error:
    """Returns the error that the native driver has made, as the driver manager would raise it.

    Args:
        status: The ADBC status code.
        message: The whole text.
        sqlstate: Five characters.
        vendor_code: The gRPC status code.
        details: More evidence, as key and value.
    """
    known = Status(status)
    text = f"{known.name}: {message}" + (f". SQLSTATE: {sqlstate}" if sqlstate else "")
    return _new(CLASSES[known], text, known, vendor_code, sqlstate, details)


def detail(error: Error, key: str) -> str | None:
    """Returns the text stored under *key* in the error's details, or None."""
    for name, value in error.details or ():
        # What went through the driver manager has bytes for keys, whatever its documentation says.
        if (name.decode() if isinstance(name, bytes) else name) == key:
            return value.decode(errors="replace")
    return None


def query_id(error: Error) -> str | None:
    """Returns the server's id of the query that failed, or None where there was none."""
    return detail(error, QUERY_ID)


def amend(
    error: Error,
    *,
    note: str = "",
    rpc: str | None = None,
    query_id: str | None = None,
    is_retryable: bool | None = None,
    details: Iterable[tuple[str, bytes]] = (),
) -> Error:
    """Returns *error* itself with more evidence; what it says already stays. Nothing else changes an error.

    Args:
        error: Any error, ours or the driver manager's.
        note: What its text says at the end, unless it does so already.
        rpc: The call that it belongs to; with one it has an SQLSTATE, too.
        query_id: The server's id of the query.
        is_retryable: Whether the user may try again.
        details: More evidence, as key and value.
    """
    if note and note not in str(error):
        error.args = (f"{error}; {note}",)
    found = list(details)
    if rpc is not None:
        found.append((RPC, rpc.encode()))
        error.sqlstate = error.sqlstate or SQLSTATES.get(error.status_code, "HY000")
    if query_id:
        found.append((QUERY_ID, query_id.encode()))
    if is_retryable is not None:
        found.append((RETRYABLE, b"true" if is_retryable else b"false"))
    # A new list: that of a copy is the original's.
    known = list(error.details or ())
    error.details = known + [item for item in found if detail(error, item[0]) is None]
    return error


def complete(error: Error, *, rpc: str, query_id: str | None = None) -> Error:
    """Returns *error* itself, with what every error about a query says, as far as it did not say it yet.

    Args:
        error: Any failure of a query, also one that no call gave.
        rpc: The call that it belongs to.
        query_id: The server's id of the query; None where it has none.
    """
    return amend(error, rpc=rpc, query_id=query_id, is_retryable=False)


def reworded(error: Error, text: str) -> Error:
    """Returns a copy of *error* that says *text*; what others hold of it stays as it is."""
    kind, status = type(error), error.status_code
    return _new(kind, text, status, error.vendor_code, error.sqlstate, list(error.details or ()))


def about_query(error: Error, name: str) -> Error:
    """Returns *error* if it names the query *name*, else a copy that does; what others hold of it stays as it is.

    Args:
        error: The failure of a call about the query, or of what the call needed.
        name: The server's id of the query.
    """
    if query_id(error) is not None:
        return error
    named = reworded(error, str(error) if name in str(error) else f"{error}; query {name!r}")
    named.__cause__ = error.__cause__
    return amend(named, query_id=name)


def _new(
    kind: type[Error],
    message: str,
    status: Status,
    vendor_code: int | None,
    sqlstate: str | None,
    details: list[tuple[str, bytes]],
) -> Error:
    code: Any = vendor_code  # an integer, whatever the manager's stub says
    if issubclass(kind, NotSupportedError):  # its status is given, and it refuses to be told
        return kind(message, vendor_code=code, sqlstate=sqlstate, details=details)
    return kind(message, status_code=status, vendor_code=code, sqlstate=sqlstate, details=details)


def _reduce(error: Error) -> tuple[Any, ...]:
    return _new, (
        type(error),
        str(error),
        error.status_code,
        error.vendor_code,
        error.sqlstate,
        error.details,
    )


# The manager's exceptions want keyword arguments that Python's default pickling does not pass. Worker pools send
# exceptions to their parent, so we say how it is done.
for _class in set(CLASSES.values()):
    copyreg.pickle(_class, _reduce)
