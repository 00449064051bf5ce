"""Destinations by a profile of ADBC: the same files that connections are read from."""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

import pyarrow as pa
import pytest

from e6data_adbc import errors
from e6data_adbc.cli import main
from e6data_adbc.etl import load, status
from e6data_adbc.etl.destinations import parse
from tests.support.canary import Canaries

if sys.version_info < (3, 11):
    pytest.importorskip("tomli")

ROWS = pa.table({"id": [1, 2, 3]})


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where profiles are."""
    monkeypatch.setenv("ADBC_PROFILE_PATH", str(tmp_path))
    return tmp_path


def write(folder: Path, options: str, *, name: str = "lake", head: str = "") -> None:
    text = f"profile_version = 1\n{head}\n[Options]\n{options}\n"
    (folder / f"{name}.toml").write_text(text, encoding="utf-8")


def ids(folder: Path, table: str = "orders") -> list[int]:
    connection = sqlite3.connect(folder / "lake.db")
    try:
        return [row[0] for row in connection.execute(f"SELECT id FROM {table} ORDER BY id")]
    finally:
        connection.close()


def test_a_load_by_name(folder: Path) -> None:
    """The call, its status, and the command line take a profile wherever an address can stand."""
    write(folder, f'uri = "sqlite://{folder}/lake.db"')

    load(ROWS, "profile://lake#orders", job="j")

    assert ids(folder) == [1, 2, 3]
    assert [mark.rows for mark in status("j", "profile://lake#orders")] == [3]
    assert status("j", f"sqlite://{folder}/lake.db#orders") == status("j", "profile://lake#orders")
    command = ["load", "select 4 as id", "profile://lake#orders", "--uri", "e6data:local"]
    assert main(command) == 0
    assert ids(folder) == [1, 2, 3, 4]


def test_a_table_of_its_own_and_a_path(folder: Path) -> None:
    """A profile may name the table, which the address may name anew; a path names a profile as well."""
    write(folder, f'uri = "sqlite://{folder}/lake.db#orders"')

    load(ROWS, f"profile://{folder}/lake.toml")
    load(ROWS, "profile://lake#others")

    assert (ids(folder), ids(folder, "others")) == ([1, 2, 3], [1, 2, 3])


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ('uri = "postgresql://db/x"', "postgresql://db/x"),
        ('uri = "postgresql://db/x"\nusername = "a@b"', "postgresql://a%40b@db/x"),
        (
            'uri = "postgresql://old@db/x?a=1#t"\nusername = "etl"\npassword = "p/w d"\nb = true',
            "postgresql://etl:p%2Fw%20d@db/x?a=1&b=true",
        ),
        ('uri = "parquet+s3://b/p"\nregion = "eu-1"', "parquet+s3://b/p?region=eu-1"),
        ('uri = "delta+file:///data/t"', "delta+file:///data/t"),
    ],
)
def test_options_are_parts_of_the_address(folder: Path, options: str, url: str) -> None:
    """User and password stand before the host, percent-encoded, and the others behind the question mark."""
    write(folder, options)
    assert parse("profile://lake").url == url


def test_other_databases_by_their_driver(folder: Path) -> None:
    """A profile of another ADBC driver is that driver's destination."""
    write(folder, f'uri = "{folder}/lake.db"', head='driver = "adbc_driver_sqlite"')

    load(ROWS, "profile://lake#orders")

    assert ids(folder) == [1, 2, 3]


def test_no_secret_is_shown(
    folder: Path, monkeypatch: pytest.MonkeyPatch, canaries: Canaries
) -> None:
    """Neither the file's password nor what a variable holds is in an address, an error, or what is behind one."""
    in_file, in_variable = canaries.plant("the file's"), canaries.plant("the variable's")
    monkeypatch.setenv("LAKE_TOKEN", in_variable)
    options = (
        f'uri = "postgresql://127.0.0.1:9/{{{{ env_var(LAKE_TOKEN) }}}}"\npassword = "{in_file}"'
    )
    write(folder, f'{options}\nusername = "etl"')
    address = parse("profile://lake#orders")

    assert not canaries.in_text(f"{address!r} {address.shown}")
    assert address.shown == "postgresql://etl@127.0.0.1:9/***#orders"
    for more in ("", '\nx = "{{ env_var(NOT_SET_HERE) }}"', "\nx = [1]", "\nx = ="):
        write(folder, options + more)
        with canaries.raises(errors.Error):
            load(ROWS, "profile://lake#orders", patience_seconds=0)


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("profile_version = 2\n[Options]\n", "no profile_version = 1"),
        ("profile_version = 1\nnot-a-password", "is no TOML"),
        ('profile_version = 1\n[Options]\nuri = "profile://lake"\n', "that of no destination"),
        ('profile_version = 1\n[Options]\nx = "{{ env_var(NOT_SET_HERE) }}"\n', "NOT_SET_HERE"),
        ('profile_version = 1\n[Options]\nx = "{{ not-a-password }}"\n', "in double braces"),
        ("profile_version = 1\n[Options]\nx = [1]\n", "neither a text nor a number"),
    ],
)
def test_what_is_wrong_with_a_profile(folder: Path, text: str, cause: str) -> None:
    """Each is told with the profile's name, and without what stands in it."""
    (folder / "lake.toml").write_text(text, encoding="utf-8")

    with pytest.raises(errors.ProgrammingError, match=cause) as caught:
        load(ROWS, "profile://lake#orders")

    assert "'lake'" in str(caught.value)
    assert "not-a-password" not in str(caught.value)


@pytest.mark.parametrize("name", ["missing", "../lake", ""])
def test_a_profile_that_is_not_there(folder: Path, name: str) -> None:
    """The folders that were looked into are named, and no name leads out of them."""
    (folder.parent / "lake.toml").write_text("profile_version = 1\n[Options]\n", encoding="utf-8")
    cause = r"there is no missing\.toml in .*" if name == "missing" else "no name of a profile"
    with pytest.raises(errors.ProgrammingError, match=cause):
        load(ROWS, f"profile://{name}#orders")
