"""What a statement does to the data: it asks, or it changes something, as far as its text tells."""

from __future__ import annotations

import enum
import itertools
import re
from typing import Final, NamedTuple

from e6data_adbc._sql.lexer import SILENT, Kind, Token, readings, tokenize

__all__ = [
    "Effect",
    "cuts_rows",
    "effect_of",
    "first_word",
    "has_returning",
    "is_surely_query",
    "may_change",
    "may_order_rows",
    "orders_rows",
]

_PLAIN_START: Final = re.compile(r"\s*([A-Za-z]+)")
_RETURNING: Final = re.compile(r"returning", re.IGNORECASE)
#: Without any of these a text that begins with a word of `_QUERIES` can be nothing but one query.
_DOUBTFUL: Final = (";", "insert", "update", "delete", "merge", "into")


class Effect(enum.Enum):
    """What a text does."""

    QUERY = "query"
    CHANGE = "change"
    #: Neither is certain: another first word, several statements, none.
    UNKNOWN = "unknown"


_QUERIES: Final = frozenset({"SELECT", "VALUES", "TABLE", "FROM", "SHOW", "DESCRIBE", "DESC"})
#: What changes rows also where it stands in brackets, as a named query.
_HIDDEN: Final = frozenset({"INSERT", "UPDATE", "DELETE", "MERGE"})
_CHANGES: Final = _HIDDEN | {"REPLACE", "UPSERT", "TRUNCATE", "CREATE", "DROP", "ALTER"}
_CUTS: Final = frozenset({"LIMIT", "OFFSET", "FETCH"})
#: What may stand between EXPLAIN and the statement.
_EXPLAIN_WORDS: Final = frozenset({"EXPLAIN", "ANALYZE", "VERBOSE", "PLAN", "FOR"})


def effect_of(sql: str) -> Effect:
    """Returns what *sql* does under the standard's rules of quoting."""
    # An INSERT may be a megabyte long, and its first word decides; most queries are as plain, and tokens are slow.
    if word := _PLAIN_START.match(sql):
        first = word[1].upper()
        if first in _CHANGES:
            return Effect.CHANGE
        if first in _QUERIES and sql.isascii():
            text = sql.lower()  # six searches in it take a third of one that ignores case
            for doubtful in _DOUBTFUL:
                if doubtful in text:
                    break
            else:
                return Effect.QUERY
    return _effect(sql, tokenize(sql))


def is_surely_query(sql: str) -> bool:
    """Tells whether *sql* is one statement that only asks, however the server reads backslashes and comments."""
    return all(_effect(sql, tokens) is Effect.QUERY for tokens in readings(sql))


def has_returning(sql: str) -> bool:
    """Tells whether a change gives rows of its own, rather than a count of them."""
    if _RETURNING.search(sql) is None:
        return False
    return any(word.text == "RETURNING" and not word.depth for word in _words(sql, tokenize(sql)))


def may_change(sql: str) -> bool:
    """Tells whether *sql* changes something, or is nothing certain and has a word for a change in it."""
    effect = effect_of(sql)
    if effect is Effect.UNKNOWN:
        return any(word.text in _CHANGES for word in _words(sql, tokenize(sql)))
    return effect is Effect.CHANGE


def cuts_rows(sql: str) -> bool:
    """Tells whether LIMIT, OFFSET or FETCH stands outside of all brackets: rows are kept by their place."""
    return any(
        word.text in _CUTS and not word.depth
        for tokens in readings(sql)
        for word in _words(sql, tokens)
    )


def orders_rows(sql: str) -> bool:
    """Tells whether ORDER BY stands outside of all brackets, so that rows come in an order that the text names."""
    return all(_orders(sql, tokens) for tokens in readings(sql))


def may_order_rows(sql: str) -> bool:
    """Tells whether ORDER BY may stand outside of all brackets: by one reading of backslashes and comments it does."""
    return any(_orders(sql, tokens) for tokens in readings(sql))


def _orders(sql: str, tokens: list[Token]) -> bool:
    return any(
        word.text == "ORDER" and word.after.upper() == "BY" and not word.depth
        for word in _words(sql, tokens)
    )


def first_word(sql: str) -> str:
    """Returns the first bare word of *sql*, in capitals, whatever brackets it stands in; '' where there is none."""
    words = _words(sql, tokenize(sql))
    return words[0].text if words else ""


class _Word(NamedTuple):
    """A bare word in capitals, the brackets around it, and the tokens beside it."""

    text: str
    depth: int
    before: str
    after: str


def _words(sql: str, tokens: list[Token]) -> list[_Word]:
    loud = [token for token in tokens if token.kind not in SILENT]
    texts = ["", *(sql[token.start : token.end] for token in loud), ""]
    words: list[_Word] = []
    depth = 0
    for index, token in enumerate(loud, 1):
        text = texts[index]
        if token.kind is Kind.WORD:
            words.append(_Word(text.upper(), depth, texts[index - 1], texts[index + 1]))
        elif text in ("(", "[", "{"):
            depth += 1
        elif text in (")", "]", "}"):
            depth = max(depth - 1, 0)
    return words


def _effect(sql: str, tokens: list[Token]) -> Effect:
    if _is_several(tokens):
        return Effect.UNKNOWN
    words = _words(sql, tokens)
    if words and words[0].text == "EXPLAIN":
        head = list(itertools.takewhile(lambda word: word.text in _EXPLAIN_WORDS, words))
        if all(word.text != "ANALYZE" for word in head):
            return Effect.QUERY
        words = words[len(head) :]  # it runs what it explains
    if not words:
        return Effect.UNKNOWN
    level = min(word.depth for word in words)
    outer = [word.text for word in words if word.depth == level]
    first = outer[0] if words[0].depth == level else words[0].text
    if first == "WITH":
        # After the named queries, which stand in brackets, comes the word that decides.
        first = next((word for word in outer[1:] if word in _QUERIES | _CHANGES), "")
    if first in _CHANGES:
        return Effect.CHANGE
    if first not in _QUERIES:
        return Effect.UNKNOWN
    # A change may hide in a named query, and SELECT … INTO makes a table.
    hides = any(word.text in _HIDDEN and word.before == "(" and word.after != "(" for word in words)
    return Effect.CHANGE if hides or (first == "SELECT" and "INTO" in outer) else Effect.QUERY


def _is_several(tokens: list[Token]) -> bool:
    ended = started = False
    for token in tokens:
        if token.kind is Kind.SEMICOLON:
            ended = started
        elif token.kind not in SILENT:
            if ended:
                return True
            started = True
    return False
