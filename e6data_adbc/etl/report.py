"""What a load did, as its caller and the command line read it."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from e6data_adbc.etl.watermark import Watermark

__all__ = ["LoadReport", "Progress"]


@dataclasses.dataclass(frozen=True)
class Progress:
    """A moment of a load, for the caller's `progress`.

    Attributes:
        event: `planned` once, `committing` when the rows of a commit are with the destination, `committed` after it.
        rows: Rows committed by this call so far.
        commits: Commits made by this call so far.
        watermark: What the destination has; None for a load without a job that has not ended.
    """

    event: str
    rows: int
    commits: int
    watermark: Watermark | None


@dataclasses.dataclass(frozen=True)
class LoadReport:
    """What a load that succeeded did; one that fails raises.

    Attributes:
        target: The destination, without secrets.
        mode: How rows went in.
        rows: Rows committed by this call.
        bytes: Their size as Arrow data.
        commits: Commits made by this call.
        skipped_rows: Rows of this run that earlier calls had committed.
        skipped_commits: The commits of those.
        seconds: How long the call took.
        losses: What `on_type="cast"` changed, by column: a text that says what and for how many values.
        watermark: What the destination has now; None for a load without a job.
    """

    target: str
    mode: str
    rows: int
    bytes: int
    commits: int
    skipped_rows: int
    skipped_commits: int
    seconds: float
    losses: tuple[str, ...]
    watermark: Watermark | None

    @property
    def rows_per_second(self) -> float:
        """Rows committed by this call, by its seconds."""
        return self.rows / self.seconds if self.seconds else 0.0

    def to_json(self) -> str:
        """Returns the report as one JSON object, without secrets."""
        fields: dict[str, Any] = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name != "watermark"
        }
        fields["rows_per_second"] = round(self.rows_per_second, 1)
        fields["seconds"] = round(self.seconds, 3)
        fields["watermark"] = None if self.watermark is None else self.watermark.to_fields()
        return json.dumps(fields)
