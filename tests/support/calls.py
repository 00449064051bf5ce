"""Scopes and calls for the transport."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from google.protobuf.message import Message

from e6data_adbc._options.option_values import Settings
from e6data_adbc._transport.api import Call
from e6data_adbc._transport.methods import Method, R
from e6data_adbc._transport.scope import Scope


def make_scope(**seconds: float) -> Scope:
    """Returns a scope with the time limits given, by the short names of their options."""
    settings = Settings()
    for name, value in seconds.items():
        settings = settings.with_option(f"adbc.e6data.rpc.{name}_timeout_seconds", value)
    return Scope(settings)


def call_of(
    method: Method[Any, R],
    scope: Scope,
    *,
    request: Callable[[], Message] | None = None,
    **more: Any,
) -> Call[R]:
    """Returns a call of *method* with an empty request, unless *request* makes one, within the option of *scope*."""
    make = request or method.request
    fields = {
        "headers": (),
        "timeout": scope.settings.get(method.limit),
        "verb": f"call {method.name}",
    }
    return Call(method, lambda: make().SerializeToString(), **(fields | more))
