"""`e6data-adbc tables`: the tables of a server."""

from __future__ import annotations

import argparse
import contextlib
import sys
from typing import Any

from e6data_adbc.cli import connecting, waiting
from e6data_adbc.cli.showing import FORMATS, printer

__all__ = ["add_to"]


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
    import pyarrow as pa

    with contextlib.closing(connecting.connect(given)) as connection:
        catalogs = waiting.call(
            lambda: (
                connection.adbc_get_objects(
                    depth="columns" if given.pattern else "tables",
                    catalog_filter=given.catalog,
                    db_schema_filter=given.schema,
                    table_name_filter=given.pattern,
                )
                .read_all()
                .to_pylist()
            ),
            connection.adbc_cancel,
            lambda: None,
        )
    rows = [
        {"catalog": catalog["catalog_name"], "schema": schema["db_schema_name"], **row}
        for catalog in catalogs
        for schema in catalog["catalog_db_schemas"] or ()
        for table in schema["db_schema_tables"] or ()
        for row in _rows(table)
    ]
    names = ["catalog", "schema", "table"] + (["column", "type"] if given.pattern else [])
    data = pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in names]))
    writer = printer(given.format)(sys.stdout.buffer, data.schema)
    for batch in data.to_batches():
        writer.write(batch)
    writer.finish()
    sys.stdout.buffer.flush()
    return 0


def _rows(table: dict[str, Any]) -> list[dict[str, Any]]:
    name = table["table_name"]
    if table["table_columns"] is None:
        return [{"table": name}]
    return [
        {"table": name, "column": column["column_name"], "type": column["xdbc_type_name"]}
        for column in table["table_columns"]
    ]
