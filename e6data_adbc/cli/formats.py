"""Results as text, batch by batch: the table for eyes, CSV and JSON for programs."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
import unicodedata
from typing import Any, BinaryIO, Final, Protocol

import pyarrow as pa

from e6data_adbc.cli.cells import FEW, is_number, json_texts, strings, texts
from e6data_adbc.cli.exits import UsageError

__all__ = ["Csv", "Fitting", "Json", "JsonLines", "Table", "Vertical", "Writer", "terminal_width"]


class Writer(Protocol):
    """Something that takes a result, batch by batch; memory is that of a batch."""

    def write(self, batch: pa.RecordBatch) -> None:
        """Takes the next rows."""

    def finish(self) -> None:
        """Completes the output; the sink stays open."""

    def abandon(self) -> None:
        """Ends without completing the output, which nobody reads; the sink stays open, and is written to no more."""


#: Rows of the first batch that decide the widths, and the most a column may claim.
_SAMPLE: Final = 1000
_MAX_WIDTH: Final = 60
#: The line above a row in the vertical form.
_RULE: Final = 40
#: Characters that would move the cursor, or tell the terminal to do something.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_CSV_SPECIAL: Final = re.compile('[",\r\n]')
_ESCAPES: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


class Table:
    """Aligned columns. The first batch decides the widths; a longer value later on pushes its row to the right."""

    def __init__(self, sink: BinaryIO, schema: pa.Schema) -> None:
        self._sink = sink
        self._names = [_printable(name) for name in schema.names]
        self._right = [is_number(kind) for kind in schema.types]
        self._widths: list[int] | None = None

    def write(self, batch: pa.RecordBatch) -> None:
        """Prints the rows, with the header before the first ones."""
        columns = _cells(batch)
        lines = [] if self._widths else self._header(columns)
        lines += map(self._line, zip(*columns, strict=True))
        _write_lines(self._sink, lines)

    def measure(self, batch: pa.RecordBatch) -> int:
        """Returns how wide the table of *batch* is; a value counts whole, however much of it decides its column."""
        widths = [
            max(map(_width, (name, *values[:_SAMPLE])))
            for name, values in zip(self._names, _cells(batch), strict=True)
        ]
        return sum(widths) + 3 * (len(widths) - 1)

    def finish(self) -> None:
        """Prints the header of a result without rows."""
        if not self._widths:
            _write_lines(self._sink, self._header([[] for _ in self._names]))

    def abandon(self) -> None:
        """Nothing is held."""

    def _header(self, columns: list[list[str]]) -> list[str]:
        self._widths = [
            max(_width(name), min(max(map(_width, values[:_SAMPLE]), default=0), _MAX_WIDTH))
            for name, values in zip(self._names, columns, strict=True)
        ]
        rule = "-+-".join("-" * width for width in self._widths)
        return [self._line(self._names), rule]

    def _line(self, cells: Any) -> str:
        padded = map(_padded, cells, self._widths or (), self._right)
        return " | ".join(padded).rstrip()


class Vertical:
    """A line for each value, under a line for each row: for rows that are wider than the terminal."""

    def __init__(self, sink: BinaryIO, schema: pa.Schema) -> None:
        self._sink = sink
        names = [_printable(name) for name in schema.names]
        width = max(map(_width, names), default=0)
        self._names = [_padded(name, width, False) for name in names]
        self._row = 0

    def write(self, batch: pa.RecordBatch) -> None:
        """Prints the rows."""
        lines = []
        for row in zip(*_cells(batch), strict=True):
            self._row += 1
            lines.append(f"-[ row {self._row} ]".ljust(_RULE, "-"))
            lines += [f"{name} | {cell}" for name, cell in zip(self._names, row, strict=True)]
        _write_lines(self._sink, lines)

    def finish(self) -> None:
        """Says so where there is no row."""
        if not self._row:
            _write_lines(self._sink, ["(no rows)"])

    def abandon(self) -> None:
        """Nothing is held."""


def terminal_width() -> int:
    """Returns how many characters a line of the terminal has; COLUMNS counts only where there is no terminal."""
    with contextlib.suppress(OSError, ValueError):
        if width := os.get_terminal_size(sys.__stdout__.fileno()).columns:  # type: ignore[union-attr]
            return width
    return shutil.get_terminal_size().columns


class Fitting:
    """A table where its first rows fit the terminal, else the vertical form."""

    def __init__(self, sink: BinaryIO, schema: pa.Schema, columns: int | None = None) -> None:
        """Takes the terminal's width, unless *columns* says another."""
        self._schema = schema
        self._sink = sink
        self._columns = columns or terminal_width()
        self._writer: Table | Vertical = Table(sink, schema)
        self._decided = False

    def write(self, batch: pa.RecordBatch) -> None:
        """Prints the rows."""
        if not batch.num_rows:
            return  # no row decides
        if not self._decided:
            self._decided = True
            if isinstance(self._writer, Table) and self._writer.measure(batch) > self._columns:
                self._writer = Vertical(self._sink, self._schema)
        self._writer.write(batch)

    def finish(self) -> None:
        """Ends the form that was taken."""
        self._writer.finish()

    def abandon(self) -> None:
        """Nothing is held."""


