"""The command line `e6data-adbc`: its commands, and how each of them ends.

The exit codes are those of `exits.Exit`. An error is one line on standard error, or with `E6DATA_DEBUG` its traceback.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final, NoReturn

from e6data_adbc._version import VERSION
from e6data_adbc.cli import startup
from e6data_adbc.cli.exits import Exit, Terminated, describe, exit_for

__all__ = ["COMMANDS", "main"]

#: The modules of the commands; only that of the command that is given is loaded.
COMMANDS: Final = {
    "sql": "sql",
    "shell": "shell",
    "explain": "explain",
    "load": "load",
    "tables": "tables",
    "ping": "ping",
    "doctor": "doctor",
    "cluster": "cluster",
    "serve": "serve",
    "admin": "admin",
    "demo": "demo",
    "install-manifest": "install",
    "completion": "completion",
    "version": "version",
}

_EPILOG = "exit codes: " + ", ".join(f"{code.value} {code.meaning}" for code in Exit)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code.

    Args:
        arguments: The words after the program's name; those of the process when None.
    """
    # The core's own log lines would land between ours, which say the same.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    words = sys.argv[1:] if arguments is None else list(arguments)
    if arguments is None:  # a process of our own
        startup.make_lean(words[0] if words else "")
        startup.open_streams()
    try:
        code = _run(words)
        sys.stdout.flush()  # so that a failure is told here and not by the interpreter as it ends
    except BaseException as error:  # noqa: BLE001 - the last place that can say it in one line
        return _report(error)
    return code


def _run(words: list[str]) -> int:
    parser = _parser(words[0] if words else None)
    if not words:
        parser.print_help(sys.stderr)
        return Exit.USAGE.value
    try:
        given = parser.parse_args(words)
    except SystemExit as stop:  # argparse: 0 after --help, 2 after a usage error
        return int(stop.code or 0)
    with _stoppable():
        return int(given.run(given))


def _end_output() -> None:
    """Writes what is left of the output, or leaves nothing that the interpreter would try to write as it ends."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parser(command: str | None = None) -> argparse.ArgumentParser:
    """Returns the parser of *command*; of all of them where it is none of theirs."""
    parser = argparse.ArgumentParser(
        prog="e6data-adbc", description="Query e6data, or the local engine.", epilog=_EPILOG
    )
    parser.add_argument("--version", action="version", version=f"e6data-adbc {VERSION}")
    commands = parser.add_subparsers(metavar="command", required=True)
    if command == "--version":
        return parser  # which needs no command
    for name in [command] if command in COMMANDS else COMMANDS:
        importlib.import_module(f"{__name__}.{COMMANDS[name]}").add_to(commands)
    return parser


def _report(error: BaseException) -> int:
    # What fails while things are put away after Ctrl-C is not what the user has to hear about.
    behind = error.__context__
    while behind is not None:
        if isinstance(behind, KeyboardInterrupt):
            error = behind
        behind = behind.__context__
    code = exit_for(error)
    _end_output()
    if isinstance(error, BrokenPipeError):
        pass  # whoever read it has gone
    elif os.environ.get("E6DATA_DEBUG"):
        traceback.print_exception(error)
    else:
        with suppress(OSError):
            sys.stderr.write(f"e6data-adbc: {describe(error)}\n")
    return code.value


@contextmanager
def _stoppable() -> Iterator[None]:
    """Lets a command end in order on SIGTERM, as on Ctrl-C."""

    def stop(_number: int, _frame: FrameType | None) -> NoReturn:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
