"""Partitions made and read through the driver manager."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from adbc_driver_manager import AdbcStatusCode

import e6data_adbc
from e6data_adbc._driver.partitions.ticket import TicketKey, key_of
from e6data_adbc._options.database_config import DatabaseConfig

ON = "adbc.e6data.partition.on"


BOUNDS = "adbc.e6data.partition.bounds"


COUNT = "adbc.e6data.partition.count"


#: Of no effect without TLS, but an endpoint is another one with it, and so has sessions of its own.
ELSEWHERE = {"adbc.e6data.tls.tls_server_name": "elsewhere"}


#: Opens connections as the driver manager does, with options of the database.
Connect = Callable[..., Any]


def partitions_of(connection: Any, sql: str, **options: Any) -> tuple[list[bytes], Any]:
    """Returns partitions and schema of a query; options by the last parts of their keys."""
    keys = {f"adbc.e6data.partition.{name}": str(value) for name, value in options.items()}
    with connection.cursor() as cursor:
        cursor.adbc_statement.set_options(**keys)
        found: tuple[list[bytes], Any] = cursor.adbc_execute_partitions(sql)
    return found


def table_of(connection: Any, partition: bytes) -> Any:
    """Returns the rows of a partition."""
    with connection.cursor() as cursor:
        cursor.adbc_read_partition(partition)
        return cursor.fetch_arrow_table()


def refusal(action: Callable[[], object]) -> tuple[AdbcStatusCode, str]:
    """Returns status and text of the error that *action* raises."""
    with pytest.raises(e6data_adbc.Error) as caught:
        action()
    return caught.value.status_code, str(caught.value)


def key_to(uri: str, **options: Any) -> TicketKey:
    """Returns the key of tickets that a database with this URI has."""
    return key_of(DatabaseConfig.from_options({"uri": uri, **options}, environment={}))[0]
