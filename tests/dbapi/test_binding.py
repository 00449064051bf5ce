"""Values bound through our DB-API, the driver manager's and asyncio: as they are, in every style, from every frame."""

from __future__ import annotations

import asyncio
import datetime
import decimal
import math
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import adbc_driver_manager.dbapi
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from e6data_adbc import _native, aio, dbapi
from e6data_adbc.local import LocalEngine

pytestmark = pytest.mark.seconds

UUID = uuid.UUID("12345678-1234-5678-1234-567812345678")


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    """An engine for the module."""
    with LocalEngine() as engine:
        yield engine


@pytest.fixture
def cursor(engine: LocalEngine) -> Iterator[dbapi.Cursor]:
    """A cursor of texts with `?`, and the empty table `t` of two columns of text."""
    with dbapi.connect(engine.uri) as connection, connection.cursor() as cursor:
        yield with_table(cursor)


@pytest.fixture
def pyformat(engine: LocalEngine) -> Iterator[dbapi.Cursor]:
    """The same, of texts with `%s`."""
    with dbapi.connect(engine.uri, paramstyle="pyformat") as connection:
        with connection.cursor() as cursor:
            yield with_table(cursor)


def with_table(cursor: dbapi.Cursor) -> dbapi.Cursor:
    cursor.execute("DROP TABLE IF EXISTS scratch.main.t")
    cursor.execute("CREATE TABLE scratch.main.t (a VARCHAR, b VARCHAR)")
    return cursor


def rows(cursor: dbapi.Cursor) -> list[tuple[Any, ...]]:
    cursor.execute("SELECT a, b FROM scratch.main.t ORDER BY a")
    return cursor.fetchall()


INSERT = "INSERT INTO scratch.main.t (a, b) VALUES "
#: Two rows of two columns of text; the second is called as the table's first is.
COLUMNS = {"b": ["x", "y"], "a": ["1", "2"]}
FRAMES: dict[str, Callable[[], Any]] = {
    "table": lambda: pa.table(COLUMNS),
    "batch": lambda: pa.record_batch(COLUMNS),
    "reader": lambda: pa.table(COLUMNS).to_reader(),
    "chunks": lambda: pa.chunked_array([pa.table(COLUMNS).to_struct_array().combine_chunks()]),
    "structs": lambda: pa.table(COLUMNS).to_struct_array(),
    "polars": lambda: pl.DataFrame(COLUMNS),
    "categorical": lambda: pl.DataFrame(COLUMNS).cast(pl.Categorical),
    "pandas": lambda: pd.DataFrame(COLUMNS, index=pd.Index([7, 9])),
    "pandas objects": lambda: pd.DataFrame(COLUMNS, dtype=object),
    "tuples": lambda: [("x", "1"), ("y", "2")],
    "iterator": lambda: iter([["x", "1"], ["y", "2"]]),
}


@pytest.mark.parametrize("frame", FRAMES)
def test_rows_by_position(cursor: dbapi.Cursor, pyformat: dbapi.Cursor, frame: str) -> None:
    """A row of the data is a row of parameters, in both styles; an index of pandas is none of its columns."""
    for one, places in ((cursor, "(?, ?)"), (pyformat, "(%s, %s)")):
        with_table(one)
        one.executemany(INSERT + places, FRAMES[frame]())
        assert rows(one) == [("x", "1"), ("y", "2")]


@pytest.mark.parametrize("frame", [name for name in FRAMES if name not in {"tuples", "iterator"}])
def test_rows_by_name(cursor: dbapi.Cursor, pyformat: dbapi.Cursor, frame: str) -> None:
    """Places with names take the columns of these names, wherever they stand and however often."""
    for one, places in ((cursor, "(:a, :b || :a)"), (pyformat, "(%(a)s, %(b)s || %(a)s)")):
        with_table(one)
        one.executemany(INSERT + places, FRAMES[frame]())
        assert rows(one) == [("1", "x1"), ("2", "y2")]


def test_rows_of_a_query_by_name(pyformat: dbapi.Cursor) -> None:
    """`execute` takes data as `executemany` does; the results follow each other."""
    pyformat.execute("SELECT %(a)s || %(b)s AS ab", pl.DataFrame(COLUMNS))

    assert pyformat.fetchall() == [("1x",), ("2y",)]


