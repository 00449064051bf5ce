"""Tables that are there: what a database would put in place of a row's own values is refused, or taken as it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from e6data_adbc import DataError, ProgrammingError
from e6data_adbc.etl import load
from e6data_adbc.etl.sql.tables import Tables
from e6data_adbc.testing.table_source import TableSource
from tests.etl import places
from tests.etl.places import Place

pytestmark = pytest.mark.seconds

ROWS = pa.table({"id": pa.array([1, 2], pa.int64()), "v": ["a", "b"]})


@pytest.fixture
def mysql(mariadb: str, tmp_path: Path) -> Place:
    return places.make("mysql", tmp_path, mariadb)


@pytest.fixture
def postgresql(postgres: str, tmp_path: Path) -> Place:
    return places.make("postgresql", tmp_path, postgres)


@pytest.mark.parametrize("mode", ["append", "replace"])
@pytest.mark.parametrize(
    "column", ["id BIGINT AS (b * 2) STORED, v TEXT", "id BIGINT, v TEXT AS ('x')"]
)
def test_a_column_that_mysql_computes(mysql: Place, column: str, mode: str) -> None:
    """LOAD DATA would pass over its values without a word."""
    mysql.run(f"CREATE TABLE {{}}t (b BIGINT, {column})")

    with pytest.raises(ProgrammingError, match="there it is generated"):
        load(ROWS, mysql.url(), mode=mode)
    assert mysql.rows("SELECT * FROM {}t") == []


def test_computed_columns_that_the_result_has_not(mysql: Place, postgresql: Place) -> None:
    """They are no harm."""
    mysql.run("CREATE TABLE {}t (id BIGINT, v TEXT, g BIGINT AS (id * 2) STORED)")
    postgresql.run(
        "CREATE TABLE {}t (id BIGINT, v TEXT, g BIGINT GENERATED ALWAYS AS (id * 2) STORED)"
    )
    for place in (mysql, postgresql):
        load(ROWS, place.url(), mode="replace")
        assert sorted(place.rows("SELECT * FROM {}t")) == [(1, "a", 2), (2, "b", 4)]


def test_a_column_that_postgresql_computes(postgresql: Place) -> None:
    """It is refused before a row is read."""
    postgresql.run("CREATE TABLE {}t (id BIGINT, v VARCHAR(5) GENERATED ALWAYS AS ('x') STORED)")

    with pytest.raises(ProgrammingError, match="there it is generated"):
        load(ROWS, postgresql.url(), job="j")


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("id BIGINT AUTO_INCREMENT PRIMARY KEY", pa.array([7, None], pa.int64())),
        (
            "id TIMESTAMP(6) NOT NULL DEFAULT NOW(6)",
            pa.array([10**15, None], pa.timestamp("us", "UTC")),
        ),
        ("id BIGINT NOT NULL", pa.array([7, None], pa.int64())),
        ("id TEXT NOT NULL", pa.array(["a", None])),
    ],
)
def test_null_that_mysql_would_fill(mysql: Place, column: str, values: pa.Array) -> None:
    """The next number, or the present time, is not what the row has."""
    mysql.run(f"CREATE TABLE {{}}t ({column})")

    with pytest.raises(
        DataError, match=r"column 'id' of type .*: row 1: the destination has no NULL"
    ):
        load(pa.table({"id": values}), mysql.url(), on_type="cast")
    assert mysql.rows("SELECT * FROM {}t") == []
    load(pa.table({"id": values[:1]}), mysql.url())
    assert len(mysql.rows("SELECT * FROM {}t")) == 1


def test_null_that_sqlite_would_fill(place: Place) -> None:
    """The number of a row is not what the row has; other databases have no NULL in a primary key at all."""
    place.run("CREATE TABLE {}t (id INTEGER PRIMARY KEY, v TEXT)")
    rows = pa.table({"id": pa.array([7, None], pa.int32()), "v": ["a", "b"]})

    with pytest.raises(Exception, match=r"NULL|null"):
        load(rows, place.url())
    assert place.rows("SELECT * FROM {}t") == []
    load(rows.slice(0, 1), place.url())
    assert place.rows("SELECT * FROM {}t") == [(7, "a")]


@pytest.mark.parametrize("mode", ["append", "replace", "upsert"])
def test_numbers_that_postgresql_gives(postgresql: Place, mode: str) -> None:
    """A row's own number is taken in every mode."""
    postgresql.run("CREATE TABLE {}t (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v TEXT)")
    rows = pa.table({"id": pa.array([7, 9], pa.int64()), "v": ["a", "b"]})
    for _ in range(1 if mode == "append" else 2):
        load(rows, postgresql.url(), mode=mode, key="id" if mode == "upsert" else None)

    assert sorted(postgresql.rows("SELECT * FROM {}t")) == [(7, "a"), (9, "b")]


@pytest.mark.parametrize("mode", ["replace", "upsert"])
@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_a_stage_that_another_worker_has_moved(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, kind: str, mode: str
) -> None:
    """A worker whose stage goes with the last commit of another one has lost a race, and nothing else."""
    place: Place = request.getfixturevalue(kind)
    options: dict[str, Any] = {"job": "j", "mode": mode, "partition": ("id", 3), "workers": 1}
    options |= {"key": "id"} if mode == "upsert" else {}
    rows = pa.table({"id": pa.array(range(30), pa.int64())})
    given = iter([True, False])  # one of three partitions

    def break_off() -> None:
        if not next(given):
            raise ConnectionError

    with pytest.raises(ConnectionError):
        load(TableSource(rows, before_batch=break_off), place.url(), **options)
    ready, others = Tables.ready, []

    def ready_and_overtaken(self: Tables, *arguments: Any) -> Any:
        found = ready(self, *arguments)
        if not others:
            others.append(None)
            others[0] = load(TableSource(rows), place.url(), **options)
        return found

    monkeypatch.setattr(Tables, "ready", ready_and_overtaken)
    report = load(TableSource(rows), place.url(), patience_seconds=20, **options)

    assert [others[0].rows, report.rows] == [20, 0]
    assert report.watermark.is_complete
    assert sorted(place.rows("SELECT id FROM {}t")) == [(number,) for number in range(30)]
