"""Options through the manager: every type, every level, every getter; profiles; the environment."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from adbc_driver_manager import AdbcStatusCode, NotSupportedError, ProgrammingError, dbapi

import e6data_adbc
from e6data_adbc import _native
from e6data_adbc._options import option_values
from e6data_adbc.local import LocalEngine

ISOLATION = "adbc.connection.transaction.isolation"
INHERITED = [
    key
    for key, spec in option_values.SPECS.items()
    if spec.inherited and spec.default is not None  # without a default there is nothing to read
]


@pytest.fixture(params=["database", "connection", "statement"])
def level(request: pytest.FixtureRequest, scratch: Any, scratch_cursor: Any) -> Any:
    """The object that has the option functions, at each level."""
    return {
        "database": scratch.adbc_database,
        "connection": scratch.adbc_connection,
        "statement": scratch_cursor.adbc_statement,
    }[request.param]


@pytest.mark.parametrize("value", ["30", 30, 30.0])
def test_a_number_in_every_type(level: Any, value: Any) -> None:
    """A number may be set as text, integer and double, and is read with every getter."""
    key = "adbc.e6data.fetch.prefetch_responses"
    level.set_options(**{key: value})

    assert level.get_option(key) == "30"
    assert level.get_option_int(key) == 30
    assert level.get_option_float(key) == 30.0
    assert level.get_option_bytes(key) == b"30"


@pytest.mark.parametrize("value", ["true", 1, 1.0, b"true"])
def test_a_truth_value_in_every_type(level: Any, value: Any) -> None:
    """A truth value may be set as text, bytes, integer and double."""
    key = "adbc.e6data.result.allow_missing_rows"
    level.set_options(**{key: value})

    assert level.get_option(key) == "true"
    assert level.get_option_int(key) == 1


@pytest.mark.parametrize("key", INHERITED)
def test_every_inherited_option_at_every_level(level: Any, key: str) -> None:
    """What is in force reads back as text, and that text can be set again."""
    text = level.get_option(key)
    level.set_options(**{key: text})

    assert level.get_option(key) == text
    level.set_options(**{key: None})


def test_unknown_options(level: Any) -> None:
    """Setting one is NOT_IMPLEMENTED, reading one NOT_FOUND; both name the nearest that exists."""
    key, near = "adbc.e6data.fetch.prefetch_response", "prefetch_responses'"
    with pytest.raises(NotSupportedError, match=f"{key}.*did you mean.*{near}"):
        level.set_options(**{key: "1"})
    with pytest.raises(ProgrammingError, match=f"{key}.*did you mean.*{near}") as caught:
        level.get_option(key)

    assert caught.value.status_code == AdbcStatusCode.NOT_FOUND


def test_ingestion_options_read_back(scratch_cursor: Any) -> None:
    """The target of an ingestion is readable, and reset by a text."""
    statement = scratch_cursor.adbc_statement
    options = {
        "adbc.ingest.target_table": "t",
        "adbc.ingest.target_catalog": "c",
        "adbc.ingest.target_db_schema": "s",
        "adbc.ingest.mode": "adbc.ingest.mode.append",
        "adbc.ingest.temporary": "false",
    }
    statement.set_options(**options)
    assert {key: statement.get_option(key) for key in options} == options
    statement.set_sql_query("SELECT 1")
    with pytest.raises(ProgrammingError, match="NOT_FOUND"):
        statement.get_option("adbc.ingest.target_table")
    with pytest.raises(ProgrammingError, match=r"adbc\.ingest\.mode\.create_append"):
        statement.set_options(**{"adbc.ingest.mode": "nix"})


@pytest.mark.parametrize("seed", range(4))
def test_options_in_any_order(writable: LocalEngine, seed: int) -> None:
    """Managers keep options in maps: the order in which they arrive decides nothing, at no level."""
    shuffle = random.Random(seed).sample
    database = {
        "uri": f"{writable.uri}?prefetch_responses=1&batch_rows=3",
        "adbc.e6data.fetch.prefetch_responses": "7",
        "adbc.connection.catalog": "scratch",
        "adbc.connection.db_schema": "main",
        "adbc.connection.readonly": "true",
    }
    connection = {"adbc.connection.readonly": "false", "adbc.e6data.fetch.queue_bytes": "4096"}
    ingest = {
        "adbc.ingest.target_table": "shuffled",
        "adbc.ingest.target_catalog": "scratch",
        "adbc.ingest.target_db_schema": "main",
        "adbc.ingest.mode": "adbc.ingest.mode.replace",
        "adbc.ingest.temporary": "false",
    }

    def mixed(options: dict[str, str]) -> dict[str, str]:
        return dict(shuffle(list(options.items()), len(options)))

    with (
        e6data_adbc.connect(db_kwargs=mixed(database), conn_kwargs=mixed(connection)) as opened,
        opened.cursor() as cursor,
    ):
        handle = opened.adbc_connection
        assert handle.get_option_int("adbc.e6data.fetch.prefetch_responses") == 7
        assert handle.get_option_int("adbc.e6data.fetch.batch_rows") == 3
        assert handle.get_option_int("adbc.e6data.fetch.queue_bytes") == 4096
        statement = cursor.adbc_statement
        statement.set_options(**mixed(ingest))
        statement.bind(pa.record_batch({"a": [1, 2]}))
        assert statement.execute_update() == 2
        cursor.execute("SELECT count(*) FROM shuffled")
        assert cursor.fetchall() == [(2,)]
        cursor.execute("DROP TABLE shuffled")


def test_isolation(scratch: Any) -> None:
    """The default is the only level of isolation."""
    handle = scratch.adbc_connection
    handle.set_options(**{f"{ISOLATION}_level": f"{ISOLATION}.default"})
    assert handle.get_option(f"{ISOLATION}_level") == f"{ISOLATION}.default"
    with pytest.raises(NotSupportedError, match="no transactions"):
        handle.set_options(**{f"{ISOLATION}_level": f"{ISOLATION}.serializable"})


def test_autocommit_reads_true(scratch: Any) -> None:
    """Autocommit is on, and says so."""
    assert scratch.adbc_connection.get_option("adbc.connection.autocommit") == "true"


@pytest.mark.parametrize("value", [True, "true", 1])
def test_readonly_when_connecting(writable: LocalEngine, value: Any) -> None:
    """A truth value given to `connect` arrives, though the manager sends a bool twice."""
    options = {"adbc.connection.readonly": value}
    with (
        e6data_adbc.connect(writable.uri, conn_kwargs=options) as connection,
        connection.cursor() as cursor,
        pytest.raises(ProgrammingError, match="read-only"),
    ):
        cursor.execute("CREATE TABLE t (a INT)")


def test_readonly_of_a_database(writable: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The URI, a database option and the environment make all connections read-only; a connection may differ."""
    key = "adbc.connection.readonly"
    monkeypatch.setenv("E6DATA_READONLY", "true")
    for uri, options, expected in (
        (writable.uri, {}, "true"),
        (f"{writable.uri}?readonly=false", {}, "false"),
        (f"{writable.uri}?readonly=false", {key: 1}, "true"),
    ):
        with e6data_adbc.connect(uri, db_kwargs=options) as connection:
            assert connection.adbc_database.get_option(key) == expected
            assert connection.adbc_connection.get_option(key) == expected
    with e6data_adbc.connect(writable.uri) as connection, connection.cursor() as cursor:
        with pytest.raises(ProgrammingError, match="read-only"):
            cursor.execute("CREATE TABLE scratch.main.t (a INT)")
        connection.adbc_connection.set_options(**{key: False})
        assert cursor.adbc_statement.get_option(key) == "false"
        cursor.execute("CREATE TABLE scratch.main.t (a INT)")
        cursor.execute("DROP TABLE scratch.main.t")
        connection.adbc_connection.set_options(**{key: None})
        assert connection.adbc_connection.get_option(key) == "true"
        with pytest.raises(NotSupportedError, match="fixed when the database is opened"):
            cursor.adbc_statement.set_options(**{key: "false"})


