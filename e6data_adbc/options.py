"""The options: every key with its meaning, unit, default and parser, and the URI that carries them.

An option is looked up in this order: set on the statement, on the connection, on the database; in the URI's query under
its short name (the key's last part); in the environment as `E6DATA_` plus the short name in capitals; the default.
Every value may be a string, an integer or a float, because a profile writes `30` where a URI writes `"30"`.
"""

from __future__ import annotations

import dataclasses
import difflib
import enum
import ipaddress
import math
import os
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

from e6data_adbc import errors, types

__all__ = [
    # Keys
    "ConnectionOptions",
    "DatabaseOptions",
    "StatementOptions",
    # Values
    "ClientAuth",
    "ResultProtocol",
    "Secret",
    "Tls",
    # Parsed
    "DatabaseConfig",
    "Endpoint",
    "FetchSettings",
    "ResultSettings",
    "RpcSettings",
    "Settings",
]

OptionValue = str | bytes | int | float | None


class DatabaseOptions(enum.Enum):
    """Keys that a database takes: `connect(uri, db_kwargs={key: value})`."""

    #: Where to connect: `e6data://[user[:token]@]host[:port][/catalog[/schema]][?name=value&…]`, each part
    #: percent-encoded, or `e6data:local[?name=value&…]` for the local engine in this process.
    URI = "uri"
    #: The user, usually an e-mail address. Overrides the URI's.
    USERNAME = "username"
    #: The user's access token. Overrides the URI's.
    PASSWORD = "password"  # noqa: S105 - the name of a key
    #: A bearer token, sent with every call instead of signing in with user and password. It is never renewed.
    ACCESS_TOKEN = "adbc.e6data.auth.access_token"  # noqa: S105 - the name of a key
    #: The path of a file that holds a bearer token; read again when it has changed or its token is refused.
    TOKEN_FILE = "adbc.e6data.auth.token_file"  # noqa: S105 - the name of a key
    #: Where bearer tokens come from by the OAuth 2.0 client credentials grant: an https address.
    OAUTH_TOKEN_URL = "adbc.e6data.auth.oauth_token_url"  # noqa: S105 - the name of a key
    #: The client that asks the token address.
    OAUTH_CLIENT_ID = "adbc.e6data.auth.oauth_client_id"
    #: The client's secret.
    OAUTH_CLIENT_SECRET = "adbc.e6data.auth.oauth_client_secret"  # noqa: S105 - the name of a key
    #: The scope to ask for. Not sent unless set.
    OAUTH_SCOPE = "adbc.e6data.auth.oauth_scope"
    #: Where client and secret stand in the request: `basic` (its authorization header) or `post` (its form). Default
    #: `basic`.
    OAUTH_CLIENT_AUTH = "adbc.e6data.auth.oauth_client_auth"
    #: The id of a callable that gives bearer tokens. Set by `e6data_adbc.connect(token_provider=…)`.
    TOKEN_PROVIDER = "adbc.e6data.auth.token_provider"  # noqa: S105 - the name of a key
    #: The id of a callable that adds metadata to calls. Set by `e6data_adbc.connect(request_signer=…)`.
    REQUEST_SIGNER = "adbc.e6data.auth.request_signer"
    #: The user on whose behalf queries run, where `username` may impersonate.
    IMPERSONATED_USER = "adbc.e6data.auth.impersonated_user"
    #: The claim of the token that says who the user is, where the server has several.
    IDENTITY_CLAIM = "adbc.e6data.auth.identity_claim"
    #: The cluster's name, sent with every call as `cluster-name`. Needed where several clusters share one host.
    CLUSTER_NAME = "adbc.e6data.connection.cluster_name"
    #: `auto` (TLS unless the host is this machine), `require` or `disable`. Only `disable` lets a token travel
    #: unencrypted to another machine.
    TLS = "adbc.e6data.tls.tls"
    #: The certificates to trust instead of the built-in ones, for the OAuth token address too: PEM text, or the path
    #: of a PEM file.
    TLS_ROOT_CERTS = "adbc.e6data.tls.tls_root_certs"
    #: The certificates that prove who this client is: PEM text, or the path of a PEM file.
    TLS_CLIENT_CERT = "adbc.e6data.tls.tls_client_cert"
    #: The private key of the client's certificate: PEM text, or the path of a PEM file.
    TLS_CLIENT_KEY = "adbc.e6data.tls.tls_client_key"
    #: The host name to expect in the server's certificate, where it is not the one dialled.
    TLS_SERVER_NAME = "adbc.e6data.tls.tls_server_name"
    #: Seconds to wait for the connection to stand. Default 10.
    CONNECT_TIMEOUT = "adbc.e6data.rpc.connect_timeout_seconds"
    #: Seconds for signing in. Default 30.
    AUTHENTICATE_TIMEOUT = "adbc.e6data.rpc.authenticate_timeout_seconds"
    #: Seconds for planning a statement, which may queue on the server. Default 600.
    PREPARE_TIMEOUT = "adbc.e6data.rpc.prepare_timeout_seconds"
    #: Seconds for starting a prepared statement. Default 600.
    EXECUTE_TIMEOUT = "adbc.e6data.rpc.execute_timeout_seconds"
    #: Seconds for one response of a result, which waits until the engine has rows. Default 600.
    FETCH_TIMEOUT = "adbc.e6data.rpc.fetch_timeout_seconds"
    #: Seconds for one call about catalogs, schemas, tables, columns or a result's columns. Default 60.
    METADATA_TIMEOUT = "adbc.e6data.rpc.metadata_timeout_seconds"
    #: Seconds for freeing a query on the server. Default 10.
    CLEAR_TIMEOUT = "adbc.e6data.rpc.clear_timeout_seconds"
    #: Seconds for all that one call of yours needs: signing in, waking the cluster, repetitions; executing a statement
    #: up to its schema, for instance, or listing objects. Default 1800.
    TOTAL_TIMEOUT = "adbc.e6data.rpc.total_timeout_seconds"
    #: Whether a suspended cluster is resumed by the call that meets it. Default true.
    AUTO_RESUME = "adbc.e6data.cluster.auto_resume"
    #: Seconds to wait until a suspended cluster answers again; they come on top of the call's own. Default 300.
    RESUME_TIMEOUT = "adbc.e6data.cluster.resume_timeout_seconds"
    #: The largest message to accept, in bytes after decompression. Default 256 MiB.
    MAX_MESSAGE_BYTES = "adbc.e6data.rpc.max_message_bytes"
    #: How results travel: `v1` (one chunk a response), `v2` (several), `auto` (v2, and v1 where the server has no v2).
    #: Default `v1`.
    RESULT_PROTOCOL = "adbc.e6data.result.result_protocol"
    #: The Arrow layout of text: `utf8`, `large_utf8` or `string_view`. Default `utf8`.
    TEXT_LAYOUT = "adbc.e6data.result.text_layout"
    #: What a TIMESTAMP_TZ becomes: `instant` (timestamp[us, UTC]) or `struct` (instant and the zone's text). Default
    #: `instant`.
    TIMESTAMP_TZ = "adbc.e6data.result.timestamp_tz"
    #: Whether a result may end before the announced number of rows. Default false: such an end is an error.
    ALLOW_MISSING_ROWS = "adbc.e6data.result.allow_missing_rows"
    #: The most rows one chunk may have; a constant vector can declare billions in a few bytes. Default 16777216.
    MAX_CHUNK_ROWS = "adbc.e6data.result.max_chunk_rows"
    #: The most bytes one chunk may decode to. Default 1 GiB.
    MAX_CHUNK_BYTES = "adbc.e6data.result.max_chunk_bytes"
    #: Responses fetched ahead of the decoder. Default 2; 0 fetches only on demand.
    PREFETCH_RESPONSES = "adbc.e6data.fetch.prefetch_responses"
    #: Bytes of decoded batches that may wait for the reader. Default 32 MiB; one batch may always wait.
    QUEUE_BYTES = "adbc.e6data.fetch.queue_bytes"
    #: Rows up to which small chunks are merged into one batch. Default 65536; 0 delivers each chunk as it came.
    BATCH_ROWS = "adbc.e6data.fetch.batch_rows"
    #: Bytes up to which small chunks are merged into one batch. Default 8 MiB.
    BATCH_BYTES = "adbc.e6data.fetch.batch_bytes"


