"""The schema of a statement's result, without running the statement."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from e6data_adbc import _schemas, errors, types
from e6data_adbc._driver.query.open_query import open_query
from e6data_adbc._driver.query.prepare import prepare
from e6data_adbc._driver.query.query import Query
from e6data_adbc._driver.workspace import Workspace
from e6data_adbc._sql.command import Command
from e6data_adbc._sql.effect import Effect, effect_of, has_returning
from e6data_adbc._sql.placeholders import strip_statement
from e6data_adbc._transport.scope import Scope

__all__ = ["read_schema"]

#: How the server refuses what it cannot do, or not yet.
_REFUSED: Final = frozenset(
    {
        errors.Status.INTERNAL,
        errors.Status.INVALID_ARGUMENT,
        errors.Status.INVALID_STATE,
        errors.Status.NOT_IMPLEMENTED,
        errors.Status.NOT_FOUND,
    }
)
#: Of a larger scale the probe may see less: its zero needs one of the digits that there are.
_LARGEST_SCALE: Final = types.DECIMAL_PRECISION - 2


def read_schema(workspace: Workspace, sql: str, scope: Scope) -> pa.Schema:
    """Returns the schema that the result of *sql* will have; of a change without RETURNING it has no columns.

    The statement is planned and its metadata are read. Metadata lack the scale of a DECIMAL, so for those columns the
    server is asked for the largest value among none of the rows, or else 0, whose scale is the column's by the rules
    of SQL. An engine that has no metadata before it runs something is given the statement as a sub-query without rows.

    Args:
        workspace: Whose names and sessions it has.
        sql: One statement, its parameters bound.
        scope: Bounds all of it.

    Raises:
        ProgrammingError: The server refuses the statement.
        NotSupportedError: The server tells a column's type only with its rows; the text names the column.
        Error: A call failed.
    """
    text = strip_statement(sql)
    is_change = effect_of(text) is Effect.CHANGE
    schema = _Schema(workspace, text, scope)
    if is_change and not has_returning(text):
        schema.check()
        return pa.schema([])
    columns = schema.columns(may_wrap=not is_change)
    for column in columns:
        if types.find(column[1]) is None:
            raise _only_with_rows(column)
    scales: dict[int, int] = {}
    undecided = [
        index for index, column in enumerate(columns) if _schemas.needs_first_chunk([column])
    ]
    if undecided:
        if is_change:  # which is no sub-query
            raise _only_with_rows(columns[undecided[0]])
        scales = schema.scales(columns, undecided)
    shapes: list[_schemas.Shape] = []
    for index, column in enumerate(columns):
        engine = types.find(column[1])
        assert engine is not None  # noqa: S101 - looked at above
        shapes.append(_schemas.Shape(engine.vector, scales.get(index)))
    return _schemas.result_schema(columns, shapes, layout=scope.settings.result.layout)


class _Schema:
    """The questions about one statement; used in one call."""

    def __init__(self, workspace: Workspace, text: str, scope: Scope) -> None:
        self._workspace = workspace
        self._text = text
        self._scope = scope

    def check(self) -> None:
        """Has the statement planned and no more."""
        self._prepared().close()

    def columns(self, *, may_wrap: bool) -> list[_schemas.Column]:
        """Returns what the metadata say, of the statement or else, if it may be one, of a sub-query without rows."""
        query = self._prepared()
        try:
            with self._scope.waking(query.cancel):
                effort = self._workspace.sessions.effort(self._scope)
                return query.read_metadata(effort)[1]
        except errors.Error as error:
            if not may_wrap or error.status_code not in _REFUSED:
                raise
            refusal = error
        finally:
            query.close()
        try:
            wrapped = f"SELECT * FROM (\n{self._text}\n) AS q WHERE 1 = 0"  # noqa: S608 - the user's text
            return self._run(wrapped).columns
        except errors.Error as error:
            raise (refusal if error.status_code in _REFUSED else error) from error

    def scales(self, columns: list[_schemas.Column], wanted: list[int]) -> dict[int, int]:
        """Returns the scales of the DECIMAL columns *wanted*, by index.

        The largest of no values is NULL, and COALESCE has the larger scale of its arguments, here the column's. The
        columns get names of ours, because theirs may be double.
        """
        values = ", ".join(
            f"COALESCE(MAX(c{at}), CAST(0 AS DECIMAL(1, 0))) AS c{at}" for at in wanted
        )
        names = ", ".join(f"c{at}" for at in range(len(columns)))
        probe = f"SELECT {values} FROM (\n{self._text}\n) AS q ({names}) WHERE 1 = 0"  # noqa: S608 - the user's text
        try:
            shapes = self._run(probe).shapes or []
        except errors.Error as error:
            if error.status_code not in _REFUSED:
                raise
            raise _only_with_rows(columns[wanted[0]]) from error
        if len(shapes) != len(wanted):
            raise _only_with_rows(columns[wanted[0]])
        return {
            at: _certain_scale(shape, columns[at]) for at, shape in zip(wanted, shapes, strict=True)
        }

    def _prepared(self) -> Query:
        workspace, scope = self._workspace, self._scope
        handle = prepare(workspace, self._text, workspace.sessions.effort(scope))
        query = Query(handle, workspace, scope)
        try:
            workspace.add(query)
        except BaseException:
            query.close()
            raise
        return query

    def _run(self, sql: str) -> Query:
        """Returns a query of ours that has run and is off the server."""
        query = open_query(
            self._workspace, Command(sql), self._workspace.sessions.effort(self._scope), kind=Query
        )
        query.close()
        return query


def _certain_scale(shape: _schemas.Shape, column: _schemas.Column) -> int:
    is_decimal = shape.vector == types.DECIMAL.vector
    is_certain = is_decimal and shape.evidence == _schemas.Evidence.VALUES
    if not is_certain or shape.scale is None or abs(shape.scale) > _LARGEST_SCALE:
        raise _only_with_rows(column)
    return shape.scale


def _only_with_rows(column: _schemas.Column) -> errors.Error:
    return errors.make(
        errors.Status.NOT_IMPLEMENTED,
        f"could not read the schema of the statement: the server tells the exact type of column"
        f" {column[0]!r} ({column[1]}) only with its rows",
        hint="execute the statement and read the schema of its result",
    )
