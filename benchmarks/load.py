"""What does a load cost, in processor time and in memory, next to executemany and to dlt?"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import itertools
import json
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import load_worker
from benchmarks.environment import ROOT
from benchmarks.harness import (
    Report,
    Settings,
    Table,
    interleave,
    main,
    median,
    number,
    ratios,
    spread,
)
from checks import mariadb_server, postgres_server, redis_server, rooms, s3_server

__all__ = ["run"]

#: Of a peer, which would bring other versions of what we measure.
PEER = ROOT / ".venv-bench-dlt"
PEER_PACKAGES = (
    "dlt[postgres,duckdb,parquet,filesystem,s3]",
    "adbc-driver-postgresql",
    "adbc-driver-manager",
)
#: What a load may cost above what the process had, in MiB.
LIMITS = {
    "sqlite": 64,
    "postgresql": 64,
    "duckdb": 128,
    "parquet": 128,
    "delta": 256,
    "iceberg": 256,
    "mysql": 128,
    "lmdb": 128,
    "lmdb-stream": 128,
    "redis": 128,
    "redis-stream": 128,
    "parquet+s3": 128,
    "delta+s3": 256,
    "iceberg+s3": 256,
    # With all of ClickHouse, which is in the process.
    "clickhouse": 512,
}
#: How many times fewer rows go into those that keep a commit in memory, themselves or in their server.
FEWER = {"lmdb": 10, "lmdb-stream": 10, "redis": 10, "redis-stream": 10}
#: Destinations into which a program of few lines writes as well.
BY_HAND = {
    *("postgresql", "sqlite", "mysql"),
    *("lmdb", "lmdb-stream", "redis", "redis-stream"),
    *("parquet+s3", "delta+s3", "iceberg+s3", "clickhouse"),
}
#: Those that dlt loads into as well.
BY_DLT = {"postgresql", "duckdb", "parquet+s3"}

#: Returns a new address of a destination.
Make = Callable[[], str]


@dataclasses.dataclass(frozen=True)
class Place:
    """A destination.

    Attributes:
        make: Returns a new address of it.
        python: The interpreter that has its packages.
    """

    make: Make
    python: Path = Path(sys.executable)


def run(settings: Settings) -> Report:
    """Returns rows per second of processor time, and the peak of memory at two sizes."""
    report = Report("load", __doc__)
    folder = Path(tempfile.mkdtemp(prefix="e6data-bench-load-"))
    try:
        with _destinations(folder) as places:
            _speed(report, settings, places, folder)
            _memory(report, settings, places, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return report


def _speed(report: Report, settings: Settings, places: dict[str, Place], folder: Path) -> None:
    most = settings.pick(1_000_000, 20_000)
    peer = _peer()
    table = Table(
        "Rows per second of processor time, and how many times that is what others do",
        ["destination", "e6data", "by hand", "times", "dlt", "times"],
    )
    for name, place in places.items():
        rows = most // FEWER.get(name, 1)
        tasks = {"e6data": _task(place.python, "e6data", place.make, rows, folder)}
        if peer is not None and name in BY_DLT:
            tasks["dlt"] = _task(peer, "dlt", place.make, rows, folder)
        by_hand = peer if name == "postgresql" else place.python
        if name in BY_HAND and by_hand is not None:
            equal = name.endswith("+s3") or name in FEWER
            size = rows if equal else rows // 10
            tasks["executemany"] = _task(by_hand, "executemany", place.make, size, folder)
        samples = interleave(tasks, settings.pick(5, 1))
        report.samples[name] = samples
        rates = {
            who: [sample["rows"] / sample["cpu"] for sample in taken]
            for who, taken in samples.items()
        }
        report.figures[f"{name}_rows_per_cpu_second"] = median(rates["e6data"])
        cells = [spread(rates["e6data"])]
        for other in ("executemany", "dlt"):
            times = ratios(rates["e6data"], rates[other]) if other in rates else []
            cells += [spread(rates.get(other, [])), spread(times)]
            if times:
                report.figures[f"{name}_times_{other}"] = median(times)
        table.add(name, *cells)
    report.tables.append(table)


def _memory(report: Report, settings: Settings, places: dict[str, Place], folder: Path) -> None:
    most = settings.pick(500_000, 20_000)
    table = Table(
        f"The peak of memory above the start, MiB, at {most:,} rows and at eight times as many; "
        "of those with Redis and LMDB, at a tenth of both",
        ["destination", "rows", "8 x rows", "times", "at most"],
    )
    for name, place in places.items():
        rows = most // FEWER.get(name, 1)
        tasks = {
            str(size): _task(place.python, "e6data", place.make, size, folder)
            for size in (rows, 8 * rows)
        }
        samples = interleave(tasks, settings.pick(3, 1))
        small, large = (
            median([sample["peak"] / 2**20 for sample in samples[str(size)]])
            for size in (rows, 8 * rows)
        )
        growth = large / small if small else 0.0
        report.figures[f"{name}_peak_mib"] = large
        report.figures[f"{name}_peak_growth"] = growth
        table.add(name, number(small), number(large), number(growth), str(LIMITS[name]))
    report.tables.append(table)


def _task(
    python: Path, who: str, make: Make, rows: int, folder: Path
) -> Callable[[], dict[str, Any]]:
    def ask() -> dict[str, Any]:
        work = folder / uuid.uuid4().hex
        done = subprocess.run(
            [str(python), load_worker.__file__, who, make(), str(rows), str(work), make()],
            capture_output=True,
            text=True,
            timeout=1800,
            check=False,
            cwd=folder,
            env={
                "PYTHONPATH": str(ROOT) if who == "e6data" else "",
                "PATH": "/usr/bin:/bin",
                "RUNTIME__DLTHUB_TELEMETRY": "false",
                "DLT_DATA_DIR": str(folder / "dlt"),
            },
        )
        shutil.rmtree(work, ignore_errors=True)
        if done.returncode:
            raise RuntimeError(f"{who} could not load: {done.stderr[-2000:]}")
        answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return answer

    return ask


@contextlib.contextmanager
def _destinations(folder: Path) -> Iterator[dict[str, Place]]:
    numbers = itertools.count()

    def fresh(scheme: str, ending: str) -> Make:
        return lambda: f"{scheme}://{folder}/{next(numbers)}{ending}"

    places = {
        "sqlite": Place(fresh("sqlite", ".db#t")),
        "duckdb": Place(fresh("duckdb", ".duckdb#t")),
        "parquet": Place(fresh("parquet+file", "")),
        "delta": Place(fresh("delta+file", "")),
        "iceberg": Place(lambda: _iceberg(folder, next(numbers))),
    }
    for name in ("lmdb", "lmdb-stream"):
        scheme, _, layout = name.partition("-")
        places[name] = Place(fresh(scheme, f"?layout={layout or 'row'}#t"))
    with contextlib.ExitStack() as stack:

        def started(running: Callable[[], Any], name: str, ending: str) -> None:
            try:
                url = stack.enter_context(running()).url
            except postgres_server.UnavailableError as cause:
                print(f"[benchmarks] without {name}: {cause}", file=sys.stderr)
            else:
                places[name] = Place(lambda: f"{url}{ending}{next(numbers)}")

        started(postgres_server.running, "postgresql", "#public.t")
        started(mariadb_server.running, "mysql", "#test.t")
        started(redis_server.running, "redis", "?layout=row#t")
        started(redis_server.running, "redis-stream", "?layout=stream#t")
        if (python := _room("clickhouse")) is not None:
            place = f"clickhouse://{folder}/clickhouse?interface=chdb#t"
            places["clickhouse"] = Place(lambda: f"{place}{next(numbers)}", python)
        if (python := _room("lakes")) is not None:
            storage = stack.enter_context(s3_server.running(python))
            for scheme in ("parquet", "delta"):
                make = functools.partial(storage.address, scheme)
                places[f"{scheme}+s3"] = Place(make, python)
            places["iceberg+s3"] = Place(
                lambda: storage.iceberg_address(f"sqlite:///{folder}/{next(numbers)}.db"), python
            )
        yield places


def _room(name: str) -> Path | None:
    """Returns the interpreter of a room of `make rooms`, or None where it cannot be made."""
    try:
        return rooms.environment(name)
    except subprocess.CalledProcessError as cause:
        print(f"[benchmarks] without the room {name}: {cause}", file=sys.stderr)
        return None


def _iceberg(folder: Path, number: int) -> str:
    settings = f"type=sql&uri=sqlite:///{folder}/{number}.db&warehouse=file://{folder}/{number}"
    return f"iceberg://bench/ns.t?{settings}"


def _peer() -> Path | None:
    """Returns the interpreter that has dlt, or None where it cannot be installed."""
    python = PEER / "bin" / "python"
    ready = PEER / "ready"
    wanted = "\n".join(PEER_PACKAGES)
    if ready.exists() and ready.read_text() == wanted:
        return python
    print(f"[benchmarks] making {PEER.name}", file=sys.stderr)
    make = [sys.executable, "-m", "venv", "--without-pip", str(PEER)]
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet"]
    try:
        subprocess.run(make, check=True, timeout=120)
        subprocess.run([*install, *PEER_PACKAGES], check=True, timeout=600)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as cause:
        print(f"[benchmarks] without dlt: {cause}", file=sys.stderr)
        return None
    ready.write_text(wanted)
    return python


if __name__ == "__main__":
    main(run)
