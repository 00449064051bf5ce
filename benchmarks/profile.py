"""Where does the client's processor time go while rows arrive?"""

from __future__ import annotations

import collections
import re
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import flame_graphs, rates, servers
from benchmarks.harness import Report, Settings, Table, main
from benchmarks.rates import OURS, OURS_V2

__all__ = ["run"]

#: The driver's threads and grpc's, by how their names begin.
_THREADS = {
    "e6data-fetch": "fetch",
    "e6data-decode": "decode",
    "event_engine": "grpc's own",
    "python": "consumer",
}
#: The packages that a tiny query spends its time in; in `e6data_adbc` is the driver's native half only where Python
#: calls it, in `adbc_driver_manager` everything that its calls into the driver do without Python.
_PACKAGES = ("transport", "e6data_adbc", "adbc_driver_manager", "google", "others")
_HEADER = re.compile(r"^(\S.*?)\s+\d+")
_FRAME = re.compile(r"^\s+[0-9a-f]+ (.*) \((.*)\)$")


def run(settings: Settings) -> Report:
    """Returns processor time by thread, and by cause where `perf` is installed."""
    report = Report("profile", __doc__)
    texts = {
        "lineitem, 10,000 rows a chunk": servers.query("lineitem", 10_000, settings.pick(800, 200)),
        "narrow, 100,000 rows a chunk": servers.query("narrow", 100_000, settings.pick(400, 100)),
    }
    with servers.serve() as e6data, rates.opened((OURS,), e6data, 0) as readers:
        reader = readers[OURS]
        for title, text in texts.items():
            reader.ask("loop", query=text)
            answer = {}
            asking = threading.Thread(
                target=lambda text=text, answer=answer: answer.update(
                    reader.ask("loop", query=text, threads=True)
                )  # type: ignore[misc]
            )
            samples = _record(reader.pid, asking)
            _add_threads(report, title, answer)
            if samples:
                _add_causes(report, title, samples)
    _add_tiny(report, settings)
    _add_flame_graphs(report, settings)
    if not shutil.which("perf"):
        report.notes.append("`perf` is not installed here, so that causes are not told apart.")
    return report


def _add_tiny(report: Report, settings: Settings) -> None:
    """Adds where the caller's thread is during a warm query of one row."""
    names = (OURS, OURS_V2)
    text = servers.query("tiny", 1, 1)
    table = Table(
        "A warm query of one row: % of the caller's time by package, waiting included",
        ["", *_PACKAGES, "Python calls a query"],
    )
    with servers.serve() as e6data, rates.opened(names, e6data, 0) as readers:
        for name, reader in readers.items():
            reader.ask("times", query=text, count=20)
            answer = reader.ask("functions", query=text, count=settings.pick(400, 50))
            spent = answer["packages"]
            total = sum(spent.values())
            shares = [f"{100 * spent.get(package, 0.0) / total:.0f}" for package in _PACKAGES]
            table.add(name, *shares, f"{answer['calls']:.0f}")
            report.samples[f"tiny {name}"] = answer
    report.tables.append(table)


def _add_flame_graphs(report: Report, settings: Settings) -> None:
    """Draws where the time of a tiny query and of a long result goes, by function."""
    long = servers.query("lineitem", 10_000, settings.pick(3000, 200))
    tiny = servers.query("tiny", 1, 1)
    tasks: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
        (
            "flame_tiny",
            "A warm query of one row: the caller's thread",
            "table",
            {"action": "times", "query": tiny, "count": settings.pick(4000, 300)},
        ),
        (
            "flame_long",
            "lineitem, 10,000 rows a chunk, batch by batch: the thread that reads",
            "loop",
            {"action": "loop", "query": long},
        ),
    )
    settings.results.mkdir(parents=True, exist_ok=True)
    with servers.serve() as e6data, rates.opened((OURS,), e6data, 0) as readers:
        reader = readers[OURS]
        for name, title, root, task in tasks:
            work = threading.Thread(target=lambda task=task: reader.ask(**task))  # type: ignore[misc]
            stacks = flame_graphs.record(reader.pid, work)
            if stacks:
                flame_graphs.draw(stacks, settings.results / f"{name}.svg", title, root=root)
                report.pictures.append((name, title))
    if report.pictures:
        report.notes.append(
            "Flame graphs: samples by py-spy, waiting included; what a function calls stands on top of it."
        )


