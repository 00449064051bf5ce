"""Engines of SQLAlchemy on a local engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from e6data_adbc.local import LocalEngine


@pytest.fixture(scope="module")
def server() -> Iterator[LocalEngine]:
    """A local engine whose current schema may be written to."""
    with LocalEngine(catalog="scratch", schema="main") as engine:
        yield engine


@pytest.fixture
def url(server: LocalEngine) -> str:
    """Its URL."""
    return server.uri.replace("e6data://", "e6data+adbc://", 1)


@pytest.fixture
def make_engine(url: str) -> Iterator[Callable[..., sa.engine.Engine]]:
    """Makes engines that are disposed of."""
    made: list[sa.engine.Engine] = []

    def make(**options: Any) -> sa.engine.Engine:
        made.append(sa.create_engine(url, **{"future": True, **options}))  # as 2.x always is
        return made[-1]

    yield make
    for engine in made:
        engine.dispose()


@pytest.fixture
def engine(make_engine: Callable[..., sa.engine.Engine]) -> sa.engine.Engine:
    """An engine with the defaults."""
    return make_engine()
