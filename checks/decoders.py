"""Two decoders behind one face, and batches in a form in which equal means the same bits."""

from __future__ import annotations

import os
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
from hypothesis import HealthCheck, settings

from checks import reference
from checks.reference import Limits
from e6data_adbc import _native

_THOROUGH = os.environ.get("HYPOTHESIS_PROFILE") == "thorough"


def examples(count: int = 300) -> settings:
    """Settings of a property: *count* fixed examples, or 20 times as many random ones.

    The second is what the environment's HYPOTHESIS_PROFILE=thorough asks for.
    """
    return settings(
        max_examples=count * 20 if _THOROUGH else count,
        derandomize=not _THOROUGH,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )


#: The default bounds of both decoders.
DEFAULT_LIMITS = Limits()


class Failure(NamedTuple):
    """How a decoder refused its input."""

    kind: str
    column: int | None
    row: int | None
    offset: int


class Decoder(Protocol):
    """What both decoders can do; each method gives its result or a Failure."""

    name: str

    def chunk(
        self, chunk: bytes, schema: pa.Schema, limits: Limits = ...
    ) -> pa.RecordBatch | Failure: ...

    def probe(self, chunk: bytes) -> tuple[int, list[tuple[int, int | None]]] | Failure: ...

    def describe(self, chunk: bytes) -> tuple[int, list[tuple[int, int | None, int]]] | Failure: ...

    def metadata(self, data: bytes) -> tuple[int, list[tuple[str, str, str, str]]] | Failure: ...

    def response(self, data: bytes, version: int) -> dict[str, Any] | Failure: ...


class ReferenceDecoder:
    """The one in checks/reference."""

    name = "reference"

    def chunk(
        self, chunk: bytes, schema: pa.Schema, limits: Limits = DEFAULT_LIMITS
    ) -> pa.RecordBatch | Failure:
        try:
            return reference.decode_chunk(chunk, schema, limits).to_arrow(schema)
        except reference.DecodeError as error:
            return _failure(error)

    def probe(self, chunk: bytes) -> tuple[int, list[tuple[int, int | None]]] | Failure:
        try:
            return reference.probe_chunk(chunk)
        except reference.DecodeError as error:
            return _failure(error)

    def describe(self, chunk: bytes) -> tuple[int, list[tuple[int, int | None, int]]] | Failure:
        try:
            return reference.describe_chunk(chunk)
        except reference.DecodeError as error:
            return _failure(error)

    def metadata(self, data: bytes) -> tuple[int, list[tuple[str, str, str, str]]] | Failure:
        try:
            parsed = reference.parse_metadata(data)
        except reference.DecodeError as error:
            return _failure(error)
        return parsed.row_count, [
            (column.name, column.type_name, column.zone, column.format) for column in parsed.columns
        ]

    def response(self, data: bytes, version: int) -> dict[str, Any] | Failure:
        try:
            parsed = reference.parse_response(data, version)
        except reference.DecodeError as error:
            return _failure(error)
        return {
            "chunk_count": len(parsed.chunks),
            "session_id": parsed.session_id,
            "new_strategy": parsed.new_strategy,
            "end_of_stream": parsed.end_of_stream,
        }


class NativeDecoder:
    """The one in e6data_adbc._native."""

    name = "native"

    def chunk(
        self, chunk: bytes, schema: pa.Schema, limits: Limits = DEFAULT_LIMITS
    ) -> pa.RecordBatch | Failure:
        try:
            decoded = _native.decode_chunk(
                chunk, schema, max_rows=limits.max_rows, max_bytes=limits.max_bytes
            )
        except _native.NativeDecodeError as error:
            return _failure(error)
        return pa.record_batch(decoded)

    def probe(self, chunk: bytes) -> tuple[int, list[tuple[int, int | None]]] | Failure:
        try:
            rows, shapes = _native.probe_chunk(chunk)
        except _native.NativeDecodeError as error:
            return _failure(error)
        return rows, list(shapes)

    def describe(self, chunk: bytes) -> tuple[int, list[tuple[int, int | None, int]]] | Failure:
        try:
            rows, shapes = _native.describe_chunk(chunk)
        except _native.NativeDecodeError as error:
            return _failure(error)
        return rows, list(shapes)

    def metadata(self, data: bytes) -> tuple[int, list[tuple[str, str, str, str]]] | Failure:
        try:
            row_count, columns = _native.parse_metadata(data)
        except _native.NativeDecodeError as error:
            return _failure(error)
        return row_count, list(columns)

    def response(self, data: bytes, version: int) -> dict[str, Any] | Failure:
        try:
            parsed = _native.Response(data, version)
        except _native.NativeDecodeError as error:
            return _failure(error)
        names = ("chunk_count", "session_id", "new_strategy", "end_of_stream")
        return {name: getattr(parsed, name) for name in names}


def _failure(error: Any) -> Failure:
    return Failure(error.kind, error.column, error.row, error.offset)


REFERENCE = ReferenceDecoder()
NATIVE = NativeDecoder()
DECODERS: list[Decoder] = [REFERENCE, NATIVE]


def plain(array: Any) -> list[Any]:
    """The values of *array* in the plain form of the reference, but with all NaNs alike.

    Floats are bits, times and dates integers, decimals unscaled integers, so that nothing is lost
    on the way through Python objects.
    """
    target = array.type
    if pa.types.is_struct(target):
        children = zip(*(plain(child) for child in array.flatten()), strict=True)
        valid = array.is_valid().to_pylist()
        return [value if ok else None for value, ok in zip(children, valid, strict=True)]
    if pa.types.is_decimal(target):
        return [None if value is None else _unscaled(value) for value in array.to_pylist()]
    if pa.types.is_floating(target):
        wide = target.bit_width == 64
        bits = array.view(pa.uint64() if wide else pa.uint32()).to_pylist()
        return [same_nan(value, target.bit_width) for value in bits]
    if pa.types.is_temporal(target):
        array = array.view(pa.int32() if target.bit_width == 32 else pa.int64())
    return list(array.to_pylist())


def same_nan(bits: int | None, width: int) -> int | None:
    """The *bits* of a float, a NaN's replaced by those of the plain quiet one."""
    if bits is None:
        return None
    infinity, quiet = (0x7FF << 52, 1 << 51) if width == 64 else (0xFF << 23, 1 << 22)
    return infinity | quiet if bits & ((1 << width - 1) - 1) > infinity else bits


def _unscaled(value: Any) -> int:
    sign, digits, _ = value.as_tuple()
    return int("".join(map(str, digits))) * (-1 if sign else 1)


def content(result: Any) -> Any:
    """What a decoder answered, comparable with `==`; a batch is checked to be sound Arrow."""
    if not isinstance(result, pa.RecordBatch):
        return result
    result.validate(full=True)
    types = [(field.name, field.type) for field in result.schema]
    return result.num_rows, types, [plain(column) for column in result.columns]


def canonical(columns: list[list[Any]], schema: pa.Schema) -> list[list[Any]]:
    """Plain values with all NaNs alike, as `plain` gives them."""
    return [
        [same_nan(value, field.type.bit_width) for value in values]
        if pa.types.is_floating(field.type)
        else values
        for values, field in zip(columns, schema, strict=True)
    ]
