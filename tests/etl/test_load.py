"""What a load promises beyond kills: runs, cuts, modes, the source's own error, and no secrets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import e6data_adbc
from e6data_adbc import errors
from e6data_adbc.etl import State, dry_run, forget, load, status
from e6data_adbc.etl.destinations import parse
from e6data_adbc.etl.sql.base import SqlSink
from e6data_adbc.etl.steps import OrderedFeed
from tests.etl import places
from tests.etl.places import Place

pytestmark = pytest.mark.seconds

SQL = "select n, k from numbers"


@pytest.fixture
def uri(engine: Any) -> Iterator[str]:
    """A URI of a catalog whose table `numbers` has 100 rows; `k` has ties and one NULL."""
    from e6data_adbc.testing import isolated_catalog

    table = pa.table({"n": list(range(100)), "k": [None, *(n // 3 for n in range(99))]})
    with isolated_catalog(engine, {"numbers": table}) as catalog:
        yield engine.uri_for(catalog)


@pytest.fixture
def file(tmp_path: Path) -> Place:
    """A destination of the quickest kind, for what all do alike."""
    return places.make("sqlite", tmp_path, None)


def count(place: Place, table: str = "t") -> list[tuple[int, int]]:
    return place.rows(f"SELECT COUNT(*), COUNT(DISTINCT n) FROM {{}}{table}")  # type: ignore[return-value]


@pytest.mark.parametrize(
    "address", ["sqlite://{}/x.db#t", "duckdb://{}/x.duckdb#t", "lmdb://{}/x#t"]
)
def test_asking_makes_nothing(address: str, tmp_path: Path) -> None:
    """What only asks leaves no file where there was none; a folder that is not there is named."""
    to = address.format(tmp_path)

    assert (status("j", to), forget("j", to)) == ([], 0)
    assert dry_run(pa.table({"n": [1]}), to, mode="upsert", key="n").changes
    assert list(tmp_path.iterdir()) == []
    if not to.startswith("lmdb"):
        for ask in (
            lambda: status("j", address.format("/none")),
            lambda: load(pa.table({"n": [1]}), address.format("/none")),
        ):
            with pytest.raises(errors.ProgrammingError, match="no folder '/none'"):
                ask()


@pytest.mark.parametrize(
    ("wrong", "arguments"),
    [
        ("mode is 'merge'", {"mode": "merge"}),
        ("schema is 'any'", {"schema": "any"}),
        ("key 'zz'", {"mode": "upsert", "key": "zz"}),
        (r"upsert by \['k'\]", {"mode": "upsert", "key": "k"}),
        ("condition 'zz = 1'", {"mode": "replace_where", "where": "zz = 1"}),
        ("order of 's'", {"job": "j", "incremental": "s"}),
    ],
)
def test_errors_name_what_was_given(wrong: str, arguments: dict[str, Any], tmp_path: Path) -> None:
    """Only addresses may have secrets; the names of columns, modes and conditions are shown."""
    source: Any = pa.table({"k": [1, 1], "s": ["x", "y"]})
    to, options = f"lmdb://{tmp_path}/x#t", dict(arguments)
    if "incremental" in arguments:
        source, options["uri"] = "select 'x' as s", "e6data:local"

    with pytest.raises(errors.Error, match=wrong) as caught:
        load(source, to, **options)
    assert "***" not in str(caught.value)


def test_a_wrong_condition_is_the_users_mistake(tmp_path: Path) -> None:
    """DuckDB says by the type of its error what was wrong."""
    to = f"duckdb://{tmp_path}/x.duckdb#t"
    with pytest.raises(errors.ProgrammingError, match="nope"):
        load(pa.table({"k": [1]}), to, mode="replace_where", where="nope = 1")


def test_a_file_that_no_process_frees_is_not_waited_for(tmp_path: Path) -> None:
    """DuckDB says in one type of error that a file is another process's, and that it is none of its own."""
    (tmp_path / "x.duckdb").write_text("no database, whoever looks at it")

    with pytest.raises(errors.OperationalError, match="not a valid DuckDB database"):
        load(pa.table({"k": [1]}), f"duckdb://{tmp_path}/x.duckdb#t")


def test_the_cause_is_told_that_ended_a_transaction_of_duckdb(tmp_path: Path) -> None:
    """And not that the transaction has ended."""
    import duckdb

    with duckdb.connect(str(tmp_path / "x.duckdb")) as base:
        base.execute("CREATE TABLE t (k BIGINT CHECK (k < 2))")

    with pytest.raises(errors.IntegrityError, match="CHECK constraint"):
        load(pa.table({"k": [1, 2]}), f"duckdb://{tmp_path}/x.duckdb#t")