class ConnectionOptions(enum.Enum):
    """Keys that a connection takes besides those of results and fetching, which override the database's."""

    #: The catalog in which unqualified names are looked up.
    CURRENT_CATALOG = "adbc.connection.catalog"
    #: The schema in which unqualified names are looked up.
    CURRENT_DB_SCHEMA = "adbc.connection.db_schema"
    #: Always on: the engine has no transactions.
    AUTOCOMMIT = "adbc.connection.autocommit"
    #: `true` refuses every statement that does not begin like a query, before it is sent. Default false.
    READONLY = "adbc.connection.readonly"
    #: What the connection manager did so far for the endpoint, as JSON; it can only be read. A database has it too.
    STATS = "adbc.e6data.connection.stats"
    #: Overrides the database's value.
    RESULT_PROTOCOL = DatabaseOptions.RESULT_PROTOCOL.value
    #: Overrides the database's value.
    TEXT_LAYOUT = DatabaseOptions.TEXT_LAYOUT.value
    #: Overrides the database's value.
    PREFETCH_RESPONSES = DatabaseOptions.PREFETCH_RESPONSES.value


class StatementOptions(enum.Enum):
    """Keys that a statement takes besides those of results and fetching, which override the connection's."""

    #: The server's id of the query; readable while it runs and after it failed.
    QUERY_ID = "adbc.e6data.statement.query_id"
    #: Whether bound columns belong to the named parameters of the same name.
    BIND_BY_NAME = "adbc.statement.bind_by_name"
    #: Rows delivered so far, as a float.
    PROGRESS = "adbc.statement.exec.progress"
    #: Rows announced by the server, as a float; 0 when unknown.
    MAX_PROGRESS = "adbc.statement.exec.max_progress"
    #: Overrides the connection's value.
    RESULT_PROTOCOL = DatabaseOptions.RESULT_PROTOCOL.value
    #: Overrides the connection's value.
    TEXT_LAYOUT = DatabaseOptions.TEXT_LAYOUT.value
    #: Overrides the connection's value.
    PREFETCH_RESPONSES = DatabaseOptions.PREFETCH_RESPONSES.value


