"""What do the commands cost, in processor time, next to what they could import?"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.harness import Report, Settings, Table, interleave, main, median, ratios, spread

__all__ = ["run"]

COMMAND = (sys.executable, "-m", "e6data_adbc")
PYTHON = (sys.executable, "-c")


def run(settings: Settings) -> Report:
    """Returns processor seconds, user and system, of processes, each with its ratio to a bare Python."""
    report = Report("command_line", __doc__)
    with subprocess.Popen(
        [*COMMAND, "serve", "--user", "u", "--token", "t"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        uri = server.stdout.readline().strip().replace("listening on e6data://", "e6data://u:t@")
        env = {**os.environ, "E6DATA_URI": uri}
        tasks: dict[str, Callable[[], Any]] = {
            "python -c pass": _cpu([*PYTHON, "pass"], env),
            "import e6data_adbc": _cpu([*PYTHON, "import e6data_adbc"], env),
            "import adbc_driver_manager.dbapi": _cpu(
                [*PYTHON, "import adbc_driver_manager.dbapi"], env
            ),
            "sql 'select 1'": _cpu([*COMMAND, "sql", "select 1"], env),
            "tables": _cpu([*COMMAND, "tables", "--catalog", "sample"], env),
            "--version": _cpu([*COMMAND, "--version"], env),
            "serve, until it listens": _serve,
        }
        try:
            samples = interleave(tasks, settings.pick(9, 2), warm_up=True)
        finally:
            server.terminate()
    table = Table(
        "A fresh process, against a server in another; pandas and Polars are installed",
        ["command", "processor seconds", "times a bare Python"],
    )
    bare = samples["python -c pass"]
    for name, taken in samples.items():
        table.add(name, spread(taken), spread(ratios(taken, bare)))
    report.figures["sql_cpu_seconds"] = median(samples["sql 'select 1'"])
    report.figures["serve_cpu_seconds"] = median(samples["serve, until it listens"])
    report.tables.append(table)
    report.samples = samples
    return report


def _cpu(command: list[str], env: Mapping[str, str]) -> Callable[[], float]:
    def ask() -> float:
        before = _children()
        subprocess.run(command, stdout=subprocess.DEVNULL, env=env, check=True)
        return _children() - before

    return ask


def _children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _serve() -> float:
    """Returns what starting an engine takes, until it says where it listens."""
    with subprocess.Popen(
        [*COMMAND, "serve", "--user", "u", "--token", "t"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with open(f"/proc/{process.pid}/stat") as file:
            user, system = file.read().rpartition(")")[2].split()[11:13]
        process.terminate()
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main(run)
