"""The shell on a terminal: editing, history and completion by prompt_toolkit."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent

from e6data_adbc.cli import tables
from e6data_adbc.cli.interactive import words
from e6data_adbc.cli.interactive.session import COMMANDS, Leave, Session, is_complete
from e6data_adbc.errors import Error

if TYPE_CHECKING:
    from e6data_adbc._dbapi.direct import DirectConnection

__all__ = ["read_and_run"]

_PROMPT: Final = "e6data=> "
_MORE: Final = "     ..> "


def read_and_run(connection: DirectConnection, *, is_quiet: bool) -> None:
    """Reads and runs statements until the user leaves.

    Args:
        connection: Where they run; its maker closes it.
        is_quiet: Whether only rows and errors are shown.
    """
    names = words.Names(lambda table: _read_names(connection, table))
    session = Session(connection, is_quiet=is_quiet, on_change=names.forget)
    prompt: PromptSession[str] = PromptSession(
        history=_history(),
        completer=_Completer(names),
        complete_while_typing=False,
        key_bindings=_bindings(),
        multiline=True,
        prompt_continuation=lambda *_: _MORE,
    )
    if not is_quiet:
        print("A semicolon and Enter run a statement, \\? lists the commands, Ctrl-D leaves.")
    with _keeping_what_is_typed_ahead():
        _loop(prompt, session)


def _loop(prompt: PromptSession[str], session: Session) -> None:
    while True:
        try:
            text = prompt.prompt(_PROMPT)
        except KeyboardInterrupt as interrupt:
            if type(interrupt) is not KeyboardInterrupt:
                raise  # SIGTERM
            continue
        except EOFError:
            return
        try:
            session.run(text)
        except Leave:
            return
        sys.stdout.flush()


@contextlib.contextmanager
def _keeping_what_is_typed_ahead() -> Iterator[None]:
    """Lets the next prompt have what is typed while a query runs, Ctrl-D too; Ctrl-C stays a signal.

    A terminal that reads lines would echo it between the rows, and lose a Ctrl-D.
    """
    try:
        import termios
    except ImportError:  # Windows
        yield
        return
    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    changed = termios.tcgetattr(terminal)
    changed[3] &= ~(termios.ICANON | termios.ECHO)
    changed[6][termios.VMIN], changed[6][termios.VTIME] = 1, 0
    termios.tcsetattr(terminal, termios.TCSANOW, changed)
    try:
        yield
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _read_names(connection: DirectConnection, table: str | None) -> list[dict[str, Any]]:
    try:
        found = tables.listed(connection, None, None, table, has_columns=table is not None)
    except Error:  # the user gets it where a statement meets it
        return []
    return [row for row in found if table in (None, row["table"])]


class _Completer(Completer):
    """Asks `words` what may come."""

    def __init__(self, names: words.Names) -> None:
        self._names = names

    def get_completions(self, document: Document, _event: CompleteEvent) -> Iterable[Completion]:
        """Yields what fits before the cursor."""
        for word in words.complete(document.text_before_cursor, self._names, tuple(COMMANDS)):
            yield Completion(word.text, -word.typed, display_meta=word.kind)


def _bindings() -> KeyBindings:
    bindings = KeyBindings()

    @bindings.add("enter")
    @bindings.add("c-j")  # Enter that was typed while a query ran
    def _enter(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if is_complete(buffer.text):
            buffer.validate_and_handle()
        else:
            buffer.newline(copy_margin=False)

    return bindings


def _history() -> History:
    """Returns the history: a file that only the user can read, or none where it cannot be kept."""
    path = _history_path()
    if path is None:
        return InMemoryHistory()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _private(path):
            pass
    except OSError as error:
        sys.stderr.write(
            f"the history is not kept in '{path}': {error.strerror}; E6DATA_HISTORY names another file\n"
        )
        return InMemoryHistory()
    return FileHistory(str(path))


@contextlib.contextmanager
def _private(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        if hasattr(os, "fchmod"):  # not on Windows
            os.fchmod(descriptor, 0o600)
        yield
    finally:
        os.close(descriptor)


def _history_path() -> Path | None:
    given = os.environ.get("E6DATA_HISTORY")
    if given is not None:
        return Path(given).expanduser() if given else None
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    if not state.is_absolute():
        home = Path(os.path.expanduser("~"))
        if not home.is_absolute():
            return None
        state = home / ".local" / "state"
    return state / "e6data" / "shell_history"