class Tls(enum.Enum):
    """When the connection is encrypted."""

    AUTO = "auto"
    REQUIRE = "require"
    DISABLE = "disable"


class ClientAuth(enum.Enum):
    """How a client proves itself to the OAuth token address."""

    BASIC = "basic"
    POST = "post"


class ResultProtocol(enum.Enum):
    """How a result travels."""

    V1 = "v1"
    V2 = "v2"
    AUTO = "auto"


class Secret:
    """A text that no `repr`, log, pickle or `vars()` shows."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """Returns the text, for the one call that sends it."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._text == self._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """A server: where it listens and how to reach it.

    Attributes:
        host: Name or address, without brackets.
        port: TCP port.
        encrypted: Whether TLS is spoken.
        root_certs: PEM text to trust instead of the built-in certificates.
        server_name: The name to expect in the certificate instead of *host*.
        client_cert: PEM text of the client's certificates; None where *client_key* is.
        client_key: PEM text of the client's private key.
        cluster_name: The value of the `cluster-name` header.
    """

    host: str
    port: int
    encrypted: bool
    root_certs: bytes | None = None
    server_name: str | None = None
    cluster_name: str | None = None
    client_cert: bytes | None = None
    client_key: Secret | None = None

    @property
    def target(self) -> str:
        """The endpoint as gRPC writes it, `host:port`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclasses.dataclass(frozen=True)
class RpcSettings:
    """Limits of calls; times in seconds."""

    connect_timeout: float
    authenticate_timeout: float
    prepare_timeout: float
    execute_timeout: float
    fetch_timeout: float
    metadata_timeout: float
    clear_timeout: float
    total_timeout: float
    max_message_bytes: int


@dataclasses.dataclass(frozen=True)
class ResultSettings:
    """How a result is asked for and what it becomes."""

    protocol: ResultProtocol
    layout: types.Layout
    allow_missing_rows: bool
    max_chunk_rows: int
    max_chunk_bytes: int


