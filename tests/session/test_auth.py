"""How a database signs in: one way, chosen by its options; and the tokens that are given, filed or provided."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import pytest

from e6data_adbc import errors
from e6data_adbc._session.login.hooks import Hook
from e6data_adbc._session.login.login_methods import Credentials, Password, choose
from e6data_adbc._session.login.renewed_token import RenewedToken
from e6data_adbc._session.login.shared_tokens import SharedTokens
from e6data_adbc._session.login.token_sources import AccessToken, Bearer, TokenFile, provided_token
from e6data_adbc.options import ClientAuth, Secret
from tests.session.waits import Waits
from tests.support.canary import Canaries

TIMEOUT = 10.0
PASSWORD: dict[str, Any] = {"username": "a@b.c", "password": Secret("pat")}
ACCESS_TOKEN: dict[str, Any] = {"access_token": Secret("t-1")}
TOKEN_FILE: dict[str, Any] = {"token_file": "/run/token"}
PROVIDER: dict[str, Any] = {"token_provider": Hook("token_provider", lambda: "t-1")}
OAUTH: dict[str, Any] = {
    "oauth_token_url": "https://issuer.test/token",
    "oauth_client_id": "client",
    "oauth_client_secret": Secret("secret"),
}
WAYS = [PASSWORD, ACCESS_TOKEN, TOKEN_FILE, PROVIDER, OAUTH]


def bearer(source: Bearer) -> str:
    return source.bearer(Waits(), TIMEOUT).reveal()


def renewed(source: Bearer, rejected: str) -> str | None:
    token = source.renew(Secret(rejected), Waits(), TIMEOUT)
    return None if token is None else token.reveal()


# The choice


def test_user_and_token_make_a_session() -> None:
    """A user and an access token of the engine's own go into `authenticate`, with whom to act for."""
    chosen = choose(Credentials(**PASSWORD, impersonated_user="b@b.c", identity_claim="email"))

    assert chosen == Password("a@b.c", Secret("pat"), "b@b.c", "email")


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (PASSWORD, Password),
        (ACCESS_TOKEN, AccessToken),
        (TOKEN_FILE, TokenFile),
        (PROVIDER, RenewedToken),
        (OAUTH, RenewedToken),
        ({**OAUTH, "oauth_scope": "s", "oauth_client_auth": ClientAuth.POST}, RenewedToken),
    ],
)
def test_each_way_is_chosen_by_its_options(given: dict[str, Any], kind: type) -> None:
    """Choosing calls nobody: the token file need not exist yet, nor the issuer answer."""
    assert isinstance(choose(Credentials(**given), shared=SharedTokens()), kind)


@pytest.mark.parametrize(
    ("first", "second"), [(a, b) for i, a in enumerate(WAYS) for b in WAYS[i + 1 :]]
)
def test_two_ways_are_refused_by_name(first: dict[str, Any], second: dict[str, Any]) -> None:
    """The error names every option of sign-in that was given, and no value."""
    with pytest.raises(errors.ProgrammingError, match="more than one way") as caught:
        choose(Credentials(**first, **second))

    text = str(caught.value)
    assert all(name in text for name in (*first, *second))
    assert not any(value in text for value in ("pat", "t-1", "/run", "issuer", "'client'", "a@b.c"))


def test_a_user_alone_beside_a_token_is_refused() -> None:
    """A bearer token says who signs in, so a user beside it would mean nothing."""
    with pytest.raises(
        errors.ProgrammingError, match=r"'username' and 'adbc\.e6data\.auth\.access_token'"
    ):
        choose(Credentials(username="a@b.c", **ACCESS_TOKEN))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "no user, token or other credential"),
        ({"username": "u"}, "'password' is missing"),
        ({"password": Secret("p")}, "'username' is missing"),
        ({"username": "", "password": Secret("p")}, "'username' is missing"),
        ({"username": "u", "password": Secret("")}, "'password' is empty"),
        ({"access_token": Secret("")}, "access_token' cannot be sent: it is empty"),
        ({"access_token": Secret("a b")}, "access_token' cannot be sent"),
        (
            {"oauth_client_id": "c"},
            "oauth_client_secret' and 'adbc.e6data.auth.oauth_token_url' is missing",
        ),
        ({**OAUTH, "oauth_client_secret": None}, "oauth_client_secret' is missing"),
        ({"oauth_scope": "s"}, "missing beside 'adbc.e6data.auth.oauth_scope'"),
        ({**OAUTH, "oauth_token_url": "http://issuer.test"}, "https"),
        ({**ACCESS_TOKEN, "impersonated_user": "x"}, "impersonated_user' needs a session"),
        ({**OAUTH, "identity_claim": "x"}, "identity_claim' needs a session"),
    ],
)
def test_what_is_missing_is_named(given: dict[str, Any], words: str) -> None:
    """Half a way is an error before anything is called."""
    with pytest.raises(errors.ProgrammingError, match=words) as caught:
        choose(Credentials(**given), shared=SharedTokens())

    assert caught.value.status_code == errors.Status.INVALID_ARGUMENT


