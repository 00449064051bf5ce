"""GetObjects: shapes, filters and failures that other tools rely on."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from e6data_adbc import errors
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from tests.support.fake_server import fail
from tests.support.listed import (
    ALL,
    CATALOGS,
    SCHEMAS,
    TABLES,
    WORLD,
    Connect,
    error_of,
    objects,
    tables_of,
)
from tests.support.scripted import ScriptedEngine, statement_of


def test_depth_of_catalogs(world: ScriptedEngine, connect_scripted: Connect) -> None:
    """Names only, NULL below, and one call."""
    assert objects(connect_scripted(), CATALOGS) == [
        {"catalog_name": "main", "catalog_db_schemas": None},
        {"catalog_name": "other", "catalog_db_schemas": None},
    ]
    assert world.count("getSchemaNamesV2") == 0


def test_depth_of_schemas(world: ScriptedEngine, connect_scripted: Connect) -> None:
    """A catalog without schemas has an empty list, not NULL."""
    main, other = objects(connect_scripted(), SCHEMAS)

    assert [item["db_schema_name"] for item in main["catalog_db_schemas"]] == ["sales", "empty"]
    assert {item["db_schema_tables"] for item in main["catalog_db_schemas"]} == {None}
    assert other["catalog_db_schemas"] == []


def test_depth_of_tables(world: ScriptedEngine, connect_scripted: Connect) -> None:
    """Every table is a TABLE; columns and constraints are NULL; an empty schema has an empty list."""
    main, _ = objects(connect_scripted(), TABLES)
    sales, empty = main["catalog_db_schemas"]

    assert empty["db_schema_tables"] == []
    assert sales["db_schema_tables"][0] == {
        "table_name": "orders",
        "table_type": "TABLE",
        "table_columns": None,
        "table_constraints": None,
    }
    assert world.count("getColumnsV2") == 0


def test_depth_of_columns(world: ScriptedEngine, connect_scripted: Connect) -> None:
    """Columns are described with the numbers of ODBC; there are no constraints."""
    main, _ = objects(connect_scripted(), ALL)
    orders, order_x = main["catalog_db_schemas"][0]["db_schema_tables"]
    described = {
        column["column_name"]: column
        for column in orders["table_columns"] + order_x["table_columns"]
    }

    assert orders["table_constraints"] == []
    assert [column["ordinal_position"] for column in orders["table_columns"]] == [1, 2, 3]
    facts = ("data_type", "type_name", "column_size", "decimal_digits", "num_prec_radix")
    assert {
        name: tuple(column[f"xdbc_{fact}"] for fact in facts) for name, column in described.items()
    } == {
        "id": (-5, "long", 19, 0, 10),
        "price": (3, "decimal(7,2)", 7, 2, 10),
        "note": (12, "varchar(16)", 16, None, None),
        "at": (93, "TIMESTAMP", 26, 6, None),
        "day": (91, "date", 10, None, None),
        "odd": (1111, "geography", None, None, None),
    }
    assert described["note"]["xdbc_char_octet_length"] == 64
    assert (described["day"]["xdbc_sql_data_type"], described["day"]["xdbc_datetime_sub"]) == (9, 1)
    assert described["id"]["xdbc_nullable"] == 2
    assert described["id"]["xdbc_is_nullable"] == ""


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, ["main.sales.orders", "main.sales.order_x"]),
        ({"catalog": "main"}, ["main.sales.orders", "main.sales.order_x"]),
        ({"catalog": "m%"}, ["main.sales.orders", "main.sales.order_x"]),
        ({"catalog": "MAIN"}, []),
        ({"catalog": "ma"}, []),
        ({"catalog": ""}, []),
        ({"db_schema": "_ales"}, ["main.sales.orders", "main.sales.order_x"]),
        ({"db_schema": "s.les"}, []),
        ({"table_name": "order_"}, ["main.sales.orders"]),
        ({"table_name": "order__"}, ["main.sales.order_x"]),
        ({"table_name": "%x"}, ["main.sales.order_x"]),
        ({"table_name": "nothing"}, []),
        ({"table_type": ["TABLE", "VIEW"]}, ["main.sales.orders", "main.sales.order_x"]),
        ({"table_type": []}, ["main.sales.orders", "main.sales.order_x"]),
        ({"table_type": ["VIEW"]}, []),
    ],
)
def test_filters_are_patterns(
    world: ScriptedEngine, connect_scripted: Connect, filters: dict[str, Any], found: list[str]
) -> None:
    """`%` is any text, `_` one character, the rest is meant literally, also what regular expressions know."""
    assert tables_of(objects(connect_scripted(), TABLES, **filters)) == found


def test_a_filter_leaves_empty_lists(world: ScriptedEngine, connect_scripted: Connect) -> None:
    """Where nothing fits there are lists without entries: consumers iterate without looking."""
    (main,) = objects(connect_scripted(), ALL, catalog="main", table_name="nothing")
    assert [item["db_schema_tables"] for item in main["catalog_db_schemas"]] == [[], []]
    (main,) = objects(connect_scripted(), ALL, catalog="main", column_name="price")
    orders, order_x = main["catalog_db_schemas"][0]["db_schema_tables"]
    assert [column["ordinal_position"] for column in orders["table_columns"]] == [2]
    assert order_x["table_columns"] == []


STATEMENTS = [
    "select 1",
    "select\n1",
    "SELECT*FROM t",
    "with x as (select 1) select 2",
    "(select 1)",
    "EXPLAIN SELECT 1",
    "VALUES (1)",
    "-- a comment",
    "a\tb",
    "x" * 256,
]


@pytest.mark.parametrize("text", STATEMENTS)
def test_a_statement_is_no_table(
    world: ScriptedEngine, connect_scripted: Connect, text: str
) -> None:
    """pandas asks for a table named like the SQL text: the answer is empty and costs no call."""
    assert objects(connect_scripted(), TABLES, table_name=text) == []
    assert world.received == []


@pytest.mark.parametrize(
    "name", ["my table", "select_items", "sales (2024)", "with tax", "values", "tea--time"]
)
def test_a_name_with_a_space_is_a_table(
    scripted_engine: ScriptedEngine, connect_scripted: Connect, name: str
) -> None:
    """What could be a table's name is looked up: `to_sql` of pandas must find the table that it is to replace."""
    scripted_engine.answer(
        "getCataloges", wire.GetCatalogesResponse(catalogResponses=[wire.CatalogResponse(name="c")])
    )
    scripted_engine.answer("getSchemaNamesV2", wire.GetSchemaNamesResponse(schemas=["s"]))
    scripted_engine.answer("getTablesV2", wire.GetTablesResponse(tables=[name]))

    assert tables_of(objects(connect_scripted(), TABLES, table_name=name)) == [f"c.s.{name}"]


