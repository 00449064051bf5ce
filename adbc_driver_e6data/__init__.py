"""The name under which ADBC tools look for this driver; everything is in `e6data_adbc`."""

from __future__ import annotations

from collections.abc import Mapping

import adbc_driver_manager

from e6data_adbc import ConnectionOptions, DatabaseOptions, StatementOptions, __version__

__all__ = [
    "ConnectionOptions",
    "DatabaseOptions",
    "StatementOptions",
    "__version__",
    "connect",
]


def connect(
    uri: str | None = None, db_kwargs: Mapping[str, str] | None = None
) -> adbc_driver_manager.AdbcDatabase:
    """Returns an open low-level database handle; `adbc_driver_e6data.dbapi` has the DB-API.

    Args:
        uri: See `e6data_adbc.connect`.
        db_kwargs: Options of the database, by key.

    Raises:
        Error: The options are wrong.
    """
    options = dict(db_kwargs or {})
    if uri is not None:
        options["uri"] = uri
    return adbc_driver_manager.AdbcDatabase(
        driver=_driver_path(), entrypoint="AdbcDriverE6dataInit", **options
    )


def _driver_path() -> str:
    import e6data_adbc._native

    path: str = e6data_adbc._native.__file__
    return path
