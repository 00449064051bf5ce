"""MariaDB: values, columns that are there, and what a server calls a warning."""

from __future__ import annotations

import datetime as dt
import urllib.parse
import uuid
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from e6data_adbc import DataError, Error, IntegrityError, NotSupportedError, ProgrammingError
from e6data_adbc.etl import Progress, dry_run, forget, load, status
from e6data_adbc.etl.destinations import parse
from e6data_adbc.etl.sql.mysql import MySql
from e6data_adbc.etl.sql.mysql_session import MySqlSession
from e6data_adbc.testing.table_source import TableSource
from tests.etl import places
from tests.etl.places import Place
from tests.support.canary import Canaries

pytestmark = pytest.mark.seconds

BIG = Decimal("-123456789012345678901234567890123456.78")
TEXT = "tab\t line\n\r \\N \\ 'single' \"double\" zero\0 π 𝄞 "
LAST = dt.datetime(9999, 12, 31, 23, 59, 59, 999999)
ROWS = pa.table(
    {
        "n": pa.array([1, 2], pa.int64()),
        "flag": [True, None],
        "least": pa.array([-128, None], pa.int8()),
        "most": pa.array([2**64 - 1, None], pa.uint64()),
        "f32": pa.array([0.1, None], pa.float32()),
        "f64": [1.7976931348623157e308, 5e-324],
        "money": pa.array([BIG, None], pa.decimal128(38, 2)),
        "fine": pa.array([Decimal("1E-38"), None], pa.decimal128(38, 38)),
        "text": [TEXT, None],
        "bytes": pa.array([b"\0\xff'\\\t\n", None]),
        "day": [dt.date(1, 1, 1), dt.date(9999, 12, 31)],
        "at": [dt.datetime(1, 1, 1, 0, 0, 0, 1), LAST],
        "instant": pa.array([dt.datetime(2038, 1, 19, 3, 14, 7, 999999), None]).cast(
            pa.timestamp("us", "Asia/Kolkata")
        ),
        "clock": pa.array([dt.time(23, 59, 59, 999999), None]),
    }
)
STORED = [
    (
        *(1, 1, -128, 2**64 - 1, 0.10000000149011612, 1.7976931348623157e308, BIG),
        *(Decimal("1E-38"), TEXT, b"\0\xff'\\\t\n", dt.date(1, 1, 1)),
        *(dt.datetime(1, 1, 1, 0, 0, 0, 1), dt.datetime(2038, 1, 19, 3, 14, 7, 999999)),
        dt.timedelta(seconds=86399, microseconds=999999),
    ),
    (2, *[None] * 4, 5e-324, *[None] * 4, dt.date(9999, 12, 31), LAST, None, None),
]


@pytest.fixture
def mysql(tmp_path: Path, mariadb: str) -> Place:
    return places.make("mysql", tmp_path, mariadb)


