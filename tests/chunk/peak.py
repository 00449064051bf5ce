"""What it costs a process of its own to refuse an input: `python -m tests.chunk.peak WHAT FILE` prints JSON.

The peak of a process never falls, and the one that runs the tests may have had a higher one before; hence `VmHWM` of a
process that does nothing else, and not `ru_maxrss`, which a child inherits from its parent.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

import e6data_adbc
from e6data_adbc import _native

#: By the names that tests use.
TARGETS: dict[str, pa.DataType] = {
    "long": pa.int64(),
    "decimal": pa.decimal128(38, 0),
    "text": pa.utf8(),
    "view": pa.string_view(),
    "large": pa.large_utf8(),
    "binary": pa.binary(),
    "zoned": pa.struct(
        [pa.field("instant", pa.timestamp("us", tz="UTC")), pa.field("zone", pa.utf8())]
    ),
}


def _chunk(data: bytes, target: str) -> None:
    columns = 40
    schema = pa.schema([(f"c{index}", TARGETS[target]) for index in range(columns)])
    _native.decode_chunk(data, schema)


def _public(data: bytes, names: str) -> None:
    columns = [("c", name, "", "") for name in names.split(",")]
    e6data_adbc.decode_chunk(data, _native.encode_metadata(0, columns))


def _probe(data: bytes, _: str) -> None:
    _native.probe_chunk(data)


def _metadata(data: bytes, _: str) -> None:
    _native.parse_metadata(data)


def _response(data: bytes, _: str) -> None:
    _native.Response(data, 2)


def _read(data: bytes, name: str) -> None:
    from tests.support.scripted import ScriptedEngine, metadata

    with ScriptedEngine() as server:
        server.answer("getResultMetadata", metadata(("n", name)))
        server.answer("getNextResultBatchV2", data)
        uri = f"{server.uri}?result_protocol=v2"
        with e6data_adbc.connect(uri) as connection, connection.cursor() as cursor:
            cursor.execute("select n from t")
            cursor.fetch_arrow_table()


def _connect(data: bytes, _: str) -> None:
    from tests.support.scripted import ScriptedEngine, metadata

    with ScriptedEngine() as server:
        answer = metadata()
        answer.resultMetaData = data
        server.answer("getResultMetadata", answer)
        with e6data_adbc.connect(server.uri) as connection, connection.cursor() as cursor:
            cursor.execute("select n from t")


WAYS: dict[str, Callable[[bytes, str], None]] = {
    "chunk": _chunk,
    "public": _public,
    "probe": _probe,
    "metadata": _metadata,
    "response": _response,
    "read": _read,
    "connect": _connect,
}

#: What every process does first, so that only the input counts: a small chunk, a small result.
SMALL = b"\x08\0\1\0\0\0\0\0"


def _peak() -> int:
    line = next(
        line
        for line in Path("/proc/self/status").read_text().splitlines()
        if line.startswith("VmHWM:")
    )
    return int(line.split()[1]) << 10


def main(way: str, file: str, more: str) -> None:
    """Prints how many bytes the peak grew and what came of it."""
    if way in ("read", "connect"):
        _read(_native.encode_response([SMALL], version=2, end_of_stream=True), "LONG")
    else:
        _chunk(SMALL, "long")
    data = Path(file).read_bytes()
    before = _peak()
    refusal = None
    try:
        WAYS[way](data, more)
    except (_native.NativeDecodeError, e6data_adbc.Error) as error:
        refusal = str(error)
    print(json.dumps({"grown": _peak() - before, "refusal": refusal}))


if __name__ == "__main__":
    main(*sys.argv[1:])
