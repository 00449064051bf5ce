"""Many clients in bad weather: what each of them asked, and what it was told."""

from __future__ import annotations

import collections
import dataclasses
import random
import threading
import time
from typing import Any, Final

import e6data_adbc
from checks.storm.weather import HARD, SOFT, Event, Strike, Weather
from e6data_adbc.local import LocalEngine

__all__ = ["Report", "Story", "run"]

CHUNK_ROWS: Final = 64
TABLE: Final = "scratch.main.storm"
#: How a client reads: all at once, row by row, in batches, or only the beginning.
STYLES: Final = ("table", "fetchall", "fetchmany", "reader", "abandon")
#: The option under which values travel beside the text.
BINDING: Final = "adbc.e6data.statement.server_binding"
#: How long cleaning up after the last query may take, in seconds.
CLEAN_SECONDS: Final = 20.0


@dataclasses.dataclass
class Story:
    """One query as its client saw it."""

    number: int
    sql: str
    #: Rows that the statement has, or None for one that writes.
    expected: int | None
    style: str
    protocol: str
    #: What the server binds to the text's parameters.
    values: tuple[int, ...] = ()
    #: Which connection asked.
    connection: int = 0
    began: float = 0.0
    ended: float = 0.0
    rows: list[tuple[Any, ...]] = dataclasses.field(default_factory=list)
    #: Everything that was raised, in order; reading went on after the first.
    errors: list[BaseException] = dataclasses.field(default_factory=list)
    #: The reader was told that there are no more rows.
    saw_end: bool = False


@dataclasses.dataclass
class Report:
    """All that is known of one storm, for the checker."""

    seed: int
    stories: list[Story]
    strikes: list[Strike]
    events: list[Event]
    orphans: set[str]
    #: Records of the engine's ledger by the text of the statement.
    records: dict[str, list[Any]]
    #: How often each number was written.
    written: collections.Counter[int]
    #: Queries that the engine held in the end, before it was stopped.
    left: set[str]
    #: Calls without a deadline by method.
    unlimited: collections.Counter[str]
    seconds: float = 0.0


