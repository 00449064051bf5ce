"""What does pandas' `to_sql` through SQLAlchemy cost, beside the driver's own bulk ingestion of the same frame?"""

from __future__ import annotations

import datetime
import decimal
import time
from collections.abc import Callable
from typing import Any

from benchmarks.harness import Report, Settings, Table, interleave, main, median, ratios, spread
from e6data_adbc import dbapi
from e6data_adbc.local import LocalEngine

__all__ = ["run"]

ROWS = 20_000


def run(settings: Settings) -> Report:
    """Returns seconds for 20,000 rows of five columns, into an empty table each time."""
    import pandas as pd
    import sqlalchemy as sa

    from e6data_adbc.sqlalchemy import ingest

    day = datetime.date(2026, 1, 1)
    frame = pd.DataFrame(
        {
            "id": range(ROWS),
            "share": [number / 7 for number in range(ROWS)],
            "name": [f"text {number}" for number in range(ROWS)],
            "price": [decimal.Decimal(number) / 4 for number in range(ROWS)],
            "day": [day + datetime.timedelta(days=number % 365) for number in range(ROWS)],
        }
    )
    report = Report("to_sql", __doc__)
    with LocalEngine(catalog="scratch", schema="main") as server:
        engine = sa.create_engine(server.uri.replace("e6data://", "e6data+adbc://", 1))
        with (
            dbapi.connect(server.uri, autocommit=True) as connection,
            connection.cursor() as cursor,
        ):

            def adbc() -> None:
                import pyarrow as pa

                table = pa.Table.from_pandas(frame, preserve_index=False)
                cursor.adbc_ingest("direct", table, mode="replace")

            def plain() -> None:
                frame.to_sql("plain", engine, if_exists="replace", index=False)

            def by_ingest() -> None:
                frame.to_sql("bulk", engine, if_exists="replace", index=False, method=ingest)

            tasks: dict[str, Callable[[], Any]] = {
                "adbc_ingest": _timed(adbc),
                "to_sql(method=ingest)": _timed(by_ingest),
                "to_sql": _timed(plain),
            }
            samples = interleave(tasks, settings.pick(12, 3), warm_up=True)
        engine.dispose()
    direct = samples["adbc_ingest"]
    table = Table(f"{ROWS:,} rows of five columns", ["", "seconds", "times adbc_ingest"])
    for name, taken in samples.items():
        table.add(name, spread(taken), f"{median(ratios(taken, direct)):.2f}")
    report.tables.append(table)
    report.figures |= {
        "ingest_of_direct": median(ratios(samples["to_sql(method=ingest)"], direct)),
        "plain_of_direct": median(ratios(samples["to_sql"], direct)),
    }
    report.samples = samples
    return report


def _timed(task: Callable[[], None]) -> Callable[[], float]:
    def timed() -> float:
        started = time.perf_counter()
        task()
        return time.perf_counter() - started

    return timed


if __name__ == "__main__":
    main(run)
