"""SQLAlchemy's dialect `e6data+adbc`, for 1.4.54, 2.0 and 2.1, on `e6data_adbc.dbapi`.

>>> from sqlalchemy import create_engine
>>> engine = create_engine("e6data+adbc:///?uri=e6data%3Alocal")
"""

from __future__ import annotations

import importlib.util

from e6data_adbc.sqlalchemy.aio import AsyncDialect
from e6data_adbc.sqlalchemy.dialect import Dialect
from e6data_adbc.sqlalchemy.writing import ingest

__all__ = ["AsyncDialect", "Dialect", "ingest"]

if importlib.util.find_spec("alembic") is not None:
    # alembic looks a dialect's migrations up by its name, in what was imported.
    from e6data_adbc.sqlalchemy import alembic as _alembic  # noqa: F401
