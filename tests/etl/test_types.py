"""Types: each Arrow type into each destination comes back exactly, or is refused with its column, type and row."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from e6data_adbc import DataError, NotSupportedError, ProgrammingError
from e6data_adbc.etl import load
from tests.etl.places import Place

pytestmark = pytest.mark.seconds

UTC = dt.timezone.utc
DAY = dt.date(9999, 12, 31)
FIRST = dt.datetime(1, 1, 1, 0, 0, 0, 1)
LAST = dt.datetime(9999, 12, 31, 23, 59, 59, 999999)
BIG = Decimal("-123456789012345678901234567890123456.78")

#: A name, the Arrow data, and what the destination's own library reads back; `text` where SQLite has text.
EXACT: dict[str, tuple[Any, list[Any], list[Any]]] = {
    "boolean": (pa.array([True, False, None]), [True, False, None], [1, 0, None]),
    "int8": (pa.array([-128, 127], pa.int8()), [-128, 127], [-128, 127]),
    "uint16": (pa.array([65535], pa.uint16()), [65535], [65535]),
    "int32": (pa.array([-(2**31), 2**31 - 1, None], pa.int32()), [-(2**31), 2**31 - 1, None], []),
    "uint32": (pa.array([2**32 - 1], pa.uint32()), [2**32 - 1], []),
    "int64": (pa.array([-(2**63), 2**63 - 1, None]), [-(2**63), 2**63 - 1, None], []),
    "float16": (pa.array([1.5], pa.float64()).cast(pa.float16()), [1.5], []),
    "float32": (pa.array([1.5, math.inf], pa.float32()), [1.5, math.inf], []),
    "float64": (pa.array([5e-324, 1.7976931348623157e308]), [5e-324, 1.7976931348623157e308], []),
    "decimal128(38,2)": (pa.array([BIG], pa.decimal128(38, 2)), [BIG], [str(BIG)]),
    "decimal128(38,0)": (
        pa.array([Decimal(10**38 - 1)], pa.decimal128(38, 0)),
        [Decimal(10**38 - 1)],
        [str(10**38 - 1)],
    ),
    "string": (pa.array(["", "π 𝄞", None]), ["", "π 𝄞", None], []),
    "large_string": (pa.array(["x"], pa.large_string()), ["x"], []),
    "string_view": (pa.array(["longer than twelve"], pa.string_view()), ["longer than twelve"], []),
    "dictionary": (pa.array(["a", "b", "a"]).dictionary_encode(), ["a", "b", "a"], []),
    "binary": (pa.array([b"", b"\0\xff", None]), [b"", b"\0\xff", None], []),
    "date32": (
        pa.array([dt.date(1, 1, 1), DAY]),
        [dt.date(1, 1, 1), DAY],
        ["0001-01-01", str(DAY)],
    ),
    "timestamp[us]": (
        pa.array([FIRST, LAST]),
        [FIRST, LAST],
        ["0001-01-01 00:00:00.000001", "9999-12-31 23:59:59.999999"],
    ),
    "timestamp[us, UTC]": (
        pa.array([dt.datetime(2026, 1, 2, 3, 4, 5, 6)], pa.timestamp("us", "UTC")),
        [dt.datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)],
        ["2026-01-02 03:04:05.000006Z"],
    ),
    "timestamp[us, zone]": (
        pa.array([dt.datetime(2026, 1, 2, 3, 4, 5)], pa.timestamp("us", "Asia/Kolkata")),
        [dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)],
        ["2026-01-02 03:04:05.000000Z"],
    ),
    "timestamp[s]": (
        pa.array([dt.datetime(2026, 1, 2)], pa.timestamp("s")),
        [dt.datetime(2026, 1, 2)],
        ["2026-01-02 00:00:00.000000"],
    ),
    "null": (pa.nulls(2), [None, None], []),
}


def loaded(place: Place, array: Any, **options: Any) -> list[Any]:
    """Returns what the destination has of *array*, in a column `c` beside its row's number."""
    table = pa.table({"n": list(range(len(array))), "c": array})
    load(table, place.url(), **options)
    return [row[0] for row in place.rows("SELECT c FROM {}t ORDER BY n")]


