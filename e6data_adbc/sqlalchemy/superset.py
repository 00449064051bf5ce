"""Apache Superset's view of e6data: how charts cut time, what a catalog is, how a query is stopped.

Superset finds it by the entry-point group `superset.db_engine_specs`, and nothing else imports it.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import Future, wait
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar
from urllib.parse import quote, unquote

from superset import db
from superset.common.db_query_status import QueryStatus
from superset.constants import TimeGrain
from superset.db_engine_specs.base import BaseEngineSpec

from e6data_adbc import dbapi as driver
from e6data_adbc import types

if TYPE_CHECKING:
    from sqlalchemy.engine import URL
    from sqlalchemy.engine.reflection import Inspector
    from superset.models.core import Database
    from superset.models.sql_lab import Query

__all__ = ["E6dataEngineSpec"]

T = TypeVar("T")

#: Seconds between two looks at whether a user has stopped a query.
_LOOK_EVERY: Final = 0.5
_STOPPED: Final = (QueryStatus.STOPPED, QueryStatus.TIMED_OUT)


def _truncated(unit: str) -> str:
    return f"DATE_TRUNC('{unit}', {{col}})"


def _parts(unit: str, whole: str, count: int) -> str:
    """Returns the start of the piece of *count* units of *whole* that a time is in."""
    number = f"CAST(FLOOR(EXTRACT({unit} FROM {{col}}) / {count}) * {count} AS INT)"
    return f"TIMESTAMP_ADD('{unit}', {number}, DATE_TRUNC('{whole}', {{col}}))"


class E6dataEngineSpec(BaseEngineSpec):  # type: ignore[misc]
    """e6data through `e6data+adbc://`."""

    engine = "e6data"
    engine_name = "e6data"
    drivers: ClassVar[dict[str, str]] = {"adbc": "ADBC"}
    default_driver = "adbc"
    sqlalchemy_uri_placeholder = "e6data+adbc://{user}:{token}@{host}/{catalog}/{schema}"

    supports_catalog = supports_dynamic_catalog = supports_cross_catalog_queries = True
    supports_dynamic_schema = True
    supports_multivalues_insert = True
    supports_file_upload = False
    allows_alias_to_source_column = False
    max_column_name_length = 255
    #: Known once the engine has prepared the query; a user's stop needs none.
    has_query_id_before_execute = False

    _time_grain_expressions: ClassVar[dict[str | None, str]] = {
        None: "{col}",
        TimeGrain.SECOND: _truncated("second"),
        TimeGrain.MINUTE: _truncated("minute"),
        TimeGrain.FIVE_MINUTES: _parts("MINUTE", "hour", 5),
        TimeGrain.TEN_MINUTES: _parts("MINUTE", "hour", 10),
        TimeGrain.FIFTEEN_MINUTES: _parts("MINUTE", "hour", 15),
        TimeGrain.THIRTY_MINUTES: _parts("MINUTE", "hour", 30),
        TimeGrain.HOUR: _truncated("hour"),
        TimeGrain.SIX_HOURS: _parts("HOUR", "day", 6),
        TimeGrain.DAY: _truncated("day"),
        TimeGrain.WEEK: _truncated("week"),
        TimeGrain.MONTH: _truncated("month"),
        TimeGrain.QUARTER: _truncated("quarter"),
        TimeGrain.YEAR: _truncated("year"),
    }

    # ---- times and types

    @classmethod
    def convert_dttm(
        cls, target_type: str, dttm: datetime, db_extra: dict[str, Any] | None = None
    ) -> str | None:
        """Returns a time as a literal of a column's type; None for a type that is no time."""
        del db_extra
        name = target_type.upper()
        if name.startswith("DATE") and not name.startswith("DATETIME"):
            return f"DATE '{dttm.date().isoformat()}'"
        text = dttm.isoformat(sep=" ", timespec="microseconds")
        if name.startswith(("TIMESTAMP_TZ", "TIMESTAMP WITH")):
            zone = "" if dttm.tzinfo is not None else "+00:00"
            return f"CAST('{text}{zone}' AS TIMESTAMP_TZ)"
        if name.startswith(("TIMESTAMP", "DATETIME")):
            bare = dttm.replace(tzinfo=None).isoformat(sep=" ", timespec="microseconds")
            return f"TIMESTAMP '{bare}'"
        return None

    @classmethod
    def epoch_to_dttm(cls) -> str:
        """Returns what makes seconds since 1970 a timestamp."""
        return "FROM_UNIXTIME_WITHUNIT({col}, 'seconds')"

    @classmethod
    def epoch_ms_to_dttm(cls) -> str:
        """Returns what makes milliseconds since 1970 a timestamp."""
        return "FROM_UNIXTIME_WITHUNIT({col}, 'milliseconds')"

    @classmethod
    def get_datatype(cls, type_code: Any) -> str | None:
        """Returns the engine's name of a result's type."""
        if isinstance(type_code, str):
            return type_code.upper() or None
        return types.column_definition(type_code)

    @classmethod
    def fetch_data(cls, cursor: Any, limit: int | None = None) -> list[tuple[Any, ...]]:
        """Returns the rows; none of a statement that has none."""
        if cursor.description is None:
            return []
        fetch = super().fetch_data
        is_stopped = _WATCHED.pop(cursor, None)
        try:
            rows: list[tuple[Any, ...]] = (
                fetch(cursor, limit)
                if is_stopped is None
                else _watched(cursor, is_stopped, lambda: fetch(cursor, limit))
            )
        except driver.Error as error:
            raise cls.get_dbapi_mapped_exception(error) from error
        return rows

    # ---- catalogs and schemas

    @classmethod
    def get_default_catalog(cls, database: Database) -> str | None:
        """Returns the catalog that the URL names."""
        return _names_of(database.url_object)[0]

    @classmethod
    def get_catalog_names(cls, database: Database, inspector: Inspector) -> set[str]:
        """Returns the names of all catalogs."""
        del database
        with inspector.engine.connect() as connection:
            return set(inspector.dialect.get_catalog_names(connection))  # type: ignore[attr-defined]

    @classmethod
    def get_schema_from_engine_params(
        cls, sqlalchemy_uri: URL, connect_args: dict[str, Any]
    ) -> str | None:
        """Returns the schema that the URL names."""
        del connect_args
        return _names_of(sqlalchemy_uri)[1]

    @classmethod
    def adjust_engine_params(
        cls,
        uri: URL,
        connect_args: dict[str, Any],
        catalog: str | None = None,
        schema: str | None = None,
    ) -> tuple[URL, dict[str, Any]]:
        """Returns the URL with the catalog and schema that a user has chosen."""
        known = _names_of(uri)
        # A schema of another catalog says nothing of this one's.
        named = schema or (known[1] if catalog in (None, known[0]) else None)
        parts = [catalog or known[0] or "", named or ""]
        path = "/".join(quote(part, safe="") for part in parts).rstrip("/")
        return uri.set(database=path), connect_args

    # ---- plans

    @classmethod
    def get_allow_cost_estimate(cls, extra: dict[str, Any]) -> bool:
        """Says that the engine has plans."""
        del extra
        return True

    @classmethod
    def estimate_statement_cost(
        cls, database: Database, statement: str, cursor: Any
    ) -> dict[str, Any]:
        """Returns the engine's plan of a statement, which is not run."""
        del database
        return {"plan": cursor.explain(statement)}

    @classmethod
    def query_cost_formatter(cls, raw_cost: list[dict[str, Any]]) -> list[dict[str, str]]:
        """Returns a row for each line of the plans."""
        return [{"Plan": line} for cost in raw_cost for line in str(cost["plan"]).splitlines()]

    # ---- stopping

    @classmethod
    def has_implicit_cancel(cls) -> bool:
        """Says that the process that runs a query also stops it, once the query's row says that it is stopped."""
        return True

    @classmethod
    def execute_with_cursor(cls, cursor: Any, sql: str, query: Query) -> None:
        """Runs a query; it is cancelled when a user, in whichever process, has stopped it, also while rows come.

        Raises:
            Exception: The query failed, was stopped, or took longer than Superset lets it.
        """
        query_id, kind = query.id, type(query)

        def is_stopped() -> bool:
            db.session.expire_all()  # as the metadata's database has it now
            return db.session.query(kind.status).filter_by(id=query_id).scalar() in _STOPPED

        try:
            _watched(cursor, is_stopped, lambda: cursor.execute(sql))
        except driver.Error as error:
            raise cls.get_dbapi_mapped_exception(error) from error
        _WATCHED[cursor] = is_stopped
        cls.handle_cursor(cursor, query)


#: The cursors whose rows are to be fetched, and what tells whether a user has stopped their queries.
_WATCHED: Final[weakref.WeakKeyDictionary[Any, Callable[[], bool]]] = weakref.WeakKeyDictionary()


def _watched(cursor: Any, is_stopped: Callable[[], bool], call: Callable[[], T]) -> T:
    """Returns what *call* returns, which a thread waits for; cancels the cursor's query once it is stopped."""
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(call())
        except Exception as error:  # noqa: BLE001 - raised in the thread that waits
            done.set_exception(error)

    threading.Thread(target=run, name="e6data-superset", daemon=True).start()
    try:
        while not wait([done], _LOOK_EVERY).done:
            if is_stopped():
                with contextlib.suppress(driver.Error):  # it has just ended
                    cursor.adbc_cancel()
        return done.result()
    except BaseException:  # Superset's own time limit arrives as a signal
        if not done.done():
            with contextlib.suppress(driver.Error):
                cursor.adbc_cancel()
        raise


def _names_of(uri: URL) -> tuple[str | None, str | None]:
    """Returns the catalog and schema in the path of *uri*."""
    catalog, _, schema = (uri.database or "").partition("/")
    return unquote(catalog) or None, unquote(schema) or None
