"""A statement on DuckDB, and what goes wrong with one, in words for the user."""

from __future__ import annotations

import contextlib
import dataclasses
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from e6data_adbc import errors
from e6data_adbc.local.data import catalogs, type_mapping
from e6data_adbc.local.data.type_mapping import ResultColumn
from e6data_adbc.local.queries import plans
from e6data_adbc.local.sql import placeholders

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "HEAD",
    "UNBOUND",
    "SqlError",
    "Statement",
    "Template",
    "duckdb_module",
    "interruptible",
    "is_broken",
    "one_line",
    "was_broken",
]

#: Characters of an error text that are sent; gRPC carries it in a header.
MAX_TEXT: Final = 2000

#: What may stand before the first word: comments, but none whose end lexers see in different places.
HEAD: Final = r"(?:\s|--[^\n\r]*(?:\n|\Z)|/\*(?:[^*/]|\*(?!/)|/(?!\*))*\*/)*"
_EXPLAIN: Final = re.compile(rf"{HEAD}explain\b", re.IGNORECASE)
_READ_ONLY: Final = re.compile(r'on database "(.+?)" which is attached in read-only mode')
_PICTURE: Final = re.compile(r"(?P<line>\d+): (?P<shown>[^\n]*)\n(?P<space> *)\^")
#: What DuckDB says to everything once it has given itself up.
_BROKEN: Final = re.compile(r"database has been invalidated because of a previous fatal error")
#: What a call hears that needs the values of parameters before there are any.
UNBOUND: Final = "the parameters of the statement have no values yet"


class SqlError(Exception):
    """A mistake in the SQL text or a failure of its execution, in one line for the user."""


@dataclasses.dataclass(frozen=True)
class Statement:
    """A bound statement: nothing ran yet.

    Attributes:
        cursor: A DuckDB connection of its own; only one thread at a time, but `interrupt` at any time.
        sql: What to run on it.
        text: What the user wrote, in DuckDB's words; NULL in the places of parameters.
        search_path: Where its names are looked up.
        columns: The columns of its result.
        is_update: It changes something and answers with a count.
        is_returning: It changes something and answers with rows, those of RETURNING.
    """

    cursor: Any
    sql: str
    text: str
    search_path: str
    columns: tuple[ResultColumn, ...]
    is_update: bool
    _: dataclasses.KW_ONLY
    #: Whether it is a change that gives rows.
    is_returning: bool = False
    #: The DuckDB that the cursor is of.
    root: Any = None
    #: Makes the statement again where an error shows that DuckDB had been broken before it ran, and None elsewhere.
    renewed: Callable[[BaseException], Statement | None] = lambda _: None

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the types of its parameters, empty where only the value has one."""
        return ()

    def bind(self, values: Sequence[placeholders.Value]) -> Statement:
        """Returns the statement with *values*, which there are none for.

        Raises:
            SqlError: There are values.
        """
        if values:
            raise SqlError(f"the statement has no parameters and {len(values)} values came")
        return self

    def open(self, rows: int) -> pa.RecordBatchReader:
        """Runs a query; returns its result as it comes, in batches of *rows* rows.

        Blocks until the first rows are there.

        Raises:
            duckdb.Error: It failed.
        """
        return cast("pa.RecordBatchReader", self.cursor.sql(self.sql).to_arrow_reader(rows))

    def update(self) -> int:
        """Runs a change; returns the number of rows it touched, 0 for a change of definitions.

        Raises:
            duckdb.Error: It failed.
        """
        duckdb = duckdb_module()
        try:
            rows = self.cursor.execute(self.sql).fetchall()
        except duckdb.InterruptException:
            raise
        except duckdb.Error:
            if self.sql == self.text:
                raise
            # The words of the failure shall be about the user's text. Nothing was inserted.
            rows = self.cursor.execute(self.text).fetchall()
        names = [column[0] for column in self.cursor.description or ()]
        return int(rows[0][0]) if names == ["Count"] and rows else 0

    def returned(self) -> pa.Table:
        """Runs a change with RETURNING; returns its rows, all of which can be sent, or nothing has changed.

        Raises:
            duckdb.Error: It failed.
            SqlError: The table has other columns than when it was prepared.
            OutOfRangeError: A value cannot be sent.
        """
        cursor = self.cursor
        cursor.begin()
        try:
            relation = cursor.sql(self.sql)
            if [str(duck) for duck in relation.types] != [column.duck for column in self.columns]:
                raise SqlError("the table was altered after the statement was prepared")
            values = [
                (column.sql or "{0}").format(f"#{number}") + f" AS c{number}"
                for number, column in enumerate(self.columns, 1)
            ]
            table = cast("pa.Table", relation.project(", ".join(values)).to_arrow_table())
            for batch in table.to_batches():
                type_mapping.arrange(batch, self.columns)
            cursor.commit()
        except BaseException:
            # A commit that failed has ended the transaction already.
            with contextlib.suppress(duckdb_module().TransactionException):
                cursor.rollback()
            raise
        return table

    def profile(self) -> None:
        """Has DuckDB take the time of each operator when the statement runs, which is before it."""
        self.cursor.execute("SET enable_profiling = 'no_output'")

    def profiled(self) -> list[dict[str, Any]]:
        """Returns what was taken, once the statement has run to its end; nothing where DuckDB is too old for it."""
        read = getattr(self.cursor, "get_profiling_information", None)
        return [] if read is None else plans.profile_tree(read(format="json"))

    def explain(self) -> str:
        """Returns DuckDB's plan of the user's text, see `plans.plan_text`; works while the statement runs.

        Raises:
            SqlError: What it names is gone since.
        """
        if _EXPLAIN.match(self.text):
            return self.text
        with self.cursor.cursor() as cursor:
            try:
                cursor.execute(f"SET search_path = {catalogs.text(self.search_path)}")
                rows = cursor.execute(f"EXPLAIN (FORMAT json) {self.text}").fetchall()
            except duckdb_module().Error as error:
                raise SqlError(one_line(error)) from error
            return "\n".join(plans.plan_text(row[1]) for row in rows)


@dataclasses.dataclass(frozen=True)
class Template(Statement):
    """A statement with parameters, which has columns and a plan once they have values."""

    places: tuple[placeholders.Placeholder, ...] = dataclasses.field(kw_only=True)
    #: Makes the statement of the text with literals in the places.
    filled: Callable[[Sequence[placeholders.Value]], Statement] = dataclasses.field(kw_only=True)

    @property
    def parameters(self) -> tuple[str, ...]:
        """See `Statement`."""
        return tuple(place.type_name for place in self.places)

    def bind(self, values: Sequence[placeholders.Value]) -> Statement:
        """Returns the statement with *values*, in the order of the parameters.

        Raises:
            SqlError: They do not fit, or the statement fails with them.
        """
        return self.filled(values)

    def explain(self) -> str:
        """Refuses: what is planned is the statement with values."""
        raise SqlError(UNBOUND)


def is_broken(error: BaseException) -> bool:
    """Tells whether *error*, or its cause, shows that DuckDB answers nothing any more until it is opened anew."""
    fatal = duckdb_module().FatalException
    return isinstance(error, fatal) or isinstance(error.__cause__, fatal) or was_broken(error)


def was_broken(error: BaseException) -> bool:
    """Tells whether that was so before the call: what failed was not begun."""
    return _BROKEN.search(str(error)) is not None


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Raises KeyboardInterrupt for what DuckDB makes of one: in the main thread it looks for the signal itself."""
    try:
        yield
    except (
        RuntimeError
    ) as error:  # none of DuckDB's own, and without what the signal handler raised
        if str(error) != "Query interrupted":
            raise
        raise KeyboardInterrupt from error


