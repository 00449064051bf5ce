"""Who is told what a database does: the seam between the driver and a telemetry library."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from e6data_adbc.options import DatabaseOptions

if TYPE_CHECKING:
    from e6data_adbc._options.option_values import Settings
    from e6data_adbc._transport.headers import Headers

__all__ = ["IGNORED", "TRACE_PARENT_HEADER", "Observer", "Watch"]

#: The metadata that tells the server which trace a call belongs to (W3C Trace Context).
TRACE_PARENT_HEADER: Final = "traceparent"

#: What is said of a thing under way; never text of the user's or the server's.
Fact = str | int | float


class Watch:
    """One thing under way; this one is not watched. Any thread may call.

    Attributes:
        parent: What belongs to it is begun with this.
        headers: What a call under it carries, so that the server's own traces join.
    """

    __slots__ = ("headers", "parent")

    def __init__(self, parent: object = None, headers: Headers = ()) -> None:
        self.parent = parent
        self.headers = headers

    def note(self, **facts: Fact) -> None:
        """Says more about it."""

    def end(self, error: BaseException | None = None) -> None:
        """Ends it, as a failure where there is an *error*; only the first call counts."""


#: What nobody watches.
IGNORED: Final = Watch()


class Observer:
    """Told what one database does; this one only hands on the trace that the user named.

    Every method may be called from any thread, returns at once and does not raise.

    Attributes:
        only_hands_on: Whether what belongs to nothing need not be told.
    """

    only_hands_on = True

    def parent(self, settings: Settings) -> object:
        """Returns what everything that is begun here and now belongs to, for `begin`."""
        return settings.get(DatabaseOptions.TRACE_PARENT)

    def call(self, path: str, parent: object, query_id: str | None) -> Watch:
        """Returns the watch over one try of one call.

        Args:
            path: `/Service/method`.
            parent: Of the scope that the call is made in.
            query_id: The query that it is about.
        """
        del path, query_id
        return _handing_on(parent)

    def headers_unseen(self, parent: object) -> Headers | None:
        """Returns what calls carry that nobody watches one by one; None where each of them has to be told.

        Args:
            parent: Of the scope that they are made in.
        """
        return _handing_on(parent).headers

    def execution(self, parent: object) -> Watch:
        """Returns the watch over one execution of a statement, from before its prepare to its end on the server."""
        return _handing_on(parent)

    def detected(self, seconds: float) -> None:
        """Takes note that *seconds* went by without anybody knowing the cluster's colour."""


def _handing_on(parent: object) -> Watch:
    if not isinstance(parent, str):
        return IGNORED
    return Watch(parent, ((TRACE_PARENT_HEADER, parent),))
