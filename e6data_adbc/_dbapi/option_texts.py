"""Texts as C carries them between the driver manager and the driver, and options in the form that all managers take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from e6data_adbc import errors

__all__ = ["flaw_of", "refused_text", "texts"]


def flaw_of(text: str) -> str | None:
    """Returns why C cannot carry *text*, which it would cut or change; None where it can."""
    if (at := text.find("\0")) >= 0:
        return f"there is a NUL character at position {at}, where C would cut it off"
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as cause:
            if (
                "\udc80" <= text[cause.start] <= "\udcff"
            ):  # so Python reads what is no text of a terminal or a file
                return f"there is a byte at position {cause.start} that is not valid UTF-8"
            return f"there is half a surrogate pair at position {cause.start}, which is no Unicode"
    return None


def refused_text(verb: str, flaw: str) -> errors.Error:
    """Returns the error for a text with *flaw*, which it does not quote; *verb* says what was attempted."""
    return errors.make(
        errors.Status.INVALID_ARGUMENT, f"could not {verb}: {flaw}", hint="take it out of the text"
    )


def texts(options: Mapping[str, Any], *, resets: bool = False) -> dict[str, Any]:
    """Returns *options* with numbers as text: managers up to 1.10 take no others, and none takes those of 65 bits.

    Args:
        options: By key.
        resets: Whether None is a value: that of an option which shall have its default again.

    Raises:
        ProgrammingError: A value is neither text, bytes nor a number, or C cannot carry it; it names the option.
    """
    return {key: _text(key, value, resets=resets) for key, value in options.items()}


def _text(key: str, value: Any, *, resets: bool) -> Any:
    if isinstance(value, int | float):
        return str(value).lower()
    for text in (key, value):
        if isinstance(text, str) and (flaw := flaw_of(text)) is not None:
            raise refused_text(f"set option {key!r}", flaw)
    if isinstance(value, str | bytes) or (value is None and resets):
        return value
    raise errors.make(
        errors.Status.INVALID_ARGUMENT,
        f"could not set option {key!r}: a value of type {type(value).__name__} is neither text, bytes nor a number",
        hint="leave it out to have its default" if value is None else None,
    )
