"""What SQLAlchemy's test suite needs of a database before it runs; loaded by that suite alone."""

from __future__ import annotations

from typing import Any

from sqlalchemy import DDL, Column, DefaultClause, Integer, Table, event, inspect, text
from sqlalchemy.testing import provision

__all__: list[str] = []

#: The schemas that the suite wants beside the default one.
_SCHEMAS = ("test_schema", "test_schema_2")


def _is_preferred(config: Any, engine: Any) -> bool:
    """Says so of the blocking driver: there is no `e6data` without a driver."""
    del config
    return bool(engine.dialect.driver == "adbc")


if hasattr(provision, "is_preferred_driver"):  # not in 1.4
    provision.is_preferred_driver.for_db("e6data")(_is_preferred)


@provision.post_configure_engine.for_db("e6data")  # type: ignore[untyped-decorator]
def make_schemas(url: Any, engine: Any, follower_ident: Any) -> None:
    """Makes the suite's schemas, and has keys counted by a sequence: the engine numbers no rows by itself."""
    del url, follower_ident
    with engine.connect() as connection:
        known = inspect(connection).get_schema_names()
        for name in _SCHEMAS:
            if name not in known:
                connection.execute(text(f"CREATE SCHEMA {name}"))
    if not event.contains(Table, "before_create", _number_rows):
        event.listen(Table, "before_create", _number_rows)


@provision.set_default_schema_on_connection.for_db("e6data")  # type: ignore[untyped-decorator]
def set_schema(config: Any, dbapi_connection: Any, schema_name: str) -> None:
    """Makes a schema the current one."""
    config.db.dialect.set_default_schema_name(dbapi_connection, schema_name)


def _number_rows(table: Any, connection: Any, **_: Any) -> None:
    """Gives a column that is to be counted a sequence as its default; drops keys that refer to their own table."""
    # DuckDB, which clusters are not, does not find rows that the same statement inserts.
    for key in [key for key in table.foreign_key_constraints if key.referred_table is table]:
        table.constraints.discard(key)
    column: Column[Any] | None = table._autoincrement_column
    if column is None or column.server_default is not None or connection.dialect.name != "e6data":
        return
    if not isinstance(column.type, Integer):
        return
    prepare = connection.dialect.identifier_preparer
    sequence = prepare.quote_identifier(f"{table.name}_{column.name}_seq")
    if table.schema:
        sequence = f"{prepare.quote_schema(table.schema)}.{sequence}"
    statement = DDL(f"CREATE SEQUENCE IF NOT EXISTS {sequence}".replace("%", "%%"))  # type: ignore[no-untyped-call]
    connection.execute(statement)
    name = sequence.replace("'", "''").replace(":", r"\:")
    column.server_default = DefaultClause(text(f"nextval('{name}')"))
