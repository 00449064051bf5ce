"""Fuzzes `e6data_adbc.polars.scan`: random plans over it give what Polars gives for the same rows in memory.

`python -m checks.fuzz_scan [count] [--seed N]` makes so many plans, half of them for Polars' streaming engine, prints
each that differs, and how many reached the server with a WHERE. A plan that fails on the scan has to fail in memory.
What `explain` says has to be what is sent.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime as dt
import decimal
import logging
import math
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

import e6data_adbc
import e6data_adbc.polars
from e6data_adbc.local import LocalEngine

D = decimal.Decimal
UTC = dt.timezone.utc
ROWS = 160
I32, I64 = 2**31, 2**63

INTS = [0, 1, -1, 2, 3, 7, 100, -100, 255]
FLOATS = [
    *(0.0, -0.0, 1.0, -1.0, 0.1, 0.5, 1.5, 2.5, 100.25, 1e-300, 5e-324, 1e300, 3.4e38, 2.0**53),
    *(2.0**53 + 2, -(2.0**63), math.inf, -math.inf, math.nan, 0.10000000149011612),
]
TEXTS = [
    *("", " ", "a", "A", "a ", " a", "b", "ab", "abc", "Abc", "é", "e\u0301", "ß", "ss", "ﬀ", "ff"),
    *(
        "😀",
        "a😀b",
        "\ue000",
        "\uffff",
        "'",
        "''",
        '"',
        "\\",
        "\\'",
        "a\\nb",
        "%",
        "_",
        "a%b",
        "--",
        "/*",
    ),
    *(
        "?",
        ":a",
        "$1",
        "\n",
        "\t",
        "\r\n",
        "NULL",
        "null",
        "true",
        "1",
        "1.0",
        "2020-01-01",
        "a.b",
        "[a]",
    ),
    *(
        "\u200b",
        "İ",
        "i",
        "\u0131",
        "ab\u0300",
        "zebra",
        "Zebra",
        "x" * 300,
        "a\u0000b"[:1],
        "日本",
        "ｱ",
        "ア",
    ),
]
BYTES = [b"", b"\x00", b"a", b"a\x00", b"\xff\xfe", b"abc", b"ABC", "é".encode()]
DATES = [
    *(dt.date(1, 1, 1), dt.date(1582, 10, 15), dt.date(1969, 12, 31), dt.date(1970, 1, 1)),
    *(dt.date(2020, 2, 29), dt.date(2020, 12, 31), dt.date(2021, 1, 1), dt.date(9999, 12, 31)),
]
TIMES = [
    *(dt.datetime(1, 1, 1), dt.datetime(1969, 12, 31, 23, 59, 59, 999999), dt.datetime(1970, 1, 1)),
    *(
        dt.datetime(2020, 2, 29),
        dt.datetime(2020, 2, 29, 0, 0, 0, 1),
        dt.datetime(2020, 3, 29, 2, 30),
    ),
    *(dt.datetime(2020, 12, 31, 23, 59, 59, 999999), dt.datetime(2021, 1, 1)),
    dt.datetime(9999, 12, 31, 23, 59, 59, 999999),
]
SPANS = [dt.timedelta(0), dt.timedelta(1), dt.timedelta(-1), dt.timedelta(microseconds=1)]
SMALL = [D(text) for text in ("0", "0.01", "-0.01", "1", "1.25", "1.5", "-1.5", "99999999.99")]
LARGE = [D(0), D(1), D(-1), D("9" * 38), D("-" + "9" * 38), D(10) ** 20]
FINE = [D(text) for text in ("0", "1", "0.1", "-0.0000000001", "1.2500000000", "123456.7890123456")]

#: Columns: their Arrow types on the server, and what they hold besides nulls.
COLUMNS: dict[str, tuple[Any, list[Any]]] = {
    "i": (pa.int32(), [*INTS, I32 - 1, -I32]),
    "j": (pa.int32(), [*INTS, I32 - 1, -I32]),
    "l": (pa.int64(), [*INTS, I32, I64 - 1, -I64, 2**53, 2**53 + 1]),
    "k": (pa.int64(), [*INTS, I32, I64 - 1, -I64]),
    "f": (pa.float64(), FLOATS),
    "g": (
        pa.float32(),
        [value for value in FLOATS if abs(value) < 1e39 or not math.isfinite(value)],
    ),
    "h": (pa.float64(), FLOATS),
    "s": (pa.string(), TEXTS),
    "r": (pa.string(), TEXTS),
    "y": (pa.binary(), BYTES),
    "b": (pa.bool_(), [True, False]),
    "c": (pa.bool_(), [True, False]),
    "d": (pa.date32(), DATES),
    "e": (pa.date32(), DATES),
    "t": (pa.timestamp("us"), TIMES),
    "z": (pa.timestamp("us", "UTC"), [value.replace(tzinfo=UTC) for value in TIMES]),
    "w": (pa.timestamp("ns"), [value for value in TIMES if 1700 < value.year < 2200]),
    "m": (pa.decimal128(10, 2), SMALL),
    "n": (pa.decimal128(38, 0), LARGE),
    "o": (pa.decimal128(30, 10), FINE),
    "u": (pa.duration("us"), SPANS),
}
GROUPS = {
    "whole": "ijlk",
    "float": "fgh",
    "text": "sr",
    "bool": "bc",
    "date": "de",
    "decimal": "mno",
}
OPS: list[Callable[[Any, Any], pl.Expr]] = [
    *(lambda a, b: a == b, lambda a, b: a != b, lambda a, b: a < b, lambda a, b: a <= b),
    *(lambda a, b: a > b, lambda a, b: a >= b),
    *(lambda a, b: a.eq_missing(b), lambda a, b: a.ne_missing(b)),
]
CLOSED: list[Any] = ["both", "left", "right", "none"]


def table(seed: int) -> pa.Table:
    """Returns the rows: each column its values in an order of its own, with nulls among them."""
    rng = random.Random(seed)
    columns = {
        name: pa.array([rng.choice([None, *values]) for _ in range(ROWS)], kind)
        for name, (kind, values) in COLUMNS.items()
    }
    # What stands below the microseconds stays on the server.
    below = pa.array([rng.choice([0, 1, 999]) for _ in range(ROWS)], pa.int64())
    moments = pc.add(columns["w"].cast(pa.int64()), below)
    columns["w"] = moments.cast(pa.timestamp("ns"))
    return pa.table({"id": pa.array(range(ROWS), pa.int64()), **columns})


class Maker:
    """Makes plans at random."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng

    def predicate(self, depth: int) -> pl.Expr:
        """Returns a condition that is a tree of at most *depth* levels over its leaves."""
        rng = self.rng
        if depth == 0 or rng.random() < 0.25:
            return self.leaf()
        kind = rng.randrange(13)
        if kind == 12:
            first = rng.choice([None, False, True, self.predicate(0)])
            when = pl.when(self.predicate(depth - 1)).then(first)
            return when.otherwise(self.predicate(depth - 1))
        if kind < 4:
            return self.predicate(depth - 1) & self.predicate(depth - 1)
        if kind < 7:
            return self.predicate(depth - 1) | self.predicate(depth - 1)
        if kind < 9:
            return ~self.predicate(depth - 1)
        if kind == 9:
            return self.predicate(depth - 1) ^ self.predicate(depth - 1)
        both = [self.predicate(depth - 1), self.predicate(depth - 1)]
        return rng.choice([pl.all_horizontal, pl.any_horizontal])(both)

    def leaf(self) -> pl.Expr:
        """Returns a condition on one column, or on two."""
        rng = self.rng
        name = rng.choice(list(COLUMNS))
        column, values = pl.col(name), COLUMNS[name][1]
        kind = rng.randrange(20)
        if kind < 8:
            constant = rng.choice(values)
            if rng.random() < 0.15:
                constant = rng.choice(self.near(name))
            op = rng.choice(OPS)
            return op(column, constant) if rng.random() < 0.85 else op(pl.lit(constant), column)
        if kind < 10:
            chosen = [rng.choice(values) for _ in range(rng.randrange(5))]
            if rng.random() < 0.25:
                chosen.append(None)
            return column.is_in(chosen, nulls_equal=rng.random() < 0.3)
        if kind < 12:
            low, high = rng.choice(values), rng.choice(values)
            return column.is_between(low, high, closed=rng.choice(CLOSED))
        if kind == 12:
            return rng.choice([column.is_null(), column.is_not_null()])
        if kind == 13:
            other = pl.col(rng.choice(next((g for g in GROUPS.values() if name in g), name)))
            return rng.choice(OPS)(column, other)
        return rng.choice(self.special(name))(column)

    def near(self, name: str) -> list[Any]:
        """Returns constants of other types than the column's."""
        if name in "ijlk":
            return [
                0.5,
                1.5,
                -0.5,
                1e30,
                2.0**60,
                I32,
                -I32 - 1,
                D("1.5"),
                pl.lit(3, pl.Int8),
                I64 - 1,
            ]
        if name in "fgh":
            return [0, 1, -1, 2**60, pl.lit(0.1, pl.Float32), pl.lit(0.1, pl.Float64), pl.lit(None)]
        if name in "mno":
            return [
                0,
                1,
                1.25,
                1.255,
                D("1.255"),
                D("0.005"),
                1e30,
                math.nan,
                math.inf,
                I64 - 1,
                -1.5,
            ]
        if name in "de":
            return [*TIMES, None]
        if name in "tw":
            return [*DATES, pl.lit(dt.datetime(2020, 2, 29), pl.Datetime("ns"))]
        if name == "z":
            return [dt.datetime(2020, 2, 29, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=30)))]
        return [None]

    def special(self, name: str) -> list[Callable[[pl.Expr], pl.Expr]]:
        """Returns functions of a column and casts that conditions are made of."""
        rng = self.rng
        if name in "ijlk":
            number = rng.choice([-1, 0, 1, 2, 3, I32 - 1])
            return [
                lambda c: c + number > 0,
                lambda c: c * 2 < number,
                lambda c: c // 2 == number,
                lambda c: c % 3 == number,
                lambda c: -c > number,
                lambda c: c.abs() > number,
                lambda c: c / 2 > number,
                lambda c: c.cast(pl.Int32, strict=False) > number,
                lambda c: c.cast(pl.Int64) == number,
                lambda c: c.cast(pl.Int16, strict=False).is_null(),
                lambda c: c.cast(pl.Int8) == 1,
                lambda c: c.cast(pl.Float64) >= 0.5,
                lambda c: c.cast(pl.String) == "1",
                lambda c: c.is_in([0.5, 1.0]),
                lambda c: (c > 1).fill_null(value=True),
                lambda c: c.fill_null(0) == 0,
            ]
        if name in "fgh":
            return [
                lambda c: c.is_nan(),
                lambda c: c.is_not_nan(),
                lambda c: c.is_finite(),
                lambda c: c.is_infinite(),
                lambda c: c + 1 > 1,
                lambda c: c.cast(pl.Int64, strict=False) == 1,
                lambda c: c.round(1) == 0.1,
                lambda c: c.is_in([0.0, 1.0, math.nan]),
                lambda c: c.is_close(1.0),
                lambda c: c.fill_nan(0.0) == 0.0,
            ]
        if name in "sr":
            text = rng.choice(TEXTS)
            return [
                lambda c: c.str.starts_with(text),
                lambda c: c.str.ends_with(text),
                lambda c: c.str.contains(text, literal=True),
                lambda c: c.str.contains("a.?b"),
                lambda c: c.str.contains("ab"),
                lambda c: c.str.len_chars() > 2,
                lambda c: c.str.len_bytes() == 2,
                lambda c: c.str.to_lowercase() == "abc",
                lambda c: c.str.strip_chars() == "a",
                lambda c: c.cast(pl.Int64, strict=False) == 1,
                lambda c: c + "b" == "ab",
                lambda c: c.str.slice(0, 1) == "a",
            ]
        if name in "bc":
            return [lambda c: c, lambda c: ~c, lambda c: c.fill_null(value=False)]
        if name in "de":
            day, year = rng.choice(DATES), rng.choice([1, 1969, 2020, 2021, 9999, 12345])
            return [
                lambda c: c.dt.year() == year,
                lambda c: c.dt.year() > year,
                lambda c: c.dt.month() == 12,
                lambda c: c.cast(pl.Datetime("us")) >= day,
                lambda c: c.dt.offset_by("1d") > day,
            ]
        if name in "tzw":
            day, year = rng.choice(DATES), rng.choice([1, 1969, 2020, 2021, 9999])
            return [
                lambda c: c.dt.date() == day,
                lambda c: c.dt.date() <= day,
                lambda c: c.dt.date() != day,
                lambda c: c.dt.year() < year,
                lambda c: c.dt.year() != year,
                lambda c: c.dt.truncate("1d") == dt.datetime(2020, 2, 29),
                lambda c: c.dt.hour() == 23,
            ]
        if name == "n":  # more than 38 digits are an error, if Polars comes to evaluate them
            return [lambda c: c.cast(pl.Float64) > 1.25]
        if name in "mo":
            return [lambda c: c + 1 > 1, lambda c: c.cast(pl.Float64) > 1.25, lambda c: c * 2 == 3]
        if name == "u":
            return [lambda c: c > dt.timedelta(0), lambda c: c.dt.total_days() == 1]
        return [lambda c: c.is_null(), lambda c: c.bin.starts_with(b"a")]

    def plan(self) -> Callable[[pl.LazyFrame], pl.LazyFrame]:
        """Returns what makes a plan of a frame: a filter, with limits and columns around it."""
        rng = self.rng
        first, second = self.predicate(rng.randrange(4)), self.predicate(rng.randrange(2))
        names = rng.sample(["id", *COLUMNS], rng.randrange(1, 4))
        count = rng.choice([0, 1, 3, 20, 100, 1000])
        return rng.choice(
            [
                lambda frame: frame.filter(first),
                lambda frame: frame.filter(first),
                lambda frame: frame.filter(first).select(names),
                lambda frame: frame.filter(first, second),
                lambda frame: frame.head(count).filter(first),
                lambda frame: frame.filter(first).head(count),
                lambda frame: frame.head(count).filter(first).select(names).head(2),
                lambda frame: frame.filter(first).head(count).filter(second),
                lambda frame: pl.concat([frame.filter(first), frame.filter(second).head(count)]),
                lambda frame: frame.select(names, pl.col("b").alias("q")).filter("q").head(count),
                lambda frame: frame.filter(first).tail(3),
                lambda frame: frame.slice(5, count).filter(first),
                lambda frame: frame.select(names).head(count),
                lambda frame: frame.filter(first).select(pl.len()),
                lambda frame: frame.filter(first).with_columns(pl.col("i").alias("x")).drop("s"),
                lambda frame: frame.filter(first).join(frame.filter(second), on="id").sort("id"),
                lambda frame: frame.filter(first).group_by("b").len().sort("b"),
                lambda frame: frame.with_row_index().filter(first),
            ]
        )


