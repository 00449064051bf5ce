"""Redis and LMDB: what their keys and values are, what they refuse, and what a server that dies has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lmdb
import pyarrow as pa
import pytest
import redis

from e6data_adbc import DataError, Error, IntegrityError, NotSupportedError, ProgrammingError
from e6data_adbc.etl import Progress, dry_run, forget, load, status
from e6data_adbc.etl.destinations import open_sink, parse
from e6data_adbc.etl.keyvalue.lmdb import LmdbStore
from e6data_adbc.etl.keyvalue.redis import RedisStore
from e6data_adbc.etl.keyvalue.store import Layout, TableState
from e6data_adbc.etl.keyvalue.store_sink import KeyValueSink
from e6data_adbc.etl.sink import ConflictError
from e6data_adbc.testing.table_source import TableSource
from tests.etl.keyvalue_read import lmdb_entries, redis_hashes, redis_table
from tests.etl.postgres_server import Server
from tests.support.canary import Canaries

pytestmark = pytest.mark.seconds

ROWS = pa.table({"id": [1, 2], "v": ["a", None], "w": [1.5, 2.5]})


@pytest.fixture
def client(redis_url: str) -> Any:
    with redis.Redis.from_url(redis_url) as opened:
        yield opened


# ---- Redis


def test_a_row_is_a_hash(redis_url: str) -> None:
    """Named by its key, with a field for each value; what a load has not stays."""
    to = f"{redis_url}#orders"
    load(ROWS, to, mode="upsert", key="id")
    load(pa.table({"id": [2, 1], "v": ["b", None]}), to, mode="upsert", key="id")

    assert redis_hashes(to) == {
        b"orders:1": {b"id": b"1", b"w": b"1.5"},
        b"orders:2": {b"id": b"2", b"v": b"b", b"w": b"2.5"},
    }


def test_several_columns_name_a_row(redis_url: str) -> None:
    """Without one name for two rows."""
    to = f"{redis_url}#p"
    rows = pa.table({"a": ["x:y", "x", "\\"], "b": ["z", "y:z", ":"]})

    load(rows, to, mode="upsert", key=["a", "b"])

    assert sorted(redis_hashes(to)) == [b"p:\\\\:\\:", b"p:x:y\\:z", b"p:x\\:y:z"]


def test_numbered_rows_get_names(redis_url: str) -> None:
    """By the first upsert, also where a number is another row's name; not where a key is twice."""
    to = f"{redis_url}#p"
    ids = list(range(3000, 8000))
    load(pa.table({"id": ids, "v": ids}), to)

    load(pa.table({"id": [3000, 1], "v": [-1, -2]}), to, mode="upsert", key="id")

    found = {int(row[b"id"]): int(row[b"v"]) for row in redis_hashes(to).values()}
    assert found == {**dict(zip(ids, ids, strict=True)), 3000: -1, 1: -2}
    assert redis_hashes(to)[b"p:3000"][b"v"] == b"-1"
    with pytest.raises(ProgrammingError, match="named by"):
        load(ROWS.select(["id"]), to)
    load(pa.table({"id": [7, 7]}), f"{redis_url}#twice")
    with pytest.raises(IntegrityError, match="more than once"):
        load(pa.table({"id": [7]}), f"{redis_url}#twice", mode="upsert", key="id")


def test_replacements_of_named_rows(redis_url: str) -> None:
    """A condition leaves the others their names; a replacement numbers rows again."""
    to = f"{redis_url}#p"
    load(pa.table({"id": list(range(6))}), to, mode="upsert", key="id")
    options: dict[str, Any] = {"mode": "replace_where", "where": "id >= 3"}
    load(pa.table({"id": [4]}), to, **options)
    assert sorted(redis_hashes(to)) == [b"p:0", b"p:1", b"p:2", b"p:4"]

    load(pa.table({"id": [10, 11]}), to, mode="replace")
    assert sorted(row[b"id"] for row in redis_hashes(to).values()) == [b"10", b"11"]
    load(pa.table({"id": [12]}), to)
    assert len(redis_hashes(to)) == 3


