"""How results look as text."""

from __future__ import annotations

import csv
import datetime
import decimal
import io
import json
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from e6data_adbc.cli.cells import json_texts, texts
from e6data_adbc.cli.exits import UsageError
from e6data_adbc.cli.formats import Csv, Fitting, Json, JsonLines, Table

pytestmark = pytest.mark.seconds


def written(make: Any, *batches: pa.RecordBatch) -> str:
    sink = io.BytesIO()
    writer = make(sink, batches[0].schema)
    for batch in batches:
        writer.write(batch)
    writer.finish()
    return sink.getvalue().decode()


def batch(**columns: Any) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(columns)


def test_table() -> None:
    """Numbers end at their right edge, nulls are visible, decimals keep their digits."""
    text = written(
        Table,
        batch(
            id=[1, 20],
            name=["Käse", None],
            price=[decimal.Decimal("12.50"), decimal.Decimal("0.05")],
            at=[datetime.datetime(2024, 1, 2, 3, 4, 5), None],
        ),
    )

    assert text.splitlines() == [
        "id | name | price | at",
        "---+------+-------+---------------------------",
        " 1 | Käse | 12.50 | 2024-01-02T03:04:05.000000",
        "20 | NULL |  0.05 | NULL",
    ]


def test_table_widths_come_from_the_first_batch() -> None:
    """A longer value later on moves its own row only; nothing is cut."""
    text = written(Table, batch(a=["x"], b=[1]), batch(a=["longer"], b=[2]))

    assert text.splitlines() == ["a | b", "--+--", "x | 1", "longer | 2"]


def test_table_without_rows() -> None:
    """A result without rows shows its columns."""
    assert written(Table, batch(a=[1], b=["x"]).slice(0, 0)).splitlines() == ["a | b", "--+--"]


def test_table_does_not_speak_to_the_terminal() -> None:
    """Control characters are shown, not sent, so that a row is a line and a value cannot move the cursor."""
    text = written(Table, batch(**{"a\n": ["x\ny\t\x1b[2J\u202e"]}))

    assert text.splitlines()[0] == "a\\n"
    assert text.splitlines()[2] == "x\\ny\\t\\x1b[2J\\u202e"


def test_table_measures_wide_characters() -> None:
    """A wide character takes two columns, a combining one none."""
    lines = written(Table, batch(a=["日本", "e\u0301", "abcd"], b=[1, 2, 3])).splitlines()

    assert lines[2:] == ["日本 | 1", "e\u0301    | 2", "abcd | 3"]


def test_csv_tells_null_from_empty() -> None:
    """A null is an empty field, an empty text is quoted."""
    assert written(Csv, batch(a=["", None, 'x"y', "a,b"], b=[1, None, 2, 3])) == (
        'a,b\n"",1\n,\n"x""y",2\n"a,b",3\n'
    )


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1))
def test_csv_round_trip(rows: list[tuple[str, str]]) -> None:
    """Python's reader gets every text back, whatever is in it."""
    columns = {name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate("ab")}
    text = written(Csv, pa.RecordBatch.from_pydict(columns))

    assert [tuple(row) for row in csv.reader(io.StringIO(text, newline=""))][1:] == rows


def test_json() -> None:
    """One array over all batches; decimals are text so that no reader rounds them."""
    first = batch(a=[1], d=[decimal.Decimal("0.10")], s=["é"])
    text = written(Json, first, first.slice(0, 0), first)

    assert text == '[\n{"a": 1, "d": "0.10", "s": "é"},\n{"a": 1, "d": "0.10", "s": "é"}\n]\n'
    assert written(Json, first.slice(0, 0)) == "[]\n"


def test_json_lines() -> None:
    """One object a line, nothing for no rows."""
    first = batch(a=[1, None])

    assert written(JsonLines, first) == '{"a": 1}\n{"a": null}\n'
    assert written(JsonLines, first.slice(0, 0)) == ""


