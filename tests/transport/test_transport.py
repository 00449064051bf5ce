"""Calls over a real socket: what they carry, how they end, how they are cancelled."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from e6data_adbc import errors
from e6data_adbc._options.database_config import Endpoint
from e6data_adbc._options.option_values import Settings
from e6data_adbc._transport import methods
from e6data_adbc._transport.api import RpcFailure
from e6data_adbc._transport.headers import SecretHeaders
from e6data_adbc._transport.observer import Observer
from e6data_adbc._transport.scope import Scope
from e6data_adbc._transport.transport import Transport
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status
from e6data_adbc.options import TransportKind
from tests.support.calls import call_of, make_scope
from tests.support.fake_server import FakeServer, fail
from tests.support.transported import error_of, prepare

OpenTransport = Callable[..., Transport]
pytestmark = pytest.mark.usefixtures("each_transport")


def test_a_call_carries_message_headers_and_deadline(
    server: FakeServer, transport: Transport
) -> None:
    """What was given arrives, and the option of the method bounds the call."""
    server.answer("prepareStatementV2", wire.PrepareStatementResponse(queryId="q-1"))

    assert prepare(transport, make_scope(prepare=7)) == "q-1"
    (call,) = server.received
    assert wire.PrepareStatementV2Request.FromString(call.request).queryString == "select 1"
    assert (call.headers["cluster-name"], call.headers["strategy"]) == ("c", "blue")
    assert "plannerip" not in call.headers
    assert call.seconds_left is not None
    assert 5 < call.seconds_left < 7.5


def test_fetched_bytes_are_not_parsed(server: FakeServer, transport: Transport) -> None:
    """A result response comes through as it was sent, even if it is no message."""
    server.answer("getNextResultBatch", b"\xff\xfe anything")
    scope = Scope(Settings())
    data = transport.call(call_of(methods.FETCH, scope), scope)

    assert data == b"\xff\xfe anything"


def test_an_empty_message_is_a_message(server: FakeServer, transport: Transport) -> None:
    """A response of no bytes is a response."""
    server.answer("getNextResultBatch", b"")
    scope = Scope(Settings())
    assert transport.call(call_of(methods.FETCH, scope), scope) == b""


def test_the_engine_s_text_and_code_are_the_error(server: FakeServer, transport: Transport) -> None:
    """A refused statement is the user's mistake and says what the engine said."""
    server.answer("prepareStatementV2", fail(grpc.StatusCode.INTERNAL, "no table 't'"))

    error = error_of(lambda: prepare(transport))

    assert isinstance(error, errors.ProgrammingError)
    assert error.status_code == Status.INVALID_ARGUMENT
    assert "could not prepare the statement: no table 't'" in str(error)
    assert isinstance(error.__cause__, RpcFailure)
    assert error.__context__ is None, "the call itself must not hang on the error"


def test_a_deadline_names_its_option(server: FakeServer, transport: Transport) -> None:
    """A call that takes too long ends in time and says what to raise."""
    server.answer("prepareStatementV2", server.hang)

    error = error_of(lambda: prepare(transport, make_scope(prepare=0.2)))

    assert error.status_code == Status.TIMEOUT
    assert "deadline of 0.2 s passed (TIMEOUT)" in str(error)
    assert "adbc.e6data.rpc.prepare_timeout_seconds" in str(error)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param([], id="none"),
        pytest.param([b"", b""], id="two"),
    ],
)
def test_a_call_has_exactly_one_message(
    server: FakeServer, transport: Transport, answer: list[bytes]
) -> None:
    """The unary methods are called as streams, so the count is checked here."""
    server.answers["prepareStatementV2"] = lambda *_: answer

    error = error_of(lambda: prepare(transport))

    assert error.status_code == Status.INVALID_DATA
    assert "exactly one message" in str(error)


