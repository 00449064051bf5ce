"""The local engine's settings: what they mean, their defaults, how text becomes them."""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import math
import typing
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from e6data_adbc import errors
from e6data_adbc.local.switcher import STYLES

__all__ = ["EngineConfig", "parse_options"]

#: Rows per chunk of a live engine, inferred from one report (20 million rows in some 2470 chunks).
CHUNK_ROWS: Final = 8192
#: Seconds after which a live planner dropped a query.
QUERY_LIFETIME_SECONDS: Final = 900.0
#: Chunks per V2 response of the engine revision that was described.
V2_CHUNKS: Final = 8
#: What eight chunks of may be in a response, and that leaves room below the 256 MiB of the driver's default limit.
CHUNK_BYTES: Final = 16 * 2**20
RESPONSE_BYTES: Final = 255 * 2**20


@dataclasses.dataclass(frozen=True)
class EngineConfig:
    """Everything about a local engine that does not change while it runs; `LocalEngine` takes the same names."""

    #: A directory to serve: Parquet, CSV, JSON and Arrow IPC files as tables of the catalog `files`, sub-folders as
    #: its schemas, `.duckdb` files as catalogs of their own. None serves the built-in catalogs only.
    path: Path | None = None
    #: A DuckDB file for the catalog `scratch`, made where it is not there. None keeps it in memory only.
    scratch: Path | None = None
    #: A JSON file of more users, their tokens, and what they may use.
    users: Path | None = None
    #: The one user who may sign in without that file.
    user: str = "local"
    #: The token (password) that is demanded. None makes a fresh random one at each start.
    token: str | None = dataclasses.field(default=None, repr=False)
    #: A bearer token that is accepted in place of a session. None refuses bearers as a planner without OAuth does.
    bearer: str | None = dataclasses.field(default=None, repr=False)
    #: The token of the admin service, through which `e6data-adbc admin` plays a cluster's life. None: there is none.
    admin_token: str | None = dataclasses.field(default=None, repr=False)
    #: Address to listen on. Anything but loopback needs `listen_anywhere`.
    host: str = "127.0.0.1"
    #: Port to listen on; 0 takes a free one.
    port: int = 0
    #: Permits a *host* that other machines can reach.
    listen_anywhere: bool = False
    #: PEM files of a server certificate and its key: TLS instead of plaintext. Both or neither.
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    #: A PEM file of authorities: only clients with a certificate of one of them are served. Needs TLS.
    tls_client_authorities: Path | None = None
    #: A file to which each call adds a line of JSON; `-` is standard error.
    log: Path | None = None
    #: The name that the header `cluster-name` must carry, in any case. None accepts every call.
    cluster_name: str | None = None

    #: Catalog and schema for a request that names none. None: `files` when a path is served, else `tpch` if it
    #: is, else `sample`.
    catalog: str | None = None
    schema: str | None = None

    #: Serve the TPC-H tables of this scale factor as the catalog `tpch`, made by `tpchgen-cli` where they are missing.
    tpch: float | None = None
    #: Where the TPC-H tables are or go, one Parquet file each. None: a folder of the user's cache.
    tpch_path: Path | None = None
    #: Refuse what only DuckDB knows: functions that e6data does not document, and syntax of DuckDB's own.
    strict: bool = False

    #: Rows per chunk at most.
    chunk_rows: int = CHUNK_ROWS
    #: Bytes of the values of a chunk at most, unless one row alone has more.
    chunk_bytes: int = CHUNK_BYTES
    #: Bytes of a response's chunks at most; a row with more fails its query.
    response_bytes: int = RESPONSE_BYTES
    #: Send columns whose rows are all equal as constant vectors.
    constants: bool = True
    #: The row count in result metadata: `streaming` says -1 until the whole result was handed out, `exact` runs the
    #: query to its end first and holds its chunks in memory, `unknown` always says -1.
    row_count: str = "streaming"
    #: Chunks made ahead of the reader; what a query holds at most while its reader is slow.
    chunks_ahead: int = 4
    #: Answer getNextResultBatchV2; False answers UNIMPLEMENTED before anything advances.
    v2_fetch: bool = True
    #: Chunks per V2 response at most.
    v2_chunks: int = V2_CHUNKS
    #: V2 responses without chunks that precede the first chunk of a query.
    v2_empty_first: int = 0
    #: How a V1 result ends: `empty` sends no bytes, `chunk` a chunk of no rows.
    v1_end: str = "empty"
    #: Answer getResultMetadata for a query that was prepared but not executed.
    early_metadata: bool = True
    #: Refuse calls about a query that lack the header `plannerip`.
    require_planner_header: bool = True
    #: The index of a statement's first parameter, 0 or 1: which of them the engine has is not known.
    first_parameter: int = 1
    #: Let every session of the user work with a query, not only the one that prepared it.
    share_queries: bool = False
    #: Give each prepared query a session id of its own, which its later calls must use.
    rotate_sessions: bool = False

    #: The colour that is deployed at the start.
    strategy: str = "blue"
    #: `resuming` answers of the cluster service between `resume` and `active`.
    resume_polls: int = 1
    #: Switch to the other colour every so many seconds, or before every so many engine calls; None never.
    switch_every_seconds: float | None = None
    switch_every_calls: int | None = None
    #: `abrupt` ends the old colour at once with its sessions and queries, `draining` lets it finish its queries,
    #: `announced` is draining, and announces the new colour half a period before.
    switch_style: str = "abrupt"
    #: Answers of identifyPlanner that say to wait, before the one that says to go ahead.
    planner_waits: int = 0
    #: Sign-ins and prepared statements a second; more are refused with RESOURCE_EXHAUSTED and told when to try again.
    calls_per_second: float | None = None
    #: Seconds before each answer.
    latency_seconds: float = 0.0
    #: Seconds a session lives; None for ever.
    session_seconds: float | None = None
    #: Seconds after prepare at which a query is dropped.
    query_lifetime_seconds: float = QUERY_LIFETIME_SECONDS
    #: Queries that may run at a time; more wait.
    max_running: int = 256
    #: Calls that may be in progress at a time; more wait.
    max_calls: int = 512

    def __post_init__(self) -> None:
        """Checks every value.

        Raises:
            ProgrammingError: A value cannot be used; names the setting.
        """
        for name in _COUNTS:
            self._check(name, getattr(self, name) >= 1, "must be at least 1")
        for name in ("v2_empty_first", "resume_polls", "planner_waits", "latency_seconds"):
            self._check(name, getattr(self, name) >= 0, "must not be negative")
        for name in ("session_seconds", "query_lifetime_seconds"):
            seconds = getattr(self, name)
            self._check(name, seconds is None or seconds > 0, "must be more than 0 seconds")
        self._check("tpch", self.tpch is None or self.tpch > 0, "must be more than 0")
        for name in ("switch_every_seconds", "switch_every_calls", "calls_per_second"):
            value = getattr(self, name)
            self._check(name, value is None or value > 0, "must be more than 0")
        self._check(
            "switch_every_calls",
            self.switch_every_seconds is None or self.switch_every_calls is None,
            "a switch comes by seconds or by calls, not by both",
        )
        self._check("first_parameter", self.first_parameter in {0, 1}, "must be 0 or 1")
        self._check("port", 0 <= self.port <= 65535, "must be between 0 and 65535")
        for name, known in CHOICES.items():
            self._check(name, getattr(self, name) in known, f"must be one of {', '.join(known)}")
        self._check("user", bool(self.user), "must not be empty")
        self._check("token", self.token != "", "must not be empty")
        self._check("bearer", self.bearer != "", "must not be empty")
        self._check("admin_token", self.admin_token != "", "must not be empty")
        self._check(
            "tls_key",
            (self.tls_key is None) == (self.tls_certificate is None),
            "tls_certificate and tls_key are needed together",
        )
        self._check(
            "tls_client_authorities",
            self.tls_client_authorities is None or self.tls_certificate is not None,
            "needs tls_certificate and tls_key",
        )
        self._check(
            "host",
            self.listen_anywhere or _is_loopback(self.host),
            "is not a loopback address; set listen_anywhere if other machines may connect",
        )
        if self.path is not None:
            self._check("path", self.path.is_dir(), "is not a directory")

    @property
    def is_loopback(self) -> bool:
        """True if only programs on this machine can connect."""
        return _is_loopback(self.host)

    def _check(self, name: str, fine: bool, cause: str) -> None:  # noqa: FBT001
        if not fine:
            raise _refused(name, getattr(self, name), cause)


