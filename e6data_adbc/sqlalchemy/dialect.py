"""The dialect: what SQLAlchemy knows of the engine, and how it opens, checks and ends connections."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from types import ModuleType
from typing import Any, ClassVar, Final

from sqlalchemy import event, pool
from sqlalchemy.engine import default
from sqlalchemy.exc import ArgumentError

from e6data_adbc import dbapi as driver
from e6data_adbc.errors import Status
from e6data_adbc.options import ConnectionOptions
from e6data_adbc.sqlalchemy import compiler, types, urls
from e6data_adbc.sqlalchemy.execution import ExecutionContext
from e6data_adbc.sqlalchemy.reflection import Reflection, raw_connection

__all__ = ["Dialect", "SharedDatabase"]

_LOG: Final = logging.getLogger("e6data_adbc.sqlalchemy")


class SharedDatabase:
    """The one database of an engine: it signs in once, and each pooled connection is a clone. Threads may share it.

    A process that was forked opens its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pid: int | None = None
        self._root: Any = None
        self._arguments: Any = None

    def connect(self, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Any:
        """Returns a new connection, of the same database where the arguments are the same."""
        asked = (arguments, keywords)
        if self._pid != os.getpid():
            # The lock may have been held by a thread that the fork did not copy.
            self._lock = threading.Lock()
        with self._lock:
            if self._root is not None and self._pid == os.getpid() and self._arguments == asked:
                return self._root.adbc_clone()
            root = driver.connect(*arguments, **keywords)
            if self._root is not None and self._pid == os.getpid():
                return root  # a hook of the user's has changed the arguments for this connection
            self._root, self._pid, self._arguments = root, os.getpid(), asked
            return root.adbc_clone()

    def close(self) -> None:
        """Closes the database, once the clones are closed; a later connection opens it again."""
        with self._lock:
            root, self._root, self._arguments = self._root, None, None
        if root is not None and self._pid == os.getpid():
            root.close()


class Dialect(Reflection, default.DefaultDialect):  # type: ignore[misc]
    """e6data, by ADBC."""

    name = "e6data"
    driver = "adbc"
    default_paramstyle = "qmark"
    supports_statement_cache = True

    statement_compiler = compiler.SQLCompiler
    ddl_compiler = compiler.DDLCompiler
    type_compiler_cls = compiler.TypeCompiler
    #: 1.4's name for it.
    type_compiler = compiler.TypeCompiler
    preparer = compiler.IdentifierPreparer
    execution_ctx_cls = ExecutionContext
    colspecs = types.COLSPECS
    poolclass = pool.QueuePool

    max_identifier_length = 255
    supports_native_boolean = True
    supports_native_decimal = True
    supports_native_enum = False
    supports_native_uuid = False
    supports_multivalues_insert = True
    supports_empty_insert = False
    supports_default_values = False
    supports_default_metavalue = False
    supports_is_distinct_from = True
    supports_sane_rowcount = True
    supports_sane_multi_rowcount = True
    supports_alter = True
    supports_comments = False
    supports_constraint_comments = False
    supports_sequences = False
    supports_identity_columns = False
    supports_views = True
    supports_schemas = True
    supports_simple_order_by_label = True
    postfetch_lastrowid = False
    insert_returning = update_returning = delete_returning = False
    implicit_returning = False
    use_insertmanyvalues = False
    cte_follows_insert = True
    requires_name_normalize = False
    div_is_floordiv = False
    # 1.4 looks for them, where 2.x has them by itself.
    _json_serializer = None
    _json_deserializer = None
    # 1.4's questions about Python 2.
    supports_unicode_statements = True
    supports_unicode_binds = True
    returns_unicode_strings: Any = True

    #: AUTOCOMMIT is the only level there is.
    _isolation_lookup: ClassVar[set[str]] = {"AUTOCOMMIT"}

    def __init__(self, isolation_level: str | None = None, **keywords: Any) -> None:
        """As SQLAlchemy's, with `isolation_level="AUTOCOMMIT"` under each version."""
        if isolation_level is not None:
            _check_level(isolation_level)
        keywords.pop("use_insertmanyvalues", None)
        super().__init__(**keywords)
        if hasattr(default.DefaultDialect, "description_encoding"):  # 1.4
            from sqlalchemy import String

            self.returns_unicode_strings = getattr(String, "RETURNS_UNICODE", True)
        self._database = SharedDatabase()
        #: Connections with changes since the last commit, of which a rollback would undo nothing.
        self._changed: weakref.WeakSet[Any] = weakref.WeakSet()
        self._has_warned = False
        weakref.finalize(self, self._database.close)

    # ---- the module

    @classmethod
    def import_dbapi(cls) -> ModuleType:
        """Returns `e6data_adbc.dbapi`."""
        return driver

    @classmethod
    def dbapi(cls) -> ModuleType:  # type: ignore[override]
        """Returns the same, for 1.4."""
        return driver

    # ---- connecting

    def create_connect_args(self, url: Any) -> tuple[list[Any], dict[str, Any]]:
        """Returns the arguments of `e6data_adbc.dbapi.connect` for *url*."""
        return [], urls.connect_arguments(url)

    def connect(self, *arguments: Any, **keywords: Any) -> Any:
        """Returns a connection of the engine's one database; it costs no call."""
        return self._database.connect(arguments, keywords)

    @classmethod
    def engine_created(cls, engine: Any) -> None:
        """Has the database closed when the engine is disposed of."""

        def close(disposed: Any) -> None:
            disposed.dialect._database.close()

        event.listen(engine, "engine_disposed", close)

    def initialize(self, connection: Any) -> None:
        """Asks for the current schema; nothing else is asked of the server."""
        self.default_schema_name = self._get_default_schema_name(connection)
        self.default_isolation_level = "AUTOCOMMIT"
        self._current_catalog = self._current(connection)[0]

    def _get_default_schema_name(self, connection: Any) -> Any:
        return self._current(connection)[1]

    def _get_server_version_info(self, connection: Any) -> None:
        del connection

    def set_default_schema_name(self, connection: Any, name: str) -> None:
        """Makes *name* the schema of a connection."""
        raw_connection(connection).adbc_current_db_schema = name

    # ---- ends

    def do_ping(self, dbapi_connection: Any) -> bool:
        """Asks whether a query gets through; a suspended cluster is resumed. False if the connection is of no use."""
        try:
            self._ask(dbapi_connection)
        except driver.Error as error:
            if self.is_disconnect(error, dbapi_connection, None):
                return False  # 2.x asks itself, 1.4 does not
            raise
        return True

    def _ask(self, dbapi_connection: Any) -> None:
        try:
            self._ping(dbapi_connection)
        except driver.OperationalError as error:
            if error.status_code != Status.IO:
                raise
            cursor = dbapi_connection.cursor()  # a query resumes a cluster, the check does not
            try:
                cursor.execute("SELECT 1")
            finally:
                cursor.close()

    def _ping(self, dbapi_connection: Any) -> None:
        raw_connection(dbapi_connection).adbc_connection.get_option(ConnectionOptions.HEALTH.value)

    def is_disconnect(self, e: Any, connection: Any, cursor: Any) -> bool:
        """Tells by the status whether an error leaves a connection of no use."""
        del cursor
        status = getattr(e, "status_code", None)
        if status == Status.IO:
            return True
        inner = None if connection is None else raw_connection(connection)
        return status == Status.INVALID_STATE and bool(getattr(inner, "_closed", False))

    def do_commit(self, dbapi_connection: Any) -> None:
        """Does nothing: each statement has committed itself."""
        self._changed.discard(raw_connection(dbapi_connection))

    def do_rollback(self, dbapi_connection: Any) -> None:
        """Does nothing; if there were changes, the log says once that they stand."""
        inner = raw_connection(dbapi_connection)
        if inner in self._changed:
            self._changed.discard(inner)
            if not self._has_warned:
                self._has_warned = True
                _LOG.warning(
                    "a rollback undid nothing: e6data has no transactions, each statement commits itself (AUTOCOMMIT)"
                )

    def note_change(self, dbapi_connection: Any) -> None:
        """Remembers that a statement without rows ran since the last commit."""
        self._changed.add(raw_connection(dbapi_connection))

    def query_id_of(self, cursor: Any) -> str | None:
        """Returns the id of a cursor's query; None where nothing ran."""
        try:
            return str(cursor.query_id)
        except driver.Error:
            return None

    # ---- isolation

    def get_isolation_level_values(self, dbapi_connection: Any) -> Any:
        """Returns AUTOCOMMIT."""
        del dbapi_connection
        return ["AUTOCOMMIT"]

    def get_isolation_level(self, dbapi_connection: Any) -> Any:
        """Returns AUTOCOMMIT."""
        del dbapi_connection
        return "AUTOCOMMIT"

    def get_default_isolation_level(self, dbapi_conn: Any) -> Any:
        """Returns AUTOCOMMIT."""
        del dbapi_conn
        return "AUTOCOMMIT"

    def set_isolation_level(self, dbapi_connection: Any, level: str) -> None:
        """Takes AUTOCOMMIT. ArgumentError for any other."""
        del dbapi_connection
        _check_level(level)

    def reset_isolation_level(self, dbapi_conn: Any) -> None:
        """Does nothing: there is one level."""

    def detect_autocommit_setting(self, dbapi_conn: Any) -> bool:
        """Says that it is on."""
        del dbapi_conn
        return True


def _check_level(level: str) -> None:
    if level.replace("_", " ").upper() != "AUTOCOMMIT":
        raise ArgumentError(
            f"[e6data] could not use the isolation level {level!r}: e6data has no transactions, so there is"
            " only AUTOCOMMIT (INVALID_ARGUMENT)"
        )
