"""Literals in which a backslash escapes the quote."""

from __future__ import annotations

import pytest

import e6data_adbc
from e6data_adbc.local.sql import escapes


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (r"select 'it\'s'", "select 'it''s'"),
        (r"select 'a\\b\'c'", r"select 'a\b''c'"),
        (r"select 'it''s\'so'", "select 'it''s''so'"),
        (r"select '\'\n\t\r'", "select '''\n\t\r'"),
        (r"select 'a\', 'b'", r"select 'a\', 'b'"),
        (r"select 'C:\'", r"select 'C:\'"),
        (r"select 'C:\\temp'", r"select 'C:\\temp'"),
        (r"""select "\'", 'it\'s' -- it\'s""", r"""select "\'", 'it''s' -- it\'s"""),
        (r"select /* \' */ 'it\'s'", r"select /* \' */ 'it''s'"),
    ],
)
def test_literals_are_written_as_standard_sql(given: str, meant: str) -> None:
    """A text escapes with backslashes only if all its literals end that way; comments and names are left alone."""
    assert escapes.standard(given) == meant


@pytest.mark.parametrize("strict", ["false", "true"])
def test_the_engine_reads_escaped_quotes(strict: str) -> None:
    """Also where the text is strict e6data."""
    with (
        e6data_adbc.connect(f"e6data:local?strict={strict}") as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(r"select 'it\'s' as said")
        assert cursor.fetchone() == ("it's",)
