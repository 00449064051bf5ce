"""e6data's dialect on the local engine: what is translated, what is refused, and where."""

from __future__ import annotations

import logging
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from e6data_adbc import errors
from e6data_adbc.local import LocalEngine
from e6data_adbc.local.sql.errors import UnsupportedSqlError
from e6data_adbc.local.sql.patterns import strftime_pattern
from e6data_adbc.local.sql.translator import Translator
from tests.local.wire import Wire, refused

pytestmark = pytest.mark.seconds


def failure(wire: Wire, sql: str) -> str:
    """Returns the engine's words about a statement that it refuses to prepare."""
    call = wire.start("prepareStatementV2", sessionId=wire.session_id, queryString=sql)
    code, details = refused(call)
    assert code == "INTERNAL"
    return details


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("yyyy-MM-dd HH:mm:ss.SSS", "%Y-%m-%d %H:%M:%S.%g"),
        ("yyyy-MM-dd'T'HH:mm:ss.SSSSSS", "%Y-%m-%dT%H:%M:%S.%f"),
        ("d MMM yy, hh:mm a", "%-d %b %y, %I:%M %p"),
        ("h 'o''clock' ''", "%-I o'clock '"),
        ("%Y-%m-%d %h:%i:%S", "%Y-%m-%d %I:%M:%S"),
        ("%T %W", "%H:%M:%S %A"),
    ],
)
def test_patterns(pattern: str, expected: str) -> None:
    """Java's letters and MySQL's codes become strftime's."""
    assert strftime_pattern(pattern) == expected


@given(st.text())
def test_any_pattern_is_translated_or_refused(pattern: str) -> None:
    """A pattern never passes with a letter that nobody understood."""
    try:
        strftime_pattern(pattern)
    except UnsupportedSqlError as error:
        words = str(error)
    else:
        words = repr(pattern)

    assert repr(pattern) in words


def test_an_unknown_letter_is_named(wire: Wire) -> None:
    """The user hears which letters of which pattern."""
    assert failure(wire, "select format_date(current_date, 'yyyy-QQ')") == (
        "not supported by the local engine: 'QQ' in the date pattern 'yyyy-QQ'"
    )


def test_a_pattern_that_is_not_a_literal_is_refused(wire: Wire) -> None:
    """It would have to be translated row by row."""
    assert "FORMAT_DATE with a pattern that is not a literal" in failure(
        wire, "select format_date(current_date, p) from (select 'yyyy' as p)"
    )


@pytest.mark.parametrize(
    ("sql", "line", "column"),
    [
        ("select 1,\n  2 frm\n  from where", 3, 8),
        ("select 1, from from stores", 1, 16),
        ("select " + "1, " * 60 + "2 + from where x, 3" + ", 4" * 60, 1, 192),
    ],
)
def test_a_syntax_error_says_where(wire: Wire, sql: str, line: int, column: int) -> None:
    """Line and column are those of the text that the user wrote, however long it is."""
    assert f"(line {line}, column {column})" in failure(wire, sql)


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("from stores", "FROM is not a statement of e6data"),
        ("select range(3)", "the function RANGE"),
        ("select * from range(3)", "the function RANGE"),
        ("select * exclude (country) from stores", "EXCLUDE"),
        ("select country, count(*) from stores group by all", "GROUP BY ALL"),
        ("select {'a': 1}", "a struct in braces"),
        ("select 7 // 2", "line 1, column 11"),
        ("summarize stores", "SUMMARIZE"),
        ("select 1 as\n from where", "line 2"),
    ],
)
def test_strict_mode_refuses_what_only_duckdb_knows(make_wire, sql: str, words: str) -> None:
    """The message names what was refused."""
    assert words in failure(make_wire(strict=True), sql)


def test_without_strict_mode_duckdb_may_be_spoken(wire: Wire) -> None:
    """Texts that the dialect does not know still run."""
    assert wire.select("from range(3) select sum(range) as s").to_pylist()[0]["s"] == 3


def test_a_translated_column_keeps_its_name(wire: Wire) -> None:
    """The result does not show the words that DuckDB was given."""
    table = wire.select("select date_add('DAY', 1, date '2024-01-01'), nvl(1, 2) as b")

    assert [name.lower() for name in table.column_names] == [
        "date_add('day', 1, cast('2024-01-01' as date))",
        "b",
    ]


