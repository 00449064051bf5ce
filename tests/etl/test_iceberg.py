"""Loads into Iceberg tables: what the suite of all sinks does not know of them."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import (
    BucketTransform,
    DayTransform,
    HourTransform,
    IdentityTransform,
    MonthTransform,
    TruncateTransform,
    YearTransform,
)
from pyiceberg.types import LongType, NestedField, StringType, TimestampType, UUIDType

from e6data_adbc import errors
from e6data_adbc.etl import Progress, dry_run, forget, load, status
from e6data_adbc.testing.table_source import TableSource
from tests.etl import lakehouse
from tests.support.canary import Canaries

pytestmark = pytest.mark.seconds

TO = f"iceberg://{lakehouse.NAME}/ns.t"
DAYS = [dt.datetime(2026, 1, day) for day in (1, 1, 2, 3)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The catalog's folder."""
    lakehouse.configure(monkeypatch, tmp_path)
    return tmp_path


class Interruption(Exception):
    """Ends a load."""


def made(schema: Schema, spec: PartitionSpec) -> None:
    with lakehouse.catalog() as catalog:
        catalog.create_namespace("ns")
        catalog.create_table("ns.t", schema=schema, partition_spec=spec)


def by_day_and_store() -> None:
    schema = Schema(
        NestedField(1, "id", LongType()),
        NestedField(2, "at", TimestampType()),
        NestedField(3, "store", StringType()),
    )
    made(
        schema,
        PartitionSpec(
            PartitionField(2, 1000, DayTransform(), "at_day"),
            PartitionField(3, 1001, IdentityTransform(), "store"),
        ),
    )


def sales(first: int = 0) -> pa.Table:
    ids = list(range(first, first + 4))
    stores = ["a", None, "a", "b"]
    return pa.table({"id": ids, "at": pa.array(DAYS, pa.timestamp("us")), "store": stores})


def snapshots() -> list[Any]:
    with lakehouse.catalog() as catalog:
        return list(catalog.load_table("ns.t").snapshots())


def files() -> list[dict[str, Any]]:
    with lakehouse.catalog() as catalog:
        found: list[dict[str, Any]] = catalog.load_table("ns.t").inspect.files().to_pylist()
        return found


def test_a_partitioned_table_has_a_file_for_each_value(folder: Path) -> None:
    """One file a value of the partitions, all in one snapshot, and readers pass over those that they do not need."""
    by_day_and_store()

    load(sales(), TO, job="j")

    assert len(files()) == 4
    assert len(snapshots()) == 2, "of the plan, and of the rows"
    with lakehouse.catalog() as catalog:
        scan = catalog.load_table("ns.t").scan(row_filter="at >= '2026-01-03T00:00:00'")
        assert len(list(scan.plan_files())) == 1
        assert scan.to_arrow().column("id").to_pylist() == [3]
    assert lakehouse.read(TO).sort_by("id").column("store").to_pylist() == ["a", None, "a", "b"]


@pytest.mark.parametrize("mode", ["replace", "upsert", "replace_where"])
def test_other_modes_of_a_partitioned_table(mode: str) -> None:
    """Partitions are no hindrance to any mode."""
    by_day_and_store()
    load(sales(), TO)
    options: dict[str, Any] = {"mode": mode}
    if mode == "upsert":
        options["key"] = ["id", "at"]
    if mode == "replace_where":
        options["where"] = (
            "at >= TIMESTAMP '2026-01-01 00:00:00' AND (store = 'a' OR store IS NULL)"
        )
    more = sales().set_column(2, "store", pa.array(["a"] * 4))

    load(more, TO, job="j", **options)

    found = lakehouse.read(TO).to_pylist()
    if mode == "replace_where":
        assert sorted((row["id"], row["store"]) for row in found) == [
            *((0, "a"), (1, "a"), (2, "a"), (3, "a"), (3, "b"))
        ]
    else:
        assert sorted((row["id"], row["store"]) for row in found) == [(n, "a") for n in range(4)]


@pytest.mark.parametrize(
    ("transform", "partitions"),
    [
        (YearTransform(), 3),
        (MonthTransform(), 4),
        (HourTransform(), 4),
        (TruncateTransform(10), 3),
        (TruncateTransform(1), 3),
    ],
    ids=str,
)
def test_each_transform(transform: Any, partitions: int) -> None:
    """Times and truncations split as pyiceberg reads them; NULL has a partition of its own."""
    column = pa.array(
        [dt.datetime(1969, 12, 31, 23), dt.datetime(1970, 1, 1), None], pa.timestamp("us")
    )
    column = pa.array([*column, dt.datetime(1970, 2, 1)], pa.timestamp("us"))
    kind: Any = TimestampType()
    if transform == TruncateTransform(10):
        column, kind = pa.array([-1, 3, 7, None]), LongType()
    elif transform == TruncateTransform(1):
        column, kind = pa.array(["äx", "äy", None, "b"]), StringType()
    schema = Schema(NestedField(1, "id", LongType()), NestedField(2, "c", kind))
    made(schema, PartitionSpec(PartitionField(2, 1000, transform, "p")))
    rows = pa.table({"id": [0, 1, 2, 3], "c": column})

    load(rows, TO)

    assert len(files()) == partitions
    assert lakehouse.read(TO).sort_by("id").column("c").to_pylist() == column.to_pylist()


