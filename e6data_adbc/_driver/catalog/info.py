"""What `GetInfo` tells: facts about vendor and driver in the shape that ADBC prescribes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import pyarrow as pa

from e6data_adbc._version import VERSION

__all__ = ["read_info"]

# Codes of adbc.h.
VENDOR_NAME: Final = 0
VENDOR_SQL: Final = 3
VENDOR_SUBSTRAIT: Final = 4
DRIVER_NAME: Final = 100
DRIVER_VERSION: Final = 101
DRIVER_ARROW_VERSION: Final = 102
DRIVER_ADBC_VERSION: Final = 103

#: ADBC 1.1.0, as adbc.h writes it.
ADBC_VERSION: Final = 1_001_000

_VALUE_TYPE: Final = pa.dense_union(
    [
        pa.field("string_value", pa.utf8()),
        pa.field("bool_value", pa.bool_()),
        pa.field("int64_value", pa.int64()),
        pa.field("int32_bitmask", pa.int32()),
        pa.field("string_list", pa.list_(pa.utf8())),
        pa.field("int32_to_int32_list_map", pa.map_(pa.int32(), pa.list_(pa.int32()))),
    ]
)
SCHEMA: Final = pa.schema(
    [
        pa.field("info_name", pa.uint32(), nullable=False),
        pa.field("info_value", _VALUE_TYPE),
    ]
)


def read_info(codes: Sequence[int] | None) -> pa.RecordBatchReader:
    """Returns one row of `SCHEMA` for each known code.

    The server does not tell its version, so `VENDOR_VERSION` is not among them.

    Args:
        codes: What is wanted; None means everything. Unknown codes are left out.
    """
    facts: dict[int, str | bool | int] = {
        VENDOR_NAME: "e6data",
        VENDOR_SQL: True,
        VENDOR_SUBSTRAIT: False,
        DRIVER_NAME: "ADBC e6data driver",
        DRIVER_VERSION: VERSION,
        DRIVER_ARROW_VERSION: f"v{pa.__version__}",
        DRIVER_ADBC_VERSION: ADBC_VERSION,
    }
    wanted = facts if codes is None else [code for code in dict.fromkeys(codes) if code in facts]
    members: list[list[object]] = [[] for _ in _VALUE_TYPE]
    member_of: list[int] = []
    offsets: list[int] = []
    for code in wanted:
        value = facts[code]
        member = 0 if isinstance(value, str) else 1 if isinstance(value, bool) else 2
        member_of.append(member)
        offsets.append(len(members[member]))
        members[member].append(value)
    values = pa.UnionArray.from_dense(
        pa.array(member_of, pa.int8()),
        pa.array(offsets, pa.int32()),
        [pa.array(values, field.type) for values, field in zip(members, _VALUE_TYPE, strict=True)],
        [field.name for field in _VALUE_TYPE],
    )
    batch = pa.record_batch([pa.array(list(wanted), pa.uint32()), values], schema=SCHEMA)
    return pa.RecordBatchReader.from_batches(SCHEMA, [batch])
