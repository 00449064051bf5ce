"""Columns as literals: the long way's texts and failures, by the short one."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from checks.decoders import examples
from e6data_adbc._sql.literal_columns import column_literals
from e6data_adbc._sql.literals import to_literal
from e6data_adbc.errors import Error

pytestmark = pytest.mark.seconds

INT64 = st.integers(-(2**63), 2**63 - 1)
TEXT = st.text(alphabet="'\\\"`-*/;?:$\n\r\tnx0 é\u2028😀") | st.text(st.characters(codec="utf-8"))


def decimals(precision: int, scale: int) -> st.SearchStrategy[decimal.Decimal]:
    limit = 10**precision - 1
    exact = decimal.Context(prec=80)
    return st.integers(-limit, limit).map(lambda n: decimal.Decimal(n).scaleb(-scale, exact))


#: Values by the type of their column; `ticks` are of the type's own unit.
COLUMNS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.bool_(), st.booleans()),
    (pa.int8(), st.integers(-128, 127)),
    (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    (pa.int64(), INT64),
    (pa.uint64(), st.integers(0, 2**64 - 1)),
    (pa.float32(), st.floats(width=32)),
    (pa.float64(), st.floats()),
    (pa.string(), TEXT),
    (pa.large_string(), TEXT),
    (pa.string_view(), TEXT),
    (pa.binary(), st.binary()),
    (pa.large_binary(), st.binary()),
    (pa.binary_view(), st.binary()),
    (pa.binary(2), st.binary(min_size=2, max_size=2)),
    (pa.date32(), st.dates()),
    (pa.date64(), st.dates()),
    (pa.decimal128(12, 2), decimals(12, 2)),
    (pa.decimal128(38, 38), decimals(38, 38)),
    (pa.decimal128(38, 10), decimals(38, 10)),
    (pa.decimal128(5, 0), decimals(5, 0)),
    (pa.decimal128(5, -2), decimals(5, -2)),
    (pa.decimal256(40, 2), decimals(40, 2)),
    (pa.list_(pa.int64()), st.lists(INT64, max_size=3)),
    (pa.null(), st.none()),
    (pa.uuid(), st.uuids().map(lambda value: value.bytes)),
    (pa.bool8(), st.booleans()),
]
TICKS = [
    pa.timestamp("s"),
    pa.timestamp("ms", "Asia/Kolkata"),
    pa.timestamp("us"),
    pa.timestamp("us", "UTC"),
    pa.timestamp("ns"),
    pa.duration("us"),
    pa.date32(),
]


def outcome(action: Any) -> Any:
    """What *action* returns, or its failure as text."""
    try:
        return action()
    except Error as error:
        return error.status_code, str(error)


def assert_equal(column: pa.Array[Any]) -> None:
    """Both ways give the same texts, or the same failure at the same value."""

    def where(index: int) -> str:
        return f"value {index}"

    long = outcome(lambda: [to_literal(v, where(i)) for i, v in enumerate(column)])
    assert outcome(lambda: column_literals(column, where)) == long


@pytest.mark.parametrize("kind", [kind for kind, _ in COLUMNS], ids=str)
@examples(40)
@given(data=st.data())
def test_the_short_way_is_the_long_one(kind: pa.DataType, data: st.DataObject) -> None:
    """For each type, nulls, slices and values without a literal included."""
    values = next(strategy for other, strategy in COLUMNS if other == kind)
    rows = data.draw(st.lists(st.none() | values, max_size=6))

    if isinstance(kind, pa.BaseExtensionType):
        rows = pa.array(rows).cast(kind.storage_type).to_pylist()
    assert_equal(pa.array(rows, kind))
    assert_equal(pa.array([None, *rows, None], kind)[1:-1])


@pytest.mark.parametrize("kind", TICKS, ids=str)
@examples(40)
@given(ticks=st.lists(st.none() | st.integers(-(2**40), 2**40) | INT64, max_size=6))
@example(ticks=[-62135596800, None, 253402300799])
@example(ticks=[-62135596801])
def test_moments(kind: pa.DataType, ticks: list[int | None]) -> None:
    """Moments of every unit, before the year 1 and after 9999 too."""
    if pa.types.is_date32(kind):
        ticks = [None if tick is None else tick % 2**32 - 2**31 for tick in ticks]
    width = pa.int32() if pa.types.is_date32(kind) else pa.int64()

    assert_equal(pa.array(ticks, width).view(kind))


@examples(40)
@given(st.lists(st.none() | TEXT, max_size=6))
def test_dictionaries(values: list[str | None]) -> None:
    """A dictionary is its values."""
    assert_equal(pa.array(values, pa.string()).dictionary_encode())


@pytest.mark.parametrize("kind", [pa.string(), pa.string_view(), pa.large_string()], ids=str)
def test_dictionaries_of_any_layout(kind: pa.DataType) -> None:
    """Of views too, which Arrow cannot decode; nulls may be among the rows and among the values."""
    column = pa.DictionaryArray.from_arrays(
        pa.array([1, None, 0, 2, 1], pa.uint8()), pa.array(["a", "b'", None, "\0"], kind)
    )

    assert_equal(column)
    assert column_literals(column, str) == [
        "'b'''",
        "CAST(NULL AS VARCHAR)",
        "'a'",
        "CAST(NULL AS VARCHAR)",
        "'b'''",
    ]


def test_a_dictionary_of_a_bad_value() -> None:
    """A value without a literal is named where it first stands."""
    column = pa.DictionaryArray.from_arrays(pa.array([0, 1, 1]), pa.array(["a", "\0"]))

    with pytest.raises(Error, match="value 1 of"):
        column_literals(column, lambda index: f"value {index}")


def test_a_decimal_beyond_its_type() -> None:
    """Arrow does not hold a decimal to its precision; its literal has all its digits."""
    wide = pa.array([decimal.Decimal("123456.78"), None], pa.decimal128(8, 2))
    narrow = pa.Array.from_buffers(pa.decimal128(3, 2), 2, wide.buffers())

    assert_equal(narrow)
    assert column_literals(narrow, str)[0] == "CAST('123456.78' AS DECIMAL(8, 2))"


def test_a_bad_value_is_named() -> None:
    """The failure is that of the first value without a literal."""
    column = pa.array(["a", "\0", "\0"])

    with pytest.raises(Error, match=r"could not write value 1 of Arrow type 'string'"):
        column_literals(column, lambda index: f"value {index}")


def test_days_and_moments_as_sql_has_them() -> None:
    """One text of each, as it goes out."""
    day, moment = datetime.date(2024, 2, 29), datetime.datetime(2024, 2, 29, 1, 2, 3, 4)

    assert column_literals(pa.array([day]), str) == ["CAST('2024-02-29' AS DATE)"]
    assert column_literals(pa.array([moment], pa.timestamp("us", "UTC")), str) == [
        "CAST('2024-02-29 01:02:03.000004+00:00' AS TIMESTAMP_TZ)"
    ]
