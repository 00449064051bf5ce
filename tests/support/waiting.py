"""Waiting for what the native side does on its own threads."""

import threading
import time
from collections.abc import Callable

#: Seconds after which what does not come is a fault.
TIMEOUT = 10.0


def eventually(condition: Callable[[], bool], timeout: float = TIMEOUT) -> None:
    """Returns once *condition* holds; native threads announce nothing, so it asks again and again."""
    end = time.monotonic() + timeout
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, f"not within {timeout} s"
        pause.wait(0.001)


class Background(threading.Thread):
    """A thread whose result, or exception, is asked for afterwards."""

    def __init__(self, target: Callable[[], object]) -> None:
        super().__init__(daemon=True)
        self.target = target
        self.result: object = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.result = self.target()
        except BaseException as error:  # handed to whoever asks
            self.error = error

    def outcome(self, timeout: float = TIMEOUT) -> object:
        """Returns the result, or raises the exception."""
        self.join(timeout)
        assert not self.is_alive(), f"not within {timeout} s"
        if self.error:
            raise self.error
        return self.result
