"""The admin service on the wire."""

from __future__ import annotations

import json
from typing import Any

import grpc
import pytest

from e6data_adbc.local import LocalEngine
from tests.local.wire import Wire, refused

pytestmark = pytest.mark.seconds

TOKEN = "adm1n"


def ask(engine: LocalEngine, action: str, token: str = TOKEN, **request: Any) -> Any:
    with grpc.insecure_channel(engine.target) as channel:
        send = channel.unary_unary(f"/e6data.local.Admin/{action}")
        metadata = (("e6data-admin-token", token),)
        return json.loads(send(json.dumps(request).encode(), metadata=metadata, timeout=60))


@pytest.fixture
def engine(make_engine) -> LocalEngine:
    """An engine that can be commanded."""
    return make_engine(admin_token=TOKEN)


@pytest.mark.parametrize("token", ["", "wrong"])
def test_the_admin_token_is_demanded(engine: LocalEngine, token: str) -> None:
    """The engine's own token is another one."""
    for given in (token, engine.token):
        with pytest.raises(grpc.RpcError) as caught:
            ask(engine, "switch", given)
        assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert engine.strategy == "blue"


def test_without_an_admin_token_there_is_no_service(shared: LocalEngine) -> None:
    """It answers UNIMPLEMENTED, and so does an action that does not exist."""
    with pytest.raises(grpc.RpcError) as caught:
        ask(shared, "switch")

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_an_unknown_action_is_unimplemented(engine: LocalEngine) -> None:
    """As every unknown path."""
    with pytest.raises(grpc.RpcError) as caught:
        ask(engine, "explode")

    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_colours(engine: LocalEngine) -> None:
    """To a colour, to the other one, announced, by plan."""
    assert ask(engine, "switch", strategy="green") == {"strategy": "green"}
    assert ask(engine, "switch", drain=True) == {"strategy": "blue"}
    assert ask(engine, "switch", announce=True) == {"strategy": "blue"}
    ask(engine, "switch", every_calls=1, style="draining")
    with Wire(engine) as wire:
        wire.call("healthCheck")
    assert engine.strategy == "green"
    ask(engine, "switch", every_calls=0)
    with Wire(engine) as wire:
        wire.call("healthCheck")
    assert engine.strategy == "green"


def test_power(engine: LocalEngine) -> None:
    """Suspend with a script, and resume."""
    assert ask(engine, "suspend", states=["resuming", "failed"]) == {"status": "suspended"}
    assert ask(engine, "resume") == {"status": "resuming"}
    with Wire(engine) as wire:
        assert [wire.cluster("status") for _ in range(2)] == ["resuming", "failed"]


def test_expiry(engine: LocalEngine) -> None:
    """Of sessions and of bearers; nothing else expires."""
    with Wire(engine) as wire:
        wire.sign_in()
        assert ask(engine, "expire") == {"expired": 1}
    engine.issue_bearer()
    assert ask(engine, "expire", what="bearers") == {"expired": 1}
    assert ask(engine, "expire", drain=True) == {"expired": 0}
    with pytest.raises(grpc.RpcError, match="'milk' cannot expire"):
        ask(engine, "expire", what="milk")


def test_faults_and_ledger(engine: LocalEngine) -> None:
    """A fault that is planned here strikes there, and the ledger tells."""
    planned = ask(engine, "fault", method="healthCheck", code="ABORTED", details="why")
    assert planned["faults"][0]["kind"] == "fail"
    with Wire(engine) as wire:
        assert refused(wire.start("healthCheck")) == ("ABORTED", "why")
        ask(engine, "fault", method="getSchemaNames", keep=-1)
        ask(engine, "fault", method="getSchemaNames", seconds=0.001, when="after")
        wire.sign_in().run("select 1 as n").read()
    ledger = ask(engine, "ledger")
    assert ask(engine, "fault", clear=True) == {"faults": []}

    assert (ledger["prepared"], ledger["executed"], ledger["open"]) == (1, 1, 1)
    assert ledger["last"][0]["sql"] == "select 1 as n"
    assert ledger["refused"][0]["details"] == "why"
    assert ask(engine, "ledger", last=0)["last"] == []


@pytest.mark.parametrize(
    ("action", "request_"),
    [
        ("switch", {"colour": "green"}),
        ("switch", {"strategy": "purple"}),
        ("switch", {"style": "sudden"}),
        ("fault", {}),
        ("fault", {"method": "nothing"}),
        ("fault", {"method": "status", "code": "WRONG"}),
        ("fault", {"method": "status", "when": "never"}),
    ],
)
def test_a_wrong_request_is_said_to_be_wrong(
    engine: LocalEngine, action: str, request_: dict[str, Any]
) -> None:
    """With the cause, and nothing is changed."""
    with pytest.raises(grpc.RpcError) as caught:
        ask(engine, action, **request_)

    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert caught.value.details()
    assert engine.strategy == "blue"


def test_a_restart_answers_first(engine: LocalEngine) -> None:
    """Then sessions are gone, and the port is the same."""
    with Wire(engine) as wire:
        wire.sign_in()
        assert ask(engine, "restart") == {"restarting": True}
        while is_known(wire):
            pass


def is_known(wire: Wire) -> bool:
    """Whether the session still counts, or nobody answers."""
    error = wire.start("getSchemaNames", sessionId=wire.session_id).exception()
    return error is None or error.code() is not grpc.StatusCode.INTERNAL


def test_the_admin_token_shows_nowhere(engine: LocalEngine) -> None:
    """Neither the engine nor its settings print it."""
    assert TOKEN not in repr(engine) + repr(engine.config)
