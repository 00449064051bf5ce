"""Random plans over a scan give what Polars gives for the same rows in memory."""

from __future__ import annotations

import warnings

import pytest

import e6data_adbc
from checks import fuzz_scan

pytestmark = pytest.mark.seconds


def differences(seeds: range, *, strict: bool) -> fuzz_scan.Count:
    with (
        fuzz_scan.engine_of(strict=strict) as engine,
        e6data_adbc.connect(engine.uri_for("scratch")) as connection,
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")  # of Polars, about the plans
        memory, scan = fuzz_scan.frames(engine, seeds[0], connection)
        return fuzz_scan.run(memory, scan, seeds)


def test_some_plans() -> None:
    """A few plans, every type among their columns, half of them for the streaming engine, on the strict engine."""
    count = differences(range(1, 161), strict=True)

    assert count.wrong == []
    assert count.with_where > 0.3 * count.filtered


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("start", [10_000, 20_000, 30_000, 40_000])
def test_many_plans(start: int) -> None:
    """Two thousand plans."""
    count = differences(range(start, start + 500), strict=False)

    assert count.wrong == []
    assert count.with_where > 0.3 * count.filtered
