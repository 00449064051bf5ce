"""The version of the package; a test holds it against that of the Rust workspace."""

from __future__ import annotations

from typing import Final

__all__ = ["VERSION"]

VERSION: Final = "0.9.0"
