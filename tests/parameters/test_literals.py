"""Literals: one value under every quoting rule, the same value on DuckDB, or a refusal."""

from __future__ import annotations

import datetime
import decimal
import math
import re
import uuid
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from e6data_adbc._sql.literals import operand, to_literal
from e6data_adbc.errors import NotSupportedError, ProgrammingError, Status
from e6data_adbc.local.sql import dialect

pytestmark = pytest.mark.seconds

UTC = datetime.timezone.utc


@pytest.fixture(scope="module")
def duck() -> Any:
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'; CREATE TYPE TIMESTAMP_TZ AS TIMESTAMPTZ")
    yield connection
    connection.close()


def round_trip(duck: Any, scalar: pa.Scalar[Any]) -> pa.Scalar[Any]:
    text = dialect.to_duckdb(to_literal(scalar))  # DuckDB 1 has no X'…'
    return duck.sql(f"SELECT {text}").to_arrow_table().column(0)[0]


# Two lexers, written for these tests alone.


def standard_string(text: str) -> str:
    """The value of one string token under which only '' is special; fails on anything else."""
    assert re.fullmatch(r"'(?:[^']|'')*'", text, re.DOTALL)
    return text[1:-1].replace("''", "'")


def escaping_string(text: str) -> str:
    """The value of one string token under which a backslash escapes, and '' is a quote as well."""
    assert re.fullmatch(r"'(?:[^'\\]|''|\\.)*'", text, re.DOTALL)
    named = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "0": "\0", "Z": "\x1a"}
    return re.sub(
        r"''|\\(.)",
        lambda match: "'" if match[0] == "''" else named.get(match[1], match[1]),
        text[1:-1],
        flags=re.DOTALL,
    )


def text_value(literal: str, lexer: Any) -> str:
    """The value of a text literal, which is a string token or `(part || part)` of them and CHR(92)."""
    if literal.startswith("'"):
        return lexer(literal)
    parts = re.findall(r"CHR\(92\)|'(?:[^']|'')*'", literal)
    assert literal in (" || ".join(parts), f"({' || '.join(parts)})")
    return "".join("\\" if part == "CHR(92)" else lexer(part) for part in parts)


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"))
nasty_texts = st.text(alphabet="'\\\"`-*/;?:$\n\r\tnx0 é\u2028😀")


@given(st.one_of(texts, nasty_texts))
@example("\\' OR 1=1 --")
@example("'' \\")
def test_text_has_one_reading(value: str) -> None:
    """A text literal has the value it was made from under both quoting rules."""
    literal = to_literal(pa.scalar(value))

    assert text_value(literal, standard_string) == value
    assert text_value(literal, escaping_string) == value
    if "\\" not in value:
        assert literal[0] == "'"
        assert literal[-1] == "'"


@given(st.one_of(texts, nasty_texts))
def test_text_round_trip(duck: Any, value: str) -> None:
    """DuckDB reads back the same text."""
    assert round_trip(duck, pa.scalar(value)).as_py() == value


@given(st.integers(-(2**63), 2**64 - 1))
@example(-(2**63))
@example(2**63)
def test_integers(duck: Any, value: int) -> None:
    """Integers of 64 bits, signed or not, come back equal; negatives stand in parentheses."""
    kind = pa.uint64() if value >= 2**63 else pa.int64()
    literal = to_literal(pa.scalar(value, kind))

    assert int(duck.execute(f"SELECT {literal}").fetchall()[0][0]) == value
    assert int(duck.execute(f"SELECT 0-{literal}::HUGEINT").fetchall()[0][0]) == -value
    assert value >= 0 or literal.startswith("(-")


@given(st.floats())
@example(math.nan)
@example(math.inf)
@example(-math.inf)
@example(-0.0)
@example(5e-324)
@example(0.1)
@example(1e22)
def test_doubles(duck: Any, value: float) -> None:
    """Doubles come back bit for bit, signed zero included; what is no number comes back as NaN."""
    back = round_trip(duck, pa.scalar(value, pa.float64()))

    assert back.type == pa.float64()
    if math.isnan(value):
        assert math.isnan(back.as_py())
        return
    assert back.as_py() == value
    assert math.copysign(1, back.as_py()) == math.copysign(1, value)


@given(st.floats(allow_nan=False, width=32))
@example(math.inf)
def test_floats(duck: Any, value: float) -> None:
    """Single floats come back bit for bit, without rounding twice."""
    back = round_trip(duck, pa.scalar(value, pa.float32()))

    assert back.type == pa.float32()
    assert back.as_py() == value


