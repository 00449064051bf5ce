"""The code of `docs/partitions.md`, run as it stands there; and readers in processes of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import e6data_adbc
from e6data_adbc.local import LocalEngine
from tests.support.partitioned import partitions_of

pytestmark = pytest.mark.seconds

PAGE = (Path(__file__).parents[2] / "docs" / "partitions.md").read_text(encoding="utf-8")
#: What each recipe prints, by the heading above it.
SAYS = {
    "# Partitions": "10000 rows\n",
    "## Splitting a query": "4 partitions\n",
    "## Reading less of a partition": "(625, 2)\n",
    "### multiprocessing": "4 partitions, 10000 rows\n",
    "### concurrent.futures": "10000 rows\n",
    "### Threads": "10000 rows\n",
    "### DuckDB": "5000\n5000\n",
    "### A running result for another process": "10000 rows, sorted\n",
}


def recipes() -> dict[str, str]:
    """Returns the blocks of Python by the headings above them."""
    found: dict[str, str] = {}
    heading, code = "", None
    for line in PAGE.splitlines(keepends=True):
        if code is None and line.startswith("#"):
            heading = line.strip()
        if code is None and line.startswith("```python"):
            code = ""
        elif code is not None and line.startswith("```"):
            assert heading not in found, f"two recipes under {heading!r}"
            found[heading] = code
            code = None
        elif code is not None:
            code += line
    return found


def run(code: str, uri: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs a program in a process of its own; what it starts is told where the engine is as well."""
    file = folder / "recipe.py"
    file.write_text(code, encoding="utf-8")
    return subprocess.run(
        [sys.executable, "-W", "error", str(file)],
        env={**os.environ, "E6DATA_URI": uri, **more},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_every_recipe_is_known() -> None:
    """No block of code on the page is left out here."""
    assert recipes().keys() == SAYS.keys()


@pytest.mark.parametrize("heading", SAYS)
def test_a_recipe(
    sharing_engine: LocalEngine,
    tmp_path: Path,
    heading: str,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It runs as it stands, gets all rows, and leaves nothing on the server."""
    code = recipes()[heading]
    if "__main__" in code:  # its workers import it
        done = run(code, sharing_engine.uri, tmp_path)
        said, problem = done.stdout, done.stderr
    else:
        monkeypatch.setenv("E6DATA_URI", sharing_engine.uri)
        exec(code, {"__name__": heading})
        sys.stdout.flush()
        said, problem = capfd.readouterr()

    assert said == SAYS[heading], problem


READER = """
import sys
import e6data_adbc

with e6data_adbc.connect() as connection, connection.cursor() as cursor:
    try:
        cursor.adbc_read_partition(bytes.fromhex(sys.argv[1] if len(sys.argv) > 1 else PARTITION))
        print(cursor.fetch_arrow_table().num_rows)
    except e6data_adbc.Error as error:
        print(error)
"""


def test_processes_that_want_the_same_result(sharing_engine: LocalEngine, tmp_path: Path) -> None:
    """Of several processes that read one ticket at a time, one has all rows and the others an error."""
    with e6data_adbc.connect(sharing_engine.uri) as connection:
        (partition,), _ = partitions_of(connection, "select range as n from range(1000)")
    readers = [
        subprocess.Popen(
            [sys.executable, "-c", READER, partition.hex()],
            env={**os.environ, "E6DATA_URI": sharing_engine.uri},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [reader.communicate(timeout=100)[0].strip() for reader in readers]

    assert said.count("1000") == 1
    assert sum("was read before, or is being read" in text for text in said) == 1


def test_an_engine_of_its_own(tmp_path: Path) -> None:
    """A ticket of `e6data:local` is good in the process that made it only, and says so elsewhere."""
    with e6data_adbc.connect("e6data:local") as connection:
        (partition,), _ = partitions_of(connection, "select 1 as n", on="n")
        with connection.adbc_clone() as clone, clone.cursor() as cursor:
            cursor.adbc_read_partition(partition)
            assert cursor.fetchall() == [(1,)]
    done = run(f"PARTITION = {partition.hex()!r}\n{READER}", "e6data:local", tmp_path)

    assert re.search(r"another key|another server", done.stdout), done.stderr
