"""The verdict on a storm: what clients were told, held against what the engine did."""

from __future__ import annotations

import collections
import dataclasses
from typing import Any, Final

import pyarrow as pa

import e6data_adbc
from checks.storm.storm import Report, Story
from checks.storm.weather import (
    BUSY,
    DENIED,
    GONE,
    LATE,
    SUSPENDED,
    UNKNOWN_TOKEN,
    WRONG_COLOUR,
    Event,
    Strike,
)
from e6data_adbc._driver.results.rerun_query import MOST_RERUNS
from e6data_adbc.local import When

__all__ = ["Verdict", "check"]

FETCHES: Final = ("getNextResultBatch", "getNextResultBatchV2")
#: Faults after which a call may be sent again; the others end the query by right.
SAFE: Final[dict[tuple[str, When], frozenset[tuple[str, str]]]] = {
    ("authenticate", When.BEFORE): frozenset({GONE, LATE, BUSY, SUSPENDED}),
    ("prepareStatementV2", When.BEFORE): frozenset(
        {GONE, BUSY, DENIED, UNKNOWN_TOKEN, WRONG_COLOUR, SUSPENDED}
    ),
    ("getDynamicParams", When.BEFORE): frozenset(
        {GONE, LATE, BUSY, DENIED, UNKNOWN_TOKEN, WRONG_COLOUR, SUSPENDED}
    ),
    ("executeStatementV2", When.BEFORE): frozenset(
        {BUSY, DENIED, UNKNOWN_TOKEN, WRONG_COLOUR, SUSPENDED}
    ),
    ("getResultMetadata", When.BEFORE): frozenset({GONE, LATE, BUSY, DENIED, UNKNOWN_TOKEN}),
    **dict.fromkeys(((fetch, When.BEFORE) for fetch in FETCHES), frozenset({DENIED})),
    ("clearOrCancelQuery", When.BEFORE): frozenset({GONE, LATE, BUSY}),
    ("status", When.BEFORE): frozenset({GONE, LATE}),
    ("authenticate", When.AFTER): frozenset({GONE, LATE, ("cut", "the last byte is lost")}),
    ("prepareStatementV2", When.AFTER): frozenset({GONE, ("cut", "the last byte is lost")}),
    ("getDynamicParams", When.AFTER): frozenset({GONE, LATE, ("cut", "the last byte is lost")}),
    ("executeStatementV2", When.AFTER): frozenset({GONE, LATE}),
    ("getResultMetadata", When.AFTER): frozenset({GONE, LATE, ("cut", "the last byte is lost")}),
    ("clearOrCancelQuery", When.AFTER): frozenset({GONE, LATE}),
}
#: How long an endpoint is short of repetitions after a restart under load: ten, and a tenth with each success.
THRIFT_SECONDS: Final = 2.0
#: How long a notice of a colour may be held back, and the colour be looked for again, after it was refused.
NOTICE_SECONDS: Final = 3.0
#: How long after its story a query may be cleared, and how long a colour that is left takes new ones.
CLEAR_SECONDS: Final = 1.0
DRAIN_SECONDS: Final = 0.5
#: Changes of the colour.
COLOURS: Final = ("announce", "switch, draining", "switch, abrupt")
#: Refusals that are answered once a call.
ONCE: Final = (DENIED, UNKNOWN_TOKEN, SUSPENDED)
#: What an error says that a refusal made.
REFUSED: Final = (DENIED[1], UNKNOWN_TOKEN[1], "suspended")


