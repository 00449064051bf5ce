"""Any ADBC driver as a destination: what it keeps is tried, and the rest refused before anything is written."""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from e6data_adbc import errors
from e6data_adbc.etl import Progress, load, status
from e6data_adbc.etl.sql.adbc import AnySession
from tests.etl import places
from tests.etl.places import Place
from tests.etl.test_types import EXACT

pytestmark = pytest.mark.seconds

#: The option with which each driver is told its database.
OPTIONS = {"sqlite": "uri", "duckdb": "path", "postgresql": "uri"}


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """An empty database of each kind."""
    server = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    return places.make(request.param, tmp_path, server)


def url(place: Place, table: str = "t") -> str:
    """Returns the address of a table by its ADBC driver alone."""
    base = place.base if place.kind == "postgresql" else place.base.partition("://")[2]
    option = urllib.parse.urlencode({OPTIONS[place.kind]: base})
    return f"adbc://adbc_driver_{place.kind}?{option}#{place.schema}{table}"


@pytest.fixture
def uri(engine: Any) -> Iterator[str]:
    """A URI of a catalog whose table `numbers` has 60 rows."""
    from e6data_adbc.testing import isolated_catalog

    table = pa.table({"n": list(range(60)), "s": [f"s{n}" for n in range(60)]})
    with isolated_catalog(engine, {"numbers": table}) as catalog:
        yield engine.uri_for(catalog)


def count(place: Place, table: str = "t") -> list[tuple[Any, ...]]:
    return place.rows(f"SELECT COUNT(*), COUNT(DISTINCT n) FROM {{}}{table}")


def test_modes_and_resume(place: Place, uri: str) -> None:
    """A load goes on after its last commit, and the modes leave what they say."""

    class Interruption(Exception):
        pass

    def interrupt(progress: Progress) -> None:
        if progress.event == "committed":
            raise Interruption

    options: dict[str, Any] = {"uri": uri, "job": "j", "partition": ("n", 4)}
    with pytest.raises(Interruption):
        load("numbers", url(place), progress=interrupt, **options)
    report = load("numbers", url(place), **options)
    assert (report.rows, report.skipped_rows, count(place)) == (45, 15, [(60, 60)])
    assert status("j", url(place))[0].is_complete

    load("select n, 'new' as s from numbers where n < 9", url(place), uri=uri, mode="replace")
    load(pa.table({"n": [8, 9], "s": ["other", "added"]}), url(place), mode="upsert", key="n")
    where = {"mode": "replace_where", "where": "n < 2"}
    load("select n, 's' as s from numbers where n = 1", url(place), uri=uri, **where)
    assert count(place) == [(9, 9)]
    assert place.rows("SELECT n, s FROM {}t WHERE n IN (1, 7, 8, 9) ORDER BY n") == [
        (1, "s"),
        (7, "new"),
        (8, "other"),
        (9, "added"),
    ]


@pytest.mark.parametrize("place", OPTIONS, indirect=True)
def test_types_are_exact_or_refused(place: Place) -> None:
    """Each type comes back exactly, or is refused with its column and type before there is any table."""
    rows = max(len(array) for array, _, _ in EXACT.values())
    columns = {
        f"c{number}": pa.concat_arrays([array, pa.nulls(rows - len(array), array.type)])
        for number, (array, _, _) in enumerate(EXACT.values())
    }
    refused = set()
    if place.kind == "sqlite":
        with pytest.raises(errors.NotSupportedError) as caught:
            load(pa.table({"n": range(rows)} | columns), url(place))
        refused = {
            name
            for name, array in columns.items()
            if f"{name!r} of type {str(array.type)!r}" in str(caught.value)
        }
        zones = {"timestamp[us, UTC]", "timestamp[us, zone]"}
        decimals = {"decimal128(38,2)", "decimal128(38,0)"}
        assert {list(EXACT)[int(name[1:])] for name in refused} == zones | decimals

    kept = {name: array for name, array in columns.items() if name not in refused}
    load(pa.table({"n": range(rows)} | kept), url(place))

    for name in kept:
        array, values, in_sqlite = list(EXACT.values())[int(name[1:])]
        found = [row[0] for row in place.rows(f"SELECT {name} FROM {{}}t ORDER BY n")]
        expected = in_sqlite if in_sqlite and place.kind == "sqlite" else values
        if pa.types.is_decimal(array.type) or pa.types.is_timestamp(array.type):
            found, expected = ([_text(each) for each in some] for some in (found, expected))
        assert found == [*expected, *[None] * (rows - len(expected))], array.type
    tables = "sqlite_master" if place.kind == "sqlite" else "information_schema.tables"
    column = "name" if place.kind == "sqlite" else "table_name"
    assert place.rows(f"SELECT COUNT(*) FROM {tables} WHERE {column} LIKE 'e6_probe%'") == [(0,)]


def _text(value: Any) -> str | None:
    return None if value is None else str(value).replace("T", " ")


def test_a_column_that_is_there_is_tried_itself(place: Place) -> None:
    """What the target's own column would change is refused, and what it keeps is taken."""
    place.run("CREATE TABLE {}t (n BIGINT, c SMALLINT)")
    if place.kind != "sqlite":  # whose integers are all as wide
        with pytest.raises(errors.NotSupportedError, match="'c' of type 'int64'"):
            load(pa.table({"n": [1], "c": [70_000]}), url(place))
    with pytest.raises(errors.Error, match="'c' of type 'string'"):
        load(pa.table({"n": [1], "c": ["1"]}), url(place))

    load(pa.table({"n": [1], "c": pa.array([7], pa.int16())}), url(place))

    assert place.rows("SELECT n, c FROM {}t") == [(1, 7)]


def test_without_transactions_nothing_is_written(place: Place, monkeypatch: Any) -> None:
    """A driver that cannot undo the making of a table is refused, and leaves none."""
    monkeypatch.setattr(AnySession, "rollback", AnySession.commit)

    with pytest.raises(errors.NotSupportedError, match="a rollback leaves the tables"):
        load(pa.table({"n": [1]}), url(place), job="j")

    monkeypatch.undo()
    assert status("j", url(place)) == []
    load(pa.table({"n": [1]}), url(place))
    assert count(place) == [(1, 1)]


def test_a_driver_without_transactions_is_refused(engine: Any) -> None:
    """Autocommit cannot be ended: rows and watermark could not be one commit."""
    option = urllib.parse.urlencode({"uri": engine.uri})

    with pytest.raises(errors.NotSupportedError, match="it has no transactions"):
        load(pa.table({"n": [1]}), f"adbc://adbc_driver_e6data?{option}#t")


def test_no_password_of_an_inner_address_is_shown(postgres: str) -> None:
    """The address of the server is an option, and its password a secret."""
    inner = postgres.replace("loader@", "loader:canary-5d2e@").replace("/postgres", "/missing")
    option = urllib.parse.urlencode({"uri": inner})

    with pytest.raises(errors.Error) as caught:
        load(pa.table({"n": [1]}), f"adbc://adbc_driver_postgresql?{option}#t", patience_seconds=0)

    error: BaseException | None = caught.value
    while error is not None:
        assert "canary-5d2e" not in str(error)
        error = error.__cause__
