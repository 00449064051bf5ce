"""Arrow data as others make it: encodings at any depth, and dates and times of every unit."""

from __future__ import annotations

import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from e6data_adbc import errors
from e6data_adbc.etl import load
from e6data_adbc.etl.encodings import decoded

pytestmark = pytest.mark.seconds

_UUID = uuid.UUID("373b6057-de8f-4184-b6ed-a7f4076d060c")
_VIEWS: Any = pa.DictionaryArray.from_arrays(
    pa.array([0, None, 1]), pa.array(["x", "y"], pa.string_view())
)
_ENCODED: dict[str, Any] = {
    "dictionary": pa.array(["x", None, "x"]).dictionary_encode(),
    "dictionary of views": _VIEWS,
    "runs": pc.call_function("run_end_encode", [pa.array([1, 1, None, 2])]),
    "runs of views": pa.RunEndEncodedArray.from_arrays(
        [2, 3, 4], pa.array(["a", None, "b"], pa.string_view())
    ),
    "runs of a dictionary": pa.RunEndEncodedArray.from_arrays(
        [2, 3], pa.array(["a", None]).dictionary_encode()
    ),
    "view of a list": pa.array([[1, None], None, [], [3]], pa.list_view(pa.int32())),
    "large view of a list": pa.array([[1], None, [3]], pa.large_list_view(pa.int32())),
    "list of a dictionary": pa.ListArray.from_arrays(pa.array([0, 2, None, 3]), _VIEWS),
    "struct": pa.StructArray.from_arrays(
        [_VIEWS, pa.array([1, 2, 3])], ["a", "b"], mask=pa.array([False, True, False])
    ),
    "map": pa.MapArray.from_arrays(pa.array([0, 2, None, 3]), pa.array(["k", "l", "k"]), _VIEWS),
    "list of UUIDs": pa.ListArray.from_arrays(
        pa.array([0, 2]), pa.array([_UUID.bytes, None], pa.uuid())
    ),
    "plain": pa.array([[1], None]),
}


@pytest.mark.parametrize("name", _ENCODED)
def test_the_values_are_those_that_were_encoded(name: str) -> None:
    """Wherever an array is cut."""
    array = _ENCODED[name]
    for piece in (array, array.slice(1), array.slice(1, 1), array.slice(0, 0)):
        found = decoded(piece)

        found.validate(full=True)
        assert str(found.to_pylist()) == str(piece.to_pylist()).replace(
            f"UUID('{_UUID}')", f"'{_UUID}'"
        )


def _read(to: str, folder: Path) -> list[Any]:
    import duckdb
    import pyarrow.dataset as ds

    if to.startswith("sqlite"):
        import sqlite3

        with sqlite3.connect(folder / "x.db") as file:
            return [value for (value,) in file.execute("SELECT * FROM t")]
    if to.startswith("duckdb"):
        with duckdb.connect(str(folder / "x.duckdb")) as base:
            return [value for (value,) in base.execute("FROM t").fetchall()]
    if to.startswith("delta"):
        import deltalake

        return deltalake.DeltaTable(str(folder / "x")).to_pyarrow_table().column(0).to_pylist()
    return ds.dataset(folder / "x").to_table().column(0).to_pylist()


_PLACES = [
    "sqlite://{}/x.db#t",
    "duckdb://{}/x.duckdb#t",
    "parquet+file://{}/x",
    "delta+file://{}/x",
]


@pytest.mark.parametrize("to", _PLACES)
@pytest.mark.parametrize(
    "name", ["dictionary of views", "runs", "runs of views", "view of a list", "list of UUIDs"]
)
def test_encodings_arrive_as_what_they_stand_for(to: str, name: str, tmp_path: Path) -> None:
    """Or are refused as what they stand for."""
    array = _ENCODED[name]
    if to.startswith("sqlite") and pa.types.is_nested(decoded(array).type):
        with pytest.raises(errors.NotSupportedError, match="nothing that it could be"):
            load(pa.table({"c": array}), to.format(tmp_path))
        return

    load(pa.table({"c": array}), to.format(tmp_path))

    assert _read(to, tmp_path) == decoded(array).to_pylist()


