"""What consoles and notebooks show of connections, cursors and plans."""

from __future__ import annotations

import sys
import threading
import types
from typing import Any

import pytest

import e6data_adbc
from e6data_adbc._dbapi import notebook

pytestmark = pytest.mark.seconds


def test_texts(engine: Any) -> None:
    """Where it leads, whether it is open, and which query; never the token."""
    with e6data_adbc.connect(engine.uri) as connection:
        cursor = connection.cursor()
        assert repr(connection).startswith("<adbc_driver_e6data.dbapi.Connection e6data://")
        assert repr(connection).endswith(", open>")
        assert engine.target in repr(connection)
        cursor.execute(
            "select 1 as one,\n   'x' as text /* and much more than a line would hold of it */"
        )
        assert cursor.query_id in repr(cursor)
        assert "'select 1 as one, \\'x\\' as text" in repr(cursor).replace('"', "'") or (
            "select 1 as one, 'x' as text" in repr(cursor)
        )
        cursor.fetchall()
        assert "1 row fetched" in repr(cursor)
        texts = [repr(connection), repr(cursor)]
        cursor.close()
        texts.append(repr(cursor))
    texts += [repr(connection), repr(cursor)]

    assert texts[-2].endswith("closed>")
    assert "closed" in texts[-1]
    assert not any(engine.token in text for text in texts)


def test_a_cursor_in_a_notebook(engine: Any) -> None:
    """Shows its first rows, escaped; none of them is gone by that."""
    with e6data_adbc.connect(engine.uri) as connection, connection.cursor() as cursor:
        assert "<table>" not in cursor._repr_html_()
        cursor.execute("select range as number, '<b>' as bold from range(300)")
        shown = cursor._repr_html_()
        assert shown == cursor._repr_html_()
        assert "<th>number</th><th>bold</th>" in shown
        assert shown.count("<tr>") == 11
        assert "<td>9</td><td>&lt;b&gt;</td>" in shown
        assert "the first 10 of the rows" in shown
        assert len(cursor.fetchmany(290)) == 290
        assert "the first" not in cursor._repr_html_()
        assert len(cursor.fetchall()) == 10
        assert cursor._repr_html_().count("<tr>") == 1
    assert "closed" in cursor._repr_html_()


def test_plans_in_a_notebook(engine: Any) -> None:
    """The plan as it is, and its times."""
    with e6data_adbc.connect(engine.uri) as connection, connection.cursor() as cursor:
        plan = cursor.explain("select 1 < 2 as smaller")
        analysis = cursor.explain_analyze("select 1 as one")

    assert isinstance(plan, str)
    assert plan._repr_html_().startswith("<pre>")
    assert "total ms" in analysis._repr_html_()


class Display:
    """IPython's way to show something, and what was shown."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.changed = threading.Event()

    def HTML(self, text: str) -> str:
        return text

    def display(self, text: str, display_id: bool) -> Display:
        assert display_id
        return self.update(text)

    def update(self, text: str) -> Display:
        self.lines.append(text)
        self.changed.set()
        return self


@pytest.fixture
def display(monkeypatch: pytest.MonkeyPatch) -> Display:
    """As in the kernel of a notebook."""
    shown = Display()
    ipython: Any = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "ipykernel", types.ModuleType("ipykernel"))
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", shown)  # type: ignore[arg-type]
    return shown


def test_progress_in_a_notebook(engine: Any, display: Display) -> None:
    """A line that comes when a fetch takes long, and goes when it ends."""
    with e6data_adbc.connect(engine.uri) as connection, connection.cursor() as cursor:
        cursor.execute("select range as a from range(1000)")
        assert cursor.fetch_arrow_table().num_rows == 1000
        assert display.lines == []  # it was quick
        with notebook.showing_progress(cursor, grace=0):
            assert display.changed.wait(20)

    assert "rows" in display.lines[0]
    assert display.lines[-1] == ""


def test_no_progress_elsewhere(
    engine: Any, monkeypatch: pytest.MonkeyPatch, display: Display
) -> None:
    """IPython on a terminal is no notebook."""
    ipython: Any = types.ModuleType("IPython")
    ipython.get_ipython = types.SimpleNamespace
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    with e6data_adbc.connect(engine.uri) as connection, connection.cursor() as cursor:
        with notebook.showing_progress(cursor, grace=0):
            assert all(thread.name != "e6data-progress" for thread in threading.enumerate())

    assert display.lines == []
