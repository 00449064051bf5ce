"""The codec functions of the native module."""

import pickle

import pyarrow as pa
import pytest

from e6data_adbc import _native

SCHEMA = pa.schema([("n", pa.int64()), ("s", pa.string())])
BATCH = pa.record_batch([[1, None, 3], ["a", "ä", None]], schema=SCHEMA)


@pytest.mark.parametrize("constants", [True, False])
def test_a_chunk_goes_there_and_back(constants):
    """Encoding and decoding a batch gives the batch."""
    chunk = _native.encode_chunk(BATCH, [6, 7], constants=constants)
    decoded = _native.decode_chunk(chunk, SCHEMA)

    assert pa.record_batch(decoded) == BATCH
    assert decoded.num_rows == 3
    assert pa.schema(decoded) == SCHEMA


def test_metadata_goes_there_and_back():
    """Encoding and parsing result metadata gives its parts."""
    columns = [("n", "LONG", "", ""), ("", "TIMESTAMP_TZ", "+01:00", "f"), ("ä", "STRING", "", "")]
    data = _native.encode_metadata(7, columns)

    assert _native.parse_metadata(data) == (7, columns)


def test_a_probe_tells_the_shape():
    """Rows, and type and scale of each vector."""
    data = pa.record_batch({"d": pa.array([None, "1.25"]).cast(pa.decimal128(38, 2))})
    chunk = _native.encode_chunk(data, [16])

    assert _native.probe_chunk(chunk) == (2, [(16, 2)])
    response = _native.Response(_native.encode_response([chunk], version=1), 1)
    assert response.probe() == [(2, [(16, 2)])]


@pytest.mark.parametrize("version", [1, 2])
def test_a_response_tells_its_parts(version):
    """Session, strategy, chunks and size of a response."""
    chunk = _native.encode_chunk(BATCH, [6, 7])
    data = _native.encode_response([chunk], version=version, session_id="s-1", new_strategy="green")
    response = _native.Response(data, version)

    assert (response.session_id, response.new_strategy) == ("s-1", "green")
    assert (response.chunk_count, response.nbytes) == (1, len(data))
    assert not response.end_of_stream
    assert repr(response) == f"<Response of 1 chunks, {len(data)} bytes>"


def test_the_end_of_a_stream_is_told():
    """Version 1 ends without a chunk, version 2 with its mark."""
    first = _native.Response(_native.encode_response([], version=1), 1)
    second = _native.Response(_native.encode_response([], version=2), 2)
    third = _native.Response(_native.encode_response([], version=2, end_of_stream=True), 2)

    assert (first.end_of_stream, second.end_of_stream, third.end_of_stream) == (True, False, True)
    assert (first.session_id or None, first.new_strategy) == (None, None)


@pytest.mark.parametrize(
    "call",
    [
        lambda: _native.decode_chunk(b"\xff", SCHEMA),
        lambda: _native.probe_chunk(b""),
        lambda: _native.parse_metadata(b"\x00"),
        lambda: _native.Response(b"\xff\xff", 2),
        lambda: _native.decode_chunk(_native.encode_chunk(BATCH, [6, 7]) + b"x", SCHEMA),
    ],
)
def test_an_error_says_why_and_where(call):
    """`NativeDecodeError` has kind, column, row and offset, and a text without values."""
    with pytest.raises(_native.NativeDecodeError) as failure:
        call()

    raised = failure.value
    assert isinstance(raised, ValueError)
    assert (raised.column, raised.row) == (None, None)
    assert raised.offset >= 0
    assert raised.kind.replace("_", " ") in str(raised)


def test_an_error_inside_a_column_names_it():
    """Column and row are numbers from 0."""
    chunk = _native.encode_chunk(pa.record_batch({"b": [b"a", b"\xff"]}), [0], constants=False)
    binary, string = b"\x08\x00\x02\x00\x00\x00\x00", b"\x08\x00\x02\x00\x00\x00\x07"
    assert binary in chunk
    with pytest.raises(_native.NativeDecodeError) as failure:
        _native.decode_chunk(chunk.replace(binary, string), pa.schema([("b", pa.string())]))

    assert failure.value.column == 0
    assert isinstance(failure.value.kind, str)


def test_limits_are_kept():
    """A chunk beyond the limits is refused before it is expanded."""
    chunk = _native.encode_chunk(BATCH, [6, 7])
    for limits in ({"max_rows": 2}, {"max_bytes": 8}):
        with pytest.raises(_native.NativeDecodeError) as failure:
            _native.decode_chunk(chunk, SCHEMA, **limits)
        assert failure.value.kind == "limit_exceeded"


def test_wrong_arguments_are_type_and_value_errors():
    """Arguments of another kind raise, naming what is wrong."""
    with pytest.raises(TypeError):
        _native.decode_chunk("text", SCHEMA)
    with pytest.raises(AttributeError):
        _native.decode_chunk(b"", 42)
    with pytest.raises(TypeError, match=r"month_day_nano|Interval"):
        _native.decode_chunk(b"", pa.schema([("m", pa.month_day_nano_interval())]))
    with pytest.raises(ValueError, match="no vector type 99"):
        _native.encode_chunk(BATCH, [6, 99])
    with pytest.raises(TypeError, match="record batch"):
        _native.encode_chunk(pa.array([1]), [6])
    with pytest.raises(ValueError, match="could not encode the batch"):
        _native.encode_chunk(BATCH, [6])
    with pytest.raises(ValueError, match="no result protocol 3"):
        _native.Response(b"", 3)
    with pytest.raises(TypeError):
        _native.Response(bytearray(), 1)


def test_the_objects_refuse_to_be_pickled():
    """They are handles; a pickle of them would be empty."""
    batch = _native.decode_chunk(_native.encode_chunk(BATCH, [6, 7]), SCHEMA)
    with pytest.raises(TypeError):
        pickle.dumps(batch)


def test_a_response_gives_its_chunks():
    """The bytes of each chunk are those that were sent, in either version."""
    chunks = [b"\x08\x00\x01\x00\x00\x00\x00\x00", b"\x00"]

    assert _native.Response(_native.encode_response(chunks, version=2), 2).chunks() == chunks
    assert (
        _native.Response(_native.encode_response(chunks[:1], version=1), 1).chunks() == chunks[:1]
    )
    assert _native.Response(_native.encode_response([], version=1), 1).chunks() == []
