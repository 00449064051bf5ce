"""Arrays, maps and structs out of text: what was written comes back, and any other text is an error with its row."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.reference.vectors import VectorType
from e6data_adbc import _native

pytestmark = pytest.mark.seconds

LIST = pa.list_(pa.int64())
MAP = pa.map_(pa.int32(), pa.bool_())
TYPES = [
    LIST,
    MAP,
    pa.list_(pa.list_(pa.date32())),
    pa.list_(pa.timestamp("us")),
    pa.list_(pa.float64()),
    pa.list_(pa.bool_()),
]

SIGNS = "[]{},:='\" \té\x00"
WORDS = ("null", "true", "a", "b", "1", "-2", "1.5", "1e400", "NaN", "99999999999999999999")
DAYS = ("2026-01-31", "2026-02-30", "2026-01-31 01:02:03")


def decoded(texts: list[str | None], data_type: pa.DataType) -> list[Any]:
    """The values of *texts*, each of them one row."""
    batch = pa.record_batch({"n": pa.array(texts, pa.string())})
    chunk = _native.encode_chunk(batch, [VectorType.STRING], constants=False)
    schema = pa.schema({"n": data_type})
    found = pa.record_batch(_native.decode_chunk(chunk, schema))
    found.validate(full=True)
    return list(found["n"].to_pylist())


@given(st.lists(st.none() | st.lists(st.none() | st.integers(-(2**63), 2**63 - 1))))
def test_lists_come_back(rows: list[list[int | None] | None]) -> None:
    """64 bits whole, with nulls at both levels."""
    texts = [
        None
        if row is None
        else "[" + ", ".join("null" if item is None else str(item) for item in row) + "]"
        for row in rows
    ]

    assert decoded(texts, LIST) == rows


@given(st.lists(st.integers(-(2**70), 2**70)), st.sampled_from([32, 64]))
def test_integers_that_do_not_fit_are_errors(items: list[int], bits: int) -> None:
    """Neither cut nor wrapped."""
    data_type = pa.list_(pa.int32() if bits == 32 else pa.int64())
    text = f"[{', '.join(map(str, items))}]"

    if all(-(2 ** (bits - 1)) <= item < 2 ** (bits - 1) for item in items):
        assert decoded([text], data_type) == [items]
    else:
        with pytest.raises(_native.NativeDecodeError):
            decoded([text], data_type)


@given(
    st.sampled_from(TYPES),
    st.lists(
        st.sampled_from([*SIGNS, *WORDS, *DAYS]),
        max_size=14,
    ).map("".join),
)
def test_any_text_is_a_value_or_an_error(data_type: pa.DataType, text: str) -> None:
    """No panic, and no value that does not fit its type: what is read is read again from what it says."""
    try:
        [value] = decoded([text], data_type)
    except _native.NativeDecodeError:
        return
    assert pa.array([value], data_type).to_pylist() == [value] or "nan" in str(value)


@pytest.mark.parametrize(
    ("data_type", "text"),
    [
        *(
            (LIST, text)
            for text in ("", "[", "]", "[1", "1]", "[1,]", "[,1]", "[1 2]", "[1]]", "[1.0]")
        ),
        *(
            (LIST, text)
            for text in ("[0x1]", "[1_0]", "[٣]", "[[1]]", "{1}", "[9223372036854775808]", "[tru]")
        ),
        *(
            (MAP, text)
            for text in ("{1}", "{1:}", "{:true}", "{null:true}", "{1:true,}", "{1:true", "{1:2}")
        ),
        (pa.list_(pa.date32()), "[2026-02-30]"),
        (pa.list_(pa.bool_()), "[yes]"),
        (pa.list_(pa.timestamp("us")), "[2026-01-31 25:00:00]"),
    ],
    ids=str,
)
def test_malformed_text_is_an_error(data_type: pa.DataType, text: str) -> None:
    """Of the whole chunk; rows before it do not help."""
    with pytest.raises(_native.NativeDecodeError):
        decoded([None, text], data_type)


def test_floats_keep_what_has_no_digits() -> None:
    """Infinity and NaN are values of a double."""
    [[nan, least]] = decoded(["[NaN, -Infinity]"], pa.list_(pa.float64()))

    assert math.isnan(nan)
    assert least == -math.inf
