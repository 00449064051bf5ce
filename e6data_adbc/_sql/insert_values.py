"""The INSERT whose rows can stand side by side: `INSERT INTO table (columns) VALUES (?, ?)`, and nothing behind it."""

from __future__ import annotations

import functools
from typing import Final, NamedTuple

from e6data_adbc._sql.lexer import SILENT, Kind, Token, readings

__all__ = ["InsertValues", "insert_values"]

#: Words that are values.
_CONSTANTS: Final = frozenset({"NULL", "TRUE", "FALSE"})


class InsertValues(NamedTuple):
    """An INSERT of one row of parameters and constants.

    Attributes:
        head: The text up to the row's bracket.
        row: What stands in the row, in order: a parameter's name, or its number from 0, or the text of a constant.
    """

    head: str
    row: tuple[int | str | Constant, ...]

    @property
    def parameters(self) -> tuple[int | str, ...]:
        """The parameters of the row, in order."""
        return tuple(value for value in self.row if not isinstance(value, Constant))


class Constant(NamedTuple):
    """A number, a string or one of `_CONSTANTS`."""

    text: str


@functools.lru_cache(maxsize=32)
def insert_values(sql: str) -> InsertValues | None:
    """Returns what *sql* inserts; None where it is anything else, or where readings of it differ."""
    first, *others = (_read(sql, tokens) for tokens in readings(sql))
    return first if all(other == first for other in others) else None


def _read(sql: str, tokens: list[Token]) -> InsertValues | None:
    loud = [token for token in tokens if token.kind not in SILENT]
    while loud and loud[-1].kind is Kind.SEMICOLON:
        loud.pop()
    words = [sql[token.start : token.end].upper() for token in loud]
    if words[:2] != ["INSERT", "INTO"] or "VALUES" not in words:
        return None
    start = words.index("VALUES") + 1
    if loud[start - 1].kind is not Kind.WORD or not _is_target(
        loud[2 : start - 1], words[2 : start - 1]
    ):
        return None
    if words[start : start + 1] != ["("] or words[-1:] != [")"]:
        return None
    row: list[int | str | Constant] = []
    for index, (token, word) in enumerate(
        zip(loud[start + 1 : -1], words[start + 1 : -1], strict=True)
    ):
        if index % 2:
            if word != ",":
                return None
        elif token.kind is Kind.POSITIONAL:
            row.append(sum(isinstance(value, int) for value in row))
        elif token.kind is Kind.NAMED:
            row.append(sql[token.start + 1 : token.end])
        elif token.kind in (Kind.NUMBER, Kind.STRING) or word in _CONSTANTS:
            row.append(Constant(sql[token.start : token.end]))
        else:
            return None
    marks = {type(value) for value in row} - {Constant}
    if len(marks) != 1 or len(loud[start + 1 : -1]) != 2 * len(row) - 1:
        return None
    return InsertValues(sql[: loud[start].start], tuple(row))


def _is_target(tokens: list[Token], words: list[str]) -> bool:
    """Tells whether these name a table and perhaps its columns, and are nothing else."""
    at = 0
    while at < len(tokens) and tokens[at].kind in (Kind.WORD, Kind.QUOTED):
        at += 1
        if at == len(tokens) or words[at] != ".":
            break
        at += 1
    else:
        return False
    if at == len(tokens):
        return True
    inner = tokens[at + 1 : -1]
    return (
        words[at] == "("
        and words[-1] == ")"
        and len(inner) % 2 == 1
        and all(
            words[at + 1 + index] == "," if index % 2 else token.kind in (Kind.WORD, Kind.QUOTED)
            for index, token in enumerate(inner)
        )
    )
