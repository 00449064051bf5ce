"""The watch over deadlines: no call of the driver reaches a local engine of any test without one.

`tests/conftest.py` installs it; `tests/fix_watches.py` has its fixture. Who calls is told by the user agent, as tests
with stubs of their own and the public connector have no deadlines.
"""

from __future__ import annotations

import functools
import threading
from typing import Any, Final

__all__ = ["DEADLINES", "Deadlines"]

#: How the driver's channel begins its user agent.
USER_AGENT: Final = "e6data-adbc/"


class Deadlines:
    """Notes the calls that came without a deadline; any thread may call anything."""

    def __init__(self) -> None:
        self._missing: list[str] = []
        self._lock = threading.Lock()

    def install(self) -> None:
        """Looks at each call of each engine of this process from now on."""
        from e6data_adbc.local.wire import rpc

        play = rpc.Router._play

        @functools.wraps(play)
        def watched(handler: Any, method: Any, data: bytes, context: Any) -> bytes:
            if not rpc._has_deadline(context) and is_ours(context):
                with self._lock:
                    self._missing.append(method.path)
            return play(handler, method, data, context)

        rpc.Router._play = watched  # type: ignore[method-assign]

    def take(self) -> list[str]:
        """Returns the methods that were called without a deadline since the last time."""
        with self._lock:
            missing, self._missing = self._missing, []
        return missing


def is_ours(context: Any) -> bool:
    """Tells whether the driver makes the call behind *context*."""
    agents = [value for key, value in context.invocation_metadata() if key == "user-agent"]
    return any(str(agent).startswith(USER_AGENT) for agent in agents)


#: The one of this process.
DEADLINES: Final = Deadlines()
