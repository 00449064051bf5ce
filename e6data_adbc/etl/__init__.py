"""Loads: results into other systems, each row exactly once.

>>> from e6data_adbc import load
>>> load("orders", "sqlite:////tmp/orders.db#orders", uri="e6data:local", job="orders", mode="replace").watermark.state
<State.COMPLETE: 'complete'>
"""

from e6data_adbc.etl.loading import dry_run, forget, load, status
from e6data_adbc.etl.report import LoadReport, Progress
from e6data_adbc.etl.sink import (
    Capabilities,
    Mode,
    OnDuplicate,
    OnType,
    Prepared,
    RacedError,
    Request,
    Schema,
    Sink,
    Step,
)
from e6data_adbc.etl.source import Cut, Source
from e6data_adbc.etl.watermark import Plan, PlanKind, Position, State, Watermark

__all__ = [
    # Loading
    "load",
    "dry_run",
    "status",
    "forget",
    "LoadReport",
    "Progress",
    # Watermarks
    "Watermark",
    "State",
    "Plan",
    "PlanKind",
    "Position",
    # Sources
    "Source",
    "Cut",
    # Sinks
    "Sink",
    "Step",
    "Request",
    "Prepared",
    "Capabilities",
    "Mode",
    "OnDuplicate",
    "OnType",
    "Schema",
    "RacedError",
]
