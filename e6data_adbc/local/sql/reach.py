"""Which catalogs a statement reads and changes, as DuckDB's own plan of it tells."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from collections.abc import Iterator
from typing import Any, Final

from e6data_adbc.local.data import catalogs
from e6data_adbc.local.data.statements import HEAD, SqlError, duckdb_module, one_line
from e6data_adbc.local.sql import screen

__all__ = ["Reach", "changed_by", "explained", "reach_of"]

#: What DuckDB calls the steps of a plan that read nothing by themselves.
_STEPS: Final = frozenset(
    """
    AGGREGATE ANY_JOIN ASOF_JOIN COMPARISON_JOIN CROSS_PRODUCT CTE CTE_SCAN DELIM_GET DELIM_JOIN
    DEPENDENT_JOIN DISTINCT DUMMY_SCAN EMPTY_RESULT EXCEPT EXPRESSION_GET FILTER INTERSECT JOIN LIMIT
    ORDER_BY PIVOT POSITIONAL_JOIN PROJECTION REC_CTE SAMPLE TOP_N UNION UNNEST WINDOW
    """.split()  # noqa: SIM905 - a column of words is hard to read
)
_CHANGES: Final = frozenset(
    """
    ALTER CREATE_INDEX CREATE_MACRO CREATE_SCHEMA CREATE_SEQUENCE CREATE_TABLE CREATE_TYPE CREATE_VIEW
    DELETE DROP INSERT MERGE_INTO UPDATE
    """.split()  # noqa: SIM905 - a column of words is hard to read
)
#: Those that scan what they change, so that the plan names it anyway.
_SCANNED: Final = frozenset({"DELETE", "MERGE_INTO", "UPDATE"})
#: The functions that read the files of a served table.
_READERS: Final = frozenset({"READ_CSV", "READ_JSON", "READ_PARQUET", "PARQUET_SCAN"})
_CALLS: Final = frozenset(name.upper() for name in screen.TABLE_FUNCTIONS)
#: What DESCRIBE is in a plan: rows that were made while it was bound.
_ROWS: Final = frozenset({"CHUNK_GET", "COLUMN_DATA_GET"})

_SEQUENCES: Final = re.compile(r"\b(?:nextval|setval|currval)\b", re.IGNORECASE)
_NAME: Final = r'(?:"(?:[^"]|"")*"|\w+)'
#: The only changes whose plan DuckDB cannot write down, which is where their rows come from files.
_TARGET: Final = re.compile(
    rf"{HEAD}(?:insert\s+(?:or\s+\w+\s+)?into"
    r"|create(?:\s+or\s+replace)?(?:\s+temp(?:orary)?)?\s+table(?:\s+if\s+not\s+exists)?)"
    rf"\s+({_NAME}(?:\s*\.\s*{_NAME})*)",
    re.IGNORECASE,
)
_EXPLAIN: Final = re.compile(rf"{HEAD}explain\b", re.IGNORECASE)
_EXPLAIN_OPTIONS: Final = re.compile(rf"{HEAD}(?:analyze\b|\([^()]*\))", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Reach:
    """What a statement touches."""

    #: The catalogs that it reads or changes, in lower case.
    catalogs: frozenset[str]
    #: It changes something.
    is_change: bool


def reach_of(cursor: Any, sql: str, mark: str) -> Reach:
    """Returns what *sql*, a statement that the screen passed, touches; it is bound on *cursor* and not run.

    Views, macros, subqueries and the texts of `query` are looked through: what counts are the tables at the bottom.

    Args:
        cursor: A DuckDB connection on which nothing runs.
        sql: The statement, in DuckDB's words.
        mark: What stands before the catalog's name in the filter of each table that is made of files.

    Raises:
        SqlError: It cannot be told, or the statement is wrong.
    """
    try:
        return _reach(cursor, explained(cursor, sql), mark)
    except duckdb_module().Error as error:
        raise SqlError(one_line(error)) from error


def changed_by(cursor: Any, sql: str, *, is_nested: bool = False) -> frozenset[str]:
    """Returns the catalogs in which *sql* changes something, in lower case; *is_nested* says that it does so twice.

    Raises:
        SqlError: It cannot be told.
        duckdb.Error: The statement is wrong.
    """
    plan = _asked(cursor, "json_serialize_plan", sql)
    if not plan["error"]:
        return frozenset(_targets(cursor, plan["plans"]))
    cursor.execute(
        f"EXPLAIN {sql}"
    ).fetchall()  # raises what is wrong with the statement, if that is the reason
    found = _TARGET.match(sql)
    if found is None or is_nested:
        raise SqlError("what the statement changes cannot be told")
    return frozenset({_catalog(cursor, parts_of(found[1]))})


def explained(cursor: Any, sql: str) -> str:
    """Returns what an EXPLAIN explains; any other statement as it is.

    Raises:
        SqlError: It cannot be told.
    """
    head = _EXPLAIN.match(sql)
    if head is None:
        return sql
    rest = sql[head.end() :]
    with contextlib.suppress(duckdb_module().ParserException):
        cursor.extract_statements(rest)
        return rest
    options = _EXPLAIN_OPTIONS.match(rest)
    if options is None:
        raise SqlError("what the statement explains cannot be told")
    return explained(cursor, f"EXPLAIN {rest[options.end() :]}")


def parts_of(name: str) -> list[str]:
    """Returns the parts of a qualified name without their quotes."""
    found = re.findall(_NAME, name)
    return [part[1:-1].replace('""', '"') if part[0] == '"' else part for part in found]


def _reach(cursor: Any, sql: str, mark: str) -> Reach:
    plan = list(_logical_plan(cursor, sql))
    found: set[str] = set()
    changes: list[str] = []
    has_rows = False
    for node, above in plan:
        name = str(node["name"]).strip().upper()
        if name == "SEQ_SCAN":
            found.add(_scanned(node))
        elif name in _READERS:
            found.add(_marked(above, mark))
        elif name in _CHANGES:
            changes.append(name)
        elif name in _ROWS:
            has_rows = True
        elif name not in _STEPS and name not in _CALLS:
            raise SqlError(f"{name.lower()} is nothing that this user may use")
    if not _SCANNED.issuperset(changes):
        found |= changed_by(cursor, sql, is_nested=len(changes) > 1)
        found |= _defined(cursor, sql, changes, mark)
    if has_rows:
        found |= _described(cursor, sql, mark)
    sequences = set(_sequences(cursor, sql, [node.get("extra_info") for node, _ in plan]))
    return Reach(frozenset(found | sequences), is_change=bool(changes or sequences))


def _logical_plan(cursor: Any, sql: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yields the nodes of the plan before anything was taken out of it, each with the one above."""
    if _is_comment(sql):
        yield {"name": "ALTER"}, {}
        return
    cursor.execute("SET explain_output = 'all'")
    try:
        rows = cursor.execute(f"EXPLAIN (FORMAT json) {sql}").fetchall()
    finally:
        cursor.execute("SET explain_output = 'physical_only'")
    for node in json.loads(dict(rows)["logical_plan"]):
        yield from _nodes(node, {})


