"""Reading less of a partition: options of the connection, a text that is wrapped once more, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from adbc_driver_manager import AdbcStatusCode as Status

import e6data_adbc
from e6data_adbc.local import LocalEngine
from tests.support.partitioned import Connect, partitions_of, refusal, table_of

pytestmark = pytest.mark.seconds

COLUMNS = "adbc.e6data.partition.columns"
WHERE = "adbc.e6data.partition.where"


def test_through_the_plain_driver_manager(
    sharing_engine: LocalEngine, connect_plain: Connect, here: Any
) -> None:
    """The options are set when a connection opens, or later, and reset."""
    partitions, schema = partitions_of(here, "select * from orders", on="order_id", count=2)
    connection = connect_plain(sharing_engine.uri, **{COLUMNS: '["status", "order_id"]'})
    settings = connection.adbc_connection

    assert table_of(connection, partitions[0]).schema.names == ["status", "order_id"]
    settings.set_options(**{WHERE: "order_id <= 3 OR status = 'nothing'"})
    assert table_of(connection, partitions[0])["order_id"].to_pylist() == [1, 2, 3]
    assert table_of(connection, partitions[1]).num_rows == 0
    assert settings.get_option(WHERE) == "order_id <= 3 OR status = 'nothing'"
    assert settings.get_option(COLUMNS) == '["status", "order_id"]'
    settings.set_options(**{WHERE: None, COLUMNS: None})
    assert table_of(connection, partitions[0]).schema == schema
    with pytest.raises(e6data_adbc.Error, match="not set"):
        settings.get_option(WHERE)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (COLUMNS, "order_id"),
        (COLUMNS, "[]"),
        (COLUMNS, "[1]"),
        (COLUMNS, '["a", "a"]'),
        (WHERE, "a = 1)"),
        (WHERE, "a = 1; drop table orders"),
        (WHERE, "a = ?"),
        (WHERE, "'it\\'s"),
    ],
)
def test_values_that_are_refused(
    sharing_engine: LocalEngine, connect_plain: Connect, key: str, value: str
) -> None:
    """They say what is wrong where they are set."""
    connection = connect_plain(sharing_engine.uri)
    status, _ = refusal(lambda: connection.adbc_connection.set_options(**{key: value}))

    assert status == Status.INVALID_ARGUMENT


def test_the_types_of_a_part_without_rows(
    sharing_engine: LocalEngine, connect_plain: Connect, here: Any
) -> None:
    """A column that is read alone has the type that the ticket promised, also where there is nothing in it."""
    sql = "select range as n, cast(range as decimal(12, 3)) as d from range(10)"
    partitions, schema = partitions_of(here, sql, on="n", count=2)
    narrow = {COLUMNS: '["d"]', WHERE: "n > 100"}
    connection = connect_plain(sharing_engine.uri, **narrow)

    assert table_of(connection, partitions[0]).schema.field(0).type == schema.field("d").type
