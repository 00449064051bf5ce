"""Redis: data and watermark in one MULTI, from which a watched key keeps other workers."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import urllib.parse
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Final

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.columns import Column
from e6data_adbc.etl.destinations import Address, missing
from e6data_adbc.etl.faults import Failure, Fault
from e6data_adbc.etl.keyvalue import redis_commands, texts
from e6data_adbc.etl.keyvalue.batches import MOST_ROWS, pieces, read_batches, written
from e6data_adbc.etl.keyvalue.store import Found, Layout, TableState, layout_of
from e6data_adbc.etl.keyvalue.store_sink import KeyValueSink
from e6data_adbc.etl.sink import Capabilities, ConflictError, Mode, Sink
from e6data_adbc.etl.watermark import Watermark

__all__ = ["RedisStore", "open_sink"]

_STATE: Final = "e6_loads"
#: Options of an address, which the `redis` package takes as well.
_OPTIONS: Final = {
    *("db", "username", "password", "client_name", "socket_timeout", "socket_connect_timeout"),
    *("ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"),
}
_CONNECT_SECONDS: Final = 15
#: By which a server that is gone is told from one that is busy: seconds to the first question, between two, and how
#: many stay without an answer.
_KEEPALIVE: Final = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 10, "TCP_KEEPCNT": 3}
#: What a load sends, by where its rows go; signing in takes no right.
_COMMANDS: Final = {
    Layout.ROW: "exists hset hmget hdel sadd srem smismember sscan",
    Layout.STREAM: "exists xadd xrange xdel",
}
_ALL_COMMANDS: Final = (
    "select watch multi exec get set incr incrby hget hgetall hset del unlink rpush llen lindex"
)


def open_sink(address: Address, *, state_table: str | None = None) -> Sink:
    """Returns the sink of `redis://user@host:port/db#prefix`, or `rediss://` with TLS."""
    return KeyValueSink(address, RedisStore(address, state_table or _STATE))


class RedisStore:
    """A Redis server, and the prefix of keys in it."""

    keeps_columns: ClassVar[bool] = True

    def __init__(self, address: Address, state: str) -> None:
        """Takes the address; connects to nothing.

        Args:
            address: With the prefix in place of a table, and perhaps `?layout=stream`.
            state: What the keys begin with that are no rows.
        """
        self._address = address
        if not address.table:
            raise _wrong(address, "it names no prefix", "write it at the end, as #orders")
        unknown = sorted(address.options - _OPTIONS - {"layout"})
        if unknown:
            raise _wrong(
                *(address, f"it has no option {unknown[0]!r}"),
                f"there are layout, {', '.join(sorted(_OPTIONS))}",
            )
        self.layout = layout_of(address)
        self.prefix = ".".join(address.table).encode()
        #: Of all keys that are no rows; a `:` in the prefix is another one than those after it.
        self.state = f"{state}:{urllib.parse.quote(self.prefix, safe='')}".encode()
        split = urllib.parse.urlsplit(address.url)
        options = dict(urllib.parse.parse_qsl(split.query))
        options.pop("layout", None)  # which is ours
        query = urllib.parse.urlencode(options)
        self._url = urllib.parse.urlunsplit(split._replace(query=query))
        self._client: Any = None
        self._writer: Any = None
        #: What connecting failed with the last time.
        self._refused: Exception | None = None

    @property
    def capabilities(self) -> Capabilities:
        """What the layout can do."""
        is_row = self.layout is Layout.ROW
        modes = frozenset(Mode) if is_row else frozenset(Mode) - {Mode.UPSERT}
        return Capabilities(
            modes=modes,
            is_fenced=True,
            has_parallel_commits=False,
            can_evolve=True,
            can_keep_last=is_row,
            fence="the key of the watermark is watched from before its position is compared until EXEC",
        )

    def stored(self, field: pa.Field[Any]) -> Column | str:
        """Returns how a column is stored."""
        return texts.stored(field) if self.layout is Layout.ROW else texts.whole(field)

    # ---- connections

    @property
    def client(self) -> Any:
        """What reads; of the `redis` package."""
        if self._client is None:
            package = _redis()
            options: dict[str, Any] = {
                "protocol": 2,
                "retry": package.retry.Retry(package.backoff.NoBackoff(), 0),
                "socket_connect_timeout": _CONNECT_SECONDS,
                "socket_keepalive": True,
                "socket_keepalive_options": _keepalive(),
            }
            if os.environ.get("REDISCLI_AUTH") and not urllib.parse.urlsplit(self._url).password:
                options["password"] = os.environ["REDISCLI_AUTH"]
            pool = package.ConnectionPool.from_url(
                self._url, **options, socket_timeout=_CONNECT_SECONDS
            )
            try:
                # Signs in and chooses the database, so that what fails later is not about that.
                pool.get_connection().disconnect()
            except package.exceptions.RedisError as error:
                self._refused = error
                raise
            # While a server carries out an EXEC, which takes as long as it has rows, it answers nobody.
            self._client = package.Redis.from_url(self._url, **options, socket_timeout=None)
        return self._client

    @property
    def writer(self) -> Any:
        """The connection of transactions."""
        if self._writer is None:
            writer = self.client.connection_pool.make_connection()
            writer.connect()
            self._writer = writer
        return self._writer

    def drop_writer(self) -> None:
        """Ends the connection of transactions, and with it what was not committed."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.disconnect()

    def close(self) -> None:
        """Ends the connections."""
        self.drop_writer()
        client, self._client = self._client, None
        if client is not None:
            client.close()
            client.connection_pool.disconnect()

    def failure(self, error: Exception) -> Failure | None:
        """Tells by the type of the error."""
        package = _redis()
        known = package.exceptions
        if not isinstance(error, known.RedisError):
            return None
        if isinstance(error, known.AuthenticationError):
            return Failure(Status.UNAUTHENTICATED, fault=Fault.CONNECTION)
        if isinstance(error, (known.ConnectionError, known.TimeoutError)):
            return Failure(Status.IO, passes=True, fault=Fault.CONNECTION)
        if error is self._refused:  # such as a number of no database
            return Failure(Status.NOT_FOUND, fault=Fault.CONNECTION)
        if isinstance(error, known.NoPermissionError):
            return Failure(Status.UNAUTHORIZED, fault=Fault.OUTPUT, hint=self._rights)
        if isinstance(error, known.ReadOnlyError):  # until it is the master
            return Failure(Status.IO, passes=True, fault=Fault.OUTPUT)
        # Errors begin with their code; the package has no type for that of a disk that takes no more.
        is_disk = str(error).startswith("MISCONF ")
        if isinstance(error, known.OutOfMemoryError) or is_disk:
            return Failure(Status.IO, fault=Fault.OUTPUT)
        return Failure(Status.UNKNOWN, isinstance(error, known.TryAgainError))

    @property
    def _rights(self) -> str:
        """What the server's list of rights has to have for the user."""
        rows = _pattern(self.prefix) + ("" if self.layout is Layout.STREAM else ":*")
        commands = dict.fromkeys(f"{_ALL_COMMANDS} {_COMMANDS[self.layout]}".split())
        allowed = " ".join(f"+{command}" for command in commands)
        return (
            f"ask for what ACL SETUSER calls ~{rows} ~{_pattern(self.state)}:* {allowed}; ACL LOG tells what was "
            "refused"
        )

    # ---- the contract

    def table(self) -> TableState | None:
        """Returns what is known of the rows."""
        return TableState.from_json(self.client.get(self.state + b":table"))

    def history(self, job: str) -> list[Watermark]:
        """Returns the watermarks of a job."""
        return list(read_marks(self.client.hgetall(self.job_key(job))).values())

    def job_key(self, job: str) -> bytes:
        """Returns the key of a job's watermarks, a hash by run."""
        return self.state + b":job:" + job.encode()

    @contextlib.contextmanager
    def transaction(self, job: str | None, *, is_exclusive: bool) -> Iterator[RedisTransaction]:
        """Begins a transaction: what it relies on is watched."""
        try:
            yield RedisTransaction(self, job, is_exclusive=is_exclusive)
        except BaseException:
            self.drop_writer()
            raise


