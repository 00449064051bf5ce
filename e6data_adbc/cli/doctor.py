"""`e6data-adbc doctor`: where on the way to an engine something is wrong."""

from __future__ import annotations

import argparse
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from e6data_adbc import errors
from e6data_adbc._version import VERSION
from e6data_adbc.cli.exits import Exit, UsageError, describe, exit_for
from e6data_adbc.cli.handshakes import encrypt, failure, greet, tunnel
from e6data_adbc.cli.version import version_of
from e6data_adbc.errors import Error, Status

if TYPE_CHECKING:
    from e6data_adbc._options.database_config import DatabaseConfig, Endpoint
    from e6data_adbc.cluster import Health

__all__ = ["add_to"]

#: Seconds for each step below the engine's own.
_PATIENCE: Final = 10.0
_LIBRARIES: Final = ("adbc-driver-manager", "grpcio", "protobuf", "pyarrow")
_PROXY_HINT: Final = (
    "check its address in grpc_proxy, https_proxy or http_proxy, or except the host by no_proxy"
)
#: What to do about a cluster that is in another state than active.
_NEXT: Final = {
    "resuming": "`e6data-adbc cluster status` says when it is",
    "suspended": "`e6data-adbc cluster resume` wakes it up; a query does, too",
    "failed": "whoever runs the cluster can see why; `e6data-adbc cluster resume` tries again",
}
_REFUSED: Final = frozenset({Status.UNAUTHENTICATED, Status.UNAUTHORIZED})


class _Step(NamedTuple):
    """One thing that has to be right."""

    name: str
    #: Returns what it found.
    look: Callable[[], str]
    #: How the command ends where it is wrong; 0 for what the error says.
    exit_code: int = 0


class _Skipped(Exception):  # noqa: N818 - it is no error
    """A step that another one decides about; the text says why."""


def add_to(commands: Any) -> None:
    """Adds the command to the parser."""
    parser = commands.add_parser(
        "doctor",
        help="find what is wrong on the way to an engine",
        description="Walk the way to an engine, a line for each step: options, DNS, proxy, TCP, TLS, HTTP/2, "
        "signing in, the deployment's colour, the state of the cluster, SELECT 1, and versions. A line that says FAIL "
        "says what is wrong and what to do. A suspended cluster stays suspended.",
    )
    parser.add_argument(
        "uri",
        nargs="?",
        help="e6data://user@host:port (default: E6DATA_URI). Keep the token out of it: give it as E6DATA_PASSWORD",
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=_PATIENCE,
        metavar="SECONDS",
        help="how long each step may take (default: %(default)g)",
    )
    parser.set_defaults(run=run)


def run(given: argparse.Namespace) -> int:
    """Prints a line for each step; the exit code is that of the first that failed."""
    uri = given.uri or os.environ.get("E6DATA_URI")
    if not uri:
        raise UsageError(
            "could not examine an engine: neither an argument nor E6DATA_URI says where it is"
        )
    if not given.timeout > 0:
        raise UsageError(
            f"could not examine an engine: --timeout has to be above 0, and is {given.timeout:g}"
        )
    code: int = Exit.OK
    for step in _Way(uri, given.timeout).steps():
        try:
            word, text = "ok", step.look()
        except _Skipped as skipped:
            word, text = "-", str(skipped)
        except (Error, OSError) as error:
            word, text = "FAIL", describe(error)
            code = code or step.exit_code or exit_for(error)
        print(f"{word:<4}  {step.name:<9}  {text}")
        sys.stdout.flush()
    return code


