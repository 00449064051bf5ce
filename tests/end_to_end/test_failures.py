"""What a user sees when the server goes away: one typed error, and no hang."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pyarrow as pa
import pytest

import e6data_adbc
from e6data_adbc import errors
from tests.support.served_engine import ServedEngine

pytestmark = pytest.mark.seconds

LONG = "select i from range(1000000000) as t(i)"


@pytest.mark.parametrize("protocol", ["v1", "v2"])
def test_server_killed_in_the_middle_of_a_result(
    serve: Callable[..., ServedEngine], protocol: str
) -> None:
    """Killing the server fails the fetch with one OperationalError that names the query."""
    engine = serve()
    with (
        e6data_adbc.connect(
            engine.uri, db_kwargs={"adbc.e6data.result.result_protocol": protocol}
        ) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(LONG)
        assert cursor.fetchone() == (0,)
        engine.kill()

        with pytest.raises(e6data_adbc.OperationalError) as caught:
            while cursor.fetchone() is not None:
                pass

        assert errors.query_id(caught.value)
        assert str(caught.value).count("could not") == 1
        with pytest.raises(e6data_adbc.OperationalError):
            cursor.fetchone()
        with pytest.raises(e6data_adbc.OperationalError):
            cursor.execute("select 1")


def test_the_error_reaches_a_reader_as_text(serve: Callable[..., ServedEngine]) -> None:
    """A RecordBatchReader knows nothing but the text, so the text has everything."""
    engine = serve()
    with e6data_adbc.connect(engine.uri) as connection, connection.cursor() as cursor:
        cursor.execute(LONG)
        reader = cursor.fetch_record_batch()
        reader.read_next_batch()
        engine.kill()

        with pytest.raises(
            (OSError, pa.ArrowException), match=r"\[e6data\] could not (fetch|connect) .*\(IO\)"
        ):
            for _ in reader:
                pass


def test_nobody_listens(serve: Callable[..., ServedEngine]) -> None:
    """A server that is not there is an OperationalError that names the address."""
    engine = serve()
    engine.kill()

    with e6data_adbc.connect(engine.uri) as connection, connection.cursor() as cursor:
        with pytest.raises(e6data_adbc.OperationalError, match=r"127\.0\.0\.1:\d+"):
            cursor.execute("select 1")


def test_wrong_token(serve: Callable[..., ServedEngine]) -> None:
    """Refused credentials say who was refused, and never with what."""
    engine = serve()
    with e6data_adbc.connect(engine.uri.replace("u:t@", "u:s3cret@")) as connection:
        with connection.cursor() as cursor, pytest.raises(e6data_adbc.ProgrammingError) as caught:
            cursor.execute("select 1")

    assert caught.value.status_code == errors.Status.UNAUTHENTICATED
    assert "'u'" in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_wrong_sql_leaves_the_connection_usable(connection: e6data_adbc.dbapi.Connection) -> None:
    """A statement that does not parse is a ProgrammingError in the engine's words; the next one runs."""
    with connection.cursor() as cursor:
        with pytest.raises(e6data_adbc.ProgrammingError, match="nowhere"):
            cursor.execute("select * from nowhere")
        cursor.execute("select 42 as answer")
        assert cursor.fetchone() == (42,)


def test_cancel_from_another_thread_stops_the_server(
    engine: object, connection: e6data_adbc.dbapi.Connection
) -> None:
    """A blocked execute ends with CANCELLED soon after `adbc_cancel`, and the connection goes on."""
    with connection.cursor() as cursor:
        timer = threading.Timer(0.3, cursor.adbc_cancel)
        timer.start()
        with pytest.raises(e6data_adbc.OperationalError) as caught:
            cursor.execute(
                "select sum(a.i * b.i) as s from range(1000000) as a(i), range(1000000) as b(i)"
            )
            cursor.fetchall()
        timer.join()
        assert caught.value.status_code == errors.Status.CANCELLED
        cursor.execute("select 1 as one")
        assert cursor.fetchall() == [(1,)]
