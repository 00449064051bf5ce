"""`e6data-adbc cluster`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e6data_adbc.cli import main
from e6data_adbc.local import LocalEngine

pytestmark = pytest.mark.seconds


@pytest.fixture
def engine() -> Iterator[LocalEngine]:
    """A cluster of this test's own."""
    with LocalEngine(resume_polls=1) as running:
        yield running


def test_status_suspend_resume(engine: LocalEngine, capsys: pytest.CaptureFixture[str]) -> None:
    """The state goes to standard output, how it came there to standard error."""
    assert main(["cluster", "status", "--uri", engine.uri]) == 0
    assert capsys.readouterr().out == "active\n"
    assert main(["cluster", "suspend", "--uri", engine.uri]) == 0
    assert capsys.readouterr().out == "suspended\n"
    assert main(["cluster", "resume", "--uri", engine.uri, "--timeout", "20"]) == 0

    said = capsys.readouterr()
    assert said.out == "active\n"
    assert "resuming after " in said.err
    assert engine.ledger.calls["cluster.resume"] == 1


def test_quiet(engine: LocalEngine, capsys: pytest.CaptureFixture[str]) -> None:
    """With -q nothing but the state is said."""
    engine.suspend()
    assert main(["cluster", "resume", "-q", "--uri", engine.uri]) == 0

    assert capsys.readouterr() == ("active\n", "")


def test_a_cluster_that_fails(engine: LocalEngine, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code and one line say so."""
    engine.suspend(states=("resuming", "failed"))

    assert main(["cluster", "resume", "-q", "--uri", engine.uri]) != 0
    said = capsys.readouterr()
    assert said.out == ""
    assert "failed" in said.err


def test_a_uri_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The local engine is no cluster that waits for somebody."""
    monkeypatch.delenv("E6DATA_URI", raising=False)

    assert main(["cluster", "status"]) == 2
