"""The parameters of SQL text: where they stand, and the text with values in their places."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeVar

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc._driver.literals import list_items, plain, to_literal
from e6data_adbc._driver.server_binding import Command, Operand
from e6data_adbc._driver.tokens import SILENT, Kind, Token, readings
from e6data_adbc.errors import Status

__all__ = [
    "ParameterInfo",
    "bind_sql",
    "count_parameters",
    "split_off",
    "split_statements",
    "strip_statement",
    "to_literal",
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
    #: Empty for `?`.
    name: str
    #: `IN ?` or `IN (… ? …)`: a list is written as the elements of the comparison.
    within: str
    #: A string literal or another parameter stands next to it.
    crowded: bool


def count_parameters(sql: str) -> ParameterInfo:
    """Returns the parameters of *sql*; strings, quoted names, comments, casts and slices have none.

    Raises:
        ProgrammingError: INVALID_ARGUMENT, *sql* mixes `?` with names, or what is a parameter depends on how the server
            reads a backslash or a comment.
    """
    return _info(_places(sql))


def bind_sql(sql: str, values: Sequence[pa.Scalar[Any]] | Mapping[str, pa.Scalar[Any]]) -> str:
    """Returns *sql* with each parameter replaced by its value, as a typed literal.

    After `IN` a list stands as `(a, b)`, or as `a, b` where the text has the parentheses; elsewhere as `ARRAY[a, b]`.

    Args:
        sql: One statement.
        values: For `?`, and for names in order of first appearance, a sequence of exactly that length. For names also a
            mapping, which may hold more than the text uses.

    Raises:
        ProgrammingError: INVALID_ARGUMENT, the values do not fit the parameters, a value has no exact literal, or as
            `count_parameters`.
        NotSupportedError: A value's type has no literal.
    """
    return _fill(sql, values, _operand)


def split_off(sql: str, values: Sequence[pa.Scalar[Any]] | Mapping[str, pa.Scalar[Any]]) -> Command:
    """Returns *sql* with `?` for each parameter, and the values that stand for them.

    A null is written into the text. Arguments and errors as `bind_sql`.
    """
    kept: list[Operand] = []

    def mark(scalar: pa.Scalar[Any], place: _Place, label: str) -> str:
        if not plain(scalar).is_valid:
            return _operand(scalar, place, label)
        kept.append(Operand(label, scalar))
        return "?"

    return Command(_fill(sql, values, mark), kept)


def _fill(
    sql: str,
    values: Sequence[pa.Scalar[Any]] | Mapping[str, pa.Scalar[Any]],
    write: Callable[[pa.Scalar[Any], _Place, str], str],
) -> str:
    places = _places(sql)
    info = _info(places)
    find = _by_name(info, values) if isinstance(values, Mapping) else _by_position(info, values)
    pieces: list[str] = []
    at = 0
    for index, place in enumerate(places):
        label = f"parameter {place.name!r}" if place.name else f"parameter {index + 1}"
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
    places: list[_Place] = []
    #: For each open bracket, whether it is that of `IN (…)`.
    brackets: list[bool] = []
    for index, token in enumerate(loud):
        text = sql[token.start : token.end]
        before = loud[index - 1] if index else None
        is_in = before is not None and sql[before.start : before.end].upper() == "IN"
        if token.kind in (Kind.POSITIONAL, Kind.NAMED):
            around = (before, loud[index + 1] if index + 1 < len(loud) else None)
            places.append(
                _Place(
                    token.start,
                    token.end,
                    text[1:],
                    "IN" if is_in else "(" if brackets and brackets[-1] else "",
                    any(other is not None and other.kind in _CROWDING for other in around),
                )
            )
        elif text in ("(", "[", "{"):
            brackets.append(is_in and text == "(")
        elif text in (")", "]", "}") and brackets:
            brackets.pop()
    return places


#: Beside these a string literal would be joined to its neighbour: 'a' 'b' over two lines is 'ab'.
_CROWDING: Final = frozenset({Kind.STRING, Kind.POSITIONAL, Kind.NAMED})


def _info(places: Sequence[_Place]) -> ParameterInfo:
    names = tuple(dict.fromkeys(place.name for place in places if place.name))
    positional = sum(not place.name for place in places)
    if names and positional:
        raise _invalid("the text mixes '?' with named parameters")
    return ParameterInfo(positional, names)


def _by_name(
    info: ParameterInfo, values: Mapping[str, pa.Scalar[Any]]
) -> Callable[[int, str], pa.Scalar[Any]]:
    if info.positional:
        raise _invalid("the text has '?' and the values have names", "pass a sequence")
    if values and not info.names:
        raise _invalid(f"the text has no parameters and {len(values)} values were given")
    missing = [name for name in info.names if name not in values]
    if missing:
        raise _invalid(f"no value for {', '.join(map(repr, missing))}")
    return lambda _, name: values[name]


def _by_position(
    info: ParameterInfo, values: Sequence[pa.Scalar[Any]]
) -> Callable[[int, str], pa.Scalar[Any]]:
    if len(values) != info.count:
        raise _invalid(f"the text has {info.count} parameters and {len(values)} values were given")
    order = {name: index for index, name in enumerate(info.names)}
    return lambda index, name: values[order[name] if name else index]


def _operand(scalar: pa.Scalar[Any], place: _Place, label: str) -> str:
    items = list_items(scalar, label) if place.within else None
    if items is None:
        return to_literal(scalar, label)
    text = ", ".join(items)
    return f"({text})" if place.within == "IN" else text


def _invalid(cause: str, hint: str | None = None) -> errors.Error:
    return errors.make(Status.INVALID_ARGUMENT, f"could not bind parameters: {cause}", hint=hint)
