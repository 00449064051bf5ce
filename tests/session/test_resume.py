"""How a suspended cluster comes back, on a clock that the test holds."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Generator, Iterable

import pytest

from e6data_adbc._session.resume.script import (
    Activate,
    CallResume,
    CallStatus,
    Command,
    Done,
    Failed,
    Reply,
    Sleep,
    TryAgain,
    Why,
    recovery,
    resumption,
)
from e6data_adbc._session.retry.failure import Failure

Talk = Generator[Command, Reply, None]


@dataclasses.dataclass
class Hang:
    """An answer that never comes."""


@dataclasses.dataclass
class Played:
    """What was asked for and how it ended."""

    commands: list[Command]
    seconds: float

    @property
    def end(self) -> Command:
        return self.commands[-1]

    @property
    def names(self) -> list[str]:
        return [type(command).__name__ for command in self.commands]

    @property
    def resumes(self) -> int:
        return self.names.count("CallResume")


def play(
    states: Iterable[str | Failure | Hang],
    *,
    resumes: Iterable[Failure | Hang | None] = (),
    limit: float = 300.0,
    resumed_at: float | None = None,
    seed: int = 1,
) -> Played:
    """Plays a resumption from time 0 against *states*, the last of which stays; each call takes 10 ms."""
    answers, resume_answers = list(states), list(resumes)
    now = 0.0
    talk = resumption(limit=limit, rng=random.Random(seed), now=now, resumed_at=resumed_at)
    commands: list[Command] = []
    command = next(talk)
    while True:
        commands.append(command)
        answer: str | Failure | Hang | None = None
        match command:
            case Done() | Failed():
                return Played(commands, now)
            case Sleep(seconds):
                now += seconds
                command = talk.send(Reply(now))
                continue
            case CallStatus(timeout):
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
            case CallResume(timeout):
                answer = resume_answers.pop(0) if resume_answers else None
            case _:
                raise AssertionError(command)
        assert timeout > 0
        if isinstance(answer, Hang):
            now += timeout
            reply = Reply(now, failure=Failure.DEADLINE)
        else:
            now += 0.01
            reply = (
                Reply(now, failure=answer)
                if isinstance(answer, Failure)
                else Reply(now, state=answer)
            )
        command = talk.send(reply)


def test_a_suspended_cluster_is_resumed_once() -> None:
    """Status first, one resume, then only status until it is active."""
    played = play(["suspended", "suspended", "resuming", "resuming", "active"])

    assert played.names[:3] == ["CallStatus", "CallResume", "CallStatus"]
    assert played.resumes == 1
    assert played.end == Done()


def test_an_active_cluster_is_left_alone() -> None:
    """Status decides, not the 503."""
    assert play(["active"]).names == ["CallStatus", "Done"]
    assert play(["ACTIVE "]).end == Done()


def test_a_cluster_that_resumes_already_is_waited_for() -> None:
    """Somebody else's resume is as good as ours."""
    assert play(["resuming", "active"]).resumes == 0


def test_a_failed_cluster_ends_it() -> None:
    """`failed` is said at once, before a resume or after it."""
    assert play(["failed"]).end == Failed(Why.CLUSTER_FAILED, "failed")
    assert play(["suspended", "resuming", "failed"]).end == Failed(Why.CLUSTER_FAILED, "failed")


def test_an_unknown_status_ends_it_with_its_text() -> None:
    """What we do not know is shown, not guessed at."""
    assert play(["Hibernating"]).end == Failed(Why.UNKNOWN_STATE, "Hibernating")
    assert play([""]).end == Failed(Why.UNKNOWN_STATE, "")


@pytest.mark.parametrize("failure", [Failure.FORBIDDEN, Failure.UNAUTHENTICATED, Failure.ANSWERED])
def test_a_refused_call_ends_it(failure: Failure) -> None:
    """Who may not ask for the status, or may not resume, waits for nothing."""
    assert play([failure]).end == Failed(Why.REFUSED, failure.value)
    assert play(["suspended"], resumes=[failure]).end == Failed(Why.REFUSED, failure.value)


@pytest.mark.parametrize("limit", [0.3, 5.0, 15.0, 300.0])
@pytest.mark.parametrize(
    "states",
    [
        [Hang()],
        ["suspended", Hang()],
        ["resuming"],
        ["suspended"],
        [Failure.UNAVAILABLE],
        ["suspended", "resuming", "suspended", "resuming", "suspended"],
    ],
    ids=["hangs", "hangs later", "never ready", "stays suspended", "unreachable", "flaps"],
)
def test_the_limit_is_kept(states: list[str | Failure | Hang], limit: float) -> None:
    """Whatever hangs, flaps or never comes, it is over at the limit, give or take one answer."""
    for seed in range(5):
        played = play(states, limit=limit, seed=seed)

        assert isinstance(played.end, Failed)
        assert played.end.why is Why.LIMIT
        assert limit <= played.seconds <= limit + 0.1


