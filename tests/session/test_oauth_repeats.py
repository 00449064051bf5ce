"""A token endpoint that is busy, slow or away is asked again, within bounds."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest
import trustme

from checks.token_server import Answer, TokenServer, granted
from e6data_adbc import errors
from e6data_adbc._session.login import https
from e6data_adbc.options import Secret
from tests.support.token_client import Client, refused

pytestmark = pytest.mark.seconds


# Trying again
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_busy_and_failing_servers_are_asked_again(
    token_client: Client, issuer: TokenServer, status: int
) -> None:
    """429 and 5xx pass; the pauses grow, and the token comes in the end."""
    issuer.answers = [Answer(status), Answer(status), granted()]

    assert token_client.endpoint(issuer.url).ask().token == Secret("t-1")
    assert token_client.clock.pauses == [0.1, 0.2]


def test_four_tries_are_all(token_client: Client, issuer: TokenServer) -> None:
    """A server that stays ill is asked four times, and the error says so."""
    issuer.answers = [Answer(503)]

    error = refused(token_client.endpoint(issuer.url), "after 4 tries: it answers 503")

    assert len(issuer.requests) == 4
    assert error.status_code == errors.Status.IO


def test_retry_after_is_kept(token_client: Client, issuer: TokenServer) -> None:
    """A server may name the pause, as long as it fits the 20 s; a date counts as nothing."""
    issuer.answers = [
        Answer(429, headers={"retry-after": "7"}),
        Answer(429, headers={"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        Answer(429, headers={"retry-after": "13"}),
    ]

    refused(token_client.endpoint(issuer.url), "after 3 tries: it answers 429")
    assert token_client.clock.pauses == [7.0, 0.2]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 201, 204, 302])
def test_other_answers_are_final(token_client: Client, issuer: TokenServer, status: int) -> None:
    """Wrong credentials and wrong addresses are not tried twice."""
    issuer.answers = [Answer(status)]

    refused(token_client.endpoint(issuer.url), str(status))
    assert len(issuer.requests) == 1
    assert token_client.clock.pauses == []


def test_a_server_that_is_not_there_is_tried_again(
    token_client: Client, issuer_authority: trustme.CA
) -> None:
    """A refused connection was not used, so it is tried anew; the server may be starting."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    endpoint = token_client.endpoint(f"https://127.0.0.1:{port}/token")

    error = refused(endpoint, "after 4 tries: .*refused")
    with TokenServer(issuer_authority, port=port):
        grant = endpoint.ask()

    assert error.status_code == errors.Status.IO
    assert grant.token == Secret("t-1")


def test_a_name_that_does_not_resolve_is_tried_again(
    token_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Name servers fail for a moment; the resolver's own words are passed on."""

    def fail(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    refused(token_client.endpoint("https://issuer.test/"), "after 4 tries: .*name resolution")


def test_the_next_address_of_a_name_is_tried(
    token_client: Client, issuer: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name with a silent address and a living one is reached in one try: each gets its share of the time."""
    silent, living = ("192.0.2.1", 443), ("127.0.0.1", issuer.port)
    waited: list[float | None] = []

    class Socket(socket.socket):
        def connect(self, address: Any) -> None:
            waited.append(self.gettimeout())
            if address == silent:
                raise TimeoutError("timed out")
            super().connect(address)

    found = [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in (silent, living)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket, "socket", Socket)

    token_client.endpoint(issuer.url).ask()

    assert waited == [5.0, 10.0]
    assert token_client.clock.pauses == []


def test_the_time_of_all_tries_is_bounded(token_client: Client, issuer: TokenServer) -> None:
    """After 20 s there is no further try, however many are left."""
    issuer.answers = [Answer(503, headers={"retry-after": "9"})]

    refused(token_client.endpoint(issuer.url), "after 3 tries")
    assert token_client.clock.now == 18.0


@pytest.mark.parametrize(
    "answer",
    [
        Answer(raw=b"", stalls=True),
        Answer(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n{", stalls=True),
        Answer(raw=b"HTTP/1.1 200 OK\r\nx: ", drip=b"y"),
        Answer(raw=b"HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n", drip=b" "),
    ],
    ids=["silent", "half an answer", "dripping header", "dripping body"],
)
def test_a_slow_answer_ends_at_its_limit(
    token_client: Client, issuer: TokenServer, answer: Answer
) -> None:
    """One try ends at its limit even if bytes keep coming, and is not repeated: the request arrived."""
    issuer.answers = [answer]

    error = refused(token_client.hurried(issuer.url), "not whole in time")

    assert error.status_code == errors.Status.TIMEOUT
    assert len(issuer.requests) == 1


def test_a_silent_handshake_ends_at_its_limit(token_client: Client) -> None:
    """A port that accepts and says nothing costs the limits and no more: nothing was sent, so it is tried again."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        endpoint = token_client.hurried(f"https://127.0.0.1:{mute.getsockname()[1]}/")

        refused(endpoint, r"after \d tries: the connection did not stand in time")


# TLS
def test_an_unknown_authority_is_named_and_final(token_client: Client, issuer: TokenServer) -> None:
    """Another certificate authority than the trusted one ends it, before anything is sent."""
    other = Client(trustme.CA(key_type=trustme.KeyType.ECDSA))

    error = refused(other.endpoint(issuer.url), "TLS failed: the certificate is refused")

    assert "tls_root_certs" in str(error)
    assert (other.clock.pauses, issuer.requests) == ([], [])


def test_another_host_is_named_and_final(
    token_client: Client, issuer_authority: trustme.CA
) -> None:
    """The certificate has to be that of the host in the address."""
    with TokenServer(issuer_authority, name="other.example.com") as issuer:
        refused(token_client.endpoint(issuer.url), "TLS failed: the certificate is refused")

        assert issuer.requests == []


def test_a_server_without_tls_is_named_and_final(token_client: Client) -> None:
    """A plain server behind an https address gets nothing."""
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def answer() -> None:
            connection, _ = plain.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        refused(token_client.endpoint(f"https://127.0.0.1:{plain.getsockname()[1]}/"), "TLS failed")
        thread.join()


def test_time_that_is_up_is_a_timeout() -> None:
    """A limit that passed before a step begins ends it there."""
    now = iter([1.0, 2.0])
    left = https._Left(2.0, lambda: next(now))

    assert left.seconds() == 1.0
    with pytest.raises(TimeoutError):
        left.seconds()
