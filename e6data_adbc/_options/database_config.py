"""What a database is opened with: the URI's parts, the endpoint they name, and the settings on top."""

from __future__ import annotations

import dataclasses
import enum
import os
import urllib.parse
from collections.abc import Mapping
from typing import Final

from e6data_adbc import errors
from e6data_adbc._options import option_values
from e6data_adbc._options.option_values import Settings
from e6data_adbc._transport.proxies import is_loopback
from e6data_adbc.options import ConnectionOptions, DatabaseOptions, OptionValue, Secret, Tls


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
        # Errors that are raised from here show the locals of this frame in a traceback with them.
        address = _Address.parse(
            Secret(
                option_values.text(
                    given.pop(DatabaseOptions.URI.value, "") or environment.get("E6DATA_URI", "")
                )
            )
        )
        known = {
            DatabaseOptions.USERNAME.value,
            DatabaseOptions.PASSWORD.value,
            ConnectionOptions.CURRENT_CATALOG.value,
            ConnectionOptions.CURRENT_DB_SCHEMA.value,
        }
        environment = _without_other_ways(environment, address, given)
        settings = Settings(option_values.environment_values(environment))
        in_uri = _with_query(settings, address)
        if in_uri is None:
            raise _bad_uri(_Problem.STRAY_QUERY.value)
        settings, local = in_uri
        for key, value in given.items():
            if key not in known:
                settings = settings.with_option(key, value)
        user = given.get(
            DatabaseOptions.USERNAME.value, address.user or environment.get("E6DATA_USERNAME")
        )
        token = _secret(
            given.get(
                DatabaseOptions.PASSWORD.value, address.token or environment.get("E6DATA_PASSWORD")
            )
        )
        return DatabaseConfig(
            endpoint=None if address.is_local else _endpoint(address, settings),
            local=local,
            user=None if user is None else option_values.text(user),
            token=token,
            catalog=_optional(given, ConnectionOptions.CURRENT_CATALOG, address.catalog),
            db_schema=_optional(given, ConnectionOptions.CURRENT_DB_SCHEMA, address.db_schema),
            settings=settings,
        )


def _with_query(settings: Settings, address: _Address) -> tuple[Settings, Mapping[str, str]] | None:
    """Returns *settings* with the options of the URI's query, and those of the local engine.

    None where they are wrong and may be a part of user or token, so that an error must not quote them.

    Raises:
        Error: An option is wrong.
    """
    local: dict[str, str] = {}
    for short, text in address.query.items():
        if address.is_local and short not in option_values.SHORT_NAMES:
            local[short] = text
            continue
        try:
            settings = settings.with_option(option_values.long_key(short), text)
        except errors.Error:
            if not address.has_stray_at:
                raise
            return None
    return settings, local


def _secret(token: OptionValue | Secret | None) -> Secret | None:
    return (
        token if token is None or isinstance(token, Secret) else Secret(option_values.text(token))
    )


def _without_other_ways(
    environment: Mapping[str, str], address: _Address, given: Mapping[str, OptionValue]
) -> dict[str, str]:
    """Returns what is ours in *environment*, without the ways to sign in that options and URI pass over."""
    named = {key.rsplit(".", 1)[-1] for key in (*given, *address.query)}
    if address.user or address.token:
        named.add("username")
    unused = [way for way in option_values.SIGN_IN_WAYS if not named.intersection(way)]
    if len(unused) == len(option_values.SIGN_IN_WAYS):  # none is named: the environment says how
        unused = []
    passed_over = {f"E6DATA_{short.upper()}" for way in unused for short in way}
    ours = [name for name in environment if name.startswith("E6DATA_")]
    return {name: environment[name] for name in ours if name not in passed_over}


def _optional(
    given: Mapping[str, OptionValue], key: ConnectionOptions, fallback: str | None
) -> str | None:
    value = given.get(key.value)
    return fallback if value is None else option_values.text(value)


