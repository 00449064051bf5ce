"""Runs the 22 queries of TPC-H through the driver and on DuckDB itself, and compares every type and value exactly.

`python -m checks.tpch --scale 1` generates the tables (or takes `--folder`), prints a Markdown table and ends with
1 if a query differs. The driver's side is `adbc_driver_manager.dbapi` over the socket of a local engine; the other side
is a DuckDB of its own over the same Parquet files, with the texts as they are in `tests/tpch`.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
import struct
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

QUERIES = Path(__file__).resolve().parent.parent / "tests" / "tpch"
#: The Arrow type that the driver must give for a DuckDB type.
ARROW = {
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "HUGEINT": pa.decimal128(38, 0),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "DATE": pa.date32(),
}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of one query; *difference* is empty if both sides agree."""

    name: str
    rows: int
    types: str
    seconds: float
    difference: str


def query_text(name: str, scale: float) -> str:
    """Returns the text of a query; the fraction of query 11 depends on the scale factor."""
    text = (QUERIES / f"{name}.sql").read_text().rstrip()
    return text.replace("{fraction}", f"{0.0001 / scale:.10f}")


def arrow_type(duck: str) -> pa.DataType:
    """Returns the Arrow type that a DuckDB type must arrive as."""
    if found := re.fullmatch(r"DECIMAL\(\d+,(\d+)\)", duck):
        return pa.decimal128(38, int(found[1]))
    return ARROW[duck]


def exact(value: Any) -> Any:
    """Returns *value* such that equality means the same bits: doubles by their bytes, decimals with their scale."""
    return struct.pack("<d", value) if isinstance(value, float) else (value, str(value))


def compare(expected: Any, given: pa.Table) -> str:
    """Returns how the driver's table differs from a DuckDB relation's result, empty if not at all."""
    if list(expected.columns) != given.column_names:
        return f"columns {given.column_names} instead of {expected.columns}"
    for name, duck in zip(expected.columns, expected.types, strict=True):
        if given.schema.field(name).type != arrow_type(str(duck)):
            return f"{name} is {given.schema.field(name).type} instead of {duck}"
    rows = [tuple(map(exact, row)) for row in expected.fetchall()]
    ours = [tuple(map(exact, row.values())) for row in given.to_pylist()]
    if rows == ours:
        return ""
    if len(rows) != len(ours):
        return f"{len(ours)} rows instead of {len(rows)}"
    if sorted(rows, key=repr) == sorted(ours, key=repr):
        return "the same rows in another order"
    pairs = zip(rows, ours, strict=True)
    index, (row, our) = next((i, pair) for i, pair in enumerate(pairs) if pair[0] != pair[1])
    return f"row {index} is {our} instead of {row}"


def check(folder: Path, scale: float, names: Sequence[str]) -> Iterator[Outcome]:
    """Yields the outcome of each query over the Parquet files in *folder*."""
    import duckdb

    import e6data_adbc
    from e6data_adbc.local import LocalEngine
    from e6data_adbc.local.data import tpch

    peer = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    for table in tpch.TABLES:
        peer.execute(f"CREATE VIEW {table} AS FROM read_parquet('{folder / table}.parquet')")
    with (
        LocalEngine(tpch=scale, tpch_path=folder) as engine,
        e6data_adbc.connect(engine.uri) as connection,
        connection.cursor() as cursor,
    ):
        for name in names:
            text = query_text(name, scale)
            started = time.perf_counter()
            cursor.execute(text)
            given = cursor.fetch_arrow_table()
            seconds = time.perf_counter() - started
            relation = peer.sql(text)
            difference = compare(relation, given)
            types = ", ".join(dict.fromkeys(str(duck) for duck in relation.types))
            yield Outcome(name, given.num_rows, types, seconds, difference)


def names() -> list[str]:
    """Returns the names of all queries, `q01` to `q22`."""
    return sorted(path.stem for path in QUERIES.glob("q*.sql"))


def main() -> int:
    """Checks all queries; returns the exit code."""
    from e6data_adbc.local.data import tpch

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="scale factor (default: 1)")
    parser.add_argument("--folder", type=Path, help="where the tables are, or go (default: cache)")
    given = parser.parse_args()
    folder = tpch.generate(given.scale, given.folder or tpch.cache(given.scale))
    failed = 0
    print("| query | rows | DuckDB types of the result | seconds | same |\n|---|---|---|---|---|")
    for outcome in check(folder, given.scale, names()):
        failed += bool(outcome.difference)
        verdict = outcome.difference or "yes"
        line = f"{outcome.name} | {outcome.rows} | {outcome.types} | {outcome.seconds:.2f}"
        print(f"| {line} | {verdict} |", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
