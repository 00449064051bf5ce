"""What follows each failure of each method, and how the pauses and the budget behave."""

from __future__ import annotations

import random

import pytest

from e6data_adbc._session.retry import retry_table
from e6data_adbc._session.retry.decide import (
    BUDGET_TOKENS,
    GiveUp,
    OtherColour,
    Outcome,
    PrepareAgain,
    ReadStatus,
    Reason,
    Refresh,
    Repeats,
    Resume,
    RetryAfter,
    RetryBudget,
    Succeed,
    decide,
    pause,
)
from e6data_adbc._session.retry.failure import Failure, classify, classify_http
from e6data_adbc._session.retry.retry_table import NOT_USED, ROWS, row

F = Failure
NEVER = GiveUp(Reason.NOT_REPEATABLE)

#: Method → failure → what follows; whatever is not listed is final.
EXPECTED: dict[str, dict[Failure, type]] = {
    "authenticate": {
        **dict.fromkeys((F.UNSENT, F.UNAVAILABLE, F.DEADLINE, F.LOST, F.EXHAUSTED), RetryAfter),
        F.WRONG_COLOUR: OtherColour,
        F.SUSPENDED: Resume,
    },
    "prepareStatementV2": {
        **dict.fromkeys((F.UNSENT, F.UNAVAILABLE, F.LOST, F.EXHAUSTED), RetryAfter),
        **dict.fromkeys((F.EDGE_REFUSED, F.UNAUTHENTICATED, F.ACCESS_DENIED), Refresh),
        F.WRONG_COLOUR: OtherColour,
        F.SUSPENDED: Resume,
    },
    "executeStatementV2": {
        F.UNSENT: RetryAfter,
        **dict.fromkeys(
            (F.WRONG_COLOUR, F.SUSPENDED, F.EDGE_REFUSED, F.ACCESS_DENIED), PrepareAgain
        ),
        **dict.fromkeys(
            (F.UNAVAILABLE, F.DEADLINE, F.LOST, F.UNKNOWN, F.EXHAUSTED, F.UNAUTHENTICATED),
            ReadStatus,
        ),
    },
    "executeStatementV2 of a read": {
        F.UNSENT: RetryAfter,
        **dict.fromkeys(
            (F.WRONG_COLOUR, F.SUSPENDED, F.EDGE_REFUSED, F.ACCESS_DENIED), PrepareAgain
        ),
        **dict.fromkeys((F.EXHAUSTED, F.UNAUTHENTICATED), PrepareAgain),
        **dict.fromkeys((F.UNAVAILABLE, F.DEADLINE, F.LOST, F.UNKNOWN), ReadStatus),
    },
    "getResultMetadata": {
        **dict.fromkeys((F.UNSENT, F.UNAVAILABLE, F.DEADLINE, F.LOST, F.EXHAUSTED), RetryAfter),
        **dict.fromkeys((F.EDGE_REFUSED, F.UNAUTHENTICATED, F.ACCESS_DENIED), Refresh),
    },
    "getNextResultBatch": {
        F.UNSENT: RetryAfter,
        **dict.fromkeys((F.EDGE_REFUSED, F.UNAUTHENTICATED, F.ACCESS_DENIED), Refresh),
    },
    "getNextResultBatchV2": {
        F.UNSENT: RetryAfter,
        **dict.fromkeys((F.EDGE_REFUSED, F.UNAUTHENTICATED, F.ACCESS_DENIED), Refresh),
    },
    "getDynamicParams": {
        **dict.fromkeys((F.UNSENT, F.UNAVAILABLE, F.DEADLINE, F.LOST, F.EXHAUSTED), RetryAfter),
        **dict.fromkeys(
            (F.WRONG_COLOUR, F.SUSPENDED, F.EDGE_REFUSED, F.UNAUTHENTICATED, F.ACCESS_DENIED),
            PrepareAgain,
        ),
    },
    "status": {
        **dict.fromkeys((F.UNSENT, F.UNAVAILABLE, F.DEADLINE, F.LOST, F.EXHAUSTED), RetryAfter),
        **dict.fromkeys((F.EDGE_REFUSED, F.UNAUTHENTICATED, F.ACCESS_DENIED), Refresh),
    },
    "getTablesV2": {
        **dict.fromkeys((F.UNSENT, F.UNAVAILABLE, F.DEADLINE, F.LOST, F.EXHAUSTED), RetryAfter),
        **dict.fromkeys((F.EDGE_REFUSED, F.UNAUTHENTICATED, F.ACCESS_DENIED), Refresh),
        F.WRONG_COLOUR: OtherColour,
    },
    "clearOrCancelQuery": {
        **dict.fromkeys(
            (F.UNSENT, F.UNAVAILABLE, F.DEADLINE, F.LOST, F.EXHAUSTED, F.UNKNOWN, F.ANSWERED),
            RetryAfter,
        ),
        **dict.fromkeys((F.EDGE_REFUSED, F.UNAUTHENTICATED, F.ACCESS_DENIED), Refresh),
        **dict.fromkeys((F.NOT_FOUND, F.WRONG_COLOUR, F.SUSPENDED), Succeed),
    },
    "cluster status": {
        **dict.fromkeys((F.UNSENT, F.UNAVAILABLE, F.DEADLINE, F.LOST, F.EXHAUSTED), RetryAfter),
        **dict.fromkeys((F.EDGE_REFUSED, F.UNAUTHENTICATED, F.ACCESS_DENIED), Refresh),
        F.WRONG_COLOUR: OtherColour,
    },
    "cluster resume": {
        F.UNSENT: RetryAfter,
        F.WRONG_COLOUR: OtherColour,
        **dict.fromkeys((F.UNAVAILABLE, F.DEADLINE, F.LOST, F.UNKNOWN), ReadStatus),
    },
    "token": dict.fromkeys((F.UNSENT, F.UNAVAILABLE, F.EXHAUSTED), RetryAfter),
    "addCatalogs": {},
    "updateUsers": {},
}


