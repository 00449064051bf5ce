"""Recorded once, replayed offline."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

import e6data_adbc
from e6data_adbc import snapshot
from e6data_adbc.local import LocalEngine

pytestmark = pytest.mark.seconds

SQL = "select order_id, status, ordered_at, handling_time from orders order by 1"


def read(uri: str, sql: str = SQL) -> pa.Table:
    with e6data_adbc.connect(uri) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetch_arrow_table()


@pytest.fixture
def upstream(make_engine: Callable[..., LocalEngine]) -> LocalEngine:
    """An engine that is recorded."""
    return make_engine(chunk_rows=1000)


@pytest.fixture
def folder(upstream: LocalEngine, tmp_path: Path) -> Path:
    """A folder in which one statement is recorded."""
    with snapshot.record(tmp_path / "recorded", upstream.uri) as engine:
        read(engine.uri)
    return tmp_path / "recorded"


def test_a_recording_is_the_truth(upstream: LocalEngine, folder: Path) -> None:
    """What is replayed without the other engine is what that engine answers: rows, types and chunks."""
    truth = read(upstream.uri)
    upstream.stop()

    with snapshot.replay(folder) as engine:
        assert read(engine.uri).equals(truth)
        assert engine.ledger.last.chunks == 10
        assert read(engine.uri).equals(truth)


def test_the_other_engine_is_asked_once(upstream: LocalEngine, folder: Path) -> None:
    """A statement that was recorded is not sent again, a new one is; nothing is left on the other engine."""
    before = upstream.ledger.calls["prepareStatementV2"]
    with snapshot.record(folder, upstream.uri) as engine:
        read(engine.uri)
        assert upstream.ledger.calls["prepareStatementV2"] == before
        read(engine.uri, "select 1 as one")
        read(engine.uri, "select 1 as one")

    assert upstream.ledger.calls["prepareStatementV2"] == before + 1
    assert upstream.ledger.open_queries == []


def test_an_unrecorded_statement_is_refused(folder: Path) -> None:
    """The error says that it was not recorded, where it was looked for, and what it is."""
    with snapshot.replay(folder) as engine:
        with pytest.raises(e6data_adbc.Error, match=r"was not recorded in .*: select 2 as two"):
            read(engine.uri, "select 2 as two")


def test_a_failure_is_told_and_not_kept(upstream: LocalEngine, folder: Path) -> None:
    """A statement that the other engine refuses is refused in its words, and asked again next time."""
    with snapshot.record(folder, upstream.uri) as engine:
        with pytest.raises(e6data_adbc.Error, match="nowhere does not exist"):
            read(engine.uri, "select * from nowhere")
    with snapshot.replay(folder) as engine:
        with pytest.raises(e6data_adbc.Error, match="was not recorded"):
            read(engine.uri, "select * from nowhere")


def test_a_changed_chunk_is_found(folder: Path) -> None:
    """A chunk that is not what was written is refused by name."""
    chunk = min(folder.rglob("*.chunk"))
    chunk.write_bytes(chunk.read_bytes()[:-1] + b"\x01")

    with snapshot.replay(folder) as engine:
        with pytest.raises(e6data_adbc.Error, match=rf"{chunk.name}.* was changed"):
            read(engine.uri)


def test_no_credentials_are_in_it(upstream: LocalEngine, folder: Path) -> None:
    """Neither token nor address of the other engine is in a file."""
    written = b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())

    assert upstream.token.encode() not in written
    assert str(upstream.port).encode() not in b"".join(
        file.read_bytes() for file in folder.rglob("*.json")
    )


def test_nothing_to_replay(tmp_path: Path) -> None:
    """A folder without recordings is refused before anything starts."""
    with pytest.raises(e6data_adbc.ProgrammingError, match="nothing was recorded there"):
        snapshot.replay(tmp_path)


def test_from_the_command_line(upstream: LocalEngine, tmp_path: Path) -> None:
    """`serve --record` and `serve --replay` are programs of their own; the second needs no other engine."""
    environment = {**os.environ, "E6DATA_UPSTREAM": upstream.uri, "E6DATA_TOKEN": "t"}

    def ask(option: str) -> pa.Table:
        command = [sys.executable, "-m", "e6data_adbc", "serve", "--user", "u"]
        with subprocess.Popen(
            [*command, option, str(tmp_path / "recorded")],
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        ) as process:
            assert process.stdout is not None
            target = process.stdout.readline().strip().rpartition("/")[2]
            try:
                return read(f"e6data://u:t@{target}/sample/sales")
            finally:
                process.terminate()

    recorded = ask("--record")
    upstream.stop()
    assert ask("--replay").equals(recorded)
