"""What destinations fail with has one exit code and one status for each kind, whatever the destination."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import redis

from e6data_adbc import errors
from e6data_adbc.cli.exits import Exit, exit_for
from e6data_adbc.errors import Status
from e6data_adbc.etl import flow, load
from e6data_adbc.etl.retry import Budget
from e6data_adbc.testing.table_source import TableSource
from tests.etl import places

pytestmark = pytest.mark.seconds

#: The kinds that are on a disk, and the file that each of them has to read.
FILES = {
    "sqlite": "f.db",
    "duckdb": "f.db",
    "iceberg": "catalog.db",
    "lmdb": "data.mdb",
    "delta": "_delta_log",
    "parquet": "_e6",
    "csv": "_e6",
    "ipc": "_e6",
}
DATABASES = ("sqlite", "duckdb", "iceberg")


def address(kind: str, place: Path) -> str:
    """Returns the address of a destination in a folder."""
    if kind in {"sqlite", "duckdb"}:
        return f"{kind}://{place}/f.db#t"
    if kind == "lmdb":
        return f"lmdb://{place}#t"
    if kind == "iceberg":
        return (
            f"iceberg://lake/n.t?type=sql&uri=sqlite:///{place}/catalog.db&warehouse=file://{place}"
        )
    return f"{kind}+file://{place}"


def failure(to: str, **options: Any) -> errors.Error:
    """Loads a row; returns what that fails with."""
    with pytest.raises(errors.Error) as caught:
        load(pa.table({"id": [1]}), to, job="j", patience_seconds=0, **options)
    assert str(caught.value).startswith("[e6data] could not")
    return caught.value


@pytest.mark.parametrize("kind", FILES)
def test_a_file_where_a_folder_has_to_be(kind: str, tmp_path: Path) -> None:
    """A part of the path is a file."""
    (tmp_path / "file").write_text("x")
    error = failure(address(kind, tmp_path / "file" / "deep"))
    assert exit_for(error) is Exit.OUTPUT
    assert error.status_code in {Status.IO, Status.NOT_FOUND}


@pytest.mark.parametrize("kind", DATABASES)
def test_no_folder_for_the_file(kind: str, tmp_path: Path) -> None:
    """The folder of a database file has to be there."""
    assert exit_for(failure(address(kind, tmp_path / "a" / "b"))) is Exit.OUTPUT
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("kind", DATABASES)
def test_a_folder_in_place_of_the_file(kind: str, tmp_path: Path) -> None:
    """It cannot be opened."""
    (tmp_path / FILES[kind]).mkdir()
    error = failure(address(kind, tmp_path))
    assert (exit_for(error), error.status_code) == (Exit.OUTPUT, Status.IO)


@pytest.mark.parametrize("kind", ["sqlite", "duckdb", "iceberg", "lmdb", "delta"])
def test_a_file_of_something_else(kind: str, tmp_path: Path) -> None:
    """What is there is no database, or a table that nobody can read: the user's place is wrong, not the SQL."""
    load(pa.table({"id": [1]}), address(kind, tmp_path), job="first")
    found = tmp_path / FILES[kind]
    for path in found.iterdir() if found.is_dir() else [found]:
        path.write_bytes(b"garbage! " * 1000)
    error = failure(address(kind, tmp_path))
    assert (exit_for(error), error.status_code) == (Exit.OUTPUT, Status.IO)


@pytest.mark.parametrize("kind", FILES)
def test_no_table_where_one_has_to_be(kind: str, tmp_path: Path) -> None:
    """A load that makes none is told so, by the code of a place that is not there."""
    error = failure(address(kind, tmp_path), schema="match")
    assert (exit_for(error), error.status_code) == (Exit.OUTPUT, Status.NOT_FOUND)


@pytest.mark.parametrize("seconds", [-1.0, float("nan")])
def test_a_patience_that_is_none(seconds: float, tmp_path: Path) -> None:
    """It is refused before anything is asked."""
    with pytest.raises(errors.ProgrammingError, match="patience"):
        load(pa.table({"id": [1]}), address("lmdb", tmp_path), patience_seconds=seconds)


@pytest.mark.skipif(os.name != "posix", reason="limits of a process are POSIX's")
@pytest.mark.parametrize("kind", FILES)
def test_a_disk_that_takes_no_more(kind: str, tmp_path: Path) -> None:
    """A quota is met in the commit: the limit of a file's size stands for it, which also root has.

    That does not pass by itself, so it is not tried again.
    """
    load(pa.table({"t": ["x"]}), address(kind, tmp_path), job="first")
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, address(kind, tmp_path)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found == {"exit": 5, "status": "IO", "tries": 1}, done.stdout
    if kind == "lmdb":  # whose own text says neither
        assert "the disk is full" in done.stdout


