"""The manager: signing in once, finding the colour, renewing what was lost, repeating what may be repeated."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from e6data_adbc import errors
from e6data_adbc._options.database_config import Endpoint
from e6data_adbc._options.option_values import Settings
from e6data_adbc._session.bound_call import BoundCall
from e6data_adbc._session.colour.routes import Route
from e6data_adbc._session.endpoint import Endpoints
from e6data_adbc._session.lease import Lease
from e6data_adbc._session.login.call_signer import CallSigner
from e6data_adbc._session.login.hooks import Hook
from e6data_adbc._session.login.identity import Identity
from e6data_adbc._session.login.login_methods import Authenticator, Password
from e6data_adbc._session.login.session_cache import Session
from e6data_adbc._session.login.token_sources import AccessToken, provided_token
from e6data_adbc._session.manager import SessionManager
from e6data_adbc._transport import methods
from e6data_adbc._transport.scope import Scope
from e6data_adbc._transport.transport import Transport
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from e6data_adbc.options import Secret
from tests.support.fake_server import Answer, FakeServer, fail

TOKEN = "canary-token-7f3a"
WRONG_STRATEGY = fail(grpc.StatusCode.UNKNOWN, "status: 456")
ACCESS_DENIED = fail(grpc.StatusCode.INTERNAL, "Access denied")
UNAUTHENTICATED = fail(grpc.StatusCode.UNAUTHENTICATED, "authentication denied")
GONE = fail(grpc.StatusCode.UNAVAILABLE, "gone")
TABLES = wire.GetTablesResponse(tables=["t"])
PASSWORD = Password("me@example.com", Secret(TOKEN))

OpenManager = Callable[..., SessionManager]


@pytest.fixture
def server() -> Iterator[FakeServer]:
    """A server that answers as the test says."""
    with FakeServer() as running:
        yield running


@pytest.fixture
def open_manager(server: FakeServer) -> Iterator[OpenManager]:
    """Opens managers on the server and closes them; they share what they learn, as in one process."""
    opened: list[SessionManager] = []
    endpoints = Endpoints()

    def open_one(
        cluster_name: str | None = None,
        authenticator: Authenticator = PASSWORD,
        signer: Callable[[str], Any] | None = None,
    ) -> SessionManager:
        endpoint = Endpoint("127.0.0.1", server.port, encrypted=False, cluster_name=cluster_name)
        hook = None if signer is None else Hook("request_signer", signer)
        identity = Identity(authenticator, CallSigner(hook))
        transport = Transport(endpoint, Settings().rpc)
        opened.append(SessionManager(transport, identity, endpoints=endpoints))
        return opened[-1]

    yield open_one
    for manager in opened:
        manager.close()
        manager.transport.close()
    assert len(endpoints) == 0


@pytest.fixture
def manager(open_manager: OpenManager) -> SessionManager:
    """A manager that has not signed in."""
    return open_manager()


def scope(**seconds: float) -> Scope:
    settings = Settings()
    for name, value in seconds.items():
        settings = settings.with_option(f"adbc.e6data.rpc.{name}_timeout_seconds", value)
    return Scope(settings)


def granted(session_id: str, new_strategy: str | None = None) -> wire.AuthenticateResponse:
    return wire.AuthenticateResponse(sessionId=session_id, new_strategy=new_strategy)


def only_on(strategy: str, response: Any) -> Answer:
    """Returns the answer of a cluster on which only *strategy* is deployed."""

    def reply(request: bytes, context: grpc.ServicerContext) -> bytes:
        if dict(context.invocation_metadata())["strategy"] != strategy:
            return WRONG_STRATEGY(request, context)  # type: ignore[return-value]
        data: bytes = response.SerializeToString()
        return data

    return reply


def list_tables(manager: SessionManager, within: Scope | None = None) -> list[str]:
    """Makes one call that may be repeated."""
    response, _ = manager.call(
        methods.TABLES,
        lambda session_id: wire.GetTablesV2Request(sessionId=session_id),
        manager.effort(within or scope()),
        verb="list the tables",
    )
    return list(response.tables)


def prepare(manager: SessionManager, within: Scope | None = None) -> tuple[str, Lease]:
    """Makes the call that begins a query."""
    response, lease = manager.call(
        methods.PREPARE_V2,
        lambda session_id: wire.PrepareStatementV2Request(sessionId=session_id),
        manager.effort(within or scope()),
        verb="prepare the statement",
    )
    return response.queryId, lease


def error_of(action: Callable[[], object]) -> errors.Error:
    with pytest.raises(errors.Error) as caught:
        action()
    return caught.value


def is_retryable(error: errors.Error) -> bool:
    return errors.detail(error, "e6data.retryable") == "true"


# ---- sessions


def test_the_first_call_signs_in(server: FakeServer, manager: SessionManager) -> None:
    """User, token and strategy are sent once; the session id goes into later calls, with their headers."""
    server.answer("authenticate", granted("s-1"))
    server.answer("getTablesV2", TABLES)

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


def test_impersonation_is_asked_for(server: FakeServer, open_manager: OpenManager) -> None:
    """The user to act for, and the claim that says who one is, go with the sign-in."""
    server.answer("authenticate", granted("s-1"))
    server.answer("getTablesV2", TABLES)
    list_tables(open_manager(authenticator=Password("u", Secret(TOKEN), "other", "email")))

    request = wire.AuthenticateRequest.FromString(server.received[0].request)
    assert (request.userNameForImpersonation, request.customIdentityClaim) == ("other", "email")


def test_every_call_names_the_cluster(server: FakeServer, open_manager: OpenManager) -> None:
    """On a shared host the cluster name is on each call, unchanged."""
    server.answer("authenticate", granted("s-1"))
    server.answer("getTablesV2", TABLES)

    list_tables(open_manager("Prod-1"))

    assert {call.headers["cluster-name"] for call in server.received} == {"Prod-1"}


@pytest.mark.parametrize("databases", [1, 8])
def test_threads_share_one_sign_in(
    server: FakeServer, open_manager: OpenManager, databases: int
) -> None:
    """32 threads that need a session at once cause one authenticate, of one database or of several."""
    gate = threading.Event()

    def slow(request: bytes, context: grpc.ServicerContext) -> wire.AuthenticateResponse:
        gate.wait(10)
        return granted("s-1")

    server.answer("authenticate", slow)
    server.answer("getTablesV2", TABLES)
    managers = [open_manager() for _ in range(databases)]
    with ThreadPoolExecutor(32) as pool:
        running = [pool.submit(list_tables, managers[n % databases]) for n in range(32)]
        server.wait_for("authenticate")
        gate.set()
        answers = [future.result(10) for future in running]

    assert answers == [["t"]] * 32
    assert server.count("authenticate") == 1


def test_another_user_signs_in_himself(server: FakeServer, open_manager: OpenManager) -> None:
    """A session is not lent: not to another user, nor to the same one with another token."""
    server.answer("authenticate", granted("s-1"), granted("s-2"), granted("s-3"))
    server.answer("getTablesV2", TABLES)
    for authenticator in (PASSWORD, Password("you", Secret(TOKEN)), Password("you", Secret("x"))):
        list_tables(open_manager(authenticator=authenticator))

    assert server.count("authenticate") == 3


def test_threads_share_a_failure(server: FakeServer, manager: SessionManager) -> None:
    """Who waited for a sign-in that failed gets its error, as an exception of his own; the next one tries again."""
    gate = threading.Event()

    def refuse(request: bytes, context: grpc.ServicerContext) -> wire.AuthenticateResponse:
        gate.wait(10)
        return granted("")

    server.answer("authenticate", refuse, granted("s-2"))
    server.answer("getTablesV2", TABLES)
    with ThreadPoolExecutor(9) as pool:
        running = [pool.submit(lambda: error_of(lambda: list_tables(manager))) for _ in range(9)]
        while manager.state.flights.waiting < 8:
            pass
        gate.set()
        found = [future.result(10) for future in running]

    assert {error.status_code for error in found} == {Status.UNAUTHENTICATED}
    assert len({id(error) for error in found}) == 9
    assert server.count("authenticate") == 1
    assert list_tables(manager) == ["t"]


@pytest.mark.parametrize("cancelled", ["leader", "follower"])
def test_a_cancelled_sign_in_is_nobody_else_s(
    server: FakeServer, manager: SessionManager, cancelled: str
) -> None:
    """Who is cancelled is cancelled alone; if he signed in for others, another one takes over."""
    server.answer("authenticate", server.hang, granted("s-2"))
    server.answer("getTablesV2", TABLES)
    scopes = {"leader": scope(), "follower": scope()}
    with ThreadPoolExecutor(2) as pool:
        running = {"leader": pool.submit(list_tables, manager, scopes["leader"])}
        server.wait_for("authenticate")
        running["follower"] = pool.submit(list_tables, manager, scopes["follower"])
        while not manager.state.flights.waiting:
            pass
        scopes[cancelled].cancel()
        error = running.pop(cancelled).exception(10)
        server.release.set()
        (other,) = running.values()
        with_answer = other.result(10) if cancelled == "leader" else other.exception(10)

    assert isinstance(error, errors.Error)
    assert error.status_code == Status.CANCELLED
    if cancelled == "leader":
        assert with_answer == ["t"]
    else:  # the empty answer that the hanging sign-in got in the end is a refusal
        assert isinstance(with_answer, errors.Error)


def test_waiting_for_a_sign_in_has_an_end(server: FakeServer, manager: SessionManager) -> None:
    """Whose own time is shorter than the sign-in's does not wait for it."""
    server.answer("authenticate", server.hang)
    leader = scope()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(list_tables, manager, leader)
        server.wait_for("authenticate")
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
    server: FakeServer, manager: SessionManager, answer: Answer
) -> None:
    """The error names the user, the host and what to check; it never shows the token."""
    server.answer("authenticate", answer)

    error = error_of(lambda: list_tables(manager))

    assert error.status_code == Status.UNAUTHENTICATED
    assert "'me@example.com'" in str(error)
    assert f"'127.0.0.1:{server.port}'" in str(error)
    assert "check that the user is right" in str(error)
    assert server.count("authenticate") == 1
    assert errors.detail(error, "e6data.rpc") == "authenticate"
    assert not is_retryable(error)


