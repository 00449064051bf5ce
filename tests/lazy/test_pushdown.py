"""What of a plan becomes the server's work, and what stays Polars'."""

from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

import e6data_adbc.polars
from e6data_adbc.local import LocalEngine

pytestmark = pytest.mark.seconds

D = decimal.Decimal
UTC = dt.timezone.utc
NAN, INF = float("nan"), float("inf")
c = pl.col
ALL = "SELECT * FROM t"

#: A filter, and the condition that is sent: the server's work alone.
EXACT: dict[str, tuple[pl.Expr, str]] = {
    "int64": (c.i > 1, '"i" > CAST(1 AS BIGINT)'),
    "int32": (c.j <= 2, '"j" <= 2'),
    "int32 beside int64": (c.j == c.i, '"j" = "i"'),
    "constant first": (pl.lit(1) < c.i, '"i" > CAST(1 AS BIGINT)'),
    "not": (~(c.i > 1), '"i" <= CAST(1 AS BIGINT)'),
    "double": (c.f < 0.5, '"f" < CAST(0.5E0 AS DOUBLE)'),
    "NaN is above all": (c.f > 0.5, 'NOT ("f" <= CAST(0.5E0 AS DOUBLE))'),
    "NaN is unequal": (c.f != 0.5, 'NOT ("f" = CAST(0.5E0 AS DOUBLE))'),
    "a zero below": (c.f < 0.0, "\"f\" < CAST('-0.0' AS DOUBLE)"),
    "a zero above": (c.f > -0.0, 'NOT ("f" <= CAST(0.0E0 AS DOUBLE))'),
    "both zeros": (
        c.f == 0.0,
        '("f" <= CAST(0.0E0 AS DOUBLE) AND NOT ("f" < CAST(\'-0.0\' AS DOUBLE)))',
    ),
    "decimal": (c.m >= D("1.25"), "\"m\" >= CAST('1.25' AS DECIMAL(38, 2))"),
    "decimal beside int": (c.m > 1, "\"m\" > CAST('1.00' AS DECIMAL(38, 2))"),
    "date": (c.d < dt.date(2021, 1, 1), "\"d\" < CAST('2021-01-01' AS DATE)"),
    "date beside datetime": (
        c.d < dt.datetime(2020, 1, 1, 1),
        "\"d\" <= CAST('2020-01-01' AS DATE)",
    ),
    "timestamp": (
        c.t > dt.datetime(2020, 6, 1),
        "\"t\" >= CAST('2020-06-01 00:00:00.000001' AS TIMESTAMP)",
    ),
    "instant": (
        c.z >= dt.datetime(2020, 6, 1, tzinfo=UTC),
        "\"z\" >= CAST('2020-06-01 00:00:00+00:00' AS TIMESTAMP_TZ)",
    ),
    "year": (
        c.d.dt.year() == 2020,
        "(\"d\" >= CAST('2020-01-01' AS DATE) AND \"d\" < CAST('2021-01-01' AS DATE))",
    ),
    "day of a timestamp": (
        c.t.dt.date() <= dt.date(2020, 12, 31),
        "\"t\" < CAST('2021-01-01 00:00:00' AS TIMESTAMP)",
    ),
    "bool": (c.b, '"b"'),
    "not bool": (~c.b, 'NOT "b"'),
    "is null": (c.s.is_null(), '"s" IS NULL'),
    "is not null": (c.y.is_not_null(), '"y" IS NOT NULL'),
    "is in": (c.i.is_in([1, 3]), '"i" IN (CAST(1 AS BIGINT), CAST(3 AS BIGINT))'),
    "is not in": (~c.i.is_in([1]), '"i" NOT IN (CAST(1 AS BIGINT))'),
    "is between": (c.j.is_between(1, 3, closed="left"), '("j" >= 1 AND "j" < 3)'),
    "missing is a value": (c.j.ne_missing(2), '("j" <> 2 OR "j" IS NULL)'),
    "finite": (
        c.f.is_finite(),
        '("f" <= CAST(1.7976931348623157E+308 AS DOUBLE) AND "f" >= CAST(-1.7976931348623157E+308 AS DOUBLE))',
    ),
    "or": ((c.i > 2) | c.b, '("i" > CAST(2 AS BIGINT) OR "b")'),
    "not and": (~((c.i > 2) & c.b), '("i" <= CAST(2 AS BIGINT) OR NOT "b")'),
    "either": (
        (c.i > 2) ^ c.b,
        '(("i" > CAST(2 AS BIGINT) AND NOT "b") OR ("i" <= CAST(2 AS BIGINT) AND "b"))',
    ),
}
#: A filter of which the server leaves out rows, and Polars more.
AGAIN: dict[str, tuple[pl.Expr, str]] = {
    "text": (c.s == "it's", "\"s\" = 'it''s'"),
    "texts": (c.s.is_in(["a", "b"]), "\"s\" IN ('a', 'b')"),
    "starts with": (c.s.str.starts_with("it"), "SUBSTRING(\"s\", 1, 2) = 'it'"),
    "ends with": (c.s.str.ends_with("s"), "STRPOS(\"s\", 's') > 0"),
    "contains": (c.s.str.contains("t.", literal=True), "STRPOS(\"s\", 't.') > 0"),
    "contains plainly": (c.s.str.contains("t'"), "STRPOS(\"s\", 't''') > 0"),
    "decimal beside double": (c.m > 1.5, "\"m\" >= CAST('1.48' AS DECIMAL(38, 2))"),
    "decimal between its steps": (c.m > D("1.255"), "\"m\" > CAST('1.25' AS DECIMAL(38, 2))"),
    "one part": (
        (c.s > "a") & (c.i > 1) | (c.i == 1),
        '("i" > CAST(1 AS BIGINT) OR "i" = CAST(1 AS BIGINT))',
    ),
}
#: A filter that the server has no part in.
KEPT: dict[str, pl.Expr] = {
    "the order of texts": c.s > "a",
    "unequal texts": c.s != "a",
    "not a text": ~(c.s == "a"),
    "the end of no text": ~c.s.str.starts_with("a"),
    "a prefix of two units": c.s.str.starts_with("😀"),
    "a pattern": c.s.str.contains("a.*"),
    "a NUL": c.s == "a\0",
    "bytes": c.y == b"\xff",
    "arithmetic": c.i + 1 > 2,
    "a narrowing cast": c.i.cast(pl.Int32, strict=False) > 1,
    "a float of 32 bits beside one of 64": c.g == c.f,
    "columns of floats": c.f > c.f,
    "an infinity": c.f < INF,
    "NaN": c.f == NAN,
    "a null among those that are out": ~c.i.is_in([1, None]),
    "a filled null": (c.i > 1).fill_null(value=True),
    "a large int beside a double": c.i > 2.0**60,
    "the length of a text": c.s.str.len_chars() > 1,
    "an or of one that stays": (c.i > 1) | (c.s > "b"),
    "python": c.i.map_elements(int.bit_length, return_dtype=pl.Int64) > 1,
}


