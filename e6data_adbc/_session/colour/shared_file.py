"""What one process tells the next about an endpoint's colour: a small file of the user's, which may always be wrong.

A hint only decides which colour a process looks for first; the server's 456 decides the rest. So whatever is wrong with
the file or its folder, the process goes on without it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import logging
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from e6data_adbc._options.database_config import Endpoint
from e6data_adbc._session.colour.strategy import COLOURS, Colour
from e6data_adbc._user_files import user_cache

try:
    import fcntl
except ImportError:  # Windows: no locks of this kind, no modes, and so no hints
    fcntl = None  # type: ignore[assignment]

__all__ = ["TTL_SECONDS", "Hint", "HintFile", "hint_file", "hint_folder", "key_of"]

_log = logging.getLogger("e6data_adbc.strategy")

#: How long a hint is worth something.
TTL_SECONDS: Final = 300.0
#: A hint that says the same is written again only when it is so old.
REFRESH_SECONDS: Final = 100.0

#: Clocks are set right while programs run; what is further ahead was never true.
_MOST_AHEAD_SECONDS: Final = 1.0

#: What nobody wrote for a day is cleared away by whoever adds a file.
_SWEEP_SECONDS: Final = 86_400.0
_NAME: Final = re.compile(r"[0-9a-f]{16,32}(\.new)?")

_MAGIC: Final = "e6data-colour-1"
#: A whole file is well below this.
_MOST_BYTES: Final = 512
_LOCK: Final = "lock"
#: Nobody waits long for a lock: a writer needs less than a millisecond, unless it was stopped.
_LOCK_TRIES: Final = 20
_LOCK_PAUSE_SECONDS: Final = 0.001

_OPEN: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
#: A pipe in the file's place must not hold anybody up.
_READ: Final = os.O_RDONLY | _OPEN | getattr(os, "O_NONBLOCK", 0)
_FOLDER: Final = os.O_RDONLY | _OPEN | getattr(os, "O_DIRECTORY", 0)

_TROUBLES: Final = "colour_hint_troubles"


class UnusableError(Exception):
    """The file or its folder is not what it should be; the text says how, without its content."""


@dataclasses.dataclass(frozen=True)
class Hint:
    """What a file says.

    Attributes:
        colour: The colour that answered.
        epoch: Counts the changes of colour that went through the file.
        seconds: When it answered, by the clock on the wall.
        ttl: How long that is worth something, in seconds.
    """

    colour: Colour
    epoch: int
    seconds: float
    ttl: float = TTL_SECONDS

    def encode(self, key: str) -> bytes:
        """Returns the content of the file named *key*."""
        text = f"{_MAGIC} {self.colour} {self.epoch} {self.seconds:.6f} {self.ttl:g}"
        return f"{text} {_checksum(key, text)}\n".encode("ascii")

    @staticmethod
    def decode(key: str, content: bytes) -> Hint:
        """Returns what the *content* of the file named *key* says.

        Raises:
            UnusableError: It is not such a content, or not all of it.
        """
        try:
            text, _, checksum = content.decode("ascii").removesuffix("\n").rpartition(" ")
            if checksum != _checksum(key, text):
                raise UnusableError("its checksum is wrong")
            magic, colour, epoch, seconds, ttl = text.split(" ")
            hint = Hint(
                next(one for one in COLOURS if one == colour),
                int(epoch),
                float(seconds),
                float(ttl),
            )
        except (ValueError, StopIteration):
            raise UnusableError("it does not parse") from None
        if magic != _MAGIC or hint.epoch < 0:
            raise UnusableError("it does not parse")
        return hint

    def is_young(self, now: float, limit: float = TTL_SECONDS) -> bool:
        """Tells whether it was true less than *limit* seconds ago, and its own time to live has not passed."""
        return now - self.seconds <= min(self.ttl, limit)


def _checksum(key: str, text: str) -> str:
    return hashlib.sha256(f"{key} {text}".encode()).hexdigest()[:16]


def key_of(endpoint: Endpoint) -> str:
    """Returns the name under which *endpoint* is known: a hash of where it is and how it is trusted; no credential."""
    parts = (
        "https" if endpoint.encrypted else "http",
        endpoint.target,
        endpoint.cluster_name or "",
        endpoint.server_name or "",
        endpoint.root_certs or b"",
        endpoint.client_cert or b"",
    )
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()[:32]


def hint_folder() -> Path | None:
    """Returns the user's folder for hints, which need not exist; None where there is none to be had."""
    if fcntl is None:
        return None
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    if runtime.is_absolute() and runtime.is_dir():
        return runtime / "e6data"
    cache = user_cache()
    # A folder of its own in there: other files of ours may be for others to read.
    return None if cache is None else cache / "colours"


def hint_file(endpoint: Endpoint, count: Callable[[str], object]) -> HintFile | None:
    """Returns the hint about *endpoint*; None on a platform without.

    Args:
        endpoint: What it is about.
        count: Told the name of a counter for each thing that happens.
    """
    folder = hint_folder()
    return None if folder is None else HintFile(folder, key_of(endpoint), count)


