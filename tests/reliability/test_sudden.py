"""No process dies of a close or an interrupt, whenever it comes: short forms of the storms."""

from __future__ import annotations

import pytest

from checks.reliability import sudden

pytestmark = pytest.mark.seconds


@pytest.mark.parametrize(("kind", "count"), [("closes", 12), ("interrupts", 60)])
def test_processes_live_on(kind: str, count: int) -> None:
    """Closes by threads, signal handlers and the garbage collector; SIGINTs in executions and fetches."""
    deaths = sudden.storm(kind, range(1, 3), count)

    assert (deaths.processes, deaths.died) == (2, [])
