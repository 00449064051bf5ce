"""A URL is the driver's URI with another scheme."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url

from e6data_adbc import dbapi
from e6data_adbc.local import LocalEngine
from e6data_adbc.sqlalchemy import urls

CATALOG = "adbc.connection.catalog"


def arguments(url: str) -> dict[str, Any]:
    return urls.connect_arguments(make_url(url))


@pytest.mark.parametrize(
    ("url", "uri"),
    [
        ("e6data+adbc://me:tok@host:99/cat/sch", "e6data://me:tok@host:99/cat/sch"),
        ("e6data+adbc://me%40x.org:a%2Fb%40c@host", "e6data://me%40x.org:a%2Fb%40c@host"),
        ("e6data+adbc://me:t@[::1]:80/c", "e6data://me:t@[::1]:80/c"),
        ("e6data+adbc://me:t@host/my%20cat/s%25c", "e6data://me:t@host/my%20cat/s%25c"),
        ("e6data+adbc://me:t@host?tls=disable", "e6data://me:t@host?tls=disable"),
        ("e6data+adbc:///?uri=e6data%3Alocal", "e6data:local"),
        ("e6data+adbc:///?uri=e6data%3Alocal%3Fstrict%3Dtrue", "e6data:local?strict=true"),
        ("e6data+adbc:///?profile=prod", "profile://prod"),
        ("e6data+adbc://", ""),
    ],
)
def test_the_uri(url: str, uri: str) -> None:
    """User, password, host, port, path and options arrive as they were written."""
    assert arguments(url)["uri"] == uri


def test_names_that_a_path_cannot_hold() -> None:
    """Catalog and schema may stand in the query, where '/' and '@' are letters."""
    found = arguments("e6data+adbc://me:t@host/?catalog=a%2Fb%40c")
    assert found["conn_kwargs"] == {CATALOG: "a/b@c"}


@pytest.mark.parametrize(
    "url",
    [
        "e6data+adbc://me:pa@SECRET@host/cat",
        "e6data+adbc://me@host/c?password=SECRET",
        "e6data+adbc://me@host/c?access_token=SECRET",
        "e6data+adbc:///?uri=e6data%3A%2F%2Fme%3ASECRET%40host",
        "e6data+adbc:///?uri=e6data%3A%2F%2Fhost%3Faccess_token%3DSECRET",
        "e6data+adbc://me:t@host/SECRET/b/c",
        "e6data+adbc://me:t@host/c?uri=SECRET",
        "e6data+adbc:///SECRET",
    ],
)
def test_a_url_that_is_refused(url: str) -> None:
    """What is a secret in the wrong place, or says two things, is refused without being quoted."""
    with pytest.raises(sa.exc.ArgumentError) as raised:
        arguments(url)
    assert "SECRET" not in str(raised.value)


def test_a_creator(server: LocalEngine) -> None:
    """`creator=` opens the connections in the place of the URL."""
    engine = sa.create_engine("e6data+adbc://", creator=lambda: dbapi.connect(server.uri))
    try:
        with engine.connect() as connection:
            assert connection.scalar(sa.text("select 1")) == 1
    finally:
        engine.dispose()


def test_the_local_engine() -> None:
    """The local engine's URI, without any server, in a URL."""
    engine = sa.create_engine("e6data+adbc:///?uri=e6data%3Alocal")
    try:
        with engine.connect() as connection:
            assert connection.scalar(sa.text("select count(*) from stores")) > 0
    finally:
        engine.dispose()
