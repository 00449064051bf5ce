"""Token requests through an HTTP proxy: which variables count, what the proxy sees, what its refusals become."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
import trustme

from checks.token_server import TokenServer
from e6data_adbc import errors
from e6data_adbc._session.login.oauth import ClientCredentials, TokenEndpoint
from e6data_adbc._transport.proxies import Proxy, https_proxy_of
from e6data_adbc.options import Secret
from tests.support.connect_proxy import ConnectProxy

pytestmark = pytest.mark.seconds

HOST = "tokens.test"
VARIABLES = ("grpc_proxy", "https_proxy", "HTTPS_PROXY", "http_proxy", "no_proxy", "NO_PROXY")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture(autouse=True)
def _no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server(authority: trustme.CA) -> Iterator[TokenServer]:
    with TokenServer(authority, name=HOST) as running:
        yield running


def endpoint(authority: trustme.CA) -> TokenEndpoint:
    """An endpoint of a host that only a proxy finds."""
    credentials = ClientCredentials(
        token_url=f"https://{HOST}/token",
        client_id="client",
        client_secret=Secret("secret"),
        root_certs=authority.cert_pem.bytes(),
    )
    return TokenEndpoint(credentials, pause=lambda seconds: None)


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY"])
@pytest.mark.parametrize("user", ["", "me:pass%40word@"])
def test_a_token_comes_through_the_proxy(
    authority: trustme.CA,
    server: TokenServer,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    user: str,
) -> None:
    """The proxy is asked for the endpoint by name; its user and password are its own, and TLS goes through it."""
    with contextlib.closing(ConnectProxy("200 OK", f"127.0.0.1:{server.port}")) as proxy:
        monkeypatch.setenv(variable, f"http://{user}{proxy.address}")

        grant = endpoint(authority).ask()

    assert grant.token == Secret("t-1")
    assert proxy.asked == [f"CONNECT {HOST}:443 HTTP/1.1"]
    assert proxy.signed == [bool(user)]
    assert "proxy-authorization" not in server.requests[0].headers


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "403 Forbidden"])
def test_a_proxy_that_refuses_is_named_and_final(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    """It is asked once; neither its password nor the client's secret is in the error."""
    with contextlib.closing(ConnectProxy(status)) as proxy:
        monkeypatch.setenv("https_proxy", f"http://me:hidden@{proxy.address}")
        with pytest.raises(errors.Error, match=f"answers {status[:3]}") as caught:
            endpoint(authority).ask()

    assert len(proxy.asked) == 1
    assert proxy.address in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert "no_proxy" in str(caught.value)


def test_a_proxy_that_cannot_reach_the_host_is_asked_again(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    """502 may be over at the next try."""
    with contextlib.closing(ConnectProxy("502 Bad Gateway")) as proxy:
        monkeypatch.setenv("https_proxy", f"http://{proxy.address}")
        with pytest.raises(errors.OperationalError, match="answers 502"):
            endpoint(authority).ask()

    assert len(proxy.asked) == 4


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"https_proxy": "http://p:3128"}, Proxy("p", 3128)),
        ({"HTTPS_PROXY": "http://p"}, Proxy("p", 80)),
        ({"https_proxy": "http://u:%3A@[::1]:1"}, Proxy("::1", 1, Secret("u::"))),
        ({"https_proxy": "", "HTTPS_PROXY": "http://p:1"}, None),
        ({"grpc_proxy": "http://p:1", "http_proxy": "http://p:1"}, None),
        ({"https_proxy": "socks5://p:1"}, None),
        ({"https_proxy": "http://p:1", "no_proxy": ".test"}, None),
        ({"https_proxy": "http://p:1", "NO_PROXY": "*"}, None),
        ({"https_proxy": "http://p:1", "no_grpc_proxy": HOST}, Proxy("p", 1)),
    ],
)
def test_which_variables_count(environment: dict[str, str], expected: Proxy | None) -> None:
    """Those of HTTPS do, those of gRPC and of plain HTTP do not."""
    assert https_proxy_of(HOST, environment) == expected


def test_a_proxy_shows_no_password() -> None:
    """Neither its address nor its representation does."""
    proxy = Proxy("p", 1, Secret("u:hidden"))

    assert "hidden" not in f"{proxy!r} {proxy.address}"
