"""Tests beside packages that exclude those of the tests' own environment, each room with an environment of its own.

`python -m checks.rooms [room …]` makes `.venv-rooms/<room>` where it is missing or has other packages, lends it this
checkout with the native module that was built into it, and runs the room's tests. A budget of seconds is printed for
each, and a room that takes three times as long has failed, as one with a failing test. The exit code is 1 if any has.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.metadata
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from checks.pythons import prepared

__all__ = ["ROOMS", "ROOT", "Room", "environment", "main"]

ROOT: Final = Path(__file__).resolve().parent.parent
ENVIRONMENTS: Final = ROOT / ".venv-rooms"

#: What the driver needs, and the tests' own plugins.
DRIVER: Final = (
    *("adbc-driver-manager>=1.8", "grpcio>=1.66", "protobuf>=4.25", "pyarrow>=16"),
    *("duckdb>=1.5", "sqlglot>=28", "trustme>=1.1"),
    *("hypothesis>=6.100", "pytest>=8.3", "pytest-timeout>=2.3"),
)
SQLALCHEMY: Final = ("tests/sqlalchemy",)
#: What others' packages warn of is theirs.
UNWARNED: Final = ("-W", "ignore")
POLARS: Final = ("tests/lazy",)
#: What the tests of destinations have beside their own server.
LAKES: Final = ("deltalake>=1.0", "pyiceberg[sql-sqlite]>=0.9", "boto3>=1.35")
#: What the tests of distributed readers need beside the engine itself: Delta tables are where workers export to.
DISTRIBUTED: Final = ("deltalake>=1.0", "pandas>=2.2,<3", "psutil")


@dataclasses.dataclass(frozen=True)
class Room:
    """One environment, and the tests that run in it.

    Attributes:
        name: Of its folder.
        packages: What it has beside the driver's, pinned.
        tests: Paths, and further arguments of pytest.
        budget: Seconds that the tests may take, on two slow processors.
    """

    name: str
    packages: tuple[str, ...]
    tests: tuple[str, ...]
    budget: int


ROOMS: Final = (
    Room("polars-floor", ("polars==1.35.1", "cloudpickle"), POLARS, 300),
    Room("polars-newest", ("polars", "cloudpickle"), POLARS, 300),
    Room(
        "sqlalchemy-1.4",
        ("sqlalchemy==1.4.54", "pandas>=2.2,<3"),
        # It leaves the cursors of CREATE and DROP to the garbage collector.
        (*SQLALCHEMY, "-W", "ignore:unclosed:ResourceWarning"),
        300,
    ),
    Room(
        "lakes",
        (*LAKES, "moto[server]==5.2.5"),
        ("tests/rooms/test_s3.py", "tests/rooms/test_s3_faults.py"),
        1500,
    ),
    Room(
        "clickhouse",
        ("chdb==4.4.0", "clickhouse-connect==1.12.0"),
        ("tests/rooms/test_clickhouse.py",),
        600,
    ),
    Room(
        "snowflake",
        (
            *("fakesnow[server]==0.12.1", "snowflake-connector-python==4.8.1"),
            "adbc-driver-snowflake==1.11.0",
        ),
        ("tests/rooms/test_snowflake.py",),
        600,
    ),
    Room("sqlalchemy-2.0", ("sqlalchemy==2.0.*", "pandas>=2.2"), SQLALCHEMY, 300),
    Room("sqlalchemy-2.1", ("sqlalchemy==2.1.*", "pandas>=2.2"), SQLALCHEMY, 300),
    Room(
        "sqlalchemy-tools",
        ("great-expectations==1.24.1", "jupysql==0.11.1", "alembic>=1.16", "ipython<10"),
        ("tests/sqlalchemy/tools", *UNWARNED),
        300,
    ),
    Room(
        "superset",
        # With the packages that its own release forgot, and without those that it cannot start with.
        ("apache-superset==6.1.0", "Flask-Caching<2.4", "cachetools", "alembic"),
        ("tests/sqlalchemy/tools", *UNWARNED),
        300,
    ),
    # Spark needs a Java, 17 or later, on the path.
    Room("spark", ("pyspark>=4.1,<5", *DISTRIBUTED), ("tests/distributed/test_spark.py",), 600),
    Room(
        "ray",
        ("ray[data]>=2.50", *DISTRIBUTED),
        (
            *("tests/distributed/test_ray.py", "tests/distributed/test_guide.py"),
            # It warns of itself, and leaves processes to the garbage collector.
            *("-W", "default"),
        ),
        600,
    ),
    Room(
        "dask",
        ("dask[dataframe,distributed]>=2025.1", *DISTRIBUTED),
        ("tests/distributed/test_dask.py", "tests/distributed/test_guide.py"),
        300,
    ),
    # It brings a Node of its own, which is large. Polars and pandas are what the code is about.
    Room(
        "pyright",
        ("basedpyright>=1.31", "polars", "pandas", "pandas-stubs", "pyarrow-stubs", "sqlalchemy"),
        ("tests/typing/test_pyright.py",),
        120,
    ),
    # It needs a pyarrow below 26.
    Room(
        "daft",
        ("daft>=0.7", *DISTRIBUTED),
        ("tests/distributed/test_daft.py", "tests/distributed/test_guide.py"),
        300,
    ),
)


def lend(python: Path) -> None:
    """Makes this checkout known in the environment of *python*, with the names that it gives to other packages."""
    (packages,) = python.parent.parent.glob("lib/python3*/site-packages")
    found = importlib.metadata.distribution("e6data-adbc")
    entry_points = next(path for path in found.files or () if path.name == "entry_points.txt")
    facts = Path(str(found.locate_file(entry_points))).parent
    shutil.copytree(facts, packages / facts.name, dirs_exist_ok=True)
    (packages / "e6data_adbc.pth").write_text(f"{ROOT}\n", encoding="utf-8")


def environment(name: str) -> Path:
    """Returns the Python of a room, which has its packages and this checkout.

    Raises:
        CalledProcessError: A package could not be installed.
    """
    (room,) = (room for room in ROOMS if room.name == name)
    python = prepared(sys.executable, ENVIRONMENTS / room.name, (*DRIVER, *room.packages))
    lend(python)
    return python


def run(room: Room) -> bool:
    """Runs the tests of *room*, prints what came of it, and returns whether all is well."""
    started = time.monotonic()
    try:
        python = environment(room.name)
    except subprocess.CalledProcessError:
        print(f"{room.name}: could not install {', '.join(room.packages)}", flush=True)
        return False
    made = time.monotonic() - started
    command = [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
    command += ["--override-ini", "addopts=-ra --strict-markers --strict-config"]
    command += ["-m", "not slow", *room.tests]
    started = time.monotonic()
    try:
        code = subprocess.run(command, cwd=ROOT, timeout=3 * room.budget, check=False).returncode
        outcome = "passed" if not code else "FAILED"
    except subprocess.TimeoutExpired:
        code, outcome = 1, "took too long"
    took = time.monotonic() - started
    print(
        f"{room.name}: {outcome}, {took:.0f} of {room.budget} s, environment made in {made:.0f} s",
        flush=True,
    )
    return not code


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the rooms that are named, or all; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [room.name for room in ROOMS]
    parser.add_argument("rooms", nargs="*", metavar="room", help=f"of {', '.join(names)}; all")
    given = parser.parse_args(arguments)
    if unknown := set(given.rooms) - set(names):
        parser.error(f"there is no room {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    came = [run(room) for room in ROOMS if not given.rooms or room.name in given.rooms]
    return 0 if all(came) else 1


if __name__ == "__main__":
    sys.exit(main())
