"""Splitting: whatever the values and the bounds are, each row is in exactly one span."""

from __future__ import annotations

import datetime
import decimal
import json
import math
import struct
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from adbc_driver_manager import AdbcStatusCode as Status
from hypothesis import example, given, settings
from hypothesis import strategies as st

import e6data_adbc
from e6data_adbc._driver.partitions.split import (
    MOST_OF_TEXT,
    Span,
    bound,
    condition,
    parse_bounds,
    split,
    value_type,
)
from e6data_adbc._sql.literals import to_literal
from e6data_adbc.local import LocalEngine
from tests.support.partitioned import Connect, partitions_of, refusal, table_of

pytestmark = pytest.mark.seconds

INT64 = st.integers(-(2**63), 2**63 - 1)
DATES = st.dates()
TIMES = st.datetimes()
DECIMALS = st.integers(-(10**38) + 1, 10**38 - 1).map(
    lambda number: decimal.Decimal((int(number < 0), tuple(map(int, str(abs(number)))), -4))
)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
FLOATS = st.floats(allow_nan=False, allow_infinity=False, width=32)

#: Arrow type, name of the engine's type, values that may be bounds, values that may only be data.
KINDS: dict[str, tuple[pa.DataType, str, st.SearchStrategy[Any], list[Any]]] = {
    "int": (pa.int32(), "INT", st.integers(-(2**31), 2**31 - 1), []),
    "few": (pa.int64(), "LONG", st.integers(-3, 3), []),
    "long": (pa.int64(), "LONG", INT64, []),
    "float": (pa.float32(), "FLOAT", FLOATS, [math.nan, math.inf, -math.inf, -0.0]),
    "double": (pa.float64(), "DOUBLE", FLOATS, [math.nan, math.inf, -math.inf, -0.0]),
    "date": (pa.date32(), "DATE", DATES, []),
    "timestamp": (pa.timestamp("us"), "TIMESTAMP", TIMES, []),
    "instant": (
        pa.timestamp("us", tz="UTC"),
        "TIMESTAMP_TZ",
        st.datetimes(timezones=st.just(datetime.timezone.utc)),
        [],
    ),
    "decimal": (pa.decimal128(38, 4), "DECIMAL(38, 4)", DECIMALS, []),
    "text": (pa.utf8(), "VARCHAR", TEXTS, []),
    "digits": (pa.utf8(), "VARCHAR", st.text("0123456789", max_size=6), []),
}


@st.composite
def samples(draw: st.DrawFn, most: int = 20) -> tuple[str, list[Any], Any, Any, int]:
    """Returns a kind, values with nulls and repetitions, two bounds, and a count."""
    name = draw(st.sampled_from(sorted(KINDS)))
    _, _, values, others = KINDS[name]
    data = draw(st.lists(st.one_of(values, st.none(), *map(st.just, others)), max_size=12))
    low, high = sorted((draw(values), draw(values)))
    return name, data + draw(st.permutations(data)), low, high, draw(st.integers(1, most))


def is_in(value: Any, span: Span, *, nan_is_largest: bool) -> bool:
    """Evaluates the condition of a span as SQL does, in one of the two orders that NaN has."""
    if value is None:
        return span.has_nulls
    if nan_is_largest and isinstance(value, float) and math.isnan(value):
        return span.ceiling is None
    if any(value < floor.as_py() for floor in span.floors):
        return False
    return span.ceiling is None or value < span.ceiling.as_py()


@given(samples(), st.booleans())
@settings(deadline=None)
def test_each_value_is_in_one_span(
    sample: tuple[str, list[Any], Any, Any, int], nan_is_largest: bool
) -> None:
    """Nulls, NaN, infinities, repeated values and values outside of the bounds included."""
    name, data, low, high, count = sample
    kind = KINDS[name][0]

    spans = split(kind, pa.scalar(low, kind), pa.scalar(high, kind), count)

    assert 1 <= len(spans) <= count
    assert sum(span.has_nulls for span in spans) == 1
    for value in data:
        places = [is_in(value, span, nan_is_largest=nan_is_largest) for span in spans]
        assert places.count(True) == 1, value


