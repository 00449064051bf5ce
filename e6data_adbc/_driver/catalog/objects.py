"""What `GetObjects` tells: catalogs, schemas, tables and columns in the nested shape that ADBC prescribes."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, TypeVar

import pyarrow as pa

from e6data_adbc import errors, types
from e6data_adbc._driver.catalog.listing import Column, Listing

__all__ = ["TABLE_TYPES", "read_objects", "read_table_types"]

_log = logging.getLogger("e6data_adbc.objects")

# Depths of adbc.h; 0 is everything.
COLUMNS: Final = 0
CATALOGS: Final = 1
SCHEMAS: Final = 2
TABLES: Final = 3

#: The one kind of table: the server lists names only, so views are tables too.
TABLE_TYPES: Final = ("TABLE",)

#: Calls in flight for one GetObjects: a listing is one call a table, and a remote call is mostly waiting.
_CONCURRENT_CALLS: Final = 8

#: pandas looks every SQL text up as a table name first, and that question is answered without a call. No table has a
#: longer name than this, or one with a line's end in it.
_LONGEST_NAME: Final = 255
#: How a text begins that is a statement. A space alone proves nothing: `my table` is a name.
_STATEMENT: Final = re.compile(
    r".*[\t\r\n]|\(|--|/\*|select[ (*'\"]|(?:with|values|explain) .*(?:\(|select )", re.IGNORECASE
)

_USAGE = pa.struct(
    [
        pa.field("fk_catalog", pa.utf8()),
        pa.field("fk_db_schema", pa.utf8()),
        pa.field("fk_table", pa.utf8(), nullable=False),
        pa.field("fk_column_name", pa.utf8(), nullable=False),
    ]
)
_CONSTRAINT = pa.struct(
    [
        pa.field("constraint_name", pa.utf8()),
        pa.field("constraint_type", pa.utf8(), nullable=False),
        pa.field("constraint_column_names", pa.list_(pa.utf8()), nullable=False),
        pa.field("constraint_column_usage", pa.list_(_USAGE)),
    ]
)
_COLUMN = pa.struct(
    [
        pa.field("column_name", pa.utf8(), nullable=False),
        pa.field("ordinal_position", pa.int32()),
        pa.field("remarks", pa.utf8()),
        pa.field("xdbc_data_type", pa.int16()),
        pa.field("xdbc_type_name", pa.utf8()),
        pa.field("xdbc_column_size", pa.int32()),
        pa.field("xdbc_decimal_digits", pa.int16()),
        pa.field("xdbc_num_prec_radix", pa.int16()),
        pa.field("xdbc_nullable", pa.int16()),
        pa.field("xdbc_column_def", pa.utf8()),
        pa.field("xdbc_sql_data_type", pa.int16()),
        pa.field("xdbc_datetime_sub", pa.int16()),
        pa.field("xdbc_char_octet_length", pa.int32()),
        pa.field("xdbc_is_nullable", pa.utf8()),
        pa.field("xdbc_scope_catalog", pa.utf8()),
        pa.field("xdbc_scope_schema", pa.utf8()),
        pa.field("xdbc_scope_table", pa.utf8()),
        pa.field("xdbc_is_autoincrement", pa.bool_()),
        pa.field("xdbc_is_generatedcolumn", pa.bool_()),
    ]
)
_TABLE = pa.struct(
    [
        pa.field("table_name", pa.utf8(), nullable=False),
        pa.field("table_type", pa.utf8(), nullable=False),
        pa.field("table_columns", pa.list_(_COLUMN)),
        pa.field("table_constraints", pa.list_(_CONSTRAINT)),
    ]
)
_SCHEMA = pa.struct(
    [
        pa.field("db_schema_name", pa.utf8()),
        pa.field("db_schema_tables", pa.list_(_TABLE)),
    ]
)
SCHEMA: Final = pa.schema(
    [
        pa.field("catalog_name", pa.utf8()),
        pa.field("catalog_db_schemas", pa.list_(_SCHEMA)),
    ]
)
TABLE_TYPES_SCHEMA: Final = pa.schema([pa.field("table_type", pa.utf8(), nullable=False)])

# A value of the nested columns as pyarrow takes it.
_Row = dict[str, Any]
_T = TypeVar("_T")
_S = TypeVar("_S")


def read_objects(
    listing: Listing,
    *,
    depth: int,
    catalog: str | None,
    db_schema: str | None,
    table_name: str | None,
    table_type: Sequence[str] | None,
    column_name: str | None,
) -> pa.RecordBatchReader:
    """Returns one row of `SCHEMA` for each catalog that fits.

    Below a level that was asked for there is NULL, at it there are lists, empty ones too. The four names are patterns
    with `%` and `_`; None fits everything, `''` only objects without catalog or schema, of which there are none.
    What the user may not look into has an empty list, and the logger `e6data_adbc.objects` warns of it; the rest is
    there.

    Args:
        listing: Where to look.
        depth: How deep: 1 catalogs, 2 schemas, 3 tables, 0 columns.
        catalog: The catalogs wanted.
        db_schema: The schemas wanted.
        table_name: The tables wanted.
        table_type: The kinds of tables wanted; None or no entry means all.
        column_name: The columns wanted.

    Raises:
        ProgrammingError: There is no such depth.
        Error: A call failed, not for want of a right.
    """
    if depth not in {COLUMNS, CATALOGS, SCHEMAS, TABLES}:
        raise errors.make(
            errors.Status.INVALID_ARGUMENT, f"could not list objects: there is no depth {depth!r}"
        )
    if table_name is not None and not _can_be_table(table_name):
        return _reader([])
    names = [item.name for item in listing.catalogs()]
    rows = [
        {"catalog_name": name, "catalog_db_schemas": None} for name in filter(_like(catalog), names)
    ]
    if depth != CATALOGS:
        _list_schemas(listing, rows, _like(db_schema))
    if depth in {TABLES, COLUMNS}:
        has_type = not table_type or not set(TABLE_TYPES).isdisjoint(table_type)
        _list_tables(listing, rows, _like(table_name) if has_type else lambda _: False)
    if depth == COLUMNS:
        _list_columns(listing, rows, _like(column_name))
    return _reader(rows)


def read_table_types() -> pa.RecordBatchReader:
    """Returns one row for each kind of table."""
    batch = pa.record_batch([pa.array(TABLE_TYPES)], schema=TABLE_TYPES_SCHEMA)
    return pa.RecordBatchReader.from_batches(TABLE_TYPES_SCHEMA, [batch])


def _reader(rows: list[_Row]) -> pa.RecordBatchReader:
    columns = [pa.array([row[field.name] for row in rows], field.type) for field in SCHEMA]
    batch = pa.record_batch(columns, schema=SCHEMA)
    return pa.RecordBatchReader.from_batches(SCHEMA, [batch])


def _can_be_table(pattern: str) -> bool:
    return len(pattern) <= _LONGEST_NAME and not _STATEMENT.match(pattern)


def _like(pattern: str | None) -> Callable[[str], bool]:
    """Returns the test that SQL's LIKE without an escape character makes of *pattern*."""
    if pattern is None:
        return lambda _: True
    wild = {"%": ".*", "_": "."}
    expression = re.compile("".join(wild.get(c, re.escape(c)) for c in pattern), re.DOTALL)
    return lambda name: expression.fullmatch(name) is not None


