"""The rows that everyone serves: made from fixed seeds, as Arrow and as chunks of the wire."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from benchmarks.environment import DATA
from e6data_adbc import _native
from e6data_adbc.types import VectorType

__all__ = [
    "DECIMAL",
    "DECODED",
    "DECODE_SETS",
    "MIXES",
    "SERVED",
    "Set",
    "decode_rows",
    "make",
    "write",
]

#: What the server has, and what only decoders read.
SERVED = DATA / "served"
DECODED = DATA / "decoded"

#: The vocabulary of the TPC-H columns with few values.
_INSTRUCTIONS = ("DELIVER IN PERSON", "COLLECT COD", "NONE", "TAKE BACK RETURN")
_MODES = ("REG AIR", "AIR", "RAIL", "SHIP", "TRUCK", "MAIL", "FOB")
_LOWER = "abcdefghijklmnopqrstuvwxyz "
_MIXED = "abcdefghijklmжзийклмнптфцшщ"


@dataclasses.dataclass(frozen=True)
class Column:
    """A column as it travels: the engine's type name, the vector type, and the values of *rows* rows.

    Attributes:
        wire: How the chunk's reader in benchmarks.server is told the Arrow type.
    """

    name: str
    engine: str
    vector: VectorType
    wire: str
    values: Callable[[np.random.Generator, int], pa.Array]


@dataclasses.dataclass(frozen=True)
class Set:
    """One chunk's worth of rows."""

    name: str
    columns: tuple[Column, ...]
    batch: pa.RecordBatch
    chunk: bytes

    @property
    def schema(self) -> pa.Schema:
        """What the chunk is decoded to; the batch has plain text where that has views."""
        return pa.schema(
            field.with_type(pa.string_view()) if column.wire == "string_view" else field
            for field, column in zip(self.batch.schema, self.columns, strict=True)
        )

    @property
    def rows(self) -> int:
        """The rows of the batch."""
        return self.batch.num_rows

    @property
    def metadata(self) -> list[tuple[str, str, str, str]]:
        """The columns as result metadata has them."""
        return [(column.name, column.engine, "", "") for column in self.columns]


def _longs(low: int, high: int) -> Callable[[np.random.Generator, int], pa.Array]:
    return lambda random, rows: pa.array(random.integers(low, high, rows, dtype=np.int64))


def _integers(low: int, high: int) -> Callable[[np.random.Generator, int], pa.Array]:
    return lambda random, rows: pa.array(random.integers(low, high, rows, dtype=np.int32))


def _doubles(random: np.random.Generator, rows: int) -> pa.Array:
    return pa.array(random.random(rows) * 1e5)


def _booleans(random: np.random.Generator, rows: int) -> pa.Array:
    return pa.array(random.random(rows) < 0.5)


def _dates(random: np.random.Generator, rows: int) -> pa.Array:
    return pa.array(random.integers(8000, 11000, rows, dtype=np.int32)).cast(pa.date32())


def _timestamps(random: np.random.Generator, rows: int) -> pa.Array:
    return pa.array(random.integers(0, 2**50, rows, dtype=np.int64)).cast(pa.timestamp("us"))


def _decimals(high: int) -> Callable[[np.random.Generator, int], pa.Array]:
    def values(random: np.random.Generator, rows: int) -> pa.Array:
        # Unscaled integers of 128 bits, little-endian: the upper half is the sign.
        words = np.zeros((rows, 2), np.int64)
        words[:, 0] = random.integers(0, high, rows)
        buffers = [None, pa.py_buffer(words.tobytes())]
        return pa.Array.from_buffers(pa.decimal128(38, 2), rows, buffers)

    return values


def _texts(low: int, high: int, alphabet: str) -> Callable[[np.random.Generator, int], pa.Array]:
    def values(random: np.random.Generator, rows: int) -> pa.Array:
        letters = "".join(random.choice(list(alphabet), 1 << 16))
        starts = random.integers(0, len(letters) - high, rows)
        lengths = random.integers(low, high + 1, rows)
        pairs = zip(starts.tolist(), lengths.tolist(), strict=True)
        return pa.array([letters[start : start + length] for start, length in pairs])

    return values


def _words(*words: str) -> Callable[[np.random.Generator, int], pa.Array]:
    def values(random: np.random.Generator, rows: int) -> pa.Array:
        return pa.array(words).take(pa.array(random.integers(0, len(words), rows)))

    return values


DECIMAL = "decimal 38 2"
_LONG = ("LONG", VectorType.LONG, "int64")
_TEXT = ("STRING", VectorType.STRING, "string")
_CENTS = ("DECIMAL128", VectorType.DECIMAL128, DECIMAL)
_DAY = ("DATE", VectorType.DATE, "date32")