def no_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the server look like one that takes no files."""
    made = MySqlSession.__init__

    def make(session: MySqlSession, connection: Any, *, takes_files: bool) -> None:
        made(session, connection, takes_files=False)

    monkeypatch.setattr(MySqlSession, "__init__", make)


@pytest.mark.parametrize("takes_files", [True, False])
def test_values_are_kept(
    mysql: Place, monkeypatch: pytest.MonkeyPatch, *, takes_files: bool
) -> None:
    """Exactly, by LOAD DATA and by INSERT."""
    if not takes_files:
        no_files(monkeypatch)

    load(ROWS, mysql.url())
    load(ROWS.slice(0, 0), mysql.url())

    assert mysql.rows("SELECT * FROM {}t ORDER BY n") == STORED


@pytest.mark.parametrize(
    "values",
    [
        pa.array([float("nan")]),
        pa.array([float("inf")]),
        pa.array([-0.0]),
        pa.array([dt.datetime(2040, 1, 1)]).cast(pa.timestamp("us", "UTC")),
        pa.array([dt.datetime(1970, 1, 1)]).cast(pa.timestamp("s", "UTC")),
        pa.array([1], pa.int64()).cast(pa.timestamp("ns")),
    ],
    ids=["NaN", "infinity", "-0.0", "2040", "1970", "nanosecond"],
)
def test_values_that_it_has_not(mysql: Place, values: pa.Array) -> None:
    """They are refused by column, type and row."""
    more = pa.concat_arrays([pa.nulls(3, values.type), values])

    with pytest.raises(DataError, match=r"'c'.* row 3"):
        load(pa.table({"c": more}), mysql.url())

    assert mysql.rows("SELECT COUNT(*) FROM {}t") == [(0,)]


@pytest.mark.parametrize("takes_files", [True, False])
def test_a_warning_is_a_refusal(
    mysql: Place, monkeypatch: pytest.MonkeyPatch, *, takes_files: bool
) -> None:
    """With LOCAL the server would leave out rows with a key that is there, and cut texts to what fits."""
    if not takes_files:
        no_files(monkeypatch)
    mysql.run("CREATE TABLE {}t (id BIGINT PRIMARY KEY, v TINYTEXT) CHARACTER SET latin1")
    mysql.run("INSERT INTO {}t VALUES (2, 'old')")

    with pytest.raises(IntegrityError, match="Duplicate entry '2'"):
        load(pa.table({"id": [1, 2], "v": ["a", "b"]}), mysql.url())
    for text in ("x" * 300, "π"):
        with pytest.raises(Error, match=r"Data too long|truncated|Incorrect string"):
            load(pa.table({"id": [1], "v": [text]}), mysql.url())

    load(pa.table({"id": [1], "v": ["é"]}), mysql.url())
    assert mysql.rows("SELECT * FROM {}t ORDER BY id") == [(1, "é"), (2, "old")]


def test_a_server_gets_no_other_file(mysql: Place, tmp_path: Path) -> None:
    """Whatever it asks for in its answer to a statement."""
    secret = tmp_path / "secret"
    secret.write_text("1\n")
    mysql.run("CREATE TABLE {}t (id BIGINT)")
    session = MySql(parse(mysql.url())).connect()

    with pytest.raises(Exception, match="that it was not to have"):
        session.run(f"LOAD DATA LOCAL INFILE '{secret}' INTO TABLE {mysql.schema}t")

    assert mysql.rows("SELECT COUNT(*) FROM {}t") == [(0,)]


def test_columns_that_are_there(mysql: Place) -> None:
    """Narrower ones take what fits, by value; others are refused."""
    mysql.run(
        "CREATE TABLE {}t (id INT, code VARCHAR(3), price DECIMAL(5,2), at DATETIME, ms DATETIME(3), n INT "
        "NOT NULL AUTO_INCREMENT PRIMARY KEY)"
    )
    at = pa.array([dt.datetime(2026, 1, 2, 3, 4, 5)])
    good = {
        "id": pa.array([1], pa.int32()),
        "code": ["äöü"],
        "price": pa.array([Decimal("1.50")], pa.decimal128(38, 2)),
        "at": at,
        "ms": pa.array([dt.datetime(2026, 1, 2, 3, 4, 5, 6000)]),
    }
    load(pa.table(good), mysql.url())
    assert mysql.rows("SELECT code, at, ms FROM {}t") == [
        ("äöü", *at.to_pylist(), dt.datetime(2026, 1, 2, 3, 4, 5, 6000))
    ]
    for name, values in {
        "code": ["four"],
        "price": pa.array([Decimal("1000.00")], pa.decimal128(38, 2)),
        "at": pa.array([dt.datetime(2026, 1, 2, 3, 4, 5, 1)]),
        "ms": pa.array([dt.datetime(2026, 1, 2, 3, 4, 5, 1)]),
    }.items():
        with pytest.raises(DataError, match=f"'{name}'"):
            load(pa.table({**good, name: values}), mysql.url())
    with pytest.raises(ProgrammingError, match="there it is int"):
        load(pa.table({**good, "id": pa.array([1], pa.int64())}), mysql.url())

    load(pa.table({**good, "id": pa.array([2**40])}), mysql.url(), schema="evolve")
    assert mysql.rows("SELECT MAX(id), COUNT(*) FROM {}t") == [(2**40, 2)]


def test_a_table_without_transactions(mysql: Place) -> None:
    """It is refused: what is written there stays after a rollback."""
    mysql.run("CREATE TABLE {}t (id BIGINT) ENGINE = MyISAM")

    with pytest.raises(NotSupportedError, match="MyISAM"):
        load(pa.table({"id": [1]}), mysql.url())


def test_keys_differ_by_bytes(mysql: Place) -> None:
    """Case, accents and spaces at the end make another key; a text of 256 characters has no index."""
    words = ["a", "A", "a ", "ä"]
    load(pa.table({"id": words, "v": [1, 2, 3, 4]}), mysql.url(), mode="upsert", key="id")
    load(pa.table({"id": ["a "], "v": [30]}), mysql.url(), mode="upsert", key="id")
    assert sorted(mysql.rows("SELECT v FROM {}t")) == [(1,), (2,), (4,), (30,)]

    with pytest.raises(DataError, match="255 characters"):
        load(pa.table({"id": ["x" * 256], "v": [1]}), mysql.url(), mode="upsert", key="id")


def test_stages_go(mysql: Place) -> None:
    """That of a run which is complete is dropped; the next run drops what a killed worker has left of it."""
    rows = TableSource(pa.table({"id": list(range(8))}))
    options: dict[str, Any] = {"job": "j", "mode": "replace", "partition": ("id", 4)}
    load(rows, mysql.url(), run="1", **options)
    assert stages(mysql) == []

    def fail(progress: Progress) -> None:
        if progress.event == "committed":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load(rows, mysql.url(), run="2", workers=1, progress=fail, **options)
    (left,) = stages(mysql)
    mysql.run("DELETE FROM {}e6_loads WHERE run = '2'")  # as if killed while it forgot
    load(rows, mysql.url(), run="2", **options)
    assert mysql.rows("SELECT COUNT(*) FROM {}t") == [(8,)]
    mysql.run("CREATE TABLE {}" + left + " (id BIGINT)")  # as if killed before it was dropped
    load(rows, mysql.url(), run="3", **options)
    assert stages(mysql) == []
    assert [mark.run for mark in status("j", mysql.url())] == ["1", "2", "3"]
    assert forget("j", mysql.url()) == 3


def test_an_upsert_goes_on(mysql: Place) -> None:
    """A job without runs stages what is new, and nothing twice."""
    options: dict[str, Any] = {"job": "j", "mode": "upsert", "key": "id", "incremental": "id"}
    for count in (5, 9, 9):
        load(TableSource(pa.table({"id": list(range(count))})), mysql.url(), **options)

    assert mysql.rows("SELECT COUNT(*), COUNT(DISTINCT id) FROM {}t") == [(9, 9)]


def test_replacements(mysql: Place) -> None:
    """Of all rows, and of those that fulfil a condition, which the load's have to do as well."""
    load(pa.table({"id": list(range(6))}), mysql.url())
    load(pa.table({"id": [5]}), mysql.url(), mode="replace_where", where='"id" >= 3')
    with pytest.raises(IntegrityError, match="not among them"):
        load(pa.table({"id": [1, 7]}), mysql.url(), mode="replace_where", where="id >= 3")
    assert sorted(mysql.rows("SELECT id FROM {}t")) == [(0,), (1,), (2,), (5,)]

    load(pa.table({"id": [9]}), mysql.url(), mode="replace")

    assert mysql.rows("SELECT id FROM {}t") == [(9,)]


