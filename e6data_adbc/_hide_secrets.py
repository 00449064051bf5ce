"""Keeps what callers give us to sign in with out of the tracebacks that show the locals of our frames."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, ParamSpec, TypeVar

__all__ = ["Concealed", "concealing", "revealed"]

P = ParamSpec("P")
R = TypeVar("R")


class Concealed(str):
    """A text whose `repr` does not show it; in every other way the text that it is.

    An error that quotes one has to quote what `revealed` returns.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def concealing(function: Callable[P, R]) -> Callable[P, R]:
    """Makes *function* take its texts, and those in its mappings, as `Concealed`.

    Its callers know what they gave; a log of an exception with the locals of each frame must not.
    """

    @functools.wraps(function)
    def concealed(*args: P.args, **kwargs: P.kwargs) -> R:
        args = tuple(map(_conceal, args))  # type: ignore[assignment] # the types stay the same
        kwargs = _conceal(kwargs)
        return function(*args, **kwargs)

    return concealed


def revealed(value: Any) -> Any:
    """Returns *value* as its caller gave it, if it is a text."""
    return str(value) if isinstance(value, Concealed) else value


def _conceal(value: Any) -> Any:
    if isinstance(value, str):
        return Concealed(value)
    if isinstance(value, Mapping):
        return {key: _conceal(item) for key, item in value.items()}
    return value
