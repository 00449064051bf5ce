"""One statement's way through the driver: its options, its rows, and what it changed."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.engine import cursor as engine_cursor
from sqlalchemy.engine import default
from sqlalchemy.exc import ArgumentError

from e6data_adbc.options import StatementOptions

__all__ = ["ExecutionContext", "statement_options"]

_TAG: Final = "e6data_query_tag"
_OPTIONS: Final = "e6data_statement_options"
_HOOK: Final = "e6data_on_execute"


def statement_options(execution_options: Any) -> dict[str, str]:
    """Returns the driver's options of a statement.

    Args:
        execution_options: SQLAlchemy's; `e6data_query_tag` is the tag, `e6data_statement_options` any options by key.

    Raises:
        ArgumentError: An option that begins with `e6data_` is not known.
    """
    unknown = [
        name
        for name in execution_options
        if str(name).startswith("e6data_") and name not in {_TAG, _OPTIONS, _HOOK}
    ]
    if unknown:
        raise ArgumentError(
            f"[e6data] could not use the execution option {unknown[0]!r}: it is none of"
            f" {_TAG!r}, {_OPTIONS!r}, {_HOOK!r} (INVALID_ARGUMENT)"
        )
    options = dict(execution_options.get(_OPTIONS) or {})
    if (tag := execution_options.get(_TAG)) is not None:
        options[StatementOptions.QUERY_TAG.value] = str(tag)
    return options


class ExecutionContext(default.DefaultExecutionContext):
    """Runs a statement.

    Attributes:
        query_id: The server's id of the query, also after the cursor was closed; None where nothing ran.
    """

    #: This package's.
    dialect: Any
    query_id: str | None = None

    def create_default_cursor(self) -> Any:
        """Returns a cursor with the statement's options."""
        options = statement_options(self.execution_options)
        cursor = self._dbapi_connection.cursor(**({"adbc_stmt_kwargs": options} if options else {}))
        if (hook := self.execution_options.get(_HOOK)) is not None:
            hook(cursor)
        return cursor

    def post_exec(self) -> None:
        """Has rows taken in bundles, not one by one, and remembers the query's id."""
        self.query_id = self.dialect.query_id_of(self.cursor)
        if self.cursor.description is not None and not self._is_server_side:
            self.cursor_fetch_strategy = engine_cursor.BufferedRowCursorFetchStrategy(
                self.cursor, self.execution_options
            )
        elif self.cursor.description is None:
            self.dialect.note_change(self._dbapi_connection)
        super().post_exec()  # type: ignore[no-untyped-call]

    def fire_sequence(self, seq: Any, type_: Any) -> Any:
        """Returns the next number of a sequence."""
        name = self.identifier_preparer.format_sequence(seq)
        return self._execute_scalar(f"SELECT NEXTVAL('{name}')", type_)
