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
from e6data_adbc.local.cluster.switcher import STYLES

__all__ = ["EngineConfig", "Setting", "parse_options", "settings"]

#: Rows per chunk of a live engine, inferred from one report (20 million rows in some 2470 chunks).
CHUNK_ROWS: Final = 8192
#: Seconds after which a live planner dropped a query.
QUERY_LIFETIME_SECONDS: Final = 900.0
#: Chunks per V2 response of the engine revision that was described.
V2_CHUNKS: Final = 8
#: What eight chunks of may be in a response, and that leaves room below the 256 MiB of the driver's default limit.
CHUNK_BYTES: Final = 16 * 2**20
RESPONSE_BYTES: Final = 255 * 2**20


def _setting(default: Any, meaning: str, shown: str = "", *, is_secret: bool = False) -> Any:
    """Returns the field of a setting.

    Args:
        default: Its value where nothing is given.
        meaning: What it does, for the documentation and the help of `serve`.
        shown: The default in words, where the value does not say it.
        is_secret: Whether its value must not be shown.
    """
    return dataclasses.field(
        default=default,
        repr=not is_secret,
        metadata={"meaning": meaning, "shown": shown, "is_secret": is_secret},
    )


@dataclasses.dataclass(frozen=True)
class EngineConfig:
    """Everything about a local engine that does not change while it runs.

    The one table of the settings: `LocalEngine(…)` and `e6data:local?…` take these names, `e6data-adbc serve` takes
    them with dashes, and the documentation lists them.
    """

    path: Path | None = _setting(
        None,
        "the folder to serve: its Parquet, CSV, JSON and Arrow IPC files are tables of the catalog `files`, its"
        " sub-folders schemas, its `.duckdb` and `.sqlite` files catalogs",
    )
    scratch: Path | None = _setting(
        None, "a DuckDB file that keeps the catalog `scratch`, made where it is not there", "memory"
    )
    users: Path | None = _setting(
        None, "a JSON file of more users, their tokens and what they may use"
    )
    user: str = _setting("local", "who may sign in without that file")
    token: str | None = _setting(None, "the token (password) of `user`", "random", is_secret=True)
    bearer: str | None = _setting(
        None, "a bearer token that is accepted in place of a session", "none", is_secret=True
    )
    admin_token: str | None = _setting(
        None, "the token of the admin service; without one there is none", "none", is_secret=True
    )
    host: str = _setting("127.0.0.1", "the address to listen on")
    port: int = _setting(0, "the port to listen on", "free")
    listen_anywhere: bool = _setting(False, "permits a `host` that other machines can reach")
    tls_certificate: Path | None = _setting(
        None, "a PEM file of the server's certificate: TLS instead of plaintext"
    )
    tls_key: Path | None = _setting(None, "a PEM file of its key")
    tls_client_authorities: Path | None = _setting(
        None, "a PEM file: only clients with a certificate of one of these authorities are served"
    )
    log: Path | None = _setting(
        None,
        "a file that gets a line of JSON for each call: path, code, milliseconds, query, user, peer; no statement, no"
        " secret; `-` is standard error",
    )
    cluster_name: str | None = _setting(
        None, "what the header `cluster-name` must say, in any case", "any"
    )

    catalog: str | None = _setting(
        None,
        "the catalog of unqualified names",
        "`files` with a path, else `tpch` with a scale factor, else `sample`",
    )
    schema: str | None = _setting(
        None, "the schema of unqualified names", "`sales` of `sample`, else `main` or the first"
    )
    tpch: float | None = _setting(
        None,
        "the scale factor of the catalog `tpch`: the TPC-H tables, made by `tpchgen-cli` where they are missing",
    )
    tpch_path: Path | None = _setting(
        None, "where their files are or go, one a table", "the user's cache"
    )
    strict: bool = _setting(
        False, "refuse functions and syntax that only DuckDB knows (needs sqlglot)"
    )
    nanoseconds: str = _setting(
        "refuse",
        "a timestamp with nanoseconds, which the engine has no type for: `refuse` fails the query, `floor` drops them"
        " downwards",
    )

    full_types: bool = _setting(
        False,
        "the metadata of results tell arrays, maps, structs and decimals in full, as listings do: `array<int>`,"
        " `decimal(10,2)`",
    )

    chunk_rows: int = _setting(CHUNK_ROWS, "rows in a chunk at most")
    chunk_bytes: int = _setting(
        CHUNK_BYTES, "bytes of the values in a chunk at most, unless one row alone has more"
    )
    response_bytes: int = _setting(
        RESPONSE_BYTES, "bytes of the chunks in a response at most; a row with more fails its query"
    )
    constants: bool = _setting(True, "equal rows of a column become a constant vector")
    row_count: str = _setting(
        "streaming",
        "the row count in metadata: `streaming` is -1 until all rows went out; `exact` runs the query to its end first"
        " and holds its chunks in memory; `unknown` is always -1",
    )
    chunks_ahead: int = _setting(4, "chunks that a query holds for a slow reader")
    v2_fetch: bool = _setting(True, "whether there is the V2 result protocol")
    v2_chunks: int = _setting(V2_CHUNKS, "chunks in a V2 response at most")
    v2_empty_first: int = _setting(0, "empty V2 responses before the first chunk of a query")
    v1_end: str = _setting("empty", "how a V1 result ends: `empty` sends no bytes, `chunk` no rows")
    early_metadata: bool = _setting(
        True, "metadata are there for a query that was prepared but not executed"
    )
    early_fetch: bool = _setting(
        False, "a fetch for such a query hears the end of a result rather than an error"
    )
    require_planner_header: bool = _setting(True, "calls about a query need the header `plannerip`")
    first_parameter: int = _setting(
        1, "the index of a statement's first dynamic parameter, 0 or 1: an engine's is not known"
    )
    share_queries: bool = _setting(
        False,
        "every session of a user may work with the user's queries, not only the one that prepared them",
    )
    rotate_sessions: bool = _setting(
        False, "each prepared query has a session id of its own, which its later calls must use"
    )

    strategy: str = _setting("blue", "the colour that is deployed at the start")
    resume_polls: int = _setting(1, "`resuming` answers before `active`")
    switch_every_seconds: float | None = _setting(
        None, "seconds after which the colour changes by itself", "never"
    )
    switch_every_calls: int | None = _setting(
        None, "engine calls after which the colour changes by itself", "never"
    )
    switch_style: str = _setting(
        "abrupt",
        "`abrupt` ends the old colour with its sessions and queries, `draining` lets it finish its queries, `announced`"
        " is draining and announces half a period before",
    )
    planner_waits: int = _setting(0, "answers of `identifyPlanner` that say to wait")
    calls_per_second: float | None = _setting(
        None,
        "sign-ins and prepared statements; more hear RESOURCE_EXHAUSTED with `grpc-retry-pushback-ms`",
        "no limit",
    )
    latency_seconds: float = _setting(0.0, "seconds before each answer")
    session_seconds: float | None = _setting(None, "seconds that a session lives", "never ends")
    query_lifetime_seconds: float = _setting(
        QUERY_LIFETIME_SECONDS, "seconds after prepare at which a query is dropped"
    )
    max_running: int = _setting(256, "queries that run at a time; more wait")
    max_calls: int = _setting(512, "calls that are in progress at a time; more wait")

    def __post_init__(self) -> None:
        """Checks every value.

        Raises:
            ProgrammingError: A value cannot be used; names the setting.
        """
        for name in _COUNTS:
            self._check(name, getattr(self, name) >= 1, "must be at least 1")
        self._check(
            "response_bytes",
            self.response_bytes >= self.chunk_bytes,
            "must not be less than chunk_bytes",
        )
        for name in ("v2_empty_first", "resume_polls", "planner_waits", "latency_seconds"):
            self._check(name, getattr(self, name) >= 0, "must not be negative")
        for name in ("session_seconds", "query_lifetime_seconds"):
            seconds = getattr(self, name)
            self._check(name, seconds is None or seconds > 0, "must be more than 0 seconds")
        self._check("tpch", self.tpch is None or self.tpch > 0, "must be more than 0")
        self._check(
            "tpch_path",
            self.tpch_path is None or self.tpch is not None,
            "needs tpch, the scale factor",
        )
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
            "tls_key" if self.tls_certificate is None else "tls_certificate",
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


