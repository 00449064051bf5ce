"""Chunks through thrift's own native reader and `pa.array`: the fastest way to Arrow without code of one's own."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa
from thrift.protocol.TBinaryProtocol import TBinaryProtocolAccelerated
from thrift.Thrift import TType
from thrift.transport.TTransport import TMemoryBuffer

__all__ = ["decode"]

_List = tuple[int, Any, bool]


def _struct(name: str, *fields: tuple[int, int, str, Any]) -> type:
    """Returns a class that thrift's reader fills: the fields by number, as `thrift --gen py` writes them."""
    spec: list[Any] = [None] * (max(field[0] for field in fields) + 1)
    for number, kind, field, argument in fields:
        spec[number] = (number, kind, field, argument, None)
    return type(
        name, (), {"thrift_spec": tuple(spec), **{field: None for _, _, field, _ in fields}}
    )


def _of(kind: type) -> list[Any]:
    return [kind, kind.thrift_spec]  # type: ignore[attr-defined]


_BINARY: Final = (TType.STRING, "BINARY", False)
_Bools = _struct("Bools", (1, TType.LIST, "data", (TType.BOOL, None, False)))
_Ints = _struct("Ints", (1, TType.LIST, "data", (TType.I32, None, False)))
_Longs = _struct("Longs", (1, TType.LIST, "data", (TType.I64, None, False)))
_Doubles = _struct("Doubles", (1, TType.LIST, "data", (TType.DOUBLE, None, False)))
_Texts = _struct("Texts", (1, TType.LIST, "data", (TType.STRING, "UTF8", False)))
_Decimals = _struct("Decimals", (1, TType.LIST, "data", _BINARY), (2, TType.I32, "scale", None))
#: The members of the union that a vector which is not constant may have.
_MEMBERS: Final = {
    1: _Bools,
    2: _Ints,
    3: _Longs,
    4: _Longs,
    5: _Doubles,
    6: _Doubles,
    7: _Texts,
    16: _Longs,
    17: _Decimals,
}
_Data = _struct(
    "Data", *((number, TType.STRUCT, f"m{number}", _of(kind)) for number, kind in _MEMBERS.items())
)
_Vector = _struct(
    "Vector",
    (1, TType.I32, "size", None),
    (2, TType.I32, "vectorType", None),
    (3, TType.LIST, "nullSet", (TType.BOOL, None, False)),
    (4, TType.STRUCT, "data", _of(_Data)),
)
_Chunk = _struct(
    "Chunk",
    (1, TType.I32, "size", None),
    (2, TType.LIST, "vectors", (TType.STRUCT, _of(_Vector), False)),
)


def decode(chunk: bytes, schema: pa.Schema) -> pa.RecordBatch:
    """Returns *chunk*, none of whose vectors is constant, as a batch of *schema*."""
    protocol = TBinaryProtocolAccelerated(TMemoryBuffer(chunk))
    found = _Chunk()
    protocol._fast_decode(found, protocol, _of(_Chunk))
    arrays = [
        _array(vector, field.type)
        for vector, field in zip(found.vectors, schema, strict=True)  # type: ignore[attr-defined]
    ]
    return pa.record_batch(arrays, schema=schema)


def _array(vector: Any, wanted: pa.DataType) -> pa.Array:
    data = next(
        member.data
        for number in _MEMBERS
        if (member := getattr(vector.data, f"m{number}")) is not None
    )
    nulls = np.array(vector.nullSet)
    mask = nulls if nulls.any() else None
    if pa.types.is_decimal(wanted):
        return _decimals(data, mask, wanted)
    if pa.types.is_date(wanted):
        days = np.array(data, np.int64) // 86_400_000_000
        return pa.array(days.astype(np.int32), mask=mask).cast(wanted)
    if pa.types.is_timestamp(wanted):
        return pa.array(np.array(data, np.int64), mask=mask).cast(wanted)
    return pa.array(data, wanted, mask=mask)


def _decimals(data: list[bytes], mask: np.ndarray | None, wanted: pa.DataType) -> pa.Array:
    if mask is not None:
        zero = bytes(16)
        data = [zero if null else value for value, null in zip(data, mask, strict=True)]
    digits = np.frombuffer(b"".join(data), np.uint8).reshape(-1, 16)[:, ::-1].tobytes()
    validity = None
    if mask is not None:
        validity = pa.py_buffer(np.packbits(~mask, bitorder="little").tobytes())
    return pa.Array.from_buffers(wanted, len(data), [validity, pa.py_buffer(digits)])
