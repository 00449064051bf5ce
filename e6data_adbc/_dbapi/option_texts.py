"""Options in the form in which every driver manager hands them on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from e6data_adbc import errors

__all__ = ["texts"]


def texts(options: Mapping[str, Any], *, resets: bool = False) -> dict[str, Any]:
    """Returns *options* with numbers as text: managers up to 1.10 take no others, and none takes those of 65 bits.

    Args:
        options: By key.
        resets: Whether None is a value: that of an option which shall have its default again.

    Raises:
        ProgrammingError: A value is neither text, bytes nor a number; it names the option.
    """
    return {key: _text(key, value, resets=resets) for key, value in options.items()}


def _text(key: str, value: Any, *, resets: bool) -> Any:
    if isinstance(value, int | float):
        return str(value).lower()
    if isinstance(value, str | bytes) or (value is None and resets):
        return value
    raise errors.make(
        errors.Status.INVALID_ARGUMENT,
        f"could not set option {key!r}: a value of type {type(value).__name__} is neither text, bytes nor a number",
        hint="leave it out to have its default" if value is None else None,
    )
