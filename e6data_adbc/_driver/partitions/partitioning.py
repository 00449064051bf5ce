"""How a query is split, as the options say."""

from __future__ import annotations

import dataclasses
from typing import Final

from e6data_adbc import errors
from e6data_adbc._driver.partitions import split
from e6data_adbc._options.option_level import parse_name
from e6data_adbc.errors import Status
from e6data_adbc.options import OptionValue, StatementOptions

__all__ = ["VERB", "KEYS", "USUAL_COUNT", "Partitioning"]

_ON: Final = StatementOptions.PARTITION_ON.value
_BOUNDS: Final = StatementOptions.PARTITION_BOUNDS.value
_COUNT: Final = StatementOptions.PARTITION_COUNT.value
#: The options that say how a query is split.
KEYS: Final = frozenset({_ON, _BOUNDS, _COUNT})

USUAL_COUNT: Final = 8
#: What executing in partitions is called in errors.
VERB: Final = "execute in partitions"


@dataclasses.dataclass(frozen=True)
class Partitioning:
    """How a query is split, as the options say; without a column it is one partition."""

    column: str | None = None
    bounds: str | None = None
    count: int | None = None

    def with_option(self, key: str, value: OptionValue) -> Partitioning:
        """Returns it with option *key* of `KEYS` set, or reset by None.

        Raises:
            ProgrammingError: *value* does not parse (INVALID_ARGUMENT).
        """
        text = parse_name(value)
        if key == _ON:
            return dataclasses.replace(self, column=text)
        if key == _BOUNDS:
            if text is not None and text != split.QUANTILES:
                split.parse_bounds(text)
            return dataclasses.replace(self, bounds=text)
        return dataclasses.replace(self, count=None if text is None else _count(text))

    def read(self, key: str) -> OptionValue:
        """Returns the value of option *key* of `KEYS`, None where it has none."""
        return {_ON: self.column, _BOUNDS: self.bounds, _COUNT: self.count or USUAL_COUNT}[key]

    def check(self) -> None:
        """Raises INVALID_STATE if there are bounds or a count and nothing that they are about."""
        for key, value in ((_BOUNDS, self.bounds), (_COUNT, self.count)):
            if self.column is None and value not in (None, 1):
                raise errors.make(
                    Status.INVALID_STATE,
                    f"could not {VERB}: option {key!r} is set, and no column to split by",
                    hint=f"set {_ON!r}",
                )


def _count(text: str) -> int:
    try:
        count = float(text)
    except ValueError:
        count = 0.0
    if not (count.is_integer() and 1 <= count <= split.MOST_PARTITIONS):
        raise errors.make(
            Status.INVALID_ARGUMENT,
            f"could not set option {_COUNT!r} to {text!r}: not a whole number between 1 and"
            f" {split.MOST_PARTITIONS}",
        )
    return int(count)
