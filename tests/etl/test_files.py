"""Folders of files: exactly the manifest's files are to be seen, whenever a load dies, and every value is exact."""

from __future__ import annotations

import contextlib
import datetime as dt
import math
import os
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from e6data_adbc import errors
from e6data_adbc.etl import dry_run, forget, load, status
from e6data_adbc.etl.destinations import open_sink, parse
from e6data_adbc.etl.files import disk, parts
from e6data_adbc.etl.files.formats import FORMATS
from e6data_adbc.etl.files.published import PublishedFolder
from e6data_adbc.etl.sink import Sink
from tests.etl.dying_disk import Death, Killed, counted
from tests.etl.numbers_source import Numbers, flow

pytestmark = pytest.mark.seconds

FORMAT_NAMES = sorted(FORMATS)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture(params=FORMAT_NAMES)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param  # type: ignore[no-any-return]


def url(kind: str, folder: Path) -> str:
    return f"{kind}+file://{folder}"


def sink_of(kind: str, folder: Path) -> Sink:
    return open_sink(parse(url(kind, folder)), {})


def seen(folder: Path) -> list[str]:
    """Returns the files below *folder* that readers see: no part of their path begins with `_` or `.`."""
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return sorted(str(path) for path in paths if not any(p[0] in "._" for p in path.parts))


def rows(kind: str, folder: Path, schema: pa.Schema | None = None) -> pa.Table:
    """Returns what a reader of all visible files gets; texts of CSV as *schema* says."""
    tables = []
    for name in seen(folder):
        path = str(folder / name)
        if kind == "parquet":
            tables.append(parquet.read_table(path))
        elif kind == "ipc":
            with pa.ipc.open_file(path) as reader:
                tables.append(reader.read_all())
        else:
            # NULL is an empty place without quotes, and nothing else is.
            options = csv.ConvertOptions(
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                column_types=schema,
            )
            newlines = csv.ParseOptions(newlines_in_values=True)
            tables.append(csv.read_csv(path, convert_options=options, parse_options=newlines))
    return pa.concat_tables(tables)


def ids(kind: str, folder: Path) -> list[int]:
    schema = pa.schema({"id": pa.int64(), "k": pa.int64()})
    return sorted(rows(kind, folder, schema).column("id").to_pylist()) if seen(folder) else []


# ---- values

DAY = dt.date(2026, 12, 31)
FIRST = dt.datetime(1, 1, 1, 0, 0, 0, 1)
LAST = dt.datetime(9999, 12, 31, 23, 59, 59, 999999)
SMALL = [Decimal("0.0000001"), Decimal("0E-7"), Decimal("-12.3456789"), None]

#: What every format keeps.
EXACT: dict[str, Any] = {
    "bool": pa.array([True, False, None]),
    "int8": pa.array([-128, 127, None], pa.int8()),
    "int32": pa.array([-(2**31), 2**31 - 1, None], pa.int32()),
    "int64": pa.array([-(2**63), 2**63 - 1, None]),
    "uint64": pa.array([0, 2**64 - 1, None], pa.uint64()),
    "float16": pa.array([1.5, None]).cast(pa.float16()),
    "float32": pa.array([0.1, math.inf, -0.0, math.nan, None], pa.float32()),
    "float64": pa.array([5e-324, 1.7976931348623157e308, -0.0, math.nan, -math.inf, 0.1, None]),
    "decimal128(38,0)": pa.array([Decimal(10**38 - 1), None], pa.decimal128(38, 0)),
    "decimal128(38,2)": pa.array(
        [Decimal("-123456789012345678901234567890123456.78"), None], pa.decimal128(38, 2)
    ),
    "decimal128(38,7)": pa.array(SMALL, pa.decimal128(38, 7)),
    "decimal128(38,38)": pa.array([Decimal("1E-38"), None], pa.decimal128(38, 38)),
    "string": pa.array(["", "π 𝄞", 'a "b"\r\nc,d\n', "NULL", "nan", " x ", "a\0b", None]),
    "large_string": pa.array(["x", None, ""], pa.large_string()),
    "string_view": pa.array(["longer than twelve", None], pa.string_view()),
    "dictionary": pa.array(["a", None, "a"]).dictionary_encode(),
    "run_end_encoded": pa.RunEndEncodedArray.from_arrays([2, 3], [7, None]),
    "date32": pa.array([dt.date(1, 1, 1), DAY, dt.date(9999, 12, 31), None]),
    "timestamp[s]": pa.array([dt.datetime(2026, 1, 2), None], pa.timestamp("s")),
    "timestamp[us]": pa.array([FIRST, LAST, None]),
    "timestamp[us, UTC]": pa.array([FIRST, LAST, None], pa.timestamp("us", "UTC")),
    "timestamp[us, zone]": pa.array(
        [dt.datetime(2026, 1, 2, 3), None], pa.timestamp("us", "Asia/Kolkata")
    ),
    "timestamp[ns]": pa.array([1, -1, None], pa.timestamp("ns")),
    "time64": pa.array([dt.time(23, 59, 59, 999999), None]),
    "null": pa.nulls(2),
}
#: What files with types of their own keep as well.
EXACT_IN_BINARY: dict[str, Any] = {
    "binary": pa.array([b"", b"\0\xff", None]),
    "duration": pa.array([-90_061_000_001, None], pa.duration("us")),
    "list": pa.array([[1, None], None, []]),
    "struct": pa.array([{"instant": 1, "zone": "Z"}, None]),
    "map": pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int64())),
}


