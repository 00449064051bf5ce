"""What the process of a command does not load, so that it starts at once."""

from __future__ import annotations

import gc
import os
import re
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Final

__all__ = ["make_lean", "open_streams"]

#: Commands whose rows never become frames, and that call nobody who makes them.
_LEAN: Final = frozenset({"sql", "shell", "explain", "tables", "ping", "doctor"})
#: What pyarrow and the driver load where it is installed, and do without where it is not.
_PANDAS: Final = "pandas"
_NUMPY: Final = "numpy"
_TELEMETRY: Final = "opentelemetry"
#: The first pyarrow that is surely without NumPy in all that is needed here.
_WITHOUT_NUMPY: Final = 20
_VERSION: Final = re.compile(r"version_tuple = \((\d+)")
#: Objects made until the collector looks through all of them; modules are thousands that stay.
_GARBAGE: Final = 20_000


def make_lean(command: str) -> None:
    """Leaves out what *command* does not need; for a process of its own only.

    OpenTelemetry is left out unless something was loaded before us that may take spans, or the environment sets it up.
    """
    gc.set_threshold(_GARBAGE, *gc.get_threshold()[1:])
    if command not in _LEAN:
        return
    absent = {_PANDAS, _NUMPY} if _pyarrow_version() >= _WITHOUT_NUMPY else {_PANDAS}
    if not any(name.startswith("OTEL_") for name in os.environ):
        absent.add(_TELEMETRY)
    sys.meta_path.insert(0, _Absent(absent - set(sys.modules)))


def open_streams() -> None:
    """Opens what the caller has closed of the standard streams, before a socket has its number.

    Standard input is empty then, standard error goes nowhere, and writing to standard output fails.
    """
    for name, access, mode in (
        ("stdin", os.O_RDONLY, "r"),
        ("stdout", os.O_RDONLY, "w"),
        ("stderr", os.O_WRONLY, "w"),
    ):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, access)
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8"))


def _pyarrow_version() -> int:
    """Returns pyarrow's major version, without loading it; 0 where its files do not tell."""
    spec = PathFinder.find_spec("pyarrow")
    if spec is None or spec.origin is None:
        return 0
    file = Path(spec.origin).with_name("_generated_version.py")
    found = _VERSION.search(file.read_text()) if file.is_file() else None
    return int(found[1]) if found else 0


class _Absent:
    """A finder for which some packages are not installed."""

    def __init__(self, names: set[str]) -> None:
        self._names = names

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: object = None
    ) -> ModuleSpec | None:
        """Refuses the packages, and leaves all others to the other finders."""
        del path, target
        if name in self._names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None
