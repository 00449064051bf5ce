"""The comment that a query tag becomes at the head of a statement."""

from __future__ import annotations

import unicodedata
from typing import Final

from e6data_adbc._options.option_values import Settings
from e6data_adbc.options import DatabaseOptions

__all__ = ["tagged"]

#: Controls, invisible and unpaired characters, ends of lines and of paragraphs.
_SILENT: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})


def tagged(sql: str, settings: Settings) -> str:
    """Returns *sql* behind a comment with the tag of *settings*, or as it is where there is none.

    The comment cannot be broken out of, nor does it open one inside itself, which engines that nest comments would
    wait for the end of. The blank at its head keeps it from being read as a hint.
    """
    tag = settings.get(DatabaseOptions.QUERY_TAG)
    if tag is None:
        return sql
    line = "".join(" " if unicodedata.category(char) in _SILENT else char for char in tag)
    while "*/" in line or "/*" in line:
        line = line.replace("*/", "* /").replace("/*", "/ *")
    return f"/* {line} */ {sql}"
