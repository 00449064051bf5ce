"""The search for planted secrets finds them wherever a program may show them."""

from __future__ import annotations

import base64
import dataclasses
import logging
import urllib.parse
from collections.abc import Callable
from types import FunctionType
from typing import Any

import pytest

from e6data_adbc.options import Secret
from tests.support.canary import Canaries


@pytest.fixture
def planted() -> Canaries:
    return Canaries()


@pytest.mark.parametrize(
    "encode",
    [
        str,
        repr,
        lambda text: f"Bearer {text}, and more",
        urllib.parse.quote_plus,
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.b64encode(f"user:{text}".encode()).decode(),
        lambda text: base64.urlsafe_b64encode(f"ab{text}cd".encode()).decode(),
        lambda text: text.encode().hex(),
        lambda text: repr({"k": text.encode()}),
    ],
)
@pytest.mark.parametrize("odd", ["", " ü/'\n"])
def test_a_secret_is_found_in_any_spelling(
    planted: Canaries, encode: Callable[[str], str], odd: str
) -> None:
    """Plain, escaped, percent-encoded, in base64 at any offset, in hexadecimal."""
    text = planted.plant("it") + odd
    if odd and encode(odd) != odd:
        planted.watch("it", text)

    assert planted.in_text(encode(text)) == ["it"]
    assert planted.in_text("nothing of the kind") == []


def test_a_secret_is_found_in_an_object(planted: Canaries) -> None:
    """In attributes at any depth, hidden fields of dataclasses, containers and pickles; not in a box."""
    text = planted.plant("it")

    @dataclasses.dataclass
    class Hidden:
        value: Any = dataclasses.field(repr=False)

    assert planted.in_object({"a": [Hidden(text)]})
    assert planted.in_object(Hidden(Hidden((1, text))))
    assert planted.in_object(logging.makeLogRecord({"msg": text}))
    assert planted.in_object(Hidden(Secret(text))) == []


def _raise_elsewhere(body: str, **names: Any) -> BaseException:
    """Returns what a function with *body* raises that stands in a file outside of the tests."""
    lines = "\n ".join(body.split("; "))
    code = compile(f"def fail(text):\n {lines}", "/lib/elsewhere.py", "exec")
    function = FunctionType(code.co_consts[0], {"__builtins__": __builtins__, **names})
    try:
        function(names["text"])
    except BaseException as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    "body",
    [
        "raise ValueError(1)",
        "raise ValueError(text)",
        "error = ValueError(1); error.extra = text; del text; raise error",
        "error = ValueError(1); error.__cause__ = KeyError(text); del text; raise error",
        (
            "error = ValueError(1); error.__context__ = KeyError(text);"
            " error.__suppress_context__ = True; del text; raise error"
        ),
    ],
)
def test_a_secret_is_found_in_an_exception(planted: Canaries, body: str) -> None:
    """In a frame's local, the text, an attribute, the cause, and a context that `from None` has only hidden."""
    assert planted.in_exception(_raise_elsewhere(body, text=planted.plant("it")))


def test_frames_of_tests_are_not_searched(planted: Canaries) -> None:
    """The test that plants a secret has it in its locals, which shows nothing."""
    text = planted.plant("it")
    with pytest.raises(ValueError, match="31") as caught:
        raise ValueError(len(text))

    assert planted.in_exception(caught.value) == []


def test_a_secret_is_found_in_a_log(planted: Canaries, caplog: pytest.LogCaptureFixture) -> None:
    """In the message and in its arguments."""
    text = planted.plant("it")
    logging.getLogger("x").warning("token %s", text)

    assert planted.in_records(caplog.records)


def test_a_hit_fails_the_test_without_the_secret(planted: Canaries) -> None:
    """The failure names the secret and where it stands, and does not show it."""
    text = planted.plant("the token")
    with pytest.raises(AssertionError) as caught:
        planted.check({"key": text})

    assert "the token" in str(caught.value)
    assert text not in str(caught.value)


def test_the_fixture_knows_the_secrets_of_the_session(canaries: Canaries) -> None:
    """A secret that is watched for the whole session is searched for in each test that plants its own."""
    others = Canaries()
    text = others.plant("of the session")

    assert Canaries(others).in_text(text) == ["of the session"]
    canaries.check("nothing")
