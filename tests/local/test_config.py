"""Settings, the in-process entry, the engine as a process."""

from __future__ import annotations

import builtins
import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import e6data_adbc.local
from e6data_adbc import dbapi
from e6data_adbc.cli import main
from e6data_adbc.local import EngineConfig, LocalEngine, config, open_engine
from e6data_adbc.local.config import parse_options
from tests.local.wire import Wire, refused
from tests.support.waiting import Background

pytestmark = pytest.mark.seconds


def test_options_are_texts_with_types() -> None:
    """Each text becomes what its setting is."""
    assert parse_options(
        {
            "path": "x",
            "chunk_rows": "10",
            "constants": "false",
            "session_seconds": "1.5",
            "user": "u",
        }
    ) == {
        "path": Path("x"),
        "chunk_rows": 10,
        "constants": False,
        "session_seconds": 1.5,
        "user": "u",
    }


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"chunkrows": "1"}, "unknown option 'chunkrows'.*did you mean 'chunk_rows'"),
        ({"zzz": "1"}, "unknown option 'zzz'.*known options: path"),
        ({"chunk_rows": "many"}, "chunk_rows 'many': must be a whole number"),
        ({"chunk_rows": "0"}, "chunk_rows '0': must be at least 1"),
        ({"constants": "maybe"}, "must be true or false"),
        ({"latency_seconds": "inf"}, "must be a finite number of seconds"),
        ({"latency_seconds": "abc"}, "latency_seconds 'abc': must be a number of seconds"),
        ({"tpch": "abc"}, r"tpch 'abc': must be a number \("),
        ({"calls_per_second": "nan"}, r"must be a finite number \("),
        ({"nanoseconds": "round"}, "must be one of refuse, floor"),
        ({"chunk_bytes": "0"}, "chunk_bytes '0': must be at least 1"),
        ({"response_bytes": "5"}, "response_bytes '5': must not be less than chunk_bytes"),
        ({"row_count": "some"}, "must be one of streaming, exact, unknown"),
        ({"host": "0.0.0.0"}, "not a loopback address"),
        ({"path": "/nowhere/at/all"}, "is not a directory"),
        ({"tls_key": "/x"}, "needed together"),
        ({"token": ""}, r"token \*\*\*: must not be empty"),
        ({"port": "70000"}, "between 0 and 65535"),
        ({"session_seconds": "0"}, "more than 0"),
        ({"resume_polls": "-1"}, "must not be negative"),
    ],
)
def test_wrong_options_are_named(options: dict[str, str], words: str) -> None:
    """The error says which, and what would do."""
    with pytest.raises(Exception, match=words):
        open_engine(options)


#: A text for each setting that is not its default, where a word or a number of its kind would not do.
_TEXTS = {
    "strategy": "green",
    "nanoseconds": "floor",
    "row_count": "exact",
    "v1_end": "chunk",
    "switch_style": "draining",
    "first_parameter": "0",
    "chunk_bytes": "1234",
}


def texts() -> dict[str, str]:
    """A text for each setting."""
    words = {
        "true|false": "true",
        "N": "7",
        "SECONDS": "2.5",
        "FILE": "x.file",
        "DIR": "x",
        "TEXT": "word",
    }
    found = {one.name: _TEXTS.get(one.name) or words[one.form] for one in config.settings()}
    found |= {name: "false" for name, text in found.items() if text == "true" and _is_on(name)}
    return found


def _is_on(name: str) -> bool:
    return bool(getattr(EngineConfig(), name))


