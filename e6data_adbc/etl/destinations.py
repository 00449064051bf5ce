"""Finding the sink of a destination's address."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module, metadata
from typing import Any, Final

from e6data_adbc import errors
from e6data_adbc.errors import Status
from e6data_adbc.etl import profiles
from e6data_adbc.etl.sink import Sink

__all__ = ["GROUP", "OWN", "Address", "has_sink", "open_sink", "parse"]

#: Our own sinks by scheme; those of other packages are found by the entry points of this group.
GROUP: Final = "e6data_adbc.sinks"
OWN: Final[Mapping[str, str]] = {
    "adbc": "e6data_adbc.etl.sql.adbc:open_sink",
    "clickhouse": "e6data_adbc.etl.sql.clickhouse:open_sink",
    "csv+file": "e6data_adbc.etl.files.file_sink:open_sink",
    "csv+s3": "e6data_adbc.etl.files.file_sink:open_s3_sink",
    "delta+file": "e6data_adbc.etl.lake.delta:open_sink",
    "delta+s3": "e6data_adbc.etl.lake.delta:open_s3_sink",
    "duckdb": "e6data_adbc.etl.sql.duckdb:open_sink",
    "iceberg": "e6data_adbc.etl.lake.iceberg:open_sink",
    "ipc+file": "e6data_adbc.etl.files.file_sink:open_sink",
    "ipc+s3": "e6data_adbc.etl.files.file_sink:open_s3_sink",
    "lmdb": "e6data_adbc.etl.keyvalue.lmdb:open_sink",
    "mysql": "e6data_adbc.etl.sql.mysql:open_sink",
    "parquet+file": "e6data_adbc.etl.files.file_sink:open_sink",
    "parquet+s3": "e6data_adbc.etl.files.file_sink:open_s3_sink",
    "postgres": "e6data_adbc.etl.sql.postgresql:open_sink",
    "postgresql": "e6data_adbc.etl.sql.postgresql:open_sink",
    "snowflake": "e6data_adbc.etl.sql.snowflake:open_sink",
    "redis": "e6data_adbc.etl.keyvalue.redis:open_sink",
    "rediss": "e6data_adbc.etl.keyvalue.redis:open_sink",
    "sqlite": "e6data_adbc.etl.sql.sqlite:open_sink",
}
_VARIABLE: Final = re.compile(r"\$\{(\w+)\}")
#: Options of an address whose values are not shown.
_SECRET: Final = re.compile("pass|token|secret|key", re.IGNORECASE)
_PART: Final = re.compile(r'"((?:[^"]|"")+)"|([^".]+)')


@dataclasses.dataclass(frozen=True)
class Address:
    """A destination as its sink sees it.

    Attributes:
        scheme: What chooses the sink.
        url: The address without the table, with its secrets; never to be shown.
        table: The table's name, after its schema if one was given.
        secrets: What must not be shown.
    """

    scheme: str
    url: str = dataclasses.field(repr=False)
    table: tuple[str, ...] = ()
    secrets: tuple[str, ...] = dataclasses.field(default=(), repr=False)

    @property
    def path(self) -> str:
        """The path of a file, decoded."""
        return urllib.parse.unquote(urllib.parse.urlsplit(self.url).path)

    @property
    def options(self) -> set[str]:
        """The names of the options after the `?`."""
        return set(urllib.parse.parse_qs(urllib.parse.urlsplit(self.url).query))

    @property
    def shown(self) -> str:
        """The address without secrets."""
        split = urllib.parse.urlsplit(self.url)
        user, _, place = split.netloc.rpartition("@")
        user = user.partition(":")[0]
        netloc = f"{user}@{place}" if user else place
        table = f"#{'.'.join(self.table)}" if self.table else ""
        return self.hide(f"{split.scheme}://{netloc}{split.path}{table}")

    def hide(self, text: str) -> str:
        """Returns *text* with each secret replaced by `***`."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text

    @contextlib.contextmanager
    def hiding(self) -> Iterator[None]:
        """Replaces an error of the operating system in the block, if it quotes a path with a secret."""
        try:
            yield
        except OSError as error:
            text = self.hide(str(error))
            if text == str(error):
                raise
            shown = None if error.filename is None else self.hide(str(error.filename))
            raise OSError(error.errno, error.strerror, shown) from None


