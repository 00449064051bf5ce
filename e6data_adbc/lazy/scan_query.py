"""The query that a scan sends: the user's text or table, with columns, conditions and a limit around it."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import polars as pl

from e6data_adbc import errors
from e6data_adbc._sql.effect import first_word, may_change, may_order_rows
from e6data_adbc._sql.names import quoted_name
from e6data_adbc._sql.placeholders import count_parameters, strip_statement
from e6data_adbc.lazy.condition import Condition
from e6data_adbc.lazy.constants import KeptError
from e6data_adbc.lazy.nodes import Clause
from e6data_adbc.lazy.translator import Translator

if TYPE_CHECKING:
    from e6data_adbc._reader import Parameters

__all__ = ["Kept", "Plan", "Run", "Text", "plan"]

_NAME: Final = re.compile(r'(?:[^\W\d]\w*|"(?:[^"]|"")+")(?:\.(?:[^\W\d]\w*|"(?:[^"]|"")+")){0,2}')
#: What a query in brackets may begin with.
_QUERIES: Final = frozenset({"SELECT", "WITH", "VALUES", "TABLE", "FROM"})


@dataclasses.dataclass(frozen=True)
class Kept:
    """A clause that Polars applies to what arrives, and why; the server may have applied it, too."""

    clause: Clause
    reason: str
    #: Whether the server leaves out rows by it already.
    is_sent: bool = False

    def __str__(self) -> str:
        return f"{self.clause.node}: {self.reason}"


@dataclasses.dataclass(frozen=True)
class Plan:
    """One run of a scan: what is sent, and what is left to do."""

    sql: str
    params: Parameters | None
    kept: tuple[Kept, ...]
    #: Why no more of it is the server's work; None where nothing stands in the way.
    obstacle: str | None = None
    #: The rows to read before anything is filtered, where the text does not say so.
    n_rows: int | None = None
    #: Whether the run ends after some number of rows.
    is_cut: bool = False
    #: The values that stand behind those of the user, in their order.
    bound: tuple[Any, ...] = ()


@dataclasses.dataclass(frozen=True)
class Text:
    """What a user scans: a statement, or a table by its name."""

    sql: str
    is_table: bool
    params: Parameters | None
    #: Why the server is asked for this text and no other; None where a query may stand around it.
    obstacle: str | None
    #: Why conditions have no place in it.
    no_conditions: str | None

    @classmethod
    def of(cls, sql_or_table: str, params: Parameters | None, *, style: str = "qmark") -> Text:
        """Returns the text of a scan.

        Args:
            sql_or_table: One statement that only reads, or a table's name.
            params: Its values.
            style: How it writes parameters.

        Raises:
            ProgrammingError: It is empty, or changes something.
        """
        text = strip_statement(sql_or_table)
        if not text:
            raise errors.make(errors.Status.INVALID_ARGUMENT, "could not scan: there is no SQL")
        if isinstance(params, str | bytes) or not isinstance(params, Sequence | Mapping | None):
            raise errors.make(
                errors.Status.INVALID_ARGUMENT,
                f"could not scan: parameters of type {type(params).__name__!r} are neither a sequence nor a mapping",
            )
        if _NAME.fullmatch(text):
            return cls(text, is_table=True, params=params, obstacle=None, no_conditions=None)
        if may_change(text):
            raise errors.make(
                errors.Status.INVALID_ARGUMENT,
                "could not scan: the statement changes something, and a scan may run it any number of times",
                hint="execute it once, and scan what it made",
            )
        return cls(text, False, params, _obstacle(text), _no_conditions(text, params, style))

    @property
    def whole(self) -> str:
        """The statement that gives all rows and columns."""
        return f"SELECT * FROM {self.sql}" if self.is_table else self.sql

    @property
    def source(self) -> str:
        """What stands after FROM."""
        # In lines of its own, so that a comment at the end hides no bracket.
        return self.sql if self.is_table else f"(\n{self.sql}\n) AS scanned"


def _obstacle(sql: str) -> str | None:
    if first_word(sql) not in _QUERIES:
        return "the statement is no query that another may stand around"
    if may_order_rows(sql):
        return "the text has an ORDER BY, which an engine may forget in a query around it"
    return None


def _no_conditions(sql: str, params: Parameters | None, style: str) -> str | None:
    if style != "qmark":
        return "the connection writes parameters as %s"
    try:
        found = count_parameters(sql)
    except errors.Error:
        return "what is a parameter in the text depends on how the server reads it"
    if params is None and found.count:
        return "the text has places for parameters, and no values were given"
    return None


def names_of(schema: pl.Schema) -> tuple[dict[str, str], str | None]:
    """Returns the SQL names of columns, and why no query can stand around a text with these, or None."""
    folded = [name.casefold() for name in schema]
    if len(set(folded)) < len(folded):
        return (
            {},
            "two columns have names that differ in capitals alone, which SQL may not tell apart",
        )
    try:
        return {name: quoted_name(name, "column") for name in schema}, None
    except errors.Error:
        return {}, "a column's name cannot be written in SQL"


@dataclasses.dataclass(frozen=True)
class Run:
    """What Polars wants of one run.

    Attributes:
        columns: Those that it wants; None for all.
        clauses: What the rows have to fulfil.
        n_rows: How many rows to read, *before* clauses are looked at; None for all.
    """

    columns: Sequence[str] | None
    clauses: Sequence[Clause]
    n_rows: int | None


def plan(
    text: Text,
    schema: pl.Schema,
    comparable: Iterable[str],
    run: Run,
    *,
    push: bool = True,
    always: Sequence[str] = (),
) -> Plan:
    """Returns what to send for one run.

    Args:
        text: What is scanned.
        schema: All its columns.
        comparable: Those whose values on the server are of the type that Polars sees.
        run: What is wanted.
        push: Whether anything but the text may be sent.
        always: Columns that are asked for beside those that are wanted.
    """
    names, obstacle = names_of(schema)
    obstacle = text.obstacle or obstacle if push else "push=False"
    reason = obstacle or text.no_conditions
    translatable = {name: names[name] for name in comparable if name in names}
    conditions: list[Condition] = []
    kept: list[Kept] = []
    # Polars hands them over in no certain order, and one plan shall be one statement.
    for clause in sorted(run.clauses, key=lambda one: str(one.node)):
        found = _condition(clause, schema, translatable) if reason is None else reason
        if isinstance(found, str):
            kept.append(Kept(clause, found))
            continue
        conditions.append(found)
        if found.doubt is not None:
            kept.append(Kept(clause, found.doubt, is_sent=True))
    if obstacle is not None:
        is_cut = run.n_rows is not None
        return Plan(text.whole, text.params, tuple(kept), obstacle, run.n_rows, is_cut)
    selected: list[str] | None = None
    if run.columns is not None:
        asked = {*run.columns, *always, *(name for one in kept for name in one.clause.columns)}
        selected = [names[name] for name in schema if name in asked]
    return _written(text, selected, conditions, kept, run.n_rows, len(schema))


def _condition(clause: Clause, schema: pl.Schema, names: Mapping[str, str]) -> Condition | str:
    """Returns *clause* in SQL, or why it stays in Polars."""
    try:
        return Translator(schema, names).of(clause.node)
    except KeptError as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - Polars' trees are no stable interface
        return f"it could not be translated ({type(error).__name__})"


def _written(
    text: Text,
    selected: Sequence[str] | None,
    conditions: Sequence[Condition],
    kept: Sequence[Kept],
    n_rows: int | None,
    width: int,
) -> Plan:
    is_whole = selected is None or len(selected) == width
    if is_whole and not conditions and n_rows is None:
        return Plan(text.whole, text.params, tuple(kept))
    # Of no column at all, the rows are counted.
    columns = "*" if selected is None else ", ".join(selected) or "1 AS one"
    binding = _Binding(text.params)
    where = " AND ".join(binding.written(condition) for condition in conditions)
    source = text.source
    if n_rows is not None and where:
        # Polars counts before it filters.
        source = f"(SELECT * FROM {source} LIMIT {n_rows}) AS limited"
    sql = f"SELECT {columns} FROM {source}"
    sql += f" WHERE {where}" if where else ""
    sql += f" LIMIT {n_rows}" if n_rows is not None and not where else ""
    bound = tuple(binding.values)
    return Plan(sql, binding.params, tuple(kept), is_cut=n_rows is not None, bound=bound)


class _Binding:
    """The user's parameters with those of the conditions, in the way that the user writes them."""

    def __init__(self, params: Parameters | None) -> None:
        self._params = params
        self.values: list[Any] = []

    def written(self, condition: Condition) -> str:
        """Returns *condition* as text, and takes its values."""
        pieces = []
        for part in condition.parts:
            if isinstance(part, str):
                pieces.append(part)
            else:
                self.values.append(part)
                pieces.append(self._place(len(self.values)))
        return "".join(pieces)

    @property
    def params(self) -> Parameters | None:
        """All values."""
        if not self.values:
            return self._params
        if isinstance(self._params, Mapping):
            added = {self._name(i): value for i, value in enumerate(self.values, 1)}
            return {**self._params, **added}
        return [*(self._params or ()), *self.values]

    def _place(self, number: int) -> str:
        return f":{self._name(number)}" if isinstance(self._params, Mapping) else "?"

    def _name(self, number: int) -> str:
        name = f"scanned_{number}"
        while name in self._params:  # type: ignore[operator]
            name += "_"
        return name