_SWITCH: Final = "true|false"
_FOLDERS: Final = frozenset({"path", "tpch_path"})
_COUNTS: Final = (
    *("chunk_rows", "chunk_bytes", "response_bytes", "chunks_ahead", "v2_chunks"),
    *("max_running", "max_calls"),
)
CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "row_count": ("streaming", "exact", "unknown"),
    "v1_end": ("empty", "chunk"),
    "strategy": ("blue", "green"),
    "switch_style": STYLES,
    "nanoseconds": ("refuse", "floor"),
}

_TRUE: Final = frozenset({"true", "1", "yes", "on"})
_FALSE: Final = frozenset({"false", "0", "no", "off"})


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is told of one setting.

    Attributes:
        name: As `EngineConfig` has it.
        default: In Markdown; empty where nothing is done without it.
        meaning: What it does, in Markdown.
        form: What its text looks like.
    """

    name: str
    default: str
    meaning: str
    form: str

    @property
    def is_switch(self) -> bool:
        """Whether it is true or false."""
        return self.form == _SWITCH


def settings() -> list[Setting]:
    """Returns all settings, in the order of the documentation."""
    hints = typing.get_type_hints(EngineConfig)
    return [
        Setting(
            field.name,
            field.metadata["shown"] or _default(field.default),
            field.metadata["meaning"],
            _form(field.name, hints[field.name]),
        )
        for field in dataclasses.fields(EngineConfig)
    ]


def _form(name: str, kind: Any) -> str:
    if kind is bool:
        return _SWITCH
    if name in CHOICES:
        return "|".join(CHOICES[name])
    if kind == Path | None:
        return "DIR" if name in _FOLDERS else "FILE"
    if name.endswith("_seconds"):
        return "SECONDS"
    return "N" if kind in {int, int | None, float, float | None} else "TEXT"


def _default(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"`{value:g}`"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def parse_options(options: Mapping[str, str]) -> dict[str, Any]:
    """Returns the settings that *options* mean, as keyword arguments of `EngineConfig`.

    Args:
        options: Texts by setting name, for instance the query part of `e6data:local?path=data&chunk_rows=100`.

    Raises:
        ProgrammingError: A name is unknown (the nearest known one is told) or a text does not fit its setting.
    """
    parsers = _parsers()
    given: dict[str, Any] = {}
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
            given[name] = parser(text)
        except ValueError as error:
            raise _refused(name, text, str(error)) from None
    return given


def _parsers() -> dict[str, Callable[[str], Any]]:
    hints = typing.get_type_hints(EngineConfig)
    by_type: dict[Any, Callable[[str], Any]] = {
        bool: _boolean,
        int: _integer,
        int | None: _integer,
        float: _number,
        float | None: _number,
        str: str,
        str | None: str,
        Path | None: Path,
    }
    return {
        field.name: _seconds if field.name.endswith("_seconds") else by_type[hints[field.name]]
        for field in dataclasses.fields(EngineConfig)
    }


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


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("must be a number") from None
    if not math.isfinite(number):
        raise ValueError("must be a finite number")
    return number


def _seconds(text: str) -> float:
    try:
        return _number(text)
    except ValueError as error:
        raise ValueError(f"{error} of seconds") from None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _refused(name: str, value: object, cause: str) -> errors.Error:
    is_secret = any(
        field.name == name and field.metadata["is_secret"]
        for field in dataclasses.fields(EngineConfig)
    )
    shown = "***" if is_secret else repr(str(value))
    return errors.make(
        errors.Status.INVALID_ARGUMENT,
        f"could not start the local engine: {name} {shown}: {cause}",
    )
