"""Results as text, batch by batch: the table for eyes, CSV and JSON for programs."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any, BinaryIO, Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from e6data_adbc.cli.cells import is_number, json_texts, texts
from e6data_adbc.cli.exits import UsageError

__all__ = ["Csv", "Json", "JsonLines", "Table", "Writer"]


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
#: Characters that would move the cursor, or tell the terminal to do something.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
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
        columns = [
            ["NULL" if value is None else _printable(value) for value in texts(column).to_pylist()]
            for column in batch.columns
        ]
        lines = [] if self._widths else self._header(columns)
        lines += map(self._line, zip(*columns, strict=True))
        _write_lines(self._sink, lines)

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


class Csv:
    """Comma-separated values with a header; a null is an empty field, an empty text is `""`."""

    def __init__(self, sink: BinaryIO, schema: pa.Schema) -> None:
        self._sink = sink
        header = _quoted(pa.array(schema.names, pa.string())).to_pylist()
        _write_lines(sink, [",".join(header)])

    def write(self, batch: pa.RecordBatch) -> None:
        """Writes the rows."""
        if batch.num_rows:
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


def _quoted(column: Any) -> Any:
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
