"""From a text to a statement that can run: translated, permitted, bound, with the columns of its rows."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Sequence
from typing import Any, Final

from e6data_adbc import types
from e6data_adbc.local.cluster.users import DeniedError, User
from e6data_adbc.local.data import inserted_rows
from e6data_adbc.local.data.instance import Instance
from e6data_adbc.local.data.listings import Listings
from e6data_adbc.local.data.statements import (
    HEAD,
    SqlError,
    Statement,
    Template,
    duckdb_module,
    is_broken,
    one_line,
)
from e6data_adbc.local.data.type_mapping import ResultColumn, UnsupportedTypeError, result_column
from e6data_adbc.local.sql import dialect, escapes, hints, placeholders, reach, returning
from e6data_adbc.local.sql.errors import UnsupportedSqlError
from e6data_adbc.local.sql.screen import Screen
from e6data_adbc.local.sql.translator import Translation, Translator

__all__ = ["Preparation"]

_NAME: Final = r'(?:"(?:[^"]|"")*"|\w+)'

#: Statements that may have parameters.
_FILLED: Final = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE", "MERGE_INTO"})
#: Statements that change something, and run inside `execute`.
_UPDATES: Final = _FILLED - {"SELECT"} | {"CREATE", "CREATE_FUNC", "ALTER", "DROP"}
#: Changes of definitions; those of the catalog that has the engine's own macros are refused.
_DEFINITIONS: Final = frozenset({"CREATE", "CREATE_FUNC", "ALTER", "DROP"})
_OWN: Final = frozenset({"memory", "system"})
_PRAGMA: Final = re.compile(rf"{HEAD}pragma\b", re.IGNORECASE)
#: What DuckDB calls the rows of an INSERT of literals.
_ROWS: Final = '"rows of e6data"'
#: The result of such a statement: how many rows it touched.
COUNT: Final = ResultColumn("count", types.LONG)


class Preparation:
    """Makes statements for DuckDB; any thread may call."""

    def __init__(
        self,
        instance: Instance,
        listings: Listings,
        mark: str,
        *,
        strict: bool,
        nanoseconds: str,
        full_types: bool = False,
    ) -> None:
        """Prepares for *instance*.

        Args:
            instance: Runs the statements.
            listings: Where names are looked up.
            mark: Goes before the name of a catalog into its tables of files.
            strict: Whether to refuse what only DuckDB knows.
            nanoseconds: What becomes of timestamps that have them, `refuse` or `floor`.
            full_types: Whether metadata tell nested types and decimals in full.
        """
        self._instance, self._listings, self._mark = instance, listings, mark
        self._is_strict, self._nanoseconds = strict, nanoseconds
        self._full_types = full_types
        self._translator = Translator(strict=strict)
        self._screen = Screen()

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
        statement = self._instance.again(lambda: self._prepared(sql, catalog, schema, user))

        def renewed(error: BaseException) -> Statement | None:
            root = statement.root
            if root is self._instance.root and not (
                is_broken(error) and self._instance.renew(error, root)
            ):
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
        cursor = self._listings.cursor(catalog, schema)
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
        cursor = self._listings.cursor(catalog, schema)
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
            root=self._instance.root,
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
            result_column(name, duck, self._nanoseconds, full_types=self._full_types)
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
        catalog = self._listings.default_catalog if place is None else _parts(place[1])[0]
        if catalog.lower() not in (known.lower() for known in self._listings.catalogs()):
            return text
        return f"{text.rstrip('.!')}; {self._listings.schemas_are(catalog)}"

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
        return Statement(
            cursor, sql, text, path, columns, is_update=is_update, root=self._instance.root
        )

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
        cursor = self._listings.cursor(catalog, schema)
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


def _classify(cursor: Any, sql: str, parameters: int = 0) -> str:
    statements: Sequence[Any] = cursor.extract_statements(sql)
    if len(statements) != 1:
        raise SqlError(
            "the statement is empty" if not statements else "only one statement is allowed"
        )
    statement = statements[0]
    # DuckDB 1 calls a PRAGMA that lists something a SELECT.
    kind: str = "PRAGMA" if _PRAGMA.match(sql) else statement.type.name
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
