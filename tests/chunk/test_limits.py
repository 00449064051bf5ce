"""Small inputs that ask for much are refused before anything is allocated for them."""

from __future__ import annotations

import resource
import sys
from collections.abc import Iterator

import pyarrow as pa
import pytest

from checks.decoders import Decoder, Failure, content
from checks.reference import Limits, build
from checks.reference.arrow import INSTANT_ZONE, UTC
from checks.reference.thrift import BOOL, I32, I64, LIST, MAP, SET, STRING, STRUCT
from checks.reference.vectors import VectorType

LONGS = pa.schema([("a", pa.int64())])
MIB = 1 << 20


@pytest.fixture
def bounded_memory() -> Iterator[None]:
    """Fail if the peak of the process grows by more than 64 MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert (after - before) * unit < 64 * MIB


def constant(rows: int, kind: VectorType, value: int | bytes, columns: int = 1) -> bytes:
    vectors = [build.vector(kind, rows, [value], constant=True) for _ in range(columns)]
    return build.encode(build.chunk(rows, *vectors))


@pytest.mark.parametrize("rows", [0, 1, 9, 10])
def test_rows_within_the_limit(decoder: Decoder, rows: int) -> None:
    """A chunk may have as many rows as the limit says."""
    result = decoder.chunk(constant(rows, VectorType.LONG, 5), LONGS, Limits(max_rows=10))

    assert content(result)[0] == rows


def test_rows_beyond_the_limit(decoder: Decoder) -> None:
    """One row more is refused where the row count stands, also without vectors to hold them."""
    refused = Failure("limit_exceeded", None, None, 3)
    empty = build.encode(build.record((1, build.i32(11)), (2, build.Items([STRUCT], []))))

    assert decoder.chunk(constant(11, VectorType.LONG, 5), LONGS, Limits(max_rows=10)) == refused
    assert decoder.chunk(empty, LONGS, Limits(max_rows=10)) == refused


#: Vector type, target, values of three rows (one null), decoded bytes by the contract's count.
SIZES = [
    (VectorType.BOOLEAN, pa.bool_(), [1, 0, 1], 1),
    (VectorType.INTEGER, pa.int32(), [1, 2, 3], 12),
    (VectorType.INTEGER, pa.int16(), [1, 2, 3], 6),
    (VectorType.INTEGER, pa.int8(), [1, 2, 3], 3),
    (VectorType.LONG, pa.int64(), [1, 2, 3], 24),
    (VectorType.FLOAT, pa.float32(), [0, 0, 0], 12),
    (VectorType.DOUBLE, pa.float64(), [0, 0, 0], 24),
    (VectorType.DATE, pa.date32(), [0, 0, 0], 12),
    (VectorType.DATETIME, pa.timestamp("us"), [0, 0, 0], 24),
    (VectorType.INTERVAL_DAY_SECOND, pa.duration("us"), [0, 0, 0], 24),
    (VectorType.DECIMAL128, pa.decimal128(38, 0), [bytes(16)] * 3, 48),
    (VectorType.STRING, pa.utf8(), [b"ab", b"not counted", b"c"], 16 + 3),
    (VectorType.STRING, pa.large_utf8(), [b"ab", b"not counted", b"c"], 16 + 3),
    (VectorType.STRING, pa.string_view(), [b"ab", b"not counted", b"c"], 16 + 3),
    (VectorType.STRING, pa.binary(), [b"ab", b"not counted", b"c"], 16 + 3),
    (VectorType.BINARY, pa.binary_view(), [b"ab", b"not counted", b"c"], 16 + 3),
    (VectorType.TIMESTAMP_TZ, UTC, [0, 0, 0], 24),
    (VectorType.TIMESTAMP_TZ, INSTANT_ZONE, [0, 0, 0], 24 + 16 + 3),
    (VectorType.NULL, pa.int64(), None, 24),
    (VectorType.NULL, pa.utf8(), None, 16),
    (VectorType.NULL, pa.null(), None, 0),
]


@pytest.mark.parametrize(("kind", "target", "values", "size"), SIZES, ids=str)
def test_bytes(
    decoder: Decoder,
    kind: VectorType,
    target: pa.DataType,
    values: list[int | bytes] | None,
    size: int,
) -> None:
    """Decoded bytes are counted over the columns, and one too many is refused at that column."""
    zones = [b"Z", b"not counted", b"+1"] if kind == VectorType.TIMESTAMP_TZ else None
    if kind == VectorType.NULL:
        vector = build.vector(kind, 3)
    else:
        vector = build.vector(kind, 3, values, nulls=[0, 1, 0], zones=zones)
    tree = build.chunk(3, build.vector(VectorType.LONG, 3, [1, 2, 3]), vector)
    schema = pa.schema([("a", pa.int64()), ("b", target)])
    chunk = build.encode(tree)

    assert content(decoder.chunk(chunk, schema, Limits(max_bytes=24 + size)))[0] == 3
    if size:
        result = decoder.chunk(chunk, schema, Limits(max_bytes=24 + size - 1))
        assert result == Failure("limit_exceeded", 1, None, len(chunk) - 2)


def test_constant_text_counts_every_row(decoder: Decoder) -> None:
    """A constant of 1000 bytes in 1000 rows is a million bytes, though it travels once."""
    chunk = constant(1000, VectorType.STRING, b"x" * 1000)
    schema = pa.schema([("a", pa.utf8())])
    size = 4 * 1001 + 1000 * 1000

    assert content(decoder.chunk(chunk, schema, Limits(max_bytes=size)))[0] == 1000
    assert decoder.chunk(chunk, schema, Limits(max_bytes=size - 1)) == Failure(
        "limit_exceeded", 0, None, len(chunk) - 2
    )


@pytest.mark.usefixtures("bounded_memory")
@pytest.mark.parametrize(
    ("chunk", "kind"),
    [
        (constant(2**31 - 1, VectorType.LONG, 1), "limit_exceeded"),
        (constant(50_000_000, VectorType.LONG, 1, columns=2), "limit_exceeded"),
    ],
    ids=["one column", "two columns"],
)
def test_row_bombs(decoder: Decoder, chunk: bytes, kind: str) -> None:
    """Constants of millions of rows in a hundred bytes meet the row limit."""
    schema = pa.schema([("a", pa.int64()), ("b", pa.int64())])
    result = decoder.chunk(chunk, schema)

    assert isinstance(result, Failure)
    assert result.kind == kind


@pytest.mark.usefixtures("bounded_memory")
def test_byte_bomb(decoder: Decoder) -> None:
    """A long constant within the row limit meets the byte limit before it is repeated."""
    rows = 1 << (24 if decoder.name == "native" else 16)
    limits = Limits(max_rows=rows, max_bytes=rows * 50)
    chunk = constant(rows, VectorType.STRING, b"x" * 100)
    result = decoder.chunk(chunk, pa.schema([("a", pa.utf8())]), limits)

    assert result == Failure("limit_exceeded", 0, None, len(chunk) - 2)


@pytest.mark.usefixtures("bounded_memory")
@pytest.mark.parametrize("element", [BOOL, I32, I64, STRING, STRUCT, LIST, SET, MAP], ids=str)
@pytest.mark.parametrize("place", [2, 9], ids=["known", "unknown"])
def test_list_bombs(decoder: Decoder, element: int, place: int) -> None:
    """A list that announces two thousand million elements needs bytes for them."""
    tree = build.record((1, build.i32(1)), (place, build.Items([element], [], count=2**31 - 1)))
    chunk = build.encode(tree)
    result = decoder.chunk(chunk, LONGS)

    known_otherwise = place == 2 and element != STRUCT
    kind = "wrong_element_type" if known_otherwise else "unexpected_end"
    assert result == Failure(kind, None, None, 10 if known_otherwise else 15)


@pytest.mark.usefixtures("bounded_memory")
def test_string_bomb(decoder: Decoder) -> None:
    """A string that announces two thousand million bytes needs them."""
    chunk = build.encode(build.record((9, build.Text(b"abc", length=2**31 - 1))))

    assert decoder.chunk(chunk, LONGS) == Failure("unexpected_end", None, None, 7)


@pytest.mark.usefixtures("bounded_memory")
@pytest.mark.parametrize("wire", [STRUCT, LIST, SET, MAP], ids=str)
def test_nesting_bombs(decoder: Decoder, wire: int) -> None:
    """A field nested 150 000 deep is refused at depth 65, and the stack is safe."""
    tree = build.record((9, build.nested(wire, 150_000)))
    result = decoder.chunk(build.encode(tree), LONGS)

    assert isinstance(result, Failure)
    step = {STRUCT: 3, LIST: 5, SET: 5, MAP: 7}[wire]
    assert result == Failure("too_deep", None, None, 3 + 63 * step)


def test_a_long_string_is_fine(decoder: Decoder) -> None:
    """A legal string of 17 MB passes: the bound is what the chunk holds."""
    text = b"x" * 17_000_000
    chunk = build.encode(build.chunk(1, build.vector(VectorType.STRING, 1, [text])))
    result = decoder.chunk(chunk, pa.schema([("a", pa.utf8())]))

    assert isinstance(result, pa.RecordBatch)
    assert result.column(0)[0].as_buffer().size == len(text)


@pytest.mark.usefixtures("bounded_memory")
@pytest.mark.parametrize("count", [2**31 - 1, -1, -(2**31), 4])
def test_metadata_bombs(decoder: Decoder, count: int) -> None:
    """Two thousand million announced columns need at least eight bytes each."""
    data = build.metadata(0, [["a", "LONG", "", ""]] * 2, count=count)

    assert decoder.metadata(data) == Failure("bad_length", None, None, 8)


def test_metadata_too_short(decoder: Decoder) -> None:
    """A column too many, for which there might be bytes, ends where they end."""
    data = build.metadata(0, [["a", "LONG", "", ""]] * 2, count=3)

    assert decoder.metadata(data) == Failure("unexpected_end", None, None, len(data))