def _list_schemas(listing: Listing, catalogs: list[_Row], fits: Callable[[str], bool]) -> None:
    lists = _each(_permitted(lambda row: listing.schemas(row["catalog_name"])), catalogs)
    for row, names in zip(catalogs, lists, strict=True):
        row["catalog_db_schemas"] = [
            {"db_schema_name": name, "db_schema_tables": None}
            for name in dict.fromkeys(filter(fits, names))
        ]


def _list_tables(listing: Listing, catalogs: list[_Row], fits: Callable[[str], bool]) -> None:
    places = [(row["catalog_name"], item) for row in catalogs for item in row["catalog_db_schemas"]]
    lists = _each(
        _permitted(lambda place: listing.tables(place[0], place[1]["db_schema_name"])), places
    )
    for (_, item), names in zip(places, lists, strict=True):
        item["db_schema_tables"] = [
            {
                "table_name": name,
                "table_type": TABLE_TYPES[0],
                "table_columns": None,
                "table_constraints": None,
            }
            for name in dict.fromkeys(filter(fits, names))
        ]


def _list_columns(listing: Listing, catalogs: list[_Row], fits: Callable[[str], bool]) -> None:
    places = [
        (row["catalog_name"], item["db_schema_name"], table)
        for row in catalogs
        for item in row["catalog_db_schemas"]
        for table in item["db_schema_tables"]
    ]
    lists = _each(
        _permitted(lambda place: listing.columns(place[0], place[1], place[2]["table_name"])),
        places,
    )
    for (_, _, table), columns in zip(places, lists, strict=True):
        table["table_columns"] = [
            _describe(column, position)
            for position, column in enumerate(columns, 1)
            if fits(column.name)
        ]
        table["table_constraints"] = []  # the engine has none


def _permitted(ask: Callable[[_T], list[_S]]) -> Callable[[_T], list[_S]]:
    """Returns *ask* with nothing, and a warning, for what the server refuses to this user."""

    def asked(item: _T) -> list[_S]:
        try:
            return ask(item)
        except errors.Error as error:
            if error.status_code != errors.Status.UNAUTHORIZED:
                raise
            _log.warning("objects are left out of a listing: %s", error)
            return []

    return asked


def _each(ask: Callable[[_T], _S], items: Sequence[_T]) -> list[_S]:
    """Returns the answer for each of *items*, asking for several at a time."""
    if len(items) < 2:
        return [ask(item) for item in items]
    with ThreadPoolExecutor(min(len(items), _CONCURRENT_CALLS), "e6data-objects") as pool:
        futures = [pool.submit(ask, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            for future in futures:
                future.cancel()  # after a failure the rest is not worth asking
            raise


_OTHER: Final = types.Xdbc(1111)  # java.sql.Types.OTHER
_NULLABLE_UNKNOWN: Final = 2
_DATETIME: Final = 9  # SQL_DATETIME, of the types that have a number beneath it
_UTF8_BYTES: Final = 4  # a character, at most


def _describe(column: Column, position: int) -> _Row:
    engine = types.find(column.type_name)
    xdbc = engine.xdbc if engine is not None else _OTHER
    size, digits = xdbc.size, xdbc.digits
    octets = None
    given = types.numbers(column.type_name)
    if engine is not None and given is not None:
        if engine is types.DECIMAL:
            size, digits = given[0], given[1] or 0
        elif engine.form is types.Form.TEXT:
            size = given[0]
            octets = _UTF8_BYTES * size
    return {
        "column_name": column.name,
        "ordinal_position": position,
        "xdbc_data_type": xdbc.code,
        "xdbc_type_name": column.type_name,
        "xdbc_column_size": size,
        "xdbc_decimal_digits": digits,
        "xdbc_num_prec_radix": xdbc.radix,
        "xdbc_nullable": _NULLABLE_UNKNOWN,  # the server does not tell
        "xdbc_is_nullable": "",
        "xdbc_sql_data_type": xdbc.code if xdbc.datetime_sub is None else _DATETIME,
        "xdbc_datetime_sub": xdbc.datetime_sub,
        "xdbc_char_octet_length": octets,
    }
