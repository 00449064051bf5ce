"""What a translation refuses."""

from __future__ import annotations

__all__ = ["UnsupportedSqlError"]


class UnsupportedSqlError(ValueError):
    """SQL that the local engine will not run; the text is for the user, in one line."""
