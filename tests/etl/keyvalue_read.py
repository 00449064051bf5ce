"""What key-value stores have of loads, read by their own libraries and by what the documentation says of them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import lmdb
import pyarrow as pa
import redis

from e6data_adbc.etl.destinations import parse
from e6data_adbc.etl.keyvalue import texts


def schema_of(state: bytes | None) -> pa.Schema:
    """Returns the columns that a store says its rows have."""
    if state is None:
        return pa.schema([])
    return pa.ipc.read_schema(pa.py_buffer(base64.b64decode(json.loads(state)["arrow"])))


def redis_hashes(address: str) -> dict[bytes, Mapping[bytes, bytes]]:
    """Returns the hashes of a prefix, by key."""
    url, _, prefix = address.partition("#")
    with redis.Redis.from_url(url.partition("?")[0]) as client:
        keys = list(client.scan_iter(f"{prefix}:*", count=1000, _type="HASH"))
        with client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.hgetall(key)
            return dict(zip(keys, pipe.execute(), strict=True))


def redis_table(address: str) -> pa.Table:
    """Returns the rows of a prefix, from hashes or from a stream."""
    parsed = parse(address)
    prefix = parsed.table[0]
    with redis.Redis.from_url(parsed.url.partition("?")[0]) as client:
        if "layout=stream" in address:
            entries: Sequence[Any] = client.xrange(prefix)  # type: ignore[assignment]
            return joined(fields[b"batch"] for _, fields in entries)
        schema = schema_of(client.get(f"e6_loads:{quote(prefix, safe='')}:table"))  # type: ignore[arg-type]
    rows = list(redis_hashes(address).values())
    columns = [
        texts.from_text([row.get(field.name.encode()) for row in rows], field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema) if rows else pa.table({})


def joined(batches: Iterable[bytes]) -> pa.Table:
    """Returns the rows of Arrow streams."""
    tables = [pa.ipc.open_stream(data).read_all() for data in batches]
    return pa.concat_tables(tables, promote_options="default") if tables else pa.table({})


def lmdb_entries(address: str) -> list[tuple[bytes, bytes]]:
    """Returns the entries of a named database."""
    parsed = parse(address)
    if not (Path(parsed.path) / "data.mdb").exists():
        return []
    with lmdb.open(parsed.path, max_dbs=8, readonly=True) as environment:
        with environment.begin() as reading:
            try:
                database = environment.open_db(parsed.table[0].encode(), txn=reading, create=False)
            except lmdb.NotFoundError:
                return []
            return list(reading.cursor(database))


def lmdb_table(address: str) -> pa.Table:
    """Returns the rows of a named database, from JSON or from Arrow streams."""
    values = [value for _, value in lmdb_entries(address)]
    if not values:
        return pa.table({})
    if "layout=stream" in address:
        return joined(values)
    with lmdb.open(parse(address).path, max_dbs=8, readonly=True) as environment:
        with environment.begin() as reading:
            state = environment.open_db(b"e6_loads", txn=reading, create=False)
            cursor = reading.cursor(state)
            assert cursor.set_range(b"table:")
            schema = schema_of(cursor.value())
    return pa.Table.from_batches([texts.from_json(values, schema)])
