"""Pages of `docs/` of which a part is generated."""

from __future__ import annotations

from pathlib import Path
from typing import Final

__all__ = ["BEGIN", "END", "ROOT", "replaced"]

ROOT: Final = Path(__file__).resolve().parent.parent

#: The marks of the generated part.
BEGIN, END = "<!-- generated: make docs -->", "<!-- end of generated -->"


def replaced(text: str, generated: str, begin: str = BEGIN, end: str = END) -> str:
    """Returns *text* with what stands between the marks replaced."""
    head, _, rest = text.partition(begin)
    _, _, tail = rest.partition(end)
    return f"{head}{begin}\n{generated.strip()}\n\n{end}{tail}"