@dataclasses.dataclass
class Verdict:
    """The figures of a storm, and a sentence for everything that must not be."""

    queries: int = 0
    faults: int = 0
    events: int = 0
    right: int = 0
    failed: int = 0
    #: Queries that only safe faults struck, few enough to be recovered, and those that were.
    recoverable: int = 0
    recovered: int = 0
    lost: list[str] = dataclasses.field(default_factory=list)
    extra: list[str] = dataclasses.field(default_factory=list)
    twice: list[str] = dataclasses.field(default_factory=list)
    raw: list[str] = dataclasses.field(default_factory=list)
    unnamed: list[str] = dataclasses.field(default_factory=list)
    unrecovered: list[str] = dataclasses.field(default_factory=list)
    uncleared: list[str] = dataclasses.field(default_factory=list)
    unlimited: list[str] = dataclasses.field(default_factory=list)
    by_error: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)

    @property
    def violations(self) -> list[str]:
        """Everything that must not be, in words."""
        kinds = (
            "lost",
            "extra",
            "twice",
            "raw",
            "unnamed",
            "unrecovered",
            "uncleared",
            "unlimited",
        )
        return [f"{kind}: {text}" for kind in kinds for text in getattr(self, kind)]

    def add(self, other: Verdict) -> None:
        """Adds the figures of another storm."""
        for field in dataclasses.fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            if isinstance(mine, collections.Counter):
                mine.update(theirs)
            else:
                setattr(self, field.name, mine + theirs)


def check(report: Report) -> Verdict:
    """Returns the verdict on a storm."""
    verdict = Verdict(len(report.stories), len(report.strikes), len(report.events))
    about: dict[str, list[Strike]] = collections.defaultdict(list)
    for strike in report.strikes:
        about[strike.about].append(strike)
    for story in report.stories:
        _check_story(verdict, report, story, about)
    verdict.unlimited += [f"{count} calls of {m}" for m, count in report.unlimited.items()]
    known = {record.query_id: record for group in report.records.values() for record in group}
    for record in known.values():
        clears = [strike for strike in about[record.query_id] if "clear" in strike.method]
        if record.query_id in report.left - report.orphans and len(clears) < 3:
            story = next(story for story in report.stories if story.sql == record.sql)
            if _is_out_of_reach(report, story) or (clears and _is_thrifty(report, story)):
                continue
            mine = [*about[record.sql], *about[record.query_id]]
            verdict.uncleared.append(
                f"seed {report.seed}, query {story.number} of {story.protocol} as {record.query_id} "
                f"on {record.strategy}, {record.executes} executes, {record.fetches} fetches: "
                f"{_chronicle(report, story, mine)}; {[_text(error) for error in story.errors]}"
            )
    return verdict


def _check_story(
    verdict: Verdict, report: Report, story: Story, about: dict[str, list[Strike]]
) -> None:
    records = report.records.get(story.sql, [])
    name = f"seed {report.seed}, query {story.number} ({story.style}, {story.protocol})"
    executes = [record.executes for record in records if record.executes]
    # A read whose first answers were lost runs anew as another query; a change never does.
    most = 1 if story.expected is None else 1 + MOST_RERUNS
    if max(executes, default=0) > 1 or len(executes) > most:
        verdict.twice.append(f"{name}: executed {executes} times")
    _check_rows(verdict, report, story, name)
    for error in story.errors:
        _check_error(verdict, story, error, records, name)
    strikes = [*about[story.sql], *(s for r in records for s in about[r.query_id])]
    signs = [s for s in report.strikes if not s.about and story.began <= s.at <= story.ended]
    excuse = _excuse(report, story, strikes, signs)
    if story.errors:
        verdict.failed += 1
    else:
        verdict.right += 1
    if excuse is None and strikes:
        verdict.recoverable += 1
        verdict.recovered += not story.errors
    if excuse is None and story.errors:
        verdict.unrecovered.append(
            f"{name}: {_chronicle(report, story, [*strikes, *signs])}; {_text(story.errors[0])}"
        )


def _check_rows(verdict: Verdict, report: Report, story: Story, name: str) -> None:
    if story.expected is None:
        count = report.written[story.number]
        if count > 1:
            verdict.twice.append(f"{name}: written {count} times")
        if not story.errors and count != 1:
            verdict.lost.append(f"{name}: written {count} times and told that all is well")
        return
    right = [(story.number, n, f"row {n}") for n in range(story.expected)]
    if story.rows != right[: len(story.rows)]:
        verdict.extra.append(f"{name}: {len(story.rows)} rows of which some are not its own")
    elif story.saw_end and len(story.rows) < story.expected:
        verdict.lost.append(f"{name}: {len(story.rows)} of {story.expected} rows, and the end")


