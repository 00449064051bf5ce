"""Translations of SQL texts, each made once: e6data's dialect → DuckDB's."""

from __future__ import annotations

import collections
import dataclasses
import importlib.util
import logging
import re
import threading
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder
from typing import Final

from e6data_adbc import errors
from e6data_adbc.local.sql import dialect
from e6data_adbc.local.sql.errors import UnsupportedSqlError

__all__ = ["Translation", "Translator"]

_logger = logging.getLogger("e6data_adbc.local")

#: Statements whose text is looked into; others (SHOW, DESCRIBE) are DuckDB's own.
_TRANSLATED: Final = re.compile(
    r"\s*(?P<explain>explain\s+(?:analyze\s+)?)?(?P<rest>(?:\(|--|/\*|select|with|values|insert|create|update|delete|merge|drop|alter)"
    r".*)",
    re.IGNORECASE | re.DOTALL,
)


@dataclasses.dataclass(frozen=True)
class Translation:
    """What DuckDB is given."""

    sql: str
    #: The text is the user's own but for the names of types, so that places in it are places in the user's text.
    is_verbatim: bool


class Translator:
    """Translates texts and remembers the last ones; any thread may call."""

    def __init__(self, *, strict: bool = False, size: int = 1024) -> None:
        """Starts empty.

        Args:
            strict: Refuse what only DuckDB knows.
            size: How many translations are remembered.

        Raises:
            NotSupportedError: *strict* without a sqlglot that can be extended.
        """
        self._strict = strict
        self._size = size
        self._lock = threading.Lock()
        self._known: collections.OrderedDict[str, Translation] = collections.OrderedDict()
        self._unusable = _unusable_sqlglot()
        if self._unusable is None:
            return
        why, hint = self._unusable
        if strict:
            raise errors.make(
                errors.Status.NOT_IMPLEMENTED,
                f"could not start the local engine: strict needs sqlglot, which {why}",
                hint=hint,
            )
        _logger.warning("SQL goes to DuckDB as it is, because sqlglot %s; %s", why, hint)

    def translate(self, sql: str) -> Translation:
        """Returns *sql*, with the literals of standard SQL, for DuckDB.

        Raises:
            UnsupportedSqlError: It uses what the local engine lacks or, if strict, what is not e6data's.
        """
        with self._lock:
            known = self._known.get(sql)
            if known is not None:
                self._known.move_to_end(sql)
                return known
        made = self._make(sql)
        with self._lock:
            self._known[sql] = made
            if len(self._known) > self._size:
                self._known.popitem(last=False)
        return made

    def _make(self, sql: str) -> Translation:
        spelled = dialect.to_duckdb(sql)
        verbatim = Translation(spelled, is_verbatim=len(spelled) == len(sql))
        found = _TRANSLATED.match(sql)
        if self._unusable is not None:
            return verbatim
        if found is None:
            if self._strict and sql.strip():
                word = sql.split(None, 1)[0].upper()
                raise UnsupportedSqlError(f"{word} is not a statement of e6data (strict)")
            return verbatim
        from e6data_adbc.local.sql import tree

        # White space in place of EXPLAIN keeps lines and columns.
        start = found.start("rest")
        try:
            text = tree.translate(" " * start + found["rest"], strict=self._strict)
        except tree.UnparsedError as error:
            if self._strict:
                raise UnsupportedSqlError(str(error)) from error
            _logger.info("sent to DuckDB as it is, because sqlglot cannot parse it: %s", error)
            return verbatim
        if text is None:
            return verbatim
        return Translation((found["explain"] or "") + dialect.to_duckdb(text), is_verbatim=False)


def _unusable_sqlglot() -> tuple[str, str] | None:
    """Returns why there is no sqlglot to extend, and what to do about it; looks at its files and does not load it."""
    spec = importlib.util.find_spec("sqlglot")
    if spec is None or spec.origin is None:
        return "is not installed", "pip install 'e6data-adbc[local]'"
    parser = PathFinder.find_spec("parser", spec.submodule_search_locations)
    if parser is not None and (parser.origin or "").endswith(tuple(EXTENSION_SUFFIXES)):
        return "is its compiled build, whose grammars cannot be extended", "pip uninstall sqlglotc"
    return None
