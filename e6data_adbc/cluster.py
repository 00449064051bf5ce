"""A cluster from outside: whether it answers, and its power state.

>>> import os
>>> from e6data_adbc import cluster
>>> cluster.resume(os.environ["E6DATA_URI"], on_progress=print)  # doctest: +SKIP
suspended
resuming
active
'active'

A query resumes a suspended cluster by itself, unless `adbc.e6data.cluster.auto_resume` is false.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from e6data_adbc import errors
from e6data_adbc._hide_secrets import concealing, revealed

if TYPE_CHECKING:
    from adbc_driver_manager.dbapi import Connection

    from e6data_adbc._dbapi.direct import DirectConnection
    from e6data_adbc._driver.database import Database

__all__ = ["Health", "ping", "resume", "status", "suspend"]


@dataclasses.dataclass(frozen=True)
class Health:
    """What a query that got through says about the way to the engine.

    Attributes:
        state: `active`, or there would be an error.
        strategy: The deployment that answered, `blue` or `green`.
        latency_seconds: From the call to the last row, with signing in where that was needed.
    """

    state: str
    strategy: str
    latency_seconds: float


@concealing
def ping(
    target: str | Connection | DirectConnection,
    *,
    timeout_seconds: float | None = None,
    **options: Any,
) -> Health:
    """Returns how a session check and a trivial query went; resumes nothing.

    Args:
        target: A URI, as for `e6data_adbc.connect`, or an open connection of it.
        timeout_seconds: How long it may take; by default what `adbc.e6data.connection.health_timeout_seconds` says.
        options: As for `status`, with a URI.

    Raises:
        OperationalError: No answer came in time (TIMEOUT); or the cluster is suspended or not reached (IO), or the
            credentials are refused (UNAUTHENTICATED).
        Error: An option is wrong, or the connection is closed.
    """
    from e6data_adbc.options import ConnectionOptions, DatabaseOptions

    key = DatabaseOptions.HEALTH_TIMEOUT.value
    if not isinstance(target, str):
        if options:
            raise TypeError("options are for a URI; a connection has its own")
        handle = target.adbc_connection
        before = handle.get_option_float(key)
        if timeout_seconds is not None:
            handle.set_options(**{key: timeout_seconds})
        try:
            return Health(**json.loads(handle.get_option(ConnectionOptions.HEALTH.value)))
        finally:
            if timeout_seconds is not None:
                handle.set_options(**{key: before})
    if timeout_seconds is not None:
        options[key] = timeout_seconds
    with _database(target, options) as database:
        connection = database.connect({})
        return Health(**json.loads(str(connection.get_option(ConnectionOptions.HEALTH.value))))


@concealing
def status(uri: str, **options: Any) -> str:
    """Returns the state of the cluster: `active`, `suspended`, `resuming` or `failed`.

    Args:
        uri: As for `e6data_adbc.connect`.
        options: Options of the database by their short names, `password` or `tls_root_certs` for instance, and
            `token_provider` and `request_signer`.

    Raises:
        Error: An option is wrong, or the cluster service cannot be asked.
    """
    from e6data_adbc._transport import methods
    from e6data_adbc._transport.scope import Scope

    with _database(uri, options) as database:
        settings = database.level.settings
        answer = database.sessions.resumer.ask(
            methods.CLUSTER_STATUS, Scope(settings), settings.rpc.metadata_timeout
        )
        return answer.status


@concealing
def resume(
    uri: str,
    *,
    timeout_seconds: float = 300,
    on_progress: Callable[[str], object] | None = None,
    **options: Any,
) -> str:
    """Resumes the cluster if it is suspended, waits until it is active, and returns `active`.

    Args:
        uri: As for `e6data_adbc.connect`.
        timeout_seconds: How long to wait.
        on_progress: Called with the cluster's state each time it was read.
        options: As for `status`.

    Raises:
        OperationalError: It is not active in time (TIMEOUT), or it will not become active (IO).
        Error: An option is wrong, or the cluster service refuses.
    """
    from e6data_adbc._options import option_values
    from e6data_adbc._session.resume.script import Failed
    from e6data_adbc._transport.scope import Scope
    from e6data_adbc.options import DatabaseOptions

    limit: float = option_values.parse(
        DatabaseOptions.RESUME_TIMEOUT.value, revealed(timeout_seconds)
    )
    with _database(uri, options) as database:
        resumer = database.sessions.resumer
        end = resumer.activate(limit, Scope(database.level.settings), on_progress)
        if isinstance(end, Failed):
            raise resumer.failed(end)
        return "active"


@concealing
def suspend(uri: str, **options: Any) -> str:
    """Suspends the cluster: its queries end. Returns the state after that.

    Args:
        uri: As for `e6data_adbc.connect`.
        options: As for `status`.

    Raises:
        Error: An option is wrong, or the cluster service refuses. Where the answer got lost the state tells what
            happened; nothing is sent twice.
    """
    from e6data_adbc._transport import methods
    from e6data_adbc._transport.scope import Scope

    with _database(uri, options) as database:
        settings = database.level.settings
        answer = database.sessions.resumer.ask(
            methods.CLUSTER_SUSPEND, Scope(settings), settings.rpc.metadata_timeout
        )
        return answer.status


@contextlib.contextmanager
def _database(uri: str, options: dict[str, Any]) -> Iterator[Database]:
    from e6data_adbc._driver.database import open_database
    from e6data_adbc._options import option_values
    from e6data_adbc._session.login.hooks import HOOKS

    offer = HOOKS.offer(
        token_provider=options.pop("token_provider", None),
        request_signer=options.pop("request_signer", None),
        on_progress=options.pop("on_progress", None),
    )
    with offer as hooks:
        given = {option_values.full_key(name): value for name, value in options.items()}
        given |= {"uri": uri, **hooks}
        try:
            database = open_database({key: revealed(value) for key, value in given.items()})
        except errors.Error as error:
            # The frames behind it took the options apart: their locals are the secrets.
            error.__cause__ = error.__context__ = None
            raise error.with_traceback(None) from None
    try:
        yield database
    finally:
        database.close()
