"""Replacing on engines that cannot do what the local one can, and failures between its statements."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from e6data_adbc import errors
from e6data_adbc._driver.ingestion.replacement import Replacement
from e6data_adbc.errors import Status


class Engine:
    """Tables by name, and the statements that it is told to refuse."""

    def __init__(self, refused: Callable[[str], errors.Error | None]) -> None:
        self.tables = {"t": "old"}
        self.said: list[str] = []
        self._refused = refused

    def run(self, text: str) -> int:
        """Does what *text* says, for the few forms that a replacement has."""
        self.said.append(text)
        if (error := self._refused(text)) is not None:
            raise error
        names = re.findall(r'"([^"]+)"', text)
        if names[0] not in self.tables and text.startswith(("ALTER", "DROP")):
            raise errors.make(Status.NOT_FOUND, f"could not find {names[0]}: it does not exist")
        if text.startswith("CREATE"):
            self.tables[names[0]] = "empty"
        elif text.startswith("DROP"):
            del self.tables[names[0]]
        elif text.startswith("ALTER"):
            self.tables[names[1]] = self.tables.pop(names[0])
        else:
            self.tables[names[0]] = self.tables[names[-1]]
        return 0

    def replace(self) -> Replacement:
        """Replaces `t`, and returns what did."""
        made = Replacement('"t"', '"a"', '"a" INT', self.run, lambda: "t" in self.tables)
        made.write(lambda: self.tables.__setitem__(made.beside.strip('"'), "new"))
        return made


def refusing(
    pattern: str, status: Status = Status.INVALID_ARGUMENT
) -> Callable[[str], errors.Error | None]:
    """Refuses the statements that *pattern* fits."""
    return lambda text: (
        errors.make(status, "could not run: no") if re.search(pattern, text) else None
    )


@pytest.mark.parametrize(
    "pattern", ["^no statement$", "^ALTER", '^ALTER TABLE "t"', 'RENAME TO "e6data_old']
)
def test_it_is_replaced(pattern: str) -> None:
    """Also where the engine renames nothing, or not the old table."""
    engine = Engine(refusing(pattern))
    engine.replace()

    assert engine.tables == {"t": "new"}


def test_the_old_rows_stand_until_the_new_ones_do() -> None:
    """After each statement there are the old rows or the new ones."""

    def look(_text: str) -> None:
        assert {"old", "new"} & set(engine.tables.values())

    for pattern in ("^no statement$", "^ALTER"):
        refuse = refusing(pattern)
        engine = Engine(lambda text, refuse=refuse: look(text) or refuse(text))  # type: ignore[misc]
        engine.replace()


@pytest.mark.parametrize(
    ("pattern", "status", "tables", "says"),
    [
        ("^CREATE", Status.INVALID_ARGUMENT, {"old"}, "the old table stands as it was"),
        (
            '^(ALTER|DROP) TABLE "t"',
            Status.INVALID_ARGUMENT,
            {"old"},
            "the old table stands as it was",
        ),
        ('RENAME TO "t"', Status.INVALID_ARGUMENT, {"old", "new"}, "no"),
        ('^ALTER TABLE "t"', Status.IO, {"old", "new"}, "no"),
        ('^ALTER TABLE "e6data_new', Status.IO, {"old", "new"}, "no"),
        ('^DROP TABLE "e6data_old', Status.INVALID_ARGUMENT, {"old", "new"}, "no"),
    ],
)
def test_failures(pattern: str, status: Status, tables: set[str], says: str) -> None:
    """Nothing is dropped before the new table has the name; what is left over is named."""
    engine = Engine(refusing(pattern, status))
    made = Replacement('"t"', '"a"', '"a" INT', engine.run, lambda: "t" in engine.tables)
    with pytest.raises(errors.Error, match=says):
        made.write(lambda: engine.tables.__setitem__(made.beside.strip('"'), "new"))

    assert set(engine.tables.values()) == tables
    left = set(engine.tables) - {"t"}
    assert all(repr(name) in ", ".join(made.did) for name in left)
