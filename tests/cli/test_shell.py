"""`e6data-adbc shell` on a terminal of its own."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from e6data_adbc.cli.exits import Exit
from e6data_adbc.cli.interactive.session import is_complete
from e6data_adbc.cli.interactive.words import Names, complete

if sys.platform == "win32":
    pytest.skip("a pseudo-terminal is needed", allow_module_level=True)
pytest.importorskip("prompt_toolkit")

from prompt_toolkit.history import InMemoryHistory

from e6data_adbc.cli.interactive import terminal as on_terminal
from tests.support.terminal import Terminal

pytestmark = pytest.mark.seconds

COMMAND = [sys.executable, "-m", "e6data_adbc", "shell"]
PROMPT = "e6data=>"
ENDLESS = "SELECT range AS endless FROM range(100000000000) /* {} */"
SILENT = "SELECT sum(a.range * b.range) FROM range(1000000000) a, range(100000) b /* {} */"


@pytest.fixture
def shell(engine: Any, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    """Starts a shell on the engine and waits for its prompt."""
    started: list[Terminal] = []

    def start(*words: str, columns: int = 120) -> Terminal:
        terminal = Terminal(
            [*COMMAND, *words],
            {"E6DATA_URI": engine.uri, "E6DATA_HISTORY": str(tmp_path / "history"), "PAGER": ""},
            columns,
        )
        started.append(terminal)
        terminal.expect(PROMPT)
        return terminal

    yield start
    for terminal in started:
        terminal.close()


def record(engine: Any, marker: str) -> Any:
    """The engine's record of the query with *marker*, once it was executed."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for query in engine.ledger.queries:
            if marker in query.sql and query.executes:
                return query
        threading.Event().wait(0.01)
    raise AssertionError("the query never reached the engine")


@pytest.mark.parametrize("words", [["\\q\r"], ["\x04"], ["quit\r"], ["exit;\r"]], ids=repr)
def test_leaving(shell: Callable[..., Terminal], words: list[str]) -> None:
    """`\\q`, Ctrl-D and the words that people try leave with exit code 0."""
    terminal = shell()
    for word in words:
        terminal.send(word)

    assert terminal.wait() == 0


def test_statements(shell: Callable[..., Terminal]) -> None:
    """A semicolon and Enter run; before it, Enter begins another line, also inside a text that has a semicolon."""
    terminal = shell()
    terminal.line("select 41 + 1 as answer;")
    terminal.expect(r"answer\n-+\n *42\n\(1 row in [^\n]*\)\n")
    terminal.expect(PROMPT)
    terminal.line("select ';")
    terminal.expect(r"\.\.>")
    terminal.line("' || 'x' as two, 7 as seven")
    terminal.expect(r"\.\.>")
    terminal.line("; select 8 as eight;")
    terminal.expect(r"two +\| seven\n-+\+-+\n;\\nx +\| +7\n\(1 row")
    terminal.expect(r"eight\n-+\n *8\n\(1 row")
    terminal.expect(PROMPT)
    terminal.line("select nothing from nowhere;")
    terminal.expect(r"error: could not [^\n]+\n")
    terminal.expect(PROMPT)
    terminal.line("select 9 as nine;")
    terminal.expect(r"nine\n-+\n *9\n")
    terminal.send("\x04")

    assert terminal.wait() == 0


@pytest.mark.parametrize("query", [SILENT, ENDLESS], ids=["silent", "endless"])
def test_ctrl_c_cancels_the_query_and_keeps_the_shell(
    engine: Any, shell: Callable[..., Terminal], query: str
) -> None:
    """The query is off the server, and the next one runs."""
    marker = uuid.uuid4().hex
    terminal = shell()
    terminal.line(query.format(marker) + ";")
    found = record(engine, marker)
    if query is ENDLESS:
        terminal.expect(r"endless\n")
    terminal.send("\x03")
    terminal.expect(r"cancelled\n")
    terminal.expect(PROMPT)
    terminal.line("select 5 as five;")
    terminal.expect(r"five\n-+\n *5\n")

    assert not found.is_open
    terminal.line("\\q")
    assert terminal.wait() == 0


