"""HTTP proxies of the environment: who goes through them, and what is said when they fail."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

import e6data_adbc
from e6data_adbc import errors
from e6data_adbc._options.database_config import Endpoint
from e6data_adbc._options.option_values import Settings
from e6data_adbc._transport import methods
from e6data_adbc._transport.proxies import is_loopback, proxy_of
from e6data_adbc._transport.transport import Transport
from e6data_adbc.local import LocalEngine
from tests.support.calls import call_of, make_scope
from tests.support.canary import Canaries
from tests.support.connect_proxy import ConnectProxy

VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy")
FOREIGN = "engine.invalid"


@pytest.fixture
def forbidding() -> Iterator[ConnectProxy]:
    """A proxy that lets nobody through."""
    proxy = ConnectProxy("403 Forbidden")
    yield proxy
    proxy.close()


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Starts from an environment without proxies."""
    for name in (*VARIABLES, "no_grpc_proxy", "no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    "host",
    [
        *(
            "localhost",
            "LOCALHOST",
            "localhost.",
            "db.localhost",
            "127.0.0.1",
            "127.9.8.7",
            "127.1",
        ),
        *("::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1", "2130706433"),
    ],
)
def test_this_machine_is_known_in_any_spelling(host: str) -> None:
    """No proxy is worth a thought there, whatever the environment says."""
    assert is_loopback(host)
    for name in VARIABLES:
        assert proxy_of(host, {name: "http://proxy.invalid:3128"}) is None


@pytest.mark.parametrize(
    "host", ["engine.example", "localhost.example", "10.0.0.1", "128.0.0.1", "::2", "127.example"]
)
def test_others_are_no_loopback(host: str) -> None:
    """A name that only looks so is another machine's."""
    assert not is_loopback(host)
    assert proxy_of(host, {"https_proxy": "http://p.invalid:1"}) == "p.invalid:1"


@given(st.text(max_size=40))
def test_any_text_is_a_host(host: str) -> None:
    """Nothing is raised, whatever a host or a variable holds."""
    is_loopback(host)
    proxy_of(host, {"https_proxy": host, "no_proxy": host})


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({}, None),
        ({"http_proxy": "http://p.invalid:3128"}, "p.invalid:3128"),
        ({"http_proxy": "http://p.invalid"}, "p.invalid:80"),
        ({"http_proxy": "http://ann:s%40cret@p.invalid:3128/"}, "p.invalid:3128"),
        ({"http_proxy": "http://[::1]:3128"}, "[::1]:3128"),
        ({"http_proxy": "http://a.invalid:1", "https_proxy": "http://b.invalid:2"}, "b.invalid:2"),
        ({"grpc_proxy": "http://c.invalid:3", "https_proxy": "http://b.invalid:2"}, "c.invalid:3"),
        ({"grpc_proxy": "", "https_proxy": "http://b.invalid:2"}, None),
        # What gRPC does not take.
        ({"https_proxy": "socks5://p.invalid:1"}, None),
        ({"https_proxy": "p.invalid:3128"}, None),
        ({"https_proxy": "http://p.invalid:port"}, None),
        ({"HTTPS_PROXY": "http://p.invalid:1"}, None),
    ],
)
def test_the_proxy_is_the_one_that_grpc_takes(
    environment: dict[str, str], proxy: str | None
) -> None:
    """Variables in gRPC's order; without user and password."""
    assert proxy_of("engine.example", environment) == proxy


@pytest.mark.parametrize("variable", ["no_proxy", "NO_PROXY", "no_grpc_proxy"])
@pytest.mark.parametrize(
    ("exceptions", "host", "is_excepted"),
    [
        ("*", "db.example.com", True),
        ("example.com", "db.example.com", True),
        (".example.com", "db.example.com", True),
        (".example.com", "example.com", True),
        ("*.example.com", "db.example.com", True),
        ("a.com, Example.COM ,b.com", "db.example.com", True),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("fd00::/8", "fd00::5", True),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("example.org", "db.example.com", False),
        ("", "db.example.com", False),
        (" , ", "db.example.com", False),
    ],
)
def test_exceptions_are_honoured(
    variable: str, exceptions: str, host: str, is_excepted: bool
) -> None:
    """Names with all below them, addresses and networks, or everything."""
    environment = {"https_proxy": "http://p.invalid:1", variable: exceptions}

    assert (proxy_of(host, environment) is None) is is_excepted


