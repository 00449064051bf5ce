"""Everyone who reads rows: each connects, gives batches or a table, and asks a tiny question.

Only the standard library is imported here. The public connector runs in an environment of its own, and nothing may be
loaded into a process that the contestant does not load itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

__all__ = ["CLIENTS", "Client"]


class Client(Protocol):
    """One open connection. Batches are whatever has `num_rows`."""

    def batches(self, query: str) -> Iterator[Any]:
        """Yields the batches of *query*; the query is over once the iterator is closed."""

    def table(self, query: str) -> Any:
        """Returns all rows as an Arrow table."""

    def close(self) -> None:
        """Ends the connection."""


class _Adbc:
    """A connection of the ADBC driver manager, whatever the driver."""

    _connection: Any

    def batches(self, query: str) -> Iterator[Any]:
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            yield from cursor.fetch_record_batch()

    def table(self, query: str) -> Any:
        with self._connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetch_arrow_table()

    def close(self) -> None:
        self._connection.close()


class E6data(_Adbc):
    """This driver, as a library for the driver manager."""

    def __init__(
        self,
        port: int,
        protocol: str = "v1",
        certificates: str | None = None,
        options: dict[str, str] | None = None,
        host: str = "localhost",
    ) -> None:
        keys = {"adbc.e6data.result.result_protocol": protocol} | (options or {})
        if certificates:
            keys["adbc.e6data.tls.tls_root_certs"] = certificates
        keys["adbc.e6data.tls.tls"] = "require" if certificates else "disable"
        uri = f"e6data://user:token@{host}:{port}/catalog/schema"
        self._connection = self._connect(uri, keys)

    def _connect(self, uri: str, keys: dict[str, str]) -> Any:
        from adbc_driver_manager import dbapi

        from e6data_adbc import _native

        return dbapi.connect(
            driver=_native.__file__,
            entrypoint="AdbcDriverE6dataInit",
            db_kwargs={"uri": uri} | keys,
            autocommit=True,
        )


class E6dataModule(E6data):
    """This driver by its own DB-API module, whose fetches can be interrupted and lose no row."""

    def _connect(self, uri: str, keys: dict[str, str]) -> Any:
        from e6data_adbc import dbapi

        return dbapi.connect(uri, db_kwargs=keys)


class FlightSql(_Adbc):
    """The ADBC driver for Flight SQL, which is written in Go."""

    def __init__(self, port: int, certificates: str | None = None) -> None:
        from adbc_driver_flightsql import dbapi

        # Its default of 16 MiB is less than a batch of 100,000 rows of lineitem.
        keys = {"adbc.flight.sql.client_option.with_max_msg_size": str(256 << 20)}
        if certificates:
            with open(certificates) as file:
                keys["adbc.flight.sql.client_option.tls_root_certs"] = file.read()
        scheme = "grpc+tls" if certificates else "grpc"
        uri = f"{scheme}://localhost:{port}"
        self._connection = dbapi.connect(uri, db_kwargs=keys, autocommit=True)


class Postgres(_Adbc):
    """The ADBC driver for PostgreSQL; decimals arrive as text."""

    def __init__(self, uri: str) -> None:
        from adbc_driver_postgresql import dbapi

        self._connection = dbapi.connect(uri, autocommit=True)


class Flight:
    """pyarrow.flight, without any SQL."""

    def __init__(self, port: int, certificates: str | None = None) -> None:
        import pyarrow.flight

        self._flight = pyarrow.flight
        keys = {}
        if certificates:
            with open(certificates, "rb") as file:
                keys["tls_root_certs"] = file.read()
        scheme = "grpc+tls" if certificates else "grpc"
        self._client = pyarrow.flight.connect(f"{scheme}://localhost:{port}", **keys)

    def _open(self, query: str) -> Any:
        info = self._client.get_flight_info(self._flight.FlightDescriptor.for_command(query))
        return self._client.do_get(info.endpoints[0].ticket)

    def batches(self, query: str) -> Iterator[Any]:
        reader = self._open(query)
        try:
            for chunk in reader:
                yield chunk.data
        finally:
            reader.cancel()

    def table(self, query: str) -> Any:
        return self._open(query).read_all()

    def close(self) -> None:
        self._client.close()


class DuckDb:
    """DuckDB in this process: no wire at all."""

    def __init__(self, tables: dict[str, int]) -> None:
        import duckdb
        import pyarrow as pa

        from benchmarks import data

        self._connection = duckdb.connect()
        for mix, rows in tables.items():
            batch = data.make(mix, data.MIXES[mix], min(rows, 100_000)).batch
            source = pa.Table.from_batches([batch] * (rows // batch.num_rows))
            self._connection.register("source", source)
            self._connection.execute(f"create table {mix} as from source")
            self._connection.unregister("source")

    def batches(self, query: str) -> Iterator[Any]:
        # 81,920: the multiple of its own vectors that is nearest to what the others send.
        yield from self._connection.sql(query).to_arrow_reader(81_920)

    def table(self, query: str) -> Any:
        return self._connection.sql(query).to_arrow_table()

    def close(self) -> None:
        self._connection.close()


class Upstream:
    """The public connector; its rows are made into Arrow, column by column, the way its users do it."""

    def __init__(self, port: int, *, is_v2: bool = False, certificates: str | None = None) -> None:
        from e6data_python_connector import Connection

        self._connection = Connection(
            host="localhost",
            port=port,
            username="user",
            password="token",
            catalog="catalog",
            database="schema",
            secure=certificates is not None,
            ssl_cert=certificates,
            enable_result_batch_v2=is_v2,
        )

    def batches(self, query: str) -> Iterator[Any]:
        cursor = self._connection.cursor()
        try:
            cursor.execute(query)
            for rows in cursor.fetchall_buffer():
                yield _batch(rows)
        finally:
            cursor.clear()

    def table(self, query: str) -> Any:
        import pyarrow as pa

        return pa.Table.from_batches(list(self.batches(query)))

    def close(self) -> None:
        self._connection.close()


def _batch(rows: list[list[Any]]) -> Any:
    import pyarrow as pa

    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    return pa.record_batch(columns, names=[str(index) for index in range(len(columns))])


CLIENTS: dict[str, Callable[..., Client]] = {
    kind.__name__: kind
    for kind in (E6data, E6dataModule, FlightSql, Postgres, Flight, DuckDb, Upstream)
}
