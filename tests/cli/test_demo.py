"""`e6data-adbc demo blue-green`: what a colleague sees."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from e6data_adbc.cli import main
from e6data_adbc.cli.exits import Exit

pytestmark = pytest.mark.seconds

COMMAND = [sys.executable, "-m", "e6data_adbc", "demo", "blue-green"]


def lines_of(process: subprocess.Popen[str]) -> Iterator[str]:
    """The lines as they come."""
    assert process.stdout is not None
    yield from iter(process.stdout.readline, "")


def test_both_sides_tell_what_they_do(capfd: pytest.CaptureFixture[str]) -> None:
    """Through a switch of each style no query fails, and everything that happens has its line."""
    code = main(["demo", "blue-green", "--every", "0.5", "--threads", "2", "--switches", "4"])
    out = capfd.readouterr().out

    assert code == 0, out
    for pattern in (
        r"engine  blue is active, listening on 127\.0\.0\.1:\d+\n",
        r"driver  detected: blue answers\n",
        r"engine  switch: green is active, blue refuses everything\n",
        r"driver  refused once: 456 from the colour that was active; the query is repeated\n",
        r"driver  switched: green answers\n",
        r"engine  blue is announced, and answers beside green\n",
        r"driver  announced, and pending: the next query tries the other colour\n",
        r"driver  switched: blue answers\n",
        r"through 4 switches: [\d,]+ right, 0 wrong, 0 failed; the slowest took [\d,]+ ms\n\Z",
    ):
        assert re.search(pattern, out), (pattern, out)


def test_ctrl_c_ends_it_with_a_summary() -> None:
    """With exit code 0: it is the way to end it."""
    process = subprocess.Popen([*COMMAND, "--every", "60"], stdout=subprocess.PIPE, text=True)
    with process:
        shown = []
        for line in lines_of(process):
            shown.append(line)
            if "detected" in line:
                process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
    assert re.search(r" right, 0 wrong, 0 failed", shown[-1]), shown


@pytest.mark.parametrize("words", [["--every", "0"], ["--threads", "0"], ["--switches", "-1"]])
def test_numbers_that_make_no_sense(words: list[str]) -> None:
    """Are usage errors."""
    assert main(["demo", "blue-green", *words]) == Exit.USAGE
