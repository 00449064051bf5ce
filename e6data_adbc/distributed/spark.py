"""Spark reads queries as data source `e6data`, with the options of `jdbc`.

>>> spark.read.format("e6data").option("uri", uri).option("query", "select * from orders").option(
...     "partitionColumn", "order_id"
... ).option("numPartitions", 64).load()  # doctest: +SKIP

Options: `uri` (else `E6DATA_URI` of each machine), `query` or `dbtable`, `where`, `partitionColumn`, `numPartitions`,
`lowerBound` and `upperBound` (which divide and do not filter; each may be missing), or `bounds` = `quantiles`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from e6data_adbc.distributed.task import missing

try:
    from pyspark.sql.datasource import DataSource, DataSourceReader, InputPartition
    from pyspark.sql.pandas.types import from_arrow_schema
except ImportError as cause:
    raise missing("pyspark", "spark") from cause

from e6data_adbc import errors
from e6data_adbc._sql.narrowed import narrowed
from e6data_adbc.distributed.planning import plan
from e6data_adbc.distributed.reading import read

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["register"]


def register(spark: Any) -> None:
    """Makes `spark.read.format("e6data")` known, and the option `uri` one that Spark's pages and plans do not show."""
    key = "spark.sql.redaction.options.regex"
    spark.conf.set(key, f"{spark.conf.get(key)}|(?i)^uri$")
    spark.dataSource.register(_Source)


class _Source(DataSource):  # type: ignore[misc] # pyspark is no dependency
    @classmethod
    def name(cls) -> str:
        return "e6data"

    def schema(self) -> Any:
        _, schema = plan(_query(self.options), self.options.get("uri"))
        return from_arrow_schema(schema)

    def reader(self, schema: Any) -> _Reader:
        return _Reader(self.options, schema.fieldNames())


class _Reader(DataSourceReader):  # type: ignore[misc] # Spark's filters stay with it: see docs/guides/distributed.md
    def __init__(self, options: Any, columns: list[str]) -> None:
        self._options, self._columns = options, columns

    def partitions(self) -> list[Any]:
        get = self._options.get
        limits = (get("lowerBound"), get("upperBound"))
        bounds = get("bounds") if limits == (None, None) else limits
        on, count = get("partitionColumn"), get("numPartitions")
        # As of jdbc, a number alone means nothing for reading.
        parts = None if on is None else count
        tickets, _ = plan(
            _query(self._options), get("uri"), on, parts, None if on is None else bounds
        )
        return list(map(InputPartition, tickets))

    def read(self, partition: Any) -> Iterator[pa.RecordBatch]:
        return iter(read(partition.value, self._columns))


def _query(options: Any) -> str:
    query, table = options.get("query"), options.get("dbtable")
    if (query is None) == (table is None):
        message = "could not read with Spark: give either the option 'query' or 'dbtable'"
        raise errors.make(errors.Status.INVALID_ARGUMENT, message)
    return narrowed(query or f"SELECT * FROM {table}", where=options.get("where"))  # noqa: S608 - as of jdbc
