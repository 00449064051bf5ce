"""One contestant in a process of its own, told on standard input what to do, one JSON object a line.

Everything that costs is measured in here: wall clock, processor time of the process and of its children, memory.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import threading
import time
from pathlib import Path
from typing import Any

from benchmarks.clients import CLIENTS, Client

__all__: list[str] = []


def main() -> None:
    """Answers until standard input is closed."""
    # What others print must not end up between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    worker: Worker | None = None
    for line in sys.stdin:
        task = json.loads(line)
        action = task.pop("do")
        if worker is None:
            worker = Worker(**task)
            answer = worker.idle()
        else:
            answer = getattr(worker, action)(**task)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
    if worker is not None:
        worker.close()


class Worker:
    """The actions; each returns what is written as JSON. Times in seconds, memory in bytes."""

    def __init__(self, kind: str, arguments: dict[str, Any], warm_up: str) -> None:
        self._kind = kind
        self._arguments = arguments
        self._warm_up = warm_up
        self._client = self._connect()

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()

    def idle(self) -> dict[str, Any]:
        """Returns the memory once connected and warm."""
        self._client.table(self._warm_up)
        return {"idle": _memory("VmRSS")}

    def loop(
        self, query: str, pause: float = 0.0, most: int = 0, *, threads: bool = False
    ) -> dict[str, Any]:
        """Reads batch after batch and keeps none.

        Args:
            query: What to read.
            pause: Seconds to sleep after each batch.
            most: Stop after so many batches; 0 reads all.
            threads: Tell the processor time of each thread, as it stands when the last batch has come.
        """
        _reset_peak()
        rows = count = 0
        each: dict[int, tuple[str, float, float]] = {}
        earlier = _threads() if threads else {}
        before, started = _processor(), time.perf_counter()
        first = 0.0
        batches = self._client.batches(query)
        for batch in batches:
            first = first or time.perf_counter() - started
            rows += batch.num_rows
            count += 1
            if threads:
                each |= _threads()
            if count == most:
                break
            if pause:
                time.sleep(pause)
        del batch
        seconds = time.perf_counter() - started
        stopped = time.perf_counter()
        batches.close()  # type: ignore[attr-defined]  # a generator
        return {
            "rows": rows,
            "batches": count,
            "seconds": seconds,
            "first": first,
            "close": time.perf_counter() - stopped,
            "cpu": _processor() - before,
            "peak": _memory("VmHWM"),
            "threads": [
                (name, user - earlier[thread][1], system - earlier[thread][2])
                if thread in earlier
                else (name, user, system)
                for thread, (name, user, system) in each.items()
            ],
        }

    def table(self, query: str) -> dict[str, Any]:
        """Reads everything into one table."""
        _reset_peak()
        before, started = _processor(), time.perf_counter()
        rows = self._client.table(query).num_rows
        seconds = time.perf_counter() - started
        cpu = _processor() - before
        return {"rows": rows, "seconds": seconds, "cpu": cpu, "peak": _memory("VmHWM")}

    def times(self, query: str, count: int) -> dict[str, Any]:
        """Returns the seconds of each of *count* tiny queries in a row, and their processor time."""
        before = _processor()
        seconds = [_timed(lambda: self._client.table(query)) for _ in range(count)]
        return {"seconds": seconds, "cpu": (_processor() - before) / count}

    def functions(self, query: str, count: int) -> dict[str, Any]:
        """Returns the seconds that the calling thread spends in each package, for one of *count* tiny queries.

        Time in native code counts for the package that calls it; waiting for the server is in it. Watching makes all of
        it slower, so that only the shares mean something.
        """
        import cProfile
        import pstats

        watched = cProfile.Profile()
        watched.enable()
        for _ in range(count):
            self._client.table(query)
        watched.disable()
        spent: dict[str, float] = {}
        calls = 0
        for (path, _, _), (_, times, own, _, callers) in _stats(pstats.Stats(watched)):
            calls += times
            for package, seconds in _owners(path, own, callers):
                spent[package] = spent.get(package, 0.0) + seconds / count
        return {"packages": spent, "calls": calls / count}

    def connects(self, query: str, count: int) -> dict[str, Any]:
        """Returns the seconds of each of *count* times connecting, asking and closing."""
        return {"seconds": [_timed(lambda: self._once(query)) for _ in range(count)]}

    def together(self, query: str, threads: int, each: int = 1) -> dict[str, Any]:
        """Reads *query* *each* times in each of so many threads at once, on the one connection."""
        _reset_peak()
        counts = [0] * threads
        failures: list[str] = []
        gate = threading.Barrier(threads + 1)

        def read(index: int) -> None:
            gate.wait()
            try:
                for _ in range(each):
                    counts[index] += sum(batch.num_rows for batch in self._client.batches(query))
            except Exception as error:  # noqa: BLE001 - told to the parent, whatever it is
                failures.append(f"{type(error).__name__}: {error}")

        readers = [threading.Thread(target=read, args=(index,)) for index in range(threads)]
        for reader in readers:
            reader.start()
        before = _processor()
        gate.wait()
        started = time.perf_counter()
        for reader in readers:
            reader.join()
        return {
            "rows": sum(counts),
            "seconds": time.perf_counter() - started,
            "cpu": _processor() - before,
            "peak": _memory("VmHWM"),
            "failures": failures,
        }

    def rows_of_chunk(self, chunk: str, columns: str) -> dict[str, Any]:
        """Decodes a chunk with the public connector's decoder, once."""
        from e6data_python_connector import datainputstream

        payload = Path(chunk).read_bytes()
        described = bytes(8) + Path(columns).read_bytes()
        import io

        _, infos = datainputstream.get_query_columns_info(io.BytesIO(described))
        started = time.thread_time()
        rows = datainputstream.read_rows_from_chunk(infos, payload)
        return {"rows": len(rows), "seconds": time.thread_time() - started}

    def _connect(self) -> Client:
        return CLIENTS[self._kind](**self._arguments)

    def _once(self, query: str) -> None:
        client = self._connect()
        client.table(query)
        client.close()


