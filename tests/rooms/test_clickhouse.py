"""ClickHouse in the process, through chdb: the engine of the server, with tables on disk."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

pytest.importorskip("chdb")
clickhouse_connect = pytest.importorskip("clickhouse_connect")

from e6data_adbc import errors  # noqa: E402 - after what says why a test is left out
from e6data_adbc.etl import Progress, dry_run, forget, load, status  # noqa: E402
from e6data_adbc.etl.sql.clickhouse import ClickHouseSink  # noqa: E402
from e6data_adbc.testing.killed_load import KilledLoad  # noqa: E402
from e6data_adbc.testing.sink_conformance import SinkConformance  # noqa: E402
from e6data_adbc.testing.table_source import TableSource  # noqa: E402

pytestmark = pytest.mark.rooms

COUNT = itertools.count()


@pytest.fixture(scope="session")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a database: a process has one for its whole life."""
    return f"clickhouse://{tmp_path_factory.mktemp('clickhouse')}?interface=chdb"


@pytest.fixture
def to(base: str) -> str:
    """The address of a table that is not there."""
    return f"{base}#t{next(COUNT)}"


def path_of(address: str) -> str:
    return address.partition("://")[2].partition("?")[0]


def table_of(address: str) -> str:
    return address.rpartition("#")[2]


def ask(address: str, sql: str) -> pa.Table:
    """Returns the result of *sql*, in which `{}` is the table."""
    client = clickhouse_connect.get_client(interface="chdb", path=path_of(address))
    try:
        return client.query_arrow(sql.replace("{}", table_of(address)))
    finally:
        client.close()


def run(address: str, sql: str) -> None:
    client = clickhouse_connect.get_client(interface="chdb", path=path_of(address))
    try:
        client.command(sql.replace("{}", table_of(address)))
    finally:
        client.close()


def read(address: str) -> pa.Table:
    there = ask(address, "SELECT count() AS n FROM system.tables WHERE name = '{}'")
    if not there.column("n")[0].as_py():
        return pa.table({})
    return ask(address, "SELECT * FROM {}")


class TestClickHouse(SinkConformance):
    races = 2
    # A folder belongs to one process, and the tests have it: `test_kills_of_a_process` has its own.
    test_kills = None  # type: ignore[assignment]

    @pytest.fixture
    def address(self, base: str) -> Callable[[], str]:
        return lambda: f"{base}#t{next(COUNT)}"

    def read(self, address: str) -> pa.Table:
        return read(address)


READER = """
import sys, clickhouse_connect
client = clickhouse_connect.get_client(interface="chdb", path=sys.argv[1])
found = client.query("SELECT count() FROM system.tables WHERE name = 't'").result_rows[0][0]
rows = client.query("SELECT id FROM t").result_rows if found else []
print(sorted(row[0] for row in rows))
client.close()
"""


@pytest.mark.timeout(900)
def test_kills_of_a_process(tmp_path: Path) -> None:
    """Ten kills, which are the server's as well: it is in the process. No row is lost, and none is there twice."""
    import ast
    import random
    import signal
    import subprocess
    import sys

    from e6data_adbc.testing.killed_load import POINTS

    chance = random.Random("clickhouse")
    address = f"clickhouse://{tmp_path / 'data'}?interface=chdb#t"
    died = 0
    for number in range(10):
        shape = [{"partition": ("id", 6)}, {"incremental": "k", "commit_rows": 13}][number % 2]
        code = KilledLoad(
            address,
            {"job": f"j{number % 2}", **shape},
            point=POINTS[number % len(POINTS)],
            after=chance.randrange(2),
            delay_seconds=chance.uniform(0, 0.05),
        ).run(240)
        died += code == -signal.SIGKILL
        assert code in {0, -signal.SIGKILL}
    for number, shape in enumerate(
        [{"partition": ("id", 6)}, {"incremental": "k", "commit_rows": 13}]
    ):
        assert KilledLoad(address, {"job": f"j{number}", **shape}).run(240) == 0

    done = subprocess.run(
        [sys.executable, "-c", READER, str(tmp_path / "data")],
        capture_output=True,
        text=True,
        timeout=240,
        check=True,
    )
    assert died
    assert ast.literal_eval(done.stdout) == sorted([*range(60)] * 2)


