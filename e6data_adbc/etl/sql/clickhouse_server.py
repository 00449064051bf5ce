"""A ClickHouse server through the package `clickhouse-connect`: queries, blocks that are inserted once, and errors."""

from __future__ import annotations

import contextlib
import re
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.destinations import Address, missing
from e6data_adbc.etl.faults import Failure, Fault
from e6data_adbc.etl.sink import RacedError
from e6data_adbc.etl.sql.clickhouse_types import Existing

__all__ = ["Server", "named"]

_CODE: Final = re.compile(r"Code: (\d+)")
_AWAY: Final = Failure(Status.IO, passes=True, fault=Fault.CONNECTION)
_BUSY: Final = Failure(Status.IO, passes=True, fault=Fault.OUTPUT)
#: By the number of the server's error. A table that is not there passes: another worker may have dropped a stage.
_FAILURES: Final[dict[str, Failure]] = {
    # Lost connections, and shutting down.
    **dict.fromkeys(("209", "210", "236", "319", "999"), _AWAY),
    # Too many queries, or parts.
    **dict.fromkeys(("202", "252"), _BUSY),
    "159": Failure(Status.TIMEOUT, passes=True),
    "60": Failure(Status.NOT_FOUND, passes=True, fault=Fault.OUTPUT),
    "81": Failure(Status.NOT_FOUND, fault=Fault.CONNECTION),
    # A user or password that is wrong or missing.
    **dict.fromkeys(
        ("192", "193", "194", "516"), Failure(Status.UNAUTHENTICATED, fault=Fault.CONNECTION)
    ),
    **dict.fromkeys(("291", "497"), Failure(Status.UNAUTHORIZED, fault=Fault.OUTPUT)),
    # No room on the disk, in memory or in a quota; files that fail; read-only.
    **dict.fromkeys(
        ("74", "75", "76", "164", "201", "241", "242", "243"),
        Failure(Status.IO, fault=Fault.OUTPUT),
    ),
    **dict.fromkeys(("53", "69", "321", "349"), Failure(Status.INVALID_DATA)),
    "469": Failure(Status.INTEGRITY),
}
_UNKNOWN: Final = frozenset({"60", "81"})
_INSERT: Final[dict[str, Any]] = {
    "insert_deduplicate": 1,
    "async_insert": 0,
    "input_format_null_as_default": 0,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
}


def named(*parts: str | None) -> str:
    """Returns a name as ClickHouse's SQL has it."""
    return ".".join(
        "`" + part.replace("\\", "\\\\").replace("`", "\\`") + "`" for part in parts if part
    )


class Server:
    """The server of an address; one thread at a time."""

    def __init__(self, address: Address) -> None:
        """Reads `clickhouse://user@host:port/database`; connects to nothing."""
        self._address = address
        self._client: Any = None

    def rows(self, sql: str, **values: Any) -> list[tuple[Any, ...]]:
        """Returns the rows of a query; `{name:Type}` stands for each of *values*."""
        with self._failing("read from"):
            found: list[tuple[Any, ...]] = self._open().query(sql, parameters=values).result_rows
            return found

    def run(self, sql: str, *, token: str | None = None, **values: Any) -> None:
        """Runs a statement; an INSERT with a *token* that was seen before does nothing."""
        settings = _tokened(token) if token else {}
        with self._failing("write into"):
            self._open().command(sql, parameters=values, settings=settings)

    def insert(self, table: str, rows: pa.Table) -> None:
        """Inserts rows as one block."""
        with self._failing("write into"):
            self._open().insert_arrow(table, rows, settings=_INSERT)

    def columns(self, database: str | None, table: str) -> list[Existing] | None:
        """Returns the columns of a table, or None where there is none."""
        found = self.rows(
            "SELECT name, type, default_kind, is_in_sorting_key OR is_in_partition_key OR is_in_sampling_key "
            "FROM system.columns WHERE table = {name:String} AND "
            "database = if({place:String} = '', currentDatabase(), {place:String}) ORDER BY position",
            name=table,
            place=database or "",
        )
        return [Existing(row[0], row[1], row[2], bool(row[3])) for row in found] or None

    def close(self) -> None:
        """Ends the connection."""
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def is_unknown(self, error: errors.Error) -> bool:
        """Tells whether an error says that there is no such table or database."""
        return errors.detail(error, "clickhouse.code") in _UNKNOWN

    def _open(self) -> Any:
        if self._client is None:
            try:
                import clickhouse_connect
            except ImportError as cause:
                raise missing("clickhouse-connect", "etl-clickhouse", cause) from cause
            split = urllib.parse.urlsplit(self._address.url)
            options: dict[str, Any] = dict(urllib.parse.parse_qsl(split.query))
            path = self._address.path
            if options.get("interface") == "chdb":
                self._client = self._in_process(clickhouse_connect, path, options)
            else:
                options |= {"host": split.hostname or "localhost"}
                for name, value in (
                    ("port", split.port),
                    ("username", urllib.parse.unquote(split.username or "")),
                    ("password", urllib.parse.unquote(split.password or "")),
                    ("database", path.strip("/")),
                ):
                    if value:
                        options[name] = value
                self._client = clickhouse_connect.get_client(**options)
        return self._client

    def _in_process(self, library: Any, path: str, options: Mapping[str, Any]) -> Any:
        try:
            return library.get_client(path=path, **options)
        except library.driver.exceptions.ProgrammingError as cause:
            if not (Path(path) / "status").exists():  # which the process has locked
                raise
            raise errors.make(
                _BUSY.status,
                f"could not open {self._address.shown!r}: it cannot be read, or another process has the folder",
                hint="load again when that process has ended",
                details=_BUSY.details,
            ) from cause

    @contextlib.contextmanager
    def _failing(self, verb: str) -> Iterator[None]:
        try:
            yield
        except (errors.Error, RacedError):
            raise
        except Exception as error:
            failure = self._told(verb, error)
            if not self._address.secrets:
                raise failure from error
            hidden: BaseException | None = error  # whose frames have them in their variables
            while hidden is not None:
                hidden = hidden.with_traceback(None).__context__
            raise failure from None

    def _told(self, verb: str, error: Exception) -> errors.Error:
        text = " ".join(str(error).split())
        found = _CODE.search(text)
        code = found[1] if found else ""
        known = _FAILURES.get(code, Failure(Status.UNKNOWN))
        if not code and type(error).__name__ == "OperationalError":  # the server was not reached
            known = _AWAY
        return errors.make(
            known.status,
            f"could not {verb} {self._address.shown!r}: {self._address.hide(text)}",
            details=[*known.details, ("clickhouse.code", code.encode())],
        )


def _tokened(token: str) -> Mapping[str, Any]:
    """Returns settings by which an INSERT is one block, that is inserted once."""
    return _INSERT | {
        "insert_deduplication_token": token,
        "max_threads": 1,
        "max_insert_threads": 1,
        "max_block_size": 2**20,
        "min_insert_block_size_rows": 2**20,
        "min_insert_block_size_bytes": 2**30,
    }
