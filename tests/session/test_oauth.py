"""The OAuth client credentials grant against a real HTTPS server on loopback."""

from __future__ import annotations

import base64
import dataclasses
import json
import socket
import threading
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest
import trustme

from checks.token_server import Answer, TokenServer, granted
from e6data_adbc import errors
from e6data_adbc._session.login import https
from e6data_adbc._session.login.oauth import ClientCredentials, Limits, TokenEndpoint
from e6data_adbc._session.login.shared_tokens import SharedTokens
from e6data_adbc.options import ClientAuth, Secret
from tests.session.waits import Waits, in_threads
from tests.support.canary import Canaries

pytestmark = pytest.mark.seconds

#: Characters that a URL, a form or the ':' of basic authentication would take for something else.
ODD = "a:b c&d=e%f+g/hü✓"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
def server(authority: trustme.CA) -> Iterator[TokenServer]:
    with TokenServer(authority) as running:
        yield running


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


@pytest.fixture
def client(authority: trustme.CA) -> Client:
    return Client(authority)


def refused(endpoint: TokenEndpoint, words: str) -> errors.Error:
    with pytest.raises(errors.Error, match=words) as caught:
        endpoint.ask()
    return caught.value


# The request


@pytest.mark.parametrize(("name", "secret"), [("client", "secret"), (ODD, ODD), ("%3A", "a:b")])
def test_basic_authentication_encodes_both_parts(
    client: Client, server: TokenServer, name: str, secret: str
) -> None:
    """Id and secret are form-encoded before ':' joins them, so that the server finds both again."""
    endpoint = client.endpoint(server.url, client_id=name, client_secret=Secret(secret))

    grant = endpoint.ask()

    (request,) = server.requests
    kind, _, encoded = request.headers["authorization"].partition(" ")
    parts = base64.b64decode(encoded).decode("ascii").split(":")
    assert grant.token == Secret("t-1")
    assert grant.lifetime == 900
    assert kind == "Basic"
    assert [urllib.parse.unquote_plus(part) for part in parts] == [name, secret]
    assert request.body == "grant_type=client_credentials"
    assert request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert request.headers["host"] == f"127.0.0.1:{server.port}"


def test_post_authentication_puts_both_parts_in_the_form(
    client: Client, server: TokenServer
) -> None:
    """With `post` there is no authorization header; any character survives the form."""
    client.endpoint(
        server.url,
        client_id=ODD,
        client_secret=Secret(ODD),
        scope="a b",
        client_auth=ClientAuth.POST,
    ).ask()

    (request,) = server.requests
    assert "authorization" not in request.headers
    assert urllib.parse.parse_qs(request.body, strict_parsing=True) == {
        "grant_type": ["client_credentials"],
        "scope": ["a b"],
        "client_id": [ODD],
        "client_secret": [ODD],
    }


def test_the_query_of_the_address_is_sent(client: Client, server: TokenServer) -> None:
    """Some issuers name the tenant in the query."""
    client.endpoint(server.url + "?tenant=a%20b").ask()

    assert server.requests[0].path == "/token?tenant=a%20b"


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
def test_only_plain_https_addresses_are_used(client: Client, url: str, words: str) -> None:
    """Nothing is sent without TLS, not even to this machine; the address is not quoted, since it may hold a secret."""
    with pytest.raises(errors.ProgrammingError, match=words) as caught:
        client.endpoint(url)

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
    client: Client, changed: dict[str, Any], words: str
) -> None:
    """What no request can carry is found when the database is opened."""
    with pytest.raises(errors.ProgrammingError, match=words):
        client.endpoint("https://h/", **changed)


