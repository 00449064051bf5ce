"""What a chunk's tree means as a whole: its shape, its row count, its columns in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from checks.reference import arrow
from checks.reference.errors import DecodeError, located
from checks.reference.thrift import (
    BOOL,
    BYTE,
    DOUBLE,
    I32,
    I64,
    LIST,
    STRING,
    STRUCT,
    Items,
    Member,
    Scalar,
    Shape,
    Struct,
    parse,
)
from checks.reference.values import (
    Budget,
    Evidence,
    decimal_evidence,
    decimal_scale,
    examine_column,
    read_column,
    vector_type,
)
from checks.reference.vectors import VectorType

#: The most columns of a result.
MAX_COLUMNS = 1 << 16


def _plain(element: int, *more: Member) -> Shape:
    return dict(enumerate((Member("data", LIST, element), *more), start=1))


def _constant(wire: int, *more: Member) -> Shape:
    return dict(enumerate((Member("data", wire), *more), start=1))


_SCALE = Member("scale", I32)

#: The union of value holders: field id → (name, shape). Exactly one is set by a sound writer.
MEMBERS: dict[int, tuple[str, Shape]] = {
    1: ("boolData", _plain(BOOL)),
    2: ("int32Data", _plain(I32)),
    3: ("int64Data", _plain(I64)),
    4: ("dateData", _plain(I64)),
    5: ("float32Data", _plain(DOUBLE)),
    6: ("float64Data", _plain(DOUBLE)),
    7: ("varcharData", _plain(STRING)),
    8: ("boolConstantData", _constant(BOOL)),
    9: ("dateConstantData", _constant(I64)),
    10: ("nullConstantData", _constant(BYTE)),
    11: ("numericConstantData", _constant(I64)),
    12: ("numericDecimalConstantData", _constant(DOUBLE)),
    13: ("temporalIntervalConstantData", _constant(BYTE)),
    14: ("timeConstantData", _constant(I64, Member("zoneData", STRING))),
    15: ("varcharConstantData", _constant(STRING)),
    16: ("timeData", _plain(I64, Member("zoneData", LIST, STRING))),
    17: ("decimal128Data", _plain(STRING, _SCALE)),
    18: ("numericDecimal128ConstantData", _constant(STRING, _SCALE)),
}

DATA: Shape = {key: Member(name, STRUCT, shape=shape) for key, (name, shape) in MEMBERS.items()}

VECTOR: Shape = {
    1: Member("size", I32),
    2: Member("vectorType", I32),
    3: Member("nullSet", LIST, BOOL),
    4: Member("data", STRUCT, shape=DATA),
    5: Member("isConstantVector", BOOL),
    6: Member("zoneOffset", STRING),
    7: Member("format", STRING),
}

CHUNK: Shape = {1: Member("size", I32), 2: Member("vectors", LIST, STRUCT, VECTOR)}


@dataclass(frozen=True)
class Limits:
    """What one chunk may expand to: rows, and decoded bytes as the contract counts them."""

    max_rows: int = 1 << 24
    max_bytes: int = 1 << 30


@dataclass(frozen=True)
class Batch:
    """A decoded chunk: *rows* rows, and per column one plain value a row.

    None, bool, int (also dates as days, times as microseconds, decimals as unscaled integers at the
    target's scale, floats as their bits), str, bytes, or (microseconds, zone or None).
    """

    rows: int
    columns: list[list[Any]]

    def to_arrow(self, schema: pa.Schema) -> pa.RecordBatch:
        """The batch as Arrow, under the *schema* it was decoded for."""
        arrays = [
            arrow.array(values, field.type)
            for values, field in zip(self.columns, schema, strict=True)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _size(chunk: Struct, max_rows: int | None) -> tuple[int, list[Any]]:
    """The row count and the vectors, checked against each other."""
    size, vectors = chunk.fields.get("size"), chunk.fields.get("vectors")
    if size is None:
        raise DecodeError("missing_field", chunk.stop)
    assert isinstance(size, Scalar)
    if size.value < 0:
        raise DecodeError("bad_size", size.offset)
    if vectors is None and size.value > 0:
        raise DecodeError("missing_field", chunk.stop)
    if isinstance(vectors, Items) and vectors.count > MAX_COLUMNS:
        raise DecodeError("limit_exceeded", vectors.count_offset)
    if max_rows is not None and size.value > max_rows:
        raise DecodeError("limit_exceeded", size.offset)
    assert vectors is None or isinstance(vectors, Items)
    return size.value, vectors.items if vectors is not None else []


def decode_chunk(chunk: bytes, schema: pa.Schema, limits: Limits | None = None) -> Batch:
    """Decode one chunk for the target *schema*, which has one field per vector.

    Raises:
        DecodeError: the first fault of the bytes' structure, else the first that shows without reading values (limits
            above all), else the first of the values.
    """
    limits = limits or Limits()
    tree = parse(chunk, CHUNK)
    rows, vectors = _size(tree, limits.max_rows)
    if rows == 0 and not vectors:
        return Batch(0, [[] for _ in schema])
    if len(vectors) != len(schema):
        listed = tree.fields["vectors"]
        assert isinstance(listed, Items)
        raise DecodeError("column_count", listed.count_offset)

    budget = Budget(limits.max_bytes)
    for index, (vector, field) in enumerate(zip(vectors, schema, strict=True)):
        with located(column=index):
            examine_column(vector, rows, field.type, budget)
    columns = []
    for index, (vector, field) in enumerate(zip(vectors, schema, strict=True)):
        with located(column=index):
            columns.append(read_column(vector, rows, field.type))
    return Batch(rows, columns)


def probe_chunk(chunk: bytes) -> tuple[int, list[tuple[int, int | None]]]:
    """The row count, and of each vector its type number and (decimals only) announced scale.

    Neither the numbers nor the scales are judged, and no limit is applied.
    """
    rows, vectors = _size(parse(chunk, CHUNK), None)
    shapes: list[tuple[int, int | None]] = []
    for index, vector in enumerate(vectors):
        with located(column=index):
            shapes.append((vector_type(vector, rows).value, decimal_scale(vector)))
    return rows, shapes


def describe_chunk(chunk: bytes) -> tuple[int, list[tuple[int, int | None, int]]]:
    """The row count, and of each vector its type number, the scale its decimals have, and how sure that is."""
    rows, vectors = _size(parse(chunk, CHUNK), None)
    shapes: list[tuple[int, int | None, int]] = []
    for index, vector in enumerate(vectors):
        with located(column=index):
            kind = vector_type(vector, rows).value
        if kind == VectorType.DECIMAL128:
            shapes.append((kind, *decimal_evidence(vector, rows)))
        else:
            known = Evidence.NULLS if kind == VectorType.NULL else Evidence.VALUES
            shapes.append((kind, None, known))
    return rows, shapes
