"""URLs of SQLAlchemy as URIs of the driver; one URL means the same under each version of SQLAlchemy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NoReturn
from urllib.parse import quote, unquote, urlsplit

import sqlalchemy
from sqlalchemy.exc import ArgumentError

from e6data_adbc.options import ConnectionOptions, DatabaseOptions

if TYPE_CHECKING:
    from sqlalchemy.engine.url import URL

__all__ = ["connect_arguments"]

#: Since 2.1 SQLAlchemy itself decodes the part behind the host; before, it is taken as it was written.
_IS_DECODED: Final = tuple(int(part) for part in sqlalchemy.__version__.split(".")[:2]) >= (2, 1)

#: What a query must not hold: each version of SQLAlchemy shows it in logs and `repr`.
_SECRETS: Final = frozenset(
    {"password", "token"}
    | {
        option.value.rsplit(".", 1)[-1]
        for option in (
            DatabaseOptions.ACCESS_TOKEN,
            DatabaseOptions.OAUTH_CLIENT_SECRET,
            DatabaseOptions.TICKET_KEY,
        )
    }
)
#: The options that a query may name, by their short names.
_SHORT: Final = frozenset(option.value.rsplit(".", 1)[-1] for option in DatabaseOptions)
#: What names the database in place of host and path.
_ALONE: Final = ("uri", "profile")
_ESCAPES: Final = (
    "in user and password percent-encode '@' as %40, '/' as %2F, '?' as %3F, '#' as %23, '%' as %25"
)


def connect_arguments(url: URL) -> dict[str, Any]:
    """Returns the keywords of `e6data_adbc.dbapi.connect` for a URL.

    Args:
        url: `e6data+adbc://user:token@host:port/catalog/schema?option=value`, or without a host
            `e6data+adbc:///?uri=…` or `e6data+adbc:///?profile=…`.

    Raises:
        ArgumentError: The URL is none of these, or shows a secret; no part of it is quoted.
    """
    query = _query(url.query)
    _refuse_strays(url, query)
    settings = {
        key.value: query.pop(name)
        for name, key in (
            ("catalog", ConnectionOptions.CURRENT_CATALOG),
            ("schema", ConnectionOptions.CURRENT_DB_SCHEMA),
        )
        if name in query
    }
    named = [name for name in _ALONE if name in query]
    if not named:
        return {"uri": _uri(url, query), "conn_kwargs": settings}
    if len(named) > 1 or url.host or url.database or url.username:
        _refuse(f"it has {named[0]!r} in its query, and names a database in another way too")
    value = query.pop(named[0])
    if named[0] == "uri":
        uri = _joined(_checked(value), query)
        return {"uri": uri, "conn_kwargs": settings}
    options = {_long(name): text for name, text in query.items()}
    return {"uri": f"profile://{value}", "db_kwargs": options, "conn_kwargs": settings}


def _query(query: Mapping[str, Any]) -> dict[str, str]:
    found = {}
    for name, value in query.items():
        if not isinstance(value, str):
            _refuse("an option stands in its query more than once")
        found[name] = value
    return found


def _refuse_strays(url: URL, query: Mapping[str, str]) -> None:
    database = url.database or ""
    if "@" in (url.host or "") or "@" in database or (not _IS_DECODED and "%40" in database):
        _refuse(
            f"there is an '@' that ends no password; {_ESCAPES}; a catalog with one is '?catalog='"
        )
    if not url.username and any(
        "@" in name or ("@" in value and name not in {*_SHORT, *_ALONE})
        for name, value in query.items()
    ):
        _refuse(f"its query has an '@' and what fits no option; {_ESCAPES}")
    if shown := _SECRETS.intersection(query):
        _refuse(
            f"a secret stands in its query ({', '.join(sorted(shown))}), which logs show;"
            " write it as the password, or pass connect_args={'db_kwargs': {…}}"
        )


def _checked(uri: str) -> str:
    """Returns the driver's *uri*, which must show no password."""
    try:
        has_password = urlsplit(uri).password is not None
    except ValueError:
        has_password = "@" in uri
    names = {pair.partition("=")[0] for pair in uri.partition("?")[2].split("&")}
    if has_password or _SECRETS.intersection(names):
        _refuse(
            "the URI in its query has a secret, which logs show;"
            " write the URI itself with the scheme e6data+adbc, or set E6DATA_PASSWORD"
        )
    return uri


def _uri(url: URL, query: Mapping[str, str]) -> str:
    if not url.host:
        if url.username or url.database:
            _refuse("it names no host")
        if not query:
            return ""  # E6DATA_URI, or an error that says what is missing
        _refuse("it names no host, and neither 'uri' nor 'profile' in its query")
    user = ""
    if url.username is not None:
        user = quote(url.username, safe="")
        if url.password is not None:
            user += ":" + quote(str(url.password), safe="")
        user += "@"
    host = f"[{url.host}]" if ":" in url.host else url.host
    port = "" if url.port is None else f":{url.port}"
    database = url.database or ""
    names = (database if _IS_DECODED else unquote(database)).strip("/").split("/")
    if len(names) > 2:
        _refuse(
            "its path has more than a catalog and a schema; a name with '/' is '?catalog=' or '?schema='"
        )
    path = "".join("/" + quote(name, safe="") for name in names if name)
    return _joined(f"e6data://{user}{host}{port}{path}", query)


def _joined(uri: str, query: Mapping[str, str]) -> str:
    options = "&".join(
        f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in query.items()
    )
    if not options:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}{options}"


def _long(name: str) -> str:
    for option in DatabaseOptions:
        if option.value.rsplit(".", 1)[-1] == name:
            return option.value
    return name


def _refuse(cause: str) -> NoReturn:
    raise ArgumentError(
        f"[e6data] could not read the URL: {cause} (INVALID_ARGUMENT);"
        " use e6data+adbc://user:token@host:port/catalog/schema"
    )
