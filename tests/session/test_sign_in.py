"""Signing in: once for all threads, for each user apart, repeated where that may help."""

from __future__ import annotations

import threading
import traceback
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from e6data_adbc import errors
from e6data_adbc._session.login.login_methods import Password
from e6data_adbc._session.manager import SessionManager
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from e6data_adbc.options import Secret
from tests.support.fake_server import Answer, FakeServer, fail
from tests.support.managed import (
    ACCESS_DENIED,
    GONE,
    PASSWORD,
    TABLES,
    TOKEN,
    UNAUTHENTICATED,
    OpenManager,
    error_of,
    granted,
    is_retryable,
    list_tables,
    prepare,
    scope,
)


def test_the_first_call_signs_in(fake_server: FakeServer, manager: SessionManager) -> None:
    """User, token and strategy are sent once; the session id goes into later calls, with their headers."""
    fake_server.answer("authenticate", granted("s-1"))
    fake_server.answer("getTablesV2", TABLES)

    assert fake_server.received == []
    assert list_tables(manager) == ["t"]
    assert list_tables(manager) == ["t"]
    sign_in, first, second = fake_server.received
    assert wire.AuthenticateRequest.FromString(sign_in.request) == wire.AuthenticateRequest(
        user="me@example.com", password=TOKEN
    )
    assert sign_in.headers["strategy"] == "blue"
    assert "cluster-name" not in sign_in.headers
    for call in (first, second):
        assert wire.GetTablesV2Request.FromString(call.request).sessionId == "s-1"
        assert call.headers["strategy"] == "blue"


def test_impersonation_is_asked_for(fake_server: FakeServer, open_manager: OpenManager) -> None:
    """The user to act for, and the claim that says who one is, go with the sign-in."""
    fake_server.answer("authenticate", granted("s-1"))
    fake_server.answer("getTablesV2", TABLES)
    list_tables(open_manager(authenticator=Password("u", Secret(TOKEN), "other", "email")))

    request = wire.AuthenticateRequest.FromString(fake_server.received[0].request)
    assert (request.userNameForImpersonation, request.customIdentityClaim) == ("other", "email")


def test_every_call_names_the_cluster(fake_server: FakeServer, open_manager: OpenManager) -> None:
    """On a shared host the cluster name is on each call, unchanged."""
    fake_server.answer("authenticate", granted("s-1"))
    fake_server.answer("getTablesV2", TABLES)

    list_tables(open_manager("Prod-1"))

    assert {call.headers["cluster-name"] for call in fake_server.received} == {"Prod-1"}


@pytest.mark.parametrize("databases", [1, 8])
def test_threads_share_one_sign_in(
    fake_server: FakeServer, open_manager: OpenManager, databases: int
) -> None:
    """32 threads that need a session at once cause one authenticate, of one database or of several."""
    gate = threading.Event()

    def slow(request: bytes, context: grpc.ServicerContext) -> wire.AuthenticateResponse:
        gate.wait(10)
        return granted("s-1")

    fake_server.answer("authenticate", slow)
    fake_server.answer("getTablesV2", TABLES)
    managers = [open_manager() for _ in range(databases)]
    with ThreadPoolExecutor(32) as pool:
        running = [pool.submit(list_tables, managers[n % databases]) for n in range(32)]
        fake_server.wait_for("authenticate")
        gate.set()
        answers = [future.result(10) for future in running]

    assert answers == [["t"]] * 32
    assert fake_server.count("authenticate") == 1


def test_another_user_signs_in_himself(fake_server: FakeServer, open_manager: OpenManager) -> None:
    """A session is not lent: not to another user, nor to the same one with another token."""
    fake_server.answer("authenticate", granted("s-1"), granted("s-2"), granted("s-3"))
    fake_server.answer("getTablesV2", TABLES)
    for authenticator in (PASSWORD, Password("you", Secret(TOKEN)), Password("you", Secret("x"))):
        list_tables(open_manager(authenticator=authenticator))

    assert fake_server.count("authenticate") == 3


def test_threads_share_a_failure(fake_server: FakeServer, manager: SessionManager) -> None:
    """Who waited for a sign-in that failed gets its error, as an exception of his own; the next one tries again."""
    gate = threading.Event()

    def refuse(request: bytes, context: grpc.ServicerContext) -> wire.AuthenticateResponse:
        gate.wait(10)
        return granted("")

    fake_server.answer("authenticate", refuse, granted("s-2"))
    fake_server.answer("getTablesV2", TABLES)
    with ThreadPoolExecutor(9) as pool:
        running = [pool.submit(lambda: error_of(lambda: list_tables(manager))) for _ in range(9)]
        while manager.state.flights.waiting < 8:
            pass
        gate.set()
        found = [future.result(10) for future in running]

    assert {error.status_code for error in found} == {Status.UNAUTHENTICATED}
    assert len({id(error) for error in found}) == 9
    assert fake_server.count("authenticate") == 1
    assert list_tables(manager) == ["t"]


