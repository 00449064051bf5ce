"""Which HTTP proxy of the environment stands between this process and a server."""

from __future__ import annotations

import contextlib
import dataclasses
import ipaddress
import os
import socket
import urllib.parse
from collections.abc import Mapping
from typing import Final

from e6data_adbc.options import Secret

__all__ = [
    "Proxy",
    "credentials_of",
    "https_proxy_of",
    "is_loopback",
    "no_proxy_option",
    "proxy_of",
]

#: Where gRPC looks for a proxy, in its order; the first that is set counts, also an empty one. It knows no names in
#: capitals (grpcio 1.66 to 1.85).
_PROXIES: Final = ("grpc_proxy", "https_proxy", "http_proxy")
#: Where it looks for exceptions. The last is ours: whoever wrote it meant it.
_EXCEPTIONS: Final = ("no_grpc_proxy", "no_proxy", "NO_PROXY")
#: Where a client of HTTPS that is not gRPC looks, and for exceptions.
_HTTPS_PROXIES: Final = ("https_proxy", "HTTPS_PROXY")
_HTTPS_EXCEPTIONS: Final = ("no_proxy", "NO_PROXY")


@dataclasses.dataclass(frozen=True)
class Proxy:
    """A proxy that answers CONNECT.

    Attributes:
        host: Without brackets.
        port: TCP port.
        credentials: `user:password`, percent-decoded; None where its address has none.
    """

    host: str
    port: int
    credentials: Secret | None = None

    @property
    def address(self) -> str:
        """Host and port, for messages: without user and password."""
        return f"{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Tells whether *host* is this machine by name or address: `localhost`, 127.0.0.0/8 in any spelling, `::1`."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    address = _address(name)
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address is not None and address.is_loopback


def proxy_of(host: str, environment: Mapping[str, str] = os.environ) -> str | None:
    """Returns `host:port` of the proxy through which gRPC reaches *host*, or None where it connects by itself.

    The user and password that the proxy's address may have are not part of it.

    Args:
        host: Name or address, without brackets.
        environment: Where proxies and the exceptions from them are looked up.
    """
    if is_loopback(host) or _is_excepted(host, environment, _EXCEPTIONS):
        return None
    found = _proxy(environment, _PROXIES)
    return None if found is None else found.address


def credentials_of(environment: Mapping[str, str] = os.environ) -> Secret | None:
    """Returns `user:password` as the address of gRPC's proxy has them, percent-decoded; None where it has none."""
    found = _proxy(environment, _PROXIES)
    return None if found is None else found.credentials


def https_proxy_of(host: str, environment: Mapping[str, str] = os.environ) -> Proxy | None:
    """Returns the proxy through which a request over TLS that is not gRPC's reaches *host*; None where it goes there.

    Args:
        host: Name or address, without brackets.
        environment: Where proxies and the exceptions from them are looked up.
    """
    if is_loopback(host) or _is_excepted(host, environment, _HTTPS_EXCEPTIONS):
        return None
    return _proxy(environment, _HTTPS_PROXIES)


def _proxy(environment: Mapping[str, str], names: tuple[str, ...]) -> Proxy | None:
    """Returns the proxy that the first of *names* has which is set; None if it names none by `http://`."""
    given = next((environment[name] for name in names if name in environment), "")
    try:
        parts = urllib.parse.urlsplit(given)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme != "http" or not host:  # gRPC knows no other kind, and connects by itself then
        return None
    if parts.username is None:
        return Proxy(host, port or 80)
    user, password = (
        urllib.parse.unquote(parts.username),
        urllib.parse.unquote(parts.password or ""),
    )
    return Proxy(host, port or 80, Secret(f"{user}:{password}"))


def no_proxy_option(proxy: str | None) -> tuple[tuple[str, int], ...]:
    """Returns the options of a channel that goes through *proxy*, as `proxy_of` says: gRPC finds it by itself."""
    return () if proxy is not None else (("grpc.enable_http_proxy", 0),)


def _is_excepted(host: str, environment: Mapping[str, str], names: tuple[str, ...]) -> bool:
    given = next((environment[name] for name in names if environment.get(name)), "")
    name, address = host.rstrip(".").lower(), _address(host)
    for entry in given.lower().split(","):
        pattern = entry.strip().removeprefix("*").removesuffix(".")
        if not pattern:
            if entry.strip() == "*":
                return True
            continue
        if name.endswith(pattern) or name == pattern.removeprefix("."):
            return True
        with contextlib.suppress(ValueError):
            if address is not None and address in ipaddress.ip_network(pattern, strict=False):
                return True
    return False


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    with contextlib.suppress(ValueError):
        return ipaddress.ip_address(host.partition("%")[0])
    # The resolver takes `127.1` and the like, too.
    with contextlib.suppress(OSError):
        if host[:1].isdigit() and not host[-1:].isspace():
            return ipaddress.IPv4Address(socket.inet_aton(host))
    return None