_Function = tuple[str, int, str]


def _stats(stats: Any) -> list[tuple[_Function, tuple[int, int, float, float, dict[Any, Any]]]]:
    return list(stats.stats.items())


def _owners(path: str, own: float, callers: dict[Any, Any]) -> list[tuple[str, float]]:
    """Returns the packages that *own* seconds of a function belong to; built-in ones belong to their callers."""
    if path != "~":
        return [(_package(path), own)]
    return [(_package(caller[0]), times[2]) for caller, times in callers.items()]


def _package(path: str) -> str:
    if path.endswith(("/_transport/native.py", "/_transport/grpcio.py")) or "/grpc/" in path:
        return "transport"  # what is called there waits for the server
    for name in ("adbc_driver_manager", "e6data_adbc", "google"):
        if f"/{name}/" in path:
            return name
    return "others"


def _timed(action: Any) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def _processor() -> float:
    """Returns user and system seconds of this process and of its children, ended or not."""
    spent = sum(
        sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    for thread in Path("/proc/self/task").iterdir():
        for child in _read(thread / "children").split():
            spent += sum(_times(_read(Path(f"/proc/{child}/stat"))))
    return spent


def _read(path: Path) -> str:
    """Returns the text of a file of a thread or process, empty where that has ended meanwhile."""
    try:
        return path.read_text()
    except OSError:
        return ""


def _times(status: str) -> tuple[float, float]:
    """Returns the user and system seconds in the text of a `stat` file."""
    if not status:
        return 0.0, 0.0
    fields = status.rsplit(")", 1)[1].split()
    tick = os.sysconf("SC_CLK_TCK")
    return int(fields[11]) / tick, int(fields[12]) / tick


def _threads() -> dict[int, tuple[str, float, float]]:
    """Returns name, user and system seconds of each thread, by its number."""
    found = {}
    for path in Path("/proc/self/task").iterdir():
        status = _read(path / "stat")
        if status:
            name = status.split("(", 1)[1].rsplit(")", 1)[0]
            found[int(path.name)] = (name, *_times(status))
    return found


def _memory(key: str) -> int:
    """Returns a memory figure of this process; `ru_maxrss` would be the parent's where that is larger."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key):
            return int(line.split()[1]) * 1024
    return 0


def _reset_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    main()
