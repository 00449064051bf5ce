"""Options that are times: what is none is refused by its name, wherever it is set, and the longest one works."""

from __future__ import annotations

from typing import Any

import adbc_driver_manager.dbapi
import pytest

import e6data_adbc
from e6data_adbc import cluster, dbapi
from e6data_adbc._dbapi.option_texts import texts
from e6data_adbc._options.option_values import SPECS, parse
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine
from e6data_adbc.options import DatabaseOptions

TIMES = [key for key in SPECS if key.endswith("_seconds")]
#: Those that are no times, with what says so.
WRONG: list[tuple[Any, str]] = [
    (0, "seconds above 0"),
    (-1, "seconds above 0"),
    ("-0.5", "seconds above 0"),
    (float("nan"), "seconds above 0"),
    (float("inf"), "seconds above 0"),
    ("-inf", "seconds above 0"),
    (1e18, "days)"),
    ("1e400", "days)"),
    (10**30, "days)"),
    ("", "not a number"),
    ("5s", "not a number"),
]
LONGEST = 30 * 86_400
PREPARE = DatabaseOptions.PREPARE_TIMEOUT.value


@pytest.mark.parametrize("key", TIMES)
@pytest.mark.parametrize(("value", "words"), WRONG, ids=[repr(value) for value, _ in WRONG])
def test_what_is_no_time_is_refused_by_its_name(key: str, value: Any, words: str) -> None:
    """None is taken for another time, and none reaches what waits: a platform refuses some in the midst of a call."""
    with pytest.raises(e6data_adbc.ProgrammingError) as caught:
        parse(key, value)

    assert caught.value.status_code == Status.INVALID_ARGUMENT
    assert repr(key) in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize("value", [-1, float("nan"), 1e18, 10**30, "5s", [1], {}])
@pytest.mark.parametrize("place", ["database", "connection", "statement", "handle"])
def test_each_level_names_the_option(place: str, value: Any) -> None:
    """A value that no driver manager hands on is our error, too."""
    given = {PREPARE: value}
    with pytest.raises(e6data_adbc.ProgrammingError, match=PREPARE) as caught:
        with dbapi.connect(
            "e6data://ann:t@127.0.0.1:1",
            db_kwargs=given if place == "database" else {},
            conn_kwargs=given if place == "connection" else {},
        ) as connection:
            if place == "handle":
                connection.adbc_connection.set_options(**given)
            connection.cursor(adbc_stmt_kwargs=given)

    assert caught.value.status_code == Status.INVALID_ARGUMENT


def test_the_manager_hands_on_what_it_can() -> None:
    """Through its own module, and in a URI."""
    from e6data_adbc import _native

    for options in (
        {"uri": "e6data://127.0.0.1:1?prepare_timeout_seconds=1e18"},
        {"uri": "e6data://127.0.0.1:1", PREPARE: "nan"},
    ):
        with pytest.raises(e6data_adbc.ProgrammingError, match=PREPARE):
            adbc_driver_manager.dbapi.connect(driver=_native.__file__, db_kwargs=options)


def test_no_value() -> None:
    """Where an option is set None is refused in words of ours; a statement takes it for the default."""
    with pytest.raises(e6data_adbc.ProgrammingError, match="leave it out"):
        dbapi.connect("e6data://127.0.0.1:1", db_kwargs={PREPARE: None})
    assert texts({PREPARE: None}, resets=True) == {PREPARE: None}


@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf"), 1e18, "x", [1]])
@pytest.mark.parametrize("call", [cluster.ping, cluster.resume])
def test_calls_about_the_cluster(call: Any, value: Any) -> None:
    """Their own limit is one of these times; nobody is asked meanwhile."""
    with pytest.raises(e6data_adbc.ProgrammingError, match="timeout_seconds"):
        call("e6data://127.0.0.1:1", timeout_seconds=value)


@pytest.mark.seconds
@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("transport", ["native", "grpc"])
def test_the_longest_times_work(transport: str) -> None:
    """All that waits can wait so long: connecting, signing in, calls, clearing, the check of a connection."""
    options = dict.fromkeys(TIMES, LONGEST) | {DatabaseOptions.TRANSPORT.value: transport}
    with LocalEngine() as engine, dbapi.connect(engine.uri, db_kwargs=options) as connection:
        assert cluster.ping(connection).state == "active"
        cursor = connection.cursor()
        cursor.execute("select * from range(100000)")
        cursor.fetchone()
        other = connection.cursor().execute("select 1")
        assert other.fetchall() == [(1,)]
        connection.close()
