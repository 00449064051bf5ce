"""Which transport the tests run over: E6DATA_TEST_TRANSPORT names it, for the whole suite."""

from __future__ import annotations

import dataclasses
import os
from typing import Final

from e6data_adbc._options import option_values
from e6data_adbc.options import DatabaseOptions, TransportKind

__all__ = ["CHOSEN", "IS_NATIVE", "choose"]

#: What carries the calls of tests that do not say.
CHOSEN: Final = TransportKind(os.environ.get("E6DATA_TEST_TRANSPORT") or "grpc")
#: Where the two differ, which they do to the good.
IS_NATIVE: Final = CHOSEN is TransportKind.NATIVE


def choose() -> None:
    """Makes it the default, in this process and in those that it starts."""
    key = DatabaseOptions.TRANSPORT.value
    option_values.SPECS[key] = dataclasses.replace(option_values.SPECS[key], default=CHOSEN)
    if IS_NATIVE:
        os.environ["E6DATA_TRANSPORT"] = CHOSEN.value