def test_the_last_status_is_named() -> None:
    """The error tells how far it came."""
    end = play(["suspended", "resuming"], limit=5.0).end

    assert str(end) == "it was not active in time; last seen: 'resuming'"


@pytest.mark.parametrize("doubt", [Failure.UNAVAILABLE, Failure.LOST, Hang()])
def test_a_resume_that_may_have_worked_is_not_sent_again(doubt: Failure | Hang) -> None:
    """Its status is read instead; only a minute later, still suspended, another one goes out."""
    soon = play(["suspended"], resumes=[doubt], limit=55.0)
    assert soon.names[:3] == ["CallStatus", "CallResume", "CallStatus"]
    assert soon.resumes == 1

    later = play(["suspended"], resumes=[doubt], limit=100.0)
    assert later.resumes == 2


def test_a_resume_that_was_taken_is_never_sent_again() -> None:
    """As long as the status stays `suspended`, the suspension is the same one."""
    assert play(["suspended"], limit=300.0).resumes == 1


def test_a_resume_that_never_left_is_sent_again() -> None:
    """Unsent is no doubt."""
    played = play(["suspended", "suspended", "active"], resumes=[Failure.UNSENT, None])

    assert played.names == [
        *("CallStatus", "CallResume", "Sleep", "CallStatus", "CallResume", "CallStatus", "Done")
    ]


def test_a_resume_of_another_caller_counts() -> None:
    """Within a minute of the process's last resume none is sent."""
    assert play(["suspended", "active"], resumed_at=-30.0).resumes == 0
    assert play(["suspended", "active"], resumed_at=-61.0).resumes == 1


def test_a_flapping_cluster_is_resumed_once_a_minute_at_most() -> None:
    """Each resume costs money."""
    flapping = ["suspended", "resuming"] * 200
    assert play(flapping, limit=50.0).resumes == 1
    assert play(flapping, limit=300.0).resumes <= 5


def test_polls_slow_down() -> None:
    """From half a second to five, each give or take a fifth."""
    played = play(["resuming"], limit=60.0)
    sleeps = [command.seconds for command in played.commands if isinstance(command, Sleep)]

    for seconds, base in zip(sleeps, [0.5, 1, 2, 4, 5, 5, 5], strict=False):
        assert 0.8 * base <= seconds <= 1.2 * base
    assert len({round(seconds, 6) for seconds in sleeps}) == len(sleeps)


def test_a_status_call_has_five_seconds_or_what_is_left() -> None:
    """So one that hangs cannot stretch the limit."""
    played = play([Hang()], limit=7.0)
    timeouts = [command.timeout for command in played.commands if isinstance(command, CallStatus)]

    assert timeouts[0] == 5.0
    assert timeouts[1] < 2.0


def converse(answers: list[Done | Failed], refusals: int, *, limit: float = 30.0) -> Played:
    """Plays a recovery whose call meets the suspension *refusals* times more."""
    now = 0.0
    talk = recovery(limit=limit, rng=random.Random(1), now=now)
    commands: list[Command] = []
    command = next(talk)
    while True:
        commands.append(command)
        match command:
            case Activate(seconds):
                assert seconds <= limit
                now += 0.01
                reply = Reply(now, ended=answers.pop(0) if len(answers) > 1 else answers[0])
            case TryAgain():
                if refusals == 0:
                    talk.close()
                    return Played(commands, now)
                refusals -= 1
                now += 0.01
                reply = Reply(now, text="status: 503, cluster is suspended")
            case Sleep(seconds):
                now += seconds
                reply = Reply(now)
            case Failed():
                return Played(commands, now)
            case _:
                raise AssertionError(command)
        command = talk.send(reply)


def test_the_call_is_repeated_once_the_cluster_is_active() -> None:
    """A recovered caller goes on with his call."""
    assert converse([Done()], 0).names == ["Activate", "TryAgain"]


def test_an_active_cluster_that_still_refuses_is_tried_until_the_limit() -> None:
    """Routing may lag behind the status; when it never follows, the error says so."""
    assert converse([Done()], 3).names[-1] == "TryAgain"

    played = converse([Done()], 10**6, limit=15.0)
    assert played.end == Failed(Why.STILL_REFUSED, "status: 503, cluster is suspended")
    assert 15.0 <= played.seconds <= 16.0


def test_a_cluster_that_does_not_come_back_ends_the_recovery() -> None:
    """The reason is the resumption's."""
    failed = Failed(Why.CLUSTER_FAILED, "failed")
    assert converse([failed], 0).end == failed


def test_the_limit_between_two_refusals_is_told_as_what_it_is() -> None:
    """An active cluster that refuses does not become one that was not active because the time ran out."""
    late = Failed(Why.LIMIT, "nothing yet")
    played = converse([Done(), late], 5)
    assert played.end == Failed(Why.STILL_REFUSED, "status: 503, cluster is suspended")

    asleep = Failed(Why.LIMIT, "suspended")
    assert converse([Done(), asleep], 5).end == asleep