def test_every_number_in_every_type(level: Any) -> None:
    """Each number and each truth value that a level takes may be text, an integer or a double there."""
    for key in INHERITED:
        text = level.get_option(key)
        forms: list[Any] = [text]
        if text in {"true", "false"}:
            forms += [int(text == "true"), float(text == "true")]
        elif text.replace(".", "", 1).isdigit():
            forms += [float(text), int(float(text))]
        for value in forms:
            level.set_options(**{key: value})
            assert level.get_option(key) in {text, f"{text}.0", text.removesuffix(".0")}
        level.set_options(**{key: None})


def test_a_percent_encoded_uri(writable: LocalEngine) -> None:
    """Parts and options of a URI are decoded, wherever it is given."""
    uri = writable.uri.replace("/sample/sales", "/s%61mple/s%61les?query_tag=a%26b%3Dc%20%25")
    with e6data_adbc.connect(uri) as connection:
        handle = connection.adbc_connection
        assert handle.get_option("adbc.connection.catalog") == "sample"
        assert handle.get_option("adbc.connection.db_schema") == "sales"
        assert handle.get_option("adbc.e6data.statement.query_tag") == "a&b=c %"


def test_unknown_names_in_a_uri(writable: LocalEngine) -> None:
    """A misspelt name in the query is refused with the nearest one."""
    with pytest.raises(
        NotSupportedError, match=r"'fetch_timeout_second'.*did you mean 'fetch_timeout_seconds'"
    ):
        e6data_adbc.connect(f"{writable.uri}?fetch_timeout_second=3")