@pytest.mark.parametrize("name", EXACT)
def test_exact(place: Place, name: str) -> None:
    """What a destination takes is there afterwards, value by value."""
    array, values, in_sqlite = EXACT[name]

    found = loaded(place, array)

    if place.kind == "postgresql" and pa.types.is_decimal(array.type):
        found = [Decimal(value) for value in found]  # its ADBC driver reads numeric as text
    assert found == (in_sqlite if in_sqlite and place.kind == "sqlite" else values)


NANOSECONDS = pa.array([1, 1001], pa.timestamp("ns"))
DURATION = pa.array([-90_061_000_001, None], pa.duration("us"))
STRUCT = pa.array([{"instant": 1, "zone": "Z"}])

#: What a destination has not: kind, name, data, the row in the error (None where the type itself is refused).
REFUSED: list[tuple[str, str, Any, int | None]] = [
    ("postgresql", "zero byte", pa.array(["a", "b\0c"]), 1),
    ("postgresql", "nanoseconds", NANOSECONDS, 0),
    ("postgresql", "too early", pa.array([0, -(2**62)], pa.timestamp("us")), 1),
    ("postgresql", "struct", STRUCT, None),
    ("sqlite", "nan", pa.array([1.0, math.nan]), 1),
    ("sqlite", "negative zero", pa.array([0.0, -0.0]), 1),
    ("sqlite", "nan of 16 bits", pa.array([1.0, math.nan], pa.float32()).cast(pa.float16()), 1),
    ("sqlite", "nan in a dictionary", pa.array([1.0, math.nan]).dictionary_encode(), 1),
    ("postgresql", "zero byte in a dictionary", pa.array(["a", "b\0c"]).dictionary_encode(), 1),
    ("sqlite", "uint64", pa.array([1, 2**63], pa.uint64()), 1),
    ("sqlite", "nanoseconds", NANOSECONDS, 0),
    ("sqlite", "too late", pa.array([0, 2**62], pa.timestamp("us")), 1),
    ("sqlite", "year 10000", pa.array([0, 2932897], pa.int32()).cast(pa.date32()), 1),
    ("sqlite", "duration", DURATION, None),
    ("sqlite", "struct", STRUCT, None),
    ("sqlite", "list", pa.array([[1]]), None),
    ("duckdb", "infinite date", pa.array([0, 2**31 - 1], pa.int32()).cast(pa.date32()), 1),
    ("duckdb", "infinite time", pa.array([0, 2**63 - 1], pa.timestamp("us")), 1),
]


@pytest.mark.parametrize("name", sorted({name for _, name, _, _ in REFUSED}))
def test_refused(place: Place, name: str) -> None:
    """What a destination has not is an error that names column, type and row, and nothing is written."""
    cases = [
        (array, row) for kind, what, array, row in REFUSED if (kind, what) == (place.kind, name)
    ]
    for array, row in cases:
        with pytest.raises((DataError, NotSupportedError)) as caught:
            loaded(place, array, job="j")

        text = str(caught.value)
        assert "'c'" in text
        assert str(array.type) in text
        assert row is None or f"row {row}" in text
        tables = "information_schema.tables WHERE table_name = 't'"
        if place.kind == "sqlite":
            tables = "sqlite_master WHERE name = 't'"
        elif place.schema:
            tables += f" AND table_schema = '{place.schema[:-1]}'"
        assert place.rows(f"SELECT COUNT(*) FROM {tables}") == [(0,)]


def test_uint64_is_whole(place: Place) -> None:
    """Unsigned 64-bit integers keep their values, where there is a type for them."""
    values = [0, 2**64 - 1] if place.kind != "sqlite" else [0, 2**63 - 1]

    assert [int(value) for value in loaded(place, pa.array(values, pa.uint64()))] == values


