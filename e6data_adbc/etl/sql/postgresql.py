"""PostgreSQL: binary COPY inside a transaction, with the row of the watermark as the lock."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Final

import pyarrow as pa

from e6data_adbc import types
from e6data_adbc.errors import Error
from e6data_adbc.etl.columns import (
    ZERO_BYTE,
    Check,
    Column,
    between,
    is_bytes,
    is_text,
    longest,
)
from e6data_adbc.etl.destinations import Address, missing
from e6data_adbc.etl.sink import Sink
from e6data_adbc.etl.sql.base import SqlSink
from e6data_adbc.etl.sql.session import AdbcSession, Session, Table
from e6data_adbc.etl.sql.sql_database import Database, Existing
from e6data_adbc.etl.sql.type_names import integer_of, read_decimal, read_length

__all__ = ["Postgres", "open_sink"]

#: From 4714 BC on, the first day of PostgreSQL's calendar, in days and microseconds since 1970.
_DAYS: Final = between(-2_440_588, 2_145_042_905, "date")
_MICROSECONDS: Final = between(-210_866_803_200_000_000, 2**63 - 1, "time")

#: Of a name, which the server cuts there.
_NAME_BYTES: Final = 63
#: Columns that every table has.
_SYSTEM_NAMES: Final = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"})

#: By the name that `format_type` gives; what a binary COPY by ADBC writes into each.
_TYPES: Final[dict[str, pa.DataType]] = {
    "boolean": pa.bool_(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "real": pa.float32(),
    "double precision": pa.float64(),
    "text": pa.string(),
    "character varying": pa.string(),
    "bytea": pa.binary(),
    "date": pa.date32(),
    "timestamp without time zone": pa.timestamp("us"),
    "timestamp with time zone": pa.timestamp("us", "UTC"),
    "time without time zone": pa.time64("us"),
    "interval": pa.duration("us"),
}

#: Classes of SQLSTATE whose cause passes: lost connections, shutdown and restart, too many connections, and what two
#: transactions did to each other. 23505, 42P07 and 42701 are what two that make one table may see.
_PASSING_CLASSES: Final = ("08", "40", "53", "57P")
_PASSING: Final = frozenset({"55P03", "23505", "42P07", "42701", "58000", "58030"})
#: Of these classes: a disk that is full, and a limit of the server's own settings.
_LASTING: Final = frozenset({"53100", "53400"})
#: A lost connection has none: libpq itself reports it, and ADBC says no more than that it was input or output.
_IO: Final = 10


def open_sink(address: Address, *, state_table: str | None = None) -> Sink:
    """Returns the sink of `postgresql://user@host/database#schema.table`."""
    return SqlSink(Postgres(address), state_table=state_table)


class Postgres(Database):
    """PostgreSQL through the ADBC driver for it."""

    capabilities = dataclasses.replace(
        Database.capabilities,
        has_parallel_commits=True,
        fence="the row of the watermark is locked, and its position compared",
    )
    row_lock: ClassVar[str] = " FOR UPDATE"
    overriding: ClassVar[str] = " OVERRIDING SYSTEM VALUE"

    def connect(self) -> Session:
        """Connects; the password may come from PGPASSWORD, a service or a password file, as libpq reads them."""
        try:
            from adbc_driver_postgresql import dbapi
        except ImportError as cause:
            raise missing("adbc-driver-postgresql", "etl-postgres", cause) from cause
        session = AdbcSession(
            dbapi.connect(self.address.url, autocommit=False), numbers_parameters=True
        )
        session.run("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED")
        session.commit()
        return session

    def existing(self, session: Session, table: Table) -> list[Existing] | None:
        """Returns the columns of *table*."""
        found = session.rows(
            "SELECT attname::text, CASE attgenerated WHEN '' THEN '' ELSE 'generated ' END || "
            "format_type(atttypid, atttypmod), attnotnull AND NOT atthasdef "
            "AND attidentity = '' FROM pg_attribute "
            "WHERE attrelid = to_regclass(?) AND attnum > 0 AND NOT attisdropped ORDER BY attnum",
            [table.sql],
        )
        return [Existing(*row) for row in found] or None

    def name_fault(self, name: str) -> str:
        """Returns why a name is none: a longer one would be cut without an error, those of the system are taken."""
        if len(name.encode()) > _NAME_BYTES:
            return f"is longer than {_NAME_BYTES} bytes"
        return "is PostgreSQL's own" if name in _SYSTEM_NAMES else super().name_fault(name)

    def lock_job(self, session: Session, name: str) -> None:
        """Takes an advisory lock by the name, to the end of the transaction."""
        session.rows(
            "SELECT pg_advisory_xact_lock(hashtextextended(?, 6))::text", [f"e6data_adbc {name}"]
        )

    def may_pass(self, error: BaseException) -> bool:
        """Tells by SQLSTATE, or, where the connection itself failed, by the status."""
        state = self.sqlstate(error)
        if state:
            passes = state in _PASSING or state.startswith(_PASSING_CLASSES)
            return passes and state not in _LASTING
        return isinstance(error, Error) and int(error.status_code) == _IO

    def stored(self, field: pa.Field[Any]) -> Column | str:
        """Returns how a column is stored."""
        kind: Any = types.storage(field.type) or field.type
        found = self._stored(kind)
        if found is None and types.is_list(kind):
            element = self._stored(types.storage(kind.value_type) or kind.value_type)
            if element is not None and element[0] in _ELEMENTS:
                found = f"{element[0]}[]", pa.list_(element[1]), ()
        if found is None:
            return "PostgreSQL's bulk ingestion has nothing that it could be"
        definition, stored, checks = found
        if not field.nullable:
            definition += " NOT NULL"
        return Column(field.name, field.type, stored, definition, checks)

    def _stored(self, kind: Any) -> tuple[str, pa.DataType, tuple[Check, ...]] | None:
        test = pa.types
        if test.is_uint64(kind):
            return "numeric(20,0)", pa.decimal128(20, 0), ()
        if test.is_integer(kind):
            stored = integer_of(kind, least=16)
            return {16: "smallint", 32: "integer", 64: "bigint"}[stored.bit_width], stored, ()
        if test.is_decimal(kind):
            scale = max(kind.scale, 0)
            digits = max(kind.precision - min(kind.scale, 0), scale)
            wide = pa.decimal128 if digits <= 38 else pa.decimal256
            return f"numeric({digits},{scale})", wide(digits, scale), ()
        if is_text(kind):
            return "text", pa.string(), (ZERO_BYTE,)
        if test.is_null(kind):
            return "text", pa.string(), ()
        if is_bytes(kind):
            return "bytea", pa.binary(), ()
        if test.is_timestamp(kind):
            if kind.tz is None:
                return "timestamp without time zone", pa.timestamp("us"), (_MICROSECONDS,)
            return "timestamp with time zone", pa.timestamp("us", "UTC"), (_MICROSECONDS,)
        for accepts, name, checks in _SIMPLE:
            if accepts(kind):
                return name, _TYPES[name], checks
        return None

    def read_type(self, definition: str) -> pa.DataType | None:
        """Returns the Arrow type that a binary COPY by ADBC writes into a column."""
        if definition == "numeric":
            return None
        return _TYPES.get(definition) or read_decimal(definition, "numeric")

    def fitted(self, column: Column, there: Existing) -> Column | None:
        """Returns *column* as the column that is there takes it: `numeric` has all digits, `varchar(n)` a check."""
        if there.definition == "numeric" and pa.types.is_decimal(column.stored):
            return column
        length = read_length(there.definition, "character varying")
        if length is not None and column.stored == pa.string():
            return Column(
                column.name,
                column.source,
                column.stored,
                there.definition,
                (*column.checks, longest(length)),
            )
        return super().fitted(column, there)


_SIMPLE: Final = (
    (pa.types.is_boolean, "boolean", ()),
    (pa.types.is_float64, "double precision", ()),
    (pa.types.is_floating, "real", ()),
    (pa.types.is_date, "date", (_DAYS,)),
    (pa.types.is_time, "time without time zone", ()),
    (pa.types.is_duration, "interval", ()),
)
#: What arrays may have.
_ELEMENTS: Final = frozenset(
    {"boolean", "smallint", "integer", "bigint", "real", "double precision"}
)
