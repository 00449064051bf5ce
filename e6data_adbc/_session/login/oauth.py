"""The OAuth 2.0 client credentials grant (RFC 6749, section 4.4): what is asked and what is accepted."""

from __future__ import annotations

import base64
import dataclasses
import json
import random
import re
import time
import urllib.parse
from collections.abc import Callable
from typing import Any, Final

from e6data_adbc import errors
from e6data_adbc._session.login import https
from e6data_adbc._session.login.https import Failure, HttpsError, Reply, Url
from e6data_adbc._session.login.renewed_token import MAX_LIFETIME_SECONDS, Grant, token_problem
from e6data_adbc._transport.proxies import Proxy, https_proxy_of
from e6data_adbc.options import ClientAuth, DatabaseOptions, Secret

__all__ = ["ClientCredentials", "Limits", "TokenEndpoint"]

#: The largest answer of a token endpoint; the public connector has the same limit.
_MAX_ANSWER: Final = 64 * 1024
_MAX_TRIES: Final = 4
#: Full jitter: a pause is drawn from 0 to this, doubled with each try.
_FIRST_PAUSE_SECONDS: Final = 0.1
_MAX_PAUSE_SECONDS: Final = 5.0
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
_PRINTABLE: Final = re.compile(r"[ -~]{1,300}")


@dataclasses.dataclass(frozen=True)
class ClientCredentials:
    """What a token is asked for with; equal ones share one token in a process.

    Attributes:
        token_url: An https address.
        client_id: Who asks.
        client_secret: The proof.
        scope: What for, or None to leave that to the endpoint.
        client_auth: Where id and secret stand in the request.
        root_certs: PEM text to trust instead of the system's certificates.
    """

    token_url: str
    client_id: str
    client_secret: Secret
    scope: str | None = None
    client_auth: ClientAuth = ClientAuth.BASIC
    root_certs: bytes | None = None

    def form(self) -> str:
        """Returns the body of the request; it holds the secret if that is not in the header."""
        if self.client_auth is ClientAuth.POST:
            return f"{self._grant()}&client_id={_encoded(self.client_id)}&client_secret={self._secret()}"
        return self._grant()

    def header_lines(self) -> str:
        """Returns the headers of the request; they hold the secret if it is not in the body."""
        lines = (
            "Content-Type: application/x-www-form-urlencoded\r\n"
            "Accept: application/json\r\nAccept-Encoding: identity\r\nUser-Agent: e6data-adbc\r\n"
        )
        return f"{lines}Authorization: Basic {self._basic()}\r\n" if self._is_basic else lines

    def is_quoted_in(self, text: str) -> bool:
        """Tells whether *text* gives the secret away."""
        spellings = (self.client_secret.reveal(), self._secret(), self._basic())
        return any(spelling in text for spelling in spellings)

    @property
    def _is_basic(self) -> bool:
        return self.client_auth is ClientAuth.BASIC

    def _grant(self) -> str:
        scope = f"&scope={_encoded(self.scope)}" if self.scope else ""
        return f"grant_type=client_credentials{scope}"

    def _secret(self) -> str:
        return _encoded(self.client_secret.reveal())

    def _basic(self) -> str:
        # Both parts are form-encoded first (RFC 6749, section 2.3.1), so a ':' in them does no harm.
        return base64.b64encode(
            f"{_encoded(self.client_id)}:{self._secret()}".encode("ascii")
        ).decode("ascii")


@dataclasses.dataclass(frozen=True)
class Limits:
    """How long a token endpoint is waited for, in seconds."""

    one_try: float = 10.0
    total: float = 20.0


@dataclasses.dataclass(frozen=True)
class _Refusal:
    """Why one try brought no token."""

    cause: str
    status: errors.Status = errors.Status.IO
    hint: str | None = None
    is_temporary: bool = False
    pause: float = 0.0


