"""Tickets for workers: planned here, read anywhere, as often as a task is repeated."""

from __future__ import annotations

import datetime
import decimal
import logging
import os
import pickle
import subprocess
import sys
import traceback
from typing import Any

import pyarrow as pa
import pytest
from adbc_driver_manager import AdbcStatusCode as Status

import e6data_adbc
from e6data_adbc import distributed
from e6data_adbc.distributed.pushed_conditions import Conditions, NotPushedError
from e6data_adbc.local import LocalEngine
from tests.distributed.conftest import TOKEN
from tests.support.partitioned import partitions_of, refusal

pytestmark = pytest.mark.seconds

KEYS = """
SELECT * FROM (VALUES (1, CAST('NaN' AS DOUBLE)), (2, NULL), (3, 1.5), (4, 2.5), (5, CAST('inf' AS DOUBLE)),
(6, CAST('-inf' AS DOUBLE)), (7, CAST('NaN' AS DOUBLE)), (8, NULL), (9, 3.5)) AS t(i, k)
"""


def sizes(tickets: list[distributed.Ticket]) -> list[int]:
    """Returns how many rows each ticket has."""
    return [distributed.read(ticket, []).read_all().num_rows for ticket in tickets]


@pytest.mark.parametrize("bounds", [None, "quantiles", (1.5, 3.5), (None, 2), (2, None)])
def test_each_row_is_in_one_part(engine: LocalEngine, bounds: Any) -> None:
    """NULL, NaN and infinities included, whatever the bounds are."""
    tickets, schema = distributed.plan(KEYS, engine.uri, "k", 3, bounds)
    found = [distributed.read(ticket).read_all() for ticket in tickets]

    assert 2 <= len(tickets) <= 3
    assert all(table.schema == schema for table in found)
    assert sorted(i for table in found for i in table["i"].to_pylist()) == [*range(1, 10)]


@pytest.mark.parametrize("on", ["order_id", "ordered_at", "order_date", "status", "delivered_at"])
@pytest.mark.parametrize("bounds", [None, "quantiles"])
def test_every_kind_of_column(engine: LocalEngine, on: str, bounds: Any) -> None:
    """Four parts are asked for, and at least two come, with all rows."""
    tickets, _ = distributed.plan("select * from orders", engine.uri, on, 4, bounds)

    assert 2 <= len(tickets) <= 4
    assert sum(sizes(tickets)) == 10_000


@pytest.mark.parametrize("how", [{"count": 4}, {"bounds": "quantiles"}])
def test_parts_want_a_column(how: dict[str, Any]) -> None:
    """Nothing is asked of the server, and the error names the argument that is missing."""
    status, text = refusal(lambda: distributed.plan("select 1 as a", "e6data://127.0.0.1:1", **how))
    assert status == Status.INVALID_ARGUMENT
    assert next(iter(how)) in text
    assert text.endswith("name one of the result's columns with on")


def test_quantiles_of_a_skewed_column(engine: LocalEngine) -> None:
    """Even bounds leave nearly all rows in one part; quantiles do not, and one value stays in one part."""
    skewed = "select range as n, pow(range, 4) as k from range(4000)"
    even, _ = distributed.plan(skewed, engine.uri, "k", 4)
    by_rows, _ = distributed.plan(skewed, engine.uri, "k", 4, "quantiles")
    same, _ = distributed.plan("select 7 as k from range(100)", engine.uri, "k", 4, "quantiles")

    assert max(sizes(even)) > 2_500
    assert sizes(by_rows) == [1000] * 4
    assert sizes(same) == [100]


def test_no_value_at_all(engine: LocalEngine) -> None:
    """A result without rows, or with nulls alone, is one part."""
    for sql in ("select cast(null as int) as k", "select 1 as k where 1 = 0"):
        for bounds in (None, "quantiles", (None, 5)):
            tickets, schema = distributed.plan(sql, engine.uri, "k", 4, bounds)
            table = distributed.read(tickets[0]).read_all()

            assert len(tickets) == 1
            assert table.schema == schema


