"""The table of rooms: environments for packages that exclude those of the tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from checks import rooms

ROOT = Path(__file__).resolve().parents[2]


def test_the_table() -> None:
    """Each room has a name and packages of its own, tests that are there, and a budget."""
    names = [room.name for room in rooms.ROOMS]

    assert len(set(names)) == len(names)
    assert len({room.packages for room in rooms.ROOMS}) == len(names)
    for room in rooms.ROOMS:
        assert (ROOT / room.tests[0]).exists()
        assert room.budget > 0


def test_a_room_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong name is refused with those that there are."""
    with pytest.raises(SystemExit):
        rooms.main(["polars-0.1"])

    assert "polars-floor" in capsys.readouterr().err
