"""The contract of ADBC's handles against a real engine, through the manager's own low-level classes."""

from __future__ import annotations

import decimal
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from adbc_driver_manager import (
    AdbcConnection,
    AdbcDatabase,
    AdbcStatement,
    AdbcStatusCode,
    Error,
    NotSupportedError,
    ProgrammingError,
)

from e6data_adbc import _native
from e6data_adbc.local import LocalEngine


@pytest.fixture
def database(writable: LocalEngine) -> Iterator[AdbcDatabase]:
    arguments = {"driver": _native.__file__, "entrypoint": "AdbcDriverE6dataInit"}
    with AdbcDatabase(uri=writable.uri, **arguments) as opened:
        yield opened


@pytest.fixture
def handle(database: AdbcDatabase) -> Iterator[AdbcConnection]:
    with AdbcConnection(database) as opened:
        yield opened


@pytest.fixture
def statement(handle: AdbcConnection) -> Iterator[AdbcStatement]:
    with AdbcStatement(handle) as made:
        yield made


def run(statement: AdbcStatement, sql: str) -> pa.Table:
    statement.set_sql_query(sql)
    stream, _ = statement.execute_query()
    return pa.RecordBatchReader.from_stream(stream).read_all()


def test_a_released_handle_is_refused(handle: AdbcConnection) -> None:
    """A call on a closed statement is an error, not a crash."""
    statement = AdbcStatement(handle)
    statement.close()
    with pytest.raises(Error):
        statement.set_sql_query("SELECT 1")


def test_a_statement_after_an_error(statement: AdbcStatement) -> None:
    """A statement goes on after a mistake in its text, in its parameters and in an option."""
    for mistake in range(3):
        with pytest.raises(Error):
            if mistake == 0:
                run(statement, "SELECT nix")
            elif mistake == 1:
                statement.set_sql_query("SELECT ?")
                statement.bind(pa.record_batch({"a": [1], "b": [2]}))
                statement.execute_query()
            else:
                statement.set_options(**{"adbc.e6data.nix": "1"})
        assert run(statement, "SELECT 1 AS one").to_pydict() == {"one": [1]}


def test_options_after_execute(statement: AdbcStatement) -> None:
    """An option set while a result is open concerns the next execution, not that result."""
    statement.set_sql_query("SELECT 'x' AS t")
    stream, _ = statement.execute_query()
    statement.set_options(**{"adbc.e6data.result.text_layout": "string_view"})

    assert pa.RecordBatchReader.from_stream(stream).schema.types == [pa.string()]
    assert run(statement, "SELECT 'x' AS t").schema.types == [pa.string_view()]


def test_results_are_independent_of_statements(handle: AdbcConnection) -> None:
    """A result can be read after its statement was released."""
    statement = AdbcStatement(handle)
    statement.set_sql_query("SELECT * FROM range(20000) AS r(a)")
    stream, _ = statement.execute_query()
    statement.close()

    assert pa.RecordBatchReader.from_stream(stream).read_all().num_rows == 20_000


def test_executing_again_ends_the_earlier_result(statement: AdbcStatement) -> None:
    """The stream of an earlier execution is an error once the statement runs again, never other rows."""
    statement.set_sql_query("SELECT * FROM range(3000000) AS r(a)")
    stream, _ = statement.execute_query()
    reader = pa.RecordBatchReader.from_stream(stream)
    run(statement, "SELECT 1")

    with pytest.raises(OSError, match="executed again"):
        reader.read_all()


def test_statements_run_beside_each_other(handle: AdbcConnection) -> None:
    """Two results of one connection may be read by turns."""
    with AdbcStatement(handle) as one, AdbcStatement(handle) as two:
        readers = []
        for statement in (one, two):
            statement.set_sql_query("SELECT * FROM range(200000) AS r(a)")
            stream, _ = statement.execute_query()
            readers.append(pa.RecordBatchReader.from_stream(stream))
        firsts = [reader.read_next_batch() for reader in readers]

        assert [batch.column(0)[0].as_py() for batch in firsts] == [0, 0]
        assert [
            first.num_rows + reader.read_all().num_rows
            for first, reader in zip(firsts, readers, strict=True)
        ] == [200_000, 200_000]


def test_errors_carry_their_evidence(statement: AdbcStatement) -> None:
    """Status, SQLSTATE, the gRPC code and details arrive beside a text that says it all."""
    with pytest.raises(ProgrammingError, match=r"\[e6data\] could not prepare.*nix") as caught:
        run(statement, "SELECT nix")

    assert caught.value.status_code == AdbcStatusCode.INVALID_ARGUMENT
    assert caught.value.sqlstate == "42000"
    assert caught.value.details


def test_a_statement_without_a_text(statement: AdbcStatement) -> None:
    """Every function that needs a text says so: INVALID_STATE."""
    for action in (
        statement.execute_query,
        statement.execute_update,
        statement.execute_schema,
        statement.get_parameter_schema,
        statement.prepare,
    ):
        with pytest.raises(ProgrammingError) as caught:
            action()
        assert caught.value.status_code == AdbcStatusCode.INVALID_STATE


def test_substrait_is_not_implemented(statement: AdbcStatement) -> None:
    """A plan is refused as NOT_IMPLEMENTED."""
    with pytest.raises(NotSupportedError, match="SQL only"):
        statement.set_substrait_plan(b"plan")


def test_transactions(handle: AdbcConnection) -> None:
    """Autocommit stays on: switching it off is NOT_IMPLEMENTED, commit and rollback are INVALID_STATE."""
    with pytest.raises(NotSupportedError, match="no transactions"):
        handle.set_autocommit(False)
    handle.set_autocommit(True)
    for action in (handle.commit, handle.rollback):
        with pytest.raises(ProgrammingError) as caught:
            action()
        assert caught.value.status_code == AdbcStatusCode.INVALID_STATE


PARAMETERS = [
    pa.array(["a"]).dictionary_encode(),
    pa.RunEndEncodedArray.from_arrays([1], pa.array(["a"])),
    pa.array(["a"], pa.large_string()),
    pa.array(["a"], pa.string_view()),
    pa.array([b"a"], pa.binary_view()),
    pa.array([b"a"], pa.binary(1)),
    pa.array([7], pa.uint8()),
    pa.array([1.5], pa.float16()),
    pa.array([decimal.Decimal("1.25")], pa.decimal32(5, 2)),
    pa.array([decimal.Decimal("1.25")], pa.decimal64(12, 2)),
    pa.array([decimal.Decimal("1.25")], pa.decimal256(40, 2)),
    pa.array([None], pa.timestamp("ns", "Europe/Berlin")),
    pa.array([86_400_000], pa.duration("ms")),
    pa.nulls(1),
]


@pytest.mark.parametrize("values", PARAMETERS, ids=lambda values: str(values.type))
@pytest.mark.parametrize("name", ["?", ":p"])
def test_parameters_of_every_layout(
    statement: AdbcStatement, values: pa.Array[Any], name: str
) -> None:
    """A bound value of any layout comes back as the value, by position and by name."""
    statement.set_sql_query(f"SELECT {name} AS v")
    statement.bind(pa.record_batch({"p": values}))
    statement.set_options(**{"adbc.statement.bind_by_name": str(name != "?").lower()})
    stream, _ = statement.execute_query()

    assert (
        pa.RecordBatchReader.from_stream(stream).read_all()["v"].to_pylist() == values.to_pylist()
    )
