"""A served directory with users, each of whom may see some of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from e6data_adbc.local import LocalEngine
from tests.local.wire import Wire
from tests.support.walled import SECRET, USERS


@pytest.fixture(scope="module")
def walled_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A served directory with tables, and with files beside them that are none."""
    walled_folder = tmp_path_factory.mktemp("served")
    (walled_folder / "lake" / "part" / "day=1").mkdir(parents=True)
    (walled_folder / "more").mkdir()
    for name in ("t", "lake/part/day=1/x", "more/deep"):
        pq.write_table(
            pa.table({"a": [1, 2], "word": [SECRET, SECRET]}), walled_folder / f"{name}.parquet"
        )
    (walled_folder / "c.csv").write_text(f"a,word\n1,{SECRET}\n2,{SECRET}\n")
    (walled_folder / "j.json").write_text(json.dumps([{"a": n, "word": SECRET} for n in (1, 2)]))
    for name in (".hidden.csv", "notes.txt", "lake/part/beside.csv"):
        (walled_folder / name).write_text(f"word\n{SECRET}\n")
    with duckdb.connect(walled_folder / "own.duckdb") as connection:
        connection.execute(f"CREATE TABLE t AS SELECT 1 AS a, '{SECRET}' AS word")
    return walled_folder


@pytest.fixture(scope="module")
def walled_engine(
    walled_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalEngine]:
    """An engine that serves the directory, with a scratch file and users."""
    outside = tmp_path_factory.mktemp("outside")
    users = outside / "users.json"
    users.write_text(json.dumps(USERS))
    with LocalEngine(
        walled_folder, users=users, scratch=outside / "scratch.duckdb"
    ) as walled_engine:
        walled_engine.register("t", pa.table({"a": [1, 2], "word": [SECRET, SECRET]}))
        walled_engine.add_catalog("added", {"t": pa.table({"a": [1], "word": [SECRET]})})
        with Wire(walled_engine) as wire:
            wire.sign_in()
            for sql in (
                "create view scratch.main.over_files as select * from files.main.t",
                "create view scratch.main.over_csv as select * from files.main.c",
                "create view scratch.main.over_added as select * from added.main.t",
                "create macro scratch.main.of_files() as table select * from files.main.j",
                "create macro scratch.main.most(x) as x + (select max(a) from files.main.t)",
                "create sequence scratch.main.numbers",
                "create sequence added.main.numbers",
                "create macro added.main.next_number() as nextval('added.main.numbers')",
            ):
                wire.run(sql, catalog="scratch", schema="main").clear()
        yield walled_engine


@pytest.fixture
def as_user(walled_engine: LocalEngine) -> Iterator[Callable[[str], Wire]]:
    """Returns a signed-in client of a user, by name; an empty one is the user who may do everything."""
    wires: list[Wire] = []

    def sign_in(name: str) -> Wire:
        wires.append(Wire(walled_engine))
        user, token = (name, name[0]) if name else (walled_engine.user, walled_engine.token)
        answer = wires[-1].call("authenticate", user=user, password=token)
        wires[-1].session_id = answer.sessionId
        return wires[-1]

    yield sign_in
    for wire in wires:
        wire.__exit__()
