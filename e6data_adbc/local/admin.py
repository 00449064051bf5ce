"""The admin service: a cluster's life played from another process."""

from __future__ import annotations

import dataclasses
import hmac
import inspect
import json
import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, cast

import grpc

from e6data_adbc.local.cluster.deployment import Deployment
from e6data_adbc.local.faults import Fault, Faults, When
from e6data_adbc.local.ledger import Ledger

__all__ = ["SERVICE", "TOKEN_HEADER", "Admin"]

_logger = logging.getLogger("e6data_adbc.local")

#: Its calls carry a JSON object both ways, under `/SERVICE/<action>`.
SERVICE: Final = "e6data.local.Admin"
TOKEN_HEADER: Final = "e6data-admin-token"  # noqa: S105 - a name
#: Seconds that calls in progress get when the engine is restarted, this service's answer among them.
RESTART_GRACE_SECONDS: Final = 0.5

_LOOPBACK: Final = ("ipv4:127.", "ipv6:[::1]", "ipv6:%5B::1%5D", "unix:")


class Engine(Protocol):
    """What the service commands."""

    ledger: Ledger
    faults: Faults

    @property
    def strategy(self) -> str: ...
    def switch(
        self, strategy: str | None = None, *, announce: bool = False, drain: bool = False
    ) -> str: ...
    def switch_every(
        self, *, seconds: float | None = None, calls: int | None = None, style: str = "abrupt"
    ) -> None: ...
    def suspend(self, *, states: list[str] | None = None, refusals: int = 0) -> None: ...
    def resume(self) -> str: ...
    def expire_sessions(self, *, drain: bool = False) -> int: ...
    def expire_bearers(self) -> int: ...
    def restart(self, *, grace: float | None = None) -> None: ...


class Admin(grpc.GenericRpcHandler):  # type: ignore[type-arg]
    """Plays what an admin asks for; only callers from this machine who know the admin token may ask."""

    def __init__(self, engine: Engine, deployment: Deployment, token: str) -> None:
        """Commands *engine*; *token* is a secret."""
        self._engine = engine
        self._deployment = deployment
        self._token = token
        self._actions: dict[str, Callable[..., dict[str, Any]]] = {
            "switch": self._switch,
            "suspend": self._suspend,
            "resume": self._resume,
            "expire": self._expire,
            "fault": self._fault,
            "ledger": self._ledger,
            "metrics": self._metrics,
            "restart": self._restart,
        }

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[bytes, bytes] | None:
        """Returns the handler of an action; None for a path of another service."""
        service, _, action = str(handler_call_details.method).lstrip("/").partition("/")
        if service != SERVICE or action not in self._actions:
            return None

        def answer(data: bytes, context: grpc.ServicerContext) -> bytes:
            return self._answer(self._actions[action], data, context)

        return cast(
            "grpc.RpcMethodHandler[bytes, bytes]", grpc.unary_unary_rpc_method_handler(answer)
        )

    def _answer(
        self, action: Callable[..., dict[str, Any]], data: bytes, context: grpc.ServicerContext
    ) -> bytes:
        self._admit(context)
        try:
            given = json.loads(data or b"{}")
            inspect.signature(action).bind(**given)
            answer = action(**given)
        except (TypeError, ValueError) as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
        return json.dumps(answer).encode()

    def _admit(self, context: grpc.ServicerContext) -> None:
        headers: Mapping[str, Any] = dict(context.invocation_metadata())
        given = str(headers.get(TOKEN_HEADER, ""))
        if not context.peer().startswith(_LOOPBACK):
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "admins call from this machine only")
        if not hmac.compare_digest(given.encode(), self._token.encode()):
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "the admin token is wrong")

    def _switch(
        self,
        strategy: str | None = None,
        announce: bool = False,  # noqa: FBT001, FBT002 - keys of a JSON object
        drain: bool = False,  # noqa: FBT001, FBT002
        every_seconds: float | None = None,
        every_calls: int | None = None,
        style: str | None = None,
    ) -> dict[str, Any]:
        if every_seconds is None and every_calls is None and style is None:
            return {"strategy": self._engine.switch(strategy, announce=announce, drain=drain)}
        self._engine.switch_every(
            # 0 ends the plan.
            seconds=every_seconds or None,
            calls=every_calls or None,
            style=style or "abrupt",
        )
        return {"strategy": self._engine.strategy}

    def _suspend(self, states: list[str] | None = None, refusals: int = 0) -> dict[str, Any]:
        self._engine.suspend(states=states, refusals=refusals)
        return {"status": self._deployment.state}

    def _resume(self) -> dict[str, Any]:
        return {"status": self._engine.resume()}

    def _expire(
        self,
        what: str = "sessions",
        drain: bool = False,  # noqa: FBT001, FBT002
    ) -> dict[str, Any]:
        if what not in ("sessions", "bearers"):
            raise ValueError(f"{what!r} cannot expire; use sessions or bearers")
        if what == "bearers":
            return {"expired": self._engine.expire_bearers()}
        return {"expired": self._engine.expire_sessions(drain=drain)}

    def _fault(self, **asked: Any) -> dict[str, Any]:
        inspect.signature(_FaultOrder).bind(**asked)
        order = _FaultOrder(**asked)
        faults = self._engine.faults
        if order.clear:
            faults.clear()
        elif order.method is None:
            raise ValueError("a fault needs a method, or clear")
        else:
            order.plan(faults, order.method)
        return {"faults": [_described(fault) for fault in faults.planned]}

    def _ledger(self, last: int = 10) -> dict[str, Any]:
        return {"strategy": self._engine.strategy, **self._engine.ledger.summary(last)}

    def _metrics(self) -> dict[str, Any]:
        return dict(self._engine.ledger.metrics())

    def _restart(self) -> dict[str, Any]:
        # From inside of a call the server cannot wait for its calls to end.
        threading.Thread(
            target=self._engine.restart,
            kwargs={"grace": RESTART_GRACE_SECONDS},
            name="e6data-local-restart",
            daemon=True,
        ).start()
        return {"restarting": True}


@dataclasses.dataclass(frozen=True)
class _FaultOrder:
    """The keys of the JSON object that asks for a fault; `Faults` says what they mean."""

    method: str | None = None
    clear: bool = False
    code: str | None = None
    details: str = "injected fault"
    pushback_seconds: float | None = None
    seconds: float | None = None
    keep: int | None = None
    after: int = 0
    times: int | None = 1
    when: str = "before"

    def plan(self, faults: Faults, method: str) -> None:
        """Plans each kind of fault that the keys name, a failure where they name none."""
        after, times, when = self.after, self.times, When(self.when)
        if self.keep is not None:
            faults.truncate(method, keep=self.keep, after=after, times=times)
        if self.seconds is not None:
            faults.delay(method, seconds=self.seconds, after=after, times=times, when=when)
        if self.code is not None or (self.keep is None and self.seconds is None):
            faults.fail(
                method,
                after=after,
                times=times,
                code=self.code or "UNAVAILABLE",
                details=self.details,
                when=when,
                pushback_seconds=self.pushback_seconds,
            )


def _described(fault: Fault) -> dict[str, Any]:
    kind = "fail" if fault.code else "delay" if fault.seconds is not None else "change"
    return {
        "method": fault.method,
        "kind": kind,
        "when": fault.when.value,
        "after": fault.after,
        "times": fault.times,
        "hits": fault.hits,
    }
