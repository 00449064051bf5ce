"""The table `e6_loads` of a ClickHouse database: a row for each version of a watermark, of which it takes one."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import uuid
from typing import Any

from e6data_adbc.etl.sql.clickhouse_server import Server, named
from e6data_adbc.etl.watermark import Watermark

__all__ = ["Entry", "States"]


@dataclasses.dataclass(frozen=True)
class Entry:
    """The newest version of one run's watermark.

    Attributes:
        run: Of the job.
        version: Counts all changes of the run's row.
        mark: The watermark; None where it was forgotten.
        begun: The version that began the run.
    """

    run: str
    version: int
    mark: Watermark | None
    begun: int


class States:
    """Watermarks of the jobs that load into one table.

    ClickHouse has neither transactions nor updates on a condition. But of two inserts with one token a MergeTree table
    keeps the first: the token of a row is its run and version, so a version is written once, and whoever reads its own
    row back was first.
    """

    def __init__(self, server: Server, table: tuple[str | None, str], target: str) -> None:
        """Takes the server, the table of watermarks, and the name of the one that they are about."""
        self._server, self._target = server, target
        self._database, self._name = table
        self.table = named(*table)

    def create(self) -> None:
        """Makes the table where there is none."""
        self._server.run(
            f"CREATE TABLE IF NOT EXISTS {self.table} (job String, target String, run String, version UInt64, "
            "mark String, plan String, attempt String, is_shown Bool, writer String, "
            "changed_at DateTime64(6, 'UTC') DEFAULT now64(6)) ENGINE = MergeTree ORDER BY (job, target, run, version) "
            "SETTINGS non_replicated_deduplication_window = 10000"
        )

    def entries(self, job: str) -> list[Entry]:
        """Returns the newest version of each run, the first run first."""
        if self._server.columns(self._database, self._name) is None:
            return []
        found = self._server.rows(
            "SELECT run, max(version), argMax(mark, version), argMaxIf(plan, version, plan != ''), "
            f"argMaxIf(version, version, plan != '') FROM {self.table} "
            "WHERE job = {job:String} AND target = {target:String} GROUP BY run ORDER BY min(changed_at), run",
            job=job,
            target=self._target,
        )
        return [
            Entry(run, version, _read(mark, plan), begun)
            for run, version, mark, plan, begun in found
        ]

    def put(
        self,
        job: str,
        run: str,
        version: int,
        mark: Watermark | None,
        *,
        with_plan: bool = False,
        attempt: str = "",
        is_shown: bool = False,
    ) -> bool:
        """Writes a version of a run's watermark; tells whether it is this one, and not another worker's.

        Args:
            job: Whose.
            run: Of the job.
            version: One more than the newest that is known.
            mark: None to forget the run.
            with_plan: Whether it begins the run.
            attempt: Under which name the commit's rows are in the stage.
            is_shown: Whether they are to be shown from now on.
        """
        writer = uuid.uuid4().hex
        where = "job = {job:String} AND target = {target:String} AND run = {run:String}"
        values: dict[str, Any] = {"job": job, "target": self._target, "run": run}
        fields = {} if mark is None else {k: v for k, v in mark.to_fields().items() if k != "plan"}
        self._server.run(
            f"INSERT INTO {self.table} (job, target, run, version, mark, plan, attempt, is_shown, writer) SELECT "
            "{job:String}, {target:String}, {run:String}, {version:UInt64}, {mark:String}, {plan:String}, "
            "{attempt:String}, {shown:Bool}, {writer:String}",
            token=hashlib.sha256(
                json.dumps([job, self._target, run, version]).encode()
            ).hexdigest(),
            **values,
            version=version,
            mark=json.dumps(fields) if fields else "",
            plan=mark.plan.to_json() if mark is not None and with_plan else "",
            attempt=attempt,
            shown=is_shown,
            writer=writer,
        )
        found = self._server.rows(
            f"SELECT writer FROM {self.table} WHERE {where} AND version = {{version:UInt64}}",
            **values,
            version=version,
        )
        return found == [(writer,)]

    def attempts(self, job: str, run: str, since: int) -> list[tuple[str, bool]]:
        """Returns the names of a run's commits since a version, and whether the rows of each are to be shown."""
        return [
            (attempt, bool(is_shown))
            for attempt, is_shown in self._server.rows(
                f"SELECT attempt, is_shown FROM {self.table} WHERE job = {{job:String}} AND target = "
                "{target:String} AND run = {run:String} AND version >= {since:UInt64} AND attempt != '' "
                "ORDER BY version",
                job=job,
                target=self._target,
                run=run,
                since=since,
            )
        ]


def _read(mark: str, plan: str) -> Watermark | None:
    if not mark:
        return None
    return Watermark.from_fields(json.loads(mark) | {"plan": json.loads(plan)})
