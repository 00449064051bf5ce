"""Planning: a query as tickets, without running it."""

from __future__ import annotations

import datetime
import decimal
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from e6data_adbc import errors
from e6data_adbc._hide_secrets import concealing, revealed
from e6data_adbc.distributed.task import Ticket
from e6data_adbc.errors import Status
from e6data_adbc.options import DatabaseOptions, StatementOptions

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["plan"]

_QUANTILES: Final = "quantiles"


@concealing
def plan(
    sql: str,
    uri: str | None = None,
    on: str | None = None,
    count: int | None = None,
    bounds: str | Sequence[Any] | None = None,
    *,
    parameters: Any = None,
) -> tuple[list[Ticket], pa.Schema]:
    """Returns a query in parts and the schema of its rows; the parts run when they are read, each time anew.

    Every row is in exactly one part, whatever the bounds are; NULL is in the first, NaN in the last. Each part sees
    the data as they are when it is read.

    Args:
        sql: One query, which gives the same rows each time.
        uri: `e6data://…`, also with user and token: the tickets carry it to their readers, and show it nowhere. Without
            it, `E6DATA_URI`, here and where tickets are read.
        on: The column of the result that it is split by; without it there is one part.
        count: How many parts there may be; 8 by default.
        bounds: Two values between which the parts are even, either of them None where the server shall be asked; or
            `"quantiles"`, by which the parts have about as many rows each, whatever the column's values are. By default
            the server is asked for the smallest and the largest value.
        parameters: Values for the placeholders of *sql*, one row of them, as `execute` takes them. The tickets have
            them, as they have the query.

    Raises:
        ProgrammingError: The text is not surely one query, cannot be split so, or the engine is one of this process.
        NotSupportedError: The column's type has no order that could be split by.
        Error: A call failed.
    """
    import e6data_adbc

    if on is None and (count is not None or bounds is not None):
        raise errors.make(
            Status.INVALID_ARGUMENT,
            f"could not plan the query: {'count' if count is not None else 'bounds'} was given, and no column to"
            " split by",
            hint="name one of the result's columns with on",
        )
    options = {
        # A result that runs is read once, and engines read again what failed.
        DatabaseOptions.DEFER_QUERY.value: "true",
        StatementOptions.PARTITION_ON.value: revealed(on),
        StatementOptions.PARTITION_COUNT.value: None if count is None else str(count),
        StatementOptions.PARTITION_BOUNDS.value: None if bounds is None else _text(bounds),
    }
    given = {key: value for key, value in options.items() if value is not None}
    with e6data_adbc.connect(uri) as connection:
        _check_reachable(connection)
        with connection.cursor(adbc_stmt_kwargs=given) as cursor:
            tickets, schema = cursor.adbc_execute_partitions(revealed(sql), _values(parameters))
    return [Ticket(ticket, uri) for ticket in tickets], schema


def _values(parameters: Any) -> Any:
    """Returns parameters as their caller gave them."""
    if isinstance(parameters, Mapping):
        return {name: revealed(value) for name, value in parameters.items()}
    return revealed(parameters)


def _text(bounds: str | Sequence[Any]) -> str:
    """Returns the option's text for what a caller gave."""
    if isinstance(bounds, str):
        return str(revealed(bounds))
    if len(bounds) != 2:
        raise errors.make(
            Status.INVALID_ARGUMENT,
            f"could not plan the query: its bounds are {len(bounds)} values",
            hint=f"give the lower and the upper one, or {_QUANTILES!r}",
        )
    return json.dumps([_plain(value) for value in bounds])


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value) if isinstance(value, decimal.Decimal) else value


def _check_reachable(connection: Any) -> None:
    """Raises INVALID_ARGUMENT if no other process could read the tickets."""
    uri = connection.adbc_database.get_option(DatabaseOptions.URI.value)
    if str(uri).startswith("e6data:local"):
        raise errors.make(
            Status.INVALID_ARGUMENT,
            "could not plan the query: the engine of 'e6data:local' lives in this process, where no worker reaches it",
            hint="start one with e6data-adbc serve, and give its URI",
        )