def run(
    seed: int,
    queries: int,
    *,
    threads: int = 8,
    fault_rate: float = 0.045,
    delay_rate: float = 0.03,
    false_colours: bool = False,
    hard_events: int = 2,
    soft_events: int = 4,
    max_rows: int = 400,
) -> Report:
    """Runs *queries* statements from *threads* threads over shared and own connections; returns what happened.

    The seed decides statements, ways of reading, faults and where in the sequence the engine changes; the order in
    which threads get to them is the machine's.
    """
    rng = random.Random(seed)
    stories = [_story(number, rng, max_rows) for number in range(queries)]
    places = rng.sample(range(queries // 20, queries), hard_events + soft_events)
    # One suspension: clients resume a cluster once a minute at most.
    others = [name for name in HARD if name != "suspend"]
    names = ["suspend"][:hard_events] + [rng.choice(others) for _ in range(hard_events - 1)]
    names += [rng.choice(SOFT) for _ in range(soft_events)]
    plan = dict(zip(places, names, strict=True))
    settings = {"chunk_rows": CHUNK_ROWS, "v2_chunks": 2, "share_queries": True, "resume_polls": 0}
    started = time.monotonic()
    with LocalEngine(**settings) as engine:
        with e6data_adbc.connect(engine.uri) as connection, connection.cursor() as cursor:
            cursor.execute(f"create table {TABLE} (n bigint)")
        weather = Weather(
            engine,
            seed,
            fault_rate=fault_rate,
            delay_rate=delay_rate,
            false_colours=false_colours,
        )
        _run_clients(engine, weather, stories, plan, threads)
        # What the network lost stays lost, but cleaning up is given the server.
        weather.calm()
        deadline = time.monotonic() + CLEAN_SECONDS
        pause = threading.Event()
        while _unclean(engine, weather) and time.monotonic() < deadline:
            pause.wait(0.02)
        with e6data_adbc.connect(engine.uri) as connection, connection.cursor() as cursor:
            cursor.execute(f"select n from {TABLE}")
            written = collections.Counter(row[0] for row in cursor.fetchall())
        left = {record.query_id for record in engine.ledger.open_queries}
        records: dict[str, list[Any]] = {}
        for record in engine.ledger.queries:
            records.setdefault(record.sql, []).append(record)
    return Report(
        seed,
        stories,
        weather.strikes,
        weather.events,
        weather.orphans,
        records,
        written,
        left,
        engine.ledger.without_deadline,
        time.monotonic() - started,
    )


def _story(number: int, rng: random.Random, max_rows: int) -> Story:
    protocol = rng.choice(("v1", "v2"))
    # The text of each is one of a kind.
    shown, values = (str(number), ()) if rng.random() < 0.8 else (f"? /* {number} */", (number,))
    if rng.random() < 0.1:
        sql = f"insert into {TABLE} values ({shown})"
        return Story(number, sql, None, "table", protocol, values)
    rows = rng.choice((0, 1, CHUNK_ROWS, rng.randrange(max_rows)))
    sql = f"select {shown} as q, range as n, 'row ' || range as t from range({rows})"
    return Story(number, sql, rows, rng.choice(STYLES), protocol, values)


def _unclean(engine: LocalEngine, weather: Weather) -> bool:
    return any(record.query_id not in weather.orphans for record in engine.ledger.open_queries)


def _run_clients(
    engine: LocalEngine, weather: Weather, stories: list[Story], plan: dict[int, str], threads: int
) -> None:
    left = collections.deque(stories)
    resume = "resume_timeout_seconds=20"
    shared = {
        protocol: e6data_adbc.connect(f"{engine.uri}?result_protocol={protocol}&{resume}")
        for protocol in ("v1", "v2")
    }
    failures: list[BaseException] = []
    events = threading.Lock()

    def client(index: int) -> None:
        own = {
            protocol: e6data_adbc.connect(f"{engine.uri}?result_protocol={protocol}&{resume}")
            for protocol in ("v1", "v2")
        }
        try:
            while True:
                try:
                    story = left.popleft()
                except IndexError:
                    return
                if story.number in plan:
                    with events:
                        weather.event(plan[story.number])
                _play(story, (own if index % 2 else shared)[story.protocol])
        except BaseException as error:
            failures.append(error)
        finally:
            for connection in own.values():
                connection.close()

    weather.blow()
    workers = [threading.Thread(target=client, args=(index,)) for index in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for connection in shared.values():
        connection.close()
    if failures:
        raise failures[0]


def _play(story: Story, connection: Any) -> None:
    story.connection = id(connection)
    story.began = time.monotonic()
    cursor = connection.cursor()
    try:
        if story.values:
            cursor.adbc_statement.set_options(**{BINDING: "true"})
        cursor.execute(story.sql, story.values or None)
    except Exception as error:
        story.errors.append(error)
    else:
        if story.style == "reader":
            _read_batches(story, cursor)
        else:
            _read(story, cursor)
    finally:
        try:
            cursor.close()
        except Exception as error:
            story.errors.append(error)
        story.ended = time.monotonic()


def _read(story: Story, cursor: Any) -> None:
    """Reads as the style wants it, and goes on after an error as careless programs do."""
    for _ in range(1000):
        try:
            match story.style:
                case "table":
                    columns = cursor.fetch_arrow_table().to_pydict().values()
                    rows = list(zip(*columns, strict=True))
                case "fetchall":
                    rows = cursor.fetchall()
                case _:
                    rows = cursor.fetchmany(50)
        except Exception as error:
            story.errors.append(error)
            if len(story.errors) == 3:
                return
            continue
        story.rows += rows
        if story.style in ("table", "fetchall") or not rows:
            story.saw_end = True
            return
        if story.style == "abandon":
            return
    raise AssertionError("a result without end")


def _read_batches(story: Story, cursor: Any) -> None:
    try:
        reader = cursor.fetch_record_batch()
        for batch in reader:
            story.rows += zip(*batch.to_pydict().values(), strict=True)
        story.saw_end = True
    except Exception as error:
        story.errors.append(error)
