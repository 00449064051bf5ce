"""The recipes of `docs/recipes.md`, run as they stand there, must print what stands below them."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import eventually

pytestmark = pytest.mark.seconds

PAGE = Path(__file__).resolve().parents[2] / "docs" / "recipes.md"
_BLOCK = re.compile(r"```python\n(?P<code>.*?)```\n(?:```text\n(?P<printed>.*?)```\n)?", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class Block:
    """A block of code, and what it prints."""

    code: str
    printed: str

    @property
    def is_program(self) -> bool:
        """Whether it is to be run as a file, which processes that it starts can import."""
        return "__main__" in self.code


def sections() -> dict[str, list[Block]]:
    """Returns the blocks by heading; those before the first heading are by ''."""
    parts = re.split(r"^## (.+)\n", PAGE.read_text(), flags=re.MULTILINE)
    texts = {"": parts[0], **dict(zip(parts[1::2], parts[2::2], strict=True))}
    return {
        heading: [Block(found["code"], found["printed"] or "") for found in _BLOCK.finditer(text)]
        for heading, text in texts.items()
    }


SECTIONS = sections()


@pytest.fixture(scope="module")
def start() -> Iterator[dict[str, Any]]:
    """The names that the page's first block leaves behind."""
    names: dict[str, Any] = {}
    exec("\n".join(block.code for block in SECTIONS[""]), names)
    yield names
    names["engine"].stop()


def test_every_block_is_found() -> None:
    """No block escapes the test, and each says what it prints, but for the first."""
    assert sum(map(len, SECTIONS.values())) == PAGE.read_text().count("```python")
    assert all(block.printed for heading, blocks in SECTIONS.items() if heading for block in blocks)
    assert all(SECTIONS.values())


@pytest.mark.parametrize("heading", [heading for heading in SECTIONS if heading])
def test_recipe(
    start: dict[str, Any], heading: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The blocks of a section run one after the other, and each prints what the page says."""
    monkeypatch.chdir(tmp_path)
    names = dict(start)
    for block in SECTIONS[heading]:
        if block.is_program:
            assert run_program(block.code, names["uri"]) == block.printed
            continue
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(block.code, names)
        assert printed.getvalue() == block.printed
    eventually(lambda: not names["engine"].ledger.open_queries)


def run_program(code: str, uri: str) -> str:
    """Returns what *code* prints, as a file in the current folder."""
    file = Path("recipe.py")
    file.write_text(code)
    done = subprocess.run(
        [sys.executable, str(file)],
        env={**os.environ, "E6DATA_URI": uri},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
