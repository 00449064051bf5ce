"""Writes the parts of `docs/` that the code already says: the options, the table of types, the functions of SQL.

`make docs` writes them; `--check` only tells whether they are fresh, with exit code 1 if not.
"""

from __future__ import annotations

import ast
import collections
import enum
import sys
from collections.abc import Iterator

from checks import validation_case as validation
from checks.pages import ROOT, replaced
from e6data_adbc import options, types
from e6data_adbc._options import option_values
from e6data_adbc.etl import Mode, destinations
from e6data_adbc.local import config
from e6data_adbc.local.sql.functions import FUNCTIONS, Support
from e6data_adbc.local.sql.silent import CHANGES, Change
from tools import draw_strategy

#: The marks of second parts of pages.
BEGIN_SETTINGS, END_SETTINGS = (
    "<!-- generated: make docs, settings -->",
    "<!-- end of settings -->",
)
BEGIN_SILENT, END_SILENT = (
    "<!-- generated: make docs, translation -->",
    "<!-- end of translation -->",
)
BEGIN_CASES, END_CASES = "<!-- generated: make docs, cases -->", "<!-- end of cases -->"

LEVELS = {
    "Database": options.DatabaseOptions,
    "Connection": options.ConnectionOptions,
    "Statement": options.StatementOptions,
}


def member_comments() -> dict[str, dict[str, str]]:
    """Returns the `#:` comment above each member of each enum in `options.py`."""
    source = (ROOT / "e6data_adbc" / "options.py").read_text()
    lines = source.splitlines()
    found: dict[str, dict[str, str]] = {}
    for node in ast.parse(source).body:
        if not isinstance(node, ast.ClassDef):
            continue
        comments = found.setdefault(node.name, {})
        for item in node.body:
            if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name):
                comments[item.targets[0].id] = " ".join(comment_above(lines, item.lineno - 1))
    return found


def comment_above(lines: list[str], index: int) -> list[str]:
    """Returns the words of the `#:` lines that end above line *index*."""
    words: list[str] = []
    while index and lines[index - 1].lstrip().startswith("#:"):
        index -= 1
        words.insert(0, lines[index].lstrip().removeprefix("#:").strip())
    return words


def option_sections() -> Iterator[str]:
    """Yields the Markdown of each level's options."""
    comments = member_comments()
    for title, kind in LEVELS.items():
        yield f"\n## {title}\n"
        yield "| key | short name | meaning |\n|---|---|---|"
        for member in kind:
            yield option_row(member, comments[kind.__name__][member.name])


def option_row(member: enum.Enum, comment: str) -> str:
    """Returns one row of an options table."""
    short = member.value.rsplit(".", 1)[-1] if member.value in option_values.SPECS else ""
    return f"| `{member.value}` | {f'`{short}`' if short else ''} | {comment} |"


def type_rows() -> Iterator[str]:
    """Yields the Markdown of the type table, engine types grouped by what they become."""
    yield "| engine type names | vector | Arrow | XDBC code |\n|---|---|---|---|"
    layout = types.Layout()
    for engine in types.TABLE:
        names = ", ".join(f"`{name}`" for name in engine.names)
        arrow = "decimal128(38, s)" if engine is types.DECIMAL else str(engine.arrow(layout, 0))
        yield f"| {names} | {engine.vector.name} | `{arrow}` | {engine.xdbc.code} |"


def case_rows() -> Iterator[str]:
    """Yields the Markdown of what the cases of `tests/validation` hold."""
    cases = validation.cases()
    yield "| of the engine | becomes | case |\n|---|---|---|"
    for case in cases:
        if case.operation == "select":
            (arrow,) = case.content["result"]["schema"].values()
            yield f"| `{case.content['type']}` | `{arrow}` | {case_link(case)} |"
    typed = {
        (case.operation, case.path.stem): case
        for case in cases
        if case.operation in {"bind", "ingest"} and "type" in case.content
    }
    yield "\n| of Arrow | bound | ingested | comes back as | case |\n|---|---|---|---|---|"
    for stem in dict.fromkeys(stem for _, stem in typed):
        found = [typed.get((operation, stem)) for operation in ("bind", "ingest")]
        some = next(case for case in found if case is not None)
        results = [case.content["result"] for case in found if case and "result" in case.content]
        back = dict.fromkeys(f"`{result['schema']['value']}`" for result in results)
        cells = [case_verdict(case) for case in found]
        row = [f"`{some.content['type']}`", *cells, ", ".join(back), case_link(some)]
        yield f"| {' | '.join(row)} |"
    yield "\n| operation | case |\n|---|---|"
    for case in cases:
        if case.operation != "select" and "type" not in case.content:
            yield f"| {case.operation.replace('_', ' ')} | {case_link(case)} |"


def case_link(case: validation.Case) -> str:
    """Returns the title of *case*, as a link to its file."""
    return f"[{case.title}](../{case.path.relative_to(ROOT).as_posix()})"


