"""What a test asks about an ingestion: its error, and the statements that the server ran."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from adbc_driver_manager import Error

from e6data_adbc.local import LocalEngine


def failure(action: Callable[[], object]) -> Error:
    with pytest.raises(Error) as caught:
        action()
    return caught.value


def statements(engine: LocalEngine) -> int:
    return engine.ledger.calls.get("executeStatementV2", 0)
