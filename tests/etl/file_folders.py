"""Folders of files of a test: their address, their sink, what a reader gets, and values that stay exact."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import csv, parquet

from e6data_adbc.etl.destinations import open_sink, parse
from e6data_adbc.etl.files.formats import FORMATS
from e6data_adbc.etl.sink import Sink

FORMAT_NAMES = sorted(FORMATS)


def url(kind: str, folder: Path) -> str:
    return f"{kind}+file://{folder}"


def sink_of(kind: str, folder: Path) -> Sink:
    return open_sink(parse(url(kind, folder)), {})


def seen(folder: Path) -> list[str]:
    """Returns the files below *folder* that readers see: no part of their path begins with `_` or `.`."""
    paths = [path.relative_to(folder) for path in folder.rglob("*") if path.is_file()]
    return sorted(str(path) for path in paths if not any(p[0] in "._" for p in path.parts))


def rows(kind: str, folder: Path, schema: pa.Schema | None = None) -> pa.Table:
    """Returns what a reader of all visible files gets; texts of CSV as *schema* says."""
    tables = []
    for name in seen(folder):
        path = str(folder / name)
        if kind == "parquet":
            tables.append(parquet.read_table(path))
        elif kind == "ipc":
            with pa.ipc.open_file(path) as reader:
                tables.append(reader.read_all())
        else:
            # NULL is an empty place without quotes, and nothing else is.
            options = csv.ConvertOptions(
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                column_types=schema,
            )
            newlines = csv.ParseOptions(newlines_in_values=True)
            tables.append(csv.read_csv(path, convert_options=options, parse_options=newlines))
    return pa.concat_tables(tables)


def ids(kind: str, folder: Path) -> list[int]:
    schema = pa.schema({"id": pa.int64(), "k": pa.int64()})
    return sorted(rows(kind, folder, schema).column("id").to_pylist()) if seen(folder) else []


DAY = dt.date(2026, 12, 31)
FIRST = dt.datetime(1, 1, 1, 0, 0, 0, 1)
LAST = dt.datetime(9999, 12, 31, 23, 59, 59, 999999)
SMALL = [Decimal("0.0000001"), Decimal("0E-7"), Decimal("-12.3456789"), None]
#: What every format keeps.
EXACT: dict[str, Any] = {
    "bool": pa.array([True, False, None]),
    "int8": pa.array([-128, 127, None], pa.int8()),
    "int32": pa.array([-(2**31), 2**31 - 1, None], pa.int32()),
    "int64": pa.array([-(2**63), 2**63 - 1, None]),
    "uint64": pa.array([0, 2**64 - 1, None], pa.uint64()),
    "float16": pa.array([1.5, None]).cast(pa.float16()),
    "float32": pa.array([0.1, math.inf, -0.0, math.nan, None], pa.float32()),
    "float64": pa.array([5e-324, 1.7976931348623157e308, -0.0, math.nan, -math.inf, 0.1, None]),
    "decimal128(38,0)": pa.array([Decimal(10**38 - 1), None], pa.decimal128(38, 0)),
    "decimal128(38,2)": pa.array(
        [Decimal("-123456789012345678901234567890123456.78"), None], pa.decimal128(38, 2)
    ),
    "decimal128(38,7)": pa.array(SMALL, pa.decimal128(38, 7)),
    "decimal128(38,38)": pa.array([Decimal("1E-38"), None], pa.decimal128(38, 38)),
    "string": pa.array(["", "π 𝄞", 'a "b"\r\nc,d\n', "NULL", "nan", " x ", "a\0b", None]),
    "large_string": pa.array(["x", None, ""], pa.large_string()),
    "string_view": pa.array(["longer than twelve", None], pa.string_view()),
    "dictionary": pa.array(["a", None, "a"]).dictionary_encode(),
    "run_end_encoded": pa.RunEndEncodedArray.from_arrays([2, 3], [7, None]),
    "date32": pa.array([dt.date(1, 1, 1), DAY, dt.date(9999, 12, 31), None]),
    "timestamp[s]": pa.array([dt.datetime(2026, 1, 2), None], pa.timestamp("s")),
    "timestamp[us]": pa.array([FIRST, LAST, None]),
    "timestamp[us, UTC]": pa.array([FIRST, LAST, None], pa.timestamp("us", "UTC")),
    "timestamp[us, zone]": pa.array(
        [dt.datetime(2026, 1, 2, 3), None], pa.timestamp("us", "Asia/Kolkata")
    ),
    "timestamp[ns]": pa.array([1, -1, None], pa.timestamp("ns")),
    "time64": pa.array([dt.time(23, 59, 59, 999999), None]),
    "null": pa.nulls(2),
}


def same(left: list[Any], right: list[Any]) -> bool:
    return repr(left) == repr(right)  # which tells NaN, -0.0 and digits apart


def left_over(folder: Path) -> list[str]:
    """Returns what is under the folder beside visible files, the lock and at most two manifests."""
    found = [str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()]
    manifests = [name for name in found if name.startswith("_e6/manifests/")]
    allowed = {*seen(folder), "_e6/lock", *manifests[:2]}
    return sorted({*found} - allowed)


#: Options of the flow; the rows that are there before, and the load's; and what is there afterwards.
SHAPES: dict[str, tuple[dict[str, Any], list[int]]] = {
    "one commit": ({}, [100, *range(12)]),
    "partitions": ({"parts": 3}, [100, *range(12)]),
    "key": ({"parts": 0, "commit_rows": 5}, [100, *range(12)]),
    "replace": ({"parts": 2, "mode": "replace"}, [*range(12)]),
    "replace where": (
        {"parts": 2, "mode": "replace_where", "where": "id < 50 OR id = 101"},
        [100, *range(12)],
    ),
}