def test_columns_without_the_names_are_bound_by_position(cursor: dbapi.Cursor) -> None:
    """As ADBC has it; a name that only some have is a mistake."""
    cursor.execute("SELECT :x || :y AS xy", pa.record_batch({"0": ["p"], "1": ["q"]}))
    assert cursor.fetchall() == [("pq",)]
    with pytest.raises(dbapi.ProgrammingError, match="no value for ':y': the data have no column"):
        cursor.execute("SELECT :x || :y", pa.record_batch({"x": ["p"], "z": ["q"]}))
    twice = pa.table([["p"], ["q"]], names=["x", "x"])
    with pytest.raises(dbapi.ProgrammingError, match="more than one column of that name"):
        cursor.execute("SELECT :x", twice)


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ("SELECT ? AS a", [UUID]),
        ("SELECT :a AS a", {"a": UUID}),
        ("SELECT ? AS a", (pa.scalar(UUID.bytes, pa.uuid()),)),
    ],
)
def test_a_uuid_is_its_text(cursor: dbapi.Cursor, text: str, row: Any) -> None:
    """So that it is equal to what engines store of it."""
    cursor.execute(text, row)

    assert cursor.fetchall() == [(str(UUID),)]


def test_a_uuid_in_rows_and_frames(
    cursor: dbapi.Cursor, pyformat: dbapi.Cursor, engine: LocalEngine
) -> None:
    """In rows, by either style, in Arrow's own type, in frames and lists, and through the driver manager."""
    cursor.executemany(INSERT + "(?, ?)", [("1", UUID), ("2", str(UUID)), ("3", None)])
    pyformat.execute(INSERT + "(%(n)s, %(u)s)", {"n": "4", "u": UUID})
    cursor.executemany(
        INSERT + "(?, ?)", pa.table({"n": ["5"], "u": pa.array([UUID.bytes], pa.uuid())})
    )
    cursor.executemany(INSERT + "(?, ?)", pd.DataFrame({"n": ["6"], "u": [UUID]}))
    cursor.execute("SELECT a FROM scratch.main.t WHERE b = ? ORDER BY a", [UUID])
    assert cursor.fetchall() == [("1",), ("2",), ("4",), ("5",), ("6",)]
    cursor.execute("SELECT count(*) FROM scratch.main.t WHERE b IN ?", [[UUID]])
    assert cursor.fetchall() == [(5,)]
    with (
        adbc_driver_manager.dbapi.connect(
            _native.__file__,
            entrypoint="AdbcDriverE6dataInit",
            db_kwargs={"uri": engine.uri},
            autocommit=True,
        ) as plain,
        plain.cursor() as other,
    ):
        data = pa.record_batch({"0": pa.array([UUID.bytes], pa.uuid())})
        other.execute("SELECT count(*) FROM scratch.main.t WHERE b = ?", data)
        assert other.fetchall() == [(5,)]  # fmt: skip


@pytest.mark.parametrize(
    "values",
    [
        pa.array([5, None]),
        pa.array([None, 5]),
        pa.array([5, 3_000_000_000]),
        pa.array([5, 3_000_000_000], pa.uint32()),
        pa.array([5, 2**64 - 1], pa.uint64()),
        pa.array([None, datetime.timedelta(1)]),
        pa.array([datetime.timedelta(1), None]),
        pa.array([None, [1, 2]]),
        pa.array([[3_000_000_000], [1], None]),
        pa.array([None, 0.5, math.inf]),
        pa.array([None, decimal.Decimal("1.50")]),
        pa.array([True, None]),
        pa.array([None, b"a"]),
        pa.array([None, datetime.datetime(1, 1, 1)]),
        pa.array([None, datetime.datetime(2026, 1, 1)], pa.timestamp("ms", "+05:30")),
    ],
    ids=lambda values: f"{values.type} {values.null_count}",
)
def test_a_column_has_one_type(cursor: dbapi.Cursor, values: pa.Array[Any]) -> None:
    """Whatever its values are: the results of its rows follow each other."""
    cursor.execute("SELECT ? AS a", pa.table({"a": values}))
    found = cursor.fetch_arrow_table().column("a")

    if pa.types.is_list(values.type):
        texts = [None if v is None else str(v) for v in values.to_pylist()]
        assert found.to_pylist() == texts
    else:
        assert found.to_pylist() == values.to_pylist()


