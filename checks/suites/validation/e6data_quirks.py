"""What the validation suite has to know of the driver and the local engine."""

from __future__ import annotations

import re
from pathlib import Path

import e6data_cases
from adbc_drivers_validation import model, quirks

__all__ = ["QUIRKS"]


class E6DataQuirks(model.DriverQuirks):
    """The driver, on a local engine whose address is in the environment."""

    name = "e6data"
    driver = "e6data"
    driver_name = "ADBC e6data driver"
    vendor_name = "e6data"
    vendor_version = re.compile(".*")
    short_version = "local"
    features = model.DriverFeatures(
        connection_get_table_schema=True,
        connection_get_statistics=True,
        connection_set_current_catalog=True,
        connection_set_current_schema=True,
        get_objects=True,
        metadata_type_name=True,
        statement_bind=True,
        statement_bulk_ingest=True,
        statement_bulk_ingest_catalog=True,
        statement_bulk_ingest_schema=True,
        statement_execute_schema=True,
        statement_get_parameter_schema=True,
        statement_prepare=True,
        statement_rows_affected=True,
        statement_rows_affected_ddl=True,
        current_catalog="scratch",
        current_schema="main",
        secondary_schema="other",
        secondary_catalog="second",
        secondary_catalog_schema="main",
        supported_xdbc_fields=["xdbc_type_name", "xdbc_data_type"],
    )
    setup = model.DriverSetup(database={"uri": model.FromEnv("E6DATA_URI")})

    @property
    def queries_paths(self) -> tuple[Path, ...]:
        """No folder in the suite's own format; see `query_set`."""
        return ()

    @property
    def query_set(self) -> model.QuerySet:
        """The project's cases of types."""
        return e6data_cases.query_set()

    def is_table_not_found(self, table_name: str | None, error: Exception) -> bool:
        """Whether *error* says so, of this table: schemas, columns and functions may not exist, too."""
        name = r"[^'\"]+?" if table_name is None else re.escape(table_name)
        said = rf"\btable (with name )?['\"]?{name}['\"]?( does not exist|[^:]*: there is no such table)"
        return re.search(said, str(error), re.IGNORECASE) is not None

    def split_statement(self, statement: str) -> list[str]:
        """One statement a text, as the engine wants them."""
        return quirks.split_statement(statement)


QUIRKS = [E6DataQuirks()]