_COUNTS: Final = (
    *("chunk_rows", "chunk_bytes", "response_bytes", "chunks_ahead", "v2_chunks"),
    *("max_running", "max_calls"),
)
CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "row_count": ("streaming", "exact", "unknown"),
    "v1_end": ("empty", "chunk"),
    "strategy": ("blue", "green"),
    "switch_style": STYLES,
}

_SECRET: Final = frozenset({"token", "bearer", "admin_token"})
_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off"})


def parse_options(options: Mapping[str, str]) -> dict[str, Any]:
    """Returns the settings that *options* mean, as keyword arguments of `EngineConfig`.

    Args:
        options: Texts by setting name, for instance the query part of `e6data:local?path=data&chunk_rows=100`.

    Raises:
        ProgrammingError: A name is unknown (the nearest known one is told) or a text does not fit its setting.
    """
    parsers = _parsers()
    settings: dict[str, Any] = {}
    for name, text in options.items():
        parser = parsers.get(name)
        if parser is None:
            near = difflib.get_close_matches(name, parsers, n=1)
            raise errors.make(
                errors.Status.INVALID_ARGUMENT,
                f"could not start the local engine: unknown option {name!r}",
                hint=f"did you mean {near[0]!r}"
                if near
                else f"known options: {', '.join(parsers)}",
            )
        try:
            settings[name] = parser(text)
        except ValueError as error:
            raise _refused(name, text, str(error)) from None
    return settings


def _parsers() -> dict[str, Callable[[str], Any]]:
    hints = typing.get_type_hints(EngineConfig)
    by_type: dict[Any, Callable[[str], Any]] = {
        bool: _boolean,
        int: _integer,
        int | None: _integer,
        float: _seconds,
        float | None: _seconds,
        str: str,
        str | None: str,
        Path | None: Path,
    }
    return {field.name: by_type[hints[field.name]] for field in dataclasses.fields(EngineConfig)}


def _boolean(text: str) -> bool:
    if text.lower() in _TRUE:
        return True
    if text.lower() in _FALSE:
        return False
    raise ValueError("must be true or false")


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError("must be a whole number") from None


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise ValueError("must be a number of seconds") from None
    if not math.isfinite(seconds):
        raise ValueError("must be a finite number of seconds")
    return seconds


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refused(name: str, value: object, cause: str) -> errors.Error:
    shown = "***" if name in _SECRET else repr(str(value))
    return errors.make(
        errors.Status.INVALID_ARGUMENT,
        f"could not start the local engine: {name} {shown}: {cause}",
    )
