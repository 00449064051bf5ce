"""The options' values: how each key is parsed, what it defaults to, and the layers of settings that levels stack."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import enum
import functools
import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from e6data_adbc import errors, types
from e6data_adbc.options import (
    ClientAuth,
    ConnectionOptions,
    DatabaseOptions,
    OnLoss,
    OptionValue,
    ResultProtocol,
    Secret,
    StatementOptions,
    Tls,
    TransportKind,
)


@dataclasses.dataclass(frozen=True)
class RpcSettings:
    """Limits of calls, times in seconds; and what carries them."""

    connect_timeout: float
    authenticate_timeout: float
    prepare_timeout: float
    execute_timeout: float
    fetch_timeout: float
    metadata_timeout: float
    clear_timeout: float
    total_timeout: float
    max_message_bytes: int
    transport: TransportKind


@dataclasses.dataclass(frozen=True)
class ResultSettings:
    """How a result is asked for and what it becomes."""

    protocol: ResultProtocol
    layout: types.Layout
    allow_missing_rows: bool
    max_chunk_rows: int
    max_chunk_bytes: int


@dataclasses.dataclass(frozen=True)
class FetchSettings:
    """How far a result is read ahead and how its batches are cut."""

    prefetch_responses: int
    queue_bytes: int
    batch_rows: int
    batch_bytes: int


class StreamOptions(NamedTuple):
    """What the native stream is told about a result; sizes in bytes, `prefetch` in responses."""

    queue_bytes: int
    batch_rows: int
    batch_bytes: int
    max_chunk_rows: int
    max_chunk_bytes: int
    allow_missing_rows: bool
    prefetch: int


@dataclasses.dataclass(frozen=True)
class IngestSettings:
    """How large one INSERT of a bulk ingestion may be."""

    insert_rows: int
    insert_bytes: int


@dataclasses.dataclass(frozen=True)
class PartitionSettings:
    """What becomes of tickets; the lifetime in seconds, None for that of their kind."""

    lifetime: float | None
    clear_unread: bool
    defer_query: bool


@dataclasses.dataclass(frozen=True)
class _Spec:
    """How one key is read: its parser, its default and the levels that take it."""

    parse: Callable[[Any], Any]
    default: Any
    inherited: bool = False  # connections and statements take it too


def _integer(minimum: int = 0, maximum: int = 2**63 - 1) -> Callable[[OptionValue], int]:
    def parse(value: OptionValue) -> int:
        number = _number(value)
        if isinstance(number, float) and not number.is_integer():
            raise ValueError("not a whole number")
        result = int(number)
        if not minimum <= result <= maximum:
            raise ValueError(f"not between {minimum} and {maximum}")
        return result

    return parse


def _number(value: OptionValue) -> int | float:
    """Returns *value* as a number; a whole one keeps all its digits."""
    if isinstance(value, (int, float)):
        return value
    kinds: tuple[type[int], type[float]] = (int, float)
    for kind in kinds:
        with contextlib.suppress(ValueError, TypeError):
            return kind(value)  # type: ignore[arg-type]  # a TypeError where it is none
    raise ValueError("not a number")


_DAY: Final = 86_400.0
#: Every platform can wait so long, and nobody means more: a greater number is one in another unit, or none.
_LONGEST_WAIT: Final = 30 * _DAY
_LONGEST_LIFETIME: Final = 3650 * _DAY


def _seconds(most: float = _LONGEST_WAIT) -> Callable[[OptionValue], float]:
    def parse(value: OptionValue) -> float:
        seconds = float(_number(value))
        if not 0 < seconds <= most:  # which NaN fails, too
            raise ValueError(
                f"not a finite number of seconds above 0 and up to {most:.0f} ({most / _DAY:.0f} days)"
            )
        return seconds

    return parse


def _boolean(value: OptionValue) -> bool:
    known = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}
    given = text(value).lower()
    if given not in known:
        raise ValueError("not 'true' or 'false'")
    return known[given]


def text(value: OptionValue) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _secret(value: OptionValue) -> Secret:
    return Secret(text(value))


def _member(kind: type[enum.Enum]) -> Callable[[OptionValue], enum.Enum]:
    def parse(value: OptionValue) -> enum.Enum:
        try:
            return kind(text(value).lower())
        except ValueError:
            known = ", ".join(repr(member.value) for member in kind)
            raise ValueError(f"not one of {known}") from None

    return parse


_TRACE_PARENT: Final = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
)


def _trace_parent(value: OptionValue) -> str | None:
    given = text(value)
    if given and not _TRACE_PARENT.fullmatch(given):
        raise ValueError("not of the form 00-<32 hex digits>-<16 hex digits>-<2 hex digits>")
    return given or None


#: Characters of a query tag: room for names and ids, not for documents, which every statement would carry.
_LONGEST_TAG: Final = 1024


def _query_tag(value: OptionValue) -> str | None:
    given = text(value)
    if len(given) > _LONGEST_TAG:
        raise ValueError(f"longer than {_LONGEST_TAG} characters")
    return given or None


_KIB: Final = 1024
_MIB: Final = 1024 * _KIB

SPECS: Final[dict[str, _Spec]] = {
    DatabaseOptions.ACCESS_TOKEN.value: _Spec(_secret, None),
    DatabaseOptions.TOKEN_FILE.value: _Spec(text, None),
    DatabaseOptions.OAUTH_TOKEN_URL.value: _Spec(text, None),
    DatabaseOptions.OAUTH_CLIENT_ID.value: _Spec(text, None),
    DatabaseOptions.OAUTH_CLIENT_SECRET.value: _Spec(_secret, None),
    DatabaseOptions.OAUTH_SCOPE.value: _Spec(text, None),
    DatabaseOptions.OAUTH_CLIENT_AUTH.value: _Spec(_member(ClientAuth), None),
    DatabaseOptions.TOKEN_PROVIDER.value: _Spec(text, None),
    DatabaseOptions.REQUEST_SIGNER.value: _Spec(text, None),
    DatabaseOptions.IMPERSONATED_USER.value: _Spec(text, None),
    DatabaseOptions.IDENTITY_CLAIM.value: _Spec(text, None),
    DatabaseOptions.CLUSTER_NAME.value: _Spec(text, None),
    DatabaseOptions.SHARE_COLOUR.value: _Spec(_boolean, default=False),
    DatabaseOptions.TLS.value: _Spec(_member(Tls), Tls.AUTO),
    DatabaseOptions.TRANSPORT.value: _Spec(_member(TransportKind), TransportKind.NATIVE),
    DatabaseOptions.TLS_ROOT_CERTS.value: _Spec(text, None),
    DatabaseOptions.TLS_CLIENT_CERT.value: _Spec(text, None),
    DatabaseOptions.TLS_CLIENT_KEY.value: _Spec(_secret, None),
    DatabaseOptions.TLS_SERVER_NAME.value: _Spec(text, None),
    DatabaseOptions.CONNECT_TIMEOUT.value: _Spec(_seconds(), 10.0),
    DatabaseOptions.AUTHENTICATE_TIMEOUT.value: _Spec(_seconds(), 30.0),
    DatabaseOptions.PREPARE_TIMEOUT.value: _Spec(_seconds(), 600.0, inherited=True),
    DatabaseOptions.EXECUTE_TIMEOUT.value: _Spec(_seconds(), 600.0, inherited=True),
    DatabaseOptions.FETCH_TIMEOUT.value: _Spec(_seconds(), 600.0, inherited=True),
    DatabaseOptions.METADATA_TIMEOUT.value: _Spec(_seconds(), 60.0, inherited=True),
    DatabaseOptions.CLEAR_TIMEOUT.value: _Spec(_seconds(), 10.0, inherited=True),
    DatabaseOptions.TOTAL_TIMEOUT.value: _Spec(_seconds(), 1800.0, inherited=True),
    DatabaseOptions.AUTO_RESUME.value: _Spec(_boolean, default=True, inherited=True),
    DatabaseOptions.RESUME_TIMEOUT.value: _Spec(_seconds(), 300.0, inherited=True),
    DatabaseOptions.ON_PROGRESS.value: _Spec(text, None),
    DatabaseOptions.HEALTH_TIMEOUT.value: _Spec(_seconds(), 10.0, inherited=True),
    DatabaseOptions.TRACE_PARENT.value: _Spec(_trace_parent, None, inherited=True),
    DatabaseOptions.MAX_MESSAGE_BYTES.value: _Spec(_integer(_KIB, 2**31 - 1), 256 * _MIB),
    DatabaseOptions.RESULT_PROTOCOL.value: _Spec(
        _member(ResultProtocol), ResultProtocol.V1, inherited=True
    ),
    DatabaseOptions.TEXT_LAYOUT.value: _Spec(_member(types.Text), types.Text.UTF8, inherited=True),
    DatabaseOptions.TIMESTAMP_TZ.value: _Spec(
        _member(types.TimestampTz), types.TimestampTz.INSTANT, inherited=True
    ),
    DatabaseOptions.NESTED.value: _Spec(_member(types.Nested), types.Nested.TEXT, inherited=True),
    DatabaseOptions.DECIMAL_PRECISION.value: _Spec(
        _member(types.DecimalPrecision), types.DecimalPrecision.MAX, inherited=True
    ),
    DatabaseOptions.INTERVAL.value: _Spec(
        _member(types.Interval), types.Interval.DURATION, inherited=True
    ),
    DatabaseOptions.ALLOW_MISSING_ROWS.value: _Spec(_boolean, default=False, inherited=True),
    DatabaseOptions.ON_LOSS.value: _Spec(_member(OnLoss), OnLoss.FAIL, inherited=True),
    DatabaseOptions.MAX_CHUNK_ROWS.value: _Spec(_integer(1, 2**31 - 1), 2**24, inherited=True),
    DatabaseOptions.MAX_CHUNK_BYTES.value: _Spec(_integer(1), 1024 * _MIB, inherited=True),
    DatabaseOptions.PREFETCH_RESPONSES.value: _Spec(_integer(0, 64), 2, inherited=True),
    DatabaseOptions.QUEUE_BYTES.value: _Spec(_integer(1), 8 * _MIB, inherited=True),
    DatabaseOptions.BATCH_ROWS.value: _Spec(_integer(0, 2**31 - 1), 64 * _KIB, inherited=True),
    DatabaseOptions.BATCH_BYTES.value: _Spec(_integer(0), _MIB, inherited=True),
    DatabaseOptions.TIMINGS.value: _Spec(_boolean, default=False, inherited=True),
    DatabaseOptions.QUERY_TAG.value: _Spec(_query_tag, None, inherited=True),
    DatabaseOptions.SERVER_BINDING.value: _Spec(_boolean, default=False, inherited=True),
    ConnectionOptions.READONLY.value: _Spec(_boolean, default=False),
    DatabaseOptions.INSERT_ROWS.value: _Spec(_integer(1, 2**31 - 1), 1000, inherited=True),
    DatabaseOptions.INSERT_BYTES.value: _Spec(_integer(1, 2**31 - 1), _MIB, inherited=True),
    DatabaseOptions.TICKET_KEY.value: _Spec(_secret, None),
    DatabaseOptions.TICKET_LIFETIME.value: _Spec(_seconds(_LONGEST_LIFETIME), None, inherited=True),
    DatabaseOptions.CLAIM_PATH.value: _Spec(text, None),
    DatabaseOptions.CLEAR_UNREAD.value: _Spec(_boolean, default=False, inherited=True),
    DatabaseOptions.DEFER_QUERY.value: _Spec(_boolean, default=False, inherited=True),
}

#: Names that must not stand in a URI's query, where logs and process lists show them.
_SECRETS: Final = frozenset(
    {"password", "token", "access_token", "client_secret", "oauth_client_secret", "ticket_key"}
)
#: The ways to sign in, each with the short names that belong to it.
SIGN_IN_WAYS: Final[tuple[tuple[str, ...], ...]] = (
    ("username", "password"),
    ("access_token",),
    ("token_file",),
    ("token_provider",),
    (
        "oauth_client_id",
        "oauth_client_secret",
        "oauth_token_url",
        "oauth_scope",
        "oauth_client_auth",
    ),
)
SHORT_NAMES: Final[dict[str, str]] = {key.rsplit(".", 1)[-1]: key for key in SPECS}


@dataclasses.dataclass(frozen=True)
class Settings:
    """Option values of one level, on top of those below it; immutable.

    Attributes:
        values: Parsed values by key, only those that were set somewhere.
    """

    values: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def with_option(self, key: str, value: OptionValue) -> Settings:
        """Returns these settings with *key* set, or reset to the default by None.

        Raises:
            ProgrammingError: *value* does not parse.
            NotSupportedError: There is no such key.
        """
        if value is None:
            _require_known(key)
            return Settings({k: v for k, v in self.values.items() if k != key})
        return Settings({**self.values, key: parse(key, value)})

    def get(self, option: enum.Enum | str) -> Any:  # typed by the option, which Python cannot say
        """Returns the value of *option*, or its default."""
        key = option if isinstance(option, str) else option._value_  # `value` is a function
        values = self.values
        return values[key] if key in values else SPECS[key].default

    def read(self, key: str) -> OptionValue:
        """Returns the value of *key* as `get_option` shows it.

        Raises:
            ProgrammingError: There is no such key, or nothing was set (NOT_FOUND).
        """
        if key not in SPECS:
            raise not_found(key)
        value = self.get(key)
        if value is None or isinstance(value, Secret):
            raise not_found(key)
        if isinstance(value, enum.Enum):
            return str(value.value)
        if isinstance(value, bool):
            return "true" if value else "false"
        return value if isinstance(value, int | float) else str(value)

    @functools.cached_property
    def rpc(self) -> RpcSettings:
        """The limits of calls."""
        option = DatabaseOptions
        return RpcSettings(
            connect_timeout=self.get(option.CONNECT_TIMEOUT),
            authenticate_timeout=self.get(option.AUTHENTICATE_TIMEOUT),
            prepare_timeout=self.get(option.PREPARE_TIMEOUT),
            execute_timeout=self.get(option.EXECUTE_TIMEOUT),
            fetch_timeout=self.get(option.FETCH_TIMEOUT),
            metadata_timeout=self.get(option.METADATA_TIMEOUT),
            clear_timeout=self.get(option.CLEAR_TIMEOUT),
            total_timeout=self.get(option.TOTAL_TIMEOUT),
            max_message_bytes=self.get(option.MAX_MESSAGE_BYTES),
            transport=self.get(option.TRANSPORT),
        )

    @functools.cached_property
    def result(self) -> ResultSettings:
        """What a result becomes."""
        option = DatabaseOptions
        return ResultSettings(
            protocol=self.get(option.RESULT_PROTOCOL),
            layout=types.Layout(
                self.get(option.TEXT_LAYOUT),
                self.get(option.TIMESTAMP_TZ),
                self.get(option.NESTED),
                self.get(option.DECIMAL_PRECISION),
                self.get(option.INTERVAL),
            ),
            allow_missing_rows=self.get(option.ALLOW_MISSING_ROWS),
            max_chunk_rows=self.get(option.MAX_CHUNK_ROWS),
            max_chunk_bytes=self.get(option.MAX_CHUNK_BYTES),
        )

    @functools.cached_property
    def fetch(self) -> FetchSettings:
        """How a result is read ahead."""
        option = DatabaseOptions
        return FetchSettings(
            prefetch_responses=self.get(option.PREFETCH_RESPONSES),
            queue_bytes=self.get(option.QUEUE_BYTES),
            batch_rows=self.get(option.BATCH_ROWS),
            batch_bytes=self.get(option.BATCH_BYTES),
        )

    @functools.cached_property
    def stream(self) -> StreamOptions:
        """What a stream needs of both."""
        fetch, result = self.fetch, self.result
        return StreamOptions(
            queue_bytes=fetch.queue_bytes,
            batch_rows=fetch.batch_rows,
            batch_bytes=fetch.batch_bytes,
            max_chunk_rows=result.max_chunk_rows,
            max_chunk_bytes=result.max_chunk_bytes,
            allow_missing_rows=result.allow_missing_rows,
            prefetch=fetch.prefetch_responses,
        )

    @functools.cached_property
    def ingest(self) -> IngestSettings:
        """How rows are written."""
        return IngestSettings(
            insert_rows=self.get(DatabaseOptions.INSERT_ROWS),
            insert_bytes=self.get(DatabaseOptions.INSERT_BYTES),
        )

    @functools.cached_property
    def partition(self) -> PartitionSettings:
        """What becomes of tickets."""
        return PartitionSettings(
            lifetime=self.get(DatabaseOptions.TICKET_LIFETIME),
            clear_unread=self.get(DatabaseOptions.CLEAR_UNREAD),
            defer_query=self.get(DatabaseOptions.DEFER_QUERY),
        )


def parse(key: str, value: OptionValue) -> Any:  # typed by the key, which Python cannot say
    """Returns *value* as the type of *key*.

    Raises:
        ProgrammingError: *value* does not parse.
        NotSupportedError: There is no such key.
    """
    spec = _require_known(key)
    shown = "***" if spec.parse is _secret else repr(value)
    try:
        return spec.parse(value)
    except (ValueError, TypeError, OverflowError) as cause:
        raise errors.make(
            errors.Status.INVALID_ARGUMENT, f"could not set option {key!r} to {shown}: {cause}"
        ) from None


def full_key(name: str) -> str:
    """Returns the key of an option by its short name; a name that is none is returned as it is."""
    return SHORT_NAMES.get(name, name)


def is_inherited(key: str) -> bool:
    """Tells whether connections and statements take *key* too."""
    return key in SPECS and SPECS[key].inherited


def unknown(key: str, known: Mapping[str, Any] | None = None) -> errors.Error:
    """Returns the error for setting a key that does not exist, naming the nearest that does."""
    return errors.make(
        errors.Status.NOT_IMPLEMENTED,
        f"could not set option {key!r}: there is no such option",
        hint=_nearest(key, known),
    )


def not_found(key: str) -> errors.Error:
    """Returns the error for reading a key that does not exist or has no value; of the former it names the nearest."""
    if key in SPECS or key in _standard_keys():
        return errors.make(errors.Status.NOT_FOUND, f"could not read option {key!r}: it is not set")
    return errors.make(
        errors.Status.NOT_FOUND,
        f"could not read option {key!r}: there is no such option, and it is not set",
        hint=_nearest(key),
    )


def _nearest(key: str, known: Mapping[str, Any] | None = None) -> str | None:
    choices = [*(known or {}), *SPECS, *_standard_keys()]
    near = difflib.get_close_matches(key, choices, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}" if near else None


@functools.cache
def _standard_keys() -> tuple[str, ...]:
    kinds = (DatabaseOptions, ConnectionOptions, StatementOptions)
    return tuple(option.value for kind in kinds for option in kind)


def _require_known(key: str) -> _Spec:
    if key not in SPECS:
        raise unknown(key)
    return SPECS[key]


def long_key(short: str) -> str:
    if short.rsplit(".", 1)[-1] in _SECRETS:
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not use {short!r} in the URI's query: logs show it there",
            hint="pass it as an option; user and token may stand in e6data://user:token@host",
        )
    if short in SPECS:
        return short
    if short not in SHORT_NAMES:
        raise unknown(short, SHORT_NAMES)
    return SHORT_NAMES[short]


def environment_values(environment: Mapping[str, str]) -> dict[str, Any]:
    found = {}
    for short, key in SHORT_NAMES.items():
        value = environment.get(f"E6DATA_{short.upper()}")
        if value is not None:
            found[key] = parse(key, value)
    return found
