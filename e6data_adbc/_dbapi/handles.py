"""The driver manager's handles, safe to cancel and to close while other threads, or a signal handler, are about."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar, Final

from adbc_driver_manager import AdbcConnection, AdbcDatabase, AdbcStatement

from e6data_adbc import errors
from e6data_adbc._dbapi import interrupts
from e6data_adbc._dbapi.option_texts import flaw_of, refused_text, texts

__all__ = ["ConnectionHandle", "DatabaseHandle", "StatementHandle"]

#: Seconds between two cancellations of a call that has not ended: the first may have come before it began.
_AGAIN_SECONDS: Final = 0.05
#: Seconds that closing waits for calls of other threads; after that the last of them closes.
_PATIENCE_SECONDS: Final = 15.0
#: What calls with texts do.
_VERBS: Final = {
    "set_sql_query": "take the statement",
    "get_objects": "list objects",
    "get_statistics": "read statistics",
    "get_table_schema": "read the schema of the table",
}


class _Use:
    """One call into a handle, or one handle that was made of another; used up when it is dropped, at the latest."""

    __slots__ = ("__weakref__", "is_loan", "reference", "thread")

    def __init__(self, thread: int | None, *, is_loan: bool = False) -> None:
        self.thread = thread
        #: Whether it ends where its owner closes the handle, and keeps it from closing where nobody does.
        self.is_loan = is_loan
        #: What its handle knows it by.
        self.reference: weakref.ref[_Use] | None = None


class _Handle:
    """What the handles have in common: who is inside, and a close that waits for them.

    Closing ends the calls of other threads and waits for them. A call of the closing thread itself, further up the
    stack, cannot be waited for: there the last one out closes. Any thread, also in a signal handler.
    """

    _NAME: ClassVar[str]

    def _prepare(self, parent: _Handle | None = None) -> None:
        # Re-entrant: a signal handler may interrupt whoever holds it.
        self._lock = threading.RLock()
        #: Tells whoever closes that a call has left; made by the first who has to wait.
        self._changed: threading.Condition | None = None
        #: The calls inside, and the handles made of this one. Each goes by itself where it is dropped, without a line
        #: of Python: several come and go with every query.
        self._uses: set[weakref.ref[_Use]] = set()
        self._pid = os.getpid()
        self._is_closing = False
        self._is_deferred = False
        self._is_released = False
        self._parent = parent
        #: This handle's use of its parent, which may be closed before it is.
        self._use_of_parent = None if parent is None else parent._enter(None)

    @contextlib.contextmanager
    def _using_parent(self) -> Iterator[None]:
        """Gives the use of the parent back where the handle cannot be made."""
        try:
            yield
        except BaseException:
            self._is_closing = self._is_released = True
            if self._parent is not None:
                self._parent._leave(self._use_of_parent)
            raise

    # ---- of each kind

    def _native_cancel(self) -> None:
        raise NotImplementedError

    def _native_release(self) -> None:
        raise NotImplementedError

    # ---- calls

    def set_options(self, **options: Any) -> None:
        """As the driver manager's; a value that no option can have is an error of ours.

        Raises:
            Error: There is no such option, or the value does not fit it.
        """
        super().set_options(**texts(options, resets=True))  # type: ignore[misc]  # of the class beside this one

    def _enter(self, thread: int | None, *, is_loan: bool = False) -> _Use:
        use = _Use(thread, is_loan=is_loan)
        if os.getpid() != self._pid:
            return use  # the parent process's locks may be held; native code refuses all calls
        with self._lock:
            if self._is_closing:
                raise errors.make(
                    errors.Status.INVALID_STATE, f"could not use the {self._NAME}: it is closed"
                )
            use.reference = reference = weakref.ref(use, self._uses.discard)
            self._uses.add(reference)
        return use

    def _leave(self, use: _Use | None) -> None:
        if use is None or os.getpid() != self._pid:
            return
        with self._lock:
            if use.reference is not None:
                self._uses.discard(use.reference)
            if self._changed is not None:
                self._changed.notify_all()
            if not self._is_deferred or self._uses:
                return
        self._release()

    def lend_to(self, borrower: object) -> None:
        """Keeps the handle open, if nobody closes it but the garbage collector, until *borrower* is gone."""
        weakref.finalize(borrower, self._leave, self._enter(None, is_loan=True))

    def end_loans(self) -> None:
        """Lets the handle close although borrowers are left."""
        with self._lock:
            for use in self._inside():
                if use.is_loan and use.reference is not None:
                    self._uses.discard(use.reference)

    def _run(self, call: Callable[..., Any], arguments: Any, keywords: Any) -> Any:
        # Those of options are looked at where they are set.
        for value in (*arguments, *keywords.values()) if call.__name__ != "set_options" else ():
            if isinstance(value, str) and (flaw := flaw_of(value)) is not None:
                verb = _VERBS.get(call.__name__, f"use the {self._NAME}")
                raise refused_text(verb, flaw)
        use = None
        try:
            use = self._enter(threading.get_ident())
            return call(self, *arguments, **keywords)
        finally:
            if use is not None:
                self._leave(use)

    def cancel_now(self) -> None:
        """Cancels what runs. `Error` (INVALID_STATE) if nothing does, or the handle is closed."""
        if os.getpid() != self._pid:
            self._native_cancel()
            return
        with self._lock:  # a release waits until this is over
            if self._is_released:
                raise errors.make(
                    errors.Status.INVALID_STATE, f"could not cancel: the {self._NAME} is closed"
                )
            self._native_cancel()

    # ---- the end

    def close(self) -> None:
        """Ends the calls that run and releases the handle, now or with the last of those calls; may be called again."""
        if os.getpid() != self._pid:
            self._native_release()
            return
        # In the middle of this a handle would be neither open nor closed; what is waited for has its own end.
        interrupts.call(self._close_in_order)

    def _close_in_order(self) -> None:
        with self._lock:
            self._is_closing = True
            is_idle = not self._uses
        if is_idle:
            self._release()
            return
        here = threading.get_ident()
        end = time.monotonic() + _PATIENCE_SECONDS
        while self._others(here) and time.monotonic() < end:
            self._try_to_cancel()
            with self._lock:
                if self._others(here):
                    if self._changed is None:
                        self._changed = threading.Condition(self._lock)
                    self._changed.wait(_AGAIN_SECONDS)
        with self._lock:
            self._is_deferred = bool(self._uses)
            is_inside = any(use.thread is not None for use in self._inside())
        if not self._is_deferred:
            self._release()
        elif is_inside:  # a call of this thread, further up: it ends when it can
            self._try_to_cancel()

    def _try_to_cancel(self) -> None:
        with contextlib.suppress(errors.Error):  # too early, or too late
            self.cancel_now()

    def _others(self, here: int) -> bool:
        with self._lock:
            return any(use.thread not in (None, here) for use in self._inside())

    def _inside(self) -> list[_Use]:
        # A copy, in one step: any of them may be dropped by another thread, or by the garbage collector.
        found = [reference() for reference in self._uses.copy()] if self._uses else []
        return [use for use in found if use is not None]

    def _release(self) -> None:
        with self._lock:
            if self._is_released:
                return
            self._is_released = True
        try:
            self._native_release()
        finally:
            if self._parent is not None:
                self._parent._leave(self._use_of_parent)


def _guarded(names: Iterable[str]) -> Callable[[type[Any]], type[Any]]:
    """Has calls of the methods *names* counted, which a class inherits from the driver manager's."""

    def guard(kind: type[Any]) -> type[Any]:
        for name in names:
            if (call := getattr(kind, name, None)) is not None:  # a manager's version may lack it
                setattr(kind, name, _counted(call))
        return kind

    return guard