class _Way:
    """The steps to one engine, and what the earlier ones found out for the later."""

    def __init__(self, uri: str, seconds: float) -> None:
        self._uri = uri
        self._seconds = seconds
        self._config: DatabaseConfig | None = None
        self._socket: socket.socket | None = None
        self._proxy: str | None = None
        self._blocked: str | None = None
        self._health: Health | None = None
        #: Why `SELECT 1` failed, which is one call with signing in.
        self._trouble: Error | None = None

    def steps(self) -> Iterator[_Step]:
        """Yields the steps in their order."""
        yield _Step("options", self._read_options, Exit.USAGE)
        for name, look in (
            ("DNS", self._resolve),
            ("proxy", self._find_proxy),
            ("TCP", self._connect),
            ("TLS", self._encrypt),
            ("HTTP/2", self._greet),
            ("sign-in", self._sign_in),
            ("colour", self._see_colour),
            ("cluster", self._read_state),
            ("SELECT 1", self._select),
        ):
            code = Exit.CONNECTION if name in ("DNS", "TCP", "TLS", "HTTP/2") else Exit.OK
            yield _Step(name, self._unless_blocked(look), code)
        yield _Step("versions", _versions)

    def _unless_blocked(self, look: Callable[[], str]) -> Callable[[], str]:
        """Returns *look*, which does nothing where an earlier step failed, and says so in the later ones."""

        def guarded() -> str:
            if self._blocked is not None:
                raise _Skipped(f"not looked at: {self._blocked} has to be right first")
            return look()

        return guarded

    def _blocking(self, name: str) -> _Blocking:
        return _Blocking(self, name)

    def block(self, name: str) -> None:
        """Notes that what comes after *name* makes no sense."""
        self._blocked = name

    @property
    def _endpoint(self) -> Endpoint:
        endpoint = None if self._config is None else self._config.endpoint
        if endpoint is None:
            raise _Skipped("the local engine runs in this process")
        return endpoint

    def _read_options(self) -> str:
        with self._blocking("the URI"):
            from e6data_adbc._options.database_config import DatabaseConfig
            from e6data_adbc._session.login.login_methods import Credentials, choose

            self._config = config = DatabaseConfig.from_options({"uri": self._uri})
            if config.endpoint is None:
                return "the local engine, e6data:local"
            choose(Credentials.of(config.user, config.token, config.settings))
            names = ".".join(name for name in (config.catalog, config.db_schema) if name)
            who = f"user {config.user}" if config.user else "a bearer token"
            return f"{config.endpoint.target} as {who}" + (f", in {names}" if names else "")

    def _resolve(self) -> str:
        with self._blocking("DNS"):
            endpoint = self._endpoint
            from e6data_adbc._transport.proxies import proxy_of

            self._proxy = proxy_of(endpoint.host)
            host, port = (
                _host_and_port(self._proxy) if self._proxy else (endpoint.host, endpoint.port)
            )
            try:
                found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            except OSError as error:
                raise failure(
                    f"could not resolve {'the proxy ' if self._proxy else ''}{host}: {error.strerror or error}",
                    _PROXY_HINT
                    if self._proxy
                    else "check the host in the URI, and whether this machine's DNS (or VPN) knows it",
                ) from error
            addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
            return f"{host} is {', '.join(addresses)}"

    def _find_proxy(self) -> str:
        endpoint = self._endpoint
        if self._proxy is None:
            return f"none for {endpoint.host}"
        return f"{self._proxy}, named by the environment"

    def _connect(self) -> str:
        with self._blocking("TCP"):
            from e6data_adbc._transport.proxies import credentials_of

            endpoint = self._endpoint
            host, port = (
                _host_and_port(self._proxy) if self._proxy else (endpoint.host, endpoint.port)
            )
            started = time.monotonic()
            try:
                self._socket = socket.create_connection((host, port), self._seconds)
            except OSError as error:
                why = error.strerror or error
                if isinstance(error, TimeoutError):
                    why = f"no answer within {self._seconds:g} s"
                raise failure(
                    f"could not connect to {'the proxy ' if self._proxy else ''}{host}:{port}: {why}",
                    _PROXY_HINT
                    if self._proxy
                    else "check the port in the URI, firewalls, and whether the engine runs",
                ) from error
            spent = (time.monotonic() - started) * 1000
            if self._proxy is not None:
                try:
                    tunnel(self._socket, endpoint.target, credentials_of())
                except BaseException:
                    self._socket.close()
                    raise
            return f"{host}:{port} in {spent:.1f} ms" + (
                f", and through it {endpoint.target}" if self._proxy else ""
            )

    def _encrypt(self) -> str:
        with self._blocking("TLS"):
            endpoint, connected = self._endpoint, self._socket
            assert connected is not None  # noqa: S101 - the step before has made it
            if not endpoint.encrypted:
                return "off: what is sent can be read on the way"
            try:
                self._socket, text = encrypt(connected, endpoint)
            except BaseException:
                connected.close()
                raise
            return text

    def _greet(self) -> str:
        with self._blocking("HTTP/2"):
            _ = self._endpoint
            assert self._socket is not None  # noqa: S101 - an earlier step has made it
            with closing(self._socket):
                greet(self._socket)
            return "spoken"

    def _sign_in(self) -> str:
        from e6data_adbc import cluster

        try:
            self._health = cluster.ping(self._uri, timeout_seconds=self._seconds)
        except Error as error:
            if error.status_code in _REFUSED:
                self.block("sign-in")
                raise
            self._trouble = error
            if not _is_later(error):
                raise _Skipped("not known: see what fails below") from None
        user = None if self._config is None else self._config.user
        return f"done as {user}" if user else "done"

    def _see_colour(self) -> str:
        if self._health is None:
            raise _Skipped("not known: see what fails below")
        return self._health.strategy

    def _read_state(self) -> str:
        from e6data_adbc import cluster

        _ = self._endpoint
        try:
            state = cluster.status(
                self._uri, **{"adbc.e6data.rpc.metadata_timeout_seconds": self._seconds}
            )
        except Error as error:
            if error.status_code is Status.NOT_IMPLEMENTED:
                raise _Skipped("the server has no cluster service") from None
            if self._trouble is not None:
                raise _Skipped("not known: see what fails below") from None
            raise
        if state != "active":
            self.block("the cluster")
            raise failure(
                f"could not find the cluster active: it is {state}",
                _NEXT.get(state),
            )
        return state

    def _select(self) -> str:
        if self._trouble is not None:
            if self._trouble.status_code is Status.TIMEOUT:
                raise errors.make(
                    Status.TIMEOUT,
                    f"could not run SELECT 1: no answer within {self._seconds:g} s",
                    hint="give it more by --timeout, and see whether the engine hangs",
                ) from self._trouble
            raise self._trouble
        assert self._health is not None  # noqa: S101 - there is no trouble
        return f"in {self._health.latency_seconds * 1000:.1f} ms, with signing in"


class _Blocking:
    """Has the steps that follow skipped where the block fails."""

    def __init__(self, way: _Way, name: str) -> None:
        self._way = way
        self._name = name

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and not issubclass(kind, _Skipped):
            self._way.block(self._name)


def _is_later(error: Error) -> bool:
    """Tells whether *error* is of a call that is made once signing in has succeeded."""
    from e6data_adbc._transport import methods

    return errors.detail(error, errors.RPC) in (
        methods.PREPARE_V2.name,
        methods.EXECUTE_V2.name,
        methods.RESULT_METADATA.name,
    )


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _versions() -> str:
    found = [f"{name} {version_of(name)}" for name in _LIBRARIES]
    return ", ".join([f"e6data-adbc {VERSION}", *found])
