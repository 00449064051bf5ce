"""One POST over TLS to a server that is not the engine, within a deadline: no redirect, a small answer."""

from __future__ import annotations

import base64
import dataclasses
import enum
import http.client
import io
import re
import socket
import ssl
import time
import urllib.parse
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

from e6data_adbc._transport.proxies import Proxy
from e6data_adbc.options import Secret

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Failure", "HttpsError", "Reply", "Url", "make_context", "post"]

#: The status line and the headers count too, so a server cannot dribble headers for ever.
_MAX_HEAD: Final = 64 * 1024
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] ([0-9]{3})(?: |\r)")
_URL_TEXT: Final = re.compile(r"[!-~]+")


class Failure(enum.Enum):
    """How a POST failed."""

    UNREACHABLE = "unreachable"  # nothing was sent
    PROXY = "proxy"  # it lets nobody through; nothing was sent, and trying again does not help
    TLS = "tls"  # nothing was sent, and trying again does not help
    TIMEOUT = "timeout"
    BROKEN = "broken"  # the answer ended early or is not HTTP
    TOO_LARGE = "too large"


class HttpsError(Exception):
    """A POST failed: how, and in which words. Made anew, since the frames of the true cause hold request and answer."""

    def __init__(self, failure: Failure, text: str) -> None:
        super().__init__(text)
        self.failure = failure


@dataclasses.dataclass(frozen=True)
class Url:
    """An `https` address.

    Attributes:
        host: Without brackets.
        port: TCP port.
        target: Path and query, as the request line has them.
    """

    host: str
    port: int
    target: str

    @staticmethod
    def parse(text: str) -> Url:
        """Returns the parts of *text*.

        Raises:
            ValueError: It is not an https URL, or has more than host, port, path and query. The text of the error does
                not quote it.
        """
        if not _URL_TEXT.fullmatch(text):  # urlsplit drops tabs and line breaks silently
            raise ValueError("it has blanks or characters beyond ASCII")
        try:
            parts = urllib.parse.urlsplit(text)
            port = parts.port
        except ValueError:
            raise ValueError("its host or port is malformed") from None
        if parts.scheme != "https":
            raise ValueError("it does not start with https://")
        if "@" in parts.netloc:
            raise ValueError("it has user information")
        if "#" in text:
            raise ValueError("it has a fragment")
        if not parts.hostname or port == 0:
            raise ValueError("it names no host and port to connect to")
        query = f"?{parts.query}" if parts.query else ""
        return Url(parts.hostname, port or 443, f"{parts.path or '/'}{query}")

    @property
    def authority(self) -> str:
        """Host and port, as the `Host` header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == 443 else f"{host}:{self.port}"


class Reply:
    """What a server answered. The body may be secret: no `repr` or `vars()` shows it.

    Attributes:
        status: The HTTP status.
        retry_after: Seconds after which the server wants to be asked again; 0 if it did not say.
        body: At most the limit's bytes.
    """

    __slots__ = ("body", "retry_after", "status")

    def __init__(self, status: int, retry_after: float, body: bytes) -> None:
        self.status = status
        self.retry_after = retry_after
        self.body = body

    def __repr__(self) -> str:
        return f"Reply({self.status})"


def make_context(root_certs: bytes | None) -> ssl.SSLContext:
    """Returns the settings of TLS: version 1.2 or later, certificate and host name checked.

    Args:
        root_certs: PEM text to trust instead of the system's certificates.

    Raises:
        ValueError: *root_certs* is not PEM text.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if root_certs is None:
        context.load_default_certs()
        return context
    try:
        context.load_verify_locations(cadata=root_certs.decode("ascii"))
    except ssl.SSLError as cause:
        raise ValueError(str(cause)) from None
    return context


