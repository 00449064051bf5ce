"""The suite's tests of: statement."""

from __future__ import annotations

import pytest
from adbc_drivers_validation.tests.statement import (
    TestStatement,  # noqa: F401 - pytest finds it here
    generate_tests,
)
from e6data_quirks import QUIRKS


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Makes a test for each driver, of which there is one."""
    generate_tests(QUIRKS, metafunc)