@st.composite
def decimals(draw: st.DrawFn) -> pa.Scalar[Any]:
    precision = draw(st.integers(1, 38))
    scale = draw(st.integers(0, precision))
    digits = draw(st.integers(-(10**precision) + 1, 10**precision - 1))
    with decimal.localcontext(prec=100):
        value = decimal.Decimal(digits).scaleb(-scale)
    kinds = [pa.decimal128, pa.decimal256]
    kinds += [pa.decimal64] if precision <= 18 else []
    kinds += [pa.decimal32] if precision <= 9 else []
    kind = draw(st.sampled_from(kinds))
    return pa.scalar(value, kind(precision, scale))


@given(decimals())
def test_decimals(duck: Any, scalar: pa.Scalar[Any]) -> None:
    """Decimals come back digit for digit, with their precision and scale."""
    back = round_trip(duck, scalar)

    assert back.type == pa.decimal128(scalar.type.precision, scalar.type.scale)
    assert back.as_py() == scalar.as_py()


@given(st.binary())
def test_binary(duck: Any, value: bytes) -> None:
    """Bytes come back equal, whatever they are."""
    assert round_trip(duck, pa.scalar(value)).as_py() == value


@given(st.dates())
def test_dates(duck: Any, value: datetime.date) -> None:
    """Dates of the years 0001 to 9999 come back equal, from either Arrow type."""
    assert round_trip(duck, pa.scalar(value, pa.date32())).as_py() == value
    assert round_trip(duck, pa.scalar(value, pa.date64())).as_py() == value


@given(st.datetimes(), st.sampled_from(["us", "ms", "s"]))
def test_timestamps(duck: Any, value: datetime.datetime, unit: str) -> None:
    """Timestamps come back to the microsecond."""
    step = {"us": 1, "ms": 1000, "s": 1_000_000}[unit]
    value = value.replace(microsecond=value.microsecond - value.microsecond % step)

    back = round_trip(duck, pa.scalar(value, pa.timestamp(unit)))

    assert back.type == pa.timestamp("us")
    assert back.as_py() == value


@given(st.datetimes(datetime.datetime(2, 1, 1), datetime.datetime(9998, 1, 1)))
def test_instants(duck: Any, value: datetime.datetime) -> None:
    """An instant is the same whatever zone its type names."""
    instant = value.replace(tzinfo=UTC)
    for zone in ("UTC", "+05:30", "America/New_York"):
        back = round_trip(duck, pa.scalar(instant, pa.timestamp("us", zone)))
        assert back.as_py().astimezone(UTC) == instant


@given(st.timedeltas(datetime.timedelta(days=-(10**8)), datetime.timedelta(days=10**8)))
@example(datetime.timedelta(microseconds=-1))
@example(datetime.timedelta(0))
def test_durations(duck: Any, value: datetime.timedelta) -> None:
    """A duration is a sum of intervals of days, seconds and microseconds."""
    back = round_trip(duck, pa.scalar(value, pa.duration("us"))).as_py()

    assert back.months == 0
    microseconds = back.days * 86_400_000_000 + back.nanoseconds // 1000
    assert datetime.timedelta(microseconds=microseconds) == value


@given(st.integers(-1200, 1200), st.integers(-30000, 30000), st.integers(-(2**50), 2**50))
def test_intervals(duck: Any, months: int, days: int, microseconds: int) -> None:
    """An interval keeps its months, days and microseconds apart."""
    value = (months, days, microseconds * 1000)
    back = round_trip(duck, pa.scalar(value, pa.month_day_nano_interval()))

    assert tuple(back.as_py()) == value


#: A type, two of its values and a null: the literals of a column have one type.
COLUMNS = [
    pa.array([5, 3_000_000_000, -(2**63), None]),
    pa.array([5, 2**32 - 1, None], pa.uint32()),
    pa.array([5, 2**64 - 1, None], pa.uint64()),
    pa.array([5, -(2**31), None], pa.int32()),
    pa.array([5, None], pa.int8()),
    pa.array([0.5, math.nan, -0.0, None]),
    pa.array([0.5, -math.inf, None], pa.float32()),
    pa.array([decimal.Decimal("1.50"), decimal.Decimal("-999.99"), None]),
    pa.array(["a", "b\\c", "\\", "", None]),
    pa.array([b"", b"a", None]),
    pa.array([True, None]),
    pa.array([datetime.date(1, 1, 1), None]),
    pa.array([datetime.datetime(9999, 12, 31, 23), None]),
    pa.array([0, None], pa.timestamp("s", "+05:30")),
    pa.array([datetime.timedelta(0), datetime.timedelta(days=-1, seconds=5), None]),
    pa.array([(1, 2, 3000), None], pa.month_day_nano_interval()),
    pa.array([[5], [3_000_000_000, None], None]),
    pa.array([[["a"]], [[None]], [None], None]),
    pa.array([[datetime.timedelta(1)], [None], None]),
]


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: str(column.type))
def test_an_operand_has_the_type_of_its_column(duck: Any, column: pa.Array[Any]) -> None:
    """Whatever the value, also where it is null: the engine says one type for all."""
    types = {
        duck.execute(f"SELECT typeof({dialect.to_duckdb(operand(scalar))})").fetchall()[0][0]
        for scalar in column
    }

    assert len(types) == 1


