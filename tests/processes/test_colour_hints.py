"""Colour that processes tell each other: a new one starts where the last one ended, and none spoils it for others."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import e6data_adbc
from e6data_adbc._session.colour.shared_file import HintFile, hint_file
from e6data_adbc._session.colour.strategy import COLOURS
from e6data_adbc.local import LocalEngine
from tests.support.canary import CANARIES

pytestmark = [
    pytest.mark.seconds,
    pytest.mark.skipif(sys.platform == "win32", reason="there are no hints on Windows"),
]

_QUERY = """
import sys, e6data_adbc
with e6data_adbc.connect(sys.argv[1]) as connection, connection.cursor() as cursor:
    cursor.execute("select 1 as one")
    assert cursor.fetchall() == [(1,)]
"""

_WRITER = """
import itertools, pathlib, sys
from e6data_adbc._session.colour.shared_file import HintFile
file = HintFile(pathlib.Path(sys.argv[1]), "shared", lambda name: None)
for number in itertools.count():
    file.write(("blue", "green")[number % 2])
    print(number, flush=True)
"""


@pytest.fixture
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of this test's session, here and in its processes."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def green() -> Iterator[LocalEngine]:
    """An engine whose blue deployment does not serve."""
    with LocalEngine(strategy="green") as running:
        CANARIES.watch("the green engine's token", running.token)
        yield running


def query(uri: str) -> None:
    """Runs a query in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", _QUERY, uri], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_second_process_starts_where_the_first_ended(runtime: Path, green: LocalEngine) -> None:
    """The first is refused once and learns the colour; the second asks the right deployment at once."""
    uri = f"{green.uri}?share_colour=true"
    query(uri)
    assert sum(green.ledger.refused.values()) == 1
    query(uri)

    assert sum(green.ledger.refused.values()) == 1
    assert green.ledger.calls["authenticate"] == 3
    (hint,) = (path for path in (runtime / "e6data").iterdir() if path.name != "lock")
    content = hint.read_text()
    assert content.split()[1] == "green"
    assert green.token not in content


def test_a_wrong_hint_costs_one_refusal(runtime: Path, green: LocalEngine) -> None:
    """What the file says is tried first; the server's 456 decides, and then the file is right."""
    uri = f"{green.uri}?share_colour=true"
    query(uri)
    green.switch()
    refused = sum(green.ledger.refused.values())
    query(uri)
    assert sum(green.ledger.refused.values()) == refused + 1
    query(uri)

    assert sum(green.ledger.refused.values()) == refused + 1


def test_nothing_is_shared_unless_asked_for(runtime: Path, green: LocalEngine) -> None:
    """Without the option there is no file, and each process learns the colour for itself."""
    query(green.uri)
    query(green.uri)

    assert sum(green.ledger.refused.values()) == 2
    assert list(runtime.iterdir()) == []


def test_a_local_engine_leaves_no_hint(runtime: Path) -> None:
    """An engine that ends with the process is nobody else's business."""
    with e6data_adbc.connect("e6data:local?share_colour=true") as connection:
        with connection.cursor() as cursor:
            cursor.execute("select 1 as one")
            assert cursor.fetchall() == [(1,)]

    assert list(runtime.iterdir()) == []


def _write_a_lot(folder: str, seed: int, count: int) -> None:
    troubles: list[str] = []
    file = HintFile(Path(folder), "shared", troubles.append)
    rng = random.Random(seed)
    for _ in range(count):
        file.write(rng.choice(COLOURS))


def test_many_writers_tear_nothing(tmp_path: Path) -> None:
    """While processes write at the same time, whoever reads finds a whole hint, and epochs that only grow."""
    folder = tmp_path / "e6data"
    spawning = multiprocessing.get_context("spawn")
    writers = [
        spawning.Process(target=_write_a_lot, args=(str(folder), seed, 300)) for seed in range(4)
    ]
    troubles: list[str] = []
    file = HintFile(folder, "shared", troubles.append)
    epochs = [-1]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        colour = file.read()
        if colour is not None:
            epochs.append(int((folder / "shared").read_text().split()[2]))
    for writer in writers:
        writer.join()

    assert [writer.exitcode for writer in writers] == [0] * 4
    assert "colour_hint_troubles" not in troubles
    assert epochs == sorted(epochs)
    assert file.read() in COLOURS
    assert {path.name for path in folder.iterdir()} == {"shared", "lock"}


def test_a_killed_writer_leaves_a_whole_hint(tmp_path: Path) -> None:
    """A writer is killed in the midst of it: what is there can be read, and written, at once."""
    folder = tmp_path / "e6data"
    for kill_after in (1, 40, 203):
        command = [sys.executable, "-c", _WRITER, str(folder)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for line in writer.stdout:
                if int(line) >= kill_after:
                    break
            os.kill(writer.pid, signal.SIGKILL)
        troubles: list[str] = []
        file = HintFile(folder, "shared", troubles.append)

        before = file.read()
        assert before in COLOURS
        file.write("green" if before == "blue" else "blue")
        assert file.read() not in (None, before)
        assert "colour_hint_troubles" not in troubles


def test_a_path_for_this_process(runtime: Path, green: LocalEngine) -> None:
    """The folder is that of the session, and the name of the file does not show the endpoint."""
    from e6data_adbc._options.database_config import Endpoint

    host, _, port = green.target.rpartition(":")
    file = hint_file(Endpoint(host, int(port), encrypted=False), lambda _: None)
    assert file is not None
    file.write("green")

    names = {path.name for path in (runtime / "e6data").iterdir()}
    assert all(port not in name and host not in name for name in names)
