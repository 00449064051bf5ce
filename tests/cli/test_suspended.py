"""Commands on a cluster that is suspended, and does not wake: one line says so, and what to do."""

from __future__ import annotations

import subprocess
import sys

import pytest

from e6data_adbc.cli.exits import Exit
from e6data_adbc.local import LocalEngine

pytestmark = pytest.mark.seconds

COMMAND = "`e6data-adbc cluster resume"


def run(*words: str) -> tuple[int, list[str]]:
    """The exit code, and what the command says on standard error beside the states of the cluster."""
    done = subprocess.run(
        [sys.executable, "-m", "e6data_adbc", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout == ""
    return done.returncode, [
        line for line in done.stderr.splitlines() if not line.startswith("the cluster is ")
    ]


@pytest.mark.parametrize(
    ("words", "option", "state", "code"),
    [
        (("ping",), "", "suspended", Exit.CONNECTION),
        (("sql", "select 1"), "auto_resume=false", "suspended", Exit.CONNECTION),
        (("sql", "select 1"), "resume_timeout_seconds=0.2", "suspended", Exit.TIMEOUT),
        (("explain", "select 1"), "resume_timeout_seconds=0.2", "suspended", Exit.TIMEOUT),
        (("sql", "select 1"), "", "failed", Exit.CONNECTION),
    ],
    ids=["ping", "not to be resumed", "not in time", "explain", "failed"],
)
def test_a_cluster_that_does_not_wake(
    words: tuple[str, ...], option: str, state: str, code: Exit
) -> None:
    """The command that resumes it is named."""
    with LocalEngine() as engine:
        engine.suspend(states=(state,))
        mark = "&" if "?" in engine.uri else "?"
        found, lines = run(*words, "--uri", f"{engine.uri}{mark}{option}".rstrip("?&"))

    assert (found, len(lines)) == (code, 1)
    assert lines[0].startswith("e6data-adbc: could not ")
    assert COMMAND in lines[0]
