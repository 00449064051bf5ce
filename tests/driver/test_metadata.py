"""Metadata calls, schemas, parameters, updates and partitions."""

import adbc_driver_manager
import pyarrow as pa
import pytest
from adbc_driver_manager import dbapi

from tests.driver.fakes import Query, batch


def read(handle):
    """Returns what a metadata call answered."""
    return pa.RecordBatchReader.from_stream(handle).read_all()


def test_get_info(backend, fake_connection):
    """Codes arrive as a list of int, or None for all."""
    handle = fake_connection.adbc_connection
    assert read(handle.get_info([0, 100])).to_pydict() == {"asked": ["('info', [0, 100])"]}
    read(handle.get_info())

    assert backend.connection.asked[-1] == ("info", None)


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        ({"depth": 0}, (0, None, None, None, None, None)),
        (
            {
                "depth": 2,
                "catalog": "c%",
                "db_schema": "",
                "table_name": "ä_",
                "table_types": ["TABLE", "VIEW"],
                "column_name": "n",
            },
            (2, "c%", "", "ä_", ["TABLE", "VIEW"], "n"),
        ),
    ],
)
def test_get_objects(backend, fake_connection, arguments, asked):
    """NULL is None, the empty string is the empty string."""
    depth = adbc_driver_manager.GetObjectsDepth(arguments.pop("depth"))
    read(fake_connection.adbc_connection.get_objects(depth, **arguments))

    assert backend.connection.asked == [("objects", *asked)]


def test_get_statistics(backend, fake_connection):
    """`approximate` arrives as a bool."""
    read(fake_connection.adbc_connection.get_statistics(None, "s", "t", approximate=False))
    read(fake_connection.adbc_connection.get_statistics(approximate=True))
    read(fake_connection.adbc_connection.get_statistic_names())

    assert backend.connection.asked == [
        ("statistics", None, "s", "t", False),
        ("statistics", None, None, None, True),
        ("statistic_names",),
    ]
    assert backend.connection.asked[0][-1] is False


def test_get_table_schema(fake_connection):
    """The schema arrives with its metadata; a missing table is NOT_FOUND exactly."""
    schema = fake_connection.adbc_get_table_schema("t")
    assert schema.field("n").metadata == {b"E6DATA:type": b"LONG"}
    with pytest.raises(adbc_driver_manager.ProgrammingError) as failure:
        fake_connection.adbc_get_table_schema("missing")

    assert failure.value.status_code == adbc_driver_manager.AdbcStatusCode.NOT_FOUND


def test_an_answer_that_is_no_stream_is_an_internal_error(backend, fake_connection):
    """A metadata method that returns something else is our mistake, named."""
    backend.connection.get_table_types = lambda: 42
    with pytest.raises(adbc_driver_manager.InternalError, match="__arrow_c_stream__"):
        fake_connection.adbc_get_table_types()


def test_execute_schema_and_parameter_schema(backend, fake_cursor):
    """Both arrive as they are in Python."""
    backend.queries["q"] = Query()

    assert fake_cursor.adbc_execute_schema("q") == batch(0).schema
    assert fake_cursor.adbc_prepare("q") == pa.schema([("0", pa.null())])
    assert backend.statement.prepares == 1


def test_a_substrait_plan_is_not_implemented(fake_cursor):
    """The plan reaches Python, which refuses it."""
    with pytest.raises(adbc_driver_manager.NotSupportedError, match="plan of 4 bytes"):
        fake_cursor.execute(b"plan")


# ---- parameters

PARAMETERS = [
    pa.array([1, None, 3]),
    pa.array(["a", None, "c"], pa.string_view()),
    pa.array(["a", None, "c"], pa.large_string()),
    pa.array(["a", "b", "a"]).dictionary_encode(),
    pa.nulls(3),
    pa.array([[1], None, [2, 3]], pa.list_(pa.int8())),
    pa.array([b"x", b"y", None], pa.binary_view()),
    pa.array([1, 2, 3], pa.decimal32(5, 2)),
    pa.RunEndEncodedArray.from_arrays([3], pa.array([5])),
]


