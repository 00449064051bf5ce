"""The Python and the commands of every page: blocks run as they stand there, one page after the other."""

from __future__ import annotations

import ast
import asyncio
import datetime
import decimal
import inspect
import os
import re
import shlex
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from sqlalchemy import Engine

import e6data_adbc
from e6data_adbc import cli, dbapi
from e6data_adbc.local import LocalEngine

pytestmark = pytest.mark.seconds

ROOT = Path(__file__).resolve().parents[2]
PAGES = {
    str(page.relative_to(ROOT)): page.read_text(encoding="utf-8")
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
}
#: Pages whose blocks another test runs, as programs or with what they print.
ELSEWHERE = {
    "docs/guides/distributed.md": "tests/distributed/test_guide.py",
    "docs/partitions.md": "tests/partitions/test_recipes.py",
    "docs/recipes.md": "tests/docs/test_recipes.py",
}
#: The blocks that are files of a project of tests.
PROJECTS = {"docs/testing.md"}
#: What a page writes in place of one's own cluster.
ADDRESS = re.compile(
    r"e6data(\+adbc)?://me%40example\.com:TOKEN@engine\.example\.com/catalog/schema"
)


def blocks(page: str, language: str) -> list[str]:
    """Returns the blocks of *language* on *page*, in their order."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGES[page], re.DOTALL | re.MULTILINE)


PYTHON = [page for page in PAGES if blocks(page, "python") and page not in (*ELSEWHERE, *PROJECTS)]
COMMANDS = [
    (page, line)
    for page in PAGES
    for block in blocks(page, "console")
    for line in block.splitlines()
    if re.match(r"(?:\$ |[A-Z0-9_]+=\S+ |echo .* \| )*e6data-adbc ", line)
]


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What the pages take for granted: a connection, its URI, a cursor, data of one's own."""
    days = [datetime.date(2026, 1, 1), datetime.date(2026, 1, 2)]
    orders = {
        "order_id": [1, 2],
        "region": ["north", "EU"],
        "day": days,
        "amount": [decimal.Decimal("1.50"), decimal.Decimal("2.25")],
    }
    monkeypatch.chdir(tmp_path)
    with LocalEngine() as engine:
        uri = engine.uri_for("scratch")
        engine.register("orders", pa.table(orders))
        engine.register("events", pa.table({"day": days}))
        with e6data_adbc.connect(uri) as connection, connection.cursor() as cursor:
            cursor.execute("select * from orders")
            found: dict[str, Any] = {
                "uri": uri,
                "connection": connection,
                "cursor": cursor,
                "day": days[0],
                "date": datetime.date,
                "table": pa.table({"n": [1]}),
                "e6data_adbc": e6data_adbc,
            }
            yield found


def leave(names: dict[str, Any]) -> None:
    """Closes what the blocks of a page left open."""
    for kind, close in ((dbapi.Cursor, "close"), (dbapi.Connection, "close"), (Engine, "dispose")):
        for value in names.values():
            if isinstance(value, kind) and not getattr(value, "_closed", False):
                getattr(value, close)()


def run(code: str, page: str, names: dict[str, Any]) -> None:
    """Runs a block, which may await."""
    uri = names["uri"]
    code = ADDRESS.sub(lambda found: uri.replace("e6data:", f"e6data{found[1] or ''}:"), code)
    code = code.replace(":///tmp/", f":///{Path.cwd()}/")
    compiled = compile(code, page, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    if compiled.co_flags & inspect.CO_COROUTINE:
        asyncio.run(eval(compiled, names))
    else:
        exec(compiled, names)


@pytest.mark.parametrize("page", PYTHON)
def test_the_python_of_a_page_runs(page: str, names: dict[str, Any]) -> None:
    """Each block works as it stands there, after those above it."""
    if page == "docs/guides/sqlalchemy.md":
        names["frame"] = pytest.importorskip("pandas").DataFrame(
            {"order_id": [3], "region": ["west"], "day": [names["day"]], "amount": [1.25]}
        )
    if page == "docs/errors.md":
        names["polars"] = pytest.importorskip("polars")
    made = dict(names)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Cannot disable autocommit")
        for code in blocks(page, "python"):
            run(code, page, made)
            leave({name: value for name, value in made.items() if names.get(name) is not value})
            made |= {name: names[name] for name in ("connection", "cursor")}
    for value in made.values():
        if isinstance(value, LocalEngine):
            value.stop()


def test_a_page_that_another_test_runs_is_there() -> None:
    """None of them, and no file of a test, has gone."""
    for page, test in ELSEWHERE.items():
        assert blocks(page, "python"), page
        assert Path(page).name in (ROOT / test).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", sorted(PROJECTS))
def test_the_project_of_a_page_passes(page: str, tmp_path: Path) -> None:
    """The files that a page shows are a project of tests that pass."""
    for number, code in enumerate(blocks(page, "python")):
        named = re.match(r"# (\w+\.py)\n", code)
        (tmp_path / (named[1] if named else f"test_{number}.py")).write_text(code)
    (tmp_path / "tests" / "data").mkdir(parents=True)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            str(tmp_path),
        ],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_command_has_the_options_that_a_page_shows(page: str, line: str) -> None:
    """Each command of a page is one, with its options."""
    words = shlex.split(line[line.index("e6data-adbc ") :].replace("…", "e6data://host"))
    if words[-1] == "&":
        words.pop()
    parsed = cli._parser().parse_args(words[1:])

    assert parsed is not None


PROSE = {
    **PAGES,
    **{
        name: (ROOT / name).read_text(encoding="utf-8")
        for name in ("CONTRIBUTING.md", "SECURITY.md")
    },
}


#: Pages whose tables compare figures or types in many columns, or name the tests of each row.
WIDE = {
    "adbc.md",
    "command-line.md",
    "performance.md",
    "protocol.md",
    "reliability.md",
    "guides/load.md",
    "guides/load-stores.md",
}


@pytest.mark.parametrize("page", PROSE)
def test_lines_can_be_read_side_by_side(page: str) -> None:
    """A line has at most 120 characters, and a table that does not fit is a list; code and generated parts differ."""
    text = re.sub(r"^<!-- generated.*?^<!-- end", "", PROSE[page], flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    long = [line for line in text.splitlines() if len(line) > 120]
    of_tables = [line for line in long if line.startswith("|")]

    assert [line for line in long if line not in of_tables] == []
    assert bool(of_tables) is (page.removeprefix("docs/") in WIDE), of_tables
