"""One statement of e6data's dialect, parsed by sqlglot and written again for DuckDB."""

from __future__ import annotations

from typing import Any, Final

import sqlglot
from sqlglot import exp
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.dialects.trino import Trino
from sqlglot.errors import ErrorLevel, SqlglotError
from sqlglot.tokens import TokenType

from e6data_adbc.local.sql import silent
from e6data_adbc.local.sql.errors import UnsupportedSqlError
from e6data_adbc.local.sql.functions import FUNCTIONS, Support
from e6data_adbc.local.sql.rewrites import rewrite_call, rewrite_ordered_list

__all__ = ["E6Local", "UnparsedError", "translate"]

#: Functions with a grammar of their own; all others are kept as calls by name.
_SHAPED: Final = ("CAST", "TRY_CAST", "EXTRACT", "SUBSTRING", "POSITION", "OVERLAY")
_NAMES: Final = frozenset(FUNCTIONS)
_MISSING: Final = frozenset(
    name for name, function in FUNCTIONS.items() if function.support is Support.MISSING
)
#: Nodes that only DuckDB's grammar has, and what to call them.
_DUCKDB: Final[dict[type[exp.Expression], str]] = {
    exp.Pivot: "PIVOT",
    exp.TableSample: "TABLESAMPLE",
    exp.Comprehension: "a list comprehension",
    exp.Slice: "a slice",
    exp.Summarize: "SUMMARIZE",
}


class UnparsedError(ValueError):
    """sqlglot does not understand the text; says where, by line and column from 1."""


class E6Local(Trino):  # type: ignore[misc]
    """e6data's grammar: Trino's, with TIMESTAMP_TZ, and calls that keep their names."""

    # As the dialect of e6data's public translator: a quotient is what DuckDB makes of it, in every statement.
    TYPED_DIVISION = False
    SAFE_DIVISION = True
    NUMBERS_CAN_BE_UNDERSCORE_SEPARATED = True

    class Tokenizer(Trino.Tokenizer):  # type: ignore[misc]
        """Trino's with the type name of e6data."""

        KEYWORDS = {  # noqa: RUF012 - sqlglot's own shape
            **Trino.Tokenizer.KEYWORDS,
            "TIMESTAMP_TZ": TokenType.TIMESTAMPTZ,
        }

    class Parser(Trino.Parser):  # type: ignore[misc]
        """Trino's parser without its knowledge of functions; `rewrites` decides what they mean."""

        FUNCTIONS: dict[str, Any] = {}  # noqa: RUF012
        FUNCTION_PARSERS = {  # noqa: RUF012
            **{
                name: parser
                for name, parser in sqlglot.Parser.FUNCTION_PARSERS.items()
                if name in {*_SHAPED, "TRIM"}
            },
        }
        # `^` is a power in DuckDB, before `*`; sqlglot's own guess is an exclusive or, after it.
        BITWISE = {  # noqa: RUF012
            token: node for token, node in Trino.Parser.BITWISE.items() if token != TokenType.CARET
        }
        EXPONENT = {TokenType.CARET: exp.Pow}  # noqa: RUF012

    class Generator(Trino.Generator):  # type: ignore[misc]
        """Trino's, for the names of columns."""

        MULTI_ARG_DISTINCT = True


class _Written(DuckDB):  # type: ignore[misc]
    """DuckDB's grammar for calls that keep their names, which sqlglot does not know as aggregates."""

    class Generator(DuckDB.Generator):  # type: ignore[misc]
        """DuckDB's, that leaves orders and nulls of such calls where they stand."""

        def withingroup_sql(self, expression: exp.WithinGroup) -> str:
            """Returns `f(x) WITHIN GROUP (ORDER BY y)`."""
            order = self.sql(expression, "expression").lstrip()
            return f"{self.sql(expression, 'this')} WITHIN GROUP ({order})"

        def ignorenulls_sql(self, expression: exp.IgnoreNulls) -> str:
            """Returns the last argument of a call with its IGNORE NULLS."""
            return f"{self.sql(expression, 'this')} IGNORE NULLS"

        def distinct_sql(self, expression: exp.Distinct) -> str:
            """Returns DISTINCT with its values, which of a COUNT of several are those without a NULL."""
            values = expression.expressions
            if len(values) < 2 or _name(expression.parent) == "COUNT":
                return str(super().distinct_sql(expression))
            return f"DISTINCT {self.expressions(expression, flat=True)}"


