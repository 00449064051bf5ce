"""`e6data-adbc demo`: what one shows a colleague."""

from __future__ import annotations

import argparse
import contextlib
import itertools
import logging
import sys
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from e6data_adbc.cli.exits import Exit, UsageError, describe
from e6data_adbc.cli.progress import count, seconds

if TYPE_CHECKING:
    from typing_extensions import Self

    from e6data_adbc.local import LocalEngine

__all__ = ["add_to"]

_SQL: Final = "select status, count(*) as orders from orders group by status order by status"
#: Seconds between two queries of a thread, so that the lines can be read and the machine is usable.
_PAUSE: Final = 0.02
#: How the engine switches, one after the other: what becomes of the old deployment, and whether the new one is told.
_STYLES: Final = ("abrupt", "announced", "draining")
#: What the driver's events are called here, by their texts in its log; the others are told as they are.
_EVENTS: Final = {
    "another colour is announced": "announced, and pending: the next query tries the other colour",
    "456 from the active colour": "refused once: 456 from the colour that was active; the query is repeated",
    "456 from the announced colour": "refused once: the announced colour is not there yet",
    "456 from one colour": "refused once: 456; the query is repeated on the other colour",
}
_LOGGERS: Final = (
    *("e6data_adbc.strategy", "e6data_adbc.session"),
    *("e6data_adbc.retry", "e6data_adbc.query"),
)
#: Of queries that went with their deployment: they need no clearing, which is no news here.
_CLEARED: Final = "taken for done"
_SHOWN: Final = 120


def add_to(commands: Any) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "demo",
        help="show what the driver does, on the local engine",
        description="Show what the driver does, on a local engine that ends with the command.",
    )
    demos = parser.add_subparsers(metavar="demonstration", required=True)
    text = "queries that never stop, on an engine that switches between its deployments"
    blue_green = demos.add_parser(
        "blue-green",
        help=text,
        description=f"Run {text}. Both sides tell what they do as it happens; Ctrl-C ends it with a summary. The exit "
        "code is 1 if any query failed or gave a wrong result.",
    )
    blue_green.add_argument(
        "--every",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="how long a deployment stays (default: %(default)g)",
    )
    blue_green.add_argument(
        "--threads",
        type=int,
        default=4,
        metavar="N",
        help="how many threads run queries (default: %(default)s)",
    )
    blue_green.add_argument(
        "--switches",
        type=int,
        metavar="N",
        help="end after so many switches (default: at Ctrl-C)",
    )
    blue_green.set_defaults(run=run_blue_green)


def run_blue_green(given: argparse.Namespace) -> int:
    """Runs until Ctrl-C, or until there were so many switches."""
    if not given.every > 0 or given.threads < 1 or (given.switches or 1) < 1:
        raise UsageError("could not run the demonstration: seconds and numbers have to be above 0")
    try:
        from e6data_adbc.local import LocalEngine

        engine = LocalEngine(user="demo", strategy="blue")
    except ImportError as error:
        raise UsageError(f"could not run the demonstration: {error}") from error
    told = _Teller()
    with engine, told.listening(), _Load(engine, given.threads, told) as load:
        with contextlib.suppress(KeyboardInterrupt):
            _switch(engine, given.every, given.switches, load, told)
        load.stop()
        return load.summarize()


def _switch(
    engine: LocalEngine, every: float, switches: int | None, load: _Load, told: _Teller
) -> None:
    """Switches the engine again and again, in each style."""
    told.tell("engine", f"{engine.strategy} is active, listening on {engine.target}")
    load.start()
    for number, style in enumerate(itertools.cycle(_STYLES), 1):
        old, new = ("blue", "green") if engine.strategy == "blue" else ("green", "blue")
        load.pause(every / 2)
        if style == "announced":
            told.tell("engine", f"{new} is announced, and answers beside {old}")
            engine.switch(announce=True)
        load.pause(every / 2)
        rest = "refuses everything" if style == "abrupt" else "finishes the queries that it has"
        told.tell("engine", f"switch: {new} is active, {old} {rest}")
        engine.switch(drain=style != "abrupt")
        load.switches += 1
        if number == switches:
            load.pause_until_queries(3 * len(load.threads))
            return


