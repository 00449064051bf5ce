"""A case of validation: a file that says what is set up, what is done, and which Arrow data must come of it.

A file is TOML. `operation` says which keys it has:

- `select`: `query`, and `result`, whose `schema` has a type for each column and whose `rows` are lines of JSON. With
  `table` the schema of that table must be the same.
- `bind`: `statement` is run with `bound` (a schema and rows), then as `select`.
- `ingest`: `input` becomes the table `cases`, then as `select`.
- `objects`: `filters` of GetObjects, and `found`, lines of JSON, each one object at the depth that was asked for.
- `table_schema`: `table`, and `result` without rows.
- `statement`: `steps`, each with `sql` and what must come of it.

`refused` with `status` and `says` in place of a result means that it must fail so. In JSON a decimal, date, time or
timestamp is text as SQL writes it, bytes are hexadecimal, a duration is a whole number in the unit of its type, an
interval is `[months, days, nanoseconds]`, a map is pairs, and `"NaN"`, `"Infinity"`, `"-Infinity"` are floats.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

if sys.version_info >= (3, 11):
    import tomllib
else:  # it comes with pytest there
    import tomli as tomllib

__all__ = ["FOLDER", "Case", "Data", "arrow_type", "cases", "data", "json_lines"]

FOLDER: Final = Path(__file__).resolve().parents[1] / "tests" / "validation" / "cases"
_EPOCH: Final = datetime.datetime(1970, 1, 1)
_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


@dataclasses.dataclass(frozen=True)
class Case:
    """One file."""

    path: Path
    #: The first line, a comment, without its mark.
    title: str
    operation: str
    content: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Folder and stem, `bind/int64` for instance."""
        return self.path.relative_to(FOLDER).with_suffix("").as_posix()

    @property
    def is_refused(self) -> bool:
        """Whether it must fail."""
        return "refused" in self.content


@dataclasses.dataclass(frozen=True)
class Data:
    """Columns as a case has them."""

    schema: pa.Schema
    #: By name, what stands for a value in JSON.
    rows: list[list[Any]]

    def table(self) -> pa.Table:
        """Returns the Arrow data."""
        columns = list(zip(*self.rows, strict=True)) or [()] * len(self.schema)
        arrays = [_array(list(c), f.type) for c, f in zip(columns, self.schema, strict=True)]
        return pa.table(arrays, schema=self.schema)


def cases() -> list[Case]:
    """Returns all cases, by name."""
    found = []
    for path in sorted(FOLDER.glob("*/*.toml")):
        text = path.read_text()
        content = tomllib.loads(text)
        title = text.split("\n", 1)[0].removeprefix("#").strip()
        found.append(Case(path, title, content["operation"], content))
    return found


def data(content: Mapping[str, Any]) -> Data:
    """Returns what `schema` and `rows` of a case say; a type that ends in `not null` is of a field that is not."""
    fields = [
        pa.field(name, arrow_type(text.removesuffix(" not null")), not text.endswith(" not null"))
        for name, text in content["schema"].items()
    ]
    return Data(pa.schema(fields), json_lines(content.get("rows", "")))


def json_lines(text: str) -> list[Any]:
    """Returns the values that the lines of *text* are."""
    # `splitlines` would also split at line ends of Unicode's, which a value may have.
    return [json.loads(line) for line in text.split("\n") if line]


# ---- types


def arrow_type(text: str) -> pa.DataType:
    """Returns the type that prints as *text*; of nested types those that a case needs."""
    for expression, make in _TYPES:
        found = re.fullmatch(expression, text)
        if found is not None:
            kind: pa.DataType = make(*found.groups())
            return kind
    return pa.type_for_alias(text)


def _decimal(width: str, precision: str, scale: str) -> pa.DataType:
    make: Callable[[int, int], pa.DataType] = getattr(pa, f"decimal{width}")
    return make(int(precision), int(scale))


def _struct(text: str) -> pa.DataType:
    pairs = (field.split(": ") for field in text.split(", "))
    return pa.struct([(name, arrow_type(kind)) for name, kind in pairs])


_TYPES: Final[tuple[tuple[str, Callable[..., pa.DataType]], ...]] = (
    (r"decimal(\d+)\((\d+), (-?\d+)\)", _decimal),
    (r"timestamp\[(\w+), tz=(.+)\]", pa.timestamp),
    (r"fixed_size_binary\[(\d+)\]", lambda width: pa.binary(int(width))),
    (r"large_list<(.+)>", lambda item: pa.large_list(arrow_type(item))),
    (r"fixed_size_list<(.+)>\[(\d+)\]", lambda item, size: pa.list_(arrow_type(item), int(size))),
    (r"list<(.+)>", lambda item: pa.list_(arrow_type(item))),
    (r"struct<(.+)>", _struct),
    (r"map<(\w+), (\w+)>", lambda key, item: pa.map_(arrow_type(key), arrow_type(item))),
    (r"dictionary<(\w+)>", lambda item: pa.dictionary(pa.int32(), arrow_type(item))),
    (r"run_end_encoded<(\w+)>", lambda item: pa.run_end_encoded(pa.int32(), arrow_type(item))),
)


# ---- values


def _array(values: list[Any], kind: pa.DataType) -> Any:
    if pa.types.is_run_end_encoded(kind):
        ends = pa.array(range(1, len(values) + 1), kind.run_end_type)
        return pa.RunEndEncodedArray.from_arrays(ends, _array(values, kind.value_type), kind)
    if pa.types.is_dictionary(kind):
        return _array(values, kind.value_type).dictionary_encode().cast(kind)
    if pa.types.is_timestamp(kind):
        ticks = [None if text is None else _ticks(text, kind.unit) for text in values]
        return pa.array(ticks, pa.int64()).cast(kind)
    if pa.types.is_time(kind):
        ticks = [
            None if text is None else _ticks(f"1970-01-01 {text}", kind.unit) for text in values
        ]
        width = pa.int32() if pa.types.is_time32(kind) else pa.int64()
        return pa.array(ticks, pa.int64()).cast(width).cast(kind)
    if pa.types.is_duration(kind):
        return pa.array(values, pa.int64()).cast(kind)
    return pa.array([_value(value, kind) for value in values], kind)


def _value(value: Any, kind: pa.DataType) -> Any:
    if value is None:
        return None
    if pa.types.is_decimal(kind):
        return decimal.Decimal(value)
    if pa.types.is_date(kind):
        return datetime.date.fromisoformat(value)
    if pa.types.is_floating(kind):
        return float(value)
    if _is_bytes(kind):
        return bytes.fromhex(value)
    if pa.types.is_interval(kind):
        return tuple(value)
    if pa.types.is_map(kind):
        return [tuple(pair) for pair in value]
    return value


def _is_bytes(kind: pa.DataType) -> bool:
    tests = ("binary", "large_binary", "binary_view", "fixed_size_binary")
    return any(getattr(pa.types, f"is_{test}")(kind) for test in tests)


def _ticks(text: str, unit: str) -> int:
    """Returns the units since the epoch of `2024-02-29 23:59:59.123456789`, whose fraction may be of any length."""
    whole, _, fraction = text.partition(".")
    moment = datetime.datetime.fromisoformat(whole) - _EPOCH
    seconds = moment.days * 86_400 + moment.seconds
    digits = len(str(_PER_SECOND[unit])) - 1
    return seconds * _PER_SECOND[unit] + int((fraction + "0" * digits)[:digits] or 0)
