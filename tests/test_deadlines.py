"""The watch over deadlines sees what it is there for, and nothing else."""

from __future__ import annotations

import contextlib

import grpc
import pytest

import e6data_adbc
from e6data_adbc.local import LocalEngine
from tests.support.deadlines import DEADLINES

_PATH = "/QueryEngineService/healthCheck"


@pytest.mark.parametrize(
    ("agent", "timeout", "seen"),
    [
        ("e6data-adbc/0", None, [_PATH]),
        ("e6data-adbc/0", 10.0, []),
        ("somebody-else/0", None, []),
    ],
)
def test_a_call_without_a_deadline_is_seen(
    agent: str, timeout: float | None, seen: list[str]
) -> None:
    """A call of the driver that could wait for ever fails the test in which it happened; calls of others do not."""
    options = [("grpc.primary_user_agent", agent)]
    with LocalEngine() as engine, grpc.insecure_channel(engine.target, options=options) as channel:
        with contextlib.suppress(grpc.RpcError):  # whatever the engine says
            channel.unary_unary(_PATH)(b"", timeout=timeout)

    assert DEADLINES.take() == seen


def test_the_driver_is_known_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user agent of the driver's calls is the one that the watch looks for: a query without deadlines is seen."""
    from e6data_adbc.local.wire import rpc

    monkeypatch.setattr(rpc, "_has_deadline", lambda context: False)
    with LocalEngine() as engine, e6data_adbc.connect(engine.uri) as connection:
        with connection.cursor() as cursor:
            cursor.execute("select 1 as one")
            assert cursor.fetchall() == [(1,)]

    seen = {path.rpartition("/")[2] for path in DEADLINES.take()}
    always = {"authenticate", "prepareStatementV2", "executeStatementV2", "getResultMetadata"}
    assert always | {"getNextResultBatch", "clearOrCancelQuery"} <= seen
