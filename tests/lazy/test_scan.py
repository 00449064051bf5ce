"""`e6data_adbc.polars.scan` and `explain`: what is sent when, what runs when, and what ends it."""

from __future__ import annotations

import gc
import logging
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest

import e6data_adbc.dbapi
import e6data_adbc.polars
from e6data_adbc.errors import NotSupportedError, ProgrammingError
from e6data_adbc.lazy import scanning
from e6data_adbc.local import LocalEngine
from tests.support.waiting import eventually

pytestmark = pytest.mark.seconds

c = pl.col
Texts = Callable[..., list[str]]
LONG = "select range as i, 'x' || range as s from range({}) /* {} */"


def record(engine: LocalEngine, marker: str) -> Any:
    """Returns the query that has *marker* in its text and has run."""
    return next(one for one in engine.ledger.queries if marker in one.sql and one.executes)


# ---- what is sent


def test_nothing_runs_before_collect(engine: LocalEngine) -> None:
    """The schema is asked for once, without running the query; plans and their explanations send nothing."""
    known = len(engine.ledger.queries)
    scan = e6data_adbc.polars.scan("select i, m, s from t /* once */", engine.uri)
    asked = engine.ledger.queries[known:]

    plan = scan.filter(c.i > 1).select("s")
    assert scan.collect_schema() == {"i": pl.Int64, "m": pl.Decimal(38, 2), "s": pl.String}
    assert plan.collect_schema() == {"s": pl.String}
    assert "SELECTION" in plan.explain()
    assert 'WHERE "i" > ?' in e6data_adbc.polars.explain(plan)

    assert [one.executes for one in asked if "WHERE 1 = 0" not in one.sql] == [0]
    assert len(engine.ledger.queries) == known + len(asked)


def test_a_given_schema(engine: LocalEngine) -> None:
    """With a schema, the server is asked nothing; a wrong one is an error that names the column."""
    schemas: list[Any] = [
        pa.schema([("i", pa.int64())]),
        pl.Schema({"i": pl.Int64}),
        {"i": pl.Int64},
    ]
    for schema in schemas:
        known = len(engine.ledger.queries)
        scan = e6data_adbc.polars.scan("select i from t", engine.uri, schema=schema)
        assert len(engine.ledger.queries) == known
        assert scan.filter(c.i > 2).collect()["i"].to_list() == [3]
    wrong = e6data_adbc.polars.scan("select i from t", engine.uri, schema={"i": pl.String})
    with pytest.raises(Exception, match="'i' is Int64, not String"):
        wrong.collect()


def test_a_decimal_of_another_scale(engine: LocalEngine) -> None:
    """A result without rows, whose decimals have no scale, has the schema's."""
    scan = e6data_adbc.polars.scan("select m, i from t", engine.uri)

    assert scan.filter(c.i > 99).collect().schema["m"] == pl.Decimal(38, 2)
    given = e6data_adbc.polars.scan("select m from t", engine.uri, schema={"m": pl.Decimal(38, 4)})
    assert [str(value) for value in given.collect()["m"].drop_nulls()] == [
        "1.2500",
        "-1.0000",
        "99.9900",
    ]
    coarse = e6data_adbc.polars.scan("select m from t", engine.uri, schema={"m": pl.Decimal(38, 1)})
    with pytest.raises(Exception, match="other columns than its schema"):
        coarse.collect()


def test_each_collect_runs_anew(scanned: pl.LazyFrame, sent: Texts) -> None:
    """A plan that has a scan twice runs it twice, and its results are whole."""
    twice = pl.concat([scanned.filter(c.j > 1), scanned.filter(c.j > 1)])
    assert len(sent(twice.collect)) == 2
    joined = scanned.join(scanned.filter(c.j > 1), on="i")
    assert len(sent(lambda: results.append(joined.collect(engine="streaming")))) == 2
    assert sorted(results.pop()["i"].to_list()) == [1, 2]


results: list[Any] = []


