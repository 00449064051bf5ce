"""What DuckDB's types become on the wire and in column listings."""

from __future__ import annotations

import datetime
import decimal
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from checks.reference.chunk import probe_chunk
from tests.local.wire import Wire, refused

pytestmark = pytest.mark.seconds

UTC = datetime.timezone.utc
INSTANT = pa.timestamp("us", "UTC")

#: SQL value → label, vector type, Arrow type, value.
CASES: list[tuple[str, str, int, pa.DataType, Any]] = [
    ("true", "BOOLEAN", 1, pa.bool_(), True),
    ("(-128)::tinyint", "INTEGER", 5, pa.int32(), -128),
    ("(-32768)::smallint", "INTEGER", 5, pa.int32(), -32768),
    ("(-2147483648)::int", "INTEGER", 5, pa.int32(), -(2**31)),
    ("255::utinyint", "INTEGER", 5, pa.int32(), 255),
    ("65535::usmallint", "INTEGER", 5, pa.int32(), 65535),
    ("4294967295::uinteger", "LONG", 6, pa.int64(), 2**32 - 1),
    ("(-9223372036854775808)::bigint", "LONG", 6, pa.int64(), -(2**63)),
    ("18446744073709551615::ubigint", "DECIMAL128", 16, pa.decimal128(38, 0), 2**64 - 1),
    (f"(-{10**38 - 1})::hugeint", "DECIMAL128", 16, pa.decimal128(38, 0), -(10**38 - 1)),
    ("7::uhugeint", "DECIMAL128", 16, pa.decimal128(38, 0), 7),
    ("(-12.30)::decimal(7,2)", "DECIMAL128", 16, pa.decimal128(38, 2), Decimal("-12.30")),
    (
        "0.00000000000000000000000000000000000001::decimal(38,38)",
        "DECIMAL128",
        16,
        pa.decimal128(38, 38),
        Decimal("1E-38"),
    ),
    ("1.5::float", "FLOAT", 3, pa.float32(), 1.5),
    ("'-infinity'::double", "DOUBLE", 2, pa.float64(), float("-inf")),
    ("'naïve 東京 😀'", "STRING", 7, pa.utf8(), "naïve 東京 😀"),
    ("'b'::enum('a', 'b')", "STRING", 7, pa.utf8(), "b"),
    (
        "'12345678-1234-1234-1234-123456789abc'::uuid",
        "STRING",
        7,
        pa.utf8(),
        "12345678-1234-1234-1234-123456789abc",
    ),
    ("""'{"a": 1}'::json""", "STRING", 7, pa.utf8(), '{"a": 1}'),
    ("time '23:59:59.999999'", "STRING", 7, pa.utf8(), "23:59:59.999999"),
    ("'1010'::bit", "STRING", 7, pa.utf8(), "1010"),
    ("'\\x00\\xFFa'::blob", "BINARY", 0, pa.binary(), b"\x00\xffa"),
    ("date '1969-12-31'", "DATE", 8, pa.date32(), datetime.date(1969, 12, 31)),
    (
        "timestamp '1969-12-31 23:59:59.999999'",
        "DATETIME",
        9,
        pa.timestamp("us"),
        datetime.datetime(1969, 12, 31, 23, 59, 59, 999999),
    ),
    (
        "timestamp_s '2020-02-29 12:00:00'",
        "DATETIME",
        9,
        pa.timestamp("us"),
        datetime.datetime(2020, 2, 29, 12),
    ),
    (
        "timestamp_ms '2020-02-29 12:00:00.125'",
        "DATETIME",
        9,
        pa.timestamp("us"),
        datetime.datetime(2020, 2, 29, 12, 0, 0, 125000),
    ),
    (
        "timestamp_ns '2020-02-29 12:00:00.123456000'",
        "DATETIME",
        9,
        pa.timestamp("us"),
        datetime.datetime(2020, 2, 29, 12, 0, 0, 123456),
    ),
    (
        "timestamptz '2020-02-29 12:00:00+05:30'",
        "TIMESTAMP_TZ",
        15,
        INSTANT,
        datetime.datetime(2020, 2, 29, 6, 30, tzinfo=UTC),
    ),
    (
        "cast('2020-02-29 12:00:00+00' as timestamp_tz)",
        "TIMESTAMP_TZ",
        15,
        INSTANT,
        datetime.datetime(2020, 2, 29, 12, tzinfo=UTC),
    ),
    (
        "interval '-1 day 2 hours'",
        "INTERVAL_DAY_SECOND",
        17,
        pa.duration("us"),
        datetime.timedelta(hours=-22),
    ),
    ("[1, null, 3]", "ARRAY", 13, pa.utf8(), "[1, NULL, 3]"),
    ("['a', 'b']::varchar[2]", "ARRAY", 13, pa.utf8(), "[a, b]"),
    ("{'a': 1, 'b': 'x'}", "STRUCT", 11, pa.utf8(), "{'a': 1, 'b': x}"),
    ("map {'k': 1}", "MAP", 12, pa.utf8(), "{k=1}"),
]