def test_types_of_the_dialect(wire: Wire) -> None:
    """The cast names of e6data give the engine's types."""
    types = (
        "int",
        "bigint",
        "float",
        "double",
        "boolean",
        "varchar",
        "date",
        "timestamp",
        "timestamp_tz",
        "varbinary",
    )
    columns = ", ".join(f"cast(null as {name}) as {name}_" for name in types)
    query = wire.run(f"select {columns}, nvl(cast(null as decimal(7,2)), null) as decimal_")

    assert str(wire.select(f"select {columns}").schema.field("timestamp_tz_").type).endswith("UTC]")
    query.clear()


def test_changes_are_translated(make_wire) -> None:
    """DDL, INSERT and CREATE TABLE AS speak the dialect too; EXPLAIN of a query does."""
    wire = make_wire()
    for sql in (
        "create table scratch.main.t (a int, b timestamp_tz, c decimal(12, 2), d varbinary)",
        "insert into scratch.main.t values (nvl(null, 1), null, 1.5, to_utf8('x'))",
        "create table scratch.main.u as select date_add('DAY', 1, date '2024-01-01') as d, a from scratch.main.t",
    ):
        query = wire.run(sql)
        query.clear()
    rows = wire.select("select cast(d as varchar) as d, a from scratch.main.u").to_pylist()

    assert rows == [{"d": "2024-01-02", "a": 1}]
    assert wire.select("explain select date_add('DAY', 1, current_date)").num_rows >= 1


def test_a_function_nobody_knows_is_named(wire: Wire) -> None:
    """In one line."""
    text = failure(wire, "select frobnicate(1)")

    assert "frobnicate" in text
    assert "\n" not in text


def test_translations_are_remembered_and_forgotten() -> None:
    """A text is translated once, and no more than the given number is held."""
    translator = Translator(size=2)
    first = translator.translate("select nvl(1, 2), date_add('DAY', 1, current_date)")

    assert translator.translate("select nvl(1, 2), date_add('DAY', 1, current_date)") is first
    translator.translate("select 1")
    translator.translate("select 2")
    again = translator.translate("select nvl(1, 2), date_add('DAY', 1, current_date)")
    assert again == first
    assert again is not first


def test_without_sqlglot_sql_goes_as_it_is(monkeypatch: pytest.MonkeyPatch, caplog) -> None:
    """It is said in the log; strict mode refuses to start."""
    monkeypatch.setitem(sys.modules, "sqlglot", None)
    translator = Translator()

    assert "sqlglot is not installed; pip install 'e6data-adbc[local]'" in caplog.text
    sql = "select collect_list(cast(a as timestamp_tz)) from t"
    assert translator.translate(sql).sql == sql.replace("timestamp_tz", "TIMESTAMPTZ")
    with pytest.raises(errors.Error, match="strict needs sqlglot"):
        LocalEngine(strict=True).start()


def test_a_compiled_sqlglot_is_as_good_as_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog
) -> None:
    """Its classes cannot be extended: SQL goes as it is, the log names the package, strict mode refuses to start."""
    package = tmp_path / "sqlglot"
    package.mkdir()
    for name in ("__init__.py", "parser.py", f"parser{EXTENSION_SUFFIXES[0]}"):
        (package / name).touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "sqlglot", raising=False)

    assert Translator().translate("select nvl(1, 2)").is_verbatim
    assert "sqlglot is its compiled build" in caplog.text
    with pytest.raises(errors.Error, match=r"compiled build.*; pip uninstall sqlglotc"):
        LocalEngine(strict=True).start()


def test_an_engine_starts_without_sqlglot_loaded() -> None:
    """sqlglot is a quarter of the time that a start would take; the first statement loads it."""
    code = """if True:
        import sys
        import duckdb
        duckdb.connect().execute("select ?", ["a"]).fetchall()  # for which DuckDB 1 loads pandas
        before = set(sys.modules)
        from e6data_adbc.local import LocalEngine
        with LocalEngine():
            print(sorted({"sqlglot", "pyarrow", "pandas", "polars"} & (set(sys.modules) - before)))
    """
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert run.stdout.strip() == "[]"


def test_what_sqlglot_cannot_parse_goes_as_it_is(caplog) -> None:
    """It is said in the log, with the place."""
    with caplog.at_level(logging.INFO, "e6data_adbc.local"):
        assert Translator().translate("select 1 from where").is_verbatim

    assert "sqlglot cannot parse it: syntax error at line 1" in caplog.text


@given(st.text(alphabet="select nvl(1,2)'\"\n;->x[]{}:=*", max_size=40))
def test_any_text_is_translated_or_refused(text: str) -> None:
    """No text makes the translator fail in another way."""
    try:
        Translator(size=1).translate(f"select {text}")
    except UnsupportedSqlError as error:
        words = str(error)
    else:
        words = ""

    assert "\n" not in words
