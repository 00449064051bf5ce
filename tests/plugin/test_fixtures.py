"""The fixtures that a project gets which has nothing but our package."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from e6data_adbc import testing
from e6data_adbc.local import LocalEngine

pytestmark = pytest.mark.seconds

PROJECT = """
import pyarrow as pa
import pytest

import e6data_adbc


@pytest.fixture
def e6data_tables():
    return {"people": pa.table({"id": [1, 2]})}


@pytest.fixture(scope="session")
def e6data_settings():
    return {"user": "someone"}


@pytest.mark.parametrize("turn", [1, 2])
def test_a_catalog_of_its_own(e6data_connection, turn):
    with e6data_connection.cursor() as cursor:
        cursor.execute("create table mine as select * from people")
        assert cursor.execute("select count(*) from mine").fetchall() == [(2,)]


def test_switch_and_faults(e6data_engine, e6data_uri, e6data_switch, e6data_faults):
    assert e6data_engine.user == "someone"
    with e6data_adbc.connect(e6data_uri) as connection, connection.cursor() as cursor:
        cursor.execute("select 1").fetchall()
        assert e6data_switch() == "green"
        assert cursor.execute("select 1").fetchall() == [(1,)]
        e6data_faults.fail("prepareStatementV2", code="INTERNAL", details="it rains")
        with pytest.raises(e6data_adbc.Error, match="it rains"):
            cursor.execute("select 1")


def test_nothing_of_that_is_left(e6data_engine):
    assert e6data_engine.strategy == "blue"
    assert e6data_engine.faults.planned == []
"""


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def test_a_project_gets_catalogs_switches_and_faults(tmp_path: Path) -> None:
    """Each test has its own catalog with its tables, and what it did to the engine is undone after it."""
    (tmp_path / "test_project.py").write_text(PROJECT)

    done = run_pytest(tmp_path)

    assert "4 passed" in done.stdout, done.stdout


def test_a_project_that_does_not_use_it_pays_nothing(tmp_path: Path) -> None:
    """Loading the plugin imports neither DuckDB nor gRPC nor pyarrow."""
    (tmp_path / "test_other.py").write_text(
        "import sys\n"
        "def test_other():\n"
        "    assert 'e6data_adbc.pytest_plugin' in sys.modules\n"
        "    assert not {'duckdb', 'grpc', 'pyarrow', 'pandas', 'numpy'} & set(sys.modules)\n"
    )

    done = run_pytest(tmp_path)

    assert "1 passed" in done.stdout, done.stdout


def test_the_plugin_is_registered() -> None:
    """pytest finds the plugin by itself where the package is installed."""
    found = [entry.value for entry in metadata.entry_points(group="pytest11")]

    assert "e6data_adbc.pytest_plugin" in found


def test_an_isolated_catalog_goes(engine: LocalEngine) -> None:
    """The catalog of a test is there while it runs and not after it, whatever the test does."""
    with pytest.raises(KeyError), testing.isolated_catalog(engine) as name:
        with pytest.raises(Exception, match="could not add the catalog"):
            engine.add_catalog(name)
        raise KeyError

    with pytest.raises(Exception, match="does not exist"):
        engine.drop_catalog(name)
