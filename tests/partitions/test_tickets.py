"""Tickets: every way in which one can be wrong, told apart, and nothing secret in any of them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest
from adbc_driver_manager import AdbcStatusCode as Status
from hypothesis import given, settings
from hypothesis import strategies as st

import e6data_adbc
from e6data_adbc import errors
from e6data_adbc._driver.partitions.issuer import TicketIssuer
from e6data_adbc._driver.partitions.ticket import RunningResult, SubQuery, Ticket, TicketKey, key_of
from e6data_adbc._options.database_config import DatabaseConfig, Endpoint
from e6data_adbc.local import LocalEngine
from e6data_adbc.options import Secret
from tests.support.canary import Canaries
from tests.support.partitioned import Connect, key_to, partitions_of, refusal, table_of

pytestmark = pytest.mark.seconds

KEY = TicketKey(Secret("a key of some length"))
SCHEMA = pa.schema([pa.field("n", pa.int64(), metadata={"E6DATA:type": "LONG"})])
RESULT = RunningResult("q-1", "10.0.0.1", "blue", "", 7)
TICKET = Ticket("0f" * 16, "c1", "lake", "raw", 100, 700, RESULT, SCHEMA)


def config(**options: Any) -> DatabaseConfig:
    return DatabaseConfig.from_options({"uri": "e6data://127.0.0.1:1", **options}, environment={})


def tickets(now: float = 0.0, **options: Any) -> TicketIssuer:
    """Returns the desk of a database at a time that does not pass."""
    return TicketIssuer(config(**options), Endpoint("127.0.0.1", 1, encrypted=False), lambda: now)


def issue(desk: TicketIssuer, work: RunningResult | SubQuery = RESULT, **more: Any) -> bytes:
    return desk.issue(work, SCHEMA, catalog=None, db_schema=None, lifetime=None, **more)


# ---- bytes


@pytest.mark.parametrize("work", [RESULT, SubQuery("select 'ü' -- \n")])
def test_what_is_written_is_read(work: RunningResult | SubQuery) -> None:
    """A ticket comes back with every field, the schema with its metadata."""
    ticket = dataclasses.replace(TICKET, work=work)

    found = Ticket.unseal(ticket.seal(KEY), KEY)

    assert found == ticket
    assert found.schema.equals(SCHEMA, check_metadata=True)


def test_a_ticket_is_small() -> None:
    """Of a result with one column it has less than half a KiB."""
    assert len(TICKET.seal(KEY)) < 512


def test_every_change_of_a_byte_is_noticed() -> None:
    """Whatever byte of a ticket is changed, in its lowest bit, its highest or all: an error, never another ticket."""
    sealed = TICKET.seal(KEY)
    statuses = set()
    for place in range(len(sealed)):
        for change in (0x01, 0x80, 0xFF):
            changed = bytearray(sealed)
            changed[place] ^= change
            with pytest.raises(errors.Error) as caught:
                Ticket.unseal(bytes(changed), KEY)
            statuses.add(caught.value.status_code)

    assert statuses == {
        Status.INVALID_ARGUMENT,  # another beginning, another length
        Status.NOT_IMPLEMENTED,  # another version
        Status.UNAUTHORIZED,  # another key
        Status.INVALID_DATA,
    }


def test_every_cut_is_noticed() -> None:
    """A ticket that misses bytes at its end, or has some more, is none."""
    sealed = TICKET.seal(KEY)
    for data in (*(sealed[:length] for length in range(len(sealed))), sealed + b"\0"):
        status, _ = refusal(lambda data=data: Ticket.unseal(data, KEY))  # type: ignore[misc]
        assert status == Status.INVALID_ARGUMENT


@given(st.binary(max_size=200), st.booleans())
@settings(deadline=None)
def test_any_bytes_are_an_error(data: bytes, looks_right: bool) -> None:
    """Bytes from elsewhere are refused with an error of ours, however they begin."""
    with pytest.raises(errors.Error):
        Ticket.unseal(b"E6PT\x01" + data if looks_right else data, KEY)


def test_another_version_is_named() -> None:
    """A ticket of a later driver is not implemented here, rather than broken."""
    sealed = bytearray(TICKET.seal(KEY))
    sealed[4] = 9

    status, text = refusal(lambda: Ticket.unseal(bytes(sealed), KEY))

    assert status == Status.NOT_IMPLEMENTED
    assert "it is of version 9, and this driver reads version 1" in text


def test_another_key_is_told_from_a_change() -> None:
    """Whoever has the wrong password hears that, and what to do about it."""
    status, text = refusal(
        lambda: Ticket.unseal(TICKET.seal(KEY), TicketKey(Secret("another key of that length")))
    )

    assert status == Status.UNAUTHORIZED
    assert "adbc.e6data.partition.ticket_key" in text


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"query":{}}', b'{"result":7}', b"\xff"])
def test_a_body_that_we_would_not_write(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even proved, a body of another form is an error."""
    monkeypatch.setattr(json, "dumps", lambda *_, **__: body.decode("latin-1"))
    sealed = TICKET.seal(KEY)
    monkeypatch.undo()

    assert refusal(lambda: Ticket.unseal(sealed, KEY))[0] == Status.INVALID_DATA


