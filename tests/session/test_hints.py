"""The hint about an endpoint's colour: what a process leaves for the next, and everything that may be wrong with it."""

from __future__ import annotations

import dataclasses
import logging
import os
import stat
from collections import Counter
from pathlib import Path

import pytest

from e6data_adbc._options.database_config import Endpoint
from e6data_adbc._session.colour import shared_file
from e6data_adbc._session.colour.routes import Route
from e6data_adbc._session.colour.shared_file import Hint, HintFile, hint_file, hint_folder, key_of
from e6data_adbc._session.colour.strategy import Phase
from e6data_adbc._session.endpoint import EndpointState
from e6data_adbc.options import Secret

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there are no hints on Windows")

HERE = Endpoint("127.0.0.1", 80, encrypted=False)
KEY = "0123456789abcdef"
NOW = 1_800_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


class Place:
    """A folder for hints, and files in it as processes have them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = Clock()
        self.counts: Counter[str] = Counter()
        self.file = self.another()

    def another(self) -> HintFile:
        """Returns the file as another process has it."""
        return HintFile(self.folder, KEY, lambda name: self.counts.update([name]), self.clock)

    @property
    def path(self) -> Path:
        return self.folder / KEY

    @property
    def hint(self) -> Hint:
        return Hint.decode(KEY, self.path.read_bytes())

    @property
    def troubles(self) -> int:
        return self.counts["colour_hint_troubles"]

    def plant(self, content: bytes, mode: int = 0o600) -> None:
        """Puts *content* there, whatever was there."""
        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.path.unlink(missing_ok=True)
        self.path.write_bytes(content)
        self.path.chmod(mode)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "cache" / "e6data")


def test_what_one_writes_the_next_reads(place: Place) -> None:
    """Nothing is there at first, which is no trouble; a hint is one for each process that looks."""
    assert place.file.read() is None
    place.file.write("green")

    assert place.another().read() == "green"
    assert place.hint == Hint("green", 0, NOW)
    assert place.counts == {"colour_hints_written": 1, "colour_hints_taken": 1}


def test_it_is_the_users_alone(place: Place) -> None:
    """The folder has mode 0700, and everything in it 0600; nothing else is left there."""
    old = os.umask(0)
    try:
        place.file.write("green")
    finally:
        os.umask(old)

    assert stat.S_IMODE(place.folder.stat().st_mode) == 0o700
    assert {path.name for path in place.folder.iterdir()} == {KEY, "lock"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in place.folder.iterdir()} == {0o600}


def test_a_hint_expires(place: Place) -> None:
    """After 300 s it is nothing any more, and no trouble; before, it is."""
    place.file.write("green")
    place.clock.now += 300.0
    assert place.file.read() == "green"
    place.clock.now += 0.001

    assert place.file.read() is None
    assert place.troubles == 0


def test_a_shorter_life_holds(place: Place) -> None:
    """The file's own time to live counts where it is the shorter one."""
    place.plant(Hint("green", 0, NOW, ttl=5.0).encode(KEY))
    assert place.file.read() == "green"
    place.clock.now += 6.0

    assert place.file.read() is None


def test_the_same_again_is_not_written(place: Place) -> None:
    """A young hint of the same colour stays as it is; an older one is written anew; another colour at once."""
    place.file.write("green")
    place.clock.now += 99.0
    place.another().write("green")
    assert place.hint.seconds == NOW

    place.clock.now += 2.0
    place.another().write("green")
    assert (place.hint.seconds, place.hint.epoch) == (NOW + 101.0, 0)

    place.another().write("blue")
    assert (place.hint.colour, place.hint.epoch) == ("blue", 1)


def test_what_is_newer_is_kept(place: Place) -> None:
    """Who saw a colour long ago does not overwrite what another saw since."""
    place.file.write("green")
    place.another().write("blue", age=10.0)

    assert place.hint.colour == "green"


def _expire(place: Place) -> None:
    place.plant(Hint("green", 0, NOW - 10_000.0).encode(KEY))


def _predate(place: Place) -> None:
    place.plant(Hint("green", 0, NOW + 10.0).encode(KEY))


def _tear(place: Place) -> None:
    place.plant(Hint("green", 0, NOW).encode(KEY)[:-9])


def _flip_a_bit(place: Place) -> None:
    content = bytearray(Hint("green", 0, NOW).encode(KEY))
    content[20] ^= 1
    place.plant(bytes(content))


def _swap(place: Place) -> None:
    place.plant(Hint("green", 0, NOW).encode("another endpoint"))


def _invent(place: Place) -> None:
    text = f"e6data-colour-1 purple 0 {NOW:.6f} 300"
    place.plant(f"{text} {shared_file._checksum(KEY, text)}\n".encode())


def _another_format(place: Place) -> None:
    text = f"e6data-colour-9 green 0 {NOW:.6f} 300"
    place.plant(f"{text} {shared_file._checksum(KEY, text)}\n".encode())


