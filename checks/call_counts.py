"""How many Python calls a query costs: those of `select 1` with its fetch, and those of one further response.

Counts the calls of functions of this package (Python code, not C) with `sys.monitoring`, which is in Python 3.12 and
later; an older one has the count made in an environment of its own, `.venv-counts`. `select 1` is counted in the thread
that asks; a further response in all threads, as the difference between two results that are alike but for their length.
"""

from __future__ import annotations

import argparse
import collections
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType
from typing import Any, Final

from checks.pythons import find_python, prepared

ROOT: Final = Path(__file__).resolve().parent.parent
PACKAGE: Final = ROOT / "e6data_adbc"
ENVIRONMENT: Final = ROOT / ".venv-counts"
#: The versions that can count, best first.
VERSIONS: Final = ("3.14", "3.13", "3.12")

Counts = collections.Counter[tuple[str, str]]


@contextmanager
def counting(*, thread: int | None) -> Iterator[Counts]:
    """Counts the calls of the package's functions, outside `local/`, by file and qualified name.

    Args:
        thread: Count this thread's only; None counts all.
    """
    monitoring: Any = vars(sys)["monitoring"]  # unknown to type checkers for older versions
    counts: Counts = collections.Counter()
    inside = f"{PACKAGE}/"
    engine = f"{PACKAGE / 'local'}/"

    def started(code: CodeType, _offset: int) -> object:
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


def _calls_of_select_1(connection: Any) -> Counts:
    def ask() -> None:
        with connection.cursor() as cursor:
            cursor.execute("select 1")
            cursor.fetchall()

    for _ in range(3):
        ask()
    with counting(thread=threading.get_ident()) as counts:
        ask()
    return counts


def _calls_of_responses(connection: Any, rows: int) -> Counts:
    def read() -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"select i from range({rows}) as t(i)")
            for _ in cursor.fetch_record_batch():
                pass

    read()
    with counting(thread=None) as counts:
        read()
    return counts


def count() -> dict[str, Counts]:
    """Returns the calls of `select 1` with its fetch and of a further response, of a query on an engine of its own."""
    from adbc_driver_manager import dbapi

    from e6data_adbc import _native
    from e6data_adbc.local import LocalEngine

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
    # What is not called with every second response is no part of the steady state.
    more = {key: round((many[key] - few[key]) / 100) for key in many}
    steady = collections.Counter({key: calls for key, calls in more.items() if calls})
    return {"select 1 with its fetch": one, "a further response": steady}


def count_elsewhere(arguments: list[str]) -> int:
    """Counts in an environment of a newer Python; returns the exit code."""
    program = next(filter(None, map(find_python, VERSIONS)), None)
    if program is None:
        print("Python calls are counted by Python 3.12 or later, of which there is none here")
        return 0
    python = prepared(program, ENVIRONMENT, requirements())
    command = [str(python), "-m", "checks.call_counts", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def requirements() -> list[str]:
    """Returns what the package and its local engine need, as `pyproject.toml` has it."""
    # Text, because Python has a reader of TOML from 3.11 on.
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lists = [
        re.search(rf"^{name} = \[(.*?)\]", text, re.MULTILINE | re.DOTALL)
        for name in ("dependencies", "local")
    ]
    return [package for found in lists if found for package in re.findall(r'"([^"]+)"', found[1])]


def main() -> int:
    """Prints both counts; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--all", action="store_true", help="name each function")
    given = parser.parse_args()
    if sys.version_info < (3, 12):
        return count_elsewhere(sys.argv[1:])
    for title, counts in count().items():
        files = {file for file, _ in counts}
        print(f"{title}: {counts.total()} calls in {len(files)} files")
        if given.all:
            for (file, name), calls in counts.most_common():
                print(f"  {calls:4} {file} {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
