"""What `GetStatistics` tells: the number of rows of each table, in the nested shape that ADBC prescribes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import Any, Final

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc._driver.catalog import objects
from e6data_adbc._driver.catalog.listing import Listing
from e6data_adbc._driver.catalog.place import Place
from e6data_adbc._driver.query.open_query import open_query
from e6data_adbc._driver.query.query import Query
from e6data_adbc._driver.workspace import Workspace
from e6data_adbc._sql.command import Command
from e6data_adbc._sql.names import quoted_name
from e6data_adbc._transport.scope import Scope

__all__ = ["NAMES_SCHEMA", "ROW_COUNT", "SCHEMA", "count_rows", "read_names", "read_statistics"]

#: ADBC's key for the number of rows of a table.
ROW_COUNT: Final = 6

_VALUE: Final = pa.dense_union(
    [
        pa.field("int64", pa.int64()),
        pa.field("uint64", pa.uint64()),
        pa.field("float64", pa.float64()),
        pa.field("binary", pa.binary()),
    ]
)
_STATISTIC: Final[Any] = pa.struct(
    [
        pa.field("table_name", pa.utf8(), nullable=False),
        pa.field("column_name", pa.utf8()),
        pa.field("statistic_key", pa.int16(), nullable=False),
        pa.field("statistic_value", _VALUE, nullable=False),
        pa.field("statistic_is_approximate", pa.bool_(), nullable=False),
    ]
)
_DB_SCHEMA: Final[Any] = pa.struct(
    [
        pa.field("db_schema_name", pa.utf8()),
        pa.field("db_schema_statistics", pa.list_(_STATISTIC), nullable=False),
    ]
)
SCHEMA: Final = pa.schema(
    [
        pa.field("catalog_name", pa.utf8()),
        pa.field("catalog_db_schemas", pa.list_(_DB_SCHEMA), nullable=False),
    ]
)
_NAMES: Final[list[pa.Field[Any]]] = [
    pa.field("statistic_name", pa.utf8(), nullable=False),
    pa.field("statistic_key", pa.int16(), nullable=False),
]
NAMES_SCHEMA: Final = pa.schema(_NAMES)

#: Returns the exact number of rows of a table.
Count = Callable[[Place], int]


def read_statistics(
    listing: Listing,
    count: Count,
    *,
    catalog: str | None,
    db_schema: str | None,
    table_name: str | None,
    approximate: bool,
) -> pa.RecordBatchReader:
    """Returns one row of `SCHEMA` for each catalog that fits, with the number of rows of each table that fits.

    The server keeps no estimates: a number is exact, because the table is counted. So a caller who is content with
    approximations, that is, who asks in order to plan, gets none, and no call is made.

    Args:
        listing: Where to look.
        count: Counts a table.
        catalog: The catalogs wanted, as a pattern; None means all.
        db_schema: The schemas wanted, likewise.
        table_name: The tables wanted, likewise.
        approximate: Whether approximations will do.

    Raises:
        Error: A call failed, or a table cannot be counted.
    """
    if approximate:
        return _reader([])
    found: list[dict[str, Any]] = (
        objects.read_objects(
            listing,
            depth=objects.TABLES,
            catalog=catalog,
            db_schema=db_schema,
            table_name=table_name,
            table_type=None,
            column_name=None,
        )
        .read_all()
        .to_pylist()
    )
    rows = []
    for item in found:
        schemas = []
        for schema in item["catalog_db_schemas"]:
            names = [table["table_name"] for table in schema["db_schema_tables"]]
            places = [Place(item["catalog_name"], schema["db_schema_name"], name) for name in names]
            schemas.append((schema["db_schema_name"], [(p.table, count(p)) for p in places]))
        rows.append((item["catalog_name"], schemas))
    return _reader(rows)


def read_names() -> pa.RecordBatchReader:
    """Returns the statistics beyond ADBC's own, of which there are none."""
    return pa.RecordBatchReader.from_batches(NAMES_SCHEMA, [])


def count_rows(workspace: Workspace, place: Place, scope: Scope) -> int:
    """Returns the number of rows of a table.

    Args:
        workspace: Has the names of *place*.
        place: The table.
        scope: Bounds the query.

    Raises:
        ProgrammingError: The table's name has no safe SQL form.
        DataError: The server's answer is no number.
        Error: The query failed.
    """
    from e6data_adbc import _native

    text = f"SELECT COUNT(*) AS row_count FROM {quoted_name(place.table, 'table')}"  # noqa: S608
    query = open_query(workspace, Command(text), workspace.sessions.effort(scope), kind=Query)
    try:
        counts: list[Any] = []
        while (response := query.next_response()) is not None and len(counts) < 2:
            for chunk in response.chunks():
                batch = pa.record_batch(_native.decode_chunk(chunk, query.schema))
                counts += batch.column(0).to_pylist() if batch.num_columns else []
    except _native.NativeDecodeError as error:
        raise errors.from_native(error, verb=f"count the rows of {place}") from error
    finally:
        query.close()
    if len(counts) != 1 or not isinstance(counts[0], int):
        raise errors.make(
            errors.Status.INVALID_DATA,
            f"could not count the rows of {place}: the server did not answer with one number",
            query_id=query.query_id,
        )
    return counts[0]


_Tables = Sequence[tuple[str, int]]


def _reader(rows: Sequence[tuple[str, Sequence[tuple[str, _Tables]]]]) -> pa.RecordBatchReader:
    schemas = [schema for _, found in rows for schema in found]
    tables = [table for _, found in schemas for table in found]
    size = len(tables)
    values = pa.UnionArray.from_dense(
        pa.array([0] * size, pa.int8()),
        pa.array(range(size), pa.int32()),
        [
            pa.array([count for _, count in tables], pa.int64()),
            *(pa.array([], field.type) for field in list(_VALUE)[1:]),
        ],
        [field.name for field in _VALUE],
    )
    statistics = pa.StructArray.from_arrays(
        [
            pa.array([name for name, _ in tables], pa.utf8()),
            pa.nulls(size, pa.utf8()),
            pa.array([ROW_COUNT] * size, pa.int16()),
            values,
            pa.array([False] * size, pa.bool_()),
        ],
        fields=list(_STATISTIC),
    )
    nested = pa.StructArray.from_arrays(
        [
            pa.array([name for name, _ in schemas], pa.utf8()),
            _lists(statistics, [len(found) for _, found in schemas]),
        ],
        fields=list(_DB_SCHEMA),
    )
    columns = [
        pa.array([name for name, _ in rows], pa.utf8()),
        _lists(nested, [len(found) for _, found in rows]),
    ]
    batch = pa.record_batch(columns, schema=SCHEMA)
    return pa.RecordBatchReader.from_batches(SCHEMA, [batch])


def _lists(values: Any, lengths: Sequence[int]) -> Any:
    offsets = pa.array([0, *accumulate(lengths)], pa.int32())
    return pa.ListArray.from_arrays(offsets, values)
