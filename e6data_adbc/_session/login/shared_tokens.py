"""The tokens of OAuth clients in this process: equal credentials share one."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Final

from e6data_adbc._session.login.renewed_token import RenewedToken

if TYPE_CHECKING:
    from e6data_adbc._session.login.oauth import ClientCredentials

__all__ = ["SHARED_TOKENS", "SharedTokens"]


class _Table:
    """The tokens of one process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.lock = threading.RLock()
        self.tokens: weakref.WeakValueDictionary[ClientCredentials, RenewedToken] = (
            weakref.WeakValueDictionary()
        )


class SharedTokens:
    """One token for all who ask with equal credentials, as long as one of them lives; for any thread."""

    def __init__(self) -> None:
        self._table = _Table()

    def get(self, credentials: ClientCredentials) -> RenewedToken:
        """Returns the token of *credentials*, not yet asked for if it is new.

        Raises:
            ProgrammingError: *credentials* cannot be used.
        """
        from e6data_adbc._session.login.oauth import TokenEndpoint

        if self._table.pid != os.getpid():
            # The parent's lock may be held, and its tokens asked for, by threads that do not exist here.
            self._table = _Table()
        table = self._table
        with table.lock:
            token = table.tokens.get(credentials)
            if token is None:
                token = table.tokens[credentials] = RenewedToken(TokenEndpoint(credentials).ask)
            return token

    def __len__(self) -> int:
        return len(self._table.tokens)


#: The one of this process: databases that know nothing of each other meet nowhere else.
SHARED_TOKENS: Final = SharedTokens()
