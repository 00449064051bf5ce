"""The TPC-H tables as Parquet files, made by `tpchgen-cli` at any scale factor."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Any, Final

from e6data_adbc import errors
from e6data_adbc._user_files import user_cache
from e6data_adbc.local.data import catalogs

__all__ = ["CATALOG", "TABLES", "attach", "cache", "generate"]

#: The catalog that shows the tables, in its schema `main`.
CATALOG: Final = "tpch"
TABLES: Final = (
    "customer",
    "lineitem",
    "nation",
    "orders",
    "part",
    "partsupp",
    "region",
    "supplier",
)


def cache(scale: float) -> Path:
    """Returns the folder of the user's cache that holds the tables of scale factor *scale*.

    Raises:
        ProgrammingError: The user has no home.
    """
    folder = user_cache()
    if folder is None:
        raise errors.make(
            errors.Status.INVALID_STATE,
            "could not find a folder for the TPC-H tables: the user has no home",
            hint="set tpch_path",
        )
    return folder / "tpch" / f"sf{scale:g}"


def generate(scale: float, folder: Path) -> Path:
    """Makes the tables in *folder*, one `<table>.parquet` each, unless all are there; returns it.

    The folder appears only when it is complete, so two processes may do this at a time.

    Raises:
        ProgrammingError: `tpchgen-cli` is not installed, or it failed.
    """
    if all((folder / f"{table}.parquet").is_file() for table in TABLES):
        return folder
    program = _program()
    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        arguments = ["parquet", "-q", "-s", f"{scale:g}", "-o", str(work)]
        done = subprocess.run(  # noqa: S603 - a program of our own environment
            [program, *arguments], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise errors.make(
                errors.Status.INTERNAL,
                f"could not generate TPC-H at scale factor {scale:g}: {done.stderr.strip()[-500:]}",
            )
        _publish(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return folder


def attach(connection: Any, folder: Path, workspace: Path, mark: str) -> None:
    """Makes the tables in *folder* the read-only catalog `tpch` of a DuckDB *connection*; *mark* as for `catalogs`.

    Raises:
        ProgrammingError: The engine serves another catalog of this name.
    """
    file = catalogs.text(str(workspace / "tpch.duckdb"))
    try:
        connection.execute(f"ATTACH {file} AS {CATALOG}")
    except catalogs.connection_error() as error:
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not serve TPC-H as catalog {CATALOG!r}: {error}",
        ) from error
    label = catalogs.text(f"{mark}{CATALOG}")
    for table, path in zip(TABLES, sources(folder), strict=True):
        source = catalogs.text(str(path))
        query = f"SELECT * FROM read_parquet({source}) WHERE {label} = {label}"  # noqa: S608 - a path of our own
        connection.execute(f"CREATE VIEW {CATALOG}.main.{table} AS {query}")
    connection.execute(f"DETACH {CATALOG}")
    connection.execute(f"ATTACH {file} AS {CATALOG} (READ_ONLY)")


def sources(folder: Path) -> list[Path]:
    """Returns the files of the tables in *folder*, in the order of `TABLES`."""
    return [(folder / f"{table}.parquet").resolve() for table in TABLES]


def _publish(work: Path, folder: Path) -> None:
    if not folder.exists():
        try:
            work.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
        else:
            folder.chmod(0o755)
            return
    for table in TABLES:
        (work / f"{table}.parquet").replace(folder / f"{table}.parquet")


def _program() -> str:
    beside = shutil.which("tpchgen-cli", path=sysconfig.get_path("scripts"))
    found = beside or shutil.which("tpchgen-cli")
    if found is None:
        raise errors.make(
            errors.Status.NOT_IMPLEMENTED,
            "could not generate TPC-H: tpchgen-cli is not installed",
            hint="pip install 'e6data-adbc[tpch]'",
        )
    return found