@pytest.mark.parametrize(
    ("on", "bounds"),
    [
        ("order_date", (datetime.date(2023, 6, 1), datetime.date(2023, 9, 1))),
        ("ordered_at", (datetime.datetime(2023, 6, 1), datetime.datetime(2023, 9, 1, 12))),
        ("order_id", ("10", "5000")),
        ("order_id", (decimal.Decimal(1), decimal.Decimal(10_000))),
        ("order_id", "[1, 10000]"),
    ],
)
def test_bounds_of_python(engine: LocalEngine, on: str, bounds: Any) -> None:
    """Values of Python, texts of them, and the option's JSON are bounds."""
    tickets, _ = distributed.plan("select * from orders", engine.uri, on, 4, bounds)

    assert len(tickets) == 4
    assert sum(sizes(tickets)) == 10_000


def test_planning_runs_nothing(engine: LocalEngine) -> None:
    """With both bounds given no row is fetched, and without a column there is one part."""
    before = sum(record.rows for record in engine.ledger.queries)
    distributed.plan("select * from orders", engine.uri, "order_id", 4, (1, 10_000))
    tickets, _ = distributed.plan("select * from orders order by order_id", engine.uri)

    assert sum(record.rows for record in engine.ledger.queries) == before
    assert len(tickets) == 1
    assert distributed.read(tickets[0]).read_all()["order_id"].to_pylist() == [*range(1, 10_001)]


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        ("select * from orders where status = ? and order_id <= ?", ["open", 5000]),
        ("select * from orders where status = :s and order_id <= :n", {"s": "open", "n": 5000}),
        (
            "select * from orders where status = ? and order_id <= ?",
            pa.record_batch({"0": ["open"], "1": [5000]}),
        ),
    ],
    ids=["a row", "names", "arrow"],
)
def test_parameters(engine: LocalEngine, sql: str, parameters: Any) -> None:
    """Values of parameters are in the tickets, of every shape that `execute` takes; readers need none."""
    tickets, _ = distributed.plan(sql, engine.uri, "order_id", 3, parameters=parameters)

    found = [row for each in tickets for row in distributed.read(each).read_all().to_pylist()]

    assert len(tickets) == 3
    assert {row["status"] for row in found} == {"open"}
    with e6data_adbc.connect(engine.uri) as connection, connection.cursor() as cursor:
        cursor.execute("select count(*) from orders where status = 'open' and order_id <= 5000")
        assert cursor.fetchone() == (len(found),)
    for rows in ([["open", 1], ["open", 2]], ["open"]):
        with pytest.raises(e6data_adbc.errors.Error):
            distributed.plan(
                "select * from orders where status = ? and order_id <= ?",
                *(engine.uri, "order_id", 3),
                parameters=rows,
            )


def test_columns_and_a_condition(engine: LocalEngine) -> None:
    """The server is asked for them alone; the ticket stays what it is, and can be read again."""
    tickets, _ = distributed.plan("select * from orders -- all", engine.uri, "order_id", 2)

    found = distributed.read(tickets[0], ["store_id", "order_id"], "order_id < 4 -- few").read_all()
    assert found.to_pydict() == {"store_id": [1, 2, 3], "order_id": [1, 2, 3]}
    assert engine.ledger.last.rows == 3
    assert 'SELECT "store_id", "order_id" FROM (' in engine.ledger.last.sql
    assert distributed.read(tickets[0], [], "order_id < 4").read_all().shape == (3, 0)
    assert distributed.read(tickets[0]).read_all().num_rows == 5_000


def test_two_columns_of_one_name(engine: LocalEngine) -> None:
    """They are read together; one of them alone has no name."""
    (ticket,), _ = distributed.plan("select 1 as a, 2 as a", engine.uri)

    assert [column.to_pylist() for column in distributed.read(ticket).read_all().columns] == [
        [1],
        [2],
    ]
    assert refusal(lambda: distributed.read(ticket, ["a"]))[0] == Status.INVALID_ARGUMENT


def test_a_reader_that_is_left(engine: LocalEngine) -> None:
    """Who drops the rows before their end ends the query on the server."""
    tickets, _ = distributed.plan("select * from range(100000)", engine.uri)
    reader = distributed.read(tickets[0])
    assert reader.read_next_batch().num_rows
    del reader

    assert engine.ledger.open_queries == []


