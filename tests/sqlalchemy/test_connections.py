"""One database an engine; connections of the pool survive what a cluster goes through."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import sqlalchemy as sa

from e6data_adbc import dbapi, errors
from e6data_adbc.local import LocalEngine

pytestmark = pytest.mark.seconds

Make = Callable[..., sa.engine.Engine]
ONE = sa.text("select 1 as one")


def sign_ins(server: LocalEngine) -> int:
    return server.ledger.calls["authenticate"]


def test_connections_are_clones(make_engine: Make, server: LocalEngine) -> None:
    """Ten connections at a time sign in once."""
    engine = make_engine(pool_size=10)
    before = sign_ins(server)
    connections = [engine.connect() for _ in range(10)]
    assert [connection.scalar(ONE) for connection in connections] == [1] * 10
    for connection in connections:
        connection.close()
    assert sign_ins(server) - before == 1


def test_an_engine_that_was_disposed_of_opens_again(engine: sa.engine.Engine) -> None:
    """`dispose` closes the database; the next connection opens another."""
    for _ in range(2):
        with engine.connect() as connection:
            assert connection.scalar(ONE) == 1
        engine.dispose()


@pytest.mark.parametrize("change", ["switch", "expire_sessions", "suspend"])
@pytest.mark.parametrize("is_checked", [False, True])
def test_a_pool_notices_nothing(
    make_engine: Make, server: LocalEngine, change: str, *, is_checked: bool
) -> None:
    """Connections in a pool of 16 threads outlive switches, lost sessions and suspensions, pre-ping or not."""
    engine = make_engine(pool_size=16, pool_pre_ping=is_checked)

    def ask(number: int) -> int:
        with engine.connect() as connection:
            found: int = connection.scalar(sa.select(sa.literal(number)))
        return found

    with ThreadPoolExecutor(16) as threads:
        for _ in range(2):
            assert list(threads.map(ask, range(32))) == list(range(32))
            getattr(server, change)()
        assert list(threads.map(ask, range(32))) == list(range(32))


def test_a_ping(engine: sa.engine.Engine) -> None:
    """A connection that is closed fails its ping, and counts as disconnected; a wrong statement does not."""
    with engine.connect() as connection:
        inner: Any = connection.connection.dbapi_connection
        assert engine.dialect.do_ping(inner)
        with inner.cursor() as cursor, pytest.raises(dbapi.ProgrammingError) as wrong:
            cursor.execute("select nothing from nowhere")
        assert not engine.dialect.is_disconnect(wrong.value, inner, None)
        lost = errors.make(errors.Status.IO, "could not reach the engine")
        assert engine.dialect.is_disconnect(lost, inner, None)


def test_a_connection_that_was_closed_is_replaced(make_engine: Make) -> None:
    """Pre-ping makes a new connection in the place of one that somebody closed."""
    engine = make_engine(pool_pre_ping=True, pool_size=1)
    with engine.connect() as connection:
        inner: Any = connection.connection.dbapi_connection
    inner.close()
    with engine.connect() as connection:
        assert connection.scalar(ONE) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork(engine: sa.engine.Engine) -> None:
    """A child that drops its parent's connections without closing them works, and so does the parent."""
    with engine.connect() as connection:
        assert connection.scalar(ONE) == 1
    child = os.fork()
    if child == 0:
        code = 1
        try:
            engine.dispose(close=False)
            with engine.connect() as connection:
                code = 0 if connection.scalar(ONE) == 1 else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    with engine.connect() as connection:
        assert connection.scalar(ONE) == 1


def test_a_rollback_undoes_nothing(
    engine: sa.engine.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """There is AUTOCOMMIT only, which the log says once; other levels are refused."""
    table = sa.Table("undone", sa.MetaData(), sa.Column("n", sa.Integer))
    with caplog.at_level(logging.WARNING, "e6data_adbc.sqlalchemy"):
        for _ in range(2):
            with engine.connect() as connection:
                connection.execute(sa.text("create table if not exists undone(n int)"))
                connection.execute(table.insert().values(n=1))
                connection.rollback()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    with engine.connect() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(table)) == 2
        assert connection.get_isolation_level() == "AUTOCOMMIT"
        connection.commit()
        with pytest.raises(sa.exc.ArgumentError):
            connection.execution_options(isolation_level="SERIALIZABLE")


def test_levels_of_an_engine(make_engine: Make) -> None:
    """AUTOCOMMIT may be said; what is not there is refused."""
    with make_engine(isolation_level="AUTOCOMMIT").connect() as connection:
        assert connection.scalar(ONE) == 1
    with pytest.raises(sa.exc.ArgumentError, match="AUTOCOMMIT"):
        make_engine(isolation_level="REPEATABLE READ")


def test_execution_options(engine: sa.engine.Engine, server: LocalEngine) -> None:
    """A tag reaches the server, a hook sees the cursor, and the query's id is there afterwards."""
    seen = []
    with engine.connect() as connection:
        options = {"e6data_query_tag": "nightly", "e6data_on_execute": seen.append}
        result = connection.execution_options(**options).execute(ONE)
        assert result.context.query_id == seen[0].query_id
        assert result.all() == [(1,)]
        with pytest.raises(sa.exc.StatementError, match="e6data_tag"):
            connection.execution_options(e6data_tag="x").execute(ONE)
    assert "nightly" in server.ledger.last.sql


def test_cancelling(engine: sa.engine.Engine) -> None:
    """A cursor that the hook was given cancels the statement from elsewhere."""
    with engine.connect() as connection:
        cursors: list[Any] = []
        result = connection.execution_options(e6data_on_execute=cursors.append).execute(
            sa.text("select a.range from range(100000) a, range(1000) b")
        )
        result.fetchmany(1)
        cursors[0].adbc_cancel()
        with pytest.raises(sa.exc.OperationalError):
            result.fetchall()


def test_a_url_without_a_schema(server: LocalEngine) -> None:
    """An engine opens, and reflection lists what there is, where the URL names a catalog or nothing."""
    uri = server.uri.replace("e6data://", "e6data+adbc://", 1)
    for path in ("", "/scratch"):
        engine = sa.create_engine(uri.replace("/scratch/main", path))
        with engine.connect() as connection:
            assert connection.execute(sa.text("select 1")).scalar() == 1
            inspector = sa.inspect(connection)
            assert "main" in inspector.dialect.get_schema_names(connection, catalog="scratch")
            assert inspector.has_table("stores", schema="sample.sales")
        engine.dispose()
