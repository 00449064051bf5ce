"""What gRPC makes of peers that do not answer as a gRPC server does, and how that is told from a server's word."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import grpc
import grpc.experimental
import pytest
from grpc._cython import cygrpc

from e6data_adbc._session.retry.failure import Failure, classify
from e6data_adbc._transport import grpcio
from e6data_adbc._transport.api import Code, RpcFailure
from e6data_adbc._transport.failures import Signal, is_sent, signal
from e6data_adbc._transport.grpcio import Sender, sender_of
from e6data_adbc._transport.signals import signal_of
from tests.support.raw_server import Exchange, RawServer, message

PATH = "/QueryEngineService/executeStatement"
CODE = Code
Play = Callable[[Exchange], object]


def _after(*steps: Play) -> Play:
    def play(exchange: Exchange) -> None:
        for step in steps:
            step(exchange)

    return play


def _start(exchange: Exchange) -> None:
    exchange.start()


def _hi(exchange: Exchange) -> None:
    exchange.send(message(b"hi"))


def _nothing_more(exchange: Exchange) -> None:
    exchange.send(b"", is_last=True)


def _status(exchange: Exchange) -> None:
    exchange.end("0")


#: By name: what the peer does, how the failure is judged. None where no call may succeed, but its code is enough.
BREAKS: dict[str, tuple[Play, Failure]] = {
    "half_a_result_ended_cleanly": (_after(_start, _hi, _nothing_more), Failure.LOST),
    "nothing_ended_cleanly": (_after(_start, _nothing_more), Failure.LOST),
    "headers_that_end_it": (lambda exchange: exchange.end(None, "", ("a", "b")), Failure.LOST),
    "trailers_without_a_status": (
        _after(_start, _hi, lambda exchange: exchange.end(None, "", ("x-other", "1"))),
        Failure.LOST,
    ),
    "a_message_cut_and_ended": (
        _after(_start, lambda exchange: exchange.send(message(b"h", length=99), is_last=True)),
        Failure.LOST,
    ),
    "garbage": (lambda exchange: exchange.raw(bytes(range(256)) * 5), Failure.LOST),
    "garbage_in_an_answer": (
        _after(_start, _hi, lambda exchange: exchange.raw(b"\xff" * 99)),
        Failure.LOST,
    ),
    "http_1": (
        lambda exchange: exchange.raw(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9),
        Failure.LOST,
    ),
    "a_status_that_is_no_number": (
        _after(_start, _hi, lambda exchange: exchange.end("abc")),
        Failure.LOST,
    ),
    "trailers_too_large": (
        _after(_start, _hi, lambda exchange: exchange.end("0", "", ("x-large", "x" * 20_000))),
        Failure.LOST,
    ),
    "a_message_that_does_not_unpack": (
        _after(
            lambda exchange: exchange.start(("grpc-encoding", "gzip")),
            lambda exchange: exchange.send(message(b"hi", flag=1)),
            _status,
        ),
        Failure.LOST,
    ),
    "a_message_larger_than_taken": (
        _after(
            _start,
            lambda exchange: exchange.send(message(b"x" * 5_000_000)[:40_000]),
            lambda exchange: exchange.end("0"),
        ),
        Failure.UNKNOWN,
    ),
    "a_page": (lambda exchange: exchange.http(200), Failure.LOST),
    **{
        f"http_{status}": (
            lambda exchange, status=status: exchange.http(status),
            Failure.UNAVAILABLE,
        )
        for status in (302, 400, 404, 408, 429, 500, 502, 503, 504)
    },
    **{
        f"http_{status}": (lambda exchange, status=status: exchange.http(status), Failure.ANSWERED)
        for status in (413, 414, 431)
    },
    "http_401": (lambda exchange: exchange.http(401), Failure.UNAUTHENTICATED),
    "http_403": (lambda exchange: exchange.http(403), Failure.FORBIDDEN),
    **{
        f"reset_{code}": (lambda exchange, code=code: exchange.reset(code), Failure.LOST)
        for code in (0, 1, 2, 3, 5, 8, 11, 12, 13)
    },
    "reset_11_in_an_answer": (
        _after(_start, _hi, lambda exchange: exchange.reset(11)),
        Failure.LOST,
    ),
    "reset_7": (lambda exchange: exchange.reset(7), Failure.UNAVAILABLE),
    "closed": (lambda exchange: exchange.close(), Failure.UNAVAILABLE),
    "closed_in_an_answer": (
        _after(_start, _hi, lambda exchange: exchange.close()),
        Failure.UNAVAILABLE,
    ),
    "sent_away": (lambda exchange: exchange.go_away(0), Failure.UNAVAILABLE),
    "sent_away_for_pings": (lambda exchange: exchange.go_away(1, 11), Failure.UNAVAILABLE),
}

#: What grpcio 1.85.3 says, by chance, of an answer that comes while the request is being written.
UNFINISHED = (
    "Error in HTTP transport completing operation: send_trailing_metadata_finished write_state=IDLE refs=1 flags=1 "
    "peer_address=ipv4:127.0.0.1:43025 (Pending writes failed due to stream closure ({}))"
)

#: What a server really says stays what it is, whatever it looks like.
WORDS: dict[str, tuple[str, str, Failure]] = {
    "a_mistake": ("13", "syntax error", Failure.ANSWERED),
    "a_quoted_reset": ("13", "no column 'Received RST_STREAM with error code 2'", Failure.ANSWERED),
    "a_quoted_page": ("2", "x Received http2 header with status: 404", Failure.UNKNOWN),
    "no_such_method": ("12", "Method not found!", Failure.ANSWERED),
    "a_lost_session": ("13", "Access denied", Failure.ACCESS_DENIED),
    "the_other_colour": ("2", "status: 456", Failure.WRONG_COLOUR),
    "a_limit": ("8", "too many queries", Failure.EXHAUSTED),
    "a_cut_request": ("12", "\"b'/a/b'\" requires exactly one request message.", Failure.LOST),
}


def _first(channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch) -> Sender:
    return sender_of(channel, PATH)


def _proven(channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch) -> Sender:
    sender = sender_of(channel, PATH)
    assert isinstance(sender, grpcio._Batches)
    sender._prove()
    return sender


def _public(channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch) -> Sender:
    monkeypatch.delattr(cygrpc.PropagationConstants, "GRPC_PROPAGATE_DEFAULTS")
    sender = sender_of(channel, PATH)
    monkeypatch.undo()
    return sender


@pytest.fixture(params=[_first, _proven, _public])
def ask(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Play], tuple[bytes | RpcFailure | None, RawServer]]]:
    """Makes one call to a server that answers as told, by each way to send; returns what came, and the server."""
    make: Callable[[grpc.Channel, pytest.MonkeyPatch], Sender] = request.param
    open_channels: list[grpc.Channel] = []
    servers: list[RawServer] = []

    def one(play: Play) -> tuple[bytes | RpcFailure | None, RawServer]:
        server = RawServer(play)
        servers.append(server)
        server.__enter__()
        options = [
            (grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, 1),
            ("grpc.enable_http_proxy", 0),
            ("grpc.enable_retries", 0),
            ("grpc.use_local_subchannel_pool", 1),
        ]
        channel = grpc.insecure_channel(f"127.0.0.1:{server.port}", options=options)
        open_channels.append(channel)
        return make(channel, monkeypatch)(b"asked", 30.0, ()).receive(), server

    yield one
    for channel in open_channels:
        channel.close()
    for server in servers:
        server.__exit__()


Ask = Callable[[Play], "tuple[bytes | RpcFailure | None, RawServer]"]


def _judged(failure: RpcFailure) -> Failure:
    meaning = signal(failure)
    name = None if meaning is None else meaning.name
    return classify(failure.code.name, failure.text, signal=name, is_sent=is_sent(failure))


def test_a_sound_answer_comes_through(ask: Ask) -> None:
    """The raw server is a server."""
    answer, server = ask(lambda exchange: exchange.answer(exchange.request + b"!"))

    assert answer == b"asked!"
    assert server.calls == ["executeStatement"]


@pytest.mark.parametrize("name", BREAKS)
def test_a_broken_answer_is_judged_by_what_broke(ask: Ask, name: str) -> None:
    """Never by the code that gRPC made up: an execute may have acted. And the call is sent once."""
    play, failure = BREAKS[name]
    answer, server = ask(play)

    assert isinstance(answer, RpcFailure), answer
    # Where the end of a page overtakes its status in gRPC, the status is gone; the call is then lost, which is as sure.
    may_be_lost = name.startswith("http_") and "Stream removed" in answer.text
    assert _judged(answer) is (Failure.LOST if may_be_lost else failure), answer
    assert server.calls == ["executeStatement"]


@pytest.mark.parametrize(
    "play",
    [
        _after(_start, lambda exchange: exchange.send(message(b"h", length=99)), _status),
        _after(_start, lambda exchange: exchange.send(message(b"hi", flag=7)), _status),
        _after(_start, _status),
    ],
    ids=["shorter_than_its_prefix", "an_unknown_flag", "none"],
)
def test_an_ok_without_a_whole_message_is_no_answer(ask: Ask, play: Play) -> None:
    """gRPC drops a message that is shorter than its prefix, and reports success: not to be believed."""
    answer, _ = ask(play)

    assert answer is None


@pytest.mark.parametrize("name", WORDS)
@pytest.mark.parametrize("in_trailers", [True, False])
def test_a_servers_word_is_its_word(ask: Ask, name: str, in_trailers: bool) -> None:
    """Trailers and trailers alone, whatever the text quotes."""
    status, text, failure = WORDS[name]

    def play(exchange: Exchange) -> None:
        if in_trailers:
            exchange.start()
            exchange.end(status, text)
        else:
            exchange.fail(status, text)

    answer, _ = ask(play)

    assert isinstance(answer, RpcFailure)
    assert (answer.code.value, answer.text) == (int(status), text)
    assert _judged(answer) is failure


def test_a_goaway_proves_nothing_unless_the_request_was_not_written() -> None:
    """A proxy may have passed the call on; what gRPC did not write, it did not."""
    text = "Stream removed (GOAWAY received; Error code: 0; Debug Text: max_age)"

    assert is_sent(RpcFailure(CODE.UNAVAILABLE, text))
    assert not is_sent(RpcFailure(CODE.UNAVAILABLE, text, was_written=False))
    assert is_sent(RpcFailure(CODE.UNAVAILABLE, "Socket closed", was_written=False))


def test_what_was_not_written_is_known(server_that_sends_away: RawServer) -> None:
    """gRPC tells it by the outcome of sending, whose event comes with that of receiving."""
    options = [("grpc.enable_http_proxy", 0), ("grpc.enable_retries", 0)]
    channel = grpc.insecure_channel("127.0.0.1:9", options=options)  # nobody listens there
    for make in (_first, _proven):
        answer = make(channel, pytest.MonkeyPatch())(b"", 30.0, ()).receive()
        assert isinstance(answer, RpcFailure)
        assert (answer.was_written, is_sent(answer)) == (False, False)
    channel.close()

    channel = grpc.insecure_channel(f"127.0.0.1:{server_that_sends_away.port}", options=options)
    for make in (_first, _proven):
        answer = make(channel, pytest.MonkeyPatch())(b"", 30.0, ()).receive()
        assert isinstance(answer, RpcFailure)
        assert (answer.was_written, is_sent(answer)) == (True, True)
    channel.close()


@pytest.fixture
def server_that_sends_away() -> Iterator[RawServer]:
    """A server that takes each call, and then says that it did not."""
    with RawServer(lambda exchange: exchange.go_away(0)) as server:
        yield server


@pytest.mark.parametrize(
    ("code", "text", "meaning"),
    [
        # As versions say it that may not be installed.
        (CODE.UNKNOWN, "Stream removed", Signal.BROKEN),
        (CODE.UNKNOWN, "Stream removed (Data frame with END_STREAM flag received)", Signal.BROKEN),
        (CODE.INTERNAL, "Received RST_STREAM with error code 2", Signal.BROKEN),
        (CODE.RESOURCE_EXHAUSTED, "Received RST_STREAM with error code 11", Signal.BROKEN),
        (
            CODE.INTERNAL,
            "Stream removed (RST_STREAM (Received RST_STREAM with error code 2))",
            Signal.BROKEN,
        ),
        (
            CODE.INTERNAL,
            "Trying to connect an http1.x server (HTTP status 400)",
            Signal.BROKEN,
        ),
        (CODE.INTERNAL, "Compression bit set but no encoding configured", Signal.BROKEN),
        (CODE.INTERNAL, "Decompression failed due to zlib error", Signal.BROKEN),
        (
            CODE.INTERNAL,
            "Unexpected error decompressing data for algorithm gzip",
            Signal.BROKEN,
        ),
        (
            CODE.RESOURCE_EXHAUSTED,
            "received metadata size exceeds hard limit (value length 17500 vs. 16384)",
            Signal.BROKEN,
        ),
        (
            CODE.RESOURCE_EXHAUSTED,
            "received metadata size exceeds soft limit (8881 vs. 8192);  :path:75B :method:43B",
            None,
        ),
        (
            CODE.RESOURCE_EXHAUSTED,
            "Stream removed (CLIENT: Received message larger than max (9 vs. 4))",
            Signal.UNREADABLE,
        ),
        (CODE.RESOURCE_EXHAUSTED, "Received message larger than max (9 vs. 4)", Signal.UNREADABLE),
        (CODE.RESOURCE_EXHAUSTED, "SERVER: Received message larger than max (9 vs. 4)", None),
        (CODE.INTERNAL, "Half-closed without a request", Signal.CUT_REQUEST),
        (CODE.UNIMPLEMENTED, "Received http2 header with status: 404", Signal.GATEWAY),
        (CODE.UNKNOWN, "Received http2 header with status: 413", Signal.GATEWAY_REFUSED),
        (
            CODE.UNKNOWN,
            UNFINISHED.format("Received http2 header with status: 413"),
            Signal.GATEWAY_REFUSED,
        ),
        (CODE.UNKNOWN, UNFINISHED.format("Received http2 header with status: 502"), Signal.GATEWAY),
        (
            CODE.INTERNAL,
            UNFINISHED.format("Data frame with END_STREAM flag received"),
            Signal.BROKEN,
        ),
        (
            CODE.INTERNAL,
            "at 1: " + UNFINISHED.format("Received http2 header with status: 413"),
            None,
        ),
        (CODE.DEADLINE_EXCEEDED, "Stream removed (Deadline Exceeded)", None),
        (CODE.INTERNAL, "Stream removed by the user", None),
        (CODE.INTERNAL, "no table 'No status received'", None),
    ],
)
def test_texts_of_other_versions_are_known(code: Code, text: str, meaning: Signal | None) -> None:
    """Code and whole text; a text that only begins so, or quotes one, is the server's."""
    assert signal_of(code, text) is meaning
