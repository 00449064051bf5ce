"""What SQL reaches of the catalogs: those of the user, whatever the statement or call."""

from __future__ import annotations

from typing import Any

import duckdb
import pytest

import e6data_adbc
from e6data_adbc.local import LocalEngine
from tests.local.wire import refused
from tests.support.walled import DENIED, prepared

pytestmark = pytest.mark.seconds
#: Ways to read a table, `{}` being its name.
READS = [
    "select * from {}",
    "from {}",
    "table {}",
    "(select * from {})",
    "select 1 union all select a from {}",
    "select (select max(a) from {})",
    "select 1 where exists (select 1 from {})",
    "select 1 where false and 1 in (select a from {})",
    "with x as (select * from {}) select * from x",
    "with recursive x as (select 1 as a union all select x.a + 1 from x, {} y where x.a < 3) select * from x",
    "select * from stores s, lateral (select a from {} where a = s.store_id) t",
    "select * from stores s left join {} t on s.store_id = t.a",
    "select count(*) over () from {}",
    "select * from stores order by (select max(a) from {})",
    "select * from (pivot {} on a in (1, 2) using count(*))",
    "unpivot (select a from {}) on a",
    "select * from {} using sample 1 rows",
    "describe {}",
    "desc {}",
    "show {}",
    "select * from (describe {})",
    "describe select word from {}",
    "summarize {}",
    "explain select * from {}",
    "explain analyze select * from {}",
    "explain (format json) select * from {}",
    "select * from query('select * from {}')",
    "select * from query('select * from query(''from {}'')')",
    "select * from query_table('{}')",
    "select columns('w.*') from {}",
    "/* c */ select * -- d\n from /* e */ {}",
]
#: Ways to write what was read.
WRITES = [
    "create table scratch.main.n as select * from {}",
    "create or replace table scratch.main.n as with x as (select * from {}) select * from x",
    "create temp table n as from {}",
    "create view scratch.main.n as select * from {}",
    "create view scratch.main.n as select 1 as a where exists (from {})",
    "create macro scratch.main.n() as table select * from {}",
    "create macro scratch.main.n(x) as x + (select max(a) from {})",
    "create type scratch.main.n as enum (select word from {})",
    "insert into scratch.main.t select * from {}",
    "insert into scratch.main.t (from {})",
    "insert into scratch.main.t (a) select 1 from (describe {})",
    "update scratch.main.t set a = (select max(a) from {})",
    "update scratch.main.t set a = o.a from {} o where true",
    "delete from scratch.main.t where a in (select a from {})",
    "delete from scratch.main.t using {} o where true",
    "merge into scratch.main.t using {} o on t.a = o.a when matched then delete",
]
FORBIDDEN = [
    "files.main.t",
    "files.t",
    '"FILES"."main"."T"',
    "files.main.c",
    "files.main.j",
    "files.lake.part",
    "files.more.deep",
    "own.main.t",
    "added.main.t",
]


@pytest.mark.parametrize("read", READS)
def test_no_way_of_reading_passes_the_wall(as_user: Any, read: str) -> None:
    """A user with one catalog reads no table of another, whatever the statement; the same on the own catalog runs."""
    wire = as_user("sampler")
    for table in FORBIDDEN if read == READS[0] else ("files.main.t", "files.main.c", "own.main.t"):
        name = table.replace('"', "") if "'" in read else table
        assert refused(prepared(wire, read.format(name))) == DENIED, table
    if read != "describe select word from {}" and "w.*" not in read:
        own = "(select store_id as a, country as word from stores)"
        if "query_table" in read or read.split(maxsplit=1)[0] in (
            "describe",
            "desc",
            "show",
            "summarize",
            "table",
        ):
            own = "sample.sales.stores"
        elif "describe" in read or "pivot" in read:
            return
        assert prepared(wire, read.format(own)).result().queryId


@pytest.mark.parametrize("write", WRITES)
def test_no_way_of_writing_reads_through_the_wall(as_user: Any, write: str) -> None:
    """Nor does a change by somebody who may write elsewhere."""
    wire = as_user("writer")
    for table in ("files.main.t", "files.main.j", "own.main.t", "added.main.t"):
        answer = refused(prepared(wire, write.format(table)))
        if "describe" in write or "enum" in write:
            # Of these DuckDB does not tell enough, so that nobody with a wall may have them.
            assert answer == DENIED or answer[1].endswith("cannot be told"), table
        else:
            assert answer == DENIED, table


