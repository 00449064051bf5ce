"""The layers of the Python code as a table, and what breaks it: `python -m checks.layers` prints each breach."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from checks.imports import Import, circles, imports_of, modules_of

ROOT: Final = Path(__file__).resolve().parent.parent
#: What each folder of Python may import beside itself.
FOLDERS: Final[Mapping[str, Sequence[str]]] = {
    "e6data_adbc": (),
    "adbc_driver_e6data": ("e6data_adbc",),
    "checks": ("e6data_adbc", "adbc_driver_e6data"),
    "tools": ("e6data_adbc", "adbc_driver_e6data", "checks"),
    "benchmarks": ("e6data_adbc", "adbc_driver_e6data", "checks"),
    "tests": ("e6data_adbc", "adbc_driver_e6data", "checks", "tools", "benchmarks"),
}
#: Those whose modules have rows in the table below.
PACKAGES: Final = ("e6data_adbc", "adbc_driver_e6data")

#: What each part may import beside itself. A name stands for a module or folder of `e6data_adbc` and all that is
#: inside it; what is inside a part may import what the part may, and what its own row adds. Rows go from the floor to
#: the roof.
MAY_IMPORT: Final[Mapping[str, Sequence[str]]] = {
    # The floor: facts and shapes.
    "_version": (),
    "_wire": (),
    "_user_files": (),
    "_hide_secrets": (),
    "errors": (),
    "options": (),
    "_native": ("errors",),
    "types": ("errors",),
    "_told_types": ("types",),
    "_schemas": ("errors", "types", "_told_types"),
    "_options": ("errors", "options", "types"),
    "_sql": ("errors", "options", "types", "_options"),
    # The driver, from the wire to the objects that native code calls.
    "_transport": ("_version", "_wire", "errors", "options", "_options"),
    "_transport.native": ("_native",),
    "_session": ("_wire", "_user_files", "errors", "options", "_options", "_transport"),
    "_telemetry": ("options", "_options", "_transport", "_session"),
    # The local engine is a server: it knows nothing of the driver.
    "local": ("_wire", "_user_files", "errors", "types"),
    "_driver": (
        *("_version", "_native", "_wire", "_user_files", "errors", "options", "types"),
        *("_schemas", "_options", "_sql", "_transport", "_session", "_telemetry"),
    ),
    "_driver.database": ("local",),  # the URI `e6data:local` starts an engine
    # Faces, over the driver manager.
    "_decode": ("_native", "_schemas", "errors"),
    "_dbapi": ("_native", "errors", "options", "types", "_sql"),
    "_dbapi.direct": ("_session.login.hooks",),
    "dbapi": ("_native", "_hide_secrets", "errors", "_dbapi", "_session.login.hooks"),
    "etl": (
        *("_hide_secrets", "_telemetry", "errors", "types", "_dbapi.streams", "dbapi"),
        "_dbapi.interrupts",  # for the drivers of others
        *("_sql", "_driver.partitions.split"),  # how a query is cut, which needs no connection
    ),
    "e6data_adbc": (
        *("_version", "_hide_secrets", "errors", "options", "_decode", "_dbapi", "dbapi"),
        *("etl", "_session.login.hooks"),
    ),
    "aio": ("_hide_secrets", "dbapi"),
    "_reader": ("e6data_adbc", "errors", "_dbapi.direct"),
    "lazy": ("e6data_adbc", "errors", "options", "_schemas", "_sql", "_reader"),
    "polars": ("_reader", "lazy"),
    "distributed": (
        *("e6data_adbc", "_hide_secrets", "errors", "options", "_sql", "_reader", "etl", "dbapi"),
        "_driver.partitions.ticket",  # what a ticket says, before it is read
    ),
    "pandas": ("_reader", "errors"),
    "sqlalchemy": ("errors", "options", "types", "_dbapi", "dbapi", "aio"),
    "cluster": (
        *("_hide_secrets", "errors", "options", "_options", "_transport", "_session"),
        *("_driver.database", "_dbapi.direct"),
    ),
    "adbc_driver_e6data": ("e6data_adbc", "_native", "dbapi"),
    # Tools for users.
    "snapshot": ("e6data_adbc", "_native", "errors", "options", "_driver", "local"),
    "testing": ("local",),
    "testing.table_source": ("etl",),
    "testing.killed_load": ("etl",),
    "testing.sink_conformance": ("errors", "etl"),
    "pytest_plugin": ("e6data_adbc", "local", "testing"),
    "cli": (
        *(
            "e6data_adbc",
            "_dbapi.direct",
            "_dbapi.told",
            "_session.login.login_methods",
            "_version",
            "_native",
            "errors",
            "options",
            "_options",
            "_sql",
            "_transport",
        ),
        *("dbapi", "_reader", "cluster", "etl", "local", "snapshot"),
    ),
    "__main__": ("cli",),
}

#: Imports that break the table or close a circle, and why they stand. One that is no longer there is a breach, too.
KNOWN: Final[Mapping[tuple[str, str], str]] = {
    (
        "_options.database_config",
        "_transport.proxies",
    ): "whether a host is this machine is a fact about addresses",
}


def breaches(imports: Sequence[Import]) -> list[str]:
    """Returns what *imports* break of both tables, a line each."""
    known = {(full_name(importer), full_name(imported)) for importer, imported in KNOWN}
    counted = [one for one in imports if (one.importer, one.imported) not in known]
    lines = [line for one in counted if (line := _breach(one))]
    lines += [
        f"{' and '.join(circle)} import each other in a circle" for circle in circles(counted)
    ]
    there = {(one.importer, one.imported) for one in imports}
    lines += [
        f"{importer} no longer imports {imported}: take the row out of KNOWN"
        for importer, imported in sorted(known - there)
    ]
    return lines


def _breach(found: Import) -> str | None:
    own, other = found.importer.partition(".")[0], found.imported.partition(".")[0]
    if own != other and other not in FOLDERS[own]:
        return f"{found}, and {own} may not import {other}"
    if own not in PACKAGES:
        return None
    importer, imported = _short(found.importer), _short(found.imported)
    rows = [name for name in MAY_IMPORT if is_inside(importer, name)]
    if not rows:
        return f"{found.importer} has no row in the table of checks/layers.py"
    allowed = [*rows, *(name for row in rows for name in MAY_IMPORT[row])]
    if any(is_inside(imported, name) for name in allowed):
        return None
    return f"{found}, which the table of checks/layers.py does not give to {rows[-1]}"


def is_inside(module: str, part: str) -> bool:
    """Tells whether *module* is *part* or inside it."""
    return module == part or module.startswith(f"{part}.")


def _short(module: str) -> str:
    return module.removeprefix("e6data_adbc.")


def full_name(name: str) -> str:
    """Returns the dotted name of what the table calls *name*."""
    return name if name.partition(".")[0] in PACKAGES else f"e6data_adbc.{name}"


def main() -> int:
    """Prints the breaches; returns the exit code."""
    lines = breaches(imports_of(modules_of(ROOT, FOLDERS)))
    print(*lines, sep="\n", end="\n" if lines else "")
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