def same(left: list[Any], right: list[Any]) -> bool:
    return repr(left) == repr(right)  # which tells NaN, -0.0 and digits apart


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


# ---- modes and addresses


def test_modes(kind: str, folder: Path) -> None:
    """Replace leaves the load's rows only; upsert is refused before anything is written."""
    to = url(kind, folder)
    load(pa.table({"id": [1, 2]}), to)
    load(pa.table({"id": [3]}), to)
    assert ids(kind, folder) == [1, 2, 3]

    load(pa.table({"id": [4]}), to, mode="replace")
    with pytest.raises(errors.NotSupportedError, match="upsert"):
        load(pa.table({"id": [4]}), to, mode="upsert", key="id")

    assert ids(kind, folder) == [4]
    assert len(seen(folder)) == 1


def test_a_replacement_is_seen_at_once(kind: str, folder: Path) -> None:
    """The rows of all commits become one file, which takes the name of the one before: no reader sees neither."""
    load(pa.table({"id": [-1], "v": ["a\r\nb"]}), url(kind, folder))
    name = seen(folder)
    sink = sink_of(kind, folder)

    flow(sink, Numbers(), parts=4, mode="replace").run()
    left = left_over(folder)
    sink.close()

    assert seen(folder) == name
    assert ids(kind, folder) == list(range(12))
    assert all("alive" in path for path in left)


@pytest.mark.parametrize("kind", ["parquet", "ipc"])
def test_replace_where(kind: str, folder: Path) -> None:
    """Rows that fulfil the condition give way to the load's, also within a file; the others stay."""
    to = url(kind, folder)
    load(pa.table({"id": [1, 2, 3, None], "day": [DAY, DAY, None, DAY]}), to)
    load(pa.table({"id": [7], "day": [dt.date(2000, 1, 1)]}), to)
    untouched = seen(folder)[1]
    where = f"\"id\" >= 2 AND NOT DAY IN (DATE '2001-01-01', DATE '2002-01-01') AND day > DATE '{2020}-01-01'"

    load(pa.table({"id": [2, 9], "day": [DAY, DAY]}), to, mode="replace_where", where=where)

    found = sorted(rows(kind, folder).to_pydict()["id"], key=str)
    assert found == [1, 2, 3, 7, 9, None]
    assert untouched in seen(folder)
    before = seen(folder)
    with pytest.raises(errors.IntegrityError, match="not among them"):
        load(pa.table({"id": [1], "day": [DAY]}), to, mode="replace_where", where=where)
    assert seen(folder) == before


@pytest.mark.parametrize(
    "where",
    [
        "id",
        "id =",
        "nope = 1",
        "id = 'x'",
        "id = 1 OR",
        "id LIKE 'x'",
        "id = 1; DROP",
        "(id = 1",
        "day = '2020-13-01'",
    ],
)
def test_a_condition_that_is_not_understood_is_refused(folder: Path, where: str) -> None:
    """What this cannot evaluate exactly is refused before anything is written."""
    table = pa.table({"id": [1], "day": [DAY]})

    with pytest.raises(errors.NotSupportedError, match="could not read the condition"):
        load(table, url("parquet", folder), mode="replace_where", where=where)
    assert not folder.exists()


