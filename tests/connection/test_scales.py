"""The scale of a DECIMAL column: fixed by values, their digits or a declared type, never by nulls alone."""

from __future__ import annotations

import decimal
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pytest

import e6data_adbc
from checks.reference import build
from checks.reference.vectors import VectorType
from e6data_adbc import _schemas
from tests.support.scripted import ScriptedEngine, metadata, v1, v2

pytestmark = pytest.mark.seconds

Read = Callable[..., pa.Table]


def number(unscaled: int) -> bytes:
    return unscaled.to_bytes(16, "big", signed=True)


def chunk(values: Sequence[bytes | None], scale: int | None, *, constant: bool = False) -> bytes:
    """Returns a chunk of a column of decimals as they travel; of a constant the first value, three times."""
    rows = 3 if constant else len(values)
    nulls = [int(value is None) for value in values]
    texts = [value or b"" for value in values]
    vector = build.vector(
        VectorType.DECIMAL128, rows, texts, nulls=nulls, constant=constant, scale=scale
    )
    return build.encode(build.chunk(rows, vector))


def untyped(rows: int) -> bytes:
    return build.encode(build.chunk(rows, build.vector(VectorType.NULL, rows)))


NULLS = chunk([None, None], 0)
ONE_AND_A_HALF = chunk([number(150)], 2)