def test_a_pure_scan_runs_once(engine: LocalEngine, sent: Texts) -> None:
    """A query that is said to be pure runs once for equal parts of a plan."""
    scan = e6data_adbc.polars.scan("t", engine.uri, pure=True)
    twice = pl.concat([scan.filter(c.j > 1), scan.filter(c.j > 1)])

    assert len(sent(twice.collect)) == 1


def test_push_can_be_turned_off(engine: LocalEngine, sent: Texts) -> None:
    """Without pushing down the server is sent the user's text alone, also for a table."""
    plan = e6data_adbc.polars.scan("t", engine.uri, push=False).filter(c.j > 1).select("i")

    assert sent(lambda: results.append(plan.collect())) == ["SELECT * FROM t"]
    assert results.pop()["i"].to_list() == [1, 2]
    assert "push=False" in e6data_adbc.polars.explain(plan)


def test_user_parameters(engine: LocalEngine) -> None:
    """The user's parameters, by position or by name, stand beside those that are pushed down."""
    uri = engine.uri
    by_position = e6data_adbc.polars.scan("select * from t where j < ?", uri, params=[3])
    by_name = e6data_adbc.polars.scan(
        "select :scanned_1 as k, * from t where j < :top", uri, params={"top": 3, "scanned_1": "k"}
    )

    assert by_position.filter(c.i > 2, c.s == "😀").collect()["i"].to_list() == [3]
    assert by_name.filter(c.i > 2, c.k == "k").collect()["i"].to_list() == [3]


@pytest.mark.parametrize("params", ["text", 5, {1, 2}])
def test_parameters_that_are_none(engine: LocalEngine, params: Any) -> None:
    """A text or a set is no sequence of values."""
    with pytest.raises(ProgrammingError, match="neither a sequence nor a mapping"):
        e6data_adbc.polars.scan("select ? as a", engine.uri, params=params)


def test_marks_that_are_no_parameters(engine: LocalEngine, sent: Texts) -> None:
    """Where a text has marks and no values were given, its marks do not take ours."""
    scan = e6data_adbc.polars.scan("select 1 as a where 'x' = '?' or 1 = 1", engine.uri)
    assert sent(scan.filter(c.a == 1).collect)[-1].endswith('WHERE "a" = 1')

    scan = e6data_adbc.polars.scan("select ? as a", engine.uri, schema={"a": pl.Int32})
    with pytest.raises(Exception, match="1 parameters and 0 value"):
        scan.filter(c.a == 1).collect()


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        ("select i, j from t order by j", "ORDER BY"),
        ('select i as "a", j as "A" from t', "capitals"),
        ('select i as "a\\b", j from t', "cannot be written"),
    ],
)
def test_texts_that_stay_alone(engine: LocalEngine, sent: Texts, sql: str, reason: str) -> None:
    """A text around which a query could change the rows or the columns is sent as it is, and the result is right."""
    scan = e6data_adbc.polars.scan(sql, engine.uri)
    rows = scan.collect()
    name = rows.columns[1]
    plan = scan.head(3).filter(c(name) >= 2).select(name)

    assert sent(lambda: results.append(plan.collect())) == [sql]
    assert results.pop().equals(rows.head(3).filter(c(name) >= 2).select(name))
    assert reason in e6data_adbc.polars.explain(plan)


@pytest.mark.parametrize(
    "sql",
    [
        "select i, j from t -- a comment",
        "select i, j from t;",
        "with q as (select i, j from t) select * from q",
        "(select i, j from t)",
        "select i, j from (select * from t order by i) as q limit 3",
        "values (1, 2), (3, 4)",
    ],
)
def test_texts_that_are_wrapped(engine: LocalEngine, sent: Texts, sql: str) -> None:
    """Any query may stand in brackets, whatever it ends with."""
    scan = e6data_adbc.polars.scan(sql, engine.uri)
    name = scan.collect_schema().names()[0]

    assert "WHERE" in sent(lambda: results.append(scan.filter(c(name) >= 3).collect()))[-1]
    assert results.pop().height == 1