def stages(place: Place) -> list[str]:
    tables = place.rows(f"SHOW TABLES FROM {place.schema[:-1]}")
    return [name for (name,) in tables if name.startswith("e6_stage")]


@pytest.mark.parametrize("password", ["p/@#%41é ключ'\"?&", "p%41+"])
def test_any_password_signs_in(
    password: str, mysql: Place, mariadb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the address, where it is percent-encoded, and in MYSQL_PWD, where it stands as it is."""
    user = f"u{uuid.uuid4().hex[:8]}"
    shown = password.replace("'", "''")
    mysql.run(f"CREATE USER {user} IDENTIFIED BY '{shown}'")
    mysql.run(f"GRANT ALL ON *.* TO {user}")
    server, (_, _, table) = mariadb.partition("@")[2], mysql.url().partition("#")
    quoted = urllib.parse.quote(password, safe="")
    rows = pa.table({"id": [1]})

    load(rows, f"mysql://{user}:{quoted}@{server}#{table}")
    monkeypatch.setenv("MYSQL_PWD", password)
    load(rows, f"mysql://{user}@{server}#{table}")

    assert mysql.rows("SELECT id FROM {}t") == [(1,), (1,)]


def test_no_password_is_shown(
    mysql: Place, canaries: Canaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the address, or of the environment."""
    secret = canaries.plant("the destination's password")
    rows = pa.table({"id": [1]})
    user = mysql.schema[:-1]
    mysql.run(f"CREATE USER {user} IDENTIFIED BY '{secret}'")
    mysql.run(f"GRANT SELECT ON {user}.* TO {user}")
    base, _, place = mysql.url().partition("#")
    monkeypatch.setenv("LOAD_PASSWORD", secret)
    to = f"{base.replace('root@', user + ':${LOAD_PASSWORD}@')}#{place}".replace(
        "/test", f"/{user}"
    )

    with canaries.raises(Error) as caught:
        load(rows, to, job="j")
    assert "CREATE" in str(caught.value)
    shown = [repr(dry_run(rows, to)), str(caught.value)]
    monkeypatch.setenv("MYSQL_PWD", secret)
    with canaries.raises(Error):
        load(rows, to.replace(":${LOAD_PASSWORD}", ""))
    with canaries.raises(Error, match="option 'nonsense'"):
        load(rows, to.replace("#", "?nonsense=1#"))
    for wrong in (to.replace("127.0.0.1", "127.0.0.9"), to.replace(user + ":", "nobody:")):
        with canaries.raises(Error):
            load(rows, wrong, patience_seconds=0)
    assert not [name for text in shown for name in canaries.in_text(text)]
