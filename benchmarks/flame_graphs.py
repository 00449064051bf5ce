"""Flame graphs: where a process spends its time, native code included, as an SVG that needs no script.

The functions of the driver's Rust have names where it was built with `CARGO_PROFILE_RELEASE_STRIP=none`; else they go
by their file.
"""

from __future__ import annotations

import collections
import dataclasses
import html
import itertools
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Stacks", "draw", "record"]

#: How often a stack is looked at in each calling context, which is a tuple of frames, the outermost first.
Stacks = collections.Counter[tuple[str, ...]]

_SAMPLES_PER_SECOND = 50
_WIDTH, _ROW, _MARGIN, _LETTER = 1200, 17, 10, 6.2
#: A frame that is narrower is left out.
_LEAST = 0.5
#: `name (file:line)`, and how symbols of Rust write what no symbol may hold.
_PLACE = re.compile(r"^(?P<name>.*) \((?P<file>[^()]*)\)$")
_ESCAPES = (("$LT$", "<"), ("$GT$", ">"), ("$u20$", " "), ("$C$", ","), ("$RF$", "&"), ("..", "::"))
_HASH = re.compile(r"::h[0-9a-f]{16}$")
#: What a frame is of, by its file, and the colour of that.
_KINDS = (
    ("the driver's Python", "e6data_adbc/", "#8fbce6"),
    ("the driver manager", "adbc_driver_manager", "#b9d99b"),
    ("the driver's Rust", "native", "#f0b37e"),
    ("other Python", ".py", "#d6c9ea"),
    ("the rest: interpreter, libraries, system calls", "", "#dcdcdc"),
)


@dataclasses.dataclass
class _Frame:
    """A place in the graph and what it calls."""

    name: str
    kind: int
    count: int = 0
    callees: dict[str, _Frame] = dataclasses.field(default_factory=dict)


def record(pid: int, work: threading.Thread) -> Stacks:
    """Returns the stacks of the threads of *pid* that run while *work* does; empty where py-spy cannot look."""
    tool = Path(sys.executable).with_name("py-spy")
    found = str(tool) if tool.exists() else shutil.which("py-spy")
    if found is None:
        work.start()
        work.join()
        return Stacks()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "stacks.txt"
        options = f"--native --format raw --rate {_SAMPLES_PER_SECOND} --duration 300".split()
        recorder = subprocess.Popen(
            [found, "record", *options, "--pid", str(pid), "--output", str(path)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        work.start()
        work.join()
        recorder.send_signal(signal.SIGINT)
        recorder.wait(60)
        lines = path.read_text().splitlines() if path.exists() else []
    stacks = Stacks()
    for line in lines:
        frames, _, count = line.rpartition(" ")
        named = (_clean(frame) for frame in frames.split(";"))
        stacks[tuple(frame for frame in named if frame != "?")] += int(count)
    return stacks


def _function(frame: str) -> str:
    return frame.partition(" (")[0].rpartition(".")[2]


def _clean(frame: str) -> str:
    """Returns *frame* with the end of its file's path only, and without a line; what has no name goes by its file."""
    found = _PLACE.match(frame)
    if found is None:
        return frame
    name = _HASH.sub("", found["name"]).removeprefix("_") if "$" in frame else found["name"]
    for written, meant in _ESCAPES:
        name = name.replace(written, meant)
    file = re.sub(r":\d+$", "", found["file"])
    if "_native" in file:
        file = "native"
    elif "e6data_adbc/" in file:
        file = "e6data_adbc/" + file.rpartition("e6data_adbc/")[2]
    elif file.startswith("/") and "/native/" in file:
        file = "native/" + file.rpartition("/native/")[2]
    elif file.startswith("/"):
        file = "/".join(file.split("/")[-2:])
    return file if name.startswith("0x") else f"{name} ({file})"


def draw(stacks: Stacks, path: Path, title: str, *, root: str) -> None:
    """Writes the graph of the part of *stacks* from the function *root* on.

    Args:
        stacks: The samples.
        path: The SVG.
        title: Its title.
        root: The function that the graph is of; stacks without it are left out.
    """
    tree = _Frame("all", len(_KINDS) - 1)
    for frames, count in stacks.items():
        places = [index for index, frame in enumerate(frames) if _function(frame) == root]
        if not places:
            continue
        tree.count += count
        node = tree
        for name, _ in itertools.groupby(frames[places[0] :]):
            node = node.callees.setdefault(name, _Frame(name, _kind(name)))
            node.count += count
    shown = list(_shown(tree, 0.0, 0))
    depth = max((level for _, _, level in shown), default=0) + 1
    height = _MARGIN * 2 + _ROW * (depth + 3)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}">',
        '<g font-family="monospace" font-size="10.5">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{_MARGIN}" y="22" font-size="14">{html.escape(title)}</text>',
    ]
    left = _MARGIN
    for name, _, colour in _KINDS:
        parts.append(
            f'<rect x="{left}" y="32" width="11" height="11" fill="{colour}"/>'
            f'<text x="{left + 15}" y="41">{html.escape(name)}</text>'
        )
        left += round(15 + _LETTER * len(name) + 22)
    for frame, x, level in shown:
        width = _scaled(frame.count, tree)
        y = height - _MARGIN - _ROW * (level + 1)
        share = 100 * frame.count / tree.count
        room = int((width - 4) / _LETTER)
        label = frame.name if len(frame.name) <= room else frame.name[: max(room - 1, 0)] + "…"
        text = f'<text x="{x + 2:.1f}" y="{y + 12}">{html.escape(label)}</text>' if room > 2 else ""
        parts.append(
            f"<g><title>{html.escape(frame.name)}: {share:.1f} %</title>"
            f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_ROW - 1}"'
            f' fill="{_KINDS[frame.kind][2]}"/>{text}</g>'
        )
    path.write_text("\n".join([*parts, "</g></svg>"]) + "\n", encoding="utf-8")


def _kind(frame: str) -> int:
    place = _PLACE.match(frame)
    file = frame if place is None else place["file"]
    return next(index for index, (_, sign, _) in enumerate(_KINDS) if sign in file)


def _scaled(count: int, tree: _Frame) -> float:
    return (_WIDTH - 2 * _MARGIN) * count / max(tree.count, 1)


def _shown(
    tree: _Frame, left: float, level: int, root: _Frame | None = None
) -> Iterator[tuple[_Frame, float, int]]:
    """Gives each frame that is wide enough, where it begins, and how deep it is."""
    root = root or tree
    x = left or float(_MARGIN)
    for frame in sorted(tree.callees.values(), key=lambda frame: frame.name):
        width = _scaled(frame.count, root)
        if width >= _LEAST:
            yield frame, x, level
            yield from _shown(frame, x, level + 1, root)
        x += width
