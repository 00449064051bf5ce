"""Frames of pandas as Arrow tables: values of Python are read as those of rows are, and none is cut."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from e6data_adbc._dbapi.values import Where, column

__all__ = ["frame_table", "is_frame"]


def is_frame(data: Any) -> bool:
    """Tells whether *data* is a frame of pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(data, pandas.DataFrame)


def frame_table(frame: Any, where: Callable[[str, int], Where], *, index: bool) -> pa.Table:
    """Returns a frame of pandas as a table; NaN is null, as it is to pandas.

    Args:
        frame: The frame.
        where: Names the values of a column, of which it gets name and place, in errors.
        index: Whether the levels of the frame's index are its last columns, unless it only counts the rows. They are
            called as pyarrow calls them: one without a name is `__index_level_0__`, `__index_level_1__`, ….

    Raises:
        ProgrammingError: INVALID_ARGUMENT, a value has no exact form in a type that holds the others.
        NotSupportedError: A column has values without a form in SQL.
    """
    pandas = sys.modules["pandas"]
    columns = [(str(name), frame.iloc[:, at]) for at, name in enumerate(frame.columns)]
    if index and not isinstance(frame.index, pandas.RangeIndex):
        for level, name in enumerate(frame.index.names):
            called = f"__index_level_{level}__" if name is None else str(name)
            columns.append((called, pandas.Series(frame.index.get_level_values(level))))
    arrays = [_array(series, where(name, at)) for at, (name, series) in enumerate(columns)]
    return pa.table(arrays, names=[name for name, _ in columns])


def _array(series: Any, where: Where) -> pa.Array[Any]:
    pandas = sys.modules["pandas"]
    is_categorical = isinstance(series.dtype, pandas.CategoricalDtype)
    kinds = series.dtype.categories if is_categorical else series
    if kinds.dtype != object or pandas.api.types.infer_dtype(kinds) == "string":
        try:
            made = pa.Array.from_pandas(series)
        except (pa.ArrowException, TypeError, UnicodeEncodeError):
            pass  # by the values, which say what is wrong; pyarrow knows no sparse ones
        else:
            return made.combine_chunks() if isinstance(made, pa.ChunkedArray) else made
    values = [None if isinstance(value, float) and math.isnan(value) else value for value in series]
    return column(values, where)
