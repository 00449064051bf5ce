"""Dynamic parameters of the local engine: listed after prepare, bound at execute."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from e6data_adbc._wire import e6x_engine_pb2 as pb
from e6data_adbc.local import LocalEngine
from e6data_adbc.local.sql.placeholders import PlaceholderError, fill, find
from tests.local.wire import Query, Wire, refused

Make = Callable[..., Wire]


def value(index: int, kind: str, text: str) -> pb.ParameterValue:
    return pb.ParameterValue(index=index, type=kind, value=text)


def listed(query: Query) -> list[tuple[int, str, str]]:
    return [(one.index, one.type, one.value) for one in query.call("getDynamicParams").params]


def test_parameters_are_listed_with_the_types_that_the_text_tells(wire: Wire) -> None:
    """Those of casts; strings, quoted names and comments have no parameters."""
    sql = """select ?, cast(? as bigint), ?::decimal(9,2), cast(? + 1 as int), '?', "?" /* ? */
        from (select 1 as "?") where 1 = ? -- ?"""
    query = wire.prepare(sql)

    assert listed(query) == [
        (1, "", ""),
        (2, "BIGINT", ""),
        (3, "DECIMAL(9,2)", ""),
        (4, "", ""),
        (5, "", ""),
    ]
    query.clear()


def test_a_statement_without_parameters_has_none(wire: Wire) -> None:
    query = wire.prepare("select 1 as n")

    assert listed(query) == []
    assert (
        "has no parameters and 1 values came"
        in refused(query.start("executeStatementV2", params=[value(1, "INT", "1")]))[1]
    )
    query.execute()
    query.clear()


@pytest.mark.parametrize("first", [0, 1])
def test_values_are_bound_by_their_index(make_wire: Make, first: int) -> None:
    """The order in which they come does not matter; the result has the types of the values."""
    query = make_wire(first_parameter=first).prepare("select ? as a, ? as b")
    assert [index for index, _, _ in listed(query)] == [first, first + 1]

    query.execute(params=[value(first + 1, "VARCHAR", "b"), value(first, "BIGINT", "7")])

    assert query.metadata()[1] == [("a", "LONG", "", ""), ("b", "STRING", "", "")]
    assert query.read().to_pylist() == [{"a": 7, "b": "b"}]
    assert query.record.sql == "select ? as a, ? as b"
    query.clear()


@pytest.mark.parametrize(
    ("kind", "text", "read"),
    [
        ("BOOLEAN", "True", "True"),
        ("INT", "-5", "-5"),
        ("BIGINT", "-9223372036854775808", "-9223372036854775808"),
        ("FLOAT", "0.10000000149011612", "0.10000000149011612"),
        ("DOUBLE", "1e+300", "1e+300"),
        ("DECIMAL", "-001.50", "-1.50"),
        ("DECIMAL(3, 1)", "0.001", "0.001"),
        ("VARCHAR", "it's \\' ? \\", "it's \\' ? \\"),
        ("CHAR", "", ""),
        ("DATE", "2026-02-28", "2026-02-28"),
        ("TIMESTAMP", "2026-02-28 01:02:03.5", "2026-02-28 01:02:03.500000"),
        ("TIMESTAMP_TZ", "2026-02-28 01:02:03+05:30", "2026-02-27 19:32:03+00:00"),
    ],
)
def test_a_text_is_read_by_its_type(wire: Wire, kind: str, text: str, read: str) -> None:
    query = wire.prepare("select ? as v")
    query.execute(params=[value(1, kind, text)])

    assert str(query.read().column("v")[0].as_py()) == read
    query.clear()


@pytest.mark.parametrize(
    ("params", "says"),
    [
        ([], "has 2 parameters and 0 values came"),
        ([value(1, "INT", "1")], "has 2 parameters and 1 values came"),
        ([value(0, "INT", "1"), value(1, "INT", "1")], "not numbered one by one from 1"),
        ([value(1, "INT", "1"), value(1, "INT", "2")], "not numbered one by one from 1"),
        ([value(1, "", "1"), value(2, "INT", "1")], "parameter 1 has the type ''"),
        ([value(1, "INT", "1"), value(2, "STRUCT", "1")], "parameter 2 has the type 'STRUCT'"),
        ([value(1, "INT", "1.5"), value(2, "INT", "1")], "the value of parameter 1 is no INT"),
        (
            [value(1, "INT", "1"), value(2, "DOUBLE", "nan")],
            "the value of parameter 2 is no DOUBLE",
        ),
        ([value(1, "INT", "1"), value(2, "DATE", "')--")], "the value of parameter 2 is no DATE"),
        ([value(1, "INT", "1"), value(2, "CHAR", "a\0")], "the value of parameter 2 is no CHAR"),
    ],
)
def test_what_does_not_fit_is_refused(
    wire: Wire, params: list[pb.ParameterValue], says: str
) -> None:
    """The query is as it was, and can be executed with other values."""
    query = wire.prepare("select ? as a, ? as b")

    code, text = refused(query.start("executeStatementV2", params=params))
    assert code == "INTERNAL"
    assert says in text

    query.execute(params=[value(1, "INT", "1"), value(2, "INT", "2")])
    assert query.read().to_pylist() == [{"a": 1, "b": 2}]
    query.clear()


def test_the_text_is_checked_before_there_are_values(wire: Wire) -> None:
    for sql, says in [
        ("select * from nothing where a = ?", "nothing"),
        ("select ? from", "syntax error"),
        ("select ?;", "must not end in a semicolon"),
        ("select ?; select 1", "only one statement"),
        ("create table scratch.main.t as select ? as a", "CREATE statements take no parameters"),
        ("select $1", "takes parameters as ? only"),
        ("select ? + $a", "named and positional"),
    ]:
        call = wire.start(
            "prepareStatementV2", sessionId=wire.session_id, queryString=sql, catalog="sample"
        )
        assert says in refused(call)[1]


def test_without_values_there_are_no_columns_and_no_plan(wire: Wire) -> None:
    query = wire.prepare("select ? as a")

    for method in ("getResultMetadata", "explain"):
        assert "have no values yet" in refused(query.start(method))[1]
    query.execute(params=[value(1, "INT", "1")])
    assert query.call("explain").explain
    query.clear()


def test_a_change_takes_parameters(wire: Wire) -> None:
    wire.select("create table scratch.main.filled (a int, b varchar)")
    query = wire.prepare("insert into scratch.main.filled values (?, ?)")
    query.execute(params=[value(1, "INT", "1"), value(2, "VARCHAR", "x")])

    assert query.read().to_pylist() == [{"count": 1}]
    query.clear()
    assert wire.select("select * from scratch.main.filled").to_pylist() == [{"a": 1, "b": "x"}]
    wire.select("drop table scratch.main.filled")


def test_only_the_clients_that_may_use_a_table(make_engine: Any, tmp_path: Any) -> None:
    """A parameter does not hide what a statement reads or changes."""
    users = tmp_path / "users.json"
    reader = {"name": "reader", "tokens": ["r"], "catalogs": ["sample"], "read_only": True}
    users.write_text(json.dumps({"users": [reader]}))
    engine: LocalEngine = make_engine(users=users)
    with Wire(engine).sign_in() as wire:
        wire.select("create table scratch.main.hidden (a int)")
        wire.session_id = wire.call("authenticate", user="reader", password="r").sessionId
        for sql in (
            "insert into sample.sales.customers select * from sample.sales.customers where 1 = ?",
            "select ? from scratch.main.hidden limit ?",
        ):
            call = wire.start(
                "prepareStatementV2", sessionId=wire.session_id, queryString=sql, catalog="sample"
            )
            assert refused(call) == ("INTERNAL", "Access denied")
        wire.prepare("select ? from sample.sales.customers limit ?").clear()


def test_escaped_quotes_do_not_shift_the_places(wire: Wire) -> None:
    """A quote behind a backslash ends no literal, and a value that ends in a backslash begins none."""
    query = wire.prepare(r"select 'it\'s ?' as a, ? as b, 'a\\' as c, ? as d, 'e' as e")
    query.execute(params=[value(1, "VARCHAR", "'\\"), value(2, "INT", "5")])

    assert query.read().to_pylist() == [{"a": "it's ?", "b": "'\\", "c": "a\\", "d": 5, "e": "e"}]
    query.clear()


def test_a_refusal_has_no_value_in_it() -> None:
    with pytest.raises(PlaceholderError) as caught:
        fill("select ?", find("select ?"), [("DATE", "hunter2")])
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("first", [-1, 2])
def test_the_first_index_is_0_or_1(first: int) -> None:
    with pytest.raises(Exception, match="must be 0 or 1"):
        LocalEngine(first_parameter=first)
