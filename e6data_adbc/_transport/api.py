"""The contract between the driver and whatever carries its calls: what is sent, what comes back, how it fails.

Nothing here, and nothing above it, knows which library speaks HTTP/2.
"""

from __future__ import annotations

import dataclasses
import enum
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

from e6data_adbc._transport.headers import Headers, SecretHeaders
from e6data_adbc._transport.methods import Method
from e6data_adbc.options import DatabaseOptions, Secret

__all__ = ["Call", "Calls", "Channel", "Code", "Course", "Described"]
__all__ += ["Opened", "Opening", "Plan", "Rpc", "RpcFailure", "Shortcut", "Usual"]

R = TypeVar("R")


class Code(enum.Enum):
    """How a call ended, by gRPC's numbers."""

    OK = 0
    CANCELLED = 1
    UNKNOWN = 2
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    ABORTED = 10
    OUT_OF_RANGE = 11
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    DATA_LOSS = 15
    UNAUTHENTICATED = 16


class RpcFailure(Exception):  # noqa: N818 - evidence behind an error, never raised on its own
    """How a call failed, and nothing of the call (its headers may be secret).

    Attributes:
        code: The status.
        text: What came with it, or ''.
        pushback: The seconds after which the server wants to be asked again; negative where it does not want to be.
        is_final: Whether the next try would fail in the same way whatever the code: TLS, for instance.
        was_written: False where it is known that not all of the request went onto the connection.
        never_left: True where it is certain that nobody can have acted on the request, which did not go out whole.
    """

    def __init__(
        self,
        code: Code,
        text: str,
        pushback: float | None = None,
        is_final: bool = False,  # noqa: FBT001, FBT002 - pickled by position
        was_written: bool = True,  # noqa: FBT001, FBT002 - the same
        never_left: bool = False,  # noqa: FBT001, FBT002 - the same
    ) -> None:
        super().__init__(f"{code.name}: {text}")
        self.code = code
        self.text = text
        self.pushback = pushback
        self.is_final = is_final
        self.was_written = was_written
        self.never_left = never_left

    def __reduce__(self) -> tuple[type[RpcFailure], tuple[Any, ...]]:
        facts = (self.is_final, self.was_written, self.never_left)
        return type(self), (self.code, self.text, self.pushback, *facts)


@dataclasses.dataclass(frozen=True, slots=True, eq=False)
class Call(Generic[R]):
    """All that is said of one try of one RPC.

    Attributes:
        method: What is called.
        message: Makes the bytes of the request. They hold tokens and session ids, and bytes in a local variable would
            stand in a traceback with locals.
        headers: Its metadata.
        timeout: Seconds until its deadline, from when it is sent.
        verb: What is attempted, for the error's text.
        query_id: The query that it is about, for the error.
        secret: More metadata, which is secret.
        origin: Whatever its caller wants to know of it later; not looked at by a transport.
        limit: The option that bounds it, where that is not the method's own.
    """

    method: Method[Any, R]
    message: Callable[[], bytes]
    headers: Headers
    timeout: float
    verb: str
    query_id: str | None = None
    secret: SecretHeaders | None = None
    origin: object = None
    limit: DatabaseOptions | None = None


class Rpc(Protocol):
    """One call, sent. `receive` belongs to one thread; any thread may `cancel`."""

    def receive(self, arrived: Callable[[], None] | None = None) -> bytes | RpcFailure | None:
        """Returns the one message of the answer, None if there is not exactly one, or how the call failed; blocks.

        Args:
            arrived: Called once the answer is here whole and good, before its bytes are copied, where that moment can
                be told; must not raise. It may make another call.
        """
        ...

    def cancel(self) -> object:
        """Ends the call; a blocked `receive` returns at once."""
        ...


class Usual(NamedTuple):
    """What is usual about the answers of a query: of these, nobody has to know anything but columns and rows.

    Attributes:
        protocol: That of the result, 1 or 2.
        session: The id of the session that they name.
        strategy: The colour that they announce, or ''.
        missing_rows: The rows to come, as far as they were announced.
        most_rows: The most that one response had.
        is_followed: Whether the next response may be asked for as soon as one has arrived, where the stream has room
            and rows will be missing after it, if it is no larger than those before.
        seconds: For how long the call may be sent again as it is; None without an end.
    """

    protocol: int
    session: Secret
    strategy: str
    missing_rows: int
    most_rows: int
    is_followed: bool
    seconds: float | None


#: The announced rows of a result, and name, type name, zone and format of each column.
Described = tuple[int, list[tuple[str, str, str, str]]]


class Calls(NamedTuple):
    """The calls that begin a result, with the same headers: the first is sent at once, the others once it is answered.

    Attributes:
        execute: Has the query run.
        metadata: Asks for the columns of its result.
        fetch: Asks for a response; it is sent beside the one before, and again where that was all and not the end.
        small_rows: A result of so many rows, or fewer, is received as well.
        seconds_left: Seconds until the metadata have to be here.
    """

    execute: Call[Any]
    metadata: Call[Any]
    fetch: Call[bytes]
    small_rows: int
    seconds_left: float


