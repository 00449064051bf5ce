"""One run of the public connector against a local engine, judged."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from pathlib import Path
from typing import Any

from e6data_adbc.local import LocalEngine
from tools.upstream_check.cases import CASES, Case, Verdict, judge
from tools.upstream_check.environment import interpreter

__all__ = ["Report", "Value", "run"]

CLIENT = Path(__file__).with_name("client.py")
TIMEOUT_SECONDS = 60

TABLES = ["customers", "date_dim", "order_items", "orders", "products", "stores"]
#: What each step must return. A row of one value where a row is meant is the connector's own fetchone.
STEPS: dict[str, Any] = {
    "fetchmany": [7000, 7000, 6000, 0],
    "fetchone": [[[1]], [[2]]],
    "no rows": [],
    "rowcount": [10000, 10000],
    "plans": [True, 10000],
    "cancel": True,
    "mistake": True,
    "get_schema_names": ["sales"],
    "get_tables": TABLES,
    "get_columns": [
        {"fieldName": "store_id", "fieldType": "int"},
        {"fieldName": "name", "fieldType": "varchar"},
        {"fieldName": "country", "fieldType": "varchar"},
        {"fieldName": "opened_on", "fieldType": "date"},
        {"fieldName": "location", "fieldType": "struct<latitude:double,longitude:double>"},
        {"fieldName": "is_open", "fieldType": "boolean"},
    ],
    "get_catalogs": [
        {"name": "sample", "isDefault": True},
        {"name": "scratch", "isDefault": False},
    ],
    "dry_run": True,
}


@dataclasses.dataclass(frozen=True)
class Value:
    """What the connector gave for a case in one protocol and one form of vector."""

    case: Case
    protocol: str
    form: str
    shown: str
    verdict: Verdict


@dataclasses.dataclass(frozen=True)
class Report:
    """Values, steps as (name, result, verdict), and the queries that the connector left behind."""

    values: list[Value]
    steps: list[tuple[str, Any, str]]
    uncleared: list[str]

    @property
    def unexplained(self) -> list[str]:
        """The differences that nobody can account for."""
        values = [
            f"{value.protocol} {value.form} {value.case.sql}: {value.shown}"
            for value in self.values
            if not value.verdict.is_explained
        ]
        return values + [
            f"{name}: {got!r}" for name, got, verdict in self.steps if verdict != "equal"
        ]


def run() -> Report:
    """Returns the report of one run, about ten seconds.

    Raises:
        UnavailableError: The connector cannot be installed.
        RuntimeError: The connector's process failed as a whole.
    """
    python = interpreter()
    statements = [
        {"name": str(index), "form": form, "sql": sql}
        for index, case in enumerate(CASES)
        for form, sql in case.statements().items()
    ]
    with LocalEngine() as engine:
        task = {
            "host": engine.config.host,
            "port": engine.port,
            "user": engine.user,
            "token": engine.token,
            "cases": statements,
        }
        done = subprocess.run(
            [str(python), str(CLIENT)],
            input=json.dumps(task),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"the connector's process failed: {done.stderr.strip()[-2000:]}")
        uncleared = [record.sql for record in engine.ledger.open_queries]
    answer = json.loads(done.stdout)
    return Report(
        [_value(found) for found in answer["values"]],
        [_step(name, got) for name, got in answer["steps"].items()],
        uncleared,
    )


def _value(found: dict[str, Any]) -> Value:
    case = CASES[int(found["name"])]
    if "error" in found:
        shown, verdict = found["error"], Verdict("failed", is_explained=False)
    else:
        rows = [row[0] for row in found["rows"]]
        shown = str(rows[0][1])
        verdict = judge(case, *rows[0])
        expected = [rows[0], ["NoneType", None] if found["form"] == "plain" else rows[0], rows[0]]
        if rows != expected:
            verdict = Verdict(f"rows differ: {rows}", is_explained=False)
    return Value(case, found["protocol"], found["form"], shown, verdict)


def _step(name: str, got: Any) -> tuple[str, Any, str]:
    expected = STEPS[name.split(" ", 1)[1]]
    return name, got, "equal" if got == expected else f"expected {expected!r}"
