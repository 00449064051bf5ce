"""Bulk ingestion: bound rows written to a table by INSERT statements of bounded size."""

from __future__ import annotations

import dataclasses
import enum
import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import pyarrow as pa

from e6data_adbc import errors, types
from e6data_adbc._driver.binding.value_rows import Place as ValuePlace
from e6data_adbc._driver.binding.value_rows import value_rows
from e6data_adbc._driver.catalog.listing import Listing
from e6data_adbc._driver.catalog.place import Place
from e6data_adbc._driver.ingestion.replacement import Replacement, is_answer, lost_race, with_text
from e6data_adbc._options.option_level import parse_flag, parse_name
from e6data_adbc._options.option_values import IngestSettings
from e6data_adbc._sql.names import quoted_name
from e6data_adbc.errors import Status
from e6data_adbc.options import OptionValue, StatementOptions

__all__ = ["KEYS", "Ingestion", "Mode", "Target"]

#: Runs one statement to its end in the schema of the target; returns the rows it touched, -1 where that is not known.
Run = Callable[[str], int]

_TABLE: Final = StatementOptions.INGEST_TARGET_TABLE.value
_CATALOG: Final = StatementOptions.INGEST_TARGET_CATALOG.value
_DB_SCHEMA: Final = StatementOptions.INGEST_TARGET_DB_SCHEMA.value
_MODE: Final = StatementOptions.INGEST_MODE.value
_TEMPORARY: Final = StatementOptions.INGEST_TEMPORARY.value
#: The options that describe a target.
KEYS: Final = frozenset({_TABLE, _CATALOG, _DB_SCHEMA, _MODE, _TEMPORARY})

#: Words by which an engine says that it does not write at all, rather than that this statement is wrong.
_REFUSES_WRITES: Final = re.compile(
    r"not supported|unsupported|not implemented|read[- ]?only|only select|not allowed|not permitted",
    re.IGNORECASE,
)


class Mode(enum.Enum):
    """What an ingestion expects of its table."""

    CREATE = "adbc.ingest.mode.create"
    APPEND = "adbc.ingest.mode.append"
    CREATE_APPEND = "adbc.ingest.mode.create_append"
    REPLACE = "adbc.ingest.mode.replace"


@dataclasses.dataclass(frozen=True)
class Target:
    """Where rows are to be written, as the options say; without a table there is no ingestion."""

    table: str | None = None
    catalog: str | None = None
    db_schema: str | None = None
    mode: Mode = Mode.CREATE

    def with_option(self, key: str, value: OptionValue) -> Target:
        """Returns the target with option *key* of `KEYS` set, or reset by None.

        Raises:
            ProgrammingError: There is no such mode.
            NotSupportedError: A temporary table is asked for.
        """
        name = parse_name(value)
        if key == _TABLE:
            return dataclasses.replace(self, table=name)
        if key == _CATALOG:
            return dataclasses.replace(self, catalog=name)
        if key == _DB_SCHEMA:
            return dataclasses.replace(self, db_schema=name)
        if key == _MODE:
            try:
                return dataclasses.replace(self, mode=Mode(name or Mode.CREATE.value))
            except ValueError:
                known = ", ".join(repr(mode.value) for mode in Mode)
                raise errors.make(
                    Status.INVALID_ARGUMENT,
                    f"could not set option {key!r} to {value!r}: not one of {known}",
                ) from None
        if value is not None and parse_flag(key, value):
            raise errors.make(
                Status.NOT_IMPLEMENTED,
                "could not ingest into a temporary table: the engine has none",
                hint="create a table and drop it when you are done",
            )
        return self

    def read(self, key: str) -> str | None:
        """Returns the value of option *key* of `KEYS`, None where it has none."""
        if key == _MODE:
            return self.mode.value
        if key == _TEMPORARY:
            return "false"
        return {_TABLE: self.table, _CATALOG: self.catalog, _DB_SCHEMA: self.db_schema}[key]


