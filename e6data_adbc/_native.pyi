# ruff: noqa: PYI021 - editors show these docstrings, and the module itself is compiled
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol, final

from e6data_adbc.errors import Error

__all__ = [
    # Codec
    "parse_metadata",
    "encode_metadata",
    "describe_chunk",
    "probe_chunk",
    "decode_chunk",
    "encode_chunk",
    "encode_response",
    "Response",
    "Shortcut",
    "Batch",
    "NativeDecodeError",
    # Results
    "Reading",
    "StreamErrors",
    "StreamStats",
    "shutdown",
    "thread_count",
    # Transport
    "Channel",
    "Course",
    "Exchange",
    "Opening",
    # About
    "DEBUG_BUILD",
]

class _SchemaExportable(Protocol):
    def __arrow_c_schema__(self) -> Any: ...

class _ArrayExportable(Protocol):
    def __arrow_c_array__(self, requested_schema: Any = None, /) -> tuple[Any, Any]: ...

#: Whether this is an unoptimised build.
DEBUG_BUILD: Final[bool]
_anchor: Final[int]

class NativeDecodeError(ValueError):
    """Bytes that cannot be decoded; the text never quotes a value."""

    #: The rule that is broken, as in `bad_length`.
    kind: str
    #: Zero-based column, if the error is inside one.
    column: int | None
    #: Zero-based row, if the error is inside one.
    row: int | None
    #: Byte offset into the bytes that were handed in.
    offset: int

def parse_metadata(data: bytes) -> tuple[int, list[tuple[str, str, str, str]]]:
    """Returns row count and columns (name, type name, zone, format) of result metadata.

    Raises:
        NativeDecodeError: *data* is cut short, has an impossible count, or text that is not UTF-8.
    """

def encode_metadata(row_count: int, columns: Sequence[tuple[str, str, str, str]]) -> bytes:
    """Returns result metadata as the engine writes it.

    Raises:
        ValueError: A text is longer than 65,535 bytes.
    """

def probe_chunk(chunk: bytes) -> tuple[int, list[tuple[int, int | None]]]:
    """Returns rows, and (vector type, decimal scale) of each vector of *chunk*; decodes no value.

    Raises:
        NativeDecodeError: The structure of *chunk* is broken.
    """

def describe_chunk(chunk: bytes) -> tuple[int, list[tuple[int, int | None, int]]]:
    """Returns rows, and (vector type, decimal scale, evidence) of each vector of *chunk*; see `types.Shape`.

    Raises:
        NativeDecodeError: The structure of *chunk* is broken.
    """

def decode_chunk(
    chunk: bytes,
    schema: _SchemaExportable,
    *,
    max_rows: int = ...,
    max_bytes: int = ...,
) -> Batch:
    """Returns *chunk* as a batch of *schema*.

    Args:
        chunk: Thrift-binary `Chunk`.
        schema: One field a vector, all of them nullable.
        max_rows: Most rows that are accepted.
        max_bytes: Most decoded bytes that are accepted.

    Raises:
        NativeDecodeError: *chunk* is broken, exceeds a limit, or does not fit *schema*.
        TypeError: *schema* has a type for which there is no decoder.
    """

def encode_chunk(
    batch: _ArrayExportable,
    vector_types: Sequence[int],
    *,
    constants: bool = True,
) -> bytes:
    """Returns *batch* as one chunk.

    Args:
        batch: A record batch.
        vector_types: One vector type a column, as numbered on the wire.
        constants: Whether a column of equal rows is sent as a constant vector.

    Raises:
        ValueError: A value does not fit its vector type, or there is no such type.
        TypeError: *batch* is not a record batch.
    """

def encode_response(
    chunks: Sequence[bytes],
    *,
    version: int,
    session_id: str = "",
    new_strategy: str | None = None,
    end_of_stream: bool = False,
) -> bytes:
    """Returns a fetch response as the engine sends it; *version* is 1 or 2."""

def shutdown(timeout_seconds: float = 5.0) -> bool:
    """Ends all open results and refuses new work; true if every thread ended in time.

    Registered with `atexit`. A second call does not wait again.
    """

def thread_count() -> int:
    """Returns how many threads of the driver are running."""

