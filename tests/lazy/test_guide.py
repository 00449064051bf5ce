"""The blocks of `docs/guides/lazy.md`, run one after the other, print what stands below them."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "lazy.md"
_BLOCK = re.compile(r"```python\n(?P<code>.*?)```\n(?:```text\n(?P<printed>.*?)```\n)?", re.DOTALL)


def test_the_guide() -> None:
    """Each block runs, and what it prints is on the page."""
    blocks = list(_BLOCK.finditer(PAGE.read_text(encoding="utf-8")))
    names: dict[str, Any] = {}
    try:
        for block in blocks:
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(block["code"], names)
            assert printed.getvalue() == (block["printed"] or "")
    finally:
        names["engine"].stop()
    assert len(blocks) == PAGE.read_text(encoding="utf-8").count("```python")
