"""The shortcut: a query from prepare to clear by native code, for as long as every answer is the usual one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from e6data_adbc._options.option_values import Settings
from e6data_adbc._session.colour.routes import Route
from e6data_adbc._session.lease import Lease
from e6data_adbc._session.login.session_cache import Session
from e6data_adbc._session.retry.retry_table import NOT_USED, ROWS
from e6data_adbc._transport import methods
from e6data_adbc._transport.api import Opened, Opening, Plan, Shortcut
from e6data_adbc._transport.headers import PLANNER, make_headers
from e6data_adbc.options import DatabaseOptions, ResultProtocol, Secret

if TYPE_CHECKING:
    from e6data_adbc._session.caller import Caller
    from e6data_adbc._transport.methods import Method

__all__ = ["SMALL_ROWS", "Begun", "Shortcuts"]

#: A result of so many rows, or fewer, is received by whoever executes the query.
SMALL_ROWS: Final = 4096


class Begun(NamedTuple):
    """What came of a shortcut that Python has to go on from.

    Attributes:
        opened: How far it came.
        lease: What its calls kept to.
        began: When it began, by the monotonic clock.
    """

    opened: Opened
    lease: Lease
    began: float


class Taken(NamedTuple):
    """The shortcut of one query, which keeps to *route* and *session*; nothing is sent yet."""

    opening: Opening
    route: Route
    session: Session


class _Latest(NamedTuple):
    """The shortcut that was taken last, and what it is for."""

    session: Session
    route: Route
    settings: Settings
    names: tuple[str | None, str | None]
    shortcut: Shortcut


class Shortcuts:
    """The shortcut of one connection's queries, made anew where session, colour, options or names are others.

    Any thread.
    """

    __slots__ = ("_latest",)

    def __init__(self) -> None:
        self._latest: _Latest | None = None

    def take(
        self, caller: Caller, settings: Settings, names: tuple[str | None, str | None], sql: str
    ) -> Taken | None:
        """Returns the calls of a query; None where Python has to make them, or to sign in or to find a colour first.

        Args:
            caller: Who asks.
            settings: The options of the query.
            names: Its catalog and schema; None leaves them to the server.
            sql: One statement.
        """
        state = caller.state
        route = state.store.settled(time.monotonic())
        if route is None or not caller.identity.signs_nothing:
            return None
        session = state.sessions.find(caller.identity.principal, route.colour)
        if session is None:
            return None
        latest = self._latest
        if (
            latest is None
            or latest.session is not session
            or latest.settings is not settings
            or latest.route.colour != route.colour
            or latest.names != names
        ):
            shortcut = _make(caller, settings, names, session, route)
            if shortcut is None:
                return None
            self._latest = latest = _Latest(session, route, settings, names, shortcut)
        return Taken(latest.shortcut.opening(sql), route, session)


def _make(
    caller: Caller,
    settings: Settings,
    names: tuple[str | None, str | None],
    session: Session,
    route: Route,
) -> Shortcut | None:
    """Returns the shortcut under *settings*; None where those ask for what it does not do."""
    if int(settings.fetch.prefetch_responses) <= 0 or settings.get(DatabaseOptions.TIMINGS):
        return None
    catalog, schema = names
    is_v1 = settings.result.protocol is ResultProtocol.V1
    used: tuple[Method[Any, Any], ...] = (
        methods.PREPARE_V2 if catalog else methods.PREPARE,
        methods.EXECUTE_V2 if catalog else methods.EXECUTE,
        methods.RESULT_METADATA,
        methods.FETCH if is_v1 else methods.FETCH_V2,
        methods.CLEAR_OR_CANCEL,
    )
    return caller.transport.shortcut(
        Plan(
            headers=make_headers(caller.cluster_name, route.colour),
            planner_header=PLANNER,
            methods=tuple((method, _most(method, settings)) for method in used),
            session=Secret(session.session_id),
            catalog=catalog or None,
            schema=schema or "",
            protocol=1 if is_v1 else 2,
            small_rows=SMALL_ROWS,
            total=settings.rpc.total_timeout,
        )
    )


def _most(method: Method[Any, Any], settings: Settings) -> float:
    """Returns the longest that a first try of *method* may take, in seconds."""
    limit: float = settings.get(method.limit)
    per_try = ROWS.get(method.name, NOT_USED).per_try
    if per_try is None or method in (methods.FETCH, methods.FETCH_V2):
        return limit
    return min(per_try, limit)