@pytest.mark.parametrize(
    "where",
    [
        "1 = 1) OR (1 = 1",
        "a = 1; select 2",
        "t = 'x",
        "a = ?",
        "a = :b",
        "",
        " -- nothing",
        "(a = 1",
        "/* open",
    ],
)
def test_what_is_no_condition(engine: LocalEngine, where: str) -> None:
    """What would end the brackets around it, or needs a value, is refused before anything is sent."""
    tickets, _ = distributed.plan("select 1 as a, 't' as t", engine.uri)
    calls = engine.ledger.calls

    status, text = refusal(lambda: distributed.read(tickets[0], where=where or " "))

    assert status == Status.INVALID_ARGUMENT
    assert "could not use the condition" in text
    assert engine.ledger.calls["prepareStatementV2"] == calls["prepareStatementV2"]


@pytest.mark.parametrize("columns", [["nothing"], ["a", "a"], ["A"]])
def test_columns_that_are_not_there(engine: LocalEngine, columns: list[str]) -> None:
    """A name that no column has, or that is written twice, is refused."""
    tickets, _ = distributed.plan("select 1 as a", engine.uri)

    assert refusal(lambda: distributed.read(tickets[0], columns))[0] == Status.INVALID_ARGUMENT


def test_a_result_that_runs(engine: LocalEngine) -> None:
    """It can be read once, and tasks are repeated: it is refused, also where a connection narrows it."""
    with e6data_adbc.connect(engine.uri) as connection:
        (ticket,), _ = partitions_of(connection, "select 1 as a")
        status, text = refusal(lambda: distributed.read(distributed.Ticket(ticket, engine.uri)))
        assert status == Status.INVALID_STATE
        assert "distributed.plan" in text
        narrow = {"adbc.e6data.partition.columns": '["a"]'}
        with e6data_adbc.connect(engine.uri, conn_kwargs=narrow) as other, other.cursor() as cursor:
            assert refusal(lambda: cursor.adbc_read_partition(ticket))[0] == Status.INVALID_STATE
        with connection.cursor() as cursor:
            cursor.adbc_read_partition(ticket)
            assert cursor.fetchall() == [(1,)]


@pytest.mark.parametrize(
    ("sql", "uri", "how"),
    [
        ("select 1 as a", "e6data:local", {}),
        ("delete from orders", None, {}),
        ("select 1 as a limit 1", None, {"on": "a", "count": 2}),
        ("select 1 as a", None, {"on": "b"}),
        ("select 1 as a", None, {"on": "a", "count": 0}),
        ("select 1 as a", None, {"on": "a", "bounds": (1, 2, 3)}),
        ("select 1 as a", None, {"on": "a", "bounds": "halves"}),
    ],
)
def test_plans_that_are_refused(engine: LocalEngine, sql: str, uri: str | None, how: Any) -> None:
    """What no worker could read, or would change something, or cannot be cut, is refused at planning."""
    status, text = refusal(lambda: distributed.plan(sql, uri or engine.uri, **how))

    assert status == Status.INVALID_ARGUMENT
    assert "[e6data] could not" in text


def test_no_secret_is_shown(engine: LocalEngine, caplog: pytest.LogCaptureFixture) -> None:
    """Neither text of a ticket, nor an error with the locals of its frames, nor a log has the token or the query."""
    caplog.set_level(logging.DEBUG)
    tickets, _ = distributed.plan("select 'private' as a", engine.uri)
    again = pickle.loads(pickle.dumps(tickets[0]))
    wrong = engine.uri.replace("/sample", "/nowhere")
    shown = [repr(tickets), str(tickets[0]), f"{again}", repr([again]), caplog.text]
    for failing in (
        lambda: distributed.plan("select nothing as a", engine.uri),
        lambda: distributed.plan("select * from t", wrong, on="a"),
        lambda: distributed.read(tickets[0], where="nothing = 1"),
    ):
        with pytest.raises(e6data_adbc.Error) as caught:
            failing()
        told = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        ours = [frame for frame in told.stack if "e6data_adbc" in frame.filename]
        assert len(ours) > 3
        shown.append("".join(traceback.StackSummary.from_list(ours).format()))

    assert again == tickets[0]
    assert distributed.read(again).read_all().to_pylist() == [{"a": "private"}]
    assert not any(TOKEN in text for text in shown)
    assert not any("private" in text for text in shown[:4])
    assert repr(tickets[0]) != repr(distributed.plan("select 2 as a", engine.uri)[0][0])