def case_verdict(case: validation.Case | None) -> str:
    """Returns whether what *case* is about works."""
    if case is None:
        return ""
    return f"refused: {case.content['refused']['status']}" if case.is_refused else "yes"


def method_rows() -> Iterator[str]:
    """Yields the Markdown of what the local engine does with each method."""
    from e6data_adbc.local.service import UNANSWERED
    from e6data_adbc.local.wire.rpc import METHODS

    answered = [method.path for method in METHODS.values() if method.name not in UNANSWERED]
    yield f"{len(answered)} of the {len(METHODS)} methods are really answered. These answer UNIMPLEMENTED:\n"
    yield "| method | because it |\n|---|---|"
    for name, why in UNANSWERED.items():
        yield f"| `{name}` | {why} |"


def setting_rows() -> Iterator[str]:
    """Yields the Markdown of the settings of the local engine."""
    yield "| name | default | meaning |\n|---|---|---|"
    for setting in config.settings():
        yield f"| `{setting.name}` | {setting.default} | {setting.meaning} |"


def sink_rows() -> Iterator[str]:
    """Yields the Markdown of what each destination of loads says that it can do, which the suite of sinks proves."""
    yield "| destination | modes | two workers | parallel commits | evolve | last of a key |"
    yield "|---|---|---|---|---|---|"
    for scheme in destinations.OWN:
        if scheme in {"postgres", "rediss"}:  # other spellings
            continue
        place = "x.t" if scheme == "iceberg" else "x" if "+" in scheme else "x#t"
        sink = destinations.open_sink(destinations.parse(f"{scheme}://localhost/{place}"), {})
        can = sink.capabilities
        modes = (
            "all" if can.modes == set(Mode) else ", ".join(sorted(each.value for each in can.modes))
        )
        fence = f"{'' if can.is_fenced else 'not '}fenced: {can.fence}"
        adds = "adds columns" if can.can_evolve else "no"
        evolves = "adds and widens columns" if can.can_widen else adds
        parallel, last = (
            "yes" if flag else "no" for flag in (can.has_parallel_commits, can.can_keep_last)
        )
        cells = [f"`{scheme}`", modes, fence, parallel, evolves, last]
        yield f"| {' | '.join(cells)} |"


def function_rows() -> Iterator[str]:
    """Yields the Markdown of the functions of e6data and what the local engine does with each."""
    counts = collections.Counter(function.support for function in FUNCTIONS.values())
    yield ", ".join(f"{counts[support]} {support.value}" for support in Support) + "."
    group = ""
    for function in FUNCTIONS.values():
        if function.group != group and function.support is not Support.MISSING:
            group = function.group
            yield f"\n### {group}\n\n| function | support | example | gives | difference |\n|---|---|---|---|---|"
        if function.support is not Support.MISSING:
            example = function.example.replace("|", "\\|")
            cells = f"`{example}` | `{function.value}` | {function.note}"
            yield f"| {function.name} | {function.support.value} | {cells} |"
    names = [name for name, function in FUNCTIONS.items() if function.support is Support.MISSING]
    yield "\n### Missing\n\n" + ", ".join(f"`{name}`" for name in names)


def change_rows() -> Iterator[str]:
    """Yields the Markdown of what a translation would change without a word."""
    yield "| query | means in Trino's SQL | without care | here | strict |\n|---|---|---|---|---|"
    for change in CHANGES:
        here, strict = change_cells(change)
        yield f"| `{change.example}` | {change.meaning} | {change.otherwise} | {here} | {strict} |"


def change_cells(change: Change) -> tuple[str, str]:
    """Returns what the local engine does with *change*, and what it does in strict mode."""
    given = f"`{change.gives}`"
    if not change.refused:
        return given, given
    return (given if change.is_strict else "refused"), "refused"


def main() -> int:
    """Writes or checks the generated parts; returns the exit code."""
    stale = []
    parts = {
        "options.md": option_sections,
        "types.md": type_rows,
        "local-engine.md": method_rows,
        "connection.md": draw_strategy.lines,
        "sql.md": function_rows,
        "guides/load.md": sink_rows,
    }
    for name, lines in parts.items():
        path = ROOT / "docs" / name
        before = path.read_text()
        after = replaced(before, "\n".join(lines()))
        if BEGIN_CASES in before:
            after = replaced(after, "\n".join(case_rows()), BEGIN_CASES, END_CASES)
        if BEGIN_SILENT in before:
            after = replaced(after, "\n".join(change_rows()), BEGIN_SILENT, END_SILENT)
        if BEGIN_SETTINGS in before:
            after = replaced(after, "\n".join(setting_rows()), BEGIN_SETTINGS, END_SETTINGS)
        if after != before:
            stale.append(name)
            if "--check" not in sys.argv:
                path.write_text(after)
    if stale and "--check" in sys.argv:
        print(f"not fresh, run `make docs`: {', '.join(stale)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
