"""The power state of a cluster: looking at it, and changing it.

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
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from e6data_adbc._driver.database import Database

__all__ = ["resume", "status", "suspend"]


def status(uri: str, **options: Any) -> str:
    """Returns the state of the cluster: `active`, `suspended`, `resuming` or `failed`.

    Args:
        uri: As for `e6data_adbc.connect`.
        options: Options of the database by their short names, `password` or `tls_root_certs` for instance, and
            `token_provider` and `request_signer`.

    Raises:
        Error: An option is wrong, or the cluster service cannot be asked.
    """
    from e6data_adbc._transport import calls
    from e6data_adbc._transport.scope import Scope

    with _database(uri, options) as database:
        settings = database.level.settings
        answer = database.sessions.resumer.ask(
            calls.CLUSTER_STATUS, Scope(settings), settings.rpc.metadata_timeout
        )
        return answer.status


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
    from e6data_adbc._session.resume import Failed
    from e6data_adbc._transport.scope import Scope

    with _database(uri, options) as database:
        resumer = database.sessions.resumer
        end = resumer.activate(timeout_seconds, Scope(database.level.settings), on_progress)
        if isinstance(end, Failed):
            raise resumer.failed(end)
        return "active"


def suspend(uri: str, **options: Any) -> str:
    """Suspends the cluster: its queries end. Returns the state after that.

    Args:
        uri: As for `e6data_adbc.connect`.
        options: As for `status`.

    Raises:
        Error: An option is wrong, or the cluster service refuses. Where the answer got lost the state tells what
            happened; nothing is sent twice.
    """
    from e6data_adbc._transport import calls
    from e6data_adbc._transport.scope import Scope

    with _database(uri, options) as database:
        settings = database.level.settings
        answer = database.sessions.resumer.ask(
            calls.CLUSTER_SUSPEND, Scope(settings), settings.rpc.metadata_timeout
        )
        return answer.status


@contextlib.contextmanager
def _database(uri: str, options: dict[str, Any]) -> Iterator[Database]:
    from e6data_adbc import _settings
    from e6data_adbc._driver.database import open_database
    from e6data_adbc._session.hooks import HOOKS

    offer = HOOKS.offer(
        token_provider=options.pop("token_provider", None),
        request_signer=options.pop("request_signer", None),
    )
    with offer as hooks:
        given = {_settings.full_key(name): value for name, value in options.items()}
        database = open_database({"uri": uri, **given, **hooks})
    try:
        yield database
    finally:
        database.close()
