"""The protobuf message of one fetched response, walked field by field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from checks.reference.chunk import probe_chunk
from checks.reference.errors import DecodeError

VARINT, FIXED64, LENGTH, GROUP, END_GROUP, FIXED32 = range(6)

MAX_FIELD = (1 << 29) - 1
MAX_GROUPS = 64
MAX_CHUNKS = 1 << 20


@dataclass
class Response:
    """A getNextResultBatch (version 1) or getNextResultBatchV2 (version 2) response."""

    chunks: list[bytes] = field(default_factory=list)
    session_id: str | None = None
    new_strategy: str | None = None
    end_of_stream: bool = False


def parse_response(data: bytes, version: int) -> Response:
    """Read one response; the chunks in it are not looked into, but for version 1's end marker."""
    response = Response()
    chunks_field, session_field, strategy_field = (2, 3, 4) if version == 1 else (1, 2, 3)
    for number, wire, value, at in _fields(data):
        if version == 2 and (number, wire) == (4, VARINT):
            response.end_of_stream = value != 0
        if not isinstance(value, bytes):
            continue
        if number == chunks_field:
            if version == 1:
                response.chunks = [value] if value else []
            elif len(response.chunks) == MAX_CHUNKS:
                raise DecodeError("limit_exceeded", at)
            else:
                response.chunks.append(value)
        elif number == session_field:
            response.session_id = _text(value, at)
        elif number == strategy_field:
            response.new_strategy = _text(value, at)
    if version == 1:
        response.end_of_stream = not response.chunks or _is_end(response.chunks[0])
    return response


def _fields(data: bytes) -> Iterator[tuple[int, int, int | bytes | None, int]]:
    """Number, wire type, value and value offset of each field; groups are skipped.

    The value is an int of a varint, bytes of a length-delimited field, and None of the rest.
    """
    groups: list[int] = []
    at = 0
    while at < len(data) or groups:
        tag = at
        key, at = _varint(data, at)
        number, wire = key >> 3, key & 7
        value: int | bytes | None = None
        start = at
        if not 1 <= number <= MAX_FIELD or wire > FIXED32:
            raise DecodeError("bad_protobuf", tag)
        if wire == GROUP:
            groups.append(number)
            if len(groups) > MAX_GROUPS:
                raise DecodeError("bad_protobuf", tag)
        elif wire == END_GROUP:
            if not groups or groups.pop() != number:
                raise DecodeError("bad_protobuf", tag)
            continue
        elif wire == VARINT:
            value, at = _varint(data, start)
        else:
            size, at = {FIXED64: (8, at), FIXED32: (4, at)}.get(wire) or _varint(data, start)
            if size > len(data) - at:
                raise DecodeError("bad_protobuf", start)
            value = data[at : at + size] if wire == LENGTH else None
            at += size
        if not groups:
            yield number, wire, value, start


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at *at*, and where it ends; of ten bytes' seventy bits, 64 count."""
    value = 0
    for index, byte in enumerate(data[at : at + 10]):
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value & (1 << 64) - 1, at + index + 1
    raise DecodeError("bad_protobuf", at)


def _text(data: bytes, at: int) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise DecodeError("bad_protobuf", at) from None


def _is_end(chunk: bytes) -> bool:
    """Whether the chunk is whole and has no rows; a broken one is no end marker."""
    try:
        return probe_chunk(chunk)[0] == 0
    except DecodeError:
        return False