@pytest.mark.parametrize("to", _PLACES)
def test_a_uuid_is_its_text(to: str, tmp_path: Path) -> None:
    """As engines show it, and not its bytes taken for text."""
    load(pa.table({"c": pa.array([b"0123456789abcdef", None], pa.uuid())}), to.format(tmp_path))

    assert _read(to, tmp_path) == ["30313233-3435-3637-3839-616263646566", None]


@pytest.mark.parametrize(
    "to", ["sqlite://{}/x.db#t", "delta+file://{}/x", "csv+file://{}/x", "lmdb://{}/x#t"]
)
@pytest.mark.parametrize(
    "kind",
    [pa.timestamp("s"), pa.timestamp("ms"), pa.timestamp("us", "UTC"), pa.date32(), pa.date64()],
    ids=str,
)
def test_years_beyond_9999_in_every_unit(to: str, kind: Any, tmp_path: Path) -> None:
    """Are refused with their row, where the destination has no such years; the years next to them arrive."""
    is_date = pa.types.is_date(kind)
    day = {
        "date32[day]": 1,
        "date64[ms]": 86_400_000,
        "timestamp[s]": 86_400,
        "timestamp[ms]": 86_400_000,
    }.get(str(kind), 86_400_000_000)
    width = pa.int32() if pa.types.is_date32(kind) else pa.int64()
    last = pa.array([2_932_896 * day, -719_162 * day], width).view(kind)
    load(pa.table({"c": last}), to.format(tmp_path))
    if to.startswith("sqlite"):
        assert [text[:10] for text in _read(to, tmp_path)] == ["9999-12-31", "0001-01-01"]

    for beyond in (2_932_897, -719_163):
        rows = pa.table({"c": pa.array([0, beyond * day], width).view(kind)})
        with pytest.raises(
            errors.DataError, match=f"row 1: the destination has no {'date' if is_date else 'time'}"
        ):
            load(rows, to.format(tmp_path))


def test_the_last_times_of_duckdb(tmp_path: Path) -> None:
    """DuckDB's own limits hold for seconds, too."""
    first = -9_223_372_022_400
    to = f"duckdb://{tmp_path}/x.duckdb#t"
    load(pa.table({"c": pa.array([first], pa.timestamp("s"))}), to)

    with pytest.raises(errors.DataError, match="row 0: the destination has no time"):
        load(pa.table({"c": pa.array([first - 1], pa.timestamp("s"))}), to)


@pytest.mark.parametrize("to", ["sqlite://{}/x.db#t", "duckdb://{}/x.duckdb#t"])
def test_decimals_have_all_their_digits(to: str, tmp_path: Path) -> None:
    """Also small ones and zero, which Arrow writes with an exponent."""
    given = [Decimal("1E-20"), Decimal("-0.5"), Decimal(0), None]
    load(pa.table({"c": pa.array(given, pa.decimal128(38, 20))}), to.format(tmp_path))

    shown = [None if each is None else f"{Decimal(each):f}" for each in _read(to, tmp_path)]
    assert shown == [
        "0.00000000000000000001",
        "-0.50000000000000000000",
        "0.00000000000000000000",
        None,
    ]
    if to.startswith("sqlite"):
        assert _read(to, tmp_path) == shown


def test_dates_of_a_dictionary_are_looked_at(tmp_path: Path) -> None:
    """An encoding hides no value from the checks."""
    days: Any = pa.array([0, 2**30], pa.int32()).cast(pa.date32()).dictionary_encode()
    assert days.type.value_type == pa.date32()
    with pytest.raises(errors.DataError, match="row 1"):
        load(pa.table({"c": days}), f"delta+file://{tmp_path}/x")
