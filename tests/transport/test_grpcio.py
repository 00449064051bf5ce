"""The two ways to make a unary call, which must not differ to whoever makes it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import grpc
import grpc.experimental
import pytest
from grpc._cython import cygrpc

from e6data_adbc._transport import grpcio
from e6data_adbc._transport.api import Code, RpcFailure
from e6data_adbc._transport.grpcio import Sender, sender_of
from tests.support.fake_server import FakeServer, fail

METHOD = "/QueryEngineService/executeStatementV2"
NAME = "executeStatementV2"


class _OtherSignature:
    """A lower layer that takes other arguments than the one we know."""

    def segregated_call(self) -> None:
        raise AssertionError


def _lower(channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch) -> Sender:
    monkeypatch.setattr(
        grpcio, "_Streams", lambda *_: None
    )  # so that there is nothing to fall back on
    return sender_of(channel, METHOD)


def _public(channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch) -> Sender:
    # As after a change of grpcio: what is looked up there is not found.
    monkeypatch.delattr(cygrpc.PropagationConstants, "GRPC_PROPAGATE_DEFAULTS")
    sender = sender_of(channel, METHOD)
    monkeypatch.undo()
    assert isinstance(sender, grpcio._Streams)
    return sender


def _after_another_signature(channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch) -> Sender:
    public = grpcio._Streams(channel, METHOD)
    monkeypatch.setattr(channel, "_channel", _OtherSignature())
    return grpcio._Batches(channel, METHOD, public)


@pytest.fixture
def channel(server: FakeServer) -> Iterator[grpc.Channel]:
    """A channel with the option that the transport sets."""
    options = [(grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, 1)]
    channel = grpc.insecure_channel(f"127.0.0.1:{server.port}", options=options)
    lower = channel._channel
    yield channel
    channel._channel = lower
    channel.close()


@pytest.fixture(params=[_lower, _public, _after_another_signature])
def send(
    request: pytest.FixtureRequest, channel: grpc.Channel, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Sender]:
    """Each way to send."""
    make: Callable[[grpc.Channel, pytest.MonkeyPatch], Sender] = request.param
    with monkeypatch.context() as patch:
        yield make(channel, patch)


def test_message_and_metadata_arrive(server: FakeServer, send: Sender) -> None:
    """The server sees the bytes, the metadata and a deadline; its bytes come back."""
    server.answers[NAME] = lambda request, _: request + b"!"

    assert send(b"asked", 30.0, (("strategy", "blue"),)).receive() == b"asked!"
    (call,) = server.received
    assert call.headers["strategy"] == "blue"
    assert call.seconds_left is not None
    assert 0 < call.seconds_left < 31  # it travels in whole units


def test_a_failure_has_code_text_and_pushback(server: FakeServer, send: Sender) -> None:
    """What the server says about a failed call is all there."""

    def refuse(_: bytes, context: grpc.ServicerContext) -> bytes:
        context.set_trailing_metadata((("grpc-retry-pushback-ms", "1500"),))
        return fail(grpc.StatusCode.RESOURCE_EXHAUSTED, "später")(b"", context)  # type: ignore[return-value]

    server.answers[NAME] = refuse
    failure = send(b"", 30.0, ()).receive()

    assert isinstance(failure, RpcFailure)
    assert failure.code is Code.RESOURCE_EXHAUSTED
    assert (failure.text, failure.pushback) == ("später", 1.5)


def test_any_number_of_messages_but_one_is_none(server: FakeServer, send: Sender) -> None:
    """An answer of no or of two messages is none, and nobody waits for its deadline."""
    for messages in ([], [b"a", b"b"]):
        server.answers[NAME] = lambda _, __, messages=messages: messages

        assert send(b"", 600.0, ()).receive() is None


def test_an_answer_is_told_of_when_it_is_whole(server: FakeServer, send: Sender) -> None:
    """Whoever asks to be told is told once at most, of a good answer only, and may make a call there and then."""
    server.answers[NAME] = lambda request, _: request
    told: list[bytes | RpcFailure | None] = []

    def arrived() -> None:
        told.append(send(b"another", 30.0, ()).receive())

    answers = [send(b"%d" % number, 30.0, ()).receive(arrived) for number in range(3)]
    assert answers == [b"0", b"1", b"2"]
    # Not by the first answer, which may have a second message, nor where grpcio does not say.
    call = send(b"", 30.0, ())
    assert call.receive() == b""
    is_lower = isinstance(call, grpcio._Whole)
    assert told == (2 * [b"another"] if is_lower else [])

    server.answers[NAME] = fail(grpc.StatusCode.UNAVAILABLE, "gone")
    assert isinstance(send(b"", 30.0, ()).receive(arrived), RpcFailure)
    assert len(told) == 2 * is_lower


def test_another_thread_cancels(server: FakeServer, send: Sender) -> None:
    """A blocked `receive` ends with CANCELLED; cancelling a call that has ended does nothing."""
    server.answers[NAME] = server.hang
    call = send(b"", 600.0, ())
    canceller = threading.Thread(target=lambda: (server.wait_for(NAME), call.cancel()))
    canceller.start()
    failure = call.receive()
    canceller.join()
    call.cancel()

    assert isinstance(failure, RpcFailure)
    assert failure.code is Code.CANCELLED


def test_a_deadline_ends_the_wait(server: FakeServer, send: Sender) -> None:
    """The deadline of a call is the client's own."""
    server.answers[NAME] = server.hang
    failure = send(b"", 0.05, ()).receive()

    assert isinstance(failure, RpcFailure)
    assert failure.code is Code.DEADLINE_EXCEEDED