def test_a_failure_after_the_message_is_a_failure(server: FakeServer, transport: Transport) -> None:
    """The status decides, not the message that came before it."""
    server.answers["prepareStatementV2"] = lambda *_: [b"", RuntimeError("too late")]

    error = error_of(lambda: prepare(transport))

    assert "too late" in str(error)


def test_a_broken_message_is_invalid_data(server: FakeServer, transport: Transport) -> None:
    """Bytes that are not the response are the server's fault, named as such."""
    server.answer("prepareStatementV2", b"\xff\xff\xff")

    assert error_of(lambda: prepare(transport)).status_code == Status.INVALID_DATA


def test_a_message_beyond_the_limit_names_the_option(
    server: FakeServer, open_transport: OpenTransport
) -> None:
    """The limit protects memory, and the user learns which option it is."""
    server.answer("getNextResultBatch", bytes(5000))
    transport = open_transport(server.endpoint, max_message_bytes=4096)
    scope = Scope(Settings())
    error = error_of(lambda: transport.call(call_of(methods.FETCH, scope), scope))

    assert "adbc.e6data.rpc.max_message_bytes" in str(error)


def test_suspension_is_said_in_plain_words(server: FakeServer, transport: Transport) -> None:
    """A suspended cluster is told apart from an unreachable one."""
    text = "status: 503, cluster is suspended"
    server.answer("prepareStatementV2", fail(grpc.StatusCode.UNAVAILABLE, text))

    error = error_of(lambda: prepare(transport))

    assert error.status_code == Status.IO
    assert "the cluster is suspended" in str(error)
    assert "resume the cluster" in str(error)


def test_any_thread_cancels_a_call_at_once(server: FakeServer, transport: Transport) -> None:
    """A blocked call ends with the cancellation, and the server learns of it."""
    gone = threading.Event()

    def hang(request: bytes, context: grpc.ServicerContext) -> bytes:
        context.add_callback(gone.set)
        return server.hang(request, context)

    server.answer("prepareStatementV2", hang)
    scope = Scope(Settings())
    with ThreadPoolExecutor() as pool:
        running = pool.submit(prepare, transport, scope)
        server.wait_for("prepareStatementV2")
        scope.cancel()
        error = running.exception(10)

    assert isinstance(error, errors.OperationalError)
    assert error.status_code == Status.CANCELLED
    assert gone.wait(30)


def test_a_cancelled_scope_starts_nothing(server: FakeServer, transport: Transport) -> None:
    """After the cancellation no call of the scope leaves."""
    scope = Scope(Settings())
    scope.cancel()

    assert error_of(lambda: prepare(transport, scope)).status_code == Status.CANCELLED
    assert server.received == []


def test_cancelling_ends_the_wait_for_a_connection(open_transport: OpenTransport) -> None:
    """A host that does not answer does not hold a cancelled call."""
    with socket.socket() as deaf, ThreadPoolExecutor() as pool:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        transport = open_transport(Endpoint("127.0.0.1", deaf.getsockname()[1], encrypted=False))
        scope = Scope(Settings())
        running = pool.submit(prepare, transport, scope)
        with deaf.accept()[0]:
            scope.cancel()
            error = running.exception(5)

    assert isinstance(error, errors.Error)
    assert error.status_code == Status.CANCELLED


def test_a_refused_connection_is_named(open_transport: OpenTransport) -> None:
    """A wrong port is told at once, with the address."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        transport = open_transport(Endpoint("127.0.0.1", port, encrypted=False))

        error = error_of(lambda: prepare(transport))

    assert error.status_code == Status.IO
    assert f"could not connect to '127.0.0.1:{port}'" in str(error)
    assert "refused" in str(error)


def test_a_deaf_host_is_given_up_in_time(open_transport: OpenTransport) -> None:
    """The connect timeout has its own option and bounds the wait."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        endpoint = Endpoint("127.0.0.1", deaf.getsockname()[1], encrypted=False)
        transport = open_transport(endpoint, connect_timeout=0.1)

        error = error_of(lambda: prepare(transport))

    assert error.status_code == Status.TIMEOUT
    assert "adbc.e6data.rpc.connect_timeout_seconds" in str(error)


