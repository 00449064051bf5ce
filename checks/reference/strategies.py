"""Hypothesis strategies for sound chunks, metadata and responses, with what they must decode to."""

from __future__ import annotations

import copy
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from hypothesis import strategies as st

from checks.reference import build
from checks.reference.arrow import INSTANT_ZONE, UTC
from checks.reference.thrift import BOOL
from checks.reference.values import HOLDERS, MICROS_PER_DAY
from checks.reference.vectors import FORMS, Form, VectorType

Wire = int | bytes  # a value as it travels

I64_EDGES = [0, 1, -1, 2**63 - 1, -(2**63), MICROS_PER_DAY - 1, -MICROS_PER_DAY, 1770854400123456]
I32_EDGES = [0, 1, -1, 2**31 - 1, -(2**31), 127, 128, -128, -129, 32767, -32769]
F64_BITS = [
    0x0000000000000000,
    0x8000000000000000,
    0x3FF8000000000000,
    0x7FF0000000000000,
    0xFFF0000000000000,
    0x7FF8000000000000,
    0x0000000000000001,
    0x7FEFFFFFFFFFFFFF,
]


@dataclass(frozen=True)
class Column:
    """One generated column: its vector, the target, and the plain values that must come out."""

    kind: VectorType
    vector: build.Record
    target: pa.DataType
    values: list[Any]


@dataclass(frozen=True)
class Sample:
    """A sound chunk: its tree, the schema to decode it for, and the plain values it holds."""

    tree: build.Record
    schema: pa.Schema
    rows: int
    kinds: list[VectorType]
    columns: list[list[Any]]

    @property
    def chunk(self) -> bytes:
        return build.encode(self.tree)


@dataclass(frozen=True)
class _Kind:
    """How values of one vector type are drawn, and what they are under a target."""

    targets: Sequence[pa.DataType]
    wire: Callable[[pa.DataType], st.SearchStrategy[Wire]]
    plain: Callable[[Any, pa.DataType], Any]
    filler: Sequence[Wire]  # what a null slot may hold


def _integers(bits: int, edges: Sequence[int]) -> st.SearchStrategy[Wire]:
    low, high = -(1 << bits - 1), (1 << bits - 1) - 1
    inside = [edge for edge in edges if low <= edge <= high]
    return st.sampled_from(inside) | st.integers(low, high)


def _i64(_target: pa.DataType) -> st.SearchStrategy[Wire]:
    return _integers(64, I64_EDGES)


def _double(_target: pa.DataType) -> st.SearchStrategy[Wire]:
    return st.sampled_from(F64_BITS) | st.integers(0, 2**64 - 1)


def _float(_target: pa.DataType) -> st.SearchStrategy[Wire]:
    """Doubles that have a 32-bit float, or that round to one."""
    widened = st.floats(width=32).map(_bits)
    near = st.floats(-3e38, 3e38).map(_bits)
    return widened | near


def _bits(value: float) -> int:
    return int.from_bytes(struct.pack(">d", value), "big")


def _narrow(bits: int, _target: pa.DataType) -> int:
    value = struct.unpack(">d", bits.to_bytes(8, "big"))[0]
    return int.from_bytes(struct.pack(">f", value), "big")


_TEXT = st.text(max_size=8) | st.sampled_from(["", "\0", "é", "😀", "x" * 12, "y" * 13, "z" * 300])


def _utf8(_target: pa.DataType) -> st.SearchStrategy[Wire]:
    return _TEXT.map(lambda text: text.encode())


def _raw(_target: pa.DataType) -> st.SearchStrategy[Wire]:
    return st.binary(max_size=20)


def _text(data: bytes, target: pa.DataType) -> str | bytes:
    return data if target == pa.binary() else data.decode()


def _same(value: Any, _target: pa.DataType) -> Any:
    return value


_TEXT_KIND = _Kind(
    [pa.utf8(), pa.large_utf8(), pa.string_view(), pa.binary()], _utf8, _text, [b"", b"\xff", b"?"]
)
_TIME_KIND = _Kind([pa.timestamp("us")], _i64, _same, [0, -1])

