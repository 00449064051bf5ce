"""Values that the server binds: the same rows as with literals, exact or refused, and never in the text."""

from __future__ import annotations

import datetime
import decimal
import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import e6data_adbc.dbapi
from e6data_adbc import errors, types
from e6data_adbc._driver.binding.server_binding import answer
from e6data_adbc._sql.command import Operand
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine

pytestmark = pytest.mark.seconds

OPTION = "adbc.e6data.statement.server_binding"
UTC = datetime.timezone.utc
LONG_DECIMAL = decimal.Decimal("-12345678901234567890123456789012345.678")
MOMENT = datetime.datetime(2024, 2, 29, 23, 59, 59, 999_999)


@pytest.fixture(scope="module", params=[0, 1], ids=["from 0", "from 1"])
def engine(request: pytest.FixtureRequest) -> Any:
    """Engines that number parameters from 0 and from 1."""
    with LocalEngine(first_parameter=request.param) as running:
        yield running
        assert running.ledger.open_queries == []


@pytest.fixture(scope="module")
def connection(engine: LocalEngine) -> Any:
    """A connection whose values the server binds."""
    with e6data_adbc.dbapi.connect(engine.uri, conn_kwargs={OPTION: "true"}) as opened:
        yield opened


def one(connection: Any, sql: str, parameters: Any) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchone()


def single(scalar: pa.Scalar[Any]) -> pa.RecordBatch:
    return pa.record_batch([pa.array([scalar.as_py()], scalar.type)], ["0"])


# ---- values


@pytest.mark.parametrize(
    "scalar",
    [
        pa.scalar(True),
        pa.scalar(-7, pa.int8()),
        pa.scalar(2**31 - 1, pa.int32()),
        pa.scalar(-(2**63)),
        pa.scalar(2**64 - 1, pa.uint64()),
        pa.scalar(1 / 3),
        pa.scalar(0.1, pa.float32()),
        pa.scalar(LONG_DECIMAL),
        pa.scalar(decimal.Decimal("0.001")),
        pa.scalar("it's \\' 'quoted' -- ? :x $y /* \" */\n\t日本😀"),
        pa.scalar("", pa.large_string()),
        pa.scalar("view", pa.string_view()),
        pa.scalar(datetime.date(1, 1, 1)),
        pa.scalar(datetime.date(9999, 12, 31), pa.date64()),
        pa.scalar(MOMENT, pa.timestamp("us")),
        pa.scalar(MOMENT.replace(microsecond=0), pa.timestamp("s")),
        pa.scalar(MOMENT.replace(tzinfo=UTC), pa.timestamp("us", "Asia/Kolkata")),
        pa.scalar("x").cast(pa.dictionary(pa.int32(), pa.string())),
    ],
    ids=lambda scalar: f"{scalar.type}",
)
def test_a_value_comes_back(connection: Any, engine: LocalEngine, scalar: pa.Scalar[Any]) -> None:
    """`SELECT ?` gives the bound value, and the server's text has the `?`."""
    assert one(connection, "SELECT ? AS a", single(scalar)) == (scalar.as_py(),)
    assert engine.ledger.last.sql == "SELECT ? AS a"


SCALARS = st.one_of(
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20),
    st.dates(),
    st.datetimes(),
    st.datetimes(timezones=st.just(UTC)),
    st.decimals(
        allow_nan=False, allow_infinity=False, places=3, min_value=-(10**15), max_value=10**15
    ),
).map(pa.scalar)


