"""A short storm of kills and races over each destination: `make kill-storm` runs the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks import kill_storm

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize("name", kill_storm.NAMES)
def test_no_row_is_lost_or_doubled(name: str, tmp_path: Path) -> None:
    """Ten kills at seeded moments, and two races."""
    with kill_storm.destinations([name], tmp_path) as found:
        if not found:
            pytest.skip("there is no such destination here")
        count = kill_storm.storm(found[0], seed=7, kills=10, races=2)

    assert count.is_clean, count
    assert count.kills + count.server_kills >= 10
