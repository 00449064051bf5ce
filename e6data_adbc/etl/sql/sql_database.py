"""What a SQL database says for itself: how to connect, what it stores a column as, and where its SQL differs."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar, Final

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.columns import Column, fits_without_loss
from e6data_adbc.etl.destinations import Address
from e6data_adbc.etl.sink import Capabilities, Mode
from e6data_adbc.etl.sql.session import Session, Table, quoted

__all__ = ["Database", "Existing", "all_equal", "listed"]

#: SQLSTATEs of a disk that is full or fails, of read-only transactions, and of schemas that are not there.
_NO_PLACE: Final = frozenset({"53100", "58030", "58P01", "25006", "3F000"})


@dataclasses.dataclass(frozen=True)
class Existing:
    """A column that the destination's table has.

    Attributes:
        name: Of the column.
        definition: The name of its type, with whatever makes it another one for a load.
        is_required: Whether a row has to bring a value for it.
        fills_null: Whether the database may put a value of its own in place of a NULL that a row brings.
    """

    name: str
    definition: str
    is_required: bool
    fills_null: bool = False


class Database:
    """A database with transactions that hold changes of tables, too; subclasses say how each differs from standard SQL.

    Threads may call it at once, each with a session of its own.
    """

    capabilities: Capabilities = Capabilities(
        modes=frozenset(Mode),
        is_fenced=True,
        has_parallel_commits=False,
        can_evolve=True,
        can_widen=True,
        can_keep_last=True,
    )
    #: What a SELECT ends with to lock its rows.
    row_lock: ClassVar[str] = ""
    #: What stands between the columns and the rows of an INSERT, so that the rows' own values are taken.
    overriding: ClassVar[str] = ""
    #: Whether names that differ in case only are the same.
    folds_case: ClassVar[bool] = False
    #: What stands after the columns of a table.
    table_ending: ClassVar[str] = ""
    #: Whether there is no server, but a file.
    is_file: ClassVar[bool] = False
    #: Whether tables are made and dropped outside of transactions, which that ends.
    keeps_tables: ClassVar[bool] = False
    #: The types of texts in the table of watermarks: of any length, and as part of its key.
    text: str = "TEXT"
    key_text: str = "TEXT"

    def __init__(self, address: Address) -> None:
        """Takes the address, with the table; connects to nothing."""
        if not address.table:
            raise errors.make(
                Status.INVALID_ARGUMENT,
                f"could not open the destination {address.shown!r}: it names no table",
                hint="write it at the end, as #table or #schema.table",
            )
        for part in address.table:
            if fault := self.name_fault(part):
                raise errors.make(
                    Status.INVALID_ARGUMENT,
                    f"could not open the destination {address.shown!r}: the name {part!r} {fault}",
                    hint="name another table",
                )
        *schema, name = address.table
        self.address = address
        self.table = Table(schema[0] if schema else None, name)

    # ---- what each has to say

    def connect(self) -> Session:
        """Returns a new connection."""
        raise NotImplementedError

    def is_there(self) -> bool:
        """Tells whether there is anything to look into; connecting may make it where there is not."""
        return True

    def existing(self, session: Session, table: Table) -> list[Existing] | None:
        """Returns the columns of *table*, or None where there is none."""
        raise NotImplementedError

    def stored(self, field: pa.Field[Any]) -> Column | str:
        """Returns how a column is stored, or why it cannot be."""
        raise NotImplementedError

    def may_pass(self, error: BaseException) -> bool:
        """Tells, by type and SQLSTATE, whether what the library failed with may be gone later."""
        raise NotImplementedError

    # ---- what some say otherwise

    def read_type(self, definition: str) -> pa.DataType | None:
        """Returns the Arrow type that a column of the database takes; None where it is not known."""
        del definition
        return None

    def lock_job(self, session: Session, name: str) -> None:
        """Keeps other workers from making the same tables, to the end of the transaction."""

    def lock_watermark(self, session: Session, table: Table, job: str, run: str) -> None:
        """Keeps other workers from the row of a run, where a SELECT cannot lock it."""

    def prove(self, session: Session, schema: pa.Schema) -> None:
        """Tries what is not known of the database, and leaves nothing behind."""

    def begin_writing(self, session: Session) -> None:
        """Does what has to come first in a transaction that writes."""

    def sqlstate(self, error: BaseException) -> str:
        """Returns the SQLSTATE of a failure of the library; empty where it has none."""
        return getattr(error, "sqlstate", None) or ""

    def status(self, error: BaseException) -> Status:
        """Returns the status of a failure of the library."""
        return error.status_code if isinstance(error, errors.Error) else Status.UNKNOWN

    def lacks_right(self, error: BaseException) -> bool:
        """Tells whether the database refused, because the user may not."""
        return self.sqlstate(error) == "42501"

    def cannot_write(self, error: BaseException) -> bool:
        """Tells whether the place of the rows is at fault: it has no room, is read-only, or not there."""
        return self.sqlstate(error) in _NO_PLACE

    def is_about_connecting(self, error: BaseException) -> bool:
        """Tells of a failure of a session whether the server is not reached any more, or signs nobody in."""
        del error
        return False

    def unlock_job(self, session: Session) -> None:
        """Ends what `lock_job` began, where that need not wait for the end of the transaction."""

    def stages(self, session: Session, schema: str | None) -> set[str]:
        """Returns the names of the tables of stages, where those of complete runs may be left."""
        del session, schema
        return set()

    def drop_stage(self, session: Session, stage: Table, *, is_used_again: bool) -> None:
        """Drops a stage whose rows were moved; *is_used_again* where its run may go on."""
        del is_used_again
        session.run(f"DROP TABLE {stage.sql}")

    def fitted(self, column: Column, there: Existing) -> Column | None:
        """Returns *column* as the column that is there takes it without a loss, or None."""
        if there.definition.upper() == column.definition.upper():
            return column
        kind: Any = self.read_type(there.definition)
        if kind is None:
            return None
        if kind == column.stored:
            return dataclasses.replace(column, definition=there.definition)
        # The engine gives all decimals 38 digits: whether fewer do is a question of the values.
        is_decimal = pa.types.is_decimal(kind) and pa.types.is_decimal(column.stored)
        if is_decimal and kind.scale >= column.stored.scale:  # type: ignore[attr-defined]
            return dataclasses.replace(column, stored=kind, definition=there.definition)
        if fits_without_loss(column.stored, kind):
            return dataclasses.replace(column, stored=kind, definition=there.definition)
        return None

    def widens(self, there: Existing, column: Column) -> bool:
        """Tells whether each value of the column that is there is one of *column*, and the type can be changed."""
        if not self.capabilities.can_widen:
            return False
        kind = self.read_type(there.definition)
        return kind is not None and fits_without_loss(kind, column.stored)

    def create(self, table: Table, columns: Sequence[Column], key: Sequence[str] = ()) -> str:
        """Returns the statement that makes a table."""
        text = ", ".join(f"{quoted(each.name)} {each.definition}" for each in columns)
        if key:
            text += f", PRIMARY KEY ({listed(key)})"
        return f"CREATE TABLE {table.sql} ({text}){self.table_ending}"

    def make_table(
        self, session: Session, table: Table, columns: Sequence[Column], key: Sequence[str] = ()
    ) -> None:
        """Makes a table."""
        session.run(self.create(table, columns, key))

    def alter_type(self, column: Column) -> str:
        """Returns the statement that widens a column of the target."""
        return f"ALTER TABLE {self.table.sql} ALTER COLUMN {quoted(column.name)} TYPE {column.definition}"

    def merge(self, rows: str, columns: Sequence[str], key: Sequence[str]) -> list[str]:
        """Returns the statements that change the rows with a known key and add the others.

        Args:
            rows: The staged rows: a table or a query in brackets.
            columns: Their names.
            key: Those by which rows are the same.
        """
        names = listed(columns)
        sets = ", ".join(f"{quoted(n)} = stage.{quoted(n)}" for n in columns if n not in key)
        values = ", ".join(f"stage.{quoted(name)}" for name in columns)
        change = f"WHEN MATCHED THEN UPDATE SET {sets} " if sets else ""
        merge = (
            f"MERGE INTO {self.table.sql} AS target USING {rows} AS stage "
            f"ON {all_equal('target', 'stage', key)} {change}"
            f"WHEN NOT MATCHED THEN INSERT ({names}){self.overriding} VALUES ({values})"
        )
        return [merge]

    def name_fault(self, name: str) -> str:
        """Returns why the database has no such name, or would make another one of it; empty where it has."""
        return "" if name else "is empty"

    def folded(self, name: str) -> str:
        """Returns *name* so that those that are the same to the database are equal."""
        return name.lower() if self.folds_case else name


def listed(names: Sequence[str]) -> str:
    """Returns *names*, quoted, with commas."""
    return ", ".join(map(quoted, names))


def all_equal(left: str, right: str, names: Sequence[str]) -> str:
    """Returns the condition that two rows have the same in the columns *names*."""
    return " AND ".join(f"{left}.{quoted(name)} = {right}.{quoted(name)}" for name in names)
