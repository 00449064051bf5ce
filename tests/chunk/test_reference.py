"""The reference decoder on its own: what the writer wrote comes back, and nothing else escapes."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given

from checks import reference
from checks.decoders import REFERENCE as DECODER
from checks.decoders import Failure, canonical, content, examples, plain
from checks.reference import build, damage, strategies
from checks.reference.strategies import Sample

pytestmark = pytest.mark.seconds


@examples()
@given(strategies.samples())
def test_sound_chunks_come_back(sample: Sample) -> None:
    """A chunk written in any legal layout decodes to what was meant."""
    batch = DECODER.chunk(sample.chunk, sample.schema)

    assert isinstance(batch, pa.RecordBatch)
    assert batch.num_rows == sample.rows
    values = [plain(column) for column in batch.columns]
    assert values == canonical(sample.columns, sample.schema)


@examples()
@given(damage.damaged())
def test_damage_is_named(damaged: tuple[bytes, pa.Schema]) -> None:
    """Whatever happened to a chunk, it decodes or fails within its own bytes; nothing escapes."""
    chunk, schema = damaged
    result = DECODER.chunk(chunk, schema, reference.Limits(max_rows=1000, max_bytes=1 << 20))

    assert not isinstance(result, Failure) or 0 <= result.offset <= len(chunk)
    content(result)


@examples(100)
@given(strategies.metadata())
def test_metadata_comes_back(sample: tuple[int, list[tuple[str, str, str, str]], bytes]) -> None:
    """Metadata written in either form of UTF-8 reads as it was meant."""
    rows, columns, data = sample

    assert DECODER.metadata(data) == (rows, columns)


@pytest.mark.parametrize("version", [1, 2])
def test_response_comes_back(version: int) -> None:
    """A response gives the chunks it was written with, and the newest session and strategy."""
    full = build.encode(build.chunk(1, build.vector(6, 1, [5])))
    empty = build.encode(build.chunk(0))
    chunks = [full] if version == 1 else [full, b"", empty]
    data = build.response(
        chunks, version, session_id="s-2", new_strategy="green", end_of_stream=version == 2
    )
    parsed = reference.parse_response(data, version)

    assert parsed.chunks == chunks
    assert (parsed.session_id, parsed.new_strategy) == ("s-2", "green")
    assert parsed.end_of_stream == (version == 2)
    assert reference.parse_response(build.response([empty], version), version).end_of_stream == (
        version == 1
    )
