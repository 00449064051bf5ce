"""Which transport carries the calls of tests: E6DATA_TEST_TRANSPORT names it for the whole suite."""

from __future__ import annotations

import dataclasses
import os
from typing import Final

import pytest

from e6data_adbc._options import option_values
from e6data_adbc.options import DatabaseOptions, TransportKind

__all__ = ["KINDS", "choose", "is_native"]

_KEY: Final = DatabaseOptions.TRANSPORT.value
#: That of the driver, by its table of options.
_DEFAULT: Final = option_values.SPECS[_KEY].default
_CHOSEN: Final = TransportKind(os.environ.get("E6DATA_TEST_TRANSPORT") or _DEFAULT)

#: Those that tests of transports run over: both, or the one that was named.
KINDS: Final = (
    [_CHOSEN]
    if "E6DATA_TEST_TRANSPORT" in os.environ
    else [TransportKind.GRPC, TransportKind.NATIVE]
)


def choose(kind: TransportKind = _CHOSEN, patch: pytest.MonkeyPatch | None = None) -> None:
    """Makes *kind* the default, in this process and in those that it starts; for as long as *patch*, if it is given."""
    patch = patch or pytest.MonkeyPatch()
    spec = dataclasses.replace(option_values.SPECS[_KEY], default=kind)
    patch.setitem(option_values.SPECS, _KEY, spec)
    if kind is not _DEFAULT:
        patch.setenv("E6DATA_TRANSPORT", kind.value)
    else:
        patch.delenv("E6DATA_TRANSPORT", raising=False)


def is_native() -> bool:
    """Tells whether the native one is the default: it knows more in a few places."""
    return option_values.SPECS[_KEY].default is TransportKind.NATIVE
