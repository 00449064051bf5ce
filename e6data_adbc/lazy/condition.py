"""A condition in SQL, with the values that are bound in it, and whether it says all that Polars says."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, Union

import pyarrow as pa

__all__ = ["Condition", "Part", "always", "joined"]

#: SQL text, or a value that is bound in its place.
Part = Union[str, "pa.Scalar[Any]"]


@dataclasses.dataclass(frozen=True)
class Condition:
    """SQL that is true for every row that Polars keeps; for those alone, unless there is a doubt."""

    parts: tuple[Part, ...]
    doubt: str | None = None

    def doubted(self, doubt: str) -> Condition:
        """Returns the same condition, for another reason to filter again."""
        return dataclasses.replace(self, doubt=doubt)


def always(value: bool) -> Condition:  # noqa: FBT001 - it is the value
    """Returns the condition that is *value* for every row."""
    return Condition(("1 = 1" if value else "1 = 0",))


def joined(conditions: Sequence[Condition], by: str) -> Condition:
    """Returns *conditions* joined by an operator with blanks around it; in doubt where one of them is."""
    if len(conditions) == 1:
        return conditions[0]
    parts: list[Part] = ["("]
    for condition in conditions:
        parts += [*condition.parts, by]
    parts[-1] = ")"
    doubt = next((condition.doubt for condition in conditions if condition.doubt), None)
    return Condition(tuple(parts), doubt)
