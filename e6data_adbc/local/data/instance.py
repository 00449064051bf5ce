"""The DuckDB behind the engine: it is started, confined to the served files, and opened again when it broke."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from e6data_adbc import errors
from e6data_adbc.local.data import catalogs
from e6data_adbc.local.data.statements import (
    SqlError,
    duckdb_module,
    is_broken,
    one_line,
    was_broken,
)
from e6data_adbc.local.sql.macros import MACROS
from e6data_adbc.local.sql.screen import SHADOWS

__all__ = ["Instance", "use"]

_logger = logging.getLogger("e6data_adbc.local")

_T = TypeVar("_T")

#: How long the statements of a broken database may take to end before it is opened again, in seconds, and how often
#: that is tried.
REOPEN_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 0.02
#: Settings that each statement has for itself, which stay free when all others are locked.
_FREE_SETTINGS: Final = ("search_path", "enable_profiling", "explain_output")


class Instance:
    """One DuckDB in the place of every one that broke before it; any thread may call."""

    def __init__(
        self,
        workspace: Path,
        *,
        is_lasting: bool,
        broke: Callable[[object], None],
        reopened: Callable[[], None],
    ) -> None:
        """Starts DuckDB without catalogs.

        Args:
            workspace: A folder of its own.
            is_lasting: Whether something that it writes outlives the process.
            broke: Is called with a DuckDB that broke, again and again until nobody uses it any more.
            reopened: Is called each time that DuckDB broke and was opened again.
        """
        # Making a cursor and closing the root must not meet.
        self._lock = threading.Lock()
        self._closed = self._is_broken = False
        self._workspace, self._is_lasting = workspace, is_lasting
        self._broke, self._reopened = broke, reopened
        #: What SQL may read of the file system.
        self._readable: list[Path] = []
        #: Name, file and whether it may only be read, of each catalog.
        self._attached: list[tuple[str, str, bool]] = []
        self._search_path = ""
        self.root = self._started()

    def confine(self, readable: Sequence[Path]) -> None:
        """Lets SQL read the files of *readable* and no others, from now on and in each DuckDB after this one."""
        self._readable = list(readable)
        self.note_catalogs(self.root)
        self._forbid_files(self.root)

    def note_catalogs(self, connection: Any) -> None:
        """Remembers the catalogs of *connection*, to attach them again to the next DuckDB."""
        rows = connection.execute(
            "SELECT database_name, path, readonly FROM system.main.duckdb_databases() "
            "WHERE NOT internal AND path IS NOT NULL"
        ).fetchall()
        self._attached = [
            (str(name), str(file), bool(is_read_only)) for name, file, is_read_only in rows
        ]

    def look_in(self, catalog: str, schema: str) -> None:
        """Makes a schema the one where names without one are looked up, also in each DuckDB after this one.

        Raises:
            Error: DuckDB's, there is no such schema.
        """
        self._search_path = use(self.root, catalog, schema)

    def connect(self) -> Any:
        """Returns a new cursor, whose `with` closes it.

        Raises:
            SqlError: The engine is stopping, or a broken database cannot be opened again yet.
        """
        with self._lock:
            if self._closed:
                raise SqlError("the engine is stopping")
            if self._is_broken:
                self._open_again()
            return self.root.cursor()

    def ask(self, sql: str, *values: str, cursor: Any = None) -> list[tuple[Any, ...]]:
        """Returns the rows of a query about the catalogs, by *cursor* or one of its own."""
        if cursor is not None:
            rows: list[tuple[Any, ...]] = cursor.execute(sql, list(values)).fetchall()
            return rows

        def ask() -> list[tuple[Any, ...]]:
            with self.connect() as own:
                found: list[tuple[Any, ...]] = own.execute(sql, list(values)).fetchall()
            return found

        return self.again(ask)

    def run(self, sql: str) -> None:
        """Runs a statement that may change the catalogs. SqlError where DuckDB refuses it."""

        def run() -> None:
            with self.connect() as own:
                try:
                    own.execute(sql)
                    self.note_catalogs(own)
                except duckdb_module().Error as error:
                    raise SqlError(one_line(error)) from error

        self.again(run)

    def close(self) -> bool:
        """Ends DuckDB; the last cursor to be closed frees it. False where it was closed before."""
        with self._lock:
            if self._closed:
                return False
            self._closed = True
            with contextlib.suppress(
                duckdb_module().Error
            ):  # busy: a cursor is in a call, and frees it at its end
                self.root.close()
            del self.root
        return True

    # ---- a database that broke

    def again(self, work: Callable[[], _T]) -> _T:
        """Does *work*, once more if the database was broken before it."""
        root = self.root
        try:
            return work()
        except (SqlError, duckdb_module().Error) as error:
            if not self.renew(error, root):
                raise
        return work()

    def renew(self, error: BaseException, root: Any) -> bool:
        """Opens a new database where *error* shows that *root* is broken; returns whether it was so before the call.

        What failed with the database did break it, and is not repeated.
        """
        if not is_broken(error):
            return False
        with self._lock:
            if root is self.root and not self._closed:
                _logger.error("DuckDB broke and is opened again: %s", error)
                self._is_broken = True
                with contextlib.suppress(SqlError):  # the next call tries again
                    self._open_again()
        return was_broken(error)

    def _open_again(self) -> None:
        """Puts a new DuckDB with the same catalogs in the place of the broken one; the lock is held.

        Raises:
            SqlError: Statements of the broken one do not end, and hold its files.
        """
        deadline = time.monotonic() + REOPEN_SECONDS
        while True:
            self._broke(self.root)
            with contextlib.suppress(duckdb_module().Error):
                self.root.close()
            root = self._started()
            try:
                for name, file, is_read_only in self._attached:
                    suffix = " (READ_ONLY)" if is_read_only else ""
                    root.execute(f"ATTACH {catalogs.text(file)} AS {catalogs.quote(name)}{suffix}")
                self._forbid_files(root)
                root.execute(self._search_path)
            except duckdb_module().Error as error:
                root.close()
                if time.monotonic() > deadline:
                    raise SqlError(
                        f"the database broke and could not be opened again yet: {one_line(error)}"
                    ) from error
                time.sleep(RETRY_SECONDS)
            else:
                break
        self.root, self._is_broken = root, False
        self._reopened()

    def _started(self) -> Any:
        """Returns a new DuckDB without catalogs."""
        settings = {**catalogs.SETTINGS, "temp_directory": str(self._workspace / "spill")}
        root = catalogs.silenced(duckdb_module().connect(":memory:", config=settings))
        root.execute("SET GLOBAL TimeZone = 'UTC'")
        if not self._is_lasting:
            # The catalogs end with the process, so nothing needs to survive the machine.
            with contextlib.suppress(duckdb_module().Error):  # before DuckDB 1.5
                root.execute("SET GLOBAL fsync_mode = 'NONE'")
        for macro in (*MACROS, *SHADOWS):
            root.execute(macro)
        return root

    def _forbid_files(self, root: Any) -> None:
        """Leaves SQL the files of the served tables only: no other file, no network, no extension, no setting."""
        files = [path for path in self._readable if not path.is_dir()]
        folders = [path for path in self._readable if path.is_dir()]
        paths = ", ".join(catalogs.text(str(file)) for file in files)
        directories = ", ".join(catalogs.text(f"{folder}/") for folder in folders)
        try:
            root.execute(f"SET allowed_paths = [{paths}]")
            root.execute(f"SET allowed_directories = [{directories}]")
        except duckdb_module().Error as error:
            raise errors.make(
                errors.Status.NOT_IMPLEMENTED,
                f"could not start the local engine: DuckDB {duckdb_module().__version__} cannot confine SQL to files",
                hint="pip install 'duckdb>=1.5'",
            ) from error
        root.execute("SET enable_external_access = false")
        free = ", ".join(catalogs.text(name) for name in _FREE_SETTINGS)
        try:
            root.execute(f"SET allowed_configs = [{free}]")
        except duckdb_module().Error:
            return  # an older DuckDB, which would lock these, too; statements that set are refused in any case
        root.execute("SET lock_configuration = true")


def use(cursor: Any, catalog: str, schema: str) -> str:
    """Has *cursor* look names up in a schema, and then among the engine's own macros; returns the statement for it.

    Raises:
        Error: DuckDB's, there is no such schema.
    """
    path = f"{catalogs.quote(catalog)}.{catalogs.quote(schema)},memory.main"
    statement = f"SET search_path = {catalogs.text(path)}"
    cursor.execute(statement)
    return statement
