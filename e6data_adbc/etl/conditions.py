"""Conditions in SQL that are evaluated on Arrow data: comparisons of columns with literals, AND, OR, NOT."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Final, NoReturn

import pyarrow as pa
import pyarrow.compute as pc

from e6data_adbc import errors
from e6data_adbc.errors import Status

__all__ = ["Both", "Comparison", "Condition", "Either", "IsNull", "Node", "Not"]

_TOKEN: Final = re.compile(
    r"""\s*(?:
    (?P<name>"(?:[^"]|"")+")
  | (?P<text>'(?:[^']|'')*')
  | (?P<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<word>[^\W\d]\w*)
  | (?P<sign><>|!=|<=|>=|[=<>(),])
  )""",
    re.VERBOSE,
)
_COMPARE: Final[dict[str, Any]] = {
    "=": pc.equal,
    "<>": pc.not_equal,
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
_RESERVED: Final = {
    *("AND", "OR", "NOT", "IN", "IS", "NULL", "BETWEEN", "TRUE", "FALSE", "DATE", "TIMESTAMP")
}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A column against a literal of its type.

    Attributes:
        column: Its name.
        sign: `=`, `<>`, `<`, `<=`, `>` or `>=`.
        value: An Arrow scalar.
    """

    column: str
    sign: str
    value: Any


@dataclasses.dataclass(frozen=True)
class IsNull:
    """Whether a column is NULL."""

    column: str


@dataclasses.dataclass(frozen=True)
class Both:
    """AND."""

    left: Node
    right: Node


@dataclasses.dataclass(frozen=True)
class Either:
    """Two conditions joined by OR."""

    left: Node
    right: Node


@dataclasses.dataclass(frozen=True)
class Not:
    """NOT."""

    inner: Node


Node = Comparison | IsNull | Both | Either | Not


def _evaluated(node: Node) -> Any:
    """Returns the Arrow expression of *node*."""
    match node:
        case Comparison():
            return _COMPARE[node.sign](pc.field(node.column), pc.scalar(node.value))
        case IsNull():
            return pc.field(node.column).is_null()
        case Both():
            return _evaluated(node.left) & _evaluated(node.right)
        case Either():
            return _evaluated(node.left) | _evaluated(node.right)
        case Not():
            return ~_evaluated(node.inner)


