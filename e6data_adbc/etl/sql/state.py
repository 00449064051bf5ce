"""The table `e6_loads`: one row for each run of a job into a table, changed in the commit of the rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone

from e6data_adbc.etl.sql.session import Session, Table
from e6data_adbc.etl.watermark import Plan, Position, State, Watermark

__all__ = ["StateTable"]

_COLUMNS = "run, source, plan, position, sequence, row_count, byte_count, state"


class StateTable:
    """Watermarks of the jobs that load into one table. No thread has it: sessions are handed in."""

    def __init__(self, table: Table, target: Table) -> None:
        """Takes the table of watermarks, and the table that they are about."""
        self.table = table
        self._target = target.shown

    def create(self, session: Session, *, text: str, key: str) -> None:
        """Makes the table; fails where there is one.

        Args:
            session: In which.
            text: The type of texts of any length.
            key: The type of those in the primary key.
        """
        columns = [
            *(f"{name} {key} NOT NULL" for name in ("job", "target", "run")),
            *(f"{name} {text} NOT NULL" for name in ("source", "plan", "position")),
            *(f"{name} BIGINT NOT NULL" for name in ("sequence", "row_count", "byte_count")),
            *(f"{name} {key} NOT NULL" for name in ("state", "begun_at", "changed_at")),
            "PRIMARY KEY (job, target, run)",
        ]
        session.run(f"CREATE TABLE {self.table.sql} ({', '.join(columns)})")

    def history(self, session: Session, job: str, *, lock: str = "") -> list[Watermark]:
        """Returns the watermarks of *job*; *lock* is what the database wants at the end to lock the rows."""
        found = session.rows(
            f"SELECT {_COLUMNS} FROM {self.table.sql} WHERE job = ? AND target = ? ORDER BY begun_at, run{lock}",
            [job, self._target],
        )
        return [_watermark(job, row) for row in found]

    def runs(self, session: Session, job: str, *, lock: str = "") -> list[str]:
        """Returns the names of the runs of *job*, also of those whose watermark another driver wrote."""
        found = session.rows(
            f"SELECT run FROM {self.table.sql} WHERE job = ? AND target = ? ORDER BY begun_at, run{lock}",
            [job, self._target],
        )
        return [run for (run,) in found]

    def find(self, session: Session, job: str, run: str, *, lock: str = "") -> Watermark | None:
        """Returns the watermark of one run, or None."""
        found = session.rows(
            f"SELECT {_COLUMNS} FROM {self.table.sql} WHERE job = ? AND target = ? AND run = ?{lock}",
            [job, self._target, run],
        )
        return _watermark(job, found[0]) if found else None

    def insert(self, session: Session, mark: Watermark) -> None:
        """Adds the first watermark of a run."""
        now = _now()
        session.run(
            f"INSERT INTO {self.table.sql} (job, target, {_COLUMNS}, begun_at, changed_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                *(mark.job, self._target, mark.run, mark.source, mark.plan.to_json()),
                *(*_position(mark), now, now),
            ],
        )

    def update(self, session: Session, before: Watermark, after: Watermark) -> None:
        """Changes a watermark that *before* is, as the caller has read it under a lock."""
        session.run(
            f"UPDATE {self.table.sql} SET position = ?, sequence = ?, row_count = ?, "
            "byte_count = ?, state = ?, changed_at = ? WHERE job = ? AND target = ? AND run = ? AND sequence = ?",
            [*_position(after), _now(), after.job, self._target, after.run, before.sequence],
        )

    def supersede(self, session: Session, job: str, run: str) -> None:
        """Ends the unfinished runs of *job* other than *run*."""
        session.run(
            f"UPDATE {self.table.sql} SET state = ? WHERE job = ? AND target = ? AND run <> ? AND state = ?",
            [State.SUPERSEDED.value, job, self._target, run, State.LOADING.value],
        )

    def forget(self, session: Session, job: str) -> None:
        """Removes the watermarks of *job*."""
        session.run(
            f"DELETE FROM {self.table.sql} WHERE job = ? AND target = ?",
            [job, self._target],
        )


def _position(mark: Watermark) -> Sequence[str | int]:
    """Returns what a commit changes; the source and its cuts never do."""
    return [
        mark.position.to_json(),
        mark.sequence,
        mark.rows,
        mark.bytes,
        mark.state.value,
    ]


def _watermark(job: str, row: tuple[str, str, str, str, int, int, int, str]) -> Watermark:
    run, source, plan, position, sequence, rows, size, state = row
    return Watermark(
        job=job,
        run=run,
        source=source,
        plan=Plan.from_json(plan),
        position=Position.from_json(position),
        sequence=sequence,
        rows=rows,
        bytes=size,
        state=State(state),
    )


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")
