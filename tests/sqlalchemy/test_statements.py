"""SQL, values and rows."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import pytest
import sqlalchemy as sa

from e6data_adbc.sqlalchemy import Dialect

X = sa.column("x", sa.Integer)
S = sa.column("s", sa.String)
#: SQLAlchemy 1.4 has no operator for it.
HAS_FLOOR = hasattr(X, "__floordiv__")


def sql(statement: Any) -> str:
    text = str(statement.compile(dialect=Dialect(), compile_kwargs={"literal_binds": True}))
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (X % 3, "MOD(x, 3)"),
        (X / 2, "x / CAST(2 AS DOUBLE)"),
        *([(X // 2, "CAST(FLOOR(x / CAST(2 AS DOUBLE)) AS BIGINT)")] if HAS_FLOOR else []),
        (X.is_distinct_from(None), "x IS DISTINCT FROM NULL"),
        (S.regexp_match("a.c"), "REGEXP_LIKE(s, 'a.c')"),
        (~S.regexp_match("a.c"), "NOT REGEXP_LIKE(s, 'a.c')"),
        (S.regexp_match("a.c", flags="i"), "REGEXP_LIKE(s, CONCAT('(?i)', 'a.c'))"),
        (S.regexp_replace("a", "b"), "REGEXP_REPLACE(s, 'a', 'b')"),
        (sa.extract("year", sa.column("d")), "EXTRACT(year FROM d)"),
        (sa.func.date_trunc("month", sa.column("d")), "date_trunc('month', d)"),
        (sa.literal("a\\b'c"), "('a' || CHR(92) || 'b''c')"),
        (sa.literal(b"\x00\xff"), "X'00ff'"),
        (sa.literal(datetime.date(2026, 1, 31)), "CAST('2026-01-31' AS DATE)"),
        (sa.cast(X, sa.Float), "CAST(x AS DOUBLE)"),
        (sa.cast(X, sa.Numeric(10, 2)), "CAST(x AS DECIMAL(10, 2))"),
        (sa.cast(X, sa.Text), "CAST(x AS VARCHAR)"),
        (sa.cast(X, sa.DateTime(timezone=True)), "CAST(x AS TIMESTAMP_TZ)"),
        (sa.column("select"), '"select"'),
        (sa.column("Mixed"), '"Mixed"'),
    ],
)
def test_sql(expression: Any, text: str) -> None:
    """Expressions are written as e6data has them."""
    assert sql(expression) == text


def test_limits() -> None:
    """LIMIT, OFFSET and FETCH are written as LIMIT and OFFSET; what the engine lacks is refused."""
    assert sql(sa.select(X).limit(2).offset(3)) == "SELECT x LIMIT 2 OFFSET 3"
    assert sql(sa.select(X).fetch(2)) == "SELECT x LIMIT 2"
    with pytest.raises(sa.exc.CompileError):
        sql(sa.select(X).order_by(X).fetch(2, with_ties=True))


def test_catalogs_in_names() -> None:
    """`schema="catalog.schema"` is two names, unless it is quoted as one."""
    table = sa.table("t", sa.column("x"), schema="Sales.main")
    assert sql(sa.select(table.c.x)).endswith('FROM "Sales".main.t')
    one = sa.table("t", sa.column("x"), schema=sa.sql.quoted_name("a.b", quote=True))
    assert sql(sa.select(one.c.x)).endswith('FROM "a.b".t')


def test_a_time_of_the_day_is_refused() -> None:
    """The engine has no such type."""
    with pytest.raises(sa.exc.CompileError, match="times of the day"):
        sql(sa.cast(X, sa.Time))


def test_values_come_back(engine: sa.engine.Engine) -> None:
    """What is bound to a column of each type comes back as it was."""
    columns: dict[str, tuple[Any, Any]] = {
        "b": (sa.Boolean, True),
        "i": (sa.Integer, -5),
        "l": (sa.BigInteger, 2**62),
        "f": (sa.Float, 0.1),
        "n": (sa.Numeric(38, 4), decimal.Decimal("1234567890123456789012345678901234.5678")),
        "s": (sa.String, "a\\'b\n%s ?"),
        "y": (sa.LargeBinary, b"\x00'\xff"),
        "d": (sa.Date, datetime.date(1, 1, 1)),
        "t": (sa.DateTime, datetime.datetime(9999, 12, 31, 23, 59, 59, 999999)),
        "z": (
            sa.DateTime(timezone=True),
            datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc),
        ),
        "v": (sa.Interval, datetime.timedelta(days=-2, microseconds=5)),
        "j": (sa.JSON, {"a": [1, None, "x"]}),
        "u": (sa.Enum("red", "blue", name="colour"), "blue"),
    }
    table = sa.Table(
        "every_type", sa.MetaData(), *(sa.Column(name, kind) for name, (kind, _) in columns.items())
    )
    row = tuple(value for _, value in columns.values())
    with engine.connect() as connection:
        table.create(connection)
        connection.execute(table.insert().values(dict(zip(columns, row, strict=True))))
        connection.execute(table.insert(), [dict(zip(columns, row, strict=True))] * 2)
        connection.execute(table.insert(), [dict.fromkeys(columns)] * 2)
        found = connection.execute(sa.select(table)).all()
        table.drop(connection)
    assert [tuple(one) for one in found[:3]] == [row] * 3
    assert [tuple(one)[:-2] for one in found[3:]] == [(None,) * 11] * 2


def test_mixed_numbers_of_one_column(engine: sa.engine.Engine) -> None:
    """Floats, decimals and whole numbers in the rows of one column become the column's type."""
    table = sa.Table(
        "mixed", sa.MetaData(), sa.Column("n", sa.Numeric(10, 2)), sa.Column("f", sa.Float)
    )
    with engine.connect() as connection:
        table.create(connection)
        given = [{"n": decimal.Decimal("1.5"), "f": 1}, {"n": 2.25, "f": decimal.Decimal("0.5")}]
        connection.execute(table.insert(), given)
        found = connection.execute(sa.select(table).order_by("n")).all()
        table.drop(connection)
    assert found == [(decimal.Decimal("1.50"), 1.0), (decimal.Decimal("2.25"), 0.5)]


