"""Files, Delta tables and Iceberg tables in an S3-like storage: moto's server."""

from __future__ import annotations

import functools
import itertools
import threading
import traceback
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pyarrow as pa
import pytest

boto3 = pytest.importorskip("boto3")
pytest.importorskip("moto.server")

import deltalake  # noqa: E402 - after what says why a test is left out
from pyarrow import csv, parquet  # noqa: E402
from pyiceberg.catalog import load_catalog  # noqa: E402
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError  # noqa: E402

from checks import s3_server  # noqa: E402
from checks.s3_server import BUCKET  # noqa: E402
from e6data_adbc import distributed, errors  # noqa: E402
from e6data_adbc.etl import Progress, load, status  # noqa: E402
from e6data_adbc.local import LocalEngine  # noqa: E402
from e6data_adbc.testing.sink_conformance import SinkConformance  # noqa: E402
from e6data_adbc.testing.table_source import TableSource  # noqa: E402

pytestmark = pytest.mark.rooms


@pytest.fixture(scope="module")
def storage() -> Iterator[s3_server.Storage]:
    """A server with one bucket."""
    with s3_server.running() as running:
        yield running


@pytest.fixture(scope="module")
def endpoint(storage: s3_server.Storage) -> str:
    """The URL of the server."""
    return storage.endpoint


def client(endpoint: str) -> Any:
    return s3_server.Storage(endpoint).client()


COUNT = itertools.count()


def prefix() -> str:
    return s3_server.Storage.prefix()


def url(scheme: str, endpoint: str, place: str) -> str:
    return s3_server.Storage(endpoint).address(scheme, place)


def place_of(address: str) -> tuple[str, str]:
    """Returns the endpoint and the prefix of an address."""
    endpoint = address.partition("endpoint_url=")[2].partition("&")[0]
    return endpoint, s3_server.prefix_of(address)


def objects(address: str) -> dict[str, int]:
    return s3_server.Storage(place_of(address)[0]).objects(address)


def visible(address: str) -> list[str]:
    return sorted(
        name for name in objects(address) if not any(part[0] in "._" for part in name.split("/"))
    )


def patient(test: Any) -> Any:
    """Returns *test* with time for a process for each kill, which has to load a library or two."""

    @pytest.mark.timeout(900)
    @functools.wraps(test)
    def marked(*arguments: Any, **keywords: Any) -> None:
        test(*arguments, **keywords)

    return marked


class _Files(SinkConformance):
    scheme: ClassVar[str]
    races = 1
    kills = 10
    test_kills = patient(SinkConformance.test_kills)

    @pytest.fixture
    def address(self, endpoint: str) -> Callable[[], str]:
        return lambda: url(self.scheme, endpoint, prefix())

    def read(self, address: str) -> pa.Table:
        endpoint, place = place_of(address)
        tables = []
        for name in visible(address):
            body = client(endpoint).get_object(Bucket=BUCKET, Key=f"{place}/{name}")["Body"].read()
            tables.append(self.read_file(pa.py_buffer(body)))
        return pa.concat_tables(tables, promote_options="permissive") if tables else pa.table({})

    def read_file(self, data: Any) -> pa.Table:
        raise NotImplementedError


class TestParquet(_Files):
    scheme = "parquet"

    def read_file(self, data: Any) -> pa.Table:
        return parquet.ParquetFile(pa.BufferReader(data)).read()


class TestCsv(_Files):
    scheme = "csv"
    test_types = None  # type: ignore[assignment] # text has none
    test_kills = None  # type: ignore[assignment] # as those of Parquet

    def read_file(self, data: Any) -> pa.Table:
        options = csv.ConvertOptions(
            null_values=[""], strings_can_be_null=True, quoted_strings_can_be_null=False
        )
        return csv.read_csv(pa.BufferReader(data), convert_options=options)


class TestIpc(_Files):
    scheme = "ipc"
    test_kills = None  # type: ignore[assignment] # as those of Parquet

    def read_file(self, data: Any) -> pa.Table:
        with pa.ipc.open_file(data) as reader:
            return reader.read_all()


def delta_options(endpoint: str) -> dict[str, str]:
    return s3_server.Storage(endpoint).delta()


class TestDelta(SinkConformance):
    races = 1
    kills = 10
    test_kills = patient(SinkConformance.test_kills)

    @pytest.fixture
    def address(self, endpoint: str) -> Callable[[], str]:
        return lambda: url("delta", endpoint, prefix())

    def read(self, address: str) -> pa.Table:
        endpoint, place = place_of(address)
        uri, options = f"s3://{BUCKET}/{place}", delta_options(endpoint)
        if not deltalake.DeltaTable.is_deltatable(uri, options):
            return pa.table({})
        return deltalake.DeltaTable(uri, storage_options=options).to_pyarrow_table()


