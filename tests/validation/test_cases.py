"""Every case of validation, through the driver manager on the local engine; see `case.py` for what a case says."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pytest
from adbc_driver_manager import AdbcStatusCode, Error, NotSupportedError, dbapi

from checks.validation_case import FOLDER, Case, Data, cases, data, json_lines
from e6data_adbc import _native
from e6data_adbc.local import LocalEngine
from e6data_adbc.testing import isolated_catalog

pytestmark = [pytest.mark.seconds, pytest.mark.suites]

CASES = cases()


@pytest.fixture(scope="module")
def writable() -> Iterator[LocalEngine]:
    """One engine for all cases."""
    with LocalEngine() as engine:
        yield engine


@pytest.fixture
def connection(writable: LocalEngine) -> Iterator[dbapi.Connection]:
    """The driver manager's own connection, in a catalog that only this case has."""
    with isolated_catalog(writable) as catalog:
        with dbapi.connect(
            driver=_native.__file__,
            entrypoint="AdbcDriverE6dataInit",
            db_kwargs={"uri": writable.uri_for(catalog)},
            autocommit=True,
        ) as connection:
            yield connection
    assert [record.query_id for record in writable.ledger.open_queries] == []


def test_there_are_cases() -> None:
    """Every file is a case of a known operation, and its folder says which."""
    assert {case.operation for case in CASES} == set(RUNS)
    assert all(case.path.parent.name == case.operation for case in CASES)
    assert all(case.title and not case.title.startswith("operation") for case in CASES)
    assert {path.suffix for path in FOLDER.rglob("*") if path.is_file()} == {".toml"}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(connection: dbapi.Connection, case: Case) -> None:
    """What the file says comes of it, comes of it: types, values and order; or the failure that it names."""
    with connection.cursor() as cursor:
        for sql in case.content.get("setup", ()):
            cursor.execute(sql)
    refused = case.content.get("refused")
    if refused is None:
        RUNS[case.operation](connection, case.content)
        return
    with pytest.raises(Error) as caught:
        RUNS[case.operation](connection, case.content)
    assert_refused(caught.value, refused)


def assert_refused(error: Error, refused: Mapping[str, str]) -> None:
    """The failure has the status, and its text says why."""
    assert AdbcStatusCode(error.status_code).name == refused["status"], error
    assert refused["says"] in str(error)


def run_select(connection: dbapi.Connection, content: Mapping[str, Any]) -> None:
    """The result, the schema without running, and the table's schema agree."""
    with connection.cursor() as cursor:
        cursor.execute(content["query"])
        found = cursor.fetch_arrow_table()
        if "result" not in content:
            return
        expected = data(content["result"])
        assert_same(found, expected)
        types = content["result"].get("engine_types", {})
        labels = {
            f.name: (f.metadata or {}).get(b"E6DATA:type", b"").decode() for f in found.schema
        }
        assert {name: labels[name] for name in types} == types
    with connection.cursor() as cursor:
        if any(pa.types.is_decimal(kind) and kind.scale > 36 for kind in found.schema.types):
            # Without rows such a scale cannot be asked for: no schema is better than a wrong one.
            with pytest.raises(NotSupportedError, match="only with its rows"):
                cursor.adbc_execute_schema(content["query"])
        else:
            assert cursor.adbc_execute_schema(content["query"]).equals(found.schema)
    if "table" in content:
        schema = connection.adbc_get_table_schema(content["table"])
        assert schema.types == [schema.field(name).type for name in schema.names]
        for field in found.schema:
            assert schema.field(field.name).type == field.type


def run_bind(connection: dbapi.Connection, content: Mapping[str, Any]) -> None:
    """The statement runs once for each bound row."""
    bound = data(content["bound"]).table()
    with connection.cursor() as cursor:
        if "query" not in content:
            cursor.execute(content["statement"], bound)
            assert_same(cursor.fetch_arrow_table(), data(content["result"]))
            return
        cursor.executemany(content["statement"], bound)
    run_select(connection, content)


def run_ingest(connection: dbapi.Connection, content: Mapping[str, Any]) -> None:
    """The rows become a table."""
    given = data(content["input"]).table()
    with connection.cursor() as cursor:
        written = cursor.adbc_ingest("cases", given, mode=content.get("mode", "create"))
    assert written == given.num_rows
    run_select(connection, content)


