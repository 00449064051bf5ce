"""LMDB's file is looked at before it is mapped. No test maps one that is cut short: that would end the tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lmdb
import pyarrow as pa
import pytest

from e6data_adbc import errors
from e6data_adbc.cli.exits import Exit, exit_for
from e6data_adbc.etl import load
from e6data_adbc.etl.keyvalue import lmdb_file
from e6data_adbc.etl.keyvalue.lmdb_file import missing_from

pytestmark = pytest.mark.seconds

PAGE = 4096


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Any]:
    with lmdb.open(str(tmp_path), map_size=2**28, max_dbs=4) as opened:
        yield opened


def missing(folder: Path, cut: int = 0) -> int:
    """Returns what is missing if *cut* bytes of the file were not there."""
    path = folder / "data.mdb"
    with path.open("rb") as file:
        return missing_from(file, path.stat().st_size - cut)


def test_a_file_that_is_cut_short(environment: Any, tmp_path: Path) -> None:
    """Each page that is in use has to be there, and of the states as much as there is."""
    with environment.begin(write=True) as writing:
        for number in range(300):
            writing.put(b"%03d" % number, b"v" * 1000)
    pages = environment.info()["last_pgno"] + 1

    assert missing(tmp_path) == 0
    assert missing(tmp_path, 1) == 1
    assert missing(tmp_path, PAGE * (pages - 3)) == PAGE * (pages - 3)
    assert missing(tmp_path, PAGE * (pages - 1)) == 0, "LMDB itself refuses one without two states"


@pytest.mark.parametrize("freed", [0, 3, 3000])
def test_pages_that_were_never_written(environment: Any, tmp_path: Path, freed: int) -> None:
    """What a transaction took and gave back is free and not in the file, which is whole; however many are free."""
    with environment.begin(write=True) as writing:
        writing.put(b"kept", b"v")
        for number in range(freed):
            writing.put(b"%04d" % number, b"v" * PAGE)
    with environment.begin(write=True) as writing:
        for number in range(freed):
            writing.delete(b"%04d" % number)
    for value in (b"1", b"2"):  # after which the pages of the first transaction are free
        with environment.begin(write=True) as writing:
            writing.put(b"kept", value)
    with environment.begin(write=True) as writing:
        writing.put(b"big", b"v" * PAGE * 9000)
        writing.delete(b"big")
    needed = (environment.info()["last_pgno"] + 1) * PAGE

    assert (tmp_path / "data.mdb").stat().st_size < needed, "or this test tries nothing"
    assert missing(tmp_path) == 0


def test_what_is_none_of_lmdbs(tmp_path: Path) -> None:
    """Is left to it, and so is what is empty or not there."""
    path = tmp_path / "data.mdb"
    for data in (b"", b"x", b"garbage! " * 1000, bytes(PAGE * 2)):
        path.write_bytes(data)
        assert missing(tmp_path) == 0
    lmdb_file.check_whole(tmp_path / "nothing")
    lmdb_file.check_whole(tmp_path)


def test_numbers_without_sense_have_an_end(environment: Any, tmp_path: Path) -> None:
    """A state that names pages in a circle, or beyond the file."""
    with environment.begin(write=True) as writing:
        writing.put(b"k", b"v" * 20_000)
        writing.delete(b"k")
    data = (tmp_path / "data.mdb").read_bytes()
    other = tmp_path / "other"
    for root in (0, 1, 2, 2**40):
        changed = bytearray(data)
        for state in (0, PAGE):
            changed[state + 80 : state + 88] = root.to_bytes(8, "little")
            changed[state + 136 : state + 144] = (2**30).to_bytes(8, "little")
        other.write_bytes(changed)
        with other.open("rb") as file:
            assert missing_from(file, len(data)) > 0


def test_a_load_says_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file, and what to do, with the code of a place that is wrong; the file stays as it is."""
    load(pa.table({"id": [1]}), f"lmdb://{tmp_path}#rows")
    monkeypatch.setattr(lmdb_file, "_size_of", lambda _: 2 * PAGE)

    with pytest.raises(errors.Error, match=r"data\.mdb' was cut short.*load anew") as caught:
        load(pa.table({"id": [1]}), f"lmdb://{tmp_path}#rows", job="j", patience_seconds=0)

    assert exit_for(caught.value) is Exit.OUTPUT
    monkeypatch.undo()
    assert load(pa.table({"id": [1]}), f"lmdb://{tmp_path}#rows").rows == 1
