"""One Delta table through the `deltalake` package: its columns, and commits that carry a version of ours."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
import traceback
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.destinations import Address, missing
from e6data_adbc.etl.faults import Fault, fault_detail
from e6data_adbc.etl.files.s3_prefix import Prefix
from e6data_adbc.etl.sink import ConflictError
from e6data_adbc.etl.stream import Rows

__all__ = ["DeltaTable", "Place", "Tag"]

#: Rows of a row group and bytes of a file: what a write holds in memory grows with both.
_GROUP_ROWS: Final = 2**17
_FILE_BYTES: Final = 64 * 2**20
#: For the library's own threads to release a stream that it has taken.
_RELEASE_SECONDS: Final = 10.0
#: How the two sides of a merge are called.
_TARGET, _STAGE = "target", "stage"

#: The name and the version that a commit carries; None for a load without a job.
Tag = tuple[str, int] | None


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a table is.

    Attributes:
        address: As the user gave it.
        uri: As `deltalake` takes it.
        options: Its `storage_options`; None on a disk.
        look: Asks whether it can be reached and read, and raises an error of ours if not.
    """

    address: Address
    uri: str
    options: dict[str, str] | None = dataclasses.field(default=None, repr=False)
    look: Callable[[], None] = lambda: None

    @classmethod
    def in_bucket(cls, address: Address, prefix: Prefix) -> Place:
        """Returns that of `delta+s3://bucket/prefix`."""
        options = {
            **prefix.storage_options,
            # Without it, two commits of one number could both be made.
            "aws_conditional_put": "etag",
            # By itself the library tries for three minutes what is not reached; a load has patience of its own.
            "max_retries": "3",
            "retry_timeout": "10s",
        }
        return cls(address, f"s3://{prefix.bucket}/{prefix.path}", options, prefix.look)