@pytest.mark.parametrize("sql", ["", ";", "insert into t values (1)", "drop table t"])
def test_what_is_no_query(engine: LocalEngine, sql: str) -> None:
    """What has no rows, or changes something each time it runs, is refused, and not run."""
    with pytest.raises(ProgrammingError, match="could not scan"):
        e6data_adbc.polars.scan(sql, engine.uri)


def test_a_missing_table(engine: LocalEngine) -> None:
    """A mistake shows at the scan, not at collect."""
    with pytest.raises(ProgrammingError, match="NOT_FOUND"):
        e6data_adbc.polars.scan("no_such_table", engine.uri)


# ---- connections


def test_a_connection_of_the_user(engine: LocalEngine) -> None:
    """A connection that was handed in serves all runs, side by side too, and stays open."""
    with e6data_adbc.connect(engine.uri) as connection:
        scan = e6data_adbc.polars.scan("t", connection=connection)
        joined = scan.join(scan.filter(c.j > 1), on="i").collect(engine="streaming")
        assert sorted(joined["i"].to_list()) == [1, 2]
        with connection.cursor() as cursor:
            cursor.execute("select 1")
            assert cursor.fetchone() == (1,)


def test_a_scan_travels(scanned: pl.LazyFrame) -> None:
    """Pickled, a scan with a URI is the same scan in whatever process reads it."""
    plan = scanned.filter(pl.col("i") == 3).select("i")

    assert pickle.loads(pickle.dumps(plan)).collect().equals(plan.collect())


def test_a_scan_of_a_connection_stays(engine: LocalEngine) -> None:
    """A connection belongs to its process: who pickles its scan is told what to do instead."""
    with e6data_adbc.connect(engine.uri) as connection:
        scan = e6data_adbc.polars.scan("select 1 as one", connection=connection)
        with pytest.raises(
            pl.exceptions.ComputeError, match=r"could not pickle a scan .*; scan with a URI"
        ):
            pickle.dumps(scan)


def test_one_way_to_connect(engine: LocalEngine) -> None:
    """Two ways are one too many."""
    with e6data_adbc.connect(engine.uri) as connection:
        with pytest.raises(ProgrammingError, match="both a connection"):
            e6data_adbc.polars.scan("t", engine.uri, connection=connection)