class TokenEndpoint:
    """A token endpoint and what it is asked with; `ask` is for any thread."""

    def __init__(
        self,
        credentials: ClientCredentials,
        *,
        limits: Limits = Limits(),
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
        jitter: Callable[[float, float], float] = random.uniform,
        proxy_of: Callable[[str], Proxy | None] = https_proxy_of,
    ) -> None:
        """Makes the endpoint without connecting to it.

        Args:
            credentials: What to ask with.
            limits: How long to wait.
            clock: Seconds since any moment.
            pause: Waits that many seconds.
            jitter: Draws a number between two.
            proxy_of: Returns the proxy that leads to a host, if one does.

        Raises:
            ProgrammingError: *credentials* cannot be used.
        """
        self._credentials = credentials
        self._limits = limits
        self._clock = clock
        self._pause = pause
        self._jitter = jitter
        self._proxy_of = proxy_of
        self._url = _url(credentials)
        self._where = f"{self._url.authority}{self._url.target.partition('?')[0]}"
        try:
            self._context = https.make_context(credentials.root_certs)
        except ValueError as cause:
            raise errors.make(
                errors.Status.INVALID_ARGUMENT,
                f"could not read the certificates of {DatabaseOptions.TLS_ROOT_CERTS.value!r}: {cause}",
            ) from cause

    def ask(self) -> Grant:
        """Returns a new token. Tries again when the endpoint cannot be reached, is busy (429) or fails (5xx).

        Raises:
            ProgrammingError: The endpoint refuses (UNAUTHENTICATED).
            OperationalError: It cannot be reached, or not in time.
            DataError: Its answer has no token that can be used.
        """
        deadline = self._clock() + self._limits.total
        tries = 1
        while True:
            outcome = self._try(deadline)
            if isinstance(outcome, Grant):
                return outcome
            longest = min(_FIRST_PAUSE_SECONDS * 2 ** (tries - 1), _MAX_PAUSE_SECONDS)
            pause = max(outcome.pause, self._jitter(0.0, longest))
            if not outcome.is_temporary or tries == _MAX_TRIES or self._clock() + pause >= deadline:
                break
            self._pause(pause)
            tries += 1
        after = f" after {tries} tries" if tries > 1 else ""
        raise errors.make(
            outcome.status,
            f"could not get an access token from {self._where!r}{after}: {outcome.cause}",
            hint=outcome.hint,
            sqlstate="28000" if outcome.status is errors.Status.UNAUTHENTICATED else None,
        )

    def _try(self, deadline: float) -> Grant | _Refusal:
        try:
            reply = https.post(
                self._url,
                Secret(self._credentials.header_lines()),
                Secret(self._credentials.form()),
                self._context,
                deadline=min(deadline, self._clock() + self._limits.one_try),
                max_bytes=_MAX_ANSWER,
                proxy=self._proxy_of(self._url.host),
                clock=self._clock,
            )
        except HttpsError as error:
            return _unanswered(error)
        if reply.status == 200:
            return _grant(reply)
        return self._refused(reply)

    def _refused(self, reply: Reply) -> _Refusal:
        status = reply.status
        if status == 429 or status >= 500:
            return _Refusal(f"it answers {status}", is_temporary=True, pause=reply.retry_after)
        if 300 <= status < 400:
            return _Refusal(
                f"it redirects with {status}, which is not followed",
                hint=f"set {_key('oauth_token_url')!r} to the final address",
            )
        if status in {400, 401, 403}:
            return _Refusal(
                f"it refuses with {status}{self._explanation(reply)}",
                errors.Status.UNAUTHENTICATED,
                f"check client id, secret and scope, and whether it takes {_key('oauth_client_auth')!r} 'basic' or"
                " 'post'",
            )
        return _Refusal(f"it answers {status}", hint=f"check {_key('oauth_token_url')!r}")

    def _explanation(self, reply: Reply) -> str:
        """Returns what a refusal says by RFC 6749, section 5.2, as far as it is text and does not quote the secret."""
        payload = _json_object(reply)
        texts = [payload.get("error"), payload.get("error_description")]
        shown = [
            text
            for text in texts
            if isinstance(text, str)
            and _PRINTABLE.fullmatch(text)
            and not self._credentials.is_quoted_in(text)
        ]
        return f": {' - '.join(shown)}" if shown else ""


def _key(name: str) -> str:
    return f"adbc.e6data.auth.{name}"


def _encoded(text: str) -> str:
    return urllib.parse.quote_plus(text)


def _url(credentials: ClientCredentials) -> Url:
    """Returns the address to ask, once everything is found to be fit for a request."""
    parts = {
        "oauth_client_id": Secret(credentials.client_id),
        "oauth_client_secret": credentials.client_secret,
        "oauth_scope": Secret(credentials.scope or "-"),
    }
    for name, text in parts.items():
        if not text.reveal() or _SURROGATE.search(text.reveal()):
            problem = "it is not text that UTF-8 can carry" if text.reveal() else "it is empty"
            raise _unusable(name, problem)
    try:
        return Url.parse(credentials.token_url)
    except ValueError as cause:
        raise _unusable("oauth_token_url", str(cause)) from None


def _unusable(name: str, problem: str) -> errors.Error:
    return errors.make(
        errors.Status.INVALID_ARGUMENT, f"could not use the option {_key(name)!r}: {problem}"
    )


def _unanswered(error: HttpsError) -> _Refusal:
    match error.failure:
        case Failure.UNREACHABLE:
            return _Refusal(str(error), is_temporary=True)
        case Failure.TIMEOUT:
            return _Refusal(str(error), errors.Status.TIMEOUT)
        case Failure.PROXY:
            return _Refusal(
                str(error),
                hint="check user, password and rights at the proxy of https_proxy, or name the host in no_proxy",
            )
        case Failure.TLS:
            hint = f"check {_key('oauth_token_url')!r} and {DatabaseOptions.TLS_ROOT_CERTS.value!r}"
            return _Refusal(str(error), hint=hint)
        case Failure.TOO_LARGE:
            return _Refusal(str(error), errors.Status.INVALID_DATA)
        case Failure.BROKEN:
            return _Refusal(str(error))


# What an answer holds is secret, and `json` puts the whole text into its exceptions: these three raise nothing.


def _json_object(reply: Reply) -> dict[str, Any]:  # Any: JSON
    try:
        payload = json.loads(reply.body.decode("utf-8"))
    except (ValueError, RecursionError):
        return {}
    return payload if isinstance(payload, dict) else {}


def _grant(reply: Reply) -> Grant | _Refusal:
    """Returns the token of a positive answer (RFC 6749, section 5.1), or what is wrong with it."""
    payload = _json_object(reply)
    problem = _answer_problem(payload)
    if problem is not None:
        return _Refusal(f"its answer is unusable: {problem}", errors.Status.INVALID_DATA)
    lifetime = min(payload["expires_in"], MAX_LIFETIME_SECONDS)
    return Grant(Secret(payload["access_token"]), float(lifetime))


def _answer_problem(payload: dict[str, Any]) -> str | None:
    if not payload:
        return "it is not a JSON object with members"
    token, kind, life = (payload.get(name) for name in ("access_token", "token_type", "expires_in"))
    if not isinstance(token, str):
        return "'access_token' is not a string"
    problem = token_problem(Secret(token))
    if problem is not None:
        return f"'access_token': {problem}"
    if not isinstance(kind, str) or kind.lower() != "bearer":
        return "'token_type' is not 'bearer'"
    if type(life) is not int or life <= 0:
        return "'expires_in' is not a positive integer"
    return None
