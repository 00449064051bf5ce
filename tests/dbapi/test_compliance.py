"""The DB-API's own compliance suite, `dbapi-compliance` from PyPI, against the local engine."""

from __future__ import annotations

from typing import ClassVar

import dbapi20
import pytest

from e6data_adbc import dbapi
from e6data_adbc.local import LocalEngine

pytestmark = [pytest.mark.seconds, pytest.mark.suites]


# Some of its tests leave a connection open, which is a ResourceWarning when it is collected.
@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
class TestCompliance(dbapi20.DatabaseAPI20Test):
    """All 36 tests; `callproc` is declared unsupported."""

    driver = dbapi
    connect_args = ()
    connect_kw_args: ClassVar[dict[str, object]] = {}
    engine: ClassVar[LocalEngine]

    @classmethod
    def setUpClass(cls) -> None:
        """One engine for all tests, each of which drops its tables."""
        cls.engine = LocalEngine().start()
        cls.connect_kw_args = {"uri": cls.engine.uri_for("scratch")}

    @classmethod
    def tearDownClass(cls) -> None:
        """Ends it."""
        cls.engine.stop()

    @pytest.mark.xfail(strict=True, raises=dbapi.NotSupportedError)
    def test_callproc(self) -> None:
        """The engine has no stored procedures."""
        super().test_callproc()

    def test_nextset(self) -> None:
        """A statement has one result, so there is no `nextset` to test; the suite wants to be told."""
        with dbapi.connect(**self.connect_kw_args) as connection, connection.cursor() as cursor:
            with pytest.raises(dbapi.NotSupportedError):
                cursor.nextset()

    def test_setoutputsize(self) -> None:
        """It may be called and does nothing; the suite wants to be told."""
        with dbapi.connect(**self.connect_kw_args) as connection, connection.cursor() as cursor:
            cursor.setoutputsize(10)