class Csv:
    """Comma-separated values with a header; a null is an empty field, an empty text is `""`."""

    def __init__(self, sink: BinaryIO, schema: pa.Schema) -> None:
        self._sink = sink
        _write_lines(sink, [",".join(map(_quoted_text, schema.names))])

    def write(self, batch: pa.RecordBatch) -> None:
        """Writes the rows."""
        if 0 < batch.num_rows <= FEW:  # see `strings`
            columns = [strings(column) for column in batch.columns]
            lines = [
                ",".join("" if text is None else _quoted_text(text) for text in row)
                for row in zip(*columns, strict=True)
            ]
            _write_lines(self._sink, lines)
        elif batch.num_rows:
            import pyarrow.compute as pc

            fields = [pc.fill_null(_quoted(texts(column)), "") for column in batch.columns]
            rows = pc.binary_join_element_wise(*fields, ",") if len(fields) > 1 else fields[0]
            _write_lines(self._sink, rows.to_pylist())

    def finish(self) -> None:
        """Nothing is left to write."""

    def abandon(self) -> None:
        """Nothing is held."""


class JsonLines:
    """One JSON object a line."""

    def __init__(self, sink: BinaryIO, schema: pa.Schema) -> None:
        self._sink = sink
        if len(set(schema.names)) < len(schema.names):
            raise UsageError(
                "could not write JSON: two columns have the same name; give one an alias"
            )
        fields = (json.dumps(name, ensure_ascii=False).replace("%", "%%") for name in schema.names)
        self._row = "{" + ", ".join(f"{field}: %s" for field in fields) + "}"

    def write(self, batch: pa.RecordBatch) -> None:
        """Writes the rows."""
        _write_lines(self._sink, self._objects(batch))

    def finish(self) -> None:
        """Nothing is left to write."""

    def abandon(self) -> None:
        """Nothing is held."""

    def _objects(self, batch: pa.RecordBatch) -> list[str]:
        rows = zip(*map(json_texts, batch.columns), strict=True)
        return [self._row % row for row in rows]


class Json(JsonLines):
    """One JSON array of objects, an object a line."""

    _begun = False

    def write(self, batch: pa.RecordBatch) -> None:
        """Writes the rows."""
        lines = self._objects(batch)
        if lines:
            self._sink.write((",\n" if self._begun else "[\n").encode())
            self._sink.write(",\n".join(lines).encode())
            self._begun = True

    def finish(self) -> None:
        """Closes the array."""
        self._sink.write(b"\n]\n" if self._begun else b"[]\n")


def _cells(batch: pa.RecordBatch) -> list[list[str]]:
    return [
        ["NULL" if value is None else _printable(value) for value in strings(column)]
        for column in batch.columns
    ]


def _quoted_text(text: str) -> str:
    if text and not _CSV_SPECIAL.search(text):
        return text
    return '"' + text.replace('"', '""') + '"'


def _quoted(column: Any) -> Any:
    import pyarrow.compute as pc

    needed = pc.or_(pc.match_substring_regex(column, '[",\r\n]'), pc.equal(column, pa.scalar("")))
    escaped = pc.replace_substring(column, '"', '""')
    return pc.if_else(needed, pc.binary_join_element_wise('"', escaped, '"', ""), column)


def _write_lines(sink: BinaryIO, lines: list[str]) -> None:
    if lines:
        sink.write(("\n".join(lines) + "\n").encode())


def _printable(text: str) -> str:
    return text if text.isprintable() else _CONTROL.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return _ESCAPES.get(match[0]) or (f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}")


def _padded(cell: str, width: int, right: bool) -> str:  # noqa: FBT001 - one of a row of flags
    if cell.isascii():
        return cell.rjust(width) if right else cell.ljust(width)
    gap = " " * (width - _width(cell))
    return gap + cell if right else cell + gap


def _width(text: str) -> int:
    """Returns the terminal columns that *text* takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )
