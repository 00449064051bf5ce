"""Result streams in the hands of libraries of Rust: DataFusion and delta-rs read them to the end or to the error."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import deltalake
import pyarrow as pa
import pytest
from datafusion import SessionContext

ROWS = 50_000
WHOLE = f"SELECT range AS n, CAST(range AS VARCHAR) AS t FROM range({ROWS})"
#: Fails after the rows before it were delivered.
FAILING = "SELECT range AS n, CASE WHEN range = 45000 THEN error('broken row') ELSE 'x' END AS t FROM range(50000)"


class Stream:
    """A result as nothing but its C stream, so that no other library is between."""

    def __init__(self, cursor: Any) -> None:
        self._handle = cursor.fetch_arrow()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self._handle.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("hand_over", [Stream, lambda cursor: cursor.fetch_record_batch()])
def test_datafusion_reads_all_rows(connection: Any, hand_over: Any) -> None:
    """A stream or a reader that is registered in DataFusion gives every row once."""
    with connection.cursor() as cursor:
        context = SessionContext()
        context.from_arrow(hand_over(cursor.execute(WHOLE)), "r")

        found = context.sql("SELECT count(*) AS c, sum(n) AS s FROM r").to_pydict()

    assert found == {"c": [ROWS], "s": [ROWS * (ROWS - 1) // 2]}


@pytest.mark.parametrize("hand_over", [Stream, lambda cursor: cursor.fetch_record_batch()])
def test_datafusion_tells_our_error(connection: Any, hand_over: Any) -> None:
    """A query that fails on its way fails in DataFusion with our text, and the connection is as good as before."""
    with connection.cursor() as cursor:
        cursor.execute(FAILING)
        with pytest.raises(Exception, match=r"\[e6data\] could not fetch .*broken row"):
            SessionContext().from_arrow(hand_over(cursor), "r").collect()
        cursor.execute("SELECT 1")

        assert cursor.fetchall() == [(1,)]


@pytest.mark.parametrize("hand_over", [Stream, lambda cursor: cursor.fetch_record_batch()])
def test_delta_rs_writes_all_rows(connection: Any, tmp_path: Path, hand_over: Any) -> None:
    """delta-rs writes a stream as a table of all its rows."""
    with connection.cursor() as cursor:
        deltalake.write_deltalake(tmp_path / "whole", hand_over(cursor.execute(WHOLE)))

    written = pa.table(
        deltalake.QueryBuilder()
        .register("t", deltalake.DeltaTable(tmp_path / "whole"))
        .execute("SELECT count(*) AS c, max(n) AS m FROM t")
    )
    assert written.to_pydict() == {"c": [ROWS], "m": [ROWS - 1]}


@pytest.mark.parametrize("hand_over", [Stream, lambda cursor: cursor.fetch_record_batch()])
def test_delta_rs_commits_nothing_of_a_failed_result(
    connection: Any, tmp_path: Path, hand_over: Any
) -> None:
    """A query that fails on its way fails the write with our text, and the table has no row of it."""
    path = tmp_path / "failed"
    with connection.cursor() as cursor:
        cursor.execute(FAILING)
        with pytest.raises(Exception, match=r"\[e6data\] could not fetch .*broken row"):
            deltalake.write_deltalake(path, hand_over(cursor))

    if deltalake.DeltaTable.is_deltatable(str(path)):
        assert deltalake.DeltaTable(path).file_uris() == []