def _link(place: Place) -> None:
    _honest(place)
    place.path.rename(place.folder / "elsewhere")
    place.path.symlink_to(place.folder / "elsewhere")


def _link_folder(place: Place) -> None:
    _honest(place)
    place.folder.rename(place.folder.parent / "elsewhere")
    place.folder.symlink_to(place.folder.parent / "elsewhere")


def _open_to_all(place: Place) -> None:
    _honest(place)
    place.path.chmod(0o644)


def _open_folder(place: Place) -> None:
    _honest(place)
    place.folder.chmod(0o750)


def _pipe(place: Place) -> None:
    place.plant(b"")
    place.path.unlink()
    os.mkfifo(place.path, 0o600)


def _directory(place: Place) -> None:
    place.plant(b"")
    place.path.unlink()
    place.path.mkdir(mode=0o700)


def _file_for_folder(place: Place) -> None:
    place.folder.touch(mode=0o600)


def _honest(place: Place) -> None:
    place.plant(Hint("green", 0, NOW).encode(KEY))


@pytest.fixture(autouse=True)
def cache_exists(place: Place) -> None:
    place.folder.parent.mkdir(exist_ok=True)


def test_an_honest_one_is_taken(place: Place) -> None:
    """What the tests below spoil would be taken otherwise."""
    _honest(place)

    assert place.file.read() == "green"


@pytest.mark.parametrize(
    "spoil",
    [
        *(_predate, _tear, _flip_a_bit, _swap, _invent, _another_format),
        *(_link, _link_folder, _open_to_all, _open_folder, _pipe, _directory, _file_for_folder),
    ],
)
def test_what_is_not_right_is_ignored(
    place: Place, caplog: pytest.LogCaptureFixture, spoil: object
) -> None:
    """From the future, torn, of another endpoint, readable for others, a link: no hint; told once, always counted."""
    spoil(place)  # type: ignore[operator]

    with caplog.at_level(logging.WARNING, "e6data_adbc.strategy"):
        assert [place.file.read() for _ in range(3)] == [None] * 3

    assert place.counts == {"colour_hint_troubles": 3}
    (record,) = caplog.records
    assert "going on alone" in record.getMessage()


@pytest.mark.parametrize("content", [b"", b"\n", b"\xff" * 40, b"green", b"x" * 100_000])
def test_garbage_is_ignored(place: Place, content: bytes) -> None:
    """Whatever stands in the file: no hint, and no exception."""
    place.plant(content)

    assert place.file.read() is None
    assert place.troubles == 1


@pytest.mark.parametrize("spoil", [_tear, _flip_a_bit, _predate, _expire, _open_to_all])
def test_what_is_spoilt_is_replaced(place: Place, spoil: object) -> None:
    """A file that says nothing does not stay: the next who learns the colour writes it anew."""
    spoil(place)  # type: ignore[operator]
    place.file.write("blue")

    assert place.another().read() == "blue"


@pytest.mark.parametrize("spoil", [_link_folder, _open_folder, _file_for_folder, _directory])
def test_what_is_not_ours_is_left_alone(place: Place, spoil: object) -> None:
    """A folder that is open to others, or none: nothing is written there."""
    spoil(place)  # type: ignore[operator]
    place.file.write("blue")

    assert place.counts == {"colour_hint_troubles": 1}


