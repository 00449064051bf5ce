"""Tables that DuckDB itself cannot read without a download: Delta, Iceberg and SQLite, through libraries."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["ReadError", "read_sqlite", "reader_of", "sqlite_tables"]


class ReadError(Exception):
    """A library is missing, or it cannot read the table."""


def reader_of(folder: Path) -> Callable[[Path], pa.Table] | None:
    """Returns what reads the table in *folder*; None if it is neither Delta nor Iceberg."""
    if (folder / "_delta_log").is_dir():
        return _read_delta
    if next((folder / "metadata").glob("*.metadata.json"), None) is not None:
        return _read_iceberg
    return None


def _read_delta(folder: Path) -> pa.Table:
    try:
        import deltalake
    except ImportError as error:
        raise ReadError("it is a Delta table; pip install deltalake") from error
    try:
        return deltalake.DeltaTable(folder).to_pyarrow_table()
    except (deltalake.exceptions.DeltaError, OSError) as error:
        raise ReadError(str(error)) from error


def _read_iceberg(folder: Path) -> pa.Table:
    try:
        from pyiceberg.exceptions import ValidationError
        from pyiceberg.table import StaticTable
    except ImportError as error:
        raise ReadError("it is an Iceberg table; pip install pyiceberg") from error
    newest = max((folder / "metadata").glob("*.metadata.json"), key=_iceberg_version)
    try:
        return StaticTable.from_metadata(str(newest)).scan().to_arrow()
    except (ValidationError, NotImplementedError, OSError, ValueError) as error:
        raise ReadError(str(error)) from error


def _iceberg_version(file: Path) -> int:
    """Returns the number in `00003-….metadata.json` or `v3.metadata.json`."""
    digits = file.name.lstrip("v").partition("-")[0].partition(".")[0]
    return int(digits) if digits.isdigit() else -1


def sqlite_tables(file: Path) -> list[str]:
    """Returns the tables and views of a SQLite file.

    Raises:
        ReadError: It is none.
    """
    with _opened(file) as connection:
        rows = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') "
            "AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY name"
        )
        return [str(row[0]) for row in rows]


#: What a declared type has in it → the Arrow type of the column, in SQLite's own order of the rules.
_AFFINITIES: Final = (
    ("INT", "int64"),
    ("CHAR", "string"),
    ("CLOB", "string"),
    ("TEXT", "string"),
    ("BLOB", "binary"),
    ("REAL", "float64"),
    ("FLOA", "float64"),
    ("DOUB", "float64"),
)


def read_sqlite(file: Path, table: str) -> pa.Table:
    """Returns a table of a SQLite file; its columns have the types that their declarations mean to SQLite.

    A column without one of those (NUMERIC, DATE, none at all) is text.

    Raises:
        ReadError: A value is not of its column's type, which SQLite permits; names the column.
    """
    import pyarrow as pa

    name = '"' + table.replace('"', '""') + '"'
    with _opened(file) as connection:
        columns = [
            (str(row[1]), _type(str(row[2])))
            for row in connection.execute(f"PRAGMA table_info({name})")
        ]
        rows = connection.execute(f"SELECT * FROM {name}").fetchall()  # noqa: S608 - quoted
    types: dict[str, pa.DataType] = {
        "int64": pa.int64(),
        "float64": pa.float64(),
        "binary": pa.binary(),
        "string": pa.string(),
    }
    arrays: list[pa.Array[Any]] = []
    for index, (column, kind) in enumerate(columns):
        values: list[Any] = [row[index] for row in rows]
        if kind is None:
            values = [value if value is None else str(value) for value in values]
        try:
            arrays.append(pa.array(values, types[kind or "string"]))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise ReadError(f"a value of column {column!r} is not of its type: {error}") from error
    return pa.Table.from_arrays(arrays, names=[column for column, _ in columns])


def _type(declared: str) -> str | None:
    return next((kind for part, kind in _AFFINITIES if part in declared.upper()), None)


@contextlib.contextmanager
def _opened(file: Path) -> Any:
    try:
        connection = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
        try:
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise ReadError(str(error)) from error