class _Teller(logging.Handler):
    """Prints the lines of both sides with the time since the start, in the order in which things happen."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._answered = False

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Listens to the driver's log."""
        loggers = [logging.getLogger(name) for name in _LOGGERS]
        before = [(logger, logger.level, logger.propagate) for logger in loggers]
        for logger in loggers:
            logger.addHandler(self)
            logger.setLevel(logging.INFO)
            logger.propagate = False
        try:
            yield
        finally:
            for logger, level, propagate in before:
                logger.removeHandler(self)
                logger.setLevel(level)
                logger.propagate = propagate

    def emit(self, record: logging.LogRecord) -> None:
        """Tells one line of the driver's log."""
        text = self._worded(record)
        if _CLEARED not in text:
            self.tell("driver", text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…")

    def tell(self, who: str, text: str) -> None:
        """Prints one line."""
        with self._lock:
            spent = time.monotonic() - self._started
            sys.stdout.write(f"{spent:7.2f} s  {who}  {text}\n")
            sys.stdout.flush()

    def _worded(self, record: logging.LogRecord) -> str:
        if record.name != _LOGGERS[0] or not isinstance(record.args, tuple) or len(record.args) < 2:
            return record.getMessage()
        event = str(record.args[1])
        if event in ("blue answers", "green answers"):
            word = "switched" if self._answered else "detected"
            self._answered = True
            return f"{word}: {event}"
        return _EVENTS.get(event, event)


class _Load:
    """Threads that run one query again and again, and count what became of it."""

    def __init__(self, engine: LocalEngine, threads: int, told: _Teller) -> None:
        import e6data_adbc
        from e6data_adbc.options import DatabaseOptions, OnLoss

        self._told = told
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._right = self._wrong = self._failed = 0
        self._slowest = 0.0
        self._started = time.monotonic()
        self._expected: list[tuple[Any, ...]] | None = None
        self.switches = 0
        # A result that is lost with its deployment is run again, as nobody has seen a row of it.
        self._connection = e6data_adbc.connect(
            engine.uri, db_kwargs={DatabaseOptions.ON_LOSS.value: OnLoss.RERUN_READS.value}
        )
        self.threads = [
            threading.Thread(target=self._work, name=f"e6data-demo-{number}", daemon=True)
            for number in range(threads)
        ]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        self._connection.close()

    def start(self) -> None:
        """Starts the threads, once the right answer is known."""
        self._expected = self._ask()
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        """Ends the threads after the queries that they are in."""
        self._stop.set()
        for thread in self.threads:
            if thread.is_alive():
                thread.join()

    def pause(self, duration: float) -> None:
        """Lets the threads work for so many seconds."""
        self._stop.wait(duration)

    def pause_until_queries(self, number: int) -> None:
        """Lets the threads work until they have ended so many queries more."""
        target = self._done() + number
        while self._done() < target:
            self._stop.wait(_PAUSE)

    def summarize(self) -> int:
        """Prints how it went; returns the exit code."""
        spent = seconds(time.monotonic() - self._started)
        print(
            f"{count(self._done(), 'query').replace('querys', 'queries')} in {spent} through"
            f" {count(self.switches, 'switch').replace('switchs', 'switches')}: {self._right:,} right,"
            f" {self._wrong:,} wrong, {self._failed:,} failed; the slowest took {self._slowest * 1000:,.0f} ms"
        )
        return Exit.QUERY if self._wrong or self._failed else Exit.OK

    def _done(self) -> int:
        with self._lock:
            return self._right + self._wrong + self._failed

    def _work(self) -> None:
        from e6data_adbc.errors import Error

        while not self._stop.wait(_PAUSE):
            started = time.monotonic()
            try:
                is_right = self._ask() == self._expected
            except Error as error:
                self._told.tell("driver", f"failed: {describe(error)}")
                with self._lock:
                    self._failed += 1
                continue
            with self._lock:
                self._slowest = max(self._slowest, time.monotonic() - started)
                if is_right:
                    self._right += 1
                else:
                    self._wrong += 1

    def _ask(self) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(_SQL)
            return cursor.fetchall()
