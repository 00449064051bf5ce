"""DuckDB as the engine's back end: cursors, listings, the schema of a statement before it runs."""

from __future__ import annotations

import contextlib
import re
import shutil
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from e6data_adbc import errors
from e6data_adbc.local import (
    catalogs,
    coarse,
    dialect,
    inserted,
    placeholders,
    returning,
    sample,
    tpch,
    ways,
)
from e6data_adbc.local.mapping import ResultColumn, UnsupportedTypeError, column_type, result_column
from e6data_adbc.local.sql import escapes
from e6data_adbc.local.sql.errors import UnsupportedSqlError
from e6data_adbc.local.sql.macros import MACROS
from e6data_adbc.local.sql.translator import Translation, Translator
from e6data_adbc.local.statements import (
    HEAD,
    SqlError,
    Statement,
    Template,
    duckdb_module,
    one_line,
)
from e6data_adbc.types import VectorType

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Database"]

#: Statements that may have parameters.
_FILLED: Final = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE_INTO"})
#: Statements that change something, and run inside `execute`.
_UPDATES: Final = _FILLED - {"SELECT"} | {"CREATE", "CREATE_FUNC", "ALTER", "DROP"}
#: The name of what a change changes.
_NAME: Final = r'(?:"(?:[^"]|"")*"|\w+)'
_TARGET: Final = re.compile(
    rf"{HEAD}(?:insert\s+(?:or\s+\w+\s+)?into|update|delete\s+from|merge\s+into"
    r"|(?:create(?:\s+or\s+replace)?(?:\s+temp(?:orary)?)?|drop|alter)\s+\w+(?:\s+if(?:\s+not)?\s+exists)?)"
    rf"\s+({_NAME}(?:\s*\.\s*{_NAME})*)",
    re.IGNORECASE,
)
#: What DuckDB calls the rows of an INSERT of literals.
_ROWS: Final = '"rows of e6data"'
#: The result of such a statement: how many rows it touched.
COUNT: Final = ResultColumn("count", "LONG", VectorType.LONG)


