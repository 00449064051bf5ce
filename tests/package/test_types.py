"""The table of types: each row is whole, each reader has what the rows say, and there is no second table."""

from __future__ import annotations

import ast
import datetime
import decimal
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from checks.reference.vectors import VectorType as ReferenceVector
from e6data_adbc import _schemas, types
from e6data_adbc._driver.binding import server_binding
from e6data_adbc._sql import literal_columns, literals
from e6data_adbc.local.data import type_mapping
from e6data_adbc.local.sql import placeholders
from e6data_adbc.sqlalchemy.types import from_engine
from e6data_adbc.types import EngineType, Form

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "e6data_adbc"

by_row = pytest.mark.parametrize("row", types.TABLE, ids=lambda row: row.names[0])
#: Rows of which columns are made; that of nulls makes one of text.
MADE = [row for row in types.TABLE if row.sql is not None and row is not types.NULL]

NOON = datetime.datetime(2026, 1, 2, 12)
#: A value of each Arrow type in the table, by the name of its id.
SAMPLES: dict[str, pa.Scalar[Any]] = {
    "BOOL": pa.scalar(True),
    "INT8": pa.scalar(7, pa.int8()),
    "INT16": pa.scalar(7, pa.int16()),
    "INT32": pa.scalar(7, pa.int32()),
    "INT64": pa.scalar(7, pa.int64()),
    "UINT8": pa.scalar(7, pa.uint8()),
    "UINT16": pa.scalar(7, pa.uint16()),
    "UINT32": pa.scalar(7, pa.uint32()),
    "UINT64": pa.scalar(7, pa.uint64()),
    "HALF_FLOAT": pa.scalar(1.5, pa.float32()).cast(pa.float16()),
    "FLOAT": pa.scalar(1.5, pa.float32()),
    "DOUBLE": pa.scalar(1.5),
    "DECIMAL32": pa.scalar(decimal.Decimal("1.5"), pa.decimal32(9, 2)),
    "DECIMAL64": pa.scalar(decimal.Decimal("1.5"), pa.decimal64(9, 2)),
    "DECIMAL128": pa.scalar(decimal.Decimal("1.5"), pa.decimal128(9, 2)),
    "DECIMAL256": pa.scalar(decimal.Decimal("1.5"), pa.decimal256(9, 2)),
    "STRING": pa.scalar("a'b"),
    "LARGE_STRING": pa.scalar("a'b", pa.large_string()),
    "STRING_VIEW": pa.scalar("a'b", pa.string_view()),
    "BINARY": pa.scalar(b"ab"),
    "LARGE_BINARY": pa.scalar(b"ab", pa.large_binary()),
    "BINARY_VIEW": pa.scalar(b"ab", pa.binary_view()),
    "FIXED_SIZE_BINARY": pa.scalar(b"ab", pa.binary(2)),
    "DATE32": pa.scalar(NOON.date()),
    "DATE64": pa.scalar(NOON.date(), pa.date64()),
    "TIMESTAMP": pa.scalar(NOON),
    "TIMESTAMP with a zone": pa.scalar(NOON, pa.timestamp("us", "UTC")),
    "DURATION": pa.scalar(datetime.timedelta(seconds=-1)),
    "LIST": pa.scalar([7]),
    "LARGE_LIST": pa.scalar([7], pa.large_list(pa.int64())),
    "FIXED_SIZE_LIST": pa.scalar([7], pa.list_(pa.int64(), 1)),
    "LIST_VIEW": pa.scalar([7], pa.list_view(pa.int64())),
    "LARGE_LIST_VIEW": pa.scalar([7], pa.large_list_view(pa.int64())),
    "NA": pa.scalar(None, pa.null()),
}


def samples(row: EngineType) -> list[pa.Scalar[Any]]:
    """A value of each Arrow type whose values are of the type *row*."""
    zone = " with a zone" if row is types.TIMESTAMP_TZ else ""
    return [SAMPLES[f"{name}{zone}"] for name in row.values]


# ---- the rows


@by_row
def test_a_row_is_whole(row: EngineType) -> None:
    """A row has names, an Arrow type in each layout, and either all that is needed to write values or nothing of it."""
    assert row.names
    assert all(name == name.upper() for name in row.names)
    for text in types.Text:
        for instant in types.TimestampTz:
            assert isinstance(row.arrow(types.Layout(text, instant), 2), pa.DataType)
    if row.values and row is not types.NULL:
        assert row.sql is not None
        assert row.form is not None
    if row.cast is not None:
        assert row.form is not None


def test_rows_do_not_overlap() -> None:
    """A name, and a type of Arrow or DuckDB, stands in one row; each vector that is decoded has one."""
    assert len(types.NAMES) == sum(len(row.names) for row in types.TABLE)
    assert len(types.DUCK) == sum(len(row.duck) for row in types.TABLE)
    values = [(name, row.form is Form.INSTANT) for row in types.TABLE for name in row.values]
    assert len(values) == len(set(values))
    assert set(types.VECTORS) == set(types.VectorType) - {types.VectorType.INT96}