def test_a_closed_transport_refuses(server: FakeServer, transport: Transport) -> None:
    """After closing there are no calls, only a clear error."""
    transport.close()

    error = error_of(lambda: prepare(transport))

    assert error.status_code == Status.INVALID_STATE
    assert "the connection is closed" in str(error)


def test_closing_ends_a_call_under_way(server: FakeServer, transport: Transport) -> None:
    """Whoever waits in a call is told that the connection was closed."""
    server.answer("prepareStatementV2", server.hang)
    with ThreadPoolExecutor() as pool:
        running = pool.submit(prepare, transport)
        server.wait_for("prepareStatementV2")
        transport.close()
        error = running.exception(10)

    assert isinstance(error, errors.Error)
    assert error.status_code == Status.INVALID_STATE


def test_many_threads_share_a_transport(server: FakeServer, transport: Transport) -> None:
    """Calls of many threads run beside each other over one connection."""
    server.answer("prepareStatementV2", wire.PrepareStatementResponse(queryId="q-1"))
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda _: prepare(transport), range(200)))

    assert answers == ["q-1"] * 200


def test_a_forked_child_is_refused(server: FakeServer) -> None:
    """The child of a fork gets a clear error from the parent's transport; the parent goes on."""
    server.answer("prepareStatementV2", wire.PrepareStatementResponse(queryId="q-1"))
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", FORK, str(server.port)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:2] == [
        "child INVALID_STATE: the connection was opened before this process was forked",
        "parent q-1",
    ]


FORK = """
import os, sys, warnings
from e6data_adbc._options.option_values import environment_values
from e6data_adbc import errors
from e6data_adbc._transport import methods
from e6data_adbc._transport.api import Call
from e6data_adbc._transport.transport import Transport
from e6data_adbc._transport.scope import Scope
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc._options.database_config import Endpoint
from e6data_adbc._options.option_values import Settings
from e6data_adbc.options import Secret

warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of forking with threads
settings = Settings(environment_values(os.environ))
transport = Transport(Endpoint("127.0.0.1", int(sys.argv[1]), encrypted=False), settings.rpc)

def call():
    request = wire.PrepareStatementV2Request()
    sent = Call(methods.PREPARE_V2, request.SerializeToString, (), 60.0, "prepare")
    return transport.call(sent, Scope(Settings())).queryId

call()
pid = os.fork()
if pid == 0:
    try:
        call()
    except errors.Error as error:
        text = str(error).split(": ", 1)[1].split(" (")[0]
        print(f"child {error.status_code.name}: {text}", flush=True)
    transport.close()
    os._exit(0)
os.waitpid(pid, 0)
print("parent", call(), flush=True)
transport.close()
"""


def test_secret_metadata_is_sent_and_not_shown(server: FakeServer, transport: Transport) -> None:
    """What a signer adds arrives, and stands in no traceback, not even one that shows local variables."""
    server.answer("prepareStatementV2", fail(grpc.StatusCode.INTERNAL, "no"))
    hidden = SecretHeaders(
        (("authorization", "Bearer canary-1"),)
    )  # not in a line that a traceback shows

    def call() -> None:
        scope = Scope(Settings())
        transport.call(call_of(methods.PREPARE_V2, scope, secret=hidden), scope)

    caught = [error_of(call)]
    transport._channel._channel.close()  # as if another thread had closed it in this moment
    caught.append(error_of(call))

    assert server.received[0].headers["authorization"] == "Bearer canary-1"
    for error in caught:
        shown = traceback.TracebackException.from_exception(error, capture_locals=True)
        assert "canary-1" not in "".join(shown.format())
        assert error.__context__ is None or isinstance(error.__context__, RpcFailure)


