"""What a failed call says by its status code and its whole text: the words of the engine, and those of gRPC itself.

gRPC gives the caller a status even where no server sent one: the connection broke, a proxy answered in HTTP, the answer
could not be read. Code and text are all that tells such a status from a server's (grpcio 1.66 to 1.85: the error string
for debugging names a peer where none spoke, and the trailing metadata are empty either way). The texts below were seen
with the versions that stand beside them; `tests/transport/test_signals.py` provokes each with the installed one.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Collection
from typing import Final

from e6data_adbc._transport.api import Code

__all__ = ["Signal", "http_status", "is_goaway", "signal_of"]


class Signal(enum.Enum):
    """What a failed call says by its code and its whole text together."""

    #: There is no connection, so the call never left: the words are gRPC's own.
    UNREACHABLE = "unreachable"
    #: Connection or stream ended before the status came, or what came is not gRPC: no telling what the server did.
    BROKEN = "broken"
    #: The answer came and is larger than we take: the server has done what it was asked to.
    UNREADABLE = "unreadable"
    #: The server ended the call since the request ended in its midst: it did nothing.
    CUT_REQUEST = "cut request"
    #: Something on the way answered in HTTP, as if the server were away.
    GATEWAY = "gateway"
    #: The same, and it will answer so again.
    GATEWAY_REFUSED = "gateway refused"
    WRONG_STRATEGY = "wrong strategy"
    SUSPENDED = "suspended"
    ACCESS_DENIED = "access denied"
    QUERY_CANCELLED = "query cancelled"
    UNIMPLEMENTED = "unimplemented"
    UNKNOWN_QUERY = "unknown query"


_HTTP: Final = r"Received http2 header with status: "
#: What grpcio 1.85 puts before its reasons when the answer comes while the request is being written.
_UNFINISHED: Final = r"Error in HTTP transport completing operation: "
_PAGE: Final = re.compile(_HTTP + r"\d+")
_C = Code
#: The others say what they say in such words, too: gone, or our own deadline passed.
_BROKEN: Final = frozenset(_C) - {_C.UNAVAILABLE, _C.DEADLINE_EXCEEDED}

# Exact texts: an engine message may quote anything, "status: 4567" included. The first that fits counts.
_SIGNALS: Final[tuple[tuple[Collection[Code], re.Pattern[str], Signal], ...]] = tuple(
    (codes, re.compile(text, re.DOTALL), meaning)
    for codes, text, meaning in (
        # ---- gRPC's own
        (
            {_C.UNAVAILABLE},
            r"(failed to connect to all addresses|errors resolving |DNS resolution failed).*",
            Signal.UNREACHABLE,
        ),
        # 1.66 to 1.76 without, 1.85 with what stands around it.
        (
            {_C.RESOURCE_EXHAUSTED},
            r"(Stream removed \()?(CLIENT: )?Received message larger than max\b.*",
            Signal.UNREADABLE,
        ),
        # 1.85 says why in brackets, older ones say nothing more; or, in 1.66 to 1.76, only why.
        (_BROKEN, r"Stream removed( \(.*\))?", Signal.BROKEN),
        (_BROKEN, r"Received RST_STREAM with error code \d+", Signal.BROKEN),
        (_BROKEN, _UNFINISHED + r".*", Signal.BROKEN),
        ({_C.INTERNAL, _C.UNKNOWN}, r"Trying to connect an http1\.x server\b.*", Signal.BROKEN),
        # The status that is missing from trailers (all versions).
        ({_C.UNKNOWN}, r"No status received", Signal.BROKEN),
        # Trailers of a call that may have succeeded (all versions). A server that says it of our metadata names the
        # path (grpcio 1.85, by chance between 8 and 16 KiB), and has refused the call.
        (
            {_C.RESOURCE_EXHAUSTED},
            r"received (initial |trailing )?metadata size exceeds (?!.*:path:).*",
            Signal.BROKEN,
        ),
        # A compressed message where there is no compression (1.85), or that does not unpack (1.85; 1.66 to 1.76).
        (
            {_C.INTERNAL},
            (
                r"Compression bit set but no encoding configured|Decompression failed\b.*"
                r"|Unexpected error decompressing data\b.*"
            ),
            Signal.BROKEN,
        ),
        # A proxy's refusal of what was sent, before it sent that on.
        ({_C.UNKNOWN}, _HTTP + r"4(13|14|31)", Signal.GATEWAY_REFUSED),
        # Of a gateway's sign-in these have the right code.
        (set(_C) - {_C.UNAUTHENTICATED, _C.PERMISSION_DENIED}, _HTTP + r"\d+", Signal.GATEWAY),
        # ---- servers of several kinds
        # grpcio 1.85, which was run; grpc-java and tonic, by their sources.
        ({_C.UNIMPLEMENTED}, r".* requires exactly one request message\.", Signal.CUT_REQUEST),
        (
            {_C.INTERNAL},
            (
                r"Half-closed without a request|Encountered end-of-stream mid-frame"
                r"|Missing request message\.|Unexpected EOF decoding stream\.?"
            ),
            Signal.CUT_REQUEST,
        ),
        # ---- the engine
        ({_C.UNKNOWN}, r"status: 456", Signal.WRONG_STRATEGY),
        ({_C.UNAVAILABLE}, r"status: 503(,.*)?", Signal.SUSPENDED),
        ({_C.INTERNAL}, r"Access denied", Signal.ACCESS_DENIED),
        ({_C.INTERNAL}, r".*Query cancelled.*", Signal.QUERY_CANCELLED),
        ({_C.UNIMPLEMENTED}, r".*", Signal.UNIMPLEMENTED),
        ({_C.NOT_FOUND}, r".*", Signal.UNKNOWN_QUERY),
    )
)
_GOAWAY: Final = re.compile(r"(Stream removed \()?GOAWAY received\b")


def signal_of(code: Code, text: str) -> Signal | None:
    """Returns what *code* and *text* together say, or None."""
    known = _page_in(text)
    for codes, pattern, meaning in _SIGNALS:
        if code in codes and pattern.fullmatch(known):
            return meaning
    return None


def http_status(text: str) -> str | None:
    """Returns the HTTP status that *text* of gRPC's names, or None where it is another text."""
    page = _page_in(text)
    status = page.removeprefix(_HTTP)
    return status if status != page and status.isdigit() else None


def _page_in(text: str) -> str:
    """Returns gRPC's words for an HTTP status where they are the reason in *text*, or else *text*."""
    found = _PAGE.search(text) if text.startswith(_UNFINISHED) else None
    return text if found is None else found[0]


def is_goaway(code: Code, text: str) -> bool:
    """Tells whether the call failed as its connection was taking no new ones, which says nothing of it having left."""
    return code is _C.UNAVAILABLE and _GOAWAY.match(text) is not None
