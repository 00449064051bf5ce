"""`e6data-adbc sql` against a running engine."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from e6data_adbc.cli import main
from e6data_adbc.cli.exits import Exit

pytestmark = pytest.mark.seconds

COMMAND = [sys.executable, "-m", "e6data_adbc", "sql"]
#: Rows without end, a few megabytes a second; the comment finds the query in the engine's ledger.
ENDLESS = "SELECT range AS a FROM range(100000000000) /* {} */"
#: Works for hours before the first row.
SILENT = "SELECT sum(a.range * b.range) FROM range(1000000000) a, range(100000) b /* {} */"


@pytest.fixture
def sql(uri: str, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the command in this process; returns exit code, output, errors."""

    def run(*words: str) -> tuple[int, str, str]:
        code = main(["sql", "--uri", uri, *words])
        shown = capfd.readouterr()
        return code, shown.out, shown.err

    return run


@pytest.fixture
def start(engine: Any) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts the command as a process group of its own."""
    started: list[subprocess.Popen[str]] = []

    def run(*words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*COMMAND, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "E6DATA_URI": engine.uri},
        )
        started.append(process)
        return process

    yield run
    for process in started:
        with process:
            if process.poll() is None:
                process.kill()


def record(engine: Any, marker: str, *, executed: bool = False) -> Any:
    """The engine's record of the query with *marker*, once it is there."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for query in engine.ledger.queries:
            if marker in query.sql and (query.executes or not executed):
                return query
        threading.Event().wait(0.01)
    raise AssertionError("the query never reached the engine")


def test_table(sql: Callable[..., Any]) -> None:
    """Rows are printed as a table, and nothing else when standard error is no terminal."""
    code, out, err = sql("SELECT 1 AS a, 'x' AS b, 1.50::DECIMAL(10, 2) AS c, NULL AS d")

    assert (code, err) == (0, "")
    assert out.splitlines() == ["a | b |    c | d", "--+---+------+-----", "1 | x | 1.50 | NULL"]


def test_csv_and_json(sql: Callable[..., Any]) -> None:
    """Programs get CSV and JSON."""
    query = "SELECT 1 AS a, '' AS b"

    assert sql("--format", "csv", query) == (0, 'a,b\n1,""\n', "")
    assert json.loads(sql("--format", "json", query)[1]) == [{"a": 1, "b": ""}]
    assert sql("--format", "jsonl", query) == (0, '{"a": 1, "b": ""}\n', "")


def test_parameters(sql: Callable[..., Any]) -> None:
    """Parameters by name and by position reach the engine with their types."""
    named = sql(
        *("--format", "jsonl", "SELECT :a + 1 AS a, :s AS s WHERE 2 IN :l"),
        *("--param", "a=1", "--param", "s=it's \\ $5 --", "--param", "l=[1, 2]"),
    )
    positional = sql("--format", "csv", "SELECT ? AS a, ? AS b", "--param", "-1", "--param", 'x=y"')

    assert named[0] == 0
    assert json.loads(named[1]) == {"a": 2, "s": "it's \\ $5 --"}
    assert positional[0] == Exit.USAGE  # one looks like a name


def test_several_statements(sql: Callable[..., Any]) -> None:
    """Statements run one after the other; a semicolon in a string is none."""
    code, out, _ = sql("--format", "csv", "SELECT ';' AS a; SELECT 2 AS b;")

    assert code == 0
    assert out == "a\n;\nb\n2\n"