HOLDER = """
import sys, clickhouse_connect
client = clickhouse_connect.get_client(interface="chdb", path=sys.argv[1])
print("open", flush=True)
sys.stdin.readline()
client.close()
"""


def test_a_folder_that_another_process_has(tmp_path: Path) -> None:
    """A load waits for the process to end; one that has no patience says what is the matter."""
    import signal
    import subprocess
    import sys

    folder = tmp_path / "data"
    address = f"clickhouse://{folder}?interface=chdb#t"
    load_now = (
        "import sys, pyarrow as pa, e6data_adbc as e; "
        "e.load(pa.table({'id': [1]}), sys.argv[1], patience_seconds="
    )
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "open\n"
            hasty = subprocess.run(
                [sys.executable, "-c", f"{load_now}0)", address],
                capture_output=True,
                text=True,
                timeout=240,
                check=False,
            )
            waiting = subprocess.Popen([sys.executable, "-c", f"{load_now}200)", address])
        finally:
            holder.send_signal(signal.SIGKILL)
            holder.wait(60)
    assert waiting.wait(240) == 0
    assert hasty.returncode
    assert "another process has the folder" in hasty.stderr


class Interruption(Exception):
    """Ends a load."""


ROWS = pa.table({"id": list(range(40))})


@pytest.mark.parametrize("when", ["before", "inside", "after"])
def test_a_commit_that_is_not_shown_is_shown_once(
    to: str, when: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watermark is written and its rows are not all to be seen: whoever looks next shows them, once."""
    append = ClickHouseSink._append

    def dying(self: Any, stage: str, attempts: Any, names: Any) -> None:
        if when == "after":
            monkeypatch.setattr(
                ClickHouseSink, "_drop", lambda *_: (_ for _ in ()).throw(Interruption)
            )
            append(self, stage, attempts, names)
        raise Interruption

    with monkeypatch.context():
        monkeypatch.setattr(ClickHouseSink, "_append", dying)
        with pytest.raises(Interruption):
            load(TableSource(ROWS), to, job="j", partition=("id", 2))
    monkeypatch.undo()
    assert read(to).num_rows == (20 if when == "after" else 0)

    (mark,) = status("j", to)
    assert mark.rows == 20
    assert read(to).num_rows == 20
    load(TableSource(ROWS), to, job="j", partition=("id", 2))

    assert sorted(read(to).column("id").to_pylist()) == list(range(40))
    left = ask(to, "SELECT name FROM system.tables WHERE startsWith(name, 'e6_stage')")
    assert left.num_rows == 0


def test_a_table_without_a_window_is_named_at_least_once(to: str) -> None:
    """Nothing keeps such a table from taking a block twice, and the report says so."""
    run(to, "CREATE TABLE {} (id Nullable(Int64)) ENGINE = MergeTree ORDER BY tuple()")

    report = load(TableSource(ROWS), to, job="j")

    assert any("at least once" in loss for loss in report.losses)
    assert any("at least once" in loss for loss in dry_run(ROWS, to).losses)
    (other,) = {f"{to}_w"}
    assert load(TableSource(ROWS), other, job="j").losses == ()


@pytest.mark.parametrize(
    ("definition", "array"),
    [
        ("Int32", pa.array([2**40])),
        ("Decimal(4, 2)", pa.array([Decimal("1234567.25")], pa.decimal128(10, 2))),
        ("DateTime64(3, 'UTC')", pa.array([1], pa.timestamp("us"))),
        ("Date", pa.array([dt.date(1950, 1, 1)])),
        ("Int64", pa.array([None], pa.int64())),
    ],
)
def test_what_its_insert_would_change_is_refused(to: str, definition: str, array: Any) -> None:
    """It makes 2^40 into 0, NULL into 0, and days into others, without a word."""
    run(to, f"CREATE TABLE {{}} (c {definition}) ENGINE = MergeTree ORDER BY tuple()")

    with pytest.raises(errors.Error, match="'c'"):
        load(pa.table({"c": array}), to)
    assert read(to).num_rows == 0


def test_nested_values(to: str) -> None:
    """Lists are kept with NULL in them; a NULL list, which would be an empty one, is refused with its row."""
    lists = pa.array([[1, None], []], pa.list_(pa.int64()))
    load(pa.table({"id": [0, 1], "c": lists}), to)
    assert read(to).sort_by("id").column("c").to_pylist() == [[1, None], []]
    with pytest.raises(errors.DataError, match=r"'c'.*row 1"):
        load(pa.table({"id": [0, 1], "c": pa.array([[1], None], pa.list_(pa.int64()))}), to)
    for wrong in (pa.array([{"x": 1}]), pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))):
        with pytest.raises(errors.NotSupportedError, match="'c'"):
            load(pa.table({"c": wrong}), f"{to}_n")


def test_times(to: str) -> None:
    """Times without a zone are in UTC columns, which show them as they are; instants keep their zone."""
    first, last = dt.datetime(1900, 1, 1), dt.datetime(2299, 12, 31, 23, 59, 59, 999999)
    plain = pa.array([first, last, None], pa.timestamp("us"))
    zoned = plain.cast(pa.timestamp("us", "Asia/Kolkata"))
    days = pa.array([dt.date(1900, 1, 1), dt.date(2299, 12, 31), None])
    rows = pa.table({"id": [0, 1, 2], "p": plain, "z": zoned, "d": days})

    load(rows, to)
    load(rows, to)

    found = ask(to, "SELECT DISTINCT id, toString(p) AS p, z, d FROM {} ORDER BY id")
    assert found.column("p").to_pylist() == [
        "1900-01-01 00:00:00.000000",
        "2299-12-31 23:59:59.999999",
        None,
    ]
    assert found.column("z").cast(pa.int64()).to_pylist() == zoned.cast(pa.int64()).to_pylist()
    assert found.schema.field("z").type.tz == "Asia/Kolkata"
    assert found.column("d").to_pylist() == days.to_pylist()
    far = pa.array([dt.datetime(1899, 12, 31)]), pa.array([dt.date(2300, 1, 1)])
    for number, array in enumerate(far):
        with pytest.raises(errors.DataError, match="row 0"):
            load(pa.table({"c": array}), f"{to}_far{number}")


def test_columns_with_defaults_may_be_left_out(to: str) -> None:
    """Defaults are the table's; columns that it computes are no matter."""
    run(
        to,
        "CREATE TABLE {} (id Int64, at DateTime DEFAULT now(), l Array(Int8), twice Int64 MATERIALIZED id * 2) "
        "ENGINE = MergeTree ORDER BY id",
    )
    load(ROWS, to)
    assert read(to).num_rows == 40


def test_a_partitioned_table_is_not_replaced(to: str) -> None:
    """Its partitions would be replaced one after the other."""
    run(to, "CREATE TABLE {} (id Int64) ENGINE = MergeTree PARTITION BY id % 2 ORDER BY id")
    load(ROWS, to)
    with pytest.raises(errors.NotSupportedError, match="partitioned by"):
        load(ROWS, to, mode="replace")
    assert read(to).num_rows == 40


def test_replace_by_nothing_and_forget(to: str) -> None:
    """No rows take the place of all; a job that was forgotten is begun anew."""
    load(ROWS, to)
    load(ROWS.slice(0, 0), to, mode="replace")
    assert read(to).num_rows == 0
    for _ in range(2):
        load(TableSource(ROWS), to, job="j")
        assert forget("j", to) == 1
        assert status("j", to) == []
    assert read(to).num_rows == 80


def test_no_password_is_shown(tmp_path: Path) -> None:
    """A server that is not there: its error has neither the password nor a chain that has it."""
    secret = "not-a-password"
    address = f"clickhouse://etl:{secret}@127.0.0.1:9/x#t"
    with pytest.raises(errors.Error) as caught:
        load(ROWS, address, patience_seconds=0)
    error: BaseException | None = caught.value
    while error is not None:
        assert secret not in str(error)
        error = error.__cause__ or error.__context__


def test_an_interrupted_replacement_goes_on(to: str) -> None:
    """What was collected is kept, and nothing is to be seen of it before the end."""
    load(ROWS.slice(0, 3), to)

    def interrupt(progress: Progress) -> None:
        if progress.event == "committed":
            raise Interruption

    options: dict[str, Any] = {"mode": "replace", "job": "j", "partition": ("id", 4)}
    with pytest.raises(Interruption):
        load(TableSource(ROWS), to, progress=interrupt, **options)
    assert read(to).num_rows == 3
    load(TableSource(ROWS), to, **options)
    assert sorted(read(to).column("id").to_pylist()) == list(range(40))