def same(one: pl.LazyFrame, other: pl.LazyFrame) -> None:
    for engine in ("in-memory", "streaming"):
        left, right = one.collect(engine=engine), other.collect(engine=engine)  # type: ignore[call-overload]
        assert left.equals(right)
        assert left.schema == right.schema


@pytest.mark.parametrize("name", EXACT)
def test_exact(
    scanned: pl.LazyFrame, memory: pl.LazyFrame, sent: Callable[..., list[str]], name: str
) -> None:
    """An exact clause is sent, and its column is not fetched for it."""
    clause, condition = EXACT[name]

    same(scanned.filter(clause), memory.filter(clause))
    assert sent(scanned.filter(clause).collect) == [f"{ALL} WHERE {condition}"]
    assert "Polars filters" not in e6data_adbc.polars.explain(scanned.filter(clause))


@pytest.mark.parametrize("name", AGAIN)
def test_filtered_again(
    scanned: pl.LazyFrame, memory: pl.LazyFrame, sent: Callable[..., list[str]], name: str
) -> None:
    """A clause under which the server may keep too many rows is sent, and Polars filters what arrives."""
    clause, condition = AGAIN[name]

    same(scanned.filter(clause), memory.filter(clause))
    assert sent(scanned.filter(clause).collect) == [f"{ALL} WHERE {condition}"]
    assert "Polars filters again" in e6data_adbc.polars.explain(scanned.filter(clause))


@pytest.mark.parametrize("name", KEPT)
def test_kept(
    scanned: pl.LazyFrame, memory: pl.LazyFrame, sent: Callable[..., list[str]], name: str
) -> None:
    """A clause that might lose a row on the server stays in Polars; one beside it is sent all the same."""
    clause = KEPT[name]
    if name == "python":
        pytest.importorskip("cloudpickle")  # Polars hands functions over by it

    same(scanned.filter(clause), memory.filter(clause))
    assert sent(scanned.filter(clause).collect) == [ALL]
    both = scanned.filter(clause, c.j == 2)
    assert sent(both.collect) == [f'{ALL} WHERE "j" = 2']
    same(both, memory.filter(clause, c.j == 2))


