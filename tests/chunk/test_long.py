"""Long columns, where the native decoder takes its fast roads: same values, same faults."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from checks.decoders import NATIVE, REFERENCE, Decoder, Failure, content
from checks.reference import build
from checks.reference.arrow import INSTANT_ZONE, UTC
from checks.reference.vectors import VectorType

pytestmark = pytest.mark.seconds

Wire = int | bytes

TEXTS = [b"", b"a", "é".encode(), "€".encode(), "😀".encode(), b"0123456789ab", b"0123456789abc"]


def _i64(source: random.Random) -> Wire:
    return source.randint(-(2**63), 2**63 - 1)


def _double(source: random.Random) -> Wire:
    return source.choice([source.getrandbits(64), 0, 1 << 63, 0x7FF << 52])


def _float(source: random.Random) -> Wire:
    """A double within the range of 32-bit floats, or an infinity."""
    exponent = source.choice([0, 0x380, 0x3FF, 0x47E, source.randint(0x369, 0x47D)])
    return source.getrandbits(1) << 63 | exponent << 52 | source.getrandbits(52)


def _text(source: random.Random) -> Wire:
    return b"".join(source.choices(TEXTS, k=source.choice([0, 1, 1, 3, 30])))


def _decimal(source: random.Random) -> Wire:
    return source.randint(1 - 10**38, 10**38 - 1).to_bytes(16, "big", signed=True)


#: Vector type, target, one value, a value that is at fault (None: there is none) and how.
COLUMNS: list[tuple[VectorType, pa.DataType, Callable[[random.Random], Wire], Wire | None, str]] = [
    (VectorType.BOOLEAN, pa.bool_(), lambda source: source.getrandbits(1), 2, "bad_bool"),
    (VectorType.INTEGER, pa.int32(), lambda s: s.randint(-(2**31), 2**31 - 1), None, ""),
    (
        VectorType.INTEGER,
        pa.int16(),
        lambda s: s.randint(-(2**15), 2**15 - 1),
        40000,
        "out_of_range",
    ),
    (VectorType.INTEGER, pa.int8(), lambda s: s.randint(-128, 127), -129, "out_of_range"),
    (VectorType.LONG, pa.int64(), _i64, None, ""),
    (VectorType.DOUBLE, pa.float64(), _double, None, ""),
    (VectorType.FLOAT, pa.float32(), _float, 0x47EFFFFFF0000000, "out_of_range"),
    (VectorType.DATE, pa.date32(), _i64, None, ""),
    (VectorType.DATETIME, pa.timestamp("us"), _i64, None, ""),
    (VectorType.INTERVAL_DAY_SECOND, pa.duration("us"), _i64, None, ""),
    (VectorType.TIMESTAMP_TZ, UTC, _i64, None, ""),
    (VectorType.TIMESTAMP_TZ, INSTANT_ZONE, _i64, None, ""),
    (VectorType.STRING, pa.utf8(), _text, b"ok\xe2\x82", "invalid_utf8"),
    (VectorType.STRING, pa.large_utf8(), _text, b"\x80", "invalid_utf8"),
    (VectorType.MAP, pa.string_view(), _text, b"\xed\xa0\x80", "invalid_utf8"),
    (VectorType.STRING, pa.binary(), _text, None, ""),
    (VectorType.BINARY, pa.binary(), _text, None, ""),
    (VectorType.BINARY, pa.large_binary(), _text, None, ""),
    (VectorType.BINARY, pa.binary_view(), _text, None, ""),
    (VectorType.DECIMAL128, pa.decimal128(38, 3), _decimal, b"\x7f" * 16, "bad_decimal"),
]

IDS = [f"{kind.name}-{target}".replace(" ", "") for kind, target, *_ in COLUMNS]


def long_vector(
    kind: VectorType, rows: int, make: Callable[[random.Random], Wire], nulls: float, seed: int
) -> build.Record:
    source = random.Random(seed)
    entries = [int(source.random() < nulls) for _ in range(rows)]
    slots = [make(source) for _ in range(rows)]
    zones = None
    if kind == VectorType.TIMESTAMP_TZ and seed % 2:
        zones = [source.choice([b"Z", b"+05:30", b"Asia/Kolkata"]) for _ in range(rows)]
    scale = 3 if kind == VectorType.DECIMAL128 else None
    return build.vector(kind, rows, slots, nulls=entries, scale=scale, zones=zones)


@pytest.mark.parametrize("nulls", [0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize(("kind", "target", "make", "bad", "fault"), COLUMNS, ids=IDS)
def test_values(
    kind: VectorType,
    target: pa.DataType,
    make: Callable[[random.Random], Wire],
    bad: Wire | None,
    fault: str,
    nulls: float,
) -> None:
    """A thousand rows, at any alignment and density of nulls, decode as by the reference."""
    for seed, rows in enumerate((1000, 127, 1025, 64)):
        prefix = build.vector(VectorType.STRING, rows, [b"x" * (seed + 1)], constant=True)
        vector = long_vector(kind, rows, make, nulls, seed)
        chunk = build.encode(build.chunk(rows, prefix, vector))
        schema = pa.schema([("a", pa.utf8()), ("b", target)])
        native = NATIVE.chunk(chunk, schema)

        assert isinstance(native, pa.RecordBatch)
        assert content(native) == content(REFERENCE.chunk(chunk, schema))


@pytest.mark.parametrize(
    ("kind", "target", "make", "bad", "fault"),
    [
        pytest.param(*column, id=name)
        for column, name in zip(COLUMNS, IDS, strict=True)
        if column[4]
    ],
)
def test_one_bad_value(
    kind: VectorType,
    target: pa.DataType,
    make: Callable[[random.Random], Wire],
    bad: Wire,
    fault: str,
) -> None:
    """One bad value among a thousand is found at its row, unless that row is null."""
    schema = pa.schema([("b", target)])
    for row in (0, 1, 31, 63, 64, 511, 998, 999):
        for null in (0, 1):
            vector = long_vector(kind, 1000, make, 0.1, row)
            values, nulls = _values(vector), vector.find(3).value
            assert isinstance(nulls, build.Items)
            nulls.items[row] = build.Fixed(2, null)
            wire = values.elements[0]
            values.items[row] = (
                build.Text(bad) if isinstance(bad, bytes) else build.Fixed(wire, bad)
            )
            chunk = build.encode(build.chunk(1000, vector))
            result = NATIVE.chunk(chunk, schema)

            assert content(result) == content(REFERENCE.chunk(chunk, schema))
            if null:
                assert isinstance(result, pa.RecordBatch)
            else:
                assert isinstance(result, Failure)
                assert (result.kind, result.row) == (fault, row)


@pytest.mark.parametrize(("kind", "target", "make", "bad", "fault"), COLUMNS, ids=IDS)
def test_short_list(
    kind: VectorType,
    target: pa.DataType,
    make: Callable[[random.Random], Wire],
    bad: Wire | None,
    fault: str,
) -> None:
    """A list that ends early misses the first row after it that is not null."""
    schema = pa.schema([("b", target)])
    for count in (0, 1, 500, 999):
        vector = long_vector(kind, 1000, make, 0.5, 2)
        values, nulls = _values(vector), vector.find(3).value
        assert isinstance(nulls, build.Items)
        entries = [entry.value for entry in nulls.items if isinstance(entry, build.Fixed)]
        values.items = values.items[:count]
        chunk = build.encode(build.chunk(1000, vector))
        result = NATIVE.chunk(chunk, schema)

        assert content(result) == content(REFERENCE.chunk(chunk, schema))
        missing = next((row for row in range(count, 1000) if not entries[row]), None)
        if missing is None:
            assert isinstance(result, pa.RecordBatch)
        else:
            assert isinstance(result, Failure)
            assert (result.kind, result.row) == ("short_list", missing)


def _values(vector: build.Record) -> build.Items:
    data = vector.find(4).value
    assert isinstance(data, build.Record)
    holder = data.fields[0].value
    assert isinstance(holder, build.Record)
    values = holder.find(1).value
    assert isinstance(values, build.Items)
    return values


@pytest.mark.parametrize("target", [pa.utf8(), pa.large_utf8(), pa.string_view()], ids=str)
@pytest.mark.parametrize("padding", [0, 1, 15, 40])
def test_characters_do_not_span_values(decoder: Decoder, target: pa.DataType, padding: int) -> None:
    """Two values that are text only when joined are both at fault, and the first is named."""
    whole = "😀".encode()
    for cut in (1, 2, 3):
        slots = [b"x" * padding] * padding + [whole[:cut], whole[cut:]] + [b"y" * padding] * padding
        vector = build.vector(VectorType.STRING, len(slots), slots)
        chunk = build.encode(build.chunk(len(slots), vector))
        at = chunk.index(whole[:cut] + bytes([0, 0, 0, 4 - cut]))

        result = decoder.chunk(chunk, pa.schema([("a", target)]))
        assert result == Failure("invalid_utf8", 0, padding, at)


@pytest.mark.parametrize("nulls", [[0, 1, 0], [1, 0, 0], [0, 0, 1]], ids=str)
def test_a_null_slot_does_not_complete_a_character(decoder: Decoder, nulls: list[int]) -> None:
    """What stands in a null slot is no part of its neighbours' text."""
    slots: list[Any] = [b"\xe2\x82", b"\xac", b"\xac"]
    vector = build.vector(VectorType.STRING, 3, slots, nulls=nulls)
    chunk = build.encode(build.chunk(3, vector))

    result = decoder.chunk(chunk, pa.schema([("a", pa.utf8())]))
    assert isinstance(result, Failure)
    assert (result.kind, result.row) == ("invalid_utf8", nulls.index(0))


def test_zone_characters_do_not_span_values(decoder: Decoder) -> None:
    """The same holds of zone texts."""
    vector = build.vector(VectorType.TIMESTAMP_TZ, 2, [0, 0], zones=[b"\xe2\x82", b"\xac"])
    chunk = build.encode(build.chunk(2, vector))

    result = decoder.chunk(chunk, pa.schema([("a", INSTANT_ZONE)]))
    assert result == Failure("invalid_utf8", 0, 0, chunk.index(b"\xe2\x82"))
