"""Engines in processes of their own."""

from __future__ import annotations

import re
import signal
import subprocess
import sys


class ServedEngine:
    """An `e6data-adbc serve` process."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "e6data_adbc",
                "serve",
                "--port",
                "0",
                "--user",
                "u",
                "--token",
                "t",
                *arguments,
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        found = re.fullmatch(r"listening on e6data://(127\.0\.0\.1:\d+)\n", line)
        assert found, line
        self.uri = f"e6data://u:t@{found.group(1)}/sample/sales"

    def kill(self) -> None:
        """Ends the process without a word to its clients."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """Ends the process as a service manager would."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(timeout=60)
        assert self.process.stdout is not None
        self.process.stdout.close()