@pytest.mark.parametrize("value", [5, 3_000_000_000, -1, 2**63 - 1, -(2**63)])
def test_bigint_operands(duck: Any, value: int) -> None:
    """Whole numbers of 64 bits come back equal, as BIGINT."""
    assert round_trip_of(duck, operand(pa.scalar(value))) == pa.scalar(value, pa.int64())


def round_trip_of(duck: Any, text: str) -> pa.Scalar[Any]:
    return duck.sql(f"SELECT {text}").to_arrow_table().column(0)[0]


UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")


def test_extension_types(duck: Any) -> None:
    """A UUID is its text, a byte of truth a truth value; what is stored behind other types may tell nothing."""
    identities = pa.array([UUID.bytes, None], pa.uuid())
    truths = pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, 0, 7, None], pa.int8()))
    periods = pd.Series(pd.period_range("2024-01", periods=1, freq="M"))

    assert [to_literal(scalar) for scalar in identities] == [f"'{UUID}'", "CAST(NULL AS VARCHAR)"]
    assert operand(pa.ListArray.from_arrays([0, 1], identities)[0]) == f"ARRAY['{UUID}']"
    assert [to_literal(scalar) for scalar in truths] == [
        "TRUE",
        "FALSE",
        "TRUE",
        "CAST(NULL AS BOOLEAN)",
    ]
    with pytest.raises(NotSupportedError, match="period"):
        to_literal(pa.Array.from_pandas(periods)[0])


def test_arrays(duck: Any) -> None:
    """Lists, also nested, are arrays."""
    value = [["a", None], ["b\\", "c'"]]

    assert round_trip(duck, pa.scalar(value)).as_py() == value


ALIKE = [
    pa.scalar("a'b", pa.large_string()),
    pa.scalar("a'b", pa.string_view()),
    pa.scalar("a'b").cast(pa.dictionary(pa.int32(), pa.string())),
    pa.RunEndEncodedArray.from_arrays([1], pa.array(["a'b"]))[0],
]


@pytest.mark.parametrize("scalar", ALIKE, ids=lambda scalar: str(scalar.type))
def test_layouts_do_not_matter(scalar: pa.Scalar[Any]) -> None:
    """Large, view and dictionary layouts give the literal of the plain type."""
    assert to_literal(scalar) == "'a''b'"


def test_binary_layouts_do_not_matter() -> None:
    """All layouts of bytes give the same literal."""
    for kind in (pa.binary(), pa.large_binary(), pa.binary_view(), pa.binary(2)):
        assert to_literal(pa.scalar(b"\x00\xff", kind)) == "X'00FF'"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (pa.null(), "NULL"),
        (pa.int8(), "CAST(NULL AS INT)"),
        (pa.uint16(), "CAST(NULL AS INT)"),
        (pa.int32(), "CAST(NULL AS INT)"),
        (pa.uint32(), "CAST(NULL AS BIGINT)"),
        (pa.int64(), "CAST(NULL AS BIGINT)"),
        (pa.uint64(), "CAST(NULL AS DECIMAL(20, 0))"),
        (pa.float16(), "CAST(NULL AS FLOAT)"),
        (pa.float32(), "CAST(NULL AS FLOAT)"),
        (pa.float64(), "CAST(NULL AS DOUBLE)"),
        (pa.bool_(), "CAST(NULL AS BOOLEAN)"),
        (pa.string(), "CAST(NULL AS VARCHAR)"),
        (pa.dictionary(pa.int8(), pa.string()), "CAST(NULL AS VARCHAR)"),
        (pa.decimal32(5, 2), "CAST(NULL AS DECIMAL(5, 2))"),
        (pa.binary(4), "CAST(NULL AS VARBINARY)"),
        (pa.decimal128(10, 2), "CAST(NULL AS DECIMAL(10, 2))"),
        (pa.decimal256(76, 40), "CAST(NULL AS DECIMAL(38, 38))"),
        (pa.date32(), "CAST(NULL AS DATE)"),
        (pa.timestamp("ns"), "CAST(NULL AS TIMESTAMP)"),
        (pa.timestamp("us", "UTC"), "CAST(NULL AS TIMESTAMP_TZ)"),
        (pa.duration("us"), "NULL"),
        (pa.month_day_nano_interval(), "NULL"),
        (pa.list_(pa.int64()), "NULL"),
    ],
    ids=str,
)
def test_nulls_are_typed(duck: Any, kind: pa.DataType, expected: str) -> None:
    """A null keeps its type where the dialect has a cast for it."""
    assert to_literal(pa.scalar(None, kind)) == expected
    assert duck.execute(f"SELECT {expected}").fetchall() == [(None,)]


