"""The catalogs that an engine serves: the sample, a directory of files, a place to write."""

from __future__ import annotations

import dataclasses
import functools
import re
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from e6data_adbc import errors
from e6data_adbc.local.data import coarse_times, foreign_tables, sample

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "FILES",
    "SCRATCH",
    "SETTINGS",
    "attach",
    "quote",
    "rebuild",
    "silenced",
    "sources",
    "table_of",
    "text",
]

#: The catalog whose tables are the files of the served directory.
FILES: Final = "files"
#: The catalog that statements may change; it is gone when the engine stops, unless it has a file.
SCRATCH: Final = "scratch"
#: Settings of every DuckDB of the engine.
SETTINGS: Final[dict[str, str | bool | int | float | list[str]]] = {
    # A name that no table has must not find a Python variable of ours.
    "python_enable_replacements": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}
#: The schema of files that lie directly in the served directory.
MAIN: Final = "main"

#: Suffix → the function of DuckDB that reads such files.
_READERS: Final = {
    ".parquet": "read_parquet",
    ".pq": "read_parquet",
    ".csv": "read_csv",
    ".csv.gz": "read_csv",
    ".tsv": "read_csv",
    ".tsv.gz": "read_csv",
    ".json": "read_json",
    ".json.gz": "read_json",
    ".jsonl": "read_json",
    ".ndjson": "read_json",
}
_ARROW: Final = frozenset({".arrow", ".arrows", ".feather", ".ipc"})
_DATABASE: Final = frozenset({".duckdb", ".ddb"})
_SQLITE: Final = frozenset({".sqlite", ".sqlite3"})
_RESERVED: Final = frozenset({FILES, SCRATCH, sample.CATALOG, "memory", "system", "temp"})


@dataclasses.dataclass(frozen=True)
class Table:
    """A table made of files: one file, or a folder of Parquet files."""

    schema: str
    name: str
    source: Path
    #: The DuckDB function that reads *source*; None for what is copied.
    reader: str | None
    #: Reads *source* where DuckDB cannot.
    read: Callable[[Path], pa.Table] | None = None

    def select(self, mark: str) -> str:
        """Returns the SQL that reads the files; a filter that is always true says in which catalog the table is."""
        label = text(f"{mark}{FILES}")
        if self.source.is_dir():
            where = text(str(self.source / "**" / "*.parquet"))
            source = f"read_parquet({where}, hive_partitioning = true)"
        else:
            source = f"{self.reader}({text(str(self.source))})"
        return f"SELECT * FROM {source} WHERE {label} = {label}"  # noqa: S608


def sources(path: Path) -> list[Path]:
    """Returns the files, and the folders of files, that DuckDB reads for the tables of the directory *path*."""
    return [table.source for table in _tables(path.resolve()) if table.read is None]


def table_of(path: Path, file: Path) -> str | None:
    """Returns the qualified name of the table of *file* in the directory *path*; None if it is none."""
    sought = file.resolve()
    return next(
        (
            f"{FILES}.{quote(table.schema)}.{quote(table.name)}"
            for table in _tables(path.resolve())
            if table.source.resolve() == sought
        ),
        None,
    )


def attach(
    connection: Any,
    path: Path | None,
    workspace: Path,
    mark: str,
    scratch: Path | None = None,
    nanoseconds: str = "refuse",
) -> str:
    """Attaches every catalog to a fresh DuckDB *connection*; returns the name of the default catalog.

    The catalogs but `scratch` are built in files under *workspace* and attached again read-only: DuckDB itself then
    refuses to change them. *mark* goes before the name of its catalog into each table of files, see `Table.select`.
    *scratch* is the file of that catalog; without one it is in memory. *nanoseconds* is the
    setting of that name.

    Raises:
        ProgrammingError: A file in *path* cannot be served, or *scratch* is no DuckDB file; names it.
    """
    try:
        connection.execute(f"ATTACH {text(str(scratch or ':memory:'))} AS {SCRATCH}")
    except connection_error() as error:
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not open {str(scratch)!r} as the catalog {SCRATCH!r}: {error}",
        ) from error
    file = workspace / f"{sample.CATALOG}.duckdb"
    file.write_bytes(_sample_file())
    connection.execute(f"ATTACH {text(str(file))} AS {quote(sample.CATALOG)} (READ_ONLY)")
    if path is None:
        return sample.CATALOG

    def fill(target: Any) -> None:
        for table in _tables(path.resolve()):
            _fill(target, table, mark, nanoseconds)

    _build(connection, FILES, workspace, fill)
    for file in sorted(path.resolve().iterdir()):
        if file.suffix.lower() in _DATABASE and file.is_file():
            _attach_database(connection, file)
        elif file.suffix.lower() in _SQLITE and file.is_file():
            _attach_sqlite(connection, file, workspace)
    return FILES


