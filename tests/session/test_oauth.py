"""The OAuth client credentials grant: what is asked over HTTPS, and which answers are a token."""

from __future__ import annotations

import base64
import dataclasses
import json
import urllib.parse
from typing import Any

import pytest

from checks.token_server import Answer, TokenServer, granted
from e6data_adbc import errors
from e6data_adbc.options import ClientAuth, Secret
from tests.support.token_client import Client, refused

pytestmark = pytest.mark.seconds
#: Characters that a URL, a form or the ':' of basic authentication would take for something else.
ODD = "a:b c&d=e%f+g/hü✓"


# The request
@pytest.mark.parametrize(("name", "secret"), [("client", "secret"), (ODD, ODD), ("%3A", "a:b")])
def test_basic_authentication_encodes_both_parts(
    token_client: Client, issuer: TokenServer, name: str, secret: str
) -> None:
    """Id and secret are form-encoded before ':' joins them, so that the server finds both again."""
    endpoint = token_client.endpoint(issuer.url, client_id=name, client_secret=Secret(secret))

    grant = endpoint.ask()

    (request,) = issuer.requests
    kind, _, encoded = request.headers["authorization"].partition(" ")
    parts = base64.b64decode(encoded).decode("ascii").split(":")
    assert grant.token == Secret("t-1")
    assert grant.lifetime == 900
    assert kind == "Basic"
    assert [urllib.parse.unquote_plus(part) for part in parts] == [name, secret]
    assert request.body == "grant_type=client_credentials"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["host"] == f"127.0.0.1:{issuer.port}"


def test_post_authentication_puts_both_parts_in_the_form(
    token_client: Client, issuer: TokenServer
) -> None:
    """With `post` there is no authorization header; any character survives the form."""
    token_client.endpoint(
        issuer.url,
        client_id=ODD,
        client_secret=Secret(ODD),
        scope="a b",
        client_auth=ClientAuth.POST,
    ).ask()

    (request,) = issuer.requests
    assert "authorization" not in request.headers
    assert urllib.parse.parse_qs(request.body, strict_parsing=True) == {
        "grant_type": ["client_credentials"],
        "scope": ["a b"],
        "client_id": [ODD],
        "client_secret": [ODD],
    }


def test_the_query_of_the_address_is_sent(token_client: Client, issuer: TokenServer) -> None:
    """Some issuers name the tenant in the query."""
    token_client.endpoint(issuer.url + "?tenant=a%20b").ask()

    assert issuer.requests[0].path == "/token?tenant=a%20b"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1/token", "https://"),
        ("http://localhost/token", "https://"),
        ("ftp://h/", "https://"),
        ("host/token", "https://"),
        ("", "blanks"),
        ("https://user@h/", "user information"),
        ("https://user:pass@h/", "user information"),
        ("https://@h/", "user information"),
        ("https://h/#x", "fragment"),
        ("https://h/#", "fragment"),
        ("https:///token", "no host"),
        ("https://:443/", "no host"),
        ("https://h:0/", "no host"),
        ("https://h:70000/", "malformed"),
        ("https://h:x/", "malformed"),
        ("https://[::1/", "malformed"),
        ("https://h/a b", "blanks"),
        ("https://h/a\r\nx: y", "blanks"),
        ("https://h\t/", "blanks"),
        ("https://hü/", "ASCII"),
    ],
)
def test_only_plain_https_addresses_are_used(token_client: Client, url: str, words: str) -> None:
    """Nothing is sent without TLS, not even to this machine; the address is not quoted, since it may hold a secret."""
    with pytest.raises(errors.ProgrammingError, match=words) as caught:
        token_client.endpoint(url)

    assert "oauth_token_url" in str(caught.value)
    assert "pass" not in str(caught.value)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"client_id": ""}, "oauth_client_id': it is empty"),
        ({"client_secret": Secret("")}, "oauth_client_secret': it is empty"),
        ({"client_secret": Secret("\ud800")}, "oauth_client_secret': it is not text"),
        ({"client_id": "\udfff"}, "oauth_client_id': it is not text"),
        ({"scope": "\ud800"}, "oauth_scope': it is not text"),
        ({"root_certs": b"no PEM"}, "certificates"),
        ({"root_certs": b"\xff"}, "certificates"),
    ],
)
def test_unfit_credentials_are_refused_before_any_call(
    token_client: Client, changed: dict[str, Any], words: str
) -> None:
    """What no request can carry is found when the database is opened."""
    with pytest.raises(errors.ProgrammingError, match=words):
        token_client.endpoint("https://h/", **changed)


