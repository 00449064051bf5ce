"""The goals of reliability, each with its figure, in a form short enough for every day."""

from __future__ import annotations

import pytest

from checks.reliability import scenarios

pytestmark = [pytest.mark.seconds, pytest.mark.filterwarnings("error")]


@pytest.mark.parametrize("style", ["draining", "announced"])
@pytest.mark.parametrize("shared", [True, False], ids=["shared", "separate"])
def test_flips_are_not_noticed(shared: bool, style: str) -> None:
    """A new colour each 400 calls under 16 threads: no error, and at most two calls more for each."""
    figures = scenarios.flips(4, calls=400, shared=shared, style=style)

    assert figures.errors == []
    assert figures.flips >= 4
    assert figures.right > 16
    assert figures.extra <= 2
    # Those that were under way at the switch have to be refused, each thread once.
    assert figures.refused <= 16
    assert (figures.uncleared, figures.without_deadline, figures.executed_twice) == (0, 0, 0)


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "separate"])
def test_a_cold_start_signs_in_once(shared: bool) -> None:
    """32 threads whose first calls come together: one authenticate."""
    figures = scenarios.cold_start(32, shared=shared)

    assert (figures.errors, figures.right) == ([], 32)
    assert figures.authenticates == 1


def test_two_clusters_do_not_disturb_each_other() -> None:
    """A blue and a green endpoint in one process: at most one call is rejected on each, ever."""
    figures = scenarios.opposite_colours(48)

    assert (figures.errors, figures.right) == ([], 48)
    assert figures.rejected <= 1


def test_an_early_announcement_costs_little() -> None:
    """A colour that is announced and not there yet is tried now and then: at most 4 authenticates a second."""
    figures = scenarios.early_announcement(1.5)

    assert figures.errors == []
    assert figures.right > 4
    assert figures.authenticates_per_second <= 4


def test_lost_sessions_are_renewed() -> None:
    """All sessions end each 0.3 s under 16 threads: 320 of 320 queries right, one authenticate for a loss."""
    figures = scenarios.session_losses()

    assert (figures.errors, figures.right) == ([], 320)
    assert 1 <= figures.authenticates <= figures.losses
    assert (figures.uncleared, figures.without_deadline, figures.executed_twice) == (0, 0, 0)


@pytest.mark.parametrize(("after", "on_loss"), [("adopt", "fail"), ("refused", "rerun_reads")])
def test_lost_sessions_cost_no_query(after: str, on_loss: str) -> None:
    """Where a lost session's queries do not finish: a new session reads on, or the reads run anew; 320 of 320 right."""
    # By queries rather than by time: on a busy machine none would end within a period.
    figures = scenarios.session_losses(
        period=0.02, after=after, on_loss=on_loss, queries_between=60
    )

    assert (figures.errors, figures.right) == ([], 320)
    assert figures.losses >= 3
    assert (figures.without_deadline, figures.executed_twice) == (0, 0)
    assert (figures.uncleared == 0) is (
        after == "adopt"
    )  # nobody may clear a query that its session lost


@pytest.mark.parametrize("shared", [True, False], ids=["shared", "separate"])
@pytest.mark.parametrize("open_session", [False, True], ids=["new", "with a session"])
def test_a_suspended_cluster_is_resumed_once(shared: bool, open_session: bool) -> None:
    """16 clients, one resume, 16 results."""
    figures = scenarios.suspended(16, shared=shared, open_session=open_session)

    assert (figures.errors, figures.right) == ([], 16)
    assert figures.resumes == 1


@pytest.mark.parametrize(
    ("kind", "words"),
    [("hang", ""), ("flap", ""), ("failed", "failed"), ("refusing", "503")],
)
def test_resuming_keeps_its_limit(kind: str, words: str) -> None:
    """A cluster that does not come up is an error within the limit and a second, and no second resume."""
    figures = scenarios.resume_limit(kind, 1.0)

    (error,) = figures.errors
    assert "[e6data] could not" in error
    assert words in error
    assert figures.resumes <= 1


def test_a_cancel_is_quick() -> None:
    """A fetch that waits ends with a cancel from another thread; one call ends it on the server."""
    figures = scenarios.cancels(100)

    assert (figures.errors, figures.right) == ([], 100)
    assert figures.clears == 1
    assert figures.uncleared == 0


def test_many_queries_at_a_time_get_their_own_rows() -> None:
    """200 at a time on one connection, each exact."""
    figures = scenarios.crowd(300, 200)

    assert (figures.errors, figures.right) == ([], 300)
    assert (figures.uncleared, figures.without_deadline, figures.executed_twice) == (0, 0, 0)


def test_nothing_is_left_behind() -> None:
    """After 1,000 queries memory has grown by next to nothing, and no file, thread or Arrow byte is left."""
    figures = scenarios.leaks(1000, reconnects=20)

    assert figures.errors == []
    assert figures.arrow_bytes == 0
    # gRPC may have taken one more for itself; what leaks is there for each query, or for each of the 20 connections.
    assert max(figures.files, figures.threads) <= 2
    assert figures.mib <= 3  # that the allocator has not settled yet; the long form is stricter


def test_a_fork_refuses_the_old_and_serves_the_new() -> None:
    """In the child old objects raise ProgrammingError, a new connection works, and the parent goes on."""
    figures = scenarios.forks(5)

    assert (figures.errors, figures.right) == ([], 5)
    assert (figures.refused, figures.worked) == (5, 5)
