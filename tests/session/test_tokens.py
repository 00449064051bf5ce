"""Tokens that end: asked for once for all threads, renewed in time, and never waited for longer than agreed."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest

from e6data_adbc import errors
from e6data_adbc._session.login.renewed_token import Grant, RenewedToken, token_problem
from e6data_adbc.options import Secret
from tests.session.waits import Waits, in_threads
from tests.support.canary import Canaries

TIMEOUT = 10.0


class Giver:
    """Gives token after token, or fails; `hold()` makes it wait until `release()`."""

    def __init__(self, lifetime: float | None = 900) -> None:
        self.lifetime = lifetime
        self.count = 0
        self.now = 0.0
        self.error: Exception | None = None
        self.takes = 0.0  # seconds that the clock goes on while a token is asked for
        self._open = threading.Event()
        self._open.set()
        self.token = RenewedToken(self.ask, clock=lambda: self.now)

    def ask(self) -> Grant:
        self.count += 1
        assert self._open.wait(10)
        self.now += self.takes
        if self.error is not None:
            raise self.error
        return Grant(Secret(f"t-{self.count}"), self.lifetime)

    def hold(self) -> None:
        self._open.clear()

    def release(self) -> None:
        self._open.set()

    def bearer(self, waits: Waits | None = None) -> str:
        return self.token.bearer(waits or Waits(), TIMEOUT).reveal()

    def renew(self, rejected: str, waits: Waits | None = None) -> str | None:
        found = self.token.renew(Secret(rejected), waits or Waits(), TIMEOUT)
        return None if found is None else found.reveal()

    def settle(self) -> None:
        """Waits until nothing is asked any more."""
        for thread in threading.enumerate():
            if thread.name == "e6data-token":
                thread.join(10)


@pytest.fixture
def giver() -> Giver:
    return Giver()


def refusal(text: str = "no") -> errors.Error:
    return errors.make(errors.Status.UNAUTHENTICATED, f"could not get an access token: {text}")


def test_nothing_is_asked_before_the_first_need(giver: Giver) -> None:
    """Making the token calls nobody; using it twice asks once."""
    assert giver.count == 0
    assert (giver.bearer(), giver.bearer()) == ("t-1", "t-1")
    assert giver.count == 1


def test_32_cold_threads_ask_once(giver: Giver) -> None:
    """However many threads need the first token, one request is made and all get its token."""
    waits = Waits()
    giver.hold()
    release = waits.then(32, giver.release)

    results = in_threads(32, lambda: giver.bearer(waits))

    release.join()
    assert results == ["t-1"] * 32
    assert giver.count == 1


def test_32_threads_with_a_rejected_token_ask_once(giver: Giver) -> None:
    """A token that the server refuses to many calls at once is replaced once."""
    giver.bearer()
    waits = Waits()
    giver.hold()
    release = waits.then(32, giver.release)

    results = in_threads(32, lambda: giver.renew("t-1", waits))

    release.join()
    assert results == ["t-2"] * 32
    assert giver.count == 2


def test_an_old_rejection_does_not_renew_a_new_token(giver: Giver) -> None:
    """A late refusal of a token that was replaced meanwhile gets the new one, unasked."""
    giver.bearer()
    giver.renew("t-1")

    assert giver.renew("t-1") == "t-2"
    assert giver.count == 2


def test_the_same_token_again_is_no_renewal() -> None:
    """Where the giver insists on the rejected token there is nothing to try again with."""
    token = RenewedToken(lambda: Grant(Secret("same"), 900))
    rejected = token.bearer(Waits(), TIMEOUT)

    assert token.renew(rejected, Waits(), TIMEOUT) is None


@pytest.mark.parametrize(
    ("lifetime", "renewed_at", "waited_for_at"),
    [(900, 840, 890), (3600, 3540, 3590), (120, 60, 110), (40, 20, 35), (None, 60, 60)],
)
def test_renewal_comes_in_time(
    lifetime: float | None, renewed_at: float, waited_for_at: float
) -> None:
    """A token is renewed 60 s before it ends (a short one at half its life) while the old one goes on, and waited for
    in its last 10 s; one of unknown life is asked for again after a minute."""
    giver = Giver(lifetime)
    giver.bearer()

    giver.now = renewed_at - 0.001
    before = giver.bearer()
    giver.settle()
    count_before = giver.count
    if waited_for_at > renewed_at:
        giver.now = renewed_at
        giver.hold()
        early = giver.bearer()
        giver.now = waited_for_at - 0.001
        late = giver.bearer()
        giver.release()
        giver.settle()
        assert (early, late, giver.count) == ("t-1", "t-1", 2)
    giver.now = max(giver.now, waited_for_at)

    assert (before, count_before) == ("t-1", 1)
    assert giver.bearer() == "t-2"


def test_the_end_of_a_life_is_waited_for(giver: Giver) -> None:
    """A token found at its end after a long pause is not sent: the call waits for the next one."""
    giver.bearer()
    giver.now = 890.0

    assert giver.bearer() == "t-2"


def test_life_counts_from_before_the_request(giver: Giver) -> None:
    """A request that took 30 s brought a token that is 30 s old."""
    giver.takes = 30.0
    giver.bearer()
    giver.takes = 0.0

    giver.now = 839.0
    first = giver.bearer()
    giver.settle()
    assert (first, giver.count) == ("t-1", 1)
    giver.now = 840.0
    giver.bearer()
    giver.settle()
    assert giver.bearer() == "t-2"


def test_a_failed_early_renewal_disturbs_nobody(
    giver: Giver, caplog: pytest.LogCaptureFixture
) -> None:
    """While the old token is good, calls go on, the failure is logged, and the next try waits 5 s."""
    giver.bearer()
    giver.error = refusal("the issuer is down")
    giver.now = 840.0
    with caplog.at_level(logging.WARNING, "e6data_adbc.auth"):
        first = giver.bearer()
        giver.settle()
    giver.now = 844.9
    second = giver.bearer()
    giver.settle()
    count = giver.count
    giver.now = 845.0
    giver.error = None
    giver.bearer()
    giver.settle()

    assert (first, second, count) == ("t-1", "t-1", 2)
    assert "the issuer is down" in caplog.text
    assert giver.bearer() == "t-3"


def test_all_who_wait_learn_of_a_failure(giver: Giver) -> None:
    """Each waiting thread gets an error of its own, and the next call asks again."""
    waits = Waits()
    giver.error = refusal()
    giver.hold()
    release = waits.then(8, giver.release)

    results = in_threads(8, lambda: giver.bearer(waits))

    release.join()
    giver.error = None
    assert all(isinstance(error, errors.ProgrammingError) for error in results)
    assert len({id(error) for error in results}) == 8
    assert giver.count == 1
    assert giver.bearer() == "t-2"


def test_a_rejected_token_survives_a_failed_renewal(giver: Giver) -> None:
    """If no new token is to be had, the old one is kept: the refusal may have been the router's."""
    giver.bearer()
    giver.error = refusal()

    with pytest.raises(errors.ProgrammingError):
        giver.renew("t-1")
    assert giver.bearer() == "t-1"


