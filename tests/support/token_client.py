"""A client of a token endpoint, on a clock that only pauses move."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import trustme

from e6data_adbc import errors
from e6data_adbc._session.login.oauth import ClientCredentials, Limits, TokenEndpoint
from e6data_adbc.options import Secret


class Clock:
    """Time that only pauses move; remembers them."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def __call__(self) -> float:
        return self.now

    def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds


@dataclasses.dataclass
class Client:
    """Makes endpoints that trust *authority* and draw the longest pauses."""

    authority: trustme.CA
    clock: Clock = dataclasses.field(default_factory=Clock)

    def credentials(self, url: str, **changed: Any) -> ClientCredentials:
        given = {
            "token_url": url,
            "client_id": "client",
            "client_secret": Secret("secret"),
            "root_certs": self.authority.cert_pem.bytes(),
        }
        return ClientCredentials(**{**given, **changed})

    def endpoint(self, url: str, **changed: Any) -> TokenEndpoint:
        """An endpoint on the stopped clock."""
        return TokenEndpoint(
            self.credentials(url, **changed),
            clock=self.clock,
            pause=self.clock.pause,
            jitter=lambda low, high: high,
        )

    def hurried(self, url: str, seconds: float = 0.1) -> TokenEndpoint:
        """An endpoint on the real clock with a short limit for one try, and a total of three."""
        return TokenEndpoint(
            self.credentials(url), limits=Limits(seconds, 3 * seconds), pause=lambda s: None
        )


def refused(endpoint: TokenEndpoint, words: str) -> errors.Error:
    with pytest.raises(errors.Error, match=words) as caught:
        endpoint.ask()
    return caught.value
