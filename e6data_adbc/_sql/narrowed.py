"""A query with fewer columns and rows, as SQL: its text stays what it is, and another stands around it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from e6data_adbc import errors
from e6data_adbc._sql.lexer import SILENT, Kind, Token, readings
from e6data_adbc._sql.names import quoted_name
from e6data_adbc._sql.placeholders import strip_statement

__all__ = ["check_condition", "narrowed"]

_CLOSES: Final = {")": "(", "]": "[", "}": "{"}


def narrowed(sql: str, columns: Sequence[str] | None = None, where: str | None = None) -> str:
    """Returns the query for *columns* of the rows of *sql* that fulfil *where*.

    Args:
        sql: One query.
        columns: Names of its columns, at least one, in the order wanted; None for all.
        where: A condition over its columns; None for all rows.

    Raises:
        ProgrammingError: INVALID_ARGUMENT, *where* is no condition by itself, or a name cannot be written in SQL.
    """
    if columns is None and where is None:
        return sql
    names = "*" if columns is None else ", ".join(quoted_name(name, "column") for name in columns)
    # In lines of their own, so that a comment at the end hides no bracket.
    text = f"SELECT {names} FROM (\n{strip_statement(sql)}\n) AS narrowed"  # noqa: S608 - the user's own text
    if where is None:
        return text
    check_condition(where)
    return f"{text} WHERE (\n{where}\n)"


def check_condition(where: str) -> None:
    """Checks that *where* ends nothing that it did not begin, however the server reads quotes and comments.

    Raises:
        ProgrammingError: INVALID_ARGUMENT, it does, or it has a parameter, or is empty.
    """
    causes = (_problem(where, tokens) for tokens in readings(where))
    cause = next((cause for cause in causes if cause is not None), None)
    if cause is not None:
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not use the condition {where!r}: {cause}",
            hint="write what may stand after WHERE, for instance amount > 10 AND region = 'north'",
        )


def _problem(text: str, tokens: Sequence[Token]) -> str | None:
    opened: list[str] = []
    loud = [token for token in tokens if token.kind not in SILENT]
    if not loud:
        return "it is empty"
    for token in tokens:
        symbol = text[token.start : token.end]
        if not token.closed:
            return "a text, a name or a comment in it does not end"
        if token.kind is Kind.SEMICOLON:
            return "it has a semicolon"
        if token.kind in (Kind.POSITIONAL, Kind.NAMED):
            return f"it has a parameter, {symbol!r}, which nothing is bound to"
        if token.kind is Kind.SYMBOL and symbol in "([{":
            opened.append(symbol)
        if token.kind is Kind.SYMBOL and symbol in _CLOSES and not _closes(symbol, opened):
            return "it closes a bracket that it has not opened"
    return "it opens a bracket that it does not close" if opened else None


def _closes(symbol: str, opened: list[str]) -> bool:
    return bool(opened) and opened.pop() == _CLOSES[symbol]
