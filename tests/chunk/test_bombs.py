"""A refusal costs at most 64 MiB, or eight times the input; each is measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from checks.reference import build
from checks.reference.vectors import VectorType

pytestmark = [
    pytest.mark.seconds,
    pytest.mark.skipif(
        not Path("/proc/self/status").exists(), reason="only Linux tells the peak of a process"
    ),
]

MIB = 1 << 20
ROWS = 1 << 24
ROOT = Path(__file__).resolve().parents[2]


class Cost(NamedTuple):
    grown: int
    refusal: str | None


def cost(folder: Path, way: str, data: bytes, more: str = "") -> Cost:
    file = folder / "input"
    file.write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-m", "tests.chunk.peak", way, str(file), more],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return Cost(**json.loads(done.stdout))


def refused(folder: Path, way: str, data: bytes, more: str = "", *, copies: int = 1) -> str:
    """Returns why *data* is refused; fails if that costs too much. A server beside it holds *copies* of the input."""
    found = cost(folder, way, data, more)
    assert found.refusal is not None
    assert found.grown <= max(64 * MIB, 8 * len(data)) + (copies - 1) * len(data), (
        f"{found.grown >> 20} MiB for {len(data)} bytes: {found.refusal}"
    )
    return found.refusal


def constants(
    kind: VectorType, value: int | bytes, columns: int, rows: int = ROWS, **how: Any
) -> bytes:
    null = build.vector(kind, rows, nulls=[1], constant=True)
    full = build.vector(kind, rows, [value], constant=True, **how)
    return build.encode(build.chunk(rows, *([null, full] * columns)[:columns]))


@pytest.mark.parametrize(
    ("target", "kind", "value", "how"),
    [
        ("long", VectorType.LONG, 1, {}),
        ("decimal", VectorType.DECIMAL128, b"1", {"scale": 0}),
        ("decimal", VectorType.DECIMAL128, bytes(16), {}),
        ("text", VectorType.STRING, b"x" * 40, {}),
        ("text", VectorType.ARRAY, b"", {}),
        ("view", VectorType.MAP, b"x", {}),
        ("large", VectorType.STRUCT, b"xyz", {}),
        ("binary", VectorType.BINARY, b"\xff" * 9, {}),
        ("zoned", VectorType.TIMESTAMP_TZ, 1, {"zones": [b"Europe/Berlin"]}),
    ],
    ids=lambda value: value.name if isinstance(value, VectorType) else None,
)
def test_constants(
    tmp_path: Path, target: str, kind: VectorType, value: int | bytes, how: dict[str, Any]
) -> None:
    """Columns of constants and of constant nulls, too many together, are refused before the first is built."""
    data = constants(kind, value, 40, **how)

    assert "limit exceeded" in refused(tmp_path, "chunk", data, target)


def test_nulls(tmp_path: Path) -> None:
    """So are NULL vectors, of which a column of a type is made."""
    vector = build.record((1, build.i32(ROWS)), (2, build.i32(VectorType.NULL)))
    data = build.encode(build.chunk(ROWS, *[vector] * 40))

    assert "limit exceeded" in refused(tmp_path, "chunk", data, "decimal")


def test_null_flags(tmp_path: Path) -> None:
    """A byte a row becomes sixteen: rows of nulls with an absent value each."""
    rows = 1 << 21
    flags = build.Items([2], [build.Raw(2, b"\1" * rows)], count=rows)
    vector = build.record((1, build.i32(rows)), (2, build.i32(VectorType.DECIMAL128)), (3, flags))
    data = build.encode(build.chunk(rows, *[vector] * 40))

    assert "limit exceeded" in refused(tmp_path, "chunk", data, "decimal")


@pytest.mark.parametrize("fault", ["type", "missing", "size", "list"])
def test_what_is_wrong_after_constants(tmp_path: Path, fault: str) -> None:
    """Constants within the limit are not built either, if a vector after them is wrong."""
    good = build.vector(VectorType.LONG, ROWS, [1], constant=True)
    bad = {
        "type": build.record((1, build.i32(ROWS)), (2, build.i32(99))),
        "missing": build.record((1, build.i32(ROWS))),
        "size": build.vector(VectorType.LONG, ROWS - 1, [1], constant=True),
        "list": build.vector(VectorType.LONG, ROWS, [1], nulls=[0]),
    }[fault]
    data = build.encode(build.chunk(ROWS, *[good] * 7, bad))

    refused(tmp_path, "public", data, ",".join(["LONG"] * 8))


def test_what_the_limit_admits_is_built(tmp_path: Path) -> None:
    """Seven columns of 2^24 rows are less than 1 GiB, and welcome."""
    data = constants(VectorType.LONG, 1, 4)
    found = cost(tmp_path, "public", data, ",".join(["LONG"] * 4))

    assert found.refusal is None
    assert found.grown >= 4 * 8 * ROWS


@pytest.mark.parametrize("way", ["metadata", "connect"])
def test_metadata_columns(tmp_path: Path, way: str) -> None:
    """Millions of columns without names are refused by their count."""
    columns = 4_000_000 if way == "metadata" else 1_000_000
    data = bytes(8) + columns.to_bytes(4, "big") + bytes(8 * columns)
    copies = (
        4 if way == "connect" else 1
    )  # the server's in the same process, as message and as bytes

    assert "limit exceeded" in refused(tmp_path, way, data, copies=copies)


def test_metadata_texts(tmp_path: Path) -> None:
    """Short names, the last of which is broken."""
    columns = 1 << 16
    texts = build.utf("x") * (4 * columns - 1) + build.utf(b"\xff")
    data = bytes(8) + columns.to_bytes(4, "big") + texts

    assert "invalid utf8" in refused(tmp_path, "metadata", data)


@pytest.mark.parametrize("way", ["probe", "chunk"])
def test_vectors(tmp_path: Path, way: str) -> None:
    """Millions of vectors are refused by their count, before a place is kept for each."""
    vectors = 2_000_000
    vector = build.encode(build.record((1, build.i32(0)), (2, build.i32(6))))
    listed = build.Items([12], [build.Raw(12, vector * vectors)], count=vectors)
    data = build.encode(build.record((1, build.i32(0)), (2, listed)))

    assert "limit exceeded" in refused(tmp_path, way, data, "long")


def test_chunks_of_a_response(tmp_path: Path) -> None:
    """Millions of empty chunks are refused by their count."""
    data = build.proto(1, b"") * 8_000_000

    assert "limit exceeded" in refused(tmp_path, "response", data)


@pytest.mark.parametrize(
    ("name", "kind", "value"),
    [
        ("LONG", VectorType.LONG, 1),
        ("STRING", VectorType.STRING, b"x" * 20),
        ("DECIMAL128", VectorType.DECIMAL128, b"1"),
    ],
)
def test_small_bombs_in_one_response(
    tmp_path: Path, name: str, kind: VectorType, value: int | bytes
) -> None:
    """Each chunk is within the limits, all of them are not: the response is measured as a whole."""
    how: dict[str, Any] = {"scale": 0} if kind == VectorType.DECIMAL128 else {}
    bomb = build.encode(build.chunk(ROWS, build.vector(kind, ROWS, [value], constant=True, **how)))
    data = build.response([bomb] * 50, 2, end_of_stream=True)

    text = refused(tmp_path, "read", data, name)
    assert "limit exceeded" in text
    assert "max_chunk_bytes" in text


def test_tiny_chunks_of_nulls(tmp_path: Path) -> None:
    """Hundreds of thousands of chunks whose scale is looked for; the last one is broken."""
    empty = build.encode(build.chunk(0))
    data = build.response([empty] * 300_000 + [b"\0"], 2, end_of_stream=True)

    refused(tmp_path, "read", data, "DECIMAL128", copies=4)
