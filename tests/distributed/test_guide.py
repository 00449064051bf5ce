"""The blocks of `docs/guides/distributed.md` print what stands below them; those of an engine where it is installed."""

from __future__ import annotations

import contextlib
import importlib.util
import io
import re
from pathlib import Path
from typing import Any

import pytest

from e6data_adbc.distributed.connections import CONNECTIONS

pytestmark = pytest.mark.seconds

PAGE = (Path(__file__).parents[2] / "docs" / "guides" / "distributed.md").read_text(
    encoding="utf-8"
)
_PART = re.compile(r"^## (?P<heading>.+)$", re.MULTILINE)
_BLOCK = re.compile(r"```python\n(?P<code>.*?)```\n(?:```text\n(?P<printed>.*?)```\n)?", re.DOTALL)
#: What has to be there for the blocks below a heading.
ENGINES = {"Spark": "pyspark", "Ray Data": "ray", "Dask": "dask", "Daft": "daft"}
#: Those that a test of a room runs, with its session.
ELSEWHERE = {"Spark": "tests/distributed/test_spark.py"}


def blocks(engine: str | None = None) -> list[re.Match[str]]:
    """Returns the blocks under the heading of an engine, or all others."""
    heads = [("", 0), *((found["heading"], found.end()) for found in _PART.finditer(PAGE))]
    ends = [*(start for _, start in heads[1:]), len(PAGE)]
    parts = [(name, PAGE[start:end]) for (name, start), end in zip(heads, ends, strict=True)]
    wanted = [text for name, text in parts if (name == engine if engine else name not in ENGINES)]
    return [block for text in wanted for block in _BLOCK.finditer(text)]


def run(found: list[re.Match[str]], names: dict[str, Any]) -> None:
    """Runs blocks one after the other, and compares what they print."""
    for block in found:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(block["code"], names)
        assert printed.getvalue() == (block["printed"] or "")


def test_the_guide() -> None:
    """What needs no engine runs here."""
    names: dict[str, Any] = {}
    try:
        run(blocks(), names)
    finally:
        names["engine"].stop()
        CONNECTIONS.close()


def test_each_engine_has_its_blocks() -> None:
    """No block is left out."""
    found = sum(len(blocks(engine)) for engine in (None, *ENGINES))

    assert found == PAGE.count("```python")
    assert all(blocks(engine) for engine in ENGINES)


@pytest.mark.parametrize("engine_name", sorted(ENGINES.keys() - ELSEWHERE.keys()))
def test_an_engine(engine: Any, engine_name: str) -> None:
    """Its block runs as it stands, and prints what the page says."""
    if importlib.util.find_spec(ENGINES[engine_name]) is None:
        pytest.skip(f"{ENGINES[engine_name]} is not installed")
    run(blocks(engine_name), {"uri": engine.uri})
