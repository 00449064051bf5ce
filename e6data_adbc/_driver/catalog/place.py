"""The place of a table: its catalog and schema, found where the caller names only the table."""

from __future__ import annotations

import dataclasses
from typing import Final

from e6data_adbc import errors
from e6data_adbc._driver.catalog.listing import Listing
from e6data_adbc._driver.workspace import Names
from e6data_adbc.options import ConnectionOptions

__all__ = ["Place", "catalog_or_default", "find_place"]

_CATALOG: Final = ConnectionOptions.CURRENT_CATALOG.value
_DB_SCHEMA: Final = ConnectionOptions.CURRENT_DB_SCHEMA.value


@dataclasses.dataclass(frozen=True)
class Place:
    """A table by its exact names."""

    catalog: str
    db_schema: str
    table: str

    def __str__(self) -> str:
        return f"table {self.table!r} in schema {self.db_schema!r}, catalog {self.catalog!r}"


def find_place(listing: Listing, current: Names, asked: Names, table: str) -> Place:
    """Returns the place of a table of which only the name must be given.

    Args:
        listing: Tells the server's default catalog, where that is needed.
        current: The names of the connection.
        asked: Those of the call, which go before.
        table: Its exact name.

    Raises:
        ProgrammingError: Neither the call nor the connection names a schema (INVALID_STATE).
        Error: A call failed.
    """
    schema = asked.db_schema or current.db_schema
    if schema is None:
        raise errors.make(
            errors.Status.INVALID_STATE,
            f"could not find table {table!r}: neither the call nor the connection names a schema",
            hint=f"set option {_DB_SCHEMA!r}",
        )
    return Place(asked.catalog or catalog_or_default(listing, current), schema, table)


def catalog_or_default(listing: Listing, current: Names) -> str:
    """Returns the current catalog, or else the server's default one.

    Raises:
        ProgrammingError: There is neither (INVALID_STATE).
        Error: A call failed.
    """
    if current.catalog is not None:
        return current.catalog
    found = listing.catalogs()
    for item in found:
        if item.is_default or len(found) == 1:
            return item.name
    raise errors.make(
        errors.Status.INVALID_STATE,
        "could not choose a catalog: none is current and the server has no default one",
        hint=f"set option {_CATALOG!r}",
    )
