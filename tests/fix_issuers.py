"""An issuer of tokens with its certificate authority, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import trustme

from checks.token_server import TokenServer
from tests.support.token_client import Client


@pytest.fixture(scope="module")
def issuer_authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
def issuer(issuer_authority: trustme.CA) -> Iterator[TokenServer]:
    with TokenServer(issuer_authority) as running:
        yield running


@pytest.fixture
def token_client(issuer_authority: trustme.CA) -> Client:
    return Client(issuer_authority)
