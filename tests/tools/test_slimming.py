"""Libraries of an environment become smaller only where they load afterwards."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools import slimming

SOURCE = "static int hidden_{0}(void) {{ return {0}; }} int answer_{0}(void) {{ return hidden_{0}(); }}\n"


def library(path: Path) -> Path:
    """A library with as many symbols as make it worth a look."""
    source = path.with_suffix(".c")
    source.write_text("".join(map(SOURCE.format, range(7000))))
    subprocess.run(["cc", "-O0", "-shared", "-fPIC", "-o", path, source], check=True)
    source.unlink()
    assert path.stat().st_size >= slimming.LEAST
    return path


needs_tools = pytest.mark.skipif(
    not (sys.platform.startswith("linux") and shutil.which("cc") and shutil.which("strip")),
    reason="a compiler and strip of Linux are needed",
)


@needs_tools
@pytest.mark.seconds
def test_symbols_that_nothing_links_to(tmp_path: Path) -> None:
    """They go, what is called stays, and nothing is left beside."""
    path = library(tmp_path / "libsome.so")
    before = path.stat()

    saved = slimming.slim(str(tmp_path), sys.executable, ["math"])

    assert saved == before.st_size - path.stat().st_size > 0
    assert path.stat().st_mode == before.st_mode
    assert ctypes.CDLL(str(path)).answer_42() == 42
    assert os.listdir(tmp_path) == ["libsome.so"]
    assert slimming.slim(str(tmp_path), sys.executable, ["math"]) == 0


@needs_tools
@pytest.mark.seconds
def test_what_does_not_load_is_put_back(tmp_path: Path) -> None:
    """Every byte is what it was."""
    path = library(tmp_path / "libsome.so")
    before = path.read_bytes()

    assert slimming.slim(str(tmp_path), sys.executable, ["no_such_module"]) == 0

    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["libsome.so"]


def test_copies(tmp_path: Path) -> None:
    """Those of one folder share their place, others of the same size do not."""
    content = bytes(slimming.LEAST)
    for name in ("lib.so", "lib.so.1", "lib.so.1.2"):
        (tmp_path / name).write_bytes(content)
    (tmp_path / "other.so").write_bytes(content[:-1] + b"x")

    assert slimming.link_copies(str(tmp_path)) == 2 * slimming.LEAST

    assert (tmp_path / "lib.so.1").samefile(tmp_path / "lib.so.1.2")
    assert (tmp_path / "lib.so.1").samefile(tmp_path / "lib.so")
    assert (tmp_path / "other.so").stat().st_nlink == 1
    assert slimming.link_copies(str(tmp_path)) == 0
