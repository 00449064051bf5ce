"""One chunk to one record batch, without a connection."""

import pyarrow as pa

from e6data_adbc import _native, _schemas, errors


def decode_chunk(chunk: bytes, result_metadata: bytes) -> pa.RecordBatch:
    """Returns *chunk* as a record batch; see `e6data_adbc.decode_chunk`."""
    try:
        _, columns = _native.parse_metadata(result_metadata)
    except _native.NativeDecodeError as cause:
        raise errors.from_native(cause, verb="read the result metadata") from cause
    names = [name for name, *_ in columns]
    try:
        _, vectors = _native.describe_chunk(chunk)
        shapes = [_schemas.Shape(*vector) for vector in vectors]
        known = shapes if len(shapes) == len(columns) else None
        # A chunk without rows may have no vectors; any other difference is for the decoder to report.
        schema = _schemas.result_schema(columns, known or None, vectors_decide=True)
        return pa.record_batch(_native.decode_chunk(chunk, schema))
    except _native.NativeDecodeError as cause:
        raise errors.from_native(cause, verb="decode the chunk", columns=names) from cause
