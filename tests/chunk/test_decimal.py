"""Decimals are exact at every edge and scale: each result is checked by integer arithmetic."""

from __future__ import annotations

import random
from fractions import Fraction

import pyarrow as pa
import pytest

from checks.decoders import Decoder, Failure, plain
from checks.reference import build
from checks.reference.strategies import decimal_text
from checks.reference.vectors import VectorType

LIMIT = 10**38

EDGES = sorted(
    {
        sign * value
        for sign in (1, -1)
        for power in range(39)
        for value in (10**power - 1, 10**power, 10**power + 1)
        if abs(value) < LIMIT
    }
    | {sign * (1 << bit) for sign in (1, -1) for bit in (31, 32, 63, 64, 96, 126)}
    | {(1 << 64) - 1, (1 << 126) - 1, LIMIT - 2, 2 - LIMIT}
)

#: Sixteen bytes that read as text, and yet are integers.
ASCII = [
    b"0000000000000001",
    b"1234567890123456",
    b"-12345678901.234",
    b"+1.5e10000000000",
    b" " * 16,
]


def chunk_of(slots: list[bytes], scale: int | None) -> bytes:
    vector = build.vector(VectorType.DECIMAL128, len(slots), slots, scale=scale)
    return build.encode(build.chunk(len(slots), vector))


def binary(value: int) -> bytes:
    return value.to_bytes(16, "big", signed=True)


def decode(
    decoder: Decoder, slots: list[bytes], scale: int | None, target: pa.Decimal128Type
) -> list[int] | Failure:
    result = decoder.chunk(chunk_of(slots, scale), pa.schema([("d", target)]))
    return result if isinstance(result, Failure) else plain(result.column(0))


@pytest.mark.parametrize("scale", range(39))
def test_edges(decoder: Decoder, scale: int) -> None:
    """Every edge comes through at every scale, as two's complement and as text."""
    target = pa.decimal128(38, scale)

    assert decode(decoder, [binary(value) for value in EDGES], scale, target) == EDGES
    for shape in ("plain", "exponent", "padded"):
        slots = [decimal_text(value, scale, shape) for value in EDGES]
        assert decode(decoder, slots, scale, target) == EDGES


@pytest.mark.parametrize("scale", [0, 2, 38])
def test_sixteen_bytes_are_binary(decoder: Decoder, scale: int) -> None:
    """Sixteen bytes are an integer even where they would read as a number."""
    values = [int.from_bytes(slot, "big", signed=True) for slot in ASCII]
    fits = [(slot, value) for slot, value in zip(ASCII, values, strict=True) if abs(value) < LIMIT]
    assert len(fits) == len(ASCII)
    slots = [slot for slot, _ in fits]

    assert decode(decoder, slots, scale, pa.decimal128(38, scale)) == values


def test_one_text_makes_all_text(decoder: Decoder) -> None:
    """The form is decided for the vector: beside a shorter text, sixteen digits are text too."""
    slots = [b"0000000000000001", b"2"]

    assert decode(decoder, slots, 0, pa.decimal128(38, 0)) == [1, 2]
    assert decode(decoder, [binary(1), b"2"], 0, pa.decimal128(38, 0)) == Failure(
        "bad_decimal", 0, 0, chunk_of([binary(1), b"2"], 0).index(binary(1))
    )


@pytest.mark.parametrize("seed", range(3))
def test_random(decoder: Decoder, seed: int) -> None:
    """Random values of any size come through exactly, thousands of them."""
    source = random.Random(seed)
    for _ in range(20):
        scale = source.randint(0, 38)
        sizes = [source.randint(0, 38) for _ in range(100)]
        values = [source.randint(-(10**size) + 1, 10**size - 1) for size in sizes]
        target = pa.decimal128(38, scale)

        assert decode(decoder, [binary(value) for value in values], scale, target) == values
        shape = source.choice(["plain", "exponent", "padded"])
        slots = [decimal_text(value, scale, shape) for value in values]
        assert decode(decoder, slots, scale, target) == values


@pytest.mark.parametrize("as_text", [False, True], ids=["binary", "text"])
def test_rescaling(decoder: Decoder, as_text: bool) -> None:
    """A value is carried to the target's scale exactly, or refused with its row and place."""
    source = random.Random(7)
    for _ in range(300):
        scale, to_scale = source.randint(0, 38), source.randint(0, 38)
        precision = source.randint(max(to_scale, 1), 38)
        unscaled = source.randint(-(10**9), 10**9) * 10 ** source.randint(0, 28)
        slot = decimal_text(unscaled, scale, "padded") if as_text else binary(unscaled)
        chunk = chunk_of([slot], scale)
        result = decode(decoder, [slot], scale, pa.decimal128(precision, to_scale))

        exact = Fraction(unscaled, 10**scale) * 10**to_scale
        if exact.denominator == 1 and abs(exact) < 10**precision:
            assert result == [int(exact)]
        else:
            assert result == Failure("bad_decimal", 0, 0, chunk.index(slot))


