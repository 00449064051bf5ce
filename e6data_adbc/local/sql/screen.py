"""What the words of a statement may not name: functions that reach files, settings or further SQL, whoever asks."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Any, Final

from e6data_adbc.local.data.statements import SqlError, duckdb_module

__all__ = ["SHADOWS", "TABLE_FUNCTIONS", "Screen"]

#: The table functions that touch no file and tell no path; all others are refused, those of a later DuckDB too.
TABLE_FUNCTIONS: Final = frozenset(
    """
    range generate_series generate_subscripts unnest repeat repeat_row json_each json_tree summary
    histogram histogram_values regexp_split_to_table test_all_types test_vector_types icu_calendar_names
    pg_timezone_names query query_table duckdb_columns duckdb_constraints duckdb_coordinate_systems
    duckdb_databases duckdb_dependencies duckdb_functions duckdb_indexes duckdb_keywords
    duckdb_optimizers duckdb_schemas duckdb_sequences duckdb_tables duckdb_triggers duckdb_types
    duckdb_views pragma_collations pragma_platform pragma_show pragma_table_info pragma_user_agent
    pragma_version
    """.split()  # noqa: SIM905 - a column of words is hard to read
)
#: Functions of values that are no plain values: they read the environment, plan further SQL, or write a log.
_VALUES: Final = frozenset({"getenv", "json_serialize_plan", "write_log"})
#: The settings that say nothing about files; `current_setting` tells no others.
_SETTINGS: Final = frozenset(
    {
        "calendar",
        "default_null_order",
        "default_order",
        "schema",
        "search_path",
        "threads",
        "timezone",
    }
)
#: What CREATE may make.
_MADE: Final = frozenset(
    {"function", "index", "macro", "schema", "sequence", "table", "type", "view"}
)
_MODIFIERS: Final = frozenset(
    {"global", "local", "or", "recursive", "replace", "temp", "temporary", "unique", "unlogged"}
)
_EVALUATED: Final = frozenset({"query"})
_SHADOWED: Final = frozenset({"duckdb_databases", "duckdb_views"})

#: Macros in front of DuckDB's functions that tell where files are; they tell the rest.
SHADOWS: Final = (
    """CREATE OR REPLACE MACRO memory.main.duckdb_databases() AS TABLE
    SELECT * REPLACE (CAST(NULL AS VARCHAR) AS path) FROM system.main.duckdb_databases()""",
    """CREATE OR REPLACE MACRO memory.main.duckdb_views() AS TABLE
    SELECT * REPLACE (CASE WHEN database_name IN ('files', 'tpch') THEN NULL ELSE sql END AS sql)
    FROM system.main.duckdb_views()""",
)

_WORD: Final = re.compile(r'"((?:[^"]|"")*)"|(\w[\w$]*)')
_TEXT: Final = re.compile(r"'((?:[^']|'')*)'|(\$\w*\$)(.*)\2", re.DOTALL)
_CREATE: Final = re.compile(r"\bcreate\b", re.IGNORECASE)
#: What a statement has that may read a file by its name alone, or have such a name evaluated.
_FILE: Final = re.compile(
    r"\.(?:csv|tsv|txt|parquet|pq|json|jsonl|ndjson|arrows?|ipc|feather|avro|xlsx|vortex|d?db|duckdb|sqlite3?|gz|zst)\b"
    r"|\bquery",
    re.IGNORECASE,
)
_COMMENT: Final = ("--", "/*")

# A token's first characters: a word without its quotes in lower case, a literal, or a sign.
_Token = tuple[str, str]


class Screen:
    """Reads statements as DuckDB's own lexer does; any thread may call."""

    def __init__(self) -> None:
        """Learns which table functions DuckDB has."""
        self._refused = _table_functions() - TABLE_FUNCTIONS | _VALUES
        names = self._refused | _SHADOWED | _EVALUATED | {"current_setting"}
        # Most statements have none of these words, and are not taken apart.
        self._suspects = re.compile(rf"(?<!\w)(?:{'|'.join(sorted(names))})(?!\w)", re.IGNORECASE)

    def check(self, sql: str) -> None:
        """Looks for what no statement may name.

        Raises:
            SqlError: It is there; names it.
        """
        is_suspect = self._suspects.search(sql) is not None
        if not is_suspect and not _CREATE.search(sql):
            return
        tokens = [*_tokens(sql), ("", ""), ("", ""), ("", "")]
        _check_create(tokens)
        for place in range(len(tokens) - 3) if is_suspect else ():
            name, sign = tokens[place][1], tokens[place + 1][1]
            if tokens[place][0] == "word" and sign.startswith("("):
                self._check_call(name, tokens, place)

    @staticmethod
    def may_name_files(sql: str) -> bool:
        """Tells whether a file may stand in the place of a table; its plan knows then."""
        return _FILE.search(sql) is not None

    def _check_call(self, name: str, tokens: list[_Token], place: int) -> None:
        if name in self._refused:
            raise SqlError(
                f"Cannot access files, settings or plans with {name}(): SQL reaches the served tables and nothing else"
            )
        if name in _SHADOWED and place and tokens[place - 1][1].startswith("."):
            raise SqlError(f"{name}() is called without catalog and schema")
        literal = tokens[place + 2][1] if tokens[place + 2][0] == "text" else None
        alone = tokens[place + 3][1].startswith(")")
        if name == "current_setting" and (
            literal is None or not alone or literal.lower() not in _SETTINGS
        ):
            raise SqlError(
                f"current_setting() tells {', '.join(sorted(_SETTINGS))} only, each named by a literal"
            )
        if name in _EVALUATED:
            if literal is None or not alone:
                raise SqlError(f"{name}() takes one text, as a plain literal")
            self.check(literal)


@functools.cache
def _table_functions() -> frozenset[str]:
    """Returns the names of DuckDB's own table functions."""
    with duckdb_module().connect(":memory:") as connection:
        rows = connection.execute(
            "SELECT DISTINCT lower(function_name) FROM duckdb_functions() "
            "WHERE function_type IN ('table', 'table_macro') AND database_name = 'system'"
        ).fetchall()
    return frozenset(str(row[0]) for row in rows)


def _check_create(tokens: list[_Token]) -> None:
    words = iter(tokens)
    kind, first = next(words)
    if first == "explain":
        kind, first = next((token for token in words if token[1] == "create"), ("", ""))
    if (kind, first) != ("word", "create"):
        return
    made = next((word for kind, word in words if kind != "word" or word not in _MODIFIERS), "")
    if made not in _MADE:
        raise SqlError(f"CREATE {made.upper()} is not supported by the engine")


def _tokens(sql: str) -> Iterator[_Token]:
    """Yields the tokens of *sql* as DuckDB sees them, without comments."""
    whole = sql.encode()
    starts: list[tuple[int, Any]] = duckdb_module().tokenize(sql)
    ends = [start for start, _ in starts[1:]] + [len(whole)]
    for (start, kind), end in zip(starts, ends, strict=True):
        token = whole[start:end].decode(errors="replace").lstrip()
        if token.startswith(_COMMENT):
            continue
        if kind.name == "string_const":
            found = _TEXT.match(token)
            if found is None:  # an escape string and its like, whose value is not looked for
                yield "other", token
            else:
                plain = found[1].replace("''", "'") if found[1] is not None else found[3]
                yield "text", plain
        elif word := _WORD.match(token):
            yield "word", (word[1].replace('""', '"') if word[1] is not None else word[2]).lower()
        else:
            yield "sign", token
