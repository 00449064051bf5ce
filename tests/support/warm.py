"""Connections that have read a result: what native code does of a query begins with the second one."""

from __future__ import annotations

from collections.abc import Callable

from e6data_adbc._driver import Database
from e6data_adbc._driver.connection import Connection
from tests.support.scripted import ScriptedEngine, chunk, rows_of, statement_of, v1

OpenDb = Callable[..., Database]

PREPARE, EXECUTE, METADATA = "prepareStatement", "executeStatement", "getResultMetadata"
FETCH, CLEAR = "getNextResultBatch", "clearOrCancelQuery"
#: What is waited for, and all that is sent.
STEPS = (PREPARE, EXECUTE, METADATA, FETCH)
CALLS = (*STEPS, CLEAR)


def address(server: ScriptedEngine, options: str = "") -> str:
    """Returns the URI of *server*, with *options* as they stand in it."""
    return f"e6data://me:token@127.0.0.1:{server.port}?{options}result_protocol=v1"


def warmed(server: ScriptedEngine, open_db: OpenDb, options: str = "") -> Connection:
    """Returns a connection that has read a small result, which the server forgets."""
    return warm(server, open_db(address(server, options)).connect({}))


def warm(server: ScriptedEngine, connection: Connection) -> Connection:
    """Returns *connection*, which has read a small result."""
    result = statement_of(connection).execute()
    assert sum(rows_of(result)) == 3
    result.close()
    server.received.clear()
    server.answer(FETCH, v1(chunk(3)), v1())
    return connection


def made(server: ScriptedEngine) -> dict[str, int]:
    """Returns how often the server was asked for each call."""
    return {step: server.count(step) for step in CALLS}