def test_equal_oauth_options_share_a_token() -> None:
    """Two databases opened alike in one process have one token."""
    shared = SharedTokens()
    one = choose(Credentials(**OAUTH), shared=shared)

    assert choose(Credentials(**OAUTH), shared=shared) is one
    assert choose(Credentials(**{**OAUTH, "oauth_scope": "s"}), shared=shared) is not one


# Given


def test_a_given_token_is_never_renewed() -> None:
    """There is nothing to try again with after it was refused."""
    token = AccessToken(Secret("t-1"))

    assert bearer(token) == "t-1"
    assert renewed(token, "t-1") is None


# Filed


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text("t-1\n")
    return file


def test_a_file_is_read_again_when_it_has_changed(path: Path) -> None:
    """A token written over, or moved into place, is used from the next call on; blanks around it are not part of it."""
    token = TokenFile(str(path))
    first = bearer(token)
    path.write_text("  t-2 \r\n")
    os.utime(path, ns=(1, 1))
    second = bearer(token)
    other = path.with_name("other")
    other.write_text("t-3")
    os.utime(other, ns=(1, 1))
    other.replace(path)

    assert (first, second, bearer(token)) == ("t-1", "t-2", "t-3")


def test_an_unchanged_file_is_not_read_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between changes a call costs one look at the file's times."""
    token = TokenFile(str(path))
    bearer(token)
    monkeypatch.setattr(token, "_read", lambda: pytest.fail("read again"))

    assert bearer(token) == "t-1"


def test_a_rejected_token_has_the_file_read_again(path: Path) -> None:
    """A change that the file's times do not show is found when the server refuses the old token."""
    token = TokenFile(str(path))
    bearer(token)
    before = path.stat()
    same = renewed(token, "t-1")
    path.write_text("t-2\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert same is None
    assert bearer(token) == "t-1"
    assert renewed(token, "t-1") == "t-2"
    assert bearer(token) == "t-2"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"\n", "it is empty"),
        (b"a b", "visible ASCII"),
        (b"t-1\nt-2\n", "visible ASCII"),
        ("t-1".encode("utf-16"), "visible ASCII"),
        (b"\xff", "visible ASCII"),
        (b"x" * 9000, "longer"),
        (b"x" * 10**6, "longer"),
    ],
)
def test_a_file_holds_one_token(path: Path, content: bytes, words: str) -> None:
    """What is not one token is an error that names the file and not its content."""
    path.write_bytes(content)

    with pytest.raises(errors.ProgrammingError, match=words) as caught:
        bearer(TokenFile(str(path)))
    assert caught.value.status_code == errors.Status.UNAUTHENTICATED
    assert str(path) in str(caught.value)


def test_a_file_that_cannot_be_read_is_named(path: Path) -> None:
    """Missing, a directory, a pipe (which would block), no path at all."""
    os.mkfifo(path.with_name("pipe"))
    cases = {
        str(path.with_name("none")): "No such file",
        str(path.parent): "not a regular file",
        str(path.with_name("pipe")): "not a regular file",
        "a\0b": "null byte|null character",
    }

    for name, words in cases.items():
        with pytest.raises(errors.ProgrammingError, match=words):
            bearer(TokenFile(name))


# Provided


def provided(*answers: Any) -> RenewedToken:
    left = list(answers)
    return provided_token(Hook("token_provider", lambda: left.pop(0)))


def test_a_provider_is_asked_when_needed_and_when_refused() -> None:
    """A callable gives the token's text, and is asked again after the server refused it."""
    token = provided("t-1", "t-2")

    assert (bearer(token), bearer(token)) == ("t-1", "t-1")
    assert renewed(token, "t-1") == "t-2"
    assert bearer(token) == "t-2"


