"""Which columns and rows of a partition its reader wants, as the options say."""

from __future__ import annotations

import dataclasses
import json
from typing import Final

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc._driver.partitions.ticket import SubQuery, Ticket
from e6data_adbc._options.option_level import parse_name
from e6data_adbc._sql.narrowed import check_condition, narrowed
from e6data_adbc.errors import Status
from e6data_adbc.options import ConnectionOptions, OptionValue

__all__ = ["KEYS", "Narrowing"]

_COLUMNS: Final = ConnectionOptions.PARTITION_COLUMNS.value
_WHERE: Final = ConnectionOptions.PARTITION_WHERE.value
#: The options that say what is read of a partition.
KEYS: Final = frozenset({_COLUMNS, _WHERE})


@dataclasses.dataclass(frozen=True)
class Narrowing:
    """Some columns, in their order, and a condition; None for all."""

    columns: tuple[str, ...] | None = None
    where: str | None = None

    def with_option(self, key: str, value: OptionValue) -> Narrowing:
        """Returns it with option *key* of `KEYS` set, or reset by None.

        Raises:
            ProgrammingError: *value* does not parse (INVALID_ARGUMENT).
        """
        text = parse_name(value)
        if key == _COLUMNS:
            return dataclasses.replace(self, columns=None if text is None else _names(text))
        if text is not None:
            check_condition(text)
        return dataclasses.replace(self, where=text)

    def read(self, key: str) -> OptionValue:
        """Returns the value of option *key* of `KEYS`, None where it has none."""
        if key == _WHERE:
            return self.where
        return None if self.columns is None else json.dumps(self.columns, ensure_ascii=False)

    def of(self, ticket: Ticket) -> Ticket:
        """Returns *ticket* with these columns and rows of it alone.

        Raises:
            ProgrammingError: It stands for a result that runs already (INVALID_STATE), or has no such column
                (INVALID_ARGUMENT).
        """
        if self.columns is None and self.where is None:
            return ticket
        if not isinstance(ticket.work, SubQuery):
            raise errors.make(
                Status.INVALID_STATE,
                f"could not read the partition with {_COLUMNS} or {_WHERE}: its query runs already",
                hint="reset them, or split the query, whose readers run their parts themselves",
            )
        schema = ticket.schema
        if self.columns is not None:
            schema = pa.schema([_field(schema, name) for name in self.columns])
        work = SubQuery(narrowed(ticket.work.sql, schema.names, self.where))
        return dataclasses.replace(ticket, work=work, schema=schema)


def _names(text: str) -> tuple[str, ...]:
    try:
        names = json.loads(text)
    except ValueError as cause:
        raise _refused(text, f"it is not JSON: {cause}") from None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise _refused(text, "it is not a JSON array of names")
    if not names:
        raise _refused(text, "it names no column")
    if len(set(names)) < len(names):
        raise _refused(text, "it names a column twice")
    return tuple(names)


def _refused(text: str, cause: str) -> errors.Error:
    return errors.make(
        Status.INVALID_ARGUMENT,
        f"could not set option {_COLUMNS!r} to {text!r}: {cause}",
        hint='write for instance ["order_id", "amount"]',
    )


def _field(schema: pa.Schema, name: str) -> pa.Field[pa.DataType]:
    if schema.names.count(name) != 1:
        cause = "more than one column" if name in schema.names else "no column"
        known = ", ".join(map(repr, schema.names[:20]))
        raise errors.make(
            Status.INVALID_ARGUMENT,
            f"could not read column {name!r} of the partition: {cause} of its query has that name; it has {known}",
        )
    return schema.field(name)
