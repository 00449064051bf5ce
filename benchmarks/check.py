"""Fails when the decoder has become slower than recorded, by ratios that one process measures by itself.

`python -m benchmarks.check` compares, `--record` writes what is measured now. No server, no network; half a minute.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from benchmarks import data
from benchmarks.environment import enter
from benchmarks.harness import interleave, median
from benchmarks.harness import number as digits

__all__: list[str] = []

RECORDED: Final = Path(__file__).with_name("recorded.json")
#: How much worse a ratio may be than the recorded one: runs of the same build differ by up to a quarter on a busy
#: machine with two cores.
MARGIN: Final = 0.35
SETS: Final = ("int64", "decimal", "string", "lineitem 10k")
ROUNDS: Final = 15


def main() -> int:
    """Prints ratio by ratio what was recorded and what is; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true")
    record = parser.parse_args().record
    enter()
    found = {name: _ratios(name) for name in SETS}
    if record:
        RECORDED.write_text(json.dumps(found, indent=1) + "\n")
        print(f"recorded {RECORDED}")
        return 0
    recorded = json.loads(RECORDED.read_text())
    failures = 0
    print(f"{'set':14}{'ratio':34}{'recorded':>10}{'now':>10}{'limit':>10}")
    for name, ratios in found.items():
        for kind, value in ratios.items():
            before = recorded[name][kind]
            is_time = "memcpy" in kind
            limit = before * (1 + MARGIN) if is_time else before / (1 + MARGIN)
            is_worse = value > limit if is_time else value < limit
            failures += is_worse
            cells = "".join(f"{digits(cell):>10}" for cell in (before, value, limit))
            print(f"{name:14}{kind:34}{cells}{'  WORSE' if is_worse else ''}")
    if failures:
        print(
            f"[benchmarks] {failures} ratios are worse than recorded by more than {MARGIN:.0%}; if that is meant,"
            " record anew with python -m benchmarks.check --record",
            file=sys.stderr,
        )
    return 1 if failures else 0


def _ratios(name: str) -> dict[str, float]:
    from benchmarks.decode_types import FEW_ROWS, python_decoders, seconds

    columns, nulls = data.DECODE_SETS[name]
    found = data.make(name, columns, data.decode_rows(name), nulls)
    decoders = python_decoders(found)
    wanted: dict[str, Callable[[], Any]] = {
        "native": decoders["native"],
        "thrift": decoders["thrift"],
        "memcpy": _memcpy(found.batch),
    }
    samples = interleave(
        {name: lambda action=action: seconds(action) for name, action in wanted.items()},  # type: ignore[misc]
        ROUNDS,
    )
    rounds = list(zip(samples["native"], samples["memcpy"], samples["thrift"], strict=True))
    per_row = found.rows / FEW_ROWS
    return {
        "decoding over memcpy, time": median([native / copy for native, copy, _ in rounds]),
        "over thrift + pa.array, rows/s": median([t * per_row / n for n, _, t in rounds]),
    }


def _memcpy(batch: pa.RecordBatch) -> Callable[[], None]:
    sources = [
        np.frombuffer(buffer, np.uint8)
        for column in batch.columns
        for buffer in column.buffers()
        if buffer is not None
    ]
    targets = [source.copy() for source in sources]

    def copy() -> None:
        for target, source in zip(targets, sources, strict=True):
            target[:] = source

    return copy


if __name__ == "__main__":
    sys.exit(main())