def test_the_shape_is_the_standard_s(world: ScriptedEngine, connect_scripted: Connect) -> None:
    """The schema is that of the ADBC specification, whatever the depth."""
    for depth in (ALL, CATALOGS):
        schema = connect_scripted().get_objects(depth, None, None, None, None, None).schema
        assert schema.names == ["catalog_name", "catalog_db_schemas"]
        table = schema.field(1).type.value_type.field(1).type.value_type
        assert [field.name for field in table] == [
            "table_name",
            "table_type",
            "table_columns",
            "table_constraints",
        ]
        assert not table.field(0).nullable
        assert len(table.field(2).type.value_type) == 19
        constraint = table.field(3).type.value_type
        assert [field.name for field in constraint.field(3).type.value_type] == [
            "fk_catalog",
            "fk_db_schema",
            "fk_table",
            "fk_column_name",
        ]


def test_an_unknown_depth_is_refused(world: ScriptedEngine, connect_scripted: Connect) -> None:
    """A number that ADBC does not know is an argument error."""
    assert error_of(lambda: objects(connect_scripted(), 7)).status_code == Status.INVALID_ARGUMENT


def test_listing_asks_for_several_tables_at_a_time(
    world: ScriptedEngine, connect_scripted: Connect
) -> None:
    """The calls for many tables run beside each other."""
    together = threading.Barrier(2)

    def columns(request: bytes, context: grpc.ServicerContext) -> wire.GetColumnsResponse:
        together.wait(10)
        return wire.GetColumnsResponse()

    world.answer("getColumnsV2", columns)
    objects(connect_scripted(), ALL)

    assert world.count("getColumnsV2") == 2


