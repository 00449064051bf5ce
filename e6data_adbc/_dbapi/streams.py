"""Result streams in pyarrow's hands: their readers, and the error behind a failure that pyarrow only has a text of."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Final, NoReturn

from adbc_driver_manager import _reader

from e6data_adbc._native import StreamErrors

if TYPE_CHECKING:
    import pyarrow as pa

    from e6data_adbc.errors import Error

__all__ = ["import_reader", "last_error"]

#: What is known of the stream of each reader.
_ERRORS: Final[weakref.WeakKeyDictionary[Any, StreamErrors]] = weakref.WeakKeyDictionary()


class _Helper:
    """What the driver manager's reader asks for the error behind one of pyarrow's."""

    def __init__(self, errors: StreamErrors | None) -> None:
        self._errors = errors

    def check_error(self, exception: Exception) -> NoReturn:
        """Raises the stream's own error, or *exception* if it has none."""
        error = None if self._errors is None else self._errors.error()
        try:
            if error is None:
                raise exception
            raise error from None
        finally:
            # In a local of its own traceback an error keeps cursor and connection alive.
            del exception, error


def import_reader(handle: Any) -> Any:
    """Returns the driver manager's reader (`AdbcRecordBatchReader`) of the stream in *handle*, which it takes over."""
    import pyarrow as pa

    found = StreamErrors.of(handle.address)
    helper = _Helper(found)
    try:
        reader = pa.RecordBatchReader._import_from_c(handle.address)
    except (pa.ArrowException, OSError) as failure:  # in a forked child, for one
        helper.check_error(failure)
    kind: Any = _reader.AdbcRecordBatchReader  # typed as what it is made of
    whole = kind(reader, helper)
    if found is not None:
        _ERRORS[reader] = _ERRORS[whole] = found
    return whole


def last_error(reader: pa.RecordBatchReader) -> Error | None:
    """Returns the error with which the result of *reader* failed, as our own cursors raise it; None if it did not.

    Args:
        reader: What `fetch_record_batch` returned, of a connection that this package opened; for any other, None. It
            may be closed.
    """
    found = _ERRORS.get(reader)
    return None if found is None else found.error()
