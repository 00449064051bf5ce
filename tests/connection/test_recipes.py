"""The recipes of `docs/connection.md`, as they stand there."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import pytest

import e6data_adbc
from e6data_adbc.local import LocalEngine

pytestmark = pytest.mark.seconds

PAGE = Path(__file__).resolve().parents[2] / "docs" / "connection.md"


def recipe(heading: str) -> str:
    """Returns the code under *heading*."""
    _, _, rest = PAGE.read_text().partition(f"{heading}\n")
    found = re.search(r"```python\n(.*?)```", rest, re.DOTALL)
    assert found, heading
    return found[1]


@pytest.fixture
def names() -> Any:
    """What the recipes find: a connection of their own, and where it leads."""
    with LocalEngine() as engine, e6data_adbc.connect(engine.uri) as connection:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Cannot disable autocommit")
            yield {"uri": engine.uri, "connection": connection, "engine": engine}


def test_a_clone_for_each_thread(names: dict[str, Any]) -> None:
    """It works, and signs in nowhere."""
    engine = names["engine"]
    with names["connection"].cursor() as cursor:
        cursor.execute("select 1")
    before = engine.ledger.calls["authenticate"]
    exec(recipe("## Threads"), names)

    assert names["rows"] == [(1,)]
    assert engine.ledger.calls["authenticate"] == before


def test_a_pool(names: dict[str, Any]) -> None:
    """It works, and leaves nothing on the server."""
    exec(recipe("### A pool"), names)

    assert names["rows"] == [(1,)]
    assert names["pool"].size() == 20
    assert not names["engine"].ledger.open_queries


def test_a_pool_follows_the_cluster(names: dict[str, Any]) -> None:
    """Connections that lie in the pool survive a switch and a lost session: there is nothing to check out for."""
    from sqlalchemy.pool import QueuePool

    engine = names["engine"]
    pool = QueuePool(
        names["connection"].adbc_clone, pool_size=2, max_overflow=0, reset_on_return=None
    )
    rows = []
    for change in (lambda: None, engine.switch, engine.expire_sessions, engine.switch):
        change()
        mine = pool.connect()
        cursor = mine.cursor()
        cursor.execute("select 1 as one")
        rows += cursor.fetchall()
        cursor.close()
        mine.close()
    pool.dispose()

    assert rows == [(1,)] * 4
