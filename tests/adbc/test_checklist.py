"""`docs/adbc.md` answers for every function of ADBC, with tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.driver.test_abi import NAMES_1_0, NAMES_1_1

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "adbc.md").read_text(encoding="utf-8")
TESTS = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


def rows(heading: str) -> list[list[str]]:
    """Returns the cells of the table under a heading."""
    section = PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in section.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


@pytest.mark.parametrize(("file", "name"), TESTS)
def test_each_named_test_exists(file: str, name: str) -> None:
    """A page that names a test names one that runs."""
    assert re.search(rf"^def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE)


def test_every_function_has_one_row() -> None:
    """Each function of the 1.1 table stands in exactly one row, and no other name does."""
    found = [name for row in rows("Functions") for name in re.findall(r"`(\w+)`", row[0])]

    assert sorted(found) == sorted([*NAMES_1_0, *NAMES_1_1])


@pytest.mark.parametrize(
    "heading",
    ["Functions", "Rules that are easily broken", "Options", "What a statement tells", "Plans"],
)
def test_every_row_has_a_test(heading: str) -> None:
    """No row is a mere promise."""
    for row in rows(heading):
        assert re.search(r"`tests/[\w/]+\.py::\w+`", row[-1]), row[0]