@pytest.mark.parametrize("failure", [GONE, fail(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy")])
def test_signing_in_is_repeated(
    server: FakeServer, manager: SessionManager, failure: Answer
) -> None:
    """A spare session does no harm, so a sign-in whose answer is lost is asked for again."""
    server.answer("authenticate", failure, granted("s-1"))
    server.answer("getTablesV2", TABLES)

    assert list_tables(manager) == ["t"]
    assert server.count("authenticate") == 2


def test_no_secret_shows(server: FakeServer, manager: SessionManager) -> None:
    """Token and session id are in no text, no repr and no traceback, not even one that shows local variables."""
    server.answer("authenticate", granted("canary-session-19"), granted("canary-session-20"))
    server.answer("getTablesV2", ACCESS_DENIED)
    server.answer("prepareStatementV2", wire.PrepareStatementResponse(queryId="q"))
    error = error_of(lambda: list_tables(manager))
    _, lease = prepare(manager)
    shown = "".join(
        traceback.TracebackException.from_exception(error, capture_locals=True).format()
    )

    for text in (shown, str(error), repr(error), repr(lease), repr(vars(manager))):
        assert TOKEN not in text
        assert "canary-session" not in text


def test_a_lost_session_is_replaced_and_the_call_repeated(
    server: FakeServer, manager: SessionManager
) -> None:
    """After `Access denied` the same call runs once more, with the new session."""
    server.answer("authenticate", granted("s-1"), granted("s-2"))
    server.answer("getTablesV2", ACCESS_DENIED, TABLES)

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
    """A call that is denied with fresh sessions too is an error: each session is renewed once, two at most."""
    server.answer("authenticate", granted("s-1"), granted("s-2"), granted("s-3"))
    server.answer("getTablesV2", ACCESS_DENIED)

    error = error_of(lambda: list_tables(manager))

    assert error.status_code == Status.UNAUTHORIZED
    assert (server.count("authenticate"), server.count("getTablesV2")) == (3, 3)


def test_a_session_that_worked_for_others_was_lost(
    server: FakeServer, manager: SessionManager
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

    server.answer("authenticate", *map(granted, names))
    server.answer("getTablesV2", deny)

    assert list_tables(manager) == ["t"]
    assert server.count("getTablesV2") == denials + 1


def test_threads_that_lose_a_session_replace_it_once(
    server: FakeServer, manager: SessionManager
) -> None:
    """A session that many threads find void is replaced by one authenticate."""
    barrier = threading.Barrier(16)

    def deny_the_first(request: bytes, context: grpc.ServicerContext) -> bytes:
        if wire.GetTablesV2Request.FromString(request).sessionId == "s-1":
            barrier.wait(10)
            return ACCESS_DENIED(request, context)  # type: ignore[return-value]
        return TABLES.SerializeToString()

    server.answer("authenticate", granted("s-1"), granted("s-2"))
    server.answer("getTablesV2", deny_the_first)
    with ThreadPoolExecutor(16) as pool:
        running = [pool.submit(list_tables, manager) for _ in range(16)]
        answers = [future.result(10) for future in running]

    assert answers == [["t"]] * 16
    assert server.count("authenticate") == 2


def test_a_refused_sign_in_counts_for_those_who_knew_no_more(
    server: FakeServer, manager: SessionManager
) -> None:
    """Who learned of the switch does not take the 456 of a sign-in that was begun before it for an answer."""
    gate, first = threading.Event(), threading.Event()

    def late(request: bytes, context: grpc.ServicerContext) -> bytes:
        first.set()
        gate.wait(30)
        return WRONG_STRATEGY(request, context)  # type: ignore[return-value]

    server.answer("authenticate", late, granted("s-1"), granted("s-2"))
    server.answer("getTablesV2", TABLES)
    store = manager.state.store
    with ThreadPoolExecutor(2) as pool:
        before = pool.submit(list_tables, manager)
        assert first.wait(30)
        colour = store.route(time.monotonic()).colour
        store.report_success(Route(colour, store.state.epoch), time.monotonic())
        after = pool.submit(list_tables, manager)

        assert after.result(30) == ["t"]
        assert [call.headers["strategy"] for call in server.received] == [colour] * 3
        gate.set()
        assert before.result(30) == ["t"]


# ---- tokens


def test_a_token_goes_with_every_call(server: FakeServer, open_manager: OpenManager) -> None:
    """With a bearer token there is no sign-in and no session id; the user's signer adds its metadata."""
    server.answer("getTablesV2", TABLES)
    manager = open_manager(
        authenticator=AccessToken(Secret("t-1")), signer=lambda path: {"x-signed": path}
    )

    assert list_tables(manager) == ["t"]
    (call,) = server.received
    assert call.headers["authorization"] == "Bearer t-1"
    assert call.headers["x-signed"] == "/QueryEngineService/getTablesV2"
    assert wire.GetTablesV2Request.FromString(call.request).sessionId == ""


def test_a_refused_token_is_renewed_once(server: FakeServer, open_manager: OpenManager) -> None:
    """UNAUTHENTICATED: the provider is asked for another token, and the call repeated with it."""
    tokens = iter(["t-1", "t-2", "t-3"])
    server.answer("getTablesV2", UNAUTHENTICATED, TABLES)
    manager = open_manager(
        authenticator=provided_token(Hook("token_provider", lambda: (next(tokens), 900.0)))
    )

    assert list_tables(manager) == ["t"]
    assert [call.headers["authorization"] for call in server.received] == [
        "Bearer t-1",
        "Bearer t-2",
    ]
    server.answer("getTablesV2", UNAUTHENTICATED)
    error = error_of(lambda: list_tables(manager))
    assert error.status_code == Status.UNAUTHENTICATED
    assert server.count("getTablesV2") == 4


def test_a_token_that_cannot_be_renewed_is_refused_at_once(
    server: FakeServer, open_manager: OpenManager
) -> None:
    """A token that was given as it is has no other."""
    server.answer("getTablesV2", UNAUTHENTICATED)
    manager = open_manager(authenticator=AccessToken(Secret("t-1")))

    assert error_of(lambda: list_tables(manager)).status_code == Status.UNAUTHENTICATED
    assert server.count("getTablesV2") == 1


# ---- queries


def ask_status(manager: SessionManager, lease: Lease, within: Scope | None = None) -> object:
    """Makes one call about the query `q-1`."""
    bound = BoundCall(manager.caller, methods.STATUS, lease, "q-1")
    return bound.call(manager.effort(within or scope()), "read the status")


def names_the_query(error: errors.Error) -> bool:
    return errors.query_id(error) == "q-1" and "'q-1'" in str(error)


def test_a_query_whose_sign_in_fails_is_named(server: FakeServer, manager: SessionManager) -> None:
    """A call about a query that finds its session lost, and gets no other, says which query it was."""
    server.answer("authenticate", granted("s-1"), granted(""))
    server.answer("prepareStatementV2", wire.PrepareStatementResponse(queryId="q-1"))
    server.answer("status", ACCESS_DENIED)
    _, lease = prepare(manager)

    error = error_of(lambda: ask_status(manager, lease))

    assert server.count("authenticate") == 2
    assert names_the_query(error)
    assert error.status_code == Status.IO
    assert "its session ended, and there is no new one: " in str(error)


def test_a_query_whose_token_cannot_be_renewed_is_named(
    server: FakeServer, open_manager: OpenManager
) -> None:
    """The provider of the tokens knows no query; its error names it all the same."""
    tokens = iter([("t-1", 900.0)])

    def provide() -> tuple[str, float]:
        try:
            return next(tokens)
        except StopIteration:
            raise OSError("the vault is sealed") from None

    server.answer("prepareStatementV2", wire.PrepareStatementResponse(queryId="q-1"))
    server.answer("status", UNAUTHENTICATED)
    manager = open_manager(authenticator=provided_token(Hook("token_provider", provide)))
    _, lease = prepare(manager)

    error = error_of(lambda: ask_status(manager, lease))

    assert "the vault is sealed" in str(error)
    assert names_the_query(error)


def test_a_query_whose_call_cannot_be_signed_is_named(
    server: FakeServer, open_manager: OpenManager
) -> None:
    """What happens before a call is sent belongs to the query, too."""
    server.answer("prepareStatementV2", wire.PrepareStatementResponse(queryId="q-1"))

    def sign(path: str) -> dict[str, str]:
        if path.endswith("status"):
            raise OSError("no key")
        return {}

    manager = open_manager(authenticator=AccessToken(Secret("t-1")), signer=sign)
    _, lease = prepare(manager)

    assert names_the_query(error_of(lambda: ask_status(manager, lease)))


# ---- colours


def test_the_other_deployment_is_tried_and_remembered(
    server: FakeServer, manager: SessionManager
) -> None:
    """Where blue answers 456, green is asked; from then on green comes first."""
    server.answer("authenticate", only_on("green", granted("s-g")))
    server.answer("getTablesV2", ACCESS_DENIED, TABLES)

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
    server.answer("authenticate", granted("s-b"), granted("s-g"))
    server.answer("getTablesV2", TABLES, only_on("green", TABLES))

    list_tables(manager)
    assert list_tables(manager) == ["t"]
    assert server.received[-1].headers["strategy"] == "green"
    assert server.count("getTablesV2") == 3
    assert manager.state.store.state.active == "green"


def test_other_databases_know_the_colour(server: FakeServer, open_manager: OpenManager) -> None:
    """What one database found out, those beside it need not."""
    server.answer("authenticate", only_on("green", granted("s-g")))
    server.answer("getTablesV2", only_on("green", TABLES))
    first = open_manager()
    list_tables(first)
    sent = len(server.received)

    assert list_tables(open_manager()) == ["t"]
    assert len(server.received) == sent + 1


@pytest.mark.parametrize("method", ["authenticate", "getTablesV2"])
def test_a_cluster_of_no_colour_is_an_error_after_three_tries(
    server: FakeServer, manager: SessionManager, method: str
) -> None:
    """A cluster that refuses both strategies is not asked for ever."""
    server.answer("authenticate", granted("s"))
    server.answer(method, WRONG_STRATEGY)

    error = error_of(lambda: list_tables(manager))

    assert server.count(method) == 3
    assert error.status_code == Status.IO
    assert "neither blue nor green" in str(error)


def test_false_refusals_of_two_calls_at_once_end_neither(
    server: FakeServer, manager: SessionManager
) -> None:
    """A call that both colours refused, one of them wrongly, is tried once more where others found the cluster."""

    def refuse_while_another_succeeds(request: bytes, context: grpc.ServicerContext) -> bytes:
        store = manager.state.store
        store.report_success(Route("blue", store.state.epoch), time.monotonic())
        return WRONG_STRATEGY(request, context)  # type: ignore[return-value]

    server.answer("authenticate", only_on("blue", granted("s-b")))
    server.answer("getTablesV2", TABLES, refuse_while_another_succeeds, TABLES)
    list_tables(manager)
    # Another call was refused: for all that is known, blue is gone.
    store = manager.state.store
    store.report_mismatch(Route("blue", store.state.epoch), time.monotonic())

    assert list_tables(manager) == ["t"]
    sent = [(call.method, call.headers["strategy"]) for call in server.received[2:]]
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
    server: FakeServer, manager: SessionManager, code: grpc.StatusCode, text: str
) -> None:
    """A text that resembles the signal is an error like any other."""
    server.answer("authenticate", fail(code, text))

    assert text in str(error_of(lambda: list_tables(manager)))
    assert server.count("authenticate") == 1


def test_an_announcement_counts_for_the_next_call(
    server: FakeServer, manager: SessionManager
) -> None:
    """A colour that a response announces is tried next, in any spelling; what is no colour is ignored."""
    server.answer("authenticate", granted("s-1", "purple"), granted("s-2"))
    server.answer("getTablesV2", wire.GetTablesResponse(new_strategy="GREEN"), TABLES)

    list_tables(manager)
    assert manager.state.store.state.pending == "green"
    list_tables(manager)
    assert server.received[-1].headers["strategy"] == "green"
    assert manager.state.stats()["strategy"]["ignored_colours"] == 1


def test_an_announcement_that_comes_too_early_is_bounded(
    server: FakeServer, manager: SessionManager
) -> None:
    """ "Green is coming" on every answer while only blue answers: everything works, and green is asked rarely."""
    server.answer("authenticate", only_on("blue", granted("s-1", "green")))
    server.answer(
        "getTablesV2", only_on("blue", wire.GetTablesResponse(tables=["t"], new_strategy="green"))
    )
    for _ in range(20):
        assert list_tables(manager) == ["t"]

    assert server.count("authenticate") <= 3
    assert server.count("getTablesV2") <= 22


def test_a_flip_disturbs_no_other_thread(server: FakeServer, manager: SessionManager) -> None:
    """A call under way on the old colour ends well while others sign in on the new one."""
    gate = threading.Event()

    def slow(request: bytes, context: grpc.ServicerContext) -> wire.GetTablesResponse:
        gate.wait(10)
        return TABLES

    server.answer("authenticate", granted("s-b"), granted("s-g"))
    server.answer("getTablesV2", TABLES, slow, only_on("green", TABLES))
    list_tables(manager)
    with ThreadPoolExecutor(1) as pool:
        old = pool.submit(list_tables, manager)
        server.wait_for("getTablesV2", 2)
        assert list_tables(manager) == ["t"]
        gate.set()

        assert old.result(10) == ["t"]
    assert manager.state.store.state.active == "green"


# ---- repeating


@pytest.mark.parametrize(
    ("failures", "tries"),
    [
        ([GONE, TABLES], 2),
        ([GONE, GONE, GONE, TABLES], 4),
        ([fail(grpc.StatusCode.RESOURCE_EXHAUSTED, ""), TABLES], 2),
        ([b"\xff\xff\xff", TABLES], 2),
    ],
)
def test_what_reads_is_repeated(
    server: FakeServer, manager: SessionManager, failures: list[Any], tries: int
) -> None:
    """A listing whose answer got lost, or came in pieces, is asked for again."""
    server.answer("authenticate", granted("s-1"))
    server.answer("getTablesV2", *failures)

    assert list_tables(manager) == ["t"]
    assert server.count("getTablesV2") == tries
    assert manager.state.stats()["retries"] == tries - 1


def test_four_tries_are_enough(server: FakeServer, manager: SessionManager) -> None:
    """After that the failure is the user's, who is told that it may pass."""
    server.answer("authenticate", granted("s-1"))
    server.answer("getTablesV2", GONE)

    error = error_of(lambda: list_tables(manager))

    assert server.count("getTablesV2") == 4
    assert (error.status_code, error.sqlstate) == (Status.IO, "08006")
    assert is_retryable(error)
    assert errors.detail(error, "e6data.rpc") == "getTablesV2"


def test_a_busy_server_is_an_operational_error(server: FakeServer, manager: SessionManager) -> None:
    """RESOURCE_EXHAUSTED without a word: tried again, then told as what it is."""
    server.answer("authenticate", granted("s-1"))
    server.answer("getTablesV2", fail(grpc.StatusCode.RESOURCE_EXHAUSTED, ""))

    error = error_of(lambda: list_tables(manager))

    assert isinstance(error, errors.OperationalError)
    assert error.sqlstate == "53000"
    assert is_retryable(error)


@pytest.mark.parametrize(("pushback", "tries"), [("30", 2), ("-1", 1), ("soon", 1)])
def test_the_server_says_when_to_come_back(
    server: FakeServer, manager: SessionManager, pushback: str, tries: int
) -> None:
    """`grpc-retry-pushback-ms` replaces the pause; a negative or broken one asks to stay away."""

    def busy(request: bytes, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata((("grpc-retry-pushback-ms", pushback),))
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy")

    server.answer("authenticate", granted("s-1"))
    server.answer("getTablesV2", busy, TABLES)
    begin = time.monotonic()
    if tries == 2:
        assert list_tables(manager) == ["t"]
        assert time.monotonic() - begin >= 0.03
    else:
        error_of(lambda: list_tables(manager))

    assert server.count("getTablesV2") == tries


@pytest.mark.parametrize(
    "answer",
    [
        fail(grpc.StatusCode.INVALID_ARGUMENT, "no"),
        fail(grpc.StatusCode.INTERNAL, "no such table; status: 503, status: 456, Access denied"),
        fail(grpc.StatusCode.UNIMPLEMENTED, "no"),
    ],
)
def test_an_answer_is_not_asked_for_again(
    server: FakeServer, manager: SessionManager, answer: Answer
) -> None:
    """What the engine says is final, whatever its text quotes."""
    server.answer("authenticate", granted("s-1"))
    server.answer("getTablesV2", answer)

    error = error_of(lambda: list_tables(manager))

    assert (server.count("authenticate"), server.count("getTablesV2")) == (1, 1)
    assert not is_retryable(error)


def test_all_tries_share_one_budget(server: FakeServer, manager: SessionManager) -> None:
    """A server that never answers is left when the time of the user's call is over."""
    server.answer("authenticate", granted("s-1"))
    server.answer("getTablesV2", server.hang)

    error = error_of(lambda: list_tables(manager, scope(metadata=0.3)))

    assert error.status_code == Status.TIMEOUT


def test_an_endpoint_that_fails_too_often_is_not_asked_again(
    server: FakeServer, manager: SessionManager
) -> None:
    """The error says that it was not tried again, and why."""
    server.answer("authenticate", granted("s-1"))
    server.answer("getTablesV2", fail(grpc.StatusCode.UNAVAILABLE, "down"))
    while manager.state.budget.take():
        pass

    error = error_of(lambda: list_tables(manager))

    assert server.count("getTablesV2") == 1
    assert "it was not sent again: too many calls to this endpoint failed of late" in str(error)
    assert is_retryable(error)


def test_a_pause_can_be_cancelled(server: FakeServer, manager: SessionManager) -> None:
    """Whoever cancels does not wait for the next try."""

    def busy(request: bytes, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata((("grpc-retry-pushback-ms", "20000"),))
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy")

    server.answer("authenticate", granted("s-1"))
    server.answer("getTablesV2", busy)
    within = scope()
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(list_tables, manager, within)
        while not manager.state.counters.read()["retries"]:
            pass
        within.cancel()
        error = running.exception(5)

    assert isinstance(error, errors.Error)
    assert error.status_code == Status.CANCELLED


def test_a_server_that_is_not_there_is_looked_for(server: FakeServer) -> None:
    """A refused connection is tried again for a moment, then told; nothing was sent."""
    endpoint = Endpoint("127.0.0.1", 1, encrypted=False)
    transport = Transport(endpoint, Settings().rpc)
    manager = SessionManager(transport, Identity(PASSWORD, CallSigner()), endpoints=Endpoints())
    error = error_of(lambda: list_tables(manager))
    transport.close()

    assert "could not connect to '127.0.0.1:1'" in str(error)
    assert error.sqlstate == "08001"
    assert is_retryable(error)
    assert manager.state.budget.tokens == 10.0


def test_events_are_logged(
    server: FakeServer, manager: SessionManager, caplog: pytest.LogCaptureFixture
) -> None:
    """Sign-in, colour, repetition and renewal are told by loggers of the package, without a secret."""
    server.answer("authenticate", only_on("green", granted("canary-session-1")))
    server.answer("getTablesV2", GONE, ACCESS_DENIED, TABLES)
    with caplog.at_level(logging.INFO, "e6data_adbc"):
        list_tables(manager)

    loggers = {record.name for record in caplog.records}
    assert loggers == {"e6data_adbc.session", "e6data_adbc.strategy", "e6data_adbc.retry"}
    assert "canary" not in caplog.text


# ---- leases


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


def test_a_call_without_time_is_not_sent(server: FakeServer, manager: SessionManager) -> None:
    """Where the budget is used up, the error names the option, and nothing is sent."""
    server.answer("authenticate", granted("s"))
    server.answer("getTablesV2", wire.GetTablesResponse())
    list_tables(manager)

    effort = manager.effort(scope(), 0.0)
    error = error_of(
        lambda: manager.call(
            methods.TABLES, wire.GetTablesV2Request, effort, verb="list the tables"
        )
    )

    assert error.status_code == Status.TIMEOUT
    assert "adbc.e6data.rpc.metadata_timeout_seconds" in str(error)
    assert is_retryable(error)
    assert server.count("getTablesV2") == 1


def test_a_call_without_a_colour_left_is_not_sent(
    server: FakeServer, manager: SessionManager
) -> None:
    """Who has tried three colours tries no fourth."""
    effort = manager.effort(scope())
    while effort.tries.next(0.0) is not None:
        pass

    error = error_of(lambda: manager._next_route(effort, None))

    assert "neither blue nor green" in str(error)
    assert server.received == []


def test_a_password_is_no_token(manager: SessionManager) -> None:
    """There is nothing to renew where users sign in by name."""
    assert not manager.caller.identity.renew(Secret("t"), scope(), 1.0)