READER = """
import pickle, sys
from e6data_adbc import distributed
ticket = pickle.loads(bytes.fromhex(sys.stdin.read()))
print(sum(batch.num_rows for batch in distributed.read(ticket)))
"""


@pytest.mark.parametrize("travels", [True, False])
def test_a_worker_elsewhere(
    engine: LocalEngine, monkeypatch: pytest.MonkeyPatch, travels: bool
) -> None:
    """It reads with the address in the ticket, or with its own where the plan was made without one."""
    monkeypatch.setenv("E6DATA_URI", engine.uri)
    tickets, _ = distributed.plan(
        "select * from orders", engine.uri if travels else None, "order_id", 2
    )
    data = pickle.dumps(tickets[1])
    environment = {
        key: value for key, value in os.environ.items() if key != "E6DATA_URI" or not travels
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", READER],
        input=data.hex(),
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.stdout == "5000\n", done.stderr
    assert (TOKEN.encode() in data) is travels


MEASURED = """
import pickle, sys
from e6data_adbc import distributed
ticket = pickle.loads(bytes.fromhex(sys.stdin.read()))
size = sum(batch.nbytes for batch in distributed.read(ticket))
(peak,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(size // 2**20, int(peak.split()[1]) // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_memory_of_a_worker(engine: LocalEngine) -> None:
    """It is that of some batches, however many rows a part has."""
    sql = "select range as n, repeat('x', 500) as t from range(1_000_000)"
    (ticket,), _ = distributed.plan(sql, engine.uri)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", MEASURED],
        input=pickle.dumps(ticket).hex(),
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    size, peak = map(int, done.stdout.split())

    assert size > 450, done.stderr
    assert peak < 300


def test_one_sign_in_for_a_worker(engine: LocalEngine) -> None:
    """A process that reads one ticket after the other signs in once."""
    tickets, _ = distributed.plan("select * from orders", engine.uri, "order_id", 8)
    sizes(tickets[:1])
    before = engine.ledger.calls["authenticate"]

    assert sum(sizes(tickets)) == 10_000
    assert engine.ledger.calls["authenticate"] == before


def test_conditions_that_mean_the_same() -> None:
    """Comparisons become SQL only where NaN, collations and roundings have no say."""
    schema = pa.schema(
        [
            ("i", pa.int32()),
            ("f", pa.float64()),
            ("t", pa.string()),
            ("d", pa.decimal128(10, 2)),
            ("at", pa.timestamp("us")),
            ("b", pa.bool_()),
        ]
    )
    once, again = (Conditions(schema, looks_again=flag) for flag in (False, True))

    assert once.compared("i", "ge", 3) == '"i" >= 3'
    assert once.among("i", [1, 2]) == '"i" IN (1, 2)'
    assert once.null("f", is_null=False) == '"f" IS NOT NULL'
    assert again.compared("t", "eq", "it's") == "\"t\" = 'it''s'"
    aware = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
    for column, how, value in [
        ("i", "eq", 2.5), ("i", "eq", True), ("i", "eq", None), ("i", "lt", 2**40), ("f", "lt", 1.0),
        ("t", "lt", "a"), ("t", "ne", "a"), ("d", "eq", decimal.Decimal("1.234")), ("at", "lt", aware),
        ("b", "lt", True), ("nothing", "eq", 1),
    ]:  # fmt: skip
        with pytest.raises(NotPushedError):
            again.compared(column, how, value)
    with pytest.raises(NotPushedError):
        once.compared("t", "eq", "a")
    with pytest.raises(NotPushedError):
        once.among("i", [])
