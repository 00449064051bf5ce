"""The database: one server and one user, shared by the connections made from it."""

from __future__ import annotations

import atexit
import dataclasses
import json
import os
import threading
import weakref
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import quote

from e6data_adbc import errors
from e6data_adbc._driver.connection import Connection
from e6data_adbc._driver.partitions.issuer import TicketIssuer
from e6data_adbc._driver.workspace import Names, Workspace
from e6data_adbc._options.database_config import DatabaseConfig
from e6data_adbc._options.option_level import OptionLevel
from e6data_adbc._options.option_values import SIGN_IN_WAYS, Settings, not_found
from e6data_adbc._session.login.call_signer import CallSigner
from e6data_adbc._session.login.hooks import HOOKS
from e6data_adbc._session.login.identity import Identity
from e6data_adbc._session.login.login_methods import Credentials, choose
from e6data_adbc._session.manager import SessionManager
from e6data_adbc._telemetry import make_observer
from e6data_adbc._transport.transport import Transport
from e6data_adbc.options import ConnectionOptions, DatabaseOptions, OptionValue

if TYPE_CHECKING:
    from e6data_adbc._session.resume.audience import Progress
    from e6data_adbc.local import LocalEngine

__all__ = ["Database", "open_database"]

#: The options that name another way to sign in than the local engine's user and token.
_OTHER_WAYS: Final = [name for way in SIGN_IN_WAYS[1:] for name in way]


def open_database(options: Mapping[str, OptionValue]) -> Database:
    """Returns the database that *options* describe. Calls no server; starts the local engine where they ask for it.

    Raises:
        ProgrammingError: An option is wrong or missing.
        NotSupportedError: There is no such option.
    """
    config = DatabaseConfig.from_options(options)
    if config.endpoint is not None:
        return Database(config)
    from e6data_adbc.local import open_engine

    engine = open_engine(dict(config.local))
    try:
        return Database(_with_engine(config, engine), engine)
    except BaseException:
        engine.stop()
        raise


class Database:
    """An open database. Any thread may use it; in a forked child it refuses."""

    def __init__(self, config: DatabaseConfig, engine: LocalEngine | None = None) -> None:
        """Makes the channel without connecting it.

        Args:
            config: Checked options, with an endpoint.
            engine: The local engine behind the endpoint, which ends with the database.

        Raises:
            ProgrammingError: There is nobody to sign in, or a certificate or the cluster name is wrong.
        """
        self._config = config
        self._engine = engine
        self._pid = os.getpid()
        endpoint = config.endpoint
        assert endpoint is not None  # noqa: S101 - the caller has put the local engine's there
        settings = config.settings
        identity = Identity(
            choose(
                Credentials.of(config.user, config.token, settings), root_certs=endpoint.root_certs
            ),
            CallSigner(HOOKS.take("request_signer", settings.get(DatabaseOptions.REQUEST_SIGNER))),
        )
        #: What the connections' partitions are proved with.
        self.tickets = TicketIssuer(config, endpoint)
        self.transport = Transport(endpoint, settings.rpc)
        try:
            self.sessions = SessionManager(self.transport, identity)
        except BaseException:
            self.transport.close()
            raise
        self.sessions.resumer.on_progress = cast(
            "Progress | None", HOOKS.take("on_progress", settings.get(DatabaseOptions.ON_PROGRESS))
        )
        #: Told what the connections do.
        self.observer = make_observer(endpoint, self.sessions.state)
        self.transport.observer = self.observer
        self.sessions.state.observe(self.observer)
        # The local engine ends with this process, and nobody finds it at its port again.
        if engine is None and settings.get(DatabaseOptions.SHARE_COLOUR):
            self.sessions.share_colour()
        self.level = OptionLevel("database", config.settings)
        self._lock = threading.RLock()
        self._is_closed = False
        self._workspaces: weakref.WeakSet[Workspace] = weakref.WeakSet()
        # A database left open ends before what it stands on: this is registered after the local engine, and what is
        # registered last runs first.
        atexit.register(self.close)

    def connect(self, options: Mapping[str, OptionValue]) -> Connection:
        """Returns a connection. Calls no server: the first query signs in.

        Raises:
            ProgrammingError: An option is wrong, or the database is closed.
            NotSupportedError: There is no such option.
        """
        verb = "open a connection"
        self.transport.check_process(verb)
        connection = Connection(
            Workspace(
                self.sessions,
                OptionLevel("connection", Settings(), self.level),
                self.tickets,
                Names(self._config.catalog, self._config.db_schema),
                bool(self.level.settings.get(ConnectionOptions.READONLY)),
            )
        )
        for key, value in options.items():
            connection.configure(key, value)
        with self._lock:
            if self._is_closed:
                raise errors.make(
                    errors.Status.INVALID_STATE, f"could not {verb}: the database is closed"
                )
            self._workspaces.add(connection.workspace)
        return connection

    def set_option(self, key: str, value: OptionValue) -> None:
        """Sets a default of statements to come.

        Raises:
            ProgrammingError: *value* does not parse.
            NotSupportedError: There is no such option, or it is fixed by now.
        """
        self.level.set(key, value)

    def get_option(self, key: str) -> OptionValue:
        """Returns an option's value; the URI without the token.

        Raises:
            ProgrammingError: There is no such option, or it has no value, or it is secret (NOT_FOUND).
        """
        if key == DatabaseOptions.URI.value:
            return self._uri()
        if key == DatabaseOptions.USERNAME.value and self._config.user:
            return self._config.user
        if key == DatabaseOptions.PASSWORD.value:
            raise not_found(key)
        if key == ConnectionOptions.STATS.value:
            return json.dumps(self.sessions.state.stats())
        return self.level.read(key)

    def close(self) -> None:
        """Closes what is left of the connections, then the channel; may be called again, never raises."""
        if os.getpid() != self._pid:
            return
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
            workspaces = list(self._workspaces)
        atexit.unregister(self.close)
        for workspace in workspaces:
            workspace.close()
        self.sessions.close()
        self.transport.close()
        if self._engine is not None:
            self._engine.stop(
                grace=1.0
            )  # gracefully, or gRPC logs the loss of a connection that it is closing

    def _uri(self) -> str:
        if self._engine is not None:
            return "e6data:local"
        endpoint = self._config.endpoint
        assert endpoint is not None  # noqa: S101
        path = "/".join(
            quote(name, safe="") for name in (self._config.catalog, self._config.db_schema) if name
        )
        user = f"{quote(self._config.user, safe='')}@" if self._config.user else ""
        return f"e6data://{user}{endpoint.target}/{path}"


def _with_engine(config: DatabaseConfig, engine: LocalEngine) -> DatabaseConfig:
    """Returns *config* with the address, the user and the default names of *engine* where it has none."""
    local = DatabaseConfig.from_options({DatabaseOptions.URI.value: engine.uri}, environment={})
    # A schema belongs to its catalog: the engine's default is of no use in another one.
    db_schema = config.db_schema or (None if config.catalog else local.db_schema)
    assert local.endpoint is not None  # noqa: S101 - the engine's URI names one
    endpoint = dataclasses.replace(
        local.endpoint, cluster_name=config.settings.get(DatabaseOptions.CLUSTER_NAME)
    )
    other_ways = (config.settings.get(f"adbc.e6data.auth.{name}") for name in _OTHER_WAYS)
    is_ours = all(value is None for value in other_ways)
    return dataclasses.replace(
        config,
        endpoint=endpoint,
        user=local.user if is_ours else config.user,
        token=local.token if is_ours else config.token,
        catalog=config.catalog or local.catalog,
        db_schema=db_schema,
    )
