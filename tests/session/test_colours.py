"""The manager finds the colour that answers, and follows when it changes."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from e6data_adbc._session.colour.routes import Route
from e6data_adbc._session.manager import SessionManager
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from tests.support.fake_server import FakeServer, fail
from tests.support.managed import (
    ACCESS_DENIED,
    TABLES,
    WRONG_STRATEGY,
    OpenManager,
    error_of,
    granted,
    list_tables,
    only_on,
    scope,
)


def test_the_other_deployment_is_tried_and_remembered(
    fake_server: FakeServer, manager: SessionManager
) -> None:
    """Where blue answers 456, green is asked; from then on green comes first."""
    fake_server.answer("authenticate", only_on("green", granted("s-g")))
    fake_server.answer("getTablesV2", ACCESS_DENIED, TABLES)

    assert list_tables(manager) == ["t"]
    sent = [(call.method, call.headers["strategy"]) for call in fake_server.received]
    assert sent == [
        ("authenticate", "blue"),
        ("authenticate", "green"),
        ("getTablesV2", "green"),
        ("authenticate", "green"),
        ("getTablesV2", "green"),
    ]


def test_a_call_finds_the_new_deployment(fake_server: FakeServer, manager: SessionManager) -> None:
    """456 on a call that may be repeated: sign in where the cluster is now, and repeat it once."""
    fake_server.answer("authenticate", granted("s-b"), granted("s-g"))
    fake_server.answer("getTablesV2", TABLES, only_on("green", TABLES))

    list_tables(manager)
    assert list_tables(manager) == ["t"]
    assert fake_server.received[-1].headers["strategy"] == "green"
    assert fake_server.count("getTablesV2") == 3
    assert manager.state.store.state.active == "green"


def test_other_databases_know_the_colour(
    fake_server: FakeServer, open_manager: OpenManager
) -> None:
    """What one database found out, those beside it need not."""
    fake_server.answer("authenticate", only_on("green", granted("s-g")))
    fake_server.answer("getTablesV2", only_on("green", TABLES))
    first = open_manager()
    list_tables(first)
    sent = len(fake_server.received)

    assert list_tables(open_manager()) == ["t"]
    assert len(fake_server.received) == sent + 1


@pytest.mark.parametrize("method", ["authenticate", "getTablesV2"])
def test_a_cluster_of_no_colour_is_an_error_after_three_tries(
    fake_server: FakeServer, manager: SessionManager, method: str
) -> None:
    """A cluster that refuses both strategies is not asked for ever."""
    fake_server.answer("authenticate", granted("s"))
    fake_server.answer(method, WRONG_STRATEGY)

    error = error_of(lambda: list_tables(manager))

    assert fake_server.count(method) == 3
    assert error.status_code == Status.IO
    assert "neither blue nor green" in str(error)


def test_false_refusals_of_two_calls_at_once_end_neither(
    fake_server: FakeServer, manager: SessionManager
) -> None:
    """A call that both colours refused, one of them wrongly, is tried once more where others found the cluster."""

    def refuse_while_another_succeeds(request: bytes, context: grpc.ServicerContext) -> bytes:
        store = manager.state.store
        store.report_success(Route("blue", store.state.epoch), time.monotonic())
        return WRONG_STRATEGY(request, context)  # type: ignore[return-value]

    fake_server.answer("authenticate", only_on("blue", granted("s-b")))
    fake_server.answer("getTablesV2", TABLES, refuse_while_another_succeeds, TABLES)
    list_tables(manager)
    # Another call was refused: for all that is known, blue is gone.
    store = manager.state.store
    store.report_mismatch(Route("blue", store.state.epoch), time.monotonic())

    assert list_tables(manager) == ["t"]
    sent = [(call.method, call.headers["strategy"]) for call in fake_server.received[2:]]
    assert sent == [("authenticate", "green"), ("getTablesV2", "blue"), ("getTablesV2", "blue")]


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, "status: 456"),
        (grpc.StatusCode.UNKNOWN, "status: 4567"),
        (grpc.StatusCode.UNKNOWN, "Strategy wrong. Status: 456"),
    ],
)
def test_only_the_exact_signal_means_the_other_deployment(
    fake_server: FakeServer, manager: SessionManager, code: grpc.StatusCode, text: str
) -> None:
    """A text that resembles the signal is an error like any other."""
    fake_server.answer("authenticate", fail(code, text))

    assert text in str(error_of(lambda: list_tables(manager)))
    assert fake_server.count("authenticate") == 1


def test_an_announcement_counts_for_the_next_call(
    fake_server: FakeServer, manager: SessionManager
) -> None:
    """A colour that a response announces is tried next, in any spelling; what is no colour is ignored."""
    fake_server.answer("authenticate", granted("s-1", "purple"), granted("s-2"))
    fake_server.answer("getTablesV2", wire.GetTablesResponse(new_strategy="GREEN"), TABLES)

    list_tables(manager)
    assert manager.state.store.state.pending == "green"
    list_tables(manager)
    assert fake_server.received[-1].headers["strategy"] == "green"
    assert manager.state.stats()["strategy"]["ignored_colours"] == 1


def test_an_announcement_that_comes_too_early_is_bounded(
    fake_server: FakeServer, manager: SessionManager
) -> None:
    """ "Green is coming" on every answer while only blue answers: everything works, and green is asked rarely."""
    fake_server.answer("authenticate", only_on("blue", granted("s-1", "green")))
    fake_server.answer(
        "getTablesV2", only_on("blue", wire.GetTablesResponse(tables=["t"], new_strategy="green"))
    )
    for _ in range(20):
        assert list_tables(manager) == ["t"]

    assert fake_server.count("authenticate") <= 3
    assert fake_server.count("getTablesV2") <= 22


def test_a_flip_disturbs_no_other_thread(fake_server: FakeServer, manager: SessionManager) -> None:
    """A call under way on the old colour ends well while others sign in on the new one."""
    gate = threading.Event()

    def slow(request: bytes, context: grpc.ServicerContext) -> wire.GetTablesResponse:
        gate.wait(10)
        return TABLES

    fake_server.answer("authenticate", granted("s-b"), granted("s-g"))
    fake_server.answer("getTablesV2", TABLES, slow, only_on("green", TABLES))
    list_tables(manager)
    with ThreadPoolExecutor(1) as pool:
        old = pool.submit(list_tables, manager)
        fake_server.wait_for("getTablesV2", 2)
        assert list_tables(manager) == ["t"]
        gate.set()

        assert old.result(10) == ["t"]
    assert manager.state.store.state.active == "green"


def test_a_call_without_a_colour_left_is_not_sent(
    fake_server: FakeServer, manager: SessionManager
) -> None:
    """Who has tried three colours tries no fourth."""
    effort = manager.effort(scope())
    while effort.tries.next(0.0) is not None:
        pass

    error = error_of(lambda: manager._next_route(effort, None))

    assert "neither blue nor green" in str(error)
    assert fake_server.received == []