@pytest.mark.parametrize(
    "table",
    [
        "scratch.main.over_files",
        "scratch.main.over_csv",
        "scratch.main.over_added",
        "scratch.main.of_files()",
    ],
)
def test_a_view_lends_no_rights(as_user: Any, table: str) -> None:
    """Who may read a view or call a macro, but not what is below it, is refused."""
    wire = as_user("writer")

    assert refused(prepared(wire, f"select * from {table}")) == DENIED
    assert as_user("").select(f"select count(*) as n from {table}").to_pylist()[0]["n"] >= 1
    assert refused(prepared(wire, "select scratch.main.most(1)")) == DENIED


@pytest.mark.parametrize(
    "sql",
    [
        "insert into added.main.t values (1, 'x')",
        "insert into added.main.t select 1, 'x'",
        "with x as (select 1 as a) insert into added.main.t select a, 'x' from x",
        "update added.main.t set a = 1",
        "delete from added.main.t",
        "truncate added.main.t",
        "create table added.main.n (a int)",
        "create or replace view added.main.n as select 1 as a",
        "create schema added.n",
        "create sequence added.main.n",
        "create unique index n on added.main.t (a)",
        "create type added.main.n as enum ('a')",
        "create macro added.main.n(x) as x",
        "drop table added.main.t",
        "drop table if exists added.main.t",
        "drop sequence added.main.numbers",
        "drop schema added.main cascade",
        "alter table added.main.t rename to u",
        "comment on table added.main.t is 'x'",
        "select nextval('added.main.numbers')",
        "select * from query('select nextval(''added.main.numbers'')')",
        "select added.main.next_number()",
        "explain analyze delete from added.main.t",
        "-- c\n/* d */ drop /* e */ table added.main.t",
    ],
)
def test_no_change_passes_the_wall(as_user: Any, sql: str) -> None:
    """What a user may not read cannot be changed either."""
    assert refused(prepared(as_user("writer"), sql)) == DENIED


@pytest.mark.parametrize(
    "sql",
    [
        "insert into scratch.main.t values (1, 'x')",
        "with x as (select 1 as a) insert into scratch.main.t select a, 'x' from x",
        "create table scratch.main.n (a int)",
        "create temp table n as select 1 as a",
        "drop table scratch.main.t",
        "select nextval('scratch.main.numbers')",
        "select nextval('scratch.main.numbers') from scratch.main.t",
        "explain analyze delete from scratch.main.t",
        "explain (analyze) insert into scratch.main.t values (1, 'x')",
        "with x as (insert into scratch.main.t values (1, 'x') returning a) select * from x",
    ],
)
def test_a_reader_changes_nothing(as_user: Any, sql: str) -> None:
    """A change is one wherever it stands in a statement; the same by somebody who may write is fine."""
    future = prepared(as_user("reader"), sql)
    if sql.startswith("with x as (insert") and duckdb.__version__ < "2":
        assert "A CTE needs a SELECT" in refused(future)[1]
        return
    assert refused(future) == DENIED
    assert prepared(as_user("writer"), sql).result().queryId


@pytest.mark.parametrize(
    ("user", "sql"),
    [
        ("sampler", "select * from information_schema.tables"),
        ("sampler", "select * from information_schema.columns"),
        ("sampler", "select * from information_schema.schemata"),
        ("sampler", "select * from information_schema.views"),
        ("sampler", "show tables"),
        ("sampler", "show databases"),
        ("sampler", "select * from range(3)"),
        ("sampler", "select * from generate_series(1, 3), unnest([1, 2])"),
        ("sampler", "select unnest([1, 2]), length('a'), now()"),
        ("sampler", "select * from (values (1), (2)) x(a)"),
        ("sampler", "select * from json_each('[1]')"),
        ("sampler", "select table_name from duckdb_tables()"),
        ("sampler", "select database_name from duckdb_databases()"),
        ("sampler", "select current_setting('TimeZone')"),
        ("sampler", "select 'read_csv(x)' as note, 'from files.main.t' as other"),
        ("sampler", "with files as (select 1 as a) select * from files"),
        ("sampler", "select * from stores where country = 'a.csv'"),
        ("filer", "select * from files.main.t, files.main.c, files.main.j, files.lake.part"),
        ("filer", "select * from files.more.deep"),
        ("filer", "describe files.main.c"),
        ("writer", "insert into scratch.main.t select store_id, country from sample.sales.stores"),
        ("reader", "select * from files.main.t, own.main.t, added.main.t"),
        ("", "select * from query('select 1 as a')"),
        ("", "create table scratch.main.copied as select * from files.main.c"),
    ],
)
def test_what_stays_allowed(as_user: Any, user: str, sql: str) -> None:
    """The own catalogs, and functions that touch no file, for everybody."""
    assert prepared(as_user(user), sql).result().queryId


