"""How many Python calls a query costs: those of `select 1` with its fetch, and those of one further response.

Counts the calls of functions of this package (Python code, not C) with `sys.monitoring`, which is in Python 3.12 and later.
`select 1` is counted in the thread that asks; a further response in all threads, as the difference between two results
that are alike but for their length.
"""

from __future__ import annotations

import collections
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "e6data_adbc"

Counts = collections.Counter[tuple[str, str]]


@contextmanager
def counting(*, thread: int | None) -> Iterator[Counts]:
    """Counts the calls of the package's functions, outside `local/`, by file and qualified name.

    Args:
        thread: Count this thread's only; None counts all.
    """
    monitoring = sys.monitoring
    counts: Counts = collections.Counter()
    inside = f"{PACKAGE}/"
    engine = f"{PACKAGE / 'local'}/"

    def started(code, _offset):
        name = code.co_filename
        if not name.startswith(inside) or name.startswith(engine):
            return monitoring.DISABLE
        if thread is None or threading.get_ident() == thread:
            counts[name.removeprefix(inside), code.co_qualname] += 1
        return None

    monitoring.use_tool_id(monitoring.PROFILER_ID, "e6data-calls")
    try:
        monitoring.register_callback(monitoring.PROFILER_ID, monitoring.events.PY_START, started)
        monitoring.restart_events()
        monitoring.set_events(monitoring.PROFILER_ID, monitoring.events.PY_START)
        yield counts
    finally:
        monitoring.set_events(monitoring.PROFILER_ID, 0)
        monitoring.free_tool_id(monitoring.PROFILER_ID)


def _calls_of_select_1(connection) -> Counts:
    def ask():
        with connection.cursor() as cursor:
            cursor.execute("select 1")
            cursor.fetchall()

    for _ in range(3):
        ask()
    with counting(thread=threading.get_ident()) as counts:
        ask()
    return counts


def _calls_of_responses(connection, rows: int) -> Counts:
    def read():
        with connection.cursor() as cursor:
            cursor.execute(f"select i from range({rows}) as t(i)")
            for _ in cursor.fetch_record_batch():
                pass

    read()
    with counting(thread=None) as counts:
        read()
    return counts


def main() -> int:
    """Prints both; returns the exit code."""
    if sys.version_info < (3, 12):
        print("calls are counted on Python 3.12 or later: skipped")
        return 0
    from adbc_driver_manager import dbapi

    from e6data_adbc import _native
    from e6data_adbc.local import LocalEngine

    show = "--all" in sys.argv
    with (
        LocalEngine(chunk_rows=100) as engine,
        dbapi.connect(
            driver=_native.__file__,
            entrypoint="AdbcDriverE6dataInit",
            db_kwargs={"uri": engine.uri},
            autocommit=True,
        ) as connection,
    ):
        one = _calls_of_select_1(connection)
        few, many = (_calls_of_responses(connection, 100 * count) for count in (20, 120))
        more = collections.Counter({key: (many[key] - few[key]) / 100 for key in many})
    steady = {key: value for key, value in more.items() if value >= 0.5}
    for title, counts in (("select 1 with its fetch", one), ("a further response", steady)):
        files = {file for file, _ in counts}
        print(f"{title}: {sum(counts.values()):.0f} calls in {len(files)} files")
        if show:
            for (file, name), value in sorted(counts.items(), key=lambda item: -item[1]):
                print(f"  {value:6.1f} {file} {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