def test_whole_numbers_do_not_overflow(cursor: dbapi.Cursor) -> None:
    """They are of 64 bits however few digits they have; where SQL wants a count, they are one."""
    cursor.execute("SELECT ? * ? AS a, round(1.26, ?) AS b LIMIT ?", [100_000, 100_000, 1, 1])

    assert cursor.fetchall() == [(10**10, decimal.Decimal("1.3"))]


@pytest.mark.parametrize(
    "value", [math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308]
)
def test_ends_of_doubles(cursor: dbapi.Cursor, value: float) -> None:
    """They come back bit for bit."""
    cursor.execute("SELECT ? AS a", [value])

    assert repr(cursor.fetchall()[0][0]) == repr(value)


def test_a_text_without_places_runs_once_for_each_row(cursor: dbapi.Cursor) -> None:
    """`[[], []]` is two rows, `[]` none."""
    cursor.executemany(INSERT + "('p', 'q')", [[], []])
    cursor.executemany(INSERT + "('never', '')", [])
    cursor.executemany(INSERT + "('never', '')", iter([]))

    assert rows(cursor) == [("p", "q"), ("p", "q")]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ([("1", "2"), ("3",)], "2 parameters and 1 values were given in row 2"),
        ([("1", "2"), ("3", "4", "5")], "2 parameters and 3 values were given in row 2"),
        ([("1", "2"), "ab"], "'str' is no sequence of values, in row 2"),
        ([("1", "2"), 5], "'int' is no sequence of values, in row 2"),
        ([("1", "2"), {"a": "3", "b": "4"}], "the values have names"),
        ("ab", "'str' is no sequence of rows"),
        ({"a": [1], "b": [2]}, "'dict' is no sequence of rows"),
        (5, "'int' is no sequence of rows"),
        ([("1", 1), ("2", "2")], "parameter 2 of row 2: it is text, and parameter 2 of row 1"),
        ([("1", "1"), ("2", "\ud800")], "parameter 2 of row 2: the text is not valid Unicode"),
        ([("1", "1"), ("2", "\0")], "parameter 2 of row 2 of Arrow type 'string'"),
        ([("1", "1"), ("2", 1j)], "parameter 2 of row 2: the Python type 'complex'"),
    ],
    ids=str,
)
def test_rows_that_do_not_fit(cursor: dbapi.Cursor, given: Any, says: str) -> None:
    """An error of ours, which names the row."""
    with pytest.raises(dbapi.Error, match=says):
        cursor.executemany(INSERT + "(?, ?)", given)


@pytest.mark.parametrize(
    ("text", "given", "says"),
    [
        ("SELECT ?", "a", "'str' is no sequence of values"),
        ("SELECT ?", 5, "'int' is no sequence of values"),
        ("SELECT ?", {5}, "'set' is no sequence of values"),
        ("SELECT ?", [], "1 parameters and 0 values"),
        ("SELECT ?", {"a": 1}, "pass a sequence"),
        ("SELECT :a", {"b": 1}, "no value for 'a'"),
        ("SELECT :a", {}, "no value for 'a'"),
        ("SELECT %(k)s", {"k": 1}, "paramstyle='pyformat'"),
        ("SELECT %s", [1], "paramstyle='pyformat'"),
        ("SELECT $1", [1], r"'\$1' is no parameter here"),
    ],
)
def test_values_that_do_not_fit(cursor: dbapi.Cursor, text: str, given: Any, says: str) -> None:
    """Also in `adbc_execute_schema` and `adbc_execute_partitions`."""
    for call in (cursor.execute, cursor.adbc_execute_schema, cursor.adbc_execute_partitions):
        with pytest.raises(dbapi.ProgrammingError, match=says):
            call(text, given)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("SELECT ?", "'\\?' in the text is a parameter: pass its value"),
        ("SELECT :a", "':a' in the text is a parameter: pass its value"),
        ("SELECT $a", "'\\$a' in the text is a parameter: pass its value"),
        ("SELECT $1", "'\\$1' is no parameter here"),
        ("SELECT %(k)s", "connect with paramstyle='pyformat'"),
    ],
)
def test_a_text_whose_values_are_missing(cursor: dbapi.Cursor, text: str, says: str) -> None:
    """The server's refusal is told with what is missing; a text that is only wrong is not."""
    for call in (cursor.execute, cursor.adbc_execute_schema):
        with pytest.raises(dbapi.Error, match=says):
            call(text)
    with pytest.raises(dbapi.ProgrammingError) as caught:
        cursor.execute("SELECT 1 +")
    assert "parameter" not in str(caught.value)


