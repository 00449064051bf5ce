"""The catalogs that an engine serves: the sample, a directory of files, a place to write."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from e6data_adbc import errors
from e6data_adbc.local import sample

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FILES", "SCRATCH", "attach", "quote", "text"]

#: The catalog whose tables are the files of the served directory.
FILES: Final = "files"
#: The one catalog that statements may change; it is gone when the engine stops.
SCRATCH: Final = "scratch"
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
_RESERVED: Final = frozenset({FILES, SCRATCH, sample.CATALOG, "memory", "system", "temp"})


@dataclasses.dataclass(frozen=True)
class Table:
    """A table made of files: one file, or a folder of Parquet files."""

    schema: str
    name: str
    source: Path
    #: The DuckDB function that reads *source*; None for Arrow files, which are copied.
    reader: str | None

    def select(self) -> str:
        """Returns the SQL that reads the files."""
        if self.source.is_dir():
            where = text(str(self.source / "**" / "*.parquet"))
            return f"SELECT * FROM read_parquet({where}, hive_partitioning = true)"  # noqa: S608
        return f"SELECT * FROM {self.reader}({text(str(self.source))})"  # noqa: S608


def attach(connection: Any, path: Path | None, workspace: Path) -> str:
    """Attaches every catalog to a fresh DuckDB *connection*; returns the name of the default catalog.

    The catalogs but `scratch` are built in files under *workspace* and attached again read-only: DuckDB itself then
    refuses to change them.

    Raises:
        ProgrammingError: A file in *path* cannot be served; names it.
    """
    connection.execute(f"ATTACH ':memory:' AS {SCRATCH}")
    _build(connection, sample.CATALOG, workspace, _fill_sample)
    if path is None:
        return sample.CATALOG
    _build(connection, FILES, workspace, lambda target: _fill_files(target, path.resolve()))
    for file in sorted(path.resolve().iterdir()):
        if file.suffix.lower() in _DATABASE and file.is_file():
            _attach_database(connection, file)
    return FILES


def quote(identifier: str) -> str:
    """Returns *identifier* as a quoted SQL identifier."""
    return '"' + identifier.replace('"', '""') + '"'


def text(value: str) -> str:
    """Returns *value* as an SQL string literal."""
    return "'" + value.replace("'", "''") + "'"


def _build(connection: Any, catalog: str, workspace: Path, fill: Any) -> None:
    file = text(str(workspace / f"{catalog}.duckdb"))
    connection.execute(f"ATTACH {file} AS {catalog}")
    connection.execute(f"USE {catalog}.main")
    fill(connection)
    connection.execute("USE memory.main")
    connection.execute(f"DETACH {catalog}")
    connection.execute(f"ATTACH {file} AS {catalog} (READ_ONLY)")


def _fill_sample(connection: Any) -> None:
    connection.execute(f"CREATE SCHEMA {sample.SCHEMA}")
    connection.execute(f"USE {sample.CATALOG}.{sample.SCHEMA}")
    for statement in sample.STATEMENTS:
        connection.execute(statement)


def _fill_files(connection: Any, path: Path) -> None:
    for table in _tables(path):
        target = f"{quote(table.schema)}.{quote(table.name)}"
        try:
            connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(table.schema)}")
            if table.reader is None:
                connection.register("e6data_source", _read_arrow(table.source))
                connection.execute(f"CREATE TABLE {target} AS FROM e6data_source")
                connection.unregister("e6data_source")
            else:
                connection.execute(f"CREATE VIEW {target} AS {table.select()}")
        except (connection_error(), OSError, ValueError) as error:
            raise errors.make(
                errors.Status.INVALID_ARGUMENT,
                f"could not serve {str(table.source)!r} as table {table.name!r}: {error}",
                hint="move the file out of the served directory or repair it",
            ) from error


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
        for inner in sorted(entry.iterdir()):
            if inner.name.startswith((".", "_")):
                continue
            if inner.is_dir():
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
            yield Table(schema, stem, file, None)
            return


def _read_arrow(file: Path) -> pa.Table:
    import pyarrow as pa

    with pa.OSFile(str(file), "rb") as source:
        try:
            return pa.ipc.open_file(source).read_all()
        except pa.ArrowInvalid:
            source.seek(0)
            return pa.ipc.open_stream(source).read_all()
