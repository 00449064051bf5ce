"""Which channel carries the calls of a database: the one place that knows them all."""

from __future__ import annotations

from e6data_adbc._options.database_config import Endpoint
from e6data_adbc._options.option_values import RpcSettings
from e6data_adbc._transport.api import Channel
from e6data_adbc._transport.proxies import proxy_of
from e6data_adbc.options import TransportKind

__all__ = ["open_channel"]


def open_channel(endpoint: Endpoint, limits: RpcSettings) -> Channel:
    """Returns the channel to *endpoint* that *limits* ask for, which opens nothing yet.

    Raises:
        ProgrammingError: The trusted certificates are not PEM, or those of the client cannot be used.
    """
    proxy = proxy_of(endpoint.host)
    # Each is imported where it is used: the other's library costs time, and need not be there.
    if limits.transport is TransportKind.NATIVE:
        from e6data_adbc._transport.native import NativeChannel

        return NativeChannel(endpoint, limits, proxy)
    from e6data_adbc._transport.grpcio import GrpcChannel

    return GrpcChannel(endpoint, limits, proxy)
