"""What a statement tells while it runs and after: its ids, its progress, its timings; its tag and its time limits."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from adbc_driver_manager import AdbcStatusCode, Error, ProgrammingError

import e6data_adbc
from e6data_adbc import dbapi
from e6data_adbc._options.option_values import Settings
from e6data_adbc._sql.query_tag import tagged
from e6data_adbc.local import LocalEngine

pytestmark = pytest.mark.seconds

PREFIX = "adbc.e6data.statement"
PROGRESS = "adbc.statement.exec.progress"
MAX_PROGRESS = "adbc.statement.exec.max_progress"
TAG = f"{PREFIX}.query_tag"
LONG = 60.0  # seconds: longer than any test may take
CHUNK = 1000


@pytest.fixture(scope="module")
def shared() -> Iterator[LocalEngine]:
    """An engine that announces exact numbers of rows, in small chunks."""
    with LocalEngine(chunk_rows=CHUNK, row_count="exact") as running:
        yield running


@pytest.fixture
def engine(shared: LocalEngine) -> Iterator[LocalEngine]:
    """The engine without the faults of another test; no query may be left on it."""
    yield shared
    shared.faults.clear()
    assert [record.query_id for record in shared.ledger.open_queries] == []


@pytest.fixture
def cursor(engine: LocalEngine) -> Iterator[dbapi.Cursor]:
    """A cursor that delivers each chunk as it comes."""
    options = {"adbc.e6data.fetch.batch_rows": 0, "adbc.e6data.fetch.prefetch_responses": 1}
    with e6data_adbc.dbapi.connect(engine.uri, db_kwargs=options) as connection:
        with connection.cursor() as opened:
            yield opened


# ---- progress


def test_progress_moves(engine: LocalEngine, cursor: dbapi.Cursor) -> None:
    """Rows delivered of rows announced, polled by one thread while another one waits for rows that are held back."""
    gate = threading.Event()
    held = engine.faults.delay("getNextResultBatch", gate=gate, after=2, times=None)
    statement = cursor.adbc_statement
    assert cursor.progress() == (0, None)
    cursor.execute(f"SELECT * FROM range({5 * CHUNK}) AS r(a)")
    reader = cursor.fetch_record_batch()
    assert cursor.progress() == (0, 5 * CHUNK)
    with ThreadPoolExecutor(1) as pool:
        for _ in range(2):
            reader.read_next_batch()
        waiting = pool.submit(reader.read_next_batch)
        assert held.reached.wait(30)
        seen = [
            statement.get_option_float(PROGRESS),
            statement.get_option_float(MAX_PROGRESS),
            statement.get_option_int(PROGRESS),
            statement.get_option_int(MAX_PROGRESS),
        ]
        assert not waiting.done()
        gate.set()
        waiting.result(30)

    assert seen == [2.0 * CHUNK, 5.0 * CHUNK, 2 * CHUNK, 5 * CHUNK]
    assert cursor.progress() == (3 * CHUNK, 5 * CHUNK)
    reader.read_all()
    assert cursor.progress() == (5 * CHUNK, 5 * CHUNK)


def test_progress_of_an_unknown_length() -> None:
    """Where the server announces nothing, the maximum is 0, which ADBC reads as unknown."""
    with LocalEngine(row_count="unknown") as engine:
        with e6data_adbc.connect(engine.uri) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT * FROM range(20000)")
            assert cursor.adbc_statement.get_option_float(MAX_PROGRESS) == 0.0
            assert len(cursor.fetchall()) == 20_000
            assert cursor.progress() == (20_000, None)


def test_progress_of_an_ingestion(engine: LocalEngine, cursor: dbapi.Cursor) -> None:
    """The rows that are written, polled while the next ones are on their way; the maximum is unknown."""
    gate = threading.Event()
    held = engine.faults.delay("executeStatementV2", gate=gate, after=3)  # CREATE, two INSERT
    cursor.adbc_statement.set_options(**{"adbc.e6data.ingest.insert_rows": 10})
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(
            cursor.adbc_ingest,
            "written",
            pa.table({"a": range(35)}),
            mode="create",
            catalog_name="scratch",
            db_schema_name="main",
        )
        assert held.reached.wait(30)
        seen = cursor.progress()
        gate.set()
        assert writing.result(30) == 35

    assert seen == (20, None)
    assert cursor.progress() == (35, None)
    cursor.execute("DROP TABLE scratch.main.written")
    assert cursor.progress() == (0, None)


@pytest.mark.parametrize("key", [PROGRESS, MAX_PROGRESS, f"{PREFIX}.query_id", f"{PREFIX}.engine_address"])  # fmt: skip
def test_what_can_only_be_read(cursor: dbapi.Cursor, key: str) -> None:
    """Setting it is an INVALID_ARGUMENT that says so."""
    with pytest.raises(ProgrammingError, match="can only be read") as caught:
        cursor.adbc_statement.set_options(**{key: "1"})

    assert caught.value.status_code == AdbcStatusCode.INVALID_ARGUMENT


# ---- where the query is


def test_id_and_address(engine: LocalEngine, cursor: dbapi.Cursor) -> None:
    """Not there before the first execution; readable while the statement is being executed, and after it failed."""
    for read in (lambda: cursor.query_id, lambda: cursor.engine_address):
        with pytest.raises(ProgrammingError, match="NOT_FOUND"):
            read()
    held = engine.faults.delay("executeStatementV2", seconds=LONG)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(cursor.execute, "SELECT 1")
        assert held.reached.wait(30)
        seen = cursor.query_id, cursor.engine_address
        cursor.adbc_cancel()
        assert isinstance(running.exception(30), Error)
    record = engine.ledger.query(seen[0])

    assert record is not None
    assert "blue" in seen[1]
    assert (cursor.query_id, cursor.engine_address) == seen
    cursor.execute("SELECT 2")
    assert cursor.query_id != seen[0]


# ---- tags


@pytest.mark.parametrize(
    ("tag", "comment"),
    [
        ("nightly load 7", "/* nightly load 7 */"),
        ("*/ DROP TABLE t; /*", "/* * / DROP TABLE t; / * */"),
        ("*/*/*", "/* * / * / * */"),
        ("/*/", "/* / * / */"),
        ("+ hint", "/* + hint */"),
        ("a\r\nb\tc\0d", "/* a  b c d */"),
        ("a\u2028b\u2029c\x85d\u202ee\ud800f", "/* a b c d e f */"),
        ('it\'s "50 %" \\ -- é 😀 ?', '/* it\'s "50 %" \\ -- é 😀 ? */'),
        ("*", "/* * */"),
        ("/", "/* / */"),
    ],
)
def test_tags_cannot_break_out(tag: str, comment: str) -> None:
    """Whatever a tag is, the comment ends where it ends and nowhere before, under every rule of comments."""
    sent = tagged("SELECT 1", Settings().with_option(TAG, tag))

    assert sent == f"{comment} SELECT 1"
    inner = comment[2:-2]
    assert "*/" not in inner
    assert "/*" not in inner
    assert inner.startswith(" ")
    assert inner.endswith(" ")


def test_no_tag() -> None:
    """Without a tag, or with an empty one, a text is sent as it is."""
    assert tagged("SELECT 1", Settings()) == "SELECT 1"
    assert tagged("SELECT 1", Settings().with_option(TAG, "")) == "SELECT 1"


def sent(engine: LocalEngine, cursor: dbapi.Cursor) -> str:
    record = engine.ledger.query(cursor.query_id)
    assert record is not None
    return record.sql


def test_a_tag_goes_with_each_statement(engine: LocalEngine, cursor: dbapi.Cursor) -> None:
    """Queries with parameters, changes, scripts, ingestion and plans carry it, and do what they do without."""
    cursor.adbc_statement.set_options(**{TAG: "job ? :a */ 7"})
    head = "/* job ? :a * / 7 */ "
    for action in (
        lambda: cursor.execute("SELECT ? AS a", [5]).fetchall() == [(5,)],
        lambda: cursor.execute("CREATE OR REPLACE TABLE scratch.main.tagged (a INT)").rowcount == 0,
        lambda: cursor.executemany("INSERT INTO scratch.main.tagged VALUES (:a)", [{"a": 1}]),
        lambda: cursor.executescript("-- c\nDELETE FROM scratch.main.tagged; SELECT 1"),
        lambda: cursor.adbc_ingest(
            "tagged", pa.table({"a": [1]}), mode="append", catalog_name="scratch", db_schema_name="main"
        ),
        lambda: cursor.adbc_execute_schema("SELECT 1.5 AS a"),
        lambda: cursor.explain("SELECT 1"),
    ):  # fmt: skip
        assert action() is not False
        assert sent(engine, cursor).startswith(head)
    assert "stores" in cursor.dry_run("SELECT * FROM sample.sales.stores")
    assert cursor.adbc_statement.get_option(TAG) == "job ? :a */ 7"


def test_tags_at_every_level(engine: LocalEngine) -> None:
    """The statement's beats the connection's beats the database's beats the URI's; "" is none, resetting goes back."""
    uri = f"{engine.uri}?query_tag=from%20the%20URI"
    with e6data_adbc.dbapi.connect(uri, db_kwargs={TAG: "database"}) as connection:
        with connection.cursor() as cursor:
            found = [sent(engine, cursor.execute("SELECT 1"))]
            connection.adbc_connection.set_options(**{TAG: "connection"})
            found.append(sent(engine, cursor.execute("SELECT 1")))
            cursor.adbc_statement.set_options(**{TAG: "statement"})
            found.append(sent(engine, cursor.execute("SELECT 1")))
            cursor.adbc_statement.set_options(**{TAG: ""})
            found.append(sent(engine, cursor.execute("SELECT 1")))
            cursor.adbc_statement.set_options(**{TAG: None})
            found.append(sent(engine, cursor.execute("SELECT 1")))
    with e6data_adbc.dbapi.connect(uri) as connection, connection.cursor() as cursor:
        found.append(sent(engine, cursor.execute("SELECT 1")))

    tags = ["database", "connection", "statement", None, "connection", "from the URI"]
    assert found == [f"/* {tag} */ SELECT 1" if tag else "SELECT 1" for tag in tags]


def test_a_tag_that_is_too_long(cursor: dbapi.Cursor) -> None:
    """It is refused when it is set."""
    with pytest.raises(ProgrammingError, match="longer than 1024 characters"):
        cursor.adbc_statement.set_options(**{TAG: "x" * 1025})


# ---- time limits


@pytest.mark.parametrize(
    ("option", "method", "named"),
    [
        ("prepare_timeout_seconds", "prepareStatementV2", True),
        ("metadata_timeout_seconds", "getResultMetadata", True),
        ("fetch_timeout_seconds", "getNextResultBatch", True),
        # Whether it runs is more important than what to raise.
        ("execute_timeout_seconds", "executeStatementV2", False),
    ],
)
def test_time_limits_of_a_statement(
    engine: LocalEngine, cursor: dbapi.Cursor, option: str, method: str, named: bool
) -> None:
    """Each limit may be set on a statement and ends its calls; other statements keep theirs."""
    key = f"adbc.e6data.rpc.{option}"
    engine.faults.delay(method, seconds=LONG)
    cursor.adbc_statement.set_options(**{key: 0.15})
    assert cursor.adbc_statement.get_option_float(key) == 0.15
    with pytest.raises(Error) as caught:
        cursor.execute(f"SELECT * FROM range({20 * CHUNK})").fetchall()
    with cursor.connection.cursor() as other:
        assert other.adbc_statement.get_option_float(key) > 1
        assert len(other.execute(f"SELECT * FROM range({20 * CHUNK})").fetchall()) == 20 * CHUNK

    assert caught.value.status_code == AdbcStatusCode.TIMEOUT
    assert not named or f"raise {key}" in str(caught.value)


def test_the_time_limit_of_everything() -> None:
    """The total may be set on a statement and ends whatever is under way."""
    key = "adbc.e6data.rpc.total_timeout_seconds"
    # An engine of its own: if it is slow, the limit passes while it prepares, and nobody learns the query's id.
    with LocalEngine() as engine:
        engine.faults.delay("executeStatementV2", seconds=LONG, times=None)
        with e6data_adbc.dbapi.connect(engine.uri) as connection, connection.cursor() as cursor:
            cursor.adbc_statement.set_options(**{key: 0.2})
            assert cursor.adbc_statement.get_option_float(key) == 0.2
            assert connection.adbc_connection.get_option_float(key) == 1800
            with pytest.raises(Error) as caught:
                cursor.execute("SELECT 1")

        assert caught.value.status_code == AdbcStatusCode.TIMEOUT


def test_the_time_limit_of_clearing(caplog: pytest.LogCaptureFixture) -> None:
    """Clearing has the limit of its statement: closing waits no longer, and tells nobody but the log."""
    with LocalEngine(chunk_rows=CHUNK) as engine:
        engine.faults.delay("clearOrCancelQuery", seconds=LONG, times=None)
        with e6data_adbc.dbapi.connect(engine.uri) as connection, connection.cursor() as cursor:
            cursor.adbc_statement.set_options(**{"adbc.e6data.rpc.clear_timeout_seconds": 0.1})
            cursor.execute(f"SELECT * FROM range({50 * CHUNK})").fetchone()

        assert "stays on the server until it expires" in caplog.text


def test_the_time_limit_of_resuming() -> None:
    """How long a suspended cluster is waited for may be set on a statement, or that it is not resumed at all."""
    with LocalEngine(resume_polls=100_000) as engine:
        engine.suspend()
        with e6data_adbc.dbapi.connect(engine.uri) as connection, connection.cursor() as cursor:
            statement = cursor.adbc_statement
            statement.set_options(**{"adbc.e6data.cluster.auto_resume": "false"})
            with pytest.raises(Error, match="the cluster is suspended"):
                cursor.execute("SELECT 1")
            assert engine.ledger.calls["cluster.resume"] == 0
            statement.set_options(
                **{
                    "adbc.e6data.cluster.auto_resume": "true",
                    "adbc.e6data.cluster.resume_timeout_seconds": 0.2,
                }
            )
            with pytest.raises(Error, match="resume_timeout_seconds") as caught:
                cursor.execute("SELECT 1")

        assert caught.value.status_code == AdbcStatusCode.TIMEOUT
        assert engine.ledger.calls["cluster.resume"] == 1