@pytest.mark.parametrize(("sql", "label", "vector", "arrow", "value"), CASES, ids=lambda _: "")
def test_every_type_travels(
    wire: Wire, sql: str, label: str, vector: int, arrow: pa.DataType, value: Any
) -> None:
    """Alone, beside a null, and as a constant vector, each type keeps its value."""
    query = wire.run(f"select {sql} as v union all select null order by 1 nulls last")
    assert query.metadata()[1] == [("v", label, "", "")]
    table = query.read()
    query.clear()
    assert table.schema.field("v").type == arrow
    with decimal.localcontext(prec=50):
        assert [item.as_py() for item in table.column("v")] == [value, None]

        same = wire.select(f"select {sql} as v from range(5)", version=2)
        assert [item.as_py() for item in same.column("v")] == [value] * 5


@pytest.mark.parametrize(("sql", "label", "vector", "arrow", "value"), CASES, ids=lambda _: "")
def test_every_type_has_its_vector(
    wire: Wire, sql: str, label: str, vector: int, arrow: pa.DataType, value: Any
) -> None:
    """The vector's number is the type's, and decimals tell their scale, also without rows and with nulls only."""
    scale = arrow.scale if pa.types.is_decimal(arrow) else None
    for condition, rows in (("true", 1), ("false", 0)):
        chunk = next(wire.run(f"select {sql} as v where {condition}").chunks())
        assert probe_chunk(chunk) == (rows, [(vector, scale)])
    nothing = f"select v from (select {sql} as v union all select null) where v is null"
    assert probe_chunk(next(wire.run(nothing).chunks())) == (1, [(vector, scale)])


@pytest.mark.skipif(
    int(duckdb.__version__.split(".")[0]) < 2, reason="DuckDB 1 calls a bare NULL an INTEGER"
)
def test_null_has_a_type_of_its_own(wire: Wire) -> None:
    """A bare NULL is a NULL vector."""
    query = wire.run("select null as n from range(3)")

    assert query.metadata()[1] == [("n", "NULL", "", "")]
    assert query.read().column("n").to_pylist() == [None] * 3


def test_a_nan_is_a_nan(wire: Wire) -> None:
    """NaN passes; so does minus zero."""
    row = wire.select("select 'nan'::double as a, '-0'::double as b").to_pylist()[0]

    assert str(row["a"]) == "nan"
    assert str(row["b"]) == "-0.0"


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("date 'infinity'", "column 'v' has a DATE that is infinite"),
        ("timestamp '-infinity'", "column 'v' has a DATETIME that is infinite"),
        ("timestamptz 'infinity'", "column 'v' has a TIMESTAMP_TZ that is infinite"),
        ("interval '1 month'", "interval with months"),
        ("interval '-1 year'", "interval with months"),
        (f"{2**127 - 1}::hugeint", "Could not cast"),
    ],
)
def test_what_the_engine_cannot_say_is_an_error(wire: Wire, sql: str, words: str) -> None:
    """A value without a place in the engine's types fails in words; it is never changed."""
    query = wire.run(f"select {sql} as v from range(2)")

    code, text = refused(query.start("getNextResultBatch"))
    assert code == "INTERNAL"
    assert words.lower() in text.lower()
    query.clear()


def test_conversion_keeps_names_order_and_doubles(wire: Wire) -> None:
    """A query whose values need conversion keeps double names and its order."""
    query = wire.run(
        "select u as a, u as a, n from (select range as n, [range] as u from range(9)) order by n desc"
    )
    _, columns = query.metadata()

    assert [column[0] for column in columns] == ["a", "a", "n"]
    assert query.read().column(2).to_pylist() == list(range(8, -1, -1))


def test_constants_can_be_switched_off(make_wire) -> None:
    """With constants off no vector is a constant one: its bytes grow with the rows."""
    plain = make_wire(constants=False).run("select 'x' as s from range(1000)")
    constant = make_wire(constants=True).run("select 'x' as s from range(1000)")

    assert len(next(plain.chunks())) > 5000 > 200 > len(next(constant.chunks()))


def test_listings_say_types_in_the_engine_s_words(make_wire) -> None:
    """Column listings use lower-case names with parameters."""
    wire = make_wire()
    wire.run(
        "create table scratch.main.t (a boolean, b tinyint, c smallint, d int, e bigint, f utinyint, g ubigint,"
        " h decimal(7,2), i float, j double, k varchar, l blob, m date, n timestamp, o timestamptz, p interval,"
        " q int[], r struct(x int, y varchar[]), s map(varchar, decimal(9,1)), t uuid, u json, v time)"
    ).clear()
    answer = wire.ask("getColumnsV2", catalog="scratch", schema="main", table="t")

    assert [field.fieldType for field in answer.fieldInfo] == [
        *("boolean", "tinyint", "smallint", "int", "bigint", "int", "decimal(20,0)"),
        *("decimal(7,2)", "float", "double", "varchar", "binary", "date", "timestamp"),
        *("timestamp_tz", "interval_day_second", "array<int>"),
        *("struct<x:int,y:array<varchar>>", "map<varchar,decimal(9,1)>"),
        *("varchar", "varchar", "varchar"),
    ]
