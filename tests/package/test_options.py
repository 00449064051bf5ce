"""Options and URIs: what is accepted, and what is refused with which words."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import e6data_adbc
from e6data_adbc import errors, options
from e6data_adbc._hide_secrets import Concealed
from e6data_adbc._options import option_values
from e6data_adbc._options.database_config import DatabaseConfig
from e6data_adbc._options.option_values import Settings
from e6data_adbc.options import DatabaseOptions, Secret
from tests.support.canary import Canaries


def config(uri: str, **given_options: options.OptionValue) -> DatabaseConfig:
    return DatabaseConfig.from_options({"uri": uri, **given_options}, environment={})


def test_uri_parts_are_percent_decoded() -> None:
    """User, token, catalog and schema may hold any character."""
    found = config("e6data://a%40b.c:t%2F%3A@host:99/my%20catalog/sch%2Fema")

    assert found.endpoint is not None
    assert (found.endpoint.host, found.endpoint.port) == ("host", 99)
    assert (found.user, found.token) == ("a@b.c", Secret("t/:"))
    assert (found.catalog, found.db_schema) == ("my catalog", "sch/ema")


@pytest.mark.parametrize(
    ("uri", "encrypted", "port"),
    [
        ("e6data://engine.example.com", True, 443),
        ("e6data://engine.example.com?tls=disable", False, 80),
        ("e6data://localhost", False, 80),
        ("e6data://127.0.0.1:5000", False, 5000),
        ("e6data://[::1]:5000", False, 5000),
        ("e6data://localhost?tls=require", True, 443),
    ],
)
def test_tls_is_the_default_off_this_machine(uri: str, encrypted: bool, port: int) -> None:
    """Only loopback hosts and an explicit word go without TLS."""
    endpoint = config(uri).endpoint

    assert endpoint is not None
    assert (endpoint.encrypted, endpoint.port) == (encrypted, port)


def test_ipv6_target_has_brackets() -> None:
    """gRPC wants an IPv6 address in brackets."""
    endpoint = config("e6data://[::1]:5000").endpoint

    assert endpoint is not None
    assert endpoint.target == "[::1]:5000"


@pytest.mark.parametrize(
    "uri", ["local", "e6data:local", "local?path=/data", "e6data:local?path=/data"]
)
def test_local_engine_uris(uri: str) -> None:
    """The driver manager may have cut the scheme off."""
    found = config(uri)

    assert found.endpoint is None
    assert found.local == ({"path": "/data"} if "?" in uri else {})


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("", "no URI was given"),
        ("postgresql://host", "does not start with e6data://"),
        ("e6data://", "names no host"),
        ("e6data://host:port", "could not read the URI"),
        ("e6data://host/a/b/c", "more than a catalog and a schema"),
        ("e6data://user:to#ken@host", "could not read the URI"),
        ("e6data://host?token=s3cret", "logs show it"),
        ("e6data://host?fetch_timeout_seconds=0", "finite number of seconds"),
        ("e6data://host?fetch_timeout_seconds=nan", "finite number of seconds"),
        ("e6data://host?result_protocol=v3", "'v1', 'v2', 'auto'"),
        ("e6data://host?queue_byte=1", "did you mean 'queue_bytes'"),
        ("e6data://host?tls_root_certs=/nowhere.pem", "could not read the certificates"),
    ],
)
def test_bad_uris_are_refused_clearly(uri: str, words: str) -> None:
    """A mistake is named, with the next step, and never with the token."""
    with pytest.raises(e6data_adbc.Error) as caught:
        config(uri)

    assert words in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "to#ken" not in str(caught.value)


@pytest.mark.parametrize("value", ["1000", 1000, 1000.0, b"1000"])
def test_a_value_may_have_any_type(value: options.OptionValue) -> None:
    """A profile writes a number where a URI writes text."""
    found = config("e6data://host", **{DatabaseOptions.QUEUE_BYTES.value: value})

    assert found.settings.fetch.queue_bytes == 1000


@pytest.mark.parametrize("value", [True, "true", "TRUE", 1, 1.0, "1"])
def test_booleans_arrive_in_any_form(value: options.OptionValue) -> None:
    """The manager passes a Python boolean as text and as bytes."""
    found = config("e6data://host", **{DatabaseOptions.ALLOW_MISSING_ROWS.value: value})

    assert found.settings.result.allow_missing_rows is True


def test_options_beat_the_uri_and_the_uri_beats_the_environment() -> None:
    """Precedence: option, URI, environment, default."""
    key = DatabaseOptions.QUEUE_BYTES.value
    environment = {"E6DATA_QUEUE_BYTES": "1", "E6DATA_BATCH_ROWS": "7", "E6DATA_USERNAME": "env"}

    found = DatabaseConfig.from_options({"uri": "e6data://u@h?queue_bytes=2", key: 3}, environment)
    without = DatabaseConfig.from_options({"uri": "e6data://h?queue_bytes=2"}, environment)

    assert (found.settings.fetch.queue_bytes, without.settings.fetch.queue_bytes) == (3, 2)
    assert found.settings.fetch.batch_rows == 7
    assert (found.user, without.user) == ("u", "env")


@pytest.mark.parametrize("key", sorted(option_values.SPECS))
def test_every_option_reads_back(key: str) -> None:
    """What is in force can be read, in a form that can be set again."""
    settings = Settings()
    if settings.get(key) is None:
        with pytest.raises(e6data_adbc.ProgrammingError, match="NOT_FOUND"):
            settings.read(key)
    else:
        value = settings.read(key)
        assert settings.with_option(key, value).get(key) == settings.get(key)
        assert settings.with_option(key, str(value)).get(key) == settings.get(key)


def test_none_resets_an_option() -> None:
    """ADBC's NULL value means the default."""
    key = DatabaseOptions.QUEUE_BYTES.value

    assert Settings().with_option(key, 5).with_option(key, None).fetch == Settings().fetch


