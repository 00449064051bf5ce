"""The sessions of an endpoint."""

from __future__ import annotations

import pickle

import pytest

from e6data_adbc._session.colour.routes import Route
from e6data_adbc._session.lease import Lease
from e6data_adbc._session.login.session_cache import SessionCache
from tests.support.canary import Canaries


def test_each_colour_has_its_session() -> None:
    """A session is found on the colour that granted it, for the principal who signed in."""
    cache = SessionCache()
    blue = cache.grant("ann", "blue", "s1")
    green = cache.grant("ann", "green", "s2")

    assert cache.find("ann", "blue") is blue
    assert cache.find("ann", "green") is green
    assert cache.find("bob", "blue") is None


def test_a_session_is_dropped_once() -> None:
    """Late failures of an old session do not end the one that replaced it."""
    cache = SessionCache()
    old = cache.grant("ann", "blue", "s1")

    assert [cache.drop(old), cache.drop(old)] == [True, False]
    new = cache.grant("ann", "blue", "s2")
    assert not cache.drop(old)
    assert cache.find("ann", "blue") is new


def test_dropping_one_leaves_the_others() -> None:
    """The session of one colour says nothing about the other's; `clear` ends them all."""
    cache = SessionCache()
    blue = cache.grant("ann", "blue", "s1")
    green = cache.grant("ann", "green", "s2")

    cache.drop(blue)
    assert cache.find("ann", "green") is green
    cache.clear()
    assert cache.find("ann", "green") is None


def test_a_session_id_is_a_secret(canaries: Canaries) -> None:
    """No `repr`, `vars()` or pickle shows it, of the session or of what keeps to it; requests get it."""
    cache = SessionCache()
    text = canaries.plant("the session id")
    session = cache.grant("ann", "blue", text)
    lease = Lease(Route("blue", 0), session)
    moved = Lease(Route("blue", 0), session)
    moved.move(canaries.plant("a newer session id"))

    canaries.check(session, vars(session), cache, vars(cache), lease, moved)
    for held in (session, lease, moved):
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(held)
    assert session.session_id == lease.session_id == text != moved.session_id