# ---- keys


def test_a_key_belongs_to_user_and_password() -> None:
    """The same user with the same password has the same key; another user or password, or the other way in, has not."""
    oauth = {
        "adbc.e6data.auth.oauth_client_id": "me",
        "adbc.e6data.auth.oauth_client_secret": "p",
        "adbc.e6data.auth.oauth_token_url": "https://h",
    }
    ids = [
        key_of(config(**options))[0].id
        for options in (
            {"username": "me", "password": "p"},
            {"username": "me", "password": "p", "adbc.e6data.auth.impersonated_user": "you"},
            {"username": "you", "password": "p"},
            {"username": "me", "password": "q"},
            {"adbc.e6data.partition.ticket_key": "p" * 16},
            {"adbc.e6data.partition.ticket_key": "q" * 16, **oauth},
            oauth,
        )
    ]

    assert ids[0] == ids[1]
    assert len(set(ids)) == 6


def test_tokens_make_no_key() -> None:
    """Where the credential changes, partitions need a key of their own, and the error names the option."""
    desk = tickets(**{"adbc.e6data.auth.access_token": "t"})

    status, text = refusal(desk.check)
    assert status == Status.INVALID_STATE
    assert "adbc.e6data.partition.ticket_key" in text
    tickets(
        **{
            "adbc.e6data.auth.access_token": "t",
            "adbc.e6data.partition.ticket_key": "k" * 16,
        }
    ).check()


def test_a_short_key_is_refused(sharing_engine: LocalEngine, connect_plain: Connect) -> None:
    """A key that can be guessed is refused when connecting, and not quoted."""
    status, text = refusal(
        lambda: connect_plain(sharing_engine.uri, {"adbc.e6data.partition.ticket_key": "hunter2"})
    )

    assert status == Status.INVALID_ARGUMENT
    assert "less than 16 characters" in text
    assert "hunter2" not in text


def test_a_key_in_the_uri_is_refused() -> None:
    """Logs show URIs; the environment may hold the key."""
    status, text = refusal(lambda: config(uri="e6data://h?ticket_key=hunter2-hunter2-hunter2"))
    assert status == Status.INVALID_ARGUMENT
    assert "hunter2" not in text
    environment = {"E6DATA_TICKET_KEY": "hunter2-hunter2-hunter2"}
    found = DatabaseConfig.from_options({"uri": "e6data://u:t@h"}, environment)

    assert key_of(found)[0].id == TicketKey(Secret("hunter2-hunter2-hunter2")).id


# ---- what a database accepts


def test_a_ticket_expires() -> None:
    """After its time it is an invalid state; a result's is ten minutes, a query's a day, or what the option says."""
    owner = {"username": "me", "password": "p"}
    result, query = issue(tickets(**owner)), issue(tickets(**owner), SubQuery("select 1"))
    own = tickets(**owner).issue(RESULT, SCHEMA, catalog=None, db_schema=None, lifetime=5.0)

    for data, seconds in ((result, 600), (query, 86_400), (own, 5)):
        tickets(seconds, **owner).accept(data)
        status, text = refusal(lambda: tickets(seconds + 3, **owner).accept(data))  # noqa: B023
        assert status == Status.INVALID_STATE
        assert "it expired 2 s ago" in text


