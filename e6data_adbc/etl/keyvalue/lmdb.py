"""LMDB: one write transaction has rows and watermark, and there is one at a time."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import hashlib
import json
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

import pyarrow as pa
import pyarrow.compute as pc

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.columns import INFINITE, NOT_A_NUMBER, Column
from e6data_adbc.etl.destinations import Address, missing
from e6data_adbc.etl.faults import Failure, Fault
from e6data_adbc.etl.keyvalue import texts
from e6data_adbc.etl.keyvalue.batches import MOST_ROWS, pieces, read_batches, written
from e6data_adbc.etl.keyvalue.lmdb_file import CutShortError, check_whole
from e6data_adbc.etl.keyvalue.store import Found, Layout, TableState, layout_of
from e6data_adbc.etl.keyvalue.store_sink import KeyValueSink
from e6data_adbc.etl.sink import Capabilities, Mode, Sink
from e6data_adbc.etl.watermark import Watermark

__all__ = ["LmdbStore", "open_sink"]

_STATE: Final = "e6_loads"
_MOST_DATABASES: Final = 128
_MOST_READERS: Final = 1024
#: Of the map, in bytes: it takes addresses, not memory, and where the disk is larger, no more of them.
_MOST_MAP: Final = 2**40
_LEAST_MAP: Final = 2**30
#: Digits of a row's number, so that the order of keys is that of numbers.
_DIGITS: Final = 20
#: Of a disk, or of a file that is none of LMDB's.
_NO_PLACE: Final = Failure(Status.IO, fault=Fault.OUTPUT)
#: LMDB says so of a disk that took only some of what was written.
_TOOK_LESS: Final = "the disk is full, or fails: make room, and run the load again"
_CUT_SHORT: Final = (
    "a copy of it was not finished, or its disk has lost some: put a whole one in its place, or name another folder "
    "and load anew"
)


def open_sink(address: Address, *, state_table: str | None = None) -> Sink:
    """Returns the sink of `lmdb:///folder#database`."""
    return KeyValueSink(address, LmdbStore(address, state_table or _STATE))


class LmdbStore:
    """A named database of an LMDB environment."""

    #: A row is one JSON object, which is written as a whole.
    keeps_columns: ClassVar[bool] = False

    def __init__(self, address: Address, state: str, most_map: int = _MOST_MAP) -> None:
        """Takes the address; opens nothing.

        Args:
            address: With the name of a database in place of a table, and perhaps `?layout=stream`.
            state: The database of watermarks.
            most_map: The largest map of the first try, in bytes.
        """
        self.layout = layout_of(address)
        self.name = ".".join(address.table).encode()
        self.state = state.encode()
        if not self.name or self.name == self.state:
            raise errors.make(
                Status.INVALID_ARGUMENT,
                f"could not open the destination {address.shown!r}: it names no database for rows",
                hint="write it at the end, as #orders",
            )
        unknown = sorted(address.options - {"layout"})
        if unknown:
            raise errors.make(
                Status.INVALID_ARGUMENT,
                f"could not open the destination {address.shown!r}: it has no option {unknown[0]!r}",
                hint="there is layout",
            )
        self.path = Path(address.path)
        #: The largest map that is asked for, in bytes.
        self._most_map = most_map

    @property
    def capabilities(self) -> Capabilities:
        """What the layout can do."""
        is_row = self.layout is Layout.ROW
        return Capabilities(
            modes=frozenset(Mode) if is_row else frozenset(Mode) - {Mode.UPSERT},
            is_fenced=True,
            has_parallel_commits=False,
            can_evolve=True,
            can_keep_last=is_row,
            fence="the lock of the one writer, for which another one waits",
        )

    def stored(self, field: pa.Field[Any]) -> Column | str:
        """Returns how a column is stored."""
        if self.layout is Layout.STREAM:
            return texts.whole(field)
        return texts.stored(field, NOT_A_NUMBER, INFINITE)  # which JSON has not

    # ---- the environment

    @contextlib.contextmanager
    def open(self, *, makes: bool) -> Iterator[Any]:
        """Yields the open environment; None where there is none and none is to be made.

        It is open no longer than that: a process, and so a reader in it, can open it once only.
        """
        _lmdb()  # before anything is made
        if not makes and not (self.path / "data.mdb").exists() and not self.path.is_file():
            yield None
            return
        with _turn_of(
            self.path
        ):  # a thread that waits for LMDB's own lock may keep all others from going on
            environment = _opened(self.path, self._most_map)
            with contextlib.closing(environment):
                yield environment

    def close(self) -> None:
        """Does nothing: nothing is open."""

    def failure(self, error: Exception) -> Failure | None:
        """Tells by the type of the error; a map that is full is larger next time."""
        lmdb = _lmdb()
        if isinstance(error, FolderError):
            return _NO_PLACE
        if isinstance(error, CutShortError):
            return dataclasses.replace(_NO_PLACE, hint=_CUT_SHORT)
        if not isinstance(error, lmdb.Error):
            return None
        if isinstance(error, lmdb.MapFullError):
            can_grow = self._most_map < _MOST_MAP
            self._most_map = min(2 * self._most_map, _MOST_MAP)
            return dataclasses.replace(_NO_PLACE, passes=can_grow)
        if isinstance(error, lmdb.MapResizedError):  # by another process
            return dataclasses.replace(_NO_PLACE, passes=True)
        if getattr(error, "code", None) == errno.EIO:
            return dataclasses.replace(_NO_PLACE, hint=_TOOK_LESS)
        ours = (
            lmdb.BadTxnError,
            lmdb.BadDbiError,
            lmdb.BadValsizeError,
            lmdb.InvalidParameterError,
        )
        return Failure(Status.UNKNOWN) if isinstance(error, ours) else _NO_PLACE

    # ---- the contract

    def table(self) -> TableState | None:
        """Returns what is known of the rows."""
        found = self._read(_table_key(self.name))
        return TableState.from_json(found[0] if found else None)

    def history(self, job: str) -> list[Watermark]:
        """Returns the watermarks of a job."""
        found = self._read(_job_key(self.name, job), is_prefix=True)
        marks = [Watermark.from_fields(json.loads(text)) for text in found]
        return sorted(marks, key=lambda mark: mark.run)  # whose keys are digests

    def _read(self, key: bytes, *, is_prefix: bool = False) -> list[bytes]:
        with self.open(makes=False) as environment:
            if environment is None:
                return []
            try:
                state = environment.open_db(self.state, create=False)
            except _lmdb().NotFoundError:
                return []
            with environment.begin() as reading:
                if not is_prefix:
                    value = reading.get(key, db=state)
                    return [] if value is None else [value]
                return [value for _, value in _with_prefix(reading, state, key)]

    @contextlib.contextmanager
    def transaction(self, job: str | None, *, is_exclusive: bool) -> Iterator[LmdbTransaction]:
        """Begins a write transaction, for which it waits until no other one is open."""
        del is_exclusive  # all are
        with self.open(makes=True) as environment:
            # In transactions of their own: what one has opened is unknown to others until it ends.
            state, rows = environment.open_db(self.state), environment.open_db(self.name)
            # The one that writes comes first, and undoes what it did not commit.
            with environment.begin(write=True) as writing, environment.begin() as before:
                limit = environment.max_key_size()
                yield LmdbTransaction(
                    self.name,
                    job,
                    state=state,
                    rows=rows,
                    writing=writing,
                    before=before,
                    limit=limit,
                )


class LmdbTransaction:
    """A write transaction, and a reading one that sees what was there before it."""

    def __init__(
        self,
        name: bytes,
        job: str | None,
        *,
        state: Any,
        rows: Any,
        writing: Any,
        before: Any,
        limit: int,
    ) -> None:
        """Takes the two transactions, the two databases, and how many bytes a key can have."""
        self._name, self._job, self._limit = name, job, limit
        self._state, self._rows = state, rows
        self._writing, self._before = writing, before

    # ---- reads

    def table(self) -> TableState | None:
        """Returns what is known of the rows."""
        return TableState.from_json(self._get(_table_key(self._name)))

    def has_foreign(self) -> bool:
        """Tells whether the database has entries."""
        return bool(self._writing.stat(self._rows)["entries"])

    def marks(self) -> dict[str, Watermark]:
        """Returns the watermarks of the job."""
        prefix = _job_key(self._name, self._job or "")
        texts_ = [text for _, text in _with_prefix(self._writing, self._state, prefix)]
        marks = [Watermark.from_fields(json.loads(text)) for text in texts_]
        return {mark.run: mark for mark in marks}

    def staged(self, run: str) -> Iterator[pa.RecordBatch]:
        """Gives what is staged."""
        for _, data in _with_prefix(self._before, self._state, self._stage(run)):
            yield from read_batches(data)

    def contents(self, table: TableState, names: Sequence[str]) -> Iterator[Found]:
        """Gives rows that were there before."""
        rows = self._rows
        if table.layout is Layout.STREAM:
            for key, data in _with_prefix(self._before, rows, b""):
                for batch in read_batches(data):
                    yield Found([key], batch)
            return
        schema = pa.schema([table.schema.field(name) for name in names])
        keys: list[bytes] = []
        values: list[bytes] = []
        for key, value in _with_prefix(self._before, rows, b""):
            keys.append(key)
            values.append(value)
            if len(keys) == MOST_ROWS:
                yield Found(keys, texts.from_json(values, schema))
                keys, values = [], []
        if keys:
            yield Found(keys, texts.from_json(values, schema))

    def next_number(self) -> int:
        """Returns the number of the next row."""
        return self._take_numbers(1)

    # ---- writes

    def put_table(self, table: TableState) -> None:
        """Stores what is known of the rows."""
        self._put(_table_key(self._name), table.to_json())

    def put_mark(self, mark: Watermark) -> None:
        """Stores a watermark."""
        key = _run_key(self._name, mark.job, mark.run)
        self._put(key, json.dumps(mark.to_fields()).encode())

    def forget(self) -> None:
        """Removes the watermarks."""
        self._drop(_job_key(self._name, self._job or ""))

    def stage(self, run: str, batch: pa.RecordBatch) -> None:
        """Keeps rows in the database of watermarks."""
        number = self._take_numbers(1)
        self._put(self._stage(run) + b"%020d" % number, written(batch))

    def unstage(self, run: str) -> None:
        """Removes them."""
        self._drop(self._stage(run))

    def clear(self, table: TableState) -> None:
        """Removes all rows."""
        del table
        self._writing.drop(self._rows, delete=False)

    def remove(self, table: TableState, names: Sequence[bytes]) -> None:
        """Removes entries."""
        del table
        for name in names:
            self._writing.delete(name, db=self._rows)

    def add(self, table: TableState, batch: pa.RecordBatch) -> None:
        """Adds numbered rows, or an entry of the stream."""
        for piece in pieces(batch):
            is_stream = table.layout is Layout.STREAM
            count = 1 if is_stream else piece.num_rows
            first = self._take_numbers(count)
            keys = [b"%0*d" % (_DIGITS, number) for number in range(first, first + count)]
            values = [written(piece)] if is_stream else texts.as_json(piece).to_pylist()
            self._put_rows(keys, values)

    def put(self, table: TableState, names: Any, batch: pa.RecordBatch) -> None:
        """Adds or changes rows by their names."""
        del table
        sizes = pc.binary_length(names)
        limits = pc.min_max(sizes)
        if limits["max"].as_py() > self._limit or limits["min"].as_py() == 0:
            raise errors.make(
                Status.INVALID_DATA,
                f"could not write rows by their names: one has no bytes, or more than {self._limit}, which LMDB has "
                "no key for",
                hint="name them by another key",
            )
        first = 0
        for piece in pieces(batch):
            here = names.slice(first, piece.num_rows).to_pylist()
            self._put_rows(here, texts.as_json(piece).to_pylist())
            first += piece.num_rows

    def commit(self) -> None:
        """Makes it last: the disk has it."""
        self._writing.commit()

    # ---- helpers

    def _put_rows(self, keys: Sequence[bytes], values: Sequence[bytes]) -> None:
        with self._writing.cursor(self._rows) as cursor:
            cursor.putmulti(list(zip(keys, values, strict=True)))

    def _get(self, key: bytes) -> bytes | None:
        found: bytes | None = self._writing.get(key, db=self._state)
        return found

    def _put(self, key: bytes, value: bytes) -> None:
        self._writing.put(key, value, db=self._state)

    def _drop(self, prefix: bytes) -> None:
        for key, _ in list(_with_prefix(self._writing, self._state, prefix)):
            self._writing.delete(key, db=self._state)

    def _take_numbers(self, count: int) -> int:
        """Returns the first of so many numbers that nothing has yet."""
        key = _key(b"next", self._name)
        first = int(self._get(key) or 1)
        self._put(key, b"%d" % (first + count))
        return first

    def _stage(self, run: str) -> bytes:
        return _key(b"stage", self._name, repr((self._job, run)).encode())


def _key(kind: bytes, *names: bytes) -> bytes:
    """Returns a key of what is no row, short enough for any name."""
    digests = [hashlib.sha256(name).hexdigest()[:32].encode() for name in names]
    return b":".join([kind, *digests]) + b":"


def _table_key(database: bytes) -> bytes:
    return _key(b"table", database)


def _job_key(database: bytes, job: str) -> bytes:
    return _key(b"job", database, job.encode())


def _run_key(database: bytes, job: str, run: str) -> bytes:
    return _job_key(database, job) + hashlib.sha256(run.encode()).hexdigest()[:32].encode()


def _with_prefix(reading: Any, database: Any, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
    with reading.cursor(database) as cursor:
        is_there = cursor.set_range(prefix) if prefix else cursor.first()
        if not is_there:
            return
        for key, value in cursor.iternext():
            if not key.startswith(prefix):
                return
            yield key, value


# ---- environments, of which a process can have each open once


class FolderError(OSError):
    """The folder of an environment cannot be made."""


_turns: dict[str, threading.Lock] = {}


def _turn_of(path: Path) -> threading.Lock:
    """Returns the lock by which the threads of this process take turns with an environment."""
    return _turns.setdefault(os.path.realpath(path), threading.Lock())


def _opened(path: Path, most_map: int) -> Any:
    is_file = path.is_file()
    if not is_file:
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FolderError(error.errno, error.strerror, error.filename) from None
    check_whole(path if is_file else path / "data.mdb")
    size = min(most_map, _disk_size(path))
    return _mapped(os.path.realpath(path), size, is_folder=not is_file)


def _mapped(name: str, size: int, *, is_folder: bool) -> Any:
    """Opens an environment with the largest map for which there are addresses."""
    lmdb = _lmdb()
    try:
        return lmdb.open(
            *(name, size), subdir=is_folder, max_dbs=_MOST_DATABASES, max_readers=_MOST_READERS
        )
    except (lmdb.MemoryError, MemoryError):
        if size < _LEAST_MAP:
            raise
        return _mapped(name, size // 2, is_folder=is_folder)


def _disk_size(path: Path) -> int:
    """Returns the size of the disk in bytes: what LMDB's file can grow to while a transaction is open."""
    disk = os.statvfs(path)
    return max(_LEAST_MAP, disk.f_blocks * disk.f_frsize)


def _lmdb() -> Any:
    try:
        import lmdb
    except ImportError as cause:
        raise missing("lmdb", "etl-lmdb", cause) from cause
    return lmdb
