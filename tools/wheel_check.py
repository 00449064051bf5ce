"""Builds the wheel, installs it into a clean environment and uses it from there as a stranger would."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

SMOKE = """
import warnings

warnings.simplefilter("error")

import adbc_driver_manager.dbapi as dbapi
import pyarrow as pa

import adbc_driver_e6data
import e6data_adbc

uri = "e6data:local"
ways = [
    ("name", {"driver": "e6data", "db_kwargs": {"uri": uri}}),
    ("package name", {"driver": "adbc_driver_e6data", "db_kwargs": {"uri": uri}}),
    ("URI alone", {"uri": uri}),
]
for name, arguments in ways:
    with dbapi.connect(autocommit=True, **arguments) as connection, connection.cursor() as cursor:
        cursor.execute("select 1 as one, cast(1.50 as decimal(9, 2)) as price")
        row = cursor.fetchone()
        assert str(row) == "(1, Decimal('1.50'))", row
        assert connection.adbc_get_info()["vendor_name"] == "e6data"
    print(f"found by {name}")
assert adbc_driver_e6data.__version__ == e6data_adbc.__version__
"""

#: All of a project that tests its code against the engine.
PROJECT = """
def test_it(e6data_connection):
    with e6data_connection.cursor() as cursor:
        assert cursor.execute("select 1 as one") or cursor.fetchall() == [(1,)]
"""


def run(*command: str | Path, cwd: Path) -> None:
    """Runs *command* and fails with it."""
    subprocess.run([str(part) for part in command], cwd=cwd, check=True)


def main() -> None:
    """Builds, installs and uses the wheel."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(
            *(sys.executable, "-m", "maturin", "build", "--release", "--out", folder, "--quiet"),
            cwd=ROOT,
        )
        (wheel,) = folder.glob("*.whl")
        print(f"built {wheel.name}, {wheel.stat().st_size / 2**20:.1f} MiB")
        venv.create(folder / "env", with_pip=True)
        python = folder / "env" / "bin" / "python"
        run(python, "-m", "pip", "install", "--quiet", f"{wheel}[local]", cwd=folder)
        run(python, "-W", "error", "-c", SMOKE, cwd=folder)
        run(python, "-m", "pip", "install", "--quiet", "pytest", cwd=folder)
        project = folder / "project"
        project.mkdir()
        (project / "test_it.py").write_text(PROJECT)
        run(python, "-m", "pytest", "-q", cwd=project)
        run(folder / "env" / "bin" / "e6data-adbc", "sql", "select 1 as one", cwd=folder)


if __name__ == "__main__":
    main()