@pytest.fixture(params=["v1", "v2, one response", "v2, a response each"])
def read(request: pytest.FixtureRequest, scripted_engine: ScriptedEngine) -> Read:
    """Reads a result that consists of the given chunks."""

    def read_chunks(*chunks: bytes, name: str = "DECIMAL128", **options: Any) -> pa.Table:
        scripted_engine.answer("getResultMetadata", metadata(("n", name)))
        scripted_engine.answer("getNextResultBatch", *map(v1, chunks), v1())
        responses = [v2(*chunks, end=True)]
        if request.param == "v2, a response each":
            responses = [*map(v2, chunks), v2(end=True)]
        scripted_engine.answer("getNextResultBatchV2", *responses)
        protocol = "v1" if request.param == "v1" else "v2"
        uri = f"{scripted_engine.uri}?result_protocol={protocol}"
        with (
            e6data_adbc.connect(uri, **options) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("select n from t")
            return cursor.fetch_arrow_table()

    return read_chunks


def values(table: pa.Table) -> list[str | None]:
    return [None if value is None else str(value) for value in table.column("n").to_pylist()]


@pytest.mark.parametrize(
    "first",
    [
        NULLS,
        chunk([None], None),
        chunk([None], 0, constant=True),
        chunk([None], None, constant=True),
        chunk([], 0),
        build.encode(build.chunk(0)),
        untyped(2),
    ],
    ids=["plain", "no scale", "constant", "constant, no scale", "no rows", "no vectors", "untyped"],
)
@pytest.mark.parametrize("name", ["DECIMAL128", "a type of tomorrow"])
def test_nulls_fix_no_scale(read: Read, first: bytes, name: str) -> None:
    """A first chunk without values may announce scale 0; the first value decides."""
    if first[3:7] == b"\0\0\0\0":  # of no rows, with which a V1 result ends
        first = untyped(1) + b""
    table = read(first, ONE_AND_A_HALF, chunk([number(-5)], 2), name=name)

    assert table.schema.field("n").type == pa.decimal128(38, 2)
    assert values(table)[-2:] == ["1.50", "-0.05"]


def test_an_empty_chunk_fixes_no_scale(scripted_engine: ScriptedEngine) -> None:
    """In V2 a chunk of no rows is not the end, and its scale 0 says nothing."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "DECIMAL128")))
    scripted_engine.answer("getNextResultBatchV2", v2(chunk([], 0)), v2(ONE_AND_A_HALF, end=True))
    with (
        e6data_adbc.connect(f"{scripted_engine.uri}?result_protocol=v2") as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("select n from t")
        assert values(cursor.fetch_arrow_table()) == ["1.50"]


def test_nulls_alone_have_the_announced_scale(read: Read) -> None:
    """A result of nulls has the scale that they announce, or else 0."""
    assert read(chunk([None], 4), untyped(1)).schema.field("n").type == pa.decimal128(38, 4)
    assert read(NULLS, NULLS).schema.field("n").type == pa.decimal128(38, 0)


@pytest.mark.parametrize("constant", [False, True])
def test_text_without_a_scale_has_its_digits(read: Read, constant: bool) -> None:
    """Decimal text that comes without a scale has the digits that it is written with, in whatever chunk."""
    table = read(chunk([b"2.5"], None, constant=constant), chunk([b"-10.25", None, b"7"], None))

    assert table.schema.field("n").type == pa.decimal128(38, 2)
    assert values(table)[-3:] == ["-10.25", None, "7.00"]
    assert values(table)[0] == "2.50"


def test_text_with_zeros_and_exponents(read: Read) -> None:
    """Zeros at the end are digits too, unless 38 digits have no room for them; an exponent moves the point."""
    assert values(read(chunk([b"1.50", b"12e2"], None))) == ["1.50", "1200.00"]
    assert values(read(chunk([b"1.00", b"9" * 38], None))) == ["1", "9" * 38]
    assert values(read(chunk([b"5e-3"], None))) == ["0.005"]


def test_integers_without_a_scale(read: Read) -> None:
    """Binary decimals without a scale are whole numbers."""
    assert values(read(chunk([number(250), None], None))) == ["250", None]


def test_scales_that_differ_are_brought_together(scripted_engine: ScriptedEngine) -> None:
    """The chunks that are here when the schema is decided give it the largest scale; later ones fit or are refused."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "DECIMAL128")))
    whole = chunk([number(7)], 0)
    scripted_engine.answer(
        "getNextResultBatchV2", v2(whole, ONE_AND_A_HALF), v2(chunk([number(12)], 1), end=True)
    )
    with (
        e6data_adbc.connect(f"{scripted_engine.uri}?result_protocol=v2") as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("select n from t")
        assert values(cursor.fetch_arrow_table()) == ["7.00", "1.50", "1.20"]


def test_a_later_scale_that_does_not_fit_names_the_way_out(scripted_engine: ScriptedEngine) -> None:
    """Nothing is rounded: the error names the column, the row and what to write into the query."""
    scripted_engine.answer("getResultMetadata", metadata(("n", "DECIMAL128")))
    scripted_engine.answer(
        "getNextResultBatch", v1(chunk([number(7)], 0)), v1(ONE_AND_A_HALF), v1()
    )
    with (
        e6data_adbc.connect(f"{scripted_engine.uri}?result_protocol=v1") as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute("select n from t")
        with pytest.raises(
            e6data_adbc.DataError, match=r"bad decimal.*'n', row 0.*DECIMAL\(38, s\)"
        ):
            cursor.fetch_arrow_table()


def test_a_declared_scale_decides_at_once(read: Read) -> None:
    """A type name with a scale is the column's: no row is waited for, and values are brought to it exactly."""
    table = read(
        chunk([number(7)], 0), chunk([b"2.5"], None), ONE_AND_A_HALF, name="decimal(10, 2)"
    )
    assert table.schema.field("n").type == pa.decimal128(38, 2)
    assert values(table) == ["7.00", "2.50", "1.50"]
    assert not _schemas.needs_first_chunk([("n", "DECIMAL(10,2)", "", "")])


@pytest.mark.parametrize("name", ["DECIMAL", "DECIMAL(10)", "DECIMAL(5, 9)", "DECIMAL(99, 3)"])
def test_half_a_declaration_is_none(read: Read, name: str) -> None:
    """Without a scale that a decimal can have, the rows decide."""
    assert values(read(NULLS, ONE_AND_A_HALF, name=name))[-1] == "1.50"


def test_one_chunk(scripted_engine: ScriptedEngine) -> None:
    """`decode_chunk` reads text without a scale, and takes the larger of a declared and an announced scale."""
    del scripted_engine

    def decoded(body: bytes, name: str) -> pa.RecordBatch:
        return e6data_adbc.decode_chunk(body, build.metadata(1, [["n", name, "", ""]]))

    assert decoded(chunk([b"2.5"], None), "DECIMAL128").column(0).to_pylist() == [
        decimal.Decimal("2.5")
    ]
    assert decoded(chunk([b"2.5"], None), "DECIMAL(9, 3)").schema.field(0).type.scale == 3
    assert decoded(chunk([number(1)], 5), "DECIMAL(9, 3)").schema.field(0).type.scale == 5