def test_values_do_not_open_the_wall(as_user: Any) -> None:
    """A statement with parameters is looked at again when it has its values."""
    wire = as_user("sampler")
    values = [{"index": 1, "type": "STRING", "value": "files.main.t"}]
    for sql in ("select * from query_table(?)", "select * from files.main.t where word = ?"):
        future = prepared(wire, sql)
        if future.exception() is not None:
            assert refused(future)[0] == "INTERNAL"
            continue
        answer = future.result()
        call = wire.start(
            "executeStatementV2",
            sessionId=wire.session_id,
            queryId=answer.queryId,
            engineIP=answer.engineIP,
            params=values,
            headers={"plannerip": answer.engineIP},
        )
        assert refused(call)[0] == "INTERNAL"
    assert refused(prepared(wire, "select * from files.main.t where word = ?")) == DENIED
    assert prepared(wire, "select * from stores where country = ?").result().queryId


def test_all_other_calls_have_the_wall(as_user: Any) -> None:
    """Dry runs, listings and data frames."""
    wire = as_user("sampler")
    session = {"sessionId": wire.session_id}
    dry = wire.start("dryRunV2", queryString="from files.main.c", catalog="sample", **session)
    assert refused(dry) == DENIED
    assert refused(wire.start("dryRun", queryString="from t", schema="main", **session)) == DENIED
    assert refused(wire.start("getTablesV2", catalog="files", schema="main", **session)) == DENIED
    assert (
        refused(wire.start("getColumnsV2", catalog="files", schema="main", table="t", **session))
        == DENIED
    )
    # The default catalog is one that the user may not read.
    assert refused(prepared(wire, "select * from t", "", "")) == DENIED
    assert prepared(wire, "select 1", "", "").result().queryId

    frame = wire.ask("createDataFrame", catalog="files", schema="main", table="t")
    run = wire.start("executeDataFrame", queryId=frame.queryId, **session)
    assert refused(run) == DENIED
    frame = wire.ask("createDataFrame", catalog="sample", schema="sales", table="stores")
    wire.ask(
        "filterOnDataFrame",
        queryId=frame.queryId,
        whereClause="store_id in (select a from files.main.t)",
    )
    assert refused(wire.start("executeDataFrame", queryId=frame.queryId, **session)) == DENIED


@pytest.mark.parametrize("depth", ["catalogs", "db_schemas", "tables", "all"])
def test_the_driver_lists_what_the_user_may_see(walled_engine: LocalEngine, depth: Any) -> None:
    """A catalog of others is there by its name, without children; what is the user's is complete."""
    uri = f"e6data://sampler:s@127.0.0.1:{walled_engine.port}/sample/sales"
    with e6data_adbc.connect(uri) as connection:
        rows = connection.adbc_get_objects(depth=depth).read_all().to_pylist()

    found = {row["catalog_name"]: row["catalog_db_schemas"] for row in rows}
    assert set(found) >= {"sample", "files", "own", "added", "scratch"}
    if depth == "catalogs":
        assert found["files"] is None
        return
    assert [schema["db_schema_name"] for schema in found["sample"]] == ["sales"]
    assert all(found[name] == [] for name in ("files", "own", "added", "scratch"))
    if depth == "all":
        tables = found["sample"][0]["db_schema_tables"]
        assert all(table["table_columns"] for table in tables)
