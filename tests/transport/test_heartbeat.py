"""Signs of life while a call waits."""

from __future__ import annotations

import threading
import time

from e6data_adbc._options.option_values import Settings
from e6data_adbc._transport import methods
from e6data_adbc._transport.api import Rpc
from e6data_adbc._transport.heartbeat import Heartbeat
from e6data_adbc._transport.scope import Scope
from e6data_adbc._transport.transport import Transport
from tests.support.calls import call_of
from tests.support.fake_server import FakeServer


class Beats:
    """Counts, and can be waited for."""

    def __init__(self) -> None:
        self.count = 0
        self._changed = threading.Condition()

    def __call__(self) -> None:
        with self._changed:
            self.count += 1
            self._changed.notify_all()

    def wait_for(self, count: int) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: self.count >= count, 30)


def threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "e6data-heartbeat"}


def begin(heartbeat: Heartbeat, call: str) -> None:
    """Does what the transport does for each call."""
    heartbeat.waiting[call] = time.monotonic()
    heartbeat.start()


def test_a_call_that_waits_makes_it_beat() -> None:
    """Again and again, as long as the call is open, by one thread for all calls."""
    beats = Beats()
    heartbeat = Heartbeat(beats, period=0.01)
    before = threads()
    begin(heartbeat, "one")
    begin(heartbeat, "another")

    assert beats.wait_for(3)
    assert len(threads() - before) == 1
    heartbeat.close()


def test_without_calls_it_ends_by_itself_and_begins_anew() -> None:
    """The thread goes when nothing was open for a period, and comes back with the next call."""
    beats = Beats()
    heartbeat = Heartbeat(beats, period=0.01)
    for _ in range(2):
        begin(heartbeat, "one")
        assert beats.wait_for(1)
        heartbeat.waiting.clear()
        end = time.monotonic() + 30
        while heartbeat.is_running and time.monotonic() < end:
            threading.Event().wait(0.005)

        assert not heartbeat.is_running
        beats.count = 0


def test_closing_ends_it_at_once() -> None:
    """Nobody waits for a period to end; and after it there is no new thread."""
    before = threads()
    heartbeat = Heartbeat(Beats(), period=3600)
    begin(heartbeat, "one")
    (thread,) = threads() - before
    heartbeat.close()

    thread.join(30)
    assert not thread.is_alive()
    begin(heartbeat, "one")
    assert not threads() - before


class Walked:
    """A course of which the test says for how long its call has been under way."""

    native = None

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self.asked = Beats()

    def leave(self) -> tuple[int, int, int, Rpc | None]:
        return 0, 0, 0, None

    def cancel(self) -> None:
        pass

    def waits(self) -> float | None:
        self.asked()
        return self.seconds


def test_a_course_makes_it_beat_only_while_its_call_waits() -> None:
    """Between two calls its reader may take any time: nobody has to be kept awake for that."""
    beats = Beats()
    heartbeat = Heartbeat(beats, period=0.01)
    course = Walked(None)
    heartbeat.courses[course] = None
    heartbeat.start()
    assert course.asked.wait_for(5)
    assert beats.count == 0
    assert heartbeat.is_running

    course.seconds = 3600.0
    assert beats.wait_for(3)
    heartbeat.close()


def test_the_server_answers_it(server: FakeServer, transport: Transport) -> None:
    """A call that waits is accompanied by one that does not, on the same connection; its error is no error."""
    gate = threading.Event()
    server.answer("getNextResultBatch", lambda *_: (gate.wait(30), b"")[1])
    transport.heartbeat = Heartbeat(transport._beat, period=0.01)
    scope = Scope(Settings())
    reader = threading.Thread(target=lambda: transport.call(call_of(methods.FETCH, scope), scope))
    reader.start()
    server.wait_for("healthCheck", 2)
    gate.set()
    reader.join(30)

    assert not reader.is_alive()
    assert server.count("getNextResultBatch") == 1


def test_the_thread_looks_after_calls_in_the_meantime() -> None:
    """Where the channel has none of its own; a beat comes after each stretch, and closing ends it."""
    beats = Beats()
    stretches: list[float] = []

    def tend(seconds: float) -> bool:
        stretches.append(seconds)
        return True

    heartbeat = Heartbeat(beats, period=0.01, tend=tend)
    heartbeat.waiting["a call"] = time.monotonic() - 1
    heartbeat.start()
    assert beats.wait_for(3)
    heartbeat.close()

    assert set(stretches) == {0.01}
    assert len(stretches) >= 3