@pytest.mark.parametrize("transform", [BucketTransform(4), IdentityTransform()])
def test_partitions_that_no_file_tells_are_refused(transform: Any) -> None:
    """A bucket cannot be told by the least and the largest value of a file; nothing is written."""
    kind = LongType() if isinstance(transform, BucketTransform) else UUIDType()
    schema = Schema(NestedField(1, "id", LongType()), NestedField(2, "by", kind))
    source = 1 if isinstance(transform, BucketTransform) else 2
    made(schema, PartitionSpec(PartitionField(source, 1000, transform, "p")))

    with pytest.raises(errors.NotSupportedError, match="its partitions by"):
        load(pa.table({"id": [1]}), TO, job="j")
    assert snapshots() == []


def test_long_texts_are_no_partition() -> None:
    """Of a long text the statistics of a file have not the whole, so it is refused with its row."""
    by_day_and_store()
    long = sales().set_column(2, "store", pa.array(["a", "b", "c" * 1001, "d"]))

    with pytest.raises(errors.DataError, match=r"'store'.*row 2"):
        load(long, TO)
    assert lakehouse.read(TO).num_rows == 0


@pytest.mark.parametrize(
    ("where", "left"),
    [
        ("v <> 1", [1, 4]),
        ("NOT v = 1", [1, 4]),
        ("NOT (v > 1 OR v IS NULL)", [2, 3, 4]),
        ("v NOT IN (2, 3)", [2, 3, 4]),
        ("v IS NOT NULL", [4]),
        ("v BETWEEN 2 AND 3 AND id < 3", [1, 3, 4]),
        ("NOT (v >= 2 AND v <= 3)", [2, 3, 4]),
    ],
)
def test_a_restatement_has_nulls_as_sql_has_them(where: str, left: list[int]) -> None:
    """A row for which the condition is neither true nor false stays; in one file and in many."""
    rows = pa.table({"id": [1, 2, 3, 4], "v": pa.array([1, 2, 3, None], pa.int64())})
    load(rows, TO)
    none = rows.slice(0, 0)

    load(none, TO, mode="replace_where", where=where)

    assert sorted(lakehouse.read(TO).column("id").to_pylist()) == left
    other = TO + "_files"
    for row in range(4):
        load(rows.slice(row, 1), other)
    load(none, other, mode="replace_where", where=where)
    assert sorted(lakehouse.read(other).column("id").to_pylist()) == left


def test_floats_in_a_condition_are_refused() -> None:
    """The statistics of files do not tell NaN: pyiceberg would delete rows that do not fulfil the condition."""
    rows = pa.table({"id": [1], "x": [float("nan")]})
    load(rows, TO)

    with pytest.raises(errors.NotSupportedError, match="has floats"):
        load(rows, TO, mode="replace_where", where="x < 1")
    assert lakehouse.read(TO).num_rows == 1


def test_a_commit_between_is_no_harm() -> None:
    """Another program's append comes between writing and committing: the source is not read again."""
    load(TableSource(sales()), TO)
    reads = [0]

    def between() -> None:
        reads[0] += 1
        with lakehouse.catalog() as catalog:
            catalog.load_table("ns.t").append(sales(100).cast(lakehouse.read(TO).schema))

    load(TableSource(sales(10), before_batch=between), TO, job="j")

    ids = sorted(lakehouse.read(TO).column("id").to_pylist())
    assert ids == [*range(4), *range(10, 14), *range(100, 104)]
    assert reads == [1]


def test_two_workers_and_a_stale_handle() -> None:
    """pyiceberg would try a lost commit again and append the rows twice; here the second worker finds them done."""
    source = TableSource(pa.table({"id": list(range(60))}))
    start = threading.Barrier(2)
    ends: list[Any] = []

    def work() -> None:
        start.wait(timeout=60)
        ends.append(load(source, TO, job="j", partition=("id", 6), workers=1).rows)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert sum(ends) == 60
    assert sorted(lakehouse.read(TO).column("id").to_pylist()) == list(range(60))
    with lakehouse.catalog() as catalog:
        assert "commit.retry.num-retries" not in catalog.load_table("ns.t").properties