LINEITEM = (
    Column("l_orderkey", *_LONG, _longs(1, 6_000_000)),
    Column("l_partkey", *_LONG, _longs(1, 200_000)),
    Column("l_suppkey", *_LONG, _longs(1, 10_000)),
    Column("l_linenumber", "INTEGER", VectorType.INTEGER, "int32", _integers(1, 8)),
    Column("l_quantity", *_CENTS, _decimals(5_000)),
    Column("l_extendedprice", *_CENTS, _decimals(10_000_000)),
    Column("l_discount", *_CENTS, _decimals(11)),
    Column("l_tax", *_CENTS, _decimals(9)),
    Column("l_returnflag", *_TEXT, _words("A", "N", "R")),
    Column("l_linestatus", *_TEXT, _words("O", "F")),
    Column("l_shipdate", *_DAY, _dates),
    Column("l_commitdate", *_DAY, _dates),
    Column("l_receiptdate", *_DAY, _dates),
    Column("l_shipinstruct", *_TEXT, _words(*_INSTRUCTIONS)),
    Column("l_shipmode", *_TEXT, _words(*_MODES)),
    Column("l_comment", *_TEXT, _texts(10, 43, _LOWER)),
)
NARROW = (
    Column("id", *_LONG, _longs(0, 2**40)),
    Column("name", *_TEXT, _texts(4, 20, _LOWER.strip())),
)
MIXES = {"lineitem": LINEITEM, "narrow": NARROW, "tiny": NARROW}

_SINGLE = {
    "int64": Column("v", *_LONG, _longs(-(2**62), 2**62)),
    "int32": Column("v", "INTEGER", VectorType.INTEGER, "int32", _integers(-(2**31), 2**31 - 1)),
    "double": Column("v", "DOUBLE", VectorType.DOUBLE, "double", _doubles),
    "bool": Column("v", "BOOLEAN", VectorType.BOOLEAN, "bool", _booleans),
    "date": Column("v", *_DAY, _dates),
    "timestamp": Column("v", "DATETIME", VectorType.DATETIME, "timestamp", _timestamps),
    "decimal": Column("v", *_CENTS, _decimals(10_000_000)),
    "string": Column("v", *_TEXT, _texts(4, 20, _LOWER.strip())),
    "string mixed": Column("v", *_TEXT, _texts(4, 20, _MIXED)),
    "string short": Column("v", *_TEXT, _words("A", "N", "R")),
    "string long": Column("v", *_TEXT, _texts(10, 43, _LOWER)),
    "string view": Column("v", "STRING", VectorType.STRING, "string_view", _texts(4, 20, _LOWER)),
}

#: Name, columns and the share of nulls of what the decoders are measured on.
DECODE_SETS: dict[str, tuple[tuple[Column, ...], float]] = {
    **{name: ((column,), 0.0) for name, column in _SINGLE.items()},
    **{f"{name} nulls": ((_SINGLE[name],), 0.1) for name in ("int64", "bool", "decimal", "string")},
    "narrow": (NARROW, 0.0),
    "lineitem": (LINEITEM, 0.0),
    "lineitem nulls": (LINEITEM, 0.1),
    "lineitem 10k": (LINEITEM, 0.0),
}


def decode_rows(name: str) -> int:
    """Returns the rows of a chunk of one of `DECODE_SETS`."""
    return 10_000 if name.endswith("10k") else 100_000


def make(name: str, columns: tuple[Column, ...], rows: int, nulls: float = 0.0) -> Set:
    """Returns *rows* rows of *columns*, of which the share *nulls* is null; the same at every call."""
    random = np.random.default_rng(20_251_120)
    arrays = [_with_nulls(column.values(random, rows), random, nulls) for column in columns]
    batch = pa.record_batch(arrays, names=[column.name for column in columns])
    chunk = _native.encode_chunk(batch, [int(column.vector) for column in columns], constants=False)
    return Set(name, columns, batch, chunk)


def _with_nulls(array: pa.Array, random: np.random.Generator, share: float) -> pa.Array:
    if not share:
        return array
    kept = pa.array(np.arange(len(array)), mask=random.random(len(array)) < share)
    return array.take(kept)


@functools.cache
def write(mix: str, rows: int) -> Set:
    """Returns one chunk of *mix* with *rows* rows, which the server has as `mix_rows`."""
    found = make(f"{mix}_{rows}", MIXES[mix], rows)
    write_files(found, SERVED / found.name)
    return found


def write_files(found: Set, path: Path) -> None:
    """Writes what the native half reads, under *path* and a suffix each: chunk, rows, columns and Arrow types."""
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = _native.encode_metadata(0, found.metadata)[8:]
    types = "\n".join(column.wire for column in found.columns).encode()
    rows = str(found.rows).encode()
    contents = {"columns": columns, "rows": rows, "types": types, "chunk": found.chunk}
    for suffix, content in contents.items():  # the chunk last: it is what makes a set
        _write(path.with_name(f"{path.name}.{suffix}"), content)


def _write(path: Path, content: bytes) -> None:
    if not path.exists() or path.read_bytes() != content:
        path.write_bytes(content)