def _call(host: str, port: int) -> errors.Error:
    transport = Transport(Endpoint(host, port, encrypted=False), Settings().rpc)
    try:
        with pytest.raises(errors.Error) as caught:
            scope = make_scope(metadata=20)
            transport.call(call_of(methods.CATALOGS, scope), scope)
    finally:
        transport.close()
    return caught.value


@pytest.mark.parametrize("variable", VARIABLES)
def test_a_proxy_that_refuses_is_named(
    canaries: Canaries, forbidding: ConnectProxy, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """By host and port, with what to do, and never with its password."""
    user = canaries.plant("the proxy's password")
    monkeypatch.setenv(variable, f"http://ann:{user}@{forbidding.address}")
    error = _call(FOREIGN, 443)

    canaries.check(error)
    assert f"through the proxy '{forbidding.address}'" in str(error)
    assert "no_proxy" in str(error)
    assert f"'{FOREIGN}:443'" in str(error)
    assert error.status_code is errors.Status.IO
    assert forbidding.asked[0].startswith(f"CONNECT {FOREIGN}:443 ")


def test_a_proxy_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody looks for a proxy in 'connection refused'."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    monkeypatch.setenv("https_proxy", f"http://{address}")

    assert f"through the proxy '{address}'" in str(_call(FOREIGN, 443))


@pytest.mark.parametrize("exception", ["*", "invalid", FOREIGN])
def test_an_exception_holds_for_calls(
    forbidding: ConnectProxy, monkeypatch: pytest.MonkeyPatch, exception: str
) -> None:
    """The proxy is not asked, and not named."""
    monkeypatch.setenv("https_proxy", f"http://{forbidding.address}")
    monkeypatch.setenv("no_proxy", exception)

    assert "proxy" not in str(_call(FOREIGN, 443))
    assert forbidding.asked == []


def test_loopback_needs_no_proxy(forbidding: ConnectProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine on this machine is reached, by whatever name."""
    for variable in VARIABLES:
        monkeypatch.setenv(variable, f"http://{forbidding.address}")
    with LocalEngine() as engine:
        for host in ("127.0.0.1", "localhost"):
            uri = engine.uri.replace("127.0.0.1", host)
            with e6data_adbc.connect(uri) as connection, connection.cursor() as cursor:
                cursor.execute("select 1 as n")
                assert cursor.fetchall() == [(1,)]
    with e6data_adbc.connect("e6data:local") as connection, connection.cursor() as cursor:
        cursor.execute("select 2 as n")
        assert cursor.fetchall() == [(2,)]

    assert forbidding.asked == []


@pytest.mark.seconds
def test_the_command_line_needs_no_proxy_here(forbidding: ConnectProxy) -> None:
    """`serve`, `ping` and `admin` in processes whose environment has one."""
    environment = {
        **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
        **dict.fromkeys(VARIABLES, f"http://{forbidding.address}"),
        "E6DATA_ADMIN_TOKEN": "admin-token-of-this-test",
    }
    command = [sys.executable, "-m", "e6data_adbc"]
    with subprocess.Popen(
        [*command, "serve", "--port", "0"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as server:
        try:
            assert server.stdout is not None
            uri, token = _found(server.stdout)
            environment |= {"E6DATA_USERNAME": "local", "E6DATA_PASSWORD": token}
            done = subprocess.run(
                [*command, "ping", "--uri", uri],
                env=environment,
                capture_output=True,
                text=True,
                timeout=90,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            done = subprocess.run(
                [*command, "admin", "metrics", "--uri", uri],
                env=environment,
                capture_output=True,
                text=True,
                timeout=90,
                check=False,
            )
            assert done.returncode == 0, done.stderr
        finally:
            server.terminate()

    assert forbidding.asked == []


def _found(lines: Iterable[str]) -> tuple[str, str]:
    """Returns the URI and the token that `serve` prints."""
    seen = ""
    for line in lines:
        seen += line
        uri = re.search(r"e6data://[^\s'\"]+", seen)
        token = re.search(r"token '(\S+)'", seen)
        if uri and token:
            return uri[0], token[1]
    raise AssertionError(f"serve printed no URI and token: {seen}")
