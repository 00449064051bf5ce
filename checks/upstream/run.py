"""One run of the public connector's clients against local engines, judged."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import threading
from pathlib import Path
from typing import Any

from checks.upstream.cases import CASES, Case, Verdict, judge
from checks.upstream.clients import CLIENTS, Client, Place, place
from checks.upstream.environment import interpreter

__all__ = ["Report", "Step", "Value", "run"]

CLIENT = Path(__file__).with_name("client.py")
TIMEOUT_SECONDS = 120

TABLES = ["customers", "date_dim", "order_items", "orders", "products", "stores"]
#: What each step must return. A row of one value where a row is meant is the connector's own fetchone.
STEPS: dict[str, Any] = {
    "fetchmany": [7000, 7000, 6000],
    "fetchone": [[[1]], [[2]]],
    "fetch_batch": [20000, 8192],
    "fetchall_buffer": 20000,
    "iteration": [[[1]], [[2]]],
    "no rows": [],
    "rowcount": [10000, 10000],
    "parameters": [[17, "it's"]],
    "plans": [True, 10000],
    "status": [True, 8],
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
    "pool": [0, 1, 2, 3, 4, 5, 6, 7],
    "switch, announced": [[[7]], [[7]]],
    "switch, query pinned": [10, 19990],
    "connect after the switch": [[7]],
    "switch, abrupt": [[7]],
    "connect after an abrupt switch": [[7]],
    "auto-resume": [[[7]], 1],
}
#: Steps that the connector cannot do, by client: a part of what it says instead, and why.
DEFECTS: dict[tuple[str, str], tuple[str, str]] = {
    ("sync", "switch, query pinned"): (
        "11808",
        "its fetchall after a fetchmany loses the rows of the chunk that fetchmany began",
    ),
    ("sync V2", "switch, announced"): ("Connection is closed", "its switch closes the connection"),
    ("sync V2", "switch, abrupt"): ("status: 456", "with V2 it does not try the other colour"),
    ("async", "switch, abrupt"): (
        "Access denied",
        "it keeps the session of the old colour when it tries the other one",
    ),
    ("async", "auto-resume"): (
        "cluster is suspended",
        "it resumes at prepare only, and the sign-in comes before that",
    ),
}
DEFECTS["async V2", "switch, abrupt"] = DEFECTS["async", "switch, abrupt"]
DEFECTS["async V2", "auto-resume"] = DEFECTS["async", "auto-resume"]


@dataclasses.dataclass(frozen=True)
class Value:
    """What a client gave for a case in one form of vector."""

    client: str
    case: Case
    form: str
    shown: str
    verdict: Verdict


@dataclasses.dataclass(frozen=True)
class Step:
    """What a client gave for something other than a value."""

    client: str
    name: str
    got: Any
    verdict: str
    is_explained: bool


@dataclasses.dataclass
class Report:
    """Values, steps, and the queries that each client left behind."""

    values: list[Value] = dataclasses.field(default_factory=list)
    steps: list[Step] = dataclasses.field(default_factory=list)
    uncleared: dict[str, list[str]] = dataclasses.field(default_factory=dict)

    @property
    def unexplained(self) -> list[str]:
        """The differences that nobody can account for."""
        values = [
            f"{value.client} {value.form} {value.case.sql}: {value.shown}"
            for value in self.values
            if not value.verdict.is_explained
        ]
        return values + [
            f"{step.client} {step.name}: {step.got!r}, {step.verdict}"
            for step in self.steps
            if not step.is_explained
        ]


def run() -> Report:
    """Returns the report of one run, about half a minute.

    Raises:
        UnavailableError: The connector cannot be installed.
        RuntimeError: A process of the connector failed as a whole.
    """
    python = interpreter()
    report = Report()
    for client in CLIENTS:
        with place(oauth=client.oauth, v2=client.v2) as where:
            answer = _converse(python, client, where)
            report.uncleared[client.name] = [
                record.sql for record in where.engine.ledger.open_queries
            ]
        report.values += [_value(client.name, found) for found in answer["values"]]
        report.steps += [_step(client.name, name, got) for name, got in answer["steps"].items()]
    return report


def _converse(python: Path, client: Client, where: Place) -> dict[str, Any]:
    task = {
        "api": client.api,
        "connection": where.options,
        "cases": [
            {"name": str(index), "form": form, "sql": sql}
            for index, case in enumerate(CASES)
            for form, sql in case.statements().items()
        ],
    }
    with (where.folder / "words").open("w+") as words:
        with subprocess.Popen(
            [str(python), str(CLIENT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=words,
            text=True,
            env={**os.environ, **where.environment},
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            limit = threading.Timer(TIMEOUT_SECONDS, process.kill)
            limit.start()
            try:
                process.stdin.write(json.dumps(task) + "\n")
                process.stdin.flush()
                for line in process.stdout:
                    said = json.loads(line)
                    if "do" not in said:
                        return dict(said)
                    process.stdin.write(json.dumps(_play(where, said)) + "\n")
                    process.stdin.flush()
            finally:
                limit.cancel()
        words.seek(0)
        raise RuntimeError(f"the process of {client.name} failed: {words.read().strip()[-2000:]}")


def _play(where: Place, asked: dict[str, Any]) -> Any:
    """Plays the cluster as the client's script says."""
    match asked.pop("do"):
        case "switch":
            return where.engine.switch(**asked)
        case "suspend":
            return where.engine.suspend(**asked)
        case "resumes":
            return where.engine.ledger.calls["cluster.resume"]
        case other:
            raise ValueError(f"nobody plays {other!r}")


def _value(client: str, found: dict[str, Any]) -> Value:
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
    return Value(client, case, found["form"], shown, verdict)


def _step(client: str, name: str, got: Any) -> Step:
    expected = STEPS[name]
    if got == expected:
        return Step(client, name, got, "works", is_explained=True)
    part, why = DEFECTS.get((client, name), ("", ""))
    if part and part in str(got):
        return Step(client, name, got, f"the connector cannot: {why}", is_explained=True)
    return Step(client, name, got, f"expected {expected!r}", is_explained=False)
