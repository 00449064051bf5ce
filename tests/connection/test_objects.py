"""GetObjects, GetTableSchema, GetTableTypes and GetInfo: shapes that other tools rely on."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pyarrow as pa
import pytest

import e6data_adbc
from e6data_adbc import errors
from e6data_adbc._driver.connection import Connection
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine
from tests.support.fake_server import fail
from tests.support.scripted import ScriptedEngine, statement_of

Connect = Callable[..., Connection]
ALL, CATALOGS, SCHEMAS, TABLES = range(4)

#: catalog → schema → table → columns
WORLD: dict[str, dict[str, dict[str, list[tuple[str, str]]]]] = {
    "main": {
        "sales": {
            "orders": [("id", "long"), ("price", "decimal(7,2)"), ("note", "varchar(16)")],
            "order_x": [("at", "TIMESTAMP"), ("day", "date"), ("odd", "geography")],
        },
        "empty": {},
    },
    "other": {},
}


@pytest.fixture
def world(scripted_engine: ScriptedEngine) -> ScriptedEngine:
    """A scripted engine with a few tables."""

    def schemas(request: bytes, context: grpc.ServicerContext) -> wire.GetSchemaNamesResponse:
        asked = wire.GetSchemaNamesV2Request.FromString(request)
        return wire.GetSchemaNamesResponse(schemas=WORLD[asked.catalog])

    def tables(request: bytes, context: grpc.ServicerContext) -> wire.GetTablesResponse:
        asked = wire.GetTablesV2Request.FromString(request)
        return wire.GetTablesResponse(tables=WORLD.get(asked.catalog, {}).get(asked.schema, {}))

    def columns(request: bytes, context: grpc.ServicerContext) -> wire.GetColumnsResponse:
        asked = wire.GetColumnsV2Request.FromString(request)
        found = WORLD.get(asked.catalog, {}).get(asked.schema, {}).get(asked.table, [])
        return wire.GetColumnsResponse(
            fieldInfo=[wire.GFieldInfo(fieldName=name, fieldType=kind) for name, kind in found]
        )

    scripted_engine.answer(
        "getCataloges",
        wire.GetCatalogesResponse(
            catalogResponses=[
                wire.CatalogResponse(name="main", isDefault=True),
                wire.CatalogResponse(name="other"),
            ]
        ),
    )
    scripted_engine.answer("getSchemaNamesV2", schemas)
    scripted_engine.answer("getTablesV2", tables)
    scripted_engine.answer("getColumnsV2", columns)
    return scripted_engine


def objects(connection: Connection, depth: int, **filters: Any) -> list[dict[str, Any]]:
    """Returns GetObjects as rows."""
    names = ("catalog", "db_schema", "table_name", "table_type", "column_name")
    reader = connection.get_objects(depth, *(filters.get(name) for name in names))
    rows: list[dict[str, Any]] = reader.read_all().to_pylist()
    return rows


def tables_of(rows: list[dict[str, Any]]) -> list[str]:
    """Returns the qualified names of the tables in *rows*."""
    return [
        f"{row['catalog_name']}.{schema['db_schema_name']}.{table['table_name']}"
        for row in rows
        for schema in row["catalog_db_schemas"]
        for table in schema["db_schema_tables"]
    ]


def error_of(action: Callable[[], object]) -> errors.Error:
    with pytest.raises(errors.Error) as caught:
        action()
    return caught.value


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


# ---- one table


def test_the_schema_of_a_table(world: ScriptedEngine, connect_scripted: Connect) -> None:
    """The types of a listing, with the scale that it tells, and the engine's name of each type."""
    schema = connect_scripted(text_layout="large_utf8").get_table_schema("main", "sales", "orders")

    assert schema.types == [pa.int64(), pa.decimal128(38, 2), pa.large_utf8()]
    assert schema.field("price").metadata == {b"E6DATA:type": b"decimal(7,2)"}


