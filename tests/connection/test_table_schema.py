"""GetTableSchema and GetTableTypes: the types of a table, and exactly when there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import grpc
import pyarrow as pa
import pytest

from e6data_adbc._driver.connection import Connection
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine
from tests.support.fake_server import fail
from tests.support.listed import TABLES, Connect, error_of, objects, tables_of
from tests.support.scripted import ScriptedEngine, statement_of


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