@given(samples(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_text_is_in_one_span_under_any_order(
    sample: tuple[str, list[Any], Any, Any, int], random: Any
) -> None:
    """An engine may order texts by any rule: the spans still have each value once."""
    name, data, low, high, count = sample
    kind = KINDS[name][0]
    if not pa.types.is_string(kind):
        return
    spans = split(kind, pa.scalar(low, kind), pa.scalar(high, kind), count)
    known = {*filter(None, data)} | {floor.as_py() for span in spans for floor in span.floors}
    rank = {text: random.randrange(5) for text in sorted(known | {""})}

    for value in data:
        if value is not None:
            places = [
                not any(rank[value] < rank[floor.as_py()] for floor in span.floors)
                and (span.ceiling is None or rank[value] < rank[span.ceiling.as_py()])
                for span in spans
            ]
            assert places.count(True) == 1


@pytest.mark.parametrize(
    ("kind", "low", "high", "count", "cuts"),
    [
        (pa.int64(), 0, 999, 4, [250, 500, 750]),
        (pa.int32(), -2, 1, 4, [-1, 0, 1]),
        (pa.int64(), 0, 2, 10, [1, 2]),
        (pa.int64(), 7, 7, 10, []),
        (pa.int64(), -(2**63), 2**63 - 1, 2, [0]),
        (pa.float64(), 0.0, 1.0, 4, [0.25, 0.5, 0.75]),
        (pa.float64(), -1.7976931348623157e308, 1.7976931348623157e308, 2, [0.0]),
        (pa.float64(), 0.0, 5e-324, 8, [5e-324]),
        (pa.date32(), datetime.date(2026, 1, 1), datetime.date(2026, 1, 4), 2, [datetime.date(2026, 1, 3)]),
        (pa.decimal128(38, 2), decimal.Decimal("0.00"), decimal.Decimal("0.99"), 2, [decimal.Decimal("0.50")]),
        (pa.utf8(), "k000", "k999", 2, ["k5"]),
        (pa.utf8(), "same", "same", 4, []),
        (pa.utf8(), "", "b", 1, []),
    ],
)  # fmt: skip
def test_the_cuts_are_even(kind: Any, low: Any, high: Any, count: int, cuts: list[Any]) -> None:
    """What is between the bounds is divided evenly, exactly, and not into more than there is."""
    spans = split(kind, pa.scalar(low, kind), pa.scalar(high, kind), count)

    assert [span.floors[-1].as_py() for span in spans[1:]] == cuts


@given(st.lists(st.text("abcxyz", min_size=1, max_size=8), min_size=2, max_size=2, unique=True))
@settings(deadline=None)
def test_cuts_of_text_are_between_the_bounds(texts: list[str]) -> None:
    """They rise, and are texts that print."""
    low, high = sorted(texts)
    spans = split(pa.utf8(), pa.scalar(low), pa.scalar(high), 8)
    cuts = [span.floors[-1].as_py() for span in spans[1:]]

    assert cuts == sorted(set(cuts))
    assert all(low < cut <= high and cut.isprintable() for cut in cuts)


def test_the_conditions() -> None:
    """What a span is as SQL: a range the engine can prune by; NaN is in the last one under either order."""

    def conditions(kind: Any, low: Any, high: Any, count: int) -> list[str | None]:
        return [
            condition('"c"', span)
            for span in split(kind, pa.scalar(low, kind), pa.scalar(high, kind), count)
        ]

    assert conditions(pa.int64(), 1, 1, 4) == [None]
    assert conditions(pa.int64(), -3, 2, 3) == [
        '("c" < (-1) OR "c" IS NULL)',
        '"c" >= (-1) AND "c" < 1',
        '"c" >= 1',
    ]
    assert conditions(pa.float64(), 0.0, 1.0, 2)[1] == 'NOT ("c" < CAST(0.5E0 AS DOUBLE))'
    assert conditions(pa.utf8(), "a", "d", 3)[2] == """"c" >= 'b' AND "c" >= 'c'"""


# ---- bounds


@pytest.mark.parametrize(
    ("text", "kind", "found"),
    [
        ("[0, 1000]", pa.int32(), (0, 1000)),
        ('["0", "1000"]', pa.int64(), (0, 1000)),
        ("[-9223372036854775808, 9223372036854775807]", pa.int64(), (-(2**63), 2**63 - 1)),
        ("[0.1, 1e3]", pa.float64(), (0.1, 1000.0)),
        ('["0.1000", "99999999999999999999999999999999.9999"]', pa.decimal128(38, 4),
         (decimal.Decimal("0.1"), decimal.Decimal("99999999999999999999999999999999.9999"))),
        ('["2026-01-01", "2026-12-31"]', pa.date32(), (datetime.date(2026, 1, 1), datetime.date(2026, 12, 31))),
        ('["2026-01-01", "2026-01-01T12:00:00.5"]', pa.timestamp("us"),
         (datetime.datetime(2026, 1, 1), datetime.datetime(2026, 1, 1, 12, 0, 0, 500_000))),
        ('["a", "Ü\\"/"]', pa.utf8(), ("a", 'Ü"/')),
    ],
)  # fmt: skip
def test_bounds_are_typed_by_the_column(text: str, kind: Any, found: tuple[Any, Any]) -> None:
    """Numbers and texts of JSON become values of the column's type, exactly."""
    low, high = parse_bounds(text)

    assert (bound(low, kind).as_py(), bound(high, kind).as_py()) == found


def test_bounds_with_a_zone() -> None:
    """A column with a zone takes texts with one, whichever it is."""
    kind = pa.timestamp("us", tz="UTC")

    found = bound(parse_bounds('["2026-01-01T02:00:00+02:00", "2026-01-02T00:00:00Z"]')[0], kind)

    assert found.cast(pa.timestamp("us")).as_py() == datetime.datetime(2026, 1, 1)


@pytest.mark.parametrize(
    "text",
    ["0/1000", "[0]", "[0, 1, 2]", "[true, false]", "[[0], 1]", "[0, NaN]", '{"a": 1}', "7", "["],
)  # fmt: skip
def test_what_are_no_bounds(text: str) -> None:
    """Anything but two numbers or texts is refused when the option is set, with an example."""
    status, words = refusal(lambda: parse_bounds(text))

    assert status == Status.INVALID_ARGUMENT
    assert "[0, 1000]" in words


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[1.5, 2]", pa.int64()),
        ("[4294967296, 2]", pa.int32()),
        ('["x", "y"]', pa.float64()),
        ('["1e999", "2"]', pa.float64()),
        ("[7, 8]", pa.utf8()),
        ('["\\ud800", "b"]', pa.utf8()),
        ("[0.12345, 1]", pa.decimal128(38, 4)),
        ('["2026-02-30", "x"]', pa.date32()),
        ('["2026-01-01T00:00:00Z", "x"]', pa.timestamp("us")),
        ('["2026-01-01T00:00:00", "x"]', pa.timestamp("us", tz="UTC")),
    ],
)
def test_bounds_of_another_type(text: str, kind: Any) -> None:
    """A bound that is no value of the column is refused, not rounded."""
    assert refusal(lambda: bound(parse_bounds(text)[0], kind))[0] == Status.INVALID_ARGUMENT


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.utf8()])
def test_bounds_the_wrong_way_round(kind: Any) -> None:
    """The upper one below the lower one is a mistake."""
    low, high = (pa.scalar("2").cast(kind), pa.scalar("1").cast(kind))

    assert refusal(lambda: split(kind, low, high, 4))[0] == Status.INVALID_ARGUMENT


