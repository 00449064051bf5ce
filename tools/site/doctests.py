"""Shows what stands behind `>>>` in a docstring as code, which Markdown takes for quotations."""

from __future__ import annotations

import re
from typing import Any

import griffe

_EXAMPLE = re.compile(r"^( *)>>> .*(?:\n\1(?!>>> ?$)\S.*)*", re.MULTILINE)


class Doctests(griffe.Extension):
    """Puts fences around examples; their directives for doctest are left out."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrites the docstring of each object that has one."""
        if obj.docstring is not None and ">>>" in obj.docstring.value:
            obj.docstring.value = _EXAMPLE.sub(_fenced, obj.docstring.value)


def _fenced(found: re.Match[str]) -> str:
    indent = found[1]
    lines = [re.sub(r" *# doctest: .*$", "", line) for line in found[0].splitlines()]
    return "\n".join([f"{indent}```pycon", *lines, f"{indent}```"])