@pytest.mark.parametrize(
    ("reader", "status", "words"),
    [
        ({}, None, ""),
        ({"adbc.e6data.auth.impersonated_user": "x"}, Status.UNAUTHORIZED, "another user's"),
        ({"username": "you"}, Status.UNAUTHORIZED, "made with another key"),
    ],
)
def test_a_result_belongs_to_its_user(reader: dict[str, str], status: Status, words: str) -> None:
    """Whoever runs as somebody else does not read it, even with the same password."""
    owner = {"username": "me", "password": "p"}
    made = tickets(**owner)
    result = issue(made, dataclasses.replace(RESULT, owner=made.owner))
    query = issue(made, SubQuery("select 1"))
    desk = tickets(**{**owner, **reader})

    if status is None:
        desk.accept(result)
        return
    found, text = refusal(lambda: desk.accept(result))
    assert found == status
    assert words in text
    if "impersonated" in str(
        reader
    ):  # a query is run by its reader, as whom the server takes him for
        desk.accept(query)


def test_the_wrong_place(
    sharing_engine: LocalEngine,
    start_engine: Callable[..., LocalEngine],
    connect_plain: Connect,
    here: Any,
) -> None:
    """A ticket of another server or cluster is refused before anybody is called."""
    (partition,), _ = partitions_of(here, "select 1 as n", on="n")
    other = start_engine(token=sharing_engine.token)
    cluster = connect_plain(sharing_engine.uri, {"adbc.e6data.connection.cluster_name": "other"})
    calls = sharing_engine.ledger.calls
    for connection, words in (
        (connect_plain(other.uri), "another server than"),
        (cluster, "it belongs to cluster None, and this connection to 'other'"),
    ):
        status, text = refusal(lambda: table_of(connection, partition))  # noqa: B023
        assert status == Status.INVALID_ARGUMENT
        assert words in text
    assert other.ledger.calls.total() == 0
    assert sharing_engine.ledger.calls == calls


def test_a_mistake_calls_nobody(sharing_engine: LocalEngine, here: Any, there: Any) -> None:
    """What is wrong with a ticket is found out before a call is made, and the connection goes on."""
    (partition,), _ = partitions_of(here, "select 1 as n", on="n")
    key = key_to(sharing_engine.uri)
    expired = dataclasses.replace(Ticket.unseal(partition, key), expires=1).seal(key)
    before = sharing_engine.ledger.calls
    for data, status in (
        (b"", Status.INVALID_ARGUMENT),
        (b"garbage", Status.INVALID_ARGUMENT),
        (partition[:-1], Status.INVALID_ARGUMENT),
        (partition[:-1] + bytes([partition[-1] ^ 1]), Status.INVALID_DATA),
        (b"E6PT\x02" + partition[5:], Status.NOT_IMPLEMENTED),
        (expired, Status.INVALID_STATE),
    ):
        assert refusal(lambda: table_of(there, data))[0] == status  # noqa: B023

    assert sharing_engine.ledger.calls == before
    assert table_of(there, partition).to_pydict() == {"n": [1]}


def test_no_secret_is_in_a_ticket(canaries: Canaries) -> None:
    """Neither password nor session nor key is in a ticket, in what makes it, or in an error about one."""
    token, key = canaries.plant("the token"), canaries.plant("the ticket key")
    options = {"adbc.e6data.partition.ticket_key": key}
    with LocalEngine(token=token, share_queries=True) as engine:
        for given_options in ({}, options):
            with e6data_adbc.connect(engine.uri, db_kwargs=given_options) as connection:
                made = partitions_of(connection, "select 1 as n")[0]
                made += partitions_of(connection, "select 1 as n", on="n")[0]
                for partition in made:
                    assert canaries.in_text(partition.decode("latin-1")) == []
                    assert not any(
                        session in partition.decode("latin-1")
                        for session in engine._sessions._sessions
                    )
                    changed = partition[:-1] + bytes([partition[-1] ^ 1])
                    for data in (changed, partition[:40], b"E6PT\x01" + bytes(60)):
                        with canaries.raises(e6data_adbc.Error):
                            connection.adbc_connection.read_partition(data)
                    table_of(connection, partition)
            canaries.check(
                TicketIssuer(
                    DatabaseConfig.from_options({"uri": engine.uri, **given_options}),
                    Endpoint("127.0.0.1", 1, encrypted=False),
                )._key
            )