def test_runs(place: Place, uri: str) -> None:
    """A finished run does nothing, a new one starts anew, another source in one run is refused with both hashes."""
    first = load(SQL, place.url(), uri=uri, job="j", run="1")
    again = load(SQL, place.url(), uri=uri, job="j", run="1")
    assert (first.rows, again.rows, again.skipped_rows) == (100, 0, 100)
    with pytest.raises(errors.ProgrammingError, match="could not resume run '1'") as caught:
        load("select n, k from numbers where n < 5", place.url(), uri=uri, job="j", run="1")
    assert first.watermark is not None
    assert first.watermark.source in str(caught.value)

    load(SQL, place.url(), uri=uri, job="j", run="2")

    assert count(place) == [(200, 100)]
    assert [mark.run for mark in status("j", place.url())] == ["1", "2"]
    assert forget("j", place.url()) == 2
    assert status("j", place.url()) == []


def test_nothing_to_do_asks_no_engine(place: Place, uri: str) -> None:
    """Once complete, the same call needs no engine at all."""
    load(SQL, place.url(), uri=uri, job="j")

    report = load(SQL, place.url(), uri="e6data://nobody:x@127.0.0.1:1", job="j")

    assert (report.rows, report.skipped_rows) == (0, 100)


def test_incremental(place: Place, uri: str) -> None:
    """In the order of a key, a commit ends where the key changes, and a later call loads what is above the last."""
    small = "select n, k from numbers where k < 10 or k is null"
    report = load(small, place.url(), uri=uri, job="j", run="a", incremental="k", commit_rows=4)
    assert (report.rows, report.commits) == (31, 6)  # NULL, then twice three each, and the rest
    assert report.watermark is not None
    assert (report.watermark.position.key, report.watermark.state) == ("9", State.COMPLETE)

    load(SQL, place.url(), uri=uri, job="j", run="b", incremental="k")
    quiet = load(SQL, place.url(), uri=uri, job="j", run="c", incremental="k")

    assert count(place) == [(100, 100)]
    assert quiet.rows == 0


def test_modes(place: Place, uri: str) -> None:
    """Replace, upsert and replace_where leave what they say, and refuse what has no one meaning."""
    load(SQL, place.url(), uri=uri, mode="replace")
    load(SQL, place.url(), uri=uri, mode="replace", partition=("n", 3))
    assert count(place) == [(100, 100)]
    where = "n >= 50"
    load(f"{SQL} where n >= 60", place.url(), uri=uri, mode="replace_where", where=where)
    assert count(place) == [(90, 90)]
    with pytest.raises(errors.IntegrityError, match="not among them"):
        load(SQL, place.url(), uri=uri, mode="replace_where", where=where)
    assert count(place) == [(90, 90)]

    load("select n, 7 as k from numbers where n < 55", place.url(), uri=uri, mode="upsert", key="n")
    assert count(place) == [(95, 95)]
    assert place.rows("SELECT COUNT(*) FROM {}t WHERE k = 7 AND n < 55") == [(55,)]
    twice = pa.table({"n": [1, 1], "k": [1, 2]})
    with pytest.raises(errors.IntegrityError, match="same key"):
        load(twice, place.url(), mode="upsert", key="n")
    assert count(place) == [(95, 95)]


def test_the_last_row_of_a_key_wins_where_there_is_one(place: Place, uri: str) -> None:
    """With on_duplicate="last" the order decides: of Arrow data, of the query's ORDER BY, of the incremental column."""
    options: dict[str, Any] = {"mode": "upsert", "key": "k", "on_duplicate": "last"}
    twice = pa.table({"k": [1, 2, 1, 1], "n": [30, 0, 10, 20]})
    load(twice, place.url(), **options)
    assert place.rows("SELECT k, n FROM {}t ORDER BY k") == [(1, 20), (2, 0)]

    sql = "select k, n from numbers where k is not null"
    load(f"{sql} order by n desc", place.url(), uri=uri, **options)
    assert place.rows("SELECT COUNT(*), CAST(SUM(n - 3 * k) AS BIGINT) FROM {}t") == [(33, 33)]

    options |= {"job": "j", "incremental": "n", "commit_rows": 7}
    load(sql, place.url(), uri=uri, **options)
    assert place.rows("SELECT COUNT(*), CAST(SUM(n - 3 * k) AS BIGINT) FROM {}t") == [(33, 99)]
    one = "select k, 500 + k - k as n from numbers where k is not null"
    with pytest.raises(errors.IntegrityError, match="neither is the last"):
        load(one, place.url(), uri=uri, run="other", **options)


def test_the_sources_error_is_raised_and_nothing_stays(place: Place) -> None:
    """A stream that fails midway leaves nothing of its commit, and the caller sees its own exception."""

    class OwnError(Exception):
        pass

    schema = pa.schema({"n": pa.int64()})

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.record_batch({"n": [1, 2]})
        raise OwnError("in midstream")

    load(pa.table({"n": [0]}), place.url())
    reader = pa.RecordBatchReader.from_batches(schema, batches())
    with pytest.raises((OwnError, pa.ArrowInvalid, OSError), match="midstream"):
        load(reader, place.url())
    load(pa.table({"n": [9]}), place.url())

    assert place.rows("SELECT n FROM {}t ORDER BY n") == [(0,), (9,)]


