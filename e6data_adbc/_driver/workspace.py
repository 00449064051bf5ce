"""The workspace of a connection: its names, options and sessions, and the register of what runs in it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, Protocol

from e6data_adbc import errors
from e6data_adbc._driver.partitions.issuer import TicketIssuer
from e6data_adbc._driver.partitions.ticket import RunningResult
from e6data_adbc._options.option_level import OptionLevel
from e6data_adbc._options.option_values import Settings
from e6data_adbc._session.manager import SessionManager
from e6data_adbc._session.shortcut import Shortcuts
from e6data_adbc._transport.scope import Scope
from e6data_adbc._wire import e6x_engine_pb2 as wire

__all__ = ["Names", "Running", "ServerQuery", "UnreadResult", "Workspace"]

#: Even when the time is up each query is given this to be cleared: the server may be well and our other queries slow.
_LEAST_PATIENCE_SECONDS: Final = 0.1


class Names(NamedTuple):
    """Where unqualified schemas, and unqualified tables, are looked up; None leaves it to the server."""

    catalog: str | None = None
    db_schema: str | None = None


class ServerQuery(Protocol):
    """A query that the server holds for this process: what others than its reader may ask of it. Any thread."""

    @property
    def query_id(self) -> str:
        """The server's id; "" before there is one."""
        ...

    @property
    def engine_address(self) -> str:
        """Where it is, as the server named it; "" before it is anywhere."""
        ...

    def timings(self) -> wire.ExplainAnalyzeResponse | None:
        """Returns what the server said about its times, if it was asked; may wait for that. Error where it failed."""
        ...

    def cancel_timings(self) -> bool:
        """Ends the wait for that; False where nobody waits. Returns at once."""
        ...

    def cancel(self) -> None:
        """Ends what is under way, on this side. Returns at once."""
        ...

    def close(self, timeout: float | None = None) -> None:
        """Clears it on the server, within *timeout* seconds; never raises."""
        ...


class UnreadResult(Protocol):
    """A query whose result is for readers elsewhere."""

    def leave(self) -> bool:
        """Leaves it to them; False if it is being cleared."""
        ...

    def clear(self, seconds: float) -> None:
        """Clears on the server what was left there, within *seconds*; never raises."""
        ...


class _Unread(NamedTuple):
    """A result that belongs to its ticket, unless nobody has claimed it when the connection closes."""

    query: UnreadResult
    work: RunningResult