def test_certificates_may_be_text_or_a_path(tmp_path: Path) -> None:
    """PEM contents and the path of a PEM file are both accepted."""
    pem = "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
    (tmp_path / "ca.pem").write_text(pem)
    key = DatabaseOptions.TLS_ROOT_CERTS.value

    for value in (pem, str(tmp_path / "ca.pem")):
        endpoint = config("e6data://host", **{key: value}).endpoint
        assert endpoint is not None
        assert endpoint.root_certs == pem.encode()


def test_a_secret_shows_nowhere() -> None:
    """No repr, no `vars`, no pickle."""
    found = config("e6data://u:hunter2@host")

    assert "hunter2" not in repr(found)
    assert found.token is not None
    assert not hasattr(found.token, "__dict__")
    with pytest.raises(TypeError):
        found.token.__reduce__()


@given(st.text(max_size=60))
def test_any_uri_parses_or_raises_our_error(text: str) -> None:
    """No input raises anything but an ADBC error."""
    for uri in (text, f"e6data://{text}", f"e6data:local?{text}"):
        with contextlib.suppress(e6data_adbc.Error):
            config(uri)


MALFORMED = [
    # What ends the user-info where it stands in user or token; with digits before it a port seems to come first.
    "e6data://ann:to/{}@127.0.0.1:1/c",
    "e6data://ann:12/{}@127.0.0.1:1/c",
    "e6data://an/{}:to@127.0.0.1:1",
    "e6data://{}/12:to@127.0.0.1:1",
    "e6data://ann:to?{}@127.0.0.1:1",
    "e6data://ann:12?{}@127.0.0.1:1",
    "e6data://ann:12?{}=1@127.0.0.1:1",
    "e6data://ann:12?tls={}@127.0.0.1:1",
    "e6data://ann:12?password={}@127.0.0.1:1",
    "e6data://ann:to#{}@127.0.0.1:1",
    "e6data://ann:12#{}@127.0.0.1:1",
    "e6data://ann@corp.example:to/{}@127.0.0.1:1",
    "e6data://ann@corp.example:12/{}@127.0.0.1:1",
    "e6data://ann@corp.example:12?{}@127.0.0.1:1",
    # What the parser of URIs quotes, or drops silently.
    "e6data://ann:{}\u2100@127.0.0.1:1",
    "e6data://ann:[{}@127.0.0.1:1",
    "e6data://ann:{}]@127.0.0.1:1",
    "e6data://ann:{}\n@127.0.0.1:1",
    "e6data://ann:{}\t@127.0.0.1:1",
    "e6data://ann:{}\0@127.0.0.1:1",
    # A port.
    "e6data://ann:{}@127.0.0.1:80x",
    "e6data://ann:{}@127.0.0.1:99999",
    "e6data://ann:{}@127.0.0.1:0",
    "e6data://ann:{}@127.0.0.1:1:2",
    "e6data://ann:{}",
    # The rest.
    "e6data://ann:{}@",
    "e6data:ann:{}@127.0.0.1:1",
    "ann:{}@127.0.0.1:1",
    "https://ann:{}@127.0.0.1:1",
    "e6data://ann:{}@127.0.0.1:1/a/b/c",
    "e6data://ann:{}@127.0.0.1:1?nope",
    "e6data://ann:{}@127.0.0.1:1?nope=1",
    "e6data://ann:{}@127.0.0.1:1?tls=maybe",
    "e6data://ann:{}@127.0.0.1:1#c",
]


