"""A writer of chunks, metadata and responses that can also write what no sound writer would.

A chunk is built as a tree of small mutable nodes whose lengths, counts and type ids follow from
their content unless set by hand. Legal or not, `encode` writes what the tree says.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from checks.reference.thrift import (
    BOOL,
    BYTE,
    DOUBLE,
    I16,
    I32,
    I64,
    LIST,
    MAP,
    SET,
    STRING,
    STRUCT,
    UUID,
    WIDTH,
)
from checks.reference.values import HOLDERS
from checks.reference.vectors import VectorType


@dataclass
class Fixed:
    """A value of fixed width: signed integer, bool or byte by *wire*; doubles as their bits."""

    wire: int
    value: int


@dataclass
class Text:
    """A string; *length* overrides the announced one."""

    data: bytes
    length: int | None = None
    wire: int = STRING


@dataclass
class Items:
    """A list or set, or with two *elements* a map whose keys and values alternate."""

    elements: list[int]
    items: list[Value]
    count: int | None = None
    wire: int = LIST


@dataclass
class Raw:
    """Bytes that stand for a value of type *wire* and are written as they are."""

    wire: int
    data: bytes


@dataclass
class Field:
    """A field of a struct; *wire* overrides the type id in its header."""

    id: int
    value: Value
    wire: int | None = None


@dataclass
class Record:
    """A struct; without *stop* it runs on into whatever follows."""

    fields: list[Field] = field(default_factory=list)
    stop: bool = True
    wire: int = STRUCT

    def find(self, number: int) -> Field:
        """The first field numbered *number*."""
        return next(item for item in self.fields if item.id == number)

    def without(self, *numbers: int) -> Record:
        """The same struct less the fields numbered *numbers*."""
        return Record([item for item in self.fields if item.id not in numbers], self.stop)


Value: TypeAlias = Fixed | Text | Items | Raw | Record


def encode(value: Value) -> bytes:
    """The Thrift-binary bytes of *value*."""
    if isinstance(value, Raw):
        return value.data
    if isinstance(value, Fixed):
        width = WIDTH[value.wire]
        return (value.value & (1 << 8 * width) - 1).to_bytes(width, "big")
    if isinstance(value, Text):
        length = len(value.data) if value.length is None else value.length
        return _i32(length) + value.data
    if isinstance(value, Items):
        count = len(value.items) // len(value.elements) if value.count is None else value.count
        return bytes(value.elements) + _i32(count) + b"".join(map(encode, value.items))
    body = b"".join(
        bytes([item.value.wire if item.wire is None else item.wire])
        + (item.id & 0xFFFF).to_bytes(2, "big")
        + encode(item.value)
        for item in value.fields
    )
    return body + b"\0" if value.stop else body


def nodes_of(value: Value) -> list[Value]:
    """The node and all below it."""
    found: list[Value] = [value]
    for node in found:
        if isinstance(node, Items):
            found.extend(node.items)
        elif isinstance(node, Record):
            found.extend(field.value for field in node.fields)
    return found


def records_of(value: Value) -> list[Record]:
    return [node for node in nodes_of(value) if isinstance(node, Record)]


def _i32(value: int) -> bytes:
    return (value & 0xFFFFFFFF).to_bytes(4, "big")


def i32(value: int) -> Fixed:
    return Fixed(I32, value)


def fixed_list(element: int, values: Iterable[int]) -> Items:
    return Items([element], [Fixed(element, value) for value in values])


def text_list(values: Iterable[bytes]) -> Items:
    return Items([STRING], [Text(value) for value in values])


def record(*fields: tuple[int, Value]) -> Record:
    return Record([Field(number, value) for number, value in fields])


#: Union member → its field id, the wire type of one value, whether it is a list.
MEMBERS: dict[str, tuple[int, int, bool]] = {
    "boolData": (1, BOOL, True),
    "int32Data": (2, I32, True),
    "int64Data": (3, I64, True),
    "dateData": (4, I64, True),
    "float32Data": (5, DOUBLE, True),
    "float64Data": (6, DOUBLE, True),
    "varcharData": (7, STRING, True),
    "boolConstantData": (8, BOOL, False),
    "dateConstantData": (9, I64, False),
    "nullConstantData": (10, BYTE, False),
    "numericConstantData": (11, I64, False),
    "numericDecimalConstantData": (12, DOUBLE, False),
    "temporalIntervalConstantData": (13, BYTE, False),
    "timeConstantData": (14, I64, False),
    "varcharConstantData": (15, STRING, False),
    "timeData": (16, I64, True),
    "decimal128Data": (17, STRING, True),
    "numericDecimal128ConstantData": (18, STRING, False),
}


def member(
    name: str,
    values: Sequence[int | bytes],
    *,
    scale: int | None = None,
    zones: Sequence[bytes] | None = None,
) -> Record:
    """The Data union with the member *name* set; a constant member takes the first of *values*."""
    number, wire, is_list = MEMBERS[name]
    nodes: list[Value] = [
        Text(value) if isinstance(value, bytes) else Fixed(wire, value) for value in values
    ]
    holder = record((1, Items([wire], nodes) if is_list else nodes[0]))
    if scale is not None:
        holder.fields.append(Field(2, i32(scale)))
    if zones is not None:
        holder.fields.append(Field(2, text_list(zones) if is_list else Text(zones[0])))
    return record((number, holder))


def vector(
    kind: int,
    rows: int,
    values: Sequence[int | bytes] | None = None,
    *,
    nulls: Sequence[int] | None = None,
    constant: bool = False,
    scale: int | None = None,
    zones: Sequence[bytes] | None = None,
) -> Record:
    """One vector: *values* as they travel, null slots included; Data is left out without them.

    *nulls* defaults to none; of a constant vector, to the one entry that counts.
    """
    if nulls is None:
        nulls = [0] * (1 if constant else rows)
    out = record((1, i32(rows)), (2, i32(kind)), (3, fixed_list(BOOL, nulls)))
    if values is not None:
        name = HOLDERS[VectorType(kind)][constant]
        out.fields.append(Field(4, member(name, values, scale=scale, zones=zones)))
    out.fields.append(Field(5, Fixed(BOOL, constant)))
    return out


def chunk(rows: int, *vectors: Record) -> Record:
    """A chunk of *rows* rows over *vectors*."""
    return record((1, i32(rows)), (2, Items([STRUCT], list(vectors))))


def nested(wire: int, depth: int) -> Raw:
    """A value of *depth* structs, lists, sets or maps, each within the one before."""
    head, core, tail = {
        STRUCT: (bytes([STRUCT, 0, 1]), b"", b"\0"),
        LIST: (bytes([LIST]) + _i32(1), bytes([LIST]) + _i32(0), b""),
        SET: (bytes([SET]) + _i32(1), bytes([SET]) + _i32(0), b""),
        MAP: (bytes([BYTE, MAP]) + _i32(1) + b"\7", bytes([BYTE, BYTE]) + _i32(0), b""),
    }[wire]
    if wire == STRUCT:
        return Raw(wire, head * (depth - 1) + tail * depth)
    return Raw(wire, head * (depth - 1) + core)


def one_of_each_unknown() -> list[Value]:
    """A value of every wire type, as a newer writer might add them."""
    return [
        Fixed(BOOL, 1),
        Fixed(BYTE, -1),
        Fixed(DOUBLE, 0x3FF8 << 48),
        Fixed(I16, -2),
        Fixed(I32, -3),
        Fixed(I64, -4),
        Text(b"\xff\xfe"),
        record((1, i32(5)), (7, Text(b"x"))),
        Items([STRING, I32], [Text(b"k"), i32(1)], wire=MAP),
        Items([BOOL], [Fixed(BOOL, 7)], wire=SET),
        Items([LIST], [fixed_list(I64, [1, 2])]),
        Items([0], []),
        Items([0, 0], [], wire=MAP),
        Raw(UUID, bytes(range(16))),
    ]


def utf(text: str | bytes, *, modified: bool = False) -> bytes:
    """A text of result metadata: two bytes of length, then the bytes."""
    if isinstance(text, str) and modified:
        units = text.encode("utf-16-be", "surrogatepass")
        pairs = [
            units[at : at + 2].decode("utf-16-be", "surrogatepass")
            for at in range(0, len(units), 2)
        ]
        text = b"".join(
            b"\xc0\x80" if unit == "\0" else unit.encode("utf-8", "surrogatepass") for unit in pairs
        )
    data = text.encode() if isinstance(text, str) else text
    return len(data).to_bytes(2, "big") + data


def metadata(
    row_count: int,
    columns: Sequence[Sequence[str]],
    *,
    count: int | None = None,
    modified: bool = False,
) -> bytes:
    """Result-metadata bytes; *columns* are (name, type, zone, format)."""
    texts = b"".join(utf(text, modified=modified) for column in columns for text in column)
    announced = len(columns) if count is None else count
    return row_count.to_bytes(8, "big", signed=True) + _i32(announced) + texts


def varint(value: int) -> bytes:
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def proto(number: int, value: int | bytes, *, fixed: bool = False) -> bytes:
    """One protobuf field: a varint, a length-delimited value, or *fixed* 4 or 8 bytes."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    if fixed:
        return varint(number << 3 | (1 if len(value) == 8 else 5)) + value
    return varint(number << 3 | 2) + varint(len(value)) + value


def response(
    chunks: Sequence[bytes],
    version: int,
    *,
    session_id: str = "",
    new_strategy: str | None = None,
    end_of_stream: bool = False,
) -> bytes:
    """A fetch response as the engine writes it: fields in order, defaults left out."""
    first = 2 if version == 1 else 1
    out = [proto(first, chunk) for chunk in chunks]
    if session_id:
        out.append(proto(first + 1, session_id.encode()))
    if new_strategy is not None:
        out.append(proto(first + 2, new_strategy.encode()))
    if version == 2 and end_of_stream:
        out.append(proto(4, 1))
    return b"".join(out)