def one_line(error: BaseException, source: str | None = None) -> str:
    """Returns the words of a DuckDB error without its picture of the statement and without line breaks.

    Args:
        error: What DuckDB raised.
        source: The text that DuckDB was given if the user wrote it; the error then says where, counted from 1.
    """
    if closed := _READ_ONLY.search(str(error)):
        return f"catalog {closed[1]!r} is read-only; the catalog {catalogs.SCRATCH!r} is not"
    words = re.split(r"\n\s*LINE (?=\d)", str(error), maxsplit=1)
    text = " ".join(words[0].split())
    if len(words) == 2 and source is not None:
        text += _place(words[1], source)
    return text[:MAX_TEXT]


def _place(picture: str, source: str) -> str:
    """Returns where the caret of DuckDB's picture points; a long line is shown in part, between dots."""
    found = _PICTURE.match(picture)
    if found is None:
        return ""
    number, head = int(found["line"]), len(f"LINE {found['line']}: ")
    shown, caret = found["shown"], len(found["space"]) - head
    lines = source.split("\n")
    excerpt = shown.removeprefix("...").removesuffix("...")
    start = lines[number - 1].find(excerpt) if number <= len(lines) else -1
    if start < 0 or caret < 0:
        return f" (line {number})"
    dots = 3 if shown.startswith("...") else 0
    return f" (line {number}, column {start + caret - dots + 1})"


def duckdb_module() -> Any:
    """Returns the module `duckdb`, which is imported no earlier than it is needed.

    Raises:
        NotSupportedError: It is not installed.
    """
    try:
        import duckdb
    except ImportError as error:
        raise errors.make(
            errors.Status.NOT_IMPLEMENTED,
            "could not start the local engine: duckdb is not installed",
            hint="pip install 'e6data-adbc[local]'",
        ) from error
    return duckdb
