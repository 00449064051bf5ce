"""The user's callables on their way from `connect` to the database."""

from __future__ import annotations

import functools
import gc
import os
import pickle
import weakref

import pytest

from e6data_adbc import errors
from e6data_adbc._session.login.hooks import HOOKS, Hook, HookRegistry
from tests.support.canary import Canaries

PROVIDER = "adbc.e6data.auth.token_provider"
SIGNER = "adbc.e6data.auth.request_signer"


def test_a_database_takes_what_connect_offers() -> None:
    """Each callable travels as an option of its own, whose value finds it while the connect call runs."""
    registry = HookRegistry()

    with registry.offer(token_provider=lambda: "t", request_signer=lambda path: {}) as options:
        provider = registry.take("token_provider", options[PROVIDER])
        signer = registry.take("request_signer", options[SIGNER])

    assert provider is not None
    assert signer is not None
    assert (provider(), signer("/x")) == ("t", {})
    assert len(registry) == 0


def test_without_callables_there_are_no_options() -> None:
    """An offer of nothing adds no option, and a missing option takes nothing."""
    with HOOKS.offer() as options:
        assert options == {}
    assert HOOKS.take("token_provider", None) is None


def test_an_offer_ends_with_the_connect_call() -> None:
    """After it, also after a failed one, the id finds nothing; the text says what to do."""
    registry = HookRegistry()
    with pytest.raises(ZeroDivisionError), registry.offer(token_provider=lambda: "t") as options:
        raise ZeroDivisionError

    with pytest.raises(
        errors.ProgrammingError, match=r"pass token_provider to e6data_adbc\.connect"
    ):
        registry.take("token_provider", options[PROVIDER])


def test_an_id_fits_its_own_option_only() -> None:
    """A signer is not taken for a provider, and ids are not to be guessed."""
    registry = HookRegistry()

    with (
        registry.offer(request_signer=lambda path: {}) as options,
        registry.offer(request_signer=lambda path: {}) as others,
    ):
        assert options[SIGNER] != others[SIGNER]
        assert len(options[SIGNER]) == 32
        with pytest.raises(errors.ProgrammingError):
            registry.take("token_provider", options[SIGNER])


def test_callables_are_released_with_the_database() -> None:
    """The registry keeps nothing alive: what the taker drops is gone."""

    class Provider:
        def __call__(self) -> str:
            return "t"

    registry = HookRegistry()
    provider = Provider()
    seen = weakref.ref(provider)
    with registry.offer(token_provider=provider) as options:
        taken = registry.take("token_provider", options[PROVIDER])
    del provider
    gc.collect()
    assert seen() is not None

    del taken
    gc.collect()
    assert seen() is None


def test_what_is_not_callable_is_refused_unseen(canaries: Canaries) -> None:
    """A token in the place of its provider is a likely mistake; the error names its type alone."""
    token = canaries.plant("the token")

    with canaries.raises(errors.ProgrammingError, match="a str as 'token_provider'"):
        HookRegistry().offer(token_provider=token)  # type: ignore[arg-type]


def test_a_hook_shows_no_bound_argument(canaries: Canaries) -> None:
    """A partial shows its arguments by `repr`; in its box it does not, and it is not pickled."""

    def give(secret: str) -> str:
        return secret

    hook = Hook("token_provider", functools.partial(give, canaries.plant("the secret")))

    canaries.check(hook)
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(hook)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_can_offer_and_take() -> None:
    """No lock of the parent is left held in a child."""
    child = os.fork()
    if child == 0:
        with HOOKS.offer(token_provider=lambda: "t") as options:
            found = HOOKS.take("token_provider", options[PROVIDER])
        os._exit(0 if found is not None else 1)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
