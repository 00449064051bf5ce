"""What a proxy, TLS and HTTP/2 say on a socket before the first call, and what is wrong with it."""

from __future__ import annotations

import base64
import socket
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from e6data_adbc import errors
from e6data_adbc.errors import Error, Status

if TYPE_CHECKING:
    from e6data_adbc._options.database_config import Endpoint
    from e6data_adbc.options import Secret

__all__ = ["encrypt", "failure", "greet", "tunnel"]

#: The bytes that an answer may have before it is whole.
_MOST_ANSWER: Final = 65536
#: What a client of HTTP/2 says first: the preface, and SETTINGS without any.
_GREETING: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"
#: The head of a frame: three bytes of length, type, flags, four of stream.
_FRAME_HEAD: Final = 9
_SETTINGS: Final = 4
#: How an answer of TLS to what is no TLS begins.
_ALERT: Final = b"\x15\x03"
#: OpenSSL's numbers for what is wrong with a certificate.
_TOO_EARLY: Final = 9
_TOO_LATE: Final = 10
_OTHER_NAME: Final = frozenset({62, 64})


def tunnel(connected: socket.socket, target: str, credentials: Secret | None) -> None:
    """Asks the proxy behind *connected* for a way to *target*.

    Args:
        connected: To the proxy.
        target: Host and port of the engine.
        credentials: `user:password` for the proxy.

    Raises:
        Error: It refuses, or does not answer.
    """
    lines = [f"CONNECT {target} HTTP/1.1", f"Host: {target}"]
    if credentials is not None:
        word = base64.b64encode(credentials.reveal().encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {word}")
    try:
        request = "\r\n".join([*lines, "", ""]).encode()
        answer = _ask(connected, request, lambda so_far: b"\r\n\r\n" in so_far)
    except TimeoutError as error:
        raise failure(
            f"could not reach {target} through the proxy: it did not answer within {connected.gettimeout():g} s",
            "check whether it is a proxy for HTTP, or except the host by no_proxy",
        ) from error
    status = answer.split(b"\r\n", 1)[0].decode("latin-1")
    _, _, code = status.partition(" ")
    if code.startswith("407"):
        hint = "put user and password into the proxy's address, https_proxy=http://user:password@host:port"
        if credentials is not None:
            hint = "check user and password in the proxy's address"
    else:
        hint = "check the proxy's rules"
    if not code.startswith("200"):
        raise failure(
            f"could not reach {target} through the proxy: it "
            + (f"answered {status!r}" if status else "closed the connection without an answer"),
            f"{hint}, or except the host by no_proxy",
        )


def encrypt(connected: socket.socket, endpoint: Endpoint) -> tuple[ssl.SSLSocket, str]:
    """Returns the socket over TLS, and what is known of it.

    Args:
        connected: To the engine; it belongs to the returned one afterwards.
        endpoint: Says whom to trust, and the expected name.

    Raises:
        Error: The server speaks no TLS, no HTTP/2 over it, or has a certificate that is not trusted.
    """
    context = ssl.create_default_context()
    if endpoint.root_certs is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=endpoint.root_certs.decode("ascii"))
    context.set_alpn_protocols(["h2"])
    try:
        shaken = context.wrap_socket(
            connected, server_hostname=endpoint.server_name or endpoint.host
        )
    except ssl.SSLCertVerificationError as error:
        raise failure(
            f"could not trust the server's certificate: {error.verify_message.rstrip('.')}",
            _certificate_hint(error.verify_code),
        ) from error
    except TimeoutError as error:
        raise failure(
            f"could not agree on TLS: the server did not answer within {connected.gettimeout():g} s",
            "check host and port in the URI; where the server speaks no TLS, put ?tls=disable into it",
        ) from error
    except OSError as error:
        reason = getattr(error, "reason", None) or error.strerror or str(error)
        raise failure(
            f"could not agree on TLS: {reason}",
            "where the server speaks no TLS, put ?tls=disable into the URI",
        ) from error
    if shaken.selected_alpn_protocol() != "h2":
        shaken.close()
        raise failure(
            "could not agree on HTTP/2: the server does not offer it in TLS (ALPN)",
            "check the port in the URI; a proxy that ends TLS has to be told to offer h2",
        )
    certificate: dict[str, Any] = shaken.getpeercert() or {}
    until = certificate.get("notAfter", "an unknown day")
    return shaken, f"{shaken.version()}, certificate until {until}"


def greet(connected: socket.socket) -> None:
    """Raises an error unless what is behind *connected* speaks HTTP/2."""
    try:
        answer = _ask(connected, _GREETING, lambda so_far: len(so_far) >= _FRAME_HEAD)
    except TimeoutError as error:
        raise failure(
            f"could not agree on HTTP/2: the server accepts connections and says nothing within "
            f"{connected.gettimeout():g} s",
            "check host and port in the URI, and whether the engine hangs",
        ) from error
    except OSError:
        answer = b""  # closed, which is told below
    if len(answer) >= _FRAME_HEAD and answer[3] == _SETTINGS:
        return
    is_plain = not isinstance(connected, ssl.SSLSocket)
    if answer.startswith((b"HTTP/", b"<")):  # with a status, or with a page alone
        cause, hint = "a web server answers, by HTTP/1", "check host and port in the URI"
    elif is_plain and answer.startswith(_ALERT):
        cause, hint = "the server expects TLS", "put ?tls=require into the URI"
    elif not answer:
        cause, hint = "the server closed the connection", "check the port in the URI"
        if is_plain:
            hint += "; where the server expects TLS, put ?tls=require into it"
    else:
        cause, hint = "the server speaks something else", "check the port in the URI"
    raise failure(f"could not agree on HTTP/2: {cause}", hint)


def _ask(connected: socket.socket, request: bytes, is_whole: Callable[[bytes], bool]) -> bytes:
    """Returns what is answered to *request*, until that is whole, or too much, or the other side closes."""
    connected.sendall(request)
    answer = b""
    while not is_whole(answer) and len(answer) < _MOST_ANSWER:
        part = connected.recv(4096)
        if not part:
            break
        answer += part
    return answer


def failure(text: str, hint: str | None) -> Error:
    """Returns the error for a way that is blocked."""
    return errors.make(Status.IO, text, hint=hint)


def _certificate_hint(code: int) -> str:
    if code in _OTHER_NAME:
        return "give the name that the certificate has as tls_server_name, or the right host in the URI"
    if code == _TOO_LATE:
        return "the server needs a new one; where its day is right, set this machine's clock"
    if code == _TOO_EARLY:
        return "set this machine's clock, or the server's"
    return "give its authority's certificates as tls_root_certs"
