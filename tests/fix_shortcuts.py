"""Fixtures for the shortcut: the transport that has it, an engine with a small result, and what Python calls."""

from __future__ import annotations

from typing import Any

import pytest

from e6data_adbc._session.retry import decide
from e6data_adbc._transport.api import Call
from e6data_adbc._transport.transport import Transport
from e6data_adbc.options import TransportKind
from tests.support import transports
from tests.support.scripted import ScriptedEngine, chunk, metadata, v1
from tests.support.warm import FETCH, METADATA


@pytest.fixture
def native(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has the native transport carry the calls."""
    transports.choose(TransportKind.NATIVE, monkeypatch)


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has what is repeated be sent again at once."""
    monkeypatch.setattr(decide, "BASE_PAUSE_SECONDS", 0.001)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Returns the methods that Python has called since, in order."""
    names: list[str] = []
    start = Transport.start

    def noted(transport: Transport, call: Call[Any], *more: Any) -> Any:
        names.append(call.method.name)
        return start(transport, call, *more)

    monkeypatch.setattr(Transport, "start", noted)
    return names


@pytest.fixture
def small(scripted_engine: ScriptedEngine) -> ScriptedEngine:
    """An engine whose result has 3 rows, which it announces."""
    scripted_engine.answer(METADATA, metadata(("n", "LONG"), rows=3))
    scripted_engine.answer(FETCH, v1(chunk(3)), v1())
    return scripted_engine
