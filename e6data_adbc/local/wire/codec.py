"""The seam to the encoder of results."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Codec", "native"]


class Codec(Protocol):
    """What the engine needs of `e6data_adbc._native`."""

    def encode_metadata(
        self, row_count: int, columns: Sequence[tuple[str, str, str, str]], /
    ) -> bytes:
        """Returns result metadata; a column is name, type name, zone, format."""
        ...

    def encode_chunk(
        self, batch: pa.RecordBatch, vector_types: Sequence[int], *, constants: bool
    ) -> bytes:
        """Returns *batch* as one chunk."""
        ...

    def encode_response(
        self,
        chunks: Sequence[bytes],
        *,
        version: int,
        session_id: str,
        new_strategy: str | None,
        end_of_stream: bool,
    ) -> bytes:
        """Returns a whole fetch response."""
        ...


def native() -> Codec:
    """Returns the compiled encoder."""
    return cast("Codec", importlib.import_module("e6data_adbc._native"))
