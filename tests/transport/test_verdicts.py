"""Which mistakes an engine's sentences tell, and which they leave open."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e6data_adbc._transport.verdicts import verdict

TOLD = [
    ("Object 'NOWHERE' not found", "NOT_FOUND", "42S02"),
    (
        "From line 1, column 15 to line 1, column 21: Object 'nowhere' not found",
        "NOT_FOUND",
        "42S02",
    ),
    (
        "From line 1, column 15 to line 1, column 21: Object 't' not found within 'lake.raw'",
        "NOT_FOUND",
        "42S02",
    ),
    (
        (
            "org.apache.calcite.runtime.CalciteContextException: At line 2, column 1: Object 'a' not found;"
            " did you mean 'A'?"
        ),
        "NOT_FOUND",
        "42S02",
    ),
    ("Table 'x' not found", "NOT_FOUND", "42S02"),
    ("Table 'x' already exists", "ALREADY_EXISTS", "42S01"),
    ("Catalog Error: Table with name nowhere does not exist!", "NOT_FOUND", "42S02"),
    (
        'Catalog Error: Table with name nowhere does not exist! Did you mean "orders"? (line 1)',
        "NOT_FOUND",
        "42S02",
    ),
    (
        'Catalog Error: Table with name "a.b" does not exist because schema "a" does not exist.',
        "NOT_FOUND",
        "42S02",
    ),
    ("Catalog Error: View with name v does not exist!", "NOT_FOUND", "42S02"),
    ("Catalog Error: Schema with name s does not exist!", "NOT_FOUND", "3F000"),
    ('Binder Error: Catalog "c" does not exist!', "NOT_FOUND", "3D000"),
    ('Catalog Error: Table with name "t" already exists!', "ALREADY_EXISTS", "42S01"),
    (
        'Constraint Error: Duplicate key "a: 1" violates primary key constraint.',
        "INTEGRITY",
        "23505",
    ),
    ("Constraint Error: NOT NULL constraint failed: t.b", "INTEGRITY", "23502"),
    ("Constraint Error: CHECK constraint failed on table t", "INTEGRITY", "23514"),
    (
        "Constraint Error: Violates foreign key constraint because key does not exist",
        "INTEGRITY",
        "23503",
    ),
    ("Conversion Error: Could not convert string 'x' to INT32", "INVALID_DATA", "22018"),
    ("Out of Range Error: Overflow in addition of INT32", "INVALID_DATA", "22003"),
    ("Invalid Input Error: Division by zero in expression (1 % 0).", "INVALID_DATA", "22012"),
    ("table 'x' does not exist in schema 'y'", "NOT_FOUND", "42S02"),
    ("schema 'x' does not exist in catalog 'y'", "NOT_FOUND", "3F000"),
    ("catalog 'x' does not exist; there are 'a', 'b'", "NOT_FOUND", "3D000"),
    ("column 'd' has a DATE that is infinite or out of range", "INVALID_DATA", "22008"),
]

OPEN = [
    "",
    "Access denied",
    "Query cancelled",
    "nowhere does not exist",
    "the column nowhere does not exist",
    "Catalog Error: Scalar Function with name nosuch does not exist!",
    "Catalog Error: Type with name nosuch does not exist!",
    'Binder Error: Referenced column "x" not found in FROM clause!',
    "From line 1, column 8 to line 1, column 9: Column 'X' not found in any table",
    "From line 1, column 8 to line 1, column 9: No match found for function signature F",
    'Parser Error: syntax error at or near "Catalog Error: Table with name x does not exist!"',
    "the planner failed: Object 'X' not found",
    "Object 'X' not found; the metastore is down",
    "failed: Constraint Error: Duplicate key",
]


@pytest.mark.parametrize(("text", "status", "sqlstate"), TOLD)
def test_told(text: str, status: str, sqlstate: str) -> None:
    """Whole sentences of known engines."""
    found = verdict(f"\n{text} ")

    assert found is not None
    assert (found.status.name, found.sqlstate) == (status, sqlstate)


@pytest.mark.parametrize("text", OPEN)
def test_left_open(text: str) -> None:
    """Other words, and the same words inside of others, say nothing."""
    assert verdict(text) is None


@given(st.text(), st.sampled_from(TOLD))
def test_a_quotation_is_no_verdict(text: str, told: tuple[str, str, str]) -> None:
    """A message that quotes such a sentence behind words of its own is not about it."""
    assert verdict(f"Parser Error: {text} {told[0]}") is None