def test_this_machine_is_reached_without_a_proxy(
    token_client: Client, issuer: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret for this machine does not leave it, whatever the environment says."""
    for name in ("https_proxy", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")

    assert token_client.endpoint(issuer.url).ask().token == Secret("t-1")


# The answer
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(token_client: Client, issuer: TokenServer, status: int) -> None:
    """A redirect is an error: whoever can send one must not get the secret sent elsewhere."""
    issuer.answers = [Answer(status, headers={"location": "/elsewhere"})]

    error = refused(token_client.endpoint(issuer.url), f"redirects with {status}")

    assert error.status_code == errors.Status.IO
    assert [request.path for request in issuer.requests] == ["/token"]


@pytest.mark.parametrize("has_length", [True, False])
def test_answers_up_to_64_kib_are_read(
    token_client: Client, issuer: TokenServer, has_length: bool
) -> None:
    """An answer of 64 KiB is taken and one byte more refused, whether or not its length is announced."""
    spare = 65536 - len(granted(x="").body)
    whole, more = granted(x="x" * spare), granted(x="x" * (spare + 1))
    issuer.answers = [
        dataclasses.replace(whole, has_length=has_length),
        dataclasses.replace(more, has_length=has_length),
    ]
    assert len(whole.body) == 65536

    assert token_client.endpoint(issuer.url).ask().token == Secret("t-1")
    error = refused(token_client.endpoint(issuer.url), "larger than 65536 bytes")
    assert error.status_code == errors.Status.INVALID_DATA


@pytest.mark.parametrize(
    "raw",
    [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"],
)
def test_an_endless_answer_is_cut(token_client: Client, issuer: TokenServer, raw: bytes) -> None:
    """A server that sends for ever is left after 64 KiB."""
    issuer.answers = [Answer(raw=raw, drip=b"1000\r\n" + b"x" * 4096 + b"\r\n")]

    refused(token_client.endpoint(issuer.url), "larger than")


def test_endless_headers_are_cut(token_client: Client, issuer: TokenServer) -> None:
    """So is one that never comes to the end of its headers."""
    issuer.answers = [Answer(raw=b"HTTP/1.1 200 OK\r\n", drip=b"x: " + b"y" * 60000 + b"\r\n")]

    refused(token_client.endpoint(issuer.url), "larger than")


def test_a_chunked_answer_is_read(token_client: Client, issuer: TokenServer) -> None:
    """Length or chunks: HTTP has both."""
    body = granted("t-9").body
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (body[:10], body[10:])) + b"0\r\n\r\n"
    issuer.answers = [Answer(raw=b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunks)]

    assert token_client.endpoint(issuer.url).ask().token == Secret("t-9")


@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER"])
def test_the_token_type_is_bearer_in_any_case(
    token_client: Client, issuer: TokenServer, kind: str
) -> None:
    """RFC 6749 compares the type without regard to case."""
    issuer.answers = [granted(token_type=kind)]

    assert token_client.endpoint(issuer.url).ask().token == Secret("t-1")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"access_token": None}, "'access_token' is not a string"),
        ({"access_token": 5}, "'access_token' is not a string"),
        ({"access_token": ""}, "'access_token': it is empty"),
        ({"access_token": "a b"}, "visible ASCII"),
        ({"access_token": "a\r\nx: y"}, "visible ASCII"),
        ({"access_token": "tök"}, "visible ASCII"),
        ({"access_token": "x" * 8193}, "longer"),
        ({"token_type": None}, "'token_type'"),
        ({"token_type": "mac"}, "'token_type'"),
        ({"token_type": 1}, "'token_type'"),
        ({"expires_in": None}, "'expires_in'"),
        ({"expires_in": 0}, "'expires_in'"),
        ({"expires_in": -1}, "'expires_in'"),
        ({"expires_in": "900"}, "'expires_in'"),
        ({"expires_in": 900.5}, "'expires_in'"),
        ({"expires_in": True}, "'expires_in'"),
        ({"expires_in": float("inf")}, "'expires_in'"),
    ],
)
def test_an_unusable_grant_is_an_error(
    token_client: Client, issuer: TokenServer, changed: dict[str, Any], words: str
) -> None:
    """Token, type and life are checked one by one, and the fault is named."""
    issuer.answers = [granted(**changed)]

    error = refused(token_client.endpoint(issuer.url), words)

    assert error.status_code == errors.Status.INVALID_DATA
    assert len(issuer.requests) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not JSON",
        b"[]",
        b'"text"',
        b"null",
        b"{}",
        b'{"access_token": "t-1"',
        b"\xff\xfe",
        b"[" * 60000,
        b'{"expires_in": ' + b"9" * 5000 + b"}",
    ],
)
def test_what_is_not_a_json_object_is_an_error(
    token_client: Client, issuer: TokenServer, body: bytes
) -> None:
    """No body makes anything but a clear error: not JSON, another JSON value, nested without end, no UTF-8."""
    issuer.answers = [Answer(body=body)]

    assert (
        refused(token_client.endpoint(issuer.url), "JSON").status_code == errors.Status.INVALID_DATA
    )


def test_a_life_without_end_is_taken_at_a_year(token_client: Client, issuer: TokenServer) -> None:
    """A number of any size is a life, and none breaks the clock."""
    issuer.answers = [granted(expires_in=10**400)]

    assert token_client.endpoint(issuer.url).ask().lifetime == 2**25


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nff\r\n{",
    ],
)
def test_a_broken_answer_is_an_error(token_client: Client, issuer: TokenServer, raw: bytes) -> None:
    """What ends early or is not HTTP is refused at once: the request has been sent, so it is not sent again."""
    issuer.answers = [Answer(raw=raw)]

    refused(token_client.endpoint(issuer.url), "broke|not HTTP|JSON")
    assert len(issuer.requests) == 1


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            {"error": "invalid_client", "error_description": "Unknown client"},
            r"401: invalid_client - Unknown client \(",
        ),
        ({"error": "invalid_scope"}, r"401: invalid_scope \("),
        ({"error": "a\nb", "error_description": 5}, r"401 \("),
        ({}, r"401 \("),
    ],
)
def test_a_refusal_says_why(
    token_client: Client, issuer: TokenServer, answer: dict[str, Any], words: str
) -> None:
    """The issuer's error code and words are passed on where they are text, with the options to check."""
    issuer.answers = [Answer(401, json.dumps(answer).encode())]

    error = refused(token_client.endpoint(issuer.url), words)

    assert (error.status_code, error.sqlstate) == (errors.Status.UNAUTHENTICATED, "28000")
    assert "oauth_client_auth" in str(error)
