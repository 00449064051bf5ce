"""Counting and binding parameters, and the borders of statements."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e6data_adbc._sql.placeholders import (
    ParameterInfo,
    bind_sql,
    count_parameters,
    split_statements,
    strip_statement,
)
from e6data_adbc.errors import NotSupportedError, ProgrammingError, Status
from tests.parameters.test_tokens import sql_like


def scalars(*values: Any) -> list[pa.Scalar[Any]]:
    """Whole numbers are of 32 bits, whose literals are their digits alone."""
    return [pa.scalar(value, pa.int32() if type(value) is int else None) for value in values]


def test_positional_are_counted() -> None:
    """Each `?` is a parameter of its own."""
    assert count_parameters("SELECT ?, ?, '?'") == ParameterInfo(positional=2)


def test_names_are_counted_once() -> None:
    """A name counts once however often it stands, in order of first appearance."""
    info = count_parameters("SELECT :b, $a, :b")

    assert info == ParameterInfo(names=("b", "a"))
    assert info.count == 2


def test_styles_do_not_mix() -> None:
    """`?` and names in one statement are refused."""
    with pytest.raises(ProgrammingError, match="mixes") as caught:
        count_parameters("SELECT ?, :a")

    assert caught.value.status_code == Status.INVALID_ARGUMENT


@given(sql_like)
def test_text_without_parameters_is_unchanged(text: str) -> None:
    """Binding nothing to a text without parameters gives the text itself."""
    try:
        info = count_parameters(text)
    except ProgrammingError:
        return  # ambiguous or mixed
    if not info.count:
        assert bind_sql(text, []) == text
        assert bind_sql(text, {}) == text


@given(sql_like, st.text(alphabet="a'\\?:-/*$\n ;\"", max_size=8))
def test_bound_text_has_no_parameters(text: str, value: str) -> None:
    """Whatever is bound, the result has no parameters left, and the parts between them are as they were."""
    try:
        info = count_parameters(text)
        bound = bind_sql(text, [pa.scalar(value)] * info.count)
    except ProgrammingError:
        return
    assert count_parameters(bound) == ParameterInfo()


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("SELECT 10-?", -1, "SELECT 10-(-1)"),
        ("SELECT 10 - ?", -1, "SELECT 10 - (-1)"),
        ("SELECT -?", -5, "SELECT -(-5)"),
        ("a=? AND b", "x", "a='x' AND b"),
        ("WHERE?", 1, "WHERE 1"),
        ("X?", "ab", "X 'ab'"),
        ("?AND", 1, "1 AND"),
        ("1?", 1, "1 1"),
        ('?"alias"', "a", "'a' \"alias\""),
        ("f(?)", "o'clock", "f('o''clock')"),
        ("a LIKE ? ESCAPE '!'", "5!%", "a LIKE '5!%' ESCAPE '!'"),
        ("SELECT ?::INT", 5, "SELECT 5::INT"),
        ("SELECT ?;", 5, "SELECT 5;"),
        ("LIMIT ?", 10, "LIMIT 10"),
        ("'a\\' = ? OR b = 'c\\'", "x", None),
    ],
)
def test_positional_binding(text: str, value: Any, expected: str | None) -> None:
    """A literal stands where its `?` was and melts into nothing around it."""
    if expected is None:
        with pytest.raises(ProgrammingError, match="decides what is a parameter"):
            bind_sql(text, scalars(value))
    else:
        assert bind_sql(text, scalars(value)) == expected


def test_named_binding() -> None:
    """A name's value stands at each of its places; the mapping may hold more."""
    bound = bind_sql(
        "SELECT :a, $b, :a", {"a": pa.scalar(1, pa.int8()), "b": pa.scalar("x"), "c": pa.scalar(2)}
    )

    assert bound == "SELECT 1, 'x', 1"


def test_names_by_position() -> None:
    """A sequence is bound to names in order of first appearance."""
    assert bind_sql("SELECT :b, :a, :b", scalars(1, 2)) == "SELECT 1, 2, 1"