@given(scalar=SCALARS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_it_is_what_a_literal_is(connection: Any, scalar: pa.Scalar[Any]) -> None:
    """Value for value, and in a type of the same kind."""
    back = []
    for on_server in ("true", "false"):
        with connection.cursor() as cursor:
            cursor.adbc_statement.set_options(**{OPTION: on_server})
            cursor.execute("SELECT ? AS a", single(scalar))
            back.append(cursor.fetchone())

    assert back[0] == back[1] == (scalar.as_py(),)


def test_nulls_are_written_into_the_text(connection: Any, engine: LocalEngine) -> None:
    """The protocol has no form for them, and an empty text is none."""
    batch = pa.record_batch([pa.array([None], pa.string()), pa.array([""])], ["0", "1"])

    assert one(connection, "SELECT ? AS a, ? AS b", batch) == (None, "")
    assert engine.ledger.last.sql == "SELECT CAST(NULL AS VARCHAR) AS a, ? AS b"


def test_only_nulls_ask_nothing(connection: Any, engine: LocalEngine) -> None:
    before = engine.ledger.calls["getDynamicParams"]

    assert one(connection, "SELECT ? AS a", [None]) == (None,)
    assert engine.ledger.calls["getDynamicParams"] == before


def test_names_stand_wherever_they_are_used(connection: Any, engine: LocalEngine) -> None:
    sql = "SELECT :n AS a, :m AS b, :n AS c, ':n' AS d -- :n"

    assert one(connection, sql, {"n": 5, "m": "x"}) == (5, "x", 5, ":n")
    assert engine.ledger.last.sql == "SELECT ? AS a, ? AS b, ? AS c, ':n' AS d -- :n"


def test_a_value_is_exactly_one_of_the_type_that_the_server_names(connection: Any) -> None:
    """Numbers among numbers; nothing is rounded."""
    for target, value, read in [
        ("BIGINT", 5.0, 5),
        ("BIGINT", decimal.Decimal("7.00"), 7),
        ("DOUBLE", 5, 5.0),
        ("DOUBLE", decimal.Decimal("0.5"), 0.5),
        ("FLOAT", 0.5, 0.5),
        ("FLOAT", decimal.Decimal("0.25"), 0.25),
        ("DECIMAL(38, 3)", LONG_DECIMAL, LONG_DECIMAL),
        ("DECIMAL(9, 2)", 5, decimal.Decimal("5.00")),
    ]:
        assert one(connection, f"SELECT CAST(? AS {target})", [value]) == (read,)
    for target, value in [
        ("BIGINT", 5.5),
        ("BIGINT", 1e300),
        ("BIGINT", LONG_DECIMAL),
        ("DOUBLE", LONG_DECIMAL),
        ("INT", 2**31),
        ("BIGINT", "5"),
        ("DOUBLE", 2**53 + 1),
        ("DOUBLE", decimal.Decimal("0.1")),
        ("FLOAT", 0.1),
        ("FLOAT", 1e300),
        ("DECIMAL(9, 2)", 0.5),
        ("VARCHAR", 5),
        ("BOOLEAN", 1),
        ("DATE", "2026-01-01"),
        ("DATE", MOMENT),
        ("TIMESTAMP", MOMENT.replace(tzinfo=UTC)),
        ("TIMESTAMP_TZ", MOMENT),
    ]:
        with pytest.raises(errors.ProgrammingError, match="could not bind parameter 1") as caught:
            one(connection, f"SELECT CAST(? AS {target})", [value])
        assert caught.value.status_code == Status.INVALID_ARGUMENT
        assert caught.value.sqlstate == "22023"


@pytest.mark.parametrize(
    ("value", "says", "status"),
    [
        (b"x", "binary", Status.NOT_IMPLEMENTED),
        ([1], "list", Status.NOT_IMPLEMENTED),
        (datetime.timedelta(1), "duration", Status.NOT_IMPLEMENTED),
        (datetime.time(1), "time64", Status.NOT_IMPLEMENTED),
        ({"a": 1}, "struct", Status.NOT_IMPLEMENTED),
        ("a\0", "string", Status.INVALID_ARGUMENT),
    ],
)
def test_what_has_no_text_is_refused(
    connection: Any, value: object, says: str, status: Status
) -> None:
    with pytest.raises(errors.Error, match=says) as caught:
        one(connection, "SELECT ? AS a", single(pa.scalar(value)))
    assert caught.value.status_code == status
    if status == Status.NOT_IMPLEMENTED:
        assert OPTION in str(caught.value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_written_into_the_text(connection: Any, value: float) -> None:
    """Nobody knows its text on the wire."""
    (found, five) = one(connection, "SELECT ? AS a, ? AS b", [value, 5])

    assert repr(found) == repr(value)
    assert five == 5


def test_errors_call_a_parameter_as_the_user_does(connection: Any) -> None:
    """By its place among all, nulls included, or by its name."""
    with pytest.raises(errors.NotSupportedError, match="parameter 2"):
        one(connection, "SELECT ?, ?", [None, b"x"])
    with pytest.raises(errors.NotSupportedError, match="parameter 'b'"):
        one(connection, "SELECT :a, :a, :b", {"a": 1, "b": b"x"})


# ---- statements


def test_each_row_of_parameters_is_bound(connection: Any, engine: LocalEngine) -> None:
    """Changes and queries; a read-only text stays one."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE scratch.main.bound (a INT, b VARCHAR)")
        cursor.executemany(
            "INSERT INTO scratch.main.bound VALUES (?, ?)", [(1, "x"), (2, None), (3, "'; --")]
        )
        assert cursor.rowcount == 3
        rows = pa.record_batch([pa.array([1, 3])], ["0"])
        cursor.execute("SELECT b FROM scratch.main.bound WHERE a = ?", rows)
        assert cursor.fetchall() == [("x",), ("'; --",)]
        assert engine.ledger.last.sql == "SELECT b FROM scratch.main.bound WHERE a = ?"
        cursor.execute("DROP TABLE scratch.main.bound")


def test_what_is_not_executed_as_it_stands_takes_no_values(connection: Any) -> None:
    """A plan, a dry run, a schema, partitions: an error, not a value in the text."""
    with connection.cursor() as cursor:
        for ask in ("explain", "explain_analyze", "dry_run"):
            key = f"adbc.e6data.statement.{ask}"
            cursor.adbc_statement.set_options(**{key: "true"})
            with pytest.raises(errors.NotSupportedError, match=key):
                cursor.execute("SELECT ? AS a", [1])
            cursor.adbc_statement.set_options(**{key: "false"})
        cursor.adbc_statement.set_sql_query("SELECT ? AS a")
        cursor.adbc_statement.bind(single(pa.scalar(1)))
        with pytest.raises(errors.NotSupportedError, match="read the schema"):
            cursor.adbc_statement.execute_schema()
        with pytest.raises(errors.NotSupportedError, match="execute in partitions"):
            cursor.adbc_execute_partitions("SELECT ? AS a", [1])
        cursor.execute("SELECT ? AS a", [1])
        assert cursor.fetchall() == [(1,)]


def test_ingestion_is_as_ever(connection: Any) -> None:
    """Its rows are literals of bounded statements."""
    table = pa.table({"a": pa.array([1, None]), "b": pa.array([b"x", None])})
    with connection.cursor() as cursor:
        where = {"catalog_name": "scratch", "db_schema_name": "main"}
        assert cursor.adbc_ingest("ingested", table, **where) == 2
        cursor.execute("SELECT count(*) FROM scratch.main.ingested WHERE a = ?", [1])
        assert cursor.fetchone() == (1,)
        cursor.execute("DROP TABLE scratch.main.ingested")


def test_the_option_is_inherited_and_can_be_read(engine: LocalEngine) -> None:
    uri = f"{engine.uri}?server_binding=true"
    with e6data_adbc.dbapi.connect(uri) as opened, opened.cursor() as cursor:
        assert cursor.adbc_statement.get_option(OPTION) == "true"
        cursor.adbc_statement.set_options(**{OPTION: "false"})
        cursor.execute("SELECT ? AS a", [1])
        assert engine.ledger.last.sql == "SELECT CAST(1 AS BIGINT) AS a"


# ---- whatever comes

NUMBERS = st.one_of(
    st.integers(-(2**63), 2**64 - 1).map(
        lambda n: pa.scalar(n, pa.uint64() if n >= 2**63 else pa.int64())
    ),
    st.floats(width=32).map(lambda n: pa.scalar(n, pa.float32())),
    st.floats().map(lambda n: pa.scalar(n, pa.float64())),
    st.floats(width=16).map(lambda n: pa.scalar(n, pa.float16())),
    st.decimals(
        allow_nan=False, allow_infinity=False, places=2, min_value=-(10**30), max_value=10**30
    ).map(lambda n: pa.scalar(n, pa.decimal128(38, 2))),
    st.integers(-(10**70), 10**70).map(
        lambda n: pa.scalar(decimal.Decimal(n), pa.decimal256(76, 0))
    ),
)
OTHERS = st.one_of(
    st.booleans().map(pa.scalar),
    st.text(max_size=5).filter(lambda text: text.isprintable()).map(pa.scalar),
    st.binary(max_size=5).map(pa.scalar),
    st.integers(-(2**31), 2**31 - 1).map(lambda n: pa.scalar(n, pa.date32())),
    st.integers(-(2**63), 2**63 - 1).map(lambda n: pa.scalar(n, pa.timestamp("ns"))),
    st.integers(-(2**63), 2**63 - 1).map(lambda n: pa.scalar(n, pa.timestamp("us", "UTC"))),
    st.integers(-(2**63), 2**63 - 1).map(lambda n: pa.scalar(n, pa.duration("s"))),
    st.lists(st.integers(0, 9), max_size=2).map(lambda n: pa.scalar(n, pa.list_(pa.int64()))),
)


@given(scalar=NUMBERS | OTHERS, name=st.sampled_from(["", "GEOMETRY", *types.NAMES]))
@settings(max_examples=500)
def test_a_text_or_a_clear_refusal(scalar: pa.Scalar[Any], name: str) -> None:
    """For every value and every type; the text of a number is the number."""
    refusal: errors.Error | None = None
    try:
        (sent,) = answer(
            [wire.ParameterValue(index=1, type=name)], [Operand("parameter 1", scalar)]
        )
    except errors.Error as error:
        refusal = error
    if refusal is not None:
        assert refusal.status_code in {Status.INVALID_ARGUMENT, Status.NOT_IMPLEMENTED}
        assert "parameter 1" in str(refusal)
        return
    assert (sent.index, sent.type) == (1, name or types.column_definition(scalar.type))
    value = scalar.as_py()
    if isinstance(value, int | float | decimal.Decimal) and not isinstance(value, bool):
        read = float if isinstance(value, float) else decimal.Decimal
        assert read(sent.value) == value
