"""The project's own cases of types, `tests/validation/cases`, in place of the suite's generic ones.

Each name of the suite's has one file of ours, or a reason why the engine has no such type. Only timestamps of fewer
digits than six are the suite's own cases, in the engine's one type. `row` is `idx` here.
"""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pyarrow as pa
from adbc_drivers_validation import model

__all__ = ["query_set"]

ROOT: Final = Path(__file__).resolve().parents[3]

#: The suite's name for what is another name of ours, by kind.
NAMES: Final[dict[str, dict[str, str]]] = {
    "type/select": {
        "binary": "varbinary",
        "float32": "float",
        "float64": "double",
        "int16": "smallint",
        "int32": "int",
        "int64": "bigint",
        "string": "varchar",
        "timestamp6": "timestamp",
        "timestamp6tz": "timestamp_tz",
    },
    "type/literal": {
        "binary": "literal_varbinary",
        "float32": "literal_float",
        "float64": "literal_double",
        "int16": "literal_smallint",
        "int32": "literal_int",
        "int64": "literal_bigint",
        "string": "literal_varchar",
        "timestamptz": "literal_timestamp_tz",
    },
    "type/bind": {},
    "ingest": {},
}
#: In `bind` and `ingest`.
ARROW_NAMES: Final = {
    "date": "date32",
    "decimal": "decimal128",
    "decimal_scale_equals_precision": "decimal128_scale_precision",
    "decimal_scale_negative": "decimal128_scale_negative",
    "decimal_scale_zero": "decimal128_scale_zero",
    "time_s": "time32_s",
    "time_ms": "time32_ms",
    "time_us": "time64_us",
    "time_ns": "time64_ns",
}
NO_TIME: Final = "the engine has no type for a time of day"
NO_NANOSECONDS: Final = "the engine's timestamps have six digits of a second"
#: What columns of results are called by the engine, by Arrow type.
ENGINE_NAMES: Final = {
    "bool": "BOOLEAN",
    "int32": "INTEGER",
    "int64": "LONG",
    "float": "FLOAT",
    "double": "DOUBLE",
    "string": "STRING",
    "binary": "BINARY",
    "date32[day]": "DATE",
    "timestamp[us]": "DATETIME",
    "timestamp[us, tz=UTC]": "TIMESTAMP_TZ",
}
#: How a table lists a type that it does not list as it was declared.
LISTED: Final = {"VARBINARY": "binary"}
#: From SQL of the suite's to the engine's.
SPELLINGS: Final = (
    (r"TIMESTAMP WITH TIME ZONE '([^']*)\+00'", r"CAST('\1+00:00' AS TIMESTAMP_TZ)"),
    (r"TIMESTAMP(\(\d\))? WITH TIME ZONE", "TIMESTAMP_TZ"),
    (r"TIMESTAMP\(\d\)", "TIMESTAMP"),
)


def query_set() -> model.QuerySet:
    """Returns a case for each name that the suite has."""
    cases = {case.name: case for case in _module().cases()}
    made = {}
    for name, given in model.base_query_set().queries.items():
        kind, _, stem = name.rpartition("/")
        folder = "select" if kind in ("type/select", "type/literal") else kind.rpartition("/")[2]
        reason = _without_type(kind, stem)
        if reason is not None:
            made[name] = dataclasses.replace(given, metadata_paths=[{"skip": reason}])
            continue
        if re.fullmatch(r"timestamp[0-5](tz)?", stem):
            made[name] = _in_microseconds(given)
            continue
        prefix = "literal_" if kind == "type/literal" else ""
        names = {**ARROW_NAMES, **NAMES[kind]} if folder != "select" else NAMES[kind]
        case = cases[f"{folder}/{names.get(stem, prefix + stem)}"]
        query = _Ingest(case) if folder == "ingest" else _Select(case)
        drop = {"drop": "cases"} if folder != "ingest" and "setup" in case.content else {}
        made[name] = model.Query(name, query, [_metadata(case.content["type"], query, drop)])
    return model.QuerySet(made)


def _without_type(kind: str, stem: str) -> str | None:
    if stem.startswith("time_") or stem == "time":
        return NO_TIME
    if kind == "type/select" and re.match(r"timestamp[7-9]", stem):
        return NO_NANOSECONDS
    return None


def _in_microseconds(given: model.Query) -> model.Query:
    """Returns the suite's case in the engine's type, whose values have more digits."""
    assert isinstance(given.query, model.SelectQuery)
    fields = {
        field.name: getattr(given.query, field.name) for field in dataclasses.fields(given.query)
    }
    query = _Microseconds(**fields)
    zone = "_TZ" if given.name.endswith("tz") else ""
    drop = {"drop": given.metadata().setup.drop}
    return model.Query(given.name, query, [_metadata(f"TIMESTAMP{zone}", query, drop)])


