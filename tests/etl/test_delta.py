"""Delta tables: rows and the version of their watermark are one commit of the log, and nothing is narrowed."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pytest

from e6data_adbc import errors
from e6data_adbc.etl import dry_run, forget, load, status
from tests.etl.delta_folders import ids, left_over, made, rows, sink_of, url
from tests.etl.file_folders import DAY, EXACT, FIRST, same
from tests.etl.numbers_source import Numbers, flow

pytestmark = pytest.mark.seconds


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "table"


#: What a Delta column is called in Arrow, where that is another type than the result's.
STORED: dict[str, Any] = {
    "uint64": pa.decimal128(20, 0),
    "float16": pa.float32(),
    "large_string": pa.string(),
    "string_view": pa.string(),
    "dictionary": pa.string(),
    "timestamp[s]": pa.timestamp("us"),
    "timestamp[us, zone]": pa.timestamp("us", "UTC"),
    "null": pa.string(),
}
NESTED: dict[str, Any] = {
    "binary": pa.array([b"", b"\0\xff", None]),
    "list": pa.array([[1, None], None, []]),
    "struct": pa.array([{"instant": 1, "zone": "Z"}, None]),
    "map": pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int64())),
}
HAS_NOT = {"timestamp[ns]", "time64"}


@pytest.mark.parametrize("name", [*(set(EXACT) - HAS_NOT), *NESTED])
def test_exact(folder: Path, name: str) -> None:
    """What Delta takes is read back value by value, also in a second load."""
    array = {**EXACT, **NESTED}[name]
    for _ in range(2):
        load(pa.table({"c": array}), url(folder))

    expected: Any = array
    if pa.types.is_run_end_encoded(array.type):
        expected = pa.array([7, 7, None])
    elif name in STORED:
        expected = array.cast(STORED[name])
    found: Any = rows(folder).column("c")
    assert same(found.to_pylist(), expected.to_pylist() * 2)


#: Data, and the row in the error; None where the type itself is refused.
REFUSED: dict[str, tuple[Any, int | None]] = {
    "nanoseconds": (pa.array([1000, 1001], pa.timestamp("ns")), 1),
    "year 10000": (pa.array([0, 2932897], pa.int32()).cast(pa.date32()), 1),
    "too late": (pa.array([0, 2**62], pa.timestamp("us")), 1),
    "wide decimal": (pa.array([Decimal(1), Decimal(10**40)], pa.decimal256(50, 0)), 1),
    "time": (pa.array([dt.time(1)]), None),
    "duration": (pa.array([1], pa.duration("us")), None),
    "interval": (pa.array([(1, 2, 3)], pa.month_day_nano_interval()), None),
    "struct of nothing": (pa.array([{}], pa.struct([])), None),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(folder: Path, name: str) -> None:
    """What Delta has not is an error with column, type and row, and there are no rows."""
    array, row = REFUSED[name]

    with pytest.raises((errors.DataError, errors.NotSupportedError)) as caught:
        load(pa.table({"c": array}), url(folder), job="j")

    assert "'c'" in str(caught.value)
    assert str(array.type) in str(caught.value)
    assert row is None or f"row {row}" in str(caught.value)
    assert not folder.exists() or rows(folder).num_rows == 0


def test_casts_are_named(folder: Path) -> None:
    """With `cast` nanoseconds are cut and intervals become numbers, and the report says so."""
    table = pa.table(
        {"t": pa.array([1001], pa.timestamp("ns")), "d": pa.array([-1], pa.duration("us"))}
    )

    report = load(table, url(folder), on_type="cast")

    assert rows(folder).to_pylist() == [{"t": dt.datetime(1970, 1, 1, 0, 0, 0, 1), "d": -1}]
    assert sorted(loss.split(":")[0] for loss in report.losses) == ["d", "t"]


@pytest.mark.parametrize(
    ("there", "given"),
    [
        (pa.array([1]), pa.array([3.7])),
        (pa.array([1]), pa.array(["33"])),
        (pa.array([1], pa.int32()), pa.array([2])),
        (pa.array([1.5], pa.float32()), pa.array([1.5])),
        (pa.array(["x"]), pa.array([1])),
        (pa.array([DAY]), pa.array([FIRST])),
        (
            pa.array([Decimal("1.0")], pa.decimal128(5, 1)),
            pa.array([Decimal("1.00")], pa.decimal128(38, 2)),
        ),
        (pa.array([FIRST]), pa.array([FIRST], pa.timestamp("us", "UTC"))),
        (pa.array([FIRST], pa.timestamp("us", "UTC")), pa.array([FIRST])),
    ],
)
@pytest.mark.parametrize("schema", ["create", "match", "evolve"])
def test_narrowing_is_refused(folder: Path, there: Any, given: Any, schema: Any) -> None:
    """Another type is refused before the first byte, whatever the library would make of it."""
    made(folder, {"c": there})

    with pytest.raises(errors.ProgrammingError, match="column 'c' of type"):
        load(pa.table({"c": given}), url(folder), schema=schema)
    assert rows(folder).num_rows == 1


def test_what_fits_is_taken(folder: Path) -> None:
    """Narrower integers go into wider columns, and decimals where their digits fit."""
    kind = pa.decimal128(6, 2)
    made(folder, {"i": [1], "d": pa.array([Decimal("1.00")], kind)})
    wide = pa.decimal128(38, 2)

    load(
        pa.table({"I": pa.array([2], pa.int32()), "d": pa.array([Decimal("1234.56")], wide)}),
        url(folder),
    )

    with pytest.raises(errors.DataError, match=r"column 'd' .* row 1"):
        values = [Decimal("1.00"), Decimal("12345.67")]
        load(pa.table({"d": pa.array(values, wide)}), url(folder))
    assert sorted(rows(folder).to_pydict()["i"]) == [1, 2]


def test_schemas(folder: Path) -> None:
    """`match` wants the table, `evolve` adds columns, and a column that has to have a value gets one."""
    with pytest.raises(errors.Error, match="nothing yet"):
        load(pa.table({"a": [1]}), url(folder), schema="match")
    load(pa.table({"a": [1]}), url(folder))
    more = pa.table({"a": [2], "b": ["x"]})
    with pytest.raises(errors.ProgrammingError, match="'b'"):
        load(more, url(folder))
    assert dry_run(more, url(folder), schema="evolve").changes == ("add the column b string",)

    load(more, url(folder), schema="evolve", job="j")
    load(pa.table({"a": [3]}), url(folder))

    assert sorted(rows(folder).to_pydict()["a"]) == [1, 2, 3]
    required = folder.parent / "required"
    fields = [pa.field("a", pa.int64(), nullable=False), pa.field("b", pa.int64())]
    deltalake.DeltaTable.create(str(required), pa.schema(fields))
    with pytest.raises(errors.ProgrammingError, match="'a' has to have a value"):
        load(pa.table({"b": [1]}), url(required))
    with pytest.raises(errors.IntegrityError, match=r"'a' .* row 1"):
        load(pa.table({"a": [1, None]}), url(required))
    load(pa.table({"a": [1]}), url(required))
    assert rows(required).to_pydict() == {"a": [1], "b": [None]}


@pytest.mark.parametrize("job", [None, "j"])
def test_modes(folder: Path, job: str | None) -> None:
    """Replace, upsert and replace_where leave what they say, and refuse what has no one meaning."""

    def go(run: str, columns: dict[str, Any], **options: Any) -> None:
        named = {} if job is None else {"job": job, "run": run}
        load(pa.table(columns), url(folder), **named, **options)

    go("1", {"id": [1, 2], "v": ["a", "b"], "w": [1, 1]}, mode="replace")
    go("2", {"id": [1, 2, 3], "v": ["a", "b", None], "w": [1, 1, 1]}, mode="replace")
    assert ids(folder) == [1, 2, 3]

    go("3", {"id": [3, 4], "v": ["c", "d"]}, mode="upsert", key="id")
    found = sorted(zip(*rows(folder).to_pydict().values(), strict=True))
    assert found == [(1, "a", 1), (2, "b", 1), (3, "c", 1), (4, "d", None)]
    for wrong, cause in (([5, 5], "same key"), ([5, None], "NULL")):
        with pytest.raises(errors.IntegrityError, match=cause):
            go("4", {"id": wrong, "v": ["x", "y"]}, mode="upsert", key="id")

    go("5", {"id": [9], "v": ["z"]}, mode="replace_where", where="ID >= 3")
    assert ids(folder) == [1, 2, 9]
    with pytest.raises(errors.IntegrityError, match="not among them"):
        go("6", {"id": [1]}, mode="replace_where", where="id >= 3")
    assert ids(folder) == [1, 2, 9]


def test_upsert_evolves_and_makes_the_table(folder: Path) -> None:
    """An upsert makes the table where there is none, and adds columns where it may."""
    load(pa.table({"id": [1], "v": ["a"]}), url(folder), mode="upsert", key="id")
    more = pa.table({"id": [1, 2], "new column": [1.5, math.nan]})

    load(more, url(folder), mode="upsert", key="id", schema="evolve", job="j")

    found = sorted(zip(*rows(folder).to_pydict().values(), strict=True))
    assert repr(found) == repr([(1, "a", 1.5), (2, None, math.nan)])


def test_the_last_of_several_rows_wins(folder: Path) -> None:
    """With `on_duplicate="last"` a key has the row that comes last, across batches."""
    load(pa.table({"ID": [1], "V": ["old"]}), url(folder))
    batches = [
        pa.record_batch({"id": [1, 2, 1], "v": ["a", "b", "c"]}),
        pa.record_batch({"id": [3, 2], "v": ["d", "e"]}),
    ]
    reader = pa.RecordBatchReader.from_batches(batches[0].schema, batches)

    load(reader, url(folder), mode="upsert", key="id", on_duplicate="last")

    found = sorted(zip(*rows(folder).to_pydict().values(), strict=True))
    assert found == [(1, "c"), (2, "e"), (3, "d")]


CONDITIONS = [
    (
        "c > 12345678901234567890123456789012345.67",
        [
            Decimal("12345678901234567890123456789012345.67"),
            Decimal("12345678901234567890123456789012345.68"),
            None,
        ],
        pa.decimal128(38, 2),
    ),
    (
        "c >= TIMESTAMP '2026-01-01 00:00:00'",
        [dt.datetime(2026, 1, 1), dt.datetime(2025, 12, 31, 23, 59, 59, 999999), None],
        pa.timestamp("us"),
    ),
    (
        "c >= TIMESTAMP '2026-01-01T01:00:00+01:00'",
        [dt.datetime(2026, 1, 1), dt.datetime(2025, 12, 31, 23), None],
        pa.timestamp("us", "UTC"),
    ),
    ("NOT c < DATE '2026-01-01'", [dt.date(2026, 1, 1), dt.date(2025, 1, 1), None], pa.date32()),
    ("c IN ('it''s', '')", ["it's", "", "x", None], pa.string()),
    ("NOT (c = 9007199254740993 OR c IS NULL)", [2**53 + 1, 2**53, None], pa.int64()),
    ("c = TRUE", [True, False, None], pa.bool_()),
    ("c BETWEEN -1e0 AND +2.5", [2.5, -1.5, None], pa.float64()),
]


@pytest.mark.parametrize(("where", "values", "kind"), CONDITIONS)
def test_conditions_mean_the_same_to_both(folder: Path, where: str, values: Any, kind: Any) -> None:
    """The rows that a load may have are those that the library replaces; a NULL fulfils no comparison."""
    table = pa.table({"c": pa.array(values, kind), "n": list(range(len(values)))})
    load(table, url(folder))
    inside = []
    for index in range(len(values)):
        with contextlib.suppress(errors.IntegrityError):
            one = url(folder.parent / str(index))
            load(table.slice(index, 1), one, mode="replace_where", where=where)
            inside.append(index)

    load(table.slice(0, 0), url(folder), mode="replace_where", where=where)

    assert sorted({*range(len(values))} - set(rows(folder).to_pydict()["n"])) == inside
    assert 0 < len(inside) < len(values)


def test_runs(folder: Path) -> None:
    """A finished run does nothing; forgotten, its rows stay; a table without its records is refused."""
    table = pa.table({"id": [1]})
    for run in ("1", "1", "2"):
        load(table, url(folder), job="j", run=run)
    load(table, url(folder), job="other")

    assert ids(folder) == [1, 1, 1]
    assert [mark.run for mark in status("j", url(folder))] == ["1", "2"]
    assert forget("j", url(folder)) == 2
    assert status("j", url(folder)) == []
    assert forget("j", url(folder)) == 0
    for record in (folder / "_e6").rglob("*.json"):
        record.unlink()
    with pytest.raises(errors.ProgrammingError, match="names the record"):
        load(table, url(folder), job="other")
    assert ids(folder) == [1, 1, 1]


def test_the_folder_of_watermarks_outlives_a_vacuum(folder: Path) -> None:
    """A vacuum of everything leaves them alone."""
    load(pa.table({"id": [1]}), url(folder), job="j")
    table = deltalake.DeltaTable(str(folder))

    table.vacuum(0, enforce_retention_duration=False, dry_run=False, full=True)

    assert status("j", url(folder))[0].is_complete


def test_the_sources_error_is_raised_and_nothing_stays(folder: Path) -> None:
    """A source that fails midway leaves nothing of its commit, and the caller sees its very exception."""

    class OwnError(Exception):
        pass

    source, failure = Numbers(), OwnError("in midstream")

    def fail(number: int) -> None:
        if number == 9:
            raise failure

    source.before_batch = fail
    for mode in ("append", "replace"):
        sink = sink_of(folder)
        with pytest.raises(OwnError) as caught:
            flow(sink, source, parts=2, mode=mode, job=mode).run()
        sink.close()
        assert caught.value is failure

    assert ids(folder) == list(range(6))
    assert len(left_over(folder)) == 1  # what waits for the replacement


def test_the_command(folder: Path, engine: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """The command loads partitions, and once complete changes nothing and ends with 0."""
    from e6data_adbc.cli import main
    from e6data_adbc.testing import isolated_catalog

    options = [
        "--job",
        "j",
        "--partition-on",
        "id",
        "--partition-count",
        "5",
        "--commit-rows",
        "30",
    ]
    with isolated_catalog(engine, {"numbers": pa.table({"id": list(range(100))})}) as catalog:
        uri = engine.uri_for(catalog)
        command = ["load", "select id from numbers", url(folder), "--uri", uri, *options]
        assert main(command) == 0
        version = deltalake.DeltaTable(str(folder)).version()
        assert main(command) == 0
    assert main(["load", "--status", "j", url(folder)]) == 0
    assert main(["load", "--forget", "j", url(folder)]) == 0

    assert deltalake.DeltaTable(str(folder)).version() == version + 1  # of forgetting
    assert "complete, 5 of 5 partitions, 100 rows" in capsys.readouterr().out
    assert ids(folder) == list(range(100))
