"""Recorded results in the place of DuckDB: statements that were recorded are answered, all others refused."""

# ruff: noqa: ARG002 - the signatures are those of Database

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Final, NoReturn

from e6data_adbc.local.cluster.users import User
from e6data_adbc.local.data.database import Database
from e6data_adbc.local.data.statements import SqlError, Statement
from e6data_adbc.local.queries.query import Query, State
from e6data_adbc.local.replay.recordings import BrokenError, Recording, Recordings

__all__ = ["Replay", "ReplayedQuery", "ReplayedStatement", "Source"]

#: Asks somebody else for the result of a statement: text, catalog, schema.
Source = Callable[[str, str, str], Recording]

_NO_LISTINGS: Final = "a recording has no listings, only the results of statements"


class _NoCursor:
    """Stands where a cursor of DuckDB is; there is nothing to stop or to free."""

    def interrupt(self) -> None: ...

    def close(self) -> None: ...

    def __enter__(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


@dataclasses.dataclass(frozen=True)
class ReplayedStatement(Statement):
    """A statement whose result is known."""

    recording: Recording = dataclasses.field(kw_only=True)

    def profile(self) -> None:
        """Does nothing: nothing will run."""

    def profiled(self) -> list[dict[str, Any]]:
        """Returns nothing."""
        return []

    def explain(self) -> str:
        """Returns the text of the statement: there is no plan."""
        return f"recorded: {self.text}"


class Replay(Database):
    """The recordings of a folder; any thread may call."""

    def __init__(self, recordings: Recordings, source: Source | None) -> None:
        """Answers from *recordings*; what they lack is asked of *source* and kept."""
        self._recordings = recordings
        self._source = source
        self.failures = []
        self.default_catalog, self.default_schema = recordings.defaults() or ("", "")

    def prepare(self, sql: str, catalog: str, schema: str, user: User | None = None) -> Statement:
        """Returns the statement with its recorded result.

        Raises:
            SqlError: It was not recorded, or its recording is broken, or the source refused it; or *user* may not do
                everything, and what a recorded statement reads is not known.
        """
        if user is not None and user.is_limited:
            raise SqlError("what a recorded statement reads is not known")
        place = (catalog or self.default_catalog, schema or self.default_schema)
        try:
            found = self._recordings.find(sql, *place)
        except BrokenError as error:
            raise SqlError(str(error)) from error
        if found is None and self._source is not None:
            found = self._source(sql, *place)
            self._recordings.keep(sql, *place, found)
        if found is None:
            raise SqlError(
                f"the statement was not recorded in {str(self._recordings.folder)!r} for catalog {place[0]!r} and "
                f"schema {place[1]!r}: {sql[:200]}"
            )
        return ReplayedStatement(_NoCursor(), sql, sql, "", (), is_update=False, recording=found)

    def catalogs(self) -> list[str]:
        """Returns the default catalog."""
        return [self.default_catalog]

    def schemas(self, catalog: str) -> list[str]:
        """Refuses."""
        return self._refuse(_NO_LISTINGS)

    def tables(self, catalog: str, schema: str) -> list[str]:
        """Refuses."""
        return self._refuse(_NO_LISTINGS)

    def columns(self, catalog: str, schema: str, table: str) -> list[tuple[str, str]]:
        """Refuses."""
        return self._refuse(_NO_LISTINGS)

    def table_of(self, file: str) -> str:
        """Refuses."""
        return self._refuse(f"a recording has no file {file!r}")

    def refresh(self) -> None:
        """Does nothing."""

    def create_catalog(self, name: str) -> None:
        """Refuses."""
        self._refuse("a recording cannot be added to")

    def drop_catalog(self, name: str) -> None:
        """Refuses."""
        self._refuse("a recording cannot be taken from")

    def store(self, data: object, catalog: str, schema: str, table: str) -> None:
        """Refuses."""
        self._refuse("a recording cannot be added to")

    def close(self) -> None:
        """Does nothing."""

    @staticmethod
    def _refuse(cause: str) -> NoReturn:
        raise SqlError(cause)


class ReplayedQuery(Query):
    """A query whose chunks and metadata are those of a recording."""

    _statement: ReplayedStatement
    _position = 0

    def metadata(self, is_wanted: Callable[[], bool]) -> bytes:
        """Returns the recorded metadata.

        Raises:
            Refusal: The query is over, or it was not executed and the engine wants that first.
        """
        with self._changed:
            self._raise_end(State.CANCELLED, State.CLEARED)
            if self._state is State.PREPARED and not self._config.early_metadata:
                self._refuse()
        return self._statement.recording.metadata

    def _make(self) -> tuple[bytes | None, int, bool]:
        with self._changed:
            if self._state is not State.RUNNING:
                return None, 0, False
        chunks = self._statement.recording.chunks
        if self._position == len(chunks):
            return None, 0, True
        chunk, rows = chunks[self._position]
        self._position += 1
        return chunk, rows, self._position == len(chunks)
