"""A disk under loads that counts the steps, and a process that dies at one of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from e6data_adbc.etl.files import disk

#: What changes something on a disk, or makes it last.
_STEPS = ("open", "write", "fsync", "mkdir", "link", "rename", "unlink", "rmdir")


class Killed(BaseException):
    """The process is dead: whatever catches this can change nothing any more."""


class CountedOs:
    """The module `os` as `disk` sees it, in which each step asks first."""

    def __init__(self, before: Callable[[], None]) -> None:
        self._before = before

    def __getattr__(self, name: str) -> Any:
        found = getattr(os, name)
        if name not in _STEPS:
            return found

        def step(*arguments: Any) -> Any:
            self._before()
            # Nobody cuts the power, so nothing has to be waited for.
            return None if name == "fsync" else found(*arguments)

        return step


@contextlib.contextmanager
def counted(before: Callable[[], None]) -> Iterator[None]:
    """Calls *before* before each step on the disk."""
    disk.os = CountedOs(before)  # type: ignore[assignment]
    try:
        yield
    finally:
        disk.os = os


class Death:
    """Lets a number of steps pass, and none after them; locks are given back, as the system does."""

    def __init__(self, steps: int) -> None:
        self._left = steps
        self.has_come = False

    def __call__(self) -> None:
        if self._left == 0:
            self._die()
        self._left -= 1

    def _die(self) -> NoReturn:
        self.has_come = True
        raise Killed
