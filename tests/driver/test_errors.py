"""Errors, from Python through the ABI back to Python."""

import adbc_driver_manager
import pyarrow as pa
import pytest
from adbc_driver_manager import AdbcStatusCode

from e6data_adbc import _native, errors
from e6data_adbc.errors import Status
from tests.driver.fakes import Query, batch

STATUSES = [status for status in Status if status is not Status.OK]


@pytest.mark.parametrize("status", STATUSES, ids=lambda status: status.name)
def test_each_status_arrives_with_its_evidence(backend, fake_cursor, status):
    """Status, SQLSTATE, text and details of a Python error survive the ABI."""
    backend.queries["q"] = errors.make(
        status,
        "could not execute 'q': no",
        query_id="q-9",
        sqlstate="42P01",
        details=[("raw", b"\x00\xff")],
    )
    with pytest.raises(errors.CLASSES[status]) as failure:
        fake_cursor.execute("q")

    raised = failure.value
    assert raised.status_code == AdbcStatusCode(status)
    assert raised.sqlstate == "42P01"
    assert f"could not execute 'q': no ({status.name})" in str(raised)
    assert dict(raised.details) == {b"raw": b"\x00\xff", b"e6data.query_id": b"q-9"}


def test_a_vendor_code_without_details_is_the_vendor_code(backend, fake_cursor):
    """The struct has room for one of the two: alone, the vendor code has its own field."""
    backend.queries["q"] = errors.make(Status.IO, "could not call", vendor_code=14)
    with pytest.raises(adbc_driver_manager.OperationalError, match="Vendor code: 14") as failure:
        fake_cursor.execute("q")

    assert failure.value.vendor_code == 14
    assert failure.value.details == []


def test_a_vendor_code_with_details_is_a_detail(backend, fake_cursor):
    """With details, which take the field, the vendor code becomes one of them."""
    backend.queries["q"] = errors.make(Status.IO, "could not call", vendor_code=14, query_id="q-1")
    with pytest.raises(adbc_driver_manager.OperationalError) as failure:
        fake_cursor.execute("q")

    assert dict(failure.value.details)[b"e6data.vendor_code"] == b"14"


def test_no_sqlstate_is_none(backend, fake_cursor):
    """An absent SQLSTATE is five NULs, which the manager shows as None."""
    backend.queries["q"] = errors.make(Status.IO, "could not call")
    with pytest.raises(adbc_driver_manager.OperationalError) as failure:
        fake_cursor.execute("q")

    assert failure.value.sqlstate is None
    assert failure.value.vendor_code is None


def test_an_error_struct_is_used_again(backend, fake_cursor):
    """Each failing call releases what the struct held before."""
    for number in range(100):
        backend.queries["q"] = errors.make(Status.IO, f"could not call {number}", query_id="q")
        with pytest.raises(adbc_driver_manager.OperationalError, match=f"call {number} "):
            fake_cursor.execute("q")


@pytest.mark.parametrize("raised", [KeyError("x"), RecursionError("deep"), SystemExit(3)])
def test_any_other_exception_is_internal(backend, fake_cursor, raised):
    """What nobody expected is named by type and text, with the status INTERNAL."""
    backend.queries["q"] = raised
    with pytest.raises(adbc_driver_manager.InternalError) as failure:
        fake_cursor.execute("q")

    assert f"[e6data] internal error: {type(raised).__name__}: {raised}" in str(failure.value)


def test_an_exception_without_text_is_survived(backend, fake_cursor):
    """Even an exception whose text cannot be made is an error, not a crash."""

    class Silent(Exception):
        def __str__(self):
            raise ValueError

    backend.queries["q"] = Silent()
    with pytest.raises(adbc_driver_manager.InternalError, match="Silent"):
        fake_cursor.execute("q")


def test_text_with_nul_is_kept_readable(backend, fake_cursor):
    """A NUL in the text does not cut it."""
    backend.queries["q"] = errors.make(Status.IO, "could not call 'a\0b'")
    with pytest.raises(adbc_driver_manager.OperationalError, match="'a b'"):
        fake_cursor.execute("q")


FAILURE = {"query_id": "q-1", "sqlstate": "57P01", "details": [("k", b"v")]}


