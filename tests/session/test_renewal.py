"""Sessions and tokens that were lost or refused are renewed once, whoever needs them."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from e6data_adbc import errors
from e6data_adbc._session.bound_call import BoundCall
from e6data_adbc._session.colour.routes import Route
from e6data_adbc._session.lease import Lease
from e6data_adbc._session.login.hooks import Hook
from e6data_adbc._session.login.session_cache import Session
from e6data_adbc._session.login.token_sources import AccessToken, provided_token
from e6data_adbc._session.manager import SessionManager
from e6data_adbc._transport import methods
from e6data_adbc._transport.scope import Scope
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from e6data_adbc.options import Secret
from tests.support.fake_server import FakeServer
from tests.support.managed import (
    ACCESS_DENIED,
    TABLES,
    UNAUTHENTICATED,
    WRONG_STRATEGY,
    OpenManager,
    error_of,
    granted,
    list_tables,
    prepare,
    scope,
)


def test_a_lost_session_is_replaced_and_the_call_repeated(
    fake_server: FakeServer, manager: SessionManager
) -> None:
    """After `Access denied` the same call runs once more, with the new session."""
    fake_server.answer("authenticate", granted("s-1"), granted("s-2"))
    fake_server.answer("getTablesV2", ACCESS_DENIED, TABLES)

    assert list_tables(manager) == ["t"]
    sent = [
        wire.GetTablesV2Request.FromString(call.request).sessionId
        for call in fake_server.received
        if call.method == "getTablesV2"
    ]
    assert sent == ["s-1", "s-2"]


def test_a_permanent_refusal_is_not_retried_for_ever(
    fake_server: FakeServer, manager: SessionManager
) -> None:
    """A call that is denied with fresh sessions too is an error: each session is renewed once, two at most."""
    fake_server.answer("authenticate", granted("s-1"), granted("s-2"), granted("s-3"))
    fake_server.answer("getTablesV2", ACCESS_DENIED)

    error = error_of(lambda: list_tables(manager))

    assert error.status_code == Status.UNAUTHORIZED
    assert (fake_server.count("authenticate"), fake_server.count("getTablesV2")) == (3, 3)


def test_a_session_that_worked_for_others_was_lost(
    fake_server: FakeServer, manager: SessionManager
) -> None:
    """However often sessions end under a call, it goes on as long as the new ones work."""
    denials = 4
    names = [f"s-{number}" for number in range(denials + 1)]

    def deny(request: bytes, context: grpc.ServicerContext) -> bytes:
        session_id = wire.GetTablesV2Request.FromString(request).sessionId
        if session_id == names[-1]:
            return TABLES.SerializeToString()
        session = manager.state.sessions.find(manager.caller.identity.principal, "blue")
        assert session is not None
        manager.state.sessions.accept(session)
        return ACCESS_DENIED(request, context)  # type: ignore[return-value]

    fake_server.answer("authenticate", *map(granted, names))
    fake_server.answer("getTablesV2", deny)

    assert list_tables(manager) == ["t"]
    assert fake_server.count("getTablesV2") == denials + 1


def test_threads_that_lose_a_session_replace_it_once(
    fake_server: FakeServer, manager: SessionManager
) -> None:
    """A session that many threads find void is replaced by one authenticate."""
    barrier = threading.Barrier(16)

    def deny_the_first(request: bytes, context: grpc.ServicerContext) -> bytes:
        if wire.GetTablesV2Request.FromString(request).sessionId == "s-1":
            barrier.wait(10)
            return ACCESS_DENIED(request, context)  # type: ignore[return-value]
        return TABLES.SerializeToString()

    fake_server.answer("authenticate", granted("s-1"), granted("s-2"))
    fake_server.answer("getTablesV2", deny_the_first)
    with ThreadPoolExecutor(16) as pool:
        running = [pool.submit(list_tables, manager) for _ in range(16)]
        answers = [future.result(10) for future in running]

    assert answers == [["t"]] * 16
    assert fake_server.count("authenticate") == 2


def test_a_refused_sign_in_counts_for_those_who_knew_no_more(
    fake_server: FakeServer, manager: SessionManager
) -> None:
    """Who learned of the switch does not take the 456 of a sign-in that was begun before it for an answer."""
    gate, first = threading.Event(), threading.Event()

    def late(request: bytes, context: grpc.ServicerContext) -> bytes:
        first.set()
        gate.wait(30)
        return WRONG_STRATEGY(request, context)  # type: ignore[return-value]

    fake_server.answer("authenticate", late, granted("s-1"), granted("s-2"))
    fake_server.answer("getTablesV2", TABLES)
    store = manager.state.store
    with ThreadPoolExecutor(2) as pool:
        before = pool.submit(list_tables, manager)
        assert first.wait(30)
        colour = store.route(time.monotonic()).colour
        store.report_success(Route(colour, store.state.epoch), time.monotonic())
        after = pool.submit(list_tables, manager)

        assert after.result(30) == ["t"]
        assert [call.headers["strategy"] for call in fake_server.received] == [colour] * 3
        gate.set()
        assert before.result(30) == ["t"]


def test_a_token_goes_with_every_call(fake_server: FakeServer, open_manager: OpenManager) -> None:
    """With a bearer token there is no sign-in and no session id; the user's signer adds its metadata."""
    fake_server.answer("getTablesV2", TABLES)
    manager = open_manager(
        authenticator=AccessToken(Secret("t-1")), signer=lambda path: {"x-signed": path}
    )

    assert list_tables(manager) == ["t"]
    (call,) = fake_server.received
    assert call.headers["authorization"] == "Bearer t-1"
    assert call.headers["x-signed"] == "/QueryEngineService/getTablesV2"
    assert wire.GetTablesV2Request.FromString(call.request).sessionId == ""