@pytest.mark.parametrize("failure", Failure, ids=lambda failure: failure.name)
@pytest.mark.parametrize("method", EXPECTED)
def test_what_follows(method: str, failure: Failure) -> None:
    """Each method's failures lead where the specification says; what it does not name is final."""
    decision = decide(row(method), (), Outcome(failure), RetryBudget(), 60.0, random.Random(1))

    assert type(decision) is EXPECTED[method].get(failure, GiveUp)
    if isinstance(decision, GiveUp):
        assert decision == NEVER


def test_no_method_repeats_after_an_answer_or_for_a_caller_who_left() -> None:
    """An answer stays the same, and a cancelled call stays cancelled, everywhere.

    A clear alone asks once more: it does no harm twice, and what looks like an answer may be a broken connection.
    """
    clears = ("clear", "cancelQuery", "clearOrCancelQuery")
    for each in (*ROWS.values(), NOT_USED):
        for failure in (F.ANSWERED, F.CANCELLED, F.FORBIDDEN):
            if failure is F.ANSWERED and each in [ROWS[name] for name in clears]:
                assert each.cells[failure].times == 1
            else:
                assert failure not in each.cells


def test_what_submits_or_consumes_is_never_sent_twice() -> None:
    """Only an unsent fetch or execute is sent again."""
    for method in (
        *("executeStatement", "executeStatementV2", "getNextResultBatch", "getNextResultBatchV2"),
        *("cluster resume", "cluster suspend"),
    ):
        repeated = [f for f, cell in row(method).cells.items() if cell.step.name == "RETRY"]
        assert repeated == [F.UNSENT]


def play(method: str, failures: list[Failure], *, left: float = 60.0) -> list[object]:
    """Returns what followed each of *failures* of one user call."""
    repeats = Repeats(RetryBudget(), random.Random(1))
    return [repeats.after(row(method), Outcome(failure), left) for failure in failures]


