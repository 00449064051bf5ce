"""A stand-in for a signal handler that runs at a certain line."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

__all__ = ["LineHandler"]


class LineHandler:
    """Runs once, at the *line*-th line of the files in question of what `during` calls, in the same thread."""

    def __init__(self, line: int, act: Callable[[], object], files: tuple[str, ...]) -> None:
        """Runs nothing yet.

        Args:
            line: From 1 on.
            act: What the handler does.
            files: How the paths of the files begin whose lines count.
        """
        self.lines_left = line
        self._act = act
        self._files = files

    def during(self, call: Callable[[], Any]) -> Any:
        """Returns what *call* returns."""
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            return call()
        finally:
            sys.settrace(before)

    def _enter(self, frame: FrameType, event: str, argument: object) -> Any:
        return self._count if frame.f_code.co_filename.startswith(self._files) else None

    def _count(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "line":
            self.lines_left -= 1
            if self.lines_left == 0:
                self._act()
        return self._count
