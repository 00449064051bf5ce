"""What a translation from e6data's dialect to DuckDB's would change without a word: repaired, or refused.

sqlglot reads more than DuckDB has, and leaves away, or writes as it is, what means something else there.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable
from typing import Any, Final

from sqlglot import exp

from e6data_adbc.local.sql.errors import UnsupportedSqlError

__all__ = ["CHANGES", "Change", "refuse", "repair"]


@dataclasses.dataclass(frozen=True)
class Change:
    """One thing that would change.

    Attributes:
        example: A query that has it, over `numbers(n)` = 1, 2, 3 where it reads a table.
        meaning: What it means in Trino's SQL, from which e6data's dialect is made here.
        otherwise: What became of it without the local engine's care.
        gives: What the example gives here, as text of its rows; empty if it is refused.
        refused: Words of the refusal; empty if it is not refused.
        is_strict: Refused in strict mode only.
    """

    example: str
    meaning: str
    otherwise: str
    gives: str = ""
    refused: str = ""
    is_strict: bool = False


_DROPPED: Final = "sqlglot drops it"

#: Each is a test, and a row of docs/sql.md.
CHANGES: Final = (
    Change("select 7 / 2", "3", "3.5", "3.5", "whole numbers are divided", True),
    Change(
        "select n / 2 from numbers where n = 3",
        "1",
        "1.5",
        "1.5",
        "whole numbers are divided",
        True,
    ),
    Change(
        "select cast(7 as bigint) / cast(2 as bigint)",
        "3",
        "3.5, but 3 beside a translated call",
        "3.5",
        "whole numbers are divided",
        True,
    ),
    Change(
        "select 2 ^ 3",
        "no operator",
        "8.0, but 1 beside a translated call",
        "8.0",
        "the operator ^",
        True,
    ),
    Change("select 1_000", "1000", "1 named `_000` beside a translated call", "1000"),
    Change("select 0x1F", "31", "0 named `x1F`, or bytes", refused="the number 0x1F"),
    Change(
        "select cast(timestamp '2024-01-01 10:00:00 +02:00' as varchar)",
        "with its zone",
        "DuckDB drops the zone",
        "2024-01-01 08:00:00+00",
    ),
    Change(
        "select typeof(timestamp '2024-01-01 10:00:00')",
        "microseconds, as all of e6data's",
        "a type of whole seconds beside a translated call",
        "TIMESTAMP",
    ),
    Change(
        "select timestamp '2024-01-01 10:00:00.123456789'",
        "nanoseconds",
        "DuckDB cuts off `789`",
        "2024-01-01 10:00:00.123456",
        "a timestamp with more than 6 digits of a second",
        True,
    ),
    Change(
        "select time '10:00:00+01:00'",
        "with its zone",
        "DuckDB drops the zone",
        refused="a TIME with a zone",
    ),
    Change(
        "select json '{\"a\": 1}'", "that text", 'beside a translated call `{"a":1}`', '{"a": 1}'
    ),
    Change(
        "select x'00ff' = to_utf8('x')", "bytes", "a text `x00ff` in DuckDB before 2.0", "false"
    ),
    Change(
        "select lag(n) ignore nulls over (order by n) as v from numbers order by v limit 1",
        "the last that is no NULL",
        "an error: the place of the words differs",
        "1",
    ),
    Change(
        "select count(*) from (select n from numbers order by n fetch first 1 rows with ties)",
        "ties too",
        _DROPPED,
        refused="FETCH … WITH TIES",
    ),
    Change(
        "select n from numbers fetch first 50 percent rows only",
        "half the rows",
        "50 rows",
        refused="PERCENT",
    ),
    Change("select n from numbers sort by n", "no syntax", _DROPPED, refused="SORT BY"),
    Change("select n from numbers distribute by n", "no syntax", _DROPPED, refused="DISTRIBUTE BY"),
    Change("select n from numbers cluster by n", "no syntax", _DROPPED, refused="CLUSTER BY"),
    Change(
        "select n from numbers with (nolock)",
        "no syntax",
        _DROPPED,
        refused="WITH ( … ) behind a table",
    ),
    Change(
        "select n into other from numbers",
        "no syntax",
        "sqlglot writes CREATE TABLE",
        refused="SELECT … INTO",
    ),
    Change(
        "select n from numbers connect by prior n = n + 5",
        "no syntax",
        "sqlglot writes a recursive query",
        refused="CONNECT BY",
    ),
)

#: Clauses of a node that DuckDB lacks, and what to call them.
_CLAUSES: Final[dict[str, str]] = {
    "sort": "SORT BY",
    "distribute": "DISTRIBUTE BY",
    "cluster": "CLUSTER BY",
    "into": "SELECT … INTO",
    "connect": "CONNECT BY",
}
_ZONED: Final = re.compile(
    r"\d(?P<blank>\s*)(?:[+-]\d{1,2}(?::?\d{2})?|Z|[A-Za-z_]+(?:/[A-Za-z_]+)*)\s*$"
)
_BLANK_BEFORE_OFFSET: Final = re.compile(r"(?<=\d)\s+(?=[+-]\d)")
_DIGITS: Final = re.compile(r":\d{2}\.(\d+)")


def refuse(root: exp.Expression, *, strict: bool) -> None:
    """Looks for what is read, and would be lost on the way.

    Raises:
        UnsupportedSqlError: It is there; names it.
    """
    for node in root.walk():
        words = _lost(node)
        if words:
            raise UnsupportedSqlError(f"not supported by the local engine: {words}")
        if strict and isinstance(node, exp.Pow):
            raise UnsupportedSqlError("the operator ^ is not known of e6data's dialect (strict)")
        if strict and _is_moment(node) and len(_fraction(node)) > 6:
            raise UnsupportedSqlError(
                "not supported by the local engine: a timestamp with more than 6 digits of a second (strict)"
            )


def _lost(node: exp.Expression) -> str:
    """Returns what to call the part of *node* that has no place in DuckDB's SQL; empty if there is none."""
    if isinstance(node, exp.Fetch):
        options = node.args.get("limit_options") or node
        for name in ("with_ties", "percent"):
            if options.args.get(name):
                return f"FETCH … {name.replace('_', ' ').upper()}"
    elif isinstance(node, exp.Select):
        return next((words for name, words in _CLAUSES.items() if node.args.get(name)), "")
    elif isinstance(node, exp.Table) and node.args.get("hints"):
        return "WITH ( … ) behind a table"
    elif _is_literal(node, exp.DataType.Type.TIMETZ) or (
        _is_literal(node, exp.DataType.Type.TIME) and _ZONED.search(node.this.this)
    ):
        return "a TIME with a zone"
    return ""