@pytest.mark.parametrize(
    ("method", "failure", "times"),
    [
        ("authenticate", F.UNAVAILABLE, 3),
        ("authenticate", F.WRONG_COLOUR, 2),
        ("authenticate", F.SUSPENDED, 1),
        ("prepareStatementV2", F.UNAVAILABLE, 2),
        ("prepareStatementV2", F.WRONG_COLOUR, 2),
        ("prepareStatementV2", F.UNAUTHENTICATED, 1),
        ("executeStatementV2", F.WRONG_COLOUR, 1),
        ("executeStatementV2", F.DEADLINE, 1),
        ("getTablesV2", F.WRONG_COLOUR, 2),
        ("clearOrCancelQuery", F.DEADLINE, 2),
        ("getDynamicParams", F.WRONG_COLOUR, 1),
        ("getNextResultBatch", F.UNSENT, 5),
        ("token", F.UNSENT, 5),
    ],
)
def test_how_often(method: str, failure: Failure, times: int) -> None:
    """The same failure again and again ends after a few times."""
    decisions = play(method, [failure] * (times + 1))

    assert not any(isinstance(decision, GiveUp) for decision in decisions[:-1])
    is_in_doubt = method.startswith("execute") and failure is F.DEADLINE
    assert decisions[-1] == GiveUp(Reason.TRIES, is_in_doubt)


def test_four_tries_whatever_fails() -> None:
    """Different failures of one call together allow three repetitions; a call that never left is no try."""
    decisions = play(
        "prepareStatementV2", [F.UNSENT, F.EXHAUSTED, F.UNAVAILABLE, F.UNSENT, F.EXHAUSTED, F.LOST]
    )

    assert [type(decision) for decision in decisions] == [RetryAfter] * 5 + [GiveUp]


def test_looking_for_a_connection_costs_no_token() -> None:
    """A server that restarts under many threads is found again by all of them."""
    budget = RetryBudget()
    while budget.take():
        pass
    decision = decide(row("status"), (), Outcome(F.UNSENT), budget, 60.0, random.Random(1))

    assert isinstance(decision, RetryAfter)


def test_what_was_refused_is_renewed_on_each_colour() -> None:
    """A token once and a session twice, each by its own count; another colour has another session."""
    refused = [F.ACCESS_DENIED, F.UNAUTHENTICATED, F.ACCESS_DENIED]
    decisions = play("prepareStatementV2", [*refused, F.WRONG_COLOUR, *refused, F.UNAUTHENTICATED])

    renewed = [Refresh()] * 3
    assert decisions == [*renewed, OtherColour(), *renewed, GiveUp(Reason.TRIES)]


@pytest.mark.parametrize(("failure", "times"), [(F.UNAUTHENTICATED, 1), (F.ACCESS_DENIED, 2)])
def test_a_refusal_for_good_ends(failure: F, times: int) -> None:
    """What is refused again and again is not renewed for ever."""
    decisions = play("prepareStatementV2", [failure] * (times + 1))

    assert decisions == [*[Refresh()] * times, GiveUp(Reason.TRIES)]


def test_methods_of_one_user_call_share_what_is_rare() -> None:
    """Three colour tries are for the user call, sign-in included; pauses are counted for each method."""
    repeats = Repeats(RetryBudget(), random.Random(1))
    sign_in, prepare = row("authenticate"), row("prepareStatementV2")

    assert repeats.after(sign_in, Outcome(F.WRONG_COLOUR), 60.0) == OtherColour()
    assert repeats.after(prepare, Outcome(F.WRONG_COLOUR), 60.0) == OtherColour()
    assert repeats.after(prepare, Outcome(F.WRONG_COLOUR), 60.0) == GiveUp(Reason.TRIES)
    for each in (sign_in, prepare):
        for _ in range(2):
            assert isinstance(repeats.after(each, Outcome(F.UNAVAILABLE), 60.0), RetryAfter)


