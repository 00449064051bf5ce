"""ExecuteSchema: the schema of the data without running the statement, or an error that says what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest
from adbc_driver_manager import AdbcStatusCode, Error, NotSupportedError

import e6data_adbc
from e6data_adbc import _native
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.local import LocalEngine

pytestmark = pytest.mark.seconds

#: Works for hours before its first row.
ENDLESS = "SELECT CAST(sum(a.range * b.range) AS DECIMAL(20, 3)) AS x FROM range(1000000000) a, range(100000) b"


@pytest.fixture(scope="module", params=[True, False], ids=["early metadata", "late metadata"])
def engine(request: pytest.FixtureRequest) -> Iterator[LocalEngine]:
    """An engine that has metadata of what was only prepared, and one that has none."""
    with LocalEngine(early_metadata=request.param) as running:
        yield running


@pytest.fixture
def cursor(engine: LocalEngine) -> Iterator[Any]:
    """A cursor; no query may be left behind."""
    with e6data_adbc.connect(engine.uri) as connection, connection.cursor() as opened:
        yield opened
    engine.faults.clear()
    assert [record.query_id for record in engine.ledger.open_queries] == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM orders",
        "SELECT * FROM order_items LIMIT 3",
        "SELECT 1 AS a, 'x' AS b, true AS c, 1.5e0 AS d, date '2024-01-01' AS e, NULL AS f",
        "SELECT 1.50 AS price, count(*) AS n, sum(unit_price) AS total FROM order_items",
        "SELECT CAST(1 AS DECIMAL(38, 36)) AS fine, CAST(1 AS DECIMAL(38, 0)) AS large",
        "WITH x AS (SELECT 1.25 AS a) SELECT a FROM x ORDER BY a -- the end",
        "(SELECT 1.1 AS a)",
        "VALUES (1.5, 2)",
        "SELECT [1, 2] AS l, {'a': 1} AS s, '\\x01'::BLOB AS b, interval 1 day AS i, now() AS t",
        "SELECT 1.125 AS \"a.b\", 2.5 AS \"c\"\"d\", 3 AS \"\"\"\"",
    ],
)  # fmt: skip
def test_the_types_are_those_of_the_data(cursor: Any, sql: str) -> None:
    """Names, types and metadata of the schema equal those of the result, the scale of a DECIMAL included."""
    schema = cursor.adbc_execute_schema(sql)
    cursor.execute(sql)

    assert schema.equals(cursor.fetch_arrow_table().schema, check_metadata=True)


def test_double_names(engine: LocalEngine, cursor: Any) -> None:
    """Columns of one name keep it, and each has its own scale, where the metadata come before the run."""
    schema = cursor.adbc_execute_schema("SELECT 1.5 AS a, 2.25 AS a")

    assert schema.types == [pa.decimal128(38, 1), pa.decimal128(38, 2)]
    if engine.config.early_metadata:
        assert schema.names == ["a", "a"]


@pytest.mark.parametrize("layout", ["utf8", "large_utf8", "string_view"])
def test_the_layout_of_the_options(cursor: Any, layout: str) -> None:
    """Options that change the result's types change the schema."""
    cursor.adbc_statement.set_options(**{"adbc.e6data.result.text_layout": layout})
    sql = "SELECT 'x' AS a, 1.5 AS b"
    schema = cursor.adbc_execute_schema(sql)
    cursor.execute(sql)

    assert schema.equals(cursor.fetch_arrow_table().schema)


def test_nothing_runs(engine: LocalEngine, cursor: Any) -> None:
    """A statement that would work for hours has its schema at once: its rows are asked for by nobody."""
    schema = cursor.adbc_execute_schema(ENDLESS)

    assert schema.types == [pa.decimal128(38, 3)]
    mine = [record for record in engine.ledger.queries if record.sql == ENDLESS]
    assert mine
    assert not any(record.executes for record in mine)


