"""One Iceberg table through the `pyiceberg` package: its columns, its files, and commits that are made once or not."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import threading
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.destinations import Address, missing
from e6data_adbc.etl.faults import Failure, Fault
from e6data_adbc.etl.lake import iceberg_files
from e6data_adbc.etl.lake.iceberg_record import Staged
from e6data_adbc.etl.lake.iceberg_types import schema_of
from e6data_adbc.etl.sink import ConflictError, RacedError
from e6data_adbc.etl.stream import Rows

__all__ = ["Catalog", "Change", "Snapshot", "note"]

#: Does something in a transaction of pyiceberg, whose snapshots say the second.
Change = Callable[[Any, dict[str, str]], None]
#: Settings of a catalog whose values are not shown.
_SECRET: Final = re.compile("pass|token|secret|key|credential", re.IGNORECASE)


class Catalog:
    """The catalog of an address, and the one table that the address names. Any thread."""

    def __init__(self, address: Address) -> None:
        """Reads the address, `iceberg://CATALOG/namespace.table`; connects to nothing."""
        self._address = address
        split = urllib.parse.urlsplit(address.url)
        self._name = split.netloc
        self._options = dict(urllib.parse.parse_qsl(split.query))
        self._table = tuple(address.path.strip("/").split("."))
        if not self._name or len(self._table) < 2 or not all(self._table) or address.table:
            raise errors.make(
                Status.INVALID_ARGUMENT,
                f"could not open the destination {address.shown!r}: it names no catalog, or no table of a namespace",
                hint="write iceberg://CATALOG/namespace.table; the catalog is one of pyiceberg's configuration",
            )
        self._opened: Any = None
        self._secrets = address.secrets
        self._lock = threading.Lock()

    def load(self) -> Snapshot | None:
        """Returns the table as it is now; None where there is none."""
        from_pyiceberg = self._library()
        with self.failing("read the table"):
            try:
                return Snapshot(self, self._open().load_table(self._table))
            except (
                from_pyiceberg.NoSuchTableError,
                from_pyiceberg.NoSuchNamespaceError,
            ):
                return None

    def create(self, schema: pa.Schema) -> Snapshot:
        """Makes the table, and its namespace, unless another process was first; returns it."""
        with self.failing("make the table"):
            catalog = self._open()
            namespace = self._table[:-1]
            try:
                catalog.create_namespace_if_not_exists(namespace)
            except Exception:
                # A catalog may look first and make then: of two processes one fails, in a way of its database's.
                if not self._has(catalog, namespace):
                    raise
            return Snapshot(self, catalog.create_table_if_not_exists(self._table, schema=schema))

    def _has(self, catalog: Any, namespace: tuple[str, ...]) -> bool:
        try:
            catalog.load_namespace_properties(namespace)
        except self._library().NoSuchNamespaceError:
            return False
        return True

    def close(self) -> None:
        """Ends the connection to the catalog."""
        with self._lock:
            opened, self._opened = self._opened, None
        close = getattr(opened, "close", None)
        if close is not None:
            close()

    @contextlib.contextmanager
    def failing(self, verb: str) -> Iterator[None]:
        """Raises what the library fails with in the block as an error of ours; ConflictError for a lost race."""
        try:
            yield
        except (errors.Error, RacedError, ConflictError):
            raise
        except Exception as error:
            failure = self._told(verb, error)
            if not self._secrets:
                raise failure from error
            hidden: BaseException | None = error  # whose frames have them in their variables
            while hidden is not None:
                hidden = hidden.with_traceback(None).__context__
            raise failure from None

    def _told(self, verb: str, error: Exception) -> Exception:
        exceptions = self._library()
        if isinstance(error, (exceptions.CommitFailedException, exceptions.ValidationException)):
            return ConflictError()  # with which nothing was changed
        text = " ".join(str(error).split()) or type(error).__name__
        for secret in self._secrets:
            text = text.replace(secret, "***")
        failure = _failure(error)
        return errors.make(
            failure.status,
            f"could not {verb} {self._address.shown!r}: {text}",
            details=failure.details,
        )

    def _open(self) -> Any:
        with self._lock:
            if self._opened is None:
                from pyiceberg.catalog import load_catalog
                from pyiceberg.utils.config import Config

                # pyiceberg itself reads file and environment once, when it is imported.
                known: Mapping[str, Any] = Config().get_catalog_config(self._name) or {}
                settings = {**known, **self._options}
                self._secrets = (*self._secrets, *_secrets(settings))
                self._opened = load_catalog(self._name, **settings)
            return self._opened

    @staticmethod
    def _library() -> Any:
        try:
            from pyiceberg import exceptions
        except ImportError as cause:
            raise missing("pyiceberg", "etl-iceberg", cause) from cause
        return exceptions


class Snapshot:
    """The table as of when this was made. A commit on it is made only if the table's main branch is still there."""

    def __init__(self, catalog: Catalog, table: Any) -> None:
        """Takes what pyiceberg has loaded."""
        self._catalog, self._table = catalog, table
        #: Whether a commit was begun, and nobody knows how it ended.
        self.is_uncertain = False
        # pyiceberg tries a commit again on a newer snapshot, whoever made that; here this is for the load to decide.
        # No other user of the table sees it: a commit sends changes, and this is none.
        kept = {**table.metadata.properties, "commit.retry.num-retries": "0"}
        self._table.metadata = table.metadata.model_copy(update={"properties": kept})

    @property
    def metadata(self) -> Any:
        """What pyiceberg knows of the table."""
        return self._table.metadata

    @property
    def schema(self) -> pa.Schema:
        """Its columns."""
        return schema_of(self._table.schema().fields)

    @property
    def partitions(self) -> Sequence[iceberg_files.Partition]:
        """How it is partitioned."""
        return iceberg_files.partitions_of(self._table)

    def write(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> list[Staged]:
        """Writes rows into new files that are in no snapshot; what *batches* raise is raised, and nothing stays."""
        rows = Rows(iter(batches))
        try:
            with self._catalog.failing("write files of"):
                return iceberg_files.write(self._table, self.partitions, schema, rows)
        except errors.Error:
            if rows.failure is not None:
                raise rows.failure from None  # the source's own, not the file's that was ended by it
            raise

    def read(self, files: Sequence[Staged], columns: Sequence[str]) -> pa.Table:
        """Returns some columns of files that are in no snapshot."""
        with self._catalog.failing("read files of"):
            return iceberg_files.read(self._table, files, columns)

    def drop(self, files: Iterable[Staged]) -> None:
        """Removes files that no snapshot will have; what is not there is no matter."""
        for file in files:
            with contextlib.suppress(OSError):  # maintenance of the table removes it
                self._table.io.delete(file.path)

    def has_rows(self, where: Any) -> bool:
        """Tells whether some row fulfils a filter."""
        if self._table.current_snapshot() is None:
            return False
        first = self._table.schema().fields[0].name
        with self._catalog.failing("read"):
            scan = self._table.scan(row_filter=where, selected_fields=(first,), limit=1)
            return bool(scan.to_arrow().num_rows)

    def commit(
        self,
        change: Change,
        summary: Mapping[str, str] | None = None,
        *,
        sets: Mapping[str, str] | None = None,
        removes: Sequence[str] = (),
    ) -> None:
        """Makes what *change* does to a transaction of pyiceberg, and properties of the table, in one commit.

        Raises:
            ConflictError: The main branch is another meanwhile; nothing was changed.
        """
        try:
            with self._catalog.failing("commit to"):
                transaction = self._table.transaction()
                change(transaction, dict(summary or {}))
                if sets:
                    transaction.set_properties(dict(sets))
                if removes:
                    transaction.remove_properties(*removes)
                self.is_uncertain = True
                transaction.commit_transaction()
        except ConflictError:
            self.is_uncertain = False
            raise
        self.is_uncertain = False


def note(transaction: Any, summary: dict[str, str]) -> None:
    """Makes a snapshot without rows."""
    with transaction.update_snapshot(snapshot_properties=summary).fast_append():
        pass


def _secrets(properties: Mapping[str, str]) -> tuple[str, ...]:
    """Returns what of a catalog's settings is not to be shown."""
    found = {value for name, value in properties.items() if _SECRET.search(name)}
    for value in properties.values():
        place = urllib.parse.urlsplit(value).netloc if "://" in value else ""
        password = place.rpartition("@")[0].partition(":")[2]
        found |= {password, urllib.parse.unquote(password)}
    return tuple(sorted((text for text in found if len(text) > 2), key=len, reverse=True))


def _failure(error: Exception) -> Failure:
    """Tells by the type: the catalog's server or database was away or busy, or did not say how a commit ended."""
    from pyiceberg import exceptions

    cause: Any = getattr(error, "orig", error)  # beneath what SQLAlchemy makes of it
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", None)  # since Python 3.11
        passes = isinstance(cause, sqlite3.OperationalError)
        if code is not None:
            passes = code & 0xFF in _PASSING_CODES
        return Failure(Status.IO, passes, Fault.OUTPUT)
    for kind, status, fault in (
        (exceptions.ForbiddenError, Status.UNAUTHORIZED, Fault.OUTPUT),
        (exceptions.UnauthorizedError, Status.UNAUTHENTICATED, None),
        ((ConnectionError, TimeoutError), Status.IO, Fault.CONNECTION),
    ):
        if isinstance(error, kind):
            return Failure(status, _may_pass(error), fault)
    if type(error).__module__.startswith(("requests", "sqlalchemy")) and _may_pass(error):
        return Failure(Status.IO, passes=True, fault=Fault.CONNECTION)
    if isinstance(error, OSError):
        return Failure(Status.IO, fault=Fault.OUTPUT)
    return Failure(Status.UNKNOWN, _may_pass(error))


def _may_pass(error: BaseException) -> bool:
    from pyiceberg import exceptions

    passing = (
        exceptions.CommitStateUnknownException,
        exceptions.ServerError,
        exceptions.ServiceUnavailableError,
        exceptions.WaitingForLockException,
        ConnectionError,
        TimeoutError,
    )
    if isinstance(error, passing):
        return True
    # Those of a catalog that is a database, or a server: neither is always installed, and no other class has the name.
    names = {f"{kind.__module__}.{kind.__qualname__}" for kind in type(error).__mro__}
    return not names.isdisjoint(_PASSING)


#: SQLITE_BUSY, SQLITE_LOCKED, and SQLITE_ERROR: the statements are pyiceberg's own, and one of them is wrong where
#: another process makes the catalog's tables at the same moment.
_PASSING_CODES: Final = frozenset({1, 5, 6})
_PASSING: Final = frozenset(
    {
        "requests.exceptions.ConnectionError",
        "requests.exceptions.Timeout",
        "sqlalchemy.exc.OperationalError",
        "sqlalchemy.exc.TimeoutError",
    }
)