def test_a_pause_is_drawn_from_zero_to_a_doubling_ceiling() -> None:
    """Full jitter: 0 to 100 ms, 200 ms, ... 5 s."""
    rng = random.Random(1)
    for repetition, ceiling in enumerate([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]):
        pauses = [pause(repetition, rng) for _ in range(2000)]
        assert 0 <= min(pauses) < ceiling * 0.02
        assert ceiling * 0.98 < max(pauses) <= ceiling


def test_the_server_says_when_to_come_back() -> None:
    """A pushback replaces the drawn pause; a negative one is a no; one beyond the deadline ends the call now."""
    prepare = row("prepareStatementV2")

    def after(pushback: float, left: float = 60.0) -> object:
        outcome = Outcome(F.EXHAUSTED, pushback)
        return decide(prepare, (), outcome, RetryBudget(), left, random.Random(1))

    assert after(7.5) == RetryAfter(7.5)
    assert after(0.0) == RetryAfter(0.0)
    assert after(-1.0) == after(-0.001) == GiveUp(Reason.PUSHBACK)
    assert after(7.5, left=7.5) == after(7.5, left=7.0) == GiveUp(Reason.DEADLINE)


def test_a_rate_limit_at_execute_waits_before_the_new_prepare() -> None:
    """What surely only reads is prepared anew, after the pause that the server asked for."""
    execute = row("executeStatementV2", only_reads=True)
    decision = decide(execute, (), Outcome(F.EXHAUSTED, 2.0), RetryBudget(), 60.0, random.Random(1))

    assert decision == PrepareAgain(F.EXHAUSTED, 2.0)


def test_no_time_left_is_final() -> None:
    """One budget of time bounds the user call; what may have run is said to be in doubt."""
    for left in (0.0, -1.0):
        assert play("getTablesV2", [F.WRONG_COLOUR], left=left) == [GiveUp(Reason.DEADLINE)]
    assert play("getTablesV2", [F.WRONG_COLOUR], left=0.5) == [OtherColour()]
    assert play("executeStatementV2", [F.DEADLINE], left=0.0) == [
        GiveUp(Reason.DEADLINE, is_in_doubt=True)
    ]


def test_a_try_gets_no_more_than_is_left() -> None:
    """A method with a limit of its own takes the smaller of both."""
    assert row("authenticate").timeout(4.0) == 4.0
    assert {method: row(method).timeout(600.0) for method in EXPECTED} == {
        "authenticate": 10.0,
        "prepareStatementV2": 600.0,
        "executeStatementV2": 600.0,
        "executeStatementV2 of a read": 600.0,
        "getResultMetadata": 30.0,
        "getNextResultBatch": 600.0,
        "getNextResultBatchV2": 600.0,
        "getDynamicParams": 10.0,
        "status": 10.0,
        "getTablesV2": 30.0,
        "clearOrCancelQuery": 3.0,
        "cluster status": 5.0,
        "cluster resume": 10.0,
        "token": 10.0,
        "addCatalogs": 30.0,
        "updateUsers": 30.0,
    }


def test_a_failure_that_said_nothing_is_taken_back() -> None:
    """Only the last one."""
    repeats = Repeats(RetryBudget(), random.Random(1))
    tables = row("getTablesV2")
    for failure in (F.UNAVAILABLE, F.ACCESS_DENIED, F.WRONG_COLOUR):
        repeats.after(tables, Outcome(failure), 60.0)
    repeats.forget()

    assert [past for _, past, _ in repeats.history] == [F.UNAVAILABLE, F.ACCESS_DENIED]