@dataclasses.dataclass(frozen=True)
class FetchSettings:
    """How far a result is read ahead and how its batches are cut."""

    prefetch_responses: int
    queue_bytes: int
    batch_rows: int
    batch_bytes: int


@dataclasses.dataclass(frozen=True)
class _Spec:
    """How one key is read: its parser, its default and the levels that take it."""

    parse: Callable[[Any], Any]
    default: Any
    inherited: bool = False  # connections and statements take it too


def _integer(minimum: int = 0, maximum: int = 2**63 - 1) -> Callable[[OptionValue], int]:
    def parse(value: OptionValue) -> int:
        number = float(value) if isinstance(value, str) and not _is_int(value) else value
        if isinstance(number, float) and not number.is_integer():
            raise ValueError("not a whole number")
        result = int(number)  # type: ignore[arg-type]
        if not minimum <= result <= maximum:
            raise ValueError(f"not between {minimum} and {maximum}")
        return result

    return parse


def _is_int(text: str) -> bool:
    try:
        int(text)
    except ValueError:
        return False
    return True


def _seconds(value: OptionValue) -> float:
    seconds = float(value)  # type: ignore[arg-type]
    if not (seconds > 0 and math.isfinite(seconds)):
        raise ValueError("not a finite number of seconds above 0")
    return seconds


def _boolean(value: OptionValue) -> bool:
    known = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
    text = _text(value).lower()
    if text not in known:
        raise ValueError("not 'true' or 'false'")
    return known[text]


def _text(value: OptionValue) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _secret(value: OptionValue) -> Secret:
    return Secret(_text(value))


def _member(kind: type[enum.Enum]) -> Callable[[OptionValue], enum.Enum]:
    def parse(value: OptionValue) -> enum.Enum:
        try:
            return kind(_text(value).lower())
        except ValueError:
            known = ", ".join(repr(member.value) for member in kind)
            raise ValueError(f"not one of {known}") from None

    return parse


_KIB: Final = 1024
_MIB: Final = 1024 * _KIB

