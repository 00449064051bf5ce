"""Plans: a destination keeps the cuts themselves, so that whoever resumes a load reads the same partitions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from e6data_adbc import errors
from e6data_adbc._driver.partitions import split
from e6data_adbc.etl import Plan, PlanKind, Progress, forget, load, status
from e6data_adbc.testing.table_source import TableSource
from tests.etl import places
from tests.etl.places import Place

pytestmark = pytest.mark.seconds

ROWS = 90


@pytest.fixture
def uri(engine: Any) -> Iterator[str]:
    """A URI of a catalog whose table `numbers` has every kind of column that can be cut, each with a NULL."""
    from e6data_adbc.testing import isolated_catalog

    numbers = [None, *range(1, ROWS)]
    table = pa.table(
        {
            "n": list(range(ROWS)),
            "whole": numbers,
            "real": pa.array([None, float("nan"), *(n / 7 for n in range(2, ROWS))]),
            "money": pa.array(numbers, pa.int64()).cast(pa.decimal128(38, 2)),
            "day": pa.array(numbers, pa.int32()).cast(pa.date32()),
            "moment": pa.array(numbers, pa.int64()).cast(pa.timestamp("us")),
            "text": [n and f"name {n:05}" for n in numbers],
        }
    )
    with isolated_catalog(engine, {"numbers": table}) as catalog:
        yield engine.uri_for(catalog)


class Interruption(Exception):
    """Ends a load after its first commit."""


def interrupt(progress: Progress) -> None:
    if progress.event == "committed":
        raise Interruption


@pytest.fixture
def file(tmp_path: Path) -> Place:
    """A destination of the quickest kind: what keeps the plan is the same for all."""
    return places.make("sqlite", tmp_path, None)


@pytest.mark.parametrize("column", ["whole", "real", "money", "day", "moment", "text"])
def test_a_driver_that_cuts_otherwise_resumes_exactly(
    file: Place, uri: str, column: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The partitions of a resume are those of the plan, whatever today's driver would make of bounds and count."""
    options: dict[str, Any] = {"uri": uri, "job": "j", "partition": (column, 5), "workers": 1}
    options["on_type"] = "cast"  # SQLite has no NaN
    sql = f"select n, {column} from numbers -- all"
    with pytest.raises(Interruption):
        load(sql, file.url(), progress=interrupt, **options)
    monkeypatch.setattr(split, "split", lambda *_: [split.Span(has_nulls=True)])
    monkeypatch.setattr(split, "condition", lambda *_: "FALSE")

    report = load(sql, file.url(), **options)

    assert 0 < report.skipped_rows < ROWS
    assert file.rows("SELECT COUNT(*), COUNT(DISTINCT n) FROM {}t") == [(ROWS, ROWS)]
    (mark,) = status("j", file.url())
    assert mark.plan.parts > 1


def test_a_plan_of_another_form_is_refused(place: Place, uri: str) -> None:
    """Nothing is read by guesses; the job can be forgotten."""
    options: dict[str, Any] = {"uri": uri, "job": "j", "partition": ("n", 3), "workers": 1}
    with pytest.raises(Interruption):
        load("select n from numbers", place.url(), progress=interrupt, **options)
    old = (
        '{"bounds": "[0, 89]", "column": "n", "count": 3, "kind": "partitions", "parts": 3, '
        '"schema": ""}'
    )
    place.run(f"UPDATE {{}}e6_loads SET plan = '{old}'")
    before = place.rows("SELECT COUNT(*) FROM {}t")

    for call in (
        lambda: load("select n from numbers", place.url(), **options),
        lambda: status("j", place.url()),
    ):
        with pytest.raises(errors.ProgrammingError, match="its plan has form 1"):
            call()

    assert place.rows("SELECT COUNT(*) FROM {}t") == before
    assert forget("j", place.url()) == 1


def test_plans_are_read_as_they_were_written() -> None:
    """JSON keeps every condition to the letter."""
    plan = Plan(PlanKind.PARTITIONS, "s", "k", ("\"k\" < 'π''s'", '"k" >= 1'))

    assert Plan.from_json(plan.to_json()) == plan


@pytest.mark.parametrize(
    "options", [{"partition": ("n", 3)}, {"incremental": "n"}], ids=["partitions", "key"]
)
def test_a_query_that_keeps_rows_by_their_place_is_not_cut(
    file: Place, uri: str, options: dict[str, Any]
) -> None:
    """LIMIT may keep other rows in each read."""
    with pytest.raises(errors.ProgrammingError, match="LIMIT"):
        load("select n from numbers limit 7", file.url(), uri=uri, job="j", **options)
    wrapped = "select * from (select n from numbers order by n limit 7)"
    assert load(wrapped, file.url(), uri=uri, job="j", **options).rows == 7


def test_a_stage_that_is_gone_is_no_load_without_rows(place: Place) -> None:
    """What was collected and is no longer there is an error, never a load of the rest."""
    options: dict[str, Any] = {"mode": "replace", "job": "a job", "partition": ("id", 4)}
    table = pa.table({"id": list(range(40))})

    with pytest.raises(Interruption):
        load(TableSource(table), place.url(), workers=1, progress=interrupt, **options)
    stages = {
        "sqlite": "SELECT name FROM sqlite_master WHERE name LIKE 'e6_stage_%'",
        "duckdb": "SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'e6_stage_%'",
        "postgresql": "SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        f"WHERE relname LIKE 'e6_stage_%' AND nspname = '{place.schema.strip('.')}'",
    }
    ((stage,),) = place.rows(stages[place.kind])
    place.run(f"DROP TABLE {{}}{stage}")

    with pytest.raises(
        errors.ProgrammingError, match=r"resume run '' of job 'a job'.*no longer there"
    ):
        load(TableSource(table), place.url(), **options)
