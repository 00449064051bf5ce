"""Files of tests that are not wanted are not read: what makes a fast run fast."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.conftest import pytest_ignore_collect

WHOLE = "pytestmark = pytest.mark.seconds\n"


@pytest.mark.parametrize(
    ("text", "expression", "expected"),
    [
        (WHOLE, "not slow and not seconds", True),
        ("pytestmark = [pytest.mark.rooms, pytest.mark.seconds]\n", "not rooms", True),
        (WHOLE, "not slow", None),
        (WHOLE, "", None),
        (WHOLE, "seconds", None),
        (WHOLE, "not seconds or fork", None),
        ("@pytest.mark.seconds\ndef test_it() -> None: ...\n", "not seconds", None),
        ('"""A text about\n    pytestmark = pytest.mark.seconds."""\n', "not seconds", None),
    ],
)
def test_whole_files_are_left_out(
    tmp_path: Path, text: str, expression: str, expected: bool | None
) -> None:
    """Only where each of the file's tests has a mark that the expression excludes whatever else it says."""
    path = tmp_path / "test_it.py"
    path.write_text(text)
    config = SimpleNamespace(option=SimpleNamespace(markexpr=expression))

    assert pytest_ignore_collect(path, config) is expected  # type: ignore[arg-type]