@pytest.mark.parametrize(
    ("text", "values", "cause"),
    [
        ("SELECT ?", [], "has 1 parameters and 0 values"),
        ("SELECT ?", [1, 2], "has 1 parameters and 2 values"),
        ("SELECT 1", [1], "has 0 parameters and 1 values"),
        ("SELECT :a, :b", {"a": 1}, "no value for 'b'"),
        ("SELECT ?", {"a": 1}, "the values have names"),
        ("SELECT v:a", {"a": 1}, "has no parameters"),
        ("SELECT 'a'\n?", [1], "beside a string"),
        ("SELECT ? 'a'", [1], "beside a string"),
        ("SELECT ?\n?", [1, 2], "beside a string or another parameter"),
    ],
)
def test_values_that_do_not_fit(text: str, values: Any, cause: str) -> None:
    """Too few, too many, or values for places that cannot take one are refused before anything is sent."""
    bound = (
        {name: pa.scalar(value) for name, value in values.items()}
        if isinstance(values, dict)
        else scalars(*values)
    )
    with pytest.raises(ProgrammingError, match=cause):
        bind_sql(text, bound)


@pytest.mark.parametrize(
    "text",
    [
        r"SELECT * FROM t WHERE a = '\' AND b = ?",
        "SELECT /* /* */ ? */",
        "SELECT 10 // ?",
        "SELECT $$ ? $$",
        'SELECT "a\\" = ?, "',
    ],
)
def test_ambiguous_texts_are_refused(text: str) -> None:
    """Where servers may differ about what is a parameter, nothing is bound; the error says how to write it."""
    with pytest.raises(ProgrammingError, match="decides what is a parameter") as caught:
        count_parameters(text)

    assert "CHR(92)" in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        r"SELECT '\\' , ?",
        r"SELECT ?, '\'",
        "SELECT ? // a",
        r"SELECT 'a\b', ?",
    ],
)
def test_backslashes_that_change_nothing(text: str) -> None:
    """A backslash or comment about whose end all readings agree does no harm."""
    assert count_parameters(text).positional == 1


def test_lists() -> None:
    """After IN a list is the elements of the comparison; elsewhere an array."""
    numbers = pa.scalar([1, -2, None], pa.list_(pa.int32()))

    assert bind_sql("a IN ?", [numbers]) == "a IN (1, (-2), CAST(NULL AS INT))"
    assert bind_sql("a in (?)", [numbers]) == "a in (1, (-2), CAST(NULL AS INT))"
    assert (
        bind_sql("a = ?", [pa.scalar([1, None])])
        == "a = ARRAY[CAST(1 AS BIGINT), CAST(NULL AS BIGINT)]"
    )
    assert bind_sql("a NOT IN (0, ?)", [pa.scalar(["x"])]) == "a NOT IN (0, 'x')"
    assert bind_sql("a IN (f(?))", [pa.scalar(["x"])]) == "a IN (f(ARRAY['x']))"
    assert bind_sql("a = ?", [pa.scalar(["x", "y"])]) == "a = ARRAY['x', 'y']"
    assert (
        bind_sql("a IN ?", [pa.scalar(None, pa.list_(pa.string()))])
        == "a IN (CAST(NULL AS VARCHAR))"
    )
    assert bind_sql("a IN (?)", scalars(5)) == "a IN (5)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("LIMIT ?", "LIMIT 5"),
        ("LIMIT ? OFFSET ?", "LIMIT 5 OFFSET 5"),
        ("LIMIT ?, ?", "LIMIT 5, 5"),
        ("offset ? rows fetch next ? rows only", "offset 5 rows fetch next 5 rows only"),
        ("SELECT TOP ? a", "SELECT TOP 5 a"),
        ("ROWS BETWEEN ? PRECEDING AND ? FOLLOWING", "ROWS BETWEEN 5 PRECEDING AND 5 FOLLOWING"),
        ("CAST(a AS DECIMAL(?, ?))", "CAST(a AS DECIMAL(5, 5))"),
        ("a::varchar(?)", "a::varchar(5)"),
        ("a AS decimal, f(?)", "a AS decimal, f(CAST(5 AS BIGINT))"),
        ("WITH a AS (SELECT ?)", "WITH a AS (SELECT CAST(5 AS BIGINT))"),
        ("round(?, ?)", "round(CAST(5 AS BIGINT), 5)"),
        ("lpad(a, ?, 'x')", "lpad(a, 5, 'x')"),
        ("round(a, 2 * ?)", "round(a, 2 * CAST(5 AS BIGINT))"),
        ("f(?, ?)", "f(CAST(5 AS BIGINT), CAST(5 AS BIGINT))"),
    ],
)
def test_counts(text: str, expected: str) -> None:
    """A whole number stands bare where SQL wants a count, and has its type everywhere else."""
    assert bind_sql(text, [pa.scalar(5)] * text.count("?")) == expected


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("SELECT %(k)s", r"'%\(k\)s' is no parameter here.*paramstyle='pyformat'"),
        ("SELECT %s", "'%s' is no parameter here.*paramstyle='pyformat'"),
        ("SELECT $1", r"'\$1' is no parameter here: use `\?` or `:name`"),
        ("SELECT @k", "'@k' is no parameter here"),
        ("SELECT {k}", "'{k}' is no parameter here"),
    ],
)
def test_other_styles_are_named(text: str, says: str) -> None:
    """Values for a text in another driver's style: the error says how it is written here."""
    with pytest.raises(ProgrammingError, match=says):
        bind_sql(text, scalars(1))
    with pytest.raises(ProgrammingError, match=says):
        bind_sql(text, {"k": pa.scalar(1)})


