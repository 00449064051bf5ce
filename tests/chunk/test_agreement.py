"""Native and reference answer alike, whatever the bytes."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.decoders import (
    NATIVE,
    REFERENCE,
    Failure,
    canonical,
    content,
    examples,
    plain,
)
from checks.reference import Limits, build, damage, strategies
from checks.reference.strategies import Sample
from checks.reference.thrift import LIST, MAP, SET, STRUCT
from checks.reference.vectors import VectorType

pytestmark = pytest.mark.seconds

SMALL = Limits(max_rows=1000, max_bytes=1 << 20)
TIGHT = Limits(max_rows=64, max_bytes=300)

FAMILIES = {
    "decimal": [VectorType.DECIMAL128],
    "text": [VectorType.STRING, VectorType.BINARY, VectorType.MAP],
    "narrowed": [VectorType.INTEGER, VectorType.FLOAT, VectorType.DATE],
    "zoned": [VectorType.TIMESTAMP_TZ],
    "fixed": [VectorType.BOOLEAN, VectorType.LONG, VectorType.DATETIME, VectorType.NULL],
}


def assert_agreement(chunk: bytes, schema: pa.Schema, limits: Limits) -> None:
    native = content(NATIVE.chunk(chunk, schema, limits))
    expected = content(REFERENCE.chunk(chunk, schema, limits))

    assert native == expected, chunk.hex()


@examples()
@given(strategies.samples())
def test_sound_chunks(sample: Sample) -> None:
    """A sound chunk gives the same batch from both, and it is what was written."""
    batch = NATIVE.chunk(sample.chunk, sample.schema)

    assert_agreement(sample.chunk, sample.schema, Limits())
    assert isinstance(batch, pa.RecordBatch)
    values = [plain(column) for column in batch.columns]
    assert values == canonical(sample.columns, sample.schema)


@examples()
@given(damage.damaged())
def test_damaged_chunks(damaged: tuple[bytes, pa.Schema]) -> None:
    """A damaged chunk gives the same batch, or the same kind, column, row and offset of fault."""
    assert_agreement(*damaged, SMALL)


@pytest.mark.parametrize("family", FAMILIES)
def test_contradictory_chunks(family: str) -> None:
    """A well-formed chunk that contradicts itself is judged alike, type by type."""

    @examples(200)
    @given(damage.contradictory(FAMILIES[family]))
    def agree(damaged: tuple[bytes, pa.Schema]) -> None:
        assert_agreement(*damaged, SMALL)

    agree()


@examples(200)
@given(strategies.samples())
def test_limits(sample: Sample) -> None:
    """Both refuse the same chunks as too large, at the same column."""
    assert_agreement(sample.chunk, sample.schema, TIGHT)


@examples(200)
@given(damage.damaged())
def test_probe(damaged: tuple[bytes, pa.Schema]) -> None:
    """Both see the same rows, vector types and scales before decoding."""
    chunk, _ = damaged

    assert NATIVE.probe(chunk) == REFERENCE.probe(chunk)


@examples(300)
@given(damage.contradictory([VectorType.DECIMAL128, VectorType.NULL, VectorType.LONG]))
def test_description(damaged: tuple[bytes, pa.Schema]) -> None:
    """Both see the same scales, and the same grounds for them."""
    chunk, _ = damaged

    assert NATIVE.describe(chunk) == REFERENCE.describe(chunk), chunk.hex()


TEXTS = st.from_regex(rb"[+-]?[0-9]{0,40}(\.[0-9]{0,40})?([eE][+-]?[0-9]{1,20})?", fullmatch=True)


@examples(300)
@given(st.lists(st.one_of(TEXTS, st.binary(min_size=16, max_size=16)), max_size=4), st.data())
def test_scales_of_text(values: list[bytes], data: st.DataObject) -> None:
    """Text without a scale has one scale for both, and decodes with it unless it has too many digits."""
    nulls = [data.draw(st.integers(0, 1)) for _ in values]
    vector = build.vector(VectorType.DECIMAL128, len(values), values, nulls=nulls)
    chunk = build.encode(build.chunk(len(values), vector))
    described = NATIVE.describe(chunk)

    assert described == REFERENCE.describe(chunk)
    assert not isinstance(described, Failure)
    schema = pa.schema([("d", pa.decimal128(38, described[1][0][1] or 0))])
    assert_agreement(chunk, schema, SMALL)


@pytest.mark.parametrize("wire", [STRUCT, LIST, SET, MAP])
@pytest.mark.parametrize("place", ["chunk", "vector", "data", "member"])
def test_nesting(wire: int, place: str) -> None:
    """An unknown field may nest to depth 64 and no deeper, whatever it nests in."""
    schema = pa.schema([("a", pa.int64())])
    outer = {"chunk": 1, "vector": 3, "data": 4, "member": 5}[place]  # structs and lists around it
    for depth, fits in ((64, True), (65, False)):
        vector = build.vector(VectorType.LONG, 1, [7])
        tree = build.chunk(1, vector)
        data = vector.find(4).value
        assert isinstance(data, build.Record)
        member = data.fields[0].value
        host = {"chunk": tree, "vector": vector, "data": data, "member": member}[place]
        assert isinstance(host, build.Record)
        host.fields.insert(0, build.Field(99, build.nested(wire, depth - outer)))
        chunk = build.encode(tree)
        native = NATIVE.chunk(chunk, schema)

        assert content(native) == content(REFERENCE.chunk(chunk, schema))
        if fits:
            assert isinstance(native, pa.RecordBatch)
        else:
            assert isinstance(native, Failure)
            assert native.kind == "too_deep"


@examples()
@given(strategies.metadata())
def test_sound_metadata(sample: tuple[int, list[tuple[str, str, str, str]], bytes]) -> None:
    """Metadata in either form of UTF-8 reads as it was meant."""
    rows, columns, data = sample

    assert NATIVE.metadata(data) == (rows, columns)


@examples()
@given(damage.damaged_metadata())
def test_damaged_metadata(data: bytes) -> None:
    """Damaged metadata reads alike, or fails alike."""
    assert NATIVE.metadata(data) == REFERENCE.metadata(data), data.hex()


@pytest.mark.parametrize(
    "name",
    [
        b"\xc0\x80",
        b"\xed\xa0\xbd\xed\xb8\x80",
        b"\xed\xa0\xbd",
        b"\xed\xb8\x80\xed\xa0\xbd",
        b"\xed\xa0\xbdx",
        b"\xc0\x81",
        b"\xe0\x80\x80",
        b"\xf0\x9f\x98\x80\xc0\x80",
        b"\xf0\x9f\x98\x80\xed\xa0\xbd",
        b"a\0\xc0\x80",
        b"\xff",
        b"\xc0",
        b"\xc3\xc0\x80",
    ],
)
def test_modified_utf8(name: bytes) -> None:
    """Java's own form of UTF-8 is understood; halves of it are not."""
    data = bytes(8) + b"\0\0\0\1" + b"".join(build.utf(text) for text in (name, "LONG", "", ""))

    assert NATIVE.metadata(data) == REFERENCE.metadata(data)


