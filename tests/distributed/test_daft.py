"""Daft's own runner reads tickets, and has the server filter."""

from __future__ import annotations

import pytest

pytest.importorskip("daft")

from daft import col

from e6data_adbc.distributed.daft import read
from e6data_adbc.local import LocalEngine
from tests.distributed.cases import EVERYTHING, bytes_sent, recipe_bytes, rows_of, whole
from tests.distributed.conftest import TOKEN

pytestmark = [pytest.mark.rooms, pytest.mark.seconds]


@pytest.mark.parametrize("bounds", [None, "quantiles"])
def test_all_types(engine: LocalEngine, bounds: str | None) -> None:
    """Rows equal those of the query that nobody has split."""
    frame = read(EVERYTHING, engine.uri, on="k", count=4, bounds=bounds)

    assert rows_of(frame.to_arrow()) == rows_of(whole(engine))


def test_columns_and_filters_reach_the_server(engine: LocalEngine) -> None:
    """What of a filter SQL can say is in the query; Daft filters again, and its rows are right."""
    orders = read("select * from orders", engine.uri, on="order_id", count=2)
    found = orders.where((col("order_id") > 9_990) & (col("status") == "open")).select("store_id")
    rows = found.to_arrow().num_rows
    sql = engine.ledger.last.sql

    assert 0 < rows < 10
    assert '("order_id" > 9990 AND "status" = \'open\')' in sql
    assert 'SELECT "order_id", "store_id", "status" FROM (' in sql
    assert (
        orders.where((col("order_id") > 9_990) | (col("status").length() > 99)).count_rows() == 10
    )
    assert orders.where(col("order_id").between(5, 8) & ~(col("store_id") == 5)).count_rows() == 3
    assert (
        orders.where(col("store_id").is_in([1, 2]) & col("order_id").not_null()).count_rows()
        == 2_500
    )
    assert orders.count_rows() == 10_000
    assert orders.select("store_id").limit(3).to_arrow().num_rows == 3
    assert read("select * from orders where 1 = 0", engine.uri).count_rows() == 0


def test_bytes_and_secrets(engine: LocalEngine, capfd: pytest.CaptureFixture[str]) -> None:
    """As many bytes travel as by hand, and no plan has the token."""
    how = {"on": "order_id", "count": 4}
    with bytes_sent(engine) as sent:
        frame = read("select * from orders", engine.uri, **how)
        frame.collect()
    frame.explain(show_all=True)
    shown = [repr(frame), *capfd.readouterr()]
    with pytest.raises(Exception, match="nothing") as caught:
        read("select nothing as a", engine.uri)

    assert abs(sent[0] / recipe_bytes(engine, "select * from orders", **how) - 1) < 0.05
    assert not any(TOKEN in text for text in [*shown, str(caught.value)])
