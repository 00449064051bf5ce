"""What the native encoder writes is a sound chunk of the same values."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from checks import reference
from checks.decoders import DECODERS, canonical, examples, plain
from checks.reference import strategies
from checks.reference.chunk import CHUNK
from checks.reference.strategies import Sample
from checks.reference.thrift import Items, Scalar, Struct, parse
from checks.reference.values import MICROS_PER_DAY
from checks.reference.vectors import VectorType
from e6data_adbc import _native

pytestmark = pytest.mark.seconds

#: The day of the least 64-bit microsecond. It began before that, so it can be read but not written.
FIRST_DAY = -(2**63) // MICROS_PER_DAY


def batch_of(sample: Sample) -> pa.RecordBatch:
    for kind, values in zip(sample.kinds, sample.columns, strict=True):
        assume(kind != VectorType.DATE or FIRST_DAY not in values)
    return reference.Batch(sample.rows, sample.columns).to_arrow(sample.schema)


def assert_decodes(chunk: bytes, schema: pa.Schema, columns: list[list[Any]]) -> None:
    for decoder in DECODERS:
        decoded = decoder.chunk(chunk, schema)
        assert isinstance(decoded, pa.RecordBatch), (decoder.name, decoded)
        values = [plain(column) for column in decoded.columns]
        assert values == canonical(columns, schema), decoder.name


def vectors(chunk: bytes) -> list[Struct]:
    listed = parse(chunk, CHUNK).fields["vectors"]
    assert isinstance(listed, Items)
    return [item for item in listed.items if isinstance(item, Struct)]


def is_constant(vector: Struct) -> bool:
    flag = vector.fields["isConstantVector"]
    assert isinstance(flag, Scalar)
    return flag.value == 1


@examples()
@given(strategies.samples(), st.booleans())
def test_round_trip(sample: Sample, constants: bool) -> None:
    """Both decoders read back what was encoded, for every vector type and target."""
    chunk = _native.encode_chunk(batch_of(sample), sample.kinds, constants=constants)

    assert_decodes(chunk, sample.schema, sample.columns)
    if not constants:
        assert not any(is_constant(vector) for vector in vectors(chunk))


@examples(200)
@given(strategies.samples(), st.data())
def test_slices(sample: Sample, data: st.DataObject) -> None:
    """A slice of a batch is encoded from its own first row to its own last."""
    start = data.draw(st.integers(0, sample.rows))
    length = data.draw(st.integers(0, sample.rows - start))
    piece = batch_of(sample).slice(start, length)
    chunk = _native.encode_chunk(piece, sample.kinds)

    columns = [values[start : start + length] for values in sample.columns]
    assert_decodes(chunk, sample.schema, columns)


@pytest.mark.parametrize(
    ("kind", "array"),
    [
        (VectorType.LONG, pa.array([7] * 50)),
        (VectorType.STRING, pa.array(["same"] * 50)),
        (VectorType.DOUBLE, pa.array([-0.0] * 50)),
        (VectorType.BOOLEAN, pa.array([True] * 50)),
        (VectorType.LONG, pa.array([None] * 50, pa.int64())),
    ],
    ids=str,
)
def test_constants(kind: VectorType, array: pa.Array[Any]) -> None:
    """A column of one value travels as a constant vector, unless that is switched off."""
    batch = pa.RecordBatch.from_arrays([array], names=["a"])
    on = _native.encode_chunk(batch, [kind], constants=True)
    off = _native.encode_chunk(batch, [kind], constants=False)

    assert is_constant(vectors(on)[0])
    assert not is_constant(vectors(off)[0])
    assert len(on) < len(off)
    for chunk in (on, off):
        assert_decodes(chunk, batch.schema, [plain(array)])


@pytest.mark.parametrize(
    "array",
    [
        pa.array([0.0, -0.0]),
        pa.array([1, 1, 2]),
        pa.array(["a", None]),
        pa.array([None, 5], pa.int64()),
    ],
    ids=str,
)
def test_almost_constant(array: pa.Array[Any]) -> None:
    """Columns that differ in a sign of zero, or in a null, are no constants."""
    batch = pa.RecordBatch.from_arrays([array], names=["a"])
    kind = {"double": VectorType.DOUBLE, "int64": VectorType.LONG, "string": VectorType.STRING}
    chunk = _native.encode_chunk(batch, [kind[str(array.type)]])

    assert_decodes(chunk, batch.schema, [plain(array)])


def test_many_rows() -> None:
    """A chunk of a hundred thousand rows comes back through the native decoder."""
    rows = 100_000
    batch = pa.RecordBatch.from_arrays(
        [
            pa.array([None if row % 7 == 0 else row for row in range(rows)]),
            pa.array([f"r{row}" for row in range(rows)]),
            pa.array([row % 3 == 0 for row in range(rows)]),
        ],
        names=["a", "b", "c"],
    )
    kinds = [VectorType.LONG, VectorType.STRING, VectorType.BOOLEAN]
    chunk = _native.encode_chunk(batch, kinds)

    assert pa.record_batch(_native.decode_chunk(chunk, batch.schema)).equals(batch)


def test_the_first_day_is_refused() -> None:
    """A date that begins before the least microsecond is an error; the day after is not."""
    for day in (FIRST_DAY, FIRST_DAY + 1):
        days = pa.array([day], pa.int32()).view(pa.date32())
        batch = pa.RecordBatch.from_arrays([days], names=["a"])
        if day == FIRST_DAY:
            with pytest.raises(ValueError, match="out_of_range"):
                _native.encode_chunk(batch, [VectorType.DATE])
        else:
            chunk = _native.encode_chunk(batch, [VectorType.DATE])
            assert_decodes(chunk, batch.schema, [[day]])


def test_kinds_must_match() -> None:
    """A column cannot be encoded as a vector type that does not hold it."""
    batch = pa.RecordBatch.from_arrays([pa.array(["a"])], names=["a"])
    with pytest.raises(ValueError, match="a"):
        _native.encode_chunk(batch, [VectorType.LONG])
    with pytest.raises(ValueError):
        _native.encode_chunk(batch, [])


@examples(100)
@given(strategies.metadata())
def test_metadata(sample: tuple[int, list[tuple[str, str, str, str]], bytes]) -> None:
    """Encoded metadata reads back, by both readers."""
    rows, columns, _ = sample
    data = _native.encode_metadata(rows, columns)

    for decoder in DECODERS:
        assert decoder.metadata(data) == (rows, columns)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("strategy", [None, "green"])
@pytest.mark.parametrize("session", ["", "s-1"])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_response(version: int, strategy: str | None, session: str, count: int) -> None:
    """Encoded responses read back, by both readers."""
    batch = pa.RecordBatch.from_arrays([pa.array([1, 2])], names=["a"])
    chunk = _native.encode_chunk(batch, [VectorType.LONG])
    chunks = [chunk] * (min(count, 1) if version == 1 else count)
    data = _native.encode_response(
        chunks, version=version, session_id=session, new_strategy=strategy, end_of_stream=count == 0
    )

    for decoder in DECODERS:
        assert decoder.response(data, version) == {
            "chunk_count": len(chunks),
            "session_id": session or None,
            "new_strategy": strategy,
            "end_of_stream": count == 0,
        }
    response = _native.Response(data, version)
    assert response.nbytes == len(data)
    assert response.probe() == [(2, [(VectorType.LONG, None)])] * len(chunks)