@pytest.mark.parametrize("cancelled", ["leader", "follower"])
def test_a_cancelled_sign_in_is_nobody_else_s(
    fake_server: FakeServer, manager: SessionManager, cancelled: str
) -> None:
    """Who is cancelled is cancelled alone; if he signed in for others, another one takes over."""
    fake_server.answer("authenticate", fake_server.hang, granted("s-2"))
    fake_server.answer("getTablesV2", TABLES)
    scopes = {"leader": scope(), "follower": scope()}
    with ThreadPoolExecutor(2) as pool:
        running = {"leader": pool.submit(list_tables, manager, scopes["leader"])}
        fake_server.wait_for("authenticate")
        running["follower"] = pool.submit(list_tables, manager, scopes["follower"])
        while not manager.state.flights.waiting:
            pass
        scopes[cancelled].cancel()
        error = running.pop(cancelled).exception(10)
        fake_server.release.set()
        (other,) = running.values()
        with_answer = other.result(10) if cancelled == "leader" else other.exception(10)

    assert isinstance(error, errors.Error)
    assert error.status_code == Status.CANCELLED
    if cancelled == "leader":
        assert with_answer == ["t"]
    else:  # the empty answer that the hanging sign-in got in the end is a refusal
        assert isinstance(with_answer, errors.Error)


def test_waiting_for_a_sign_in_has_an_end(fake_server: FakeServer, manager: SessionManager) -> None:
    """Whose own time is shorter than the sign-in's does not wait for it."""
    fake_server.answer("authenticate", fake_server.hang)
    leader = scope()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(list_tables, manager, leader)
        fake_server.wait_for("authenticate")
        error = error_of(lambda: list_tables(manager, scope(metadata=0.1)))
        leader.cancel()
        running.exception(10)

    assert error.status_code == Status.TIMEOUT


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(granted(""), id="no session"),
        pytest.param(ACCESS_DENIED, id="access denied"),
        pytest.param(UNAUTHENTICATED, id="refused by the edge"),
        pytest.param(fail(grpc.StatusCode.PERMISSION_DENIED, "no"), id="not permitted"),
    ],
)
def test_wrong_credentials_say_who_and_where(
    fake_server: FakeServer, manager: SessionManager, answer: Answer
) -> None:
    """The error names the user, the host and what to check; it never shows the token."""
    fake_server.answer("authenticate", answer)

    error = error_of(lambda: list_tables(manager))

    assert error.status_code == Status.UNAUTHENTICATED
    assert "'me@example.com'" in str(error)
    assert f"'127.0.0.1:{fake_server.port}'" in str(error)
    assert "check that the user is right" in str(error)
    assert fake_server.count("authenticate") == 1
    assert errors.detail(error, "e6data.rpc") == "authenticate"
    assert not is_retryable(error)


@pytest.mark.parametrize("failure", [GONE, fail(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy")])
def test_signing_in_is_repeated(
    fake_server: FakeServer, manager: SessionManager, failure: Answer
) -> None:
    """A spare session does no harm, so a sign-in whose answer is lost is asked for again."""
    fake_server.answer("authenticate", failure, granted("s-1"))
    fake_server.answer("getTablesV2", TABLES)

    assert list_tables(manager) == ["t"]
    assert fake_server.count("authenticate") == 2


def test_no_secret_shows(fake_server: FakeServer, manager: SessionManager) -> None:
    """Token and session id are in no text, no repr and no traceback, not even one that shows local variables."""
    fake_server.answer("authenticate", granted("canary-session-19"), granted("canary-session-20"))
    fake_server.answer("getTablesV2", ACCESS_DENIED)
    fake_server.answer("prepareStatementV2", wire.PrepareStatementResponse(queryId="q"))
    error = error_of(lambda: list_tables(manager))
    _, lease = prepare(manager)
    shown = "".join(
        traceback.TracebackException.from_exception(error, capture_locals=True).format()
    )

    for text in (shown, str(error), repr(error), repr(lease), repr(vars(manager))):
        assert TOKEN not in text
        assert "canary-session" not in text


def test_a_password_is_no_token(manager: SessionManager) -> None:
    """There is nothing to renew where users sign in by name."""
    assert not manager.caller.identity.renew(Secret("t"), scope(), 1.0)