def test_another_process_makes_the_catalog_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """pyiceberg looks whether its tables are there before it makes them; who loses that race looks again."""
    make = SqlCatalog.create_tables

    def lose(catalog: SqlCatalog) -> None:
        monkeypatch.setattr(SqlCatalog, "create_tables", make)
        make(catalog)
        with catalog.engine.begin() as connection:
            connection.exec_driver_sql("create table iceberg_tables (n int)")

    monkeypatch.setattr(SqlCatalog, "create_tables", lose)
    load(sales(), TO, job="j")

    assert lakehouse.read(TO).num_rows == 4


def test_the_watermark_outlives_its_snapshots() -> None:
    """Snapshots expire, and the watermark stays; the snapshot of each commit says what it has."""
    load(TableSource(sales()), TO, job="j")
    summary = snapshots()[-1].summary.additional_properties
    assert summary["e6data.job"] == "j"
    assert '"state": "complete"' in summary["e6data.watermark"]
    load(sales(10), TO)
    with lakehouse.catalog() as catalog:
        table = catalog.load_table("ns.t")
        old = [each.snapshot_id for each in table.snapshots()[:-1]]
        table.maintenance.expire_snapshots().by_ids(old).commit()
    assert len(snapshots()) == 1

    report = load(TableSource(sales()), TO, job="j")

    assert (report.rows, report.skipped_rows) == (0, 4)
    assert lakehouse.read(TO).num_rows == 8


def test_a_table_that_was_rolled_back_is_refused() -> None:
    """Its rows are gone and its properties are not, so the watermark is no longer true."""
    load(sales(10), TO)
    load(TableSource(sales()), TO, job="j")
    with lakehouse.catalog() as catalog:
        table = catalog.load_table("ns.t")
        first = table.snapshots()[0].snapshot_id
        table.manage_snapshots().rollback_to_snapshot(first).commit()

    with pytest.raises(errors.ProgrammingError, match="rolled back"):
        load(TableSource(sales()), TO, job="j")
    assert forget("j", TO) == 1
    load(TableSource(sales()), TO, job="j")
    assert lakehouse.read(TO).num_rows == 8


def test_forgetting_removes_what_was_collected(folder: Path) -> None:
    """Files that wait for the end of a replacement go with their job; properties of the table, too."""
    load(sales(10), TO)

    def interrupt(progress: Progress) -> None:
        if progress.event == "committed":
            raise Interruption

    with pytest.raises(Interruption):
        load(
            TableSource(sales()),
            TO,
            mode="replace",
            job="j",
            partition=("id", 2),
            workers=1,
            progress=interrupt,
        )
    paths = set(folder.rglob("e6-*.parquet"))
    assert len(paths) == 2
    assert [mark.rows for mark in status("j", TO)] == [2]

    assert forget("j", TO) == 1

    assert len(set(folder.rglob("e6-*.parquet"))) == 1
    with lakehouse.catalog() as catalog:
        assert not [key for key in catalog.load_table("ns.t").properties if key.startswith("e6")]
    assert lakehouse.read(TO).num_rows == 4


@pytest.mark.parametrize("batches", [0, 1])
def test_nothing_stays_of_a_failure(folder: Path, batches: int) -> None:
    """A source that fails leaves no file, and its own error is raised."""
    load(sales(), TO)
    left = [batches]

    def fail() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Interruption("mine")

    with pytest.raises(Interruption, match="mine"):
        load(TableSource(sales(), before_batch=fail, batch_rows=2), TO, job="j")
    assert len(list(folder.rglob("e6-*.parquet"))) == 1


def test_names_of_all_kinds() -> None:
    """Names of columns that other formats have trouble with."""
    names = ["a b", "ä.b", "select", '"', "x" * 200, "1", "a/b"]
    rows = pa.table({name: [index] for index, name in enumerate(names)})

    load(rows, TO)
    load(rows, TO, mode="upsert", key="a b")
    load(rows, TO, mode="replace_where", where='"a b" = 0')

    assert lakehouse.read(TO).to_pylist() == rows.to_pylist()


def test_a_dry_run_and_what_is_there() -> None:
    """What would be made is told; case does not count in names; other types are refused."""
    (change,) = dry_run(sales(), TO).changes
    assert change.startswith("make an Iceberg table with id int64, at timestamp[us], store string")
    load(sales(), TO)
    assert dry_run(sales().rename_columns(["ID", "At", "store"]), TO).changes == ()
    with pytest.raises(errors.ProgrammingError, match="'id' of type 'string'"):
        dry_run(pa.table({"id": ["x"]}), TO)
    with pytest.raises(errors.NotSupportedError, match="would lose its column 'store'"):
        load(pa.table({"id": [1]}), TO, mode="upsert", key="id")