class Ingestion:
    """One writing of rows; it is used once.

    The engine has no transactions: what was written before a failure stays, and the error says how much it is. A table
    that is replaced is not touched before all rows stand in another one beside it.
    """

    def __init__(
        self,
        place: Place,
        mode: Mode,
        listing: Listing,
        run: Run,
        limits: IngestSettings,
    ) -> None:
        """Asks nobody yet.

        Args:
            place: The table.
            mode: What is expected of it.
            listing: Tells what exists.
            run: Runs statements in the catalog and schema of *place*.
            limits: How large a statement may be.
        """
        self._place = place
        self._mode = mode
        self._listing = listing
        self._run = run
        self._limits = limits
        #: What was done and stays done, in the words of errors.
        self._did: list[str] = []
        self._rows = 0
        self._replacement: Replacement | None = None

    @property
    def rows_written(self) -> int:
        """How many rows the engine has by now. Any thread."""
        return self._rows

    def write(self, schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> int:
        """Writes all rows; returns how many they are. Holds one batch and one statement in memory.

        Args:
            schema: Of the rows. Its names are the table's columns.
            batches: The rows, read as they are written.

        Raises:
            ProgrammingError: The table exists and should not, or has other columns (ALREADY_EXISTS); it does not exist
                and should (NOT_FOUND); a name or a value has no safe SQL form (INVALID_ARGUMENT).
            NotSupportedError: A type has no SQL form, or the engine refuses to write.
            Error: A statement failed.
        """
        self._check_columns(schema)
        columns = [quoted_name(name, "column") for name in schema.names]
        definitions = ", ".join(
            _definition(name, field) for name, field in zip(columns, schema, strict=True)
        )
        table = quoted_name(self._place.table, "table")
        names = ", ".join(columns)
        try:
            exists = self._look(schema)
            head = _insert_into(table, names)
            statements = value_rows(
                head, batches, range(len(schema)), _places(schema.names), self._limits
            )
            # Made before the table is, so that bad values among the first rows leave nothing behind.
            first = next(statements, None)
            rows = itertools.chain([] if first is None else [first], statements)
            exists = exists or not self._create(schema, table, definitions)
            if exists and self._mode is Mode.REPLACE:
                self._replacement = Replacement(table, names, definitions, self._run, self._exists)
                beside = self._replacement.beside
                self._replacement.write(lambda: self._insert(beside, names, rows))
            else:
                self._insert(table, names, rows)
        except errors.Error as error:
            raise self._explained(error) from error
        return self._rows

    def _insert(self, table: str, names: str, rows: Iterator[tuple[str, int]]) -> None:
        for values, number in rows:
            touched = self._run(_insert_into(table, names) + values)
            self._rows += number if touched < 0 else touched

    # ---- the table

    def _check_columns(self, schema: pa.Schema) -> None:
        if not schema.names:
            raise errors.make(
                Status.INVALID_ARGUMENT,
                f"could not ingest into {self._place}: no columns are bound",
            )
        # Engines fold the case of names, quoted or not, so two that differ in case only would collide.
        folded = [name.casefold() for name in schema.names]
        for name, key in zip(schema.names, folded, strict=True):
            if folded.count(key) > 1:
                raise errors.make(
                    Status.INVALID_ARGUMENT,
                    f"could not ingest into {self._place}: the column {name!r} occurs twice",
                    hint="rename one of them; case does not count",
                )

    def _look(self, schema: pa.Schema) -> bool:
        """Tells whether the table exists, where that is no mistake, and has the columns."""
        place = self._place
        exists = self._exists()
        if exists and self._mode is Mode.CREATE:
            raise errors.make(
                Status.ALREADY_EXISTS,
                f"could not create {place}: it exists",
                hint="use mode 'append', 'create_append' or 'replace'",
                sqlstate="42S01",
            )
        if not exists and self._mode is Mode.APPEND:
            raise errors.make(
                Status.NOT_FOUND,
                f"could not append to {place}: there is no such table",
                hint="use mode 'create' or 'create_append'",
                sqlstate="42S02",
            )
        if exists and self._mode is not Mode.REPLACE:
            self._check_fits(schema)
        return exists

    def _create(self, schema: pa.Schema, table: str, definitions: str) -> bool:
        """Creates the table; False if another writer did so first, and its table may be used."""
        create = f"CREATE TABLE {table} ({definitions})"
        try:
            self._run(create)
        except errors.Error as error:
            if not is_answer(error):
                raise
            if self._look(schema):
                return False
            if not lost_race(error):
                raise
            # The other one's table was not to be seen yet, or is gone again.
            self._run(create)
        self._did.append("the table is created")
        return True

    def _exists(self) -> bool:
        place = self._place
        return self._listing.has_table(place.catalog, place.db_schema, place.table)

    def _check_fits(self, schema: pa.Schema) -> None:
        """Raises ALREADY_EXISTS where the table lacks a column, as ADBC has it."""
        place = self._place
        found = self._listing.columns(place.catalog, place.db_schema, place.table)
        known = {column.name.casefold() for column in found}
        missing = [name for name in schema.names if name.casefold() not in known]
        if missing:
            raise errors.make(
                Status.ALREADY_EXISTS,
                f"could not append to {place}: it exists without the column"
                f" {', '.join(map(repr, missing))}",
                hint=f"its columns are {', '.join(repr(column.name) for column in found)}",
            )

    # ---- failures

    def _explained(self, error: errors.Error) -> errors.Error:
        """Returns *error* with what stands in the engine already."""
        if not self._did and not self._rows and _is_refusal(error):
            return errors.make(
                Status.NOT_IMPLEMENTED,
                f"could not ingest into {self._place}: the engine refuses to write there; {error}",
                hint="choose a catalog that can be written to",
                vendor_code=error.vendor_code,
                details=error.details,
            )
        if self._replacement is not None:
            done = self._replacement.did
        else:
            done = list(self._did)
            if done or self._rows:
                done.append(f"{self._rows} rows are written")
        if not done:
            return error
        return with_text(
            error,
            f"{error}; before that {', '.join(done)}, which stays so",
            ("e6data.rows_written", str(self._rows).encode()),
        )


def _insert_into(table: str, names: str) -> str:
    return f"INSERT INTO {table} ({names}) VALUES "  # noqa: S608 - all names are quoted


def _is_refusal(error: errors.Error) -> bool:
    if error.status_code == Status.NOT_IMPLEMENTED:
        return False  # it says so itself
    said = {
        *(Status.INVALID_ARGUMENT, Status.UNAUTHORIZED, Status.INTERNAL, Status.UNKNOWN),
        *(Status.NOT_FOUND, Status.ALREADY_EXISTS, Status.INTEGRITY, Status.INVALID_DATA),
    }
    return error.status_code in said and _REFUSES_WRITES.search(str(error)) is not None


# ---- text


def _definition(name: str, field: pa.Field[Any]) -> str:
    """Returns the column's part of CREATE TABLE; also finds the types that have no literal."""
    text = types.column_definition(field.type)
    if text is None:
        raise errors.make(
            Status.NOT_IMPLEMENTED,
            f"could not ingest column {field.name!r} of Arrow type {str(field.type)!r}: the type has no SQL form",
            hint="cast it to a type that has one, for instance text",
        )
    return f"{name} {text}" if field.nullable else f"{name} {text} NOT NULL"


def _places(names: list[str]) -> ValuePlace:
    return lambda batch, row, column: (
        f"row {row + 1} of batch {batch + 1}, column {names[column]!r}"
    )
