"""Draws the pictures of docs/pictures: what the command line shows on a terminal of its own, on the local engine.

`make pictures` runs it. Each picture is text on a dark screen, with the colours that the program chose.
"""

from __future__ import annotations

import fcntl
import html
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import pyte

__all__ = ["main"]

PICTURES: Final = Path(__file__).resolve().parent.parent / "docs" / "pictures"
TOTALS: Final = (
    "select segment, sum(quantity * unit_price) as total "
    "from orders join customers using (customer_id) join order_items using (order_id) group by segment"
)
#: A space that no browser leaves out beside another one.
_BLANK: Final = "\N{NO-BREAK SPACE}"
PROMPT: Final = "e6data=>"
DEADLINE: Final = 120.0
COLUMNS: Final = 100
LINES: Final = 40

#: A cell of the screen and its surroundings, in pixels.
WIDTH: Final = 8.4
HEIGHT: Final = 19
MARGIN: Final = 16
INK: Final = "#d8dee9"
PAPER: Final = "#1f2430"
#: The colours by the names that the screen has for them; others are six hexadecimal digits.
COLOURS: Final = {
    "black": "#4c566a",
    "red": "#f0717b",
    "green": "#a3be8c",
    "brown": "#ebcb8b",
    "blue": "#81a1c1",
    "magenta": "#b48ead",
    "cyan": "#88c0d0",
    "white": "#e5e9f0",
}


@dataclass(frozen=True)
class Picture:
    """A picture by its name, what it shows, the command, and the lines that are typed at its prompts."""

    name: str
    title: str
    command: Sequence[str]
    typed: Sequence[str] = ()


SHOWN: Final = (
    Picture(
        "plan",
        "the plan of a query as a tree, with times and rows: e6data-adbc explain --analyze",
        ["explain", "--analyze", TOTALS],
    ),
    Picture(
        "shell",
        "e6data-adbc shell: the columns of a table, a query of two lines, its rows and its times",
        ["shell"],
        [
            "\\d products",
            "\\timing on",
            "select segment, count(*) as n from customers\ngroup by segment order by n desc limit 3;",
        ],
    ),
)


def main() -> int:
    """Returns the exit code; the first argument is the folder of a Python environment with the driver."""
    if len(sys.argv) != 2:
        print("usage: draw_pictures.py ENVIRONMENT", file=sys.stderr)
        return 2
    program = Path(sys.argv[1]).resolve() / "bin" / "e6data-adbc"
    PICTURES.mkdir(parents=True, exist_ok=True)
    for picture in SHOWN:
        screen = _played(picture, [str(program), *picture.command])
        (PICTURES / f"{picture.name}.svg").write_text(_svg(screen, picture), encoding="utf-8")
        print("\n".join(line.rstrip() for line in screen.display).rstrip())
    return 0


def _played(picture: Picture, command: Sequence[str]) -> Any:
    """Returns the screen after the program has shown all, or waits for more than was to be typed."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    with tempfile.TemporaryDirectory() as folder:
        program = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=dict(
                os.environ,
                TERM="xterm-256color",
                E6DATA_URI="e6data:local",
                E6DATA_HISTORY=f"{folder}/history",
                PAGER="",
            ),
        )
        os.close(slave)
        try:
            for line in picture.typed:
                _read_until(master, stream, screen)
                for part in line.split("\n"):
                    os.write(master, f"{part}\r".encode())
                    _read_until(master, stream, screen, after=part)
            _read_until(master, stream, screen)
        finally:
            if program.poll() is None:
                program.send_signal(signal.SIGKILL)
            program.wait(timeout=DEADLINE)
            os.close(master)
    return screen


def _read_until(master: int, stream: Any, screen: Any, after: str = "") -> None:
    """Reads until the cursor is behind a bare prompt, or *after* is shown, or the program has ended."""
    deadline = time.monotonic() + DEADLINE
    while not (
        any(after in line for line in screen.display)
        if after
        else screen.display[screen.cursor.y].strip() == PROMPT
    ):
        if not select.select([master], [], [], max(deadline - time.monotonic(), 0))[0]:
            raise TimeoutError("\n".join(screen.display))
        try:
            shown = os.read(master, 65536)
        except OSError:  # Linux tells so that the other side is closed
            return
        if not shown:
            return
        stream.feed(shown)


def _svg(screen: Any, picture: Picture) -> str:
    lines = [line.rstrip() for line in screen.display]
    rows = max(number for number, line in enumerate(lines) if line) + 1
    columns = max(map(len, lines))
    width, height = round(columns * WIDTH + 2 * MARGIN), rows * HEIGHT + 2 * MARGIN
    body = "\n".join(
        f'<text x="{MARGIN}" y="{MARGIN + HEIGHT * row + 14}">{"".join(_spans(screen, row, columns))}</text>'
        for row in range(rows)
        if lines[row]
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" role="img">\n'
        f"<title>{html.escape(picture.title)}</title>\n"
        f'<rect width="100%" height="100%" rx="8" fill="{PAPER}"/>\n'
        f'<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, DejaVu Sans Mono, monospace" font-size="14" '
        f'fill="{INK}">\n{body}\n</g>\n</svg>\n'
    )


def _spans(screen: Any, row: int, columns: int) -> Iterator[str]:
    """Yields the pieces of a line that have one colour, each at its place and of its width."""
    cells = [screen.buffer[row][column] for column in range(columns)]
    last = max((place for place, cell in enumerate(cells) if cell.data.strip()), default=-1)
    start = 0
    for (colour, is_bold), group in groupby(cells[: last + 1], lambda cell: (cell.fg, cell.bold)):
        text = "".join(cell.data for cell in group)
        weight = ' font-weight="bold"' if is_bold else ""
        fill = "" if colour == "default" else f' fill="{COLOURS.get(colour, "#" + colour)}"'
        yield (
            f'<tspan x="{MARGIN + start * WIDTH:g}" textLength="{len(text) * WIDTH:g}"{fill}{weight}>'
            f"{html.escape(text).replace(' ', _BLANK)}</tspan>"
        )
        start += len(text)


if __name__ == "__main__":
    sys.exit(main())