@dataclasses.dataclass(frozen=True)
class _Address:
    """The parts of a URI, percent-decoded; `has_stray_at` where its query has an '@' that is not."""

    is_local: bool
    host: str
    port: int | None
    user: str | None
    token: Secret | None
    catalog: str | None
    db_schema: str | None
    query: Mapping[str, str] = dataclasses.field(repr=False)
    has_stray_at: bool = False

    @staticmethod
    def parse(uri: Secret) -> _Address:
        found = _Address._read(uri.reveal().strip())
        if isinstance(found, _Address):
            return found
        if found is _Problem.MISSING:
            raise errors.make(
                errors.Status.INVALID_ARGUMENT,
                "could not open the database: no URI was given",
                hint="use e6data://user:token@host:port/catalog/schema, or e6data:local to try it out",
            )
        raise _bad_uri(found.value)

    @staticmethod
    def _read(uri: str) -> _Address | _Problem:
        # Raises nothing: a traceback with locals would show them, and here they hold the token.
        if not uri:
            return _Problem.MISSING
        if not uri.isprintable():  # the parser drops line breaks and tabs silently
            return _Problem.CONTROL
        rest = uri.removeprefix("e6data:")
        path, _, query = rest.partition("?")
        if path == "local":
            found = _query(query)
            if isinstance(found, _Problem):
                return found
            return _Address(True, "", None, None, None, None, None, found)
        if not rest.startswith("//"):
            return _Problem.SCHEME
        try:
            parts = urllib.parse.urlsplit("e6data:" + rest)
            host = parts.hostname
        except ValueError:
            return _Problem.MALFORMED
        if "@" in parts.path or "@" in parts.fragment:
            return _Problem.STRAY_AT
        try:
            port = parts.port
        except ValueError:
            return _Problem.PORT
        if parts.fragment:
            return _Problem.FRAGMENT
        if not host:
            return _Problem.NO_HOST
        if port == 0:
            return _Problem.PORT
        names = [urllib.parse.unquote(name) for name in parts.path.strip("/").split("/") if name]
        if len(names) > 2:
            return _Problem.LONG_PATH
        options = _query(parts.query)
        if isinstance(options, _Problem):
            return options
        return _Address(
            is_local=False,
            host=host,
            port=port,
            user=None if parts.username is None else urllib.parse.unquote(parts.username) or None,
            token=Secret(urllib.parse.unquote(parts.password)) if parts.password else None,
            catalog=names[0] if names else None,
            db_schema=names[1] if len(names) > 1 else None,
            query=options,
            # What looks like an option may be the rest of a token that has a '?'.
            has_stray_at="@" in parts.query,
        )


_ESCAPES: Final = (
    "in user or token percent-encode '/' as %2F, '?' as %3F, '#' as %23, '@' as %40, '%' as %25"
)


class _Problem(enum.Enum):
    """What is wrong with a URI. No part of it is quoted: each may belong to a token that was not percent-encoded."""

    MISSING = "it is empty"
    CONTROL = "it has a line break, a tab or another character that does not print"
    SCHEME = "it does not start with e6data://"
    MALFORMED = f"user, token or host have characters that do not belong there; {_ESCAPES}"
    STRAY_AT = f"there is an '@' behind the host, so user or token have what ends them; {_ESCAPES}"
    STRAY_QUERY = f"its query has an '@' and what fits no option, so user or token may have what ends them; {_ESCAPES}"
    PORT = f"its port is no number from 1 to 65535; {_ESCAPES}"
    FRAGMENT = "it has a fragment; percent-encode '#' as %23"
    NO_HOST = "it names no host"
    LONG_PATH = "its path has more than a catalog and a schema"
    QUERY = "its query does not parse: it is not of names and values, as name=value&name=value"


def _query(text: str) -> dict[str, str] | _Problem:
    try:
        pairs = urllib.parse.parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text))
    except ValueError:
        return _Problem.QUERY
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
    encrypted = tls is Tls.REQUIRE or (tls is Tls.AUTO and not is_loopback(address.host))
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
