"""A Flight and Flight SQL server that streams one batch again and again from memory.

Runs in a process of its own: `python -m benchmarks.flight_server` prints its port and ends when standard input does.
It answers what a Flight SQL client asks for a query, `GetFlightInfo` with a `CommandStatementQuery` and `DoGet`, and
leaves all work on rows to the C++ server of pyarrow, which sends without a copy.
"""

from __future__ import annotations

import argparse
import re
import sys
import threading
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.flight as flight
from google.protobuf.any_pb2 import Any as AnyMessage

from benchmarks import data

__all__: list[str] = []

_QUERY: Final = re.compile(r"select \* from (\w+)_(\d+) limit (\d+)")


class Server(flight.FlightServerBase):
    """Serves `select * from MIX_ROWS limit CHUNKS`, plain or as a Flight SQL statement."""

    def get_flight_info(
        self, _context: flight.ServerCallContext, descriptor: flight.FlightDescriptor
    ) -> flight.FlightInfo:
        """Returns one endpoint, whose ticket is the query's text."""
        text = _statement(descriptor.command)
        batch, chunks = _find(text)
        endpoint = flight.FlightEndpoint(text.encode(), [])
        return flight.FlightInfo(batch.schema, descriptor, [endpoint], batch.num_rows * chunks, -1)

    def do_get(self, _context: flight.ServerCallContext, ticket: flight.Ticket) -> Any:
        """Returns the rows of the query."""
        batch, chunks = _find(ticket.ticket.decode())
        # A table of the same batch many times takes no more memory than one of it.
        return flight.RecordBatchStream(pa.Table.from_batches([batch] * chunks))

    def do_action(self, _context: flight.ServerCallContext, action: flight.Action) -> list[bytes]:
        """Prepares a statement, whose handle is its text; answers other actions with nothing."""
        if action.type != "CreatePreparedStatement":
            return []
        text = _statement(action.body.to_pybytes())
        schema = _find(text)[0].schema.serialize().to_pybytes()
        result = AnyMessage(
            type_url="type.googleapis.com/arrow.flight.protocol.sql.ActionCreatePreparedStatementResult",
            value=_field(1, text.encode()) + _field(2, schema),
        )
        return [result.SerializeToString()]


def _statement(command: bytes) -> str:
    """Returns the text of a query: plain, or field 1 of the message that a Flight SQL client packs."""
    if command.startswith(b"select"):
        return command.decode()
    message = AnyMessage.FromString(command)
    # The field comes first, and is shorter than 128 bytes.
    return message.value[2 : 2 + message.value[1]].decode()


def _field(number: int, content: bytes) -> bytes:
    length, size = b"", len(content)
    while size >= 0x80:
        length += bytes([size & 0x7F | 0x80])
        size >>= 7
    return bytes([number << 3 | 2]) + length + bytes([size]) + content


def _find(text: str) -> tuple[pa.RecordBatch, int]:
    found = _QUERY.match(text)
    if found is None:
        raise flight.FlightServerError(f"no such result: {text!r}")
    return data.write(found[1], int(found[2])).batch, int(found[3])


def main() -> None:
    """Serves until standard input is closed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--tls", nargs=2, metavar=("CERTIFICATE", "KEY"))
    tls = parser.parse_args().tls
    pairs = [(Path(tls[0]).read_bytes(), Path(tls[1]).read_bytes())] if tls else None
    scheme = "grpc+tls" if tls else "grpc"
    server = Server(f"{scheme}://127.0.0.1:0", tls_certificates=pairs)
    print(server.port, flush=True)
    threading.Thread(target=server.serve, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
