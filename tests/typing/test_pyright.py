"""What pyright says of the public API as users use it: editors show its types and errors."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.page_blocks import ROOT, write_blocks

pytest.importorskip("basedpyright")

pytestmark = [pytest.mark.rooms, pytest.mark.seconds]

#: pandas-stubs know `read_sql` of SQLAlchemy and sqlite3 alone; pandas itself takes ADBC's connections. SQLAlchemy's
#: own type of a connection has a `__getattr__` that those of sqlite3 have not either.
_OF_OTHERS = ('"sqlite3.Connection"', 'incompatible with protocol "DBAPIConnection"')


def complaints(folder: Path) -> list[str]:
    """What it reports of the files in *folder*, in the mode that editors have by themselves."""
    config = {
        "include": ["."],
        "extraPaths": [str(ROOT)],
        "typeCheckingMode": "standard",
        "reportMissingImports": False,  # of packages that pages name and the room lacks
    }
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
        if found["severity"] == "error" and not any(text in found["message"] for text in _OF_OTHERS)
    ]


def test_the_public_api(tmp_path: Path) -> None:
    """`query_id`, `progress`, `timings` and `explain` are there."""
    (tmp_path / "api.py").write_text((ROOT / "tests" / "typing" / "api.py").read_text())

    assert complaints(tmp_path) == []


def test_a_mistake_is_found(tmp_path: Path) -> None:
    """The types are seen: what is not there is an error."""
    text = "import e6data_adbc\ne6data_adbc.connect().cursor().no_such_thing()\n"
    (tmp_path / "wrong.py").write_text(text)

    assert len(complaints(tmp_path)) == 1


def test_the_code_of_pages(tmp_path: Path) -> None:
    """Every block of every page, behind those above it whose names it uses."""
    assert write_blocks(tmp_path) > 50
    assert complaints(tmp_path) == []
