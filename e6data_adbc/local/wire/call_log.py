"""The log of calls: one line of JSON for each, without statements, values or secrets."""

from __future__ import annotations

import datetime
import json
import sys
import threading
from pathlib import Path
from typing import Any, TextIO

__all__ = ["CallLog"]


class CallLog:
    """A file of lines of JSON; any thread may write."""

    def __init__(self, file: Path | None) -> None:
        """Appends to *file*; `-` is standard error, and None writes nothing."""
        self._lock = threading.Lock()
        self._file: TextIO | None = None
        self._is_ours = False
        if file is not None:
            self._is_ours = str(file) != "-"
            self._file = file.open("a", encoding="utf-8") if self._is_ours else sys.stderr

    @property
    def is_on(self) -> bool:
        """True if somebody reads it."""
        return self._file is not None

    def write(self, **fields: Any) -> None:
        """Writes one line: the time in UTC, then *fields* that are not None."""
        if self._file is None:
            return
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
        told = {"time": now, **{name: value for name, value in fields.items() if value is not None}}
        line = json.dumps(told, ensure_ascii=False) + "\n"
        with self._lock:
            if self._file is not None:
                self._file.write(line)
                self._file.flush()

    def close(self) -> None:
        """Ends the log; what is written after that is lost."""
        with self._lock:
            if self._file is not None and self._is_ours:
                self._file.close()
            self._file = None
