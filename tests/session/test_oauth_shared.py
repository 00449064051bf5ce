"""Databases of equal settings share one token, and no failure shows a secret."""

from __future__ import annotations

import dataclasses
import json
import threading
import urllib.parse
from typing import Any

import pytest

from checks.token_server import Answer, TokenServer, granted
from e6data_adbc import errors
from e6data_adbc._session.login import https
from e6data_adbc._session.login.oauth import Limits, TokenEndpoint
from e6data_adbc._session.login.shared_tokens import SharedTokens
from e6data_adbc.options import ClientAuth, Secret
from tests.session.waits import Waits, in_threads
from tests.support.canary import Canaries
from tests.support.token_client import Client

pytestmark = pytest.mark.seconds


# Sharing
def test_equal_configurations_share_one_token(token_client: Client, issuer: TokenServer) -> None:
    """32 threads with databases of their own, opened alike, make one request."""
    shared = SharedTokens()
    issuer.answers = [granted("t-1"), granted("t-2")]
    barrier = threading.Barrier(32)

    def open_and_use() -> str:
        token = shared.get(token_client.credentials(issuer.url))
        barrier.wait(10)
        found = token.bearer(Waits(), 10).reveal()
        barrier.wait(10)
        return found

    assert in_threads(32, open_and_use) == ["t-1"] * 32
    assert len(issuer.requests) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "other"},
        {"client_secret": Secret("other")},
        {"scope": "other"},
        {"client_auth": ClientAuth.POST},
        {"token_url": "https://127.0.0.1/other"},
        {"root_certs": None},
    ],
)
def test_different_configurations_share_nothing(
    token_client: Client, changed: dict[str, Any]
) -> None:
    """Who asks differently gets a token of his own."""
    shared = SharedTokens()
    one = shared.get(token_client.credentials("https://127.0.0.1/token"))
    other = shared.get(
        dataclasses.replace(token_client.credentials("https://127.0.0.1/token"), **changed)
    )

    assert one is not other
    assert one is shared.get(token_client.credentials("https://127.0.0.1/token"))


def test_a_token_goes_with_its_last_user(token_client: Client) -> None:
    """The process keeps no secret of a database that is gone."""
    shared = SharedTokens()
    one = shared.get(token_client.credentials("https://127.0.0.1/token"))
    assert len(shared) == 1

    del one
    assert len(shared) == 0


def test_a_forked_child_has_tokens_of_its_own(
    token_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child does not wait for the parent's requests or locks."""
    shared = SharedTokens()
    parents = shared.get(token_client.credentials("https://127.0.0.1/token"))
    monkeypatch.setattr("os.getpid", lambda: -1)

    assert shared.get(token_client.credentials("https://127.0.0.1/token")) is not parents


# Secrets
_SPOILT = [
    ("refused", lambda s, t: [Answer(401, json.dumps({"error": s, "error_description": s}).encode())]),
    ("refused, encoded", lambda s, t: [
        Answer(400, json.dumps({"error_description": urllib.parse.quote_plus(s)}).encode())
    ]),
    ("bad type", lambda s, t: [granted(t, token_type="mac")]),
    ("bad life", lambda s, t: [granted(t, expires_in=0)]),
    ("bad token", lambda s, t: [granted(t + " ")]),
    ("cut JSON", lambda s, t: [Answer(body=granted(t).body[:-1])]),
    ("too large", lambda s, t: [Answer(body=granted(t, x="x" * 70000).body)]),
    ("redirect", lambda s, t: [Answer(302, headers={"location": f"https://h/?{s}"})]),
    ("failing", lambda s, t: [Answer(500, s.encode())]),
    ("not HTTP", lambda s, t: [Answer(raw=t.encode() + b"\r\n\r\n")]),
    ("half a chunk", lambda s, t: [
        Answer(raw=b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\n" + t.encode())
    ]),
    ("half a body", lambda s, t: [
        Answer(
            raw=b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\n" + t.encode(), stalls=True
        )
    ]),
]  # fmt: skip


@pytest.mark.parametrize("way", ClientAuth)
@pytest.mark.parametrize("spoilt", [make for _, make in _SPOILT], ids=[name for name, _ in _SPOILT])
def test_no_failure_shows_a_secret(
    token_client: Client,
    issuer: TokenServer,
    canaries: Canaries,
    spoilt: Any,
    way: ClientAuth,
) -> None:
    """Neither client secret nor token is in the text, the chain or the locals of an error, whatever the server says."""
    secret = canaries.plant("the client secret") + " ü/"
    canaries.watch("the client secret, odd", secret)
    issuer.answers = spoilt(secret, canaries.plant("the token"))
    credentials = token_client.credentials(
        issuer.url, client_secret=Secret(secret), client_auth=way
    )
    endpoint = TokenEndpoint(credentials, limits=Limits(0.2, 0.3), pause=lambda s: None)

    with canaries.raises(errors.Error):
        endpoint.ask()
    canaries.check(endpoint, credentials)


@pytest.mark.parametrize("url", ["http://h/", "https://h:x/", "https://127.0.0.1:1/"])
def test_no_failure_before_the_answer_shows_a_secret(
    token_client: Client,
    canaries: Canaries,
    url: str,
) -> None:
    """The same where the address is wrong or nobody answers."""
    secret = Secret(canaries.plant("the client secret"))

    with canaries.raises(errors.Error):
        token_client.endpoint(url, client_secret=secret).ask()


def test_an_unfit_secret_is_not_shown(token_client: Client, canaries: Canaries) -> None:
    """A secret that cannot be encoded is refused without its text."""
    secret = Secret(canaries.plant("the client secret") + "\ud800")

    with canaries.raises(errors.ProgrammingError):
        token_client.endpoint("https://h/", client_secret=secret)


def test_a_reply_shows_its_status_alone() -> None:
    """What was answered may hold a token."""
    assert repr(https.Reply(200, 0.0, b"token")) == "Reply(200)"
