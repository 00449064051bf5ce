"""`docs/reliability.md` promises nothing that no test shows, and the retry table of the docs is that of the code."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

from e6data_adbc._session.retry.retry_table import ROWS
from tools import draw_strategy

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows() -> list[list[str]]:
    """Returns the cells of every row of every table."""
    lines = [line for line in PAGE.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in cells if row[0] != "trouble"]


@functools.cache
def collected(file: str) -> frozenset[str]:
    """Returns what pytest collects of a file: functions, and classes or machines by their names."""
    found: set[str] = set()
    for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(name for name in found if name.startswith(("test_", "Test")))


@pytest.mark.parametrize(("file", "name"), sorted(set(NAMED.findall(PAGE))))
def test_each_named_test_exists(file: str, name: str) -> None:
    """A page that names a test names one that runs with the rest."""
    assert re.fullmatch(r"tests/(\w+/)*test_\w+\.py", file)
    assert name in collected(file)


def test_every_row_has_a_test() -> None:
    """No row is a mere promise, and nothing else looks like the name of a test."""
    found = rows()
    for row in found:
        assert len(row) == 3, row
        assert NAMED.sub("", row[2]).strip(", ") == "", row
        assert NAMED.search(row[2]), row
    assert len(found) >= 60
    assert PAGE.count("`tests/") == len(NAMED.findall(PAGE)) + 1  # the name of this file


def test_the_retry_table_is_the_codes() -> None:
    """The table of what is repeated is drawn from the code, with each method in one row."""
    page = (ROOT / "docs" / "connection.md").read_text(encoding="utf-8")
    drawn = list(draw_strategy.retry_rows())

    assert "\n".join(drawn) in page
    methods = [name for row in drawn[2:] for name in re.findall(r"`([^`]+)`", row.split(" | ")[0])]
    assert sorted(methods) == sorted(ROWS)