def test_json_needs_different_names() -> None:
    """An object cannot have a name twice, so nothing is lost in silence."""
    twice = pa.RecordBatch.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])

    with pytest.raises(UsageError, match="same name"):
        written(JsonLines, twice)


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (pa.array([True, None]), ["true", None]),
        (pa.array([0.1], pa.float32()), ["0.1"]),
        (pa.array([decimal.Decimal("1E-9")], pa.decimal128(38, 9)), ["0.000000001"]),
        (pa.array([datetime.date(1, 2, 3)]), ["0001-02-03"]),
        (pa.array([0], pa.timestamp("us", "UTC")), ["1970-01-01T00:00:00.000000Z"]),
        (pa.array([0], pa.timestamp("us")), ["1970-01-01T00:00:00.000000"]),
        (pa.array([-93_784_567_890, None], pa.duration("us")), ["-1 02:03:04.567890", None]),
        (pa.array([b"\x00\xff"]), ["00ff"]),
        (pa.array([None], pa.null()), [None]),
        (pa.array([{"a": decimal.Decimal("1.0"), "b": [b"x"]}]), ['{"a": "1.0", "b": ["78"]}']),
        (pa.array(["x", None]).dictionary_encode(), ["x", None]),
        (pa.array(["x"], pa.string_view()), ["x"]),
    ],
    ids=lambda value: str(getattr(value, "type", "")),
)
def test_texts(array: Any, expected: list[str | None]) -> None:
    """Each type has one exact text."""
    assert texts(array).to_pylist() == expected


def test_json_values_are_json() -> None:
    """What JSON has no number for is text."""
    values = json_texts(pa.array([1.0, float("nan"), float("-inf"), None]))

    assert values == ["1.0", '"nan"', '"-inf"', "null"]
    assert json_texts(pa.array([2**63 - 1, None])) == ["9223372036854775807", "null"]


@given(
    st.dictionaries(
        st.text(),
        st.none() | st.text() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False),
        min_size=1,
    )
)
def test_json_round_trip(row: dict[str, Any]) -> None:
    """Python's reader gets every name and value back."""
    assert (
        json.loads(written(JsonLines, batch(**{name: [value] for name, value in row.items()})))
        == row
    )


@pytest.mark.parametrize(("columns", "is_table"), [(21, True), (20, False)])
def test_rows_that_do_not_fit_are_vertical(columns: int, is_table: bool) -> None:
    """The first rows decide; the values count whole."""
    batch = pa.record_batch({"name": ["a text", None], "number": [5, -12345]})
    sink = io.BytesIO()
    writer = Fitting(sink, batch.schema, columns - 6)
    writer.write(batch.slice(0, 0))
    writer.write(batch)
    writer.finish()

    assert sink.getvalue().startswith(b"name   | number" if is_table else b"-[ row 1 ]")


@pytest.mark.parametrize("rows", [3, 300])
def test_few_rows_look_like_many(rows: int) -> None:
    """Few rows are written without Arrow's functions, to the same text."""
    columns = {
        "i": pa.array([1, None, -5] * 100, pa.int64()),
        "b": pa.array([True, None, False] * 100),
        "s": pa.array(["a,b", "", None] * 100),
        "q": pa.array(['say "x"', "x\ny", "plain"] * 100),
    }
    batch = pa.record_batch(columns).slice(0, rows)
    expected = {
        Csv: ['1,true,"a,b","say ""x"""', ',,"","x\ny"', "-5,false,,plain"],
        JsonLines: [
            '{"i": 1, "b": true, "s": "a,b", "q": "say \\"x\\""}',
            '{"i": null, "b": null, "s": "", "q": "x\\ny"}',
            '{"i": -5, "b": false, "s": null, "q": "plain"}',
        ],
    }
    for make, lines in expected.items():
        sink = io.BytesIO()
        writer = make(sink, batch.schema)
        writer.write(batch)
        head = "i,b,s,q\n" if make is Csv else ""

        assert sink.getvalue().decode() == head + "".join(f"{line}\n" for line in lines) * (
            rows // 3
        )