@pytest.mark.parametrize(
    "text", ["SELECT '%(k)s', 1", 'SELECT "$1"', "SELECT 1 -- @k", "SELECT 5 %s"]
)
def test_what_only_looks_like_another_style(text: str) -> None:
    """Strings, names and comments are left alone; only the last is a place."""
    with pytest.raises(ProgrammingError) as caught:
        bind_sql(text, scalars(1))

    assert ("is no parameter here" in str(caught.value)) is text.endswith("%s")


def test_a_row_is_named() -> None:
    """Of several rows the error names the one, counted from 1."""
    with pytest.raises(ProgrammingError, match="parameter 2 of row 7 of Arrow type 'string'"):
        bind_sql("SELECT ?, ?", scalars(1, "\0"), 7)
    with pytest.raises(ProgrammingError, match="parameter 'a' of row 7 of Arrow type 'string'"):
        bind_sql("SELECT :a", {"a": pa.scalar("\0")}, 7)


def test_empty_lists_are_refused() -> None:
    """`IN ()` is no SQL, and a null in its place would make NOT IN wrong."""
    with pytest.raises(ProgrammingError, match="empty list"):
        bind_sql("a IN ?", [pa.scalar([], pa.list_(pa.int64()))])


def test_errors_name_the_parameter_and_not_the_value() -> None:
    """A refused value is named by its place and type."""
    with pytest.raises(ProgrammingError) as by_position:
        bind_sql("SELECT ?, ?", [pa.scalar(1), pa.scalar("secret\0")])
    with pytest.raises(NotSupportedError) as by_name:
        bind_sql("SELECT :when", {"when": pa.scalar({"a": "secret"})})

    assert "parameter 2 of Arrow type 'string'" in str(by_position.value)
    assert "parameter 'when' of Arrow type 'struct<a: string>'" in str(by_name.value)
    assert "secret" not in str(by_position.value) + str(by_name.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT 1", "SELECT 1"),
        ("  SELECT 1 ;\n", "SELECT 1"),
        ("SELECT 1;;; ;", "SELECT 1"),
        ("SELECT 1; -- done", "SELECT 1"),
        ("SELECT 1 /* x */ ; /* y */ ;", "SELECT 1 /* x */"),
        ("SELECT 1 -- a;", "SELECT 1 -- a;"),
        ("SELECT 1 -- a\n;", "SELECT 1 -- a"),
        ("SELECT ';'", "SELECT ';'"),
        ("SELECT ';';", "SELECT ';'"),
        ("SELECT '\\';", "SELECT '\\'"),
        ("SELECT '\\'; --'", "SELECT '\\'; --'"),
        ("SELECT 1; SELECT 2;", "SELECT 1; SELECT 2"),
        (";", ""),
        ("", ""),
    ],
)
def test_strip_statement(text: str, expected: str) -> None:
    """Trailing semicolons go, with the blanks and comments after them, unless they belong to something else."""
    assert strip_statement(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "SELECT 1; SELECT ';' ; -- c;\n SELECT \"a;b\"",
            ["SELECT 1", "SELECT ';'", '-- c;\n SELECT "a;b"'],
        ),
        (";; -- nothing\n;", []),
        ("SELECT 1", ["SELECT 1"]),
    ],
)
def test_split_statements(text: str, expected: list[str]) -> None:
    """Statements end at semicolons outside quotes and comments; empty ones are dropped."""
    assert split_statements(text) == expected


def test_split_needs_certainty() -> None:
    """Where the border depends on the reading, nothing is split."""
    with pytest.raises(ProgrammingError, match="where a statement ends"):
        split_statements(r"SELECT '\'; DROP TABLE t --'")