def _nodes(
    node: dict[str, Any], above: dict[str, Any]
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    yield node, above
    for child in node.get("children") or ():
        yield from _nodes(child, node)


def _is_comment(sql: str) -> bool:
    """Tells whether *sql* is a COMMENT ON, which DuckDB does not explain."""
    return re.match(rf"{HEAD}comment\s+on\b", sql, re.IGNORECASE) is not None


def _scanned(node: dict[str, Any]) -> str:
    parts = parts_of(str((node.get("extra_info") or {}).get("Table", "")))
    if len(parts) < 3:
        raise SqlError(
            "this DuckDB does not tell what a statement reads; pip install 'duckdb>=1.5'"
        )
    return parts[0].lower()


def _marked(above: dict[str, Any], mark: str) -> str:
    """Returns the catalog whose table reads files under the filter *above*."""
    text = str((above.get("extra_info") or {}).get("Expressions", ""))
    found = re.search(rf"'{re.escape(mark)}(\w+)'", text)
    if found is None or str(above["name"]).strip().upper() != "FILTER":
        raise SqlError("Cannot access files that are no served tables")
    return found[1].lower()


def _targets(cursor: Any, node: Any) -> Iterator[str]:
    """Yields the catalogs of what a plan changes."""
    if isinstance(node, list):
        for item in node:
            yield from _targets(cursor, item)
        return
    if not isinstance(node, dict):
        return
    if str(node.get("type", "")).removeprefix("LOGICAL_") in _CHANGES:
        yield _place(cursor, node.get("table_info") or node.get("info") or {})
    for value in node.values():
        yield from _targets(cursor, value)


def _defined(cursor: Any, sql: str, changes: list[str], mark: str) -> set[str]:
    """Returns the catalogs of what a new view or macro reads."""
    if not {"CREATE_MACRO", "CREATE_VIEW"}.intersection(changes):
        return set()
    names = cursor.get_table_names(sql, qualified=True)
    found = (
        {_catalog(cursor, parts_of(name)) for name in names} if "CREATE_MACRO" in changes else set()
    )
    for node in _queries(_asked(cursor, "json_serialize_plan", sql)["plans"][0]["info"]):
        try:
            found |= _reach(cursor, _written(cursor, node), mark).catalogs
        except duckdb_module().BinderException:  # noqa: PERF203 - mostly there is one
            if "CREATE_VIEW" in changes:
                raise
            # What a macro reads depends on its parameters; each of its calls is looked at.
    return found


def _queries(node: Any) -> Iterator[Any]:
    """Yields the parsed queries in what a plan says about a definition, the outermost ones."""
    if isinstance(node, dict) and str(node.get("type", "")).endswith("_NODE"):
        yield node
        return
    values = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for value in values:
        yield from _queries(value)


def _described(cursor: Any, sql: str, mark: str) -> set[str]:
    """Returns the catalogs of what a DESCRIBE in *sql* is about."""
    tree = _asked(cursor, "json_serialize_sql", sql)
    subjects = [] if tree["error"] else list(_subjects(cursor, tree["statements"]))
    if not subjects:
        raise SqlError("what the statement describes cannot be told")
    return {catalog for text in subjects for catalog in _reach(cursor, text, mark).catalogs}


def _subjects(cursor: Any, node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _subjects(cursor, item)
        return
    if not isinstance(node, dict):
        return
    if node.get("type") == "SHOW_REF":
        if node.get("query"):
            yield _written(cursor, node["query"])
        else:
            path = (node.get("qualified_name") or {}).get("path") or [node["table_name"]]
            yield "FROM " + ".".join(catalogs.quote(str(part)) for part in path)
        return
    for value in node.values():
        yield from _subjects(cursor, value)


def _sequences(cursor: Any, sql: str, details: list[Any]) -> Iterator[str]:
    """Yields the catalogs of the sequences that *sql* takes numbers of; *details* are those of its plan."""
    plan = _asked(cursor, "json_serialize_plan", sql)
    if not plan["error"]:
        yield from _numbered(cursor, plan["plans"])
    elif _SEQUENCES.search(sql) or _SEQUENCES.search(json.dumps(details)):
        raise SqlError("of which sequence the statement takes a number cannot be told")


def _numbered(cursor: Any, node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        info = node.get("sequence_create_info")
        if info:
            yield _place(cursor, info)
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _numbered(cursor, item)


def _place(cursor: Any, info: dict[str, Any]) -> str:
    """Returns the catalog of what a plan describes."""
    path = (info.get("qualified_name") or {}).get("path") or []
    catalog = path[0] if path else info.get("catalog")
    if (
        catalog == ""
    ):  # DuckDB 1 has looked nothing up: a schema to make, or what is not there to drop
        return _catalog(
            cursor, [str(part) for part in (info.get("schema"), info.get("name")) if part]
        )
    if not catalog:
        raise SqlError("what the statement changes cannot be told")
    return str(catalog).lower()


def _catalog(cursor: Any, parts: list[str]) -> str:
    """Returns the catalog that a name of *parts* is looked up in."""
    known = {str(row[0]).lower() for row in cursor.execute("SHOW DATABASES").fetchall()}
    if len(parts) > 1 and parts[0].lower() in known:
        return parts[0].lower()
    return _default(cursor)


def _default(cursor: Any) -> str:
    return str(cursor.execute("SELECT current_catalog()").fetchall()[0][0]).lower()


def _asked(cursor: Any, function: str, sql: str) -> dict[str, Any]:
    """Returns what one of DuckDB's functions on SQL texts says about *sql*."""
    row = cursor.execute(f"SELECT {function}({catalogs.text(sql)})").fetchall()[0]
    answer: dict[str, Any] = json.loads(row[0])
    return answer


def _written(cursor: Any, node: Any) -> str:
    """Returns a parsed query as a text again."""
    tree = {"error": False, "statements": [{"node": node, "named_param_map": []}]}
    rows = cursor.execute("SELECT json_deserialize_sql(?::JSON)", [json.dumps(tree)]).fetchall()
    return str(rows[0][0])
