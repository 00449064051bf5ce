"""Who may call: credentials, sessions, bearers, clusters, colours, power."""

from __future__ import annotations

import shutil
import subprocess
from urllib.parse import unquote, urlsplit

import grpc
import pytest

from e6data_adbc.local import LocalEngine
from tests.local.wire import Wire, refused

pytestmark = pytest.mark.seconds

DENIED = ("INTERNAL", "Access denied")
WRONG_COLOUR = ("UNKNOWN", "status: 456")
SUSPENDED = ("UNAVAILABLE", "status: 503, cluster is suspended")


def test_a_fresh_token_is_demanded_by_default(make_engine) -> None:
    """Two engines have two tokens, and the URI carries user and token."""
    first, second = make_engine(), make_engine()
    assert first.token != second.token
    parts = urlsplit(first.uri)
    assert (parts.scheme, parts.username, parts.port) == ("e6data", "local", first.port)
    assert unquote(parts.password or "") == first.token
    assert parts.path == "/sample/sales"


def test_credentials_in_the_uri_are_encoded(make_engine) -> None:
    """Users are e-mail addresses."""
    engine = make_engine(user="ann@example.com", token="p/w:1 %")

    assert "ann%40example.com:p%2Fw%3A1%20%25@127.0.0.1:" in engine.uri


@pytest.mark.parametrize(("user", "token"), [("x", None), (None, "x"), (None, ""), ("", "")])
def test_wrong_credentials_get_an_empty_session(shared, user, token) -> None:
    """That is how the engine rejects them."""
    with Wire(shared) as wire:
        answer = wire.call(
            "authenticate",
            user=shared.user if user is None else user,
            password=shared.token if token is None else token,
        )
        assert answer.sessionId == ""
        assert answer.engineIP == ""


@pytest.mark.parametrize("session", ["", "made-up"])
def test_without_a_session_nothing_is_answered(shared, session) -> None:
    """Every call with a session field is denied in the engine's words."""
    with Wire(shared) as wire:
        for method in ("prepareStatementV2", "getTablesV2", "dryRun", "status", "clear"):
            assert refused(wire.start(method, sessionId=session)) == DENIED


def test_sessions_can_be_expired(make_wire) -> None:
    """Calls with an old session are denied, a new one works."""
    wire = make_wire()
    assert wire.engine.expire_sessions() == 1
    assert refused(wire.start("getSchemaNames", sessionId=wire.session_id)) == DENIED
    wire.sign_in()
    wire.ask("getSchemaNames")


def test_sessions_expire_by_themselves(make_wire) -> None:
    """After session_seconds."""
    wire = make_wire(session_seconds=1e-9)

    assert refused(wire.start("getSchemaNames", sessionId=wire.session_id)) == DENIED


def test_a_bearer_needs_no_session(make_engine) -> None:
    """With a bearer token set, calls that carry it pass with an empty session; sessions go on working."""
    engine = make_engine(bearer="abc.def")
    with Wire(engine, authorization="Bearer abc.def") as wire:
        assert wire.select("select 1 as n").to_pylist() == [{"n": 1}]
        assert wire.cluster("status", user="", password="") == "active"
        wrong = wire.start("getCataloges", headers={"authorization": "Bearer no"})
        assert refused(wrong) == ("UNAUTHENTICATED", "authentication denied")


def test_a_bearer_is_refused_where_there_is_none(shared) -> None:
    """As by a planner without OAuth."""
    with Wire(shared, authorization="Bearer abc") as wire:
        code = ("UNAUTHENTICATED", "OAuth authentication denied")
        assert refused(wire.start("getCataloges")) == code


def test_the_cluster_name_is_checked_where_one_is_set(make_engine) -> None:
    """In any case; without it, or with another, no call comes in."""
    engine = make_engine(cluster_name="Demo")
    with Wire(engine, **{"cluster-name": "demo"}) as wire:
        wire.sign_in().ask("getSchemaNames")
    with Wire(engine) as wire:
        assert refused(wire.start("getCataloges")) == ("UNAVAILABLE", "cluster '' is disabled")


def test_the_other_colour_is_refused_and_none_is_fine(make_wire) -> None:
    """456 on every method of both services."""
    wire = make_wire()
    green = {"strategy": "green"}
    for method in ("authenticate", "prepareStatementV2", "getCataloges", "healthCheck"):
        assert refused(wire.start(method, headers=green)) == WRONG_COLOUR
    assert refused(wire.start("status", service="ClusterService", headers=green)) == WRONG_COLOUR
    assert wire.select("select 1 as n").num_rows == 1
    with Wire(wire.engine, strategy="blue") as blue:
        assert blue.sign_in().select("select 1 as n").num_rows == 1


