"""How a result begins: the execute, its metadata and its first rows, by native code as far as that can."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from e6data_adbc import errors
from e6data_adbc._session.bound_call import TOKEN_SECONDS, BoundCall
from e6data_adbc._session.caller import Caller
from e6data_adbc._session.retry.effort import Effort
from e6data_adbc._transport.api import Calls, Described, Opened, Usual
from e6data_adbc._transport.scope import Scope
from e6data_adbc._transport.transport import PendingCall

__all__ = ["NOT_BEGUN", "Beginning", "adopt_result", "begin_result"]


class Beginning(NamedTuple):
    """What has been done about a result, and the calls whose answers are still to be seen to.

    Attributes:
        is_executed: Whether the query was executed.
        execute: The execute, if it was sent and that is not known.
        described: The metadata, if they are known.
        metadata: The call for them, if it was sent and they are not.
        responses: The responses that came, as native code reads them.
        fetch: The call for the response after those, if it was sent.
        seconds: How long ago the metadata were asked for.
    """

    is_executed: bool = False
    execute: PendingCall[Any] | None = None
    described: Described | None = None
    metadata: PendingCall[Any] | None = None
    responses: Sequence[Any] = ()
    fetch: PendingCall[bytes] | None = None
    seconds: float = 0.0


#: Everything is still to be done.
NOT_BEGUN: Final = Beginning()


def begin_result(
    caller: Caller,
    bound: tuple[BoundCall[Any], BoundCall[Any], BoundCall[bytes]],
    verbs: tuple[str, str, Callable[[int], str]],
    usual: Usual,
    effort: Effort,
    *,
    fetch_seconds: float,
    small_rows: int,
) -> Beginning:
    """Returns how far native code came with a result.

    Args:
        caller: Who calls.
        bound: The execute, the request for the metadata and the fetch.
        verbs: What each of them attempts; a fetch by the number of its response, from 1.
        usual: What answers say that nobody has to be told.
        effort: Bounds the first two.
        fetch_seconds: The deadline of each fetch.
        small_rows: A result of so many rows, or fewer, is received as well.
    """
    identity = caller.identity
    if identity.signs_each:
        return NOT_BEGUN
    if not identity.has_sessions:
        # A token may be replaced before it is refused.
        usual = usual._replace(seconds=TOKEN_SECONDS)
    scope = effort.scope
    execute, metadata, fetch = bound
    effort.begin(execute.method)
    limits = effort.limit, effort.limit_of(metadata.method)
    try:
        calls = Calls(
            execute.make(scope, effort.timeout(execute.method, verb=verbs[0]), verbs[0], limits[0]),
            metadata.make(
                *(scope, min(effort.most(metadata.method), effort.total_left), verbs[1], limits[1])
            ),
            fetch.make(scope, fetch_seconds, verbs[2](1)),
            small_rows,
            effort.total_left,
        )
    except errors.Error:  # whoever makes the call alone tells why it cannot be made
        return NOT_BEGUN
    opened = caller.transport.open(calls, scope, usual)
    return NOT_BEGUN if opened is None else _adopted(caller, calls, opened, scope, verbs[2])


def adopt_result(
    caller: Caller,
    bound: tuple[BoundCall[Any], BoundCall[Any], BoundCall[bytes]],
    verbs: tuple[str, str, Callable[[int], str]],
    opened: Opened,
    effort: Effort,
    *,
    fetch_seconds: float,
) -> Beginning:
    """Returns what was *opened* by a shortcut as the beginning of a result; otherwise as `begin_result`."""
    scope = effort.scope
    execute, metadata, fetch = bound
    effort.begin(execute.method)
    if opened.execute is not None:
        effort.extend(-opened.seconds)
    calls = Calls(
        execute.make(scope, effort.most(execute.method), verbs[0], effort.limit),
        metadata.make(
            scope, effort.most(metadata.method), verbs[1], effort.limit_of(metadata.method)
        ),
        fetch.make(scope, fetch_seconds, verbs[2](1)),
        0,
        effort.total_left,
    )
    return _adopted(caller, calls, opened, scope, verbs[2])


def _adopted(
    caller: Caller, calls: Calls, opened: Opened, scope: Scope, verb_of: Callable[[int], str]
) -> Beginning:
    """Returns what was *opened*, and the calls of it whose answers are to be seen to as calls of *scope*."""
    transport = caller.transport
    execute, metadata, fetch = opened.execute, opened.metadata, opened.fetch
    fetch_call = calls.fetch
    if fetch is not None and opened.responses:
        fetch_call = dataclasses.replace(fetch_call, verb=verb_of(len(opened.responses) + 1))
    caller.reward(opened)
    return Beginning(
        opened.is_executed,
        None if execute is None else transport.adopt(execute, calls.execute, scope),
        opened.described,
        None if metadata is None else transport.adopt(metadata, calls.metadata, scope),
        opened.responses,
        None if fetch is None else transport.adopt(fetch, fetch_call, scope),
        opened.seconds,
    )
