"""The sink of somebody else's package: docs/guides/new-sink.md as it stands there, installed, found and proved."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from checks.pages import ROOT

pytestmark = pytest.mark.seconds

TEXT = (ROOT / "docs" / "guides" / "new-sink.md").read_text()


@pytest.fixture
def package(tmp_path: Path) -> dict[str, str]:
    """An environment in which the guide's package is installed."""
    sink, tests = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    (entry,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    group = re.search(r'entry-points\."([^"]+)"', entry)
    point = re.search(r'^(\S+) = "([^"]+)"', entry, re.MULTILINE)
    assert group is not None
    assert point is not None
    info = tmp_path / "acme_json-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-json\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{group[1]}]\n{point[1]} = {point[2]}\n")
    (tmp_path / "acme_json.py").write_text(sink)
    (tmp_path / "test_acme.py").write_text(tests)
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}


def run(package: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        env=package,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )


def test_the_command_line_finds_it(package: dict[str, str], engine: Any, tmp_path: Path) -> None:
    """Installed, it is a destination like ours, with runs, resume and errors."""
    to = f"acme-json://{tmp_path}/rows.json"
    load = ("e6data_adbc", "load", "select 1 as n union all select 2", to, "--uri", engine.uri)

    first, again = (run(package, *load, "--job", "j", "--json") for _ in range(2))

    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert json.loads(again.stdout.splitlines()[-1])["skipped_rows"] == 2
    rows = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert sorted(row["n"] for row in rows) == [1, 2]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_it_conforms(package: dict[str, str], tmp_path: Path) -> None:
    """The guide's sink passes the guide's tests."""
    done = run(
        package,
        *(
            "pytest",
            "-q",
            "-p",
            "no:randomly",
            "-p",
            "no:cacheprovider",
            "--rootdir",
            str(tmp_path),
        ),
        *("-c", os.devnull, str(tmp_path / "test_acme.py")),
    )

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
