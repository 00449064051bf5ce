"""What the engine serves beside files that DuckDB reads, and to whom."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import e6data_adbc
from e6data_adbc.local import LocalEngine
from tests.local.wire import Wire, refused

pytestmark = pytest.mark.seconds


def test_a_delta_table(make_wire: Callable[..., Wire], tmp_path: Path) -> None:
    """A Delta table is served in its newest version: rows that were deleted are gone, though their files are there."""
    deltalake = pytest.importorskip("deltalake")
    folder = tmp_path / "lake" / "events"
    deltalake.write_deltalake(folder, pa.table({"id": [1, 2, 3], "kind": ["a", "b", "a"]}))
    deltalake.write_deltalake(folder, pa.table({"id": [4], "kind": ["c"]}), mode="append")
    deltalake.DeltaTable(folder).delete("id = 2")

    wire = make_wire(tmp_path)

    found = wire.select("select id, kind from events order by id", catalog="files", schema="lake")
    assert found.to_pydict() == {"id": [1, 3, 4], "kind": ["a", "a", "c"]}


def test_an_iceberg_table(make_wire: Callable[..., Wire], tmp_path: Path) -> None:
    """An Iceberg table is served as its newest metadata has it."""
    sql = pytest.importorskip("pyiceberg.catalog.sql")
    lake = tmp_path / "data"
    lake.mkdir()
    catalog = sql.SqlCatalog(
        "c", uri=f"sqlite:///{tmp_path / 'catalog.db'}", warehouse=f"file://{lake}"
    )
    try:
        catalog.create_namespace("n")
        table = catalog.create_table("n.t", pa.schema({"id": pa.int64()}), location=f"{lake}/t")
        table.append(pa.table({"id": [1]}))
        table.append(pa.table({"id": [2]}))
    finally:
        catalog.engine.dispose()

    wire = make_wire(lake)

    assert wire.select("select id from t order by id", catalog="files", schema="main")[
        "id"
    ].to_pylist() == [1, 2]


def sqlite_file(file: Path, *statements: str) -> None:
    connection = sqlite3.connect(file)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_sqlite_file_is_a_catalog(make_wire: Callable[..., Wire], tmp_path: Path) -> None:
    """Its tables and views are there, with the types that the declarations mean to SQLite."""
    sqlite_file(
        tmp_path / "shop.sqlite",
        "create table t (i integer, r real, s varchar(9), b blob, d date, x)",
        "insert into t values (1, 1.5, 'é', x'00ff', '2020-01-01', 7), (null, null, null, null, null, null)",
        "create view v as select i from t where i is not null",
    )

    wire = make_wire(tmp_path)

    assert list(wire.ask("getTablesV2", catalog="shop", schema="main").tables) == ["t", "v"]
    assert wire.select("from t", catalog="shop", schema="main").to_pylist() == [
        {"i": 1, "r": 1.5, "s": "é", "b": b"\x00\xff", "d": "2020-01-01", "x": "7"},
        dict.fromkeys("irsbdx"),
    ]


def test_a_sqlite_value_of_another_type(tmp_path: Path) -> None:
    """A value that its column's type does not have stops the start, and the error names the column."""
    sqlite_file(tmp_path / "bad.sqlite", "create table t (i integer)", "insert into t values ('x')")

    with pytest.raises(e6data_adbc.ProgrammingError, match="column 'i'"):
        LocalEngine(tmp_path).start()


def test_scratch_stays_in_a_file(make_wire: Callable[..., Wire], tmp_path: Path) -> None:
    """With a file, what was written is there at the next start; without, it is not."""
    file = tmp_path / "scratch.duckdb"
    first = make_wire(scratch=file)
    first.select("create table t as select 42 as answer", catalog="scratch", schema="main")
    first.select("insert into t values (43)", catalog="scratch", schema="main")
    first.engine.stop()

    again = make_wire(scratch=file)

    found = again.select("select answer from t order by 1", catalog="scratch", schema="main")
    assert found["answer"].to_pylist() == [42, 43]
    assert list(make_wire().ask("getTablesV2", catalog="scratch", schema="main").tables) == []


def test_arrow_tables_are_registered(make_wire: Callable[..., Wire]) -> None:
    """Arrow data become a table of scratch or of a catalog of their own, and may be replaced."""
    wire = make_wire()
    wire.engine.register("people", pa.table({"id": [1]}))
    wire.engine.register("people", pa.table({"id": [1, 2]}))
    wire.engine.add_catalog("own", {"things": pa.table({"name": ["a"]})})

    both = wire.select("select id, name from scratch.main.people, own.main.things order by id")
    assert both.to_pydict() == {"id": [1, 2], "name": ["a", "a"]}
    with pytest.raises(e6data_adbc.ProgrammingError, match="could not register"):
        wire.engine.register("t", pa.table({"id": [1]}), catalog="sample")


