"""A connection of PyMySQL that sends a server the file of a LOAD DATA, and no other that it may ask for."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pymysql
from pymysql.protocol import MysqlPacket

__all__ = ["Connection"]


_Base: Any = pymysql.connections.Connection


class Connection(_Base):  # type: ignore[misc] # of which the stubs leave out what is used here
    """A server may answer any statement with the wish for any file of the client; this one refuses those."""

    _file: bytes | None = None
    #: Whether the next packet answers a command; in others the same first byte is a NULL.
    _awaits_answer = False

    @contextlib.contextmanager
    def sending(self, path: str) -> Iterator[None]:
        """Lets the server have the file at *path* in the block."""
        self._file = path.encode()
        try:
            yield
        finally:
            self._file = None

    def _execute_command(self, command: Any, sql: Any) -> None:
        super()._execute_command(command, sql)
        self._awaits_answer = True

    def _read_packet(self, packet_type: type[MysqlPacket] = MysqlPacket) -> Any:
        is_answer, self._awaits_answer = self._awaits_answer, False
        packet: Any = super()._read_packet(packet_type)
        wants_file = is_answer and packet.is_load_local_packet()
        if wants_file and packet.get_all_data()[1:] != self._file:
            self._force_close()
            raise pymysql.err.OperationalError(
                pymysql.constants.ER.NOT_ALLOWED_COMMAND,
                "the server asked for a file of this machine that it was not to have",
            )
        return packet