def translate(sql: str, *, strict: bool) -> str | None:
    """Returns *sql* for DuckDB; None if DuckDB understands it as it is.

    Raises:
        UnparsedError: sqlglot cannot parse it.
        UnsupportedSqlError: A function has no counterpart; if *strict*, something is DuckDB's own.
    """
    try:
        root = sqlglot.parse_one(sql, dialect=E6Local)
    except SqlglotError as error:
        raise UnparsedError(_where(error)) from error
    except RecursionError as error:
        raise UnparsedError("the statement is nested too deeply") from error
    if strict:
        _refuse_foreign(root)
    silent.refuse(root, strict=strict)
    before = [node.sql(dialect=E6Local) for node in _columns(root)]
    changed = silent.repair(root, strict=strict)
    if not _rewrite(root) and not changed:
        return None
    try:
        for node, text in zip(_columns(root), before, strict=True):
            _keep_name(node, text)
        return str(root.sql(dialect=_Written, comments=False, unsupported_level=ErrorLevel.RAISE))
    except SqlglotError as error:
        raise UnsupportedSqlError(
            f"not supported by the local engine: {' '.join(str(error).split())}"
        ) from error


def _rewrite(root: exp.Expression) -> bool:
    """Rewrites calls in place, the inner ones first; returns whether anything changed."""
    changed = False
    for node in reversed(list(root.walk())):
        if isinstance(node, exp.WithinGroup) and _name(node.this) in ("LISTAGG", "STRING_AGG"):
            node.replace(rewrite_ordered_list(node.this, node.expression))
            changed = True
        elif isinstance(node, exp.HexString):
            # Releases of sqlglot write it differently, and one as the bytes of its digits. By itself it is no change.
            digits = exp.Literal.string(node.this)
            node.replace(exp.Anonymous(this="unhex", expressions=[digits]))
        elif isinstance(node, exp.Lambda):
            changed = True  # `x -> …` is written `lambda x: …`
        elif isinstance(node, exp.Anonymous) and not isinstance(node.parent, exp.WithinGroup):
            name = _name(node)
            if name in _MISSING:
                raise UnsupportedSqlError(f"not supported by the local engine: {name}")
            made = rewrite_call(name, node.expressions)
            if made is not None:
                node.replace(made)
                changed = True
    return changed


def _name(node: Any) -> str:
    if not isinstance(node, exp.Anonymous):
        return ""
    this = node.this
    return (this if isinstance(this, str) else this.name).upper()


def _columns(root: exp.Expression) -> list[exp.Expression]:
    if isinstance(root, exp.Query):
        return list(root.selects)
    found = root.args.get("returning")
    return [] if found is None else list(found.expressions)


def _keep_name(node: exp.Expression, text: str) -> None:
    """Names a changed column after what the user wrote."""
    if (
        not isinstance(node, exp.Alias | exp.Column | exp.Star)
        and node.sql(dialect=E6Local) != text
    ):
        node.replace(exp.alias_(node.copy(), text, quoted=True))


def _refuse_foreign(root: exp.Expression) -> None:
    if isinstance(root, exp.Command):
        raise _foreign(f"the statement {root.this!s}")
    for node in root.walk():
        if isinstance(node, exp.Anonymous) and _name(node) not in _NAMES:
            raise _foreign(f"the function {_name(node)}")
        if isinstance(node, exp.Struct):
            raise _foreign("a struct in braces")
        if isinstance(node, exp.Star) and any(node.args.values()):
            raise _foreign("* with EXCLUDE, REPLACE or RENAME")
        if isinstance(node, exp.Distinct) and node.args.get("on"):
            raise _foreign("DISTINCT ON")
        if isinstance(node, exp.Group) and node.args.get("all"):
            raise _foreign("GROUP BY ALL")
        for kind, words in _DUCKDB.items():
            if isinstance(node, kind):
                raise _foreign(words)


def _foreign(what: str) -> UnsupportedSqlError:
    return UnsupportedSqlError(f"{what} is not known of e6data's dialect (strict)")


def _where(error: SqlglotError) -> str:
    details = getattr(error, "errors", None)
    if not details:
        return "syntax error: " + " ".join(str(error).split())[:200]
    first = details[0]
    near = first.get("highlight") or ""
    column = max(1, int(first.get("col") or 1) - len(near) + 1)
    text = f"syntax error at line {first.get('line')}, column {column}"
    return f"{text} near {near!r}: {first.get('description')}" if near else text