class Plan(NamedTuple):
    """All that the queries of one session on one deployment have in common, so that native code makes their calls.

    Attributes:
        headers: Of a prepare; the calls about a query have one more, which leads to its planner.
        planner_header: The name of that.
        methods: Prepare, execute, metadata, fetch and clear, each with the most seconds that it may take.
        session: The id of the session.
        catalog: Where queries look names up; None for a prepare without one.
        schema: The same; may be empty.
        protocol: That of the results, 1 or 2.
        small_rows: A result of so many rows, or fewer, is received as well, and its query cleared.
        total: The most seconds from the first call to the metadata.
    """

    headers: Headers
    planner_header: str
    methods: tuple[tuple[Method[Any, Any], float], ...]
    session: Secret
    catalog: str | None
    schema: str
    protocol: int
    small_rows: int
    total: float


class Opened(NamedTuple):
    """How far the calls that begin a result came before an answer was not a usual one.

    Attributes:
        prepare: The prepare, if it was among them and its answer is still to be seen to.
        prepared: Planner and id of the query, if it was prepared by them.
        is_executed: Whether the execute has succeeded.
        execute: The execute, if its answer is still to be seen to.
        described: The metadata, if they came.
        metadata: The call for the metadata, if its answer is still to be seen to.
        responses: What was received, as native code reads it.
        fetch: The call for the response after those, if it was sent.
        clear: The clear, if it was sent: then the responses are all of the result.
        seconds: How long ago the last of prepare, execute and metadata was sent.
    """

    prepare: Rpc | None
    prepared: tuple[str, str] | None
    is_executed: bool
    execute: Rpc | None
    described: Described | None
    metadata: Rpc | None
    responses: list[Any]
    fetch: Rpc | None
    clear: Rpc | None
    seconds: float


class Opening(Protocol):
    """The calls that begin a result, which native code makes one after the other as long as answers are the usual ones.

    One thread runs it; any other may ask for the rest.
    """

    @property
    def prepared(self) -> tuple[str, str] | None:
        """Planner and id of the query, once it was prepared by these calls."""
        ...

    def run(self) -> Opened:
        """Makes the calls and returns how far it came; blocks."""
        ...

    def cancel(self) -> None:
        """Ends the calls under way, and begins no other; who waits is told at once."""
        ...

    def waits(self) -> float | None:
        """Returns for how many seconds a call has been under way; None where there is none."""
        ...


class Shortcut(Protocol):
    """The calls of queries that have one `Plan`. Any thread."""

    def opening(self, sql: str) -> Opening:
        """Returns those of a query whose text is *sql*, from its prepare on, not sent."""
        ...


class Course(Protocol):
    """A call that native code sends again and again, for as long as its answers are the usual ones.

    The thread that fetches, or whoever reads, waits for them; any other may call.

    Attributes:
        native: What native code takes.
    """

    @property
    def native(self) -> object:
        """See the class."""
        ...

    def leave(self) -> tuple[int, int, int, Rpc | None]:
        """Ends the course, if it has not ended; does not block.

        Returns how many responses came, their rows, the most rows that one of them had, and the call whose answer is
        still to be seen to, or to come: the first one that was not usual.
        """
        ...

    def cancel(self) -> None:
        """Ends the call under way, and begins no other; who waits for it is told at once."""
        ...

    def waits(self) -> float | None:
        """Returns for how many seconds a call has been under way; None where there is none."""
        ...


class Channel(Protocol):
    """The connection to one endpoint; safe to use from any thread of the process that made it.

    Nobody waits for the connection to stand: a call that finds none makes it, and fails without leaving if it cannot.

    Attributes:
        minds_forks: Whether a fork may do harm while a call is open.
    """

    minds_forks: bool

    def start(self, call: Call[Any]) -> Rpc | None:
        """Returns *call*, sent; None where the channel is closed. Does not block."""
        ...

    def course(self, call: Call[Any], usual: Usual, begun: Rpc | None) -> Course | None:
        """Returns a course of *call*, whose first one may have *begun*; None where only Python can make the calls."""
        ...

    def opening(self, calls: Calls, usual: Usual) -> Opening | None:
        """Returns the *calls* that begin a result, not sent; None where only Python can make them."""
        ...

    def shortcut(self, plan: Plan) -> Shortcut | None:
        """Returns the calls of all queries of *plan*; None where only Python can make them."""
        ...

    def tend(self, seconds: float) -> bool:
        """Looks after the calls that nobody waits for, for *seconds* or until the channel is closed; blocks.

        Returns False, at once, where nobody needs to: the library has threads that do.
        """
        ...

    def close(self) -> None:
        """Closes the connection; calls that are open fail with CANCELLED."""
        ...
