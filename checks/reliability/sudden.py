"""Closes and interrupts at random moments, each in a process of its own, which has to live on.

`python -m checks.reliability.sudden closes|interrupts SEED COUNT URI` is one such process.
"""

from __future__ import annotations

import contextlib
import dataclasses
import faulthandler
import gc
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

import e6data_adbc
from e6data_adbc import dbapi
from e6data_adbc.local import LocalEngine

__all__ = ["Deaths", "storm"]

ROOT: Final = Path(__file__).resolve().parents[2]
QUERY: Final = "select range as n, cast(range as varchar) as t from range(3000000)"
#: What is read to its end, whoever is collected meanwhile.
WHOLE: Final = "select range as n, cast(range as varchar) as t from range(100000)"
#: Seconds until an interrupt or a close, at most.
MOMENT: Final = 0.03
#: Seconds that a process may take; on a machine with a load of 17 and at the lowest priority some take 300.
LIMIT: Final = 900.0

READS: Final[list[Callable[[dbapi.Cursor], object]]] = [
    lambda cursor: [None for _ in iter(lambda: cursor.fetchmany(5000), [])],
    lambda cursor: [cursor.fetchone() for _ in range(20_000)],
    lambda cursor: cursor.fetch_arrow_table(),
    lambda cursor: cursor.fetch_df(),
    lambda cursor: [batch.num_rows for batch in cursor.fetch_record_batch()],
    lambda cursor: cursor.fetch_record_batch().read_all(),
    lambda cursor: pa.table(cursor.fetch_arrow()),
]
#: What reading may raise when somebody closes meanwhile.
ERRORS: Final = (dbapi.Error, pa.ArrowException, OSError)


@dataclasses.dataclass
class Deaths:
    """What a storm left."""

    processes: int = 0
    #: Those that a signal ended, those that did not end, and those that ended otherwise than they should.
    died: list[str] = dataclasses.field(default_factory=list)


def storm(kind: str, seeds: range, count: int) -> Deaths:
    """Runs a process for each seed, with *count* closes or interrupts in it; the same seed does the same again."""
    deaths = Deaths()
    with LocalEngine(chunk_rows=1000) as engine:
        for seed in seeds:
            deaths.processes += 1
            command = [sys.executable, "-X", "faulthandler", "-m", __spec__.name]
            command += [kind, str(seed), str(count), engine.uri]
            try:
                done = subprocess.run(
                    command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False
                )
            except subprocess.TimeoutExpired as error:
                told = (error.stderr or b"").decode(errors="replace").strip()[-3000:]
                deaths.died.append(f"{kind}, seed {seed}: did not end\n{told}")
                continue
            if done.returncode or not done.stdout.endswith(f"{count}\n"):
                told = done.stderr.strip()[-3000:]
                deaths.died.append(f"{kind}, seed {seed}: exit code {done.returncode}\n{told}")
    return deaths


def closes(rng: random.Random, count: int, uri: str) -> None:
    """Has a cursor, its connection or its reader closed at a random moment while it is read, by any of four."""
    for _ in range(count):
        read = rng.choice(READS)
        moment = rng.random() * MOMENT
        _close_once(rng, read, moment, uri)


def _close_once(
    rng: random.Random, read: Callable[[dbapi.Cursor], object], moment: float, uri: str
) -> None:
    connection = dbapi.connect(uri)
    cursor = connection.cursor()
    what: Any = rng.choice([cursor, connection])
    by = rng.choice(["thread", "handler", "collector", "reader"])
    if by == "handler":
        signal.signal(signal.SIGALRM, lambda *_: _quietly(what.close))
        signal.setitimer(signal.ITIMER_REAL, moment + 0.0001)
        _quietly(lambda: read(cursor.execute(QUERY)))
    elif by == "thread":
        reading = threading.Thread(target=_quietly, args=[lambda: read(cursor.execute(QUERY))])
        reading.start()
        reading.join(moment)
        _quietly(what.close)
        reading.join()
    else:
        reader = cursor.execute(QUERY if by == "reader" else WHOLE).fetch_record_batch()
        reading = threading.Thread(target=_quietly, args=[reader.read_all])
        reading.start()
        if by == "reader":
            reading.join(moment)
            reader.close()
        else:
            connection.mine = cursor.mine = what = [connection, cursor]
            del connection, cursor, what, reader
            gc.collect()
        reading.join()
        return
    signal.setitimer(signal.ITIMER_REAL, 0)
    _quietly(cursor.close)
    _quietly(connection.close)


def _quietly(call: Callable[[], object]) -> None:
    with contextlib.suppress(*ERRORS):
        call()


def interrupts(rng: random.Random, count: int, connect: Callable[[], Any]) -> None:
    """Sends the process *count* SIGINTs at random moments of executions and fetches of its main thread."""
    begun, done = threading.Event(), threading.Event()

    def send() -> None:
        begun.wait()  # an interrupt before the loop would end the process by right
        pause = threading.Event()
        for _ in range(count):
            pause.wait(rng.random() * MOMENT)
            os.kill(os.getpid(), signal.SIGINT)
        done.set()

    sender = threading.Thread(target=send)
    choices = random.Random(rng.random())
    connection = connect()
    sender.start()
    while not done.is_set():
        # An interrupt may also come where the loop turns, outside of every inner `try`.
        with contextlib.suppress(KeyboardInterrupt):
            begun.set()
            _read_until(done, connection, choices)
    sender.join()
    connection.close()


def _read_until(done: threading.Event, connection: Any, choices: random.Random) -> None:
    while not done.is_set():
        with contextlib.suppress(KeyboardInterrupt, *ERRORS), connection.cursor() as cursor:
            choices.choice(READS)(cursor.execute(QUERY))


def _main(kind: str, seed: str, count: str, uri: str) -> None:
    faulthandler.dump_traceback_later(LIMIT * 0.9)  # where it stands, if it does not end
    rng = random.Random(int(seed))
    if kind == "closes":
        closes(rng, int(count), uri)
    else:
        interrupts(rng, int(count), lambda: e6data_adbc.connect(uri))
    print(count)


if __name__ == "__main__":
    _main(*sys.argv[1:])