class HintFile:
    """The hint about one endpoint; any thread may use it, nothing here raises, and no lock of ours is held over I/O.

    Args:
        folder: Where it is; made, with mode 0700, when there is something to write.
        key: Its name.
        count: Told the name of a counter for each thing that happens.
        clock: Seconds by the clock on the wall, which all processes share.
    """

    def __init__(
        self,
        folder: Path,
        key: str,
        count: Callable[[str], object],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._key = key
        self._count = count
        self._clock = clock
        self._lock = threading.RLock()
        self._has_complained = False

    def read(self) -> Colour | None:
        """Returns the colour that another process knew a while ago; None where none did, or nobody can tell."""
        with self._untroubled("read"), self._opened() as folder:
            hint = self._load(folder)
            if hint is not None and hint.is_young(self._clock()):
                self._count("colour_hints_taken")
                return hint.colour
        return None

    def write(self, colour: Colour, age: float = 0.0) -> None:
        """Tells others that *colour* answered *age* seconds ago, unless they know that, or something newer."""
        with self._untroubled("write"), self._made() as folder, self._locked(folder):
            now = self._clock()
            known: Hint | None = None
            with contextlib.suppress(UnusableError):  # it is about to be replaced
                known = self._load(folder)
            epoch = 0
            if known is not None:
                is_same = known.colour == colour
                if known.seconds > now - age or (is_same and known.is_young(now, REFRESH_SECONDS)):
                    return
                epoch = known.epoch + (not is_same)
            else:
                self._sweep(folder, now)
            self._replace(folder, Hint(colour, epoch, now - age).encode(self._key))
            self._count("colour_hints_written")

    # ---- the folder and what is in it

    @contextlib.contextmanager
    def _untroubled(self, verb: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            if verb != "read":  # then nobody has written yet
                self._complain(verb, "there is no place for it")
        except (OSError, UnusableError) as trouble:
            self._complain(verb, trouble)

    def _complain(self, verb: str, trouble: object) -> None:
        self._count(_TROUBLES)
        with self._lock:
            is_first, self._has_complained = not self._has_complained, True
        if is_first:
            place = str(self._folder / self._key)
            _log.warning(
                "could not %s the colour hint %s, going on alone: %s", verb, place, trouble
            )

    @contextlib.contextmanager
    def _made(self) -> Iterator[int]:
        # The cache folder, ours in there, and that of the hints; a home that is not there is not made.
        for place in (self._folder.parent.parent, self._folder.parent, self._folder):
            with contextlib.suppress(FileExistsError):
                place.mkdir(mode=0o700)
        with self._opened() as folder:
            yield folder

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int]:
        """Gives the folder, which is the user's and nobody else's."""
        with _closing(os.open(self._folder, _FOLDER)) as folder:
            _check_private(os.fstat(folder), "its folder")
            yield folder

    @contextlib.contextmanager
    def _locked(self, folder: int) -> Iterator[None]:
        """Keeps other writers away; the system ends that if the process dies."""
        flags = os.O_RDWR | os.O_CREAT | _OPEN | getattr(os, "O_NONBLOCK", 0)
        with _closing(os.open(_LOCK, flags, 0o600, dir_fd=folder)) as lock:
            _check_file(os.fstat(lock), "its lock")
            for attempt in range(_LOCK_TRIES):
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if attempt == _LOCK_TRIES - 1:
                        raise UnusableError("another process holds its lock") from None
                    time.sleep(_LOCK_PAUSE_SECONDS)
            try:
                yield
            finally:
                # Closing alone would leave it locked where a child was forked meanwhile.
                fcntl.flock(lock, fcntl.LOCK_UN)

    def _load(self, folder: int) -> Hint | None:
        """Returns what the file says; None where there is none.

        Raises:
            UnusableError: It cannot be trusted.
        """
        try:
            file = os.open(self._key, _READ, dir_fd=folder)
        except FileNotFoundError:
            return None
        with _closing(file):
            _check_file(os.fstat(file), "it")
            content = os.read(file, _MOST_BYTES + 1)
        hint = Hint.decode(self._key, content)
        if hint.seconds > self._clock() + _MOST_AHEAD_SECONDS:
            raise UnusableError("it is from the future")
        return hint

    def _sweep(self, folder: int, now: float) -> None:
        """Removes the hints about endpoints that are used no more."""
        for name in os.listdir(folder):
            if _NAME.fullmatch(name):
                found = os.stat(name, dir_fd=folder, follow_symlinks=False)
                if found.st_mtime < now - _SWEEP_SECONDS:
                    os.unlink(name, dir_fd=folder)

    def _replace(self, folder: int, content: bytes) -> None:
        name = f"{self._key}.new"
        # Left by a writer that was killed; ours is the lock.
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name, dir_fd=folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OPEN
        with _closing(os.open(name, flags, 0o600, dir_fd=folder)) as file:
            os.write(file, content)
        os.replace(name, self._key, src_dir_fd=folder, dst_dir_fd=folder)


@contextlib.contextmanager
def _closing(file: int) -> Iterator[int]:
    try:
        yield file
    finally:
        os.close(file)


def _check_file(found: os.stat_result, what: str) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise UnusableError(f"{what} is no file")
    _check_private(found, what)


def _check_private(found: os.stat_result, what: str) -> None:
    if found.st_uid != os.geteuid():
        raise UnusableError(f"{what} belongs to somebody else")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise UnusableError(f"others may use {what}")
