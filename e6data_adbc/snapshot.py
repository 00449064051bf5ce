"""Recording and replaying: a local engine that asks another one once, and knows the answer from then on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from e6data_adbc import errors
from e6data_adbc.options import StatementOptions

if TYPE_CHECKING:
    from e6data_adbc._driver.workspace import Workspace
    from e6data_adbc.local import LocalEngine
    from e6data_adbc.local.replay.recordings import Recording

__all__ = ["record", "replay"]


def replay(folder: str | Path, **settings: Any) -> LocalEngine:
    """Returns a local engine, not started yet, that answers the statements recorded in *folder* and refuses others.

    Args:
        folder: What `record` wrote.
        settings: Those of the engine, by the names of `EngineConfig`.

    Raises:
        ProgrammingError: There are no recordings.
    """
    from e6data_adbc.local import LocalEngine
    from e6data_adbc.local.replay.recordings import Recordings

    recordings = Recordings(Path(folder))
    if recordings.defaults() is None:
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not replay {str(folder)!r}: nothing was recorded there",
            hint="record something first: e6data-adbc serve --record DIR --upstream URI",
        )
    return LocalEngine(recordings=recordings, **settings)


@contextlib.contextmanager
def record(folder: str | Path, uri: str, **settings: Any) -> Iterator[LocalEngine]:
    """Yields a running local engine that answers from *folder*, and asks the engine at *uri* for what it lacks there.

    Raises:
        Error: The options are wrong, or the local engine cannot start.
    """
    from e6data_adbc._driver.database import open_database
    from e6data_adbc.local import LocalEngine
    from e6data_adbc.local.replay.recordings import Recordings

    database = open_database({"uri": uri, StatementOptions.RESULT_PROTOCOL.value: "v1"})
    try:
        connection = database.connect({})
        try:
            recordings = Recordings(Path(folder))
            catalog, schema = connection.workspace.names
            recordings.set_defaults(catalog or "", schema or "")
            with LocalEngine(
                recordings=recordings,
                source=lambda *asked: _ask(connection.workspace, *asked),
                **settings,
            ) as engine:
                yield engine
        finally:
            connection.close()
    finally:
        database.close()


def _ask(workspace: Workspace, sql: str, catalog: str, schema: str) -> Recording:
    """Returns the whole result of a statement.

    Raises:
        SqlError: It failed; in the words of the driver.
    """
    from e6data_adbc import _native
    from e6data_adbc._driver.query.prepare import prepare
    from e6data_adbc._driver.query.recorded_query import RecordedQuery
    from e6data_adbc._driver.workspace import Names
    from e6data_adbc.local.data.statements import SqlError
    from e6data_adbc.local.replay.recordings import Recording

    settings = workspace.level.settings
    try:
        with workspace.running("record a statement", settings) as scope:
            there = workspace.view(Names(catalog, schema))
            effort = workspace.sessions.effort(scope)
            query = RecordedQuery(prepare(there, sql, effort), there, scope)
            try:
                query.start(effort)
                while query.next_response() is not None:
                    pass
            finally:
                query.close()
    except errors.Error as error:
        raise SqlError(str(error)) from error
    chunks = [(chunk, _native.probe_chunk(chunk)[0]) for chunk in query.chunks if chunk]
    return Recording(query.metadata, chunks)