@pytest.mark.parametrize("fetch", ["fetchall", "fetch_arrow_table", "fetchone"])
def test_a_failure_in_mid_stream_is_a_full_error(backend, fake_cursor, fetch):
    """`ErrorFromArrayStream` gives class, status, SQLSTATE and details of a late failure."""
    failure = errors.make(Status.TIMEOUT, "could not fetch chunk 2", **FAILURE)
    backend.queries["q"] = Query([batch(3), failure])
    fake_cursor.execute("q")
    with pytest.raises(adbc_driver_manager.OperationalError, match="chunk 2") as raised:
        for _ in range(4):
            getattr(fake_cursor, fetch)()

    assert raised.value.status_code == AdbcStatusCode.TIMEOUT
    assert raised.value.sqlstate == "57P01"
    assert dict(raised.value.details) == {
        b"k": b"v",
        b"e6data.query_id": b"q-1",
        b"e6data.rpc": b"getNextResultBatch",
        b"e6data.retryable": b"false",
    }


def test_rows_before_a_failure_are_delivered_first(backend, fake_cursor):
    """What was fetched before the failure can be read; the failure repeats from then on."""
    failure = errors.make(Status.IO, "could not fetch chunk 3", query_id="q-1")
    backend.queries["q"] = Query([batch(3), batch(2, 3), failure])
    fake_cursor.execute("q")
    rows = [fake_cursor.fetchone() for _ in range(5)]

    assert rows == [(n,) for n in range(5)]
    for _ in range(3):
        with pytest.raises(adbc_driver_manager.OperationalError, match="chunk 3"):
            fake_cursor.fetchone()


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (Status.IO, OSError),
        (Status.CANCELLED, OSError),
        (Status.TIMEOUT, OSError),
        (Status.INVALID_ARGUMENT, pa.ArrowInvalid),
        (Status.UNAUTHORIZED, OSError),
    ],
)
def test_a_plain_reader_shows_the_text(backend, fake_cursor, status, kind):
    """`fetch_record_batch` knows only errno and text: the text says it all."""
    failure = errors.make(status, "could not fetch chunk 1", query_id="q-7")
    backend.queries["q"] = Query([failure])
    fake_cursor.execute("q")
    with pytest.raises(kind, match=f"could not fetch chunk 1 .{status.name}.; query 'q-7'"):
        pa.RecordBatchReader.from_stream(fake_cursor.fetch_arrow()).read_all()


def test_missing_rows_are_an_error(backend, fake_cursor):
    """Fewer rows than announced is INVALID_DATA, after the rows that came."""
    backend.queries["q"] = Query([batch(3)], announced_rows=5)
    fake_cursor.execute("q")
    assert fake_cursor.rowcount == 5
    assert fake_cursor.fetchmany(3) == [(0,), (1,), (2,)]
    with pytest.raises(adbc_driver_manager.DataError, match="announced 5 rows and ended after 3"):
        fake_cursor.fetchone()


@pytest.mark.parametrize(
    ("announced", "options"), [(5, {"allow_missing_rows": True}), (0, {}), (-1, {}), (2, {})]
)
def test_other_row_counts_are_accepted(backend, fake_cursor, announced, options):
    """Unknown counts, more rows than announced, and missing rows by option are no error."""
    backend.queries["q"] = Query([batch(3)], announced_rows=announced, **options)
    fake_cursor.execute("q")

    assert len(fake_cursor.fetchall()) == 3


@pytest.mark.parametrize("garbage", [b"\x00", b"\x08\x00\x01\x00\x00\x00\x05", b"\xff" * 50])
def test_a_broken_chunk_says_where(backend, fake_cursor, garbage):
    """A chunk that cannot be decoded names chunk, query, rule and byte; rows before it arrive."""
    backend.queries["q"] = Query([batch(3), garbage_response(garbage)])
    fake_cursor.execute("q")
    assert fake_cursor.fetchmany(3) == [(0,), (1,), (2,)]
    with pytest.raises(adbc_driver_manager.DataError) as failure:
        fake_cursor.fetchone()

    text = "could not decode chunk 2 of query 'q-1': "
    assert text in str(failure.value)
    assert "at byte" in str(failure.value)
    assert "(INVALID_DATA)" in str(failure.value)
    details = dict(failure.value.details)
    always = {b"e6data.query_id", b"e6data.rpc", b"e6data.retryable"}
    assert set(details) == always | {b"e6data.decode_kind", b"e6data.byte_offset"}
    assert failure.value.sqlstate == "08P01"
    kind = details[b"e6data.decode_kind"].decode()
    assert kind.replace("_", " ") in str(failure.value)


