"""jupysql: the magics `%sql`, `%%sql` and `%sqlcmd` in IPython."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sqlalchemy.tools.script import found_by

pytest.importorskip("sql", reason="make rooms has jupysql")


def test_magics(url: str, tmp_path: Path) -> None:
    """A notebook's cells make a table, read it into a frame, and describe it; no token is shown."""
    script = """
    import contextlib, io
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance()
    shown = io.StringIO()
    with contextlib.redirect_stdout(shown):
        shell.run_line_magic("load_ext", "sql")
        shell.user_ns["engine"] = engine
        shell.run_line_magic("sql", "engine")
        shell.run_cell_magic("sql", "", "create table cells(id int, name varchar)")
        shell.run_cell_magic("sql", "", "insert into cells values (1, 'a'), (2, 'b')")
        rows = shell.run_cell_magic("sql", "", "select * from cells order by id")
        found["rows"] = rows.DataFrame().values.tolist()
        shell.user_ns["least"] = 1
        rows = shell.run_cell_magic("sql", "", "select name from cells where id > {{least}}")
        found["bound"] = rows.DataFrame().values.tolist()
        found["tables"] = str(shell.run_line_magic("sqlcmd", "tables"))
        found["columns"] = str(shell.run_line_magic("sqlcmd", "columns --table cells"))
        found["profile"] = str(shell.run_line_magic("sqlcmd", "profile --table cells"))
        shell.run_cell("%sql select * from no_such_table")
        shell.run_line_magic("sql", "--connections")
    found["token"] = engine.url.password in shown.getvalue()
    shell.run_cell_magic("sql", "", "drop table cells")
    """
    found = found_by(script, url, tmp_path)

    assert found["rows"] == [[1, "a"], [2, "b"]]
    assert found["bound"] == [["b"]]
    assert "cells" in found["tables"]
    assert "INTEGER" in found["columns"]
    assert "1.5000" in found["profile"]
    assert not found["token"]
