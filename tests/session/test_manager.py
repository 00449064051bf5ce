"""Signing in: once, on the right deployment, again when the session is lost."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from e6data_adbc import errors
from e6data_adbc._session.manager import Session, SessionManager, newest_session_id
from e6data_adbc._transport import calls
from e6data_adbc._transport.channel import Transport
from e6data_adbc._transport.scope import Scope
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from e6data_adbc.options import Endpoint, Secret, Settings
from tests.transport.fake_server import Answer, FakeServer, fail

TOKEN = "canary-token-7f3a"
WRONG_STRATEGY = fail(grpc.StatusCode.UNKNOWN, "status: 456")
ACCESS_DENIED = fail(grpc.StatusCode.INTERNAL, "Access denied")


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """A server that answers as the test says."""
    with FakeServer() as running:
        yield running


@pytest.fixture
def open_manager(server: FakeServer) -> Iterator[Callable[..., SessionManager]]:
    """Opens managers on the server and closes them."""
    opened: list[Transport] = []

    def open_one(cluster_name: str | None = None) -> SessionManager:
        endpoint = Endpoint("127.0.0.1", server.port, encrypted=False, cluster_name=cluster_name)
        opened.append(Transport(endpoint, Settings().rpc))
        return SessionManager(opened[-1], "me@example.com", Secret(TOKEN))

    yield open_one
    for transport in opened:
        transport.close()


@pytest.fixture
def manager(open_manager: Callable[..., SessionManager]) -> SessionManager:
    """A manager that has not signed in."""
    return open_manager()


def scope() -> Scope:
    return Scope(Settings())


def granted(session_id: str, new_strategy: str | None = None) -> wire.AuthenticateResponse:
    return wire.AuthenticateResponse(sessionId=session_id, new_strategy=new_strategy)


def only_on(strategy: str, response: wire.AuthenticateResponse) -> Answer:
    """Returns the answer of a cluster on which only *strategy* is deployed."""

    def reply(request: bytes, context: grpc.ServicerContext) -> bytes:
        if dict(context.invocation_metadata())["strategy"] != strategy:
            return WRONG_STRATEGY(request, context)
        return response.SerializeToString()

    return reply


def list_tables(manager: SessionManager, within: Scope | None = None) -> list[str]:
    """Makes one call that may be repeated."""
    response, _ = manager.call(
        calls.TABLES,
        lambda session_id: wire.GetTablesV2Request(sessionId=session_id),
        within or scope(),
        verb="list the tables",
    )
    return list(response.tables)


def error_of(action: Callable[[], object]) -> errors.Error:
    with pytest.raises(errors.Error) as caught:
        action()
    return caught.value


def test_the_first_call_signs_in(server: FakeServer, manager: SessionManager) -> None:
    """User, token and strategy are sent once; the session id goes into later calls, with their headers."""
    server.answer("authenticate", granted("s-1"))
    server.answer("getTablesV2", wire.GetTablesResponse(tables=["t"]))

    assert server.received == []
    assert list_tables(manager) == ["t"]
    assert list_tables(manager) == ["t"]
    sign_in, first, second = server.received
    assert wire.AuthenticateRequest.FromString(sign_in.request) == wire.AuthenticateRequest(
        user="me@example.com", password=TOKEN
    )
    assert sign_in.headers["strategy"] == "blue"
    assert "cluster-name" not in sign_in.headers
    for call in (first, second):
        assert wire.GetTablesV2Request.FromString(call.request).sessionId == "s-1"
        assert call.headers["strategy"] == "blue"


def test_every_call_names_the_cluster(
    server: FakeServer, open_manager: Callable[..., SessionManager]
) -> None:
    """On a shared host the cluster name is on each call, unchanged."""
    server.answer("authenticate", granted("s-1"))
    server.answer("getTablesV2", wire.GetTablesResponse())

    list_tables(open_manager("Prod-1"))

    assert {call.headers["cluster-name"] for call in server.received} == {"Prod-1"}


def test_threads_share_one_sign_in(server: FakeServer, manager: SessionManager) -> None:
    """32 threads that need a session at once cause one authenticate."""
    gate = threading.Event()

    def slow(request: bytes, context: grpc.ServicerContext) -> wire.AuthenticateResponse:
        gate.wait(10)
        return granted("s-1")

    server.answer("authenticate", slow)
    with ThreadPoolExecutor(32) as pool:
        running = [pool.submit(manager.session, scope()) for _ in range(32)]
        server.wait_for("authenticate")
        gate.set()
        sessions = {future.result(10) for future in running}

    assert len(sessions) == 1
    assert server.count("authenticate") == 1


def test_threads_share_a_failure(server: FakeServer, manager: SessionManager) -> None:
    """Who waited for a sign-in that failed gets its error, as an exception of his own; the next one tries again."""
    gate = threading.Event()

    def refuse(request: bytes, context: grpc.ServicerContext) -> wire.AuthenticateResponse:
        gate.wait(10)
        return granted("")

    server.answer("authenticate", refuse, granted("s-2"))
    waiting = threading.Barrier(9)

    def join() -> errors.Error:
        waiting.wait(10)
        return error_of(lambda: manager.session(scope()))

    with ThreadPoolExecutor(9) as pool:
        leader = pool.submit(lambda: error_of(lambda: manager.session(scope())))
        server.wait_for("authenticate")
        running = [pool.submit(join) for _ in range(8)]
        waiting.wait(10)
        while len(manager._changed._waiters) < 8:  # type: ignore[attr-defined]
            pass
        gate.set()
        found = [future.result(10) for future in [leader, *running]]

    assert {error.status_code for error in found} == {Status.UNAUTHENTICATED}
    assert len({id(error) for error in found}) == 9
    assert server.count("authenticate") == 1
    assert manager.session(scope()).session_id == "s-2"


def test_a_cancelled_sign_in_is_nobody_else_s(server: FakeServer, manager: SessionManager) -> None:
    """When the thread that signs in for others is cancelled, another one takes over."""
    server.answer("authenticate", server.hang, granted("s-2"))
    cancelled = scope()
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(manager.session, cancelled)
        server.wait_for("authenticate")
        follower = pool.submit(manager.session, scope())
        while not manager._changed._waiters:  # type: ignore[attr-defined]
            pass
        cancelled.cancel()
        error = leader.exception(10)

        assert follower.result(10).session_id == "s-2"
    assert isinstance(error, errors.Error)
    assert error.status_code == Status.CANCELLED


def test_a_waiting_thread_can_be_cancelled(server: FakeServer, manager: SessionManager) -> None:
    """Who waits for another thread's sign-in is cancelled alone."""
    gate = threading.Event()

    def slow(request: bytes, context: grpc.ServicerContext) -> wire.AuthenticateResponse:
        gate.wait(10)
        return granted("s-1")

    server.answer("authenticate", slow)
    cancelled = scope()
    with ThreadPoolExecutor(2) as pool:
        leader = pool.submit(manager.session, scope())
        server.wait_for("authenticate")
        follower = pool.submit(manager.session, cancelled)
        cancelled.cancel()
        error = follower.exception(10)
        gate.set()

        assert leader.result(10).session_id == "s-1"
    assert isinstance(error, errors.Error)
    assert error.status_code == Status.CANCELLED