@pytest.mark.parametrize("words", ["select '\udcff';", "\\d \udcff", "\\explain select '\udcff'"])
def test_bytes_that_are_no_text(shell: Callable[..., Terminal], words: str) -> None:
    """They are an error, and the shell goes on."""
    terminal = shell()
    terminal.line(words)
    terminal.expect(
        r"error: could not [^\n]*: there is a byte at position [0-9]+ that is not valid UTF-8[^\n]*\n"
    )
    terminal.line("select 5 as five;")
    terminal.expect(r"five\n-+\n *5\n")


def test_ctrl_c_on_a_line_drops_it(shell: Callable[..., Terminal]) -> None:
    """As everywhere."""
    terminal = shell()
    terminal.send("select nonsense")
    terminal.send("\x03")
    terminal.expect(PROMPT)
    terminal.line("select 5 as five;")
    terminal.expect(r"five\n-+\n *5\n")


def test_sigterm_ends_the_shell(engine: Any, shell: Callable[..., Terminal]) -> None:
    """While a query runs, which is cancelled."""
    marker = uuid.uuid4().hex
    terminal = shell()
    terminal.line(SILENT.format(marker) + ";")
    found = record(engine, marker)
    terminal.process.send_signal(signal.SIGTERM)

    assert terminal.wait() == Exit.INTERRUPTED
    assert not found.is_open


def test_commands(shell: Callable[..., Terminal], tmp_path: Path) -> None:
    """Those that begin with a backslash run on Enter."""
    terminal = shell("--catalog", "sample", "--schema", "sales")
    terminal.line("\\dt date%")
    terminal.expect(
        r"catalog +\| schema +\| table\n[-+]+\n(?:.*\n)*sample +\| sales +\| date_dim\n"
    )
    terminal.line("\\d sales.date_dim")
    terminal.expect(r"column +\| type\n[-+]+\n(?:.*\n)*d_date +\| date\n")
    terminal.line("\\d no_such_table")
    terminal.expect(r"error: could not describe 'no_such_table': there is no such table\n")
    terminal.line("\\x")
    terminal.expect(r"a line for each value: on\n")
    terminal.line("select 1 as a, 2 as b;")
    terminal.expect(r"-\[ row 1 \]-+\na \| 1\nb \| 2\n")
    terminal.line("\\x auto")
    terminal.expect(r"auto\n")
    terminal.line("\\timing")
    terminal.expect(r"timing: on\n")
    terminal.line("select 3 as c;")
    terminal.expect(r"Time: [\d.]+ ms, of which the server's parsing \d+ ms, queueing \d+ ms")
    terminal.line("\\explain")
    terminal.expect(r"PROJECTION|DUMMY_SCAN")
    terminal.line("\\analyze select d_date, count(*) as n from date_dim group by 1 limit 3;")
    terminal.expect(r"time +rows")
    target = tmp_path / "out.parquet"
    terminal.line(f"\\o {target}")
    terminal.line("select 4 as d;")
    terminal.expect(re.escape(f"(1 row to {target} in "))
    terminal.line("select 5 as e;")
    terminal.expect(r"e\n-+\n *5\n")
    script = tmp_path / "script.sql"
    script.write_text("select 6 as f;\nselect 7 as g;\n")
    terminal.line(f"\\i {script}")
    terminal.expect(r"f\n-+\n *6\n\(1 row[^\n]*\n(?:Time[^\n]*\n)?g\n-+\n *7\n")
    terminal.line("\\nonsense")
    terminal.expect(r"error: could not run \\nonsense: there is no such command")
    terminal.line("\\?")
    terminal.expect(r"\\timing \[on\|off\] +the server's times")
    terminal.line("\\q")

    assert terminal.wait() == 0
    assert pq.read_table(target).to_pydict() == {"d": [4]}


def test_times_that_the_server_does_not_tell(shell: Callable[..., Terminal], engine: Any) -> None:
    """The rows are shown all the same, and the statement has not failed."""
    engine.faults.fail("explainAnalyze", code="PERMISSION_DENIED", details="not for you")
    terminal = shell()
    terminal.line("\\timing")
    terminal.expect(r"timing: on\n")
    terminal.line("select 3 as c;")
    terminal.expect(
        r"c\n-+\n *3\n[^\n]*\(1 row[^\n]*\nTime: [\d.]+ ms; the server's are not known: .*not for you"
    )
    terminal.line("select 4 as c;")
    terminal.expect(r"Time: [\d.]+ ms, of which the server's parsing")


