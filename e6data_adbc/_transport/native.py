"""The channel by the driver's own transport, `native/transport`: HTTP/2 without a thread, driven by whoever waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from e6data_adbc import _native, errors
from e6data_adbc._options.database_config import Endpoint
from e6data_adbc._options.option_values import RpcSettings
from e6data_adbc._transport.api import Call, Code, Rpc, RpcFailure
from e6data_adbc._transport.pem import check_pem
from e6data_adbc._transport.proxies import credentials_of
from e6data_adbc._version import VERSION
from e6data_adbc.options import DatabaseOptions

__all__ = ["NativeChannel"]

_CODES: Final = {code.value: code for code in Code}


class NativeChannel:
    """A `Channel` without grpcio. What it says of failures of its own, it says in gRPC's words; see `signals`."""

    minds_forks = False

    def __init__(self, endpoint: Endpoint, limits: RpcSettings, proxy: str | None) -> None:
        """Opens nothing yet.

        Args:
            endpoint: The server.
            limits: The size of messages and the time to connect.
            proxy: The proxy of the environment that the connection goes through, as `host:port`.

        Raises:
            ProgrammingError: The trusted certificates are not PEM, or those of the client cannot be used.
        """
        check_pem(endpoint.root_certs)
        check_pem(endpoint.client_cert, DatabaseOptions.TLS_CLIENT_CERT)
        self._channel = _open(endpoint, limits, proxy)

    def start(self, call: Call[Any]) -> Rpc | None:
        """Returns *call*, sent; None where the channel is closed."""
        exchange = self._channel.start(
            call.method.path,
            call.message(),
            call.timeout,
            call.headers,
            () if call.secret is None else call.secret.reveal(),
        )
        return None if exchange is None else _Rpc(exchange)

    def tend(self, seconds: float) -> bool:
        """Looks after the calls that nobody waits for, for *seconds* or until the channel is closed; blocks."""
        self._channel.tend(seconds)
        return True

    def close(self) -> None:
        """Closes the connection; calls that are open fail with CANCELLED."""
        self._channel.close()


def _open(endpoint: Endpoint, limits: RpcSettings, proxy: str | None) -> _native.Channel:
    host, _, port = (proxy or "").rpartition(":")
    credentials = None if proxy is None else credentials_of()
    try:
        return _native.Channel(
            endpoint.host,
            endpoint.port,
            user_agent=f"e6data-adbc/{VERSION}",
            connect_timeout=limits.connect_timeout,
            max_message_bytes=limits.max_message_bytes,
            server_name=endpoint.server_name,
            encrypted=endpoint.encrypted,
            root_certs=endpoint.root_certs,
            client_cert=endpoint.client_cert,
            client_key=(
                None if endpoint.client_key is None else endpoint.client_key.reveal().encode()
            ),
            proxy=None if proxy is None else (host.strip("[]"), int(port)),
            proxy_credentials=None if credentials is None else credentials.reveal(),
        )
    except ValueError as cause:  # its text quotes nothing that was given
        problem = str(cause)
    raise errors.make(
        errors.Status.INVALID_ARGUMENT, f"could not open {endpoint.target!r}: {problem}"
    )


class _Rpc:
    """One call, sent."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: _native.Exchange) -> None:
        self._exchange = exchange

    def receive(self, arrived: Callable[[], None] | None = None) -> bytes | RpcFailure | None:
        answer = self._exchange.receive(arrived)
        if answer is None or isinstance(answer, bytes):
            return answer
        code, text, pushback, never_left = answer
        return RpcFailure(
            _CODES[code],
            text,
            None if pushback is None else max(pushback / 1000, -1.0),
            never_left=never_left,
        )

    def cancel(self) -> None:
        self._exchange.cancel()