_LIMITED = """
import json, os, resource, sys
import pyarrow as pa
from e6data_adbc import errors
from e6data_adbc.cli.exits import exit_for
from e6data_adbc.etl import load
from e6data_adbc.testing.table_source import TableSource
table = pa.table({"t": [os.urandom(64).hex() for _ in range(60_000)]})
rows = TableSource(table, batch_rows=60_000)
tries = []
rows.read = lambda plan, part, read=rows.read: tries.append(part) or read(plan, part)
try:
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, resource.RLIM_INFINITY))
    load(rows, sys.argv[1], job="second", patience_seconds=20)
except errors.Error as error:
    print(error)
    found = {"exit": exit_for(error), "status": error.status_code.name, "tries": len(tries)}
    print(json.dumps(found), flush=True)
    os._exit(0)
"""


@pytest.mark.parametrize("kind", ["postgresql", "mysql", "sqlite", "duckdb"])
def test_a_schema_that_is_not_there(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """The place of the rows is missing."""
    fixture = {"postgresql": "postgres", "mysql": "mariadb"}.get(kind)
    base = f"{kind}://{tmp_path}/f.db" if fixture is None else request.getfixturevalue(fixture)
    assert exit_for(failure(f"{base}#nowhere.t")) is Exit.OUTPUT


def test_a_server_that_lets_nobody_in(postgres: str, mariadb: str, redis_url: str) -> None:
    """The wrong port, user, password or database are one kind for all servers."""
    for to in (
        "postgresql://u@127.0.0.1:1/x#t",
        "mysql://u@127.0.0.1:1/x#t",
        "redis://127.0.0.1:1/0#t",
        postgres.replace("loader@", "nobody_there@") + "#t",
        mariadb.replace("root@", "root:wrong@") + "#t",
        redis_url.replace("://", "://nobody:wrong@") + "#t",
        postgres.replace("/postgres", "/nowhere") + "#t",
        mariadb.replace("/test", "/nowhere") + "#t",
        redis_url.replace("/0", "/4711") + "#t",
    ):
        assert exit_for(failure(to)) is Exit.CONNECTION, to


def test_a_right_that_is_missing(postgres: str, mariadb: str, redis_url: str) -> None:
    """Who may sign in but not write there has the code of a folder that takes nothing."""
    place = places.Place("postgresql", postgres)
    place.run("CREATE ROLE lacking LOGIN")
    maria = places.Place("mysql", mariadb)
    maria.run("CREATE USER lacking")
    maria.run("CREATE TABLE visible (id BIGINT)")
    maria.run("GRANT SELECT ON visible TO lacking")
    with redis.Redis.from_url(redis_url) as client:
        client.acl_setuser(
            "lacking", enabled=True, nopass=True, keys=["other:*"], commands=["+@all"]
        )
        found = failure(redis_url.replace("://", "://lacking:x@") + "#t")
        client.acl_deluser("lacking")
    for error in (
        found,
        failure(postgres.replace("loader@", "lacking@") + "#pg_catalog.t"),
        failure(mariadb.replace("root@", "lacking@") + "#visible"),
    ):
        assert exit_for(error) is Exit.OUTPUT, error
        assert error.status_code == Status.UNAUTHORIZED


def test_a_full_disk_of_a_server_is_not_tried_again(postgres: str) -> None:
    """A trigger says what the server says then; a sequence, which nothing undoes, counts how often."""
    place = places.Place("postgresql", postgres)
    place.run("CREATE TABLE narrow (id BIGINT)")
    place.run("CREATE SEQUENCE tries")
    place.run(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('tries'); "
        "RAISE EXCEPTION 'no space left' USING ERRCODE = '53100'; END $$"
    )
    place.run(
        "CREATE TRIGGER full_disk BEFORE INSERT ON narrow FOR EACH ROW EXECUTE FUNCTION full_disk()"
    )

    with pytest.raises(errors.Error, match="no space left") as caught:
        load(TableSource(pa.table({"id": [1]})), f"{postgres}#narrow", job="j", patience_seconds=20)

    assert (exit_for(caught.value), caught.value.status_code) == (Exit.OUTPUT, Status.IO)
    assert place.rows("SELECT last_value FROM tries") == [(1,)]


def test_a_server_that_takes_no_more(postgres: str, redis_url: str) -> None:
    """Read-only, or out of memory."""
    read_only = f"{postgres}?options=-c%20default_transaction_read_only%3Don#t"
    assert exit_for(failure(read_only)) is Exit.OUTPUT
    with redis.Redis.from_url(redis_url) as client:
        client.config_set("maxmemory", "1mb")
        try:
            error = failure(f"{redis_url}#t")
        finally:
            client.config_set("maxmemory", "512mb")
    assert (exit_for(error), error.status_code) == (Exit.OUTPUT, Status.IO)


@pytest.mark.parametrize(("given", "seconds"), [(None, 5.0), (0.5, 0.5), (90.0, 90.0)])
def test_how_long_a_first_contact_is_tried(
    given: float | None, seconds: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few seconds, as the address may be wrong; as long as the caller says, if it does."""
    asked = []

    class NoPatience(Budget):
        def __init__(self, seconds: float) -> None:
            asked.append(seconds)
            super().__init__(0)

    monkeypatch.setattr(flow, "Budget", NoPatience)
    with pytest.raises(errors.Error):
        load(pa.table({"id": [1]}), "redis://127.0.0.1:1/0#t", job="j", patience_seconds=given)

    assert asked == [seconds]
