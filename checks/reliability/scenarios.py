"""What clients live through on a cluster that changes, each scenario with the figures that it measured."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import pyarrow as pa

import e6data_adbc
from e6data_adbc.errors import Status
from e6data_adbc.local import LocalEngine
from e6data_adbc.options import ConnectionOptions

__all__ = [
    "cancels",
    "cold_start",
    "crowd",
    "early_announcement",
    "flips",
    "forks",
    "leaks",
    "opposite_colours",
    "resume_limit",
    "session_losses",
    "suspended",
    "workers",
]

#: Seconds that a scenario may overrun before it counts as hung.
PATIENCE: Final = 60.0
ROWS: Final = 300


@dataclasses.dataclass
class Figures:
    """What a scenario measured: queries that were right, errors, and what else it counts."""

    right: int = 0
    errors: list[str] = dataclasses.field(default_factory=list)
    numbers: dict[str, float] = dataclasses.field(default_factory=dict)

    def __getattr__(self, name: str) -> float:
        numbers: dict[str, float] = self.__dict__.get("numbers", {})
        if name not in numbers:
            raise AttributeError(name)
        return numbers[name]


def with_options(uri: str, **options: object) -> str:
    """Returns *uri* with options by their short names."""
    return f"{uri}?{'&'.join(f'{name}={value}' for name, value in options.items())}"


def ask(connection: Any, number: int) -> None:
    """Runs one query of several chunks; raises if a row is wrong."""
    with connection.cursor() as cursor:
        cursor.execute(f"select range + {number} as n from range({ROWS})")
        rows = cursor.fetchall()
    if rows != [(n,) for n in range(number, number + ROWS)]:
        raise AssertionError(f"query {number} got {len(rows)} rows, or those of another")


def attempt(connection: Any, number: int, figures: Figures) -> None:
    """Runs one query and counts how it went."""
    try:
        ask(connection, number)
        figures.right += 1
    except Exception as error:
        figures.errors.append(_words(error))


def in_threads(count: int, work: Callable[[int, Figures], None]) -> Figures:
    """Returns the sum of what *work* counted in *count* threads, which begin together."""
    parts = [Figures() for _ in range(count)]
    begin = threading.Barrier(count)

    def run(index: int) -> None:
        begin.wait(PATIENCE)
        try:
            work(index, parts[index])
        except Exception as error:
            parts[index].errors.append(_words(error))

    threads = [
        threading.Thread(target=run, args=(index,), daemon=True, name=f"client-{index}")
        for index in range(count)
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + PATIENCE * 10
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    total = Figures(sum(part.right for part in parts), [e for part in parts for e in part.errors])
    total.errors += [f"{thread.name} hangs" for thread in threads if thread.is_alive()]
    return total


@contextlib.contextmanager
def connections(uri: str, count: int, *, shared: bool) -> Iterator[list[Any]]:
    """Yields *count* connections: all the same, or each with a database of its own."""
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(e6data_adbc.connect(uri))
        others = [] if shared else [e6data_adbc.connect(uri) for _ in range(count - 1)]
        for other in others:
            stack.enter_context(other)
        yield [one] * count if shared else [one, *others]


def flips(
    count: int,
    *,
    shared: bool,
    style: str,
    threads: int = 16,
    seconds: float | None = None,
    calls: int | None = None,
) -> Figures:
    """The colour changes *count* times, each *seconds* or each *calls*, under clients that never pause.

    A period in calls keeps its meaning on a machine that is busy with something else.

    Measures: `flips`; `refused`, the calls that the wrong colour refused for each of them; `extra`, the sign-ins and
    refused calls for each, without those that were under way when the first refusal came: nobody could know then.
    """
    with LocalEngine(chunk_rows=100, strategy="blue") as engine:
        with connections(engine.uri, threads, shared=shared) as clients:
            ask(clients[0], 0)
            signed_in = engine.ledger.calls["authenticate"]
            known = colour_counters(clients[0])
            end = time.monotonic() + PATIENCE + count * (seconds or 0)
            engine.switch_every(seconds=seconds, calls=calls, style=style)

            def work(index: int, figures: Figures) -> None:
                number = index
                while len(engine.switches) < count and time.monotonic() < end:
                    attempt(clients[index], number, figures)
                    number += threads

            total = in_threads(threads, work)
            engine.switch_every()
            counted = colour_counters(clients[0])
        flips = len(engine.switches)
        late = counted["late_mismatches"] - known["late_mismatches"]
        avoidable = counted["mismatches"] - known["mismatches"] - late
        refused = sum(
            n for (_, _, text), n in engine.ledger.refused.items() if text == "status: 456"
        )
        sign_ins = engine.ledger.calls["authenticate"] - signed_in
        total.numbers = {
            "flips": flips,
            "refused": refused / flips,
            "extra": (sign_ins + avoidable) / flips,
        }
        _count_left(engine, total)
    return total


def colour_counters(connection: Any) -> dict[str, int]:
    """Returns what the endpoint of *connection* counted about colours."""
    stats = json.loads(connection.adbc_connection.get_option(ConnectionOptions.STATS.value))
    counters: dict[str, int] = stats["strategy"]
    return counters


def cold_start(threads: int = 32, *, shared: bool) -> Figures:
    """Many threads make their first call at once. Measures: `authenticates`."""
    with LocalEngine(latency_seconds=0.02) as engine:
        with connections(engine.uri, threads, shared=shared) as clients:

            def work(index: int, figures: Figures) -> None:
                ask(clients[index], index)
                figures.right += 1

            total = in_threads(threads, work)
        total.numbers = {"authenticates": engine.ledger.calls["authenticate"]}
    return total


def opposite_colours(queries: int = 50, threads: int = 8) -> Figures:
    """Two clusters of different colour in one process. Measures: `rejected`, by the one that was refused more."""
    with LocalEngine(strategy="blue") as blue, LocalEngine(strategy="green") as green:
        engines = (blue, green)
        with (
            e6data_adbc.connect(blue.uri) as first,
            e6data_adbc.connect(green.uri) as second,
        ):
            clients = (first, second)

            def work(index: int, figures: Figures) -> None:
                for number in range(queries // threads):
                    ask(clients[(index + number) % 2], number)
                    figures.right += 1

            total = in_threads(threads, work)
        rejected = [sum(engine.ledger.refused.values()) for engine in engines]
        total.numbers = {
            "rejected": max(rejected),
            "authenticates": max(engine.ledger.calls["authenticate"] for engine in engines),
        }
    return total


def early_announcement(seconds: float, threads: int = 4) -> Figures:
    """The other colour is announced, but does not answer yet. Measures: `authenticates_per_second`, `rejected`."""
    with LocalEngine(strategy="blue") as engine:
        engine.announce_early()
        with e6data_adbc.connect(engine.uri) as connection:
            stop = time.monotonic() + seconds

            def work(index: int, figures: Figures) -> None:
                number = index
                while time.monotonic() < stop:
                    ask(connection, number)
                    figures.right += 1
                    number += threads

            total = in_threads(threads, work)
        total.numbers = {
            "authenticates_per_second": engine.ledger.calls["authenticate"] / seconds,
            "rejected": sum(engine.ledger.refused.values()),
        }
    return total


def session_losses(
    queries: int = 320,
    *,
    period: float = 0.3,
    threads: int = 16,
    latency: float = 0.01,
    after: str = "finish",
    on_loss: str = "fail",
    queries_between: int = 0,
) -> Figures:
    """All sessions end each *period* seconds, if *queries_between* were prepared. Measures: `losses`, `authenticates`.

    *after* says what becomes of their queries: they may `finish`, a new session may `adopt` them, or all are `refused`
    that are about them.
    """
    settings: dict[str, Any] = {"chunk_rows": 100, "latency_seconds": latency}
    with LocalEngine(**settings, share_queries=after == "adopt") as engine:
        with e6data_adbc.connect(with_options(engine.uri, on_loss=on_loss)) as connection:
            ask(connection, 0)
            done = threading.Event()
            losses = 0

            def lose() -> None:
                nonlocal losses
                prepared = 0
                while not done.wait(period):
                    now = engine.ledger.calls["prepareStatementV2"]
                    if now - prepared >= queries_between:
                        prepared = now
                        losses += engine.expire_sessions(drain=after == "finish") > 0

            loser = threading.Thread(target=lose)
            loser.start()

            def work(index: int, figures: Figures) -> None:
                for number in range(queries // threads):
                    attempt(connection, index * 1000 + number, figures)

            total = in_threads(threads, work)
            done.set()
            loser.join()
        total.numbers = {
            "losses": losses,
            "authenticates": engine.ledger.calls["authenticate"] - 1,
        }
        _count_left(engine, total)
    return total


def suspended(clients: int = 16, *, shared: bool, open_session: bool) -> Figures:
    """Clients meet a suspended cluster, new ones or with a session. Measures: `resumes`."""
    with LocalEngine(resume_polls=1) as engine:
        with connections(engine.uri, clients, shared=shared) as all_clients:
            if open_session:
                for client in all_clients:
                    ask(client, 0)
            engine.suspend()

            def work(index: int, figures: Figures) -> None:
                ask(all_clients[index], index)
                figures.right += 1

            total = in_threads(clients, work)
        total.numbers = {"resumes": engine.ledger.calls["cluster.resume"]}
    return total


def resume_limit(kind: str, limit: float) -> Figures:
    """A cluster that never comes up: `hang`, `flap`, `failed` or `refusing`. Measures: `seconds`."""
    states = {
        "hang": None,
        "flap": ("resuming", "suspended") * 500,
        "failed": ("resuming", "failed"),
        "refusing": ("active",),
    }
    with LocalEngine() as engine:
        engine.suspend(states=states[kind], refusals=10**9)
        if kind == "hang":
            engine.faults.delay("cluster.status", gate=threading.Event(), times=None)
        uri = with_options(engine.uri, resume_timeout_seconds=limit)
        figures = Figures()
        started = time.monotonic()
        try:
            with e6data_adbc.connect(uri) as connection:
                ask(connection, 0)
                figures.right += 1
        except Exception as error:
            figures.errors.append(_words(error))
        figures.numbers = {
            "seconds": time.monotonic() - started,
            "resumes": engine.ledger.calls["cluster.resume"],
        }
        engine.faults.clear()
    return figures


def cancels(trials: int) -> Figures:
    """A fetch that waits is cancelled from another thread.

    Measures: `p50` and `p99` in milliseconds until it ends; `clears`, the most calls that ended one query.
    """
    with LocalEngine() as engine:
        waits: list[float] = []
        figures = Figures()
        with e6data_adbc.connect(engine.uri) as connection:
            for number in range(trials):
                fault = engine.faults.delay("getNextResultBatch", gate=threading.Event())
                ended: list[float] = []
                cursor = connection.cursor()

                def read(cursor: Any = cursor, ended: list[float] = ended) -> None:
                    try:
                        cursor.execute("select 1 as n")
                        cursor.fetchall()
                        figures.errors.append("the fetch was not cancelled")
                    except e6data_adbc.Error as error:
                        ended.append(time.monotonic())
                        if error.status_code == Status.CANCELLED:
                            figures.right += 1
                        else:
                            figures.errors.append(_words(error))

                reader = threading.Thread(target=read, name=f"reader-{number}")
                reader.start()
                if not fault.reached.wait(PATIENCE):
                    figures.errors.append("the fetch never came")
                    break
                started = time.monotonic()
                try:
                    cursor.adbc_cancel()
                except e6data_adbc.Error as error:
                    figures.errors.append(_words(error))
                reader.join(PATIENCE)
                waits += [(end - started) * 1000 for end in ended]
                cursor.close()
                fault.remove()
        waits.sort()
        records = engine.ledger.queries
        figures.numbers = {
            "p50": waits[len(waits) // 2] if waits else math.inf,
            "p99": waits[min(len(waits) - 1, int(len(waits) * 0.99))] if waits else math.inf,
            "clears": max((record.clears + record.cancels for record in records), default=0),
        }
        _count_left(engine, figures)
    return figures


def crowd(queries: int, threads: int, *, shared: bool = True) -> Figures:
    """Many queries at a time; each gets its own rows. Measures: `seconds`."""
    # The engine and all clients share this process: how long it takes them to clear says nothing.
    options = "?clear_timeout_seconds=60"
    with LocalEngine(chunk_rows=100, max_running=512) as engine:
        with connections(engine.uri + options, threads, shared=shared) as clients:
            started = time.monotonic()

            def work(index: int, figures: Figures) -> None:
                for number in range(index, queries, threads):
                    attempt(clients[index], number, figures)

            total = in_threads(threads, work)
            total.numbers = {"seconds": time.monotonic() - started}
        _count_left(engine, total)
    return total


def leaks(queries: int, *, reconnects: int = 0) -> Figures:
    """Runs queries in a process of their own; measures what grew after the first tenth of them, all closed.

    Measures: `kib_per_query`, `mib`, `files`, `threads`, `arrow_bytes`.
    """
    return _in_process("leak", queries, reconnects)


def forks(count: int) -> Figures:
    """Forks an idle client; the child uses the old connection, then a new one. Measures: `refused`, `worked`."""
    return _in_process("fork", count)


def workers(count: int) -> Figures:
    """Starts processes the other two ways beside an open client; each connects and asks.

    Measures: `spawn` and `forkserver`, how many of *count* got their rows.
    """
    return _in_process("workers", count)


def _in_process(what: str, *arguments: int) -> Figures:
    """Runs this module as a program against an engine in a third process."""
    serve = [sys.executable, "-m", "e6data_adbc", "serve", "--user", "u", "--chunk-rows", "100"]
    environment = {**os.environ, "E6DATA_TOKEN": "t"}
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True, env=environment) as server:
        try:
            assert server.stdout is not None
            target = server.stdout.readline().strip().rpartition("/")[2]
            uri = f"e6data://u:t@{target}/sample/sales"
            words = [uri, what, *map(str, arguments)]
            done = subprocess.run(
                [sys.executable, "-m", "checks.reliability.scenarios", *words],
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            server.terminate()
    if done.returncode != 0:
        return Figures(errors=[f"the client ended with {done.returncode}: {done.stderr[-2000:]}"])
    return Figures(**json.loads(done.stdout.splitlines()[-1]))


def _leak(uri: str, queries: int, reconnects: int) -> Figures:
    figures = Figures()

    def run(count: int) -> None:
        with e6data_adbc.connect(uri) as connection:
            for number in range(count):
                ask(connection, number % 1000)
                figures.right += 1

    def resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    def opened() -> int:
        return len(os.listdir("/proc/self/fd"))

    run(max(100, queries // 10))
    memory, files, threads = resident(), opened(), _tasks()
    run(queries)
    for _ in range(reconnects):
        run(1)
    grown = resident() - memory
    # gRPC ends threads and closes sockets in its own time.
    end = time.monotonic() + 30
    while (_tasks() > threads or opened() > files) and time.monotonic() < end:
        time.sleep(0.05)
    figures.numbers = {
        "kib_per_query": grown / 1024 / (queries + reconnects),
        "mib": grown / 2**20,
        "files": opened() - files,
        "threads": _tasks() - threads,
        "arrow_bytes": pa.total_allocated_bytes(),
    }
    return figures


def _tasks() -> int:
    return len(os.listdir("/proc/self/task"))


def _fork(uri: str, count: int) -> Figures:
    figures = Figures(numbers={"refused": 0, "worked": 0})
    with e6data_adbc.connect(uri) as connection:
        ask(connection, 0)
        cursor = connection.cursor()
        for number in range(count):
            child = os.fork()
            if child == 0:
                os._exit(_in_child(uri, connection, cursor))
            code = _wait(child)
            if code < 0:
                figures.errors.append(f"the child {number} ended with signal {-code}")
            elif code >= 4:
                figures.errors.append(f"the child {number} ended with {code}")
            else:
                figures.numbers["refused"] += code & 1
                figures.numbers["worked"] += code >> 1 & 1
            ask(connection, number)  # the parent goes on
            figures.right += 1
        cursor.close()
    return figures


def _in_child(uri: str, connection: Any, cursor: Any) -> int:
    code = 0
    try:
        uses = (lambda: cursor.execute("select 1"), lambda: ask(connection, 1))
        code |= all(map(_is_refused, uses))
        with e6data_adbc.connect(uri) as own:
            ask(own, 2)
        code |= 2
    except BaseException:
        return code | 4
    return code


def _is_refused(use: Callable[[], object]) -> bool:
    try:
        use()
    except e6data_adbc.ProgrammingError:
        return True
    return False


def _wait(child: int) -> int:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return -99


def _workers(uri: str, count: int) -> Figures:
    figures = Figures()
    with e6data_adbc.connect(uri) as connection:
        ask(connection, 0)
        for method in ("spawn", "forkserver"):
            context = multiprocessing.get_context(method)
            worked = 0
            for first in range(0, count, 4):
                batch = [
                    context.Process(target=_work, args=(uri, number))
                    for number in range(first, min(first + 4, count))
                ]
                for process in batch:
                    process.start()
                for process in batch:
                    process.join(PATIENCE)
                    worked += process.exitcode == 0
                    if process.exitcode != 0:
                        figures.errors.append(f"a {method} child ended with {process.exitcode}")
            figures.numbers[method] = worked
            ask(connection, 1)  # the parent goes on
            figures.right += 1
    return figures


def _work(uri: str, number: int) -> None:
    with e6data_adbc.connect(uri) as connection:
        ask(connection, number)


def _count_left(engine: LocalEngine, figures: Figures) -> None:
    """Adds what must be nothing once all connections are closed."""
    end = time.monotonic() + 10
    while engine.ledger.open_queries and time.monotonic() < end:
        time.sleep(0.005)
    figures.numbers["uncleared"] = len(engine.ledger.open_queries)
    figures.numbers["without_deadline"] = sum(engine.ledger.without_deadline.values())
    twice = sum(record.executes > 1 for record in engine.ledger.queries)
    figures.numbers["executed_twice"] = twice


def _words(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"


if __name__ == "__main__":
    _uri, _what, *_numbers = sys.argv[1:]
    _act: Callable[..., Figures] = {
        "leak": _leak,
        "fork": _fork,
        "workers": _workers,
    }[_what]
    print(json.dumps(dataclasses.asdict(_act(_uri, *map(int, _numbers)))))
