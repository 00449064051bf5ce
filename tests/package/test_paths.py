"""What the documentation names is there: files by their paths, modules by their names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = (
    "adbc_driver_e6data",
    "benchmarks",
    "checks",
    "docs",
    "e6data_adbc",
    "native",
    "protos",
    "tests",
    "tools",
)
PAGES = [
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"))
    if path.name != "CHANGELOG.md"  # it tells of what was
]
#: A file of the project by its ending, or anything in one of its folders; `::test` and `#L1` after it are cut off.
QUOTED = re.compile(r"`([\w./-]+?)(?:::\w+)?`")
LINKED = re.compile(r"\]\(([^)#\s]+)(?:#[\w-]*)?\)")
MODULE = re.compile(rf"python -m ((?:{'|'.join(FOLDERS)})[\w.]*)")
#: Python and Rust files that are no part of the project.
NOT_OURS: set[str] = set()


def named_paths(page: Path) -> Iterator[str]:
    """Each path from the root that *page* names in quotes or links to."""
    text = page.read_text(encoding="utf-8")
    for name in QUOTED.findall(text):
        if name.startswith(tuple(f"{folder}/" for folder in FOLDERS)) or name.endswith(
            (".py", ".pyi", ".rs")
        ):
            yield name
    for target in LINKED.findall(text):
        if not target.startswith(("http:", "https:", "mailto:")):
            yield str((page.parent / target).resolve().relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_paths_are_there(page: Path) -> None:
    """A path is written from the root of the project, and leads somewhere."""
    missing = [
        name for name in named_paths(page) if name not in NOT_OURS and not (ROOT / name).exists()
    ]

    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_named_commands_are_there(page: Path) -> None:
    """`python -m` is followed by a module that is there."""
    for name in MODULE.findall(page.read_text(encoding="utf-8")):
        path = ROOT.joinpath(*name.split("."))
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), name


#: What a newcomer may want to change, as the map of CONTRIBUTING.md says it.
TASKS = [
    "Add an option",
    "Add a vector type",
    "Add an RPC",
    "Add a type of parameter",
    "Add a command",
    "Add a sink",
    "Add a transport",
    "Add a column of GetObjects",
    "Change the retry of prepare",
    "Change the hysteresis",
]


@pytest.mark.parametrize("task", TASKS)
def test_the_map_leads_to_each_task(task: str) -> None:
    """The map has an entry of one step to each task, and the entry names the file to begin with."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (entry,) = re.findall(rf"^- \*\*{task}\*\*.*?(?=^- |^#)", text, re.MULTILINE | re.DOTALL)

    assert [name for name in QUOTED.findall(entry) if (ROOT / name).is_file()] or LINKED.findall(
        entry
    )


def test_paths_are_found(tmp_path: Path) -> None:
    """The pattern sees what the pages write: a vacuous test would pass on any page."""
    named = [name for page in PAGES for name in named_paths(page)]

    assert len(named) > 150
    assert "tests/reliability/test_page.py" in named
    assert any(name.endswith(".rs") for name in named)
