"""The user's callables, which ADBC's options cannot carry, and their way from `connect` to the database."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, NoReturn

from e6data_adbc import errors
from e6data_adbc.options import DatabaseOptions

__all__ = [
    "HOOKS",
    "Hook",
    "HookRegistry",
    "Offer",
    "OnProgress",
    "RequestSigner",
    "TokenProvider",
]

#: Returns an access token, or an access token and the seconds it lives.
TokenProvider = Callable[[], "str | tuple[str, float]"]
#: Takes the path of a call, `/Service/method`, and returns more metadata for it.
RequestSigner = Callable[[str], Mapping[str, str]]
#: Told the state of a cluster that is being resumed, each time it was read.
OnProgress = Callable[[str], object]

#: The option that each callable travels as.
_KEYS: Final = {
    "token_provider": DatabaseOptions.TOKEN_PROVIDER.value,
    "request_signer": DatabaseOptions.REQUEST_SIGNER.value,
    "on_progress": DatabaseOptions.ON_PROGRESS.value,
}


class Hook:
    """A callable of the user's whose `repr` shows no bound argument: a `functools.partial` may hold a secret."""

    __slots__ = ("_call", "name")

    def __init__(self, name: str, call: object) -> None:
        self.name: Final = name
        self._call = call

    def __call__(self, *arguments: Any) -> object:
        return self._call(*arguments)  # type: ignore[operator]  # `check` has been asked

    def check(self) -> None:
        """Raises INVALID_ARGUMENT if it cannot be called; what was given instead may be a token, and is not shown."""
        if not callable(self._call):
            raise errors.make(
                errors.Status.INVALID_ARGUMENT,
                f"could not use a {type(self._call).__name__} as {self.name!r}: it is not callable",
            )

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(f"a {self.name} is not pickled: it belongs to one process")


class Offer:
    """Hooks that a database may take while the `with` block runs; entering gives the options to pass."""

    # A class and not a generator: a generator's frame would stand in the traceback of whatever the block raises.
    def __init__(self, registry: HookRegistry, hooks: Mapping[str, Hook]) -> None:
        self._registry = registry
        self._hooks = hooks

    def __enter__(self) -> Mapping[str, str]:
        for hook_id, hook in self._hooks.items():
            self._registry.add(hook_id, hook)
        return {_KEYS[hook.name]: hook_id for hook_id, hook in self._hooks.items()}

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for hook_id in self._hooks:
            self._registry.remove(hook_id)


class HookRegistry:
    """Hooks on their way to a database; any thread may use it, and a forked child.

    It holds hooks only while they are on offer. The database that takes them keeps them alive from then on, so they
    are released with it.
    """

    # Each method is one dict operation, which is atomic: there is no lock that a fork could leave held.
    def __init__(self) -> None:
        self._offers: dict[str, Hook] = {}

    def offer(
        self,
        *,
        token_provider: TokenProvider | None = None,
        request_signer: RequestSigner | None = None,
        on_progress: OnProgress | None = None,
    ) -> Offer:
        """Returns the context in which `take` finds the callables, as often as it is asked.

        Raises:
            ProgrammingError: One of them is not callable.
        """
        hooks: list[Hook] = []
        if token_provider is not None:
            hooks.append(Hook("token_provider", token_provider))
        if request_signer is not None:
            hooks.append(Hook("request_signer", request_signer))
        if on_progress is not None:
            hooks.append(Hook("on_progress", on_progress))
        # Whatever they hold is not to be seen in the frame that `check` may raise in.
        del token_provider, request_signer, on_progress
        for hook in hooks:
            hook.check()
        # Ids that whoever can set options does not guess.
        return Offer(self, {secrets.token_hex(16): hook for hook in hooks})

    def add(self, hook_id: str, hook: Hook) -> None:
        """Begins an offer."""
        self._offers[hook_id] = hook

    def remove(self, hook_id: str) -> None:
        """Ends an offer; one that is over already may be ended again."""
        self._offers.pop(hook_id, None)

    def take(self, name: str, hook_id: str | None) -> Hook | None:
        """Returns the hook on offer under *hook_id*, the value of the option that ends in *name*; None for None.

        Raises:
            ProgrammingError: There is no such offer in this process, or it is over.
        """
        if hook_id is None:
            return None
        hook = self._offers.get(hook_id)
        if hook is None or hook.name != name:
            raise errors.make(
                errors.Status.INVALID_ARGUMENT,
                f"could not find the callable of {_KEYS[name]!r}: it was given in another process, or to a connect"
                " call that is over",
                hint=f"pass {name} to e6data_adbc.connect",
            )
        return hook

    def __len__(self) -> int:
        return len(self._offers)


#: The one of this process: `connect` and the database it opens meet nowhere else, with the driver manager between them.
HOOKS: Final = HookRegistry()