class Database:
    """One DuckDB instance with the engine's catalogs; any thread may call."""

    def __init__(
        self,
        path: Path | None,
        catalog: str | None = None,
        schema: str | None = None,
        *,
        scratch: Path | None = None,
        tpch_folder: Path | None = None,
        strict: bool = False,
        nanoseconds: str = "refuse",
    ) -> None:
        """Starts DuckDB and attaches the catalogs.

        Args:
            path: The served directory.
            catalog: The default catalog.
            schema: The default schema.
            scratch: The file of the catalog `scratch`.
            tpch_folder: Where the TPC-H tables are.
            strict: Whether to refuse what only DuckDB knows.
            nanoseconds: What becomes of timestamps that have them, `refuse` or `floor`.

        Raises:
            ProgrammingError: DuckDB is not installed, or a file cannot be served.
        """
        duckdb = duckdb_module()
        # Making a cursor and closing the root must not meet.
        self._lock = threading.Lock()
        self._closed = False
        self._is_strict = strict
        self._nanoseconds = nanoseconds
        self._translator = Translator(strict=strict)
        self._workspace = Path(tempfile.mkdtemp(prefix="e6data-local-"))
        built = self._workspace / "catalogs"
        built.mkdir()
        self._path = path
        self._refreshing = threading.Lock()
        self._refreshes = 0
        #: The tables that the last refresh could not serve, with the reason.
        self.failures: list[tuple[str, str]] = []
        try:
            self._root = duckdb.connect(
                ":memory:",
                config={
                    # A name that no table has must not find a Python variable of ours.
                    "python_enable_replacements": "false",
                    "autoinstall_known_extensions": "false",
                    "autoload_known_extensions": "false",
                    "temp_directory": str(self._workspace / "spill"),
                },
            )
            self._root.execute("SET GLOBAL TimeZone = 'UTC'")
            for macro in MACROS:
                self._root.execute(macro)
            self.default_catalog = catalogs.attach(self._root, path, built, scratch, nanoseconds)
            if tpch_folder is not None:
                tpch.attach(self._root, tpch_folder, self._workspace)
                if path is None:
                    self.default_catalog = tpch.CATALOG
            self._forbid_files(path, tpch_folder)
            self.default_catalog = self._known_catalog(catalog or self.default_catalog)
            self.default_schema = schema or self._first_schema(self.default_catalog)
            self._use(self._root, self.default_catalog, self.default_schema)
        except SqlError as error:
            shutil.rmtree(self._workspace, ignore_errors=True)
            raise errors.make(
                errors.Status.INVALID_ARGUMENT, f"could not start the local engine: {error}"
            ) from error
        except BaseException:
            shutil.rmtree(self._workspace, ignore_errors=True)
            raise

    def prepare(self, sql: str, catalog: str, schema: str) -> Statement:
        """Parses and binds *sql* for a default *catalog* and *schema* (empty: the engine's); runs nothing.

        Raises:
            SqlError: The text is wrong.
        """
        return self._prepare(escapes.standard(sql), catalog, schema)

    def _prepare(self, sql: str, catalog: str, schema: str) -> Statement:
        """Returns *sql*, whose literals are those of standard SQL.

        Raises:
            SqlError: The text is wrong.
        """
        try:
            return self._read(sql, catalog, schema)
        except UnsupportedSqlError as error:
            raise SqlError(str(error)) from error

    def _read(self, sql: str, catalog: str, schema: str) -> Statement:
        instead = ways.way(sql)
        if instead is not None:
            raise SqlError(instead)
        places = placeholders.find(sql)
        if places:
            return self._template(sql, places, catalog, schema)
        literals = None if self._is_strict else inserted.read(sql)
        if literals is not None:
            statement = self._insertion(literals, sql, catalog, schema)
            if statement is not None:
                return statement
        translation = self._translated(sql)
        text = translation.sql
        cursor = self._cursor(catalog, schema)
        try:
            kind = _classify(cursor, text)
            path = str(cursor.execute("SELECT current_setting('search_path')").fetchall()[0][0])
            if kind in _UPDATES:
                cursor.execute(f"EXPLAIN {text}").fetchall()
                rows = returning.preview(text) if kind in _FILLED else None
                if rows is not None:
                    columns = self._columns_of(cursor.sql(rows))
                    return Statement(
                        cursor, text, text, path, columns, is_update=True, is_returning=True
                    )
                return Statement(cursor, text, text, path, (COUNT,), is_update=True)
            bound, columns = self._bind_query(cursor, text, is_explain=kind == "EXPLAIN")
            return Statement(cursor, bound, text, path, columns, is_update=False)
        except SqlError:
            cursor.close()
            raise
        except (duckdb_module().Error, UnsupportedTypeError) as error:
            cursor.close()
            source = text if translation.is_verbatim else None
            raise SqlError(self._with_schemas(one_line(error, source), sql)) from error

    def _template(
        self,
        sql: str,
        places: tuple[placeholders.Placeholder, ...],
        catalog: str,
        schema: str,
    ) -> Template:
        """Returns *sql*, which has parameters at *places*, checked as far as it can be without values."""
        text = self._translated(sql).sql
        cursor = self._cursor(catalog, schema)
        try:
            kind = _classify(cursor, text, parameters=len(places))
            path = str(cursor.execute("SELECT current_setting('search_path')").fetchall()[0][0])
            cursor.execute(f"PREPARE template AS {text}")
        except SqlError:
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
            return self._prepare(whole, catalog, schema)

        return Template(
            cursor,
            text,
            placeholders.blank(text),
            path,
            (),
            is_update=kind in _UPDATES,
            places=places,
            filled=filled,
        )

    def _bind_query(
        self, cursor: Any, sql: str, *, is_explain: bool
    ) -> tuple[str, tuple[ResultColumn, ...]]:
        if is_explain:
            names = ("explain_key", "explain_value")
            return sql, tuple(ResultColumn(name, "STRING", VectorType.STRING) for name in names)
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
            result_column(name, duck, self._nanoseconds)
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

    def _translated(self, sql: str) -> Translation:
        if dialect.ends_with_semicolon(sql):
            raise SqlError('syntax error at or near ";": a statement must not end in a semicolon')
        return self._translator.translate(sql)

    def _insertion(
        self, literals: inserted.Insertion, sql: str, catalog: str, schema: str
    ) -> Statement | None:
        """Returns the INSERT of *sql* from an Arrow table; None where DuckDB refuses it, as it will the text."""
        cursor = self._cursor(catalog, schema)
        try:
            path = str(cursor.execute("SELECT current_setting('search_path')").fetchall()[0][0])
            cursor.register(_ROWS[1:-1], literals.rows)
            text = literals.sql(_ROWS)
            cursor.execute(f"EXPLAIN {text}").fetchall()
        except duckdb_module().Error:
            cursor.close()
            return None
        user = dialect.to_duckdb(sql)
        return Statement(cursor, text, user, path, (COUNT,), is_update=True)

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
        with self._cursor(catalog, schema) as cursor:
            try:
                relation = cursor.sql(f"FROM {catalogs.quote(table)}")
            except duckdb_module().Error as error:
                raise SqlError(one_line(error)) from error
            pairs = zip(relation.columns, relation.types, strict=True)
            return [(name, column_type(duck)) for name, duck in pairs]

    def refresh(self) -> None:
        """Looks for new, changed and removed files in the served directory; without one it does nothing.

        Views read their files at every query anyway; what this adds are tables that came and went, and the copies of
        Arrow, Delta and Iceberg tables. What cannot be served is in `failures` then.
        """
        if self._path is None:
            return
        with self._refreshing, self._connect() as own:
            self._refreshes += 1
            try:
                self.failures = catalogs.rebuild(
                    own,
                    self._path,
                    self._workspace / "catalogs",
                    self._refreshes,
                    self._nanoseconds,
                )
            except duckdb_module().Error as error:
                raise SqlError(one_line(error)) from error

    def catalogs_of(self, statement: Statement) -> frozenset[str]:
        """Returns the catalogs that *statement* reads or changes, in lower case.

        Raises:
            SqlError: What it changes cannot be told.
        """
        cursor = statement.cursor
        try:
            found_names = cursor.get_table_names(statement.text, qualified=True)
        except duckdb_module().Error as error:
            raise SqlError(one_line(error)) from error
        names = [_parts(name) for name in found_names]
        if statement.is_update:
            target = _TARGET.match(statement.text)
            if target is None:
                raise SqlError("what the statement changes cannot be told")
            names.append(_parts(target[1]))
        known = {name.lower() for name in self.catalogs()}
        default = _parts(statement.search_path.split(",")[0])[0].lower()
        found = set()
        for parts in names:
            first = parts[0].lower()
            found.add(first if len(parts) > 1 and first in known else default)
        return frozenset(found)

    def create_catalog(self, name: str) -> None:
        """Adds an empty catalog called *name* that statements may change.

        Raises:
            SqlError: There is one of that name.
        """
        if name.lower() in ("memory", "system", "temp"):
            raise SqlError(f"the name {name!r} is DuckDB's own")
        self._run(f"ATTACH ':memory:' AS {catalogs.quote(name)}")

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
        with self._connect() as own:
            try:
                own.register("e6data_source", coarse.in_microseconds(data, self._nanoseconds))
                own.execute(f"CREATE SCHEMA IF NOT EXISTS {where}")
                target = f"{where}.{catalogs.quote(table)}"
                own.execute(f"CREATE OR REPLACE TABLE {target} AS FROM e6data_source")
            except ValueError as error:
                raise SqlError(str(error)) from error
            except duckdb_module().Error as error:
                raise SqlError(one_line(error)) from error

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
        with self._connect() as own:
            found: list[tuple[Any, ...]] = own.execute(sql, list(values)).fetchall()
        return found

    def _run(self, sql: str) -> None:
        with self._connect() as own:
            try:
                own.execute(sql)
            except duckdb_module().Error as error:
                raise SqlError(one_line(error)) from error

    def _forbid_files(self, *paths: Path | None) -> None:
        """Leaves SQL the served directories only: no other file, no network, no extension."""
        folders = [path.resolve() for path in paths if path is not None]
        if folders:
            # The last one is for catalogs that `refresh` builds; it holds nothing that SQL cannot read anyway.
            folders.append(self._workspace / "catalogs")
            listed = ", ".join(catalogs.text(f"{folder}/") for folder in folders)
            try:
                self._root.execute(f"SET allowed_directories = [{listed}]")
            except duckdb_module().Error as error:
                raise errors.make(
                    errors.Status.NOT_IMPLEMENTED,
                    f"could not serve {folders[0]!r}: DuckDB {duckdb_module().__version__} cannot confine SQL to a"
                    " directory",
                    hint="pip install 'duckdb>=1.5'",
                ) from error
        self._root.execute("SET enable_external_access = false")


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