def test_a_provider_may_say_how_long_a_token_lives() -> None:
    """With the seconds, the token is renewed in time, as one of an issuer is."""
    token = provided(("t-1", 3600), ("t-2", 3600.5), ("t-3", 10**400), ("t-4", None))

    assert bearer(token) == "t-1"
    assert [renewed(token, f"t-{i}") for i in (1, 2, 3)] == ["t-2", "t-3", "t-4"]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "it is a NoneType"),
        (b"t-1", "it is a bytes"),
        ("", "it is empty"),
        ("a b", "visible ASCII"),
        (("t-1", 1, 2), "it is a tuple"),
        (("t-1", "900"), "its seconds are a str"),
        (("t-1", True), "its seconds are a bool"),
        (("t-1", 0), "above 0"),
        (("t-1", float("nan")), "above 0"),
        (("t-1", float("inf")), "above 0"),
    ],
)
def test_what_is_not_a_token_is_refused(answer: Any, words: str) -> None:
    """The error says what came instead, by type or fault, and what to return."""
    with pytest.raises(errors.ProgrammingError, match=words) as caught:
        bearer(provided(answer))

    assert caught.value.status_code == errors.Status.INVALID_ARGUMENT


def test_a_provider_that_fails_fails_the_call() -> None:
    """The error names the exception and its text, and chains it; the next call asks again."""
    answers: list[Any] = [OSError("no key store"), "t-1"]

    def give() -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    token = provided_token(Hook("token_provider", give))

    with pytest.raises(errors.ProgrammingError, match="OSError: no key store") as caught:
        bearer(token)
    assert (caught.value.status_code, caught.value.sqlstate) == (
        errors.Status.UNAUTHENTICATED,
        "28000",
    )
    assert isinstance(caught.value.__cause__, OSError)
    assert bearer(token) == "t-1"


# Secrets


def test_no_way_shows_its_secret(canaries: Canaries, path: Path) -> None:
    """Neither `repr` nor `vars` nor a pickle of what signs in has a secret, before use and after it."""
    secret = Secret(canaries.plant("the secret"))
    path.write_text(secret.reveal())
    give = functools.partial(lambda text: text, secret.reveal())
    ways: list[dict[str, Any]] = [
        {"username": "u", "password": secret},
        {"access_token": secret},
        {"token_file": str(path)},
        {"token_provider": Hook("token_provider", give)},
        {**OAUTH, "oauth_client_secret": secret},
    ]

    for given in ways:
        credentials = Credentials(**given)
        chosen = choose(credentials, shared=SharedTokens())
        if not isinstance(chosen, Password) and "oauth_client_id" not in given:
            assert bearer(chosen) == secret.reveal()
        canaries.check(credentials, chosen)


@pytest.mark.parametrize(
    "given",
    [
        {"password": None},
        {"access_token": ""},
        {"username": "u", "password": "", "access_token": ""},
        {"password": "", "oauth_client_secret": ""},
        {"oauth_client_secret": ""},
        {"oauth_client_secret": "", "oauth_client_id": "c", "oauth_token_url": "http://h"},
    ],
)
def test_no_refused_choice_shows_a_secret(
    canaries: Canaries,
    given: dict[str, Any],
) -> None:
    """The error of a choice shows no value of any secret option, locals included."""
    secret = Secret(canaries.plant("the secret") + " ")
    filled: dict[str, Any] = {key: secret if value == "" else value for key, value in given.items()}

    with canaries.raises(errors.ProgrammingError):
        choose(Credentials(**filled), shared=SharedTokens())


@pytest.mark.parametrize("spoil", [" ", "\n", "ü", "x" * 9000])
def test_no_refused_token_is_shown(
    canaries: Canaries,
    path: Path,
    spoil: str,
) -> None:
    """A token that cannot be sent, from a file or a callable, is refused without its text, locals included."""
    text = canaries.plant("the token") + spoil + "end"
    path.write_text(text)

    with canaries.raises(errors.ProgrammingError):
        bearer(TokenFile(str(path)))
    for answer in (text, (text, 900), [text], (text, "900"), {text: 1}):
        with canaries.raises(errors.ProgrammingError):
            bearer(provided(answer))
