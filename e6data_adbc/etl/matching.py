"""The columns of a result against those that a destination has, for destinations whose columns have Arrow types."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.columns import Column, Converter, fits_without_loss, has_more_digits
from e6data_adbc.etl.faults import Fault, fault_detail
from e6data_adbc.etl.sink import OnType, Request, Schema

__all__ = ["Arranger", "Match", "check_key", "match", "store_all"]


@dataclasses.dataclass(frozen=True)
class Match:
    """How columns go into a destination.

    Attributes:
        columns: Those of the result, in its order, as they are stored.
        schema: All columns that the destination has then, in its order.
        added: Names of those that it gets.
        widened: Names of those whose type becomes a wider one.
    """

    columns: tuple[Column, ...]
    schema: pa.Schema
    added: tuple[str, ...] = ()
    widened: tuple[str, ...] = ()


def check_key(target: str, request: Request, schema: pa.Schema) -> None:
    """Refuses a key of an upsert that is none of the result's columns."""
    for name in request.key:
        if name not in schema.names:
            raise errors.make(
                Status.INVALID_ARGUMENT,
                f"could not load into {target!r}: the key {name!r} is none of the columns {schema.names}",
            )


def store_all(
    target: str,
    request: Request,
    schema: pa.Schema,
    stored: Callable[[pa.Field[Any]], Column | str],
    *,
    folds_case: bool = False,
) -> tuple[Column, ...]:
    """Returns how each column is stored where the destination is new.

    Args:
        target: The destination's address, for errors.
        request: What the caller wants.
        schema: The columns of the result.
        stored: Says how one is stored, or why it cannot be.
        folds_case: Whether names that differ in case only are the same.

    Raises:
        NotSupportedError: Some cannot be; names each.
    """
    columns, reasons = [], []
    for field in schema:
        found = stored(field)
        shown = f"column {field.name!r} of type {str(field.type)!r}"
        if isinstance(found, str):
            reasons.append(f"{shown}: {found}")
        elif found.loss and request.on_type is OnType.ERROR:
            reasons.append(f'{shown}: {found.loss}, which on_type="cast" allows')
        else:
            columns.append(found)
    names = [name.lower() if folds_case else name for name in schema.names]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        reasons.append(f"two columns have the name {twice[0]!r}")
    if not names:
        reasons.append("the result has no columns")
    check_key(target, request, schema)
    if reasons:
        raise errors.make(
            Status.NOT_IMPLEMENTED,
            f"could not load into {target!r}: {'; '.join(reasons)}",
            hint="cast or rename the columns in the query",
        )
    return tuple(columns)


def match(
    target: str,
    request: Request,
    columns: Sequence[Column],
    there: pa.Schema | None,
    *,
    folds_case: bool = False,
    widens: Callable[[pa.Field[Any], Any], bool] = lambda *_: False,
) -> Match:
    """Compares *columns* with those that are there.

    Args:
        target: The destination's address, for errors.
        request: What the caller wants.
        columns: What `store_all` returned.
        there: The destination's; None where it is new.
        folds_case: Whether names that differ in case only are the same.
        widens: Tells whether the destination can give a column that is there a wider type, and loses nothing.

    Raises:
        ProgrammingError: One would be narrowed or has no place, or a column that needs values would have none.
    """
    if there is None:
        if request.schema is Schema.MATCH:
            raise errors.make(
                Status.NOT_FOUND,
                f"could not load into {target!r}: there is nothing yet",
                hint='let the load make it with schema="create"',
                details=[fault_detail(Fault.OUTPUT)],
            )
        fields = [pa.field(each.name, each.stored) for each in columns]
        return Match(tuple(columns), pa.schema(fields))

    def folded(name: str) -> str:
        return name.lower() if folds_case else name

    evolves = request.schema is Schema.EVOLVE
    known = {folded(field.name): field for field in there}
    matched, added, reasons = [], [], []
    widened: dict[str, Any] = {}
    for column in columns:
        field = known.pop(folded(column.name), None)
        fitted = None if field is None else _fitted(column, field)
        grows = fitted is None or (field is not None and has_more_digits(column.stored, field.type))
        if field is not None and evolves and grows and widens(field, column.stored):
            matched.append(dataclasses.replace(column, name=field.name))
            widened[field.name] = column.stored
        elif fitted is not None:
            matched.append(fitted)
        elif field is None and evolves:
            matched.append(column)
            added.append(column)
        else:
            has = "there is no such column" if field is None else f"there it is {str(field.type)!r}"
            reasons.append(f"column {column.name!r} of type {str(column.source)!r}: {has}")
    reasons += [
        f"its column {field.name!r} has to have a value, and the result has no such column"
        for field in known.values()
        if not field.nullable
    ]
    if reasons:
        raise errors.make(
            Status.INVALID_ARGUMENT,
            f"could not load into {target!r}: {'; '.join(reasons)}",
            hint="cast the columns in the query",
        )
    fields = [each.with_type(widened.get(each.name, each.type)) for each in there]
    fields += [pa.field(each.name, each.stored) for each in added]
    names = tuple(each.name for each in added)
    return Match(tuple(matched), pa.schema(fields), names, tuple(widened))


def _fitted(column: Column, field: Any) -> Column | None:
    """Returns *column* as *field* takes it without a loss, or None."""
    kind = field.type
    stored: Any = column.stored
    is_decimal = pa.types.is_decimal(kind) and pa.types.is_decimal(stored)
    # The engine gives all decimals 38 digits: whether fewer do is a question of the values.
    if kind == stored:
        return dataclasses.replace(column, name=field.name)
    if pa.types.is_null(column.source):  # which has NULL of every type

        def nothing(array: Any) -> Any:
            return pa.nulls(len(array), kind)

        return dataclasses.replace(
            column, name=field.name, stored=kind, definition=str(kind), convert=nothing
        )
    if (is_decimal and kind.scale >= stored.scale) or fits_without_loss(stored, kind):
        convert = column.convert
        if convert is not None:
            inner = convert

            def convert(array: Any) -> Any:
                return inner(array).cast(kind)

        return dataclasses.replace(
            column, name=field.name, stored=kind, definition=str(kind), convert=convert
        )
    return None


class Arranger:
    """Makes batches of a result into batches of all of a destination's columns. One thread at a time."""

    def __init__(self, found: Match, on_type: OnType) -> None:
        """Takes how the columns go in."""
        self._converter = Converter(found.columns, on_type)
        self.losses = self._converter.losses
        self.schema = found.schema
        places = {column.name: index for index, column in enumerate(found.columns)}
        self._places = [places.get(name) for name in found.schema.names]

    def arrange(self, batch: pa.RecordBatch, first_row: int) -> pa.RecordBatch:
        """Returns *batch* as the destination takes it, with NULL in columns that it has not.

        Raises:
            DataError: The destination has not a value; names column, type and row.
        """
        given = self._converter.convert(batch, first_row)
        arrays: list[Any] = []
        for place, field in zip(self._places, self.schema, strict=True):
            array: Any = (
                pa.nulls(batch.num_rows, field.type) if place is None else given.column(place)
            )
            if not field.nullable and array.null_count:
                raise errors.make(
                    Status.INTEGRITY,
                    f"could not load column {field.name!r} of type {str(field.type)!r}: row "
                    f"{first_row + _first_null(array)}: it is NULL, and the destination has to have a value",
                )
            arrays.append(array)
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def _first_null(array: Any) -> int:
    return int(array.is_null().index(pa.scalar(value=True)).as_py())
