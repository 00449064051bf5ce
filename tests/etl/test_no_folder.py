"""Destinations whose folder cannot be made: an error of the load's own that names it, and no secret of its path."""

import sys
from pathlib import Path

import pyarrow as pa
import pytest

import e6data_adbc
from e6data_adbc.errors import Status

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc is where nothing is made")


@pytest.mark.parametrize(
    ("scheme", "table", "package"),
    [
        ("parquet+file", "", None),
        ("csv+file", "", None),
        ("delta+file", "", "deltalake"),
        ("lmdb", "#t", "lmdb"),
    ],
)
def test_a_folder_that_cannot_be_made_is_told(
    scheme: str, table: str, package: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever runs it, /proc takes no folders."""
    if package is not None:
        pytest.importorskip(package)
    with pytest.raises(e6data_adbc.Error, match="/proc/e6data") as caught:
        e6data_adbc.load(
            pa.table({"n": [1]}), f"{scheme}:///proc/e6data{table}", job="j", patience_seconds=1
        )
    assert caught.value.status_code == Status.IO
    assert str(caught.value).startswith("[e6data] could not")
    assert not Path("/proc/e6data").exists()

    monkeypatch.setenv("LOAD_FOLDER", "proc/canary-81d2")
    with pytest.raises(e6data_adbc.Error) as caught:
        e6data_adbc.load(
            pa.table({"n": [1]}),
            f"{scheme}:///${{LOAD_FOLDER}}{table}",
            job="j",
            patience_seconds=1,
        )
    error: BaseException | None = caught.value
    while error is not None:
        assert "canary" not in repr(error)
        error = error.__cause__
