"""Claims: of any number of readers one gets a result, and no folder of another user is trusted."""

from __future__ import annotations

import os
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from adbc_driver_manager import AdbcStatusCode as Status

from e6data_adbc._driver.partitions.claims import Claims
from tests.support.partitioned import refusal

NOW = 1_000_000.0


def at(now: float = NOW, folder: Path | None = None) -> Claims:
    return Claims(None if folder is None else str(folder), lambda: now)


def test_one_of_many_gets_it(claims: Path) -> None:
    """Sixteen threads claim the same result at a time, and one may read it; others claim other results."""
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: at().take("q-1", NOW + 60), range(64)))

    assert found.count(True) == 1
    assert at().take("q-2", NOW + 60)
    assert len(list(claims.iterdir())) == 2


def test_only_the_user_can_look(claims: Path) -> None:
    """The folder is the user's alone, and so are the files; no name tells what was read."""
    at().take("q-secret", NOW + 60)

    (file,) = claims.iterdir()
    assert stat.S_IMODE(claims.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "secret" not in file.name


def test_a_claim_can_be_given_back(claims: Path) -> None:
    """Then somebody else may claim it; giving back what nobody has does nothing."""
    first = at()
    assert first.take("q-1", NOW + 60)
    first.give_back("q-1")
    first.give_back("q-1")

    assert at().take("q-1", NOW + 60)


def test_old_claims_are_forgotten(claims: Path) -> None:
    """An hour after its ticket has expired a claim goes; those that may be needed stay."""
    for name, expires in (("old", NOW), ("new", NOW + 7200)):
        at().take(name, expires)
    at(NOW + 3601).take("other", NOW + 7200)

    assert len(list(claims.iterdir())) == 2
    assert not at(NOW + 3601).take("new", NOW + 7200)


def test_a_folder_that_machines_share(tmp_path: Path) -> None:
    """The option names it, and it is made where it is not there."""
    folder = tmp_path / "shared" / "claims"
    assert at(folder=folder).take("q-1", NOW + 60)

    assert not at(folder=folder).take("q-1", NOW + 60)
    assert at().take("q-1", NOW + 60)  # in the usual folder nobody has


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")
def test_folders_that_are_not_trusted(tmp_path: Path) -> None:
    """What others may write to, links and files are refused, with the option that helps."""
    wide, link, file = tmp_path / "wide", tmp_path / "link", tmp_path / "file"
    wide.mkdir()
    wide.chmod(0o777)
    link.symlink_to(tmp_path)
    file.write_text("")
    for folder, words in (
        (wide, "other users may write to it"),
        (link, "it is a link"),
        (file, "File exists"),
        (file / "below", "Not a directory"),
    ):
        status, text = refusal(lambda: at(folder=folder).take("q-1", NOW))  # noqa: B023
        assert status == Status.IO
        assert words in text
        assert "adbc.e6data.partition.claim_path" in text


@pytest.mark.skipif(sys.platform == "win32", reason="users are POSIX's")
def test_the_folder_of_another_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused, whatever its mode."""
    tmp_path.chmod(0o700)
    monkeypatch.setattr(os, "getuid", lambda: tmp_path.stat().st_uid + 1)

    assert "another user" in refusal(lambda: at(folder=tmp_path).take("q-1", NOW))[1]


def test_without_a_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the cache folder cannot be used, the one for temporary files is, by all processes of the user."""
    (tmp_path / "blocked").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "blocked"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    assert at().take("q-1", NOW + 60)
    assert not at().take("q-1", NOW + 60)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [
        f"e6data-claims-{os.getuid()}"
    ]
