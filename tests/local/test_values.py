"""Values that DuckDB spells, rounds or weighs in another way than the engine."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import grpc
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from e6data_adbc import dbapi
from e6data_adbc.local import LocalEngine
from e6data_adbc.local.sql.dialect import to_duckdb
from e6data_adbc.local.sql.errors import UnsupportedSqlError
from e6data_adbc.local.wire.batch_pieces import cut
from tests.local.wire import Wire

pytestmark = pytest.mark.seconds

MOMENT = 1_700_000_000_123_456_000


@pytest.mark.parametrize(
    "sql",
    [
        "select X'00ff' as b",
        "select x'00FF' as b",
        "select nvl(null, X'00ff') as b",
        "select rand() > 2 as r, truncate(1.0) as t, X'00ff' as b",
        "select b from (values (X'00ff'), (X'00ff')) v(b)",
    ],
)
def test_a_binary_literal_is_bytes(wire: Wire, sql: str) -> None:
    """On every DuckDB that is accepted, also where the text is written again."""
    table = wire.select(sql)

    assert table.column("b").type == pa.binary()
    assert set(table.column("b").to_pylist()) == {b"\x00\xff"}


def test_binary_literals_in_tables(make_wire: Callable[..., Wire]) -> None:
    """In DDL, rows of literals, other inserts, changes and conditions."""
    wire = make_wire()
    wire.run("create table scratch.main.b (a varbinary default X'01', n int)").read()
    wire.run("insert into scratch.main.b values (X'00FF', 1), (X'', 2)").read()
    wire.run("insert into scratch.main.b select X'ab', 3").read()
    wire.run("insert into scratch.main.b (n) values (4)").read()
    wire.run("update scratch.main.b set a = X'02' where a = X''").read()
    found = wire.select("select a from scratch.main.b where a <> x'ff' order by n")

    assert found.column("a").to_pylist() == [b"\x00\xff", b"\x02", b"\xab", b"\x01"]


@pytest.mark.parametrize("literal", ["X'0'", "X'0g'", "x'00 f'"])
def test_no_binary_literal(wire: Wire, literal: str) -> None:
    """One that is none is an error, not text."""
    with pytest.raises(grpc.RpcError, match="two hexadecimal digits"):
        wire.prepare(f"select {literal} as b")


@pytest.mark.parametrize(
    ("kind", "text", "expected"),
    [
        ("varbinary(10)", "ab", b"ab"),
        ("VARBINARY (3)", "ab", b"ab"),
        ("binary(2)", "ab", b"ab"),
        ("char(3)", "abc", "abc"),
        ("varchar(3)", "abc", "abc"),
        ("time(3)", "01:02:03.5", "01:02:03.5"),
        ("time(6)", "01:02:03.5", "01:02:03.5"),
        ("timestamp(3)", "2024-01-02 03:04:05.678", datetime.datetime(2024, 1, 2, 3, 4, 5, 678000)),
        (
            "timestamp(6) without time zone",
            "2024-01-02 03:04:05.678901",
            datetime.datetime(2024, 1, 2, 3, 4, 5, 678901),
        ),
        *(
            (
                kind,
                "2024-01-02 03:04:05.678+00:00",
                datetime.datetime(2024, 1, 2, 3, 4, 5, 678000, datetime.timezone.utc),
            )
            for kind in (
                "timestamp(3) with time zone",
                "TIMESTAMP ( 6 )  WITH  TIME ZONE",
                "timestamp with time zone",
                "timestamp_tz(3)",
                "timestamptz(3)",
            )
        ),
    ],
)
@pytest.mark.parametrize(
    "wrapped", ["cast({} as {})", "nvl(cast({} as {}), null)", "truncate(1.0), cast({} as {})"]
)
def test_types_with_a_length_or_precision(
    make_wire: Callable[..., Wire], wire: Wire, kind: str, text: str, expected: object, wrapped: str
) -> None:
    """In casts, whether the text is written again or not."""
    sql = f"select {wrapped.format(repr(text), kind)} as v".replace(
        "truncate(1.0),", "truncate(1.0) as t,"
    )

    assert wire.select(sql).column("v").to_pylist() == [expected]


def test_such_types_in_ddl(make_wire: Callable[..., Wire]) -> None:
    """And in literals and ALTER TABLE."""
    wire = make_wire()
    wire.run(
        "create table scratch.main.k (a varbinary(10), b timestamp(3) with time zone, c time(3), d char(2),"
        " e varchar(5), f timestamp(6), g decimal(5), h decimal)"
    ).read()
    wire.run("alter table scratch.main.k add column i varbinary(4)").read()
    wire.run(
        "insert into scratch.main.k (b, c, f) values (timestamp(3) with time zone '2024-01-01 00:00:00+00',"
        " time(3) '01:00:00', timestamp(6) '2024-01-01 00:00:00')"
    ).read()
    columns = wire.ask("getColumnsV2", catalog="scratch", schema="main", table="k").fieldInfo

    assert [(column.fieldName, column.fieldType) for column in columns] == [
        ("a", "binary"),
        ("b", "timestamp_tz"),
        ("c", "varchar"),
        ("d", "varchar"),
        ("e", "varchar"),
        ("f", "timestamp"),
        ("g", "decimal(5,0)"),
        ("h", "decimal(18,3)"),
        ("i", "binary"),
    ]
    assert wire.select("select c from scratch.main.k").column("c").to_pylist() == ["01:00:00"]


@pytest.mark.parametrize("kind", ["time(9)", "timestamp(9) with time zone", "timestamptz(12)"])
def test_more_digits_than_there_are(wire: Wire, kind: str) -> None:
    """Is refused: a type with fewer would lose some without a word."""
    with pytest.raises(grpc.RpcError, match="at most 6 digits"):
        wire.prepare(f"select cast(null as {kind}) as v")


def test_only_types_are_respelled() -> None:
    """Not names, literals, comments, or calls of a method; places in the text stay the same."""
    sql = """select a.time(3), "time(3)", 'X''00''', mytime(3) -- time(3)"""
    assert to_duckdb(sql) == sql
    text = to_duckdb("select cast(a as timestamp(3) with time zone), varbinary(9), b")
    assert text == "select cast(a as TIMESTAMPTZ                ), BLOB        , b"
    with pytest.raises(UnsupportedSqlError):
        to_duckdb("select X'0'")


# Nanoseconds


@pytest.fixture
def fine(tmp_path: Path) -> Path:
    """A folder with timestamps whose nanoseconds are 789, -1 and 0 of a microsecond."""
    values = [MOMENT + 789, -1, None, MOMENT]
    table = pa.table({"n": [0, 1, 2, 3], "ts": pa.array(values, pa.timestamp("ns"))})
    pq.write_table(table, tmp_path / "p.parquet")
    with pa.OSFile(str(tmp_path / "a.arrow"), "wb") as file:
        with pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table)
    return tmp_path


WHOLE = datetime.datetime(2023, 11, 14, 22, 13, 20, 123456)


@pytest.mark.parametrize("table", ["p", "a"])
@pytest.mark.parametrize("version", [1, 2])
def test_nanoseconds_are_refused(
    make_wire: Callable[..., Wire], fine: Path, table: str, version: int
) -> None:
    """A value that microseconds cannot say is an error that names the column and the ways out; others arrive."""
    wire = make_wire(fine)
    for number in (0, 1):
        query = wire.run(
            f"select ts as t from {table} where n = {number}", catalog="files", schema="main"
        )
        with pytest.raises(
            grpc.RpcError, match=r"column t has nanoseconds.*cast it to VARCHAR.*nanoseconds=floor"
        ):
            query.read(version)
    found = wire.select(
        f"select ts from {table} where n > 1 order by n", catalog="files", schema="main"
    )
    assert found.column(0).to_pylist() == [None, WHOLE]
    found = wire.select(
        f"select cast(ts as varchar) from {table} where n = 0", catalog="files", schema="main"
    )
    assert found.column(0).to_pylist() == ["2023-11-14 22:13:20.123456789"]


@pytest.mark.parametrize("table", ["p", "a"])
def test_nanoseconds_are_floored(make_wire: Callable[..., Wire], fine: Path, table: str) -> None:
    """By the setting, downwards also before 1970 and near the next microsecond."""
    wire = make_wire(fine, nanoseconds="floor")
    found = wire.select(f"select ts from {table} order by n", catalog="files", schema="main")

    assert found.column(0).to_pylist() == [
        WHOLE,
        datetime.datetime(1969, 12, 31, 23, 59, 59, 999999),
        None,
        WHOLE,
    ]


@pytest.mark.skipif(
    int(duckdb.__version__.split(".")[0]) < 2, reason="DuckDB 1 reads them as microseconds"
)
def test_nanoseconds_with_a_zone(make_wire: Callable[..., Wire], tmp_path: Path) -> None:
    """Are treated in the same way."""
    column = pa.array([-1, MOMENT + 999], pa.timestamp("ns", "UTC"))
    pq.write_table(pa.table({"ts": column}), tmp_path / "p.parquet")
    wire = make_wire(tmp_path)
    with pytest.raises(grpc.RpcError, match="column ts has nanoseconds"):
        wire.select("select ts from p", catalog="files", schema="main")
    floored = make_wire(tmp_path, nanoseconds="floor")
    values = (
        floored.select("select ts from p", catalog="files", schema="main").column(0).to_pylist()
    )
    utc = datetime.timezone.utc
    assert values == [
        datetime.datetime(1969, 12, 31, 23, 59, 59, 999999, utc),
        WHOLE.replace(tzinfo=utc),
    ]


def test_durations_of_copied_tables(
    make_engine: Callable[..., LocalEngine], tmp_path: Path
) -> None:
    """DuckDB would cut their nanoseconds when they are copied; the setting says what becomes of them."""
    table = pa.table({"d": pa.array([-1, 1_000, None, 2_789], pa.duration("ns"))})
    with (
        pa.OSFile(str(tmp_path / "d.arrow"), "wb") as file,
        pa.ipc.new_file(file, table.schema) as writer,
    ):
        writer.write_table(table)
    with pytest.raises(
        dbapi.ProgrammingError, match=r"column 'd' has nanoseconds.*nanoseconds=floor"
    ):
        make_engine(tmp_path)
    engine = make_engine()
    with pytest.raises(dbapi.ProgrammingError, match="column 'd' has nanoseconds"):
        engine.register("t", table)
    engine.register("t", table.slice(1, 2))
    floored = make_engine(tmp_path, nanoseconds="floor")
    with Wire(floored).sign_in() as wire:
        found = wire.select("select d from d", catalog="files", schema="main").column(0)
        assert found.cast(pa.int64()).to_pylist() == [-1, 1, None, 2]


def test_zoned_timestamps_of_copied_tables(
    make_engine: Callable[..., LocalEngine], tmp_path: Path
) -> None:
    """The same on every DuckDB: at the copy, or where it has them, at the query."""
    table = pa.table({"ts": pa.array([-1, 1_000_789], pa.timestamp("ns", "UTC"))})
    with pytest.raises((dbapi.Error, grpc.RpcError), match="has nanoseconds"):
        engine = make_engine()
        engine.register("z", table)
        with Wire(engine).sign_in() as wire:
            wire.select("select ts from scratch.main.z")
    floored = make_engine(nanoseconds="floor")
    floored.register("z", table)
    with Wire(floored).sign_in() as wire:
        found = wire.select("select ts from scratch.main.z").column(0)
    assert found.cast(pa.int64()).to_pylist() == [-1, 1000]


def test_a_column_of_any_name(wire: Wire) -> None:
    """The error can say it."""
    with pytest.raises(grpc.RpcError, match=r"column it.*s \{0\} has nanoseconds"):
        wire.select("""select timestamp_ns '2024-01-01 00:00:00.000000001' as "it's {0}" """)


# Bytes of a chunk


def test_chunks_are_bounded_by_bytes(make_wire: Callable[..., Wire]) -> None:
    """Rows that weigh much come in more chunks; none is lost, in either protocol."""
    wire = make_wire(chunk_bytes=100_000, response_bytes=250_000)
    sql = "select range as n, repeat('x', 30000) as t from range(100)"
    for version in (1, 2):
        query = wire.run(sql)
        chunks = list(query.chunks(version))
        assert all(len(chunk) < 110_000 for chunk in chunks)
        assert len(chunks) >= 30
        query.clear()
        assert wire.select(sql, version).column("n").to_pylist() == list(range(100))


def test_responses_are_bounded_by_bytes(make_wire: Callable[..., Wire]) -> None:
    """Of chunks that are made ahead a response takes as many as fit, and always one."""
    wire = make_wire(chunk_rows=1, chunk_bytes=50_000, response_bytes=100_000, row_count="exact")
    query = wire.run("select repeat('x', 40000 + range::int) as t from range(20)")
    query.metadata()  # all chunks are made
    counts = []
    while True:
        answer = query.fetch(2)
        counts.append(len(answer.chunks))
        if answer.end_of_stream:
            break
    assert sum(counts) == 20
    assert max(counts) == 2


def test_a_row_above_the_limit(make_wire: Callable[..., Wire]) -> None:
    """Is an error that says how large it is and what to set; one just below it is not."""
    wire = make_wire(chunk_bytes=1000, response_bytes=100_000)
    with pytest.raises(
        grpc.RpcError, match=r"one row has 1\d{5} bytes.*at most 100000.*response_bytes"
    ):
        wire.select("select repeat('x', 100000) as t")
    assert wire.select("select repeat('x', 99000) as t").num_rows == 1


def test_batches_are_cut_without_loss() -> None:
    """At rows and at bytes, whichever comes first; a row that is too large comes alone."""
    values = ["x" * size for size in (1, 1, 5000, 1, 1, 3000, 3000, 1)]
    batch = pa.record_batch({"t": pa.array(values)})
    pieces = list(cut(batch, 3, 4000))

    assert [value for piece in pieces for value in piece.column(0).to_pylist()] == values
    assert all(piece.num_rows <= 3 for piece in pieces)
    assert all(piece.nbytes <= 4000 or piece.num_rows == 1 for piece in pieces)
    assert list(cut(batch.slice(0, 0), 3, 4000)) == []


def test_heavy_rows_reach_the_driver(make_engine: Callable[..., Any]) -> None:
    """300 MB in rows of 100 KB, which 8,192 rows a chunk would make one response too large for the driver."""
    import e6data_adbc

    with e6data_adbc.connect(make_engine().uri) as connection, connection.cursor() as cursor:
        cursor.execute("select repeat('x', 100000) || range as t from range(3000)")
        rows = sum(batch.num_rows for batch in cursor.fetch_record_batch())
    assert rows == 3000
