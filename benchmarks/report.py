"""The answer to one question: tables, plots, figures and every single measurement."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["Plot", "Report", "Table", "read_report"]


@dataclasses.dataclass
class Table:
    """Rows of text under a title."""

    title: str
    columns: list[str]
    rows: list[list[str]] = dataclasses.field(default_factory=list)

    def add(self, *cells: object) -> None:
        """Adds one row."""
        self.rows.append([str(cell) for cell in cells])


@dataclasses.dataclass
class Plot:
    """Named series over the same places: bars over categories, or lines over numbers.

    Attributes:
        series: For each name as many values as there are *places*; None where there is none.
    """

    name: str
    title: str
    unit: str
    places: Sequence[str | float]
    series: Mapping[str, Sequence[float | None]]
    is_line: bool = False
    is_log: bool = True
    place_unit: str = ""


@dataclasses.dataclass
class Report:
    """The answer to one question.

    Attributes:
        pictures: The name and title of each SVG that the benchmark has drawn itself.
        figures: What the targets are compared with, by name.
        samples: Every single measurement.
    """

    name: str
    question: str
    tables: list[Table] = dataclasses.field(default_factory=list)
    plots: list[Plot] = dataclasses.field(default_factory=list)
    pictures: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    figures: dict[str, float] = dataclasses.field(default_factory=dict)
    samples: dict[str, Any] = dataclasses.field(default_factory=dict)

    def text(self) -> str:
        """Returns the tables and notes as Markdown."""
        parts = [f"{self.question}\n"]
        for table in self.tables:
            lines = [table.columns, ["---"] * len(table.columns), *table.rows]
            body = "\n".join("| " + " | ".join(line) + " |" for line in lines)
            parts.append(f"**{table.title}**\n\n{body}\n")
        parts += [f"{note}\n" for note in self.notes]
        return "\n".join(parts)


def read_report(path: Path) -> Report:
    """Returns the report that `harness.write_report` wrote."""
    content = json.loads(path.read_text())
    content.pop("machine", None)
    content["tables"] = [Table(**table) for table in content["tables"]]
    content["plots"] = [Plot(**plot) for plot in content["plots"]]
    return Report(**content)
