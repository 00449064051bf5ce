"""The secret metadata of a call: what a signer may add, and what it may not."""

from __future__ import annotations

import functools
import pickle
from collections.abc import Mapping

import pytest

from e6data_adbc import errors
from e6data_adbc._session.login.call_signer import CallSigner
from e6data_adbc._session.login.hooks import Hook
from e6data_adbc.options import Secret
from tests.support.canary import Canaries

PATH = "/QueryEngineService/authenticate"


def signer(answer: object) -> CallSigner:
    return CallSigner(Hook("request_signer", lambda path: answer))


def test_a_bearer_becomes_the_authorization() -> None:
    """A token is sent as `authorization: Bearer …`, and without token and signer nothing is added."""
    assert CallSigner().sign(PATH, Secret("t-1")).reveal() == (("authorization", "Bearer t-1"),)
    assert CallSigner().sign(PATH).reveal() == ()


def test_a_signer_sees_the_path_and_adds_metadata() -> None:
    """The signer is asked for each call with its path; what it returns goes along with the token."""
    hook = Hook("request_signer", lambda path: {"x-signature": f"of {path}", "x-key.id_1": "k"})

    signed = CallSigner(hook).sign(PATH, Secret("t-1"))

    assert signed.reveal() == (
        ("x-signature", f"of {PATH}"),
        ("x-key.id_1", "k"),
        ("authorization", "Bearer t-1"),
    )


def test_a_signer_may_authorize_where_no_token_does() -> None:
    """A gateway may want an authorization of its own, which a session in the message leaves room for."""
    assert signer({"authorization": "Basic eA=="}).sign(PATH).reveal() == (
        ("authorization", "Basic eA=="),
    )


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "NoneType, not a mapping"),
        ("text", "a str, not a mapping"),
        ((("a", "b"),), "a tuple, not a mapping"),
        ({"X-Upper": "v"}, "lower-case"),
        ({"": "v"}, "lower-case"),
        ({"a b": "v"}, "lower-case"),
        ({"x:y": "v"}, "lower-case"),
        ({":path": "v"}, "lower-case"),
        ({1: "v"}, "a key of type int"),
        ({b"x": "v"}, "a key of type bytes"),
        ({"x-bin": "v"}, "binary"),
        ({"strategy": "v"}, "reserved"),
        ({"plannerip": "v"}, "reserved"),
        ({"cluster-name": "v"}, "reserved"),
        ({"grpc-timeout": "v"}, "reserved"),
        ({"content-type": "v"}, "reserved"),
        ({"user-agent": "v"}, "reserved"),
        ({"te": "v"}, "reserved"),
        ({"authorization": "v"}, "carries the access token"),
        ({"x": ""}, "printable"),
        ({"x": " v"}, "printable"),
        ({"x": "v\n"}, "printable"),
        ({"x": "a\r\nstrategy: green"}, "printable"),
        ({"x": "ä"}, "printable"),
        ({"x": 1}, "printable"),
        ({"x": b"v"}, "printable"),
        ({"x": None}, "printable"),
        ({"x": "v" * 8192}, "more than 8192 bytes"),
    ],
)
def test_what_is_not_metadata_is_refused(answer: object, words: str) -> None:
    """Keys are lower case and not reserved, values are printable, and all together fit a call."""
    with pytest.raises(errors.ProgrammingError, match=words) as caught:
        signer(answer).sign(PATH, Secret("t-1"))

    assert caught.value.status_code == errors.Status.INVALID_ARGUMENT
    assert PATH in str(caught.value)


class _Broken(Mapping[str, str]):
    """A mapping whose items cannot be read."""

    def __getitem__(self, key: str) -> str:
        raise KeyError

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter([["x"]])

    def __len__(self) -> int:
        return 1


def test_a_signer_that_fails_fails_the_call() -> None:
    """The error names the call, the exception and its text, and chains it; a broken mapping is a failure too."""

    def fail(path: str) -> Mapping[str, str]:
        raise OSError("no key store")

    with pytest.raises(errors.ProgrammingError, match="OSError: no key store") as caught:
        CallSigner(Hook("request_signer", fail)).sign(PATH)
    assert caught.value.status_code == errors.Status.UNAUTHENTICATED
    assert isinstance(caught.value.__cause__, OSError)
    with pytest.raises(errors.ProgrammingError, match="raised"):
        signer(_Broken()).sign(PATH)


@pytest.mark.parametrize("key", ["X-Upper", "strategy", "x"])
def test_nothing_shows_a_signature(key: str, canaries: Canaries) -> None:
    """Neither the metadata's `repr` nor an error with locals has the token or a value of the signer's."""
    bearer = Secret(canaries.plant("the token"))
    value = canaries.plant("the signature")
    give = functools.partial(lambda given, path: given, {"x-good": value, key: value + "\n"})
    with canaries.raises(errors.ProgrammingError):
        CallSigner(Hook("request_signer", give)).sign(PATH, bearer)

    signed = signer({"x-good": value}).sign(PATH, bearer)
    canaries.check(signed, CallSigner(Hook("request_signer", give)))
    with pytest.raises(TypeError):
        pickle.dumps(signed)