def test_serve_takes_every_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """By its name with dashes, with the meaning that it has in a URI; none is lost on the way to the engine."""
    given: dict[str, object] = {}

    def fake(*named: object, **rest: object) -> int:
        given.update(zip(("host", "port", "user", "token", "path"), named, strict=True), **rest)
        return 0

    monkeypatch.setitem(e6data_adbc.local.__dict__, "serve", fake)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").mkdir()
    arguments = [
        part for name, text in texts().items() for part in (f"--{name.replace('_', '-')}", text)
    ]

    assert main(["serve", *arguments]) == 0
    for ours in ("token_file", "admin_token_file", "grace_seconds"):
        del given[ours]
    assert given == parse_options(texts())
    assert all(given[name] != getattr(EngineConfig(), name) for name in given)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--share-queries", "--rotate-sessions", "--strict"],
        ["--share-queries", "true", "--constants", "false"],
    ],
)
def test_switches_of_serve(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> None:
    """Need no value, and take one."""
    given: dict[str, object] = {}
    monkeypatch.setitem(
        e6data_adbc.local.__dict__, "serve", lambda *_, **rest: given.update(rest) or 0
    )
    assert main(["serve", *arguments]) == 0
    assert given["share_queries"] is True
    assert given.get("constants", False) is False


@pytest.mark.parametrize("argument", ["--chunk-rows=many", "--tpch=abc", "--constants=maybe"])
def test_a_wrong_setting_of_serve(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Is a usage error that names it."""
    assert main(["serve", argument]) == 2
    assert argument.partition("=")[0][2:].replace("-", "_") in capsys.readouterr().err


def test_the_documentation_lists_every_setting() -> None:
    """By name, with its default and its meaning."""
    page = (Path(__file__).parents[2] / "docs" / "local-engine.md").read_text()
    for one in config.settings():
        assert f"| `{one.name}` | {one.default} | {one.meaning} |" in page


def test_the_engine_opens_in_this_process() -> None:
    """open_engine takes texts and answers with a started engine."""
    engine = open_engine({"chunk_rows": "2", "user": "me"})
    try:
        with Wire(engine).sign_in() as wire:
            assert wire.select("select * from range(5)").num_rows == 5
        assert engine.user == "me"
        assert engine.ledger.last.chunks == 3
    finally:
        engine.stop()


def test_settings_win_over_a_config() -> None:
    """A config is a base; unknown settings are a TypeError."""
    engine = LocalEngine(config=EngineConfig(chunk_rows=5, user="a"), user="b")
    assert (engine.config.chunk_rows, engine.user) == (5, "b")
    with pytest.raises(TypeError):
        LocalEngine(chunk_row=1)


def test_a_taken_port_is_told(shared: LocalEngine) -> None:
    """The address is in the error."""
    with pytest.raises(Exception, match=f"could not listen on '127.0.0.1:{shared.port}'"):
        LocalEngine(port=shared.port).start()


def test_without_duckdb_the_extra_is_named(monkeypatch) -> None:
    """The next step is in the error."""
    real = builtins.__import__

    def missing(name, *args, **kwargs):
        if name == "duckdb":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(Exception, match=r"pip install 'e6data-adbc\[local\]'"):
        LocalEngine().start()


def test_importing_the_package_is_light() -> None:
    """Neither gRPC nor DuckDB nor pyarrow is loaded before an engine is wanted."""
    code = (
        "import sys, e6data_adbc.local; "
        "print([name for name in ('grpc', 'duckdb', 'pyarrow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


SERVE = """
import sys
from e6data_adbc.local import serve
sys.exit(serve("127.0.0.1", 0, "ann", {token!r}, token_file={file!r}))
"""

ABANDON = """
import threading, grpc
from e6data_adbc.local import LocalEngine
from tests.local.wire import Wire
from tests.local.test_running import ENDLESS
engine = LocalEngine().start()
wire = Wire(engine).sign_in()
wire.run(ENDLESS)
print("leaving", flush=True)
"""


@contextlib.contextmanager
def process_of(code: str) -> Iterator[subprocess.Popen[str]]:
    """Runs *code* in an interpreter of its own, which ends with the block."""
    process = subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_says_one_line_and_stops_on_a_signal(tmp_path: Path, number: int) -> None:
    """Ready line, a token file that only the owner reads, exit code 0 while a query runs."""
    file = tmp_path / "token"
    with process_of(SERVE.format(token=None, file=str(file))) as process:
        line = process.stdout.readline()
        assert line.startswith("listening on e6data://127.0.0.1:")
        port = int(line.rsplit(":", 1)[1])
        assert file.stat().st_mode & 0o777 == 0o600
        remote = Remote(port, "ann", file.read_text())
        with Wire(remote).sign_in() as wire:
            from tests.local.test_running import ENDLESS

            fetch = wire.run(ENDLESS).start("getNextResultBatch")
            os.kill(process.pid, number)
            out, err = process.communicate(timeout=60)
            assert refused(fetch)[0] in {"UNAVAILABLE", "CANCELLED"}
        assert (process.returncode, out, err) == (0, "", "")


def test_serve_tells_a_made_up_token_on_standard_error() -> None:
    """Standard output keeps its one line."""
    with process_of(SERVE.format(token=None, file=None)) as process:
        process.stdout.readline()
        os.kill(process.pid, signal.SIGTERM)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, "")
        assert err.startswith("sign in as 'ann' with the token '")


def test_a_program_that_forgets_its_engine_ends() -> None:
    """Interpreter exit stops the engine, running query included."""
    with process_of(ABANDON) as process:
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out) == (0, "leaving\n"), err


class Remote:
    """What a client needs to know of an engine elsewhere."""

    def __init__(self, port: int, user: str, token: str) -> None:
        self.target = f"127.0.0.1:{port}"
        self.user = user
        self.token = token


def test_no_progress_is_drawn() -> None:
    """In an interpreter without a script DuckDB would draw how slow statements go, into the output of `serve`, too."""
    code = """if True:
        from e6data_adbc.local import LocalEngine
        with LocalEngine() as engine:
            root = engine._database._instance.root
            print(root.execute("select current_setting('enable_progress_bar')").fetchall())
    """
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert run.stdout == "[(False,)]\n"


def test_stopping_waits_for_calls_in_progress() -> None:
    """A process that ends with a thread of the engine in DuckDB would be aborted."""
    has_begun, has_ended = threading.Event(), threading.Event()
    engine = LocalEngine()

    def linger(method: str, *_: object) -> None:
        if method == "getCataloges" and not has_begun.is_set():
            has_begun.set()
            engine._stopping.wait()
            threading.Event().wait(0.2)  # as a statement of DuckDB goes on for a while
            has_ended.set()

    engine.faults.decide = linger
    with engine, dbapi.connect(engine.uri) as connection:
        asking = Background(lambda: connection.adbc_get_objects().read_all())
        has_begun.wait(60)
        engine.stop()

        assert has_ended.is_set()
        with pytest.raises(dbapi.Error):
            asking.outcome(60)
