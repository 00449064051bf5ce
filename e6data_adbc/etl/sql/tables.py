"""The tables of one load: the target compared with the result's columns, the stage, and what moves between the two."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple

import pyarrow as pa

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl.columns import NOTHING, Column, has_more_digits
from e6data_adbc.etl.faults import Fault, fault_detail
from e6data_adbc.etl.matching import check_key
from e6data_adbc.etl.sink import Mode, OnDuplicate, OnType, Request, Schema
from e6data_adbc.etl.sql.session import Session, Table, quoted
from e6data_adbc.etl.sql.sql_database import Database, Existing, listed

__all__ = ["ORDER", "Change", "Tables"]

#: The column of a stage that has the place of each row in the load.
ORDER = pa.field("e6_order", pa.int64())


class Change(NamedTuple):
    """What the target needs before rows go in."""

    words: str
    apply: Callable[[Session], None]


class Tables:
    """Target and stage of one load."""

    def __init__(self, database: Database, request: Request, schema: pa.Schema) -> None:
        """Takes the columns of the result.

        Raises:
            NotSupportedError: The database cannot hold them.
        """
        self._database, self._request = database, request
        self._target = database.table
        self.columns = self._stored(schema)

    @property
    def has_order(self) -> bool:
        """Whether the stage keeps the place of each row in the load."""
        return self._request.on_duplicate is OnDuplicate.LAST

    # ---- columns

    def _stored(self, schema: pa.Schema) -> tuple[Column, ...]:
        columns, reasons = [], []
        for field in schema:
            found = self._database.stored(field)
            if isinstance(found, str):
                reasons.append(f"column {field.name!r} of type {str(field.type)!r}: {found}")
            elif found.loss and self._request.on_type is OnType.ERROR:
                cause = f'{found.loss}, which on_type="cast" allows'
                reasons.append(f"column {field.name!r} of type {str(field.type)!r}: {cause}")
            else:
                columns.append(found)
        faults = ((name, self._database.name_fault(name)) for name in schema.names)
        reasons += [f"the column name {name!r} {fault}" for name, fault in faults if fault]
        folded = self._database.folded
        names = [folded(field.name) for field in schema]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            reasons.append(f"two columns have the name {twice[0]!r}")
        if not len(schema):
            reasons.append("the result has no columns")
        if self.has_order and folded(ORDER.name) in names:
            reasons.append(f"a column has the name {ORDER.name!r}, which the stage needs itself")
        check_key(self._database.address.shown, self._request, schema)
        if reasons:
            raise errors.make(
                Status.NOT_IMPLEMENTED,
                f"could not load into {self._database.address.shown!r}: {'; '.join(reasons)}",
                hint="cast or rename the columns in the query",
            )
        return tuple(columns)

    def compare(self, existing: list[Existing] | None) -> tuple[list[Column], list[Change]]:
        """Returns how the columns are stored in the target that is there, and what it needs first.

        Raises:
            ProgrammingError: It cannot take them.
        """
        if existing is None:
            return list(self.columns), [self._creation()]
        database = self._database
        known = {database.folded(each.name): each for each in existing}
        columns, changes, reasons = [], [], []
        for column in self.columns:
            there = known.pop(database.folded(column.name), None)
            evolves = self._request.schema is Schema.EVOLVE
            fitted = None if there is None else database.fitted(column, there)
            kind = None if there is None else database.read_type(there.definition)
            grows = fitted is None or has_more_digits(column.stored, kind)
            if there is not None and evolves and grows and database.widens(there, column):
                columns.append(column)
                changes.append(_statement(database.alter_type(column)))
            elif fitted is not None:
                if there is not None and there.fills_null:
                    fitted = dataclasses.replace(fitted, checks=(*fitted.checks, NOTHING))
                columns.append(fitted)
            elif there is None and evolves:
                columns.append(column)
                name = quoted(column.name)
                changes.append(
                    _statement(
                        f"ALTER TABLE {self._target.sql} ADD COLUMN {name} {column.definition}"
                    )
                )
            else:
                has = (
                    "it has no such column" if there is None else f"there it is {there.definition}"
                )
                reasons.append(f"column {column.name!r} of type {str(column.source)!r}: {has}")
        reasons += [
            f"its column {each.name!r} has to have a value, and the result has no such column"
            for each in known.values()
            if each.is_required
        ]
        if reasons:
            raise errors.make(
                Status.INVALID_ARGUMENT,
                f"could not load into {database.address.shown!r}: {'; '.join(reasons)}",
                hint='cast the columns in the query, or change the table; schema="evolve" adds and widens columns',
            )
        return columns, changes

    def _creation(self) -> Change:
        if self._request.schema is Schema.MATCH:
            raise errors.make(
                Status.NOT_FOUND,
                f"could not load into {self._database.address.shown!r}: there is no such table",
                hint='make it, or let the load make it with schema="create"',
                details=[fault_detail(Fault.OUTPUT)],
            )
        database, columns = self._database, self.columns
        key = self._request.key if self._request.mode is Mode.UPSERT else ()
        return Change(
            database.create(self._target, columns, key),
            lambda session: database.make_table(session, self._target, columns, key),
        )

    def ready(self, session: Session, stage: Table | None) -> Sequence[Column]:
        """Makes the tables that a commit needs, and returns the columns as they are stored."""
        database = self._database
        columns, changes = self.compare(database.existing(session, self._target))
        lacks_stage = stage is not None and database.existing(session, stage) is None
        if changes or lacks_stage:
            database.lock_job(session, self._target.shown)
            columns, changes = self.compare(database.existing(session, self._target))
            for change in changes:
                change.apply(session)
            if stage is not None and database.existing(session, stage) is None:
                order = database.stored(ORDER) if self.has_order else None
                kept = [order] if isinstance(order, Column) else []
                database.make_table(session, stage, [*columns, *kept])
            database.unlock_job(session)
        return columns

    # ---- rows from the stage

    def publish(self, session: Session, stage: Table) -> None:
        """Moves what is staged into the target.

        Raises:
            IntegrityError: Its rows are not those that the mode takes.
        """
        names = [column.name for column in self.columns]
        insert = (
            f"INSERT INTO {self._target.sql} ({listed(names)}){self._database.overriding} "
            f"SELECT {listed(names)} FROM {stage.sql}"
        )
        match self._request.mode:
            case Mode.UPSERT:
                rows = self._rows_by_key(session, stage, names)
                statements = self._database.merge(rows, names, self._request.key)
            case Mode.REPLACE_WHERE:
                where = self._request.where or ""
                _check_condition(session, stage, where)
                statements = [f"DELETE FROM {self._target.sql} WHERE {where}", insert]
            case _:
                statements = [f"DELETE FROM {self._target.sql}", insert]
        for statement in statements:
            session.run(statement)

    def _rows_by_key(self, session: Session, stage: Table, names: Sequence[str]) -> str:
        """Returns the table or the query of the one row that each key has."""
        key = self._request.key
        nulls = " OR ".join(f"{quoted(name)} IS NULL" for name in key)
        if session.rows(f"SELECT 1 FROM {stage.sql} WHERE {nulls} LIMIT 1"):
            raise errors.make(
                Status.INTEGRITY,
                f"could not upsert by {list(key)}: a row has NULL there, which is no row's key",
            )
        if not self.has_order:
            self._check_distinct(session, stage, key, "the load has two rows with the same key")
            return stage.sql
        if self._request.order is not None:
            self._check_distinct(
                session,
                stage,
                [*key, self._request.order],
                f"two rows with the same key have the same {self._request.order!r}, so neither is the last",
            )
        return (
            f"(SELECT {listed(names)} FROM (SELECT {listed(names)}, ROW_NUMBER() OVER (PARTITION BY {listed(key)} "
            f"ORDER BY {quoted(ORDER.name)} DESC) AS e6_place FROM {stage.sql}) AS placed WHERE e6_place = 1)"
        )

    def _check_distinct(
        self, session: Session, stage: Table, columns: Sequence[str], cause: str
    ) -> None:
        names = listed(columns)
        if session.rows(f"SELECT 1 FROM {stage.sql} GROUP BY {names} HAVING COUNT(*) > 1 LIMIT 1"):
            raise errors.make(
                Status.INTEGRITY,
                f"could not upsert by {list(self._request.key)}: {cause}",
                hint="choose one of them in the query, with ROW_NUMBER() for instance"
                + ("" if self.has_order else ', or let the last one win with on_duplicate="last"'),
            )


def _check_condition(session: Session, stage: Table, where: str) -> None:
    if session.rows(f"SELECT 1 FROM {stage.sql} WHERE NOT COALESCE(({where}), FALSE) LIMIT 1"):
        raise errors.make(
            Status.INTEGRITY,
            f"could not replace the rows where {where}: the load has rows that are not among them",
            hint="give the query the same condition",
        )


def _statement(text: str) -> Change:
    return Change(text, lambda session: session.run(text))
