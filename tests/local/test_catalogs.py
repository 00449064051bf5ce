"""The catalogs: the sample, files of a directory, a place to write."""

from __future__ import annotations

import datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from e6data_adbc.local import LocalEngine
from tests.local.wire import Wire, refused


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A directory with a file of every kind."""
    root = tmp_path_factory.mktemp("it's data")
    table = pa.table({"n": [1, 2, 3], "t": ["a", None, "ü"]})
    pq.write_table(table, root / "plain.parquet")
    (root / "people.csv").write_text("name,born\nAnn,1990-01-31\n")
    (root / "events.json").write_text('{"kind": "x", "n": 1}\n{"kind": "y", "n": 2}\n')
    (root / "ignored.txt").write_text("nothing")
    (root / ".hidden.csv").write_text("a\n1\n")
    (root / "lake").mkdir()
    with pa.OSFile(str(root / "lake" / "frame.arrow"), "wb") as sink:
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    with pa.OSFile(str(root / "lake" / "flow.arrows"), "wb") as sink:
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    for year in (2024, 2025):
        part = root / "lake" / "parts" / f"year={year}"
        part.mkdir(parents=True)
        pq.write_table(table, part / "0.parquet")
    with duckdb.connect(str(root / "other.duckdb")) as other:
        other.execute("create table thing as select 42 as answer")
    return root


@pytest.fixture(scope="module")
def files(folder: Path):
    """A client of an engine that serves the directory."""
    with LocalEngine(folder) as engine, Wire(engine) as wire:
        yield wire.sign_in()


def test_files_are_the_default_catalog(files: Wire) -> None:
    """A request that names nothing finds them, and the URI says so."""
    assert files.select("select sum(n) as n from plain", catalog="", schema="").to_pylist() == [
        {"n": 6}
    ]
    assert files.engine.uri.endswith("/files/main")
    catalogs = files.call("getCataloges").catalogResponses
    assert [(c.name, c.isDefault) for c in catalogs] == [
        ("files", True),
        ("other", False),
        ("sample", False),
        ("scratch", False),
    ]


def test_folders_are_schemas_and_files_tables(files: Wire) -> None:
    """Named after their stems; folders of Parquet files are one table; what is no table is left out."""
    assert list(files.ask("getSchemaNamesV2", catalog="files").schemas) == ["lake", "main"]
    tables = {
        schema: list(files.ask("getTablesV2", catalog="files", schema=schema).tables)
        for schema in ("main", "lake")
    }
    assert tables == {"main": ["events", "people", "plain"], "lake": ["flow", "frame", "parts"]}


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select t from plain order by n", [{"t": "a"}, {"t": None}, {"t": "ü"}]),
        ("select * from people", [{"name": "Ann", "born": datetime.date(1990, 1, 31)}]),
        ("select sum(n)::bigint as n from events", [{"n": 3}]),
        ("select t from lake.frame where n = 3", [{"t": "ü"}]),
        ("select count(*) as n from lake.flow", [{"n": 3}]),
        ("select year, count(*) as n from lake.parts group by 1 order by 1 limit 1", None),
        ("select answer from other.main.thing", [{"answer": 42}]),
    ],
)
def test_files_of_every_kind_are_read(files: Wire, sql: str, expected) -> None:
    """Parquet, CSV, JSON, Arrow IPC, partitioned folders, DuckDB files."""
    rows = files.select(sql, catalog="files", schema="main").to_pylist()

    assert rows == (expected or [{"year": 2024, "n": 3}])


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("drop view plain", "catalog 'files' is read-only"),
        ("insert into other.main.thing values (1)", "catalog 'other' is read-only"),
        ("create table lake.x (a int)", "catalog 'files' is read-only"),
    ],
)
def test_files_cannot_be_changed(files: Wire, sql: str, words: str) -> None:
    """Only scratch can."""
    future = files.start("prepareStatementV2", sessionId=files.session_id, queryString=sql)

    assert words in refused(future)[1]


def test_other_files_are_out_of_reach(files: Wire, folder: Path) -> None:
    """SQL reads nothing outside the served directory."""
    outside = folder.parent / "secret.csv"
    outside.write_text("a\n1\n")
    for path in (outside, folder / ".." / "secret.csv", "/etc/hostname"):
        sql = f"select * from read_text('{str(path).replace(chr(39), chr(39) * 2)}')"
        future = files.start("prepareStatementV2", sessionId=files.session_id, queryString=sql)
        assert "Cannot access file" in refused(future)[1]


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    """The engine does not start with a file that it cannot serve."""
    (tmp_path / "bad.parquet").write_bytes(b"no parquet")

    with pytest.raises(Exception, match=r"could not serve '.*bad\.parquet' as table 'bad'"):
        LocalEngine(tmp_path).start()


def test_default_catalog_and_schema_can_be_set(make_wire) -> None:
    """By setting; one that does not exist is refused at the start."""
    wire = make_wire(catalog="scratch", schema="main")
    assert wire.engine.uri.endswith("/scratch/main")
    wire.run("create table here (a int)", catalog="", schema="").clear()
    with pytest.raises(Exception, match="catalog 'nowhere' does not exist"):
        LocalEngine(catalog="nowhere").start()


def test_listings_without_a_catalog_use_the_default(wire: Wire) -> None:
    """The first forms of the calls have no catalog field."""
    assert list(wire.ask("getSchemaNames").schemas) == ["sales"]
    assert "stores" in wire.ask("getTables", schema="sales").tables
    assert wire.ask("getTables", schema="sales").sessionId == wire.session_id
    columns = wire.ask("getColumns", schema="sales", table="stores").fieldInfo
    assert (columns[0].fieldName, columns[0].fieldType) == ("store_id", "int")


@pytest.mark.parametrize(
    ("method", "fields", "words"),
    [
        ("getSchemaNamesV2", {"catalog": "x"}, "catalog 'x' does not exist"),
        ("getTablesV2", {"catalog": "sample", "schema": "x"}, "schema 'x' does not exist"),
        (
            "getColumnsV2",
            {"catalog": "sample", "schema": "sales", "table": "x"},
            "table 'x' does not exist",
        ),
    ],
)
def test_listings_of_what_is_not_there_are_refused(wire, method, fields, words) -> None:
    """With a text that names it."""
    assert words in refused(wire.start(method, sessionId=wire.session_id, **fields))[1]


def test_the_sample_is_the_same_on_every_start(wire: Wire) -> None:
    """Counts and a few sums that a test of a client may rely on."""
    counts = {
        table: wire.select(f"select count(*) as n from {table}").to_pylist()[0]["n"]
        for table in wire.ask("getTables", schema="sales").tables
    }
    assert counts == {
        "customers": 1000,
        "date_dim": 73049,
        "order_items": 30000,
        "orders": 10000,
        "products": 200,
        "stores": 8,
    }
    row = wire.select(
        "select sum(quantity * unit_price) as revenue, count(discount) as discounts,"
        " count(distinct note) as notes from order_items"
    ).to_pylist()[0]
    assert row == {"revenue": Decimal("8896950.00"), "discounts": 27000, "notes": 2}
    day = wire.select("select * from date_dim where d_date = '2000-02-29'").to_pylist()[0]
    assert (day["d_date_sk"], day["d_year"], day["d_dow"], day["d_day_name"]) == (
        2451604,
        2000,
        2,
        "Tuesday",
    )


def test_the_sample_joins(wire: Wire) -> None:
    """Every order has a customer and a store, every item an order and a product."""
    row = wire.select(
        "select count(*) as n from order_items join orders using (order_id) join customers using (customer_id)"
        " join stores using (store_id) join products using (product_id)"
    ).to_pylist()[0]

    assert row == {"n": 30000}


def test_scratch_is_gone_with_the_engine(make_wire) -> None:
    """A new engine begins with nothing in it."""
    wire = make_wire()
    wire.run("create table scratch.main.t as select 1 as a").clear()
    assert list(wire.ask("getTablesV2", catalog="scratch", schema="main").tables) == ["t"]

    again = make_wire()
    assert list(again.ask("getTablesV2", catalog="scratch", schema="main").tables) == []