def _counted(call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def counted(self: _Handle, *arguments: Any, **keywords: Any) -> Any:
        return self._run(call, arguments, keywords)

    return counted


_OPTIONS: Final = (
    "get_option",
    "get_option_bytes",
    "get_option_float",
    "get_option_int",
    "set_options",
)


# What is asked of a closed one would end the process (adbc_driver_manager 1.13).
@_guarded(_OPTIONS)
class DatabaseHandle(_Handle, AdbcDatabase):
    """The manager's database."""

    _NAME = "database"

    def __init__(self, **options: Any) -> None:
        """As the driver manager's."""
        self._prepare()
        AdbcDatabase.__init__(self, **options)

    def _native_cancel(self) -> None:
        """Nothing: what runs are calls of its connections."""

    def _native_release(self) -> None:
        AdbcDatabase.close(self)


@_guarded(
    [
        *_OPTIONS,
        "commit",
        "rollback",
        "set_autocommit",
        "get_info",
        "get_objects",
        "get_statistics",
        "get_statistic_names",
        "get_table_schema",
        "get_table_types",
        "read_partition",
    ]
)
class ConnectionHandle(_Handle, AdbcConnection):
    """The manager's connection."""

    _NAME = "connection"

    def __init__(self, database: AdbcDatabase, **options: Any) -> None:
        """As the driver manager's."""
        self._prepare(database if isinstance(database, _Handle) else None)
        with self._using_parent():
            AdbcConnection.__init__(self, database, **options)

    def cancel(self) -> None:
        """Cancels what runs; as of every handle."""
        self.cancel_now()

    def _native_cancel(self) -> None:
        AdbcConnection.cancel(self)

    def _native_release(self) -> None:
        AdbcConnection.close(self)


@_guarded(
    [
        *_OPTIONS,
        "bind",
        "bind_stream",
        "execute_partitions",
        "execute_query",
        "execute_schema",
        "execute_update",
        "get_parameter_schema",
        "prepare",
        "set_sql_query",
        "set_substrait_plan",
    ]
)
class StatementHandle(_Handle, AdbcStatement):
    """The manager's statement."""

    _NAME = "cursor"

    def __init__(self, connection: AdbcConnection) -> None:
        """As the driver manager's."""
        self._prepare(connection if isinstance(connection, _Handle) else None)
        with self._using_parent():
            AdbcStatement.__init__(self, connection)

    def cancel(self) -> None:
        """Cancels what runs; as of every handle."""
        self.cancel_now()

    def _native_cancel(self) -> None:
        AdbcStatement.cancel(self)

    def _native_release(self) -> None:
        AdbcStatement.close(self)