class Condition:
    """What rows fulfil. A row for which it is neither true nor false, because of a NULL, does not fulfil it."""

    def __init__(self, text: str, schema: pa.Schema) -> None:
        """Reads the condition.

        Args:
            text: In SQL; `day = DATE '2026-01-31' AND store IN (1, 2)` for instance. Beside comparisons with literals
                there are IN, BETWEEN, IS [NOT] NULL, AND, OR, NOT and parentheses.
            schema: The columns.

        Raises:
            NotSupportedError: It has something else, or compares a column with what its type has not.
        """
        self.text = text
        reader = _Reader(text, schema)
        #: The condition as a tree, for destinations that filter by themselves.
        self.tree = reader.condition()
        self._inside = pc.coalesce(_evaluated(self.tree), pc.scalar(False))
        #: The columns that it is about.
        self.columns = sorted(reader.columns)
        #: The same condition, with names in double quotes, and literals as text where a number is not meant.
        self.sql = " ".join(filter(None, reader.sql))

    def inside(self, batch: pa.RecordBatch) -> pa.Table:
        """Returns the rows that fulfil it."""
        return pa.Table.from_batches([batch]).filter(self._inside)

    def outside(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Returns the rows that do not."""
        table = pa.Table.from_batches([batch]).filter(~self._inside).combine_chunks()
        return next(iter(table.to_batches()), batch.slice(0, 0))

    def check(self, batch: pa.RecordBatch) -> None:
        """Refuses rows of a load that do not fulfil it.

        Raises:
            IntegrityError: There are some.
        """
        if self.inside(batch).num_rows < batch.num_rows:
            raise errors.make(
                Status.INTEGRITY,
                f"could not replace the rows where {self.text}: the load has rows that are not among them",
                hint="give the query the same condition",
            )


class _Reader:
    """Reads one condition, by recursive descent."""

    def __init__(self, text: str, schema: pa.Schema) -> None:
        self._text, self._schema = text, schema
        self._tokens = self._split(text)
        self._next = 0
        self.columns: set[str] = set()
        self.sql = [token for _, token in self._tokens]

    def condition(self) -> Node:
        found = self._either()
        if self._next < len(self._tokens):
            self._refuse(f"{self._tokens[self._next][1]!r} does not follow there")
        return found

    def _either(self) -> Node:
        found = self._both()
        while self._is("OR"):
            found = Either(found, self._both())
        return found

    def _both(self) -> Node:
        found = self._not()
        while self._is("AND"):
            found = Both(found, self._not())
        return found

    def _not(self) -> Node:
        if self._is("NOT"):
            return Not(self._not())
        if self._is("("):
            found = self._either()
            self._expect(")")
            return found
        return self._comparison()

    def _comparison(self) -> Node:
        name = self._column()
        if self._is("IS"):
            is_not = self._is("NOT")
            self._expect("NULL")
            return Not(IsNull(name)) if is_not else IsNull(name)
        is_not = self._is("NOT")
        found: Node
        if self._is("IN"):
            self._expect("(")
            found = Comparison(name, "=", self._literal(name))
            while self._is(","):
                found = Either(found, Comparison(name, "=", self._literal(name)))
            self._expect(")")
        elif self._is("BETWEEN"):
            low = self._literal(name)
            self._expect("AND")
            high = self._literal(name)
            found = Both(Comparison(name, ">=", low), Comparison(name, "<=", high))
        else:
            kind, sign = self._take()
            sign = "<>" if sign == "!=" else sign
            if kind != "sign" or sign not in _COMPARE or is_not:
                self._refuse(f"after {name!r} stands {sign!r}")
            found = Comparison(name, sign, self._literal(name))
        return Not(found) if is_not else found

    def _column(self) -> str:
        kind, token = self._take()
        if kind == "name":
            name = token[1:-1].replace('""', '"')
        elif kind == "word" and token.upper() not in _RESERVED:
            name = self._known(token)
        else:
            self._refuse(f"{token!r} stands where a column has to")
        if name not in self._schema.names:
            self._refuse(f"there is no column {name!r}")
        self.columns.add(name)
        quoted = name.replace('"', '""')
        self.sql[self._next - 1] = f'"{quoted}"'
        return name

    def _known(self, word: str) -> str:
        """Returns the column of a name without quotes, in which case does not count if only one column has it."""
        alike = [name for name in self._schema.names if name.lower() == word.lower()]
        return alike[0] if len(alike) == 1 else word

    def _literal(self, name: str) -> Any:
        """Returns a literal as a scalar of the column's type."""
        column: Any = self._schema.field(name).type
        kind, token = self._take()
        word = token.upper()
        if kind == "word" and word in {"DATE", "TIMESTAMP"}:
            self.sql[self._next - 1] = ""
            kind, token = self._take()
            if kind != "text":
                self._refuse(f"after {word} stands {token!r}")
        elif kind == "word" and word in {"TRUE", "FALSE"}:
            if not pa.types.is_boolean(column):
                self._refuse(f"{name!r} of type {str(column)!r} is compared with {token}")
            return pa.scalar(word == "TRUE")
        test = pa.types
        is_number = test.is_integer(column) or test.is_floating(column) or test.is_decimal(column)
        if kind not in {"text", "number"} or is_number != (kind == "number"):
            self._refuse(f"{name!r} of type {str(column)!r} is compared with {token}")
        text = token if kind == "number" else token[1:-1].replace("''", "'")
        if test.is_timestamp(column) and column.tz is not None and not _ZONE.search(text):
            self._refuse(f"{name!r} is an instant, and {token} has no zone, as Z or +05:30")
        try:
            value: Any = pa.scalar(text.lstrip("+")).cast(column)
            if test.is_decimal(column):
                digits = f"{value.as_py():f}"
                self.sql[self._next - 1] = (
                    f"CAST('{digits}' AS DECIMAL({column.precision},{column.scale}))"
                )
            return value
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            self._refuse(f"{token} is no value of {name!r}, which has type {str(column)!r}")

    def _is(self, token: str) -> bool:
        if self._next == len(self._tokens):
            return False
        kind, found = self._tokens[self._next]
        if kind in {"word", "sign"} and found.upper() == token:
            self._next += 1
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._is(token):
            found = self._tokens[self._next][1] if self._next < len(self._tokens) else "its end"
            self._refuse(f"where {token!r} has to stand is {found!r}")

    def _take(self) -> tuple[str, str]:
        if self._next == len(self._tokens):
            self._refuse("it ends too early")
        self._next += 1
        return self._tokens[self._next - 1]

    def _split(self, text: str) -> list[tuple[str, str]]:
        tokens, position = [], 0
        while text[position:].strip():
            found = _TOKEN.match(text, position)
            if found is None or found.lastgroup is None:
                self._refuse(f"{text[position:].strip()[:20]!r} is not understood")
            tokens.append((found.lastgroup, found[found.lastgroup]))
            position = found.end()
        return tokens

    def _refuse(self, cause: str) -> NoReturn:
        raise errors.make(
            Status.NOT_IMPLEMENTED,
            f"could not read the condition {self._text!r}: {cause}",
            hint="write comparisons of columns with literals, IN, BETWEEN, IS NULL, AND, OR and NOT",
        )


#: How a time with a zone ends.
_ZONE: Final = re.compile(r"(?:Z|[+-]\d\d:?\d\d)$")