SPECS: Final[dict[str, _Spec]] = {
    DatabaseOptions.ACCESS_TOKEN.value: _Spec(_secret, None),
    DatabaseOptions.TOKEN_FILE.value: _Spec(_text, None),
    DatabaseOptions.OAUTH_TOKEN_URL.value: _Spec(_text, None),
    DatabaseOptions.OAUTH_CLIENT_ID.value: _Spec(_text, None),
    DatabaseOptions.OAUTH_CLIENT_SECRET.value: _Spec(_secret, None),
    DatabaseOptions.OAUTH_SCOPE.value: _Spec(_text, None),
    DatabaseOptions.OAUTH_CLIENT_AUTH.value: _Spec(_member(ClientAuth), None),
    DatabaseOptions.TOKEN_PROVIDER.value: _Spec(_text, None),
    DatabaseOptions.REQUEST_SIGNER.value: _Spec(_text, None),
    DatabaseOptions.IMPERSONATED_USER.value: _Spec(_text, None),
    DatabaseOptions.IDENTITY_CLAIM.value: _Spec(_text, None),
    DatabaseOptions.CLUSTER_NAME.value: _Spec(_text, None),
    DatabaseOptions.TLS.value: _Spec(_member(Tls), Tls.AUTO),
    DatabaseOptions.TLS_ROOT_CERTS.value: _Spec(_text, None),
    DatabaseOptions.TLS_CLIENT_CERT.value: _Spec(_text, None),
    DatabaseOptions.TLS_CLIENT_KEY.value: _Spec(_secret, None),
    DatabaseOptions.TLS_SERVER_NAME.value: _Spec(_text, None),
    DatabaseOptions.CONNECT_TIMEOUT.value: _Spec(_seconds, 10.0),
    DatabaseOptions.AUTHENTICATE_TIMEOUT.value: _Spec(_seconds, 30.0),
    DatabaseOptions.PREPARE_TIMEOUT.value: _Spec(_seconds, 600.0, inherited=True),
    DatabaseOptions.EXECUTE_TIMEOUT.value: _Spec(_seconds, 600.0, inherited=True),
    DatabaseOptions.FETCH_TIMEOUT.value: _Spec(_seconds, 600.0, inherited=True),
    DatabaseOptions.METADATA_TIMEOUT.value: _Spec(_seconds, 60.0, inherited=True),
    DatabaseOptions.CLEAR_TIMEOUT.value: _Spec(_seconds, 10.0),
    DatabaseOptions.TOTAL_TIMEOUT.value: _Spec(_seconds, 1800.0, inherited=True),
    DatabaseOptions.AUTO_RESUME.value: _Spec(_boolean, default=True, inherited=True),
    DatabaseOptions.RESUME_TIMEOUT.value: _Spec(_seconds, 300.0, inherited=True),
    DatabaseOptions.MAX_MESSAGE_BYTES.value: _Spec(_integer(_KIB, 2**31 - 1), 256 * _MIB),
    DatabaseOptions.RESULT_PROTOCOL.value: _Spec(
        _member(ResultProtocol), ResultProtocol.V1, inherited=True
    ),
    DatabaseOptions.TEXT_LAYOUT.value: _Spec(_member(types.Text), types.Text.UTF8, inherited=True),
    DatabaseOptions.TIMESTAMP_TZ.value: _Spec(
        _member(types.TimestampTz), types.TimestampTz.INSTANT, inherited=True
    ),
    DatabaseOptions.ALLOW_MISSING_ROWS.value: _Spec(_boolean, default=False, inherited=True),
    DatabaseOptions.MAX_CHUNK_ROWS.value: _Spec(_integer(1, 2**31 - 1), 2**24, inherited=True),
    DatabaseOptions.MAX_CHUNK_BYTES.value: _Spec(_integer(1), 1024 * _MIB, inherited=True),
    DatabaseOptions.PREFETCH_RESPONSES.value: _Spec(_integer(0, 64), 2, inherited=True),
    DatabaseOptions.QUEUE_BYTES.value: _Spec(_integer(1), 32 * _MIB, inherited=True),
    DatabaseOptions.BATCH_ROWS.value: _Spec(_integer(0, 2**31 - 1), 64 * _KIB, inherited=True),
    DatabaseOptions.BATCH_BYTES.value: _Spec(_integer(0), 8 * _MIB, inherited=True),
}

#: Names that must not stand in a URI's query, where logs and process lists show them.
_SECRETS: Final = frozenset(
    {"password", "token", "access_token", "client_secret", "oauth_client_secret"}
)
#: The ways to sign in, each with the short names that belong to it.
SIGN_IN_WAYS: Final[tuple[tuple[str, ...], ...]] = (
    ("username", "password"),
    ("access_token",),
    ("token_file",),
    ("token_provider",),
    (
        "oauth_client_id",
        "oauth_client_secret",
        "oauth_token_url",
        "oauth_scope",
        "oauth_client_auth",
    ),
)
_SHORT: Final[dict[str, str]] = {key.rsplit(".", 1)[-1]: key for key in SPECS}