@pytest.mark.parametrize("values", PARAMETERS, ids=lambda values: str(values.type))
@pytest.mark.parametrize("kind", ["array", "stream"])
def test_parameters_arrive_as_a_reader(backend, fake_cursor, values, kind):
    """Bind and BindStream give Python a `RecordBatchReader`, whatever the Arrow types."""
    data = pa.record_batch({"p": values})
    if kind == "array":
        fake_cursor.adbc_statement.bind(data)
    else:
        reader = pa.RecordBatchReader.from_batches(data.schema, [data, data.slice(1)])
        fake_cursor.adbc_statement.bind_stream(reader)
    bound = backend.statement.bound

    assert bound.schema == data.schema
    assert bound.slice(0, 3).column("p").to_pylist() == values.to_pylist()
    assert bound.num_rows == (3 if kind == "array" else 5)


def test_executemany_binds_and_updates(backend, fake_cursor):
    """`executemany` prepares, binds and executes without a result."""
    backend.updates["insert"] = lambda statement: statement.bound.num_rows
    fake_cursor.executemany("insert", [(1, "a"), (2, "b")])

    assert fake_cursor.rowcount == 2
    assert backend.statement.bound.num_rows == 2


def test_ingest_reaches_python_as_options(backend, fake_cursor):
    """`adbc_ingest` sets options, binds and updates."""
    backend.updates[""] = lambda statement: statement.bound.num_rows
    backend.statement.sql = ""
    rows = fake_cursor.adbc_ingest("t", pa.table({"a": [1, 2, 3]}), mode="create")

    assert rows == 3
    assert backend.statement.values["adbc.ingest.target_table"] == "t"


def test_a_bind_that_python_refuses_is_reported(backend, fake_cursor):
    """What `bind` raises is the error; the data are released."""

    def refuse(_):
        raise ValueError("no")

    backend.statement.bind = refuse
    with pytest.raises(adbc_driver_manager.InternalError, match="ValueError: no"):
        fake_cursor.adbc_statement.bind(pa.record_batch({"p": [1]}))


# ---- updates and partitions


@pytest.mark.parametrize("rows", [0, 5, -1])
def test_an_update_tells_its_rows(backend, fake_cursor, rows):
    """`ExecuteQuery` without a stream answers with Python's count; -1 is unknown."""
    backend.updates["u"] = rows
    fake_cursor.adbc_statement.set_sql_query("u")

    assert fake_cursor.adbc_statement.execute_update() == rows


@pytest.mark.parametrize(("announced", "rowcount"), [(7, 7), (-1, -1), (-5, -1), (0, 0)])
def test_a_query_tells_the_announced_rows(backend, fake_cursor, announced, rowcount):
    """`rows_affected` of a result is what the server announced, or -1."""
    backend.queries["q"] = Query([batch(7)], announced_rows=announced)
    fake_cursor.execute("q")

    assert fake_cursor.rowcount == rowcount


@pytest.mark.parametrize(("affected", "rowcount"), [(3, 3), (0, 0), (-1, -1), (None, 7)])
def test_a_change_tells_the_rows_it_touched(backend, fake_cursor, affected, rowcount):
    """Where the result knows the rows that were changed, they count, and not the announced ones."""
    query = Query([batch(7)], announced_rows=7)
    query.rows_affected = affected
    backend.queries["q"] = query
    fake_cursor.execute("q")

    assert fake_cursor.rowcount == rowcount
    assert len(fake_cursor.fetchall()) == 7


@pytest.mark.parametrize("schema", [None, pa.schema([("n", pa.int64())])])
@pytest.mark.parametrize("partitions", [[], [b""], [b"one", b"\x00two"]])
def test_partitions(backend, fake_connection, fake_cursor, schema, partitions):
    """Descriptors and the optional schema arrive whole."""
    backend.partitions = (schema, partitions, 12)
    found, found_schema = fake_cursor.adbc_execute_partitions("q")

    assert found == partitions
    assert found_schema == schema
    assert fake_cursor.rowcount == 12


def test_reading_an_unknown_partition_fails(fake_connection, fake_cursor):
    """What `read_partition` raises is the error."""
    with pytest.raises(adbc_driver_manager.InternalError, match="KeyError"):
        fake_cursor.adbc_read_partition(b"unknown")


def test_transactions_are_the_connections_business(backend, fake_connection):
    """`connect` with autocommit sets the option off only if asked to."""
    assert isinstance(fake_connection, dbapi.Connection)
    assert ("adbc.connection.autocommit", "false") not in backend.connection.history
