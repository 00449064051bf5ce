"""Snowflake's SQL through its own ADBC driver, answered by fakesnow: no account, no locks, no bulk load of files."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pytest

fakesnow = pytest.importorskip("fakesnow")
snowflake = pytest.importorskip("adbc_driver_snowflake.dbapi")

from adbc_driver_manager import Error  # noqa: E402 - after what says why a test is left out

from e6data_adbc import errors  # noqa: E402
from e6data_adbc.etl import dry_run, forget, load, status  # noqa: E402
from e6data_adbc.etl.sql.snowflake import SnowflakeSession, fold  # noqa: E402
from e6data_adbc.testing.sink_conformance import SinkConformance  # noqa: E402
from e6data_adbc.testing.table_source import TableSource  # noqa: E402

pytestmark = [
    pytest.mark.rooms,
    pytest.mark.filterwarnings("ignore::UserWarning:fakesnow"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

COUNT = itertools.count()


@pytest.fixture(scope="session")
def base() -> Iterator[str]:
    """The address of a database and schema."""
    with fakesnow.server() as server:
        place = f"{server['host']}:{server['port']}/db1/s1"
        yield f"snowflake://fake:not-a-password@{place}?account=fakesnow&protocol=http&bulk=off"


@pytest.fixture
def to(base: str) -> str:
    """The address of a table that is not there."""
    return f"{base}#t{next(COUNT)}"


def ask(address: str, sql: str) -> pa.Table:
    """Returns the result of *sql*, in which `{}` is the table."""
    dsn = address.partition("://")[2].partition("#")[0].replace("&bulk=off", "")
    with snowflake.connect(dsn, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute(sql.replace("{}", address.rpartition("#")[2]))
        return cursor.fetch_arrow_table()


def read(address: str) -> pa.Table:
    try:
        found = ask(address, "SELECT * FROM {}")
    except Error:
        return pa.table({})
    return found.rename_columns([name.lower() for name in found.column_names])


#: It stores NUMBER(38,0) in 64 bits and times in microseconds, and the driver gives times in nanoseconds, so neither
#: has the outermost values.
KINDS = [
    *(pa.bool_(), pa.int8(), pa.int32(), pa.int64(), pa.uint8(), pa.uint32()),
    *(pa.float16(), pa.float32(), pa.float64(), pa.decimal128(10, 2), pa.decimal128(38, 2)),
    *(pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())),
    *(pa.binary(), pa.large_binary(), pa.date32(), pa.time64("us"), pa.duration("us"), pa.null()),
    pa.decimal128(38, 38),
]


class TestSnowflake(SinkConformance):
    # It has no locks: of two transactions that change a row, one fails where Snowflake lets it wait.
    test_races = None  # type: ignore[assignment]
    # Nor does it notice that a process is gone: the transaction of a killed one stays open, and all after it fail.
    test_kills = None  # type: ignore[assignment]

    @pytest.fixture
    def address(self, base: str) -> Callable[[], str]:
        return lambda: f"{base}#t{next(COUNT)}"

    def read(self, address: str) -> pa.Table:
        return read(address)

    @pytest.mark.parametrize("kind", KINDS, ids=str)
    def test_types(self, address: Callable[[], str], kind: Any) -> None:
        """As of all sinks."""
        super().test_types(address, kind)


ROWS = pa.table({"id": list(range(40)), "v": [f"v{n}" for n in range(40)]})


@pytest.mark.parametrize(
    ("sql", "folded"),
    [
        ('SELECT "id", "Id", "a b" FROM "s"."t"', 'SELECT "ID", "Id", "a b" FROM "S"."T"'),
        ("x = 'say \"hi\"' AND \"y\" = 'it''s'", "x = 'say \"hi\"' AND \"Y\" = 'it''s'"),
        ('x = \'\\\' "z"\' OR "z"', 'x = \'\\\' "z"\' OR "Z"'),
    ],
)
def test_names_in_lower_case_are_those_without_quotes(sql: str, folded: str) -> None:
    """A column `id` is found by `SELECT id`; names of other kinds and texts stay as they are."""
    assert fold(sql) == folded


def test_names(to: str) -> None:
    """Tables and columns are found as people write them."""
    load(ROWS, to)

    assert ask(to, "SELECT Id FROM {} WHERE v = 'v3'").to_pydict() == {"ID": [3]}
    assert dry_run(ROWS.rename_columns(["ID", "V"]), to).changes == ()


def test_times(to: str) -> None:
    """Times without a zone stay as they are, and instants stay the same."""
    # No NULL: fakesnow answers with 1970 for it.
    plain = pa.array([-1, 0, 4_102_444_799_999_999], pa.int64()).cast(pa.timestamp("us"))
    zoned = plain.cast(pa.timestamp("us", "Asia/Kolkata"))
    load(pa.table({"id": [0, 1, 2], "p": plain, "z": zoned}), to)

    found = read(to).sort_by("id")
    for name in ("p", "z"):
        micros = found.column(name).cast(pa.timestamp("us", found.schema.field(name).type.tz))
        assert micros.cast(pa.int64()).to_pylist() == plain.cast(pa.int64()).to_pylist()


def test_rows_and_watermark_are_one_transaction(to: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails before COMMIT leaves neither, though tables were made in between."""
    commit = SnowflakeSession.commit

    class Away(Exception):
        """Stands for a lost connection."""

    def lost(self: SnowflakeSession) -> None:
        if self._in_transaction and read(to).num_rows == 0 and self._has_written:  # type: ignore[attr-defined]
            raise Away
        commit(self)

    write = SnowflakeSession.write

    def written(self: SnowflakeSession, *arguments: Any) -> None:
        write(self, *arguments)
        self._has_written = True  # type: ignore[attr-defined]

    monkeypatch.setattr(SnowflakeSession, "_has_written", False, raising=False)
    monkeypatch.setattr(SnowflakeSession, "write", written)
    monkeypatch.setattr(SnowflakeSession, "commit", lost)
    with pytest.raises(errors.Error):
        load(TableSource(ROWS), to, job="j", patience_seconds=0)
    monkeypatch.undo()

    assert read(to).num_rows == 0
    assert [mark.rows for mark in status("j", to)] == [0]
    load(TableSource(ROWS), to, job="j")
    assert read(to).num_rows == 40