def test_somebody_elses_is_ignored(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that belongs to another user is neither read nor written."""
    _honest(place)
    other = os.geteuid() + 1
    monkeypatch.setattr(os, "geteuid", lambda: other)

    assert place.file.read() is None
    place.file.write("blue")

    assert place.troubles == 2
    assert place.hint.colour == "green"


def test_a_lock_that_somebody_holds_ends_the_wait(place: Place) -> None:
    """A writer that was stopped with the lock in its hands holds up nobody; reading needs no lock."""
    import fcntl

    _honest(place)
    with (place.folder / "lock").open("w") as lock:
        (place.folder / "lock").chmod(0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        place.file.write("blue")
        assert place.file.read() == "green"

    assert place.troubles == 1
    place.file.write("blue")
    assert place.file.read() == "blue"


def test_a_link_in_place_of_the_lock_is_refused(place: Place, tmp_path: Path) -> None:
    """What a link of that name points to is neither made nor locked."""
    _honest(place)
    (place.folder / "lock").symlink_to(tmp_path / "victim")
    place.file.write("blue")

    assert not (tmp_path / "victim").exists()
    assert place.troubles == 1


def test_what_a_killed_writer_left_is_cleared_away(place: Place) -> None:
    """A half-written new file is no obstacle, and does not stay."""
    _honest(place)
    (place.folder / f"{KEY}.new").write_bytes(b"e6data-col")
    place.file.write("blue")

    assert place.file.read() == "blue"
    assert not (place.folder / f"{KEY}.new").exists()


def test_hints_that_nobody_uses_are_cleared_away(place: Place) -> None:
    """Who adds a file removes those of other endpoints that are a day old, and nothing else."""
    place.folder.mkdir(mode=0o700)
    old, young, foreign = ("a" * 32, "b" * 32, "notes.txt")
    for name, age in ((old, 90_000), (young, 80_000), (foreign, 90_000)):
        (place.folder / name).touch()
        os.utime(place.folder / name, (NOW - age, NOW - age))
    place.file.write("blue")

    assert {path.name for path in place.folder.iterdir()} == {young, foreign, KEY, "lock"}


def test_without_a_place_there_is_no_trouble_twice(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where not even a home exists, the process goes on alone."""
    counts: Counter[str] = Counter()
    nowhere = HintFile(
        tmp_path / "a" / ".cache" / "e6data" / "colours", KEY, lambda name: counts.update([name])
    )
    for _ in range(2):
        nowhere.write("blue")
        assert nowhere.read() is None

    assert counts == {"colour_hint_troubles": 2}
    assert len(caplog.records) == 1


def test_the_name_tells_endpoints_apart() -> None:
    """Server, cluster, encryption and trust make the name; a key does not, and nothing of it can be read back."""
    others = [
        {"port": 81},
        {"host": "::1"},
        {"cluster_name": "c"},
        {"encrypted": True},
        {"server_name": "s"},
        {"root_certs": b"pem"},
        {"client_cert": b"pem"},
    ]
    names = {key_of(dataclasses.replace(HERE, **other)) for other in others} | {key_of(HERE)}

    assert len(names) == len(others) + 1
    assert all(len(name) == 32 and set(name) <= set("0123456789abcdef") for name in names)
    assert key_of(dataclasses.replace(HERE, client_key=Secret("k"))) == key_of(HERE)


def test_where_hints_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder of the user's session, else the user's cache; a relative one is none."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert hint_folder() == tmp_path / "e6data"

    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "gone"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert hint_folder() == tmp_path / "cache" / "e6data" / "colours"

    monkeypatch.setenv("XDG_RUNTIME_DIR", "relative")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = hint_folder()
    assert folder is not None
    assert (folder.parent.name, folder.is_relative_to(tmp_path)) == ("e6data", True)

    monkeypatch.setenv("HOME", "relative")
    assert hint_folder() is None


def test_other_files_of_ours_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Claims and tables make the folder above, which others may read; hints have one to themselves in there."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "e6data").mkdir(mode=0o755)
    state = EndpointState("here")
    file = hint_file(HERE, state.counters.count)
    assert file is not None
    file.write("green")

    assert file.read() == "green"
    assert stat.S_IMODE(os.stat(tmp_path / "e6data" / "colours").st_mode) == 0o700


def test_a_platform_without_locks_has_no_hints(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows there is no file; the process does without."""
    monkeypatch.setattr(shared_file, "fcntl", None)
    state = EndpointState("here")
    state.exchange(hint_file(HERE, state.counters.count))

    assert hint_folder() is None
    assert state.store.candidates(0.0) == ("blue", "green")


# ---- an endpoint's state and its hints


def _state(place: Place) -> EndpointState:
    state = EndpointState("here")
    state.exchange(place.another())
    return state


def test_a_hint_is_the_first_guess_and_no_more(place: Place) -> None:
    """It changes the order of the colours, not what is known: the phase stays, and a refusal outweighs it."""
    _honest(place)
    state = _state(place)

    assert (state.store.state.phase, state.store.state.active) == (Phase.DETECTING, None)
    assert state.store.candidates(0.0) == ("green", "blue")
    state.store.report_mismatch(Route("green", 0), 0.0)
    assert state.store.candidates(0.0) == ("blue", "green")
    state.store.report_success(Route("blue", 0), 0.0)
    assert place.hint.colour == "blue"


def test_a_known_colour_needs_no_hint(place: Place) -> None:
    """Who knows the colour does not read what others knew; he tells them with his next call."""
    _honest(place)
    state = EndpointState("here")
    state.store.report_success(Route("blue", 0), 0.0)
    state.exchange(place.another())
    state.exchange(place.another())  # a second database of the same endpoint

    assert state.store.candidates(0.0)[0] == "blue"
    assert place.counts["colour_hints_taken"] == 0


def test_a_colour_in_use_is_told_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every 100 s of use the hint is renewed, as old as the last answer is; without use it is not."""
    now = 1000.0
    monkeypatch.setattr("e6data_adbc._session.endpoint.time.monotonic", lambda: now)
    state = _state(place)
    state.store.report_success(Route("green", 0), now)
    assert place.hint.seconds == NOW

    place.clock.now, now = NOW + 99.0, 1099.0
    state.begin()
    assert place.hint.seconds == NOW

    place.clock.now, now = NOW + 150.0, 1150.0
    state.store.report_success(Route("green", 1), 1140.0)
    state.begin()
    assert place.hint.seconds == NOW + 140.0

    place.clock.now, now = NOW + 900.0, 1900.0
    state.begin()
    assert place.hint.seconds == NOW + 140.0