def parse(text: str, environment: Mapping[str, str] | None = None) -> Address:
    """Returns the address that *text* is.

    Args:
        text: `scheme://user@host/database#schema.table`, or `profile://NAME#schema.table` for the address that a
            profile of ADBC has; `${NAME}` stands for a variable of *environment*, and what it stands for is a secret.
        environment: Variables by name; those of the process by default.

    Raises:
        ProgrammingError: It is none, or a variable is not set.
    """
    try:
        return _parsed(text, os.environ if environment is None else environment)
    except errors.Error as error:  # whose frames have secrets in their variables
        raise error.with_traceback(None) from None


def _parsed(text: str, environment: Mapping[str, str]) -> Address:
    found: list[str] = []

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if not environment.get(name):
            raise errors.make(
                Status.INVALID_ARGUMENT,
                f"could not read the destination: the environment variable {name!r} is not set",
            )
        found.append(environment[name])
        return environment[name]

    url, _, fragment = _VARIABLE.sub(value, text).partition("#")
    scheme, colon, rest = url.partition(":")
    if scheme == profiles.SCHEME:
        name = urllib.parse.unquote(rest.removeprefix("//"))
        url, secrets = profiles.read(name, environment, has_sink)
        found += secrets
        url, _, own = url.partition("#")
        fragment = fragment or own
        scheme, colon, _ = url.partition(":")
    if not colon or not re.fullmatch(r"[a-z][a-z0-9+.-]*", scheme):
        raise errors.make(
            Status.INVALID_ARGUMENT,
            "could not read the destination: it does not begin with a scheme",
            hint="write for instance sqlite:///path/to/file.db#table",
        )
    return Address(scheme, url, _table(fragment), _secrets(url, found))


def open_sink(address: Address, options: Mapping[str, Any]) -> Sink:
    """Returns the sink of *address*; it has connected to nothing yet.

    Args:
        address: Where to.
        options: What only some sinks know, by name: `state_table`.

    Raises:
        ProgrammingError: No sink has this scheme.
        NotSupportedError: The package that it needs is not installed; the text names the extra.
    """
    opener = _opener(address.scheme)
    return opener(address, **options)


def has_sink(scheme: str) -> bool:
    """Tells whether there is a sink of this scheme."""
    return scheme in OWN or scheme in {point.name for point in metadata.entry_points(group=GROUP)}


def missing(package: str, extra: str, cause: ImportError) -> errors.Error:
    """Returns the error for a sink whose package is not installed."""
    error = errors.make(
        Status.NOT_IMPLEMENTED,
        f"could not open the destination: the package {package!r} is not installed",
        hint=f'pip install "e6data-adbc[{extra}]"',
    )
    error.__cause__ = cause
    return error


def _opener(scheme: str) -> Callable[..., Sink]:
    own = OWN.get(scheme)
    if own is not None:
        module, _, name = own.partition(":")
        opener: Callable[..., Sink] = getattr(import_module(module), name)
        return opener
    points = {point.name: point for point in metadata.entry_points(group=GROUP)}
    if scheme in points:
        loaded: Callable[..., Sink] = points[scheme].load()
        return loaded
    known = ", ".join(sorted({*OWN, *points}))
    raise errors.make(
        Status.INVALID_ARGUMENT,
        f"could not open the destination: no sink has the scheme {scheme!r}",
        hint=f"there are {known}; packages add some by the entry-point group {GROUP}",
    )


def _table(fragment: str) -> tuple[str, ...]:
    text = urllib.parse.unquote(fragment)
    parts = [(quoted or "").replace('""', '"') or plain for quoted, plain in _PART.findall(text)]
    if _PART.sub("", text).strip(".") or len(parts) > 2 or text.count(".") < len(parts) - 1:
        raise errors.make(
            Status.INVALID_ARGUMENT,
            f"could not read the destination: {text!r} is no name of a table",
            hint='write #table or #schema.table, and names with a dot in double quotes, as #"a.b"',
        )
    return tuple(parts)


def _secrets(url: str, variables: list[str]) -> tuple[str, ...]:
    split = urllib.parse.urlsplit(url)
    found = set(variables)
    with_password = split.netloc.rpartition("@")[0].partition(":")[2]
    options = urllib.parse.parse_qsl(split.query)
    given = [value for name, value in options if _SECRET.search(name)]
    # The address of a server may be an option itself, as of adbc://.
    inner = [urllib.parse.urlsplit(value) for _, value in options if "://" in value]
    given += [place.netloc.rpartition("@")[0].partition(":")[2] for place in inner]
    for text in (with_password, *given):
        found.update((text, urllib.parse.unquote(text), urllib.parse.quote(text, safe="")))
    # Longest first: a secret may hold another one.
    return tuple(sorted((text for text in found if len(text) > 2), key=len, reverse=True))
