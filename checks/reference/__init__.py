"""A slow, obvious decoder of the wire formats, against which the native one is tested."""

from checks.reference.chunk import Batch, Limits, decode_chunk, describe_chunk, probe_chunk
from checks.reference.errors import DecodeError
from checks.reference.metadata import Column, ResultMetadata, parse_metadata
from checks.reference.response import Response, parse_response

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
