"""The Python blocks of the pages as files that a type checker reads: each with the blocks above that it needs."""

from __future__ import annotations

import ast
import builtins
import re
import symtable
from pathlib import Path
from typing import Final

__all__ = ["ROOT", "write_blocks"]

ROOT: Final = Path(__file__).resolve().parents[2]
#: What the pages take for granted.
GIVEN: Final = (
    "import datetime",
    "from datetime import date",
    "import pandas as pd",
    "import polars",
    "import pyarrow as pa",
    "from pyspark.sql import SparkSession",
    "import e6data_adbc",
    'uri: str = ""',
    "connection = e6data_adbc.connect(uri)",
    "cursor = connection.cursor()",
    "day: datetime.date = datetime.date(2026, 1, 1)",
    'frame = pd.DataFrame({"order_id": [1]})',
    "spark = SparkSession.builder.getOrCreate()",
    'table: pa.Table = pa.table({"n": [1]})',
)
_HEAD: Final = "from __future__ import annotations\n"


def write_blocks(folder: Path) -> int:
    """Writes a file for each Python block of README.md and docs/ into *folder*; returns how many there are."""
    count = 0
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        found = re.findall(
            r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
        )
        stem = re.sub(r"\W", "_", str(page.relative_to(ROOT).with_suffix("")))
        for number in range(len(found)):
            text = _with_needed([*GIVEN, *found[:number]], found[number])
            (folder / f"{stem}_{number + 1}.py").write_text(_in_function(text), encoding="utf-8")
            count += 1
    return count


def _with_needed(before: list[str], block: str) -> str:
    """Returns *block* behind those of the blocks *before* it that make its names, and theirs."""
    needed = [block]
    wanted = _free(block)
    for earlier in reversed(before):
        made = _made(earlier)
        if wanted & made:
            needed.insert(0, earlier)
            wanted = (wanted - made) | _free(earlier)
    return "\n".join(needed)


def _made(text: str) -> set[str]:
    """The names that *text* binds at its top."""
    return {name.get_name() for name in _symbols(text) if name.is_assigned() or name.is_imported()}


def _free(text: str) -> set[str]:
    """The names that *text* reads, at its top or inside, and does not bind."""
    read = {
        node.id
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    return read - _made(text) - set(vars(builtins))


def _symbols(text: str) -> list[symtable.Symbol]:
    return list(symtable.symtable(text, "block", "exec").get_symbols())


def _in_function(text: str) -> str:
    """Returns *text*, inside of a coroutine where it awaits at its top."""
    try:
        compile(text, "block", "exec")
    except SyntaxError:
        lines = "".join(f"    {line}" for line in text.splitlines(keepends=True))
        return f"{_HEAD}async def main() -> None:\n{lines}\n"
    return f"{_HEAD}{text}"
