"""What the package promises by its names."""

from __future__ import annotations

import importlib
import pickle
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import adbc_driver_manager
import adbc_driver_manager.dbapi
import pytest

import adbc_driver_e6data
import adbc_driver_e6data.dbapi
import e6data_adbc
import e6data_adbc.dbapi
from e6data_adbc import errors

ROOT = Path(__file__).resolve().parents[2]
MODULES = ["e6data_adbc", "e6data_adbc.dbapi", "adbc_driver_e6data", "adbc_driver_e6data.dbapi"]


@pytest.mark.parametrize("name", MODULES)
def test_all_is_importable_and_unique(name: str) -> None:
    """Every name of `__all__` exists, once."""
    module = importlib.import_module(name)

    assert len(set(module.__all__)) == len(module.__all__)
    assert all(hasattr(module, public) for public in module.__all__)


def test_import_is_light() -> None:
    """Importing the package loads neither gRPC nor a data frame library nor the local engine's."""
    heavy = ["grpc", "pyarrow", "pandas", "polars", "duckdb", "numpy"]
    code = f"import sys, e6data_adbc; print([m for m in {heavy} if m in sys.modules])"

    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert loaded.stdout.strip() == "[]"


def test_modules_load_when_they_are_named() -> None:
    """After `import e6data_adbc` its public modules are attributes, and loaded by then only."""
    code = (
        "import sys, e6data_adbc\n"
        "for name in ('aio', 'cluster', 'dbapi', 'pandas', 'polars'):\n"
        "    assert f'e6data_adbc.{name}' not in sys.modules, name\n"
        "    assert name in dir(e6data_adbc)\n"
        "print(e6data_adbc.cluster.ping.__name__, e6data_adbc.aio.connect.__name__)\n"
        "assert not hasattr(e6data_adbc, 'nothing')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == ["ping", "connect"]


def test_errors_are_the_managers() -> None:
    """One `except` clause catches what the manager raises and what we raise."""
    for name in ["Error", "DataError", "OperationalError", "ProgrammingError", "NotSupportedError"]:
        assert getattr(e6data_adbc, name) is getattr(adbc_driver_manager, name)
        assert getattr(e6data_adbc.dbapi, name) is getattr(adbc_driver_manager.dbapi, name)


@pytest.mark.parametrize("status", sorted(errors.CLASSES, key=int))
def test_every_status_makes_a_picklable_error(status: errors.Status) -> None:
    """An error keeps class, text, status and evidence through a worker pool's pickling."""
    error = errors.make(
        status,
        "could not do 'x': it rained",
        query_id="q-1",
        sqlstate="42000",
        vendor_code=3,
        hint="wait",
    )

    copy = pickle.loads(pickle.dumps(error))

    assert type(copy) is errors.CLASSES[status]
    assert str(copy) == str(error)
    assert copy.status_code == status
    assert (copy.sqlstate, copy.vendor_code) == ("42000", 3)
    assert errors.query_id(copy) == "q-1"


def test_error_text_has_one_shape() -> None:
    """The text names the driver, the cause, the status, the query and the next step."""
    error = errors.make(
        errors.Status.TIMEOUT, "could not fetch: 30 s passed", query_id="q-1", hint="wait longer"
    )

    assert str(error).startswith(
        "[e6data] could not fetch: 30 s passed (TIMEOUT); query 'q-1'; wait longer"
    )


def test_version_is_one_that_polars_accepts() -> None:
    """Polars writes to qualified names only for drivers of 0.8 or later."""
    major, minor = (int(part) for part in re.findall(r"\d+", e6data_adbc.__version__)[:2])

    assert (major, minor) >= (0, 8)
    assert adbc_driver_e6data.__version__ == e6data_adbc.__version__


def test_version_is_that_of_the_workspace() -> None:
    """The package that is installed, the module that says its version and the Rust workspace agree."""
    workspace = (ROOT / "native" / "Cargo.toml").read_text(encoding="utf-8")
    (version,) = re.findall(r'^version = "([^"]+)"', workspace, re.MULTILINE)

    assert e6data_adbc.__version__ == version
    assert metadata.version("e6data-adbc") == version


def test_dbapi_globals() -> None:
    """The PEP 249 globals are those of the driver manager."""
    assert adbc_driver_e6data.dbapi.apilevel == "2.0"
    assert adbc_driver_e6data.dbapi.paramstyle == "qmark"
    assert issubclass(e6data_adbc.dbapi.Connection, adbc_driver_manager.dbapi.Connection)