class TestIceberg(SinkConformance):
    """Files in the bucket, and the catalog in SQLite."""

    races = 1
    kills = 10
    test_kills = patient(SinkConformance.test_kills)

    @pytest.fixture
    def address(self, endpoint: str, tmp_path: Any) -> Callable[[], str]:
        settings = s3_server.Storage(endpoint).iceberg(f"sqlite:///{tmp_path}/catalog.db")
        self.settings = settings
        query = "&".join(f"{name}={value}" for name, value in settings.items())
        return lambda: f"iceberg://lake/ns.t{next(COUNT)}?{query}"

    def read(self, address: str) -> pa.Table:
        catalog = load_catalog("lake", **self.settings)
        try:
            return (
                catalog.load_table(address.partition("?")[0].rpartition("/")[2]).scan().to_arrow()
            )
        except (NoSuchTableError, NoSuchNamespaceError):
            return pa.table({})
        finally:
            catalog.close()


# ---- what the suite does not know

ROWS = pa.table({"id": list(range(40)), "v": [f"v{n}" for n in range(40)]})


class Interruption(Exception):
    """Ends a load."""


def interrupt(event: str, progress: Progress) -> None:
    if progress.event == event:
        raise Interruption


def ids(address: str) -> list[int]:
    endpoint, place = place_of(address)
    found: list[int] = []
    for name in visible(address):
        body = client(endpoint).get_object(Bucket=BUCKET, Key=f"{place}/{name}")["Body"].read()
        found += parquet.read_table(pa.BufferReader(body)).column("id").to_pylist()
    return sorted(found)


def test_nothing_else_is_to_be_seen(endpoint: str) -> None:
    """All but the rows is below `_e6`, and what waits is gone."""
    to = url("parquet", endpoint, prefix())

    load(TableSource(ROWS), to, job="j", partition=("id", 4))

    assert len(visible(to)) == 4
    assert not [name for name in objects(to) if name.startswith("_e6/parts")]
    full = [n for n, size in objects(to).items() if n.startswith("_e6/manifests") and size]
    assert len(full) == 2


def test_what_killed_loads_have_left_is_removed(endpoint: str) -> None:
    """Parts that no manifest names, and uploads that were begun and not ended."""
    place = prefix()
    to = url("parquet", endpoint, place)
    with pytest.raises(Interruption):
        load(
            TableSource(ROWS),
            to,
            job="j",
            partition=("id", 4),
            workers=1,
            progress=functools.partial(interrupt, "committed"),
        )
    s3 = client(endpoint)
    stale = f"{place}/_e6/parts/part-00000003-0123456789ab.parquet"
    s3.put_object(Bucket=BUCKET, Key=stale, Body=b"half")
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=stale)["UploadId"]
    s3.upload_part(Bucket=BUCKET, Key=stale, UploadId=upload, PartNumber=1, Body=b"x" * 100)

    load(TableSource(ROWS), to, job="j", partition=("id", 4))

    assert not [name for name in objects(to) if name.startswith("_e6/parts")]
    left = s3.list_multipart_uploads(Bucket=BUCKET, Prefix=f"{place}/").get("Uploads", [])
    assert left == []
    assert ids(to) == list(range(40))


def test_a_load_that_waits_to_be_shown_is_shown(endpoint: str) -> None:
    """A kill after the commit leaves its files hidden; whoever looks next shows them."""
    place = prefix()
    to = url("parquet", endpoint, place)
    load(TableSource(ROWS), to, job="j")
    s3 = client(endpoint)
    (name,) = visible(to)
    s3.copy_object(
        Bucket=BUCKET,
        Key=f"{place}/_e6/parts/{name}",
        CopySource={"Bucket": BUCKET, "Key": f"{place}/{name}"},
    )
    s3.delete_object(Bucket=BUCKET, Key=f"{place}/{name}")

    assert [mark.rows for mark in status("j", to)] == [40]

    assert visible(to) == [name]
    s3.delete_object(Bucket=BUCKET, Key=f"{place}/{name}")
    with pytest.raises(errors.ProgrammingError, match="no longer there"):
        load(ROWS, to)


def test_two_jobs_at_once(endpoint: str) -> None:
    """Loads of other jobs come between, and the source is read once."""
    to = url("parquet", endpoint, prefix())
    reads = [0, 0]
    start = threading.Barrier(2)
    ends: list[int] = []

    def work(number: int) -> None:
        def count() -> None:
            reads[number] += 1

        source = TableSource(ROWS, before_batch=count)
        start.wait(timeout=60)
        ends.append(load(source, to, job=f"j{number}", partition=("id", 4), workers=2).rows)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert ends == [40, 40]
    assert ids(to) == sorted([*range(40)] * 2)
    assert reads == [4, 4]