def test_names_that_are_not_given_are_the_current_ones(
    world: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Catalog and schema default to the connection's; a name is exact, not a pattern."""
    connection = connect_scripted()
    connection.set_option("adbc.connection.catalog", "main")
    connection.set_option("adbc.connection.db_schema", "sales")

    assert connection.get_table_schema(None, None, "orders").names == ["id", "price", "note"]
    assert (
        error_of(lambda: connection.get_table_schema(None, None, "order_")).status_code
        == Status.NOT_FOUND
    )


@pytest.mark.parametrize(
    "answer",
    [
        wire.GetColumnsResponse(),
        fail(grpc.StatusCode.INTERNAL, "no such thing"),
        fail(grpc.StatusCode.NOT_FOUND, "no such thing"),
    ],
)
def test_a_missing_table_is_not_found(
    world: ScriptedEngine, connect_scripted: Connect, answer: Any
) -> None:
    """However the server says it, the status is NOT_FOUND: tools create the table then."""
    world.answer("getColumnsV2", answer)

    error = error_of(lambda: connect_scripted().get_table_schema("main", "sales", "nothing"))

    assert error.status_code == Status.NOT_FOUND
    assert "'nothing' in schema 'sales', catalog 'main'" in str(error)


@pytest.mark.parametrize("place", [("no", "sales"), ("sample", "no"), (None, None)])
def test_a_missing_place_is_not_found(
    quiet_engine: LocalEngine, quiet_connection: Connection, place: tuple[str | None, str | None]
) -> None:
    """A table in a catalog or schema that does not exist does not exist; so the real engine answers."""
    error = error_of(lambda: quiet_connection.get_table_schema(*place, "nothing"))

    assert error.status_code == Status.NOT_FOUND


def test_trouble_with_a_table_is_not_its_absence(
    world: ScriptedEngine, connect_scripted: Connect
) -> None:
    """A table that is listed, but whose columns cannot be read, is not reported as missing."""
    world.answer("getColumnsV2", fail(grpc.StatusCode.INTERNAL, "metastore is ill"))

    connection = connect_scripted()

    error = error_of(lambda: connection.get_table_schema("main", "sales", "orders"))
    assert error.status_code == Status.INTERNAL
    assert "metastore is ill" in str(error)
    world.answer("getTablesV2", fail(grpc.StatusCode.INTERNAL, "metastore is ill"))
    error = error_of(lambda: connection.get_table_schema("main", "sales", "nothing"))
    assert error.status_code == Status.INTERNAL


def test_a_schema_must_be_known(world: ScriptedEngine, open_db: Callable[..., Any]) -> None:
    """Without a schema in call or connection there is nowhere to look; a default catalog is found."""
    connection = open_db(f"e6data://me:t@127.0.0.1:{world.port}").connect({})

    error = error_of(lambda: connection.get_table_schema(None, None, "orders"))
    assert error.status_code == Status.INVALID_STATE
    assert connection.get_table_schema(None, "sales", "orders").names == ["id", "price", "note"]


def test_an_unknown_type_is_an_error(world: ScriptedEngine, connect_scripted: Connect) -> None:
    """A column whose type nobody knows is named, not guessed."""
    error = error_of(lambda: connect_scripted().get_table_schema("main", "sales", "order_x"))

    assert "'odd'" in str(error)


def test_table_types(scripted_engine: ScriptedEngine, connect_scripted: Connect) -> None:
    """There is one, and nobody is asked."""
    reader = connect_scripted().get_table_types()

    assert reader.schema == pa.schema([pa.field("table_type", pa.utf8(), nullable=False)])
    assert reader.read_all().to_pylist() == [{"table_type": "TABLE"}]
    assert scripted_engine.received == []


# ---- facts


def test_info_tells_vendor_and_driver(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Every fact has the code and the union member that ADBC prescribes; nobody is asked."""
    rows = {
        row["info_name"]: row["info_value"]
        for row in connect_scripted().get_info(None).read_all().to_pylist()
    }

    assert rows[0] == "e6data"
    assert (rows[3], rows[4]) == (True, False)
    assert re.fullmatch(r"v?\d+(\.\d+){0,2}(-.+)?", rows[101])
    assert rows[101] == e6data_adbc.__version__
    assert rows[102] == f"v{pa.__version__}"
    assert rows[103] == 1_001_000
    assert scripted_engine.received == []


def test_info_by_code(scripted_engine: ScriptedEngine, connect_scripted: Connect) -> None:
    """Only what is asked, in the order asked, each once; unknown codes are left out."""
    batch = connect_scripted().get_info([103, 0, 4711, 0]).read_all()

    assert batch["info_name"].to_pylist() == [103, 0]
    assert batch["info_value"].to_pylist() == [1_001_000, "e6data"]
    assert connect_scripted().get_info([4711]).read_all().num_rows == 0


def test_the_shape_of_info(scripted_engine: ScriptedEngine, connect_scripted: Connect) -> None:
    """A dense union of exactly six members."""
    schema = connect_scripted().get_info(None).schema
    value = schema.field("info_value").type

    assert schema.field("info_name").type == pa.uint32()
    assert not schema.field("info_name").nullable
    assert value.mode == "dense"
    assert [(field.name, field.type) for field in value] == [
        ("string_value", pa.utf8()),
        ("bool_value", pa.bool_()),
        ("int64_value", pa.int64()),
        ("int32_bitmask", pa.int32()),
        ("string_list", pa.list_(pa.utf8())),
        ("int32_to_int32_list_map", pa.map_(pa.int32(), pa.list_(pa.int32()))),
    ]


# ---- the real engine


def test_a_table_has_the_types_of_its_query(
    quiet_engine: LocalEngine, quiet_connection: Connection
) -> None:
    """GetTableSchema agrees with `select *` on every table, names and types."""
    rows = objects(quiet_connection, TABLES, db_schema="sales")
    names = [name.rsplit(".", 1)[-1] for name in tables_of(rows)]

    assert "orders" in names
    for name in names:
        result = statement_of(quiet_connection, f"select * from {name}").execute()
        table = quiet_connection.get_table_schema(None, None, name)
        result.close()
        assert table.names == result.schema.names
        assert table.types == result.schema.types, name


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