def _check_error(
    verdict: Verdict, story: Story, error: BaseException, records: list[Any], name: str
) -> None:
    text = _text(error)
    # A stream that pyarrow reads ends in the exception that pyarrow has for its errno, with our words.
    is_ours = isinstance(error, e6data_adbc.Error) or (
        story.style == "reader"
        and type(error) in {OSError, pa.ArrowInvalid, pa.ArrowNotImplementedError}
        and text.startswith("[e6data] could not")
    )
    if not is_ours or "internal error: " in text:
        verdict.raw.append(f"{name}: {type(error).__name__}: {text}")
        return
    status = getattr(error, "status_code", None)
    verdict.by_error[f"{type(error).__name__} {getattr(status, 'name', '')}".strip()] += 1
    executed = [record.query_id for record in records if record.executes]
    is_first = error is story.errors[0]
    # A read that was to run anew may fail with the query that took the place of the executed one.
    known = [record.query_id for record in records]
    if executed and is_first and not any(query_id in text for query_id in known):
        verdict.unnamed.append(f"{name}: {text}")


def _excuse(report: Report, story: Story, strikes: list[Strike], signs: list[Strike]) -> str | None:
    """Returns why this query may fail, or None if it must not."""
    for event in report.events:
        if event.is_hard and event.began <= story.ended and story.began <= event.ended:
            return event.name
    for strike in strikes:
        if strike.blow not in SAFE.get((strike.method, strike.when), ()):
            return f"{strike.method} {strike.when.value} {strike.blow[0]}"
    methods = collections.Counter(strike.method for strike in strikes)
    renewing = [
        s for s in strikes if s.method == "getDynamicParams" and s.blow in (*ONCE, WRONG_COLOUR)
    ]
    lost = [s for s in strikes if s.method == "executeStatementV2" and s.when is When.AFTER]
    if lost and story.expected == 0:
        return "only a row proves that a query began, and it has none"
    # After one of these the statement is prepared anew, once.
    if methods["executeStatementV2"] + len(renewing) > 1 or methods["prepareStatementV2"] > 2:
        return "many faults of one call"
    if any(count > 3 for count in methods.values()) or len(signs) > 2:
        return "many faults of one call"
    # What follows excuses an error only if that says what the excuse does.
    said = _text(story.errors[0]) if story.errors else ""
    if "nobody knows whether it runs or ran" in said:
        # A read, too: only a row proves that it began, and it is run anew where an option says so.
        return _lost_execute(report, story, strikes)
    if "not sent again: too many" in said:
        return "the endpoint's repetitions are used up"
    if "nobody knows what it did" in said and _is_thrifty(report, story):
        # What took the outcome of a change is told, not why it was not asked for again.
        return "the endpoint's repetitions are used up"
    if "is bound to is gone" in said:
        return _left_behind(report, story)
    if any(text in said for text in REFUSED):
        return _lost_session(report, story, strikes, signs)
    if "no deployment answers" in said:
        return _no_colour(report, story)
    return None


def _lost_execute(report: Report, story: Story, strikes: list[Strike]) -> str | None:
    """Returns what took the answer of an execute: a fault of its own, or a server that went away."""
    if any(strike.method == "executeStatementV2" for strike in strikes):
        return "the answer of its execute was lost"
    since = _calm_since(report, story)
    ended = [e for e in report.events if "restart" in e.name and since <= e.ended <= story.ended]
    return "the server restarted around its execute" if ended else None


