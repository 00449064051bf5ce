"""Hypothesis strategies for inputs that something happened to; some of them are still sound."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import pyarrow as pa
from hypothesis import strategies as st

from checks.reference import build
from checks.reference.arrow import INSTANT_ZONE, UTC
from checks.reference.strategies import ALL_KINDS, ALL_TARGETS, metadata, responses, samples
from checks.reference.thrift import LIST, MAP, SET, STRING, STRUCT
from checks.reference.vectors import VectorType

_LENGTHS = [0, 1, 2, 3, 16, 255, 65536, 2**31 - 1, -1, -(2**31), 2**24 + 1]


@st.composite
def damaged(draw: st.DrawFn) -> tuple[bytes, pa.Schema]:
    """A sound chunk that something happened to, with its schema; it may still be sound."""
    sample = draw(samples())
    how = draw(st.sampled_from(["bytes", "tree", "meaning"]))
    if how == "bytes":
        data = sample.chunk
        for _ in range(draw(st.integers(1, 3))):
            data = _damage_bytes(draw, data)
        return data, sample.schema
    tree, schema = copy.deepcopy(sample.tree), sample.schema
    for _ in range(draw(st.integers(1, 3))):
        if how == "tree":
            _damage_tree(draw, tree)
        else:
            schema = _damage_meaning(draw, tree, schema)
    return build.encode(tree), _damage_schema(draw, schema)


@st.composite
def contradictory(
    draw: st.DrawFn, kinds: Sequence[VectorType] = ALL_KINDS
) -> tuple[bytes, pa.Schema]:
    """A well-formed chunk over *kinds* in which one vector says something wrong; or not."""
    sample = draw(samples(2, kinds))
    tree = copy.deepcopy(sample.tree)
    schema = _damage_meaning(draw, tree, sample.schema)
    return build.encode(tree), schema


def _damage_bytes(draw: st.DrawFn, data: bytes) -> bytes:
    at = draw(st.integers(0, len(data)))
    how = draw(
        st.sampled_from(["flip", "set", "cut", "drop", "insert", "length", "repeat", "splice"])
    )
    if how == "flip":
        return (
            data[:at] + bytes([(data + b"\0")[at] ^ 1 << draw(st.integers(0, 7))]) + data[at + 1 :]
        )
    if how == "set":
        byte = draw(st.sampled_from([0, 1, 2, 8, 10, 11, 12, 13, 15, 0x7F, 0x80, 0xFF]))
        return data[:at] + bytes([byte]) + data[at + 1 :]
    if how == "cut":
        return data[:at]
    size = draw(st.integers(1, 12))
    if how == "drop":
        return data[:at] + data[at + size :]
    if how == "insert":
        return data[:at] + draw(st.binary(min_size=1, max_size=size)) + data[at:]
    if how == "length":
        value = draw(st.sampled_from(_LENGTHS)) & 0xFFFFFFFF
        return data[:at] + value.to_bytes(4, "big") + data[at + 4 :]
    if how == "repeat":
        return data[:at] + data[max(0, at - size) : at] + data[at:]
    other = draw(st.integers(0, len(data)))
    return data[:at] + data[other:]


def _damage_schema(draw: st.DrawFn, schema: pa.Schema) -> pa.Schema:
    """Now and then, a target that the vector does not fit, or one column less or more."""
    how = draw(st.sampled_from(["keep"] * 12 + ["type", "fewer", "more"]))
    if how == "type":
        at = draw(st.integers(0, len(schema) - 1))
        target = draw(st.sampled_from([*ALL_TARGETS, pa.decimal128(9, 2), UTC, INSTANT_ZONE]))
        return schema.set(at, pa.field(f"c{at}", target))
    if how == "fewer" and len(schema) > 1:
        return schema.remove(len(schema) - 1)
    if how == "more":
        return schema.append(pa.field("more", pa.int64()))
    return schema


def _damage_tree(draw: st.DrawFn, tree: build.Record) -> None:
    nodes = build.nodes_of(tree)
    group = draw(
        st.sampled_from([build.Record, build.Record, build.Items, build.Text, build.Fixed])
    )
    of_group = [node for node in nodes if isinstance(node, group)] or [tree]
    node = draw(st.sampled_from(of_group))
    if isinstance(node, build.Items):
        _damage_items(draw, node)
    elif isinstance(node, build.Text):
        if draw(st.booleans()):
            node.length = draw(st.sampled_from(_LENGTHS))
        else:
            node.data = draw(
                st.sampled_from([b"", b"\xff", b"1e9", b"1.5", bytes(15), b"\x7f" * 16])
            )
    elif isinstance(node, build.Fixed):
        node.value = draw(st.sampled_from([*_LENGTHS, *range(20), 39, -39, 0x7E37E43C8800759C]))
    elif isinstance(node, build.Record):
        _damage_record(draw, node)


def _damage_items(draw: st.DrawFn, node: build.Items) -> None:
    how = draw(st.sampled_from(["count", "element", "less", "more", "wire"]))
    if how == "count":
        node.count = draw(st.sampled_from([*_LENGTHS, len(node.items) + 1, len(node.items) - 1]))
    elif how == "element":
        node.elements[0] = draw(st.integers(0, 17))
    elif how == "less":
        node.items = node.items[: draw(st.integers(0, len(node.items)))]
    elif how == "more" and node.items:
        node.items.append(draw(st.sampled_from(node.items)))
    else:
        node.wire = draw(st.sampled_from([LIST, SET, MAP]))


def _damage_record(draw: st.DrawFn, node: build.Record) -> None:
    how = draw(
        st.sampled_from(["drop", "double", "shuffle", "id", "wire", "stop", "unknown", "deep"])
    )
    at = draw(st.integers(0, max(0, len(node.fields) - 1)))
    if how == "unknown":
        unknown = draw(st.sampled_from(build.one_of_each_unknown()))
        number = draw(st.integers(-1, 20))
        node.fields.insert(at, build.Field(number, copy.deepcopy(unknown)))
    elif how == "deep":
        wire = draw(st.sampled_from([STRUCT, LIST, SET, MAP]))
        depth = draw(st.integers(58, 66))
        node.fields.insert(at, build.Field(50, build.nested(wire, depth)))
    elif how == "stop":
        node.stop = False
    elif how == "shuffle":
        node.fields = draw(st.permutations(node.fields))
    elif not node.fields:
        node.fields = [build.Field(1, build.Raw(STRING, b""))]
    elif how == "drop":
        del node.fields[at]
    elif how == "double":
        again = copy.deepcopy(node.fields[at])
        node.fields.insert(draw(st.integers(0, len(node.fields))), again)
    elif how == "id":
        node.fields[at].id = draw(st.integers(0, 19))
    else:
        node.fields[at].wire = draw(st.integers(0, 17))


_BAD_TEXTS = [
    *[b"", b"\xff", b"\xed\xa0\x80", b"\xc0\x80", b"ok\xe2\x82", bytes(15), bytes(17)],
    *[b"\x7f" + b"\xff" * 15, b"\x80" + bytes(15), b"0000000000000001", b"1234567890.12345"],
    *[b"1", b"-0", b".5", b"5.", b"+1.50", b"1e3", b"1E-3", b"1e", b"1e99999", b"0e99999", b"1_0"],
    *[b" 1", b"1" * 39, b"1" * 39 + b"e-5", b"1" + b"0" * 50 + b"E-50", b"0.1234567", b"nan"],
]
_BAD_NUMBERS = [0, 1, 2, 255, 2**31, -(2**31) - 1, 40000, 200, 0x7E37E43C8800759C, -1]
_MORE_TARGETS = [pa.decimal128(38, 0), pa.decimal128(9, 2), pa.decimal128(38, 38), pa.int8()]


def _damage_meaning(draw: st.DrawFn, tree: build.Record, schema: pa.Schema) -> pa.Schema:
    """Change what one vector says without breaking how it is written."""
    listed = tree.find(2).value
    assert isinstance(listed, build.Items)
    at = draw(st.integers(0, len(listed.items) - 1))
    vector = listed.items[at]
    assert isinstance(vector, build.Record)
    data = [
        node for field in vector.fields if field.id == 4 for node in build.nodes_of(field.value)
    ]
    entries = [
        node for field in vector.fields if field.id == 3 for node in build.nodes_of(field.value)
    ]
    how = draw(
        st.sampled_from(["value", "value", "value", "null", "less", "drop", "own", "target"])
    )
    if how == "value":
        leaves = [node for node in data if isinstance(node, build.Text | build.Fixed)]
        for _ in range(draw(st.integers(1, 2))):
            leaf = draw(st.sampled_from(leaves)) if leaves else None
            if isinstance(leaf, build.Text):
                leaf.data = draw(st.sampled_from(_BAD_TEXTS))
            elif isinstance(leaf, build.Fixed):
                leaf.value = draw(st.sampled_from(_BAD_NUMBERS))
    elif how == "null":
        flags = [node for node in entries if isinstance(node, build.Fixed)]
        for _ in range(draw(st.integers(1, 3)) if flags else 0):
            draw(st.sampled_from(flags)).value = draw(st.sampled_from([0, 0, 0, 1, 2, 255]))
    elif how == "less":
        lists = [node for node in entries + data if isinstance(node, build.Items)]
        if lists:
            chosen = draw(st.sampled_from(lists))
            chosen.items = chosen.items[: draw(st.integers(0, len(chosen.items)))]
    elif how == "drop":
        records = [vector, *(node for node in data if isinstance(node, build.Record))]
        chosen_record = draw(st.sampled_from(records))
        if chosen_record.fields:
            del chosen_record.fields[draw(st.integers(0, len(chosen_record.fields) - 1))]
    elif how == "own":
        own = [field.value for field in vector.fields if isinstance(field.value, build.Fixed)]
        if own:
            draw(st.sampled_from(own)).value = draw(st.integers(0, 18))
    else:
        target = draw(st.sampled_from(_MORE_TARGETS))
        return schema.set(at, pa.field(f"c{at}", target))
    return schema


@st.composite
def damaged_metadata(draw: st.DrawFn) -> bytes:
    """Metadata bytes that something happened to."""
    data = draw(metadata())[2]
    for _ in range(draw(st.integers(1, 3))):
        data = _damage_bytes(draw, data)
    return data


@st.composite
def damaged_responses(draw: st.DrawFn) -> tuple[bytes, int]:
    """Response bytes that something happened to."""
    data, version = draw(responses())
    for _ in range(draw(st.integers(1, 3))):
        data = _damage_bytes(draw, data)
    return data, version
