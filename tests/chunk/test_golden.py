"""Every golden vector, through both decoders."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from checks.decoders import Decoder, Failure, content, plain
from checks.reference import probe_chunk
from checks.reference.arrow import INSTANT_ZONE, UTC

GOLDEN = Path(__file__).parent.parent / "golden"

TARGETS: dict[str, pa.DataType] = {
    "BINARY": pa.binary(),
    "BOOLEAN": pa.bool_(),
    "DOUBLE": pa.float64(),
    "FLOAT": pa.float32(),
    "INTEGER": pa.int32(),
    "LONG": pa.int64(),
    "STRING": pa.utf8(),
    "DATE": pa.date32(),
    "DATETIME": pa.timestamp("us"),
    "TIMESTAMP": pa.timestamp("us"),
    "STRUCT": pa.utf8(),
    "MAP": pa.utf8(),
    "ARRAY": pa.utf8(),
    "NULL": pa.null(),
    "TIMESTAMP_TZ": INSTANT_ZONE,
    "INTERVAL_DAY_SECOND": pa.duration("us"),
    "INT96": pa.int64(),
}

#: The faults of the malformed cases, and where they are found: kind, column, row, offset.
FAULTS = {
    "string_invalid_utf8_invalid_byte": ("invalid_utf8", 0, 1, 63),
    "string_invalid_utf8_overlong_nul": ("invalid_utf8", 0, 1, 63),
    "string_invalid_utf8_surrogate_pair_cesu8": ("invalid_utf8", 0, 1, 63),
    "string_invalid_utf8_above_10ffff": ("invalid_utf8", 0, 1, 63),
    "tz_zonedata_short": ("short_list", 0, 1, 73),
    "decimal_over_38_digits": ("bad_decimal", 0, 0, 57),
    "decimal_bad_short": ("bad_decimal", 0, 0, 57),
    "decimal_bad_len17": ("bad_decimal", 0, 0, 57),
    "decimal_bad_space_text": ("bad_decimal", 0, 0, 57),
    "decimal_bad_underscore_text": ("bad_decimal", 0, 0, 57),
    "decimal_text_scale_conflict": ("bad_decimal", 0, 0, 56),
    "int96_type_4": ("unknown_vector_type", 0, None, 25),
    "unknown_vector_type_18": ("unknown_vector_type", 0, None, 25),
    "unknown_vector_type_99": ("unknown_vector_type", 0, None, 25),
    "truncated_empty": ("unexpected_end", None, None, 0),
    "truncated_chunk_field_header": ("unexpected_end", None, None, 1),
    "truncated_chunk_size": ("unexpected_end", None, None, 3),
    "truncated_nullset_body": ("unexpected_end", None, None, 37),
    "truncated_zone_text": ("unexpected_end", None, None, 203),
    "truncated_last_stop": ("unexpected_end", None, None, 352),
    "trailing_garbage": ("trailing_bytes", None, None, 353),
    "trailing_second_chunk": ("trailing_bytes", None, None, 353),
    "only_stop": ("missing_field", None, None, 0),
    "chunk_size_wrong_type": ("missing_field", None, None, 71),
    "chunk_larger_than_vector": ("bad_size", 0, None, 18),
    "fewer_vectors_than_columns": ("column_count", None, None, 11),
    "vectors_as_set": ("missing_field", None, None, 67),
    "vectors_wrong_element_type": ("wrong_element_type", None, None, 10),
    "vector_size_missing": ("missing_field", 0, None, 59),
    "vector_size_negative": ("bad_size", 0, None, 18),
    "vector_type_missing": ("missing_field", 0, None, 59),
    "nullset_empty_constant": ("short_list", 0, None, 33),
    "data_empty_union": ("missing_field", 0, None, 46),
    "constant_value_absent": ("missing_field", 0, None, 44),
    "string_length_negative": ("bad_length", None, None, 52),
    "nested_unknown_200": ("too_deep", None, None, 259),
    "nested_unknown_lists_200": ("too_deep", None, None, 385),
    "compact_protocol": ("bad_wire_type", None, None, 0),
    # Undefined by the vectors; decided here.
    "constant_row_bomb": ("limit_exceeded", None, None, 3),
    "float_overflow": ("out_of_range", 0, 0, 52),
    "fc_duplicate_field": ("duplicate_field", None, None, 76),
}

#: Cases that may go either way and that we decode.
ACCEPTED = {"timestamp_type_10": [[1770854400123456]]}


def target_schema(case: dict[str, Any]) -> pa.Schema:
    """The schema of the types that must come out; of a malformed chunk, of the announced ones."""
    columns = (case.get("expected") or {}).get("columns") or []
    names = [column["vector_type"] for column in columns]
    announced = [column["type"] for column in case["metadata"]["columns"]]
    if "DECIMAL128" not in names:
        return schema_of(names or announced, [2] * len(names or announced))
    shapes = probe_chunk(base64.b64decode(case["chunk_b64"]))[1]
    return schema_of(names, [scale or 0 for _, scale in shapes])


def schema_of(names: list[str], scales: list[int]) -> pa.Schema:
    return pa.schema(
        [
            (f"c{index}", TARGETS.get(name, pa.decimal128(38, scale)))
            for index, (name, scale) in enumerate(zip(names, scales, strict=True))
        ]
    )


def expected_value(value: Any, kind: str, scale: int) -> Any:
    """A golden value in plain form."""
    if value is None:
        return None
    match kind:
        case "float64_bits_hex":
            return int(value, 16)
        case "bytes_hex":
            return bytes.fromhex(value)
        case "date":
            return value["days"]
        case "timestamp_tz":
            return value["micros"], value["zone"]
        case "decimal_text":
            whole, _, fraction = value.partition(".")
            assert len(fraction) == scale
            return int(whole + fraction)
        case _:
            return value


def widened(bits: int | None) -> str | None:
    """The 64-bit carrier of a 32-bit float."""
    if bits is None:
        return None
    value = pa.array([bits], pa.uint32()).view(pa.float32()).cast(pa.float64())
    wide: int = value.view(pa.uint64())[0].as_py()
    return f"{wide:016x}"


def test_chunk(decoder: Decoder, golden_chunk: dict[str, Any]) -> None:
    """A sound chunk gives exactly the recorded values; a malformed one the recorded fault."""
    name = golden_chunk["name"]
    schema = target_schema(golden_chunk)
    result = decoder.chunk(base64.b64decode(golden_chunk["chunk_b64"]), schema)

    if name in FAULTS:
        assert golden_chunk["expect"] == "error" or golden_chunk["policy"] == "undefined"
        assert result == Failure(*FAULTS[name])
        return
    assert isinstance(result, pa.RecordBatch)
    assert result.schema.equals(schema)
    result.validate(full=True)
    actual = [plain(column) for column in result.columns]
    if name in ACCEPTED:
        assert golden_chunk["policy"] == "undefined"
        assert actual == ACCEPTED[name]
        return
    assert golden_chunk["expect"] == "ok"
    expected = golden_chunk["expected"]
    assert result.num_rows == expected["rows"]
    for column, field, values in zip(expected["columns"], schema, actual, strict=False):
        if column["kind"] == "float32_as_float64_bits_hex":
            assert [widened(value) for value in values] == column["values"]
            continue
        if name == "double_nan_payloads":  # which NaN it is may be lost
            assert all(value & 0x7FF << 52 == 0x7FF << 52 for value in values)
            continue
        scale = getattr(field.type, "scale", 0)
        assert values == [expected_value(v, column["kind"], scale) for v in column["values"]]


def test_zone_is_optional(decoder: Decoder) -> None:
    """A TIMESTAMP_TZ column may also be read as the instant alone."""
    for case in json.loads((GOLDEN / "chunks.json").read_text())["cases"]:
        schema = target_schema(case)
        if case["expect"] != "ok" or INSTANT_ZONE not in schema.types:
            continue
        chunk = base64.b64decode(case["chunk_b64"])
        for index, field in enumerate(schema):
            if field.type == INSTANT_ZONE:
                schema = schema.set(index, pa.field(field.name, UTC))
        paired, alone = decoder.chunk(chunk, target_schema(case)), decoder.chunk(chunk, schema)

        assert isinstance(paired, pa.RecordBatch)
        assert isinstance(alone, pa.RecordBatch)
        for pairs, micros in zip(paired.columns, alone.columns, strict=True):
            first = [v[0] if isinstance(v, tuple) else v for v in plain(pairs)]
            assert plain(micros) == first, case["name"]


def test_every_prefix_is_refused(decoder: Decoder) -> None:
    """A chunk cut anywhere is an unexpected end, at a byte that is within what is left."""
    golden = json.loads((GOLDEN / "chunks.json").read_text())
    for sweep in golden["sweeps"]:
        case = next(case for case in golden["cases"] if case["name"] == sweep["base_case"])
        chunk, schema = base64.b64decode(case["chunk_b64"]), target_schema(case)
        for size in range(len(chunk)):
            result = decoder.chunk(chunk[:size], schema)
            assert isinstance(result, Failure), size
            assert result.kind == "unexpected_end"
            assert result.offset <= size


def test_metadata(decoder: Decoder, golden_metadata: dict[str, Any]) -> None:
    """Result metadata gives its row count and columns, or is refused."""
    result = decoder.metadata(base64.b64decode(golden_metadata["metadata_b64"]))

    if golden_metadata["expect"] == "error":
        assert isinstance(result, Failure)
        return
    columns = [
        (column["name"], column["type"], column["zone"], column["format"])
        for column in golden_metadata["columns"]
    ]
    assert result == (golden_metadata["row_count"], columns)


def fetch_samples() -> list[Any]:
    samples = json.loads((GOLDEN / "rpc.json").read_text())["samples"]
    found = [sample for sample in samples if "getNextResultBatch" in sample["path"]]
    assert found
    return [
        pytest.param(sample, id=f"{sample['path'].rsplit('/', 1)[1]}-{index}")
        for index, sample in enumerate(found)
    ]


@pytest.mark.parametrize("sample", fetch_samples())
def test_response(decoder: Decoder, sample: dict[str, Any]) -> None:
    """A fetch response gives its chunks, session, strategy and end."""
    version = 2 if sample["path"].endswith("V2") else 1
    fields = sample["response"]
    batches = fields.get(
        "resultBatches", [fields["resultBatch"]] if "resultBatch" in fields else []
    )
    ended = fields.get("endOfStream", False) if version == 2 else not batches

    assert content(decoder.response(base64.b64decode(sample["response_b64"]), version)) == {
        "chunk_count": len(batches),
        "session_id": fields.get("sessionId"),
        "new_strategy": fields.get("new_strategy"),
        "end_of_stream": ended,
    }
