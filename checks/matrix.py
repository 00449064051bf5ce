"""Runs a part of the tests, and the forks of G18, against other versions of Python and of the packages below us.

`make matrix` builds one wheel and uses it for all rows; each row is an environment of its own, made from the package
index. The tests run from a copy, so that what is tested is the wheel. A Python that is not found here is a row that
says so. The exit code is 1 if a row failed.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from checks.pythons import find_python

ROOT: Final = Path(__file__).resolve().parent.parent

#: What depends on Python, gRPC, Arrow and the driver manager; the rest of the tests does not.
TESTS: Final = (
    "tests/connection",
    "tests/driver",
    "tests/end_to_end/test_failures.py",
    "tests/faultproxy",
    "tests/package/test_api.py",
    "tests/processes",
    "tests/readers",
    "tests/transport",
)
#: The same without those that are about what newer managers and Arrow libraries can do.
OLD_TESTS: Final = tuple(test for test in TESTS if test != "tests/driver")
#: What depends on DuckDB and sqlglot: the whole suite of the local engine, and what reads literals with DuckDB.
LOCAL_TESTS: Final = ("tests/local", "tests/parameters", "tests/adbc/test_changes.py")
#: What the tests need beside the wheel.
NEEDS: Final = (
    "duckdb>=1.5",
    "hypothesis>=6.100",
    "pandas>=2.2",
    "polars>=1.0",
    "pytest>=8.3",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.6",
    "sqlalchemy>=2.0",
    "tpchgen-cli>=2.0",
    "trustme>=1.1",
)
FLOORS: Final = {
    "grpcio": "1.66.0",
    "protobuf": "4.25.0",
    "pyarrow": "16.0.0",
    "adbc-driver-manager": "1.8.0",
    "duckdb": "1.5.0",
    "sqlglot": "28.0.0",
}
PACKAGES: Final = tuple(FLOORS)


@dataclasses.dataclass(frozen=True)
class Row:
    """One environment: a Python, and the versions that are not simply the newest."""

    name: str
    python: str
    pins: tuple[str, ...] = ()
    #: Whether the forks are as many as G18 wants; a tenth elsewhere.
    is_about_forks: bool = False
    tests: tuple[str, ...] = TESTS


ROWS: Final = (
    Row("gRPC floor", "3.11", (f"grpcio=={FLOORS['grpcio']}",), is_about_forks=True),
    Row("gRPC 1.78", "3.11", ("grpcio==1.78.*",), is_about_forks=True),
    Row("newest", "3.11", is_about_forks=True),
    Row(
        "all floors",
        "3.10",
        (*(f"{name}=={v}" for name, v in FLOORS.items()), "numpy<2"),
        tests=OLD_TESTS,
    ),
    Row("pyarrow floor", "3.11", (f"pyarrow=={FLOORS['pyarrow']}", "numpy<2"), tests=OLD_TESTS),
    Row(
        "DuckDB floor",
        "3.11",
        tuple(f"{name}=={FLOORS[name]}" for name in ("duckdb", "sqlglot")),
        tests=LOCAL_TESTS,
    ),
    Row("Python 3.10", "3.10", tests=OLD_TESTS),
    Row("Python 3.12", "3.12"),
    Row("Python 3.13", "3.13"),
    Row("Python 3.14", "3.14"),
)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a row came to."""

    row: Row
    versions: str
    tests: str
    forks: str
    ok: bool | None


def build_wheel(folder: Path) -> Path:
    """Returns the wheel of this checkout; it serves all Pythons."""
    command = (sys.executable, "-m", "maturin", "build", "--release", "--quiet", "--out", folder)
    subprocess.run([str(part) for part in command], cwd=ROOT, check=True)
    (wheel,) = folder.glob("*-abi3-*.whl")
    return wheel