@dataclasses.dataclass(frozen=True)
class Settings:
    """Option values of one level, on top of those below it; immutable.

    Attributes:
        values: Parsed values by key, only those that were set somewhere.
    """

    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def with_option(self, key: str, value: OptionValue) -> Settings:
        """Returns these settings with *key* set, or reset to the default by None.

        Raises:
            ProgrammingError: *value* does not parse.
            NotSupportedError: There is no such key.
        """
        if value is None:
            _require_known(key)
            return Settings({k: v for k, v in self.values.items() if k != key})
        return Settings({**self.values, key: parse(key, value)})

    def get(self, option: enum.Enum | str) -> Any:  # typed by the option, which Python cannot say
        """Returns the value of *option*, or its default."""
        key = option if isinstance(option, str) else option.value
        return self.values.get(key, SPECS[key].default)

    def read(self, key: str) -> OptionValue:
        """Returns the value of *key* as `get_option` shows it.

        Raises:
            ProgrammingError: There is no such key, or nothing was set (NOT_FOUND).
        """
        if key not in SPECS:
            raise not_found(key)
        value = self.get(key)
        if value is None or isinstance(value, Secret):
            raise not_found(key)
        if isinstance(value, enum.Enum):
            return str(value.value)
        if isinstance(value, bool):
            return "true" if value else "false"
        return value if isinstance(value, int | float) else str(value)

    @property
    def rpc(self) -> RpcSettings:
        """The limits of calls."""
        option = DatabaseOptions
        return RpcSettings(
            connect_timeout=self.get(option.CONNECT_TIMEOUT),
            authenticate_timeout=self.get(option.AUTHENTICATE_TIMEOUT),
            prepare_timeout=self.get(option.PREPARE_TIMEOUT),
            execute_timeout=self.get(option.EXECUTE_TIMEOUT),
            fetch_timeout=self.get(option.FETCH_TIMEOUT),
            metadata_timeout=self.get(option.METADATA_TIMEOUT),
            clear_timeout=self.get(option.CLEAR_TIMEOUT),
            total_timeout=self.get(option.TOTAL_TIMEOUT),
            max_message_bytes=self.get(option.MAX_MESSAGE_BYTES),
        )

    @property
    def result(self) -> ResultSettings:
        """What a result becomes."""
        option = DatabaseOptions
        return ResultSettings(
            protocol=self.get(option.RESULT_PROTOCOL),
            layout=types.Layout(self.get(option.TEXT_LAYOUT), self.get(option.TIMESTAMP_TZ)),
            allow_missing_rows=self.get(option.ALLOW_MISSING_ROWS),
            max_chunk_rows=self.get(option.MAX_CHUNK_ROWS),
            max_chunk_bytes=self.get(option.MAX_CHUNK_BYTES),
        )

    @property
    def fetch(self) -> FetchSettings:
        """How a result is read ahead."""
        option = DatabaseOptions
        return FetchSettings(
            prefetch_responses=self.get(option.PREFETCH_RESPONSES),
            queue_bytes=self.get(option.QUEUE_BYTES),
            batch_rows=self.get(option.BATCH_ROWS),
            batch_bytes=self.get(option.BATCH_BYTES),
        )


@dataclasses.dataclass(frozen=True)
class DatabaseConfig:
    """Everything a database is opened with.

    Attributes:
        endpoint: The server, or None for the local engine.
        local: The local engine's options when *endpoint* is None.
        user: The user who signs in.
        token: The user's access token.
        catalog: The catalog of new connections.
        db_schema: The schema of new connections.
        settings: The remaining options.
    """

    endpoint: Endpoint | None
    local: Mapping[str, str]
    user: str | None
    token: Secret | None
    catalog: str | None
    db_schema: str | None
    settings: Settings

    @staticmethod
    def from_options(
        options: Mapping[str, OptionValue], environment: Mapping[str, str] = os.environ
    ) -> DatabaseConfig:
        """Returns the checked configuration of a database.

        Args:
            options: By key, in no order; None means not set.
            environment: Where `E6DATA_…` defaults are read.

        Raises:
            ProgrammingError: A value or the URI is invalid, or something needed is missing.
            NotSupportedError: A key is unknown; the text names the nearest known one.
        """
        given = {key: value for key, value in options.items() if value is not None}
        uri = _text(given.pop(DatabaseOptions.URI.value, "") or environment.get("E6DATA_URI", ""))
        address = _Address.parse(uri)
        known = {
            DatabaseOptions.USERNAME.value,
            DatabaseOptions.PASSWORD.value,
            ConnectionOptions.CURRENT_CATALOG.value,
            ConnectionOptions.CURRENT_DB_SCHEMA.value,
        }
        environment = _without_other_ways(environment, address, given)
        settings = Settings(_environment_values(environment))
        local: dict[str, str] = {}
        for short, text in address.query.items():
            if address.is_local and short not in _SHORT:
                local[short] = text
            else:
                settings = settings.with_option(_long(short), text)
        for key, value in given.items():
            if key not in known:
                settings = settings.with_option(key, value)
        user = given.get(
            DatabaseOptions.USERNAME.value, address.user or environment.get("E6DATA_USERNAME")
        )
        token = given.get(
            DatabaseOptions.PASSWORD.value, address.token or environment.get("E6DATA_PASSWORD")
        )
        return DatabaseConfig(
            endpoint=None if address.is_local else _endpoint(address, settings),
            local=local,
            user=None if user is None else _text(user),
            token=None if token is None else Secret(_text(token)),
            catalog=_optional(given, ConnectionOptions.CURRENT_CATALOG, address.catalog),
            db_schema=_optional(given, ConnectionOptions.CURRENT_DB_SCHEMA, address.db_schema),
            settings=settings,
        )


