"""DuckDB as the engine's back end: cursors, listings, the schema of a statement before it runs."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import re
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from e6data_adbc import errors, types
from e6data_adbc.local.cluster.users import DeniedError, User
from e6data_adbc.local.data import catalogs, coarse_times, inserted_rows, sample, tpch
from e6data_adbc.local.data.statements import (
    SqlError,
    Statement,
    Template,
    duckdb_module,
    is_broken,
    one_line,
    was_broken,
)
from e6data_adbc.local.data.type_mapping import (
    ResultColumn,
    UnsupportedTypeError,
    column_type,
    result_column,
)
from e6data_adbc.local.sql import dialect, escapes, hints, placeholders, reach, returning
from e6data_adbc.local.sql.errors import UnsupportedSqlError
from e6data_adbc.local.sql.macros import MACROS
from e6data_adbc.local.sql.screen import SHADOWS, Screen
from e6data_adbc.local.sql.translator import Translation, Translator

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Database"]

_logger = logging.getLogger("e6data_adbc.local")

_T = TypeVar("_T")
_NAME: Final = r'(?:"(?:[^"]|"")*"|\w+)'

#: Statements that may have parameters.
_FILLED: Final = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE_INTO"})
#: Statements that change something, and run inside `execute`.
_UPDATES: Final = _FILLED - {"SELECT"} | {"CREATE", "CREATE_FUNC", "ALTER", "DROP"}
#: Changes of definitions; those of the catalog that has the engine's own macros are refused.
_DEFINITIONS: Final = frozenset({"CREATE", "CREATE_FUNC", "ALTER", "DROP"})
_OWN: Final = frozenset({"memory", "system"})
#: What DuckDB calls the rows of an INSERT of literals.
_ROWS: Final = '"rows of e6data"'
#: The result of such a statement: how many rows it touched.
COUNT: Final = ResultColumn("count", types.LONG)
#: How long the statements of a broken database may take to end before it is opened again, in seconds, and how often
#: that is tried.
REOPEN_SECONDS: Final = 5.0
RETRY_SECONDS: Final = 0.02
#: Settings that each statement has for itself, which stay free when all others are locked.
_FREE_SETTINGS: Final = ("search_path", "enable_profiling", "explain_output")


@dataclasses.dataclass(frozen=True)
class Sources:
    """What is served, and where names without one are looked up.

    Attributes:
        path: The served directory.
        catalog: The default catalog.
        schema: The default schema.
        scratch: The file of the catalog `scratch`.
        tpch_folder: Where the TPC-H tables are.
    """

    path: Path | None = None
    catalog: str | None = None
    schema: str | None = None
    scratch: Path | None = None
    tpch_folder: Path | None = None


class Database:
    """One DuckDB instance with the engine's catalogs; any thread may call."""

    def __init__(
        self,
        sources: Sources,
        *,
        strict: bool = False,
        nanoseconds: str = "refuse",
        told_types: str = "short",
        broke: Callable[[object], None] = lambda _: None,
        reopened: Callable[[], None] = lambda: None,
    ) -> None:
        """Starts DuckDB and attaches the catalogs.

        Args:
            sources: What is served.
            strict: Whether to refuse what only DuckDB knows.
            nanoseconds: What becomes of timestamps that have them, `refuse` or `floor`.
            told_types: The setting of that name.
            broke: Is called with a DuckDB that broke, again and again until nobody uses it any more.
            reopened: Is called each time that DuckDB broke and was opened again.

        Raises:
            ProgrammingError: DuckDB is not installed, or a file cannot be served.
        """
        duckdb_module()
        path, scratch, tpch_folder = sources.path, sources.scratch, sources.tpch_folder
        # Making a cursor and closing the root must not meet.
        self._lock = threading.Lock()
        self._closed = self._is_broken = False
        self._is_strict = strict
        self._nanoseconds = nanoseconds
        self._told_types = told_types
        self._translator = Translator(strict=strict)
        self._workspace = Path(tempfile.mkdtemp(prefix="e6data-local-")).resolve()
        self._built = self._workspace / "catalogs"
        self._built.mkdir()
        self._path = path
        self._refreshing = threading.Lock()
        self._refreshes = 0
        self._broke, self._reopened = broke, reopened
        #: Goes before the name of a catalog into its tables of files; nobody else knows it.
        self._mark = f"e6data {secrets.token_hex(16)} "
        #: What SQL may read of the file system.
        self._readable = [] if path is None else catalogs.sources(path)
        if tpch_folder is not None:
            self._readable += tpch.sources(tpch_folder)
        # A file in place of memory: what is in it outlives a DuckDB that breaks.
        self._has_own_scratch = scratch is None
        scratch = scratch or self._workspace / f"{catalogs.SCRATCH}.duckdb"
        #: The tables that the last refresh could not serve, with the reason.
        self.failures: list[tuple[str, str]] = []
        try:
            self._root = self._started()
            self._screen = Screen()
            self.default_catalog = catalogs.attach(
                self._root, path, self._built, self._mark, scratch, nanoseconds
            )
            if tpch_folder is not None:
                tpch.attach(self._root, tpch_folder, self._workspace, self._mark)
                if path is None:
                    self.default_catalog = tpch.CATALOG
            self._attached = self._attachments(self._root)
            self._forbid_files(self._root)
            self.default_catalog = self._known_catalog(sources.catalog or self.default_catalog)
            self.default_schema = sources.schema or self._first_schema(self.default_catalog)
            self._use(self._root, self.default_catalog, self.default_schema)
        except SqlError as error:
            shutil.rmtree(self._workspace, ignore_errors=True)
            raise errors.make(
                errors.Status.INVALID_ARGUMENT, f"could not start the local engine: {error}"
            ) from error
        except BaseException:
            shutil.rmtree(self._workspace, ignore_errors=True)
            raise

    def prepare(self, sql: str, catalog: str, schema: str, user: User | None = None) -> Statement:
        """Parses and binds *sql* for a default *catalog* and *schema* (empty: the engine's); runs nothing.

        Args:
            sql: The statement.
            catalog: Where names are looked up that have no catalog.
            schema: Where names are looked up that have no schema.
            user: Who wants it; None for somebody who may do everything.

        Raises:
            SqlError: The text is wrong.
            DeniedError: *user* may not do that.
        """
        return self._prepare(escapes.standard(sql), catalog, schema, user)

    def _prepare(self, sql: str, catalog: str, schema: str, user: User | None) -> Statement:
        """Returns *sql*, whose literals are those of standard SQL; it is made anew where the database was."""
        statement = self._again(lambda: self._prepared(sql, catalog, schema, user))

        def renewed(error: BaseException) -> Statement | None:
            root = statement.root
            if root is self._root and not (is_broken(error) and self._renew(error, root)):
                return None
            return self._prepare(sql, catalog, schema, user)

        return dataclasses.replace(statement, renewed=renewed)

    def _prepared(self, sql: str, catalog: str, schema: str, user: User | None) -> Statement:
        try:
            return self._read(sql, catalog, schema, user)
        except UnsupportedSqlError as error:
            raise SqlError(str(error)) from error

    def _read(self, sql: str, catalog: str, schema: str, user: User | None) -> Statement:
        instead = hints.way(sql)
        if instead is not None:
            raise SqlError(instead)
        places = placeholders.find(sql)
        if places:
            return self._template(sql, places, catalog, schema, user)
        literals = None if self._is_strict else inserted_rows.read(sql)
        if literals is not None:
            statement = self._insertion(literals, sql, catalog, schema, user)
            if statement is not None:
                return statement
        translation = self._translated(sql)
        text = translation.sql
        cursor = self._cursor(catalog, schema)
        try:
            kind = _classify(cursor, text)
            path = str(cursor.execute("SELECT current_setting('search_path')").fetchall()[0][0])
            self._permit(cursor, text, kind, user)
            if kind in _UPDATES:
                cursor.execute(f"EXPLAIN {text}").fetchall()
                rows = returning.preview(text) if kind in _FILLED else None
                if rows is None:
                    return self._statement(cursor, text, text, path, (COUNT,), is_update=True)
                columns = self._columns_of(cursor.sql(rows))
                statement = self._statement(cursor, text, text, path, columns, is_update=True)
                return dataclasses.replace(statement, is_returning=True)
            bound, columns = self._bind_query(cursor, text, is_explain=kind == "EXPLAIN")
            return self._statement(cursor, bound, text, path, columns, is_update=False)
        except (SqlError, DeniedError):
            cursor.close()
            raise
        except (duckdb_module().Error, UnsupportedTypeError) as error:
            cursor.close()
            source = text if translation.is_verbatim else None
            raise SqlError(self._with_schemas(one_line(error, source), sql)) from error

    def _permit(self, cursor: Any, text: str, kind: str, user: User | None) -> None:
        """Looks whether *user* may run a statement; nothing of it was bound yet.

        Raises:
            SqlError: Nobody may, or it is wrong.
            DeniedError: *user* may not.
        """
        self._screen.check(text)
        if kind == "EXPLAIN":  # with ANALYZE it runs what it explains
            text = reach.explained(cursor, text)
            kind = _classify(cursor, text)
        if user is not None and user.read_only and kind in _UPDATES:
            raise DeniedError  # whatever else is wrong with it
        if kind in _DEFINITIONS and reach.changed_by(cursor, text) & _OWN:
            raise SqlError("the catalog 'memory' is the engine's own")
        is_limited = user is not None and user.is_limited
        if not is_limited and not self._screen.may_name_files(text):
            return
        found = reach.reach_of(cursor, text, self._mark)
        if user is not None and (
            (user.read_only and found.is_change) or not user.may_use(found.catalogs - {"temp"})
        ):
            raise DeniedError

    def _template(
        self,
        sql: str,
        places: tuple[placeholders.Placeholder, ...],
        catalog: str,
        schema: str,
        user: User | None,
    ) -> Template:
        """Returns *sql*, which has parameters at *places*, checked as far as it can be without values."""
        text = self._translated(sql).sql
        cursor = self._cursor(catalog, schema)
        try:
            kind = _classify(cursor, text, parameters=len(places))
            path = str(cursor.execute("SELECT current_setting('search_path')").fetchall()[0][0])
            # As far as NULL can stand for the values; with them it is looked at again.
            with contextlib.suppress(SqlError):
                self._permit(cursor, placeholders.blank(text), kind, user)
            self._screen.check(text)
            cursor.execute(f"PREPARE template AS {text}")
        except (SqlError, DeniedError):
            cursor.close()
            raise
        except duckdb_module().Error as error:
            cursor.close()
            raise SqlError(one_line(error)) from error

        def filled(values: Sequence[placeholders.Value]) -> Statement:
            try:
                whole = placeholders.fill(sql, places, values)
            except placeholders.PlaceholderError as error:
                raise SqlError(str(error)) from error
            return self._prepare(whole, catalog, schema, user)

        return Template(
            cursor,
            text,
            placeholders.blank(text),
            path,
            (),
            is_update=kind in _UPDATES,
            root=self._root,
            places=places,
            filled=filled,
        )

    def _bind_query(
        self, cursor: Any, sql: str, *, is_explain: bool
    ) -> tuple[str, tuple[ResultColumn, ...]]:
        if is_explain:
            names = ("explain_key", "explain_value")
            return sql, tuple(ResultColumn(name, types.STRING) for name in names)
        relation = cursor.sql(sql)
        if relation.types is None:  # SHOW and its like ran already; as a subquery they are bound
            sql = f"FROM (\n{sql}\n)"
            relation = cursor.sql(sql)
        columns = self._columns_of(relation)
        if any(column.sql for column in columns):
            sql = _converted(sql, columns)
            cursor.sql(sql)
        return sql, columns

    def _columns_of(self, relation: Any) -> tuple[ResultColumn, ...]:
        return tuple(
            result_column(name, duck, self._nanoseconds, self._told_types)
            for name, duck in zip(relation.columns, relation.types, strict=True)
        )

    def _with_schemas(self, text: str, sql: str) -> str:
        """Returns an error's *text* with the schemas of the catalog in which *sql* names one that is not there."""
        missing = re.search(
            r'schema (?:with name )?"?([^"\s]+)"? does not exist', text, re.IGNORECASE
        )
        if missing is None:
            return text
        name = re.escape(missing[1])
        place = re.search(rf'({_NAME})\s*\.\s*"?{name}"?\s*\.', sql, re.IGNORECASE)
        catalog = self.default_catalog if place is None else _parts(place[1])[0]
        if catalog.lower() not in (known.lower() for known in self.catalogs()):
            return text
        return f"{text.rstrip('.!')}; {self._schemas_are(catalog)}"

    def _schemas_are(self, catalog: str) -> str:
        names = ", ".join(map(repr, self.schemas(catalog)))
        return f"catalog {catalog!r} has the schemas {names}"

    def _statement(
        self,
        cursor: Any,
        sql: str,
        text: str,
        path: str,
        columns: tuple[ResultColumn, ...],
        *,
        is_update: bool,
    ) -> Statement:
        return Statement(cursor, sql, text, path, columns, is_update=is_update, root=self._root)

    def _translated(self, sql: str) -> Translation:
        if dialect.ends_with_semicolon(sql):
            raise SqlError('syntax error at or near ";": a statement must not end in a semicolon')
        return self._translator.translate(sql)

    def _insertion(
        self,
        literals: inserted_rows.Insertion,
        sql: str,
        catalog: str,
        schema: str,
        user: User | None,
    ) -> Statement | None:
        """Returns the INSERT of *sql* from an Arrow table; None where DuckDB refuses it, as it will the text."""
        cursor = self._cursor(catalog, schema)
        try:
            path = str(cursor.execute("SELECT current_setting('search_path')").fetchall()[0][0])
            self._permit(cursor, literals.sql(literals.empty()), "INSERT", user)
            cursor.register(_ROWS[1:-1], literals.rows)
            text = literals.sql(_ROWS)
            cursor.execute(f"EXPLAIN {text}").fetchall()
        except DeniedError:
            cursor.close()
            raise
        except (SqlError, duckdb_module().Error):
            cursor.close()
            return None
        return self._statement(cursor, text, dialect.to_duckdb(sql), path, (COUNT,), is_update=True)

    def catalogs(self) -> list[str]:
        """Returns the names of the catalogs, the default one first."""
        rows = self._ask(
            "SELECT database_name FROM duckdb_databases() "
            "WHERE NOT internal AND database_name <> 'memory' ORDER BY database_name"
        )
        names = [str(row[0]) for row in rows]
        return sorted(names, key=lambda name: name != self.default_catalog)

    def schemas(self, catalog: str) -> list[str]:
        """Returns the schemas of *catalog*; an empty `main` beside others is left out.

        Raises:
            SqlError: There is no such catalog.
        """
        catalog = self._known_catalog(catalog or self.default_catalog)
        rows = self._ask(
            "SELECT s.schema_name, count(t.name) "
            "FROM duckdb_schemas() s LEFT JOIN ("
            "  SELECT database_name, schema_name, table_name AS name FROM duckdb_tables() UNION ALL "
            "  SELECT database_name, schema_name, view_name FROM duckdb_views() WHERE NOT internal"
            ") t USING (database_name, schema_name) "
            "WHERE lower(s.database_name) = lower(?) AND (NOT s.internal OR s.schema_name = 'main') "
            "GROUP BY 1 ORDER BY 1",
            catalog,
        )
        names = [str(name) for name, tables in rows if tables or name != "main"]
        return names or ["main"]

    def tables(self, catalog: str, schema: str) -> list[str]:
        """Returns the tables and views of a schema.

        Raises:
            SqlError: There is no such catalog or schema.
        """
        catalog = self._known_catalog(catalog or self.default_catalog)
        schema = schema or self._first_schema(catalog)
        known = self._ask(
            "SELECT 1 FROM duckdb_schemas() "
            "WHERE lower(database_name) = lower(?) AND lower(schema_name) = lower(?)",
            catalog,
            schema,
        )
        if not known:
            raise SqlError(
                f"schema {schema!r} does not exist in catalog {catalog!r}; {self._schemas_are(catalog)}"
            )
        rows = self._ask(
            "SELECT name FROM ("
            "  SELECT database_name, schema_name, table_name AS name FROM duckdb_tables() UNION ALL "
            "  SELECT database_name, schema_name, view_name FROM duckdb_views() WHERE NOT internal"
            ") WHERE lower(database_name) = lower(?) AND lower(schema_name) = lower(?) ORDER BY 1",
            catalog,
            schema,
        )
        return [str(row[0]) for row in rows]

    def columns(self, catalog: str, schema: str, table: str) -> list[tuple[str, str]]:
        """Returns name and type text of the columns of a table.

        Raises:
            SqlError: There is no such catalog, schema or table.
        """
        if table.lower() not in (name.lower() for name in self.tables(catalog, schema)):
            raise SqlError(f"table {table!r} does not exist in schema {schema!r}")

        def read() -> list[tuple[str, str]]:
            with self._cursor(catalog, schema) as cursor:
                try:
                    relation = cursor.sql(f"FROM {catalogs.quote(table)}")
                except duckdb_module().Error as error:
                    raise SqlError(one_line(error)) from error
                pairs = zip(relation.columns, relation.types, strict=True)
                return [(name, column_type(duck)) for name, duck in pairs]

        return self._again(read)

    def table_of(self, file: str) -> str:
        """Returns what stands for a served file after FROM; for any other file the name of a table that cannot be."""
        found = None if self._path is None else catalogs.table_of(self._path, Path(file))
        return found or catalogs.quote(f"{Path(file).name} is no served table")

    def refresh(self) -> None:
        """Looks for new, changed and removed files in the served directory; without one it does nothing.

        Views read their files at every query anyway; what this adds are tables that came and went, and the copies of
        Arrow, Delta and Iceberg tables; the files that came are copied, too: DuckDB may read no more files than at its
        start. What cannot be served is in `failures` then.
        """
        with self._refreshing:
            self._again(self._refresh)

    def _refresh(self) -> None:
        if self._path is None:
            return
        with self._connect() as own:
            self._refreshes += 1
            try:
                self.failures = catalogs.rebuild(
                    own,
                    self._path,
                    self._built,
                    self._refreshes,
                    self._mark,
                    self._readable,
                    self._nanoseconds,
                )
                self._attached = self._attachments(own)
            except duckdb_module().Error as error:
                raise SqlError(one_line(error)) from error

    def create_catalog(self, name: str) -> None:
        """Adds an empty catalog called *name* that statements may change.

        Raises:
            SqlError: There is one of that name.
        """
        if name.lower() in ("memory", "system", "temp"):
            raise SqlError(f"the name {name!r} is DuckDB's own")
        file = catalogs.text(str(self._built / f"own-{secrets.token_hex(8)}.duckdb"))
        self._run(f"ATTACH {file} AS {catalogs.quote(name)}")

    def drop_catalog(self, name: str) -> None:
        """Takes a catalog away, with all that is in it; statements that run still finish.

        Raises:
            SqlError: There is none of that name, or it is the default one.
        """
        if name.lower() == self.default_catalog.lower():
            raise SqlError(f"catalog {name!r} is the default one")
        self._run(f"DETACH {catalogs.quote(self._known_catalog(name))}")

    def store(self, data: pa.Table, catalog: str, schema: str, table: str) -> None:
        """Copies *data* into a table, which takes the place of one of that name.

        Raises:
            SqlError: The catalog is read-only or does not exist, or DuckDB has no type for a column.
        """
        where = f"{catalogs.quote(self._known_catalog(catalog))}.{catalogs.quote(schema)}"

        def copy() -> None:
            with self._connect() as own:
                try:
                    own.register(
                        "e6data_source", coarse_times.in_microseconds(data, self._nanoseconds)
                    )
                    own.execute(f"CREATE SCHEMA IF NOT EXISTS {where}")
                    target = f"{where}.{catalogs.quote(table)}"
                    own.execute(f"CREATE OR REPLACE TABLE {target} AS FROM e6data_source")
                except ValueError as error:
                    raise SqlError(str(error)) from error
                except duckdb_module().Error as error:
                    raise SqlError(one_line(error)) from error

        self._again(copy)

    def close(self) -> None:
        """Ends DuckDB; the last cursor to be closed frees it."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            with contextlib.suppress(
                duckdb_module().Error
            ):  # busy: a cursor is in a call, and frees it at its end
                self._root.close()
            del self._root
        shutil.rmtree(self._workspace, ignore_errors=True)

    def _cursor(self, catalog: str, schema: str) -> Any:
        cursor = self._connect()
        try:
            if catalog or schema:
                name = self._known_catalog(catalog or self.default_catalog, cursor)
                self._use(cursor, name, schema or self._first_schema(name))
            else:
                self._use(cursor, self.default_catalog, self.default_schema)
        except BaseException:
            cursor.close()
            raise
        return cursor

    def _connect(self) -> Any:
        with self._lock:
            if self._closed:
                raise SqlError("the engine is stopping")
            if self._is_broken:
                self._open_again()
            return self._root.cursor()

    def _use(self, cursor: Any, catalog: str, schema: str) -> None:
        try:
            # The macros live in memory.main, behind the schema that the request names.
            path = f"{catalogs.quote(catalog)}.{catalogs.quote(schema)},memory.main"
            cursor.execute(f"SET search_path = {catalogs.text(path)}")
        except duckdb_module().Error as error:
            raise SqlError(
                f"schema {schema!r} does not exist in catalog {catalog!r}; {self._schemas_are(catalog)}"
            ) from error

    def _known_catalog(self, catalog: str, cursor: Any = None) -> str:
        rows = self._ask(
            "SELECT database_name FROM duckdb_databases() "
            "WHERE lower(database_name) = lower(?) AND NOT internal AND database_name <> 'memory'",
            catalog,
            cursor=cursor,
        )
        if not rows:
            known = self._ask(
                "SELECT database_name FROM duckdb_databases() "
                "WHERE NOT internal AND database_name <> 'memory' ORDER BY 1",
                cursor=cursor,
            )
            names = ", ".join(repr(row[0]) for row in known)
            raise SqlError(f"catalog {catalog!r} does not exist; there are {names}")
        return str(rows[0][0])

    def _first_schema(self, catalog: str) -> str:
        if catalog == sample.CATALOG:
            return sample.SCHEMA
        names = self.schemas(catalog)
        return "main" if "main" in names else names[0]

    def _ask(self, sql: str, *values: str, cursor: Any = None) -> list[tuple[Any, ...]]:
        if cursor is not None:
            rows: list[tuple[Any, ...]] = cursor.execute(sql, list(values)).fetchall()
            return rows

        def ask() -> list[tuple[Any, ...]]:
            with self._connect() as own:
                found: list[tuple[Any, ...]] = own.execute(sql, list(values)).fetchall()
            return found

        return self._again(ask)

    def _run(self, sql: str) -> None:
        def run() -> None:
            with self._connect() as own:
                try:
                    own.execute(sql)
                    self._attached = self._attachments(own)
                except duckdb_module().Error as error:
                    raise SqlError(one_line(error)) from error

        self._again(run)

    # A database that broke.

    def _again(self, work: Callable[[], _T]) -> _T:
        """Does *work*, once more if the database was broken before it."""
        root = self._root
        try:
            return work()
        except (SqlError, duckdb_module().Error) as error:
            if not self._renew(error, root):
                raise
        return work()

    def _renew(self, error: BaseException, root: Any) -> bool:
        """Opens a new database where *error* shows that *root* is broken; returns whether it was so before the call.

        What failed with the database did break it, and is not repeated.
        """
        if not is_broken(error):
            return False
        with self._lock:
            if root is self._root and not self._closed:
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
            self._broke(self._root)
            with contextlib.suppress(duckdb_module().Error):
                self._root.close()
            root = self._started()
            try:
                for name, file, is_read_only in self._attached:
                    suffix = " (READ_ONLY)" if is_read_only else ""
                    root.execute(f"ATTACH {catalogs.text(file)} AS {catalogs.quote(name)}{suffix}")
                self._forbid_files(root)
                self._use(root, self.default_catalog, self.default_schema)
            except duckdb_module().Error as error:
                root.close()
                if time.monotonic() > deadline:
                    raise SqlError(
                        f"the database broke and could not be opened again yet: {one_line(error)}"
                    ) from error
                time.sleep(RETRY_SECONDS)
            else:
                break
        self._root, self._is_broken = root, False
        self._reopened()

    def _started(self) -> Any:
        """Returns a new DuckDB without catalogs."""
        settings = {**catalogs.SETTINGS, "temp_directory": str(self._workspace / "spill")}
        root = duckdb_module().connect(":memory:", config=settings)
        root.execute("SET GLOBAL TimeZone = 'UTC'")
        if self._has_own_scratch:
            # The catalogs end with the process, so nothing needs to survive the machine.
            with contextlib.suppress(duckdb_module().Error):  # before DuckDB 1.5
                root.execute("SET GLOBAL fsync_mode = 'NONE'")
        for macro in (*MACROS, *SHADOWS):
            root.execute(macro)
        return root

    @staticmethod
    def _attachments(connection: Any) -> list[tuple[str, str, bool]]:
        """Returns name, file and whether it may only be read, of each catalog."""
        rows = connection.execute(
            "SELECT database_name, path, readonly FROM system.main.duckdb_databases() "
            "WHERE NOT internal AND path IS NOT NULL"
        ).fetchall()
        return [(str(name), str(file), bool(is_read_only)) for name, file, is_read_only in rows]

    def _forbid_files(self, root: Any) -> None:
        """Leaves SQL the files of the served tables only: no other file, no network, no extension, no setting."""
        files = [path for path in self._readable if not path.is_dir()]
        # The last one is for catalogs that `refresh` builds; it holds nothing that SQL cannot read anyway.
        folders = [path for path in self._readable if path.is_dir()] + [self._built]
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


def _classify(cursor: Any, sql: str, parameters: int = 0) -> str:
    statements: Sequence[Any] = cursor.extract_statements(sql)
    if len(statements) != 1:
        raise SqlError(
            "the statement is empty" if not statements else "only one statement is allowed"
        )
    statement = statements[0]
    kind: str = statement.type.name
    if kind not in _UPDATES and kind not in ("SELECT", "EXPLAIN"):
        raise SqlError(f"{kind.replace('_', ' ')} statements are not supported by the engine")
    if parameters and kind not in _FILLED:
        raise SqlError(f"{kind.replace('_', ' ')} statements take no parameters")
    if len(statement.named_parameters) != parameters:
        raise SqlError("the local engine takes parameters as ? only")
    return kind


def _parts(name: str) -> list[str]:
    """Returns the parts of a qualified name without their quotes."""
    found = re.findall(_NAME, name)
    return [part[1:-1].replace('""', '"') if part[0] == '"' else part for part in found]


def _converted(sql: str, columns: Sequence[ResultColumn]) -> str:
    """Returns *sql* wrapped so that every column is one the encoder takes; names may be double or empty."""
    inner = [f"c{index}" for index in range(len(columns))]
    outer = [
        (column.sql or "{0}").format(name) for column, name in zip(columns, inner, strict=True)
    ]
    items = ", ".join(f"{value} AS {name}" for value, name in zip(outer, inner, strict=True))
    return f"SELECT {items} FROM (\n{sql}\n) AS result({', '.join(inner)})"  # noqa: S608 - the user's own text
