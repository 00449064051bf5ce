"""`INSERT … VALUES` of nothing but literals, read as columns: DuckDB needs a tenth of a millisecond to parse a row."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from e6data_adbc.local.sql import dialect

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Insertion", "read"]

_NAME: Final = r'(?:"(?:[^"]|"")*"|[A-Za-z_]\w*)'
_HEAD: Final = re.compile(
    rf"\s*INSERT\s+INTO\s+{_NAME}(?:\s*\.\s*{_NAME})*"
    rf"\s*(?:\(\s*{_NAME}(?:\s*,\s*{_NAME})*\s*\)\s*)?(?=VALUES\b)",
    re.IGNORECASE,
)
_VALUES: Final = re.compile(r"VALUES\s*", re.IGNORECASE)
_TEXT: Final = r"'[^']*(?:''[^']*)*'"
_TYPE: Final = r"[A-Za-z_]+(?:\(\d+(?:,\s*\d+)?\))?"
#: One value and what stands behind it; the groups are the forms in which a driver writes literals.
_VALUE: Final = rf"""
    (?: (?P<text>{_TEXT})
      | (?P<integer>\d{{1,18}}|-\d{{1,18}}|\(-\d{{1,18}}\))
      | CAST\((?: (?P<cast>{_TEXT}) | (?P<double>-?\d+\.?\d*E[+-]?\d+) | NULL )\s+AS\s+(?P<type>{_TYPE})\)
      | (?P<null>NULL)
      | (?P<truth>TRUE|FALSE)
      | X'(?P<bytes>(?:[0-9A-F]{{2}})*)'
      | \((?P<joined>(?:{_TEXT}|CHR\(92\))(?:\s*\|\|\s*(?:{_TEXT}|CHR\(92\)))+)\)
    )
    \s*(?P<close>\))?\s*(?P<comma>,)?"""
_FIRST: Final = re.compile(rf"\s*\(\s*{_VALUE}", re.VERBOSE | re.IGNORECASE)
_NEXT: Final = re.compile(rf"\s*{_VALUE}", re.VERBOSE | re.IGNORECASE)
_PIECE: Final = re.compile(rf"(?P<text>{_TEXT})|CHR\(92\)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Insertion:
    """What is inserted, apart from where."""

    #: `INSERT INTO "t" ("a", "b") `.
    head: str
    #: Columns `c0`, `c1` and so on.
    rows: pa.Table
    #: For each column the SQL that makes of `c0` what its literals say.
    expressions: tuple[str, ...]

    def sql(self, source: str) -> str:
        """Returns the statement that inserts from the relation *source*, which has the rows."""
        return f"{self.head}SELECT {', '.join(self.expressions)} FROM {source}"  # noqa: S608 - parts of the user's text

    def empty(self) -> str:
        """Returns a relation of the same columns for `sql`, which names nothing."""
        columns = ", ".join(f"NULL AS c{index}" for index in range(len(self.expressions)))
        return f"(SELECT {columns}) AS rows"


def read(sql: str) -> Insertion | None:
    r"""Returns what *sql* inserts; None where it is anything but an INSERT of plain literals, column by column alike.

    None too where a backslash stands in it, which may escape a quote.
    """
    head = _HEAD.match(sql)
    if head is None or "\\" in sql:
        return None
    values = _VALUES.match(sql, head.end())
    columns = None if values is None else _columns(sql, values.end())
    if columns is None:
        return None
    import pyarrow as pa

    arrays, expressions = [], []
    for index, column in enumerate(columns):
        made = column.made()
        if made is None:
            return None
        array, expression = made
        arrays.append(array)
        expressions.append(expression.format(f"c{index}"))
    rows = pa.table(arrays, names=[f"c{index}" for index in range(len(arrays))])
    return Insertion(dialect.to_duckdb(head[0]), rows, tuple(expressions))


@dataclasses.dataclass
class _Column:
    """The values of a column so far, all but nulls of one form, which is a group of `_VALUE`."""

    form: str | None = None
    #: The types that values and nulls are cast to.
    types: set[str] = dataclasses.field(default_factory=set)
    values: list[Any] = dataclasses.field(default_factory=list)

    def add(self, found: re.Match[str]) -> bool:
        """Adds a value; returns whether it has the form of those before it."""
        if found["type"] is not None:
            self.types.add(found["type"].upper())
        read = next(
            ((form, make) for form, make in _READERS.items() if found[form] is not None), None
        )
        if read is None:
            self.values.append(None)
            return True
        form = "text" if read[0] == "joined" else read[0]
        value = read[1](found[read[0]])
        if form == "cast" and value in _NO_NUMBERS and found["type"].upper() in {"DOUBLE", "FLOAT"}:
            form, value = "double", float(value)
        if self.form not in {None, form} or value is None:
            return False
        self.form = form
        self.values.append(value)
        return True

    def made(self) -> tuple[Any, str] | None:
        """Returns the Arrow array and the SQL that makes values of it, `{}` being the column; None if it is mixed."""
        import pyarrow as pa

        if self.form in {None, "cast", "double"}:
            if len(self.types) > 1:
                return None
            kind = pa.float64() if self.form == "double" else pa.string()
            cast = "".join(f"CAST({{}} AS {dialect.to_duckdb(name)})" for name in self.types)
            return pa.array(self.values, kind), cast or "NULL"
        types, name = _PLAIN[self.form]
        if not self.types <= types:
            return None
        return pa.array(self.values, getattr(pa, name)()), "{}"


#: Doubles that a driver writes as text, because a number in SQL loses them.
_NO_NUMBERS: Final = frozenset({"NaN", "Infinity", "-Infinity", "-0.0"})
#: What stands for a value of a form; None where it is none after all.
_READERS: Final[dict[str, Callable[[str], Any]]] = {
    "text": lambda text: text[1:-1].replace("''", "'"),
    "cast": lambda text: text[1:-1].replace("''", "'"),
    "integer": lambda text: int(text.strip("()")),
    "double": lambda text: value if math.isfinite(value := float(text)) else None,
    "truth": lambda text: text.upper() == "TRUE",
    "bytes": bytes.fromhex,
    "joined": lambda text: "".join(
        "\\" if piece["text"] is None else piece["text"][1:-1].replace("''", "'")
        for piece in _PIECE.finditer(text)
    ),
}
#: For the forms without a cast: the types of nulls that may stand among them, and what makes the Arrow type.
_PLAIN: Final = {
    "text": ({"VARCHAR"}, "string"),
    "integer": ({"TINYINT", "SMALLINT", "INT", "INTEGER", "BIGINT"}, "int64"),
    "truth": ({"BOOLEAN"}, "bool_"),
    "bytes": ({"VARBINARY"}, "binary"),
}


def _columns(sql: str, position: int) -> list[_Column] | None:
    """Returns the columns of the rows that begin at *position* and end the text; None where it is anything else."""
    columns: list[_Column] = []
    width = place = 0
    while True:
        found = (_NEXT if place else _FIRST).match(sql, position)
        if found is None or (width and place == width):
            return None
        if not width:
            columns.append(_Column())
        if not columns[place].add(found):
            return None
        place, position = place + 1, found.end()
        if found["close"] is not None:
            width = width or place
            if place != width:
                return None
            place = 0
            if found["comma"] is None:
                return columns if position == len(sql) else None
        elif found["comma"] is None:
            return None
