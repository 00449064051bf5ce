"""Values in files: what a format takes is read back exactly, and what it has not is refused by name."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from e6data_adbc import errors
from e6data_adbc.etl import load
from tests.etl.file_folders import EXACT, rows, same, seen, url

pytestmark = pytest.mark.seconds


#: What files with types of their own keep as well.
EXACT_IN_BINARY: dict[str, Any] = {
    "binary": pa.array([b"", b"\0\xff", None]),
    "duration": pa.array([-90_061_000_001, None], pa.duration("us")),
    "list": pa.array([[1, None], None, []]),
    "struct": pa.array([{"instant": 1, "zone": "Z"}, None]),
    "map": pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int64())),
}


@pytest.mark.parametrize("name", EXACT)
def test_exact(kind: str, folder: Path, name: str) -> None:
    """What a format takes is read back value by value."""
    array = EXACT[name]
    table = pa.table({"n": list(range(len(array))), "c": array})

    load(table, url(kind, folder))

    expected: Any = array
    if pa.types.is_run_end_encoded(array.type):
        expected = pa.array([7, 7, None])
    elif pa.types.is_dictionary(array.type):
        expected = array.cast(pa.string())
    if kind == "csv" and pa.types.is_timestamp(array.type) and array.type.tz:
        expected = expected.cast(pa.timestamp("us", "UTC"))
    as_csv_reads = {pa.float16(): pa.float32(), pa.string_view(): pa.string()}
    in_csv = as_csv_reads.get(expected.type, expected.type)
    found: Any = rows(kind, folder, pa.schema({"n": pa.int64(), "c": in_csv})).column("c")
    assert same(found.to_pylist(), expected.to_pylist())


@pytest.mark.parametrize("name", EXACT_IN_BINARY)
def test_exact_or_refused(kind: str, folder: Path, name: str) -> None:
    """Parquet and IPC keep bytes, durations and nested values; CSV refuses them with column and type."""
    array = EXACT_IN_BINARY[name]

    if kind == "csv":
        with pytest.raises(errors.NotSupportedError, match="column 'c' of type") as caught:
            load(pa.table({"c": array}), url(kind, folder))
        assert str(array.type) in str(caught.value)
        assert not folder.exists()
        return
    load(pa.table({"c": array}), url(kind, folder))
    assert rows(kind, folder).column("c").to_pylist() == array.to_pylist()


def interval() -> Any:
    return pa.array([(1, 2, 3)], pa.month_day_nano_interval())


#: Format, data, and the row in the error; None where the type itself is refused.
REFUSED: list[tuple[str, Any, int | None]] = [
    ("parquet", interval(), None),
    ("csv", interval(), None),
    ("csv", pa.array([0, 2932897, None], pa.int32()).cast(pa.date32()), 1),
    ("csv", pa.array([0, 2**62], pa.timestamp("us")), 1),
    ("csv", pa.array([0, 253_402_300_800], pa.timestamp("s")), 1),
    ("parquet", pa.array([Decimal(1), Decimal(10**40)], pa.decimal256(50, 0)), 1),
]


@pytest.mark.parametrize(("kind", "array", "row"), REFUSED)
def test_refused(kind: str, folder: Path, array: Any, row: int | None) -> None:
    """What a format has not is an error with column, type and row, and nothing is to be seen."""
    with pytest.raises((errors.DataError, errors.NotSupportedError)) as caught:
        load(pa.table({"n": list(range(len(array))), "c": array}), url(kind, folder), job="j")

    assert "'c'" in str(caught.value)
    assert str(array.type) in str(caught.value)
    assert row is None or f"row {row}" in str(caught.value)
    assert not folder.exists() or not seen(folder)


def test_a_null_alone_in_a_line_is_refused(folder: Path) -> None:
    """CSV of one column has an empty line for NULL, which readers take for no row."""
    with pytest.raises(errors.DataError, match="column 'c' of type 'int64': row 1"):
        load(pa.table({"c": [1, None]}), url("csv", folder))
    load(pa.table({"c": ["", "x"]}), url("csv", folder))

    assert (folder / seen(folder)[0]).read_text() == '"c"\n""\n"x"\n'


def test_casts_are_named(folder: Path) -> None:
    """What CSV cannot have becomes text or a number with `cast`, and the report says so."""
    table = pa.table({"b": [b"\x00\xff"], "d": pa.array([-1], pa.duration("us"))})

    report = load(table, url("csv", folder), on_type="cast")

    assert (folder / seen(folder)[0]).read_text() == '"b","d"\n"00ff",-1\n'
    assert [loss.split(":")[0] for loss in report.losses] == ["b", "d"]


def test_another_type_is_refused_and_a_narrower_one_taken(kind: str, folder: Path) -> None:
    """All files of a folder have the columns of the first load."""
    load(pa.table({"a": [1], "b": ["x"]}), url(kind, folder))
    for wrong in ({"a": ["1"]}, {"a": [1.5]}, {"c": [1]}):
        with pytest.raises(errors.ProgrammingError, match=r"column '[ac]' of type"):
            load(pa.table(wrong), url(kind, folder))

    load(pa.table({"a": pa.array([2], pa.int32())}), url(kind, folder))

    found = rows(kind, folder, pa.schema({"a": pa.int64(), "b": pa.string()}))
    assert sorted(zip(*found.to_pydict().values(), strict=True)) == [(1, "x"), (2, None)]
    with pytest.raises(errors.NotSupportedError, match="evolve"):
        load(pa.table({"z": [1]}), url(kind, folder), schema="evolve")