def run_row(row: Row, wheel: Path, tests: Path, folder: Path, given: argparse.Namespace) -> Outcome:
    """Makes the environment of *row* and returns how the tests and the forks went in it."""
    python = find_python(row.python)
    if python is None:
        return Outcome(row, f"Python {row.python}", "not run: no such Python here", "", None)
    environment = folder / row.name.replace(" ", "-")
    subprocess.run([python, "-m", "venv", environment], check=True)
    inside = str(environment / "bin" / "python")
    install = [inside, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    # Together, or a later line would move what an earlier one has pinned.
    installed = subprocess.run(
        [*install, f"{wheel}[local]", *NEEDS, *row.pins],
        capture_output=True,
        text=True,
        check=False,
    )
    if installed.returncode:
        sys.stderr.write(installed.stderr)
        return Outcome(row, f"Python {row.python}", "no such packages", "", False)
    versions = _versions(inside)
    tested = subprocess.run(
        # In this order: what a failure says must not depend on what ran before it.
        [inside, "-m", "pytest", "-q", "-n", "2", "-p", "no:cacheprovider", *row.tests],
        cwd=tests,
        capture_output=True,
        text=True,
        check=False,
    )
    if tested.returncode:
        sys.stderr.write(f"{row.name}:\n{tested.stdout[-8000:]}{tested.stderr[-2000:]}\n")
    summary = tested.stdout.strip().splitlines()[-1].strip("= ") if tested.stdout else "no output"
    share = 1 if row.is_about_forks else 10
    forks, forks_ok = _forks(inside, tests, given.forks // share, given.workers // share)
    return Outcome(row, versions, summary, forks, tested.returncode == 0 and forks_ok)


def _versions(python: str) -> str:
    code = (
        "import json, sys; from importlib.metadata import version as v;"
        f"print(json.dumps([sys.version.split()[0]] + [v(n) for n in {PACKAGES!r}]))"
    )
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    names = ("Python", *PACKAGES)
    return ", ".join(
        f"{name} {version}" for name, version in zip(names, json.loads(done.stdout), strict=True)
    )


def _forks(python: str, tests: Path, count: int, others: int) -> tuple[str, bool]:
    code = (
        "import json, sys; from checks.reliability import scenarios as s\n"
        f"f = s.forks({count}); w = s.workers({others})\n"
        "print(json.dumps([f.numbers, f.errors, w.numbers, w.errors]))"
    )
    done = subprocess.run(
        [python, "-c", code], cwd=tests, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.stderr.write(done.stderr[-2000:])
        return "crashed", False
    forks, fork_errors, workers, worker_errors = json.loads(done.stdout.splitlines()[-1])
    for error in (*fork_errors[:3], *worker_errors[:3]):
        sys.stderr.write(f"  {error}\n")
    figures = {**forks, **workers}
    text = ", ".join(f"{name} {number:g}" for name, number in figures.items())
    wanted = {"refused": count, "worked": count}
    wanted |= dict.fromkeys(("spawn", "forkserver"), others)
    return text, figures == wanted and not fork_errors and not worker_errors


def main() -> int:
    """Runs the rows and prints the table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("rows", nargs="*", metavar="row", help="of the names in the table; all")
    parser.add_argument("--wheel", type=Path, help="use this wheel and build none")
    parser.add_argument("--forks", type=int, default=200, help="idle forks (%(default)s)")
    parser.add_argument("--workers", type=int, default=100, help="of each other way (%(default)s)")
    given = parser.parse_args()
    unknown = set(given.rows) - {row.name for row in ROWS}
    if unknown:
        parser.error(f"there is no row {', '.join(sorted(unknown))}")
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel = (given.wheel or build_wheel(folder)).resolve()
        tests = folder / "checkout"
        for part in ("tests", "checks", "tools"):
            shutil.copytree(ROOT / part, tests / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", tests)
        shutil.copytree(ROOT / "docs", tests / "docs")  # the tests run what it shows
        for row in ROWS:
            if given.rows and row.name not in given.rows:
                continue
            started = time.monotonic()
            outcomes.append(run_row(row, wheel, tests, folder, given))
            took = time.monotonic() - started
            print(f"{row.name}: {outcomes[-1].tests} ({took:.0f} s)", file=sys.stderr, flush=True)
            shutil.rmtree(folder / row.name.replace(" ", "-"), ignore_errors=True)
    print("| row | versions | tests | forks, refused and worked; others that worked | |")
    print("|---|---|---|---|---|")
    for outcome in outcomes:
        ok = {None: "-", True: "yes", False: "NO"}[outcome.ok]
        print(
            f"| {outcome.row.name} | {outcome.versions} | {outcome.tests} | {outcome.forks} | {ok} |"
        )
    return 0 if all(outcome.ok is not False for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
