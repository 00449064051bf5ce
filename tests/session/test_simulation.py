"""The core under a virtual clock: worlds of flips, lost replies, lost sessions and suspensions, one for each seed.

`E6DATA_SEEDS=10000` plays more of them; `E6DATA_SEED=17` plays one and prints its trace.
"""

from __future__ import annotations

import os
from typing import Any

import pytest

from e6data_adbc._session.colour.routes import Route, StrategyStore
from e6data_adbc._session.colour.strategy import COLOURS
from tests.session import simulation

pytestmark = pytest.mark.seconds

SEEDS = int(os.environ.get("E6DATA_SEEDS", "300"))
ONE = os.environ.get("E6DATA_SEED")


@pytest.mark.timeout(max(120, SEEDS // 20))
@pytest.mark.parametrize("share", range(4))
def test_every_world_keeps_its_promises(share: int) -> None:
    """No statement runs twice, no result is short, no query changes colour, everybody recovers: in every seed."""
    for seed in [int(ONE)] if ONE else range(share, SEEDS, 4):
        world = simulation.run(seed)
        assert not world.broken, world.story()
        if ONE:
            print(world.story())


@pytest.mark.parametrize("seed", range(5))
def test_a_seed_replays(seed: int) -> None:
    """The same seed gives the same trace, event for event."""
    assert simulation.run(seed).trace == simulation.run(seed).trace


def test_the_worlds_differ() -> None:
    """The seeds reach what the simulation is about: flips, resumes, failures, held notices."""
    stories = "\n".join(simulation.run(seed).story() for seed in range(150))
    for needle in (
        *("cluster resume", "456 from the active colour", "456 from the announced colour"),
        *("reply lost", "unsent", "session unknown", "fails: "),
        *("nobody knows whether", "getNextResultBatch: session unknown"),
    ):
        assert needle in stories, needle


def test_who_believes_an_empty_result_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that takes it for a statement that has run tells its user so of one that never did."""
    usual = simulation.Client.read

    def credulous(self: simulation.Client, *arguments: Any) -> simulation.Steps:
        return usual(self, *arguments[:-1], None)

    monkeypatch.setattr(simulation.Client, "read", credulous)
    broken = [text for seed in range(300) for text in simulation.run(seed).broken]

    assert any("is told to be done and ran 0 times" in text for text in broken)


def test_a_fault_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that moves queries to the newest colour is caught, with seed and trace."""

    def newest(self: StrategyStore, route: Route, now: float) -> Route:
        other = COLOURS[1 - COLOURS.index(route.colour)]
        return Route(other, route.epoch)

    monkeypatch.setattr(StrategyStore, "report_success", newest)

    world = simulation.run(3)

    assert world.broken
    assert world.story().startswith("seed 3: ")