def test_an_answer_that_was_lost(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A conditional write that is sent again meets its own object, which is no conflict."""
    from e6data_adbc.etl.files.s3_prefix import Prefix
    from e6data_adbc.etl.sink import ConflictError

    to = url("parquet", endpoint, prefix())
    create = Prefix.create

    def twice(self: Any, name: str, data: bytes) -> None:
        create(self, name, data)
        create(self, name, data)
        with pytest.raises(ConflictError):
            create(self, name, data + b" ")

    monkeypatch.setattr(Prefix, "create", twice)

    load(ROWS, to)

    assert ids(to) == list(range(40))


def test_foreign_objects_and_other_formats(endpoint: str) -> None:
    """A prefix with objects of others is refused, and so is one of another format."""
    place = prefix()
    client(endpoint).put_object(Bucket=BUCKET, Key=f"{place}/mine.parquet", Body=b"x")
    with pytest.raises(errors.ProgrammingError, match=r"mine\.parquet"):
        load(ROWS, url("parquet", endpoint, place))
    other = prefix()
    load(ROWS, url("ipc", endpoint, other))
    with pytest.raises(errors.ProgrammingError, match="ipc"):
        load(ROWS, url("parquet", endpoint, other))


@pytest.mark.parametrize(
    ("address", "cause"),
    [
        ("parquet+s3:///x", "no bucket"),
        ("parquet+s3://lake", "no prefix"),
        ("delta+s3://lake/x?colour=1", "no option 'colour'"),
        ("csv+s3://lake/x#t", "no tables"),
    ],
)
def test_addresses(address: str, cause: str) -> None:
    """A bucket and a prefix."""
    with pytest.raises(errors.ProgrammingError, match=cause):
        load(ROWS, address)


def test_no_secret_is_shown(endpoint: str) -> None:
    """Neither in errors of the storage nor in what a load shows."""
    to = url("parquet", endpoint, prefix())
    report = load(ROWS, to, job="j")
    wrong = to.replace(f"//{BUCKET}/", "//missing-bucket/")
    with pytest.raises(errors.Error, match="missing-bucket") as caught:
        load(ROWS, wrong, patience_seconds=0)
    shown = [repr(report), report.to_json(), str(caught.value), repr(status("j", to))]
    error: BaseException | None = caught.value
    while error is not None:
        shown.append(str(error))
        error = error.__cause__ or error.__context__
    assert not [text for text in shown if "not-a-password" in text]


def test_a_storage_that_is_away(endpoint: str) -> None:
    """Nobody answers: the error names the destination, and passes for one that may pass."""
    from e6data_adbc.etl.destinations import open_sink, parse

    to = url("parquet", "http://127.0.0.1:9", prefix())
    sink = open_sink(parse(to), {})
    try:
        with pytest.raises(errors.Error, match=r"could not list objects of") as caught:
            sink.history("j")
        assert sink.is_transient(caught.value)
    finally:
        sink.close()


@pytest.mark.parametrize("kind", ["delta", "iceberg"])
def test_workers_export_into_a_bucket(endpoint: str, tmp_path: Any, kind: str) -> None:
    """No disk is shared: each worker sends its files, and nothing is to be seen before the one commit."""
    if kind == "delta":
        to = url("delta", endpoint, prefix())
    else:
        to = s3_server.Storage(endpoint).iceberg_address(f"sqlite:///{tmp_path}/c.db")
    with LocalEngine() as engine:
        tickets, _ = distributed.plan(
            "select order_id, status from orders", engine.uri, "order_id", 3
        )
        parts = [distributed.export(ticket, to) for ticket in (tickets[0], *tickets)][1:]
        assert sum(part.rows for part in parts) == 10_000

        assert distributed.commit(parts, to, job="once") == 10_000
        assert distributed.commit(parts, to, job="once") == 0
    if kind == "delta":
        uri = f"s3://{BUCKET}/{s3_server.prefix_of(to)}"
        table = deltalake.DeltaTable(uri, storage_options=delta_options(endpoint))
        found = table.to_pyarrow_table()
    else:
        catalog = load_catalog("storm", **dict(urllib.parse.parse_qsl(to.partition("?")[2])))
        found = catalog.load_table("ns.t").scan().to_arrow()
        catalog.close()
    assert sorted(found.column("order_id").to_pylist()) == [*range(1, 10_001)]


def test_an_export_into_a_bucket_that_is_not_there(endpoint: str) -> None:
    """The error is ours, names the destination, and shows no secret."""
    to = url("delta", endpoint, prefix()).replace(f"//{BUCKET}/", "//missing-bucket/")
    with LocalEngine() as engine:
        (ticket,), _ = distributed.plan("select 1 as a", engine.uri)
        with pytest.raises(errors.Error, match="missing-bucket") as caught:
            distributed.export(ticket, to)
    assert s3_server.PASSWORD not in "".join(traceback.format_exception(caught.value))