@dataclasses.dataclass
class Count:
    """What a run came to."""

    plans: int = 0
    filtered: int = 0
    with_where: int = 0
    failed_alike: int = 0
    wrong: list[str] = dataclasses.field(default_factory=list)


class _Sent(logging.Handler):
    """Collects the statements that scans log."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if str(record.msg).startswith("sends %s"):
            self.texts.append(record.args[0])  # type: ignore[index, arg-type]
        elif record.levelno >= logging.WARNING:
            self.texts.append(f"refused: {record.getMessage()}")


def outcome(frame: pl.LazyFrame, engine: Any) -> pl.DataFrame | str:
    """Returns what *frame* gives, or the kind of error that it fails with."""
    try:
        return frame.collect(engine=engine)
    except Exception as error:
        return type(error).__name__


def same(one: pl.DataFrame | str, other: pl.DataFrame | str) -> bool:
    """Tells whether two outcomes are the same rows."""
    if isinstance(one, str) or isinstance(other, str):
        return False
    return one.schema == other.schema and one.equals(other)


def run(memory: pl.DataFrame, scan: pl.LazyFrame, seeds: Sequence[int]) -> Count:
    """Makes a plan of each seed and compares."""
    count = Count()
    sent = _Sent()
    log = logging.getLogger("e6data_adbc.scan")
    level = log.level
    log.addHandler(sent)
    log.setLevel(logging.INFO)
    try:
        for seed in seeds:
            _one(seed, memory, scan, sent, count)
    finally:
        log.removeHandler(sent)
        log.setLevel(level)
    return count


def _one(seed: int, memory: pl.DataFrame, scan: pl.LazyFrame, sent: _Sent, count: Count) -> None:
    rng = random.Random(seed)
    try:
        plan = Maker(rng).plan()
    except Exception:  # Polars has no such expression
        return
    engine = "streaming" if seed % 2 else "in-memory"
    expected = outcome(plan(memory.lazy()), engine)
    sent.texts.clear()
    try:
        lazy = plan(scan)
        told = e6data_adbc.polars.explain(lazy)
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
    if sent.texts:
        count.wrong.append(f"seed {seed}: explain sent {sent.texts}")
    found = outcome(plan(scan), engine)
    count.plans += 1
    text = "\n".join(sent.texts)
    if any(part in told for part in (" WHERE ", "Polars filters")):
        count.filtered += 1
        count.with_where += " WHERE " in text
    is_refused = any(one.startswith("refused") for one in sent.texts)
    if is_refused and "higher precision" not in text:  # DuckDB has no nanoseconds of the year 1
        count.wrong.append(f"seed {seed}: {text}")
    if isinstance(expected, str):
        # The server may have left out the row that makes it fail.
        count.failed_alike += isinstance(found, str)
        return
    if not same(expected, found):
        count.wrong.append(
            f"seed {seed} ({engine}): {plan(scan).explain()}\nsent {text}\nexpected {expected}\nfound {found}"
        )
    missing = [one for one in sent.texts if _words(one) not in map(_words, told.split("\n\n"))]
    is_told = not isinstance(found, str) and not is_refused and "does not show" not in told
    if missing and is_told:
        count.wrong.append(f"seed {seed}: explain says\n{told}\nand sent was\n{text}")


def _words(text: str) -> list[str]:
    """Returns the words of a statement, or of what `explain` tells of it, in no order: Polars may turn it round."""
    statement = text.partition(": ")[2] if text.startswith("e6data is sent: ") else text
    return sorted(statement.partition("\n")[0].replace("(", " ").replace(")", " ").split())


def engine_of(**settings: Any) -> LocalEngine:
    """Returns an engine for the rows."""
    return LocalEngine(nanoseconds="floor", **settings)


def frames(engine: LocalEngine, seed: int, connection: Any) -> tuple[pl.DataFrame, pl.LazyFrame]:
    """Returns the rows in memory as they arrive, and the scan of them."""
    engine.register("fuzzed", table(seed))
    memory = e6data_adbc.polars.read("select * from fuzzed order by id", connection=connection)
    return memory, e6data_adbc.polars.scan("fuzzed", connection=connection)


def chunks(start: int, count: int, size: int = 500) -> Iterator[range]:
    """Gives ranges of seeds."""
    for first in range(start, start + count, size):
        yield range(first, min(first + size, start + count))


def main() -> int:
    """Fuzzes; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", nargs="?", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    total = Count()
    started = time.monotonic()
    for seeds in chunks(given.seed, given.count):
        with engine_of() as engine, e6data_adbc.connect(engine.uri_for("scratch")) as connection:
            memory, scan = frames(engine, seeds[0], connection)
            count = run(memory, scan, seeds)
        total.plans += count.plans
        total.filtered += count.filtered
        total.with_where += count.with_where
        total.failed_alike += count.failed_alike
        total.wrong += count.wrong
        print(*count.wrong, sep="\n", end="\n" if count.wrong else "", flush=True)
        share = 100 * total.with_where / max(total.filtered, 1)
        print(
            f"{total.plans} plans, {len(total.wrong)} wrong, {total.failed_alike} failed in both; {share:.0f} % of "
            f"{total.filtered} with filters reached the server with a WHERE; {time.monotonic() - started:.0f} s",
            flush=True,
        )
    return 1 if total.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
