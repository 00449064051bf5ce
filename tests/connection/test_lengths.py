"""Results by the shortcut whose length is not known, or too large for it."""

from __future__ import annotations

import grpc
import pytest

import e6data_adbc
from e6data_adbc import errors
from e6data_adbc._driver.query.shortcut_query import ShortcutQuery
from tests.support.fake_server import fail
from tests.support.scripted import ScriptedEngine, chunk, metadata, rows_of, statement_of, v1
from tests.support.warm import CALLS, FETCH, METADATA, OpenDb, address, made, warmed


def test_the_first_response_of_a_large_result_is_left_to_its_reader(
    native: None, small: ScriptedEngine, open_db: OpenDb, sent: list[str]
) -> None:
    """It is asked for, and nobody waits for it; the query is cleared when its reader has gone."""
    connection = warmed(small, open_db)
    sent.clear()
    small.answer(METADATA, metadata(("n", "LONG"), rows=1_000_000))
    small.answer(FETCH, small.hang)
    result = statement_of(connection).execute()

    small.wait_for(FETCH)
    assert result.announced_rows == 1_000_000
    assert sent == []
    result.close()
    assert made(small) == dict.fromkeys(CALLS, 1)


@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize("is_failure", [True, False])
def test_a_result_of_unknown_length_goes_on_after_an_unusual_response(
    native: None, small: ScriptedEngine, number: int, is_failure: bool
) -> None:
    """A response that came before anybody asked for it, and that Python has to see, is seen before the next one."""
    with e6data_adbc.connect(address(small)) as connection, connection.cursor() as cursor:
        cursor.execute("select n from t")
        assert len(cursor.fetchall()) == 3
        small.answer(METADATA, metadata(("n", "LONG")))
        broken = fail(grpc.StatusCode.INTERNAL, "something broke")
        unusual = broken if is_failure else v1(chunk(3), new_strategy="green")
        small.answer(FETCH, *[v1(chunk(3))] * number, unusual, v1(chunk(2)), v1())
        cursor.execute("select n from t")
        if is_failure:
            with pytest.raises(errors.Error, match="something broke"):
                cursor.fetchall()
        else:
            assert len(cursor.fetchall()) == 3 * number + 5


@pytest.mark.parametrize("rows", [0, 3])
def test_a_short_result_of_unknown_length_is_whole(
    native: None, small: ScriptedEngine, open_db: OpenDb, sent: list[str], rows: int
) -> None:
    """Its rows come beside the metadata, and its end after them."""
    connection = warmed(small, open_db)
    sent.clear()
    small.answer(METADATA, metadata(("n", "LONG")))
    small.answer(FETCH, *([v1(chunk(rows))] if rows else []), v1())
    result = statement_of(connection).execute()
    assert isinstance(result, ShortcutQuery)
    assert sum(rows_of(result)) == rows
    result.close()
    assert sent == []
    assert made(small)[FETCH] == 1 + (rows > 0)
