"""The ways in which a call is refused, in the engine's own codes and words."""

from __future__ import annotations

from typing import Final

__all__ = [
    "ACCESS_DENIED",
    "CANCELLED",
    "Overtaken",
    "Refusal",
    "access_denied",
    "not_implemented",
    "rate_limited",
    "sql_error",
    "suspended",
    "wrong_strategy",
]

#: Texts that clients recognise, so not a character of them may change.
ACCESS_DENIED: Final = "Access denied"
WRONG_STRATEGY: Final = "status: 456"
SUSPENDED: Final = "status: 503, cluster is suspended"
CANCELLED: Final = "Query cancelled"


class Refusal(Exception):  # noqa: N818 - it is an answer, not a defect
    """A call that ends with a gRPC status; *code* is the name of the status.

    *pushback_seconds* tells the client how long to wait before it tries again.
    """

    def __init__(self, code: str, details: str, *, pushback_seconds: float | None = None) -> None:
        super().__init__(details)
        self.code = code
        self.details = details
        self.pushback_seconds = pushback_seconds


class Overtaken(Refusal):
    """A call that had an effect already when the engine ended what it was about: no refusal, but a broken call."""

    def __init__(self, query_id: str) -> None:
        super().__init__("UNAVAILABLE", f"the engine ended query {query_id} while it ran")


def access_denied() -> Refusal:
    """Returns the refusal of a call without a valid session."""
    return Refusal("INTERNAL", ACCESS_DENIED)


def wrong_strategy() -> Refusal:
    """Returns the refusal of a call that carries the other colour."""
    return Refusal("UNKNOWN", WRONG_STRATEGY)


def suspended() -> Refusal:
    """Returns the refusal of every engine call while the cluster is suspended."""
    return Refusal("UNAVAILABLE", SUSPENDED)


def rate_limited(seconds: float) -> Refusal:
    """Returns the refusal of a call that comes *seconds* too early."""
    return Refusal("RESOURCE_EXHAUSTED", "rate limit exceeded", pushback_seconds=seconds)


def sql_error(text: str) -> Refusal:
    """Returns the refusal of a call because of the SQL text or its execution."""
    return Refusal("INTERNAL", text)


def not_implemented(method: str, why: str = "is not implemented by the local engine") -> Refusal:
    """Returns the refusal of a method that the local engine does not play."""
    return Refusal("UNIMPLEMENTED", f"{method} {why}")
