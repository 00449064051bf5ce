"""What a caller signs in with shows in no traceback, not even in one with the locals of our frames."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

import e6data_adbc
from e6data_adbc import aio, cluster, dbapi
from e6data_adbc._hide_secrets import Concealed
from e6data_adbc.local import LocalEngine
from tests.support.canary import Canaries

SECRET_OPTIONS = ("password", "access_token", "oauth_client_secret")


async def _await(uri: str, **options: Any) -> None:
    await aio.connect(uri, **options)


def _connect(uri: str, **options: Any) -> None:
    e6data_adbc.connect(uri, db_kwargs=options)


def _connect_by_module(uri: str, **options: Any) -> None:
    dbapi.connect(uri, db_kwargs=options)


def _connect_later(uri: str, **options: Any) -> None:
    asyncio.run(_await(uri, db_kwargs=options))


ENTRANCES: list[Callable[..., Any]] = [
    _connect,
    _connect_by_module,
    _connect_later,
    cluster.ping,
    cluster.status,
    cluster.resume,
    cluster.suspend,
]


@pytest.mark.parametrize("enter", ENTRANCES)
@pytest.mark.parametrize("wrong", ["no_such_option", "token_in_query", "port", "fetch_timeout"])
def test_a_refused_connection_shows_no_secret(
    canaries: Canaries, enter: Callable[..., Any], wrong: str
) -> None:
    """Whatever is wrong, before or after the credentials were read."""
    token = canaries.plant("the token of the URI")
    uri = f"e6data://ann:{token}@127.0.0.1:1"
    options: dict[str, Any] = {"password": canaries.plant("the password")}
    if wrong == "no_such_option":
        options["no_such"] = canaries.plant("the value of an unknown option")
    elif wrong == "token_in_query":
        uri += f"?token={canaries.plant('a token in the query')}"
    elif wrong == "port":
        uri += "x"
    else:
        options["fetch_timeout_seconds"] = "soon"
    if enter in ENTRANCES[:3]:
        options = {
            e6data_adbc._options.option_values.full_key(key): value
            for key, value in options.items()
        }

    with canaries.raises(e6data_adbc.Error):
        enter(uri, **options)


@pytest.mark.parametrize("enter", [cluster.ping, cluster.status])
def test_a_refused_call_shows_no_secret(canaries: Canaries, enter: Callable[..., Any]) -> None:
    """Nor an error that the server answers with."""
    token = canaries.plant("a wrong token")
    with LocalEngine(token=canaries.plant("the engine's token")) as engine:
        with canaries.raises(e6data_adbc.Error):
            enter(f"e6data://ann:{token}@127.0.0.1:{engine.port}")


def test_a_concealed_text_is_its_text() -> None:
    """Only its `repr`, and that of what it is in, hide it."""
    text = Concealed("e6data://ann:secret@host")

    assert (text, str(text), f"{text}") == ("e6data://ann:secret@host",) * 3
    assert type(str(text)) is str
    assert text.encode() == b"e6data://ann:secret@host"
    assert repr({"uri": text}) == "{'uri': '***'}"


def test_what_is_no_secret_is_quoted() -> None:
    """An error still says which value was wrong."""
    with pytest.raises(e6data_adbc.ProgrammingError, match="'soon'"):
        cluster.status("e6data://ann@127.0.0.1:1", fetch_timeout_seconds="soon")
    with pytest.raises(e6data_adbc.ProgrammingError, match="'soon'"):
        e6data_adbc.connect(
            "e6data://ann@127.0.0.1:1",
            db_kwargs={"adbc.e6data.rpc.fetch_timeout_seconds": "soon"},
        )
