"""The channel by the driver's own transport, `native/transport`: HTTP/2 without a thread, driven by whoever waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from e6data_adbc import _native, errors
from e6data_adbc._options.database_config import Endpoint
from e6data_adbc._options.option_values import RpcSettings
from e6data_adbc._transport.api import (
    Call,
    Calls,
    Code,
    Course,
    Opened,
    Opening,
    Plan,
    Rpc,
    RpcFailure,
    Shortcut,
    Usual,
)
from e6data_adbc._transport.pem import check_key, check_pem, roots_of
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
        check_key(endpoint.client_key)
        #: None once closed: with it go its descriptors, whoever still refers to this.
        self._channel: _native.Channel | None = _open(endpoint, limits, proxy)

    def start(self, call: Call[Any]) -> Rpc | None:
        """Returns *call*, sent; None where the channel is closed."""
        channel = self._channel
        if channel is None:
            return None
        exchange = channel.start(
            call.method.path,
            call.message(),
            call.timeout,
            call.headers,
            () if call.secret is None else call.secret.reveal(),
        )
        return None if exchange is None else _Rpc(exchange)

    def course(self, call: Call[Any], usual: Usual, begun: Rpc | None) -> Course | None:
        """Returns a course of *call*, whose first one may have *begun*.

        None where the channel is closed, or that one's answer is here and to be seen to first.
        """
        channel = self._channel
        if channel is None or (isinstance(begun, _Rpc) and begun.exchange.has_come):
            return None
        return _Course(
            _native.Course(
                channel,
                call.method.path,
                call.message(),
                call.timeout,
                call.headers,
                () if call.secret is None else call.secret.reveal(),
                protocol=usual.protocol,
                session_id=usual.session.reveal(),
                strategy=usual.strategy,
                missing_rows=usual.missing_rows,
                most_rows=usual.most_rows,
                is_followed=usual.is_followed,
                seconds=usual.seconds,
                begun=begun.exchange if isinstance(begun, _Rpc) else None,
            )
        )

    def opening(self, calls: Calls, usual: Usual) -> Opening | None:
        """Returns *calls*, not sent; None where the channel is closed."""
        channel, execute = self._channel, calls.execute
        if channel is None:
            return None
        return _Opening(
            _native.Opening(
                channel,
                execute.headers,
                () if execute.secret is None else execute.secret.reveal(),
                execute=(execute.method.path, execute.message(), execute.timeout),
                metadata=(
                    calls.metadata.method.path,
                    calls.metadata.message(),
                    calls.metadata.timeout,
                ),
                fetch=(calls.fetch.method.path, calls.fetch.message(), calls.fetch.timeout),
                protocol=usual.protocol,
                session_id=usual.session.reveal(),
                strategy=usual.strategy,
                most_rows=calls.small_rows,
                seconds_left=calls.seconds_left,
                seconds=usual.seconds,
            )
        )

    def shortcut(self, plan: Plan) -> Shortcut | None:
        """Returns the calls of the queries of *plan*; None where the channel is closed."""
        channel = self._channel
        if channel is None:
            return None
        return _Shortcut(
            _native.Shortcut(
                channel,
                plan.headers,
                planner_header=plan.planner_header,
                methods=[(method.path, seconds) for method, seconds in plan.methods],
                session_id=plan.session.reveal(),
                catalog=plan.catalog,
                schema=plan.schema,
                protocol=plan.protocol,
                most_rows=plan.small_rows,
                total=plan.total,
            )
        )

    def tend(self, seconds: float) -> bool:
        """Looks after the calls that nobody waits for, for *seconds* or until the channel is closed; blocks."""
        channel = self._channel
        if channel is not None:
            channel.tend(seconds)
        return True

    def close(self) -> None:
        """Closes the connection; calls that are open fail with CANCELLED."""
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()


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
            root_certs=endpoint.root_certs or (roots_of() if endpoint.encrypted else None),
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


class _Opening:
    """The calls that begin a result."""

    __slots__ = ("_native", "cancel", "waits")

    def __init__(self, native: _native.Opening) -> None:
        self._native = native
        self.cancel: Callable[[], None] = native.cancel
        self.waits: Callable[[], float | None] = native.waits

    @property
    def prepared(self) -> tuple[str, str] | None:
        return self._native.prepared

    def run(self) -> Opened:
        found = self._native.run()
        prepare, prepared, is_executed, execute = found[:4]
        described, metadata, responses, fetch, clear, seconds = found[4:]
        return Opened(
            None if prepare is None else _Rpc(prepare),
            prepared,
            is_executed,
            None if execute is None else _Rpc(execute),
            described,
            None if metadata is None else _Rpc(metadata),
            responses,
            None if fetch is None else _Rpc(fetch),
            None if clear is None else _Rpc(clear),
            seconds,
        )


class _Shortcut:
    """The calls of all queries of a plan."""

    __slots__ = ("_native",)

    def __init__(self, native: _native.Shortcut) -> None:
        self._native = native

    def opening(self, sql: str) -> Opening:
        return _Opening(self._native.opening(sql))


class _Course:
    """A course; native code takes what is behind it."""

    __slots__ = ("native",)

    def __init__(self, native: _native.Course) -> None:
        self.native = native

    def leave(self) -> tuple[int, int, int, Rpc | None]:
        *counts, exchange = self.native.leave()
        responses, rows, most_rows = counts
        return responses, rows, most_rows, None if exchange is None else _Rpc(exchange)

    def cancel(self) -> None:
        self.native.cancel()

    def waits(self) -> float | None:
        return self.native.waits()


class _Rpc:
    """One call, sent."""

    __slots__ = ("exchange",)

    def __init__(self, exchange: _native.Exchange) -> None:
        self.exchange = exchange

    def receive(self, arrived: Callable[[], None] | None = None) -> bytes | RpcFailure | None:
        answer = self.exchange.receive(arrived)
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
        self.exchange.cancel()