@final
class Response:
    """A raw fetch response; nothing of it is copied."""

    def __new__(cls, data: bytes, version: int) -> Response: ...
    @property
    def session_id(self) -> str | None:
        """The session id, if the engine sent one."""
    @property
    def new_strategy(self) -> str | None:
        """The announced strategy, if the engine sent one."""
    @property
    def end_of_stream(self) -> bool:
        """Whether no further response follows."""
    @property
    def chunk_count(self) -> int:
        """Chunks in the response."""
    @property
    def nbytes(self) -> int:
        """Bytes of the response."""
    @property
    def row_count(self) -> int:
        """Rows that the chunks say they have; -1 where one is broken, which decoding reports."""
    def chunks(self) -> list[bytes]:
        """Returns a copy of the bytes of each chunk."""
    def probe(self) -> list[tuple[int, list[tuple[int, int | None]]]]:
        """Returns the shape of each chunk, as `probe_chunk` does."""
    def describe(self, index: int) -> tuple[int, list[tuple[int, int | None, int]]]:
        """Returns the shape of one chunk, as `describe_chunk` does.

        Raises:
            IndexError: There is no such chunk.
            NativeDecodeError: Its structure is broken.
        """

@final
class Batch:
    """A decoded record batch; `pyarrow.record_batch(batch)` takes it without a copy."""

    @property
    def num_rows(self) -> int:
        """Rows of the batch."""
    def __arrow_c_array__(self, requested_schema: Any = None) -> tuple[Any, Any]: ...
    def __arrow_c_schema__(self) -> Any: ...

@final
class StreamErrors:
    """The failure of one result stream, which may have been released meanwhile."""

    @staticmethod
    def of(address: int) -> StreamErrors | None:
        """Returns what is known of the C stream at *address*; None if it is not the driver's, or gone.

        There must be an initialised `ArrowArrayStream` at *address*.
        """
    def error(self) -> Error | None:
        """Returns the error with which the stream failed, None if it has not."""

@final
class StreamStats:
    """The counters of one stream; they may be read at any time, from any thread."""

    @property
    def rows_decoded(self) -> int:
        """Rows decoded so far."""
    @property
    def rows_delivered(self) -> int:
        """Rows handed to the consumer so far."""
    @property
    def batches_delivered(self) -> int:
        """Batches handed to the consumer so far."""
    @property
    def bytes_received(self) -> int:
        """Bytes of the responses that have arrived so far."""
    @property
    def has_room(self) -> bool:
        """Whether a response would find room behind the one that is being fetched."""

@final
class Reading:
    """A result that is read through its stream; when that was released, the methods do nothing."""

    @staticmethod
    def opened() -> Reading | None:
        """Returns the result that was opened last on this thread, once; None where there is none."""
    def keep(self, rows: int) -> None:
        """Keeps what is delivered from now on, and of what was kept the batches of its last *rows*."""
    def unread(self, rows: int) -> bool:
        """Takes back the last *rows* that were kept, which come again, first; nothing is kept any more.

        Returns whether they do; false when the result has failed, or its stream was released.
        """
    def fail(self, why: str) -> None:
        """Fails the result for good, also when it was read to its end: rows were lost on the way."""

@final
class Channel:
    """The connection to one server, driven by whoever waits for one of its calls."""

    def __new__(
        cls,
        host: str,
        port: int,
        *,
        user_agent: str,
        connect_timeout: float,
        max_message_bytes: int,
        server_name: str | None = None,
        encrypted: bool = False,
        root_certs: bytes | None = None,
        client_cert: bytes | None = None,
        client_key: bytes | None = None,
        proxy: tuple[str, int] | None = None,
        proxy_credentials: str | None = None,
    ) -> Channel:
        """Opens nothing yet.

        Args:
            host: Name or address, without brackets.
            port: TCP port.
            user_agent: What servers log beside each call.
            connect_timeout: Seconds to wait for the connection to stand.
            max_message_bytes: The largest message to accept.
            server_name: The name that the server goes by, instead of *host*.
            encrypted: Whether TLS is spoken.
            root_certs: PEM text to trust instead of the system's.
            client_cert: PEM text of the client's certificates.
            client_key: PEM text of their private key.
            proxy: Host and port of the proxy to go through.
            proxy_credentials: `user:password` for it.

        Raises:
            ValueError: One of these cannot be used; the text quotes none of them.
        """
    def start(
        self,
        path: str,
        message: bytes,
        timeout: float,
        headers: Sequence[tuple[str, str]],
        secret: Sequence[tuple[str, str]],
    ) -> Exchange | None:
        """Returns the call, sent; None where the channel is closed. Does not block."""
    def tend(self, seconds: float) -> None:
        """Looks after calls that nobody waits for, for *seconds* or until the channel is closed; blocks."""
    def close(self) -> None:
        """Closes the connection; calls that are open end as cancelled."""

