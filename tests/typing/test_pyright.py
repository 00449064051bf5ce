"""What pyright says of the public API as users use it: editors show its types and errors."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("basedpyright")

pytestmark = [pytest.mark.rooms, pytest.mark.seconds]

ROOT = Path(__file__).resolve().parent.parent.parent
#: What the blocks of the pages take for granted.
GIVEN = """
import datetime
import pyarrow as pa
import e6data_adbc
uri: str = ""
connection: e6data_adbc.dbapi.Connection = e6data_adbc.connect(uri)
cursor: e6data_adbc.dbapi.Cursor = connection.cursor()
day: datetime.date = datetime.date(2026, 1, 1)
table: pa.Table = pa.table({"n": [1]})
"""


def complaints(folder: Path) -> list[str]:
    """What it reports of the files in *folder*, in the mode that editors have by themselves."""
    config = {"include": ["."], "extraPaths": [str(ROOT)], "typeCheckingMode": "standard"}
    (folder / "pyrightconfig.json").write_text(json.dumps(config))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "basedpyright", "--outputjson"),
            *("--pythonpath", sys.executable, "-p", str(folder)),
        ],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    report = json.loads(done.stdout)
    assert report["summary"]["filesAnalyzed"] >= 1
    return [
        f"{Path(found['file']).name}:{found['range']['start']['line'] + 1}: {found['message']}"
        for found in report["generalDiagnostics"]
        if found["severity"] == "error"
    ]


def test_the_public_api(tmp_path: Path) -> None:
    """`query_id`, `progress`, `timings` and `explain` are there."""
    (tmp_path / "api.py").write_text((ROOT / "tests" / "typing" / "api.py").read_text())

    assert complaints(tmp_path) == []


def test_a_mistake_is_found(tmp_path: Path) -> None:
    """The types are seen: what is not there is an error."""
    (tmp_path / "wrong.py").write_text(f"{GIVEN}\ncursor.no_such_thing()\n")

    assert len(complaints(tmp_path)) == 1


@pytest.mark.parametrize("page", ["README.md", "docs/recipes.md"])
def test_the_code_of_pages(tmp_path: Path, page: str) -> None:
    """As it stands there, a block after those above it."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = re.findall(r"^```python\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    assert found
    (tmp_path / "blocks.py").write_text("\n".join([GIVEN, *found]))

    assert complaints(tmp_path) == []
