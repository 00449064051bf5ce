"""The sink for LMDB against the suite that authors of sinks run, in both layouts."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from e6data_adbc.testing.sink_conformance import SinkConformance
from tests.etl import keyvalue_read
from tests.etl.marked import slow

pytestmark = pytest.mark.seconds


class TestRows(SinkConformance):
    races = 1
    kills = 10
    test_kills = slow(SinkConformance.test_kills)

    @pytest.fixture
    def address(self, tmp_path: Path) -> Callable[[], str]:
        numbers = itertools.count()
        return lambda: f"lmdb://{tmp_path}/{next(numbers)}#rows"

    def read(self, address: str) -> pa.Table:
        return keyvalue_read.lmdb_table(address)


class TestStream(TestRows):
    # Arrow's own format has every type.
    test_types = slow(SinkConformance.test_types)

    @pytest.fixture
    def address(self, tmp_path: Path) -> Callable[[], str]:
        numbers = itertools.count()
        return lambda: f"lmdb://{tmp_path}/{next(numbers)}?layout=stream#rows"