def rebuild(
    connection: Any,
    path: Path,
    workspace: Path,
    number: int,
    mark: str,
    readable: Collection[Path],
    nanoseconds: str = "refuse",
) -> list[tuple[str, str]]:
    """Builds the catalog `files` anew from what *path* has now, in place of the one before.

    Args:
        connection: Of the DuckDB that serves; its current catalog is `memory`.
        path: The served directory.
        workspace: Where catalogs are built.
        number: How often that was done before.
        mark: See `attach`.
        readable: What the DuckDB that serves may read; the tables of other files are copied.
        nanoseconds: The setting of that name.

    Returns:
        The tables that cannot be served, with the reason.
    """
    failures = []
    file = text(str(workspace / f"{FILES}-{number}.duckdb"))
    import duckdb

    with silenced(duckdb.connect(":memory:", config=SETTINGS)) as builder:
        builder.execute(f"ATTACH {file} AS {FILES}")
        builder.execute(f"USE {FILES}.main")
        for table in _tables(path.resolve()):
            try:
                _fill(builder, table, mark, nanoseconds, is_copied=table.source not in readable)
            except errors.Error as error:  # noqa: PERF203 - one bad file must not hide the others
                failures.append((f"{table.schema}.{table.name}", str(error.__cause__)))
        builder.execute("USE memory.main")
        builder.execute(f"DETACH {FILES}")
    connection.execute(f"DETACH {FILES}")
    connection.execute(f"ATTACH {file} AS {FILES} (READ_ONLY)")
    return failures


def silenced(connection: Any) -> Any:
    """Returns *connection*; into the output of an interpreter without a script DuckDB draws how slow statements go."""
    connection.execute("SET enable_progress_bar = false")
    return connection


def quote(identifier: str) -> str:
    """Returns *identifier* as a quoted SQL identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def text(value: str) -> str:
    """Returns *value* as an SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


def _build(connection: Any, catalog: str, workspace: Path, fill: Callable[[Any], None]) -> None:
    file, name = text(str(workspace / f"{catalog}.duckdb")), quote(catalog)
    connection.execute(f"ATTACH {file} AS {name}")
    connection.execute(f"USE {name}.main")
    fill(connection)
    connection.execute("USE memory.main")
    connection.execute(f"DETACH {name}")
    connection.execute(f"ATTACH {file} AS {name} (READ_ONLY)")


@functools.cache
def _sample_file() -> bytes:
    """Returns the database file of the sample catalog; building it takes longer than the rest of an engine's start."""
    import duckdb

    with (
        tempfile.TemporaryDirectory(prefix="e6data-local-") as folder,
        silenced(duckdb.connect(":memory:", config=SETTINGS)) as builder,
    ):
        file = Path(folder) / f"{sample.CATALOG}.duckdb"
        builder.execute(f"ATTACH {text(str(file))} AS {sample.CATALOG}")
        builder.execute(f"CREATE SCHEMA {sample.CATALOG}.{sample.SCHEMA}")
        builder.execute(f"USE {sample.CATALOG}.{sample.SCHEMA}")
        for statement in sample.STATEMENTS:
            builder.execute(statement)
        builder.execute("USE memory.main")
        builder.execute(f"DETACH {sample.CATALOG}")
        return file.read_bytes()


