"""Frames and tables of other libraries as parameters and as rows to write: what each hands over that surprises."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from e6data_adbc import dbapi

pytestmark = pytest.mark.seconds

WIDEST = 10**38 - 1


def _duck(sql: str) -> Callable[[], Any]:
    return lambda: duckdb.sql(sql).to_arrow_table()


#: What a producer hands over (a column `v`), and the values that arrive.
PRODUCERS: dict[str, tuple[Callable[[], Any], list[Any]]] = {
    "polars_categorical": (
        lambda: pl.DataFrame({"v": pl.Series(["b", None, "a"], dtype=pl.Categorical)}),
        ["b", None, "a"],
    ),
    "polars_enum": (
        lambda: pl.DataFrame({"v": pl.Series(["b", None, "a"], dtype=pl.Enum(["a", "b"]))}),
        ["b", None, "a"],
    ),
    "polars_int128": (
        lambda: pl.DataFrame({"v": pl.Series([WIDEST, -WIDEST, None], dtype=pl.Int128)}),
        [Decimal(WIDEST), Decimal(-WIDEST), None],
    ),
    "pandas_text": (
        lambda: pd.DataFrame({"v": pd.Series(["a", None, ""], dtype="str")}),
        ["a", None, ""],
    ),
    "pandas_na": (
        lambda: pd.DataFrame({"v": pd.array([1, pd.NA, 2**62 + 1], dtype="Int64")}),
        [1, None, 2**62 + 1],
    ),
    "pandas_objects_of_na": (
        lambda: pd.DataFrame({"v": pd.Series([pd.NA, None, "a"], dtype=object)}),
        [None, None, "a"],
    ),
    "pandas_whole_numbers_with_null": (lambda: pd.DataFrame({"v": [1, None, 3]}), [1.0, None, 3.0]),
    "pandas_category": (
        lambda: pd.DataFrame({"v": pd.Categorical(["b", None, "a"])}),
        ["b", None, "a"],
    ),
    "duckdb_hugeint": (
        _duck("select unnest([10000000000000000000000000000000000000, -5, null]::hugeint[]) as v"),
        [Decimal(10**37), Decimal(-5), None],
    ),
    "duckdb_uhugeint": (
        _duck("select unnest([7, null]::uhugeint[]) as v"),
        [Decimal(7), None],
    ),
    "dictionary_of_a_null": (
        lambda: pa.table(
            {
                "v": pa.DictionaryArray.from_arrays(
                    pa.array([1, 0, None], pa.int8()), pa.array(["a", None])
                )
            }
        ),
        [None, "a", None],
    ),
}
#: What a producer hands over that no value of the engine stands for, and words of the refusal.
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "polars_int128_beyond": (
        lambda: pl.DataFrame({"v": pl.Series([10**38], dtype=pl.Int128)}),
        "38",
    ),
    "duckdb_uhugeint_beyond": (
        _duck("select 170141183460469231731687303715884105728::uhugeint as v"),
        "38",
    ),
    "duckdb_largest_hugeint": (
        _duck("select 170141183460469231731687303715884105727::hugeint as v"),
        "38",
    ),
    "polars_time": (lambda: pl.DataFrame({"v": [datetime.time(23, 59), None]}), "time64"),
    "null_where_none_may_be": (
        lambda: pa.RecordBatchReader.from_batches(
            pa.schema([pa.field("v", pa.int64(), nullable=False)]),
            [
                pa.RecordBatch.from_arrays(
                    [pa.array([1, None], pa.int64())],
                    schema=pa.schema([pa.field("v", pa.int64(), nullable=False)]),
                )
            ],
        ),
        "null",
    ),
}


@pytest.mark.parametrize("name", PRODUCERS)
def test_values_arrive(scratch_cursor: Any, name: str) -> None:
    """Values and NULLs are the producer's, bound and written alike."""
    make, expected = PRODUCERS[name]
    scratch_cursor.execute("select ?", make())
    bound = [value for (value,) in scratch_cursor.fetchall()]
    scratch_cursor.adbc_ingest("t", make(), mode="create")
    scratch_cursor.execute("select v from t")
    written = [value for (value,) in scratch_cursor.fetchall()]

    assert bound == expected
    assert sorted(map(repr, written)) == sorted(map(repr, expected))


@pytest.mark.parametrize("name", REFUSED)
def test_what_no_value_stands_for_is_refused(scratch_cursor: Any, name: str) -> None:
    """The type that the producer tells is not taken on trust: its values are looked at before anything is sent."""
    make, says = REFUSED[name]
    with pytest.raises(dbapi.Error, match=says):
        scratch_cursor.execute("select ?", make())
    with pytest.raises(dbapi.Error, match=says):
        scratch_cursor.adbc_ingest("t", make(), mode="create")


def test_an_offset_is_a_zone(scratch_cursor: Any) -> None:
    """A zone written as `+05:30` is read as that offset, and the instant stays the same."""
    moment = datetime.datetime(
        2026, 1, 1, 12, tzinfo=datetime.timezone(datetime.timedelta(hours=5.5))
    )
    column = pa.array([moment, None], pa.timestamp("us", "+05:30"))
    scratch_cursor.adbc_ingest("t", pa.table({"v": column}), mode="create")
    scratch_cursor.execute("select v from t where v = ?", [moment])

    assert scratch_cursor.fetchall() == [(moment,)]


def test_two_columns_of_one_name(scratch_cursor: Any) -> None:
    """They are bound by position, and are no table."""
    both = pa.table([pa.array([1]), pa.array([2])], names=["v", "v"])
    scratch_cursor.execute("select ?, ?", both)
    assert scratch_cursor.fetchall() == [(1, 2)]
    with pytest.raises(dbapi.Error, match="'v'"):
        scratch_cursor.adbc_ingest("t", both, mode="create")
