"""The command: what one execution runs, a text and the values that the server binds to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa

__all__ = ["Command", "Operand"]


class Operand(NamedTuple):
    """A value for one `?`; *label* is what errors call its parameter."""

    label: str
    scalar: pa.Scalar[Any]


class Command(NamedTuple):
    """What one execution runs.

    Attributes:
        sql: The text.
        values: What the server binds to the `?` of the text, from left to right; none of them is null.
        rows: How many rows of parameters it is made of.
    """

    sql: str
    values: Sequence[Operand] = ()
    rows: int = 1