def _metadata(
    declared: str, query: model.SelectQuery | model.IngestQuery, setup: dict[str, Any]
) -> dict[str, Any]:
    """Returns what the suite reads beside a case; types have the engine's names in rows, those declared in tables."""
    # Of what is ingested, the suite looks at the value's alone.
    kinds = [str(field.type) for field in query.expected_schema() if field.name != "idx"]
    names = ["DECIMAL128" if kind.startswith("decimal") else ENGINE_NAMES[kind] for kind in kinds]
    listed = LISTED.get(declared, declared.lower().replace(" ", ""))
    return {
        "tags": {
            "sql-type-name": declared,
            "field-type-name": {"default": names, "get-table-schema": listed}
            if isinstance(query, model.SelectQuery)
            else names,
        },
        "setup": setup,
    }


class _Microseconds(model.SelectQuery):
    """A case of the suite's, of timestamps."""

    def setup_query(self) -> str | None:
        """The statements that make its table."""
        text = super().setup_query() or ""
        for spelling, ours in SPELLINGS:
            text = re.sub(spelling, ours, text)
        return text

    def expected_schema(self) -> pa.Schema:
        """Of the rows."""
        return self.expected_result().schema

    def expected_result(self) -> pa.Table:
        """The rows."""
        given = super().expected_schema()
        (kind,) = given.types
        rows = model.try_txtcase(self.expected_path, model.query_table, ["expected"], given)
        return rows.cast(pa.schema([given.field(0).with_type(pa.timestamp("us", kind.tz))]))


class _Select(model.SelectQuery):
    """A case of `select` or `bind`."""

    def __init__(self, case: Any) -> None:
        super().__init__(case.path, case.path, case.path, bind_path=_bound(case))
        self.content: Mapping[str, Any] = case.content

    def setup_query(self) -> str | None:
        """The statements that make its table."""
        statements = [*self.content.get("setup", ())]
        statements += [f"DELETE FROM cases WHERE row = {row}" for row in self._not_equal()]
        return ";\n".join(statements) or None

    def query(self) -> str:
        """What is read."""
        text: str = self.content["query"]
        return text

    def bind_query(self, driver: model.DriverQuirks) -> str | None:
        """What is bound to."""
        del driver
        return self.content.get("statement")

    def expected_schema(self) -> pa.Schema:
        """Of the rows."""
        return self.expected_result().schema

    def expected_result(self) -> pa.Table:
        """The rows."""
        rows = _data(self.content["result"])
        gone = {row - 1 for row in self._not_equal()}
        return rows.take([index for index in range(rows.num_rows) if index not in gone])

    def _not_equal(self) -> list[int]:
        """The numbers of the rows of NaN, which the suite finds different from itself; not where they are bound."""
        lines = self.content["result"]["rows"].split("\n")
        found = [row for row, line in enumerate(filter(None, lines), 1) if '"NaN"' in line]
        return [] if "statement" in self.content else found

    def bind_schema(self) -> pa.Schema | None:
        """Of the parameters."""
        return self.bind_data().schema if "bound" in self.content else None

    def bind_data(self) -> pa.Table:
        """The parameters."""
        return _data(self.content["bound"])


def _bound(case: Any) -> Path | None:
    return case.path if "bound" in case.content else None


class _Ingest(model.IngestQuery):
    """A case of `ingest`."""

    def __init__(self, case: Any) -> None:
        super().__init__(case.path, case.path)
        self.content: Mapping[str, Any] = case.content

    def input_schema(self) -> pa.Schema:
        """Of the rows that go in."""
        return self.input().schema

    def input(self) -> pa.Table:
        """The rows that go in."""
        return _data(self.content["input"])

    def expected_schema(self) -> pa.Schema:
        """Of the rows that come back."""
        return self.expected().schema

    def expected(self) -> pa.Table:
        """The rows that come back, in the order of their numbers."""
        values = _data(self.content["result"])
        return values.add_column(0, "idx", self.input().column("idx"))


def _data(content: Mapping[str, Any]) -> pa.Table:
    table: pa.Table = _module().data(content).table()
    return table.rename_columns(["idx" if name == "row" else name for name in table.column_names])


def _module() -> ModuleType:
    """The reader of cases; the folder that it is in would hide the wheel that is tested."""
    name = "e6data_validation_case"
    if name not in sys.modules:
        file = ROOT / "checks" / "validation_case.py"
        spec = importlib.util.spec_from_file_location(name, file)
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]
