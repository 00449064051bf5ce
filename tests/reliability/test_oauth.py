"""OAuth against an engine and an issuer that agree: tokens that end, and those who notice."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import trustme

import e6data_adbc
from checks.issuer import CLIENT_ID, Issuer
from checks.reliability.scenarios import Figures, ask, attempt, in_threads
from e6data_adbc import DatabaseOptions
from e6data_adbc.local import LocalEngine

pytestmark = pytest.mark.seconds


@pytest.fixture
def engine() -> Iterator[LocalEngine]:
    """An engine without a password that anybody here uses."""
    with LocalEngine(chunk_rows=100) as running:
        yield running


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who vouches for the issuer."""
    return trustme.CA()


@pytest.fixture
def issuer(engine: LocalEngine, authority: trustme.CA, canaries: Any) -> Iterator[Issuer]:
    """The engine's issuer."""
    secret = canaries.plant("the client secret") + secrets.token_hex(4) + " +%/"
    with Issuer(engine, authority, secret) as running:
        running.secret = secret  # type: ignore[attr-defined]
        yield running


@pytest.fixture
def connect(
    engine: LocalEngine, issuer: Any, authority: trustme.CA
) -> Iterator[Callable[..., Any]]:
    """Opens connections that sign in with client credentials."""
    opened = []

    def open_connection(**changed: str) -> Any:
        options = {
            DatabaseOptions.OAUTH_TOKEN_URL.value: issuer.url,
            DatabaseOptions.OAUTH_CLIENT_ID.value: CLIENT_ID,
            DatabaseOptions.OAUTH_CLIENT_SECRET.value: issuer.secret,
            DatabaseOptions.TLS_ROOT_CERTS.value: authority.cert_pem.bytes().decode(),
        }
        uri = f"e6data://{engine.target}/sample/sales"
        opened.append(e6data_adbc.connect(uri, db_kwargs={**options, **changed}))
        return opened[-1]

    yield open_connection
    for connection in opened:
        connection.close()


@pytest.mark.parametrize("how", ["basic", "post"])
def test_client_credentials_need_no_session(
    engine: LocalEngine, issuer: Issuer, connect: Callable[..., Any], how: str
) -> None:
    """One token serves many queries, the engine sees no authenticate, and 16 threads ask for it once."""
    connection = connect(**{DatabaseOptions.OAUTH_CLIENT_AUTH.value: how})

    def work(index: int, figures: Figures) -> None:
        attempt(connection, index, figures)

    figures = in_threads(16, work)

    assert (figures.errors, figures.right) == ([], 16)
    assert issuer.grants == 1
    assert engine.ledger.calls["authenticate"] == 0


def test_a_token_that_ended_is_renewed_once(
    engine: LocalEngine, issuer: Issuer, connect: Callable[..., Any]
) -> None:
    """The engine refuses it before its time; all threads go on, with one new token."""
    connection = connect()
    ask(connection, 0)
    assert engine.expire_bearers() == 1

    def work(index: int, figures: Figures) -> None:
        attempt(connection, index, figures)

    figures = in_threads(16, work)

    assert (figures.errors, figures.right) == ([], 16)
    assert issuer.grants == 2


def test_a_token_is_renewed_before_it_ends(
    engine: LocalEngine, authority: trustme.CA, issuer: Any, connect: Callable[..., Any]
) -> None:
    """Tokens that live for less than the 60 s before which they are renewed serve one statement after the other."""
    issuer._seconds = 30
    connection = connect()
    for number in range(3):
        ask(connection, number)

    assert 1 <= issuer.grants <= 20
    assert not [refusal for refusal in engine.ledger.refused if "denied" in refusal[2]]


def test_a_wrong_secret_is_said_and_not_shown(
    issuer: Issuer, connect: Callable[..., Any], canaries: Any
) -> None:
    """The issuer's refusal is not repeated."""
    wrong = canaries.plant("the wrong secret")
    with canaries.raises(e6data_adbc.Error, match="UNAUTHENTICATED"):
        ask(connect(**{DatabaseOptions.OAUTH_CLIENT_SECRET.value: wrong}), 0)

    assert issuer.grants == 1