def test_durations_and_nested_values(place: Place) -> None:
    """Intervals keep their microseconds; lists and structs go where there are such."""
    if place.kind == "sqlite":
        report = load(pa.table({"c": DURATION}), place.url(), on_type="cast")
        assert place.rows("SELECT c FROM t") == [(-90_061_000_001,), (None,)]
        assert "microseconds" in report.losses[0]
        return
    loaded(place, DURATION)
    seconds = place.rows("SELECT CAST(EXTRACT(EPOCH FROM c) AS TEXT) FROM {}t ORDER BY n")
    assert [value and Decimal(value) for (value,) in seconds] == [Decimal("-90061.000001"), None]
    lists = pa.array([[1, None], None, []], pa.list_(pa.int64()))
    load(pa.table({"c": lists}), place.url("lists"))
    assert [row[0] for row in place.rows("SELECT c FROM {}lists")] == [[1, None], None, []]
    if place.kind == "duckdb":
        load(pa.table({"c": STRUCT}), place.url("structs"))
        assert place.rows("SELECT c FROM structs") == [({"instant": 1, "zone": "Z"},)]


@pytest.mark.parametrize(
    ("definition", "array"),
    [
        ("INTEGER", pa.array(["2026"])),
        ("TEXT", pa.array([1])),
        ("DATE", pa.array([LAST])),
    ],
)
def test_another_type_is_refused(place: Place, definition: str, array: Any) -> None:
    """A column of another type is refused before the first byte, whatever the library would make of it."""
    place.run(f"CREATE TABLE {{}}t (n BIGINT, c {definition})")

    with pytest.raises(ProgrammingError, match="'c' of type"):
        loaded(place, array)
    assert place.rows("SELECT COUNT(*) FROM {}t") == [(0,)]


def test_narrower_integers_are_refused_and_wider_taken(place: Place) -> None:
    """int64 does not go into INTEGER, where that is narrower; int32 goes into BIGINT."""
    place.run("CREATE TABLE {}t (n BIGINT, c INTEGER)")
    if place.kind != "sqlite":  # whose INTEGER has 64 bits
        with pytest.raises(ProgrammingError, match="'c' of type 'int64'"):
            loaded(place, pa.array([1]))
    place.run("CREATE TABLE {}wide (c BIGINT)")
    load(pa.table({"c": pa.array([-5], pa.int32())}), place.url("wide"))

    assert place.rows("SELECT c FROM {}wide") == [(-5,)]


def test_decimals_of_fewer_digits_go_where_they_fit(place: Place) -> None:
    """The engine gives every decimal 38 digits; into fewer goes what fits, and nothing is rounded."""
    if place.kind == "sqlite":
        pytest.skip("decimals are text there")
    place.run("CREATE TABLE {}t (n BIGINT, c NUMERIC(6, 2))")
    kind = pa.decimal128(38, 2)

    loaded(place, pa.array([Decimal("1234.56")], kind))

    with pytest.raises(DataError, match="row 1"):
        loaded(place, pa.array([Decimal("1.00"), Decimal("12345.67")], kind))
    with pytest.raises(ProgrammingError):
        loaded(place, pa.array([Decimal("1.234")], pa.decimal128(38, 3)))
    assert len(place.rows("SELECT * FROM {}t")) == 1


def test_evolve_adds_and_widens(place: Place) -> None:
    """With `evolve` a new column is added and a type widened; without it both are refused."""
    load(pa.table({"a": pa.array([1], pa.int32())}), place.url())
    more = pa.table({"a": [2**40], "b": ["x"]})
    with pytest.raises(ProgrammingError, match="'b'"):
        load(more, place.url())

    load(more, place.url(), schema="evolve")

    assert place.rows("SELECT a, b FROM {}t ORDER BY a") == [(1, None), (2**40, "x")]