class _Register:
    """What runs on behalf of one connection. Any thread."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        # Guards the rest, never held over a call; and tells whoever closes when something has ended.
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.is_closed = False
        #: Everything under way, and the part of it that `Workspace.cancel` is about.
        self.scopes: set[Scope] = set()
        self.own_scopes: set[Scope] = set()
        #: What the server holds for us.
        self.queries: set[ServerQuery] = set()
        #: How they run without Python.
        self.shortcuts = Shortcuts()
        #: What it holds for readers elsewhere, as far as `Workspace.close` may clear it.
        self.unread: list[_Unread] = []


# One for each statement that runs: slots and a plain class, not `contextlib`.
class Running:
    """A stretch in which one call runs, in its scope."""

    __slots__ = ("_register", "_scope", "_verb")

    def __init__(self, register: _Register, scope: Scope, verb: str) -> None:
        self._register = register
        self._scope = scope
        self._verb = verb

    def __enter__(self) -> Scope:
        register = self._register
        with register.lock:
            if register.is_closed:
                raise _closed(self._verb)
            register.scopes.add(self._scope)
        return self._scope

    def __exit__(self, *_: object) -> None:
        register = self._register
        with register.lock:
            register.scopes.discard(self._scope)
            register.own_scopes.discard(self._scope)
            if register.is_closed:  # nobody waits before
                register.changed.notify_all()


@dataclasses.dataclass(eq=False)
class Workspace:
    """What the queries of one connection have in common. Threads may share it.

    A view of it, for one statement or for other names, has the same sessions and the same register.

    Attributes:
        sessions: Make the calls.
        level: The options of the connection.
        tickets: Prove its partitions.
        names: Those that queries get which are opened from now on.
        is_read_only: Whether statements are refused that are not surely queries.
        on_query: Told of each query as soon as it has an id.
    """

    sessions: SessionManager
    level: OptionLevel
    tickets: TicketIssuer
    names: Names
    is_read_only: bool = False
    on_query: Callable[[ServerQuery], None] | None = None
    _register: _Register = dataclasses.field(default_factory=_Register)
    #: What a view is one of. The database, which closes what is left open, finds that as long as a query has the view.
    _origin: Workspace | None = None

    def view(
        self,
        names: Names | None = None,
        *,
        on_query: Callable[[ServerQuery], None] | None = None,
    ) -> Workspace:
        """Returns the workspace as it is now; what is set later is not seen in it.

        Args:
            names: Its names in place of the current ones.
            on_query: Told of each query that is opened in it, before anything else happens to that.
        """
        return Workspace(
            self.sessions,
            self.level,
            self.tickets,
            names or self.names,
            self.is_read_only,
            on_query or self.on_query,
            self._register,
            self._origin or self,
        )

    def check_usable(self, verb: str) -> None:
        """Raises INVALID_STATE if the connection is closed, or belongs to the parent process."""
        self.sessions.transport.check_process(verb)
        if self._register.is_closed:
            raise _closed(verb)

    # ---- what runs

    def running(self, verb: str, settings: Settings) -> Running:
        """Returns a context that gives the scope for one call; `close` cancels it and waits for its end.

        Entering it raises a ProgrammingError where the connection is closed, or belongs to the parent process.
        """
        transport = self.sessions.transport
        scope = Scope(settings, transport.observer.parent(settings))
        transport.check_process(verb)
        return Running(self._register, scope, verb)

    @contextlib.contextmanager
    def cancellable(self, scope: Scope) -> Iterator[None]:
        """Makes *scope*, which `running` gave, one that `cancel` is about."""
        with self._register.lock:
            self._register.own_scopes.add(scope)
        yield

    @property
    def shortcuts(self) -> Shortcuts:
        """How the connection's queries run without Python."""
        return self._register.shortcuts

    def tell(self, query: ServerQuery) -> None:
        """Tells whoever wants to know of each query that *query* is the one which begins now."""
        if self.on_query is not None:
            self.on_query(query)

    def add(self, query: ServerQuery) -> None:
        """Takes note of a query on the server; `close` clears it.

        Raises:
            ProgrammingError: The connection was closed meanwhile.
        """
        self.tell(query)
        register = self._register
        with register.lock:
            register.queries.add(query)
            if register.is_closed:
                raise _closed("start the query")

    def remove(self, query: ServerQuery) -> None:
        """Forgets a query that was cleared."""
        with self._register.lock:
            self._register.queries.discard(query)

    def hand_over(self, query: UnreadResult, work: RunningResult, *, clears: bool) -> None:
        """Leaves a query to whoever reads its ticket.

        Args:
            query: It runs.
            work: What its ticket says.
            clears: Whether `close` clears it if nobody on this machine has begun to read it by then.

        Raises:
            ProgrammingError: The connection was closed meanwhile.
        """
        if clears:  # before it is left, so that there is no moment in which `close` would miss it
            with self._register.lock:
                self._register.unread.append(_Unread(query, work))
        if not query.leave():
            raise _closed("hand the result over")

    # ---- ending

    def cancel(self) -> None:
        """Ends the connection's own calls under way: listings, not statements. Any thread; returns at once.

        Raises:
            ProgrammingError: Nothing is under way (INVALID_STATE).
        """
        scopes = list(self._register.own_scopes)
        if not scopes:
            raise errors.make(
                errors.Status.INVALID_STATE, "could not cancel: the connection runs nothing"
            )
        for scope in scopes:
            scope.cancel()

    def close(self) -> None:
        """Ends everything under way and clears every query; takes no longer than clearing may take.

        May be called again, never raises. In a forked child it leaves the parent's queries alone.
        """
        register = self._register
        if os.getpid() != register.pid:
            return
        deadline = time.monotonic() + self.level.settings.rpc.clear_timeout

        def left() -> float:
            return max(deadline - time.monotonic(), _LEAST_PATIENCE_SECONDS)

        with register.lock:
            register.is_closed = True
            scopes, queries = list(register.scopes), list(register.queries)
            unread, register.unread = register.unread, []
        for scope in scopes:
            scope.cancel()
        for query in queries:
            query.cancel()
        for query in queries:
            query.close(left())
        for result, work in unread:
            # Where claims cannot be seen, somebody may be reading it.
            with contextlib.suppress(errors.Error):
                if self.tickets.claim(work, time.time()):
                    result.clear(left())
        with register.changed:
            register.changed.wait_for(
                lambda: not register.scopes, max(deadline - time.monotonic(), 0.0)
            )


def _closed(verb: str) -> errors.Error:
    return errors.make(errors.Status.INVALID_STATE, f"could not {verb}: the connection is closed")