def test_the_engines_error_keeps_its_class(place: Place, uri: str) -> None:
    """A query that fails is raised as the driver raises it, with the query's id."""
    with pytest.raises(errors.Error) as caught:
        load("select n from numbers where n = cast('x' as int)", place.url(), uri=uri, job="j")

    assert "[e6data] could not" in str(caught.value)
    assert sum(mark.rows for mark in status("j", place.url())) == 0


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"commit_rows": 5, "job": "j"}, "no place where a load could go on"),
        ({"commit_rows": 5}, "need a job"),
        ({"incremental": "n"}, "need a job"),
        ({"incremental": "n", "partition": ("n", 2), "job": "j"}, "not both"),
        ({"mode": "upsert"}, "needs the names of key columns"),
        ({"mode": "replace_where"}, "needs a condition"),
        ({"mode": "other"}, "may be 'append'"),
        ({"run": "r"}, "no job"),
        ({"on_duplicate": "last"}, "about the keys of an upsert"),
        ({"on_duplicate": "last", "mode": "upsert", "key": "n"}, "ORDER BY"),
        (
            {"on_duplicate": "last", "mode": "upsert", "key": "n", "partition": ("n", 2)},
            "have no order",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(options: dict[str, Any], cause: str) -> None:
    """Arguments that exclude each other are refused before anything is opened."""
    with pytest.raises(errors.ProgrammingError, match=cause):
        load(SQL, "sqlite:///nowhere/x.db#t", uri="e6data://u:x@127.0.0.1:1", **options)


@pytest.mark.parametrize(
    "to", ["duckdb://{}/d.duckdb#t", "sqlite://{}/d.db#t", "delta+file://{}/d"]
)
def test_a_key_that_is_no_column_is_the_users_mistake(to: str, tmp_path: Path) -> None:
    """The error has the columns that there are, and no advice about types."""
    with pytest.raises(errors.ProgrammingError, match=r"key 'nope' is none .*'id', 'v'") as caught:
        load(pa.table({"id": [1], "v": [1]}), to.format(tmp_path), mode="upsert", key="nope")

    assert caught.value.status_code is errors.Status.INVALID_ARGUMENT


def test_text_keys_are_refused(place: Place, uri: str) -> None:
    """The order of texts may be the engine's own, so that a resume could leave rows out."""
    with pytest.raises(errors.NotSupportedError, match="order"):
        load(
            "select cast(n as varchar) as t from numbers",
            place.url(),
            uri=uri,
            job="j",
            incremental="t",
        )


def test_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables are filled in, tables read, and secrets shown nowhere."""
    found = parse('postgresql://me:${PW}@host/db?sslpassword=hush-hush#"a.b".c', {"PW": "s3cret/x"})
    assert found.table == ("a.b", "c")
    shown = repr(found) + found.shown + found.hide(found.url)
    assert "s3cret" not in shown
    assert "hush" not in shown
    with pytest.raises(errors.ProgrammingError, match="'MISSING' is not set"):
        parse("sqlite:///${MISSING}#t", {})
    with pytest.raises(errors.ProgrammingError, match="no sink has the scheme 'nope'"):
        load(pa.table({"n": [1]}), "nope://x#t")


def test_no_password_in_errors(postgres: str) -> None:
    """An error of the destination's library does not show its password."""
    url = postgres.replace("loader@", "loader:canary-7f3a@").replace("/postgres", "/missing")

    with pytest.raises(errors.Error) as caught:
        load(pa.table({"n": [1]}), f"{url}#t", patience_seconds=0)

    chain, error = [], caught.value
    while error is not None:
        chain.append(str(error))
        error = error.__cause__
    assert not any("canary-7f3a" in text for text in chain)


def test_the_first_contact_is_tried_again(
    file: Place, uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A destination that is away when a load begins may be back a moment later; another failure is raised at once."""
    away = {"history": 2, "prepare": 1, "begin": 1}

    def before(name: str) -> None:
        function = getattr(SqlSink, name)

        def patched(*arguments: Any, **keywords: Any) -> Any:
            away[name] -= 1
            if away[name] >= 0:
                raise errors.make(errors.Status.IO, f"could not {name}: nobody is there")
            return function(*arguments, **keywords)

        monkeypatch.setattr(SqlSink, name, patched)

    for name in away:
        before(name)
    monkeypatch.setattr(SqlSink, "is_transient", lambda _, error: "nobody is there" in str(error))

    assert load(SQL, file.url(), uri=uri, job="j").rows == 100

    away["history"] = 1
    monkeypatch.setattr(SqlSink, "is_transient", lambda *_: False)
    with pytest.raises(errors.Error, match="nobody is there"):
        load(SQL, file.url(), uri=uri, job="j", run="2")
    assert away["history"] == 0


def test_an_ordered_result_out_of_order_is_refused() -> None:
    """What a resume relies on is checked with every batch."""
    batches = [pa.record_batch({"k": [1, 2]}), pa.record_batch({"k": [1]})]
    feed = OrderedFeed(iter(batches), "k")

    with pytest.raises(errors.DataError, match="not in that order"):
        list(feed.upto(None))


def test_load_is_part_of_the_package() -> None:
    """`e6data_adbc.load` is the call, found when it is asked for."""
    assert e6data_adbc.load is load
