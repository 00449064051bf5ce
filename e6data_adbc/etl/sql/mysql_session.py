"""A connection to MariaDB or MySQL: LOAD DATA of texts that Arrow makes, or INSERT where a server takes no files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from e6data_adbc.etl.columns import is_bytes, is_text
from e6data_adbc.etl.plain_types import hexadecimal
from e6data_adbc.etl.sql.session import Table, placed, quoted

__all__ = ["MySqlSession", "RefusedRowsError"]

#: Bytes of Arrow data that one statement has at most, if they are more than one row.
_MOST_BYTES: Final = {"LOAD DATA": 8 * 2**20, "INSERT": 2**20}
_MOST_ROWS: Final = 65_536
_NULL: Final = "\\N"
#: What has a meaning in the texts of LOAD DATA, and how it is written there.
_ESCAPES: Final = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"))
_LITERAL_ESCAPES: Final = (("\\", "\\\\"), ("'", "''"))


class RefusedRowsError(Exception):
    """The server stored other rows than it was sent, and called that a warning."""

    def __init__(self, text: str, code: int) -> None:
        """Takes what the server said, and its number for it."""
        super().__init__(text)
        self.code = code


class MySqlSession:
    """A session over a connection of PyMySQL without autocommit."""

    def __init__(self, connection: Any, *, takes_files: bool) -> None:
        """Takes over *connection*; *takes_files* where the server lets its clients send files."""
        self._connection = connection
        self._takes_files = takes_files
        self._has_lock = False

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Returns the rows of a query."""
        with self._connection.cursor() as cursor:
            cursor.execute(*_bound(sql, values))
            return list(cursor.fetchall())

    def run(self, sql: str, values: Sequence[Any] = ()) -> None:
        """Runs a statement."""
        with self._connection.cursor() as cursor:
            cursor.execute(*_bound(sql, values))

    def write(self, table: Table, reader: pa.RecordBatchReader) -> None:
        """Appends rows.

        Raises:
            RefusedRowsError: The server changed or left out some.
        """
        send = self._load if self._takes_files else self._insert
        most = _MOST_BYTES["LOAD DATA" if self._takes_files else "INSERT"]
        for batch in reader:
            for piece in _pieces(batch, most):
                send(table, piece)

    def lock(self, name: str, seconds: int) -> bool:
        """Takes the server's lock of a name, to `unlock` or the end of the transaction; tells whether it could."""
        ((taken,),) = self.rows("SELECT GET_LOCK(?, ?)", [name, seconds])
        self._has_lock = self._has_lock or taken == 1
        return bool(taken == 1)

    def unlock(self) -> None:
        """Gives back what `lock` took."""
        if self._has_lock:
            self._has_lock = False
            self.run("DO RELEASE_ALL_LOCKS()")

    def commit(self) -> None:
        """Makes the transaction last."""
        self._connection.commit()
        self.unlock()

    def rollback(self) -> None:
        """Undoes the transaction."""
        self._connection.rollback()
        self.unlock()

    def close(self) -> None:
        """Ends the connection."""
        self._connection.close()

    def _load(self, table: Table, batch: pa.RecordBatch) -> None:
        fields = [_escaped(array, _ESCAPES) for array in batch.columns]
        names, changes = [], []
        for number, field in enumerate(batch.schema):
            is_hex = is_bytes(field.type)
            names.append(f"@b{number}" if is_hex else quoted(field.name))
            if is_hex:
                changes.append(f"{quoted(field.name)} = UNHEX(@b{number})")
        lines: Any = pc.binary_join_element_wise(
            *(*fields, "\n", "\t"), null_handling="replace", null_replacement=_NULL
        )
        with tempfile.NamedTemporaryFile(prefix="e6data-load-") as file:
            file.write(_bytes(lines))
            file.flush()
            path = file.name.replace("\\", "\\\\").replace("'", "''")
            sql = (
                f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE {table.sql} CHARACTER SET utf8mb4 "
                r"FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\t\n' "
                f"({', '.join(names)})"
            )
            if changes:
                sql += f" SET {', '.join(changes)}"
            with self._connection.cursor() as cursor, self._connection.sending(file.name):
                cursor.execute(sql)
                self._check(cursor.rowcount, batch.num_rows)

    def _insert(self, table: Table, batch: pa.RecordBatch) -> None:
        values = [
            pc.binary_join_element_wise("X'" if is_bytes(array.type) else "'", text, "'", "")
            for array in batch.columns
            for text in (_escaped(array, _LITERAL_ESCAPES),)
        ]
        inner = pc.binary_join_element_wise(
            *(*values, ","), null_handling="replace", null_replacement="NULL"
        )
        rows: Any = pc.binary_join_element_wise("(", inner, "),", "")
        names = ", ".join(map(quoted, batch.schema.names))
        head = f"INSERT INTO {table.sql} ({names}) VALUES ".encode()
        with self._connection.cursor() as cursor:
            cursor.execute(head + _bytes(rows)[:-1])
            self._check(cursor.rowcount, batch.num_rows)

    def _check(self, stored: int, sent: int) -> None:
        """Refuses what the server made of the rows: with LOCAL it calls errors warnings, and goes on."""
        warnings = [each for each in self._connection.show_warnings() if each[0] != "Note"]
        if warnings or stored != sent:
            _, code, text = warnings[0] if warnings else ("", 0, "the server does not say why")
            raise RefusedRowsError(f"of {sent} rows {stored} were taken: {text}", code)


def _bound(sql: str, values: Sequence[Any]) -> tuple[Any, ...]:
    """Returns the arguments of PyMySQL."""
    return (placed(sql.replace("%", "%%"), lambda _: "%s"), list(values)) if values else (sql,)


def _pieces(batch: pa.RecordBatch, most: int) -> Iterator[pa.RecordBatch]:
    if batch.num_rows == 0:
        return
    rows = max(1, min(_MOST_ROWS, most * batch.num_rows // max(batch.nbytes, 1)))
    for first in range(0, batch.num_rows, rows):
        yield batch.slice(first, rows)


def _escaped(array: Any, escapes: Sequence[tuple[str, str]]) -> Any:
    """Returns an array as the texts that the server reads."""
    kind = array.type
    test = pa.types
    if is_bytes(kind):
        return hexadecimal(array.cast(pa.binary()))
    if is_text(kind):
        array = array.cast(pa.string())
        for plain, escaped in escapes:
            array = pc.replace_substring(array, plain, escaped)
        return array
    if test.is_boolean(kind):
        array = array.cast(pa.int8())
    elif test.is_float32(kind):
        array = array.cast(pa.float64())  # whose digits the server reads without rounding twice
    elif test.is_timestamp(kind) and kind.tz is not None:
        array = array.cast(pa.timestamp(kind.unit, "UTC")).cast(pa.timestamp(kind.unit))
    return array.cast(pa.string())


def _bytes(texts: Any) -> Any:
    """Returns the texts one after the other."""
    _, offsets, data = texts.buffers()
    if data is None:
        return b""
    ends: Any = pa.Array.from_buffers(pa.int32(), texts.offset + len(texts) + 1, [None, offsets])
    return memoryview(data)[ends[texts.offset].as_py() : ends[-1].as_py()].tobytes()