def _record(pid: int, work: threading.Thread) -> list[tuple[str, str]]:
    """Returns (thread, cause) of each sample of the process while *work* runs."""
    if not shutil.which("perf"):
        work.start()
        work.join()
        return []
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "perf.data"
        command = ["perf", "record", "-q", "-g", "-F", "999", "-e", "cpu-clock", "-p", str(pid)]
        quiet = subprocess.DEVNULL
        recorder = subprocess.Popen([*command, "-o", str(path)], stdout=quiet, stderr=quiet)
        time.sleep(1.0)  # it follows only threads that begin once it watches
        work.start()
        work.join()
        recorder.terminate()
        recorder.wait()
        listed = subprocess.run(
            ["perf", "script", "-i", str(path)], capture_output=True, text=True, check=False
        )
    return list(_samples(listed.stdout))


def _samples(text: str) -> Iterator[tuple[str, str]]:
    for block in text.split("\n\n"):
        lines = block.strip("\n").split("\n")
        header = _HEADER.match(lines[0])
        frames = [found.groups() for line in lines[1:] if (found := _FRAME.match(line))]
        if header and frames:
            yield _thread(header[1]), _cause(frames)


def _thread(name: str) -> str:
    return next((known for start, known in _THREADS.items() if name.startswith(start)), "others")


def _cause(frames: list[tuple[Any, ...]]) -> str:
    """Returns what a sample is counted as; the innermost frame comes first."""
    names = " ".join(name for name, _ in frames)
    name, where = frames[0]
    if "page_fault" in names:
        return "first touch of memory (page faults)"
    if "kernel" in where:
        for sign, cause in (
            ("munmap", "giving memory back"),
            ("madvise", "giving memory back"),
            ("brk", "giving memory back"),
            ("recvmsg", "receiving in the kernel"),
            ("sendmsg", "sending in the kernel"),
            ("futex", "waking threads"),
        ):
            if sign in names:
                return cause
        return "kernel, other"
    if "memmove" in name or "memcpy" in name:
        return "memcpy"
    for sign, cause in (
        ("_native", "driver and decoder"),
        ("cygrpc", "grpc"),
        ("libpython", "Python"),
        ("libarrow", "pyarrow"),
    ):
        if sign in where:
            return cause
    return "others"


def _add_threads(report: Report, title: str, answer: dict[str, Any]) -> None:
    table = Table(f"{title}: processor time by thread", ["thread", "user, ns a row", "system"])
    spent: dict[str, list[float]] = collections.defaultdict(lambda: [0.0, 0.0])
    for name, user, system in answer["threads"]:
        spent[_thread(name)][0] += user
        spent[_thread(name)][1] += system
    for name, times in sorted(spent.items(), key=lambda item: -sum(item[1])):
        table.add(name, *(f"{1e9 * seconds / answer['rows']:.0f}" for seconds in times))
    report.tables.append(table)
    report.samples[title] = answer


def _add_causes(report: Report, title: str, samples: list[tuple[str, str]]) -> None:
    counts = collections.Counter(samples)
    threads = sorted({thread for thread, _ in samples})
    causes = collections.Counter(cause for _, cause in samples)
    table = Table(f"{title}: % of processor time by cause", ["cause", *threads, "together"])
    for cause, count in causes.most_common():
        shares = [f"{100 * counts[thread, cause] / len(samples):.1f}" for thread in threads]
        table.add(cause, *shares, f"{100 * count / len(samples):.1f}")
        report.figures[f"{title}: {cause}"] = 100 * count / len(samples)
    report.tables.append(table)


if __name__ == "__main__":
    main(run)