def test_stages_go(to: str) -> None:
    """Of what was collected nothing is left."""
    load(TableSource(ROWS), to, job="j", mode="replace", partition=("id", 4))
    load(ROWS, to, mode="upsert", key="id")

    assert read(to).num_rows == 40
    names = ask(to, "SHOW TABLES").column("name").to_pylist()
    assert not [name for name in names if name.startswith(("E6_STAGE", "E6_ROWS"))]
    assert forget("j", to) == 1


def test_what_is_there_is_compared(to: str) -> None:
    """Numbers of fewer digits take what fits; other types are refused."""
    with contextlib.suppress(Error):
        ask(to, "CREATE TABLE {} (id NUMBER(4,0), v VARCHAR(10))")
    whole = ROWS.column("id").cast(pa.decimal128(38, 0))
    load(ROWS.set_column(0, "id", whole), to)
    with pytest.raises(errors.DataError, match="'id'"):
        load(pa.table({"id": pa.array([99999], pa.int64()).cast(pa.decimal128(38, 0))}), to)
    with pytest.raises(errors.ProgrammingError, match="'id'"):
        load(pa.table({"id": ["x"]}), to)
    assert read(to).num_rows == 40


def test_no_password_is_shown(to: str) -> None:
    """Neither in reports and errors nor in what the driver says."""
    report = load(ROWS, to, job="j")
    shown = [repr(report), report.to_json(), repr(status("j", to))]
    wrong = to.replace("protocol=http", "protocol=nonsense")
    with pytest.raises(errors.Error) as caught:
        load(ROWS, wrong.replace("127.0.0.1", "127.0.0.2"), patience_seconds=0)
    error: BaseException | None = caught.value
    while error is not None:
        shown.append(str(error))
        error = error.__cause__ or error.__context__
    assert not [text for text in shown if "not-a-password" in text]