def test_too_many_of_text() -> None:
    """A text column has fewer partitions, as each names the cuts below it."""
    low, high = pa.scalar("a"), pa.scalar("z")

    assert len(split(pa.utf8(), low, high, MOST_OF_TEXT)) == MOST_OF_TEXT
    status, _ = refusal(lambda: split(pa.utf8(), low, high, MOST_OF_TEXT + 1))
    assert status == Status.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (pa.bool_(), "BOOLEAN"),
        (pa.binary(), "BINARY"),
        (pa.duration("us"), "INTERVAL_DAY_SECOND"),
        (pa.utf8(), "ARRAY"),
        (pa.null(), "NULL"),
    ],
)
def test_columns_that_cannot_be_split_by(kind: Any, name: str) -> None:
    """A column without an order to cut is NOT_IMPLEMENTED, by its name."""
    field = pa.field("odd", kind, metadata={"E6DATA:type": name})

    status, text = refusal(lambda: value_type(field))

    assert status == Status.NOT_IMPLEMENTED
    assert "'odd'" in text


# ---- on the engine


def literal(value: Any, kind: Any, name: str) -> str:
    """Returns a value as SQL of the engine's type *name*; floats that have no literal as a cast of their text."""
    if isinstance(value, float) and not math.isfinite(value):
        return f"CAST('{value}' AS {name})"
    return f"CAST({to_literal(pa.scalar(value, kind))} AS {name})"


