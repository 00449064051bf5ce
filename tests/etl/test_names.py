"""Names: what a database takes is kept as it is, and what it would cut or read otherwise is refused before."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pyarrow as pa
import pytest

from e6data_adbc import NotSupportedError, ProgrammingError
from e6data_adbc.etl import load, status
from tests.etl import places
from tests.etl.places import Place

pytestmark = pytest.mark.seconds

ODD = ["a?b", 'say "x"', "100%s", "select", "a b", "back\\slash", "it's", "new\nline", "π"]


@pytest.fixture(params=["sqlite", "duckdb", "postgresql", "mysql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty database of each kind."""
    servers = {"postgresql": "postgres", "mysql": "mariadb"}
    name = servers.get(request.param)
    server = None if name is None else request.getfixturevalue(name)
    return places.make(request.param, tmp_path, server)


def url(database: Place, table: str) -> str:
    name = quote(table.replace('"', '""'), safe="")
    return database.url(f'"{name}"')


def test_columns(database: Place) -> None:
    """Each is the column's name, in tables, stages and keys."""
    data = pa.table([[n] for n in range(len(ODD))], names=ODD)
    for mode in ("append", "upsert"):
        load(data, database.url(), mode=mode, key=["a?b", "100%s"] if mode == "upsert" else None)
        listed = ", ".join('"' + name.replace('"', '""') + '"' for name in ODD)
        if database.kind == "mysql":
            listed = ", ".join(f"`{name}`" for name in ODD)
        assert database.rows(f"SELECT {listed} FROM {{}}t") == [tuple(range(len(ODD)))]


def test_tables(database: Place) -> None:
    """Each is the table's name, and one job's watermarks are beside it."""
    for name in ODD[:2]:
        to = url(database, name)
        load(pa.table({"id": [1]}), to, job="j")
        load(pa.table({"id": [1]}), to, job="j")
        load(pa.table({"id": [2]}), to, job="k", mode="replace")
        quoted = f"`{name}`" if database.kind == "mysql" else '"' + name.replace('"', '""') + '"'
        assert database.rows(f"SELECT id FROM {{}}{quoted}") == [(2,)]
        assert [mark.is_complete for mark in status("j", to)] == [True]


def test_a_condition_with_a_question_mark(place: Place) -> None:
    """It is the caller's own SQL, and nothing in it is a sign of ours."""
    data = pa.table({"id": [1, 2], "v": ["what?", "so"]})
    load(data, place.url())
    load(
        pa.table({"id": [3], "v": ["what?"]}),
        place.url(),
        mode="replace_where",
        where="v = 'what?'",
    )

    assert sorted(place.rows("SELECT id FROM {}t")) == [(2,), (3,)]


@pytest.mark.parametrize(
    ("kind", "name", "cause"),
    [
        ("postgresql", "x" * 64, "longer than 63 bytes"),
        ("postgresql", "ü" * 32, "longer than 63 bytes"),
        ("postgresql", "ctid", "PostgreSQL's own"),
        ("postgresql", "", "is empty"),
        ("mysql", "x" * 65, "longer than 64 characters"),
        ("mysql", "trailing ", "ends with a space"),
        ("mysql", "𝄞", "beyond"),
        ("mysql", "", "is empty"),
    ],
)
def test_no_names(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, name: str, cause: str
) -> None:
    """They are refused at once, and nothing is made of them."""
    server = request.getfixturevalue({"postgresql": "postgres", "mysql": "mariadb"}[kind])
    database = places.make(kind, tmp_path, server)

    with pytest.raises(NotSupportedError, match=cause):
        load(pa.table([[1]], names=[name]), database.url(), job="j")
    if name:
        with pytest.raises(ProgrammingError, match=cause):
            load(pa.table({"id": [1]}), url(database, name), job="j")


def test_the_longest_names(database: Place) -> None:
    """63 characters have a place everywhere."""
    name = "x" * 63
    load(pa.table([[1]], names=[name]), url(database, name), mode="upsert", key=name)
    load(pa.table([[1]], names=[name]), url(database, name), mode="upsert", key=name)

    assert database.rows(f"SELECT {name} FROM {{}}{name}") == [(1,)]
