"""Tests of a shared suite with marks of ours."""

from __future__ import annotations

import functools
from typing import Any

import pytest

__all__ = ["slow"]


def slow(test: Any) -> Any:
    """Returns *test* as a slow one; the suite's own stays what it is, for others."""

    @pytest.mark.slow
    @pytest.mark.timeout(600)
    @functools.wraps(test)
    def marked(*arguments: Any, **keywords: Any) -> None:
        test(*arguments, **keywords)

    return marked