def run_objects(connection: dbapi.Connection, content: Mapping[str, Any]) -> None:
    """GetObjects finds these objects of the case's own catalog, in any order."""
    filters = dict(content["filters"])
    own = connection.adbc_current_catalog
    for name, value in filters.items():
        filters[name] = own if value == "$catalog" else value
    rows = connection.adbc_get_objects(**filters).read_all().to_pylist()
    mine = [row for row in rows if row["catalog_name"] == own]
    found = [entry for row in mine for entry in entries(row, filters["depth"])]
    expected = json_lines(content["found"])
    key = json.dumps
    assert sorted(found, key=key) == sorted(expected, key=key)


def entries(catalog: Mapping[str, Any], depth: str) -> Iterator[list[Any]]:
    """Yields what there is at *depth*; deeper levels must be NULL."""
    if depth == "catalogs":
        assert catalog["catalog_db_schemas"] is None
        yield ["catalog"]
        return
    for schema in catalog["catalog_db_schemas"]:
        if depth == "db_schemas":
            assert schema["db_schema_tables"] is None
            yield [schema["db_schema_name"]]
            continue
        for table in schema["db_schema_tables"]:
            place = [schema["db_schema_name"], table["table_name"]]
            if depth == "tables":
                assert table["table_columns"] is None
                yield [*place, table["table_type"]]
                continue
            for column in table["table_columns"]:
                yield [
                    *place,
                    column["column_name"],
                    column["ordinal_position"],
                    column["xdbc_type_name"],
                    column["xdbc_data_type"],
                ]


def run_table_schema(connection: dbapi.Connection, content: Mapping[str, Any]) -> None:
    """The table has these columns."""
    schema = connection.adbc_get_table_schema(
        content["table"], db_schema_filter=content.get("db_schema")
    )
    if "result" in content:
        expected = data(content["result"]).schema
        assert schema.names == expected.names
        assert schema.types == expected.types


def run_statement(connection: dbapi.Connection, content: Mapping[str, Any]) -> None:
    """One step after the other gives what stands beside it."""
    with connection.cursor() as cursor:
        for step in content["steps"]:
            if "refused" in step:
                with pytest.raises(Error) as caught:
                    run_step(cursor, step)
                assert_refused(caught.value, step["refused"])
            else:
                run_step(cursor, step)


def run_step(cursor: dbapi.Cursor, step: Mapping[str, Any]) -> None:
    """Runs `sql` with `parameters`, or only asks about it, and holds what came against the rest of *step*."""
    if "parameter_schema" in step:
        schema = cursor.adbc_prepare(step["sql"])
        assert schema is not None
        assert {field.name: str(field.type) for field in schema} == step["parameter_schema"]
        return
    if "execute_schema" in step:
        schema = cursor.adbc_execute_schema(step["sql"])
        assert {field.name: str(field.type) for field in schema} == step["execute_schema"]
        return
    if "script" in step:
        cursor.executescript(step["script"])
        return
    if "many" in step:
        cursor.executemany(step["sql"], json_lines(step["many"]))
    else:
        cursor.execute(step["sql"], step.get("parameters"))
    if "rowcount" in step:
        assert cursor.rowcount == step["rowcount"]
    if "result" in step:
        assert_same(cursor.fetch_arrow_table(), data(step["result"]))


RUNS = {
    "select": run_select,
    "bind": run_bind,
    "ingest": run_ingest,
    "objects": run_objects,
    "table_schema": run_table_schema,
    "statement": run_statement,
}


def assert_same(found: pa.Table, expected: Data) -> None:
    """Names, types and every value are equal; floats to the bit, so that NaN is NaN and -0.0 is not 0.0."""
    table = expected.table()
    assert found.schema.names == table.schema.names
    assert found.schema.types == table.schema.types
    assert found.num_rows == table.num_rows
    for name, mine, other in zip(table.schema.names, found.columns, table.columns, strict=True):
        assert comparable(mine) == comparable(other), name


def comparable(column: pa.ChunkedArray[Any]) -> list[Any]:
    """Returns the values of *column* so that `==` tells all that differ."""
    values = column.to_pylist()
    if pa.types.is_floating(column.type):
        return [None if value is None else value.hex() for value in values]
    if pa.types.is_timestamp(column.type) or pa.types.is_duration(column.type):
        return column.cast(pa.int64()).to_pylist()
    return values
