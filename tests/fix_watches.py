"""What is watched in every test: secrets in its log, and calls without a deadline."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.support.canary import CANARIES, Canaries
from tests.support.deadlines import DEADLINES


@pytest.fixture
def canaries(caplog: pytest.LogCaptureFixture) -> Iterator[Canaries]:
    """Secrets of one test, which its log is searched for when it ends."""
    planted = Canaries(CANARIES)
    with caplog.at_level(logging.DEBUG):
        yield planted
    _check_log(planted, caplog)


@pytest.fixture(autouse=True)
def no_secret_is_logged(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No test logs a secret of the engine under test."""
    yield
    _check_log(CANARIES, caplog)


def _check_log(known: Canaries, caplog: pytest.LogCaptureFixture) -> None:
    records = [record for when in ("setup", "call") for record in caplog.get_records(when)]
    hits = known.in_records(records)
    assert not hits, hits


@pytest.fixture(autouse=True)
def every_call_has_a_deadline() -> Iterator[None]:
    """Nothing waits for ever: each call of the driver says how long it waits."""
    yield
    assert DEADLINES.take() == []
