"""`e6data-adbc tables`: the tables of a server."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import TYPE_CHECKING, Any

from e6data_adbc import errors
from e6data_adbc.cli import connecting, waiting
from e6data_adbc.cli.showing import FORMATS, printer
from e6data_adbc.errors import Status

if TYPE_CHECKING:
    from e6data_adbc._dbapi.direct import DirectConnection

__all__ = ["add_to", "listed", "show"]


def add_to(commands: Any) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "tables", help="list tables, or the columns of those that match", description="List tables."
    )
    parser.add_argument(
        "pattern", nargs="?", help="only tables like this SQL pattern, with their columns"
    )
    connecting.add_options(parser)
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="table",
        help="how to print them (default: %(default)s)",
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Prints one line for each table, or for each column."""
    with contextlib.closing(connecting.connect(given)) as connection:
        rows = waiting.call(
            lambda: listed(
                connection,
                given.catalog,
                given.schema,
                given.pattern,
                has_columns=bool(given.pattern),
            ),
            connection.adbc_cancel,
            lambda: None,
        )
    names = ["catalog", "schema", "table"] + (["column", "type"] if given.pattern else [])
    show(rows, names, given.format)
    return 0


def listed(
    connection: DirectConnection,
    catalog: str | None,
    schema: str | None,
    pattern: str | None,
    *,
    has_columns: bool,
) -> list[dict[str, Any]]:
    """Returns a row for each table, or for each column.

    Args:
        connection: Of the server.
        catalog: A pattern as of LIKE, or None for all.
        schema: Likewise.
        pattern: Likewise, for tables.
        has_columns: Whether columns are asked for.

    Raises:
        ProgrammingError: Nothing is like one of the patterns.
    """
    catalogs = (
        connection.adbc_get_objects(
            depth="columns" if has_columns else "tables",
            catalog_filter=catalog,
            db_schema_filter=schema,
            table_name_filter=pattern,
        )
        .read_all()
        .to_pylist()
    )
    schemas = [inner for found in catalogs for inner in found["catalog_db_schemas"] or ()]
    has_tables = any(inner["db_schema_tables"] for inner in schemas)
    for kind, asked, like in (
        ("catalog", catalog, catalogs),
        ("schema", schema, schemas),
        ("table", pattern, has_tables),
    ):
        if asked is not None and not like:
            raise errors.make(
                Status.NOT_FOUND,
                f"could not list tables: there is no {kind} like {asked!r}",
                hint="without a pattern all are listed",
            )
    return [
        {"catalog": found["catalog_name"], "schema": inner["db_schema_name"], **row}
        for found in catalogs
        for inner in found["catalog_db_schemas"] or ()
        for table in inner["db_schema_tables"] or ()
        for row in _rows(table)
    ]


def show(rows: list[dict[str, Any]], names: list[str], form: str) -> None:
    """Prints *rows* of text with the columns *names* in one of `FORMATS`."""
    import pyarrow as pa

    data = pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in names]))
    writer = printer(form)(sys.stdout.buffer, data.schema)
    for batch in data.to_batches():
        writer.write(batch)
    writer.finish()
    sys.stdout.buffer.flush()


def _rows(table: dict[str, Any]) -> list[dict[str, Any]]:
    name = table["table_name"]
    if table["table_columns"] is None:
        return [{"table": name}]
    return [
        {"table": name, "column": column["column_name"], "type": column["xdbc_type_name"]}
        for column in table["table_columns"]
    ]