def repair(root: exp.Expression, *, strict: bool) -> bool:
    """Writes in place what would be read differently; returns whether DuckDB must be given that text."""
    changed = False
    for node in list(root.walk()):
        mend = next((mend for kind, mend in _MENDED.items() if isinstance(node, kind)), None)
        if mend is not None and mend(node, strict=strict):
            changed = True
    return changed


def _mend_division(node: Any, *, strict: bool) -> bool:
    """Has DuckDB look at the types of a division, which alone knows those of columns."""
    if not strict:
        return False
    node.replace(exp.Anonymous(this="e6_divide", expressions=[node.this, node.expression]))
    return True


def _mend_literal(node: Any, *, strict: bool) -> bool:  # noqa: ARG001
    if _is_literal(node, exp.DataType.Type.TIMESTAMPTZ):
        node.this.replace(exp.Literal.string(_BLANK_BEFORE_OFFSET.sub("", node.this.this)))
        node.to.set("expressions", None)
        return True
    if _is_moment(node):
        digits = node.to.expressions
        # The digits of a literal are its own, and no rounding was asked for; by itself it is no change.
        if digits and len(_fraction(node)) <= int(digits[0].name):
            node.to.set("expressions", None)
    return False


def _mend_json(node: Any, *, strict: bool) -> bool:  # noqa: ARG001
    node.replace(exp.cast(node.this, "JSON", dialect="duckdb"))
    return False


def _mend_nulls(node: Any, *, strict: bool) -> bool:  # noqa: ARG001
    """Moves IGNORE NULLS into the call, and leaves away RESPECT NULLS, which is the rule."""
    call = node.this
    if not isinstance(call, exp.Anonymous) or not call.expressions:
        return False
    if isinstance(node, exp.IgnoreNulls):
        last = call.expressions[-1]
        last.replace(exp.IgnoreNulls(this=last.copy()))
    node.replace(call)
    return True


_MENDED: Final[dict[type[exp.Expression], Callable[..., bool]]] = {
    exp.Div: _mend_division,
    exp.Cast: _mend_literal,
    exp.ParseJSON: _mend_json,
    exp.IgnoreNulls: _mend_nulls,
    exp.RespectNulls: _mend_nulls,
}


def _is_literal(node: Any, kind: exp.DataType.Type) -> bool:
    """Tells whether *node* is a text that becomes a *kind*."""
    return (
        isinstance(node, exp.Cast)
        and isinstance(node.this, exp.Literal)
        and bool(node.this.is_string)
        and bool(node.to.is_type(kind))
    )


def _is_moment(node: Any) -> bool:
    return _is_literal(node, exp.DataType.Type.TIMESTAMP)


def _fraction(node: Any) -> str:
    found = _DIGITS.search(node.this.this)
    return found[1] if found else ""
