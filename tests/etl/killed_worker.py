"""A process that loads, and kills itself at a point that its arguments name.

Arguments: one JSON object with `source`, `to`, `options` of the load, `point` and `after`: the load dies when it has
passed *point* as often as *after* says. Points: `begin` (before the plan is stored), `begun`, `committing` (all rows
are with the destination), `batch` (rows are on their way), `watermark` (rows are written, the watermark is not),
`commit` (both are written, not committed), `committed`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from e6data_adbc.etl import load
from e6data_adbc.etl.sql.base import SqlSink
from e6data_adbc.etl.sql.duckdb import DuckSession
from e6data_adbc.etl.sql.session import AdbcSession
from e6data_adbc.etl.sql.state import StateTable
from e6data_adbc.etl.steps import _Counted


def main() -> None:
    given = json.loads(sys.argv[1])
    point, left = given.get("point"), [given.get("after", 0)]

    def passes(name: str) -> None:
        if name == point:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1

    def before(owner: Any, name: str, at: str) -> None:
        function: Callable[..., Any] = getattr(owner, name)

        def patched(*arguments: Any, **keywords: Any) -> Any:
            passes(at)
            return function(*arguments, **keywords)

        setattr(owner, name, patched)

    before(SqlSink, "begin", "begin")
    before(_Counted, "_passed", "batch")
    before(StateTable, "update", "watermark")
    for session in (AdbcSession, DuckSession):
        before(session, "commit", "commit")
    names = {"planned": "begun", "committing": "committing", "committed": "committed"}
    report = load(
        given["source"],
        given["to"],
        progress=lambda progress: passes(names[progress.event]),
        **given["options"],
    )
    print(report.to_json())


if __name__ == "__main__":
    main()
