"""The ticket of a partition: what it says, its bytes, and the proof that nobody has changed them.

The bytes, numbers big-endian::

    4  "E6PT"          8  id of the key           m  body, JSON
    1  version, 1      4  m, length of the body   n  schema, as an Arrow IPC message
                       4  n, length of the schema 32 HMAC-SHA256 of all before it

Nothing of the body is looked at before the proof holds: a ticket names an address that calls are steered to, and SQL.
It holds no credential, no token and no session, so a reader needs his own.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import json
import struct
import threading
from typing import Any, Final, NoReturn

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc._options.database_config import DatabaseConfig
from e6data_adbc.errors import Status
from e6data_adbc.options import DatabaseOptions, Secret

__all__ = ["RunningResult", "SubQuery", "Ticket", "TicketKey", "glance", "key_of"]

MAGIC: Final = b"E6PT"
VERSION: Final = 1
_HEAD: Final = struct.Struct(">4sB8sII")
_MAC_BYTES: Final = 32

#: Makes guessing a password from a ticket slow; a database does it once.
_ROUNDS: Final = 200_000
#: What is shorter can be guessed all the same.
_SHORTEST_KEY: Final = 16


@dataclasses.dataclass(frozen=True)
class RunningResult:
    """A result that the server makes already, and that can be read once.

    Attributes:
        query_id: The server's id of the query.
        engine: The planner that has it.
        colour: The deployment that has it.
        owner: Who started it, as a keyed hash; "" where that is not known.
        rows: The announced number of rows, -1 where unknown.
    """

    query_id: str
    engine: str
    colour: str
    owner: str
    rows: int


@dataclasses.dataclass(frozen=True)
class SubQuery:
    """A query that nobody has started; every reader runs it for himself."""

    sql: str


@dataclasses.dataclass(frozen=True)
class Ticket:
    """One partition of a result.

    Attributes:
        endpoint: The server, as a hash of its address.
        cluster: The cluster there, if it has a name.
        catalog: Where unqualified schemas are looked up.
        db_schema: Where unqualified tables are looked up.
        issued: When it was made, in whole seconds since 1970.
        expires: When it ends, likewise.
        work: What is read.
        schema: Of the rows.
    """

    endpoint: str
    cluster: str | None
    catalog: str | None
    db_schema: str | None
    issued: int
    expires: int
    work: RunningResult | SubQuery
    schema: pa.Schema

    def seal(self, key: TicketKey) -> bytes:
        """Returns the bytes of the ticket, proved with *key*.

        Raises:
            ProgrammingError: There is no key (INVALID_STATE).
        """
        body = {name: getattr(self, name) for name in _PLAIN}
        body["result" if isinstance(self.work, RunningResult) else "query"] = dataclasses.asdict(
            self.work
        )
        text = json.dumps(body, separators=(",", ":")).encode()
        schema = self.schema.serialize().to_pybytes()
        head = _HEAD.pack(MAGIC, VERSION, key.id, len(text), len(schema))
        message = head + text + schema
        return message + key.prove(message)

    @staticmethod
    def unseal(data: bytes, key: TicketKey) -> Ticket:
        """Returns the ticket whose bytes *data* are.

        Raises:
            ProgrammingError: They are no ticket, or a part of one (INVALID_ARGUMENT); they were made with another key
                (UNAUTHORIZED); or there is no key (INVALID_STATE).
            NotSupportedError: They are a ticket of another version.
            DataError: They were changed.
        """
        key_id, end, after = _measure(data)
        if not hmac.compare_digest(key_id, key.id):
            _refuse(
                Status.UNAUTHORIZED,
                "it was made with another key",
                "read it as the user who made it, with the same password or client secret, or give both sides the"
                f" same {DatabaseOptions.TICKET_KEY.value}",
            )
        message, proof = data[:-_MAC_BYTES], data[-_MAC_BYTES:]
        if not hmac.compare_digest(proof, key.prove(message)):
            _refuse(
                Status.INVALID_DATA, "it was changed after it was made", "hand it on as it came"
            )
        return _read(data[_HEAD.size : end], data[end:after])


def _measure(data: bytes) -> tuple[bytes, int, int]:
    """Returns the id of the key, and where body and schema end; raises as `Ticket.unseal`."""
    if len(data) < len(MAGIC) or not data.startswith(MAGIC):
        _refuse(Status.INVALID_ARGUMENT, "it is not a partition that this driver has made")
    if len(data) > len(MAGIC) and data[len(MAGIC)] != VERSION:
        _refuse(
            Status.NOT_IMPLEMENTED,
            f"it is of version {data[len(MAGIC)]}, and this driver reads version {VERSION}",
            "read it with the release of the driver that made it",
        )
    if len(data) < _HEAD.size:
        _refuse(Status.INVALID_ARGUMENT, f"it is cut off after {len(data)} bytes")
    _, _, key_id, length, schema_length = _HEAD.unpack_from(data)
    whole = _HEAD.size + length + schema_length + _MAC_BYTES
    if len(data) != whole:
        _refuse(
            Status.INVALID_ARGUMENT,
            f"it should have {whole} bytes and has {len(data)}",
            "hand it on as it came",
        )
    return key_id, _HEAD.size + length, _HEAD.size + length + schema_length


def glance(data: bytes) -> tuple[RunningResult | SubQuery, pa.Schema]:
    """Returns what a ticket claims to stand for, of which nothing is proved: for choices that its reader checks.

    Raises:
        Error: As `Ticket.unseal`, but for what only a key tells.
    """
    _, end, after = _measure(data)
    ticket = _read(data[_HEAD.size : end], data[end:after])
    return ticket.work, ticket.schema


_PLAIN: Final = ("endpoint", "cluster", "catalog", "db_schema", "issued", "expires")


def _read(text: bytes, schema: bytes) -> Ticket:
    """Returns the ticket of a body that is proved, so that whoever has the key wrote it."""
    try:
        body: dict[str, Any] = json.loads(text)
        work: RunningResult | SubQuery
        is_result = "result" in body
        work = RunningResult(**body["result"]) if is_result else SubQuery(**body["query"])
        plain = {name: body[name] for name in _PLAIN}
        return Ticket(**plain, work=work, schema=pa.ipc.read_schema(pa.py_buffer(schema)))
    except (ValueError, KeyError, TypeError, pa.ArrowException) as cause:
        raise errors.make(
            Status.INVALID_DATA, f"could not read the partition: its ticket is malformed: {cause}"
        ) from cause


class TicketKey:
    """What tickets are proved with; for any thread. No `repr`, log or pickle shows it."""

    __slots__ = ("_derived", "_lock", "_secret", "_user")

    def __init__(self, secret: Secret | None, user: str = "") -> None:
        """Derives nothing yet.

        Args:
            secret: What those who make tickets and those who read them have in common; None where there is nothing.
            user: Whose secret it is, where it is not shared on purpose.

        Raises:
            ProgrammingError: A key that was given on purpose is too short.
        """
        if secret is not None and not user and len(secret.reveal()) < _SHORTEST_KEY:
            raise errors.make(
                Status.INVALID_ARGUMENT,
                f"could not use the value of {DatabaseOptions.TICKET_KEY.value!r}: it has less than"
                f" {_SHORTEST_KEY} characters",
            )
        self._secret = secret
        self._user = user
        self._derived: Secret | None = None
        self._lock = threading.RLock()

    @property
    def id(self) -> bytes:
        """Tells this key from others, and nothing else about it: 8 bytes."""
        return self._hash(b"id", b"")[:8]

    def prove(self, message: bytes) -> bytes:
        """Returns what only holders of the key can make of *message*: 32 bytes."""
        return self._hash(b"ticket", message)

    def hide(self, name: str) -> str:
        """Returns a hash of *name* that only holders of the key can make; of "" it is ""."""
        return self._hash(b"name", name.encode("utf-8", "surrogatepass"))[:16].hex() if name else ""

    def _hash(self, purpose: bytes, message: bytes) -> bytes:
        text = purpose + b"\0" + message
        return hmac.digest(bytes.fromhex(self._key().reveal()), text, "sha256")

    def _key(self) -> Secret:
        if self._secret is None:
            raise errors.make(
                Status.INVALID_STATE,
                "could not use partitions: their tickets need a key, and access tokens, which change, make none",
                hint=f"give all sides the same {DatabaseOptions.TICKET_KEY.value}",
            )
        with self._lock:
            if self._derived is None:
                salt = b"e6data_adbc partition ticket\0" + self._user.encode(
                    "utf-8", "surrogatepass"
                )
                self._derived = Secret(
                    hashlib.pbkdf2_hmac(
                        "sha256",
                        self._secret.reveal().encode("utf-8", "surrogatepass"),
                        salt,
                        _ROUNDS,
                    ).hex()
                )
            return self._derived

    def __repr__(self) -> str:
        return "TicketKey(***)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("the key of tickets is not pickled")


def key_of(config: DatabaseConfig) -> tuple[TicketKey, str]:
    """Returns the key that tickets of a database are proved with, and a name for who signs in there, "" if unknown.

    Raises:
        ProgrammingError: The option that gives a key is too short.
    """
    settings = config.settings
    given: Secret | None = settings.get(DatabaseOptions.TICKET_KEY)
    client: str | None = settings.get(DatabaseOptions.OAUTH_CLIENT_ID)
    name = ""
    if client is not None:
        name = owner = f"client {client}"
        secret = settings.get(DatabaseOptions.OAUTH_CLIENT_SECRET)
    elif config.user:
        user = (
            config.user,
            settings.get(DatabaseOptions.IMPERSONATED_USER),
            settings.get(DatabaseOptions.IDENTITY_CLAIM),
        )
        name, owner, secret = f"user {config.user}", f"user {json.dumps(user)}", config.token
    else:
        owner, secret = "", None
    if given is not None:
        return TicketKey(given), owner
    return TicketKey(secret, name), owner


def _refuse(status: Status, cause: str, hint: str | None = None) -> NoReturn:
    raise errors.make(status, f"could not read the partition: {cause}", hint=hint)
