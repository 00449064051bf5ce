"""Where files of the user lie that may be lost at any time."""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["user_cache"]


def user_cache() -> Path | None:
    """Returns this package's folder in the user's cache, which need not exist; None where the user has no home.

    `$XDG_CACHE_HOME/e6data` if that is an absolute path, else `~/.cache/e6data`, on macOS `~/Library/Caches/e6data`.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if cache.is_absolute():
        return cache / "e6data"
    home = Path(os.path.expanduser("~"))
    if not home.is_absolute():
        return None
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "e6data"
