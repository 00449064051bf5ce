"""The options of signing in: what each becomes, what is hidden, and which sources are passed over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from e6data_adbc import errors
from e6data_adbc._options.database_config import DatabaseConfig, Endpoint
from e6data_adbc._session.login.hooks import HOOKS
from e6data_adbc._session.login.login_methods import Credentials, Password, choose
from e6data_adbc._session.login.shared_tokens import SharedTokens
from e6data_adbc.options import ClientAuth, OptionValue, Secret
from tests.support.canary import Canaries

AREA = "adbc.e6data.auth."
URI = "e6data://engine.example.com"
PEM = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"


def configured(
    uri: str = URI, environment: dict[str, str] | None = None, **short: OptionValue
) -> DatabaseConfig:
    given = {key if key in ("username", "password") else AREA + key: v for key, v in short.items()}
    return DatabaseConfig.from_options({"uri": uri, **given}, environment or {})


def credentials(config: DatabaseConfig) -> Credentials:
    return Credentials.of(config.user, config.token, config.settings)


def test_every_option_arrives() -> None:
    """Each key becomes the field of its name; secrets are boxed, words are members."""
    config = configured(
        access_token="t",
        token_file="/f",
        oauth_token_url="https://h/",
        oauth_client_id="c",
        oauth_client_secret=b"s",
        oauth_scope="sc",
        oauth_client_auth="POST",
        impersonated_user="i",
        identity_claim="email",
    )

    assert credentials(config) == Credentials(
        access_token=Secret("t"),
        token_file="/f",
        oauth_token_url="https://h/",
        oauth_client_id="c",
        oauth_client_secret=Secret("s"),
        oauth_scope="sc",
        oauth_client_auth=ClientAuth.POST,
        impersonated_user="i",
        identity_claim="email",
    )


def test_a_callable_travels_as_option() -> None:
    """What `connect` offers is found by the database while the call runs, and not after it."""
    with HOOKS.offer(token_provider=lambda: "t-1") as options:
        config = DatabaseConfig.from_options({"uri": URI, **options}, {})
        found = credentials(config).token_provider

    assert found is not None
    assert found() == "t-1"
    with pytest.raises(errors.ProgrammingError, match="token_provider"):
        credentials(config)


@pytest.mark.parametrize("short", ["access_token", "oauth_client_secret"])
def test_a_secret_is_not_read_back(short: str, canaries: Canaries) -> None:
    """`get_option` does not find it, and the settings do not show it."""
    given: dict[str, Any] = {short: canaries.plant("the secret")}
    config = configured(**given)

    with canaries.raises(errors.ProgrammingError, match="not set"):
        config.settings.read(AREA + short)
    canaries.check(config)


@pytest.mark.parametrize(
    "name", ["access_token", "oauth_client_secret", "client_secret", AREA + "access_token"]
)
def test_a_secret_does_not_stand_in_a_uri(name: str) -> None:
    """Logs and process lists show a URI's query, whichever name is used for the option."""
    with pytest.raises(errors.ProgrammingError, match="logs show it"):
        configured(f"{URI}?{name}=x")


def test_an_unreadable_secret_is_not_quoted() -> None:
    """Bytes that are no text are refused, and left out of the message."""
    with pytest.raises(errors.ProgrammingError, match=r"to \*\*\*") as caught:
        configured(access_token=b"canary\xff")

    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("given", "environment", "expected"),
    [
        ({}, {"ACCESS_TOKEN": "e"}, {"access_token": Secret("e")}),
        ({"access_token": "t"}, {"USERNAME": "u", "PASSWORD": "p"}, {"access_token": Secret("t")}),
        ({"username": "u"}, {"PASSWORD": "p", "ACCESS_TOKEN": "e"}, {"password": Secret("p")}),
        (
            {"oauth_client_id": "c", "oauth_token_url": "https://h/"},
            {"OAUTH_CLIENT_SECRET": "s", "TOKEN_FILE": "/f"},
            {"oauth_client_secret": Secret("s"), "token_file": None},
        ),
    ],
)
def test_the_environment_completes_a_way_and_yields_to_another(
    given: dict[str, Any], environment: dict[str, str], expected: dict[str, Any]
) -> None:
    """A way that options name is completed from the environment; other ways there are passed over."""
    config = configured(environment={f"E6DATA_{k}": v for k, v in environment.items()}, **given)

    found = credentials(config)

    assert {name: getattr(found, name) for name in expected} == expected
    choose(found, shared=SharedTokens())


def test_the_user_of_the_uri_passes_over_the_environment() -> None:
    """A URI with a user and a token is whole."""
    config = configured("e6data://u:p@h", {"E6DATA_TOKEN_FILE": "/f"})

    assert choose(credentials(config)) == Password("u", Secret("p"))


def endpoint(**tls: OptionValue) -> Endpoint:
    given = {f"adbc.e6data.tls.tls_{key}": value for key, value in tls.items()}
    found = DatabaseConfig.from_options({"uri": URI, **given}, {}).endpoint
    assert found is not None
    return found


def test_certificates_come_as_text_bytes_or_path(tmp_path: Path) -> None:
    """Own authority, client certificate and key are taken alike; the key is a secret."""
    file = tmp_path / "cert.pem"
    file.write_text(PEM)
    for value in (PEM, PEM.encode(), str(file)):
        found = endpoint(root_certs=value, client_cert=value, client_key=value)

        assert found.root_certs == found.client_cert == PEM.encode()
        assert found.client_key == Secret(PEM)


def test_half_a_client_certificate_is_refused() -> None:
    """A certificate without its key, or a key alone, proves nothing."""
    for half in ({"client_cert": PEM}, {"client_key": PEM}):
        with pytest.raises(errors.ProgrammingError, match="only one of"):
            endpoint(**half)


def test_a_broken_key_is_not_quoted(canaries: Canaries, tmp_path: Path) -> None:
    """A key that lost its first line looks like a path; the error does not repeat it."""
    key = canaries.plant("the key")
    with pytest.raises(errors.ProgrammingError, match="private key") as caught:
        endpoint(client_cert=PEM, client_key=key + "/" + "x" * 5000)
    canaries.check(str(caught.value))

    binary = tmp_path / "key.der"
    binary.write_bytes(b"\xff" + key.encode())
    with pytest.raises(errors.ProgrammingError, match="not PEM text") as caught:
        endpoint(client_cert=PEM, client_key=str(binary))
    canaries.check(str(caught.value))
