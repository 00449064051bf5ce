"""Iceberg tables against the suite that authors of sinks run."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from e6data_adbc.testing.sink_conformance import SinkConformance
from tests.etl import lakehouse
from tests.etl.marked import slow

pytestmark = pytest.mark.seconds


class TestIceberg(SinkConformance):
    races = 1
    test_kills = slow(SinkConformance.test_kills)

    @pytest.fixture
    def address(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
        lakehouse.configure(monkeypatch, tmp_path)
        numbers = itertools.count()
        return lambda: f"iceberg://{lakehouse.NAME}/ns.t{next(numbers)}"

    def read(self, address: str) -> pa.Table:
        return lakehouse.read(address)