PLANS: dict[str, tuple[Callable[[pl.LazyFrame], pl.LazyFrame], str]] = {
    "all": (lambda f: f, ALL),
    "columns": (lambda f: f.select("i", "s"), 'SELECT "i", "s" FROM t'),
    "the columns of what stays": (
        lambda f: f.filter(c.s > "a").select("i"),
        'SELECT "i", "s" FROM t',
    ),
    "head": (lambda f: f.head(2), "SELECT * FROM t LIMIT 2"),
    "head of columns": (lambda f: f.select("i").head(2), 'SELECT "i" FROM t LIMIT 2'),
    "a filter of a head": (
        lambda f: f.head(2).filter(c.j < 3),
        'SELECT * FROM (SELECT * FROM t LIMIT 2) AS limited WHERE "j" < 3',
    ),
    "a kept filter of a head": (lambda f: f.head(2).filter(c.s > "a"), "SELECT * FROM t LIMIT 2"),
    "a head of a filter": (
        lambda f: f.filter(c.j < 3).head(1),
        'SELECT * FROM t WHERE "j" < 3',
    ),
    "a tail": (lambda f: f.filter(c.j < 3).tail(1), 'SELECT * FROM t WHERE "j" < 3'),
    "nothing": (lambda f: f.filter(pl.lit(False)), "SELECT * FROM t WHERE 1 = 0"),
    "a filter of row numbers": (
        lambda f: f.with_row_index().filter(c.j < 3),
        ALL,
    ),
}


@pytest.mark.parametrize("name", PLANS)
def test_plans(
    scanned: pl.LazyFrame, memory: pl.LazyFrame, sent: Callable[..., list[str]], name: str
) -> None:
    """Columns and limits are sent, and a limit counts before the filter that comes after it."""
    plan, text = PLANS[name]

    if "limited" in text and "FILTER" in plan(scanned).explain():
        text = "SELECT * FROM t LIMIT 2"  # old versions of Polars hand over no filter of a limit

    same(plan(scanned), plan(memory))
    assert sent(plan(scanned).collect) == [text]
    assert text.split("WHERE")[0] in e6data_adbc.polars.explain(plan(scanned))


def test_rows_are_counted(scanned: pl.LazyFrame) -> None:
    """A plan that wants no column has the number of rows."""
    assert scanned.select(pl.len()).collect().item() == 4
    assert scanned.filter(c.i > 1).select(pl.len()).collect(engine="streaming").item() == 2


def test_many_values(engine: LocalEngine, sent: Callable[..., list[str]]) -> None:
    """Of a thousand values and more only the range is asked for."""
    scan = e6data_adbc.polars.scan("select range as i from range(5000)", engine.uri)
    values = list(range(100, 4100, 2))
    texts = sent(lambda: found.append(scan.filter(c.i.is_in(values)).collect()["i"].to_list()))

    assert found.pop() == values
    assert texts[-1].endswith('("i" >= CAST(100 AS BIGINT) AND "i" <= CAST(4098 AS BIGINT))')


found: list[Any] = []


def test_types_that_are_texts_here(engine: LocalEngine, sent: Callable[..., list[str]]) -> None:
    """What is no text on the server is not compared with one there."""
    scan = e6data_adbc.polars.scan("select [1, 2] as a, {'k': 1} as b", engine.uri)
    texts = sent(lambda: found.append(scan.filter(c.a == "[1, 2]").collect().height))

    assert found.pop() == 1
    assert not any("WHERE" in text for text in texts)


def test_a_refusal(
    engine: LocalEngine, sent: Callable[..., list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    """What the server does not understand is asked again without it: pushing down is never an error."""
    sql = "select uuid '00000000-0000-0000-0000-000000000001' as u, 1 as i"
    scan = e6data_adbc.polars.scan(sql, engine.uri)
    plan = scan.filter(c.u != "x", c.u.str.starts_with("0000"), c.i == 1)
    texts = sent(lambda: found.append(plan.collect().height))

    assert found.pop() == 1
    assert texts[-1] == sql
    assert "refused what was pushed down" in caplog.text


def test_a_refusal_of_partitions(engine: LocalEngine) -> None:
    """Readers side by side fall back, too."""
    sql = "select uuid '00000000-0000-0000-0000-000000000001' as u, range as i from range(100)"
    scan = e6data_adbc.polars.scan(sql, engine.uri, partitions=("i", 3))

    assert scan.filter(c.u.str.starts_with("0000"), c.i >= 10).collect().height == 90


def test_an_error_of_the_query(engine: LocalEngine) -> None:
    """A query that fails by itself fails with its own error."""
    scan = e6data_adbc.polars.scan("select cast(s as int) as n, i from t", engine.uri)

    with pytest.raises(Exception, match="INVALID_DATA"):
        scan.filter(c.i > 0).collect()
