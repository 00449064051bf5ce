"""The local engine: one gRPC server in front of one DuckDB, from start to stop."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import logging
import os
import secrets
import socket
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import grpc

from e6data_adbc import errors
from e6data_adbc.local.admin import Admin
from e6data_adbc.local.cluster.bearers import Bearers
from e6data_adbc.local.cluster.deployment import COLOURS, Deployment
from e6data_adbc.local.cluster.pace import Pace
from e6data_adbc.local.cluster.sessions import Sessions
from e6data_adbc.local.cluster.switcher import Switcher
from e6data_adbc.local.cluster.users import Users
from e6data_adbc.local.config import EngineConfig, parse_options
from e6data_adbc.local.data import tpch
from e6data_adbc.local.data.catalogs import SCRATCH
from e6data_adbc.local.data.database import Database, Sources
from e6data_adbc.local.data.statements import SqlError, interruptible
from e6data_adbc.local.faults import Faults
from e6data_adbc.local.ledger import Ledger
from e6data_adbc.local.queries.query import Resources
from e6data_adbc.local.queries.registry import Queries
from e6data_adbc.local.queries.workers import Workers
from e6data_adbc.local.replay.recordings import Recordings
from e6data_adbc.local.replay.replay import Replay, Source
from e6data_adbc.local.service import UNANSWERED, Parts, Service
from e6data_adbc.local.wire import codec
from e6data_adbc.local.wire.call_log import CallLog
from e6data_adbc.local.wire.rpc import METHODS, Gate, Method, Router, ledger_key

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["LocalEngine", "open_engine"]

_logger = logging.getLogger("e6data_adbc.local")

#: Bytes of the largest request; a statement is all that a client sends.
MAX_REQUEST_BYTES: Final = 16 * 2**20
#: How long `stop` waits for work that was interrupted, in seconds.
STOP_SECONDS: Final = 1.0
#: How often queries past their lifetime are looked for, in seconds.
REAP_SECONDS: Final = 5.0

_CHANNEL_OPTIONS: Final[tuple[tuple[str, int], ...]] = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", MAX_REQUEST_BYTES),
    ("grpc.so_reuseport", 0),
    # Clients ping every 30 s, also between calls.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 5000),
    ("grpc.http2.max_ping_strikes", 0),
)


class LocalEngine:
    """An e6data engine on this machine: the real wire protocol in front of DuckDB.

    A context manager that runs between enter and exit; any thread may call any method::

        with LocalEngine("data/") as engine:
            connection = e6data_adbc.connect(engine.uri)
    """

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        user: str | None = None,
        token: str | None = None,
        config: EngineConfig | None = None,
        bearer_check: Callable[[str], bool] | None = None,
        recordings: Recordings | None = None,
        source: Source | None = None,
        **settings: Any,
    ) -> None:
        """Starts nothing yet.

        Args:
            path: A directory of files to serve as tables.
            user: Who may sign in; by default `local`.
            token: The token that is demanded; by default a fresh random one.
            config: Settings to begin with.
            bearer_check: Decides about bearer tokens that the engine did not issue; called for each call.
            recordings: Answers from recorded results in place of DuckDB; see `e6data_adbc.snapshot`.
            source: Is asked for what *recordings* lack.
            settings: More settings, by the names of `EngineConfig`; they win over *config*.

        Raises:
            ProgrammingError: A value cannot be used.
            TypeError: There is no such setting.
        """
        given = {"path": None if path is None else Path(path), "user": user, "token": token}
        settings.update({name: value for name, value in given.items() if value is not None})
        self.config = dataclasses.replace(config or EngineConfig(), **settings)
        self._recordings, self._source = recordings, source
        self._token = self.config.token or secrets.token_urlsafe(32)
        self._stopping = threading.Event()
        #: What happened, for tests.
        self.ledger = Ledger()
        #: What shall go wrong, for tests.
        self.faults = Faults(
            frozenset(ledger_key(method) for method in METHODS.values()), self._stopping
        )
        self._deployment = Deployment(self.config.strategy, self.config.resume_polls)
        self._bearers = Bearers(self.config.bearer, bearer_check)
        self._pace = Pace(self.config.calls_per_second)
        self._switcher = Switcher(self.switch)
        self._users = Users(self.config.user, self._token, self.config.users)
        self._sessions = Sessions(self._users, self.config.session_seconds)
        self._queries = Queries(self.ledger, shared=self.config.share_queries)
        self._lock = threading.Lock()
        self._server: grpc.Server | None = None
        self._port = 0

    def start(self) -> Self:
        """Starts DuckDB and the server; returns the engine, ready to be called.

        Raises:
            ProgrammingError: It was started before, or a file cannot be served.
            NotSupportedError: DuckDB is not installed.
            OperationalError: The address is taken.
        """
        with self._lock:
            if self._server is not None:
                raise errors.make(
                    errors.Status.INVALID_STATE,
                    "could not start the local engine: it was started before",
                    hint="make a new LocalEngine",
                )
            encoder = codec.native()
            self._log = CallLog(self.config.log)
            self._database = self._open_data()
            self._runs = Workers("query", self.config.max_running)
            planners = {colour: f"planner-{colour}-{uuid.uuid4().hex[:8]}" for colour in COLOURS}
            self._service = Service(
                Parts(
                    config=self.config,
                    database=self._database,
                    deployment=self._deployment,
                    planners=planners,
                    sessions=self._sessions,
                    users=self._users,
                    queries=self._queries,
                    resources=Resources(self.config, self.ledger, encoder, self._runs),
                    faults=self.faults,
                    pace=self._pace,
                )
            )
            try:
                self._server = self._listen()
            except BaseException:
                self._database.close()
                raise
            threading.Thread(target=self._reap, name="e6data-local-reaper", daemon=True).start()
            self._switcher.every(
                seconds=self.config.switch_every_seconds,
                calls=self.config.switch_every_calls,
                style=self.config.switch_style,
            )
            atexit.register(self.stop)
        _logger.info("listening on %s:%d", self.config.host, self._port)
        return self

    def stop(self, grace: float | None = None) -> None:
        """Ends every call and query and frees everything, running queries included; may be called again.

        Args:
            grace: Seconds that queries may take to be read to their end and cleared; new ones are refused meanwhile,
                with UNAVAILABLE.
        """
        with self._lock:
            if self._server is None or self._stopping.is_set():
                return
            self._switcher.every()
            if grace:
                self._gate.is_closing = True
                self._queries.wait_until_none(grace)
                with contextlib.suppress(
                    RuntimeError
                ):  # at exit: Python 3.12 and later start no thread then
                    self._server.stop(STOP_SECONDS).wait()  # the answer to the last clear
            self._stopping.set()
            stopped = self._server.stop(None)
            self._queries.interrupt()
            self._queries.drop()
            stopped.wait(STOP_SECONDS)
            self._runs.shutdown(timeout=STOP_SECONDS)
            # A thread that is in DuckDB would abort a process that ends.
            self._calls.shutdown(timeout=STOP_SECONDS)
            self._database.close()
            self._log.close()
        atexit.unregister(self.stop)
        _logger.info("stopped")

    def halt(self, grace: float | None = None) -> None:
        """Takes the server away, as a machine that is replaced: calls end, sessions and queries are gone, data stay.

        Nothing listens on the port until `restart`. May be called again.

        Args:
            grace: Seconds that calls in progress may take to end by themselves.
        """
        with self._lock:
            if self._server is None or self._stopping.is_set():
                return
            stopped = self._server.stop(grace)
            if grace:
                stopped.wait()
            self._sessions.expire()
            self._queries.interrupt()
            self._queries.drop()
            stopped.wait(STOP_SECONDS)
            self._calls.shutdown(wait=False)
        _logger.info("halted")

    def restart(self, *, grace: float | None = None) -> None:
        """Halts the server if it runs, and starts it again on the same port with the same data and ledger.

        Raises:
            ProgrammingError: The engine was never started, or was stopped.
            OperationalError: Somebody took the port meanwhile.
        """
        self.halt(grace)
        with self._lock:
            if self._server is None or self._stopping.is_set():
                raise errors.make(
                    errors.Status.INVALID_STATE,
                    "could not restart the local engine: it is not running",
                    hint="make a new LocalEngine",
                )
            self._server = self._listen()
        _logger.info("restarted")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"LocalEngine(host={self.config.host!r}, port={self._port})"

    @property
    def port(self) -> int:
        """The port it listens on; 0 before the start."""
        return self._port

    @property
    def target(self) -> str:
        """`host:port`, as gRPC wants it."""
        return f"{_bracketed(self.config.host)}:{self._port}"

    @property
    def user(self) -> str:
        """The user who may sign in."""
        return self.config.user

    @property
    def token(self) -> str:
        """The token that is demanded; a secret."""
        return self._token

    @property
    def uri(self) -> str:
        """The URI to connect with, credentials and default catalog and schema included; a secret."""
        return self.uri_for(self._database.default_catalog, self._database.default_schema)

    def uri_for(self, catalog: str, schema: str = "main") -> str:
        """Returns the URI to connect with, *catalog* and *schema* being the defaults; a secret."""
        user, token, *place = (
            quote(part, safe="") for part in (self.user, self.token, catalog, schema)
        )
        return f"e6data://{user}:{token}@{self.target}/{'/'.join(place)}"

    @property
    def strategy(self) -> str:
        """The active colour."""
        return self._deployment.active

    def switch(
        self, strategy: str | None = None, *, announce: bool = False, drain: bool = False
    ) -> str:
        """Switches to the other colour; returns the active one.

        At once, the old colour answers `status: 456` from then on, and its sessions and queries are gone.

        Args:
            strategy: `blue` or `green`; None for the other one.
            announce: Begin only: both colours answer, and responses of the active one carry the new one in
                `new_strategy`, until the next `switch`.
            drain: The old colour goes on answering calls about queries that it has.
        """
        active, gone = self._deployment.switch(strategy, announce=announce, drain=drain)
        if gone is not None:
            self._sessions.expire(gone)
            self._queries.drop(gone)
        _logger.info("strategy %s is active", active)
        return active

    def announce_early(self, strategy: str | None = None) -> None:
        """Announces the other colour, or *strategy*, which refuses every call until the next `switch`."""
        self._deployment.switch(strategy, announce=True, drain=False, ready=False)

    def switch_every(
        self, *, seconds: float | None = None, calls: int | None = None, style: str = "abrupt"
    ) -> None:
        """Switches every *seconds*, or before every *calls*-th engine call, from now on; neither ends that.

        Args:
            seconds: The period.
            calls: The number of calls to the query service between two switches.
            style: `abrupt`, `draining` (the old colour finishes its queries), or `announced` (draining, and the new
                colour is announced half a period before).

        Raises:
            ValueError: A value makes no sense.
        """
        self._switcher.every(seconds=seconds, calls=calls, style=style)

    @property
    def switches(self) -> list[float]:
        """When a plan of `switch_every` has switched, in seconds of the monotonic clock."""
        return list(self._switcher.times)

    def suspend(self, *, states: Sequence[str] | None = None, refusals: int = 0) -> None:
        """Suspends the cluster: engine calls answer 503 until it is resumed; sessions and queries are gone.

        Args:
            states: What the cluster service's `status` tells after a resume, call by call; the last one stays for
                good. By default `resume_polls` times `resuming`, then `active`. A last `failed` keeps it down.
            refusals: Engine calls that hear 503 although the cluster is told to be active again.
        """
        self._service.suspend(states, refusals)

    def resume(self) -> str:
        """Begins to resume a suspended cluster, as the cluster service does; returns the state after that."""
        return self._deployment.resume()

    def expire_sessions(self, *, drain: bool = False) -> int:
        """Ends every session; returns how many there were. Calls with them answer `Access denied`.

        Args:
            drain: Calls about a query that a session has prepared still pass; only new ones are denied.
        """
        return self._sessions.expire(drain=drain)

    def issue_bearer(self, seconds: float = float("inf")) -> str:
        """Returns a fresh bearer token that is accepted for *seconds* in place of a session; a secret."""
        return self._bearers.issue(seconds)

    def expire_bearers(self) -> int:
        """Ends every bearer token, that of the settings too; returns how many there were.

        Calls with them answer UNAUTHENTICATED; what `bearer_check` says still counts.
        """
        return self._bearers.expire()

    def refresh(self) -> list[tuple[str, str]]:
        """Looks for new and removed files in the served directory; returns what cannot be served, and why."""
        with _reported("refresh the catalogs"):
            self._database.refresh()
        return self._database.failures

    def add_catalog(self, name: str, tables: Mapping[str, Any] | None = None) -> None:
        """Adds a catalog that statements may change, and that is gone when the engine stops.

        Args:
            name: What it is called; no other catalog may be.
            tables: Arrow data by table name, see `register`.

        Raises:
            ProgrammingError: The name is taken, or data cannot be stored.
        """
        with _reported(f"add the catalog {name!r}"):
            self._database.create_catalog(name)
        for table, data in (tables or {}).items():
            self.register(table, data, catalog=name)

    def drop_catalog(self, name: str) -> None:
        """Takes a catalog of `add_catalog` away, with all that is in it.

        Raises:
            ProgrammingError: There is none of that name, or it is the default one.
        """
        with _reported(f"drop the catalog {name!r}"):
            self._database.drop_catalog(name)

    def register(
        self, table: str, data: Any, *, catalog: str = SCRATCH, schema: str = "main"
    ) -> None:
        """Copies Arrow data into a table; one of that name is replaced, a missing schema is made.

        Args:
            table: What the table is called.
            data: A `pyarrow.Table`, or whatever has `__arrow_c_stream__`, such as a Polars frame.
            catalog: Where to; `scratch`, or one of `add_catalog`.
            schema: Where in it.

        Raises:
            ProgrammingError: The catalog does not exist or is read-only, or a column's type has no place in DuckDB.
        """
        import pyarrow as pa

        arrow = data if isinstance(data, pa.Table) else pa.table(data)
        with _reported(f"register the table {table!r}"):
            self._database.store(arrow, catalog, schema, table)

    def _listen(self) -> grpc.Server:
        self._gate = Gate(
            self._deployment,
            self._sessions,
            self._bearers,
            self._pace,
            user=self.config.user,
            cluster_name=self.config.cluster_name,
            is_open=self.config.is_loopback,
        )
        router = Router(
            self._service.functions(),
            self._gate,
            self.ledger,
            self.faults,
            self._arrived,
            UNANSWERED,
            self._log,
        )
        handlers: list[grpc.GenericRpcHandler[Any, Any]] = [router]
        if self.config.admin_token is not None:
            handlers.append(Admin(self, self._deployment, self.config.admin_token))
        self._calls = Workers("call", self.config.max_calls)
        server = grpc.server(self._calls, handlers=handlers, options=_CHANNEL_OPTIONS)  # type: ignore[arg-type]
        address = f"{_bracketed(self.config.host)}:{self._port or self.config.port}"
        try:
            if self.config.tls_certificate is None or self.config.tls_key is None:
                port = server.add_insecure_port(address)
            else:
                port = server.add_secure_port(address, self._credentials())
        except (RuntimeError, OSError) as error:
            raise self._unheard(address, str(error)) from error
        if port == 0:
            raise self._unheard(address, "it is taken")
        self._port = port
        server.start()
        return server

    def _unheard(self, address: str, cause: str) -> errors.Error:
        """Returns the error of an *address* that gRPC cannot listen on, with the system's cause if it has one."""
        try:
            host, port = self.config.host, self._port or self.config.port
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            socket.create_server((host, port), family=family).close()
        except OSError as error:
            cause = str(error) if error.errno is None else os.strerror(error.errno)
        return errors.make(
            errors.Status.IO,
            f"could not listen on {address!r}: {cause}",
            hint="stop what has the port, or choose another",
        )

    def _open_data(self) -> Database:
        config = self.config
        if self._recordings is not None:
            return Replay(self._recordings, self._source)
        with interruptible():
            return Database(
                Sources(
                    config.path, config.catalog, config.schema, config.scratch, _tpch_folder(config)
                ),
                strict=config.strict,
                nanoseconds=config.nanoseconds,
                full_types=config.full_types,
                broke=self._queries.abandon,
                reopened=self.ledger.count_reopening,
            )

    def _credentials(self) -> grpc.ServerCredentials:
        config = self.config
        assert config.tls_key is not None  # noqa: S101 - the caller has looked
        assert config.tls_certificate is not None  # noqa: S101
        pairs = [(config.tls_key.read_bytes(), config.tls_certificate.read_bytes())]
        if config.tls_client_authorities is None:
            return grpc.ssl_server_credentials(pairs)
        return grpc.ssl_server_credentials(
            pairs, config.tls_client_authorities.read_bytes(), require_client_auth=True
        )

    def _arrived(self, method: Method) -> None:
        if method.service != "ClusterService":
            self._switcher.note_call()
        if self.config.latency_seconds:
            self._stopping.wait(self.config.latency_seconds)

    def _reap(self) -> None:
        while not self._stopping.wait(min(REAP_SECONDS, self.config.query_lifetime_seconds)):
            self._queries.drop_expired()


def open_engine(options: dict[str, str]) -> LocalEngine:
    """Returns a started engine in this process, for `e6data:local?name=value&…`.

    Raises:
        ProgrammingError: An option is unknown or its text does not fit; names it.
        NotSupportedError: DuckDB is not installed.
    """
    return LocalEngine(**parse_options(options)).start()


@contextlib.contextmanager
def _reported(verb: str) -> Iterator[None]:
    try:
        yield
    except SqlError as error:
        raise errors.make(errors.Status.INVALID_ARGUMENT, f"could not {verb}: {error}") from error


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _tpch_folder(config: EngineConfig) -> Path | None:
    if config.tpch is None:
        return None
    return tpch.generate(config.tpch, config.tpch_path or tpch.cache(config.tpch))