def test_the_environment(writable: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    """`E6DATA_…` gives what neither options nor URI say."""
    monkeypatch.setenv("E6DATA_URI", writable.uri)
    monkeypatch.setenv("E6DATA_PREFETCH_RESPONSES", "7")
    with e6data_adbc.connect() as connection:
        handle = connection.adbc_connection
        assert handle.get_option_int("adbc.e6data.fetch.prefetch_responses") == 7


@pytest.mark.parametrize("name", ["password", "token", "access_token", "oauth_client_secret"])
def test_secrets_in_a_query(name: str) -> None:
    """A secret in a URI's query is refused with the place for it, and not repeated."""
    with pytest.raises(ProgrammingError, match=r"logs show it.*e6data://user:token@host") as caught:
        e6data_adbc.connect(f"e6data://h/?{name}=hush-hush")

    assert "hush-hush" not in str(caught.value)


PROFILE = """
profile_version = 1
driver = "{driver}"

[Options]
uri = "e6data://{{{{ env_var(MY_E6DATA_USER) }}}}@{target}/sample/sales"
password = "{{{{ env_var(MY_E6DATA_TOKEN) }}}}"
"adbc.e6data.fetch.prefetch_responses" = 5
"adbc.e6data.rpc.fetch_timeout_seconds" = 12.5
"adbc.e6data.result.allow_missing_rows" = true
"adbc.connection.readonly" = true
"adbc.e6data.statement.query_tag" = "{{{{ env_var(MY_JOB) }}}}"
"""


@pytest.mark.parametrize(
    ("user", "token", "missing"),
    [
        ("{{ env_var(MY_UNSET_USER) }}", "{{ env_var(MY_E6DATA_TOKEN) }}", "'username' is missing"),
        ("me", "{{ env_var(MY_UNSET_TOKEN) }}", "'password' is empty"),
        ("me", "{{ env_var('MY_E6DATA_TOKEN') }}", "'password' is empty"),
    ],
)
def test_a_profile_without_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, user: str, token: str, missing: str
) -> None:
    """The manager makes an empty value of it; the error names that cause."""
    (tmp_path / "prod.toml").write_text(
        f'profile_version = 1\ndriver = "{_native.__file__}"\n[Options]\n'
        f'uri = "e6data://127.0.0.1:1"\nusername = "{user}"\npassword = "{token}"\n'
    )
    monkeypatch.setenv("ADBC_PROFILE_PATH", str(tmp_path))
    monkeypatch.setenv("MY_E6DATA_TOKEN", "hush-hush")

    with pytest.raises(ProgrammingError) as caught:
        dbapi.connect("profile://prod", autocommit=True).close()

    assert missing in str(caught.value)
    assert "{{ env_var(NAME) }} is empty where NAME is not set" in str(caught.value)
    assert "hush-hush" not in str(caught.value)


def test_a_profile(writable: LocalEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`profile://name` finds the file, takes secrets from the environment and numbers as numbers."""
    user, rest = writable.uri.removeprefix("e6data://").split(":", 1)
    token, target = rest.split("/", 1)[0].split("@")
    (tmp_path / "prod.toml").write_text(PROFILE.format(driver=_native.__file__, target=target))
    monkeypatch.setenv("ADBC_PROFILE_PATH", str(tmp_path))
    monkeypatch.setenv("MY_E6DATA_USER", user)
    monkeypatch.setenv("MY_E6DATA_TOKEN", token)
    monkeypatch.setenv("MY_JOB", "nightly")

    with dbapi.connect("profile://prod", autocommit=True) as connection:
        handle = connection.adbc_database
        assert handle.get_option_int("adbc.e6data.fetch.prefetch_responses") == 5
        assert handle.get_option_float("adbc.e6data.rpc.fetch_timeout_seconds") == 12.5
        assert handle.get_option("adbc.e6data.result.allow_missing_rows") == "true"
        assert handle.get_option("adbc.e6data.statement.query_tag") == "nightly"
        assert connection.adbc_connection.get_option("adbc.connection.readonly") == "true"
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM stores")
            assert cursor.fetchone()[0] > 0
