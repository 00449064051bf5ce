"""Databases, connections and statements of ADBC, as the native driver calls them."""

from e6data_adbc._driver.database import Database, open_database

__all__ = ["Database", "open_database"]
