"""Frames of Polars as Arrow data: what Arrow lacks or has in another shape."""

from __future__ import annotations

import sys
from typing import Any

from e6data_adbc import errors

__all__ = ["exportable", "is_series_of_rows"]


def exportable(data: Any) -> Any:
    """Returns *data*; of a Polars frame a copy whose columns of Int128 and UInt128 are Decimal(38, 0).

    A series of structs is the frame of their fields; one with a struct that is null stays, for whoever binds to refuse.

    Raises:
        DataError: A value has more than 38 digits; names the columns.
        NotSupportedError: A column holds Python objects, of which Polars exports the addresses.
    """
    polars = sys.modules.get("polars")
    if is_series_of_rows(data) and not data.null_count():
        data = data.struct.unnest()
    if polars is None or not isinstance(data, polars.DataFrame):
        return data
    objects = [name for name, kind in data.schema.items() if kind == polars.Object]
    if objects:
        raise errors.make(
            errors.Status.NOT_IMPLEMENTED,
            f"could not bind the columns {objects!r} of Polars' type Object: Arrow has no form of Python objects",
            hint="make a column of text, numbers or another type of Polars of them",
        )
    wide = {getattr(polars, name) for name in ("Int128", "UInt128") if hasattr(polars, name)}
    names = [name for name, kind in data.schema.items() if kind in wide]
    try:
        return data.with_columns(polars.col(names).cast(polars.Decimal(38, 0))) if names else data
    except polars.exceptions.InvalidOperationError:
        # Without Polars' words, which quote the value, and without its error as the cause.
        raise errors.make(
            errors.Status.INVALID_DATA,
            f"could not bind the columns {names!r} of Polars' 128-bit whole numbers: a value has more than 38 digits,"
            " which no type of the engine holds",
            hint="cast them to text, or to doubles",
        ) from None


def is_series_of_rows(data: Any) -> bool:
    """Tells whether *data* is a series of Polars whose values are structs."""
    polars = sys.modules.get("polars")
    return (
        polars is not None
        and isinstance(data, polars.Series)
        and isinstance(data.dtype, polars.Struct)
    )
