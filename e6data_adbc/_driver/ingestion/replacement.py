"""A table that takes the place of another: written beside it, and put there only when it is whole."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Final

from e6data_adbc import errors
from e6data_adbc.errors import Status

__all__ = ["Replacement", "is_answer", "lost_race", "with_text"]

#: Words by which an engine says that a name is taken, or gone.
_RACE: Final = re.compile(r"exist|conflict|concurrent", re.IGNORECASE)
#: How often a table is put in another one's place before other writers, who do so too, have won.
_SWAPS: Final = 10


class Replacement:
    """One replacing of a table; the names that are given to it are quoted.

    At each moment the old rows or the new ones stand in the engine, under the table's name or one that the error says.
    """

    def __init__(
        self,
        table: str,
        columns: str,
        definitions: str,
        run: Callable[[str], int],
        exists: Callable[[], bool],
    ) -> None:
        """Asks nobody yet.

        Args:
            table: The table's name.
            columns: Its new columns' names.
            definitions: Their definitions.
            run: Runs a statement to its end.
            exists: Tells whether there is a table of that name.
        """
        self._table = table
        self._columns = columns
        self._definitions = definitions
        self._run = run
        self._exists = exists
        self._name = f"e6data_new_{secrets.token_hex(8)}"
        #: What was done and stays done, in the words of errors.
        self.did: list[str] = []

    @property
    def beside(self) -> str:
        """The name of the table that the rows go to."""
        return f'"{self._name}"'

    def write(self, insert: Callable[[], None]) -> None:
        """Makes the new table, has *insert* fill it, and puts it in the old one's place.

        Raises:
            Error: A statement failed; the text says what stands.
        """
        try:
            self._run(f"CREATE TABLE {self.beside} ({self._definitions})")
            insert()
        except errors.Error as error:
            raise self._kept(error) from error
        self.did.append(f"the new rows are written to table {self._name!r}")
        old = self._swap()
        self.did[:1] = ["the new table is in its place"]
        for name in old:
            self._run(f'DROP TABLE "{name}"')

    def _swap(self) -> list[str]:
        """Puts the new table in the old one's place; returns the tables that are left over.

        Other writers may do so at the same time: the last one stays.
        """
        moved: list[str] = []
        failed: errors.Error | None = None
        for _ in range(_SWAPS):
            name = f"e6data_old_{secrets.token_hex(8)}"
            failed = self._refusal(f'ALTER TABLE {self._table} RENAME TO "{name}"')
            if failed is None:
                moved.append(name)
                self.did.append(f"the old table is renamed to {name!r}")
            elif self._exists():
                # The engine does not rename at all, or not what something hangs on.
                failed = self._refusal(f"DROP TABLE {self._table}")
                if failed is None:
                    self.did.append("the old table is dropped")
                elif not lost_race(failed):
                    raise self._kept(failed)
            failed = self._refusal(f"ALTER TABLE {self.beside} RENAME TO {self._table}")
            if failed is None:
                return moved
            if lost_race(failed):
                continue  # another writer has put its table there
            if not moved:
                return self._copied()
            self._run(f'ALTER TABLE "{moved[-1]}" RENAME TO {self._table}')
            self.did.pop()
            break
        assert failed is not None  # noqa: S101 - the loop ends with a refusal
        raise failed

    def _copied(self) -> list[str]:
        """Gives the rows to a table of the right name, where the engine does not rename."""
        self._run(f"CREATE TABLE {self._table} ({self._definitions})")
        self._run(
            f"INSERT INTO {self._table} ({self._columns}) SELECT {self._columns} FROM {self.beside}"  # noqa: S608
        )
        return [self._name]

    def _refusal(self, text: str) -> errors.Error | None:
        """Runs a statement; returns how the engine refused it, None if it ran."""
        try:
            self._run(text)
        except errors.Error as error:
            if not is_answer(error):
                raise
            return error
        return None

    def _kept(self, error: errors.Error) -> errors.Error:
        """Returns *error*, before which the old table was not touched, saying so; drops the new one."""
        self.did.clear()
        said = "the old table stands as it was"
        try:
            self._run(f"DROP TABLE {self.beside}")
        except errors.Error:
            said += f"; beside it there may be table {self._name!r}, which can be dropped"
        return with_text(error, f"{error}; {said}")


def lost_race(error: errors.Error) -> bool:
    """Tells whether the engine refused a statement because another writer was quicker."""
    return is_answer(error) and _RACE.search(str(error)) is not None


def is_answer(error: errors.Error) -> bool:
    """Tells whether the engine answered that the statement failed, rather than that its fate is not known.

    Every answer to a change says that it may have acted (`AMBIGUOUS`), as the engine has one code for mistakes and
    faults. The statements here change names and nothing else, and what is there afterwards is looked at.
    """
    return error.status_code not in {Status.IO, Status.TIMEOUT, Status.CANCELLED, Status.UNKNOWN}


def with_text(error: errors.Error, text: str, *details: tuple[str, bytes]) -> errors.Error:
    """Returns a copy of *error* that says *text* and has *details* too."""
    return errors.amend(errors.reworded(error, text), details=details)
