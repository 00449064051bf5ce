"""Fuzzes the native decoder: it never panics, and it agrees with the reference decoder.

`python -m checks.fuzz [seconds]` runs each target of `native/fuzz` for so many seconds, guided by coverage, from the
golden chunks on. Then both decoders read every input that was found worth keeping, and have to give the same batch or
the same error. It needs a nightly toolchain and `cargo install cargo-fuzz`; without them only the comparison runs.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pyarrow as pa

import e6data_adbc
from checks.decoders import NATIVE, REFERENCE, Failure, content
from e6data_adbc import _schemas

NATIVE_FOLDER = Path(__file__).resolve().parent.parent / "native"
CORPUS = NATIVE_FOLDER / "fuzz" / "corpus"
FUZZ = ["cargo", "+nightly", "fuzz"]


def run_targets(seconds: int) -> bool:
    """Runs the coverage-guided targets; returns whether the tools for it are there."""
    listed = subprocess.run(
        [*FUZZ, "list"], cwd=NATIVE_FOLDER, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        print("cargo-fuzz or a nightly toolchain is missing: only comparing the decoders")
        return False
    for target in listed.stdout.split():
        limits = [f"-max_total_time={seconds}", "-rss_limit_mb=2048", "-timeout=5"]
        subprocess.run([*FUZZ, "run", target, "--", *limits], cwd=NATIVE_FOLDER, check=True)
    return True


def disagreements(folder: Path, skip: int) -> list[str]:
    """Returns the inputs of *folder* that the decoders read differently; *skip* bytes come before the chunk."""
    found = []
    for path in sorted(folder.glob("*")):
        chunk = path.read_bytes()[skip:]
        schema = schema_of(chunk)
        expected = content(REFERENCE.chunk(chunk, schema))
        if content(NATIVE.chunk(chunk, schema)) != expected:
            found.append(f"{path}: {chunk.hex()}")
    return found


def schema_of(chunk: bytes) -> pa.Schema:
    """Returns the schema that a connection would give the chunk's columns, or that of one column."""
    probed = REFERENCE.probe(chunk)
    default = pa.schema([("c", pa.int64())])
    if isinstance(probed, Failure):
        return default
    columns = [(f"c{index}", "", "", "") for index in range(len(probed[1]))]
    try:
        return _schemas.result_schema(columns, probed[1]) if columns else default
    except e6data_adbc.DataError:  # a vector type that does not exist
        return pa.schema([(name, pa.int64()) for name, *_ in columns])


def main() -> int:
    """Fuzzes and compares; returns the exit code."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    subprocess.run([sys.executable, NATIVE_FOLDER / "fuzz" / "make_seeds.py"], check=True)
    run_targets(seconds)
    bad = disagreements(CORPUS / "decode_chunk", 1) + disagreements(CORPUS / "roundtrip", 2)
    count = sum(1 for target in ("decode_chunk", "roundtrip") for _ in (CORPUS / target).iterdir())
    print("\n".join(bad) or f"the decoders agree on {count} inputs")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