def test_this_machine_is_reached_without_a_proxy(
    client: Client, server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret for this machine does not leave it, whatever the environment says."""
    for name in ("https_proxy", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
        monkeypatch.setenv(name.upper(), "http://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")

    assert client.endpoint(server.url).ask().token == Secret("t-1")


# The answer


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(client: Client, server: TokenServer, status: int) -> None:
    """A redirect is an error: whoever can send one must not get the secret sent elsewhere."""
    server.answers = [Answer(status, headers={"location": "/elsewhere"})]

    error = refused(client.endpoint(server.url), f"redirects with {status}")

    assert error.status_code == errors.Status.IO
    assert [request.path for request in server.requests] == ["/token"]


@pytest.mark.parametrize("has_length", [True, False])
def test_answers_up_to_64_kib_are_read(
    client: Client, server: TokenServer, has_length: bool
) -> None:
    """An answer of 64 KiB is taken and one byte more refused, whether or not its length is announced."""
    spare = 65536 - len(granted(x="").body)
    whole, more = granted(x="x" * spare), granted(x="x" * (spare + 1))
    server.answers = [
        dataclasses.replace(whole, has_length=has_length),
        dataclasses.replace(more, has_length=has_length),
    ]
    assert len(whole.body) == 65536

    assert client.endpoint(server.url).ask().token == Secret("t-1")
    error = refused(client.endpoint(server.url), "larger than 65536 bytes")
    assert error.status_code == errors.Status.INVALID_DATA


@pytest.mark.parametrize(
    "raw",
    [b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"],
)
def test_an_endless_answer_is_cut(client: Client, server: TokenServer, raw: bytes) -> None:
    """A server that sends for ever is left after 64 KiB."""
    server.answers = [Answer(raw=raw, drip=b"1000\r\n" + b"x" * 4096 + b"\r\n")]

    refused(client.endpoint(server.url), "larger than")


def test_endless_headers_are_cut(client: Client, server: TokenServer) -> None:
    """So is one that never comes to the end of its headers."""
    server.answers = [Answer(raw=b"HTTP/1.1 200 OK\r\n", drip=b"x: " + b"y" * 60000 + b"\r\n")]

    refused(client.endpoint(server.url), "larger than")


def test_a_chunked_answer_is_read(client: Client, server: TokenServer) -> None:
    """Length or chunks: HTTP has both."""
    body = granted("t-9").body
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in (body[:10], body[10:])) + b"0\r\n\r\n"
    server.answers = [Answer(raw=b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + chunks)]

    assert client.endpoint(server.url).ask().token == Secret("t-9")


@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER"])
def test_the_token_type_is_bearer_in_any_case(
    client: Client, server: TokenServer, kind: str
) -> None:
    """RFC 6749 compares the type without regard to case."""
    server.answers = [granted(token_type=kind)]

    assert client.endpoint(server.url).ask().token == Secret("t-1")


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
    client: Client, server: TokenServer, changed: dict[str, Any], words: str
) -> None:
    """Token, type and life are checked one by one, and the fault is named."""
    server.answers = [granted(**changed)]

    error = refused(client.endpoint(server.url), words)

    assert error.status_code == errors.Status.INVALID_DATA
    assert len(server.requests) == 1


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
    client: Client, server: TokenServer, body: bytes
) -> None:
    """No body makes anything but a clear error: not JSON, another JSON value, nested without end, no UTF-8."""
    server.answers = [Answer(body=body)]

    assert refused(client.endpoint(server.url), "JSON").status_code == errors.Status.INVALID_DATA


def test_a_life_without_end_is_taken_at_a_year(client: Client, server: TokenServer) -> None:
    """A number of any size is a life, and none breaks the clock."""
    server.answers = [granted(expires_in=10**400)]

    assert client.endpoint(server.url).ask().lifetime == 2**25


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
def test_a_broken_answer_is_an_error(client: Client, server: TokenServer, raw: bytes) -> None:
    """What ends early or is not HTTP is refused at once: the request has been sent, so it is not sent again."""
    server.answers = [Answer(raw=raw)]

    refused(client.endpoint(server.url), "broke|not HTTP|JSON")
    assert len(server.requests) == 1


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
    client: Client, server: TokenServer, answer: dict[str, Any], words: str
) -> None:
    """The issuer's error code and words are passed on where they are text, with the options to check."""
    server.answers = [Answer(401, json.dumps(answer).encode())]

    error = refused(client.endpoint(server.url), words)

    assert (error.status_code, error.sqlstate) == (errors.Status.UNAUTHENTICATED, "28000")
    assert "oauth_client_auth" in str(error)


# Trying again


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_busy_and_failing_servers_are_asked_again(
    client: Client, server: TokenServer, status: int
) -> None:
    """429 and 5xx pass; the pauses grow, and the token comes in the end."""
    server.answers = [Answer(status), Answer(status), granted()]

    assert client.endpoint(server.url).ask().token == Secret("t-1")
    assert client.clock.pauses == [0.1, 0.2]


def test_four_tries_are_all(client: Client, server: TokenServer) -> None:
    """A server that stays ill is asked four times, and the error says so."""
    server.answers = [Answer(503)]

    error = refused(client.endpoint(server.url), "after 4 tries: it answers 503")

    assert len(server.requests) == 4
    assert error.status_code == errors.Status.IO


def test_retry_after_is_kept(client: Client, server: TokenServer) -> None:
    """A server may name the pause, as long as it fits the 20 s; a date counts as nothing."""
    server.answers = [
        Answer(429, headers={"retry-after": "7"}),
        Answer(429, headers={"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}),
        Answer(429, headers={"retry-after": "13"}),
    ]

    refused(client.endpoint(server.url), "after 3 tries: it answers 429")
    assert client.clock.pauses == [7.0, 0.2]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 201, 204, 302])
def test_other_answers_are_final(client: Client, server: TokenServer, status: int) -> None:
    """Wrong credentials and wrong addresses are not tried twice."""
    server.answers = [Answer(status)]

    refused(client.endpoint(server.url), str(status))
    assert len(server.requests) == 1
    assert client.clock.pauses == []


def test_a_server_that_is_not_there_is_tried_again(client: Client, authority: trustme.CA) -> None:
    """A refused connection was not used, so it is tried anew; the server may be starting."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    endpoint = client.endpoint(f"https://127.0.0.1:{port}/token")

    error = refused(endpoint, "after 4 tries: .*refused")
    with TokenServer(authority, port=port):
        grant = endpoint.ask()

    assert error.status_code == errors.Status.IO
    assert grant.token == Secret("t-1")


def test_a_name_that_does_not_resolve_is_tried_again(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Name servers fail for a moment; the resolver's own words are passed on."""

    def fail(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)

    refused(client.endpoint("https://issuer.test/"), "after 4 tries: .*name resolution")


def test_the_next_address_of_a_name_is_tried(
    client: Client, server: TokenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name with a silent address and a living one is reached in one try: each gets its share of the time."""
    silent, living = ("192.0.2.1", 443), ("127.0.0.1", server.port)
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

    client.endpoint(server.url).ask()

    assert waited == [5.0, 10.0]
    assert client.clock.pauses == []


def test_the_time_of_all_tries_is_bounded(client: Client, server: TokenServer) -> None:
    """After 20 s there is no further try, however many are left."""
    server.answers = [Answer(503, headers={"retry-after": "9"})]

    refused(client.endpoint(server.url), "after 3 tries")
    assert client.clock.now == 18.0


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
    client: Client, server: TokenServer, answer: Answer
) -> None:
    """One try ends at its limit even if bytes keep coming, and is not repeated: the request arrived."""
    server.answers = [answer]

    error = refused(client.hurried(server.url), "not whole in time")

    assert error.status_code == errors.Status.TIMEOUT
    assert len(server.requests) == 1


def test_a_silent_handshake_ends_at_its_limit(client: Client) -> None:
    """A port that accepts and says nothing costs the limits and no more: nothing was sent, so it is tried again."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        endpoint = client.hurried(f"https://127.0.0.1:{mute.getsockname()[1]}/")

        refused(endpoint, r"after \d tries: the connection did not stand in time")


# TLS


def test_an_unknown_authority_is_named_and_final(client: Client, server: TokenServer) -> None:
    """Another certificate authority than the trusted one ends it, before anything is sent."""
    other = Client(trustme.CA(key_type=trustme.KeyType.ECDSA))

    error = refused(other.endpoint(server.url), "TLS failed: the certificate is refused")

    assert "tls_root_certs" in str(error)
    assert (other.clock.pauses, server.requests) == ([], [])


def test_another_host_is_named_and_final(client: Client, authority: trustme.CA) -> None:
    """The certificate has to be that of the host in the address."""
    with TokenServer(authority, name="other.example.com") as server:
        refused(client.endpoint(server.url), "TLS failed: the certificate is refused")

        assert server.requests == []


def test_a_server_without_tls_is_named_and_final(client: Client) -> None:
    """A plain server behind an https address gets nothing."""
    with socket.create_server(("127.0.0.1", 0)) as plain:

        def answer() -> None:
            connection, _ = plain.accept()
            with connection:
                connection.recv(1024)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        refused(client.endpoint(f"https://127.0.0.1:{plain.getsockname()[1]}/"), "TLS failed")
        thread.join()


# Sharing


def test_equal_configurations_share_one_token(client: Client, server: TokenServer) -> None:
    """32 threads with databases of their own, opened alike, make one request."""
    shared = SharedTokens()
    server.answers = [granted("t-1"), granted("t-2")]
    barrier = threading.Barrier(32)

    def open_and_use() -> str:
        token = shared.get(client.credentials(server.url))
        barrier.wait(10)
        found = token.bearer(Waits(), 10).reveal()
        barrier.wait(10)
        return found

    assert in_threads(32, open_and_use) == ["t-1"] * 32
    assert len(server.requests) == 1


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
def test_different_configurations_share_nothing(client: Client, changed: dict[str, Any]) -> None:
    """Who asks differently gets a token of his own."""
    shared = SharedTokens()
    one = shared.get(client.credentials("https://127.0.0.1/token"))
    other = shared.get(
        dataclasses.replace(client.credentials("https://127.0.0.1/token"), **changed)
    )

    assert one is not other
    assert one is shared.get(client.credentials("https://127.0.0.1/token"))


def test_a_token_goes_with_its_last_user(client: Client) -> None:
    """The process keeps no secret of a database that is gone."""
    shared = SharedTokens()
    one = shared.get(client.credentials("https://127.0.0.1/token"))
    assert len(shared) == 1

    del one
    assert len(shared) == 0


def test_a_forked_child_has_tokens_of_its_own(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A child does not wait for the parent's requests or locks."""
    shared = SharedTokens()
    parents = shared.get(client.credentials("https://127.0.0.1/token"))
    monkeypatch.setattr("os.getpid", lambda: -1)

    assert shared.get(client.credentials("https://127.0.0.1/token")) is not parents


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
    client: Client,
    server: TokenServer,
    canaries: Canaries,
    spoilt: Any,
    way: ClientAuth,
) -> None:
    """Neither client secret nor token is in the text, the chain or the locals of an error, whatever the server says."""
    secret = canaries.plant("the client secret") + " ü/"
    canaries.watch("the client secret, odd", secret)
    server.answers = spoilt(secret, canaries.plant("the token"))
    credentials = client.credentials(server.url, client_secret=Secret(secret), client_auth=way)
    endpoint = TokenEndpoint(credentials, limits=Limits(0.2, 0.3), pause=lambda s: None)

    with canaries.raises(errors.Error):
        endpoint.ask()
    canaries.check(endpoint, credentials)


@pytest.mark.parametrize("url", ["http://h/", "https://h:x/", "https://127.0.0.1:1/"])
def test_no_failure_before_the_answer_shows_a_secret(
    client: Client,
    canaries: Canaries,
    url: str,
) -> None:
    """The same where the address is wrong or nobody answers."""
    secret = Secret(canaries.plant("the client secret"))

    with canaries.raises(errors.Error):
        client.endpoint(url, client_secret=secret).ask()


def test_an_unfit_secret_is_not_shown(client: Client, canaries: Canaries) -> None:
    """A secret that cannot be encoded is refused without its text."""
    secret = Secret(canaries.plant("the client secret") + "\ud800")

    with canaries.raises(errors.ProgrammingError):
        client.endpoint("https://h/", client_secret=secret)


def test_a_reply_shows_its_status_alone() -> None:
    """What was answered may hold a token."""
    assert repr(https.Reply(200, 0.0, b"token")) == "Reply(200)"


def test_time_that_is_up_is_a_timeout() -> None:
    """A limit that passed before a step begins ends it there."""
    now = iter([1.0, 2.0])
    left = https._Left(2.0, lambda: next(now))

    assert left.seconds() == 1.0
    with pytest.raises(TimeoutError):
        left.seconds()