@final
class Course:
    """A call that is sent again for as long as its answers are usual responses; see `_transport.api.Course`.

    A result whose source names it in `course` reads it without Python; what ends it is seen by `next_response`.
    """

    def __new__(
        cls,
        channel: Channel,
        path: str,
        message: bytes,
        timeout: float,
        headers: Sequence[tuple[str, str]],
        secret: Sequence[tuple[str, str]],
        *,
        protocol: int,
        session_id: str,
        strategy: str,
        missing_rows: int,
        most_rows: int,
        is_followed: bool,
        seconds: float | None = None,
        begun: Exchange | None = None,
    ) -> Course:
        """Sends nothing yet; arguments as those of `Channel.start`, and the attributes of `_transport.api.Usual`."""
    def leave(self) -> tuple[int, int, int, Exchange | None]:
        """Ends the course; returns responses, rows, the most rows of one response, and the call that is left."""
    def cancel(self) -> None:
        """Ends the call under way, and begins no other; who waits for it is told at once."""
    def waits(self) -> float | None:
        """Returns for how many seconds a call has been under way; None where there is none."""

@final
class Opening:
    """The calls that begin a result, made one after the other; see `_transport.api.Opening`."""

    def __new__(
        cls,
        channel: Channel,
        headers: Sequence[tuple[str, str]],
        secret: Sequence[tuple[str, str]],
        *,
        execute: tuple[str, bytes, float],
        metadata: tuple[str, bytes, float],
        fetch: tuple[str, bytes, float],
        protocol: int,
        session_id: str,
        strategy: str,
        most_rows: int,
        seconds_left: float,
        seconds: float | None = None,
    ) -> Opening:
        """Sends nothing yet; calls are path, message and seconds, the rest is that of `_transport.api`."""
    def run(
        self,
    ) -> tuple[
        Exchange | None,
        tuple[str, str] | None,
        bool,
        Exchange | None,
        tuple[int, list[tuple[str, str, str, str]]] | None,
        Exchange | None,
        list[Response],
        Exchange | None,
        Exchange | None,
        float,
    ]:
        """Makes the calls, once, and returns the attributes of `_transport.api.Opened`; blocks."""
    def cancel(self) -> None:
        """Ends the calls under way, and begins no other; who waits for them is told at once."""
    def waits(self) -> float | None:
        """Returns for how many seconds a call has been under way; None where there is none."""

    @property
    def prepared(self) -> tuple[str, str] | None:
        """Planner and id of the query, once it was prepared by these calls."""

@final
class Shortcut:
    """The calls of all queries of one session; see `_transport.api.Shortcut`."""

    def __new__(
        cls,
        channel: Channel,
        headers: Sequence[tuple[str, str]],
        *,
        planner_header: str,
        methods: Sequence[tuple[str, float]],
        session_id: str,
        catalog: str | None,
        schema: str,
        protocol: int,
        most_rows: int,
        total: float,
    ) -> Shortcut:
        """Sends nothing; *methods* are five paths with seconds, the rest is that of `_transport.api.Plan`."""
    def opening(self, sql: str) -> Opening:
        """Returns the calls of a query whose text is *sql*, not sent."""

@final
class Exchange:
    """One call of a channel; one thread receives, any thread may cancel."""

    def receive(
        self, arrived: Callable[[], None] | None = None
    ) -> bytes | tuple[int, str, int | None, bool] | None:
        """Returns what came of the call; blocks.

        The one message, None if there is not exactly one, or of a failure: code, text, pushback in milliseconds,
        whether the call never left. *arrived* is called before a message is copied.
        """
    @property
    def has_come(self) -> bool:
        """Whether somebody has waited for the answer already, which `receive` then returns at once."""
    def cancel(self) -> None:
        """Ends the call; a blocked `receive` returns at once."""
