"""Names of rows in key-value stores: the values of their key as text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.keyvalue import texts

__all__ = ["check_key", "names_of"]


def check_key(target: str, schema: pa.Schema, key: Sequence[str]) -> None:
    """Raises NOT_IMPLEMENTED for a key whose values have no one text."""
    for name in key:
        kind: Any = schema.field(name).type
        if pa.types.is_floating(kind):
            raise errors.make(
                Status.NOT_IMPLEMENTED,
                f"could not load into {target!r}: the key {name!r} of type {str(kind)!r} has no one text for a value",
                hint="cast it to a decimal or a text in the query",
            )


def names_of(batch: pa.RecordBatch, key: Sequence[str]) -> Any:
    """Returns the names of rows, as binary: the key's text, or those of several with `:` between.

    Raises:
        IntegrityError: A key is NULL.
    """
    columns = [batch.column(batch.schema.get_field_index(name)) for name in key]
    if any(column.null_count for column in columns):
        raise errors.make(
            Status.INTEGRITY,
            f"could not upsert by {list(key)}: a row has NULL there, which is no row's key",
        )
    parts = [texts.as_text(column) for column in columns]
    if len(parts) == 1:
        return parts[0]
    for sign in (b"\\", b":"):
        parts = [
            pc.replace_substring(part, pattern=sign, replacement=b"\\" + sign) for part in parts
        ]
    return pc.binary_join_element_wise(*parts, pa.scalar(b":", pa.binary()))
