"""Making and releasing databases, connections and statements."""

import gc
import sys
import weakref

import adbc_driver_manager
import pytest
from adbc_driver_manager import dbapi

from e6data_adbc import _native
from tests.driver.fakes import Query, batch


def test_a_failed_init_leaves_nothing_behind(backend, connect_fake):
    """The database of a failed `Init` is freed by it: the manager does not release it."""
    for _ in range(3):
        with pytest.raises(adbc_driver_manager.ProgrammingError, match="told so"):
            connect_fake(db_kwargs={"fail_init": "1"})

    assert backend.databases == []
    connect_fake()


def test_a_failed_connection_can_be_released(backend, connect_fake):
    """`ConnectionRelease` works on what `ConnectionInit` refused, and the database stays usable."""
    with pytest.raises(adbc_driver_manager.ProgrammingError, match="wrong token") as failure:
        connect_fake(conn_kwargs={"fail_connect": "1"})

    assert failure.value.status_code == adbc_driver_manager.AdbcStatusCode.UNAUTHENTICATED
    assert backend.databases[-1].connections == []
    assert backend.databases[-1].closes == 1


def test_closing_closes_each_object_once(backend, connect_fake):
    """Cursor, connection and database are closed in turn, once, however often it is asked."""
    connection = connect_fake()
    cursor = connection.cursor()
    statement, opened, database = backend.statement, backend.connection, backend.databases[-1]
    for _ in range(2):
        cursor.close()
        connection.close()

    assert (statement.closes, opened.closes, database.closes) == (1, 1, 1)


def test_released_objects_are_freed(backend, connect_fake):
    """The driver keeps no reference to what was released."""
    backend.queries["q"] = lambda _: Query([batch(3)])
    connection = connect_fake()
    cursor = connection.cursor()
    cursor.execute("q")
    cursor.fetchall()
    watched = [weakref.ref(one) for one in (backend.statement, backend.connection)]
    cursor.close()
    connection.close()
    backend.databases.clear()
    gc.collect()

    assert [one() for one in watched] == [None, None]


def test_a_clone_shares_the_database(backend, fake_connection):
    """`adbc_clone` makes a second connection of the same database."""
    with fake_connection.adbc_clone() as clone:
        assert len(backend.databases) == 1
        assert len(backend.databases[0].connections) == 2
        clone.cursor().close()


def test_a_release_does_not_fail(backend, connect_fake, monkeypatch):
    """What `close` raises goes to `sys.unraisablehook`: the manager could not do anything with it."""
    heard = []
    monkeypatch.setattr(sys, "unraisablehook", lambda caught: heard.append(caught.exc_type))
    connection = connect_fake()
    backend.connection.close = lambda: 1 / 0
    connection.close()
    connection.close()

    assert heard == [ZeroDivisionError]
    assert backend.databases[-1].closes == 1


def test_the_package_name_is_found(monkeypatch, connect_fake):
    """A driver library that is not the imported module is refused with the path to use."""
    monkeypatch.setattr(_native, "_anchor", 0)
    with pytest.raises(adbc_driver_manager.InternalError) as failure:
        connect_fake()

    assert _native.__file__ in str(failure.value)


def test_autocommit_cannot_be_turned_off(backend, fake_connection):
    """`commit` and `rollback` in autocommit are INVALID_STATE, which pandas survives."""
    with pytest.raises(adbc_driver_manager.ProgrammingError, match="INVALID_STATE"):
        fake_connection.adbc_connection.commit()
    with pytest.raises(adbc_driver_manager.ProgrammingError, match="INVALID_STATE"):
        fake_connection.adbc_connection.rollback()


def test_a_connection_is_a_manager_connection(fake_connection):
    """Tools look for the manager's class."""
    assert isinstance(fake_connection, dbapi.Connection)
