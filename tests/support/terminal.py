"""A program on a terminal of its own: what a person would see and type."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence

__all__ = ["Terminal"]

#: Sequences that move the cursor, colour or switch something.
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07]*\x07|[@-_])")
_DEADLINE = 60.0
#: Makes the terminal that of the session, so that Ctrl-C is a signal, and becomes the command.
_TAKE = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execvp(sys.argv[1], sys.argv[1:])
"""


class Terminal:
    """A process whose standard streams are a pseudo-terminal; close it."""

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], columns: int = 120, rows: int = 40
    ) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, "-c", _TAKE, *command],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm", **env},
        )
        os.close(slave)
        #: All that was shown so far, without the sequences.
        self.shown = ""
        self._raw = ""
        self._read_to = 0

    def close(self) -> None:
        """Ends the process."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait(timeout=_DEADLINE)
        os.close(self._master)

    def send(self, text: str) -> None:
        """Types *text*."""
        os.write(self._master, text.encode(errors="surrogateescape"))

    def line(self, text: str) -> None:
        """Types *text* and Enter."""
        self.send(f"{text}\r")

    def expect(self, pattern: str) -> re.Match[str]:
        """Waits until *pattern* is shown after what was expected before, and returns the match."""
        deadline = time.monotonic() + _DEADLINE
        while True:
            found = re.compile(pattern).search(self.shown, self._read_to)
            if found is not None:
                self._read_to = found.end()
                return found
            if not self._read(deadline):
                raise AssertionError(
                    f"{pattern!r} is not shown after: {self.shown[self._read_to :]!r}"
                )

    def wait(self) -> int:
        """Returns the exit code of the process, which ends by itself."""
        deadline = time.monotonic() + _DEADLINE
        while self._read(deadline):
            pass
        return self.process.wait(timeout=_DEADLINE)

    def _read(self, deadline: float) -> bool:
        """Reads more; False where the terminal was closed or the time is over."""
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([self._master], [], [], left)[0]:
            return False
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the other side is closed
            return False
        if not data:
            return False
        self._raw += data.decode(errors="replace")
        self.shown = _ESCAPES.sub("", self._raw).replace("\r", "")
        return True
