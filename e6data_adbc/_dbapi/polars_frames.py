"""Frames of Polars as Arrow data: its whole numbers of 128 bits, which Arrow lacks, become decimals."""

from __future__ import annotations

import sys
from typing import Any

from e6data_adbc import errors

__all__ = ["exportable"]


def exportable(data: Any) -> Any:
    """Returns *data*; of a Polars frame a copy whose columns of Int128 and UInt128 are Decimal(38, 0).

    Raises:
        DataError: A value has more than 38 digits; names the columns.
    """
    polars = sys.modules.get("polars")
    if polars is None or not isinstance(data, polars.DataFrame):
        return data
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
