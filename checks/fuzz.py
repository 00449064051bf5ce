"""Fuzzes the native decoder and HTTP/2: they never panic, and the decoder agrees with the reference decoder.

`python -m checks.fuzz [seconds] [targets]` runs each target of `native/fuzz` for so many seconds, guided by coverage,
from the golden chunks on. Then both decoders read every input that was found worth keeping, and have to give the same
batch or the same error. Any toolchain does: the flags are those that the compiler has for instrumentation by itself.
"""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa

import e6data_adbc
from checks.decoders import NATIVE, REFERENCE, Failure, content
from e6data_adbc import _schemas

FOLDER: Final = Path(__file__).resolve().parent.parent / "native" / "fuzz"
CORPUS: Final = FOLDER / "corpus"
#: Named, so that build scripts are built without the flags below.
HOST: Final = f"{platform.machine()}-unknown-linux-gnu"
#: What libFuzzer is guided by, and the checks that a release leaves out.
FLAGS: Final = (
    "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4"
    " -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table"
    " -Cllvm-args=-sanitizer-coverage-trace-compares -Cdebug-assertions -Coverflow-checks"
)
TARGETS: Final = ("decode_chunk", "http2", "metadata", "response", "roundtrip")


def run_targets(seconds: int, names: Sequence[str]) -> None:
    """Builds and runs the targets *names*, each for *seconds*; an input that one fails on ends it with an error."""
    built = FOLDER / "target" / HOST / "release"
    build = ["cargo", "build", "--release", "--locked", "--bins", "--target", HOST]
    build += ["--target-dir", str(FOLDER / "target")]
    subprocess.run(build, cwd=FOLDER, env={**os.environ, "RUSTFLAGS": FLAGS}, check=True)
    for name in names:
        corpus = CORPUS / name
        corpus.mkdir(parents=True, exist_ok=True)
        limits = [f"-max_total_time={seconds}", "-rss_limit_mb=2048", "-timeout=5"]
        subprocess.run([built / name, *limits, str(corpus)], cwd=FOLDER, check=True)


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
    subprocess.run([sys.executable, FOLDER / "make_seeds.py"], check=True)
    run_targets(seconds, sys.argv[2:] or TARGETS)
    bad = disagreements(CORPUS / "decode_chunk", 1) + disagreements(CORPUS / "roundtrip", 2)
    count = sum(1 for target in ("decode_chunk", "roundtrip") for _ in (CORPUS / target).iterdir())
    print("\n".join(bad) or f"the decoders agree on {count} inputs")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
