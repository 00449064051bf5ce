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
from e6data_adbc.cli.version import version_of
from e6data_adbc.errors import Error, Status

if TYPE_CHECKING:
    from e6data_adbc._options.database_config import DatabaseConfig, Endpoint
    from e6data_adbc.cluster import Health

__all__ = ["add_to"]

#: Seconds for each step below the engine's own.
_PATIENCE: Final = 10.0
_LIBRARIES: Final = ("adbc-driver-manager", "grpcio", "protobuf", "pyarrow")
_REFUSED: Final = frozenset({Status.UNAUTHENTICATED, Status.UNAUTHORIZED})
#: What a proxy may answer with before its headers end.
_MOST_ANSWER: Final = 65536


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
        description="Walk the way to an engine, a line for each step: options, DNS, proxy, TCP, TLS, signing in, the "
        "deployment's colour, the state of the cluster, SELECT 1, and versions. A line that says FAIL says what is "
        "wrong and what to do. A suspended cluster stays suspended.",
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
        raise UsageError(f"could not wait for {given.timeout:g} seconds")
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
        #: How signing in and `SELECT 1` went, which are one call: the step that failed, and its error.
        self._trouble: tuple[str, Error] | None = None

    def steps(self) -> Iterator[_Step]:
        """Yields the steps in their order."""
        yield _Step("options", self._read_options, Exit.USAGE)
        for name, look in (
            ("DNS", self._resolve),
            ("proxy", self._find_proxy),
            ("TCP", self._connect),
            ("TLS", self._encrypt),
            ("sign-in", self._sign_in),
            ("colour", self._see_colour),
            ("cluster", self._read_state),
            ("SELECT 1", self._select),
        ):
            code = Exit.CONNECTION if name in ("DNS", "TCP", "TLS") else Exit.OK
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
                raise _failure(
                    f"could not resolve {host}: {error.strerror or error}",
                    "check the host in the URI, and whether this machine's DNS (or VPN) knows it",
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
            endpoint = self._endpoint
            host, port = (
                _host_and_port(self._proxy) if self._proxy else (endpoint.host, endpoint.port)
            )
            started = time.monotonic()
            try:
                self._socket = socket.create_connection((host, port), self._seconds)
            except OSError as error:
                raise _failure(
                    f"could not connect to {host}:{port}: {error.strerror or error}",
                    "check the port in the URI, firewalls, and whether the engine runs",
                ) from error
            spent = (time.monotonic() - started) * 1000
            if self._proxy is not None:
                try:
                    _tunnel(self._socket, endpoint.target)
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
            with closing(connected):
                if not endpoint.encrypted:
                    return "off: what is sent can be read on the way"
                return _shake_hands(connected, endpoint)

    def _sign_in(self) -> str:
        from e6data_adbc import cluster

        try:
            self._health = cluster.ping(self._uri, timeout_seconds=self._seconds)
        except Error as error:
            name = "sign-in" if error.status_code in _REFUSED else "SELECT 1"
            self._trouble = (name, error)
            if name == "sign-in":
                self.block(name)
                raise
            raise _Skipped("not known: see SELECT 1") from None
        user = None if self._config is None else self._config.user
        return f"done as {user}" if user else "done"

    def _see_colour(self) -> str:
        if self._health is None:
            raise _Skipped("not known: see SELECT 1")
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
            raise
        if state != "active":
            raise _failure(
                f"could not find the cluster active: it is {state}",
                "e6data-adbc cluster resume wakes it up; a query does, too",
            )
        return state

    def _select(self) -> str:
        if self._trouble is not None:
            raise self._trouble[1]
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


def _failure(text: str, hint: str) -> Error:
    return errors.make(Status.IO, text, hint=hint)


def _host_and_port(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _tunnel(connected: socket.socket, target: str) -> None:
    """Asks the proxy behind *connected* for a way to *target*."""
    import base64

    from e6data_adbc._transport.proxies import credentials_of

    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    credentials = credentials_of()
    if credentials is not None:
        word = base64.b64encode(credentials.reveal().encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {word}")
    connected.sendall("\r\n".join([*lines, "", ""]).encode())
    answer = b""
    while b"\r\n\r\n" not in answer and len(answer) < _MOST_ANSWER:
        part = connected.recv(4096)
        if not part:
            break
        answer += part
    status = answer.split(b"\r\n", 1)[0].decode("latin-1")
    if status.split(" ")[1:2] != ["200"]:
        raise _failure(
            f"could not reach {target} through the proxy: it answered {status or 'nothing'!r}",
            "check the proxy's rules, or except the host by no_proxy",
        )


def _shake_hands(connected: socket.socket, endpoint: Endpoint) -> str:
    import ssl

    context = ssl.create_default_context()
    if endpoint.root_certs is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=endpoint.root_certs.decode("ascii"))
    context.set_alpn_protocols(["h2"])
    try:
        with context.wrap_socket(
            connected, server_hostname=endpoint.server_name or endpoint.host
        ) as shaken:
            certificate: dict[str, Any] = shaken.getpeercert() or {}
            version, protocol = shaken.version(), shaken.selected_alpn_protocol()
    except ssl.SSLCertVerificationError as error:
        raise _failure(
            f"could not trust the server's certificate: {error.verify_message}",
            "give the authority's certificates as tls_root_certs, or the expected name as tls_server_name",
        ) from error
    except ssl.SSLError as error:
        raise _failure(
            f"could not agree on TLS: {error.reason or error}",
            "where the server speaks no TLS, put ?tls=disable into the URI",
        ) from error
    text = f"{version}, certificate until {certificate.get('notAfter', 'an unknown day')}"
    return text if protocol == "h2" else f"{text}; the server does not offer HTTP/2 (ALPN)"


def _versions() -> str:
    found = [f"{name} {version_of(name)}" for name in _LIBRARIES]
    return ", ".join([f"e6data-adbc {VERSION}", *found])
