"""What exists on the server: catalogs, schemas, tables and columns, as the server lists them."""

from __future__ import annotations

import dataclasses

from e6data_adbc._session.manager import SessionManager
from e6data_adbc._session.retry.effort import Effort
from e6data_adbc._transport import methods
from e6data_adbc._transport.scope import Scope
from e6data_adbc._wire import e6x_engine_pb2 as wire

__all__ = ["Catalog", "Column", "Listing"]


@dataclasses.dataclass(frozen=True)
class Catalog:
    """A catalog's name, and whether the server takes it where none is named."""

    name: str
    is_default: bool


@dataclasses.dataclass(frozen=True)
class Column:
    """A column's name and the server's text for its type, for instance `decimal(7,2)`."""

    name: str
    type_name: str


class Listing:
    """The lists of one user, within one scope. Every method calls, and raises what calls raise."""

    def __init__(self, sessions: SessionManager, scope: Scope) -> None:
        self._sessions = sessions
        self._scope = scope
        # One total for all calls; each has its own phase and its own repetitions.
        self._whole = sessions.effort(scope)

    def catalogs(self) -> list[Catalog]:
        """Returns the catalogs; each name once."""
        response, _ = self._sessions.call(
            methods.CATALOGS,
            lambda _session_id: wire.GetCatalogesRequest(),
            self._effort(),
            verb="list the catalogs",
        )
        found = {
            item.name: Catalog(item.name, item.isDefault) for item in response.catalogResponses
        }
        return list(found.values())

    def schemas(self, catalog: str) -> list[str]:
        """Returns the schemas of *catalog*."""
        response, _ = self._sessions.call(
            methods.SCHEMAS,
            lambda session_id: wire.GetSchemaNamesV2Request(sessionId=session_id, catalog=catalog),
            self._effort(),
            verb=f"list the schemas of catalog {catalog!r}",
        )
        return list(response.schemas)

    def tables(self, catalog: str, schema: str) -> list[str]:
        """Returns the tables of *schema*; views are not told apart."""
        response, _ = self._sessions.call(
            methods.TABLES,
            lambda session_id: wire.GetTablesV2Request(
                sessionId=session_id, schema=schema, catalog=catalog
            ),
            self._effort(),
            verb=f"list the tables of schema {schema!r} in catalog {catalog!r}",
        )
        return list(response.tables)

    def columns(self, catalog: str, schema: str, table: str) -> list[Column]:
        """Returns the columns of *table*, in their order."""
        response, _ = self._sessions.call(
            methods.COLUMNS,
            lambda session_id: wire.GetColumnsV2Request(
                sessionId=session_id, schema=schema, table=table, catalog=catalog
            ),
            self._effort(),
            verb=f"list the columns of table {table!r} in schema {schema!r}, catalog {catalog!r}",
        )
        return [Column(item.fieldName, item.fieldType) for item in response.fieldInfo]

    def _effort(self) -> Effort:
        return self._whole.within(self._scope)

    def has_table(self, catalog: str, schema: str, table: str) -> bool:
        """Tells whether *table* exists, asking for what may not exist only once its parent is known to."""
        return (
            any(item.name == catalog for item in self.catalogs())
            and schema in self.schemas(catalog)
            and table in self.tables(catalog, schema)
        )