@pytest.mark.parametrize(
    ("scalar", "expected"),
    [
        (pa.scalar(True), "TRUE"),
        (pa.scalar(False), "FALSE"),
        (pa.scalar(1.5), "CAST(1.5E0 AS DOUBLE)"),
        (pa.scalar(1e300), "CAST(1E+300 AS DOUBLE)"),
        (pa.scalar(decimal.Decimal("-0.05")), "CAST('-0.05' AS DECIMAL(2, 2))"),
        (pa.scalar(decimal.Decimal(1200), pa.decimal128(2, -2)), "CAST('1200' AS DECIMAL(4, 0))"),
        (
            pa.scalar(decimal.Decimal("1.5"), pa.decimal256(76, 50)),
            "CAST('1.5000000000000000000000000000000000000' AS DECIMAL(38, 37))",
        ),
        (pa.scalar(datetime.date(1, 2, 3)), "CAST('0001-02-03' AS DATE)"),
        (pa.scalar(1_000, pa.timestamp("ns")), "CAST('1970-01-01 00:00:00.000001' AS TIMESTAMP)"),
        (
            pa.scalar(0, pa.timestamp("s", "Asia/Kolkata")),
            "CAST('1970-01-01 00:00:00+00:00' AS TIMESTAMP_TZ)",
        ),
        (pa.scalar(-1, pa.duration("ms")), "(INTERVAL '-1000 MICROSECOND')"),
        (pa.scalar("\\"), "CHR(92)"),
        (pa.scalar("a\\'"), "('a' || CHR(92) || '''')"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_forms(scalar: pa.Scalar[Any], expected: str) -> None:
    """The text of each form."""
    assert to_literal(scalar).startswith(expected)


@pytest.mark.parametrize(
    "scalar",
    [
        pa.scalar("a\0b"),
        pa.scalar(1, pa.timestamp("ns")),
        pa.scalar(1, pa.duration("ns")),
        pa.scalar((1, 2, 3), pa.month_day_nano_interval()),
        pa.scalar(1, pa.int64())
        .cast(pa.timestamp("ms"))
        .cast(pa.int64())
        .cast(pa.date64(), safe=False),
        pa.scalar(2**62, pa.timestamp("us")),
        pa.scalar(-(2**30), pa.date32()),
        pa.scalar(decimal.Decimal(10**40), pa.decimal256(50, 0)),
        pa.scalar([], pa.list_(pa.int64())),
        pa.Array.from_buffers(
            pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xed\xa0")]
        )[0],
    ],
    ids=lambda scalar: str(scalar.type),
)
def test_values_without_exact_literal(scalar: pa.Scalar[Any]) -> None:
    """A value that no literal gives exactly is an INVALID_ARGUMENT that names the type."""
    with pytest.raises(ProgrammingError) as caught:
        to_literal(scalar)

    assert caught.value.status_code == Status.INVALID_ARGUMENT
    assert repr(str(scalar.type)) in str(caught.value)


@pytest.mark.parametrize(
    "scalar",
    [
        pa.scalar(datetime.time(1, 2, 3)),
        pa.scalar({"a": 1}),
        pa.scalar([("a", 1)], pa.map_(pa.string(), pa.int64())),
        pa.scalar(None, pa.struct({"a": pa.int64()})),
        pa.scalar(None, pa.time32("s")),
    ],
    ids=lambda scalar: str(scalar.type),
)
def test_types_without_literal(scalar: pa.Scalar[Any]) -> None:
    """A type without a literal is NOT_IMPLEMENTED, also for its null."""
    with pytest.raises(NotSupportedError) as caught:
        to_literal(scalar)

    assert caught.value.status_code == Status.NOT_IMPLEMENTED
