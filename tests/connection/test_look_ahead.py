"""The scale of a decimal column is looked for in the rows, and none of them is lost by that."""

from __future__ import annotations

import decimal
from collections.abc import Callable

import pyarrow as pa

from e6data_adbc import _native
from e6data_adbc._driver.connection import Connection
from tests.support.scripted import (
    DECIMAL,
    LONG,
    STRING,
    ScriptedEngine,
    chunk,
    metadata,
    rows_of,
    statement_of,
    v1,
)

Connect = Callable[..., Connection]


def decimals(*values: str | None) -> bytes:
    """Returns a chunk of decimals; with nulls alone it tells no scale."""
    numbers = [None if value is None else decimal.Decimal(value) for value in values]
    if not any(numbers):
        return chunk(len(values), pa.nulls(len(values), pa.int64()))
    return chunk(0, pa.array(numbers, pa.decimal128(38, 3)), DECIMAL)


def nulls(rows: int) -> bytes:
    """Returns a chunk of nothing but nulls, of no type."""
    return _native.encode_chunk(pa.record_batch({"n": pa.nulls(rows)}), [14])


def test_the_scale_of_a_decimal_comes_from_the_rows(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Responses are fetched ahead until the scale shows, and none of them is lost or asked for twice."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "DECIMAL128")))
    scripted_engine.answer(
        "getNextResultBatch", v1(nulls(4)), v1(nulls(2)), v1(decimals("1.500")), v1(nulls(1)), v1()
    )
    result = statement_of(connect_scripted()).execute()

    assert result.schema.types == [pa.decimal128(38, 3)]
    assert scripted_engine.count("getNextResultBatch") == 3
    assert rows_of(result) == [4, 2, 1, 1]
    assert scripted_engine.count("getNextResultBatch") == 5
    result.close()


def test_a_decimal_without_any_value_ends_the_look_ahead(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """A result of nulls has a schema too, and its end is asked for once."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "DECIMAL128")))
    scripted_engine.answer("getNextResultBatch", v1(nulls(4)), v1())
    result = statement_of(connect_scripted()).execute()

    assert result.schema.types == [pa.decimal128(38, 0)]
    assert rows_of(result) == [4]
    assert scripted_engine.count("getNextResultBatch") == 2
    result.close()


def test_the_look_ahead_is_bounded(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """No more than four times `queue_bytes` are held while a scale is looked for."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "DECIMAL128")))
    scripted_engine.answer("getNextResultBatch", v1(nulls(4)))
    result = statement_of(connect_scripted(queue_bytes=2 * len(v1(nulls(4))) // 4)).execute()

    assert scripted_engine.count("getNextResultBatch") == 2
    result.close()


def test_an_empty_chunk_tells_the_scale(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """The chunk of no rows that ends a V1 result is read for its types, though it is not delivered."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "DECIMAL128")))
    scripted_engine.answer(
        "getNextResultBatch", v1(chunk(0, pa.array([], pa.decimal128(38, 5)), DECIMAL))
    )
    result = statement_of(connect_scripted()).execute()

    assert rows_of(result) == []
    assert result.schema.types[0] in {pa.decimal128(38, 5), pa.decimal128(38, 0)}
    result.close()


def test_an_unknown_type_name_takes_the_vector_s_type(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """A type name that nobody knows is explained by the first chunk."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "GEOGRAPHY")))
    scripted_engine.answer("getNextResultBatch", v1(chunk(0, pa.array(["x"]), STRING)), v1())
    result = statement_of(connect_scripted()).execute()

    assert result.schema.types == [pa.utf8()]
    assert rows_of(result) == [1]
    result.close()


def test_a_number_of_columns_that_differs_is_left_to_decoding(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """The look-ahead neither fails on, nor learns from, a chunk with other columns."""
    two = pa.record_batch({"a": pa.array([1], pa.int64()), "b": pa.array([2], pa.int64())})
    scripted_engine.answer("getResultMetadata", metadata(("n", "DECIMAL128")))
    scripted_engine.answer(
        "getNextResultBatch", v1(_native.encode_chunk(two, [LONG, LONG], constants=False)), v1()
    )
    result = statement_of(connect_scripted()).execute()

    assert result.schema.types == [pa.decimal128(38, 0)]
    assert rows_of(result) == [1]
    result.close()