def test_parameters_stay_bound(cursor: Any) -> None:
    """The first row of parameters decides the types, and is still there for the execution."""
    statement = cursor.adbc_statement
    statement.set_sql_query("SELECT ? AS v")
    statement.bind(pa.record_batch({"p": pa.array([1.5], pa.float64())}))
    schema = pa.schema(statement.execute_schema())
    stream, _ = statement.execute_query()

    assert schema.types == [pa.float64()]
    assert pa.RecordBatchReader.from_stream(stream).read_all()["v"].to_pylist() == [1.5]


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE scratch.main.made (a INT)",
        "INSERT INTO scratch.main.there VALUES (1)",
        "/* c */ DELETE FROM scratch.main.there -- d",
        "UPDATE scratch.main.there SET a = 2;",
        "DROP TABLE scratch.main.there",
        "ALTER TABLE scratch.main.there ADD COLUMN b INT",
    ],
)
def test_changes_have_no_columns(cursor: Any, sql: str) -> None:
    """DDL and DML have an empty schema, as their stream has, and change nothing when asked for it."""
    cursor.execute("CREATE OR REPLACE TABLE scratch.main.there AS SELECT 1 AS a")
    schema = cursor.adbc_execute_schema(sql)
    cursor.execute("SELECT a FROM scratch.main.there")
    assert cursor.fetchall() == [(1,)]
    cursor.execute(sql)

    assert schema == pa.schema([])
    assert cursor.fetch_arrow_table().schema == schema
    cursor.execute("DROP TABLE IF EXISTS scratch.main.made")


def test_mistakes_of_a_change(cursor: Any) -> None:
    """A change is planned, so what is wrong with its text is told."""
    with pytest.raises(Error, match="nowhere"):
        cursor.adbc_execute_schema("INSERT INTO scratch.main.nowhere VALUES (1)")


def test_a_mistake(cursor: Any) -> None:
    """The engine's words about the text arrive, as INVALID_ARGUMENT."""
    with pytest.raises(Error, match="nix") as caught:
        cursor.adbc_execute_schema("SELECT nix FROM orders")

    assert caught.value.status_code == AdbcStatusCode.INVALID_ARGUMENT


def renamed_type(old: str, new: str) -> Callable[[bytes], bytes]:
    """Returns what changes the name of a type in metadata."""

    def change(response: bytes) -> bytes:
        data = wire.GetResultMetadataResponse.FromString(response).resultMetaData
        rows, columns = _native.parse_metadata(data)
        changed = [(name, new if kind == old else kind, z, f) for name, kind, z, f in columns]
        answer = wire.GetResultMetadataResponse(
            resultMetaData=_native.encode_metadata(rows, changed)
        )
        return answer.SerializeToString()

    return change


def test_a_type_that_only_rows_tell(engine: LocalEngine, cursor: Any) -> None:
    """A type of an unknown name is NOT_IMPLEMENTED, with the column and its type: a guess could be wrong."""
    engine.faults.mutate("getResultMetadata", renamed_type("LONG", "GEOMETRY"), times=None)

    with pytest.raises(NotSupportedError, match=r"'shape' \(GEOMETRY\).*execute the statement"):
        cursor.adbc_execute_schema("SELECT 1.5 AS a, 2::BIGINT AS shape")


def test_a_scale_that_cannot_be_asked_for(engine: LocalEngine, cursor: Any) -> None:
    """Where the server refuses the question for the scale, the error names the column."""
    questions_before = 0 if engine.config.early_metadata else 1
    engine.faults.fail(
        "executeStatementV2", after=questions_before, code="INTERNAL", details="no function MAX"
    )

    with pytest.raises(NotSupportedError, match=r"'price' \(DECIMAL128\)"):
        cursor.adbc_execute_schema("SELECT 1 AS a, 1.5 AS price")


def test_a_scale_at_the_limit(cursor: Any) -> None:
    """Of the largest scales it is not certain that the zero of the question leaves them whole, so none is told."""
    with pytest.raises(NotSupportedError, match="'tiny'"):
        cursor.adbc_execute_schema("SELECT CAST(0.5 AS DECIMAL(38, 38)) AS tiny")


def test_a_server_that_is_busy(engine: LocalEngine, cursor: Any) -> None:
    """A failure that has nothing to do with the statement stays what it is."""
    cursor.adbc_statement.set_options(**{"adbc.e6data.rpc.metadata_timeout_seconds": 0.2})
    engine.faults.delay("getResultMetadata", seconds=60, times=None)

    with pytest.raises(Error) as caught:
        cursor.adbc_execute_schema("SELECT 1.5 AS a")
    assert caught.value.status_code == AdbcStatusCode.TIMEOUT


def test_the_schema_of_a_plan(cursor: Any) -> None:
    """Under an option that asks for the plan, the schema is that of the plan, without a call."""
    for key in ("explain", "explain_analyze", "dry_run"):
        option = f"adbc.e6data.statement.{key}"
        cursor.adbc_statement.set_options(**{option: "true"})
        schema = cursor.adbc_execute_schema("SELECT 1 AS a")
        cursor.execute("SELECT 1 AS a")
        assert schema.equals(cursor.fetch_arrow_table().schema, check_metadata=True)
        cursor.adbc_statement.set_options(**{option: None})
