"""Counts the branches of the decoder that its Rust tests take; needs a nightly toolchain with `llvm-tools`.

`python -m checks.decoder_coverage` prints the figure and the branches that no test takes.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

__all__ = ["Coverage", "UnavailableError", "measure"]

NATIVE: Final = Path(__file__).resolve().parents[1] / "native"
SOURCES: Final = NATIVE / "chunk" / "src"
#: What is in the crate and decodes nothing: the encoder, the words of errors, tests.
_OTHERS: Final = re.compile(r"encode/|error\.rs|decode/tests\.rs|decode/rules\.rs")
_FLAGS: Final = "-C instrument-coverage -Z coverage-options=branch"


class UnavailableError(Exception):
    """The tools for it are not installed; the text says which."""


@dataclasses.dataclass
class Coverage:
    """How many branches there are, how many are taken, and the lines of the others as `file:line`."""

    count: int = 0
    taken: int = 0
    missing: list[str] = dataclasses.field(default_factory=list)


def measure() -> Coverage:
    """Runs the crate's tests with counters and returns what they took; takes some minutes.

    Raises:
        UnavailableError: There is no nightly toolchain, or it has no `llvm-tools`.
    """
    tools = _tools()
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "CARGO_TARGET_DIR": str(NATIVE / "target" / "coverage"),
            "RUSTFLAGS": _FLAGS,
            "LLVM_PROFILE_FILE": f"{folder}/%p-%m.profraw",
        }
        built = _run(
            *("cargo", "+nightly", "--config", "net.git-fetch-with-cli=true", "test", "--locked"),
            *("-p", "e6data-chunk", "--no-run", "--message-format=json"),
            environment=environment,
        )
        messages = [json.loads(line) for line in built.splitlines()]
        # Examples are built, too, and are no tests.
        tests = [one for one in messages if one.get("profile", {}).get("test")]
        objects = [one["executable"] for one in tests if one["executable"]]
        for program in objects:
            _run(program, environment=environment)
        profiles = [str(path) for path in Path(folder).glob("*.profraw")]
        merged = f"{folder}/all.profdata"
        _run(str(tools / "llvm-profdata"), "merge", "-sparse", *profiles, "-o", merged)
        exported = _run(
            *(str(tools / "llvm-cov"), "export", "--format=lcov", f"--instr-profile={merged}"),
            *(argument for program in objects for argument in ("-object", program)),
        )
    return _read(exported)


def _tools() -> Path:
    try:
        root = Path(_run("rustc", "+nightly", "--print", "sysroot").strip())
    except (OSError, subprocess.CalledProcessError):
        raise UnavailableError("there is no nightly toolchain") from None
    for found in root.glob("lib/rustlib/*/bin/llvm-cov"):
        return found.parent
    raise UnavailableError("the nightly toolchain has no llvm-tools (rustup component add)")


def _read(report: str) -> Coverage:
    found = Coverage()
    name, last = "", 0
    for line in report.splitlines():
        if line.startswith("SF:"):
            path = Path(line[3:])
            name, last = "", 0
            if path.is_relative_to(SOURCES):
                name = path.relative_to(SOURCES).as_posix()
                last = 0 if _OTHERS.match(name) else _last_line(path)
        elif line.startswith("BRDA:"):
            number, _, _, times = line[5:].split(",")
            if int(number) <= last:
                found.count += 1
                found.taken += times not in ("-", "0")
                if times in ("-", "0"):
                    found.missing.append(f"{name}:{number}")
    return found


def _last_line(path: Path) -> int:
    """Returns the last line before a file's own tests."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, (line, following) in enumerate(zip(lines, [*lines[1:], ""], strict=True)):
        if line == "#[cfg(test)]" and following.startswith("mod ") and following.endswith("{"):
            return number
    return len(lines)


def _run(*command: str, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command, cwd=NATIVE, env=environment, stdout=subprocess.PIPE, text=True, check=True
    )
    return done.stdout


def main() -> int:
    """Prints what was measured; returns the exit code."""
    try:
        found = measure()
    except UnavailableError as cause:
        print(cause, file=sys.stderr)
        return 2
    for place in found.missing:
        print(place)
    print(f"{found.taken} of {found.count} branches ({100 * found.taken / found.count:.1f} %)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
