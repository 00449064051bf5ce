"""What a database holds: the protocol's catalog calls, and `information_schema` for what they do not tell."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple, TypeVar, cast

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, NoSuchTableError

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.sqlalchemy.compiler import split_schema
from e6data_adbc.sqlalchemy.types import from_engine

__all__ = ["Reflection"]


F = TypeVar("F", bound=Callable[..., Any])


def _cached(method: F) -> F:
    """Has an inspector ask once; SQLAlchemy 1.4's own cannot read annotations that are text."""

    @functools.wraps(method)
    def cached(self: Any, connection: Any, *arguments: Any, **keywords: Any) -> Any:
        cache = keywords.get("info_cache")
        if cache is None:
            return method(self, connection, *arguments, **keywords)
        named = tuple(sorted((k, v) for k, v in keywords.items() if isinstance(v, str)))
        key = (method.__name__, arguments, named)
        if key not in cache:
            cache[key] = method(self, connection, *arguments, **keywords)
        return cache[key]

    return cast("F", cached)


class _Facts(NamedTuple):
    """What `information_schema` tells of a column."""

    nullable: bool
    length: int | None
    default: str | None


class Reflection:
    """The reflecting half of the dialect. A schema may be named `schema` or `catalog.schema`."""

    default_schema_name: str | None

    #: Gives a DB-API connection to a call that blocks; the asynchronous dialect has threads do the waiting.
    def on_driver(self, connection: Any, call: Callable[[Any], Any]) -> Any:
        """Returns what *call* returns, given the connection of `e6data_adbc.dbapi`."""
        return call(raw_connection(connection))

    # ---- catalogs and schemas

    @_cached
    def get_catalog_names(self, connection: Any, **kw: Any) -> list[str]:
        """Returns the names of the catalogs."""
        del kw
        found = self._objects(connection, depth="catalogs")
        return sorted(row["catalog_name"] for row in found)

    @_cached
    def get_schema_names(self, connection: Any, catalog: str | None = None, **kw: Any) -> list[str]:
        """Returns the names of the schemas of a catalog, by default the current one."""
        del kw
        catalog = catalog or self._current(connection)[0]
        found = self._objects(connection, depth="db_schemas", catalog_filter=catalog)
        return sorted(
            schema["db_schema_name"]
            for row in found
            if catalog is None or row["catalog_name"] == catalog
            for schema in row["catalog_db_schemas"] or []
        )

    def has_schema(self, connection: Any, schema_name: str, **kw: Any) -> bool:
        """Tells whether there is a schema, `catalog.schema` too."""
        catalog, name = split_schema(schema_name)
        return name in self.get_schema_names(connection, catalog=catalog, **kw)

    # ---- tables and views

    @_cached
    def get_table_names(self, connection: Any, schema: str | None = None, **kw: Any) -> list[str]:
        """Returns the names of the tables of a schema, without its views where they can be told apart."""
        views = set(self.get_view_names(connection, schema, **kw))
        return [name for name in self._names(connection, schema, **kw) if name not in views]

    @_cached
    def _names(self, connection: Any, schema: str | None = None, **kw: Any) -> list[str]:
        del kw
        tables = self._tables(connection, schema, depth="tables")
        return [str(table["table_name"]) for table in tables]

    @_cached
    def get_view_names(self, connection: Any, schema: str | None = None, **kw: Any) -> list[str]:
        """Returns the names of the views of a schema; none where the engine has no `information_schema`."""
        del kw
        rows = self._information(
            connection,
            schema,
            "SELECT table_name FROM {}.tables WHERE table_schema = ? AND table_type = 'VIEW' ORDER BY 1",
        )
        return [row[0] for row in rows or []]

    @_cached
    def get_view_definition(
        self, connection: Any, view_name: str, schema: str | None = None, **kw: Any
    ) -> str:
        """Returns the text of a view. NoSuchTableError where there is none, or the engine does not tell."""
        del kw
        rows = self._information(
            connection,
            schema,
            "SELECT view_definition FROM {}.views WHERE table_schema = ? AND table_name = ?",
            str(view_name),
        )
        if not rows or rows[0][0] is None:
            raise NoSuchTableError(f"{schema}.{view_name}" if schema else view_name)
        return str(rows[0][0])

    @_cached
    def has_table(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> bool:
        """Tells whether there is a table or a view."""
        del kw
        tables = self._tables(connection, schema, depth="tables", table_name_filter=str(table_name))
        return any(table["table_name"] == table_name for table in tables)

    # ---- columns

    @_cached
    def get_columns(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> list[dict[str, Any]]:
        """Returns the columns of a table or view. NoSuchTableError where there is none."""
        del kw
        table_name = str(table_name)
        tables = self._tables(connection, schema, depth="all", table_name_filter=table_name)
        found = [table for table in tables if table["table_name"] == table_name]
        if not found:
            raise NoSuchTableError(f"{schema}.{table_name}" if schema else table_name)
        return self._columns(found[0], self._facts(connection, schema, table_name))

    def get_multi_columns(
        self,
        connection: Any,
        *,
        schema: str | None = None,
        filter_names: Any = None,
        scope: Any = None,
        kind: Any = None,
        **kw: Any,
    ) -> Iterator[tuple[tuple[str | None, str], list[dict[str, Any]]]]:
        """Yields the columns of the tables of a schema: one catalog call for all of them."""
        if scope is not None and not _is_in(scope, "DEFAULT"):
            return
        wanted = None if filter_names is None else set(filter_names)
        views: set[str] = set()
        tables_too = kind is None or _is_in(kind, "TABLE")
        views_too = kind is None or _is_in(kind, "VIEW")
        if not (tables_too and views_too):
            views = set(self.get_view_names(connection, schema, **kw))
        pattern = {"table_name_filter": next(iter(wanted))} if wanted and len(wanted) == 1 else {}
        facts = self._facts(connection, schema)
        for table in self._tables(connection, schema, depth="all", **pattern):
            name = str(table["table_name"])
            if wanted is not None and name not in wanted:
                continue
            if (name in views and not views_too) or (name not in views and not tables_too):
                continue
            yield (schema, name), self._columns(table, facts)

    def _columns(self, table: Any, facts: dict[tuple[str, str], _Facts]) -> list[dict[str, Any]]:
        columns = []
        for column in sorted(
            table["table_columns"] or [], key=lambda it: it["ordinal_position"] or 0
        ):
            name = column["column_name"]
            fact = facts.get((table["table_name"], name), _UNKNOWN)
            known = {
                "name": name,
                "type": from_engine(column["xdbc_type_name"] or "", fact.length),
                "nullable": fact.nullable,
                "default": fact.default,
            }
            if column["remarks"]:
                known["comment"] = column["remarks"]
            columns.append(known)
        return columns

    def _facts(
        self, connection: Any, schema: str | None, table: str | None = None
    ) -> dict[tuple[str, str], _Facts]:
        text = f"{_COLUMNS} AND table_name = ?" if table else _COLUMNS
        rows = self._information(connection, schema, text, *([table] if table else []))
        return {
            (row[0], row[1]): _Facts(
                str(row[2]).upper() != "NO", None if row[3] is None else int(row[3]), row[4]
            )
            for row in rows or []
        }

    # ---- what the engine has none of

    def get_pk_constraint(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> dict[str, Any]:
        """Returns no columns: the protocol tells no keys."""
        self._check_table(connection, table_name, schema, **kw)
        return {"constrained_columns": [], "name": None}

    def get_foreign_keys(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> list[Any]:
        """Returns none, as `get_pk_constraint`."""
        return self._check_table(connection, table_name, schema, **kw)

    def get_indexes(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> list[Any]:
        """Returns none: the engine has no indexes."""
        return self._check_table(connection, table_name, schema, **kw)

    def get_unique_constraints(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> list[Any]:
        """Returns none, as `get_pk_constraint`."""
        return self._check_table(connection, table_name, schema, **kw)

    def get_check_constraints(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> list[Any]:
        """Returns none, as `get_pk_constraint`."""
        return self._check_table(connection, table_name, schema, **kw)

    def get_table_comment(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> dict[str, Any]:
        """Returns no text: the protocol tells no comments."""
        self._check_table(connection, table_name, schema, **kw)
        return {"text": None}

    def get_temp_table_names(self, connection: Any, **kw: Any) -> list[str]:
        """Returns none: the engine has no temporary tables."""
        del connection, kw
        return []

    get_temp_view_names = get_temp_table_names

    def _check_table(
        self, connection: Any, table_name: str, schema: str | None = None, **kw: Any
    ) -> list[Any]:
        if not self.has_table(connection, table_name, schema, **kw):
            raise NoSuchTableError(f"{schema}.{table_name}" if schema else table_name)
        return []

    # ---- calls

    def _current(self, connection: Any) -> tuple[str | None, str | None]:
        """Returns catalog and schema of a connection; None for what neither its URL nor the server names."""

        def read(driver: Any) -> tuple[str | None, str | None]:
            return _named(driver, "adbc_current_catalog"), _named(driver, "adbc_current_db_schema")

        found: tuple[str | None, str | None] = self.on_driver(connection, read)
        return found

    def _place(self, connection: Any, schema: str | None) -> tuple[str | None, str | None]:
        catalog, name = split_schema(schema) if schema else (None, None)
        if catalog is None or name is None:
            current = self._current(connection)
            catalog, name = catalog or current[0], name or current[1]
        return catalog, name

    def _objects(self, connection: Any, **filters: Any) -> list[dict[str, Any]]:
        def read(driver: Any) -> list[dict[str, Any]]:
            rows: list[dict[str, Any]] = driver.adbc_get_objects(**filters).read_all().to_pylist()
            return rows

        found: list[dict[str, Any]] = self.on_driver(connection, read)
        return found

    def _tables(
        self, connection: Any, schema: str | None, *, depth: str, **filters: Any
    ) -> list[dict[str, Any]]:
        """Returns the tables of a schema by name. Patterns have no escape, so what is too much is dropped here."""
        catalog, name = self._place(connection, schema)
        found = self._objects(
            connection, depth=depth, catalog_filter=catalog, db_schema_filter=name, **filters
        )
        tables = [
            table
            for row in found
            if catalog is None or row["catalog_name"] == catalog
            for part in row["catalog_db_schemas"] or []
            if name is None or part["db_schema_name"] == name
            for table in part["db_schema_tables"] or []
        ]
        return sorted(tables, key=lambda table: str(table["table_name"]))

    def _information(
        self, connection: Any, schema: str | None, text: str, *values: str
    ) -> list[Any] | None:
        """Returns what a query of a catalog's `information_schema` gives; None where there is none."""
        catalog, name = self._place(connection, schema)
        if name is None:
            return None
        places = ["information_schema"]
        if catalog is not None:
            text = text.replace(" WHERE ", " WHERE table_catalog = ? AND ", 1)
            # One for all catalogs, or each its own.
            quote = self.identifier_preparer.quote_identifier  # type: ignore[attr-defined]
            places.append(f"{quote(catalog)}.information_schema")
        bound = (name, *values) if catalog is None else (catalog, name, *values)
        found: list[Any] | None = None
        for place in places:
            with contextlib.suppress(DBAPIError):
                found = connection.exec_driver_sql(text.format(place), bound).fetchall()
                if found:
                    break
        return found


_COLUMNS: Final = (
    "SELECT table_name, column_name, is_nullable, character_maximum_length, column_default"
    " FROM {}.columns WHERE table_schema = ?"
)
_UNKNOWN: Final = _Facts(nullable=True, length=None, default=None)


def raw_connection(connection: Any) -> Any:
    """Returns the connection of `e6data_adbc.dbapi` under one of SQLAlchemy, which 1.4 gives bare in `initialize`."""
    inner: Any = connection.connection if isinstance(connection, Connection) else connection
    inner = getattr(inner, "dbapi_connection", inner)
    adapted = getattr(inner, "_connection", None)  # of `aio`
    return inner if adapted is None else adapted.blocking


def _named(driver: Any, attribute: str) -> str | None:
    try:
        return getattr(driver, attribute) or None
    except errors.Error as error:
        if error.status_code == Status.NOT_FOUND:
            return None
        raise


def _is_in(flags: Any, name: str) -> bool:
    return bool(flags & type(flags)[name])
