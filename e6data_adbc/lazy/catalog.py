"""The tables of a schema as scans by name."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import e6data_adbc
from e6data_adbc._sql.names import quoted_name
from e6data_adbc.lazy.scan_source import Opening
from e6data_adbc.lazy.scanning import scan

if TYPE_CHECKING:
    import polars as pl

__all__ = ["Catalog"]


class Catalog(Mapping[str, "pl.LazyFrame"]):
    """Tables by name: `tables["orders"]`, or `tables.orders` where the name is no other attribute.

    The names are those that there were when this was made. Each look-up makes a scan anew, and asks the server for the
    table's columns.
    """

    def __init__(self, opening: Opening, *, catalog: str | None, db_schema: str | None) -> None:
        """Reads the names; Error if that fails."""
        self._opening = opening
        with contextlib.ExitStack() as opened:
            connection: Any = opening.connection
            if connection is None:
                connection = opened.enter_context(
                    contextlib.closing(
                        e6data_adbc.connect(
                            opening.uri,
                            db_kwargs=opening.db_kwargs,
                            conn_kwargs=opening.conn_kwargs,
                        )
                    )
                )
            self._catalog = catalog or connection.adbc_current_catalog
            self._schema = db_schema or connection.adbc_current_db_schema
            listed = connection.adbc_get_objects(
                depth="tables", catalog_filter=self._catalog, db_schema_filter=self._schema
            ).read_all()
        self._names = tuple(
            table["table_name"]
            for one in listed.to_pylist()
            if one["catalog_name"] == self._catalog
            for inner in one["catalog_db_schemas"] or ()
            if inner["db_schema_name"] == self._schema
            for table in inner["db_schema_tables"] or ()
        )

    def __getitem__(self, name: str) -> pl.LazyFrame:
        """Returns a scan of the table; KeyError if there is none of that name."""
        if name not in self._names:
            raise KeyError(name)
        qualified = (("catalog", self._catalog), ("schema", self._schema), ("table", name))
        return scan(
            ".".join(quoted_name(part, kind) for kind, part in qualified),
            self._opening,
            params=None,
            schema=None,
            push=True,
            pure=False,
            split=None,
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: object) -> bool:
        return name in self._names  # without asking for its columns

    def __getattr__(self, name: str) -> pl.LazyFrame:
        if not name.startswith("_") or name in self._names:
            with contextlib.suppress(KeyError):
                return self[name]
        raise AttributeError(
            f"there is no table {name!r} in {self._catalog}.{self._schema}", name=name, obj=self
        )

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *(name for name in self._names if name.isidentifier())]

    def _ipython_key_completions_(self) -> list[str]:
        return list(self._names)

    def __repr__(self) -> str:
        return f"<{len(self)} tables of {self._catalog}.{self._schema}: {', '.join(self._names)}>"