def test_csv_has_no_replace_where(folder: Path) -> None:
    """Text does not tell which rows fulfil a condition, so this is refused at once."""
    with pytest.raises(errors.NotSupportedError, match="replace_where"):
        load(pa.table({"id": [1]}), url("csv", folder), mode="replace_where", where="id = 1")
    assert not folder.exists()


@pytest.mark.parametrize(
    "address",
    ["parquet+file://out", "parquet+file:///", "parquet+file:///tmp/x#t", "csv+file:///tmp/x?a=b"],
)
def test_an_address_that_says_more_than_a_folder_is_refused(address: str) -> None:
    """A host, a table or options have no meaning, so they are refused."""
    with pytest.raises(errors.ProgrammingError, match="could not open the destination"):
        load(pa.table({"id": [1]}), address)


@pytest.mark.parametrize("scheme", [*FORMAT_NAMES, "delta"])
def test_a_variable_of_the_address_is_not_shown(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `${NAME}` stands for is in no error, be it the system's, the library's or ours."""
    secret = "canary-81d2"
    monkeypatch.setenv("LOAD_FOLDER", str(tmp_path / secret))
    table, to = pa.table({"id": [1]}), scheme + "+file://${LOAD_FOLDER}/out"
    failures: list[BaseException] = []

    def fails() -> None:
        with pytest.raises((OSError, errors.Error)) as caught:
            load(table, to, job="j")
        failures.append(caught.value)

    (tmp_path / secret).touch()
    fails()
    (tmp_path / secret).unlink()
    report = load(table, to, job="j")
    for path in (tmp_path / secret / "out").glob("part-*"):
        path.unlink()
    for path in (tmp_path / secret / "out").glob("_delta_log/*.json"):
        path.write_text("{")
    fails()

    texts = [repr(report)]
    for failure in failures:
        error: BaseException | None = failure
        while error is not None:
            texts.append(repr(error))
            error = error.__cause__
    assert not any(secret in text for text in texts), texts


def test_a_state_table_is_refused(folder: Path) -> None:
    """The watermark is in the manifest, nowhere else."""
    with pytest.raises(errors.ProgrammingError, match="state_table"):
        load(pa.table({"id": [1]}), url("csv", folder), state_table="x")


def test_files_of_others_are_left_alone(folder: Path) -> None:
    """A folder with other files, or files of another format, is refused; hidden ones are nobody's business."""
    folder.mkdir()
    (folder / ".keep").touch()
    load(pa.table({"id": [1]}), url("parquet", folder))
    with pytest.raises(errors.ProgrammingError, match="folder of parquet files"):
        load(pa.table({"id": [1]}), url("csv", folder))
    (folder / "mine.parquet").touch()

    with pytest.raises(errors.ProgrammingError, match=r"'mine\.parquet'"):
        load(pa.table({"id": [1]}), url("parquet", folder), mode="replace")
    assert (folder / "mine.parquet").exists()


def test_a_lost_file_is_noticed(folder: Path) -> None:
    """A file that a commit names and that is nowhere is an error, not fewer rows."""
    load(pa.table({"id": [1]}), url("parquet", folder), job="j")
    (folder / seen(folder)[0]).unlink()

    with pytest.raises(errors.ProgrammingError, match="no longer there"):
        load(pa.table({"id": [1]}), url("parquet", folder), job="j")


def test_a_dry_run_writes_nothing(kind: str, folder: Path) -> None:
    """It says which columns there will be."""
    assert "id int64" in dry_run(pa.table({"id": [1]}), url(kind, folder)).changes[0]
    assert not folder.exists()
    load(pa.table({"id": [1]}), url(kind, folder))
    assert dry_run(pa.table({"id": [1]}), url(kind, folder)).changes == ()


def test_no_rows_still_tell_the_columns(kind: str, folder: Path) -> None:
    """A result without rows leaves one file, with its columns."""
    load(pa.table({"id": pa.array([], pa.int64())}), url(kind, folder), job="j")

    assert rows(kind, folder).schema.names == ["id"]
    assert len(seen(folder)) == 1


def test_status_and_forget(kind: str, folder: Path) -> None:
    """The watermarks are in the manifest; forgetting them leaves the rows, and removes what waits."""
    assert status("j", url(kind, folder)) == []
    assert forget("j", url(kind, folder)) == 0
    load(pa.table({"id": [1]}), url(kind, folder), job="j", run="1")
    load(pa.table({"id": [1]}), url(kind, folder), job="other")

    assert [mark.run for mark in status("j", url(kind, folder))] == ["1"]
    assert forget("j", url(kind, folder)) == 1
    assert status("j", url(kind, folder)) == []
    assert len(status("other", url(kind, folder))) == 1
    assert ids(kind, folder) == [1, 1]


# ---- failures


def test_the_sources_error_is_raised_and_nothing_stays(kind: str, folder: Path) -> None:
    """A source that fails midway leaves nothing of its commit, and the caller sees its very exception."""

    class OwnError(Exception):
        pass

    source, failure = Numbers(), OwnError("in midstream")

    def fail(number: int) -> None:
        if number == 9:
            raise failure

    source.before_batch = fail
    sink = sink_of(kind, folder)
    with pytest.raises(OwnError) as caught:
        flow(sink, source, parts=2).run()
    sink.close()

    assert caught.value is failure
    assert ids(kind, folder) == list(range(6))
    assert left_over(folder) == []


def test_big_loads_have_several_files(
    kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file ends when it is big enough, and rows come in groups however small the batches are."""
    monkeypatch.setattr(parts, "_GROUP_ROWS", 4)
    batches = [pa.record_batch({"id": [n]}) for n in range(10)]
    folder.mkdir()

    drafts = parts.write(FORMATS[kind], folder, batches[0].schema, batches, file_bytes=1)

    assert [draft.rows for draft in drafts] == [4, 4, 2]
    assert ids(kind, folder) == list(range(10))


# ---- kills


def left_over(folder: Path) -> list[str]:
    """Returns what is under the folder beside visible files, the lock and at most two manifests."""
    found = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    manifests = [name for name in found if name.startswith("_e6/manifests/")]
    allowed = {*seen(folder), "_e6/lock", *manifests[:2]}
    return sorted({*found} - allowed)


#: Options of the flow; the rows that are there before, and the load's; and what is there afterwards.
SHAPES: dict[str, tuple[dict[str, Any], list[int]]] = {
    "one commit": ({}, [100, *range(12)]),
    "partitions": ({"parts": 3}, [100, *range(12)]),
    "key": ({"parts": 0, "commit_rows": 5}, [100, *range(12)]),
    "replace": ({"parts": 2, "mode": "replace"}, [*range(12)]),
    "replace where": (
        {"parts": 2, "mode": "replace_where", "where": "id < 50 OR id = 101"},
        [100, *range(12)],
    ),
}


def attempt(folder: Path, options: dict[str, Any], death: Death) -> None:
    """Loads, and dies on the way if *death* comes."""
    with counted(death):
        sink = sink_of("parquet", folder)
        with contextlib.suppress(Killed), contextlib.closing(sink):
            flow(sink, Numbers(), **options).run()


def test_death_while_the_folder_is_made(tmp_path: Path) -> None:
    """A first load that dies at any step, also where the folders are made one by one, is completed by the next."""
    for step in range(14):  # of which the last are those after all folders are there
        folder = tmp_path / str(step)
        attempt(folder, {}, Death(step))
        assert len(status("j", url("parquet", folder))) <= 1, "what is there can be read"
        attempt(folder, {}, Death(10**9))

        assert ids("parquet", folder) == list(range(12)), step
        assert left_over(folder) == [], step


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("shape", SHAPES)
def test_death_at_any_step(tmp_path: Path, shape: str, stride: int) -> None:
    """A process that dies at any step on the disk, and again in the next try, leaves old or new rows, none twice."""
    options, expected = SHAPES[shape]
    old = [100, 101] if shape == "replace where" else [100]
    step, is_over = len(shape) % stride, False
    while not is_over:
        folder = tmp_path / str(step)
        load(pa.table({"id": old, "v": ["old"] * len(old)}), url("parquet", folder))
        for steps in (step, step * 7 % 31):
            death = Death(steps)
            attempt(folder, options, death)
            is_over = is_over or (steps == step and not death.has_come)
            manifest = PublishedFolder(folder, "parquet", "it").newest()
            known = {part.name for part in manifest.files} | set(manifest.dropped)
            assert known.issuperset(seen(folder)), "what no commit names is not to be seen"
            found = ids("parquet", folder)
            assert len(found) == len(set(found)), "no row is to be seen twice"
            assert "mode" not in options or found in (old, sorted(expected)), "old or new, whole"
        attempt(folder, options, Death(10**9))

        manifest = PublishedFolder(folder, "parquet", "it").newest()
        assert ids("parquet", folder) == sorted(expected), step
        assert seen(folder) == sorted(part.name for part in manifest.files)
        assert left_over(folder) == [], step
        mark = manifest.find("j", "")
        assert mark is not None
        assert mark.is_complete
        assert mark.rows == 12
        step += stride
    assert step > 30


def test_two_workers_commit_side_by_side(kind: str, folder: Path) -> None:
    """Two sinks of one job at once, each with several threads: each row is there once, and both end well."""
    ends: list[object] = []
    start = threading.Barrier(2, timeout=60)

    def work() -> None:
        sink = sink_of(kind, folder)
        try:
            one = flow(sink, Numbers(60), parts=12, workers=3)
            start.wait()
            one.run()
            ends.append(one.rows)
        except BaseException as error:
            ends.append(error)
        finally:
            sink.close()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert sum(ends) == 60, ends  # type: ignore[arg-type]
    assert ids(kind, folder) == list(range(60))
    assert left_over(folder) == []


def test_a_manifests_number_is_given_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where locks do nothing, of two commits that began from one manifest only one is made; the other looks again."""
    sink, other = sink_of("parquet", folder), sink_of("parquet", folder)
    source = Numbers()
    no_lock = disk.is_locked
    monkeypatch.setattr("fcntl.flock", lambda *_: None)
    monkeypatch.setattr(disk, "is_locked", lambda path: path.exists() or no_lock(path))
    put, has_raced = PublishedFolder.put, []

    def late(self: PublishedFolder, manifest: Any) -> None:
        if manifest.number == 2 and not has_raced:
            has_raced.append(True)
            flow(other, Numbers(), job="other").run()
        put(self, manifest)

    monkeypatch.setattr(PublishedFolder, "put", late)
    flow(sink, source).run()
    sink.close()
    other.close()

    assert has_raced
    assert ids("parquet", folder) == sorted([*range(12), *range(12)])


@pytest.fixture
def engine_uri(engine: Any) -> Iterator[str]:
    from e6data_adbc.testing import isolated_catalog

    numbers = pa.table({"id": list(range(100)), "k": [None, *(n // 3 for n in range(99))]})
    with isolated_catalog(engine, {"numbers": numbers}) as catalog:
        yield engine.uri_for(catalog)


def test_the_command(
    kind: str, folder: Path, engine_uri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command loads partitions side by side, and once complete changes nothing and ends with 0."""
    from e6data_adbc.cli import main

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
    command = [
        "load",
        "select id, k from numbers",
        url(kind, folder),
        "--uri",
        engine_uri,
        *options,
    ]

    assert main(command) == 0
    before = {name: os.stat(folder / name).st_mtime_ns for name in seen(folder)}
    assert main(command) == 0
    assert main(["load", "--status", "j", url(kind, folder)]) == 0

    assert before == {name: os.stat(folder / name).st_mtime_ns for name in seen(folder)}
    assert "complete, 5 of 5 partitions, 100 rows" in capsys.readouterr().out
    assert ids(kind, folder) == list(range(100))


def test_incremental(kind: str, folder: Path, engine_uri: str) -> None:
    """By key, a later run loads what is above the last value."""
    small = "select id, k from numbers where k < 10 or k is null"
    first = load(small, url(kind, folder), uri=engine_uri, job="j", run="a", incremental="k")
    second = load(
        "select id, k from numbers",
        url(kind, folder),
        uri=engine_uri,
        job="j",
        run="b",
        incremental="k",
    )

    assert (first.rows, second.rows) == (31, 69)
    assert ids(kind, folder) == list(range(100))


@pytest.mark.parametrize("kind", FORMAT_NAMES)
def test_a_disk_that_refuses(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the disk says is an error of ours, with the destination; what the source says stays the source's."""
    folder = tmp_path / "file" / "folder"
    (tmp_path / "file").touch()
    with pytest.raises(errors.OperationalError, match="could not begin the load") as caught:
        load(pa.table({"id": [1]}), url(kind, folder), job="j")
    assert isinstance(caught.value.__cause__, OSError)
    from e6data_adbc.cli import main

    assert main(["load", "select 1 as id", url(kind, folder), "--uri", "e6data:local"]) == 5

    def rows() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"id": [1]})
        raise ConnectionResetError("the source's own")

    reader = pa.RecordBatchReader.from_batches(pa.schema({"id": pa.int64()}), rows())
    with pytest.raises(OSError, match="the source's own") as failed:
        load(reader, url(kind, tmp_path / "other"))
    assert not isinstance(failed.value, errors.Error)