def test_rows_are_taken_in_bundles(engine: sa.engine.Engine) -> None:
    """Iterating calls the driver once for many rows, not once a row."""
    calls = []
    with engine.connect() as connection:
        result = connection.execute(sa.text("select * from range(5000)"))
        cursor: Any = result.cursor
        inherited = cursor.fetchmany
        cursor.fetchmany = lambda size: calls.append(size) or inherited(size)
        cursor.fetchone = None
        assert sum(row[0] for row in result) == sum(range(5000))
    assert len(calls) < 20


def test_rows_by_any_call(engine: sa.engine.Engine) -> None:
    """Every row comes once, whatever calls follow each other."""
    with engine.connect() as connection:
        result = connection.execute(sa.text("select * from range(3000) order by 1"))
        rows = [result.fetchone(), *result.fetchmany(10), *next(result.partitions(100)), *result]
        assert [row[0] for row in rows if row is not None] == list(range(3000))


def test_many_rows(engine: sa.engine.Engine) -> None:
    """Many rows are written in few statements, with a true count; an expression has each row its own."""
    table = sa.Table("many", sa.MetaData(), sa.Column("n", sa.Integer), sa.Column("s", sa.String))
    with engine.connect() as connection:
        table.create(connection)
        rows = [{"n": n, "s": f"row {n}"} for n in range(2500)]
        assert connection.execute(table.insert(), rows).rowcount == 2500
        upper = sa.text("insert into many(n, s) values (:n, upper(:s))")
        assert connection.execute(upper, rows[:3]).rowcount == 3
        changed = connection.execute(
            table.update().where(table.c.n == sa.bindparam("k")).values(s="x"), [{"k": 1}, {"k": 2}]
        )
        assert changed.rowcount == 4
        assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 2503
        table.drop(connection)
