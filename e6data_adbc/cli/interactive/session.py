"""What the shell does with a line: statements and the commands that begin with a backslash."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from e6data_adbc.cli import plan_tree, tables, waiting
from e6data_adbc.cli.exits import Terminated, UsageError, describe
from e6data_adbc.cli.progress import Progress
from e6data_adbc.cli.showing import Outcome, Show, run_statement
from e6data_adbc.errors import Error, ProgrammingError, Status
from e6data_adbc.options import StatementOptions

if TYPE_CHECKING:
    from e6data_adbc._dbapi.direct import DirectConnection, DirectCursor
    from e6data_adbc._dbapi.told import Timings

__all__ = ["COMMANDS", "Leave", "Session", "is_complete"]

#: The commands, what follows them, and what they do.
COMMANDS: Final = {
    "\\d": ("[TABLE]", "columns of a table; without one, as \\dt"),
    "\\dt": ("[PATTERN]", "tables, with a pattern as of LIKE"),
    "\\x": ("[on|off|auto]", "a line for each value; auto where rows are wider than the terminal"),
    "\\timing": ("[on|off]", "the server's times after each statement"),
    "\\explain": ("[STATEMENT]", "the plan of a statement, or of the last one, which is not run"),
    "\\analyze": ("[STATEMENT]", "run it, and show its plan with times and rows"),
    "\\o": ("[FILE]", "write the next result to a .parquet, .arrow, .csv, .json or .jsonl file"),
    "\\i": ("FILE", "run the statements of a file"),
    "\\refresh": ("", "read the catalog anew for completion"),
    "\\?": ("", "this list"),
    "\\q": ("", "leave, as Ctrl-D does"),
}
_SWITCH: Final = {"on": True, "off": False}


class Leave(Exception):  # noqa: N818 - it is no error
    """The user wants to leave."""


def is_complete(text: str) -> bool:
    """Tells whether *text* is to be run: a command, nothing, or statements that end with a semicolon."""
    from e6data_adbc._sql.lexer import SILENT, Kind, tokenize

    if (
        not text.strip()
        or text.lstrip().startswith("\\")
        or text.strip().lower() in ("quit", "exit")
    ):
        return True
    tokens = [token for token in tokenize(text) if token.kind not in SILENT]
    return bool(tokens) and tokens[-1].kind is Kind.SEMICOLON


class Session:
    """The state of one shell."""

    def __init__(
        self, connection: DirectConnection, *, is_quiet: bool = False, on_change: Callable[[], None]
    ) -> None:
        """Takes the connection, which its maker closes.

        Args:
            connection: Where statements run.
            is_quiet: Whether only rows and errors are shown.
            on_change: Called when names of the catalog may have changed.
        """
        self._connection = connection
        self._show = Show(quiet=is_quiet)
        self._has_timing = False
        self._last: str | None = None
        self._on_change = on_change

    def run(self, text: str) -> bool:
        """Runs what was typed; an error is told in one line. Tells whether all of it succeeded.

        Raises:
            Leave: It was the command for that.
        """
        try:
            self._run(text.strip())
        except Terminated:
            raise
        except KeyboardInterrupt:
            sys.stderr.write("cancelled\n")
            return False
        except (Error, UsageError, OSError, UnicodeEncodeError) as error:
            sys.stdout.flush()
            sys.stderr.write(f"error: {describe(error)}\n")
            return False
        return True

    def _run(self, text: str) -> None:
        if text.lower().rstrip(";") in ("quit", "exit"):
            raise Leave
        if not text.startswith("\\"):
            self._run_statements(text)
            return
        word, *after = text.split(maxsplit=1)
        rest = after[0] if after else ""
        if word not in COMMANDS:
            raise UsageError(f"could not run {word}: there is no such command; \\? lists them")
        name = {"?": "help"}.get(word[1:], word[1:])
        command: Callable[[str], None] = getattr(self, f"_do_{name}")
        command(rest.strip().removesuffix(";").rstrip())

    # ---- statements

    def _run_statements(self, text: str) -> None:
        from e6data_adbc.cli.sql import split

        if not text:
            return
        for statement in split(text):
            self._last = statement
            self._run_statement(statement)

    def _run_statement(self, statement: str) -> None:
        from e6data_adbc._sql.effect import may_change
        from e6data_adbc.cli.sql import summary

        timings: list[Timings | Error] = []

        def note_timings(cursor: DirectCursor) -> None:
            try:
                timings.append(cursor.timings())
            except Error as error:  # the rows are here all the same
                timings.append(error)

        output, show = self._show.output, self._show
        try:
            outcome = run_statement(
                self._connection,
                statement,
                None,
                show,
                statement_options={StatementOptions.TIMINGS.value: "true"}
                if self._has_timing
                else None,
                on_done=note_timings if self._has_timing else None,
            )
        finally:
            if may_change(statement):
                self._on_change()
        self._show.output = None
        if not show.quiet:
            self._tell(outcome, summary(outcome, output), timings)

    def _tell(self, outcome: Outcome, line: str, timings: list[Timings | Error]) -> None:
        if outcome.has_columns or outcome.has_changed:
            print(f"({line})")
        else:
            print("done")
        if timings:
            told = timings[0]
            if isinstance(told, Error):
                print(
                    f"Time: {outcome.seconds * 1000:.1f} ms; the server's are not known: {describe(told)}"
                )
                return
            cached = ", from the cache" if told.is_cached else ""
            print(
                f"Time: {outcome.seconds * 1000:.1f} ms, of which the server's parsing {told.parsing_milliseconds} ms,"
                f" queueing {told.queueing_milliseconds} ms{cached}"
            )

    # ---- commands, by their names

    def _do_d(self, table: str) -> None:
        if not table:
            self._do_dt("")
            return
        *place, name = (part.strip('"`') for part in table.split("."))
        schema = place[-1] if place else None
        catalog = place[-2] if len(place) > 1 else None
        try:  # its _ stand for any character
            found = self._list(catalog, schema, name, has_columns=True)
        except ProgrammingError as error:
            if error.status_code is not Status.NOT_FOUND:
                raise
            found = []
        rows = [row for row in found if row["table"] == name] or [
            row for row in found if row["table"].lower() == name.lower()
        ]
        if not rows:
            raise UsageError(f"could not describe {table!r}: there is no such table")
        places = {(row["catalog"], row["schema"]) for row in rows}
        names = ["column", "type"] if len(places) == 1 else ["catalog", "schema", "column", "type"]
        tables.show([{key: row[key] for key in names} for row in rows], names, "table")

    def _do_dt(self, pattern: str) -> None:
        rows = self._list(None, None, pattern or None, has_columns=False)
        tables.show(rows, ["catalog", "schema", "table"], "table")

    def _do_x(self, switch: str) -> None:
        forms = {"on": "vertical", "off": "table", "auto": "fitting"}
        if not switch:
            switch = "off" if self._show.format == "vertical" else "on"
        if switch not in forms:
            raise UsageError(f"could not switch to {switch!r}: it is none of on, off, auto")
        self._show.format = forms[switch]
        print(f"a line for each value: {switch}")

    def _do_timing(self, switch: str) -> None:
        if switch and switch not in _SWITCH:
            raise UsageError(f"could not switch to {switch!r}: it is neither on nor off")
        self._has_timing = _SWITCH[switch] if switch else not self._has_timing
        print(f"timing: {'on' if self._has_timing else 'off'}")

    def _do_explain(self, statement: str) -> None:
        self._explain(statement, lambda cursor, text: plan_tree.planned(cursor.explain(text)))

    def _do_analyze(self, statement: str) -> None:
        def analyzed(cursor: DirectCursor, text: str) -> list[plan_tree.Node]:
            found = cursor.explain_analyze(text)
            return plan_tree.analyzed(found.analysis) or plan_tree.planned(found.plan)

        self._explain(statement, analyzed)

    def _explain(
        self, statement: str, ask: Callable[[DirectCursor, str], list[plan_tree.Node]]
    ) -> None:
        text = statement or self._last
        if text is None:
            raise UsageError("could not explain a statement: none was given, and none was run")
        self._last = text
        progress = Progress(sys.stderr, enabled=False if self._show.quiet else None)
        with contextlib.closing(self._connection.cursor()) as cursor:
            try:
                roots = waiting.call(
                    lambda: ask(cursor, text), cursor.adbc_cancel, lambda: progress.update(0)
                )
            finally:
                progress.clear()
        for line in plan_tree.draw(roots):
            print(line)

    def _do_o(self, file: str) -> None:
        from e6data_adbc.cli.files import check_target

        if not file:
            self._show.output = None
            return
        target = Path(file.strip("'\"")).expanduser()
        check_target(target)
        self._show.output = target

    def _do_i(self, file: str) -> None:
        if not file:
            raise UsageError("could not run statements: no file was given")
        path = Path(file.strip("'\"")).expanduser()
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise UsageError(f"could not read {str(path)!r}: {error}") from error
        self._run_statements(text.strip())

    def _do_refresh(self, _: str) -> None:
        self._on_change()

    def _do_help(self, _: str) -> None:
        width = max(len(f"{word} {rest}") for word, (rest, _) in COMMANDS.items())
        for word, (rest, meaning) in COMMANDS.items():
            print(f"{f'{word} {rest}'.ljust(width)}  {meaning}")

    def _do_q(self, _: str) -> None:
        raise Leave

    def _list(
        self, catalog: str | None, schema: str | None, pattern: str | None, *, has_columns: bool
    ) -> list[dict[str, Any]]:
        return waiting.call(
            lambda: tables.listed(
                self._connection, catalog, schema, pattern, has_columns=has_columns
            ),
            self._connection.adbc_cancel,
            lambda: None,
        )
