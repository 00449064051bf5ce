"""Folders of files: modes, addresses, the manifest, and the command that loads into them."""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from e6data_adbc import errors
from e6data_adbc.etl import dry_run, forget, load, status
from e6data_adbc.etl.files import parts
from e6data_adbc.etl.files.formats import FORMATS
from tests.etl.file_folders import DAY, FORMAT_NAMES, ids, left_over, rows, seen, sink_of, url
from tests.etl.numbers_source import Numbers, flow

pytestmark = pytest.mark.seconds


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