@pytest.mark.parametrize("value", [LIMIT, -LIMIT, (1 << 127) - 1, -(1 << 127)])
def test_too_many_digits(decoder: Decoder, value: int) -> None:
    """An integer of 39 digits is refused, in either form and whatever the target."""
    for slot in (binary(value), str(value).encode()):
        for target in (pa.decimal128(38, 0), pa.decimal128(1, 0)):
            result = decode(decoder, [slot], 0, target)
            assert isinstance(result, Failure)
            assert result.kind == "bad_decimal"


@pytest.mark.parametrize(
    ("text", "scale", "expected"),
    [
        (b"1", 2, 100),
        (b"+1", 2, 100),
        (b"-0", 2, 0),
        (b".5", 2, 50),
        (b"-.5", 2, -50),
        (b"1.50", 1, 15),
        (b"1e2", 0, 100),
        (b"1E+2", 0, 100),
        (b"1200e-2", 0, 12),
        (b"0e99999999999999999999", 0, 0),
        (b"0e-99999999999999999999", 38, 0),
        (b"0." + b"0" * 50, 2, 0),
        (b"1" + b"0" * 60 + b"e-60", 0, 1),
        (b"0" * 60 + b"7", 0, 7),
        (b"1.00000000000000000000000000000000000000000000", 0, 1),
    ],
)
def test_text(decoder: Decoder, text: bytes, scale: int, expected: int) -> None:
    """Decimal text may have a sign, a point, an exponent, and zeros without end."""
    assert decode(decoder, [text], scale, pa.decimal128(38, scale)) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        *[b"", b"-", b"+", b".", b"5.", b"e5", b"1e", b"1e+", b"1.2.3", b"1_000", b" 1", b"1 "],
        *[b"0x1", b"NaN", b"inf", b"1,5", b"--1", b"1\0", "\u0661".encode(), b"\xff"],
        *[
            b"1.234",
            b"1e-3",
            b"1e36",
            b"1e37",
            b"1e99999999999999999999",
            b"1e-9999999999999999999",
        ],
    ],
)
def test_bad_text(decoder: Decoder, text: bytes) -> None:
    """Anything else is refused, and so is what does not fit scale 2 exactly."""
    slots = [b"1.5", text]
    chunk = chunk_of(slots, 2)
    body = chunk.rindex(len(text).to_bytes(4, "big") + text) + 4
    if text == b"":
        body = chunk.index(b"1.5") + 3 + 4

    assert decode(decoder, slots, 2, pa.decimal128(38, 2)) == Failure("bad_decimal", 0, 1, body)


def test_scale_absent(decoder: Decoder) -> None:
    """Without an announced scale, integers have scale 0 and text its own digits."""
    target = pa.decimal128(38, 2)

    assert decode(decoder, [binary(5)], None, target) == [500]
    assert decode(decoder, [b"5.25"], None, target) == [525]
    assert isinstance(decode(decoder, [b"5.255"], None, target), Failure)


@pytest.mark.parametrize("scale", [-39, 39, 2**31 - 1, -(2**31)])
def test_bad_scale(decoder: Decoder, scale: int) -> None:
    """A scale beyond 38 either way is refused where it stands."""
    chunk = chunk_of([binary(0)], scale)
    at = chunk.index(b"\x08\0\2" + (scale & 0xFFFFFFFF).to_bytes(4, "big")) + 3

    result = decode(decoder, [binary(0)], scale, pa.decimal128(38, 0))
    assert result == Failure("bad_decimal", 0, None, at)


def test_negative_scale(decoder: Decoder) -> None:
    """A negative scale multiplies."""
    assert decode(decoder, [binary(7)], -3, pa.decimal128(38, 0)) == [7000]
    assert decode(decoder, [binary(7)], -3, pa.decimal128(38, 2)) == [700000]


def test_null_rows_do_not_decide(decoder: Decoder) -> None:
    """What stands in a null row's slot neither picks the form nor fails."""
    vector = build.vector(
        VectorType.DECIMAL128, 3, [binary(1), b"junk", binary(3)], nulls=[0, 1, 0], scale=0
    )
    chunk = build.encode(build.chunk(3, vector))
    batch = decoder.chunk(chunk, pa.schema([("d", pa.decimal128(38, 0))]))

    assert isinstance(batch, pa.RecordBatch)
    assert plain(batch.column(0)) == [1, None, 3]
