"""The sink for Redis against the suite that authors of sinks run, in both layouts."""

from __future__ import annotations

import itertools
from collections.abc import Callable

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
    def address(self, redis_url: str) -> Callable[[], str]:
        numbers = itertools.count()
        return lambda: f"{redis_url}#p{next(numbers)}"

    def read(self, address: str) -> pa.Table:
        return keyvalue_read.redis_table(address)


class TestStream(TestRows):
    # Arrow's own format has every type.
    test_types = slow(SinkConformance.test_types)

    @pytest.fixture
    def address(self, redis_url: str) -> Callable[[], str]:
        numbers = itertools.count()
        return lambda: f"{redis_url}?layout=stream#p{next(numbers)}"