def test_vectors_have_the_numbers_of_the_wire() -> None:
    """Both decoders, the table and the protocol's own file number the vectors alike."""
    number = {kind.name: kind.value for kind in types.VectorType}
    protocol = (ROOT / "protos" / "e6x_vector.thrift").read_text()
    (body,) = re.findall(r"enum VectorType\s*\{(.*?)\}", protocol, re.DOTALL)
    rust = (ROOT / "native" / "chunk" / "src" / "vector_type.rs").read_text()

    assert {kind.name: kind.value for kind in ReferenceVector} == number
    assert {name: int(value) for name, value in re.findall(r"(\w+)\s*=\s*(\d+)", body)} == number
    found = {
        name: int(value) for name, value in re.findall(r"^    (\w+) = (\d+),", rust, re.MULTILINE)
    }
    assert {
        re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper(): n for name, n in found.items()
    } == number


def test_each_arrow_type_of_the_table_is_there() -> None:
    """The names in the rows are Arrow's, and the samples of this file are one of each."""
    for row in types.TABLE:
        for sample in samples(row):
            assert types.of_values(sample.type) is row
    wanted = {name for row in types.TABLE for name in row.values} | {"TIMESTAMP with a zone"}
    assert set(SAMPLES) == wanted


# ---- its readers


def test_each_form_has_its_writers() -> None:
    """Literals know each form; columns, and parameters of the server and the local engine, all but what they refuse."""
    assert set(literals._WRITERS) == set(Form)
    assert set(Form) - set(literal_columns._WRITERS) == {Form.SPAN, Form.LIST}
    assert set(Form) - set(server_binding._TEXTS) == {Form.BYTES, Form.SPAN, Form.LIST}
    assert set(placeholders._WRITERS) == set(server_binding._TEXTS)


@by_row
def test_literals_and_columns_follow_the_row(row: EngineType) -> None:
    """A value, its column and its null are written with the row's cast; the column made for it has the row's name."""
    for sample in samples(row):
        column: Any = pa.array([sample.as_py()], sample.type)
        texts = literal_columns.column_literals(column, "the value {}".format)
        assert texts == [literals.to_literal(sample)]
        null = literals.operand(literals.null_of(sample.type))
        assert null == "NULL" if row is types.NULL else null != "NULL"
        assert row.cast is None or row.cast in null
        assert str(row.sql) in str(types.column_definition(sample.type))


@pytest.mark.parametrize("row", MADE, ids=lambda row: row.names[0])
def test_a_column_of_each_type_keeps_its_row(
    row: EngineType, scratch: Any, scratch_cursor: Any
) -> None:
    """A column that is made of values, and filled with them, is listed and sent as the row says."""
    sample = samples(row)[0]
    scratch_cursor.execute(f"CREATE TABLE t (v {types.column_definition(sample.type)})")
    scratch_cursor.execute(f"INSERT INTO t VALUES ({literals.to_literal(sample)})")
    listed = scratch.adbc_get_table_schema("t").field("v")
    scratch_cursor.execute("SELECT v FROM t")
    sent = scratch_cursor.fetch_arrow_table().schema.field("v")

    scale = sent.type.scale if row is types.DECIMAL else 0
    assert sent.type == row.arrow(types.Layout(), scale)
    assert listed.type == sent.type
    assert sent.metadata[_schemas.TYPE_KEY].decode() == row.vector.name
    assert types.find(listed.metadata[_schemas.TYPE_KEY].decode()) is row


def test_each_type_of_duckdb_has_a_row() -> None:
    """What this DuckDB can select is sent as some type of the engine; the few that are not are named here."""
    connection = duckdb.connect()
    rows = connection.execute("SELECT DISTINCT logical_type FROM duckdb_types()").fetchall()
    described = {str(name) for (name,) in rows}
    connection.close()
    unknown = {name for name in described if duck_name(name) not in types.DUCK}

    assert unknown <= {"GEOMETRY", "VARIANT", "POINTER", "TYPE", "TUPLE", "INTEGER_LITERAL"}


def duck_name(logical: str) -> str:
    """The base name of a type as a result has it, which for some is longer."""
    zoned = re.fullmatch(r"(time|timestamp) with time zone", logical.lower())
    return logical.lower() if zoned is None else zoned[0]


def test_duckdb_casts_to_what_the_row_has() -> None:
    """What a type of DuckDB is cast to first is a type that is sent as it is in the same vector, or text."""
    for row in types.TABLE:
        for name, target in row.duck.items():
            base = (target or name).partition("(")[0].lower()
            base = {"timestamptz": "timestamp with time zone"}.get(base, base)
            assert base == "varchar" or types.DUCK[base].vector is row.vector


@by_row
def test_sqlalchemy_has_a_type_for_each_row(row: EngineType) -> None:
    """Reflection finds more than a type without a name for all but nulls."""
    for name in row.names:
        assert (type(from_engine(name)).__name__ == "NullType") is (row is types.NULL)


# ---- no other table

