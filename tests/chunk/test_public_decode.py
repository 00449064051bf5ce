"""`e6data_adbc.decode_chunk`: one chunk and its metadata, as a record batch or a DataError."""

from __future__ import annotations

import base64
import contextlib
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given

import e6data_adbc
from checks.decoders import examples
from checks.reference import build, damage
from checks.reference.vectors import VectorType

BINARY_ONE = (1).to_bytes(16, "big")


def decode(chunk: build.Record, *columns: tuple[str, str]) -> pa.RecordBatch:
    metadata = build.metadata(0, [(name, type_name, "", "") for name, type_name in columns])
    return e6data_adbc.decode_chunk(build.encode(chunk), metadata)


def one(kind: VectorType, *values: int | bytes, **how: Any) -> build.Record:
    return build.chunk(len(values), build.vector(kind, len(values), values, **how))


def nulls(rows: int) -> build.Record:
    return build.chunk(rows, build.vector(VectorType.NULL, rows))


def test_golden(golden_chunk: dict[str, Any]) -> None:
    """Sound golden chunks decode with their own metadata; malformed ones raise DataError."""
    chunk = base64.b64decode(golden_chunk["chunk_b64"])
    metadata = base64.b64decode(golden_chunk["metadata_b64"])
    if golden_chunk["policy"] == "undefined":
        with contextlib.suppress(e6data_adbc.DataError):
            e6data_adbc.decode_chunk(chunk, metadata).validate(full=True)
        return
    if golden_chunk["expect"] == "error":
        with pytest.raises(e6data_adbc.DataError):
            e6data_adbc.decode_chunk(chunk, metadata)
        return
    batch = e6data_adbc.decode_chunk(chunk, metadata)
    batch.validate(full=True)
    assert batch.num_rows == golden_chunk["expected"]["rows"]
    names = [column["name"] for column in golden_chunk["metadata"]["columns"]]
    assert batch.schema.names == names


def test_metadata_errors(golden_metadata: dict[str, Any]) -> None:
    """Metadata that cannot be read is a DataError too."""
    metadata = base64.b64decode(golden_metadata["metadata_b64"])
    if golden_metadata["expect"] == "error":
        with pytest.raises(e6data_adbc.DataError):
            e6data_adbc.decode_chunk(build.encode(build.chunk(0)), metadata)


TYPES = [
    ("BOOLEAN", VectorType.BOOLEAN, 1, pa.bool_()),
    ("INTEGER", VectorType.INTEGER, 1, pa.int32()),
    ("LONG", VectorType.LONG, 1, pa.int64()),
    ("FLOAT", VectorType.FLOAT, 0, pa.float32()),
    ("DOUBLE", VectorType.DOUBLE, 0, pa.float64()),
    ("STRING", VectorType.STRING, b"a", pa.utf8()),
    ("ARRAY", VectorType.ARRAY, b"[]", pa.utf8()),
    ("MAP", VectorType.MAP, b"{}", pa.utf8()),
    ("STRUCT", VectorType.STRUCT, b"{}", pa.utf8()),
    ("BINARY", VectorType.BINARY, b"\xff", pa.binary()),
    ("DATE", VectorType.DATE, 0, pa.date32()),
    ("DATETIME", VectorType.DATETIME, 0, pa.timestamp("us")),
    ("TIMESTAMP_TZ", VectorType.TIMESTAMP_TZ, 0, pa.timestamp("us", tz="UTC")),
    ("DECIMAL128", VectorType.DECIMAL128, BINARY_ONE, pa.decimal128(38, 0)),
    ("INTERVAL_DAY_SECOND", VectorType.INTERVAL_DAY_SECOND, 0, pa.duration("us")),
]


@pytest.mark.parametrize(("name", "kind", "value", "expected"), TYPES, ids=[t[0] for t in TYPES])
def test_types(name: str, kind: VectorType, value: int | bytes, expected: pa.DataType) -> None:
    """A column has the Arrow type of its engine type, whether by its name or by its vector."""
    for type_name in (name, "VARIANT"):
        batch = decode(one(kind, value), ("a", type_name))
        assert batch.schema.field("a").type == expected
        assert batch.num_rows == 1


