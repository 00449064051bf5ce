"""A Delta table of a test: its address, its sink, and what a reader of it gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa

from e6data_adbc.etl.destinations import open_sink, parse
from e6data_adbc.etl.sink import Sink


def url(folder: Path) -> str:
    return f"delta+file://{folder}"


def sink_of(folder: Path) -> Sink:
    return open_sink(parse(url(folder)), {})


def rows(folder: Path) -> pa.Table:
    return deltalake.DeltaTable(str(folder)).to_pyarrow_table()


def ids(folder: Path) -> list[int]:
    if not deltalake.DeltaTable.is_deltatable(str(folder)):
        return []
    return sorted(rows(folder).column("id").to_pylist())


def made(folder: Path, columns: dict[str, Any]) -> None:
    deltalake.write_deltalake(str(folder), pa.table(columns))


def left_over(folder: Path) -> list[str]:
    """Returns what is in `_e6` beside locks and one record for each job."""
    state = folder / "_e6"
    found = {str(path.relative_to(state)) for path in state.rglob("*") if path.is_file()}
    kept = {name for name in found if name.endswith("/lock")}
    for job in state.iterdir():
        kept.update(sorted(n for n in found if n.startswith(f"{job.name}/records/"))[:1])
    return sorted(found - kept)
