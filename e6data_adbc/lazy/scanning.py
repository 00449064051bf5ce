"""A scan: a lazy frame over a query or a table."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import polars as pl
import pyarrow as pa

import e6data_adbc
from e6data_adbc import _schemas, errors
from e6data_adbc._sql.effect import cuts_rows
from e6data_adbc.lazy.partitions import Partitions
from e6data_adbc.lazy.scan_query import Text
from e6data_adbc.lazy.scan_source import Opening, Source

if TYPE_CHECKING:
    from e6data_adbc._reader import Parameters

__all__ = ["Schema", "scan"]

#: What a user may say the columns are.
Schema = pa.Schema | pl.Schema | Mapping[str, Any]

#: What comes as text and is none on the server.
_NO_TEXTS: Final = frozenset({"ARRAY", "MAP", "STRUCT", "UNIONTYPE"})
_LONGEST: Final = 200


def scan(
    sql_or_table: str,
    opening: Opening,
    *,
    params: Parameters | None,
    schema: Schema | None,
    push: bool,
    pure: bool,
    split: Partitions | None,
) -> pl.LazyFrame:
    """Returns the lazy frame; see `e6data_adbc.polars.scan`."""
    register, settings = _register(pure=pure)
    style = getattr(opening.connection, "_paramstyle", "qmark")
    text = Text.of(sql_or_table, params, style=style)
    if split is not None and cuts_rows(text.whole):
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            "could not scan in partitions: each of them would apply the query's LIMIT, OFFSET or FETCH to rows of its "
            "own",
            hint="leave the limit out, or the partitions",
        )
    known = _ask(text, opening) if schema is None else schema
    dtypes, comparable = _dtypes(known)
    if split is not None and split.column not in dtypes:
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not scan in partitions of {split.column!r}: the result has no such column",
        )
    source = Source(text, dtypes, comparable, opening, push=push, split=split)
    if "explain_name" in settings:
        line = " ".join(text.whole.split())
        short = line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
        settings |= {"explain_name": "e6data", "explain_detail": short}
    frame: pl.LazyFrame = register(source, schema=dtypes, **settings)
    return frame


def _register(*, pure: bool) -> tuple[Any, dict[str, Any]]:
    """Returns Polars' function for sources, and what it takes beside a source.

    Raises:
        NotSupportedError: This Polars is too old.
    """
    try:
        from polars.io.plugins import register_io_source
    except ImportError:
        known: Mapping[str, Any] = {}
    else:
        known = inspect.signature(register_io_source).parameters
    if not {"io_source", "schema", "is_pure"} <= set(known):
        raise errors.make(
            errors.Status.NOT_IMPLEMENTED,
            f"could not scan: Polars {pl.__version__} has no sources of this kind",
            hint="install polars 1.35 or later",
        )
    settings: dict[str, Any] = {"is_pure": pure}
    if "explain_name" in known and "explain_detail" in known:
        settings["explain_name"] = settings["explain_detail"] = None
    return register_io_source, settings


def _ask(text: Text, opening: Opening) -> pa.Schema:
    """Returns the schema that the server says the result will have."""
    connection: Any = opening.connection
    with contextlib.ExitStack() as opened:
        if connection is None:
            connection = opened.enter_context(
                contextlib.closing(
                    e6data_adbc.connect(
                        opening.uri, db_kwargs=opening.db_kwargs, conn_kwargs=opening.conn_kwargs
                    )
                )
            )
        cursor = opened.enter_context(contextlib.closing(connection.cursor()))
        if text.params is None:
            return cursor.adbc_execute_schema(text.whole)  # type: ignore[no-any-return]
        values = dict(text.params) if isinstance(text.params, Mapping) else list(text.params)
        return cursor.adbc_execute_schema(text.whole, values)  # type: ignore[no-any-return]


def _dtypes(schema: Schema) -> tuple[pl.Schema, list[str]]:
    """Returns the types by name, and the columns whose values on the server are of these types."""
    if not isinstance(schema, pa.Schema):
        dtypes = pl.Schema(schema)
        return dtypes, list(dtypes)
    empty: Any = pl.from_arrow(schema.empty_table())
    comparable = [
        field.name
        for field in schema
        if (field.metadata or {}).get(_schemas.TYPE_KEY, b"").decode() not in _NO_TEXTS
    ]
    return empty.schema, comparable
