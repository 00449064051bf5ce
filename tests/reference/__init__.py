"""A slow, obvious decoder of the wire formats, against which the native one is tested."""

from tests.reference.chunk import Batch, Limits, decode_chunk, describe_chunk, probe_chunk
from tests.reference.errors import DecodeError
from tests.reference.metadata import Column, ResultMetadata, parse_metadata
from tests.reference.response import Response, parse_response

__all__ = [
    "Batch",
    "Column",
    "DecodeError",
    "Limits",
    "Response",
    "ResultMetadata",
    "decode_chunk",
    "describe_chunk",
    "parse_metadata",
    "parse_response",
    "probe_chunk",
]
