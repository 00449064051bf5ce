"""Connections, cursors and plans as people see them: in a console, an error, a notebook. Never a secret."""

from __future__ import annotations

import html
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Final

from e6data_adbc import errors

__all__ = ["connection_text", "cursor_html", "cursor_text", "table_html"]

#: Characters of a statement that are shown, and rows of a result.
_SQL: Final = 60
_ROWS: Final = 10
_CELL: Final = 80


def connection_text(connection: Any) -> str:
    """Returns where *connection* leads, and whether it is open."""
    return f"<{_name(connection)} {_uri(connection)}, {_state(connection)}>"


def cursor_text(cursor: Any) -> str:
    """Returns where the cursor's connection leads, what it does, and the beginning of its statement."""
    facts = [_uri(cursor._conn), _state(cursor)]
    if not cursor._closed and (query_id := _asked(lambda: cursor.query_id)):
        facts.append(f"query {query_id}")
        if cursor.rownumber:
            rows = "row" if cursor.rownumber == 1 else "rows"
            facts.append(f"{cursor.rownumber:,} {rows} fetched")
    statement = " ".join(str(cursor._last_query or "").split())
    if statement:
        facts.append(repr(statement if len(statement) <= _SQL else f"{statement[: _SQL - 1]}…"))
    return f"<{_name(cursor)} {', '.join(facts)}>"


def cursor_html(cursor: Any) -> str:
    """Returns the cursor's text, and the first rows of its result that were not fetched; they stay."""
    text = f"<p><code>{html.escape(cursor_text(cursor))}</code></p>"
    result = cursor._results
    if cursor._closed or result is None or not cursor._gives_rows:
        return text
    names, rows = result.peek(_ROWS + 1)
    shown = [[_cell(value) for value in row] for row in rows[:_ROWS]]
    more = f"<p>the first {_ROWS} of the rows to fetch</p>" if len(rows) > _ROWS else ""
    return text + table_html(names, shown) + more


def table_html(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table, its cells escaped."""
    head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
    body = "".join(
        f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in row)}</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(value: Any) -> str:
    text = "NULL" if value is None else str(value)
    return text if len(text) <= _CELL else f"{text[: _CELL - 1]}…"


def _name(it: Any) -> str:
    return f"{type(it).__module__}.{type(it).__qualname__}"


def _uri(connection: Any) -> str:
    """Returns the URI without the token, as the driver tells it; of a closed connection nobody can."""
    return _asked(lambda: connection._db._db.get_option("uri")) or "e6data"


def _state(it: Any) -> str:
    return "closed" if it._closed else "open"


def _asked(ask: Any) -> str | None:
    """Returns what the driver tells; None where it tells nothing, or there is no driver left at exit."""
    if sys.is_finalizing():
        return None
    try:
        return str(ask())
    except (errors.Error, AttributeError):
        return None