@pytest.mark.parametrize("where", ["option", "environment"])
@pytest.mark.parametrize("uri", MALFORMED)
def test_no_part_of_user_or_token_is_quoted(canaries: Canaries, uri: str, where: str) -> None:
    """Whatever is wrong with a URI, and whatever its parser takes for what: neither in text nor in locals of frames."""
    text = uri.format(canaries.plant("a part of user or token"))
    given, environment = ({"uri": text}, {}) if where == "option" else ({}, {"E6DATA_URI": text})

    with canaries.raises(e6data_adbc.Error) as caught:
        _opened(given, environment)

    assert caught.value.status_code in (
        errors.Status.INVALID_ARGUMENT,
        errors.Status.NOT_IMPLEMENTED,
    )


def _opened(given: dict[str, str], environment: dict[str, str]) -> DatabaseConfig:
    concealed = {key: Concealed(value) for key, value in given.items()}
    hidden = {key: Concealed(value) for key, value in environment.items()}
    return DatabaseConfig.from_options(concealed, hidden)


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("e6data://ann:a/b@h", "percent-encode '/' as %2F"),
        ("e6data://ann:1/b@h", "percent-encode '/' as %2F"),
        ("e6data://ann:a?b@h", "'?' as %3F"),
        ("e6data://ann:1#b@h", "'#' as %23"),
        ("e6data://ann:t@h:80x", "port is no number from 1 to 65535"),
        ("e6data://ann:a\nb@h", "line break"),
    ],
)
def test_a_malformed_uri_says_what_to_do(uri: str, words: str) -> None:
    """The error names the character to encode."""
    with pytest.raises(e6data_adbc.ProgrammingError, match="could not read the URI") as caught:
        config(uri)

    assert words in str(caught.value)


def test_what_surrounds_a_uri_is_no_part_of_it() -> None:
    """A file or a variable may end with a line break."""
    found = config(" e6data://ann:t@h/c\n")

    assert (found.user, found.token, found.catalog) == ("ann", Secret("t"), "c")


def test_an_at_in_a_value_of_the_query_is_fine() -> None:
    """Where it is the value of an option: users are often e-mail addresses."""
    found = config("e6data://h?impersonated_user=ann@example.com")

    assert found.settings.get("adbc.e6data.auth.impersonated_user") == "ann@example.com"