def test_cancel_ends_a_wait_at_once(giver: Giver) -> None:
    """A cancelled caller leaves; the request goes on for the others."""
    mine, others = Waits(), Waits()
    giver.hold()
    results: list[object] = []
    other = threading.Thread(target=lambda: results.append(giver.bearer(others)))
    other.start()
    others.reached(1)
    cancel = mine.then(1, mine.cancel)

    with pytest.raises(errors.OperationalError) as caught:
        giver.bearer(mine)

    cancel.join()
    assert caught.value.status_code == errors.Status.CANCELLED
    giver.release()
    other.join()
    assert (results, giver.count) == (["t-1"], 1)


def test_a_wait_ends_at_its_deadline(giver: Giver) -> None:
    """A giver that does not answer holds a call no longer than the call's limit."""
    giver.hold()

    with pytest.raises(errors.OperationalError, match=r"deadline of 0\.05 s") as caught:
        giver.token.bearer(Waits(), 0.05)

    giver.release()
    assert caught.value.status_code == errors.Status.TIMEOUT


@pytest.mark.parametrize("kind", [ValueError, SystemExit, KeyboardInterrupt])
def test_a_bug_is_told_without_its_text(
    giver: Giver,
    canaries: Canaries,
    kind: Callable[[str], BaseException],
) -> None:
    """What a request raises besides our errors may hold anything, so only its type is told; nobody waits for ever."""
    giver.error = kind(canaries.plant("the token"))  # type: ignore[assignment]

    with canaries.raises(errors.InternalError, match="internal error"):
        giver.bearer()


def test_no_thread_no_token(giver: Giver, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system grants no thread the call fails with a word, and a later one works."""

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        with pytest.raises(errors.InternalError, match="can't start new thread"):
            giver.bearer()

    assert giver.bearer() == "t-1"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("abc.DEF-1_~+/=", None),
        ("x" * 8192, None),
        ("x" * 8193, "longer"),
        ("", "empty"),
        ("a b", "visible ASCII"),
        ("a\n", "visible ASCII"),
        ("\r\nx: y", "visible ASCII"),
        ("tök", "visible ASCII"),
        ("a\x7f", "visible ASCII"),
        ("\ud800", "visible ASCII"),
    ],
)
def test_a_token_fits_a_header(text: str, problem: str | None) -> None:
    """Only visible ASCII up to 8 KiB is sent: nothing can end the header and begin another."""
    found = token_problem(Secret(text))

    assert (found is None) if problem is None else (found is not None and problem in found)


def test_nothing_shows_a_token(canaries: Canaries) -> None:
    """The holder of a token shows it neither by `repr` nor by `vars`."""
    token = RenewedToken(lambda: Grant(Secret(secret), 900))
    secret = canaries.plant("the token")
    token.bearer(Waits(), TIMEOUT)

    canaries.check(token, vars(token))
