"""What may stand where the cursor of the shell is: keywords, names of the catalog, commands of the shell."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

__all__ = ["KEYWORDS", "Names", "Word", "complete"]

KEYWORDS: Final = tuple(
    """
    ALL ALTER ANALYZE AND ANY AS ASC BETWEEN BY CASE CAST COALESCE COUNT CREATE CROSS CURRENT_DATE CURRENT_TIMESTAMP
    DATE DELETE DESC DESCRIBE DISTINCT DROP ELSE END EXCEPT EXISTS EXPLAIN EXTRACT FALSE FROM FULL GROUP HAVING IN
    INNER INSERT INTERSECT INTERVAL INTO IS JOIN LEFT LIKE LIMIT MAX MIN NOT NULL OFFSET ON OR ORDER OUTER OVER
    PARTITION RIGHT ROW_NUMBER SELECT SET SHOW SUM TABLE THEN TIMESTAMP TRUE UNION UPDATE USING VALUES VIEW WHEN WHERE
    WITH
    """.split()  # noqa: SIM905 - seventy quoted words would hide the list
)
_END: Final = re.compile(r"[\w.]*\Z")
_WORDS: Final = re.compile(r"\w+")
#: Words of a text whose columns are looked up, at most.
_MOST_TABLES: Final = 20
#: Seconds that a key may wait for the server.
_PATIENCE: Final = 3.0


class Word(NamedTuple):
    """One completion."""

    text: str
    #: Characters before the cursor that it takes the place of.
    typed: int
    #: What it is.
    kind: str


class Names:
    """Tables and columns of the server, read when they are first needed.

    Trouble with the catalog means fewer completions, never an error in the middle of typing; and so does a server that
    takes long, whose answer is there the next time.
    """

    def __init__(self, read: Callable[[str | None], list[dict[str, Any]]]) -> None:
        """Takes what lists the tables, or with an exact name the columns of one; it may block."""
        self._read = read
        self._lists: dict[str | None, _List] = {}

    def forget(self) -> None:
        """Reads anew when asked: something may have changed."""
        self._lists = {}

    def tables(self) -> dict[str, set[str]]:
        """Returns the tables, and the schemas that each of them is in."""
        found: dict[str, set[str]] = {}
        for row in self._rows(None):
            found.setdefault(row["table"], set()).add(row["schema"])
        return found

    def columns(self, table: str) -> list[str]:
        """Returns the columns of a table; none where there is no such."""
        return [row["column"] for row in self._rows(table) if "column" in row]

    def _rows(self, table: str | None) -> list[dict[str, Any]]:
        if table not in self._lists:
            self._lists[table] = _List(self._read, table)
        return self._lists[table].rows(_PATIENCE)


class _List:
    """Rows that a thread reads."""

    def __init__(
        self, read: Callable[[str | None], list[dict[str, Any]]], table: str | None
    ) -> None:
        self._found: list[dict[str, Any]] = []
        self._done = threading.Event()
        threading.Thread(
            target=self._run, args=(read, table), name="e6data-names", daemon=True
        ).start()

    def _run(self, read: Callable[[str | None], list[dict[str, Any]]], table: str | None) -> None:
        try:
            self._found = read(table)
        finally:
            self._done.set()

    def rows(self, seconds: float) -> list[dict[str, Any]]:
        """Returns the rows, none if they are not there within *seconds*."""
        self._done.wait(seconds)
        return self._found


def complete(text: str, names: Names, commands: tuple[str, ...]) -> Iterator[Word]:
    """Yields what may come at the end of *text*, what was typed before the cursor.

    Args:
        text: From the beginning.
        names: Of the server.
        commands: Of the shell, each with its backslash.
    """
    if text.startswith("\\") and " " not in text:
        yield from (Word(word, len(text), "command") for word in commands if word.startswith(text))
        return
    found = _END.search(text)
    typed = found[0] if found else ""
    before, dot, last = typed.rpartition(".")
    tables = names.tables()
    here = {word for word in _WORDS.findall(text) if word in tables}
    if dot:
        owner = before.rpartition(".")[2]
        candidates = [(table, "table") for table, schemas in tables.items() if owner in schemas]
        owners = [owner] if owner in tables else sorted(here)[:_MOST_TABLES]  # or an alias
        candidates += [(column, "column") for table in owners for column in names.columns(table)]
    else:
        candidates = [
            (column, "column")
            for table in sorted(here)[:_MOST_TABLES]
            for column in names.columns(table)
        ]
        candidates += [(table, "table") for table in tables]
        candidates += [(schema, "schema") for schema in sorted(set().union(*tables.values()))]
        candidates += [(_cased(word, last), "keyword") for word in KEYWORDS] if last else []
    seen = set()
    for word, kind in candidates:
        if word not in seen and word.lower().startswith(last.lower()):
            seen.add(word)
            yield Word(word, len(last), kind)


def _cased(word: str, typed: str) -> str:
    return word.lower() if typed.islower() else word