class DeltaTable:
    """A snapshot of the table, as of when this was made.

    What changes the table raises ConflictError if, since then, a commit has carried the same name, or has changed what
    this one read; nothing is written then.
    """

    def __init__(self, place: Place) -> None:
        """Reads the newest snapshot.

        Args:
            place: Of the table's folder or prefix.

        Raises:
            NotSupportedError: The package is not installed.
        """
        try:
            import deltalake
        except ImportError as cause:
            raise missing("deltalake", "etl-delta", cause) from cause
        self._library: Any = deltalake
        self._place, self._address = place, place.address
        self._uri, self._options = place.uri, place.options
        try:
            self._table: Any = None
            if deltalake.DeltaTable.is_deltatable(self._uri, self._options):
                self._table = deltalake.DeltaTable(self._uri, storage_options=self._options)
        except (deltalake.exceptions.DeltaError, OSError) as error:
            raise self._failed("read the table", error) from self._cause(error)

    @property
    def is_there(self) -> bool:
        """Whether there is one."""
        return self._table is not None

    @property
    def schema(self) -> pa.Schema | None:
        """Its columns, or None where there is no table."""
        return None if self._table is None else pa.schema(self._table.schema().to_arrow())

    def version_of(self, application: str) -> int | None:
        """Returns the version that the log has under a name."""
        found: int | None = (
            None if self._table is None else self._table.transaction_version(application)
        )
        return found

    def create(self, schema: pa.Schema) -> None:
        """Makes the table, unless another process was first."""
        create = self._library.DeltaTable.create
        try:
            create(self._uri, schema, mode="ignore", storage_options=self._options)
        except (self._library.exceptions.DeltaError, OSError) as error:
            if not DeltaTable(self._place).is_there:
                raise self._failed("make the table", error) from self._cause(error)

    def note(self, tag: Tag) -> None:
        """Makes a commit without rows."""
        self._commit([], tag, "commit a watermark")

    def add(self, files: Iterable[tuple[str, int, int]], tag: Tag) -> None:
        """Makes a commit that adds files in the table's folder: of each the path beneath it, the bytes and the rows."""
        from deltalake.transaction import AddAction

        now = int(time.time() * 1000)
        actions = [
            AddAction(path, size, {}, now, data_change=True, stats=json.dumps({"numRecords": rows}))
            for path, size, rows in files
        ]
        self._commit(actions, tag, "commit files")

    def append(self, rows: Rows, schema: pa.Schema, tag: Tag, *, adds: bool = False) -> None:
        """Appends rows, and columns first where *adds* says so."""
        self._write(rows, schema, tag, adds=adds, mode="append")

    def overwrite(
        self, rows: Rows, schema: pa.Schema, tag: Tag, *, where: str | None, adds: bool
    ) -> None:
        """Puts rows in place of all, or of those that fulfil *where*."""
        if where is None or self._table is None:
            self._write(rows, schema, tag, adds=adds, mode="overwrite")
        else:
            self._write(rows, schema, tag, adds=adds, mode="overwrite", predicate=where)

    def merge(
        self, rows: Rows, schema: pa.Schema, tag: Tag, *, key: Sequence[str], adds: bool
    ) -> None:
        """Changes the rows with a known key, and adds the others."""
        same = " AND ".join(f"{_TARGET}.{_quoted(n)} = {_STAGE}.{_quoted(n)}" for n in key)
        values = {f"`{name}`": f"{_STAGE}.`{name}`" for name in schema.names}
        sets = {f"`{name}`": f"{_STAGE}.`{name}`" for name in schema.names if name not in key}

        def run(reader: pa.RecordBatchReader) -> None:
            merger = self._table.merge(
                reader,
                same,
                source_alias=_STAGE,
                target_alias=_TARGET,
                merge_schema=adds,
                writer_properties=self._writer_properties(),
                commit_properties=self._properties(tag),
            )
            if sets:
                merger = merger.when_matched_update(sets)
            merger.when_not_matched_insert(values).execute()

        self._feed(rows, schema, run)

    def _commit(self, actions: Sequence[Any], tag: Tag, verb: str) -> None:
        schema, properties = self._table.schema(), self._properties(tag)
        try:
            self._table.create_write_transaction(
                list(actions), "append", schema, commit_properties=properties
            )
        except self._library.exceptions.CommitFailedError as error:
            raise ConflictError from self._cause(error)
        except (self._library.exceptions.DeltaError, OSError) as error:
            raise self._failed(verb, error) from self._cause(error)

    def _write(
        self, rows: Rows, schema: pa.Schema, tag: Tag, *, adds: bool, **options: Any
    ) -> None:
        def run(reader: pa.RecordBatchReader) -> None:
            self._library.write_deltalake(
                self._uri if self._table is None else self._table,
                reader,
                storage_options=self._options,
                schema_mode="merge" if adds else None,
                target_file_size=_FILE_BYTES,
                writer_properties=self._writer_properties(),
                commit_properties=self._properties(tag),
                **options,
            )

        self._feed(rows, schema, run)

    def _feed(
        self, rows: Rows, schema: pa.Schema, run: Callable[[pa.RecordBatchReader], None]
    ) -> None:
        """Runs *run* in another thread, as the library does not look for Ctrl-C; where that comes, the rows end.

        The library reads and releases the stream in threads of its own, the latter perhaps after *run*: an interpreter
        that ends meanwhile crashes.
        """
        stop, released, done = threading.Event(), threading.Event(), threading.Event()
        ended: list[BaseException | None] = []
        batches = _until(stop, rows)
        weakref.finalize(batches, released.set).atexit = False
        readers = [pa.RecordBatchReader.from_batches(schema, batches)]
        del batches

        def work() -> None:
            try:
                run(readers.pop())
            except BaseException as error:  # noqa: BLE001 - raised below, in the caller's thread
                traceback.clear_frames(error.__traceback__)  # which have the stream
                ended.append(error)
            else:
                ended.append(None)
            finally:
                done.set()

        thread = threading.Thread(target=work, name="e6data-load-delta", daemon=True)
        try:
            thread.start()
            done.wait()  # not `join`, after whose interruption Python takes the thread for ended
        except BaseException:
            stop.set()
            if thread.ident is not None:
                done.wait()
            raise
        finally:
            released.wait(_RELEASE_SECONDS)
        if rows.failure is not None:
            raise rows.failure  # what the library made of it says less
        error = ended[0]
        if isinstance(error, self._library.exceptions.CommitFailedError):
            raise ConflictError from self._cause(error)
        if isinstance(error, Exception):
            raise self._failed("commit rows", error) from self._cause(error)
        if error is not None:
            raise error

    def _failed(self, verb: str, error: Exception) -> errors.Error:
        text = (str(error).splitlines() or [type(error).__name__])[0].strip()
        # What has no type of its own is about files: those of rows and of the log, or what is in them.
        is_plain = type(error) is self._library.exceptions.DeltaError
        is_io = isinstance(error, OSError) or is_plain
        if is_io:
            try:
                self._place.look()
            except errors.Error as known:  # which says what it is by a type
                return known.with_traceback(None)
        return errors.make(
            Status.IO if is_io else Status.UNKNOWN,
            f"could not {verb} in {self._address.shown!r}: {self._address.hide(text)}",
            details=[fault_detail(Fault.OUTPUT)] if is_io else (),
        )

    def _cause(self, error: Exception) -> Exception | None:
        """Returns *error*, unless it may quote a path with a secret."""
        return None if self._address.secrets else error

    def _properties(self, tag: Tag) -> Any:
        if tag is None:
            return None
        return self._library.CommitProperties(app_transactions=[self._library.Transaction(*tag)])

    def _writer_properties(self) -> Any:
        return self._library.WriterProperties(compression="ZSTD", max_row_group_size=_GROUP_ROWS)


def _until(stop: threading.Event, rows: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in rows:
        if stop.is_set():
            raise InterruptedError
        yield batch
    if stop.is_set():
        raise InterruptedError


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
