"""The structure of one Thrift-binary struct, as a tree whose every node keeps its offset.

Nothing is interpreted here beyond what is needed to walk: what a value *means* is asked later, of a
tree already known to be whole. The walk keeps its own stack, so depth costs no Python frames.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from checks.reference.errors import DecodeError

STOP, BOOL, BYTE, DOUBLE, I16, I32, I64 = 0, 2, 3, 4, 6, 8, 10
STRING, STRUCT, MAP, SET, LIST, UUID = 11, 12, 13, 14, 15, 16

MAX_DEPTH = 64

#: Bytes of a value whose width does not depend on its content.
WIDTH = {BOOL: 1, BYTE: 1, DOUBLE: 8, I16: 2, I32: 4, I64: 8, UUID: 16}

#: The fewest bytes a value of any type can take; for the fixed ones, all of them.
MIN_SIZE = {**WIDTH, STRING: 4, STRUCT: 1, SET: 5, LIST: 5, MAP: 6}


class Scalar(NamedTuple):
    """A value of fixed width. Integers are signed; BOOL and DOUBLE are their bare bits."""

    offset: int
    value: int


class Text(NamedTuple):
    """A string or binary; *offset* is that of the body, after the length."""

    offset: int
    data: bytes


@dataclass
class Items:
    """A list, set or map; a map's keys and values alternate in *items*."""

    type_offset: int
    count_offset: int
    count: int
    items: list[Node] = field(default_factory=list)


@dataclass
class Struct:
    """A struct; only fields that its Shape knows are kept, by name."""

    stop: int = -1
    fields: dict[str, Node] = field(default_factory=dict)


Node: TypeAlias = "Scalar | Text | Items | Struct"


class Member(NamedTuple):
    """One known field: its name, wire type, and for a list the element's."""

    name: str
    wire: int
    element: int | None = None
    shape: Shape | None = None  # of the struct, or of the structs in the list


Shape = dict[int, Member]


class Cursor:
    """A read position in *data*; every read names the byte at which it ran out."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def need(self, size: int) -> None:
        if size > len(self.data) - self.at:
            raise DecodeError("unexpected_end", self.at)

    def take(self, size: int) -> bytes:
        self.need(size)
        self.at += size
        return self.data[self.at - size : self.at]

    def unsigned(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def signed(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big", signed=True)

    def length(self) -> int:
        """Read a string length or container count."""
        at = self.at
        value = self.signed(4)
        if value < 0:
            raise DecodeError("bad_length", at)
        return value

    def scalar(self, wire: int) -> Scalar | Text:
        """Read a value that holds no others."""
        if wire == STRING:
            size = self.length()
            return Text(self.at, self.take(size))
        at = self.at
        if wire in (BOOL, DOUBLE, UUID):
            return Scalar(at, self.unsigned(WIDTH[wire]))
        return Scalar(at, self.signed(WIDTH[wire]))


class _OpenStruct:
    """A struct whose STOP has not been reached."""

    def __init__(self, shape: Shape) -> None:
        self.node = Struct()
        self.shape = shape

    def advance(self, cursor: Cursor, depth: int) -> _Open | None:
        """Read fields up to the next container, which is returned, or to STOP."""
        while True:
            at = cursor.at
            wire = cursor.unsigned(1)
            if wire == STOP:
                self.node.stop = at
                return None
            if wire not in MIN_SIZE:
                raise DecodeError("bad_wire_type", at)
            known = self.shape.get(cursor.signed(2))
            if known is not None and known.wire != wire:
                known = None
            if known is not None and known.name in self.node.fields:
                raise DecodeError("duplicate_field", at)
            if wire in WIDTH or wire == STRING:
                value = cursor.scalar(wire)
                if known is not None:
                    if wire == BOOL and value[1] not in (0, 1):
                        raise DecodeError("bad_bool", value.offset)
                    self.node.fields[known.name] = value
                continue
            child = _open(cursor, wire, depth, known)
            if known is not None:
                self.node.fields[known.name] = child.node
            return child


class _OpenItems:
    """A list, set or map with elements still to read."""

    def __init__(self, cursor: Cursor, wire: int, known: Member | None) -> None:
        type_offset = cursor.at
        self.wires = [cursor.unsigned(1) for _ in range(2 if wire == MAP else 1)]
        self.node = Items(type_offset, cursor.at, cursor.length())
        self.shape = known.shape if known is not None else None
        if self.node.count == 0:
            return  # an empty container may carry any element type
        for index, element in enumerate(self.wires):
            if element not in MIN_SIZE:
                raise DecodeError("bad_wire_type", type_offset + index)
        if known is not None and known.element != self.wires[0]:
            raise DecodeError("wrong_element_type", type_offset)
        cursor.need(self.node.count * sum(MIN_SIZE[element] for element in self.wires))

    def advance(self, cursor: Cursor, depth: int) -> _Open | None:
        """Read elements up to the next container, which is returned, or to the last."""
        items = self.node.items
        while len(items) < self.node.count * len(self.wires):
            wire = self.wires[len(items) % len(self.wires)]
            if wire in WIDTH or wire == STRING:
                items.append(cursor.scalar(wire))
                continue
            known = Member("", wire, shape=self.shape) if self.shape is not None else None
            child = _open(cursor, wire, depth, known)
            items.append(child.node)
            return child
        return None


_Open: TypeAlias = _OpenStruct | _OpenItems


def _open(cursor: Cursor, wire: int, depth: int, known: Member | None) -> _Open:
    if depth > MAX_DEPTH:
        raise DecodeError("too_deep", cursor.at)
    if wire == STRUCT:
        return _OpenStruct((known.shape if known is not None else None) or {})
    return _OpenItems(cursor, wire, known)


def parse(data: bytes, shape: Shape) -> Struct:
    """The tree of the one struct that *data* holds; raises DecodeError at the first fault."""
    cursor = Cursor(data)
    root = _OpenStruct(shape)
    stack: list[_Open] = [root]
    while stack:
        child = stack[-1].advance(cursor, len(stack) + 1)
        if child is None:
            stack.pop()
        else:
            stack.append(child)
    if cursor.at != len(data):
        raise DecodeError("trailing_bytes", cursor.at)
    return root.node


def float64(bits: int) -> float:
    """The double of the 64 *bits*."""
    value: float = struct.unpack(">d", bits.to_bytes(8, "big"))[0]
    return value