def test_standard_input(
    sql: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """`-` reads the statement from standard input."""
    script = tmp_path / "query.sql"
    script.write_text("-- a comment\nSELECT 5 AS a;\n")
    with script.open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert sql("--format", "csv", "-") == (0, "a\n5\n", "")


@pytest.mark.parametrize("command", ["sql", "explain"])
def test_standard_input_that_is_no_text(
    command: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Bytes that are no UTF-8 are a usage error, as in a file; no server is asked."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"select '\xff'")))

    assert main([command, "-", "--uri", "e6data://u:t@127.0.0.1:1"]) == Exit.USAGE
    assert "could not read standard input" in capfd.readouterr().err


def test_statements_of_a_file(sql: Callable[..., Any], tmp_path: Path) -> None:
    """`-f` reads the statements from a file, as editors write it; the first that fails is the last."""
    script = tmp_path / "queries.sql"
    script.write_text("\ufeff-- two\nSELECT 5 AS a;\nSELECT 6 AS b;\n", encoding="utf-8")

    assert sql("--format", "csv", "-f", str(script)) == (0, "a\n5\nb\n6\n", "")
    script.write_text("SELECT 5 AS a; SELECT nothing; SELECT 6 AS b")
    code, out, err = sql("--format", "csv", "-f", str(script))
    assert (code, out) == (Exit.QUERY, "a\n5\n")
    assert err


def test_vertical(sql: Callable[..., Any]) -> None:
    """A line for each value."""
    query = "SELECT 1 AS a, 'x' || chr(10) AS longer UNION ALL SELECT 2, NULL ORDER BY 1"

    assert sql("--format", "vertical", query)[1].splitlines() == [
        "-[ row 1 ]".ljust(40, "-"),
        "a      | 1",
        "longer | x\\n",
        "-[ row 2 ]".ljust(40, "-"),
        "a      | 2",
        "longer | NULL",
    ]
    assert sql("--format", "vertical", "SELECT 1 AS a WHERE 1 = 0")[1] == "(no rows)\n"


@pytest.mark.parametrize("query", [SILENT, ENDLESS], ids=["silent", "endless"])
def test_timeout(engine: Any, sql: Callable[..., Any], query: str) -> None:
    """--timeout ends a statement that has no row yet, and one whose rows do not end; it is gone from the server."""
    marker = uuid.uuid4().hex
    code, _, err = sql("--timeout", "0.5", query.format(marker))

    assert code == Exit.TIMEOUT, err
    assert "--timeout" in err
    assert not record(engine, marker).is_open


def test_a_command_loads_no_frames(engine: Any) -> None:
    """Neither pandas nor Polars, which are installed, nor NumPy; that is most of the time that a command takes."""
    script = """
import sys
from e6data_adbc.cli import main
sys.argv = ["e6data-adbc", "sql", "SELECT ? AS a, 1.50 AS b, 'x' AS c, TRUE AS d", "--param", "5"]
code = main()
print(code, [name for name in ("pandas", "polars", "numpy", "adbc_driver_manager.dbapi") if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, "E6DATA_URI": engine.uri},
    )

    assert done.stdout.splitlines()[-2:] == ["5 | 1.50 | x | true", "0 []"]


def test_file(sql: Callable[..., Any], tmp_path: Path) -> None:
    """A file holds the result with its types, and standard error says what was written."""
    target = tmp_path / "out.parquet"
    code, out, err = sql(
        "SELECT range AS a, range::VARCHAR AS b FROM range(200000)", "-o", str(target)
    )

    assert (code, out) == (0, "")
    assert err.startswith(f"200,000 rows to {target} in ")
    table = pq.read_table(target)
    assert table.column("a").to_pylist() == list(range(200000))
    assert table.schema.types == [pa.int64(), pa.string()]
    assert [path.name for path in tmp_path.iterdir()] == ["out.parquet"]


def test_no_rows(sql: Callable[..., Any]) -> None:
    """A result without rows still shows its columns."""
    assert sql("SELECT 1 AS a WHERE 1 = 0")[1] == "a\n-\n"
    assert sql("--format", "json", "SELECT 1 AS a WHERE 1 = 0")[1] == "[]\n"


def test_catalog_and_schema(sql: Callable[..., Any]) -> None:
    """--catalog and --schema say where names are looked up."""
    query = "SELECT count(*) > 0 AS a FROM date_dim"

    assert (
        sql("--format", "csv", "--catalog", "sample", "--schema", "sales", query)[1] == "a\ntrue\n"
    )


def test_query_error(sql: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """A failing query is one line and exit code 1; with E6DATA_DEBUG the traceback is shown."""
    code, out, err = sql("SELECT * FROM no_such_table")
    monkeypatch.setenv("E6DATA_DEBUG", "1")
    debugged = sql("SELECT * FROM no_such_table")[2]

    assert (code, out) == (Exit.QUERY, "")
    assert len(err.splitlines()) == 1
    assert err.startswith("e6data-adbc: could not prepare the statement: ")
    assert "Traceback" in debugged


@pytest.mark.parametrize(
    "words",
    [
        ["--uri", "http://example", "SELECT 1"],
        ["--uri", "e6data:local?no_such_option=1", "SELECT 1"],
        ["SELECT 1", "-o", "out.unknown"],
        ["SELECT 1; SELECT 2", "-o", "out.csv"],
        [" ; -- nothing"],
        ["SELECT ?", "--param", "a=1", "--param", "5"],
        ["SELECT 1", "--format", "xml"],
        ["SELECT 1", "--timeout", "0"],
        ["SELECT 1", "-f", "queries.sql"],
        ["-f", "no/such/file.sql"],
        [],
    ],
    ids=" ".join,
)
def test_usage_errors(words: list[str], sql: Callable[..., Any]) -> None:
    """What makes no sense is refused with exit code 2."""
    code, out, err = sql(*words)

    assert (code, out) == (Exit.USAGE, "")
    assert err


def test_wrong_token(engine: Any, sql: Callable[..., Any]) -> None:
    """Whoever is not let in gets exit code 3, and the token is not shown."""
    code, _, err = sql("--uri", f"e6data://{engine.user}:wr0ng@{engine.target}", "SELECT 1")

    assert code == Exit.CONNECTION
    assert len(err.splitlines()) == 1
    assert "wr0ng" not in err


def test_no_server(sql: Callable[..., Any]) -> None:
    """A server that is not there gives exit code 3."""
    assert sql("--uri", "e6data://u:t@127.0.0.1:1", "SELECT 1")[0] == Exit.CONNECTION


def test_time_limit(engine: Any, sql: Callable[..., Any]) -> None:
    """A time limit that passes gives exit code 4, and the query is gone from the server."""
    marker = uuid.uuid4().hex
    limited = f"{engine.uri}{'&' if '?' in engine.uri else '?'}fetch_timeout_seconds=0.3"
    code, _, err = sql("--uri", limited, SILENT.format(marker))

    assert code == Exit.TIMEOUT, err
    assert not record(engine, marker).is_open


def test_local_engine_without_uri(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without a URI the local engine answers, and standard error says so, unless told to be quiet."""
    monkeypatch.delenv("E6DATA_URI", raising=False)

    assert main(["sql", "--format", "csv", "SELECT 1 AS a"]) == 0
    shown = capfd.readouterr()
    assert shown.out == "a\n1\n"
    assert "local engine" in shown.err
    assert main(["sql", "-q", "SELECT 1 AS a"]) == 0
    assert capfd.readouterr().err == ""


def test_credentials_from_the_environment(
    engine: Any, sql: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The token need not stand on the command line."""
    monkeypatch.setenv("E6DATA_PASSWORD", engine.token)
    user = urllib.parse.quote(engine.user, safe="")

    assert (
        sql("--uri", f"e6data://{user}@{engine.target}", "--format", "csv", "SELECT 1 AS a")[0] == 0
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_while_rows_arrive(
    engine: Any, start: Callable[..., Any], number: signal.Signals
) -> None:
    """Ctrl-C ends a running result with exit code 130 and one line, and clears the query on the server."""
    marker = uuid.uuid4().hex
    process = start("--format", "csv", "-q", ENDLESS.format(marker))
    assert process.stdout.readline() == "a\n"
    assert process.stdout.readline() == "0\n"
    os.killpg(process.pid, number)
    _, err = process.communicate(timeout=60)

    assert process.returncode == Exit.INTERRUPTED
    assert err == "e6data-adbc: interrupted\n"
    assert record(engine, marker).clears == 1


def test_interrupt_before_the_first_row(
    engine: Any, start: Callable[..., Any], tmp_path: Path
) -> None:
    """Ctrl-C also ends a query that is still working, and leaves no file behind."""
    marker = uuid.uuid4().hex
    process = start("-q", SILENT.format(marker), "-o", str(tmp_path / "out.parquet"))
    record(engine, marker, executed=True)
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=60)

    assert (process.returncode, out, err) == (Exit.INTERRUPTED, "", "e6data-adbc: interrupted\n")
    assert not record(engine, marker).is_open
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["out.parquet", "out.arrow", "out.csv", "out.json", "out.jsonl"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_while_a_file_is_written(
    engine: Any, start: Callable[..., Any], tmp_path: Path, name: str, number: signal.Signals
) -> None:
    """One line and exit code 130, whatever the writer is doing, and no file stays."""
    marker = uuid.uuid4().hex
    process = start("-q", ENDLESS.format(marker), "-o", str(tmp_path / name))
    deadline = time.monotonic() + 60
    # Parquet writes its first row group when a million rows are here.
    while not any(path.stat().st_size > 1000 for path in tmp_path.iterdir()):
        assert time.monotonic() < deadline
        threading.Event().wait(0.001)
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=60)

    assert (process.returncode, out, err) == (Exit.INTERRUPTED, "", "e6data-adbc: interrupted\n")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_in_the_midst_of_a_row_group(tmp_path: Path) -> None:
    """The Parquet writer that it leaves behind says nothing when it is collected."""
    script = """
import sys
from pathlib import Path
import pyarrow as pa
from e6data_adbc.cli import files
target = Path(sys.argv[1])
batch = pa.record_batch({"a": list(range(1000))})
try:
    with files.open_target(target) as sink:
        class Interrupted:
            closed = False
            def write(self, data):
                if not hasattr(self, "hit"):
                    return sink.write(data)
                raise KeyboardInterrupt
            def flush(self): sink.flush()
            def tell(self): return sink.tell()
            def writable(self): return True
            def readable(self): return False
            def seekable(self): return False
            def close(self): pass
        broken = Interrupted()
        writer = files.Parquet(broken, batch.schema)
        try:
            writer.write(batch)
            broken.hit = True
            writer.finish()
        except BaseException:
            del broken.hit
            writer.abandon()
            raise
except KeyboardInterrupt as error:
    kept = error
del writer, kept
print("done")
"""
    result = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "out.parquet")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (result.returncode, result.stdout, result.stderr) == (0, "done\n", "")
    assert list(tmp_path.iterdir()) == []


CHANGES = [
    "create table scratch.main.t as select 1 as a",
    "insert into scratch.main.t values (1)",
    "select 1; drop table scratch.main.t",
    "/* first */ with a as (select 1) insert into scratch.main.t select * from a",
    "select 1 as a into scratch.main.t",
]


@pytest.mark.parametrize("sql_text", CHANGES)
@pytest.mark.parametrize("command", ["sql", "explain"])
def test_changes_of_nothing_are_refused(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    sql_text: str,
    command: str,
) -> None:
    """Where no server is named, they would be those of an engine that ends with the command."""
    words = ["--analyze"] if command == "explain" else []
    text = sql_text.rpartition(";")[2] if command == "explain" else sql_text
    for value in ("", None):
        monkeypatch.delenv("E6DATA_URI", raising=False)
        if value is not None:
            monkeypatch.setenv("E6DATA_URI", value)

        assert main([command, "-q", *words, text]) == Exit.USAGE
        shown = capfd.readouterr()
        assert shown.out == ""
        assert "neither --uri nor E6DATA_URI names a server" in shown.err


def test_changes_of_the_local_engine_are_told(capfd: pytest.CaptureFixture[str]) -> None:
    """Where it is named they run, and standard error says what becomes of them, unless it is to be quiet."""
    statements = "create table scratch.main.t as select 1 as a; select a from scratch.main.t"
    words = ["sql", "--uri", "e6data:local", "--format", "csv", statements]

    assert main(words) == 0
    shown = capfd.readouterr()
    assert shown.out.endswith("a\n1\n")
    assert "ends with this command" in shown.err
    assert main([*words, "-q"]) == 0
    assert capfd.readouterr().err == ""


def test_broken_pipe(engine: Any, start: Callable[..., Any]) -> None:
    """When the reader has enough (`| head`), the command ends in silence and the query is cleared."""
    marker = uuid.uuid4().hex
    process = start("--format", "csv", ENDLESS.format(marker))
    process.stdout.readline()
    process.stdout.close()
    err = process.stderr.read()

    assert process.wait(timeout=60) == Exit.PIPE
    assert err == ""
    assert record(engine, marker).clears == 1


def test_rows_appear_before_the_end(engine: Any, start: Callable[..., Any]) -> None:
    """The first rows of a table are printed while the query runs on."""
    marker = uuid.uuid4().hex
    process = start("-q", ENDLESS.format(marker))
    lines = [process.stdout.readline().strip() for _ in range(3)]

    assert lines[0] == "a"
    assert lines[2] == "0"
    assert record(engine, marker).is_open