def test_other_keys_are_left_alone(redis_url: str, client: Any) -> None:
    """Those of a prefix that begins alike, and those that somebody else made."""
    load(ROWS, f"{redis_url}#orders:eu")
    client.set("orders:200", "mine")
    load(pa.table({"id": [1]}), f"{redis_url}#orders", mode="upsert", key="id")
    with pytest.raises(IntegrityError, match="'orders:200'"):
        load(pa.table({"id": [200, 3]}), f"{redis_url}#orders", mode="upsert", key="id")
    load(pa.table({"id": [5]}), f"{redis_url}#orders", mode="replace")

    assert client.get("orders:200") == b"mine"
    assert redis_table(f"{redis_url}#orders:eu").num_rows == 2
    client.set("stream", "mine")
    with pytest.raises(ProgrammingError, match="no load has made"):
        load(ROWS, f"{redis_url}?layout=stream#stream")


def test_a_row_of_nothing_is_refused(redis_url: str) -> None:
    """A hash without fields is none."""
    with pytest.raises(DataError, match="row 1"):
        load(pa.table({"a": [1, None], "b": ["x", None]}), f"{redis_url}#p")
    assert redis_hashes(f"{redis_url}#p") == {}


def test_a_load_of_another_job_comes_between(redis_url: str) -> None:
    """Appends go side by side; a replacement that was not first is made anew, and a load without a job fails."""
    to = f"{redis_url}#p"
    left = [1]

    def between() -> None:
        if left.pop() if left else 0:
            load(pa.table({"id": [100]}), to)

    load(pa.table({"id": [0]}), to)
    rows = TableSource(pa.table({"id": [1, 2]}), before_batch=between)
    load(rows, to, job="a")
    assert len(redis_hashes(to)) == 4

    left.append(1)
    load(rows, to, job="r", mode="replace")
    assert sorted(int(row[b"id"]) for row in redis_hashes(to).values()) == [1, 2]

    left.append(1)
    with pytest.raises(ProgrammingError, match="come between"):
        load(rows, to, mode="replace")


@pytest.mark.parametrize("gone", [True, False])
def test_what_a_transaction_read_was_changed(redis_url: str, client: Any, *, gone: bool) -> None:
    """What another commit moved or made is a conflict, and no error of its own."""
    to = f"{redis_url}#p"
    store = RedisStore(parse(to), "e6_loads")
    batch = pa.record_batch({"id": [1]})
    table = TableState(Layout.ROW, batch.schema, ("id",))
    with store.transaction("j", is_exclusive=True) as change:
        change.stage("", batch)
        change.stage("", batch)
        change.commit()
    with pytest.raises(ConflictError), store.transaction("j", is_exclusive=True) as change:
        staged = change.staged("")
        next(staged)
        load(batch, to, mode="upsert", key="id")
        client.delete(*client.keys("e6_loads:p:stage:*"), "e6_loads:p:names")
        if gone:
            list(staged)
        else:
            change.put(table, pa.array([b"1"]), batch)
    store.close()


@pytest.mark.parametrize("layout", ["row", "stream"])
def test_a_killed_server_has_what_it_acknowledged(redis_process: Server, layout: str) -> None:
    """And a load that was under way goes on when it is back."""
    with redis.Redis.from_url(redis_process.url) as client:
        client.flushdb()
    to = f"{redis_process.url}?layout={layout}#p"
    left = [3]

    def crash(progress: Progress) -> None:
        left[0] -= progress.event == "committing"
        if left[0] == 0:
            redis_process.crash()

    rows = TableSource(pa.table({"id": list(range(400))}))
    report = load(rows, to, job="j", partition=("id", 8), progress=crash)

    assert report.watermark is not None
    assert report.watermark.rows == 400
    redis_process.crash()
    assert sorted(redis_table(to).column("id").to_pylist()) == list(range(400))
    assert [mark.rows for mark in status("j", to)] == [400]