def _fill(
    connection: Any,
    table: Table,
    mark: str,
    nanoseconds: str = "refuse",
    *,
    is_copied: bool = False,
) -> None:
    target = f"{quote(table.schema)}.{quote(table.name)}"
    try:
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(table.schema)}")
        if table.read is not None:
            source = coarse_times.in_microseconds(table.read(table.source), nanoseconds)
            connection.register("e6data_source", source)
            try:
                connection.execute(f"CREATE TABLE {target} AS FROM e6data_source")
            finally:
                connection.unregister("e6data_source")
        else:
            kind = "TABLE" if is_copied else "VIEW"
            connection.execute(f"CREATE {kind} {target} AS {table.select(mark)}")
    except (connection_error(), OSError, ValueError, foreign_tables.ReadError) as error:
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not serve {str(table.source)!r} as table {table.name!r}: {error}",
            hint="move the file out of the served directory or repair it",
        ) from error


def _attach_sqlite(connection: Any, file: Path, workspace: Path) -> None:
    name = file.stem if file.stem.lower() not in _RESERVED else f"{file.stem}_db"

    def fill(target: Any) -> None:
        for table in foreign_tables.sqlite_tables(file):
            read = functools.partial(foreign_tables.read_sqlite, table=table)
            _fill(target, Table(MAIN, table, file, None, read), mark="")

    _build(connection, name, workspace, fill)


def _attach_database(connection: Any, file: Path) -> None:
    name = file.stem if file.stem.lower() not in _RESERVED else f"{file.stem}_db"
    try:
        connection.execute(f"ATTACH {text(str(file))} AS {quote(name)} (READ_ONLY)")
    except connection_error() as error:
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not serve {str(file)!r} as catalog {name!r}: {error}",
        ) from error


def connection_error() -> type[Exception]:
    """Returns the base class of DuckDB's errors."""
    import duckdb

    return duckdb.Error


def _tables(path: Path) -> Iterator[Table]:
    """Yields the tables of a directory; of two with the same name the first in file order wins the name."""
    taken: set[tuple[str, str]] = set()
    for table in _candidates(path):
        name, number = table.name, 2
        while (table.schema.lower(), name.lower()) in taken:
            name, number = f"{table.name}_{number}", number + 1
        taken.add((table.schema.lower(), name.lower()))
        yield dataclasses.replace(table, name=name)


def _candidates(path: Path) -> Iterator[Table]:
    for entry in sorted(path.iterdir()):
        if entry.name.startswith((".", "_")):
            continue
        if not entry.is_dir():
            yield from _file_table(MAIN, entry)
            continue
        if (read := foreign_tables.reader_of(entry)) is not None:
            yield Table(MAIN, entry.name, entry, None, read)
            continue
        for inner in sorted(entry.iterdir()):
            if inner.name.startswith((".", "_")):
                continue
            if (read := foreign_tables.reader_of(inner)) is not None:
                yield Table(entry.name, inner.name, inner, None, read)
            elif inner.is_dir():
                if next(inner.rglob("*.parquet"), None) is not None:
                    yield Table(entry.name, inner.name, inner, "read_parquet")
            else:
                yield from _file_table(entry.name, inner)


def _file_table(schema: str, file: Path) -> Iterator[Table]:
    found = re.fullmatch(r"(.+?)((?:\.[A-Za-z]+)?\.[A-Za-z]+)", file.name)
    if found is None:
        return
    for stem, suffix in ((found[1], found[2]), (file.stem, file.suffix)):
        if suffix.lower() in _READERS:
            yield Table(schema, stem, file, _READERS[suffix.lower()])
            return
        if suffix.lower() in _ARROW:
            yield Table(schema, stem, file, None, _read_arrow)
            return


def _read_arrow(file: Path) -> pa.Table:
    import pyarrow as pa

    with pa.OSFile(str(file), "rb") as source:
        try:
            return pa.ipc.open_file(source).read_all()
        except pa.ArrowInvalid:
            source.seek(0)
            return pa.ipc.open_stream(source).read_all()
