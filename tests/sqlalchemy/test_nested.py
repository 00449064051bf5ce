"""Elements of JSON values, and arrays."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from e6data_adbc import errors
from e6data_adbc.sqlalchemy import Dialect

TABLE = sa.Table(
    "nested",
    sa.MetaData(),
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("d", sa.JSON),
    sa.Column("a", sa.ARRAY(sa.Integer)),
    sa.Column("t", sa.ARRAY(sa.String)),
)
D, A, T = TABLE.c.d, TABLE.c.a, TABLE.c.t
VALUE = {
    "one": 1,
    "big": 2**40,
    "half": 0.5,
    "yes": True,
    "nothing": None,
    "text": "it's",
    "deep": {"list": [7, 8, {"x": "y"}]},
    "with ünd it's": 9,
}


@pytest.fixture
def connection(engine: sa.engine.Engine) -> Iterator[sa.engine.Connection]:
    """A connection to a table with two rows."""
    with engine.connect() as opened:
        TABLE.drop(opened, checkfirst=True)
        TABLE.create(opened)
        rows = [{"id": 1, "d": VALUE, "a": [1, None, 3], "t": ["a, b"]}]
        opened.execute(TABLE.insert(), [*rows, {"id": 2, "d": None, "a": None, "t": None}])
        yield opened
        TABLE.drop(opened)


def sql(expression: Any) -> str:
    return str(expression.compile(dialect=Dialect(), compile_kwargs={"literal_binds": True}))


def one(connection: sa.engine.Connection, expression: Any) -> Any:
    return connection.execute(sa.select(expression).where(TABLE.c.id == 1)).scalar()


@pytest.mark.parametrize(
    ("element", "path", "value"),
    [
        (D["one"].as_integer(), "$.one", 1),
        (D["big"].as_integer(), "$.big", 2**40),
        (D["half"].as_float(), "$.half", 0.5),
        (D["half"].as_numeric(10, 2), "$.half", decimal.Decimal("0.50")),
        (D["yes"].as_boolean(), "$.yes", True),
        (D["nothing"].as_string(), "$.nothing", None),
        (D["missing"].as_string(), "$.missing", None),
        (D["text"].as_string(), "$.text", "it's"),
        (D["with ünd it's"].as_integer(), """$."with ünd it''s\"""", 9),
        (D["deep"]["list"][1].as_integer(), "$.deep.list[1]", 8),
        (D[("deep", "list", 2, "x")].as_string(), "$.deep.list[2].x", "y"),
    ],
)
def test_elements_of_json(
    connection: sa.engine.Connection, element: Any, path: str, value: Any
) -> None:
    """A key, a place, or several of them are one path; the element is what the caller says it is."""
    assert f"JSON_EXTRACT(nested.d, '{path}')" in sql(element)
    assert one(connection, element) == value


def test_statements_with_other_keys_are_told_apart(connection: sa.engine.Connection) -> None:
    """A statement that was compiled before has the key of this time."""
    found = [one(connection, D[key].as_integer()) for key in ("one", "big", "one")]
    assert found == [1, 2**40, 1]
    where = sa.select(TABLE.c.id).where(D["text"].as_string() == "it's")
    assert connection.execute(where).scalar() == 1


@pytest.mark.parametrize(
    ("element", "cause"),
    [
        (D["deep"], "as_string"),
        (D["deep"]["list"], "as_string"),
        (D[TABLE.c.id].as_string(), "constants"),
        (A[1:2], "slices"),
        (sa.literal(3) == sa.all_(A), "ALL"),
        (sa.literal(3) < sa.any_(A), "ANY"),
    ],
)
def test_what_the_engine_lacks_is_refused(element: Any, cause: str) -> None:
    """Before anything is sent."""
    with pytest.raises(sa.exc.CompileError, match=cause):
        sql(element)


@pytest.mark.parametrize("key", ['a"b', "a\\b", "", -1])
def test_keys_that_no_path_has_are_refused(key: Any) -> None:
    """Quotes and backslashes have no sure form in a path."""
    with pytest.raises(sa.exc.CompileError) as caught:
        sql(D[key].as_string())
    assert "JSON" in str(caught.value.__cause__ or caught.value)


def test_arrays(connection: sa.engine.Connection) -> None:
    """They come as lists, are compared and asked for their elements."""
    assert one(connection, A) == [1, None, 3]
    assert one(connection, A[3]) == 3
    assert [one(connection, sa.literal(n) == sa.any_(A)) for n in (3, 4)] == [True, False]
    assert sql(sa.literal(3) == sa.any_(A)) == "ARRAY_CONTAINS(nested.a, 3)"
    assert connection.execute(sa.select(TABLE.c.id).where(A[1] == 1)).scalar() == 1
    assert connection.execute(sa.select(A).where(TABLE.c.id == 2)).scalar() is None
    assert one(connection, T[1]) == "a, b"


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (sa.Integer(), [1, 2]),
        (sa.Float(), [1.5, 2.0]),
        (sa.Numeric(10, 2), [decimal.Decimal("1.50"), None]),
        (sa.Boolean(), [True, None, False]),
        (sa.Date(), [datetime.date(2026, 1, 31)]),
        (sa.DateTime(), [datetime.datetime(2026, 1, 31, 23, 59, 59, 500_000)]),
    ],
)
def test_arrays_of_each_type(connection: sa.engine.Connection, kind: Any, value: Any) -> None:
    """A list is bound, and read again as the same list; as a literal, too."""
    bound = sa.literal(value, sa.ARRAY(kind))
    assert connection.execute(sa.select(bound)).scalar() == value
    written = sa.text(f"SELECT {sql(bound)} AS v").columns(v=sa.ARRAY(kind))
    assert connection.execute(written).scalar() == value
    nested = sa.literal([value, value], sa.ARRAY(kind, dimensions=2))
    assert connection.execute(sa.select(nested)).scalar() == [value, value]
    as_tuple = sa.literal(value, sa.ARRAY(kind, as_tuple=True))
    assert connection.execute(sa.select(as_tuple)).scalar() == tuple(value)


def test_arrays_of_texts_are_not_guessed(connection: sa.engine.Connection) -> None:
    """Their text has more than one meaning: it is an error, unless it is asked for as text."""
    with pytest.raises(errors.NotSupportedError, match="looks like two"):
        one(connection, T)
    assert one(connection, sa.type_coerce(T, sa.String)) == "['a, b']"
    wrong = sa.text("SELECT ARRAY['x', 'y'] AS v").columns(v=sa.ARRAY(sa.Integer))
    with pytest.raises(errors.DataError, match=r"Integer\(\)"):
        connection.execute(wrong).scalar()


def test_reflected_arrays(connection: sa.engine.Connection) -> None:
    """A table's columns tell the types inside, and those that cannot be read stay text."""
    found = sa.Table("nested", sa.MetaData(), autoload_with=connection)
    assert isinstance(found.c.a.type.item_type, sa.Integer)
    rows = connection.execute(sa.select(found).order_by(found.c.id)).all()
    assert [tuple(row)[2:] for row in rows] == [([1, None, 3], "['a, b']"), (None, None)]
