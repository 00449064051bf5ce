"""The tickets of one database: those that it issues, and which of others' it accepts."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from typing import Final

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc._driver.partitions.claims import Claims
from e6data_adbc._driver.partitions.ticket import RunningResult, SubQuery, Ticket, key_of
from e6data_adbc._options.database_config import DatabaseConfig, Endpoint
from e6data_adbc.errors import Status
from e6data_adbc.options import DatabaseOptions

__all__ = ["TicketIssuer"]

#: Seconds that a ticket lives. A live planner dropped queries after 900.
RESULT_SECONDS: Final = 600.0
QUERY_SECONDS: Final = 86_400.0

_AGAIN: Final = "execute the partitions again"


class TicketIssuer:
    """Makes and checks tickets; for any thread. Calls no server."""

    def __init__(
        self, config: DatabaseConfig, endpoint: Endpoint, clock: Callable[[], float] = time.time
    ) -> None:
        """Derives no key yet.

        Args:
            config: What the database was opened with.
            endpoint: The server.
            clock: Seconds since 1970.

        Raises:
            ProgrammingError: The option that gives a key is too short.
        """
        self._key, self._owner = key_of(config)
        self._endpoint = endpoint
        # A hash, so that a ticket which goes astray does not tell where the server is.
        place = f"{endpoint.target.lower()}"
        self._place = hashlib.sha256(place.encode()).hexdigest()[:32]
        self._claims = Claims(config.settings.get(DatabaseOptions.CLAIM_PATH), clock)
        self._clock = clock

    def check(self) -> None:
        """Raises INVALID_STATE if there is nothing to prove tickets with."""
        self._key.prove(b"")

    @property
    def owner(self) -> str:
        """Who signs in, as a hash that means something to holders of the key only; "" where that is not known."""
        return self._key.hide(self._owner)

    def issue(
        self,
        work: RunningResult | SubQuery,
        schema: pa.Schema,
        *,
        catalog: str | None,
        db_schema: str | None,
        lifetime: float | None,
    ) -> bytes:
        """Returns a ticket.

        Args:
            work: What its reader reads.
            schema: Of the rows.
            catalog: Where unqualified schemas are looked up.
            db_schema: Where unqualified tables are looked up.
            lifetime: Seconds until it expires; by default those of its kind.
        """
        usual = RESULT_SECONDS if isinstance(work, RunningResult) else QUERY_SECONDS
        now = self._clock()
        ticket = Ticket(
            endpoint=self._place,
            cluster=self._endpoint.cluster_name,
            catalog=catalog,
            db_schema=db_schema,
            issued=int(now),
            expires=int(now + (usual if lifetime is None else lifetime)) + 1,
            work=work,
            schema=schema,
        )
        return ticket.seal(self._key)

    def accept(self, data: bytes) -> Ticket:
        """Returns the ticket whose bytes *data* are.

        Raises:
            Error: As `Ticket.unseal`.
            ProgrammingError: It is of another server or cluster (INVALID_ARGUMENT), somebody else's (UNAUTHORIZED), or
                it has expired (INVALID_STATE).
        """
        ticket = Ticket.unseal(data, self._key)
        cluster = self._endpoint.cluster_name
        if ticket.endpoint != self._place:
            raise _refused(
                Status.INVALID_ARGUMENT,
                f"it belongs to another server than {self._endpoint.target!r}",
                "connect with the host and port that it was made with",
            )
        if (ticket.cluster or "").lower() != (cluster or "").lower():
            raise _refused(
                Status.INVALID_ARGUMENT,
                f"it belongs to cluster {ticket.cluster!r}, and this connection to {cluster!r}",
                f"connect with {DatabaseOptions.CLUSTER_NAME.value}={ticket.cluster or ''}",
            )
        late = self._clock() - ticket.expires
        if late > 0:
            raise _refused(
                Status.INVALID_STATE,
                f"it expired {late:.0f} s ago",
                f"{_AGAIN}, or raise {DatabaseOptions.TICKET_LIFETIME.value}",
            )
        work, owner = ticket.work, self.owner
        if isinstance(work, RunningResult) and owner and work.owner and work.owner != owner:
            raise _refused(
                Status.UNAUTHORIZED,
                "its result is another user's",
                "read it as the user who executed it",
            )
        return ticket

    def claim(self, work: RunningResult, expires: float) -> bool:
        """Takes the right to read a result; false if somebody has it.

        Raises:
            OperationalError: There is no folder to remember it in (IO).
        """
        return self._claims.take(self._name(work), expires)

    def give_back(self, work: RunningResult) -> None:
        """Gives a right back of which no use was made."""
        self._claims.give_back(self._name(work))

    def _name(self, work: RunningResult) -> str:
        return "\n".join((self._place, (self._endpoint.cluster_name or "").lower(), work.query_id))


def _refused(status: Status, cause: str, hint: str) -> errors.Error:
    return errors.make(status, f"could not read the partition: {cause}", hint=hint)
