"""GetInfo: facts about vendor and driver, in the shape that ADBC prescribes."""

from __future__ import annotations

import re

import pyarrow as pa

import e6data_adbc
from tests.support.listed import Connect
from tests.support.scripted import ScriptedEngine


def test_info_tells_vendor_and_driver(
    scripted_engine: ScriptedEngine, connect_scripted: Connect
) -> None:
    """Every fact has the code and the union member that ADBC prescribes; nobody is asked."""
    rows = {
        row["info_name"]: row["info_value"]
        for row in connect_scripted().get_info(None).read_all().to_pylist()
    }

    assert rows[0] == "e6data"
    assert (rows[3], rows[4]) == (True, False)
    assert re.fullmatch(r"v?\d+(\.\d+){0,2}(-.+)?", rows[101])
    assert rows[101] == e6data_adbc.__version__
    assert rows[102] == f"v{pa.__version__}"
    assert rows[103] == 1_001_000
    assert scripted_engine.received == []


def test_info_by_code(scripted_engine: ScriptedEngine, connect_scripted: Connect) -> None:
    """Only what is asked, in the order asked, each once; unknown codes are left out."""
    batch = connect_scripted().get_info([103, 0, 4711, 0]).read_all()

    assert batch["info_name"].to_pylist() == [103, 0]
    assert batch["info_value"].to_pylist() == [1_001_000, "e6data"]
    assert connect_scripted().get_info([4711]).read_all().num_rows == 0


def test_the_shape_of_info(scripted_engine: ScriptedEngine, connect_scripted: Connect) -> None:
    """A dense union of exactly six members."""
    schema = connect_scripted().get_info(None).schema
    value = schema.field("info_value").type

    assert schema.field("info_name").type == pa.uint32()
    assert not schema.field("info_name").nullable
    assert value.mode == "dense"
    assert [(field.name, field.type) for field in value] == [
        ("string_value", pa.utf8()),
        ("bool_value", pa.bool_()),
        ("int64_value", pa.int64()),
        ("int32_bitmask", pa.int32()),
        ("string_list", pa.list_(pa.utf8())),
        ("int32_to_int32_list_map", pa.map_(pa.int32(), pa.list_(pa.int32()))),
    ]
