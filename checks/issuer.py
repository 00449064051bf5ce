"""An OAuth 2.0 issuer for a local engine: client credentials over HTTPS, tokens that the engine accepts."""

from __future__ import annotations

import base64
import urllib.parse

import trustme

from checks.token_server import Answer, Request, TokenServer, granted
from e6data_adbc.local import LocalEngine

__all__ = ["Issuer"]

CLIENT_ID = "the-client"


class Issuer(TokenServer):
    """Grants bearers of *engine* that live for *seconds* to one client; *secret* is its secret."""

    def __init__(
        self, engine: LocalEngine, authority: trustme.CA, secret: str, *, seconds: int = 900
    ) -> None:
        super().__init__(authority)
        self._engine = engine
        self._secret = secret
        self._seconds = seconds

    @property
    def grants(self) -> int:
        """How many tokens were asked for."""
        return len(self.requests)

    def next_answer(self, request: Request) -> Answer:
        self.requests.append(request)
        form = dict(urllib.parse.parse_qsl(request.body))
        if form.get("grant_type") != "client_credentials":
            return Answer(400, b'{"error": "unsupported_grant_type"}')
        if _credentials(request, form) != (CLIENT_ID, self._secret):
            return Answer(401, b'{"error": "invalid_client"}')
        return granted(self._engine.issue_bearer(self._seconds), expires_in=self._seconds)


def _credentials(request: Request, form: dict[str, str]) -> tuple[str, str]:
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme != "Basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    name, _, secret = base64.b64decode(encoded).decode().partition(":")
    return urllib.parse.unquote_plus(name), urllib.parse.unquote_plus(secret)