def test_a_broken_value_names_column_and_row(backend, fake_cursor):
    """Column and row are named, the value is not."""
    data = pa.record_batch({"secret": pa.array([b"fine", b"pass\xffword"], pa.binary())})
    chunk = _native.encode_chunk(data, [0]).replace(
        b"\x08\x00\x02\x00\x00\x00\x00", b"\x08\x00\x02\x00\x00\x00\x07"
    )
    schema = pa.schema([("secret", pa.string())])
    backend.queries["q"] = Query([garbage_response(chunk)], schema=schema)
    fake_cursor.execute("q")
    with pytest.raises(adbc_driver_manager.DataError) as failure:
        fake_cursor.fetchall()

    assert "'secret'" in str(failure.value)
    assert "word" not in str(failure.value)


def test_a_broken_chunk_closes_the_query(backend, fake_cursor):
    """After a decode error nothing more is fetched, and the query is given back."""
    query = Query([garbage_response(b"\xff"), *(batch(1) for _ in range(100))])
    backend.queries["q"] = query
    fake_cursor.execute("q")
    with pytest.raises(adbc_driver_manager.DataError):
        fake_cursor.fetchall()
    query.wait_for(lambda: query.closes == 1)

    assert query.calls < 10


def test_a_response_arrives_whole_or_not_at_all(backend, fake_cursor):
    """If one chunk of a response is broken, no row of the response is seen."""
    query = Query([[batch(3)], [batch(4, 3), batch(5, 7), b"\xff"]], version=2)
    backend.queries["q"] = query
    fake_cursor.execute("q")
    rows = fake_cursor.fetchmany(3)
    with pytest.raises(adbc_driver_manager.DataError, match="chunk 4"):
        fake_cursor.fetchone()

    assert rows == [(0,), (1,), (2,)]
    assert query.stats.rows_decoded == 3


@pytest.mark.parametrize("batch_bytes", [1, 40, 1 << 20])
def test_a_response_of_many_batches_arrives_whole_or_not_at_all(backend, fake_cursor, batch_bytes):
    """Also if the response fills several batches before it breaks."""
    query = Query(
        [[batch(3)], [*(batch(10, 3) for _ in range(5)), b"\xff"]],
        version=2,
        batch_bytes=batch_bytes,
    )
    backend.queries["q"] = query
    fake_cursor.execute("q")
    rows = []
    with pytest.raises(adbc_driver_manager.DataError, match="chunk 7"):
        while True:
            rows.append(fake_cursor.fetchone())

    assert rows == [(0,), (1,), (2,)]


def test_a_response_that_is_no_response_is_an_error(backend, fake_cursor):
    """Garbage instead of a response is INVALID_DATA; another object is INTERNAL."""
    backend.queries["garbage"] = Query([b"\xff\xff\xff"])
    fake_cursor.execute("garbage")
    with pytest.raises(adbc_driver_manager.DataError, match="bad protobuf at byte"):
        fake_cursor.fetchall()
    query = Query()
    query.next_response = lambda: 42
    backend.queries["other"] = query
    fake_cursor.execute("other")
    with pytest.raises(adbc_driver_manager.InternalError, match=r"_native\.Response"):
        fake_cursor.fetchall()


def test_a_schema_without_a_decoder_is_refused_at_execute(backend, fake_cursor):
    """A column type that cannot be decoded fails before any row, and the query is closed."""
    query = Query([batch(1)], schema=pa.schema([("odd", pa.month_day_nano_interval())]))
    backend.queries["q"] = query
    with pytest.raises(adbc_driver_manager.NotSupportedError, match="'odd'"):
        fake_cursor.execute("q")

    assert (query.closes, query.calls) == (1, 0)


def test_a_query_that_cannot_be_opened_is_closed(backend, fake_cursor):
    """If the query's own attributes fail, it is cancelled and closed all the same."""
    query = Query([batch(1)])
    query.options = None
    backend.queries["q"] = query
    with pytest.raises(adbc_driver_manager.InternalError, match="AttributeError"):
        fake_cursor.execute("q")

    assert (query.cancels, query.closes) == (1, 1)


def garbage_response(chunk):
    """Returns a response with *chunk* in it, as it is."""
    return _native.encode_response([chunk], version=1)