def _without_other_ways(
    environment: Mapping[str, str], address: _Address, given: Mapping[str, OptionValue]
) -> dict[str, str]:
    """Returns *environment* without the ways to sign in that options and URI pass over by naming another."""
    named = {key.rsplit(".", 1)[-1] for key in (*given, *address.query)}
    if address.user or address.token:
        named.add("username")
    unused = [way for way in SIGN_IN_WAYS if not named.intersection(way)]
    if len(unused) == len(SIGN_IN_WAYS):  # none is named: the environment says how
        return dict(environment)
    passed_over = {f"E6DATA_{short.upper()}" for way in unused for short in way}
    return {name: value for name, value in environment.items() if name not in passed_over}


def parse(key: str, value: OptionValue) -> Any:  # typed by the key, which Python cannot say
    """Returns *value* as the type of *key*.

    Raises:
        ProgrammingError: *value* does not parse.
        NotSupportedError: There is no such key.
    """
    spec = _require_known(key)
    shown = "***" if spec.parse is _secret else repr(value)
    try:
        return spec.parse(value)
    except (ValueError, TypeError, OverflowError) as cause:
        raise errors.make(
            errors.Status.INVALID_ARGUMENT, f"could not set option {key!r} to {shown}: {cause}"
        ) from None


def full_key(name: str) -> str:
    """Returns the key of an option by its short name; a name that is none is returned as it is."""
    return _SHORT.get(name, name)


def is_inherited(key: str) -> bool:
    """Tells whether connections and statements take *key* too."""
    return key in SPECS and SPECS[key].inherited


def unknown(key: str, known: Mapping[str, Any] | None = None) -> errors.Error:
    """Returns the error for setting a key that does not exist, naming the nearest that does."""
    standard = [
        option.value
        for kind in (DatabaseOptions, ConnectionOptions, StatementOptions)
        for option in kind
    ]
    near = difflib.get_close_matches(key, [*(known or {}), *SPECS, *standard], n=1, cutoff=0.6)
    return errors.make(
        errors.Status.NOT_IMPLEMENTED,
        f"could not set option {key!r}: there is no such option",
        hint=f"did you mean {near[0]!r}" if near else None,
    )


def not_found(key: str) -> errors.Error:
    """Returns the error for reading a key that does not exist or has no value."""
    return errors.make(errors.Status.NOT_FOUND, f"could not read option {key!r}: it is not set")


def _require_known(key: str) -> _Spec:
    if key not in SPECS:
        raise unknown(key)
    return SPECS[key]


def _long(short: str) -> str:
    if short.rsplit(".", 1)[-1] in _SECRETS:
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not use {short!r} in the URI's query: logs show it there",
            hint="pass it as an option; user and token may stand in e6data://user:token@host",
        )
    if short in SPECS:
        return short
    if short not in _SHORT:
        raise unknown(short, _SHORT)
    return _SHORT[short]


def _environment_values(environment: Mapping[str, str]) -> dict[str, Any]:
    found = {}
    for short, key in _SHORT.items():
        value = environment.get(f"E6DATA_{short.upper()}")
        if value is not None:
            found[key] = parse(key, value)
    return found


def _optional(
    given: Mapping[str, OptionValue], key: ConnectionOptions, fallback: str | None
) -> str | None:
    value = given.get(key.value)
    return fallback if value is None else _text(value)


