"""The public connector, unmodified, works against the local engine."""

from __future__ import annotations

import pytest

from checks.upstream import own_tests
from checks.upstream.clients import CLIENTS
from checks.upstream.environment import UnavailableError
from checks.upstream.run import DEFECTS, STEPS, Report, run

pytestmark = [pytest.mark.seconds, pytest.mark.suites, pytest.mark.xdist_group("public connector")]


@pytest.fixture(scope="module")
def report() -> Report:
    """One run of the connector's clients."""
    try:
        return run()
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def outcomes() -> list[own_tests.Outcome]:
    """One run of the connector's own tests."""
    try:
        return own_tests.run()
    except UnavailableError as error:
        pytest.skip(str(error))


def test_values_and_calls_agree(report: Report) -> None:
    """Every value of every type is the truth, or the connector's known defect; every call of every client answers."""
    assert report.unexplained == []
    assert {value.client for value in report.values} == {client.name for client in CLIENTS}
    assert len(report.values) > 300
    for client in CLIENTS:
        done = {step.name for step in report.steps if step.client == client.name}
        assert done == set(STEPS) - ({"get_catalogs"} if client.api == "async" else set())


def test_the_connector_s_defects_are_still_there(report: Report) -> None:
    """A verdict that nobody needs any more would hide an error of ours."""
    explained = {
        value.case.sql for value in report.values if "engine is right" in value.verdict.word
    }

    assert explained == {value.case.sql for value in report.values if value.case.defect}
    failed = {(step.client, step.name) for step in report.steps if step.verdict != "works"}
    assert failed == set(DEFECTS)


def test_nothing_is_left_behind(report: Report) -> None:
    """The connector's clears reach the queries."""
    assert {client: left for client, left in report.uncleared.items() if left} == {}


def test_the_connector_s_own_tests_pass(outcomes: list[own_tests.Outcome]) -> None:
    """Its scripts, its integration tests with OAuth and its resume test pass, but for those that are known not to."""
    assert [outcome for outcome in outcomes if not outcome.is_explained] == []
    assert sum(outcome.result == "passed" for outcome in outcomes) >= 49
