"""The DB-API 2.0 module under the name that ADBC tools import; it is `e6data_adbc.dbapi`."""

from e6data_adbc.dbapi import *  # noqa: F403
from e6data_adbc.dbapi import __all__  # noqa: F401