def test_pings_are_what_a_stock_server_bears(
    each_transport: TransportKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dead connection is noticed within 30 s, and a server with gRPC's own limits is given no reason to go away.

    Such a server counts a strike for each ping without data that comes within 300 s of the last, or two hours where no
    call is open, and ends the connection at the third.
    """
    if each_transport is TransportKind.NATIVE:
        pytest.skip("of the options of grpcio's channel; the Rust tests have the other's pings")
    seen: dict[str, object] = {}
    make = grpc.insecure_channel

    def note(target: str, options: list[tuple[str, object]]) -> grpc.Channel:
        seen.update(options)
        return make(target, options=options)

    monkeypatch.setattr(grpc, "insecure_channel", note)
    Transport(Endpoint("127.0.0.1", 1, encrypted=False), Settings().rpc).close()

    # Silence, and then no answer: gRPC gives up after the shorter of the two limits on the answer.
    silence = seen["grpc.keepalive_time_ms"]
    answers = (seen["grpc.keepalive_timeout_ms"], seen["grpc.http2.ping_timeout_ms"])
    assert silence + min(answers) <= 30_000
    # Fewer than 10 s would be raised by gRPC itself, and strike servers that have lowered their limit to its least.
    assert silence >= 10_000
    assert seen["grpc.keepalive_permit_without_calls"] == 0
    # gRPC's own limit, two pings between data, has to stay: it is what keeps a long call from the third strike.
    assert "grpc.http2.max_pings_without_data" not in seen
    assert "grpc.http2.min_time_between_pings_ms" not in seen
    assert "grpc.http2.min_sent_ping_interval_without_data_ms" not in seen


def test_an_interrupt_leaves_no_call_behind(server: FakeServer, transport: Transport) -> None:
    """Ctrl-C in the wait for an answer cancels the call on the server, and goes on its way."""
    ended = threading.Event()

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        context.add_callback(ended.set)
        return server.hang(request, context)

    server.answers["getTablesV2"] = answer
    scope = Scope(Settings())
    call = transport.start(call_of(methods.TABLES, scope), scope)
    server.wait_for("getTablesV2")

    class Interrupted:
        cancel = call._rpc.cancel

        def receive(self, arrived: object = None) -> bytes:
            raise KeyboardInterrupt

    call._rpc = Interrupted()
    with pytest.raises(KeyboardInterrupt):
        call.result()

    assert ended.wait(10)


def test_an_observer_that_knows_nothing_hands_the_trace_on() -> None:
    """Without OpenTelemetry the option is the parent, of calls and of executions; without it there is none."""
    observer, parent = Observer(), f"00-{'1' * 32}-{'2' * 16}-01"
    settings = Settings().with_option("adbc.telemetry.trace_parent", parent)

    assert observer.parent(settings) == parent
    assert observer.parent(Settings()) is None
    for watch in (observer.execution(parent), observer.call("/S/m", parent, "q-1")):
        assert watch.headers == (("traceparent", parent),)
    assert observer.execution(None).headers == ()


@pytest.mark.parametrize("algorithm", [grpc.Compression.Gzip, grpc.Compression.Deflate])
def test_compressed_answers_are_unpacked(
    algorithm: grpc.Compression, open_transport: OpenTransport
) -> None:
    """A server compresses what it likes to, as the call says that both encodings are known."""
    options = [("grpc.default_compression_algorithm", algorithm.value)]
    with FakeServer(options=options) as server:
        server.answers["getNextResultBatch"] = lambda *_: wire.GetNextResultBatchResponse(
            resultBatch=b"row " * 10_000, sessionId="s"
        )
        transport, scope = open_transport(server.endpoint), Scope(Settings())
        answer = transport.call(call_of(methods.FETCH, scope), scope)
    assert wire.GetNextResultBatchResponse.FromString(answer).resultBatch == b"row " * 10_000
