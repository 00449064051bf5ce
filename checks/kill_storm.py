"""Loads that are killed, and loads that race: `python -m checks.kill_storm` counts the rows that are lost or doubled.

Each load is drawn from the seed, its destination and its number, so `--start` goes on where a storm was ended, and one
load can be seen again. A load is killed until it has been killed as often as was drawn, or is complete before that;
then it runs to its end, and every row has to be there once. Between kills no row may be there twice.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import dataclasses
import itertools
import json
import multiprocessing
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from checks import mariadb_server, postgres_server, redis_server, rooms, s3_server
from e6data_adbc.etl.destinations import OWN, open_sink, parse
from e6data_adbc.etl.sink import Mode
from e6data_adbc.testing.killed_load import POINTS, KilledLoad

_ROWS: Final = 120
_PATIENCE_SECONDS: Final = 120
_PARTS: Final = 8
#: Of a load into the rows of an earlier one, which `replace` and `replace_where` have to keep until they commit.
_SHAPES: Final[dict[str, dict[str, Any]]] = {
    "partitions": {"partition": ("id", _PARTS)},
    "gathered": {"partition": ("id", _PARTS), "commit_rows": 40},
    "one worker": {"partition": ("id", _PARTS), "workers": 1},
    "key": {"incremental": "k", "commit_rows": 23},
    "whole": {},
    "replace": {"partition": ("id", _PARTS), "mode": "replace"},
    "upsert": {"partition": ("id", _PARTS), "mode": "upsert", "key": "id"},
    "restatement": {"partition": ("id", 3), "mode": "replace_where", "where": "id >= 0"},
}
#: What every load imports, and what each destination's own do: the process that loads are forked from has it already,
#: for otherwise most of a storm is imports. ClickHouse's starts threads when it is imported, so it is not among them.
_IMPORTS: Final = (
    *("e6data_adbc.testing.killed_load", "pyarrow.parquet", "pyarrow.acero"),
    *("checks.mariadb_server", "checks.redis_server", "checks.rooms", "checks.s3_server"),
    *("opentelemetry.context", "opentelemetry.metrics", "opentelemetry.trace"),
)
_ICEBERG: Final = (
    OWN["iceberg"],
    "pyiceberg.catalog.sql",
    "pyiceberg.table",
    "pyiceberg.io.pyarrow",
)
_IMPORTS_BY_NAME: Final[dict[str, tuple[str, ...]]] = {
    "sqlite": (OWN["sqlite"], "adbc_driver_sqlite.dbapi"),
    "duckdb": (OWN["duckdb"], "duckdb"),
    "parquet": (OWN["parquet+file"],),
    "delta": (OWN["delta+file"], "deltalake"),
    "iceberg": _ICEBERG,
    "lmdb": (OWN["lmdb"], "lmdb"),
    "clickhouse": (OWN["clickhouse"],),
    "postgresql": (OWN["postgresql"], "adbc_driver_postgresql.dbapi"),
    "mysql": (OWN["mysql"], "pymysql"),
    "redis": (OWN["redis"], "redis"),
    "parquet+s3": (OWN["parquet+s3"], "pyarrow.fs"),
    "delta+s3": (OWN["delta+s3"], "deltalake"),
    "iceberg+s3": _ICEBERG,
}


@dataclasses.dataclass(frozen=True)
class Destination:
    """Where storms load to.

    Attributes:
        name: Its scheme.
        make: Returns the address of an empty one.
        ids: Returns the values of `id` that are visible in one.
        crash: Ends the server as a power cut would and starts it again; None where there is none.
    """

    name: str
    make: Callable[[], str]
    ids: Callable[[str], list[int]]
    crash: Callable[[], None] | None = None


@dataclasses.dataclass
class Count:
    """What a storm over one destination has seen."""

    destination: str
    loads: int = 0
    kills: int = 0
    server_kills: int = 0
    races: int = 0
    lost: int = 0
    doubled: int = 0
    failures: list[str] = dataclasses.field(default_factory=list)

    @property
    def is_clean(self) -> bool:
        """Whether no row was lost, none doubled, and nothing else went wrong."""
        return not (self.lost or self.doubled or self.failures)

    def check(self, ids: Sequence[int], what: str, *, is_whole: bool) -> None:
        """Counts what is twice there, and what is missing, if all should be there."""
        doubled = len(ids) - len(set(ids))
        lost = len(set(range(_ROWS)) - set(ids)) if is_whole else 0
        self.doubled += doubled
        self.lost += lost
        if doubled or lost:
            self.failures.append(f"{what}: {lost} rows lost, {doubled} doubled")


def prepare(names: Sequence[str]) -> None:
    """Lets the process that loads are forked from import what they need; to be called before the first load."""
    modules = [*_IMPORTS, *itertools.chain.from_iterable(_IMPORTS_BY_NAME[name] for name in names)]
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([name.partition(":")[0] for name in modules])


def storm(where: Destination, seed: int, *, kills: int, races: int, start: int = 0) -> Count:
    """Kills loads, and lets loads race.

    Args:
        where: Into what.
        seed: Of all that is drawn.
        kills: How many, at least.
        races: How many.
        start: The number of the first load.
    """
    count = Count(where.name)
    shapes = _shapes(where)
    for number in itertools.count(start):
        if count.kills + count.server_kills >= kills:
            break
        chance = random.Random(f"{seed} {where.name} {number}")
        _killed_load(where, chance, chance.choice(shapes), number, count)
    for number in range(start, start + races):
        chance = random.Random(f"{seed} {where.name} race {number}")
        _race(where, chance, chance.choice(shapes), number, count)
    return count


def _shapes(where: Destination) -> list[str]:
    """Returns the names of the loads that a destination has the mode for."""
    sink = open_sink(parse(where.make()), {})
    modes = sink.capabilities.modes
    sink.close()
    return [name for name, each in _SHAPES.items() if Mode(each.get("mode", "append")) in modes]


def _killed_load(
    where: Destination, chance: random.Random, shape: str, number: int, count: Count
) -> None:
    options = {"job": "storm", **_SHAPES[shape]}
    what = f"load {number} ({shape})"
    to = where.make()
    count.loads += 1
    replaces = options.get("mode") in {"replace", "replace_where"}
    if replaces:
        KilledLoad(to, {}, rows=3).run()
    for _ in range(chance.randint(1, 6)):
        if where.crash is not None and chance.random() < 0.15:
            code = _with_dying_server(where.crash, to, options, chance)
            count.server_kills += 1
        else:
            point = chance.choice(POINTS)
            passes = 3 if shape in {"partitions", "one worker", "key"} else 1
            after = chance.randrange(passes) if point not in {"begin", "begun"} else 0
            delay = chance.uniform(0, 0.02)
            code = KilledLoad(
                to, options, rows=_ROWS, point=point, after=after, delay_seconds=delay
            ).run()
            count.kills += code == -signal.SIGKILL
        if code not in {0, -signal.SIGKILL}:
            count.failures.append(f"{what}: it ended with {code}")
        ids = where.ids(to)
        count.check(ids, what, is_whole=code == 0)
        if replaces and code != 0 and sorted(ids) not in ([0, 1, 2], list(range(_ROWS))):
            count.failures.append(f"{what}: rows that are not whole were to be seen")
    if KilledLoad(to, options, rows=_ROWS).run() != 0:
        count.failures.append(f"{what}: it did not complete")
    count.check(where.ids(to), what, is_whole=True)


def _with_dying_server(
    crash: Callable[[], None], to: str, options: dict[str, Any], chance: random.Random
) -> int:
    """Runs a load, and lets the server die under it."""
    load = KilledLoad(
        to, {**options, "patience_seconds": 60.0}, rows=_ROWS, pause_seconds=0.01
    ).start()
    timer = threading.Timer(chance.uniform(0, 0.4), crash)
    timer.start()
    load.join(120)
    if load.is_alive():
        load.kill()
        load.join()
    timer.join()
    code: int = load.exitcode
    load.close()
    return code


def _race(where: Destination, chance: random.Random, shape: str, number: int, count: Count) -> None:
    """Two processes load one job at once: at least one ends well, and each row is there once."""
    options = {"job": "storm", **_SHAPES[shape]}
    what = f"race {number} ({shape})"
    to = where.make()
    racers = [
        KilledLoad(to, options, rows=_ROWS, pause_seconds=chance.uniform(0, 0.004)).start()
        for _ in range(2)
    ]
    codes = []
    for racer in racers:
        racer.join(180)
        if racer.is_alive():
            racer.kill()
            racer.join()
        codes.append(racer.exitcode)
        racer.close()
    count.races += 1
    if 0 not in codes:
        count.failures.append(f"{what}: both failed, with {codes}")
    count.check(where.ids(to), what, is_whole=True)


# ---- destinations


def _sqlite_ids(to: str) -> list[int]:
    connection = sqlite3.connect(parse(to).path)
    try:
        return [row[0] for row in connection.execute("SELECT id FROM t")]
    except sqlite3.OperationalError:  # nothing was committed
        return []
    finally:
        connection.close()


def _duckdb_ids(to: str) -> list[int]:
    import duckdb

    if not Path(parse(to).path).exists():
        return []
    with duckdb.connect(parse(to).path) as connection:
        try:
            return [row[0] for row in connection.execute("SELECT id FROM t").fetchall()]
        except duckdb.CatalogException:
            return []


def _postgres_ids(to: str) -> list[int]:
    from adbc_driver_postgresql import dbapi

    url, _, table = to.partition("#")
    with dbapi.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass($1) IS NOT NULL", [table])
        if not cursor.fetchall()[0][0]:
            return []
        cursor.execute(f"SELECT id FROM {table}")
        return [row[0] for row in cursor.fetchall()]


def _parquet_ids(to: str) -> list[int]:
    from pyarrow import parquet

    root = Path(parse(to).path)
    paths = [path.relative_to(root) for path in root.rglob("*.parquet")]
    seen = [path for path in paths if not any(part[0] in "._" for part in path.parts)]
    tables = [parquet.read_table(root / path, partitioning=None) for path in sorted(seen)]
    return [value for table in tables for value in table.column("id").to_pylist()]


def _delta_ids(to: str) -> list[int]:
    import deltalake

    path = parse(to).path
    if not deltalake.DeltaTable.is_deltatable(path):
        return []
    found: list[int] = deltalake.DeltaTable(path).to_pyarrow_table().column("id").to_pylist()
    return found


def _iceberg_ids(to: str) -> list[int]:
    from pyiceberg.catalog import load_catalog
    from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError

    split = urllib.parse.urlsplit(to)
    catalog = load_catalog("storm", **dict(urllib.parse.parse_qsl(split.query)))
    try:
        table = catalog.load_table(split.path.strip("/"))
    except (NoSuchTableError, NoSuchNamespaceError):
        return []
    finally:
        catalog.close()
    found: list[int] = table.scan(selected_fields=("id",)).to_arrow().column("id").to_pylist()
    return found


def _mysql_connection(url: str) -> Any:
    import pymysql

    split = urllib.parse.urlsplit(url)
    return pymysql.connect(
        host=split.hostname, port=split.port or 0, user=split.username, autocommit=True
    )


def _mysql_ids(to: str) -> list[int]:
    import pymysql

    url, _, table = to.partition("#")
    with contextlib.closing(_mysql_connection(url)) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(f"SELECT id FROM {table}")
        except pymysql.err.ProgrammingError:  # nothing was committed
            return []
        return [row[0] for row in cursor.fetchall()]


def _redis_ids(to: str) -> list[int]:
    import redis

    url, _, prefix = to.partition("#")
    with redis.Redis.from_url(url) as client, client.pipeline(transaction=False) as pipe:
        for key in client.scan_iter(f"{prefix}:*", count=1000):
            pipe.hget(key, "id")
        return [int(value) for value in pipe.execute()]


def _lmdb_ids(to: str) -> list[int]:
    import lmdb

    path = Path(parse(to).path)
    if not (path / "data.mdb").exists():
        return []
    with lmdb.open(str(path), max_dbs=8, readonly=True) as environment:
        try:
            rows = environment.open_db(b"t", create=False)
        except lmdb.NotFoundError:
            return []
        with environment.begin() as reading:
            return [json.loads(value)["id"] for _, value in reading.cursor(rows)]


def _delta_s3_ids(storage: s3_server.Storage, to: str) -> list[int]:
    import deltalake

    uri, options = f"s3://{s3_server.BUCKET}/{s3_server.prefix_of(to)}", storage.delta()
    if not deltalake.DeltaTable.is_deltatable(uri, options):
        return []
    table = deltalake.DeltaTable(uri, storage_options=options)
    found: list[int] = table.to_pyarrow_table().column("id").to_pylist()
    return found


def _parquet_s3_ids(storage: s3_server.Storage, to: str) -> list[int]:
    import pyarrow as pa
    from pyarrow import parquet

    tables = [parquet.read_table(pa.BufferReader(data)) for data in storage.visible(to).values()]
    return [value for table in tables for value in table.column("id").to_pylist()]


def _clickhouse_ids(to: str) -> list[int]:
    # A process has one folder of ClickHouse's for its whole life, and while it lives nobody else has it.
    context = multiprocessing.get_context("forkserver")
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as other:
        return other.submit(_ids_in_clickhouse, to).result(_PATIENCE_SECONDS)


def _ids_in_clickhouse(to: str) -> list[int]:
    import clickhouse_connect

    client = clickhouse_connect.get_client(interface="chdb", path=parse(to).path)
    try:
        if not client.query("SELECT 1 FROM system.tables WHERE name = 't'").result_rows:
            return []
        return [row[0] for row in client.query("SELECT id FROM t").result_rows]
    finally:
        client.close()


@contextlib.contextmanager
def destinations(names: Sequence[str], folder: Path) -> Iterator[list[Destination]]:
    """Yields those of *names* that there can be here, under *folder*; says which there cannot."""
    numbers = itertools.count()

    def in_folder(scheme: str, ending: str) -> Callable[[], str]:
        return lambda: f"{scheme}://{folder}/{next(numbers)}{ending}"

    local = [
        Destination("sqlite", in_folder("sqlite", ".db#t"), _sqlite_ids),
        Destination("duckdb", in_folder("duckdb", ".duckdb#t"), _duckdb_ids),
        Destination("parquet", in_folder("parquet+file", ""), _parquet_ids),
        Destination("delta", in_folder("delta+file", ""), _delta_ids),
        Destination("iceberg", lambda: _iceberg(folder, next(numbers)), _iceberg_ids),
        Destination("lmdb", in_folder("lmdb", "#t"), _lmdb_ids),
        Destination("clickhouse", in_folder("clickhouse", "?interface=chdb#t"), _clickhouse_ids),
    ]
    found = [each for each in local if each.name in names]
    with contextlib.ExitStack() as stack:
        for name, (running, make) in _SERVERS.items():
            if name not in names:
                continue
            try:
                found.append(make(stack.enter_context(running())))
            except postgres_server.UnavailableError as cause:
                print(f"{name} is left out: {cause}", file=sys.stderr)
        if in_bucket := [name for name in names if name.endswith("+s3")]:
            storage = stack.enter_context(s3_server.running())
            found += [_s3(storage, name, folder) for name in in_bucket]
        yield found


def _iceberg(folder: Path, number: int) -> str:
    settings = f"type=sql&uri=sqlite:///{folder}/{number}.db&warehouse=file://{folder}/{number}"
    return f"iceberg://storm/ns.t?{settings}"


def _postgres(server: postgres_server.Server) -> Destination:
    from adbc_driver_postgresql import dbapi

    def make() -> str:
        schema = f"s{uuid.uuid4().hex[:12]}"
        with (
            dbapi.connect(server.url, autocommit=True) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(f"CREATE SCHEMA {schema}")
        return f"{server.url}#{schema}.t"

    return Destination("postgresql", make, _postgres_ids, server.crash)


def _mysql(server: mariadb_server.Server) -> Destination:
    def make() -> str:
        schema = f"s{uuid.uuid4().hex[:12]}"
        with (
            contextlib.closing(_mysql_connection(server.url)) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute(f"CREATE DATABASE {schema}")
        return f"{server.url}#{schema}.t"

    return Destination("mysql", make, _mysql_ids, server.crash)


def _redis(server: redis_server.Server) -> Destination:
    return Destination(
        *("redis", lambda: f"{server.url}#s{uuid.uuid4().hex[:12]}", _redis_ids, server.crash)
    )


def _s3(storage: s3_server.Storage, name: str, folder: Path) -> Destination:
    if name == "iceberg+s3":
        return Destination(
            name,
            lambda: storage.iceberg_address(f"sqlite:///{folder}/{storage.prefix()}.db"),
            _iceberg_ids,
        )
    ids = _delta_s3_ids if name == "delta+s3" else _parquet_s3_ids
    return Destination(
        name,
        lambda: storage.address(name.partition("+")[0]),
        lambda to: ids(storage, to),
    )


#: Destinations that have a server: what starts it, and what loads into it.
_SERVERS: Final[dict[str, tuple[Callable[[], Any], Callable[[Any], Destination]]]] = {
    "postgresql": (postgres_server.running, _postgres),
    "mysql": (mariadb_server.running, _mysql),
    "redis": (redis_server.running, _redis),
}
NAMES: Final = ("sqlite", "duckdb", "parquet", "delta", "iceberg", "lmdb", *_SERVERS)
#: Those whose packages only a room of `make rooms` has, by the room.
IN_ROOMS: Final = {
    "lakes": ("parquet+s3", "delta+s3", "iceberg+s3"),
    "clickhouse": ("clickhouse",),
}


def main() -> int:
    """Runs storms as the command line says; returns 1 if a row was lost or doubled."""
    parser = argparse.ArgumentParser(prog="python -m checks.kill_storm", description=__doc__)
    parser.add_argument("--kills", type=int, default=200, help="kills a destination")
    parser.add_argument("--races", type=int, default=50, help="races a destination")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--start", type=int, default=0, help="the number of the first load")
    everywhere = [*NAMES, *itertools.chain.from_iterable(IN_ROOMS.values())]
    parser.add_argument("--only", default=",".join(everywhere), help="destinations, with commas")
    given = parser.parse_args()
    names = given.only.split(",")
    if unknown := set(names) - set(everywhere):
        parser.error(f"there is no destination {', '.join(sorted(unknown))}")
    is_clean = _here(given, names)
    for room, those in IN_ROOMS.items():
        wanted = [name for name in those if name in names]
        if wanted and Path(sys.prefix).name != room:
            is_clean = _in_room(given, room, wanted) and is_clean
    return 0 if is_clean else 1


def _here(given: argparse.Namespace, names: Sequence[str]) -> bool:
    """Runs the storms over those of *names* that this environment has the packages for; tells whether all is well."""
    own = {*NAMES, *IN_ROOMS.get(Path(sys.prefix).name, ())}
    prepare([name for name in names if name in own])
    folder = Path(tempfile.mkdtemp(prefix="e6data-storm-"))
    is_clean = True
    try:
        with destinations([name for name in names if name in own], folder) as found:
            for where in found:
                began = time.monotonic()
                count = storm(
                    where, given.seed, kills=given.kills, races=given.races, start=given.start
                )
                seconds = round(time.monotonic() - began, 1)
                facts = {"seed": given.seed, "start": given.start, "seconds": seconds}
                print(json.dumps(dataclasses.asdict(count) | facts), flush=True)
                is_clean = is_clean and count.is_clean
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return is_clean


def _in_room(given: argparse.Namespace, room: str, names: Sequence[str]) -> bool:
    """Runs the storms over *names* by the Python of a room; tells whether all is well."""
    try:
        python = rooms.environment(room)
    except subprocess.CalledProcessError:
        print(
            f"{', '.join(names)} are left out: the room {room} could not be made", file=sys.stderr
        )
        return True
    command = [str(python), "-m", "checks.kill_storm", "--only", ",".join(names)]
    for name in ("kills", "races", "seed", "start"):
        command += [f"--{name}", str(getattr(given, name))]
    return subprocess.run(command, cwd=rooms.ROOT, check=False).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
