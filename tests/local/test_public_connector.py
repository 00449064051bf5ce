"""The public connector, unmodified, works against the local engine."""

from __future__ import annotations

import pytest

from tools.upstream_check.environment import UnavailableError
from tools.upstream_check.run import Report, run


@pytest.fixture(scope="module")
def report() -> Report:
    """One run of the connector."""
    try:
        return run()
    except UnavailableError as error:
        pytest.skip(str(error))


def test_values_and_calls_agree(report: Report) -> None:
    """Every value of every type in both protocols is the truth, or the connector's known defect; every call answers."""
    assert report.unexplained == []
    assert len(report.values) > 100
    assert len(report.steps) == 24


def test_the_connector_s_defects_are_still_there(report: Report) -> None:
    """A verdict that nobody needs any more would hide an error of ours."""
    explained = {
        value.case.sql for value in report.values if "engine is right" in value.verdict.word
    }

    assert explained == {value.case.sql for value in report.values if value.case.defect}


def test_nothing_is_left_behind(report: Report) -> None:
    """The connector's clears reach the queries."""
    assert report.uncleared == []