def test_a_server_that_is_busy_for_long(redis_url: str, client: Any) -> None:
    """Longer than the client library waits by itself: its EXEC would be done, and the load have failed."""
    client.client_pause(5500, all=False)

    assert load(ROWS, f"{redis_url}#p").rows == 2
    assert redis_table(f"{redis_url}#p").num_rows == 2


def test_what_redis_has_not(redis_url: str) -> None:
    """Another layout, an upsert into a stream, lists in hashes, keys of floats."""
    load(ROWS, f"{redis_url}#p")
    for rows, options, name in (
        (ROWS, {}, "?layout=stream#p"),
        (ROWS, {"mode": "upsert", "key": "id"}, "?layout=stream#s"),
        (pa.table({"a": [[1]]}), {}, "#q"),
        (ROWS, {"mode": "upsert", "key": "w"}, "#q"),
        (ROWS, {}, "?layout=heap#q"),
        (ROWS, {}, "?nonsense=1#q"),
        (ROWS, {}, ""),
    ):
        with pytest.raises((NotSupportedError, ProgrammingError)):
            load(rows, redis_url + name, **options)
    assert redis_hashes(f"{redis_url}#q") == {}
    load(pa.table({"a": [[1], None], "m": [{"x": 1}, None]}), f"{redis_url}?layout=stream#s")