def _lost_session(
    report: Report, story: Story, strikes: list[Strike], signs: list[Strike]
) -> str | None:
    """Returns why a query may be refused for good: it was so more often than a call signs in anew."""
    refusals = collections.Counter(s.method for s in [*strikes, *signs] if s.blow in ONCE)
    if any(count > 1 for count in refusals.values()):
        return "one call refused twice"
    if refusals.total() - refusals["authenticate"] > 1:
        return "refused in its session, and in the one after it"
    if any(s.blow == SUSPENDED for s in signs) and refusals:
        return "a suspended cluster has no query for which to sign in anew"
    # A connection finds out with its next call that its session has ended meanwhile.
    since = _calm_since(report, story)
    ends = [e for e in report.events if _ends_sessions(e) and since <= e.ended <= story.ended]
    if ends and refusals:
        return "the session ended, and was refused besides"
    if len(ends) > 1:
        return "the session ended twice"
    around = [e for e in report.events if e.began <= story.ended and story.began <= e.ended]
    # Where a query is, no new session can be had any more.
    if any("switch" in e.name for e in around) and refusals.total() > refusals["authenticate"]:
        return "a session of a colour that is gone"
    return None


def _left_behind(report: Report, story: Story) -> str | None:
    """Returns why the colour of a query may be gone: it was left, and the query took longer than it drains."""
    since = story.began - DRAIN_SECONDS
    left = [e for e in report.events if "switch" in e.name and since <= e.ended <= story.ended]
    return "its colour was left, and drained for less than it took" if left else None


def _no_colour(report: Report, story: Story) -> str | None:
    """Returns why no colour may have answered: false refusals and changes, more than a call tries."""
    since = min(_calm_since(report, story), story.began - NOTICE_SECONDS)
    colours = [s for s in report.strikes if s.blow == WRONG_COLOUR and _during(s, story)]
    changes = [e for e in report.events if e.name in COLOURS and since <= e.ended <= story.ended]
    return "more colours at a time than a query tries" if len(colours) + len(changes) > 1 else None


def _calm_since(report: Report, story: Story) -> float:
    """Returns when the connection of *story* had a session for sure."""
    return max((s.ended for s in report.stories if _is_calm(s, story)), default=0.0)


def _is_thrifty(report: Report, story: Story) -> bool:
    """Whether a restart, just before the query or during it, has used up the endpoint's repetitions."""
    return any(
        e.name == "restart" and e.began <= story.ended and story.began - e.ended < THRIFT_SECONDS
        for e in report.events
    )


def _is_calm(earlier: Story, story: Story) -> bool:
    """Whether *earlier* proves that the connection of *story* had a session then."""
    return earlier.connection == story.connection and (
        not earlier.errors and earlier.ended < story.began
    )


def _ends_sessions(event: Event) -> bool:
    return event.name != "announce" and event.name != "switch, draining"


def _is_out_of_reach(report: Report, story: Story) -> bool:
    """Whether the query's colour was left and its session was ended, so that nobody may speak of it any more.

    It is cleared a moment after its story ends, and may have been prepared on a colour that was being left.
    """
    late = [e for e in report.events if e.began <= story.ended + CLEAR_SECONDS]
    ended = any(e.name.startswith("sessions end") and story.began <= e.ended for e in late)
    left = any("switch" in e.name and story.began - DRAIN_SECONDS <= e.ended for e in late)
    return ended and left


def _chronicle(report: Report, story: Story, strikes: list[Strike]) -> str:
    """Returns what happened to a query and around it, in order, with milliseconds since its begin."""
    news = [(s.at, f"{s.method} {s.when.value} {s.blow[0]} {s.blow[1]!r}") for s in strikes]
    news += [(e.began, e.name) for e in report.events if story.began - 2 < e.began < story.ended]
    told = [f"{(at - story.began) * 1000:.0f} {text}" for at, text in sorted(news)]
    told.append(f"{(story.ended - story.began) * 1000:.0f} error")
    return ", ".join(told)


def _during(strike: Strike, story: Story) -> bool:
    return story.began <= strike.at <= story.ended


def _text(error: BaseException) -> str:
    return " ".join(str(error).split())[:300]
