"""The storm in its short form; `make storm` runs the long one."""

from __future__ import annotations

import pytest

from checks.storm.checker import check
from checks.storm.storm import run

pytestmark = pytest.mark.seconds

QUERIES = 150


@pytest.mark.parametrize("seed", [1, 2])
def test_no_row_is_lost_whatever_fails(seed: int) -> None:
    """Under random faults on every call each query is right or fails clearly, runs at most once, and is cleared."""
    report = run(seed, QUERIES, false_colours=True)
    verdict = check(report)

    assert verdict.violations == []
    assert verdict.faults >= 20
    assert verdict.right >= QUERIES // 2