def test_a_dead_endpoint_is_not_hammered() -> None:
    """Ten repetitions empty the budget, whoever asks; ten successes bring back one; other steps cost nothing."""
    budget = RetryBudget()
    tables = row("getTablesV2")

    def once(failure: Failure = F.UNAVAILABLE) -> object:
        return decide(tables, (), Outcome(failure), budget, 60.0, random.Random(1))

    assert [type(once()) for _ in range(11)] == [RetryAfter] * 10 + [GiveUp]
    assert once() == GiveUp(Reason.BUDGET)
    assert once(F.WRONG_COLOUR) == OtherColour()
    for _ in range(11):  # tenths do not add up to one exactly
        budget.succeed()
    assert [type(once()) for _ in range(2)] == [RetryAfter, GiveUp]
    for _ in range(1000):
        budget.succeed()
    assert budget.tokens == BUDGET_TOKENS


@pytest.mark.parametrize(
    ("code", "text", "signal", "failure"),
    [
        ("UNKNOWN", "status: 456", "WRONG_STRATEGY", F.WRONG_COLOUR),
        ("UNKNOWN", "status: 4567", None, F.UNKNOWN),
        ("UNAVAILABLE", "status: 503, cluster is suspended", "SUSPENDED", F.SUSPENDED),
        ("UNAVAILABLE", "authentication unavailable", None, F.UNAVAILABLE),
        ("INTERNAL", "Access denied", "ACCESS_DENIED", F.ACCESS_DENIED),
        ("INTERNAL", "Access denied to table x", None, F.ANSWERED),
        ("INTERNAL", "Received RST_STREAM with error code 2", None, F.LOST),
        ("INTERNAL", "Query cancelled", "QUERY_CANCELLED", F.ANSWERED),
        ("INVALID_ARGUMENT", "Status: 456", None, F.ANSWERED),
        ("RESOURCE_EXHAUSTED", "", None, F.EXHAUSTED),
        (
            "RESOURCE_EXHAUSTED",
            "CLIENT: Received message larger than max (9 vs. 4)",
            None,
            F.ANSWERED,
        ),
        ("UNAUTHENTICATED", "authentication denied", None, F.EDGE_REFUSED),
        ("UNAUTHENTICATED", "OAuth authentication denied", None, F.EDGE_REFUSED),
        ("UNAUTHENTICATED", "authentication denied by policy 7", None, F.UNAUTHENTICATED),
        ("PERMISSION_DENIED", "", None, F.FORBIDDEN),
        ("NOT_FOUND", "no such query", "UNKNOWN_QUERY", F.NOT_FOUND),
        ("UNIMPLEMENTED", "", "UNIMPLEMENTED", F.ANSWERED),
        ("DEADLINE_EXCEEDED", "", None, F.DEADLINE),
        ("CANCELLED", "", None, F.LOST),
    ],
)
def test_how_a_call_failed(code: str, text: str, signal: str | None, failure: Failure) -> None:
    """Code and exact text decide, never a substring."""
    assert classify(code, text, signal=signal) is failure


def test_what_the_caller_knows_comes_first() -> None:
    """Whether anything was sent, and whether the caller ended it, outweighs what gRPC says."""
    assert classify("UNAVAILABLE", is_sent=False) is F.UNSENT
    assert classify("CANCELLED", is_cancelled=True) is F.CANCELLED
    assert classify("UNAVAILABLE", is_sent=False, is_cancelled=True) is F.CANCELLED


def test_how_a_token_request_failed() -> None:
    """No connection, 429 and 5xx are worth another try; everything else is an answer."""
    assert [classify_http(status) for status in (None, 429, 500, 503)] == [
        *(F.UNSENT, F.EXHAUSTED, F.UNAVAILABLE, F.UNAVAILABLE)
    ]
    assert {classify_http(status) for status in (302, 400, 401, 403, 404)} == {F.ANSWERED}


def test_every_row_says_what_happens_after_doubt() -> None:
    """No method leaves open what is done when its effect is unknown."""
    for each in (*ROWS.values(), NOT_USED):
        assert each.effect
        assert each.doubt
        assert each.per_try is None or each.per_try <= 30.0
    assert retry_table.MAX_TRIES == 4
