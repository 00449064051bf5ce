"""What many parts cost a server, counted on a few."""

from __future__ import annotations

import pytest

from checks.distributed_ledger import ROWS, count

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("keeps", [True, False])
def test_a_worker_signs_in_once(keeps: bool) -> None:
    """And once for each ticket where it connects anew; every part is one statement, beside those of planning."""
    sql = f"SELECT range AS k FROM range({ROWS // 10})"
    found = count(sql, "k", 6, 2, keeps=keeps)

    assert found.sign_ins == (1 + 2 if keeps else 1 + 6)
    assert found.queries == 6 + 2
    assert sum(found.rows) == ROWS // 10
    assert len(found.rows) == 6