def test_a_refused_token_is_renewed_once(
    fake_server: FakeServer, open_manager: OpenManager
) -> None:
    """UNAUTHENTICATED: the provider is asked for another token, and the call repeated with it."""
    tokens = iter(["t-1", "t-2", "t-3"])
    fake_server.answer("getTablesV2", UNAUTHENTICATED, TABLES)
    manager = open_manager(
        authenticator=provided_token(Hook("token_provider", lambda: (next(tokens), 900.0)))
    )

    assert list_tables(manager) == ["t"]
    assert [call.headers["authorization"] for call in fake_server.received] == [
        "Bearer t-1",
        "Bearer t-2",
    ]
    fake_server.answer("getTablesV2", UNAUTHENTICATED)
    error = error_of(lambda: list_tables(manager))
    assert error.status_code == Status.UNAUTHENTICATED
    assert fake_server.count("getTablesV2") == 4


def test_a_token_that_cannot_be_renewed_is_refused_at_once(
    fake_server: FakeServer, open_manager: OpenManager
) -> None:
    """A token that was given as it is has no other."""
    fake_server.answer("getTablesV2", UNAUTHENTICATED)
    manager = open_manager(authenticator=AccessToken(Secret("t-1")))

    assert error_of(lambda: list_tables(manager)).status_code == Status.UNAUTHENTICATED
    assert fake_server.count("getTablesV2") == 1


def ask_status(manager: SessionManager, lease: Lease, within: Scope | None = None) -> object:
    """Makes one call about the query `q-1`."""
    bound = BoundCall(manager.caller, methods.STATUS, lease, "q-1")
    return bound.call(manager.effort(within or scope()), "read the status")


def names_the_query(error: errors.Error) -> bool:
    return errors.query_id(error) == "q-1" and "'q-1'" in str(error)


def test_a_query_whose_sign_in_fails_is_named(
    fake_server: FakeServer, manager: SessionManager
) -> None:
    """A call about a query that finds its session lost, and gets no other, says which query it was."""
    fake_server.answer("authenticate", granted("s-1"), granted(""))
    fake_server.answer("prepareStatementV2", wire.PrepareStatementResponse(queryId="q-1"))
    fake_server.answer("status", ACCESS_DENIED)
    _, lease = prepare(manager)

    error = error_of(lambda: ask_status(manager, lease))

    assert fake_server.count("authenticate") == 2
    assert names_the_query(error)
    assert error.status_code == Status.IO
    assert "its session ended, and there is no new one: " in str(error)


def test_a_query_whose_token_cannot_be_renewed_is_named(
    fake_server: FakeServer, open_manager: OpenManager
) -> None:
    """The provider of the tokens knows no query; its error names it all the same."""
    tokens = iter([("t-1", 900.0)])

    def provide() -> tuple[str, float]:
        try:
            return next(tokens)
        except StopIteration:
            raise OSError("the vault is sealed") from None

    fake_server.answer("prepareStatementV2", wire.PrepareStatementResponse(queryId="q-1"))
    fake_server.answer("status", UNAUTHENTICATED)
    manager = open_manager(authenticator=provided_token(Hook("token_provider", provide)))
    _, lease = prepare(manager)

    error = error_of(lambda: ask_status(manager, lease))

    assert "the vault is sealed" in str(error)
    assert names_the_query(error)


def test_a_query_whose_call_cannot_be_signed_is_named(
    fake_server: FakeServer, open_manager: OpenManager
) -> None:
    """What happens before a call is sent belongs to the query, too."""
    fake_server.answer("prepareStatementV2", wire.PrepareStatementResponse(queryId="q-1"))

    def sign(path: str) -> dict[str, str]:
        if path.endswith("status"):
            raise OSError("no key")
        return {}

    manager = open_manager(authenticator=AccessToken(Secret("t-1")), signer=sign)
    _, lease = prepare(manager)

    assert names_the_query(error_of(lambda: ask_status(manager, lease)))


@pytest.mark.parametrize(
    ("received", "newest"),
    [("s-2", "s-2"), ("", "s-1"), (None, "s-1"), ("blue", "s-1"), ("Green", "s-1")],
)
def test_the_newest_session_of_a_query(received: str | None, newest: str) -> None:
    """A response may move a query to another session, but never to nowhere, nor to a strategy."""
    lease = Lease(Route("blue", 0), Session("s-1", "p", "blue", 1))
    lease.move(received)

    assert lease.session_id == newest


def test_a_token_s_query_has_no_session() -> None:
    """Where calls carry tokens, a session id that the server names is not taken."""
    lease = Lease(Route("blue", 0), None)
    lease.move("s-2")

    assert lease.session_id == ""
