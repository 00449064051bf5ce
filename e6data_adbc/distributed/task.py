"""A ticket for a worker: a part of a query, and where to connect for it."""

from __future__ import annotations

import hashlib
from typing import Any

from e6data_adbc._hide_secrets import Concealed, revealed
from e6data_adbc.options import Secret

__all__ = ["Ticket", "missing"]


def missing(package: str, extra: str) -> ImportError:
    """Returns the error for an engine that is not installed."""
    return ImportError(
        f"[e6data] could not import {package}: install it with pip install 'e6data-adbc[{extra}]'"
    )


class Ticket:
    """A ticket of the driver's, which `bytes` returns, with the URI of who planned it, if he gave one.

    Engines write tasks into plans, logs and pages: neither `repr` nor `str` shows the URI, which may have a password,
    nor the query. A pickle has both, as the worker needs them; without a URI the worker takes its own `E6DATA_URI`.
    It is no `bytes` itself, because Ray makes plain bytes of all that are.
    """

    __slots__ = ("_data", "_uri")

    def __init__(self, data: bytes, uri: str | None = None) -> None:
        """Takes the driver's ticket and where to connect."""
        self._data = bytes(data)
        self._uri = None if uri is None else Secret(revealed(uri))

    @property
    def name(self) -> str:
        """Tells it from others, and nothing about it."""
        return hashlib.sha256(self._data).hexdigest()[:32]

    def reveal_uri(self) -> str | None:
        """Returns where to connect, as a text that tracebacks do not show."""
        return None if self._uri is None else Concealed(self._uri.reveal())

    def __bytes__(self) -> bytes:
        return self._data

    def __len__(self) -> int:
        return len(self._data)

    def __contains__(self, part: bytes) -> bool:
        return part in self._data

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ticket) and (self._data, self._uri) == (other._data, other._uri)

    def __hash__(self) -> int:
        return hash(self._data)

    def __repr__(self) -> str:
        return f"Ticket({self.name})"

    def __dask_tokenize__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Any, ...]:
        return Ticket, (self._data, revealed(self.reveal_uri()))
