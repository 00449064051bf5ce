"""Files and Delta tables against the suite that authors of sinks run."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import deltalake
import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from e6data_adbc.etl.destinations import parse
from e6data_adbc.testing.sink_conformance import SinkConformance
from tests.etl.marked import slow

pytestmark = pytest.mark.seconds


class _Folder(SinkConformance):
    scheme: ClassVar[str]
    races = 1
    test_kills = slow(SinkConformance.test_kills)
    # `test_file_values.py` and `test_delta.py` have their values.
    test_types = slow(SinkConformance.test_types)

    @pytest.fixture
    def address(self, tmp_path: Path) -> Callable[[], str]:
        numbers = itertools.count()
        return lambda: f"{self.scheme}+file://{tmp_path}/{next(numbers)}"

    def read(self, address: str) -> pa.Table:
        folder = Path(parse(address).path)
        paths = sorted(folder.glob("part-*"))
        tables = map(self.read_file, paths)
        # CSV tells no types, so a file with nothing but NULL in a column has another one.
        return pa.concat_tables(tables, promote_options="permissive") if paths else pa.table({})

    def read_file(self, path: Path) -> pa.Table:
        raise NotImplementedError


class TestParquet(_Folder):
    scheme = "parquet"

    def read_file(self, path: Path) -> pa.Table:
        return parquet.ParquetFile(path).read()


class TestIpc(_Folder):
    scheme = "ipc"

    def read_file(self, path: Path) -> pa.Table:
        with pa.OSFile(str(path), "rb") as source, pa.ipc.open_file(source) as reader:
            return reader.read_all()


class TestCsv(_Folder):
    scheme = "csv"

    def read_file(self, path: Path) -> pa.Table:
        options = csv.ConvertOptions(
            null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        )
        return csv.read_csv(path, convert_options=options)

    test_types = None  # type: ignore[assignment] # text has none: `test_file_values.py` reads each as what it was


class TestDelta(_Folder):
    scheme = "delta"

    def read(self, address: str) -> pa.Table:
        path = parse(address).path
        if not deltalake.DeltaTable.is_deltatable(path):
            return pa.table({})
        return deltalake.DeltaTable(path).to_pyarrow_table()