class RedisTransaction:
    """WATCH, then reads by another connection, then MULTI and what is written, then EXEC."""

    def __init__(self, store: RedisStore, job: str | None, *, is_exclusive: bool) -> None:
        """Watches what the transaction relies on."""
        self._store, self._job = store, job
        self._changes, self._table = store.state + b":changes", store.state + b":table"
        self._numbers, self._index = store.state + b":next", store.state + b":names"
        watched = [self._table]
        if is_exclusive:
            watched.append(self._changes)
        if job is not None:
            watched.append(store.job_key(job))
        self._is_writing = False
        self._cleared: TableState | None = None
        self._ask("WATCH", *watched)
        self._begun_at = store.client.get(self._changes)

    # ---- reads

    def table(self) -> TableState | None:
        """Returns what is known of the rows."""
        return self._store.table()

    def has_foreign(self) -> bool:
        """Tells whether the key of the stream is there; keys of rows are looked at one by one."""
        is_stream = self._store.layout is Layout.STREAM
        return is_stream and bool(self._store.client.exists(self._store.prefix))

    def marks(self) -> dict[str, Watermark]:
        """Returns the watermarks of the job."""
        return read_marks(self._store.client.hgetall(self._store.job_key(self._job or "")))

    def staged(self, run: str) -> Iterator[pa.RecordBatch]:
        """Gives what is staged."""
        key = self._stage(run)
        for place in range(self._store.client.llen(key)):
            data = self._store.client.lindex(key, place)
            if data is None:  # another worker has moved it meanwhile
                raise ConflictError
            yield from read_batches(data)

    def contents(self, table: TableState, names: Sequence[str]) -> Iterator[Found]:
        """Gives rows that are there."""
        if table.layout is Layout.STREAM:
            yield from self._entries()
            return
        schema = pa.schema([table.schema.field(name) for name in names])
        for found in self._names(table):
            with self._store.client.pipeline(transaction=False) as pipe:
                for name in found:
                    pipe.hmget(self._key(name), schema.names or ["-"])
                    pipe.exists(self._key(name))
                answers = pipe.execute()
            there = [place for place in range(len(found)) if answers[2 * place + 1]]
            columns = [
                texts.from_text([answers[2 * place][index] for place in there], field.type)
                for index, field in enumerate(schema)
            ]
            rows = pa.RecordBatch.from_arrays(columns, schema=schema)
            yield Found([found[place] for place in there], rows)

    def next_number(self) -> int:
        """Returns a number that no row has; those that others took and did not commit are refused by the watch."""
        return int(self._store.client.incr(self._numbers))

    # ---- writes

    def put_table(self, table: TableState) -> None:
        """Stores what is known of the rows."""
        self._queue("SET", self._table, table.to_json())

    def put_mark(self, mark: Watermark) -> None:
        """Stores a watermark."""
        key = self._store.job_key(mark.job)
        self._queue("HSET", key, mark.run, json.dumps(mark.to_fields()))

    def forget(self) -> None:
        """Removes the watermarks."""
        self._queue("DEL", self._store.job_key(self._job or ""))

    def stage(self, run: str, batch: pa.RecordBatch) -> None:
        """Keeps rows in a list."""
        self._queue("RPUSH", self._stage(run), written(batch))

    def unstage(self, run: str) -> None:
        """Removes the list."""
        self._queue("UNLINK", self._stage(run))

    def clear(self, table: TableState) -> None:
        """Removes all rows."""
        self._cleared = table
        if table.layout is Layout.STREAM:
            self._queue("UNLINK", self._store.prefix)
            return
        for names in self._names(table):
            self._queue("UNLINK", *map(self._key, names))
        self._queue("UNLINK", self._index)

    def remove(self, table: TableState, names: Sequence[bytes]) -> None:
        """Removes rows, or entries of the stream."""
        if not names:
            return
        if table.layout is Layout.STREAM:
            self._queue("XDEL", self._store.prefix, *names)
            return
        self._queue("UNLINK", *map(self._key, names))
        if table.key:
            self._queue("SREM", self._index, *names)

    def add(self, table: TableState, batch: pa.RecordBatch) -> None:
        """Adds numbered rows, or an entry of the stream."""
        for piece in pieces(batch):
            if table.layout is Layout.STREAM:
                self._queue(
                    *("XADD", self._store.prefix, "*"),
                    *("rows", piece.num_rows, "batch", written(piece)),
                )
                continue
            last = int(self._store.client.incrby(self._numbers, piece.num_rows))
            numbers = range(last - piece.num_rows + 1, last + 1)
            names = pa.array(numbers, pa.int64()).cast(pa.string()).cast(pa.binary())
            keys = redis_commands.keys_of(self._store.prefix, names)
            self._check_free(keys.to_pylist())
            self._queue_all(redis_commands.set_fields(keys, piece, is_new=True))

    def put(self, table: TableState, names: Any, batch: pa.RecordBatch) -> None:
        """Adds or changes rows by their names."""
        del table
        first = 0
        for piece in pieces(batch):
            here = names.slice(first, piece.num_rows)
            first += piece.num_rows
            keys, listed = redis_commands.keys_of(self._store.prefix, here), here.to_pylist()
            known = self._store.client.smismember(self._index, listed)
            news = [
                key for key, is_known in zip(keys.to_pylist(), known, strict=True) if not is_known
            ]
            self._check_free(news)
            self._queue_all(redis_commands.set_fields(keys, piece, is_new=False))
            self._queue("SADD", self._index, *listed)

    def commit(self) -> None:
        """Makes it last.

        Raises:
            ConflictError: What was watched has changed.
        """
        self._queue("INCR", self._changes)
        answers = self._ask("EXEC")
        if answers is None:
            raise ConflictError
        failed = [answer for answer in answers if isinstance(answer, Exception)]
        if failed:
            # Redis undoes nothing: a key was given another type by hand, in the moment since it was looked at.
            raise errors.make(
                Status.INTEGRITY,
                f"could not write {len(failed)} of {len(answers)} changes: {failed[0]}; the others are there",
                hint="remove the keys that no load has made, forget the job, and load with mode=replace",
            )

    # ---- helpers

    def _check_free(self, keys: Sequence[bytes]) -> None:
        """Refuses keys that somebody else has: a command that fails inside of EXEC would not undo the others."""
        if not keys or not self._store.client.exists(*keys):
            return
        with self._store.client.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.exists(key)
            there = [key for key, count in zip(keys, pipe.execute(), strict=True) if count]
        for key, is_cleared in zip(there, self._are_cleared(there), strict=True):
            if not is_cleared:
                if self._store.client.get(self._changes) != self._begun_at:
                    raise ConflictError  # it may be of the commit that came between
                raise errors.make(
                    Status.INTEGRITY,
                    f"could not write the key {key.decode(errors='replace')!r}: it is there, and no load has made it",
                    hint="name another prefix",
                )

    def _are_cleared(self, keys: Sequence[bytes]) -> list[bool]:
        """Tells of keys that are there whether each is that of a row which this transaction removes."""
        table, start = self._cleared, len(self._store.prefix) + 1
        names = [key[start:] for key in keys]
        if table is None or not names:
            return [False] * len(names)
        if table.key:
            return list(map(bool, self._store.client.smismember(self._index, names)))
        return [name.isdigit() and table.first <= int(name) for name in names]

    def _names(self, table: TableState) -> Iterator[list[bytes]]:
        """Gives the names that rows may have, some at a time."""
        if not table.key:
            last = int(self._store.client.get(self._numbers) or 0)
            for first in range(table.first, last + 1, MOST_ROWS):
                after = min(first + MOST_ROWS, last + 1)
                yield [str(number).encode() for number in range(first, after)]
            return
        names = iter(self._store.client.sscan_iter(self._index, count=MOST_ROWS))
        while found := [name for name, _ in zip(names, range(MOST_ROWS), strict=False)]:
            yield found

    def _entries(self) -> Iterator[Found]:
        start = b"-"
        while entries := self._store.client.xrange(self._store.prefix, min=start, count=1):
            ((name, fields),) = entries
            for batch in read_batches(fields[b"batch"]):
                yield Found([name], batch)
            start = b"(" + name

    def _key(self, name: bytes) -> bytes:
        return self._store.prefix + b":" + name

    def _stage(self, run: str) -> bytes:
        digest = hashlib.sha256(repr((self._job, run)).encode()).hexdigest()[:16]
        return self._store.state + b":stage:" + digest.encode()

    def _ask(self, *command: Any) -> Any:
        self._store.writer.send_command(*command)
        return self._store.writer.read_response()

    def _begin(self) -> None:
        if not self._is_writing:
            self._is_writing = True
            self._ask("MULTI")

    def _queue(self, *command: Any) -> None:
        self._begin()
        self._ask(*command)

    def _queue_all(self, commands: redis_commands.Packed) -> None:
        self._begin()
        self._store.writer.send_packed_command([commands.data])
        for _ in range(commands.number):
            self._store.writer.read_response()


def read_marks(found: dict[bytes, bytes]) -> dict[str, Watermark]:
    """Returns watermarks by run, those with the lowest name first."""
    marks = [Watermark.from_fields(json.loads(text)) for _, text in sorted(found.items())]
    return {mark.run: mark for mark in marks}


def _pattern(key: bytes) -> str:
    """Returns a key as a pattern of the server that has only this one."""
    text = key.decode(errors="replace")
    return "".join(f"\\{sign}" if sign in "*?[]\\" else sign for sign in text)


def _keepalive() -> dict[int, int]:
    """Returns the options of sockets, as far as the system has them."""
    return {
        getattr(socket, name): value for name, value in _KEEPALIVE.items() if hasattr(socket, name)
    }


def _redis() -> Any:
    try:
        import redis
        import redis.backoff
        import redis.retry
    except ImportError as cause:
        raise missing("redis", "etl-redis", cause) from cause
    return redis


def _wrong(address: Address, cause: str, hint: str) -> errors.Error:
    return errors.make(
        Status.INVALID_ARGUMENT,
        f"could not open the destination {address.shown!r}: {cause}",
        hint=hint,
    )