def test_the_other_deployment_is_tried_and_remembered(
    server: FakeServer, manager: SessionManager
) -> None:
    """Where blue answers 456, green is asked; from then on green comes first."""
    server.answer("authenticate", only_on("green", granted("s-g")))
    server.answer("getTablesV2", ACCESS_DENIED, wire.GetTablesResponse(tables=["t"]))

    assert list_tables(manager) == ["t"]
    sent = [(call.method, call.headers["strategy"]) for call in server.received]
    assert sent == [
        ("authenticate", "blue"),
        ("authenticate", "green"),
        ("getTablesV2", "green"),
        ("authenticate", "green"),
        ("getTablesV2", "green"),
    ]


def test_a_call_finds_the_new_deployment(server: FakeServer, manager: SessionManager) -> None:
    """456 on a call that may be repeated: sign in where the cluster is now, and repeat it once."""
    server.answer("authenticate", only_on("blue", granted("s-b")), only_on("green", granted("s-g")))
    server.answer("getTablesV2", WRONG_STRATEGY, wire.GetTablesResponse(tables=["t"]))

    assert list_tables(manager) == ["t"]
    assert server.received[-1].headers["strategy"] == "green"
    assert server.count("getTablesV2") == 2


def test_no_deployment_is_an_error_after_two_tries(
    server: FakeServer, manager: SessionManager
) -> None:
    """A cluster that refuses both strategies is not asked for ever."""
    server.answer("authenticate", WRONG_STRATEGY)

    error = error_of(lambda: manager.session(scope()))

    assert server.count("authenticate") == 2
    assert error.status_code == Status.IO
    assert "neither blue nor green" in str(error)


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, "status: 456"),
        (grpc.StatusCode.UNKNOWN, "status: 4567"),
        (grpc.StatusCode.UNKNOWN, "Strategy wrong. Status: 456"),
    ],
)
def test_only_the_exact_signal_means_the_other_deployment(
    server: FakeServer, manager: SessionManager, code: grpc.StatusCode, text: str
) -> None:
    """A text that resembles the signal is an error like any other."""
    server.answer("authenticate", fail(code, text))

    assert text in str(error_of(lambda: manager.session(scope())))
    assert server.count("authenticate") == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(granted(""), id="no session"),
        pytest.param(ACCESS_DENIED, id="access denied"),
        pytest.param(
            fail(grpc.StatusCode.UNAUTHENTICATED, "authentication denied"), id="refused by the edge"
        ),
        pytest.param(fail(grpc.StatusCode.PERMISSION_DENIED, "no"), id="not permitted"),
    ],
)
def test_wrong_credentials_say_who_and_where(
    server: FakeServer, manager: SessionManager, answer: Answer
) -> None:
    """The error names the user, the host and what to check; it never shows the token."""
    server.answer("authenticate", answer)

    error = error_of(lambda: manager.session(scope()))

    assert error.status_code == Status.UNAUTHENTICATED
    assert "'me@example.com'" in str(error)
    assert f"'127.0.0.1:{server.port}'" in str(error)
    assert "check that the user is right" in str(error)
    assert server.count("authenticate") == 1


