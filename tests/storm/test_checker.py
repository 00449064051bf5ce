"""The checker sees what it is there for."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any

import grpc
import pyarrow as pa
import pytest

from checks.storm.checker import check
from checks.storm.storm import Report, Story
from checks.storm.weather import BROKEN, GONE, Event, Strike
from e6data_adbc import errors
from e6data_adbc.local import When
from e6data_adbc.local.ledger import QueryRecord

SQL = "select 1"


def rows(count: int) -> list[tuple[Any, ...]]:
    return [(7, n, f"row {n}") for n in range(count)]


def failure(query_id: str | None = "q-1") -> errors.Error:
    return errors.make(errors.Status.IO, "could not fetch: it broke", query_id=query_id)


def report(
    *,
    record: QueryRecord | None = None,
    strikes: tuple[Strike, ...] = (),
    events: tuple[Event, ...] = (),
    left: bool = False,
    unlimited: int = 0,
    written: int = 0,
    **story: Any,
) -> Report:
    """A storm of one query of three rows that went well, but for what is said."""
    given = {"expected": 3, "rows": rows(3), "saw_end": True, "style": "fetchmany", **story}
    record = record or QueryRecord("q-1", SQL, "blue", executes=1)
    return Report(
        1,
        [Story(7, SQL, protocol="v1", began=10.0, ended=11.0, **given)],
        list(strikes),
        list(events),
        set(),
        {SQL: [record]},
        collections.Counter({7: written}),
        {"q-1"} if left else set(),
        collections.Counter({"status": unlimited} if unlimited else {}),
    )


def strike(method: str, blow: tuple[str, str], when: When = When.BEFORE) -> Strike:
    return Strike(10.5, method, when, blow, SQL if "prepare" in method else "q-1")


def test_a_query_that_went_well_is_no_violation() -> None:
    """Nor is one that failed for a reason."""
    assert check(report()).violations == []
    fair = report(
        strikes=(strike("getNextResultBatch", BROKEN),),
        rows=rows(1),
        saw_end=False,
        errors=[failure()],
    )
    assert check(fair).violations == []


@pytest.mark.parametrize("kind", [OSError, pa.ArrowInvalid, pa.ArrowNotImplementedError])
def test_a_reader_says_it_in_the_exceptions_of_pyarrow(kind: type[Exception]) -> None:
    """Which of them depends on the status; with the driver's words none is raw, and without them all are."""
    given: dict[str, Any] = {"style": "reader", "rows": rows(1), "saw_end": False}
    ours = report(errors=[kind("[e6data] could not fetch: query 'q-1' broke")], **given)
    assert check(ours).raw == []
    assert check(report(errors=[kind("broke")], **given)).raw != []


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("lost", {"rows": rows(2)}),
        ("lost", {"expected": None, "rows": []}),
        ("extra", {"rows": [*rows(3), (7, 3, "row 3")]}),
        ("extra", {"rows": rows(3)[::-1]}),
        ("extra", {"rows": [(8, 0, "row 0")]}),
        ("twice", {"record": QueryRecord("q-1", SQL, "blue", executes=2)}),
        ("twice", {"expected": None, "rows": [], "written": 2}),
        ("raw", {"errors": [grpc.RpcError("x")], "saw_end": False}),
        ("raw", {"errors": [OSError("[e6data] could not x")], "saw_end": False}),
        ("raw", {"errors": [failure(), ValueError("x")], "saw_end": False}),
        ("unnamed", {"errors": [failure(None)], "saw_end": False}),
        ("unrecovered", {"errors": [failure()], "saw_end": False}),
        (
            "unrecovered",
            {
                "errors": [failure()],
                "saw_end": False,
                "strikes": (strike("getResultMetadata", GONE),),
            },
        ),
        (
            "unrecovered",
            {
                "errors": [failure()],
                "saw_end": False,
                "events": (Event(10.1, 10.2, "switch, draining"), Event(12.0, 12.1, "restart")),
            },
        ),
        ("uncleared", {"left": True}),
        ("unlimited", {"unlimited": 1}),
    ],
)
def test_each_violation_is_seen(kind: str, given: dict[str, Any]) -> None:
    """And named by its kind."""
    verdict = check(report(**given))

    assert getattr(verdict, kind)
    assert any(text.startswith(f"{kind}: ") for text in verdict.violations)


def test_rows_after_an_error_are_a_loss() -> None:
    """A result that goes on after an error, and ends as if nothing were missing, is the worst of all."""
    story = report(rows=rows(2), errors=[failure()], strikes=(strike("getNextResultBatch", GONE),))

    assert check(story).lost


def test_verdicts_add_up() -> None:
    """Figures and sentences of all storms."""
    total = check(report())
    total.add(check(report(left=True)))

    assert (total.queries, total.right, len(total.uncleared)) == (2, 2, 1)
    assert dataclasses.asdict(total)["lost"] == []