@dataclasses.dataclass(frozen=True)
class _Address:
    """The parts of a URI, percent-decoded."""

    is_local: bool
    host: str
    port: int | None
    user: str | None
    token: str | None
    catalog: str | None
    db_schema: str | None
    query: Mapping[str, str]

    @staticmethod
    def parse(uri: str) -> _Address:
        if not uri:
            raise errors.make(
                errors.Status.INVALID_ARGUMENT,
                "could not open the database: no URI was given",
                hint="use e6data://user:token@host:port/catalog/schema, or e6data:local to try it out",
            )
        rest = uri.removeprefix("e6data:")
        path, _, query = rest.partition("?")
        if path == "local":
            return _Address(True, "", None, None, None, None, None, _query(query))
        if not rest.startswith("//"):
            raise _bad_uri("it does not start with e6data://")
        try:
            parts = urllib.parse.urlsplit("e6data:" + rest)
            host, port = parts.hostname, parts.port
        except ValueError as cause:
            raise _bad_uri(str(cause)) from None
        if not host:
            raise _bad_uri("it names no host")
        if parts.fragment:
            raise _bad_uri("it has a fragment; percent-encode '#' as %23")
        names = [urllib.parse.unquote(name) for name in parts.path.strip("/").split("/") if name]
        if len(names) > 2:
            raise _bad_uri("its path has more than a catalog and a schema")
        return _Address(
            is_local=False,
            host=host,
            port=port,
            user=None if parts.username is None else urllib.parse.unquote(parts.username) or None,
            token=None if parts.password is None else urllib.parse.unquote(parts.password) or None,
            catalog=names[0] if names else None,
            db_schema=names[1] if len(names) > 1 else None,
            query=_query(parts.query),
        )


def _query(text: str) -> dict[str, str]:
    try:
        pairs = urllib.parse.parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
    except ValueError as cause:
        raise _bad_uri(f"its query does not parse: {cause}") from None
    return dict(pairs)


def _bad_uri(cause: str) -> errors.Error:
    # The URI itself is not quoted: it may hold a token.
    return errors.make(
        errors.Status.INVALID_ARGUMENT,
        f"could not read the URI: {cause}",
        hint="use e6data://user:token@host:port/catalog/schema",
    )


def _endpoint(address: _Address, settings: Settings) -> Endpoint:
    tls: Tls = settings.get(DatabaseOptions.TLS)
    encrypted = tls is Tls.REQUIRE or (tls is Tls.AUTO and not _is_loopback(address.host))
    client_cert = _pem(DatabaseOptions.TLS_CLIENT_CERT, settings)
    client_key = _pem(DatabaseOptions.TLS_CLIENT_KEY, settings)
    if (client_cert is None) is not (client_key is None):
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not use only one of {DatabaseOptions.TLS_CLIENT_CERT.value!r} and"
            f" {DatabaseOptions.TLS_CLIENT_KEY.value!r}: the other is missing",
        )
    root_certs = _pem(DatabaseOptions.TLS_ROOT_CERTS, settings)
    return Endpoint(
        host=address.host,
        port=address.port or (443 if encrypted else 80),
        encrypted=encrypted,
        root_certs=None if root_certs is None else root_certs.reveal().encode(),
        server_name=settings.get(DatabaseOptions.TLS_SERVER_NAME),
        cluster_name=settings.get(DatabaseOptions.CLUSTER_NAME),
        client_cert=None if client_cert is None else client_cert.reveal().encode(),
        client_key=client_key,
    )


def _pem(option: DatabaseOptions, settings: Settings) -> Secret | None:
    """Returns the PEM text that *option* is or names; as a secret, since it may be a private key."""
    value = settings.get(option)
    if value is None:
        return None
    is_key = isinstance(value, Secret)
    given = value if isinstance(value, Secret) else Secret(value)
    if "-----BEGIN" in given.reveal():
        return given
    try:
        with open(given.reveal(), "rb") as file:
            return Secret(file.read().decode("ascii"))
    except UnicodeDecodeError:
        cause = "it is not PEM text"
    except (OSError, ValueError) as error:
        # The error quotes what was given, which may be a key that lost its first line.
        cause = (getattr(error, "strerror", None) or "not a path") if is_key else str(error)
    raise errors.make(
        errors.Status.INVALID_ARGUMENT,
        f"could not read the {'private key' if is_key else 'certificates'} of {option.value!r}: {cause}",
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