@examples()
@given(strategies.responses())
def test_sound_responses(sample: tuple[bytes, int]) -> None:
    """Responses with fields in any order, repeated and unknown ones among them, read alike."""
    data, version = sample

    assert NATIVE.response(data, version) == REFERENCE.response(data, version), data.hex()


@examples()
@given(damage.damaged_responses())
def test_damaged_responses(sample: tuple[bytes, int]) -> None:
    """Damaged responses read alike, or fail alike."""
    data, version = sample

    assert NATIVE.response(data, version) == REFERENCE.response(data, version), data.hex()


@pytest.mark.parametrize(
    "data",
    [
        b"\x80" * 11,
        b"\x08" + b"\xff" * 10,
        b"\x08" + b"\xff" * 9 + b"\x01",
        b"\x08" + b"\xff" * 9 + b"\x02",
        b"\x00\x00",
        b"\x07",
        b"\x0e",
        b"\x0b\x0c",
        b"\x0b\x14",
        b"\x0c",
        b"\x0b",
        b"\x0b" * 64 + b"\x0c" * 64,
        b"\x0b" * 65 + b"\x0c" * 65,
        b"\x0b\x12\x05ab",
        b"\x4d\0\0\0",
        b"\x49" + bytes(7),
        b"\x12\x05ab",
        b"\x12\x80",
        b"\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x1a\x01\xff",
        b"\x22\x01\xff",
        b"\x1a\0\x22\0",
        b"\x1a\x01\xff\x1a\x01a",
        b"\x1a\x01a\x1a\0",
        b"\x12\x01a\x12\0",
        b"\x12\x07\x08\0\1\0\0\0\0",
        b"\x12\x08\x08\0\1\0\0\0\0\0",
        b"\x12\x09\x08\0\1\0\0\0\0\0\0",
        b"\x12\x01\0",
        b"\xfa\xff\xff\xff\x0f\0",
        b"\xfa\xff\xff\xff\x1f\0",
        b"\x20\x80\x01",
        b"\x20\0",
    ],
    ids=bytes.hex,
)
@pytest.mark.parametrize("version", [1, 2])
def test_odd_protobuf(data: bytes, version: int) -> None:
    """The corners of the protobuf wire format are read alike."""
    assert NATIVE.response(data, version) == REFERENCE.response(data, version)