def test_a_failed_listing_is_an_error(world: ScriptedEngine, connect_scripted: Connect) -> None:
    """A list that cannot be had is not left out silently."""
    world.answer("getColumnsV2", fail(grpc.StatusCode.UNAVAILABLE, "gone"))

    error = error_of(lambda: objects(connect_scripted(), ALL))

    assert "could not list the columns of table" in str(error)


def test_a_listing_can_be_cancelled(world: ScriptedEngine, connect_scripted: Connect) -> None:
    """`Connection.cancel` ends a listing; idle, it is an error."""
    world.answer("getTablesV2", world.hang)
    connection = connect_scripted()
    assert error_of(connection.cancel).status_code == Status.INVALID_STATE
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(objects, connection, ALL)
        world.wait_for("getTablesV2")
        connection.cancel()
        error = running.exception(10)

    assert isinstance(error, errors.Error)
    assert error.status_code == Status.CANCELLED
    assert error_of(connection.cancel).status_code == Status.INVALID_STATE


def test_cancelling_a_connection_leaves_statements_alone(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """A statement has a cancel of its own."""
    connection = connect_scripted()
    result = statement_of(connection).execute()

    assert error_of(connection.cancel).status_code == Status.INVALID_STATE
    assert result.next_response() is not None
    result.close()


@pytest.mark.parametrize("depth", [SCHEMAS, TABLES, ALL])
@pytest.mark.parametrize(
    ("method", "kept"),
    [
        ("getSchemaNamesV2", []),
        ("getTablesV2", ["sales", "empty"]),
        ("getColumnsV2", ["sales", "empty"]),
    ],
)
def test_a_refused_catalog_does_not_hide_the_others(
    world: ScriptedEngine,
    connect_scripted: Connect,
    caplog: pytest.LogCaptureFixture,
    depth: int,
    method: str,
    kept: list[str],
) -> None:
    """It is listed, below it there are empty lists, and a warning names it; what may be seen is there."""
    answers = dict(WORLD)
    kind = {"getSchemaNamesV2": 1, "getTablesV2": 2, "getColumnsV2": 3}[method]
    request = {
        1: wire.GetSchemaNamesV2Request,
        2: wire.GetTablesV2Request,
        3: wire.GetColumnsV2Request,
    }[kind]

    def refuse(data: bytes, context: grpc.ServicerContext) -> Any:
        if request.FromString(data).catalog == "main":
            context.abort(grpc.StatusCode.INTERNAL, "Access denied")
        return wire.GetSchemaNamesResponse(schemas=answers["other"]) if kind == 1 else None

    world.answer(method, refuse)
    main, other = objects(connect_scripted(), depth)

    assert other == {"catalog_name": "other", "catalog_db_schemas": []}
    assert [schema["db_schema_name"] for schema in main["catalog_db_schemas"]] == kept
    if depth == ALL and kind == 3:
        orders = main["catalog_db_schemas"][0]["db_schema_tables"][0]
        assert (orders["table_name"], orders["table_columns"]) == ("orders", [])
    if depth == ALL or kind == 1 or (depth, kind) == (TABLES, 2):
        assert "catalog 'main'" in caplog.text
        assert "Access denied" in caplog.text


def test_another_failure_of_a_listing_is_one(
    world: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Only a refusal leaves objects out."""
    world.answer("getSchemaNamesV2", fail(grpc.StatusCode.INTERNAL, "no such thing"))

    assert error_of(lambda: objects(connect_scripted(), SCHEMAS)).status_code != Status.UNAUTHORIZED
