"""The table of methods, and what a failed call means."""

from __future__ import annotations

import pickle

import pytest
from google.protobuf import message_factory

from e6data_adbc import errors
from e6data_adbc._transport import methods
from e6data_adbc._transport.api import Code, RpcFailure
from e6data_adbc._transport.failures import Signal, signal
from e6data_adbc._transport.headers import check_cluster_name, check_planner, make_headers
from e6data_adbc._transport.methods import Method
from e6data_adbc._wire import cluster_pb2
from e6data_adbc._wire import e6x_engine_pb2 as wire
from e6data_adbc.errors import Status

METHODS = [value for value in vars(methods).values() if isinstance(value, Method)]
CODE = Code


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.path)
def test_each_method_is_the_one_of_the_protocol(method: Method) -> None:
    """Path, request and response agree with protos/."""
    service, name = method.path.strip("/").split("/")
    file = wire if service == "QueryEngineService" else cluster_pb2
    described = file.DESCRIPTOR.services_by_name[service].methods_by_name[name]
    response = message_factory.GetMessageClass(described.output_type)

    assert method.request is message_factory.GetMessageClass(described.input_type)
    assert method.decode is bytes or type(method.decode(b"")) is response


@pytest.mark.parametrize(
    ("code", "text", "meaning"),
    [
        (CODE.UNKNOWN, "status: 456", Signal.WRONG_STRATEGY),
        (CODE.UNKNOWN, "status: 4567", None),
        (CODE.UNKNOWN, "456", None),
        (CODE.UNKNOWN, "Status: 456", None),
        (CODE.INVALID_ARGUMENT, "status: 456", None),
        (CODE.UNAVAILABLE, "status: 503, cluster is suspended", Signal.SUSPENDED),
        (CODE.UNAVAILABLE, "status: 5030", None),
        (CODE.UNAVAILABLE, "Socket closed", None),
        (CODE.INTERNAL, "Access denied", Signal.ACCESS_DENIED),
        (CODE.INTERNAL, "Access denied to table 't'", None),
        (CODE.INTERNAL, "planner: Query cancelled by u", Signal.QUERY_CANCELLED),
        (CODE.UNIMPLEMENTED, "", Signal.UNIMPLEMENTED),
        (CODE.NOT_FOUND, "q", Signal.UNKNOWN_QUERY),
    ],
)
def test_a_signal_is_code_and_whole_text(code: Code, text: str, meaning: Signal | None) -> None:
    """A text that only quotes a signal, or comes with another code, signals nothing."""
    assert signal(RpcFailure(code, text)) is meaning


def test_a_signal_is_found_behind_an_error() -> None:
    """What the server signalled can be asked of the error that users see."""
    error = errors.make(Status.IO, "could not call")
    error.__cause__ = RpcFailure(CODE.UNKNOWN, "status: 456")

    assert signal(error) is Signal.WRONG_STRATEGY
    assert signal(errors.make(Status.IO, "could not call")) is None


def test_the_evidence_is_picklable() -> None:
    """A worker process can send an error home with its cause."""
    failure = pickle.loads(pickle.dumps(RpcFailure(CODE.ABORTED, "why")))

    assert (failure.code, failure.text) == (CODE.ABORTED, "why")


def test_headers_are_sent_when_known() -> None:
    """Spelling and order of use are those of the protocol."""
    assert make_headers("c", "green", "10.0.0.1") == (
        ("cluster-name", "c"),
        ("strategy", "green"),
        ("plannerip", "10.0.0.1"),
    )
    assert make_headers(None, None) == ()


@pytest.mark.parametrize("address", ["", "a\nb", "x" * 256, "käse", " 10.0.0.1", "a\x00"])
def test_a_hostile_engine_address_is_refused(address: str) -> None:
    """What the server names as planner goes into a header, so it must fit one."""
    with pytest.raises(errors.DataError, match="engine address") as caught:
        check_planner(address, query_id="q-1")

    assert errors.query_id(caught.value) == "q-1"


def test_an_engine_address_is_opaque() -> None:
    """Whatever fits a header is sent back byte for byte."""
    for address in ("10.0.0.1", "planner-blue-0.svc:9000", "::1", "x" * 255):
        assert check_planner(address, query_id="q") == address


def test_a_cluster_name_must_fit_a_header() -> None:
    """A cluster name that no header carries is a user's mistake, not a failed call."""
    assert check_cluster_name("Prod-1") == "Prod-1"
    assert check_cluster_name(None) is None
    with pytest.raises(errors.ProgrammingError, match="cluster name"):
        check_cluster_name("a\r\nb")
