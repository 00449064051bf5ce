"""What the catalogs hold: their schemas, tables and columns, as DuckDB lists them."""

from __future__ import annotations

from typing import Any

from e6data_adbc.local.data import catalogs, sample
from e6data_adbc.local.data.instance import Instance, use
from e6data_adbc.local.data.statements import SqlError, duckdb_module, one_line
from e6data_adbc.local.data.type_mapping import column_type

__all__ = ["Listings"]


class Listings:
    """The names that requests may use; any thread may ask.

    Attributes:
        default_catalog: Where names are looked up that have no catalog.
        default_schema: Where names are looked up that have neither.
    """

    def __init__(self, instance: Instance, first_catalog: str) -> None:
        """Lists what *instance* has; names without a catalog are looked up in *first_catalog*."""
        self._instance = instance
        self.default_catalog = first_catalog
        self.default_schema = ""

    def look_in(self, catalog: str | None, schema: str | None) -> tuple[str, str]:
        """Makes a catalog and a schema the default ones, or else the first of each; returns their names.

        Raises:
            SqlError: There is no such catalog or schema.
        """
        self.default_catalog = self.known_catalog(catalog or self.default_catalog)
        self.default_schema = schema or self._first_schema(self.default_catalog)
        try:
            self._instance.look_in(self.default_catalog, self.default_schema)
        except duckdb_module().Error as error:
            raise self._no_schema(self.default_catalog, self.default_schema) from error
        return self.default_catalog, self.default_schema

    def cursor(self, catalog: str, schema: str) -> Any:
        """Returns a new cursor that looks names up in a schema, empty for the default one.

        Raises:
            SqlError: There is no such catalog or schema.
        """
        cursor = self._instance.connect()
        try:
            if catalog or schema:
                name = self.known_catalog(catalog or self.default_catalog, cursor)
                schema = schema or self._first_schema(name)
            else:
                name, schema = self.default_catalog, self.default_schema
            try:
                use(cursor, name, schema)
            except duckdb_module().Error as error:
                raise self._no_schema(name, schema) from error
        except BaseException:
            cursor.close()
            raise
        return cursor

    def catalogs(self) -> list[str]:
        """Returns the names of the catalogs, the default one first."""
        rows = self._instance.ask(
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
        catalog = self.known_catalog(catalog or self.default_catalog)
        rows = self._instance.ask(
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
        catalog = self.known_catalog(catalog or self.default_catalog)
        schema = schema or self._first_schema(catalog)
        known = self._instance.ask(
            "SELECT 1 FROM duckdb_schemas() "
            "WHERE lower(database_name) = lower(?) AND lower(schema_name) = lower(?)",
            catalog,
            schema,
        )
        if not known:
            raise self._no_schema(catalog, schema)
        rows = self._instance.ask(
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
            with self.cursor(catalog, schema) as cursor:
                try:
                    relation = cursor.sql(f"FROM {catalogs.quote(table)}")
                except duckdb_module().Error as error:
                    raise SqlError(one_line(error)) from error
                pairs = zip(relation.columns, relation.types, strict=True)
                return [(name, column_type(duck)) for name, duck in pairs]

        return self._instance.again(read)

    def known_catalog(self, catalog: str, cursor: Any = None) -> str:
        """Returns the name of a catalog as it is written, whatever its case. SqlError where there is none."""
        rows = self._instance.ask(
            "SELECT database_name FROM duckdb_databases() "
            "WHERE lower(database_name) = lower(?) AND NOT internal AND database_name <> 'memory'",
            catalog,
            cursor=cursor,
        )
        if not rows:
            known = self._instance.ask(
                "SELECT database_name FROM duckdb_databases() "
                "WHERE NOT internal AND database_name <> 'memory' ORDER BY 1",
                cursor=cursor,
            )
            names = ", ".join(repr(row[0]) for row in known)
            raise SqlError(f"catalog {catalog!r} does not exist; there are {names}")
        return str(rows[0][0])

    def schemas_are(self, catalog: str) -> str:
        """Returns words for errors: which schemas a catalog has."""
        names = ", ".join(map(repr, self.schemas(catalog)))
        return f"catalog {catalog!r} has the schemas {names}"

    def _first_schema(self, catalog: str) -> str:
        if catalog == sample.CATALOG:
            return sample.SCHEMA
        names = self.schemas(catalog)
        return "main" if "main" in names else names[0]

    def _no_schema(self, catalog: str, schema: str) -> SqlError:
        return SqlError(
            f"schema {schema!r} does not exist in catalog {catalog!r}; {self.schemas_are(catalog)}"
        )
