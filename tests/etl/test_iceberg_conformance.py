"""Iceberg tables against the suite that authors of sinks run."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from e6data_adbc.testing.sink_conformance import SinkConformance
from tests.etl import lakehouse
from tests.etl.marked import slow

pytestmark = pytest.mark.seconds


class TestIceberg(SinkConformance):
    races = 1
    kills = 10
    test_kills = slow(SinkConformance.test_kills)
    test_types = slow(SinkConformance.test_types)
    test_an_interrupted_load_goes_on = slow(SinkConformance.test_an_interrupted_load_goes_on)

    @pytest.fixture
    def address(self, tmp_path: Path) -> Callable[[], str]:
        numbers = itertools.count()
        return lambda: lakehouse.address(tmp_path, f"ns.t{next(numbers)}")

    def read(self, address: str) -> pa.Table:
        return lakehouse.read(address)