def test_a_switch_ends_the_old_colour_at_once(make_wire) -> None:
    """Its calls get 456; its sessions and queries are unknown to the new colour."""
    wire = make_wire()
    query = wire.run("select 1")
    assert wire.engine.switch() == "green"
    assert refused(query.start("status", headers={"strategy": "blue"})) == WRONG_COLOUR
    assert refused(query.start("status", headers={"strategy": "green"})) == DENIED
    assert query.record.dropped

    wire.headers["strategy"] = "green"
    assert wire.sign_in().select("select 1 as n").num_rows == 1
    assert wire.engine.switch("green") == wire.engine.strategy == "green"
    assert wire.ask("getSchemaNames").new_strategy == ""
    wire.engine.switch("blue")
    wire.engine.switch("green")
    assert refused(wire.start("getSchemaNames", sessionId=wire.session_id)) == DENIED


def test_an_announced_switch_lets_both_colours_work(make_wire) -> None:
    """Responses of the old colour carry new_strategy, on every call that has the field; the new one works already."""
    wire = make_wire()
    wire.headers["strategy"] = "blue"
    engine = wire.engine
    assert engine.switch(announce=True) == "blue"
    query = wire.prepare("select 1 as n")
    assert query.call("status").new_strategy == "green"
    query.execute()
    assert query.call("getResultMetadata").new_strategy == "green"
    assert query.call("getNextResultBatchV2").new_strategy == "green"
    assert query.fetch(1).new_strategy == "green"
    with Wire(engine, strategy="green") as green:
        assert green.sign_in().ask("getSchemaNames").new_strategy == ""
        assert engine.switch() == "green"
        green.ask("getSchemaNames")
    assert refused(query.start("status")) == WRONG_COLOUR


def test_a_draining_colour_answers_for_its_queries_only(make_wire) -> None:
    """With drain, a query ends under its colour; new ones are refused there."""
    wire = make_wire()
    wire.headers["strategy"] = "blue"
    query = wire.run("select 1 as n")
    wire.engine.switch(drain=True)

    assert query.read().to_pylist() == [{"n": 1}]
    assert refused(wire.start("prepareStatementV2", sessionId=wire.session_id)) == WRONG_COLOUR
    query.clear()
    wire.engine.switch("blue")
    assert wire.engine.strategy == "blue"


def test_a_suspended_cluster_answers_503_until_it_is_resumed(make_wire) -> None:
    """The cluster service goes on answering; sessions and queries are gone after a resume."""
    wire = make_wire(resume_polls=2)
    query = wire.run("select 1")
    assert wire.cluster("status") == "active"
    assert wire.cluster("suspend") == "suspended"
    for method in ("authenticate", "prepareStatementV2", "healthCheck"):
        assert refused(wire.start(method)) == SUSPENDED
    assert wire.cluster("status") == "suspended"
    assert wire.cluster("resume") == "resuming"
    assert [wire.cluster("status") for _ in range(3)] == ["resuming", "resuming", "active"]
    assert refused(query.start("status")) == DENIED
    assert wire.sign_in().select("select 1 as n").num_rows == 1


def test_the_cluster_service_wants_credentials(shared) -> None:
    """User and password of the request are checked."""
    with Wire(shared) as wire:
        for method in ("status", "resume", "suspend"):
            future = wire.start(method, service="ClusterService", user="x", password="y")
            assert refused(future) == DENIED


def test_the_tokens_show_nowhere(make_engine) -> None:
    """Neither the engine nor its settings print them."""
    engine = make_engine(token="s3cret", bearer="b34rer")

    assert "s3cret" not in repr(engine) + repr(engine.config)
    assert "b34rer" not in repr(engine.config)


def test_an_engine_lives_once(make_engine) -> None:
    """A second start is refused, a second stop is fine."""
    engine: LocalEngine = make_engine()
    with pytest.raises(Exception, match="was started before"):
        engine.start()
    engine.stop()
    engine.stop()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_tls_takes_a_certificate(make_engine, tmp_path) -> None:
    """With a certificate and its key the server speaks TLS only."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=localhost"
    subprocess.run(
        [
            *command.split(),
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            key,
            "-out",
            certificate,
        ],
        check=True,
        capture_output=True,
    )
    engine = make_engine(tls_certificate=certificate, tls_key=key)
    credentials = grpc.ssl_channel_credentials(certificate.read_bytes())
    with grpc.secure_channel(engine.target, credentials) as channel:
        answer = channel.unary_unary("/QueryEngineService/healthCheck")(b"", timeout=60)
    assert answer == b""
    with Wire(engine) as plain:
        assert refused(plain.start("healthCheck"))[0] == "UNAVAILABLE"
