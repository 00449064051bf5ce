"""The benchmarks' arithmetic: what is measured is theirs, what is made of it must be right."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from benchmarks import flame_graphs
from benchmarks.__main__ import QUESTIONS
from benchmarks.harness import Report, Table, interleave, number, percentile, ratios, spread
from benchmarks.performance_page import TARGETS, TITLES, read_reasons


def test_rounds_ask_everyone_once_and_begin_with_another_one() -> None:
    """A round asks each contestant once; the next round begins with the next one."""
    asked: list[str] = []

    samples = interleave({name: lambda name=name: asked.append(name) for name in "abc"}, 3)

    assert asked == list("abcbcacab")
    assert {name: len(taken) for name, taken in samples.items()} == {"a": 3, "b": 3, "c": 3}


def test_ratios_are_made_inside_a_round() -> None:
    """A slow spell that hits a whole round leaves its ratio alone."""
    assert ratios([10.0, 1.0], [5.0, 0.5]) == [2.0, 2.0]


def test_cells_have_median_and_range() -> None:
    """A cell says the median, and the range where there is one, to three digits."""
    assert spread([1.0, 2.0, 4.0]) == "2.00 [1.00..4.00]"
    assert spread([1234.5]) == "1,234"
    assert spread([]) == "n/a"
    assert number(0.012345) == "0.0123"
    assert percentile([1.0, 2.0, 3.0, 4.0], 0.99) == 4.0


def test_flame_graphs_are_as_wide_as_their_samples(tmp_path: Path) -> None:
    """A graph begins at its root; two stacks share what they have in common, and names are text."""
    stacks = flame_graphs.Stacks()
    stacks["main (x.py)", "Worker.loop (x.py)", "decode<T> (native)"] = 3
    stacks["main (x.py)", "Worker.loop (x.py)", "recv (libc.so.6)"] = 1
    stacks["other (x.py)",] = 9
    path = tmp_path / "graph.svg"

    flame_graphs.draw(stacks, path, "A & B", root="loop")

    tree = ElementTree.fromstring(path.read_text())
    titles = [title.text for title in tree.iter("{http://www.w3.org/2000/svg}title")]
    assert titles == [
        "Worker.loop (x.py): 100.0 %",
        "decode<T> (native): 75.0 %",
        "recv (libc.so.6): 25.0 %",
    ]


def test_tables_become_markdown() -> None:
    """A report's text has its question, its tables and its notes."""
    report = Report("name", "How fast?", notes=["On one core."])
    table = Table("Rows", ["", "rate"])
    table.add("ours", 3)
    report.tables.append(table)

    text = report.text()

    assert (
        text
        == "How fast?\n\n**Rows**\n\n|  | rate |\n| --- | --- |\n| ours | 3 |\n\nOn one core.\n"
    )


def test_every_reason_is_written() -> None:
    """A target that may be missed names a heading of the page's reasons, and each heading has a text and a target."""
    reasons = read_reasons()

    assert {target.reason for target in TARGETS if target.reason} == set(reasons)
    assert all(reasons.values())


def test_each_benchmark_has_a_heading() -> None:
    """The page has a section for whatever was measured."""
    assert set(QUESTIONS) == set(TITLES)