def test_wide_rows_are_vertical(
    shell: Callable[..., Terminal], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where they do not fit the terminal; what COLUMNS says of another one does not count."""
    monkeypatch.setenv("COLUMNS", "200")
    terminal = shell(columns=60)
    terminal.line("select repeat('x', 50) as wide, repeat('y', 20) as more;")
    terminal.expect(r"-\[ row 1 \]-+\nwide \| x{50}\nmore \| y{20}\n")


def test_history(shell: Callable[..., Terminal], tmp_path: Path) -> None:
    """What was typed is there in the next shell, in a file that is the user's alone."""
    terminal = shell()
    terminal.line("select 12345 as remembered;")
    terminal.expect(r"remembered\n-+\n *12345\n")
    terminal.line("\\q")
    assert terminal.wait() == 0
    assert stat.S_IMODE(os.stat(tmp_path / "history").st_mode) == 0o600

    terminal = shell()
    terminal.send("\x1b[A\x1b[A")  # up, past \q
    terminal.expect("remembered;")
    terminal.send("\r")
    terminal.expect(r"remembered\n-+\n *12345\n")


def test_a_history_that_cannot_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The shell starts without it, and says where it would be and what names another place."""
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "history"
    monkeypatch.setenv("E6DATA_HISTORY", str(path))

    assert isinstance(on_terminal._history(), InMemoryHistory)
    said = capsys.readouterr().err
    assert said.startswith(f"the history is not kept in '{path}': ")
    assert said.endswith("; E6DATA_HISTORY names another file\n")


def test_completion(shell: Callable[..., Terminal]) -> None:
    """Tab completes a keyword, a table and a column of the table that the statement names."""
    terminal = shell("--catalog", "sample", "--schema", "sales")
    terminal.send("selec\t")
    terminal.expect("(?s)selec.*t")  # only what changes is drawn
    terminal.send(" count(d_date) as days, 'done' as state from date_d\t")
    terminal.expect("(?s)date_d.*im")
    terminal.send(" where d_dat\t")
    terminal.expect("(?s)d_dat.*e")
    terminal.send(" is not null;\r")
    terminal.expect(r"days +\| state\n[-+]+\n *\d+ +\| done\n")


@pytest.mark.parametrize("has_input", [True, False])
def test_without_a_terminal(engine: Any, has_input: bool) -> None:
    """Help and exit code 2."""
    done = subprocess.run(
        COMMAND,
        input="select 1;\n" if has_input else None,
        stdin=None if has_input else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, "E6DATA_URI": engine.uri},
        check=False,
    )

    assert (done.returncode, done.stdout) == (Exit.USAGE, "")
    assert done.stderr.startswith("usage: e6data-adbc shell")
    assert "no terminal" in done.stderr


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("\\dt", True),
        ("select 1", False),
        ("select 1;", True),
        ("select 1; -- and a comment", True),
        ("select ';", False),
        ("select ';'", False),
        ('select ";";\n', True),
        ("quit", True),
    ],
    ids=repr,
)
def test_when_a_text_is_run(text: str, expected: bool) -> None:
    """When its last token is a semicolon."""
    assert is_complete(text) is expected


def listed(table: str | None) -> list[dict[str, str]]:
    """A catalog of two tables."""
    columns = {"orders": ["id", "status"], "order_lines": ["id", "amount"]}
    return [
        {"table": name, "schema": "sales", **({"column": column} if table else {})}
        for name in columns
        if table in (None, name)
        for column in (columns[name] if table else [""])
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\\t", ["\\timing"]),
        ("sel", ["select"]),
        ("SEL", ["SELECT"]),
        ("select * from ord", ["orders", "order_lines", "order"]),
        ("select * from sales.ord", ["orders", "order_lines"]),
        ("select * from orders where st", ["status"]),
        ("select * from orders o where o.", ["id", "status"]),
        ("select * from orders where orders.s", ["status"]),
        (
            "select * from order_lines where a",
            ["amount", "all", "alter", "analyze", "and", "any", "as", "asc"],
        ),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    """Names of the catalog come before keywords."""
    assert [word.text for word in complete(text, Names(listed), ("\\timing", "\\q"))] == expected
