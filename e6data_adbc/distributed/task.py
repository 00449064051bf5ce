"""A ticket for a worker: a part of a query, and where to connect for it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from e6data_adbc._hide_secrets import Concealed, revealed
from e6data_adbc.options import Secret

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Ticket", "missing"]


def missing(package: str, extra: str) -> ImportError:
    """Returns the error for an engine that is not installed."""
    return ImportError(
        f"[e6data] could not import {package}: install it with pip install 'e6data-adbc[{extra}]'"
    )


class Ticket(bytes):
    """A ticket of the driver's, which is what its bytes are, with the URI of who planned it, if he gave one.

    Engines write tasks into plans, logs and pages: neither `repr` nor `str` shows the URI, which may have a password,
    nor the query. A pickle has both, as the worker needs them; without a URI the worker takes its own `E6DATA_URI`.
    """

    _uri: Secret | None

    def __new__(cls, data: bytes, uri: str | None = None) -> Self:
        """Takes the driver's ticket and where to connect."""
        self = super().__new__(cls, data)
        self._uri = None if uri is None else Secret(revealed(uri))
        return self

    @property
    def name(self) -> str:
        """Tells it from others, and nothing about it."""
        return hashlib.sha256(self).hexdigest()[:32]

    def reveal_uri(self) -> str | None:
        """Returns where to connect, as a text that tracebacks do not show."""
        return None if self._uri is None else Concealed(self._uri.reveal())

    # Dask names its tasks by this, so it differs from ticket to ticket.
    def __repr__(self) -> str:
        return f"Ticket({self.name})"

    __str__ = __repr__

    def __reduce__(self) -> tuple[Any, ...]:
        return Ticket, (bytes(self), revealed(self.reveal_uri()))