def test_no_password_is_shown(
    redis_url: str, client: Any, canaries: Canaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the address, of the environment, or of its options."""
    secret = canaries.plant("the destination's password")
    client.acl_setuser(
        "etl", enabled=True, passwords=[f"+{secret}"], keys=["*"], commands=["+@all"]
    )
    client.acl_setuser(
        "weak", enabled=True, passwords=[f"+{secret}"], keys=["*"], commands=["+get"]
    )
    monkeypatch.setenv("LOAD_PASSWORD", secret)
    base = redis_url.replace("redis://", "redis://etl:${LOAD_PASSWORD}@")
    shown = [repr(load(ROWS, f"{base}#p", job="j")), repr(dry_run(ROWS, f"{base}#p"))]
    shown += [repr(status("j", f"{base}#p")), repr(client.hgetall("e6_loads:p:job:j"))]

    for wrong in (
        base.replace("etl:", "nobody:") + "#p",
        base.replace("etl:", "weak:") + "#p",
        base.replace("127.0.0.1", "127.0.0.9") + "#p",
        f"{base}?nonsense=1#p",
        f"{base}?layout=heap#p",
        base.replace("/0", "/77") + "#p",
    ):
        with canaries.raises(Error) as caught:
            load(ROWS, wrong, job="k", patience_seconds=0)
        shown.append(str(caught.value))
    monkeypatch.setenv("REDISCLI_AUTH", secret)
    load(ROWS, redis_url.replace("redis://", "redis://etl@") + "#q")
    assert not [name for text in shown for name in canaries.in_text(text)]


# ---- LMDB


def test_a_row_is_a_json_object(tmp_path: Path) -> None:
    """Under its key, or under its number in the order of rows."""
    to = f"lmdb://{tmp_path}/new/folder#orders"
    load(ROWS, to, mode="upsert", key="id")
    load(pa.table({"id": [2], "v": ['"\\\n\x01é'], "w": [-0.0]}), to, mode="upsert", key="id")
    load(pa.table({"b": [b"\xff", None]}), to.replace("#orders", "#numbered"))

    assert [(key, json.loads(value)) for key, value in lmdb_entries(to)] == [
        (b"1", {"id": 1, "v": "a", "w": 1.5}),
        (b"2", {"id": 2, "v": '"\\\n\x01é', "w": -0.0}),
    ]
    assert lmdb_entries(to)[1][1].endswith(b'"w":-0.0}'), "many readers lose the sign of -0"
    assert lmdb_entries(to.replace("#orders", "#numbered")) == [
        (b"%020d" % 1, b'{"b":"ff"}'),
        (b"%020d" % 2, b'{"b":null}'),
    ]


def test_a_map_that_is_full_grows(tmp_path: Path) -> None:
    """The load makes it larger and goes on, with nothing lost or doubled."""
    address = parse(f"lmdb://{tmp_path}/x#rows")
    store = LmdbStore(address, "e6_loads", most_map=2**18)
    rows = TableSource(pa.table({"id": list(range(3000)), "v": ["x" * 200] * 3000}))

    load(rows, KeyValueSink(address, store), job="j", partition=("id", 4))

    assert len(lmdb_entries(f"lmdb://{tmp_path}/x#rows")) == 3000


def test_an_environment_that_is_there(tmp_path: Path) -> None:
    """One with a small map takes more, and what no load has made is left alone."""
    with lmdb.open(str(tmp_path), map_size=2**20, max_dbs=2) as environment:
        with environment.begin(write=True) as writing:
            writing.put(b"k", b"mine", db=environment.open_db(b"foreign", txn=writing))
        with pytest.raises(Error, match="already open in this process"):
            load(ROWS, f"lmdb://{tmp_path}#rows")
    with pytest.raises(ProgrammingError, match="no load has made"):
        load(ROWS, f"lmdb://{tmp_path}#foreign")

    load(pa.table({"v": ["x" * 1000] * 4000}), f"lmdb://{tmp_path}#rows")

    assert len(lmdb_entries(f"lmdb://{tmp_path}#rows")) == 4000
    assert lmdb_entries(f"lmdb://{tmp_path}#foreign") == [(b"k", b"mine")]


def test_what_lmdb_has_not(tmp_path: Path) -> None:
    """Keys that are too long or empty, numbers that JSON has not, and a part of an object."""
    to = f"lmdb://{tmp_path}#rows"
    for key in ("x" * 512, ""):
        with pytest.raises(DataError, match="511"):
            load(pa.table({"id": [key]}), to, mode="upsert", key="id")
    for number in (float("nan"), float("-inf")):
        with pytest.raises(DataError, match="row 1"):
            load(pa.table({"id": [0.5, number]}), to)
    load(ROWS, to, mode="upsert", key="id")
    with pytest.raises(ProgrammingError, match="as a whole"):
        load(ROWS.select(["id", "v"]), to, mode="upsert", key="id")
    for wrong in (
        to.replace("#rows", ""),
        to.replace("#rows", "#e6_loads"),
        to.replace("#", "?a=1#"),
    ):
        with pytest.raises(ProgrammingError):
            open_sink(parse(wrong), {})


def test_questions_make_nothing(tmp_path: Path) -> None:
    """Neither those of what is there nor a dry run makes an environment."""
    to = f"lmdb://{tmp_path}/x#rows"

    assert (status("j", to), dry_run(ROWS, to).losses) == ([], ())

    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("kind", ["redis", "lmdb"])
def test_stages_go(kind: str, redis_url: str, client: Any, tmp_path: Path) -> None:
    """With the last commit of their run, and when the job is forgotten."""
    to = f"{redis_url}#p" if kind == "redis" else f"lmdb://{tmp_path}#rows"
    rows = TableSource(pa.table({"id": list(range(8))}))
    options: dict[str, Any] = {"job": "j", "mode": "replace", "partition": ("id", 4)}

    def fail(progress: Progress) -> None:
        if progress.event == "committed":
            raise KeyboardInterrupt

    def staged() -> int:
        if kind == "redis":
            return len(client.keys("e6_loads:p:stage:*"))
        return len(
            [key for key, _ in lmdb_entries(f"lmdb://{tmp_path}#e6_loads") if b"stage" in key]
        )

    with pytest.raises(KeyboardInterrupt):
        load(rows, to, progress=fail, **options)
    assert staged() == 1
    assert forget("j", to) == 1
    assert (staged(), forget("j", to)) == (0, 0)
    load(rows, to, **options)
    assert staged() == 0
