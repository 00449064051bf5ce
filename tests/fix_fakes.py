"""Fixtures: the fake backend, connections over it, and scripts in processes of their own."""

import os
import pathlib
import subprocess
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from adbc_driver_manager import dbapi

from e6data_adbc import _native
from tests.driver import fakes

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> fakes.Backend:
    """The fake Python side, for this test only."""
    backend = fakes.Backend()
    try:
        import e6data_adbc._driver as module
    except ImportError:
        module = types.ModuleType("e6data_adbc._driver")
        monkeypatch.setitem(sys.modules, "e6data_adbc._driver", module)
    monkeypatch.setattr(module, "open_database", backend.open_database, raising=False)
    return backend


Connect = Callable[..., dbapi.Connection]


@pytest.fixture
def connect_fake(backend: fakes.Backend) -> Iterator[Connect]:
    """Opens connections to the fake backend; closes them when the test ends."""
    opened: list[dbapi.Connection] = []

    def open_connection(
        db_kwargs: dict[str, Any] | None = None, conn_kwargs: dict[str, Any] | None = None
    ) -> dbapi.Connection:
        opened.append(
            dbapi.connect(
                driver=_native.__file__,
                db_kwargs=db_kwargs,
                conn_kwargs=conn_kwargs,
                autocommit=True,
            )
        )
        return opened[-1]

    yield open_connection
    for connection in opened:
        connection.close()


@pytest.fixture
def fake_connection(connect_fake: Connect) -> dbapi.Connection:
    """One open connection."""
    return connect_fake()


@pytest.fixture
def fake_cursor(fake_connection: dbapi.Connection) -> Iterator[dbapi.Cursor]:
    """One open cursor."""
    with fake_connection.cursor() as cursor:
        yield cursor


@pytest.fixture
def run_script() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a script with the fakes installed, in a process of its own, warnings being errors."""

    def run(script: str, timeout: float = 90) -> subprocess.CompletedProcess[str]:
        head = """
            import os, signal, sys, threading, time
            import pyarrow as pa
            from adbc_driver_manager import dbapi
            import adbc_driver_manager
            from e6data_adbc import _native, errors
            from tests.driver import fakes
            backend = fakes.install()
            def connect():
                return dbapi.connect(driver=_native.__file__, autocommit=True)
        """
        source = textwrap.dedent(head) + textwrap.dedent(script)
        return subprocess.run(
            [sys.executable, "-X", "faulthandler", "-W", "error", "-c", source],
            cwd=ROOT,
            # With this variable the manager warns of what a script leaves open on purpose.
            env={key: os.environ[key] for key in os.environ if key != "PYTEST_CURRENT_TEST"},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run
