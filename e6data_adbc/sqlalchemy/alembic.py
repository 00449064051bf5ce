"""alembic's migrations on e6data; imported where alembic is installed."""

from __future__ import annotations

from alembic.ddl.impl import DefaultImpl

__all__ = ["E6dataImpl"]


class E6dataImpl(DefaultImpl):  # type: ignore[misc]
    """Migrations: each statement commits itself, so a migration that fails half-way stays half done."""

    __dialect__ = "e6data"
    transactional_ddl = False
    #: Names that the engine uses for one type.
    type_synonyms = (
        *DefaultImpl.type_synonyms,
        {"INT", "INTEGER"},
        {"DOUBLE", "DOUBLE PRECISION", "FLOAT"},
        {"TIMESTAMP", "DATETIME"},
        {"VARCHAR", "TEXT", "STRING", "CLOB", "JSON"},
        {"VARBINARY", "BLOB", "BINARY"},
    )
