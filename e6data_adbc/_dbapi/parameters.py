"""The parameters of DB-API calls: rows of Python values as Arrow data, and texts of another style as texts with `?`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple, NoReturn

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc._dbapi.pandas_frames import frame_table, is_frame
from e6data_adbc._dbapi.polars_frames import exportable, is_series_of_rows
from e6data_adbc._dbapi.values import Where, column, is_list
from e6data_adbc._sql.placeholders import count_parameters, foreign_hint
from e6data_adbc.errors import Status

__all__ = ["STYLES", "of_many", "of_one"]

#: How a text may write its parameters: `?` and `:name`, or `%s` and `%(name)s`.
STYLES: Final = ("qmark", "pyformat")

#: What errors call a row that is the only one.
_ALONE: Final = "the parameters"
_PLACE: Final = re.compile(r"%(?:(?P<percent>%)|(?P<next>s)|\((?P<name>[^()]+)\)s)?")


class _Text(NamedTuple):
    """A text for the driver, and what each of the values that it takes is called, in their order."""

    sql: str
    #: None for a value without a name.
    names: tuple[str | None, ...]
    #: What the values are called in the user's text.
    written: tuple[str, ...]


def of_one(operation: str, parameters: Any, style: str) -> tuple[str, Any]:
    """Returns the text to run, and the Arrow data to bind to it; None where there is nothing to bind.

    Args:
        operation: The user's text.
        parameters: A sequence of values, a mapping by name, or rows of Arrow data; None runs the text as it is.
        style: One of `STYLES`.

    Raises:
        ProgrammingError: The values do not fit the text, or one has no exact form.
        NotSupportedError: A value's type has no form in SQL.
    """
    if parameters is None:
        return operation, None
    text = _read(operation, style)
    if _has_rows(parameters):
        return text.sql, _arranged(text, parameters)
    values = _values(text, parameters, _ALONE)
    return text.sql, _batch(text, [values], several=False) if values else None


def of_many(operation: str, rows: Any, style: str) -> tuple[str, Any]:
    """Returns as `of_one`, for *rows* of parameters: sequences, mappings, or Arrow data; an empty list for no rows."""
    if rows is None:
        return operation, None
    text = _read(operation, style)
    if _has_rows(rows):
        return text.sql, _arranged(text, rows)
    if isinstance(rows, Mapping | str | bytes) or not isinstance(rows, Iterable):
        _refuse(f"{type(rows).__name__!r} is no sequence of rows", "pass a list of tuples")
    values = [_values(text, row, f"row {number}") for number, row in enumerate(rows, 1)]
    return text.sql, _batch(text, values, several=True) if values else []


# ---- texts


def _read(operation: str, style: str) -> _Text:
    if style == "qmark":
        found = count_parameters(operation)
        names = found.names or (None,) * found.positional
        return _Text(operation, names, tuple(f":{name}" if name else "?" for name in names))
    places: list[re.Match[str]] = []

    def place(found: re.Match[str]) -> str:
        if found["percent"]:
            return "%"
        if not found["next"] and not found["name"]:
            _refuse(f"there is no value for {found[0]!r}", "write %% for a percent sign")
        places.append(found)
        return "?"

    sql = _PLACE.sub(place, operation)
    return _Text(sql, tuple(found["name"] for found in places), tuple(f[0] for f in places))


# ---- rows of Python


def _values(text: _Text, row: Any, which: str) -> list[Any]:
    """Returns the values of a row in the order of the places.

    Args:
        text: Whose places.
        row: The user's.
        which: What errors call the row.
    """
    names = _names_of_record(row)
    if names and any(text.names):
        row = {name: row[name] for name in names}
    elif names:
        row = [row[name] for name in names]
    if isinstance(row, Mapping):
        return _by_name(text, row, which)
    if isinstance(row, str | bytes | bytearray | set | frozenset) or not isinstance(row, Iterable):
        _refuse(
            f"{type(row).__name__!r} is no sequence of values"
            + ("" if which == _ALONE else f", in {which}"),
            "pass a tuple, `(value,)` for one value",
        )
    values = list(row)
    named = [written for name, written in zip(text.names, text.written, strict=True) if name]
    if named and named[0].startswith("%"):
        _refuse(f"there is no value for {named[0]!r}: {which} has no names", "pass a mapping")
    if len(values) < len(text.names) and text.written[0].startswith("%"):
        _refuse(
            f"there is no value for {text.written[len(values)]!r}: {which} has {len(values)}",
            "write %% for a percent sign",
        )
    if len(values) > len(text.names) and text.written and text.written[0].startswith("%"):
        _refuse(
            f"there are more values than the {len(text.names)} places: {which} has {len(values)}"
        )
    if len(values) != len(text.names):
        _refuse(
            f"the text has {len(text.names)} parameters and {len(values)} values were given"
            + ("" if which == _ALONE else f" in {which}"),
            None if text.names else foreign_hint(text.sql),
        )
    return values


def _names_of_record(row: Any) -> tuple[str, ...]:
    """Returns the names of the fields of a NumPy record, none of anything else."""
    numpy = sys.modules.get("numpy")
    is_record = numpy is not None and isinstance(row, numpy.void)
    return (row.dtype.names or ()) if is_record else ()


def _by_name(text: _Text, row: Mapping[Any, Any], which: str) -> list[Any]:
    if row and not text.names:
        _refuse(
            f"the text has no parameters and {len(row)} values were given", foreign_hint(text.sql)
        )
    values = []
    for name, written in zip(text.names, text.written, strict=True):
        if name is None:
            _refuse(
                f"there is no value for {written!r}: the text has {written!r} and the values have names",
                "pass a sequence",
            )
        if name not in row:
            _refuse(
                f"there is no value for {written!r}: {which}"
                f" {'have' if which == 'the parameters' else 'has'} no value for {name!r}"
            )
        values.append(row[name])
    return values


def _batch(text: _Text, rows: Sequence[Sequence[Any]], *, several: bool) -> pa.RecordBatch:
    if not text.names:  # a text without places, to be run once for each row
        empty: Any = pa.array([{}] * len(rows), pa.struct([]))
        return pa.RecordBatch.from_struct_array(empty)
    columns = [
        column([row[index] for row in rows], _where(name, index, several=several))
        for index, name in enumerate(text.names)
    ]
    return pa.record_batch(columns, names=_column_names(text))


def _column_names(text: _Text) -> list[str]:
    # Those of the text where it is the driver that reads them, so that it may also bind by name.
    return [
        name if name and not text.written[0].startswith("%") else str(index)
        for index, name in enumerate(text.names)
    ]


def _where(name: str | None, index: int, *, several: bool) -> Where:
    called = f"parameter {name!r}" if name else f"parameter {index + 1}"
    return lambda row: f"{called} of row {row + 1}" if several else called


# ---- rows of Arrow


def _has_rows(data: Any) -> bool:
    """Tells whether *data* is a frame, a table, a batch or a stream: rows whose values have types already."""
    if is_list(data):  # a row of its own, unless its values are rows
        if isinstance(data, pa.Array | pa.ChunkedArray):
            return pa.types.is_struct(data.type)
        return is_series_of_rows(data)
    return (
        hasattr(data, "__arrow_c_array__")
        or hasattr(data, "__arrow_c_stream__")
        or type(data).__name__ == "PyCapsule"
        or is_frame(data)
    )


def _arranged(text: _Text, data: Any) -> Any:
    """Returns *data* with the columns that the places of *text* name, in their order; all if they have no names."""
    data = exportable(data)
    if is_frame(data):
        data = frame_table(data, lambda name, at: _where(name, at, several=True), index=False)
    elif isinstance(data, pa.ChunkedArray):
        chunks: list[Any] = list(data.chunks)
        parts = [_batch_of(chunk) for chunk in chunks]
        data = pa.Table.from_batches(parts, pa.schema(list(data.type)))
    if not any(text.names):
        return data
    reader = _reader_of(data)
    known = reader.schema.names
    is_own = text.written[0].startswith("%")
    if not is_own and not set(known) & set(text.names):
        return reader  # columns without the names of the text are bound by position, as ADBC has it
    for name, written in zip(text.names, text.written, strict=True):
        if name is None or known.count(name) != 1:
            found = "no column" if name is None or name not in known else "more than one column"
            _refuse(f"there is no value for {written!r}: the data have {found} of that name")
    indices = [known.index(str(name)) for name in text.names]
    schema = pa.schema(
        [
            reader.schema.field(at).with_name(name)
            for at, name in zip(indices, _column_names(text), strict=True)
        ]
    )
    batches = (
        pa.record_batch([batch.column(at) for at in indices], schema=schema) for batch in reader
    )
    return pa.RecordBatchReader.from_batches(schema, batches)


def _reader_of(data: Any) -> pa.RecordBatchReader:
    try:
        if hasattr(data, "__arrow_c_array__"):
            batch = _batch_of(pa.array(data))
            return pa.RecordBatchReader.from_batches(batch.schema, [batch])
        if hasattr(data, "__arrow_c_stream__"):
            return pa.RecordBatchReader.from_stream(data)
        return pa.RecordBatchReader._import_from_c_capsule(data)
    except pa.ArrowException as cause:
        raise errors.make(
            Status.INVALID_ARGUMENT,
            f"could not bind the parameters: {type(data).__name__!r} gives no rows of Arrow data: {cause}",
            hint="bind a record batch, a table or an array of structs",
        ) from cause


def _batch_of(structs: Any) -> pa.RecordBatch:
    if not pa.types.is_struct(structs.type):
        _refuse(
            f"an array of type {str(structs.type)!r} has no columns",
            "bind a record batch, a table or an array of structs",
        )
    if structs.null_count:
        row = structs.is_null().index(pa.scalar(True)).as_py() + 1
        _refuse(f"row {row} is null as a whole", "bind nulls in its columns")
    return pa.RecordBatch.from_struct_array(structs)


def _refuse(cause: str, hint: str | None = None) -> NoReturn:
    raise errors.make(Status.INVALID_ARGUMENT, f"could not bind the parameters: {cause}", hint=hint)