def test_the_uri_of_the_environment(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a URI the environment's is used."""
    monkeypatch.setenv("E6DATA_URI", engine.uri)

    assert e6data_adbc.polars.scan("t").collect().height == 4


def test_the_tag(engine: LocalEngine, sent: Texts) -> None:
    """A query tag stands at the head of what a scan sends."""
    tagged = {"adbc.e6data.statement.query_tag": "nightly"}
    scan = e6data_adbc.polars.scan("t", engine.uri, db_kwargs=tagged)

    assert sent(scan.filter(c.j > 1).collect)[0].startswith("/* nightly */ SELECT")


# ---- what ends a run


def test_an_early_end(engine: LocalEngine) -> None:
    """A streaming plan that has enough rows ends the query on the server."""
    scan = e6data_adbc.polars.scan(LONG.format(10**9, "early"), engine.uri)
    some = scan.filter(c.s.str.len_chars() > 3).head(3).collect(engine="streaming")

    assert some["i"].to_list() == [100, 101, 102]
    query = record(engine, "early")
    eventually(lambda: not query.is_open, timeout=30)
    assert query.rows < 10**8


def test_a_generator_that_is_dropped(engine: LocalEngine) -> None:
    """A run that nobody reads on ends on the server."""
    scan = e6data_adbc.polars.scan(LONG.format(10**9, "dropped"), engine.uri)
    batches = scan.collect_batches()
    next(iter(batches))
    del batches
    gc.collect()

    query = record(engine, "dropped")
    eventually(lambda: not query.is_open, timeout=30)


def test_a_failing_plan(engine: LocalEngine) -> None:
    """A plan that fails in Polars ends the query on the server."""
    scan = e6data_adbc.polars.scan(LONG.format(10**9, "failing"), engine.uri)
    with pytest.raises(pl.exceptions.PolarsError):
        scan.filter(c.s.str.to_integer() > 1).collect(engine="streaming")

    query = record(engine, "failing")
    eventually(lambda: not query.is_open, timeout=30)


def test_a_failing_query(engine: LocalEngine) -> None:
    """The driver's own error comes through, with the query's id."""
    scan = e6data_adbc.polars.scan("select cast(s as int) as n from t", engine.uri)
    with pytest.raises(Exception, match=r"\[e6data\] could not .* query"):
        scan.collect()


def test_to_a_file(engine: LocalEngine, tmp_path: Path) -> None:
    """A scan streams into a file."""
    path = tmp_path / "out.parquet"
    scan = e6data_adbc.polars.scan(LONG.format(30_000, "sink"), engine.uri)
    scan.filter(c.i % 2 == 0).sink_parquet(path)

    assert pl.scan_parquet(path).select(pl.len()).collect().item() == 15_000


# ---- partitions


def test_partitions(engine: LocalEngine, sent: Texts) -> None:
    """Parts of the column's values are read side by side and are all rows; the column need not be wanted."""
    scan = e6data_adbc.polars.scan(LONG.format(9000, "parts"), engine.uri, partitions=("i", 4))
    plan = scan.filter(c.i >= 1000).select("s")
    texts = sent(lambda: results.append(plan.collect(engine="streaming")))

    assert sorted(results.pop()["s"].to_list()) == sorted(f"x{i}" for i in range(1000, 9000))
    assert len([text for text in texts if "AS partitioned WHERE" in text]) == 4
    assert scan.head(5).collect().height == 5


def test_an_early_end_of_partitions(engine: LocalEngine) -> None:
    """All readers end, and no query stays on the server."""
    scan = e6data_adbc.polars.scan(LONG.format(10**7, "half"), engine.uri, partitions=("i", 3))
    assert scan.filter(c.s.str.len_chars() > 1).head(2).collect(engine="streaming").height == 2

    eventually(lambda: not any("half" in one.sql for one in engine.ledger.open_queries), timeout=30)


def test_a_failing_partition(engine: LocalEngine) -> None:
    """The error of one part is the error of the run."""
    sql = "select range as i, cast(case when range = 900 then 'x' else '1' end as int) as n from range(1000)"
    scan = e6data_adbc.polars.scan(sql, engine.uri, partitions=("i", 2))

    with pytest.raises(Exception, match="INVALID_DATA"):
        scan.collect()


@pytest.mark.parametrize("partitions", [("no", 2), ("i", 0), "i", ("i",), ("i", "2")])
def test_wrong_partitions(engine: LocalEngine, partitions: Any) -> None:
    """Partitions are a column of the result and a count."""
    with pytest.raises(ProgrammingError, match="could not scan in partitions"):
        e6data_adbc.polars.scan("t", engine.uri, partitions=partitions)


def test_no_partitions_of_a_limit(engine: LocalEngine) -> None:
    """Each part would apply the limit of the text by itself."""
    with pytest.raises(ProgrammingError, match="LIMIT"):
        e6data_adbc.polars.scan("select * from t limit 2", engine.uri, partitions=("i", 2))


# ---- what is told


def test_explain(scanned: pl.LazyFrame) -> None:
    """The statement, its values, and each clause that stays with its reason; nothing where there is no scan."""
    told = e6data_adbc.polars.explain(scanned.filter(c.i > 1, c.s > "a", c.s == "b").select("d"))

    assert 'e6data is sent: SELECT "i", "s", "d" FROM t WHERE' in told
    assert "int64 1" in told
    assert "Polars filters (s > 'a'): " in told
    assert "Polars filters again (s == 'b'): " in told
    both = e6data_adbc.polars.explain(scanned.filter(c.j > 1).join(scanned.select("i"), on="i"))
    assert both.count("e6data is sent") == 2
    assert "no scan" in e6data_adbc.polars.explain(pl.LazyFrame({"a": [1]}))


def test_polars_own_explain(scanned: pl.LazyFrame) -> None:
    """Polars' plan names the source, where this Polars can."""
    text = scanned.filter(c.i > 1).explain()

    assert "PYTHON[e6data] SCAN" in text or tuple(map(int, pl.__version__.split(".")[:2])) < (2, 1)


def test_the_log(scanned: pl.LazyFrame, caplog: pytest.LogCaptureFixture) -> None:
    """The log has the statement and each clause that stays; no value of the statement's parameters."""
    with caplog.at_level(logging.INFO, logger="e6data_adbc.scan"):
        scanned.filter(c.i > 123456, c.s > "a").collect()

    assert 'sends SELECT * FROM t WHERE "i" > ?' in caplog.text
    assert "filters here: (s > 'a'): the server may order" in caplog.text
    assert "123456" not in caplog.text


def test_old_versions_of_polars(engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A Polars whose sources lack what a scan needs is named, with the version to install."""
    monkeypatch.setattr("polars.io.plugins.register_io_source", lambda io_source, schema: None)

    with pytest.raises(NotSupportedError, match=r"polars 1\.35 or later"):
        e6data_adbc.polars.scan("t", engine.uri)
    assert scanning.scan is not None


# ---- other doors


def test_sql_context(scanned: pl.LazyFrame, sent: Texts) -> None:
    """Polars' SQL over a scan is pushed down like everything else."""
    with pl.SQLContext(t=scanned) as context:
        texts = sent(
            lambda: results.append(context.execute("select s from t where j < 2").collect())
        )

    assert results.pop()["s"].to_list() == ["😀"]
    assert texts == ['SELECT "j", "s" FROM t WHERE "j" < 2']


DUCK = {
    "select i from lf where j < 3 and i > 1": 'WHERE "i" > CAST(1 AS BIGINT) AND "j" < 3',
    "select i from lf where d = date '2020-01-01'": "WHERE \"d\" = CAST('2020-01-01' AS DATE)",
    "select i from lf where m >= 1.25": "WHERE \"m\" >= CAST('1.25' AS DECIMAL(38, 2))",
    "select i from lf where s = 'a'": "WHERE \"s\" = 'a'",
    "select i from lf where j = 1 or j = 3": 'WHERE ("j" = 1 OR "j" = 3)',
    "select i from lf where j in (1, 3)": 'WHERE "j" IN (1, 3)',
}


@pytest.mark.parametrize("query", DUCK)
def test_duckdb(scanned: pl.LazyFrame, memory: pl.LazyFrame, sent: Texts, query: str) -> None:
    """DuckDB's filters over the lazy frame reach the server."""
    duckdb = pytest.importorskip("duckdb", "1.5")
    with duckdb.connect() as database:
        database.register("lf", scanned)
        texts = sent(lambda: results.append(database.sql(query).fetchall()))
        database.register("lf", memory.collect().to_arrow())
        expected = database.sql(query).fetchall()

    assert sorted(results.pop()) == sorted(expected)
    assert DUCK[query] in texts[0]


def test_the_import_stays_light() -> None:
    """Importing the face loads nothing of scans."""
    code = (
        "import sys, e6data_adbc.polars; print([m for m in sys.modules if 'e6data_adbc.lazy' in m])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert re.sub(r"\s", "", done.stdout) == "[]"


def test_a_connection_that_writes_parameters_otherwise(engine: LocalEngine, sent: Texts) -> None:
    """On a connection of `%s` nothing is bound beside the user's values; columns and limits are pushed down."""
    with e6data_adbc.dbapi.connect(engine.uri, paramstyle="pyformat") as connection:
        scan = e6data_adbc.polars.scan(
            "select i, j from t where j %% 2 = %s", connection=connection, params=[1]
        )
        plan = scan.filter(c.i > 1).select("i")
        texts = sent(lambda: results.append(plan.collect()["i"].to_list()))
        assert results.pop() == [3]
        assert texts == [
            'SELECT "i" FROM ( select i, j from t where j % 2 = CAST(1 AS BIGINT) ) AS scanned'
        ]
        assert "writes parameters as %s" in e6data_adbc.polars.explain(plan)
