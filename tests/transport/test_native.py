"""The native transport where it is not as grpcio: no threads, forks at any time, and what it knows of a request."""

from __future__ import annotations

import contextlib
import os
import pickle
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from e6data_adbc import errors
from e6data_adbc._options.database_config import DatabaseConfig, Endpoint
from e6data_adbc._options.option_values import Settings
from e6data_adbc._transport import methods
from e6data_adbc._transport.api import Channel, Code, Rpc, RpcFailure
from e6data_adbc._transport.channels import open_channel
from e6data_adbc._transport.failures import is_sent
from e6data_adbc._transport.forking import OPEN_CALLS
from e6data_adbc._transport.grpcio import GrpcChannel
from e6data_adbc._transport.native import NativeChannel
from e6data_adbc._transport.proxies import credentials_of
from e6data_adbc._transport.scope import Scope
from e6data_adbc._transport.transport import Transport
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.options import DatabaseOptions, Secret, TransportKind
from tests.support import transports
from tests.support.calls import call_of
from tests.support.fake_server import FakeServer
from tests.support.waiting import eventually

URI = "e6data://me:token@localhost:1/c/s"
KEY = DatabaseOptions.TRANSPORT.value


@pytest.fixture(autouse=True)
def native(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the native transport carry the calls of each test."""
    transports.choose(TransportKind.NATIVE, monkeypatch)


def _fetch(transport: Transport) -> bytes:
    scope = Scope(Settings())
    return transport.call(call_of(methods.FETCH, scope), scope)


# ---- the option


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"uri": URI, KEY: "native"}, TransportKind.NATIVE),
        ({"uri": URI, KEY: "grpc"}, TransportKind.GRPC),
        ({"uri": f"{URI}?transport=grpc"}, TransportKind.GRPC),
        ({"uri": f"{URI}?transport=native"}, TransportKind.NATIVE),
    ],
)
def test_the_option_chooses(given: dict[str, str], kind: TransportKind) -> None:
    """By its key, or by its short name in the URI."""
    config = DatabaseConfig.from_options(dict(given), {})
    assert config.endpoint is not None
    channel = open_channel(config.endpoint, config.settings.rpc)
    channel.close()

    assert isinstance(channel, NativeChannel if kind is TransportKind.NATIVE else GrpcChannel)


def test_the_environment_chooses() -> None:
    """As for every option."""
    config = DatabaseConfig.from_options({"uri": URI}, {"E6DATA_TRANSPORT": "native"})

    assert config.settings.rpc.transport is TransportKind.NATIVE


@pytest.mark.parametrize("value", ["http", "", "NATIVE ", "1"])
def test_another_value_is_refused(value: str) -> None:
    """With the ones that there are."""
    with pytest.raises(errors.ProgrammingError, match=KEY) as caught:
        DatabaseConfig.from_options({"uri": URI, KEY: value}, {})

    assert "native" in str(caught.value)


# ---- threads, forks, the end


@pytest.mark.skipif(sys.platform != "linux", reason="counts the files of the system's")
def test_closing_closes_whoever_still_holds_the_channel(server: FakeServer) -> None:
    """A closed channel has no descriptor left, though channel and calls wait for the collector."""
    server.answer("getNextResultBatch", b"rows")

    def use_one() -> tuple[Channel, Rpc]:
        channel = open_channel(server.endpoint, Settings().rpc)
        rpc = channel.start(call_of(methods.FETCH, Scope(Settings())))
        assert rpc is not None
        assert rpc.receive() == b"rows"
        channel.close()
        channel.close()
        assert channel.start(call_of(methods.FETCH, Scope(Settings()))) is None
        return channel, rpc

    use_one()
    before = _files_of_clients(server)
    held = [use_one() for _ in range(5)]

    # A descriptor of a name that is being looked up, or of the heartbeat, may live a moment longer.
    eventually(lambda: _files_of_clients(server) <= before, 30)
    del held


def _files_of_clients(server: FakeServer) -> int:
    """Returns how many files this process has that are none of *server*'s, whose ends close when they hear of it."""
    ours = 0
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            duplicate = os.dup(int(number))
            try:
                is_servers = stat.S_ISSOCK(os.fstat(duplicate).st_mode) and _is_at(
                    duplicate, server.port
                )
            finally:
                os.close(duplicate)
            ours += not is_servers
    return ours


def _is_at(descriptor: int, port: int) -> bool:
    with socket.socket(fileno=os.dup(descriptor)) as one:
        return one.family == socket.AF_INET and one.getsockname()[1] == port


@pytest.mark.skipif(sys.platform != "linux", reason="counts the threads of the system's")
def test_a_channel_has_no_thread(server: FakeServer) -> None:
    """Neither while a call is open, nor after it."""
    server.answer("getNextResultBatch", b"rows")
    channel = open_channel(server.endpoint, Settings().rpc)
    scope = Scope(Settings())
    tasks = Path("/proc/self/task")

    def ours() -> set[str]:
        # The server of this test has threads, too, which come and go.
        return {
            name
            for name in os.listdir(tasks)
            if "e6data" in _name(tasks / name) or "tokio" in _name(tasks / name)
        }

    before = ours()
    rpc = channel.start(call_of(methods.FETCH, scope))
    assert rpc is not None
    assert ours() <= before
    assert rpc.receive() == b"rows"
    assert ours() <= before
    channel.close()


def _name(task: Path) -> str:
    with contextlib.suppress(OSError):  # it has ended
        return (task / "comm").read_text()
    return ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no forks")
def test_a_fork_in_the_midst_of_a_call_harms_nobody(server: FakeServer) -> None:
    """The child is told that the connection is not its own, also where it lets go of it; the parent's call goes on."""
    asked = threading.Event()

    def answer(request: bytes, context: object) -> bytes:
        asked.set()
        server.release.wait(60)
        return b"rows"

    server.answer("getNextResultBatch", answer)
    environment = os.environ | {"E6DATA_TRANSPORT": "native"}
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", FORK, str(server.port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            assert asked.wait(60)
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write("fork\n")
            process.stdin.flush()
            assert process.stdout.readline() == "child INVALID_STATE None\n"
            server.release.set()
            assert process.stdout.readline() == "parent b'rows' b'rows'\n"
            assert process.wait(60) == 0
        finally:
            process.kill()


FORK = """
import gc, os, sys, threading, warnings
from e6data_adbc import errors
from e6data_adbc._options.database_config import Endpoint
from e6data_adbc._options.option_values import Settings, environment_values
from e6data_adbc._transport import forking, methods
from e6data_adbc._transport.api import Call
from e6data_adbc._transport.scope import Scope
from e6data_adbc._transport.transport import Transport

warnings.simplefilter("ignore", DeprecationWarning)  # 3.12 warns of forking with threads
settings = Settings(environment_values(os.environ))
transport = Transport(Endpoint("127.0.0.1", int(sys.argv[1]), encrypted=False), settings.rpc)
answers = []

def call():
    return Call(methods.FETCH, bytes, (), 60.0, "fetch")

def fetch():
    answers.append(transport.call(call(), Scope(settings)))

thread = threading.Thread(target=fetch)
thread.start()
sys.stdin.readline()
pid = os.fork()
if pid == 0:
    try:
        fetch()
    except errors.Error as error:
        print("child", error.status_code.name, transport._channel.start(call()), flush=True)
    transport.close()
    del transport
    gc.collect()
    os._exit(0)
os.waitpid(pid, 0)
thread.join()
fetch()
print("parent", *answers, flush=True)
transport.close()
"""


def test_a_process_ends_while_a_call_is_open(server: FakeServer) -> None:
    """A thread that waits for an answer does not keep the interpreter, nor crash with it."""
    server.answer("getNextResultBatch", server.hang)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", END, str(server.port)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"E6DATA_TRANSPORT": "native"},
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


END = """
import os, sys, threading
from e6data_adbc._options.database_config import Endpoint
from e6data_adbc._options.option_values import Settings, environment_values
from e6data_adbc._transport import methods
from e6data_adbc._transport.api import Call
from e6data_adbc._transport.channels import open_channel

settings = Settings(environment_values(os.environ))
endpoint = Endpoint("127.0.0.1", int(sys.argv[1]), encrypted=False)
channel = open_channel(endpoint, settings.rpc)
ready = threading.Barrier(4)

def fetch():
    rpc = channel.start(Call(methods.FETCH, bytes, (), 600.0, "fetch"))
    ready.wait()
    rpc.receive()

for _ in range(3):
    threading.Thread(target=fetch, daemon=True).start()
ready.wait()
"""


@pytest.mark.skipif(os.name != "posix", reason="sends itself a signal")
def test_an_interrupt_ends_the_wait(server: FakeServer) -> None:
    """Ctrl-C reaches the main thread in the midst of a call, and the server learns of it."""
    gone = threading.Event()

    def hang(request: bytes, context: object) -> bytes:
        context.add_callback(gone.set)  # type: ignore[attr-defined]
        return server.hang(request, context)  # type: ignore[arg-type]

    server.answer("getNextResultBatch", hang)
    environment = os.environ | {"E6DATA_TRANSPORT": "native"}
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", INTERRUPT, str(server.port)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        try:
            server.wait_for("getNextResultBatch")
            process.send_signal(2)
            assert process.wait(60) == 0
            assert process.stdout is not None
            assert process.stdout.read() == "interrupted\n"
        finally:
            process.kill()
    assert gone.wait(30)


INTERRUPT = """
import os, signal, sys
from e6data_adbc._options.database_config import Endpoint
from e6data_adbc._options.option_values import Settings, environment_values
from e6data_adbc._transport import methods
from e6data_adbc._transport.api import Call
from e6data_adbc._transport.scope import Scope
from e6data_adbc._transport.transport import Transport

signal.signal(signal.SIGINT, signal.default_int_handler)
settings = Settings(environment_values(os.environ))
transport = Transport(Endpoint("127.0.0.1", int(sys.argv[1]), encrypted=False), settings.rpc)
try:
    transport.call(Call(methods.FETCH, bytes, (), 600.0, "fetch"), Scope(settings))
except KeyboardInterrupt:
    print("interrupted", flush=True)
transport.close()
"""


# ---- many calls


def test_a_slow_reader_stops_nobody(server: FakeServer, transport: Transport) -> None:
    """An answer that nobody asks for lies beside those of others, on the same connection."""
    large = bytes(range(256)) * 40_000
    server.answer("getNextResultBatch", large)
    server.answer("prepareStatementV2", wire.PrepareStatementResponse(queryId="q-1"))
    scope = Scope(Settings())
    before = set(OPEN_CALLS)
    lazy = [transport.start(call_of(methods.FETCH, scope), scope) for _ in range(3)]
    assert before == OPEN_CALLS, "a fork has nothing to wait for"
    with ThreadPoolExecutor(8) as pool:
        ids = pool.map(
            lambda _: transport.call(call_of(methods.PREPARE_V2, scope), scope).queryId, range(50)
        )
        assert list(ids) == ["q-1"] * 50

    assert [call.result() == large for call in lazy] == [True] * 3


def test_arrived_is_told_before_the_copy_and_may_call(
    server: FakeServer, transport: Transport
) -> None:
    """The next response is asked for while this one is copied."""
    server.answer("getNextResultBatch", b"first", b"second")
    scope = Scope(Settings())
    later: list[bytes] = []
    pending = transport.start(call_of(methods.FETCH, scope), scope)
    answer = pending.result(lambda: later.append(_fetch(transport)))

    assert (answer, later) == (b"first", [b"second"])


# ---- what is known


@pytest.fixture
def narrow() -> Iterator[Endpoint]:
    """A server that takes the first 100 bytes of a request and leaves."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_leave_early, args=(listener,), daemon=True)
        thread.start()
        yield Endpoint("127.0.0.1", listener.getsockname()[1], encrypted=False)
        thread.join(30)


def _leave_early(listener: socket.socket) -> None:
    peer, _ = listener.accept()
    with peer, contextlib.suppress(OSError):
        # SETTINGS with a window of 100 bytes for each stream.
        peer.sendall(b"\0\0\6\4\0\0\0\0\0" + b"\0\4\0\0\0\x64")
        seen = b""
        while seen.count(b"x") < 90:
            seen += peer.recv(65_536)


def test_what_did_not_go_out_whole_never_left(narrow: Endpoint) -> None:
    """So that even an execute is sent again; grpcio does not tell."""
    channel = open_channel(narrow, Settings().rpc)
    scope = Scope(Settings())
    call = call_of(
        methods.EXECUTE_V2,
        scope,
        request=lambda: wire.ExecuteStatementV2Request(sessionId="x" * 5_000),
    )
    rpc = channel.start(call)
    assert rpc is not None
    failure = rpc.receive()
    channel.close()

    assert isinstance(failure, RpcFailure)
    assert (failure.code, failure.never_left) == (Code.UNAVAILABLE, True)
    assert not is_sent(failure)
    assert pickle.loads(pickle.dumps(failure)).never_left


def test_a_client_certificate_that_cannot_be_used_is_told_at_once(
    trusted_pem: bytes,
) -> None:
    """When the database is opened, without a word of the key."""
    endpoint = Endpoint(
        "localhost",
        1,
        encrypted=True,
        client_cert=trusted_pem,
        client_key=Secret("-----BEGIN canary-key"),
    )
    with pytest.raises(errors.ProgrammingError, match="private key") as caught:
        Transport(endpoint, Settings().rpc)

    assert "canary" not in str(caught.value)


@pytest.fixture
def trusted_pem() -> bytes:
    """A certificate of an authority of this test."""
    import trustme

    return trustme.CA().cert_pem.bytes()


@pytest.mark.parametrize(
    ("address", "credentials"),
    [
        ("http://ann:s%40cret@p.invalid:3128/", "ann:s@cret"),
        ("http://ann@p.invalid:3128", "ann:"),
        ("http://p.invalid:3128", None),
        ("http://[broken", None),
    ],
)
def test_a_proxys_credentials_are_those_of_its_address(
    address: str, credentials: str | None
) -> None:
    """Percent-decoded, as a secret; of the first variable that counts."""
    found = credentials_of({"https_proxy": address, "http_proxy": "http://b:c@d.invalid"})

    assert (None if found is None else found.reveal()) == credentials
    assert "s@cret" not in repr(found)