@pytest.mark.parametrize(
    "wrong",
    ["iceberg://x", "iceberg://x/t", "iceberg:///a.b", "iceberg://x/a.b#t", "iceberg://x/a..b"],
)
def test_addresses(wrong: str) -> None:
    """A catalog and a table of a namespace."""
    with pytest.raises(errors.ProgrammingError, match=r"iceberg://CATALOG/namespace\.table"):
        load(sales(), wrong)


def test_settings_of_a_catalog_in_the_address(folder: Path) -> None:
    """A catalog that no file knows is named whole."""
    settings = f"type=sql&uri=sqlite:///{folder}/other.db&warehouse=file://{folder}/other"

    load(sales(), f"iceberg://other/a.b.t?{settings}", job="j")

    assert [mark.rows for mark in status("j", f"iceberg://other/a.b.t?{settings}")] == [4]
    with pytest.raises(errors.Error, match="URI missing"):
        load(sales(), "iceberg://nowhere/a.t", patience_seconds=0)


def test_no_secret_of_a_catalog_is_shown(
    canaries: Canaries, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> None:
    """Settings come from the environment or the address; errors of catalogs may quote them."""
    secret = canaries.plant("the catalog's password")
    monkeypatch.setenv("CATALOG_PASSWORD", secret)
    key = lakehouse.NAME.upper()
    for address, uri in (
        (TO, f"sqlite:///{folder}/missing-{secret}/x.db?password={secret}"),
        (f"{TO}?password=${{CATALOG_PASSWORD}}", f"sqlite:////nowhere/{secret}/x.db"),
    ):
        monkeypatch.setenv(f"PYICEBERG_CATALOG__{key}__PASSWORD", secret)
        monkeypatch.setenv(f"PYICEBERG_CATALOG__{key}__URI", uri)
        with canaries.raises(errors.Error):
            load(sales(), address, patience_seconds=0)


@pytest.fixture
def rows_of() -> Callable[[], int]:
    return lambda: lakehouse.read(TO).num_rows


def test_a_busy_catalog_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, rows_of: Callable[[], int]
) -> None:
    """A commit whose answer was lost is looked up, not made again."""
    from pyiceberg.exceptions import CommitStateUnknownException
    from pyiceberg.table import Transaction

    commit = Transaction.commit_transaction
    troubles = ["after", "before", "after"]

    def troubled(transaction: Any) -> Any:
        trouble = troubles.pop() if troubles else None
        if trouble == "before":
            raise CommitStateUnknownException("no answer")
        found = commit(transaction)
        if trouble == "after":
            raise CommitStateUnknownException("no answer")
        return found

    monkeypatch.setattr(Transaction, "commit_transaction", troubled)

    report = load(TableSource(sales()), TO, job="j", partition=("id", 2), workers=1)

    assert report.watermark is not None
    assert report.watermark.rows == rows_of() == 4
    assert not troubles


def test_the_last_of_a_key_in_several_commits(folder: Path) -> None:
    """Rows that lose are in no file of the table, and what was collected is gone afterwards."""
    load(pa.table({"id": [1, 2], "k": [0, 0]}), TO)
    rows = pa.table({"id": [1, 3, 1, 3, 1], "k": [1, 2, 3, 4, 5]})
    options: dict[str, Any] = {"mode": "upsert", "key": "id", "on_duplicate": "last"}

    load(TableSource(rows), TO, job="j", incremental="k", commit_rows=2, **options)

    found = {row["id"]: row["k"] for row in lakehouse.read(TO).to_pylist()}
    assert found == {1: 5, 2: 0, 3: 4}
    assert len(list(folder.rglob("e6-*.parquet"))) == 2, (
        "the first load's, and that of the rows that won"
    )


def test_a_key_of_nan_is_refused() -> None:
    """NaN is no row's key."""
    with pytest.raises(errors.IntegrityError, match="NaN"):
        load(pa.table({"id": [float("nan")]}), TO, mode="upsert", key="id")


def test_a_namespace_that_another_process_makes(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catalogs look first and make then: whoever is second fails within, and goes on with what is there."""
    exists = SqlCatalog.namespace_exists

    def overtaken(self: SqlCatalog, namespace: Any) -> bool:
        monkeypatch.setattr(SqlCatalog, "namespace_exists", exists)
        self.create_namespace(namespace)
        return False

    monkeypatch.setattr(SqlCatalog, "namespace_exists", overtaken)
    settings = f"type=sql&uri=sqlite:///{folder}/own.db&warehouse=file://{folder}/own"
    report = load(pa.table({"id": [1]}), f"iceberg://own/ns.t?{settings}", job="j")

    assert report.rows == 1
