"""The bearer tokens that the engine accepts."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable

__all__ = ["Bearers"]


class Bearers:
    """Accepted bearer tokens with the time at which each ends; any thread may call."""

    def __init__(
        self,
        token: str | None,
        check: Callable[[str], bool] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Accepts *token*, and what *check* says yes to; without either no bearer, until one is issued."""
        self._clock = clock
        self._lock = threading.Lock()
        #: Decides about tokens that were not accepted by name.
        self.check = check
        self._known: dict[str, float] = {}
        self._expected = False
        if token is not None:
            self.accept(token)

    @property
    def are_expected(self) -> bool:
        """True if the engine does OAuth at all; once it did, it goes on when every token has ended."""
        return self._expected or self.check is not None

    def accept(self, token: str, seconds: float = float("inf")) -> None:
        """Accepts *token* for *seconds* from now on."""
        with self._lock:
            self._expected = True
            self._known[token] = self._clock() + seconds

    def issue(self, seconds: float = float("inf")) -> str:
        """Returns a fresh token that is accepted for *seconds*."""
        token = secrets.token_urlsafe(32)
        self.accept(token, seconds)
        return token

    def expire(self) -> int:
        """Ends every token that was accepted by name; returns how many there were."""
        with self._lock:
            count = len(self._known)
            self._known.clear()
        return count

    def admits(self, token: str) -> bool:
        """Tells whether *token* is accepted now; compares in constant time per token."""
        now, given, found = self._clock(), token.encode(), False
        with self._lock:
            self._known = {known: end for known, end in self._known.items() if end > now}
            for known in self._known:
                found |= hmac.compare_digest(known.encode(), given)
        return found or (self.check is not None and self.check(token))
