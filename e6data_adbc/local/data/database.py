"""DuckDB as the engine's back end: the catalogs that are served, and statements on them."""

from __future__ import annotations

import dataclasses
import secrets
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from e6data_adbc import errors
from e6data_adbc.local.cluster.users import User
from e6data_adbc.local.data import catalogs, coarse_times, tpch
from e6data_adbc.local.data.instance import Instance
from e6data_adbc.local.data.listings import Listings
from e6data_adbc.local.data.preparation import Preparation
from e6data_adbc.local.data.statements import SqlError, Statement, duckdb_module, one_line

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Database", "Sources"]


@dataclasses.dataclass(frozen=True)
class Sources:
    """What is served, and where names without one are looked up.

    Attributes:
        path: The served directory.
        catalog: The default catalog.
        schema: The default schema.
        scratch: The file of the catalog `scratch`.
        tpch_folder: Where the TPC-H tables are.
    """

    path: Path | None = None
    catalog: str | None = None
    schema: str | None = None
    scratch: Path | None = None
    tpch_folder: Path | None = None


class Database:
    """One DuckDB instance with the engine's catalogs; any thread may call."""

    def __init__(
        self,
        sources: Sources,
        *,
        strict: bool = False,
        nanoseconds: str = "refuse",
        full_types: bool = False,
        broke: Callable[[object], None] = lambda _: None,
        reopened: Callable[[], None] = lambda: None,
    ) -> None:
        """Starts DuckDB and attaches the catalogs.

        Args:
            sources: What is served.
            strict: Whether to refuse what only DuckDB knows.
            nanoseconds: What becomes of timestamps that have them, `refuse` or `floor`.
            full_types: Whether metadata tell nested types and decimals in full.
            broke: Is called with a DuckDB that broke, again and again until nobody uses it any more.
            reopened: Is called each time that DuckDB broke and was opened again.

        Raises:
            ProgrammingError: DuckDB is not installed, or a file cannot be served.
        """
        duckdb_module()
        path, scratch, tpch_folder = sources.path, sources.scratch, sources.tpch_folder
        self._nanoseconds = nanoseconds
        self._workspace = Path(tempfile.mkdtemp(prefix="e6data-local-")).resolve()
        self._built = self._workspace / "catalogs"
        self._built.mkdir()
        self._path = path
        self._refreshing = threading.Lock()
        self._refreshes = 0
        #: Goes before the name of a catalog into its tables of files; nobody else knows it.
        self._mark = f"e6data {secrets.token_hex(16)} "
        #: What SQL may read of the file system.
        self._readable = [] if path is None else catalogs.sources(path)
        if tpch_folder is not None:
            self._readable += tpch.sources(tpch_folder)
        #: The tables that the last refresh could not serve, with the reason.
        self.failures: list[tuple[str, str]] = []
        try:
            self._instance = Instance(
                self._workspace, is_lasting=scratch is not None, broke=broke, reopened=reopened
            )
            # A file in place of memory: what is in it outlives a DuckDB that breaks.
            file = scratch or self._workspace / f"{catalogs.SCRATCH}.duckdb"
            root = self._instance.root
            first = catalogs.attach(root, path, self._built, self._mark, file, nanoseconds)
            if tpch_folder is not None:
                tpch.attach(root, tpch_folder, self._workspace, self._mark)
                if path is None:
                    first = tpch.CATALOG
            # The last folder is for catalogs that `refresh` builds; it holds nothing that SQL cannot read anyway.
            self._instance.confine([*self._readable, self._built])
            self._listings = Listings(self._instance, first)
            #: Where names are looked up that have no catalog, and those that have neither.
            self.default_catalog, self.default_schema = self._listings.look_in(
                sources.catalog, sources.schema
            )
            self._preparation = Preparation(
                self._instance,
                self._listings,
                self._mark,
                strict=strict,
                nanoseconds=nanoseconds,
                full_types=full_types,
            )
        except SqlError as error:
            shutil.rmtree(self._workspace, ignore_errors=True)
            raise errors.make(
                errors.Status.INVALID_ARGUMENT, f"could not start the local engine: {error}"
            ) from error
        except BaseException:
            shutil.rmtree(self._workspace, ignore_errors=True)
            raise

    def prepare(self, sql: str, catalog: str, schema: str, user: User | None = None) -> Statement:
        """Returns a statement that can run; see `Preparation.prepare`."""
        return self._preparation.prepare(sql, catalog, schema, user)

    def catalogs(self) -> list[str]:
        """Returns the names of the catalogs, the default one first."""
        return self._listings.catalogs()

    def schemas(self, catalog: str) -> list[str]:
        """Returns the schemas of *catalog*; see `Listings.schemas`."""
        return self._listings.schemas(catalog)

    def tables(self, catalog: str, schema: str) -> list[str]:
        """Returns the tables and views of a schema; see `Listings.tables`."""
        return self._listings.tables(catalog, schema)

    def columns(self, catalog: str, schema: str, table: str) -> list[tuple[str, str]]:
        """Returns name and type text of the columns of a table; see `Listings.columns`."""
        return self._listings.columns(catalog, schema, table)

    def table_of(self, file: str) -> str:
        """Returns what stands for a served file after FROM; for any other file the name of a table that cannot be."""
        found = None if self._path is None else catalogs.table_of(self._path, Path(file))
        return found or catalogs.quote(f"{Path(file).name} is no served table")

    def refresh(self) -> None:
        """Looks for new, changed and removed files in the served directory; without one it does nothing.

        Views read their files at every query anyway; what this adds are tables that came and went, and the copies of
        Arrow, Delta and Iceberg tables; the files that came are copied, too: DuckDB may read no more files than at its
        start. What cannot be served is in `failures` then.
        """
        with self._refreshing:
            self._instance.again(self._refresh)

    def _refresh(self) -> None:
        if self._path is None:
            return
        with self._instance.connect() as own:
            self._refreshes += 1
            try:
                self.failures = catalogs.rebuild(
                    own,
                    self._path,
                    self._built,
                    self._refreshes,
                    self._mark,
                    self._readable,
                    self._nanoseconds,
                )
                self._instance.note_catalogs(own)
            except duckdb_module().Error as error:
                raise SqlError(one_line(error)) from error

    def create_catalog(self, name: str) -> None:
        """Adds an empty catalog called *name* that statements may change.

        Raises:
            SqlError: There is one of that name.
        """
        if name.lower() in ("memory", "system", "temp"):
            raise SqlError(f"the name {name!r} is DuckDB's own")
        file = catalogs.text(str(self._built / f"own-{secrets.token_hex(8)}.duckdb"))
        self._instance.run(f"ATTACH {file} AS {catalogs.quote(name)}")

    def drop_catalog(self, name: str) -> None:
        """Takes a catalog away, with all that is in it; statements that run still finish.

        Raises:
            SqlError: There is none of that name, or it is the default one.
        """
        if name.lower() == self.default_catalog.lower():
            raise SqlError(f"catalog {name!r} is the default one")
        self._instance.run(f"DETACH {catalogs.quote(self._listings.known_catalog(name))}")

    def store(self, data: pa.Table, catalog: str, schema: str, table: str) -> None:
        """Copies *data* into a table, which takes the place of one of that name.

        Raises:
            SqlError: The catalog is read-only or does not exist, or DuckDB has no type for a column.
        """
        where = f"{catalogs.quote(self._listings.known_catalog(catalog))}.{catalogs.quote(schema)}"

        def copy() -> None:
            with self._instance.connect() as own:
                try:
                    own.register(
                        "e6data_source", coarse_times.in_microseconds(data, self._nanoseconds)
                    )
                    own.execute(f"CREATE SCHEMA IF NOT EXISTS {where}")
                    target = f"{where}.{catalogs.quote(table)}"
                    own.execute(f"CREATE OR REPLACE TABLE {target} AS FROM e6data_source")
                except ValueError as error:
                    raise SqlError(str(error)) from error
                except duckdb_module().Error as error:
                    raise SqlError(one_line(error)) from error

        self._instance.again(copy)

    def close(self) -> None:
        """Ends DuckDB; the last cursor to be closed frees it."""
        if self._instance.close():
            shutil.rmtree(self._workspace, ignore_errors=True)
