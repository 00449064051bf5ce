"""What an engine's text about a statement says of its mistake, where the words leave no doubt."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from e6data_adbc.errors import Status

__all__ = ["Verdict", "verdict"]


class Verdict(NamedTuple):
    """A kind of mistake: the status that stands for it, and its SQLSTATE."""

    status: Status
    sqlstate: str


#: An object's name as an error has it, quoted or not.
_NAME: Final = r"""(?:"[^\n]+"|'[^\n]+'|[^\s"'!]+)"""
#: Where Calcite, which plans for e6data, says that a mistake stands.
_PLACE: Final = (
    r"(?:[\w.]*CalciteContextException: )?"
    r"(?:(?:From|At) line \d+, column \d+(?: to line \d+, column \d+)?: )?"
)

# The wire has no codes for mistakes in SQL, so they are told by the engine's sentences: whole ones, from the first
# character on, because any message may quote any text. `does not exist` alone may be about a function or a column.
_VERDICTS: Final[tuple[tuple[re.Pattern[str], Verdict], ...]] = tuple(
    (re.compile(pattern, re.DOTALL), Verdict(status, sqlstate))
    for pattern, status, sqlstate in (
        # Calcite's validator.
        (
            rf"{_PLACE}Object '[^\n]+?' not found(?: within '[^\n]+?')?(?:; did you mean '[^\n]+?'\?)?",
            Status.NOT_FOUND,
            "42S02",
        ),
        (rf"{_PLACE}Table '[^\n]+?' not found", Status.NOT_FOUND, "42S02"),
        (rf"{_PLACE}(?:Table|View) '[^\n]+?' already exists", Status.ALREADY_EXISTS, "42S01"),
        (rf"{_PLACE}Schema '[^\n]+?' already exists", Status.ALREADY_EXISTS, "42S01"),
        # DuckDB, which is the local engine's: its words begin with the class of the mistake.
        (
            rf"Catalog Error: (?:Table|View) with name {_NAME} does not exist\b.*",
            Status.NOT_FOUND,
            "42S02",
        ),
        (rf"Catalog Error: Schema with name {_NAME} does not exist\b.*", Status.NOT_FOUND, "3F000"),
        (
            rf"(?:Binder|Catalog) Error: Catalog {_NAME} does not exist\b.*",
            Status.NOT_FOUND,
            "3D000",
        ),
        (
            rf"Catalog Error: \w+ with name {_NAME} already exists\b.*",
            Status.ALREADY_EXISTS,
            "42S01",
        ),
        (r"Constraint Error: .*[Dd]uplicate key.*", Status.INTEGRITY, "23505"),
        (r"Constraint Error: NOT NULL .*", Status.INTEGRITY, "23502"),
        (r"Constraint Error: CHECK .*", Status.INTEGRITY, "23514"),
        (r"Constraint Error: Violates foreign key .*", Status.INTEGRITY, "23503"),
        (r"Constraint Error: .*", Status.INTEGRITY, "23000"),
        (r"Conversion Error: .*out of range.*", Status.INVALID_DATA, "22003"),
        (r"Conversion Error: .*", Status.INVALID_DATA, "22018"),
        (r"Out of Range Error: .*", Status.INVALID_DATA, "22003"),
        (r"Invalid Input Error: Division by zero.*", Status.INVALID_DATA, "22012"),
        (r"Invalid Input Error: .*", Status.INVALID_DATA, "22000"),
        # The local engine's own.
        (rf"table {_NAME} does not exist in schema {_NAME}", Status.NOT_FOUND, "42S02"),
        (rf"schema {_NAME} does not exist in catalog {_NAME}(?:;.*)?", Status.NOT_FOUND, "3F000"),
        (rf"catalog {_NAME} does not exist(?:;.*)?", Status.NOT_FOUND, "3D000"),
        (
            rf"column {_NAME} has a \w+ that is infinite or out of range",
            Status.INVALID_DATA,
            "22008",
        ),
    )
)


def verdict(text: str) -> Verdict | None:
    """Returns what the engine's *text* says of the mistake in a statement; None where its words leave it open."""
    words = text.strip()
    return next((found for pattern, found in _VERDICTS if pattern.fullmatch(words)), None)
