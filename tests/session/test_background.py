"""The thread that waits for what nobody else waits for."""

from __future__ import annotations

import threading

import pytest

from e6data_adbc._session.background import Background


def test_jobs_run_in_order_on_one_thread() -> None:
    """All jobs run, in the order in which they came, on a single thread that is not the caller's."""
    background = Background()
    seen: list[tuple[int, int]] = []
    for number in range(100):
        background.submit(lambda number=number: seen.append((number, threading.get_ident())))
    background.close(10)

    assert [number for number, _ in seen] == list(range(100))
    threads = {thread for _, thread in seen}
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_closing_runs_what_is_left() -> None:
    """What was submitted before `close` has run when it returns, and the thread has ended."""
    background = Background()
    done = threading.Event()
    background.submit(done.set)
    background.close(10)

    assert done.is_set()
    assert all(thread.name != "e6data-background" for thread in threading.enumerate())


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_job_that_raises_takes_no_other_with_it() -> None:
    """It ends the thread; what waits behind it runs all the same, and so does what comes later."""
    background = Background()
    seen: list[int] = []
    ready = threading.Event()
    background.submit(ready.wait)
    background.submit(lambda: 1 // 0)
    for number in range(3):
        background.submit(lambda number=number: seen.append(number))
    ready.set()
    background.close(10)
    background.close(10)

    assert seen == [0, 1, 2]


def test_without_a_thread_jobs_run_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interpreter that ends starts no thread: the job runs on the caller's."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    background = Background()
    seen: list[int] = []
    background.submit(lambda: seen.append(threading.get_ident()))

    assert seen == [threading.get_ident()]


def test_late_jobs_run_at_once() -> None:
    """After `close` a job runs on the caller's thread: it is not lost."""
    background = Background()
    background.close(10)
    seen: list[int] = []
    background.submit(lambda: seen.append(threading.get_ident()))

    assert seen == [threading.get_ident()]


def test_a_job_may_submit_another() -> None:
    """A job that a job submits runs as well."""
    background = Background()
    done = threading.Event()
    background.submit(lambda: background.submit(done.set))
    background.hurry()

    assert done.wait(10)
    background.close(10)


def test_an_idle_thread_is_woken() -> None:
    """A job that comes when there is nothing to do runs on the thread that waits."""
    background = Background()
    seen: list[int] = []
    for _ in range(3):
        done = threading.Event()

        def job(done: threading.Event = done) -> None:
            seen.append(threading.get_ident())
            done.set()

        background.submit(job)
        assert done.wait(10)
        while not background._is_idle:
            pass
    background.close(10)

    assert len(seen) == 3
    assert len(set(seen)) == 1