#: Modules that name many types and are no table of the engine's.
ELSEWHERE = {
    "_sql/placeholders.py": "names behind which brackets hold a length, in SQL's text",
    "dbapi.py": "constructors and type objects that the DB-API names",
    "etl/sql/duckdb.py": "types of another database",
    "etl/sql/mysql_types.py": "types of another database",
    "etl/sql/postgresql.py": "types of another database",
    "etl/sql/snowflake.py": "types of another database",
    "etl/sql/sqlite.py": "types of another database",
    "local/data/foreign_tables.py": "what SQLite makes of a declared type",
    "local/data/inserted_rows.py": "the local engine's own reading of literals, apart from the driver's writing",
    "sqlalchemy/alembic.py": "names between which a library tells no difference",
    "sqlalchemy/types.py": "the types of a library, by the rows of the table",
}
MANY = 5


def lists_types(source: str) -> bool:
    """Tells whether a display in the text of a module names many types."""
    displays = (ast.Dict, ast.Set, ast.List, ast.Tuple)
    nodes = list(ast.walk(ast.parse(source)))
    if len(names_of(nodes)) < MANY:
        return False  # as most do
    return any(
        len(names_of(ast.walk(node))) >= MANY for node in nodes if isinstance(node, displays)
    )


def names_of(nodes: Iterable[ast.AST]) -> set[str]:
    """The types that some of the nodes name."""
    return {name for node in nodes if (name := named(node))}


def named(node: ast.AST) -> str | None:
    """The type that a text, a vector type or a row in the code names."""
    if isinstance(node, ast.Constant):
        name = str(node.value).upper()
        return name if name in SQL_NAMES else None
    if isinstance(node, ast.Attribute):
        if node.attr not in CODE_NAMES:
            return None
        owner = ast.unparse(node.value).rpartition(".")[2]
        return node.attr if owner.endswith(("VectorType", "VECTOR", "types")) else None
    return None


SQL_NAMES = {name for row in types.TABLE for name in (*row.names, row.sql, row.cast) if name}
CODE_NAMES = set(types.VectorType.__members__) | {
    name for name, value in vars(types).items() if isinstance(value, EngineType)
}


def modules() -> Iterator[Path]:
    """The modules of the package but the table itself."""
    return (path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "types.py")


def test_there_is_no_second_table() -> None:
    """No module lists the engine's types beside the table; those that name types of others are known, and still do."""
    found = {
        path.relative_to(PACKAGE).as_posix() for path in modules() if lists_types(path.read_text())
    }

    assert found == set(ELSEWHERE)


@pytest.mark.parametrize(
    "source",
    [
        "{'bigint': 1, 'date': 2, 'float': 3, 'double': 4, 'int': 5}",
        "[(is_a, 'INT'), (is_b, 'BIGINT'), (is_c, 'DATE'), (is_d, 'FLOAT'), (is_e, 'DOUBLE')]",
        "{VectorType.INTEGER, VectorType.LONG, types.VectorType.DATE, _VECTOR.FLOAT, _VECTOR.DOUBLE}",
        "{types.INTEGER: 1, types.LONG: 2, engine_types.DATE: 3, types.FLOAT: 4, types.DOUBLE: 5}",
    ],
)
def test_a_second_table_would_be_noticed(source: str) -> None:
    """Names in any case, vector types and rows count; what is written by form does not."""
    assert lists_types(source)
    assert not lists_types(
        "{Form.INT: 1, Form.BIGINT: 2, Form.DATE: 3, Form.FLOAT: 4, Form.DOUBLE: 5}"
    )


#: Vector types that are named outside of the tables, for what no other does: decimals have a scale that the schema
#: needs, nulls have no values, and the slow decoder's tests draw an instant with a zone.
NAMED_FOR_THEMSELVES = {
    "native/chunk/src": {"Null", "Decimal128"},
    "native/fuzz": set(),
    "native/driver/src": set(),
    "e6data_adbc": set(),
    "checks/reference": {"NULL", "INT96", "DECIMAL128", "TIMESTAMP_TZ"},
}
#: Where a vector type has its number and its form.
TABLES = {
    "native/chunk/src/vector_type.rs",
    "e6data_adbc/types.py",
    "checks/reference/vectors.py",
}


@pytest.mark.parametrize("folder", NAMED_FOR_THEMSELVES)
def test_a_vector_type_is_named_in_the_tables_alone(folder: str) -> None:
    """A vector type whose form is there needs a line in each table, and no other module of the driver or decoder."""
    named_here = {
        name
        for path in [*(ROOT / folder).rglob("*.rs"), *(ROOT / folder).rglob("*.py")]
        if path.relative_to(ROOT).as_posix() not in TABLES and "tests" not in path.parts
        for name in re.findall(r"\bVectorType(?:::|\.)([A-Z]\w+)", path.read_text())
    }

    assert named_here == NAMED_FOR_THEMSELVES[folder]


def test_nested_types_are_rows() -> None:
    """The nested types that the local engine lists by their elements are those of the table."""
    assert set(types.DUCK) >= type_mapping._NESTED