def test_a_row_may_be_a_series(cursor: dbapi.Cursor) -> None:
    """Of pandas, Polars, NumPy or Arrow: its values are those of one row."""
    series = pd.Series([1, 2])
    for row in (series, pl.Series([1, 2]), series.to_numpy(), pa.array([1, 2])):
        cursor.execute("SELECT ? + ? AS a", row)
        assert cursor.fetchall() == [(3,)]


def test_a_series_of_structs_holds_rows(cursor: dbapi.Cursor) -> None:
    """As an array of structs does; a struct that is null as a whole is refused."""
    series = pl.Series([{"a": "1", "b": "x"}, {"a": "2", "b": None}])
    cursor.executemany(INSERT + "(?, ?)", series)
    assert rows(cursor) == [("1", "x"), ("2", None)]
    cursor.execute("SELECT ? + 1 AS a", pl.Series([{"data": 3}]))
    assert cursor.fetchall() == [(4,)]
    cursor.execute("SELECT :b - :a AS a", pl.Series([{"a": 1, "b": 3}]))
    assert cursor.fetchall() == [(2,)]
    with pytest.raises(dbapi.Error, match="null"):
        cursor.execute("SELECT ?", pl.Series([{"a": 1}, None]))


def test_a_part_of_an_array_of_structs(cursor: dbapi.Cursor) -> None:
    """What lies behind an offset is bound; a row that is null as a whole, and an array without columns, are not."""
    structs = pa.array([{"a": "1", "b": "x"}, {"a": "2", "b": None}, {"a": "3", "b": "z"}])
    cursor.executemany(INSERT + "(?, ?)", structs[1:])
    assert rows(cursor) == [("2", None), ("3", "z")]
    assert (
        cursor.adbc_ingest("part", structs[2:], catalog_name="scratch", db_schema_name="main") == 1
    )
    cursor.execute("DROP TABLE scratch.main.part")
    with pytest.raises(dbapi.ProgrammingError, match="row 2 is null as a whole"):
        cursor.execute("SELECT ?", pa.array([{"a": 1}, None]))


def test_data_that_is_not_what_it_says(cursor: dbapi.Cursor) -> None:
    """Text that is no Unicode, an index beyond its dictionary, more digits than the type, a null that may not be."""
    broken = [
        pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xed\xa0")]),
        pa.DictionaryArray.from_arrays(pa.array([5], pa.int8()), pa.array(["a"]), safe=False),
        pa.Array.from_buffers(pa.decimal128(3, 2), 1, pa.array([decimal.Decimal("1234.56")]).buffers()),
        pa.array([10**38], pa.decimal256(76, 0)).cast(pa.decimal256(76, 0)).view(pa.decimal256(38, 0)),
    ]  # fmt: skip
    for array in broken:
        good = pa.nulls(1, array.type)
        table = pa.Table.from_batches(
            [pa.record_batch([good], ["v"]), pa.record_batch([array], ["v"])]
        )
        with pytest.raises(dbapi.ProgrammingError, match=r"row 2 of column 'v'.*none of that type"):
            cursor.execute("SELECT ?", table)
    schema = pa.schema([pa.field("v", pa.dictionary(pa.int8(), pa.string()), nullable=False)])
    hidden = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int8()), pa.array(["a", None]))
    with pytest.raises(dbapi.ProgrammingError, match=r"row 2 of column 'v'.*is not nullable"):
        cursor.execute("SELECT ?", pa.Table.from_arrays([hidden], schema=schema))


def test_asyncio(engine: LocalEngine, cursor: dbapi.Cursor) -> None:
    """The same values by awaited calls."""

    async def run() -> list[tuple[Any, ...]]:
        async with aio.connect(engine.uri) as connection, connection.cursor() as awaited:
            await awaited.executemany(INSERT + "(:a, :b)", pl.DataFrame(COLUMNS))
            await awaited.executemany(INSERT + "(?, ?)", [("3", UUID)])
            with pytest.raises(dbapi.ProgrammingError, match="parameter 2 of row 2"):
                await awaited.executemany(INSERT + "(?, ?)", [("4", "x"), ("5", b"x")])
            await awaited.execute("SELECT a, b FROM scratch.main.t ORDER BY a")
            return await awaited.fetchall()

    assert asyncio.run(run()) == [("1", "x"), ("2", "y"), ("3", str(UUID))]