USERS = {
    "users": [
        {"name": "ada", "tokens": ["a-1", "a-2"], "catalogs": ["sample", "scratch"]},
        {"name": "guest", "tokens": ["g-1"], "catalogs": ["Sample"], "read_only": True},
        {"name": "reader", "tokens": ["r-1"], "read_only": True},
    ]
}
DENIED = ("INTERNAL", "Access denied")


@pytest.fixture
def as_user(make_engine: Callable[..., LocalEngine], tmp_path: Path) -> Any:
    """An engine with users; returns a signed-in client of one of them."""
    file = tmp_path / "users.json"
    file.write_text(json.dumps(USERS))
    engine = make_engine(users=file)
    engine.add_catalog("secret", {"t": pa.table({"a": [1]})})
    engine.register("t", pa.table({"a": [1]}))
    wires = []

    def sign_in(name: str, token: str) -> Wire:
        wire = Wire(engine)
        wires.append(wire)
        wire.session_id = wire.call("authenticate", user=name, password=token).sessionId
        return wire

    yield sign_in
    for wire in wires:
        wire.__exit__()


def test_users_have_tokens(as_user: Any) -> None:
    """Each user may sign in with each of their tokens, and with nobody else's."""
    assert as_user("ada", "a-1").session_id
    assert as_user("ada", "a-2").session_id
    assert as_user("guest", "a-1").session_id == ""
    assert as_user("nobody", "a-1").session_id == ""


@pytest.mark.parametrize(
    ("user", "sql", "fine"),
    [
        ("ada", "select count(*) from stores", True),
        ("ada", "select * from scratch.main.t, sample.sales.stores", True),
        ("ada", "insert into scratch.main.t values (1)", True),
        ("ada", "select * from secret.main.t", False),
        ("ada", 'select * from "SECRET".t', False),
        ("ada", "select (select max(a) from secret.main.t)", False),
        ("ada", "with secret as (select 1 as a) select * from secret", True),
        ("ada", "select * from query('from secret.main.t')", False),
        ("ada", "create table secret.main.u as select 1 as a", False),
        ("ada", "insert into secret.main.t select 1", False),
        ("ada", "drop table secret.main.t", False),
        ("ada", "create table scratch.main.u as select a from secret.main.t", False),
        ("ada", "/* job * / 7 */ insert into scratch.main.t values (1)", True),
        ("ada", "-- c\n/* secret */ drop table if exists scratch.main.nix", True),
        ("ada", "/* c */ insert into secret.main.t select 1", False),
        ("guest", "select count(*) from stores", True),
        ("guest", "select * from scratch.main.t", False),
        ("reader", "select * from secret.main.t", True),
        ("reader", "insert into scratch.main.t values (1)", False),
    ],
)
def test_what_users_may(as_user: Any, user: str, sql: str, fine: bool) -> None:
    """A statement about a catalog that is not the user's, or a change by one who may only read, is refused."""
    wire = as_user(user, f"{user[0]}-1")

    future = wire.start(
        "prepareStatementV2",
        sessionId=wire.session_id,
        queryString=sql,
        catalog="sample",
        schema="sales",
    )
    assert future.result().queryId if fine else refused(future) == DENIED


@pytest.mark.parametrize(
    "sql",
    [
        "/* /* */ insert into scratch.main.t select 1 */ drop table secret.main.t",
        "-- \rdrop table secret.main.t /*\ndrop table scratch.main.t */",
    ],
)
def test_comments_hide_nothing(as_user: Any, sql: str) -> None:
    """Where the end of a comment depends on the lexer, DuckDB's own counts: what it would change is refused."""
    wire = as_user("ada", "a-1")
    call = wire.start("prepareStatementV2", sessionId=wire.session_id, queryString=sql)

    assert refused(call) == DENIED


def test_listings_and_dry_runs_too(as_user: Any) -> None:
    """Neither a listing nor a dry run tells about a catalog that is not the user's."""
    wire = as_user("guest", "g-1")
    assert list(wire.ask("getSchemaNamesV2", catalog="SAMPLE").schemas) == ["sales"]

    session = {"sessionId": wire.session_id}
    assert refused(wire.start("getSchemaNamesV2", catalog="secret", **session)) == DENIED
    assert refused(wire.start("getTablesV2", catalog="secret", **session)) == DENIED
    assert refused(wire.start("getColumnsV2", catalog="secret", table="t", **session)) == DENIED
    dry = wire.start("dryRunV2", queryString="from secret.main.t", catalog="sample", **session)
    assert refused(dry) == DENIED


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"users": [{"name": "a"}]}',
        '{"users": [{"name": "a", "tokens": ["t"], "role": 1}]}',
    ],
)
def test_a_users_file_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    """A file of another form stops the start and is named; its tokens are not told."""
    file = tmp_path / "users.json"
    file.write_text(text)

    with pytest.raises(e6data_adbc.ProgrammingError, match="could not read the users file"):
        LocalEngine(users=file)
