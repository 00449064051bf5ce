"""The parameters of SQL text: where they stand, and the text with values in their places."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc._sql.command import Command, Operand
from e6data_adbc._sql.lexer import SILENT, Kind, Token, readings
from e6data_adbc._sql.literals import count, is_definite, list_items, operand, plain
from e6data_adbc.errors import Status

__all__ = [
    "ParameterInfo",
    "bind_sql",
    "count_parameters",
    "foreign_hint",
    "split_off",
    "split_statements",
    "strip_statement",
    "unbound_hint",
]

_T = TypeVar("_T")

#: Characters that may touch a literal without melting into it.
_FREE_LEFT: Final = frozenset("([{,=<>+-*/%|")
_FREE_RIGHT: Final = frozenset(")]},=<>+-*/%|:;")


@dataclasses.dataclass(frozen=True)
class ParameterInfo:
    """The parameters of one statement, in one of the two styles."""

    #: How many `?` the text has.
    positional: int = 0
    #: The different names of `:name` and `$name`, in order of first appearance.
    names: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """The number of values to bind."""
        return self.positional or len(self.names)


class _Place(NamedTuple):
    """Where a parameter stands."""

    start: int
    end: int
    #: `?`, `:` or `$`.
    mark: str
    #: Empty for `?`.
    name: str
    #: `IN ?` or `IN (… ? …)`: a list is written as the elements of the comparison.
    within: str
    #: A string literal or another parameter stands next to it.
    crowded: bool
    #: SQL takes nothing but digits here, as after LIMIT.
    is_count: bool


def count_parameters(sql: str) -> ParameterInfo:
    """Returns the parameters of *sql*; strings, quoted names, comments, casts and slices have none.

    Raises:
        ProgrammingError: INVALID_ARGUMENT, *sql* mixes `?` with names, or what is a parameter depends on how the server
            reads a backslash or a comment.
    """
    return _info(_places(sql))


def bind_sql(
    sql: str,
    values: Sequence[pa.Scalar[Any]] | Mapping[str, pa.Scalar[Any]],
    row: int | None = None,
) -> str:
    """Returns *sql* with each parameter replaced by its value, as a typed literal.

    After `IN` a list stands as `(a, b)`, or as `a, b` where the text has the parentheses; elsewhere as `ARRAY[a, b]`.

    Args:
        sql: One statement.
        values: For `?`, and for names in order of first appearance, a sequence of exactly that length. For names also a
            mapping, which may hold more than the text uses.
        row: The number of the row that they are, from 1, for errors; None where there is one row only.

    Raises:
        ProgrammingError: INVALID_ARGUMENT, the values do not fit the parameters, a value has no exact literal, or as
            `count_parameters`.
        NotSupportedError: A value's type has no literal.
    """
    return _fill(sql, values, row, _operand)


def split_off(
    sql: str,
    values: Sequence[pa.Scalar[Any]] | Mapping[str, pa.Scalar[Any]],
    row: int | None = None,
) -> Command:
    """Returns *sql* with `?` for each parameter, and the values that stand for them.

    A null, NaN or infinity is written into the text, because nobody knows its text on the wire. Arguments and errors as
    `bind_sql`.
    """
    kept: list[Operand] = []

    def mark(scalar: pa.Scalar[Any], place: _Place, label: str) -> str:
        if not is_definite(plain(scalar)):
            return _operand(scalar, place, label)
        kept.append(Operand(label, scalar))
        return "?"

    return Command(_fill(sql, values, row, mark), kept)


def _fill(
    sql: str,
    values: Sequence[pa.Scalar[Any]] | Mapping[str, pa.Scalar[Any]],
    row: int | None,
    write: Callable[[pa.Scalar[Any], _Place, str], str],
) -> str:
    places = _places(sql)
    info = _info(places)
    find = (
        _by_name(sql, info, values)
        if isinstance(values, Mapping)
        else _by_position(sql, info, values)
    )
    of_row = "" if row is None else f" of row {row}"
    pieces: list[str] = []
    at = 0
    for index, place in enumerate(places):
        label = (f"parameter {place.name!r}" if place.name else f"parameter {index + 1}") + of_row
        if place.crowded:
            raise _invalid(
                f"{label} stands beside a string or another parameter; put an operator between them"
            )
        text = write(find(index, place.name), place, label)
        left, right = sql[place.start - 1 : place.start], sql[place.end : place.end + 1]
        pieces += [
            sql[at : place.start],
            "" if not left or left.isspace() or left in _FREE_LEFT else " ",
            text,
            "" if not right or right.isspace() or right in _FREE_RIGHT else " ",
        ]
        at = place.end
    pieces.append(sql[at:])
    return "".join(pieces)


def strip_statement(sql: str) -> str:
    """Returns *sql* without the blanks around it and without its trailing semicolons and what follows them.

    Comments after the last semicolon go with it; others stay. A text whose end depends on how the server reads a
    backslash or a comment only loses the blanks around it.
    """
    if ";" not in sql:
        return (
            sql.strip()
        )  # most texts; cutting one into tokens takes longer than the rest of preparing it
    end = _agreed(sql, lambda tokens: _end_of_statement(tokens, len(sql)))
    return sql[:end].strip()


def split_statements(sql: str) -> list[str]:
    """Returns the statements of *sql* without their semicolons; what has only blanks and comments is no statement.

    Raises:
        ProgrammingError: INVALID_ARGUMENT, the borders depend on how the server reads a backslash or a comment.
    """
    spans = _agreed(sql, lambda tokens: _statements(tokens, len(sql)))
    if spans is None:
        raise _invalid(
            "the server's reading of backslashes and comments decides where a statement ends"
        )
    return [sql[start:end].strip() for start, end in spans]


def _agreed(sql: str, view: Callable[[list[Token]], _T]) -> _T | None:
    """Returns what all readings of *sql* that close their quotes say, or None when they differ."""
    cuts = readings(sql)
    whole = [tokens for tokens in cuts if all(token.closed for token in tokens)]
    first, *others = [view(tokens) for tokens in whole or cuts]
    return first if all(other == first for other in others) else None


def _end_of_statement(tokens: list[Token], length: int) -> int:
    end = length
    for token in reversed(tokens):
        if token.kind is Kind.SEMICOLON:
            end = token.start
        elif token.kind not in SILENT:
            break
    return end


def _statements(tokens: list[Token], length: int) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    start, full = 0, False
    for token in [*tokens, Token(Kind.SEMICOLON, length, length)]:
        if token.kind is Kind.SEMICOLON:
            spans += [(start, token.start)] if full else []
            start, full = token.end, False
        elif token.kind not in SILENT:
            full = True
    return spans


@functools.lru_cache(maxsize=32)  # a statement bound to many rows is read once
def _places(sql: str) -> tuple[_Place, ...]:
    """Returns the parameters of *sql*, provided that every reading finds the same, the unfinished ones included.

    An unfinished reading counts because a value could finish it: where a server with backslash escapes still sees a
    string open, the quote of a literal would close it, and the rest of the value would run.
    """
    first, *others = [_places_of(sql, tokens) for tokens in readings(sql)]
    for other in others:
        if other != first:
            raise _invalid(
                "the server's reading of backslashes and comments decides what is a parameter",
                "write a backslash as CHR(92), and comments as -- or /* */ without nesting",
            )
    return tuple(first)


def _places_of(sql: str, tokens: list[Token]) -> list[_Place]:
    loud = [token for token in tokens if token.kind not in SILENT]
    words = [sql[token.start : token.end].upper() for token in loud]
    places: list[_Place] = []
    #: What each open bracket is, as `_bracket` says.
    brackets: list[str] = []
    for index, token in enumerate(loud):
        text = words[index]
        before = loud[index - 1] if index else None
        is_in = index > 0 and words[index - 1] == "IN"
        if token.kind in (Kind.POSITIONAL, Kind.NAMED):
            after = loud[index + 1] if index + 1 < len(loud) else None
            around = (before, after)
            within = brackets[-1] if brackets else ""
            places.append(
                _Place(
                    token.start,
                    token.end,
                    sql[token.start],
                    sql[token.start + 1 : token.end],
                    "IN" if is_in else "(" if within == "IN" else "",
                    any(other is not None and other.kind in _CROWDING for other in around),
                    _is_count(words, index, within),
                )
            )
        elif text in ("(", "[", "{"):
            brackets.append(_bracket(words, index))
        elif text in (")", "]", "}") and brackets:
            brackets.pop()
    return places


def _bracket(words: Sequence[str], index: int) -> str:
    """Returns what the bracket at *index* opens: IN, numbers of a TYPE, a function that takes COUNTS, or nothing."""
    before = words[index - 1] if index else ""
    if words[index] != "(":
        return ""
    if before == "IN":
        return "IN"
    if before in _SIZED and index > 1 and words[index - 2] in ("AS", "::"):
        return "TYPE"
    return "COUNTS" if before in _COUNTING else ""


def _is_count(words: Sequence[str], index: int, within: str) -> bool:
    """Tells whether the parameter at *index* is a number of rows, digits or letters, which is bare digits in SQL."""
    before = words[index - 1] if index else ""
    after = words[index + 1] if index + 1 < len(words) else ""
    if within == "TYPE" or (within == "COUNTS" and before == "," and after in (",", ")")):
        return True
    if before == "," and index > 2:  # LIMIT a, b
        before = words[index - 3]
    return before in _BEFORE_COUNT or after in _AFTER_COUNT


_BEFORE_COUNT: Final = frozenset({"LIMIT", "OFFSET", "FIRST", "NEXT", "TOP"})
_AFTER_COUNT: Final = frozenset({"PRECEDING", "FOLLOWING", "ROW", "ROWS", "PERCENT"})
#: Types whose brackets hold a number of digits or letters.
_SIZED: Final = frozenset(
    {"DECIMAL", "NUMERIC", "CHAR", "VARCHAR", "BINARY", "VARBINARY", "TIMESTAMP", "FLOAT"}
)
#: Functions whose arguments after the first are counts, which are INT; none that takes numbers as text does.
_COUNTING: Final = frozenset(
    """
    LEFT LPAD REPEAT RIGHT ROUND RPAD SPLIT_PART SUBSTR SUBSTRING TRUNC TRUNCATE
    """.split()  # noqa: SIM905 - quotes would hide the list
)

#: Beside these a string literal would be joined to its neighbour: 'a' 'b' over two lines is 'ab'.
_CROWDING: Final = frozenset({Kind.STRING, Kind.POSITIONAL, Kind.NAMED})


def _info(places: Sequence[_Place]) -> ParameterInfo:
    names = tuple(dict.fromkeys(place.name for place in places if place.name))
    positional = sum(not place.name for place in places)
    if names and positional:
        raise _invalid("the text mixes '?' with named parameters")
    return ParameterInfo(positional, names)


def _by_name(
    sql: str, info: ParameterInfo, values: Mapping[str, pa.Scalar[Any]]
) -> Callable[[int, str], pa.Scalar[Any]]:
    if info.positional:
        raise _invalid("the text has '?' and the values have names", "pass a sequence")
    if values and not info.names:
        raise _invalid(
            f"the text has no parameters and {len(values)} values were given", foreign_hint(sql)
        )
    missing = [name for name in info.names if name not in values]
    if missing:
        raise _invalid(f"no value for {', '.join(map(repr, missing))}")
    return lambda _, name: values[name]


def _by_position(
    sql: str, info: ParameterInfo, values: Sequence[pa.Scalar[Any]]
) -> Callable[[int, str], pa.Scalar[Any]]:
    if len(values) != info.count:
        raise _invalid(
            f"the text has {info.count} parameters and {len(values)} values were given",
            None if info.count else foreign_hint(sql),
        )
    order = {name: index for index, name in enumerate(info.names)}
    return lambda index, name: values[order[name] if name else index]


def _operand(scalar: pa.Scalar[Any], place: _Place, label: str) -> str:
    items = list_items(scalar, label) if place.within else None
    if items is None:
        return (count if place.is_count else operand)(scalar, label)
    text = ", ".join(items)
    return f"({text})" if place.within == "IN" else text


def unbound_hint(sql: str) -> str | None:
    """Returns what to do about *sql*, refused by the server, to which nothing was bound; None if it looks whole."""
    places = [place for tokens in readings(sql) for place in _places_of(sql, tokens)]
    if places:
        written = f"{places[0].mark}{places[0].name}"
        return f"{written!r} in the text is a parameter: pass its value, `execute(sql, [value])`"
    return foreign_hint(sql)


def foreign_hint(sql: str) -> str | None:
    """Returns how to write the parameters of *sql* that are in a style of other drivers; None where it has none."""
    for tokens in readings(sql):
        bare = "".join(
            " " if token.kind in _OPAQUE else sql[token.start : token.end] for token in tokens
        )
        found = _FOREIGN.search(bare)
        if found is not None:
            way = (
                "use `?` or `:name`, or connect with paramstyle='pyformat'"
                if found[0].startswith("%")
                else "use `?` or `:name`"
            )
            return f"{found[0]!r} is no parameter here: {way}"
    return None


_OPAQUE: Final = frozenset({Kind.STRING, Kind.QUOTED, Kind.COMMENT})
#: Parameters of other styles: `%s`, `%(name)s`, `$1`, `@name`, `{name}`.
_FOREIGN: Final = re.compile(r"%s\b|%\(\w+\)s\b|\$\d+\b|@\w+\b|\{\w+\}")


def _invalid(cause: str, hint: str | None = None) -> errors.Error:
    return errors.make(Status.INVALID_ARGUMENT, f"could not bind parameters: {cause}", hint=hint)
