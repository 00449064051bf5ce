"""The smaller parts by themselves: workers, dialect, deployment."""

from __future__ import annotations

import threading

import pytest

from e6data_adbc.local.cluster.deployment import Deployment
from e6data_adbc.local.queries.workers import Workers
from e6data_adbc.local.sql.dialect import ends_with_semicolon, to_duckdb
from e6data_adbc.local.wire.refusal import Refusal


def test_workers_grow_to_their_limit() -> None:
    """As many threads as there is work, at most the limit; the rest waits."""
    workers = Workers("test", 2)
    barrier, gate = threading.Barrier(3), threading.Event()

    def wait() -> None:
        barrier.wait(30)
        gate.wait(30)

    waiting = [workers.submit(wait) for _ in range(2)]
    later = workers.submit(lambda: 7)
    barrier.wait(30)
    assert not later.done()
    gate.set()

    assert later.result(5) == 7
    assert [future.result(5) for future in waiting] == [None, None]
    workers.shutdown()
    with pytest.raises(RuntimeError, match="shut down"):
        workers.submit(wait)


def test_workers_pass_errors_on() -> None:
    """An exception is the future's."""
    workers = Workers("test", 1)
    with pytest.raises(ZeroDivisionError):
        workers.submit(lambda: 1 // 0).result(5)
    assert workers.submit(lambda: 1).result(5) == 1
    workers.shutdown(timeout=60)


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("select 1", False),
        ("select 1;", True),
        ("select 1 ; -- done", True),
        ("select 1 /* ; */", False),
        ("select ';'", False),
        ("select 1 -- ;", False),
        ('select 1 as ";"', False),
        ("", False),
    ],
)
def test_a_semicolon_is_found_where_it_counts(sql: str, expected: bool) -> None:
    """Outside of literals, names and comments."""
    assert ends_with_semicolon(sql) is expected


def test_the_dialect_leaves_literals_alone() -> None:
    """Only bare words are rewritten."""
    sql = """select cast(a as timestamp_tz), 'timestamp_tz', "timestamp_tz", $$varbinary$$ -- varbinary"""

    assert to_duckdb(sql) == sql.replace("a as timestamp_tz", "a as TIMESTAMPTZ")


def test_a_switch_tells_which_colour_went_away() -> None:
    """At once the old one; with drain nothing, until the next switch."""
    deployment = Deployment("blue", 0)
    assert deployment.switch(None, announce=True, drain=False) == ("blue", None)
    assert deployment.news_for("blue") == "green"
    assert deployment.switch(None, announce=False, drain=True) == ("green", None)
    assert deployment.admit("blue", about_query=True) == "blue"
    with pytest.raises(Refusal, match="status: 456"):
        deployment.admit("blue", about_query=False)
    assert deployment.switch("green", announce=False, drain=False) == ("green", "blue")
    assert deployment.switch("blue", announce=False, drain=False) == ("blue", "green")
    with pytest.raises(ValueError, match="red"):
        deployment.switch("red", announce=False, drain=False)
