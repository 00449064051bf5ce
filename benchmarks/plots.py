"""Draws a plot of a report as PNG and SVG."""

from __future__ import annotations

from pathlib import Path

from benchmarks.report import Plot

__all__ = ["draw"]

#: Ours first; colours that differ in lightness too.
_COLOURS = ("#0b5fa5", "#e07b00", "#2e8b57", "#8a4fbf", "#b03a2e", "#6b6b6b", "#c2a000", "#00868b")


def draw(plot: Plot, directory: Path) -> None:
    """Writes `NAME.png` and `NAME.svg` into *directory*."""
    import matplotlib as mpl

    mpl.use("Agg")
    # The same plot gives the same bytes.
    mpl.rcParams["svg.hashsalt"] = plot.name
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 4.5), layout="constrained")
    if plot.is_line:
        _lines(plot, axes)
    else:
        _bars(plot, axes)
    if plot.is_log:
        axes.set_yscale("log")
    axes.set_ylabel(plot.unit)
    axes.set_title(plot.title)
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize="small")
    figure.savefig(directory / f"{plot.name}.png", dpi=120, metadata={"Software": None})
    figure.savefig(directory / f"{plot.name}.svg", metadata={"Date": None})
    pyplot.close(figure)


def _lines(plot: Plot, axes) -> None:  # type: ignore[no-untyped-def]
    for (name, values), colour in zip(plot.series.items(), _COLOURS, strict=False):
        points = [
            (place, value)
            for place, value in zip(plot.places, values, strict=True)
            if value is not None
        ]
        axes.plot(*zip(*points, strict=True), marker="o", label=name, color=colour)
    axes.set_xscale("log")
    axes.set_xlabel(plot.place_unit)


def _bars(plot: Plot, axes) -> None:  # type: ignore[no-untyped-def]
    width = 0.8 / len(plot.series)
    for index, (name, values) in enumerate(plot.series.items()):
        places = [place + index * width - 0.4 + width / 2 for place in range(len(plot.places))]
        heights = [0 if value is None else value for value in values]
        colour = _COLOURS[index % len(_COLOURS)]
        axes.bar(places, heights, width, label=name, color=colour)
    axes.set_xticks(range(len(plot.places)), [str(place) for place in plot.places])
    axes.tick_params(axis="x", labelrotation=30 if len(plot.places) > 6 else 0)
