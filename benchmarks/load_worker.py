"""One load in a process of its own: `python load_worker.py CONTESTANT ADDRESS ROWS FOLDER` prints what it cost.

It runs in the environment of the benchmarks or in that of a peer, so it imports nothing of this project up here.
"""

from __future__ import annotations

import datetime as dt
import json
import resource
import sys
import time
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

BATCH_ROWS = 50_000
SCHEMA = pa.schema(
    {
        "id": pa.int64(),
        "name": pa.string(),
        "amount": pa.decimal128(38, 2),
        "made": pa.timestamp("us"),
        "sent": pa.timestamp("us", "UTC"),
        "day": pa.date32(),
    }
)


def batches(rows: int) -> Iterator[pa.RecordBatch]:
    """Gives *rows* rows; making them costs next to nothing, and all contestants the same."""
    size = min(BATCH_ROWS, rows)
    numbers: Any = pa.array(range(size), pa.int64())
    texts = pa.array([f"name {number}" for number in range(1000)])
    # Python's own decimals would cost more than some of the loads: the digits of whole numbers are those of hundredths.
    digits = numbers.cast(pa.decimal128(38, 0)).buffers()
    moments = pc.add(numbers, 10**15)  # in 2001, which every type has
    columns = [
        pa.concat_arrays([texts] * (size // 1000 + 1)).slice(0, size),
        pa.Array.from_buffers(pa.decimal128(38, 2), size, digits),
        moments.cast(pa.timestamp("us")),
        moments.cast(pa.timestamp("us", "UTC")),
        pa.repeat(pa.scalar(dt.date(2026, 1, 1)), size),
    ]
    for first in range(0, rows, size):
        count = min(size, rows - first)
        yield pa.RecordBatch.from_arrays(
            [
                pc.add(numbers.slice(0, count), first),
                *(column.slice(0, count) for column in columns),
            ],
            schema=SCHEMA,
        )


def tuples(rows: int) -> Iterator[tuple[Any, ...]]:
    """Gives *rows* rows as Python tuples."""
    for batch in batches(rows):
        yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)


def ours(address: str, rows: int, folder: Path) -> None:
    """The loader of this project."""
    del folder
    from e6data_adbc.etl import load

    load(pa.RecordBatchReader.from_batches(SCHEMA, batches(rows)), address)


def executemany(address: str, rows: int, folder: Path) -> None:
    """What is written by hand: the DB-API's executemany, or what stands for it in a key-value store."""
    del folder
    base, _, table = address.partition("#")
    if base.startswith(("redis", "lmdb")):
        by_key(base.partition("?")[0], table, rows)
        return
    if base.startswith("clickhouse"):
        into_clickhouse(base, table, rows)
        return
    if "s3" in base.partition("?")[0] or base.startswith("iceberg"):
        into_bucket(base, rows)
        return
    kinds = ("BIGINT", "TEXT", "NUMERIC(38,2)", "TIMESTAMP", "TIMESTAMPTZ", "DATE")
    if base.startswith("sqlite"):
        import sqlite3

        connection: Any = sqlite3.connect(base.partition("://")[2])
        mark, values = "?", (tuple(map(str, row)) for row in tuples(rows))
        kinds = ("INTEGER", *["TEXT"] * 5)
    elif base.startswith("mysql"):
        import pymysql

        where = urllib.parse.urlsplit(base)
        connection = pymysql.connect(
            host=where.hostname, port=where.port or 0, user=where.username, sql_mode="ANSI_QUOTES"
        )
        mark, values = "%s", tuples(rows)
        kinds = ("BIGINT", "LONGTEXT", "DECIMAL(38,2)", "DATETIME(6)", "DATETIME(6)", "DATE")
    else:
        import psycopg2

        connection, mark, values = psycopg2.connect(base), "%s", tuples(rows)
    cursor = connection.cursor()
    names = [f'"{name}" {kind}' for name, kind in zip(SCHEMA.names, kinds, strict=True)]
    cursor.execute(f"CREATE TABLE {table} ({', '.join(names)})")
    cursor.executemany(f"INSERT INTO {table} VALUES ({', '.join([mark] * len(names))})", values)
    connection.commit()
    connection.close()


def by_key(base: str, name: str, rows: int) -> None:
    """A key for each row: a hash in a pipeline of Redis, a JSON object in LMDB."""
    batched = (batch.to_pylist() for batch in batches(rows))
    if base.startswith("redis"):
        import redis

        client = redis.Redis.from_url(base)
        for batch in batched:
            with client.pipeline() as pipe:
                for row in batch:
                    fields = {key: str(value) for key, value in row.items()}
                    pipe.hset(f"{name}:{row['id']}", mapping=fields)
                pipe.execute()
        return
    import lmdb

    with lmdb.open(base.partition("://")[2], map_size=2**33, max_dbs=2) as environment:
        database = environment.open_db(name.encode())
        with environment.begin(write=True, db=database) as writing:
            for batch in batched:
                for row in batch:
                    writing.put(str(row["id"]).encode(), json.dumps(row, default=str).encode())


def into_clickhouse(base: str, name: str, rows: int) -> None:
    """Rows by the client's insert."""
    import clickhouse_connect

    client = clickhouse_connect.get_client(interface="chdb", path=urllib.parse.urlsplit(base).path)
    kinds = (
        *("Int64", "String", "Decimal(38, 2)", "DateTime64(6)", "DateTime64(6, 'UTC')", "Date"),
    )
    columns = ", ".join(f"{n} {kind}" for n, kind in zip(SCHEMA.names, kinds, strict=True))
    client.command(f"CREATE TABLE {name} ({columns}) ENGINE = MergeTree ORDER BY tuple()")
    held = list(tuples(rows))
    for first in range(0, len(held), BATCH_ROWS):
        client.insert(name, held[first : first + BATCH_ROWS], column_names=SCHEMA.names)
    client.close()


def into_bucket(base: str, rows: int) -> None:
    """Arrow's writer for Parquet, and what the libraries of lake formats have for a stream or a table."""
    split = urllib.parse.urlsplit(base)
    options = dict(urllib.parse.parse_qsl(split.query))
    stream = pa.RecordBatchReader.from_batches(SCHEMA, batches(rows))
    if split.scheme == "iceberg":
        from pyiceberg.catalog import load_catalog

        catalog = load_catalog("bench", **options)
        catalog.create_namespace("ns")
        catalog.create_table("ns.t", schema=SCHEMA).append(stream.read_all())
        catalog.close()
    elif split.scheme == "delta+s3":
        import deltalake

        names = {
            "aws_access_key_id": options["access_key_id"],
            "aws_secret_access_key": options["secret_access_key"],
            "aws_endpoint_url": options["endpoint_url"],
            "aws_region": options["region"],
            "aws_allow_http": "true",
            "aws_conditional_put": "etag",
        }
        where = f"s3://{split.netloc}{split.path}"
        deltalake.write_deltalake(where, stream, storage_options=names)
    else:
        from pyarrow import fs, parquet

        bucket = fs.S3FileSystem(
            access_key=options["access_key_id"],
            secret_key=options["secret_access_key"],
            endpoint_override=options["endpoint_url"],
            region=options["region"],
        )
        path = f"{split.netloc}{split.path}/one.parquet"
        with parquet.ParquetWriter(path, SCHEMA, filesystem=bucket) as writer:
            for batch in stream:
                writer.write_batch(batch)


def dlt(address: str, rows: int, folder: Path) -> None:
    """The library dlt, by Parquet files, which is its best way."""
    import dlt as library

    base, _, table = address.partition("#")
    base = base.replace("loader@", "loader:any@")  # it wants a password, which the server does not
    where: Any
    if base.startswith("parquet+s3"):
        split = urllib.parse.urlsplit(base)
        options = dict(urllib.parse.parse_qsl(split.query))
        where = library.destinations.filesystem(
            f"s3://{split.netloc}{split.path}",
            credentials={
                "aws_access_key_id": options["access_key_id"],
                "aws_secret_access_key": options["secret_access_key"],
                "endpoint_url": options["endpoint_url"],
                "region_name": options["region"],
            },
        )
        table = "t"
    elif base.startswith("postgresql"):
        where = library.destinations.postgres(base)
    else:
        where = library.destinations.duckdb(base.partition("://")[2])
    pipeline = library.pipeline(
        "bench", destination=where, dataset_name="bench", pipelines_dir=str(folder)
    )
    tables = (pa.Table.from_batches([batch]) for batch in batches(rows))
    name = table.rpartition(".")[2]
    pipeline.run(library.resource(tables, name=name), loader_file_format="parquet")


CONTESTANTS: dict[str, Callable[[str, int, Path], None]] = {
    "e6data": ours,
    "executemany": executemany,
    "dlt": dlt,
}


def memory(name: str) -> int:
    """Returns a line of the process's status in bytes."""
    status = Path("/proc/self/status").read_text()
    return int(status.split(f"{name}:")[1].split()[0]) * 1024


def processor() -> float:
    """Returns the processor time of this process and of its children that have ended, in seconds."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> None:
    """Loads a little first, so that what is imported and opened once is not counted."""
    name, address, rows, folder = sys.argv[1:5]
    run = CONTESTANTS[name]
    warm = Path(folder) / "warm"
    warm.mkdir(parents=True)
    run(sys.argv[5], 1000, warm)
    resident, used, started = memory("VmRSS"), processor(), time.perf_counter()
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    run(address, int(rows), Path(folder))
    answer = {
        "cpu": processor() - used,
        "seconds": time.perf_counter() - started,
        "peak": memory("VmHWM") - resident,
        "rows": int(rows),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main()
