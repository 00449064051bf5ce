"""What a Python needs so that `make` can set up an environment with it."""

from __future__ import annotations

import sys

import pytest

from tools import set_up


@pytest.mark.parametrize("module", ["ssl", "ensurepip"])
def test_a_python_that_cannot_fetch_packages_is_refused(
    monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """It is said before anything is made, which module is missing and what to do."""
    monkeypatch.setitem(sys.modules, module, None)

    with pytest.raises(set_up.SetUpError, match=f"{module}.*make PYTHON="):
        set_up.check_python()


def test_this_python_will_do() -> None:
    """A whole Python is not refused."""
    set_up.check_python()