def test_no_secret_shows(server: FakeServer, manager: SessionManager) -> None:
    """Token and session id are in no text, no repr and no traceback, not even one that shows local variables."""
    server.answer("authenticate", granted("canary-session-19"), ACCESS_DENIED)
    session = manager.session(scope())
    error = error_of(lambda: manager.session(scope(), instead_of=session))
    shown = "".join(
        traceback.TracebackException.from_exception(error, capture_locals=True).format()
    )

    for text in (shown, str(error), repr(error), repr(session), repr(vars(manager))):
        assert TOKEN not in text
        assert "canary-session-19" not in text


def test_a_lost_session_is_replaced_and_the_call_repeated(
    server: FakeServer, manager: SessionManager
) -> None:
    """After `Access denied` the same call runs once more, with the new session."""
    server.answer("authenticate", granted("s-1"), granted("s-2"))
    server.answer("getTablesV2", ACCESS_DENIED, wire.GetTablesResponse(tables=["t"]))

    assert list_tables(manager) == ["t"]
    sent = [
        wire.GetTablesV2Request.FromString(call.request).sessionId
        for call in server.received
        if call.method == "getTablesV2"
    ]
    assert sent == ["s-1", "s-2"]


def test_a_permanent_refusal_is_not_retried_for_ever(
    server: FakeServer, manager: SessionManager
) -> None:
    """A call that is denied with a fresh session too is an error after one repetition."""
    server.answer("authenticate", granted("s-1"), granted("s-2"))
    server.answer("getTablesV2", ACCESS_DENIED)

    error = error_of(lambda: list_tables(manager))

    assert error.status_code == Status.UNAUTHORIZED
    assert (server.count("authenticate"), server.count("getTablesV2")) == (2, 2)


def test_threads_that_lose_a_session_replace_it_once(
    server: FakeServer, manager: SessionManager
) -> None:
    """A session that many threads find void is replaced by one authenticate."""
    barrier = threading.Barrier(16)

    def deny_the_first(request: bytes, context: grpc.ServicerContext) -> bytes:
        if wire.GetTablesV2Request.FromString(request).sessionId == "s-1":
            barrier.wait(10)
            return ACCESS_DENIED(request, context)
        return wire.GetTablesResponse(tables=["t"]).SerializeToString()

    server.answer("authenticate", granted("s-1"), granted("s-2"))
    server.answer("getTablesV2", deny_the_first)
    manager.session(scope())
    with ThreadPoolExecutor(16) as pool:
        answers = [
            future.result(10) for future in [pool.submit(list_tables, manager) for _ in range(16)]
        ]

    assert answers == [["t"]] * 16
    assert server.count("authenticate") == 2


def test_a_suspended_cluster_is_said(server: FakeServer, manager: SessionManager) -> None:
    """Signing in to a suspended cluster says so; the other strategy is not tried."""
    text = "status: 503, cluster is suspended"
    server.answer("authenticate", fail(grpc.StatusCode.UNAVAILABLE, text))

    error = error_of(lambda: manager.session(scope()))

    assert "the cluster is suspended" in str(error)
    assert server.count("authenticate") == 1


def test_announcements_are_noted(server: FakeServer, manager: SessionManager) -> None:
    """A strategy that a response announces is remembered in lower case; anything else is ignored."""
    server.answer("authenticate", granted("s-1", "purple"))
    server.answer("getTablesV2", wire.GetTablesResponse(new_strategy="GREEN"))

    manager.session(scope())
    assert manager.announced_strategy is None
    list_tables(manager)
    assert manager.announced_strategy == "green"
    assert server.count("authenticate") == 1


@pytest.mark.parametrize(
    ("received", "newest"),
    [("s-2", "s-2"), ("", "s-1"), (None, "s-1"), ("blue", "s-1"), ("Green", "s-1")],
)
def test_the_newest_session_of_a_query(received: str | None, newest: str) -> None:
    """A response may move a query to another session, but never to nowhere, nor to a strategy."""
    assert newest_session_id("s-1", received) == newest


def test_sessions_are_values() -> None:
    """Two sessions are equal when they are the same sign-in."""
    assert Session("s", "blue", 1) == Session("s", "blue", 1)
    assert "s-secret" not in repr(Session("s-secret", "blue", 1))