@pytest.mark.parametrize(("name", "kind", "value", "expected"), TYPES, ids=[t[0] for t in TYPES])
def test_null_vector_takes_the_announced_type(
    name: str, kind: VectorType, value: int | bytes, expected: pa.DataType
) -> None:
    """A NULL vector in a typed column is a column of that type, all null."""
    batch = decode(nulls(3), ("a", name))

    assert batch.schema.field("a").type == expected
    assert batch.column(0).null_count == 3


def test_the_vector_decides() -> None:
    """Where metadata and vector disagree, the vector's type is the column's."""
    batch = decode(one(VectorType.LONG, 7), ("c", "STRING"))

    assert batch.schema.field("c").type == pa.int64()
    assert batch.column(0).to_pylist() == [7]


def test_decimal_scale() -> None:
    """A decimal column has the scale that its vector announces."""
    batch = decode(one(VectorType.DECIMAL128, BINARY_ONE, scale=5), ("c", "DECIMAL128"))

    assert batch.schema.field("c").type == pa.decimal128(38, 5)
    assert str(batch.column(0)[0]) == "0.00001"


@pytest.mark.parametrize("scale", [39, -39, 100, 2**31 - 1, -(2**31)])
def test_impossible_scale(scale: int) -> None:
    """A scale that no decimal has is a DataError, not a fault of ours."""
    with pytest.raises(e6data_adbc.DataError):
        decode(one(VectorType.DECIMAL128, BINARY_ONE, scale=scale), ("c", "DECIMAL128"))


def test_negative_scale() -> None:
    """A negative scale multiplies, and the value is the same number."""
    batch = decode(one(VectorType.DECIMAL128, BINARY_ONE, scale=-3), ("c", "DECIMAL128"))

    assert int(batch.column(0)[0].as_py()) == 1000


def test_unknown_types() -> None:
    """A type that neither name nor vector explains is a DataError that names column and type."""
    with pytest.raises(e6data_adbc.DataError, match=r"'c'.*'VARIANT'"):
        decode(one_of_type(99), ("c", "VARIANT"))
    with pytest.raises(e6data_adbc.DataError, match="c"):
        decode(one_of_type(99), ("c", "LONG"))


def one_of_type(number: int) -> build.Record:
    tree = one(VectorType.LONG, 1)
    listed = tree.find(2).value
    assert isinstance(listed, build.Items)
    vector = listed.items[0]
    assert isinstance(vector, build.Record)
    vector.find(2).value = build.i32(number)
    return tree


def test_empty_chunk() -> None:
    """A chunk without rows or vectors has the announced columns."""
    batch = decode(build.chunk(0), ("a", "LONG"), ("b", "STRING"))

    assert batch.num_rows == 0
    assert batch.schema.types == [pa.int64(), pa.utf8()]


def test_errors_say_where() -> None:
    """The error names the column, the row and the byte, and keeps the engine's words to itself."""
    chunk = one(VectorType.STRING, b"fine", b"secret\xff")
    with pytest.raises(e6data_adbc.DataError) as caught:
        decode(chunk, ("first name", "STRING"))

    text = str(caught.value)
    offset = build.encode(chunk).index(b"secret")
    assert text.startswith("[e6data] could not decode the chunk")
    assert "'first name'" in text
    assert str(offset) in text
    assert "secret" not in text


def test_column_counts_must_agree() -> None:
    """One vector does not fill two columns."""
    with pytest.raises(e6data_adbc.DataError):
        decode(one(VectorType.LONG, 1), ("a", "LONG"), ("b", "LONG"))


@pytest.mark.seconds
@examples(100)
@given(damage.damaged(), damage.damaged_metadata())
def test_only_data_errors(damaged: tuple[bytes, pa.Schema], metadata: bytes) -> None:
    """Whatever the bytes are, the answer is a batch or a DataError."""
    chunk, schema = damaged
    announced = build.metadata(0, [(name, "VARIANT", "", "") for name in schema.names])
    for described in (metadata, announced):
        with contextlib.suppress(e6data_adbc.DataError):
            e6data_adbc.decode_chunk(chunk, described).validate(full=True)
