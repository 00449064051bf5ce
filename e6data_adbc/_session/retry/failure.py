"""How a call failed: the few cases that repeating it depends on."""

from __future__ import annotations

import enum
import re
from typing import Final

__all__ = ["Failure", "classify", "classify_http"]


class Failure(enum.Enum):
    """How a call failed; the value says it in the documentation."""

    UNSENT = "unsent"
    UNAVAILABLE = "unavailable"
    DEADLINE = "deadline passed"
    EXHAUSTED = "rate limit"
    #: In the words of the edge, which stands before the engine.
    EDGE_REFUSED = "token refused at the edge"
    #: In any other words: no telling who says it, nor when.
    UNAUTHENTICATED = "unauthenticated"
    ACCESS_DENIED = "session unknown"
    FORBIDDEN = "not allowed"
    WRONG_COLOUR = "456"
    SUSPENDED = "503 (suspended)"
    NOT_FOUND = "not found"
    #: The connection or a peer on the way ended the call: no telling what the engine did.
    LOST = "reply lost"
    #: A status that says nothing.
    UNKNOWN = "unknown status"
    #: The engine, or our own library, answered: asking again gives the same answer.
    ANSWERED = "an answer"
    #: The caller ended it.
    CANCELLED = "cancelled"


_BY_SIGNAL: Final = {
    # What gRPC says by itself has codes that servers use as well, so the text decides.
    "BROKEN": Failure.LOST,
    "CUT_REQUEST": Failure.LOST,
    "GATEWAY": Failure.UNAVAILABLE,
    "GATEWAY_REFUSED": Failure.ANSWERED,
    # It ran, and would give the same again.
    "UNREADABLE": Failure.UNKNOWN,
    "WRONG_STRATEGY": Failure.WRONG_COLOUR,
    "SUSPENDED": Failure.SUSPENDED,
    "ACCESS_DENIED": Failure.ACCESS_DENIED,
    "UNKNOWN_QUERY": Failure.NOT_FOUND,
}
_BY_CODE: Final = {
    "UNAVAILABLE": Failure.UNAVAILABLE,
    "DEADLINE_EXCEEDED": Failure.DEADLINE,
    "RESOURCE_EXHAUSTED": Failure.EXHAUSTED,
    "UNAUTHENTICATED": Failure.UNAUTHENTICATED,
    "PERMISSION_DENIED": Failure.FORBIDDEN,
    "NOT_FOUND": Failure.NOT_FOUND,
    "CANCELLED": Failure.LOST,
    "ABORTED": Failure.LOST,
    "DATA_LOSS": Failure.LOST,
    "UNKNOWN": Failure.UNKNOWN,
}
#: What the edge says of a token; it passes nothing on then.
_AT_THE_EDGE: Final = re.compile(r"(OAuth )?authentication denied")
#: A stream that was cut, in gRPC's words; `signals` has all of them.
_CUT: Final = re.compile(r"(?s)(Received RST_STREAM with error code \d+|Stream removed)\b.*")
#: A message over a limit, ours or the server's: it did not go out, or was refused.
_TOO_LARGE: Final = re.compile(r"((CLIENT|SERVER): )?(Received|Sent) message larger than max\b.*")


def classify(
    code: str,
    text: str = "",
    *,
    signal: str | None = None,
    is_sent: bool = True,
    is_cancelled: bool = False,
) -> Failure:
    """Returns how a gRPC call failed.

    Args:
        code: The name of the status code.
        text: The details.
        signal: The name of the `calls.Signal` in them, if there is one.
        is_sent: False if the channel was not ready, so that nothing left.
        is_cancelled: Whether the caller cancelled.
    """
    if is_cancelled:
        return Failure.CANCELLED
    if not is_sent:
        return Failure.UNSENT
    if signal in _BY_SIGNAL:
        return _BY_SIGNAL[signal]
    if code == "INTERNAL" and _CUT.fullmatch(text):
        return Failure.LOST
    if code == "RESOURCE_EXHAUSTED" and _TOO_LARGE.fullmatch(text):
        return Failure.ANSWERED
    if code == "UNAUTHENTICATED" and _AT_THE_EDGE.fullmatch(text):
        return Failure.EDGE_REFUSED
    return _BY_CODE.get(code, Failure.ANSWERED)


def classify_http(status: int | None) -> Failure:
    """Returns how a request to the token endpoint failed; *status* is None if there was no connection."""
    if status is None:
        return Failure.UNSENT
    if status == 429:
        return Failure.EXHAUSTED
    return Failure.UNAVAILABLE if status >= 500 else Failure.ANSWERED