_KINDS: dict[Form, _Kind] = {
    Form.BOOLEAN: _Kind(
        [pa.bool_()],
        lambda _target: st.integers(0, 1),
        lambda value, _target: bool(value),
        [0, 1, 7],
    ),
    Form.INT32: _Kind(
        [pa.int32(), pa.int16(), pa.int8()],
        lambda target: _integers(target.bit_width, I32_EDGES),
        _same,
        [0, 2**31 - 1],
    ),
    Form.INT64: _Kind([pa.int64()], _i64, _same, [0, -1]),
    Form.FLOAT64: _Kind([pa.float64()], _double, _same, [0, 0x7FF0000000000001]),
    Form.FLOAT32: _Kind([pa.float32()], _float, _narrow, [0, 0x7E37E43C8800759C]),
    Form.TEXT: _TEXT_KIND,
    Form.BYTES: _Kind(
        [pa.binary(), pa.large_binary(), pa.binary_view()], _raw, _same, [b"", b"null"]
    ),
    Form.DATE: _Kind([pa.date32()], _i64, lambda value, _target: value // MICROS_PER_DAY, [0, -1]),
    Form.MOMENT: _TIME_KIND,
    Form.SPAN: _Kind([pa.duration("us")], _i64, _same, [0, -1]),
}
#: Those of which nothing more is drawn than values, and a target.
KINDS = {kind: _KINDS[form] for kind, form in FORMS.items() if form in _KINDS}

ALL_TARGETS = [target for kind in KINDS.values() for target in kind.targets]

ALL_KINDS = [kind for kind in VectorType if kind != VectorType.INT96]

_ROWS = st.integers(0, 20) | st.sampled_from([0, 1, 7, 8, 9, 63, 64, 65])


@st.composite
def _nulls(draw: st.DrawFn, rows: int, *, constant: bool) -> list[bool]:
    pattern = draw(st.sampled_from(["none", "some", "all"]))
    if constant:
        return [pattern == "all"] * rows
    if pattern == "some" and rows:
        bits = draw(st.integers(0, 2**rows - 1))
        return [bool(bits >> row & 1) for row in range(rows)]
    return [pattern == "all"] * rows


def _spread(draw: st.DrawFn, values: st.SearchStrategy[Any], count: int) -> list[Any]:
    """*count* values from a few drawn ones: long columns without long draws."""
    pool = draw(st.lists(values, min_size=1, max_size=6))
    step = draw(st.integers(1, 7))
    return [pool[row * step % len(pool)] for row in range(count)]


@st.composite
def columns(draw: st.DrawFn, rows: int, kinds: Sequence[VectorType] = ALL_KINDS) -> Column:
    """A sound vector of one of *kinds* with *rows* rows."""
    kind = draw(st.sampled_from(kinds))
    if kind == VectorType.NULL:
        return draw(null_columns(rows))
    constant = draw(st.booleans())
    nulls = draw(_nulls(rows, constant=constant))
    if kind == VectorType.TIMESTAMP_TZ:
        return draw(_tz_columns(rows, nulls, constant=constant))
    if kind == VectorType.DECIMAL128:
        return draw(_decimal_columns(rows, nulls, constant=constant))
    how = KINDS[kind]
    target = draw(st.sampled_from(how.targets))
    slots = _spread(draw, how.wire(target), 1 if constant else rows)
    present = [how.plain(slot, target) for slot in slots] * (rows if constant else 1)
    values = [None if null else value for null, value in zip(nulls, present, strict=True)]
    vector = _finish(draw, kind, rows, nulls, slots, how.filler, constant=constant)
    return Column(kind, vector, target, values)


@st.composite
def null_columns(draw: st.DrawFn, rows: int) -> Column:
    """A NULL vector, which may contradict itself and fill any target."""
    vector = build.record((1, build.i32(rows)), (2, build.i32(VectorType.NULL)))
    if draw(st.booleans()):
        entries = draw(st.lists(st.integers(0, 1), max_size=rows + 2))
        vector.fields.append(build.Field(3, build.fixed_list(BOOL, entries)))
    if draw(st.booleans()):
        vector.fields.append(build.Field(4, build.member("nullConstantData", [0])))
    if draw(st.booleans()):
        vector.fields.append(build.Field(5, build.Fixed(BOOL, draw(st.integers(0, 1)))))
    more = [pa.null(), INSTANT_ZONE, UTC, pa.decimal128(38, 2)]
    target = draw(st.sampled_from(ALL_TARGETS + more))
    return Column(VectorType.NULL, vector, target, [None] * rows)


_ZONES = st.sampled_from(["Z", "+05:30", "Asia/Kolkata", "", "Mars/Base"])


@st.composite
def _tz_columns(draw: st.DrawFn, rows: int, nulls: list[bool], *, constant: bool) -> Column:
    target = draw(st.sampled_from([UTC, INSTANT_ZONE]))
    slots = _spread(draw, _i64(target), 1 if constant else rows)
    zones = _spread(draw, _ZONES, len(slots)) if draw(st.booleans()) else None
    pairs = list(zip(slots, zones or [None] * len(slots), strict=True))
    pairs *= rows if constant else 1
    plain = pairs if target == INSTANT_ZONE else [micros for micros, _ in pairs]
    values = [None if null else value for null, value in zip(nulls, plain, strict=True)]
    texts = None if zones is None else [zone.encode() for zone in zones]
    vector = _finish(
        draw, VectorType.TIMESTAMP_TZ, rows, nulls, slots, [0], constant=constant, zones=texts
    )
    return Column(VectorType.TIMESTAMP_TZ, vector, target, values)


DECIMAL_EDGES = [0, 1, -1, 10**38 - 1, 1 - 10**38, 10**37, -(10**19), 2**64, 12345]


@st.composite
def _decimal_columns(draw: st.DrawFn, rows: int, nulls: list[bool], *, constant: bool) -> Column:
    scale = draw(st.integers(0, 38) | st.sampled_from([0, 2, 38]))
    shift = draw(st.sampled_from([0, 0, 0, 1, 5]))
    target = pa.decimal128(38, min(38, scale + shift))
    factor = 10 ** (target.scale - scale)
    limit = (10**38 - 1) // factor
    edges = [edge for edge in DECIMAL_EDGES if abs(edge) <= limit]
    number = st.sampled_from(edges) | st.integers(-limit, limit)
    numbers = _spread(draw, number, 1 if constant else rows)
    if draw(st.booleans()):
        slots = [value.to_bytes(16, "big", signed=True) for value in numbers]
        filler = [bytes(16), b"", b"\xff"]
    else:
        shape = draw(st.sampled_from(["plain", "exponent", "padded"]))
        slots = [decimal_text(value, scale, shape) for value in numbers]
        filler = [b"", b"0"]
        first = next((row for row, null in enumerate(nulls) if not null), None)
        if first is not None and all(len(slot) == 16 for slot in slots):
            first = 0 if constant else first
            slots[first] = decimal_text(numbers[first], scale, "padded") + b"e0"
    present = [value * factor for value in numbers] * (rows if constant else 1)
    values = [None if null else value for null, value in zip(nulls, present, strict=True)]
    announced = None if scale == 0 and draw(st.booleans()) else scale
    vector = _finish(
        draw,
        VectorType.DECIMAL128,
        rows,
        nulls,
        slots,
        filler,
        constant=constant,
        scale=announced,
    )
    return Column(VectorType.DECIMAL128, vector, target, values)


def decimal_text(unscaled: int, scale: int, shape: str) -> bytes:
    """The number as text: plain digits, with an exponent, or never of 16 bytes."""
    sign, digits = ("-" if unscaled < 0 else ""), str(abs(unscaled))
    if shape == "exponent":
        return f"{sign}{digits}e-{scale}".encode()
    digits = digits.rjust(scale + 1, "0")
    whole, fraction = digits[: len(digits) - scale], digits[len(digits) - scale :]
    text = f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"
    if shape == "padded":
        text = f"{sign or '+'}{'0' * 20}{text.lstrip('-')}"
    return text.encode()


def _finish(
    draw: st.DrawFn,
    kind: VectorType,
    rows: int,
    nulls: list[bool],
    slots: list[Wire],
    filler: Sequence[Wire],
    *,
    constant: bool,
    scale: int | None = None,
    zones: list[bytes] | None = None,
) -> build.Record:
    """Write the vector in one of the many legal ways."""
    slots = list(slots)
    entries = [int(null) for null in nulls]
    if constant:
        entries = entries if draw(st.booleans()) and rows else [int(bool(nulls and nulls[0]))]
        if entries[0]:
            slots[0] = draw(st.sampled_from(filler[:2]))  # a lone bool must be 0 or 1 even here
    else:
        for row, null in enumerate(nulls):
            if null:
                slots[row] = filler[row % len(filler)]
        extra = draw(st.sampled_from([0, 0, 1, 3]))
        last = max((row for row, null in enumerate(nulls) if not null), default=-1)
        if extra:
            slots += [filler[-1]] * extra
            entries += [9] * extra
            zones = zones and zones + [b"\xff"] * extra
        elif draw(st.booleans()):
            slots = slots[: last + 1]  # rows that are null need no slot
            zones = zones and zones[: last + 1]
    values: list[Wire] | None = slots
    if all(nulls) and draw(st.booleans()):
        values = None
    vector = build.vector(
        kind, rows, values, nulls=entries, constant=constant, scale=scale, zones=zones
    )
    if not constant and draw(st.booleans()):
        vector = vector.without(5)
    if draw(st.integers(0, 4)) == 0:
        vector.fields.append(build.Field(6, build.Text(b"+05:30")))
        vector.fields.append(build.Field(7, build.Text(b"\xff")))
    if values is not None and draw(st.integers(0, 4)) == 0:
        _add_second_member(vector, kind, constant=constant)
    return vector


def _add_second_member(vector: build.Record, kind: VectorType, *, constant: bool) -> None:
    """Set one more member of the union, which the type does not select."""
    data = vector.find(4).value
    assert isinstance(data, build.Record)
    other = "boolData" if HOLDERS[kind][constant] != "boolData" else "int64Data"
    second = build.member(other, [1])
    data.fields = second.fields + data.fields


@st.composite
def samples(
    draw: st.DrawFn, max_columns: int = 4, kinds: Sequence[VectorType] = ALL_KINDS
) -> Sample:
    """A sound chunk over *kinds* of vectors, in any legal layout."""
    rows = draw(_ROWS)
    drawn = [draw(columns(rows, kinds)) for _ in range(draw(st.integers(1, max_columns)))]
    schema = pa.schema([(f"c{index}", column.target) for index, column in enumerate(drawn)])
    tree = build.chunk(rows, *(column.vector for column in drawn))
    if draw(st.integers(0, 2)) == 0:
        for node in build.records_of(tree):
            _relayout(draw, node)
    kinds = [column.kind for column in drawn]
    return Sample(tree, schema, rows, kinds, [column.values for column in drawn])


def _relayout(draw: st.DrawFn, node: build.Record) -> None:
    """Permute the fields and put unknown ones among them."""
    if draw(st.booleans()):
        node.fields = draw(st.permutations(node.fields))
    if draw(st.integers(0, 3)) == 0:
        unknown = draw(st.sampled_from(build.one_of_each_unknown()))
        number = draw(st.sampled_from([99, -1, 0, 32767]))
        at = draw(st.integers(0, len(node.fields)))
        node.fields.insert(at, build.Field(number, copy.deepcopy(unknown)))


_NAMES = st.text(max_size=6) | st.sampled_from(["", "a\0b", "😀x", "count(*)"])
_TYPES = st.sampled_from(["LONG", "STRING", "DECIMAL128", "", "VARIANT"])


@st.composite
def metadata(draw: st.DrawFn) -> tuple[int, list[tuple[str, str, str, str]], bytes]:
    """Row count, columns, and their bytes, in standard or modified UTF-8."""
    rows = draw(st.integers(-(2**63), 2**63 - 1))
    listed = draw(st.lists(st.tuples(_NAMES, _TYPES, st.just(""), _NAMES), max_size=4))
    data = build.metadata(rows, listed, modified=draw(st.booleans()))
    return rows, listed, data + draw(st.sampled_from([b"", b"\1\2"]))


@st.composite
def responses(draw: st.DrawFn) -> tuple[bytes, int]:
    """Response bytes and their version, with fields in any order and unknown ones among them."""
    version = draw(st.sampled_from([1, 2]))
    first = 2 if version == 1 else 1
    chunks = draw(st.lists(st.just(b"") | samples(1).map(lambda sample: sample.chunk), max_size=2))
    fields = [build.proto(first, chunk) for chunk in chunks]
    fields += [build.proto(first + 1, text.encode()) for text in draw(st.lists(_NAMES, max_size=2))]
    fields += [build.proto(first + 2, text.encode()) for text in draw(st.lists(_NAMES, max_size=1))]
    unknown = [
        build.proto(9, 2**64 - 1),
        build.proto(9, b"later"),
        build.proto(9, bytes(8), fixed=True),
        build.proto(536870911, bytes(4), fixed=True),
        build.proto(first, 5),
        build.proto(4, draw(st.integers(0, 2))),
    ]
    fields += draw(st.lists(st.sampled_from(unknown), max_size=3))
    return b"".join(draw(st.permutations(fields))), version