def as_stored(value: Any, kind: Any) -> Any:
    """Returns a float as its column stores it."""
    if pa.types.is_float32(kind) and value is not None:
        return struct.unpack("f", struct.pack("f", value))[0]
    return value


@pytest.fixture(scope="module")
def asking(sharing_engine_of_module: LocalEngine) -> Iterator[Any]:
    """One connection for all examples."""
    with e6data_adbc.connect(sharing_engine_of_module.uri) as connection:
        yield connection


@given(sample=samples(most=5), gives_bounds=st.booleans())
@example(sample=("double", [math.nan, math.inf, -math.inf, None, 1.0], 0.0, 0.0, 3), gives_bounds=False)  # fmt: skip
@example(sample=("double", [math.nan, math.inf], 0.0, 0.0, 3), gives_bounds=False)
@example(sample=("text", [None, None], "a", "z", 3), gives_bounds=False)
@example(sample=("long", [-(2**63), 2**63 - 1], 0, 1, 5), gives_bounds=False)
@settings(max_examples=15, deadline=None)
def test_the_partitions_have_each_row_once(
    asking: Any, sample: tuple[str, list[Any], Any, Any, int], gives_bounds: bool
) -> None:
    """On the engine the partitions of any column have all rows, none twice, in the schema that was promised."""
    name, data, low, high, count = sample
    kind, sql_name, _, _ = KINDS[name]
    rows = [
        f"({index}, {literal(as_stored(value, kind), kind, sql_name)})"
        for index, value in enumerate(data)
    ]
    rows = rows or [f"(0, CAST(NULL AS {sql_name}))"]
    options = {"on": "v", "count": count}
    if gives_bounds:
        shown = [
            str(value).replace(" ", "T") if not isinstance(value, int | float) else value
            for value in (as_stored(low, kind), as_stored(high, kind))
        ]
        texts = [value if name in ("text", "digits") else str(value) for value in shown]
        options["bounds"] = json.dumps(texts)
    partitions, schema = partitions_of(
        asking, f"SELECT * FROM (VALUES {', '.join(rows)}) AS t(i, v)", **options
    )
    found = [table_of(asking, partition) for partition in partitions]

    assert 1 <= len(partitions) <= count
    assert all(table.schema.equals(schema, check_metadata=True) for table in found)
    assert sorted(i for table in found for i in table["i"].to_pylist()) == list(range(len(rows)))


@pytest.mark.parametrize("layout", ["instant", "struct"])
def test_an_instant_with_its_zone(
    sharing_engine: LocalEngine, connect_plain: Connect, layout: str
) -> None:
    """A column that becomes a struct of instant and zone is split by its instant."""
    connection = connect_plain(sharing_engine.uri, {"adbc.e6data.result.timestamp_tz": layout})
    partitions, schema = partitions_of(
        connection, "select order_id, delivered_at from orders", on="delivered_at", count=3
    )
    tables = [table_of(connection, partition) for partition in partitions]

    assert [table.schema for table in tables] == [schema] * 3
    assert sorted(i for table in tables for i in table["order_id"].to_pylist()) == [
        *range(1, 10_001)
    ]
    assert max(table.num_rows for table in tables) < 6_000