def post(  # noqa: PLR0913 - each is one thing about one request
    url: Url,
    headers: Secret,
    body: Secret,
    context: ssl.SSLContext,
    *,
    deadline: float,
    max_bytes: int,
    proxy: Proxy | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Reply:
    """Returns the answer to one POST, whatever its status.

    Args:
        url: Where to.
        headers: Header lines, each with its line end, without those of the host, the length and the connection.
        body: ASCII text.
        context: The settings of TLS.
        deadline: When *clock* shows this, it is over.
        max_bytes: The largest body to accept.
        proxy: Leads to the server; it sees the server's name, and nothing of what is sent.
        clock: Seconds since any moment.

    Raises:
        HttpsError: There is no whole answer.
    """
    left = _Left(deadline, clock)
    stream = _connect(url, context, left, proxy)
    with stream:
        reply: Reply | HttpsError = _exchange(stream, url, headers, body, left, max_bytes)
    if isinstance(reply, HttpsError):
        raise reply
    return reply


@dataclasses.dataclass(frozen=True)
class _Left:
    """The time that is left."""

    deadline: float
    clock: Callable[[], float]

    def seconds(self) -> float:
        left = self.deadline - self.clock()
        if left <= 0:
            raise TimeoutError
        return left


def _connect(url: Url, context: ssl.SSLContext, left: _Left, proxy: Proxy | None) -> ssl.SSLSocket:
    try:
        return _handshake(url, context, left, proxy)
    except HttpsError as refusal:
        failure = refusal.failure, str(refusal)
    except ssl.SSLCertVerificationError as cause:
        failure = Failure.TLS, f"TLS failed: the certificate is refused: {cause.verify_message}"
    except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
        failure = Failure.UNREACHABLE, "the server closed the connection before TLS stood"
    except ssl.SSLError as cause:
        failure = Failure.TLS, f"TLS failed: {cause.reason or cause}"
    except TimeoutError:
        failure = Failure.UNREACHABLE, "the connection did not stand in time"
    except (OSError, UnicodeError) as cause:  # UnicodeError: a host name that IDNA refuses
        failure = Failure.UNREACHABLE, f"{cause}"
    kind, text = failure
    if proxy is not None and kind is not Failure.PROXY:
        text += f"; the connection goes through the proxy {proxy.address!r} of the environment"
    raise HttpsError(kind, text)


def _handshake(
    url: Url, context: ssl.SSLContext, left: _Left, proxy: Proxy | None
) -> ssl.SSLSocket:
    failure: OSError = OSError("the host has no address")
    host, port = (url.host, url.port) if proxy is None else (proxy.host, proxy.port)
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    for index, (family, kind, protocol, _, address) in enumerate(found):
        raw = socket.socket(family, kind, protocol)
        try:
            raw.settimeout(
                left.seconds() / (len(found) - index)
            )  # a dead address leaves time for the next
            raw.connect(address)
        except OSError as cause:
            raw.close()
            failure = cause
            continue
        try:
            if proxy is not None:
                _pass_through(raw, url, proxy, left)
            raw.settimeout(left.seconds())
            return context.wrap_socket(raw, server_hostname=url.host)
        finally:
            raw.close()  # nothing is left of it once TLS has taken it over
    raise failure


def _pass_through(raw: socket.socket, url: Url, proxy: Proxy, left: _Left) -> None:
    """Has *proxy* connect *raw* to the host of *url*.

    Raises:
        HttpsError: It does not.
        OSError: The connection broke, or the time is up.
    """
    host = f"[{url.host}]" if ":" in url.host else url.host
    request = f"CONNECT {host}:{url.port} HTTP/1.1\r\nHost: {host}:{url.port}\r\n"
    if proxy.credentials is not None:
        encoded = base64.b64encode(proxy.credentials.reveal().encode()).decode("ascii")
        request += f"Proxy-Authorization: Basic {encoded}\r\n"
    raw.settimeout(left.seconds())
    raw.sendall(f"{request}\r\n".encode("ascii"))
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        raw.settimeout(left.seconds())
        # A byte at a time: what follows belongs to TLS.
        part = raw.recv(1)
        answer += part
        if not part or len(answer) > _MAX_HEAD:
            raise HttpsError(
                Failure.UNREACHABLE, f"the proxy {proxy.address!r} gives no answer of HTTP"
            )
    status = _STATUS_LINE.match(answer)
    code = int(status[1]) if status else 0
    if not 200 <= code < 300:
        failure = Failure.PROXY if 400 <= code < 500 else Failure.UNREACHABLE
        raise HttpsError(
            failure, f"the proxy {proxy.address!r} of the environment answers {code or 'no HTTP'}"
        )


def _exchange(
    stream: ssl.SSLSocket, url: Url, headers: Secret, body: Secret, left: _Left, max_bytes: int
) -> Reply | HttpsError:
    try:
        stream.settimeout(left.seconds())
        stream.sendall(
            f"POST {url.target} HTTP/1.1\r\nHost: {url.authority}\r\n{headers.reveal()}"
            f"Content-Length: {len(body.reveal())}\r\nConnection: close\r\n\r\n{body.reveal()}".encode(
                "ascii"
            )
        )
        source = _Incoming(stream, left, max_bytes + _MAX_HEAD)
        answer = http.client.HTTPResponse(cast("socket.socket", source), method="POST")
        with answer:
            answer.begin()
            reply = Reply(
                answer.status, _seconds(answer.getheader("retry-after")), answer.read(max_bytes + 1)
            )
    except TimeoutError:
        return HttpsError(Failure.TIMEOUT, "the answer was not whole in time")
    except _TooLarge:
        return HttpsError(Failure.TOO_LARGE, f"the answer is larger than {max_bytes} bytes")
    except (http.client.HTTPException, ValueError) as cause:
        return HttpsError(Failure.BROKEN, f"the answer is not HTTP: {type(cause).__name__}")
    except OSError as cause:
        return HttpsError(Failure.BROKEN, f"the connection broke: {cause}")
    if len(reply.body) > max_bytes:
        return HttpsError(Failure.TOO_LARGE, f"the answer is larger than {max_bytes} bytes")
    return reply


def _seconds(text: str | None) -> float:
    """Returns the number of a `Retry-After` header; a date counts as nothing."""
    return float(text) if text is not None and re.fullmatch(r"[0-9]{1,9}", text.strip()) else 0.0


class _TooLarge(Exception):  # noqa: N818 - does not leave this module
    """More bytes came than an answer may have."""


class _Incoming(io.RawIOBase):
    """What the server sends, as a file: every read ends by the deadline, which the socket's own timeout does not do."""

    def __init__(self, stream: ssl.SSLSocket, left: _Left, max_bytes: int) -> None:
        self._stream = stream
        self._left = left
        self._bytes_left = max_bytes

    def makefile(self, mode: str) -> io.BufferedReader:  # noqa: ARG002 - what `http.client` asks of a socket
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._stream.settimeout(self._left.seconds())
        count = self._stream.recv_into(buffer)
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise _TooLarge
        return count
