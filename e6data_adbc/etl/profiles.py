"""Profiles of ADBC as addresses of destinations: files by name, with what need not stand in a program."""

from __future__ import annotations

import os
import re
import sys
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from e6data_adbc import errors
from e6data_adbc.errors import Status

__all__ = ["SCHEME", "read"]

SCHEME: Final = "profile"
_VARIABLE: Final = re.compile(r"\{\{(.*?)\}\}")
_CALL: Final = re.compile(r"\s*env_var\(\s*(\w+)\s*\)\s*")


def read(
    name: str, environment: Mapping[str, str], has_sink: Callable[[str], bool]
) -> tuple[str, list[str]]:
    """Returns the address that a profile says, without a table unless it names one, and what of it is secret.

    Its option `uri` is the address. `username` and `password` become a part of it, and the others its options. A
    profile whose `uri` is of no destination of ours, or that has none, is one of the ADBC driver that it names.

    Args:
        name: Of a file `NAME.toml` where ADBC looks for profiles, or a path.
        environment: Variables by name, for `{{ env_var(NAME) }}` and for where profiles are.
        has_sink: Tells whether there is a destination of a scheme.

    Raises:
        ProgrammingError: There is no such profile, it is none, or a variable is not set. No value of it is quoted.
        NotSupportedError: This Python cannot read one.
    """
    path = _found(name, environment)
    content = _parsed(name, path)
    secrets: list[str] = []
    given = content.get("Options", {})
    if not isinstance(given, dict) or content.get("profile_version") != 1:
        raise _wrong(name, "it has no profile_version = 1, or no [Options]")
    options = {key: _text(name, value, environment, secrets) for key, value in given.items()}
    uri = options.pop("uri", "")
    if has_sink(uri.partition(":")[0]):
        return _joined(uri, options), secrets
    driver = content.get("driver")
    if not isinstance(driver, str) or not driver:
        raise _wrong(name, "its uri is that of no destination, and it names no driver")
    if uri:
        options = {"uri": uri, **options}
    return f"adbc://{urllib.parse.quote(driver)}?{urllib.parse.urlencode(options)}", secrets


def _joined(uri: str, options: dict[str, str]) -> str:
    """Returns *uri* with user and password, and with the other options behind its own."""
    given = [options.pop(each, "") for each in ("username", "password")]
    url, mark, table = uri.partition("#")
    plain, _, own = url.partition("?")
    scheme, slashes, rest = plain.partition("://")
    if any(given):
        place, slash, path = rest.partition("/")
        user, password = (urllib.parse.quote(each, safe="") for each in given)
        login = f"{user}:{password}" if password else user
        rest = f"{login}@{place.rpartition('@')[2]}{slash}{path}"
    query = "&".join(each for each in (own, urllib.parse.urlencode(options)) if each)
    return f"{scheme}{slashes}{rest}{'?' if query else ''}{query}{mark}{table}"


def _text(name: str, value: Any, environment: Mapping[str, str], secrets: list[str]) -> str:
    """Returns an option's text, with the values of variables in it, which become *secrets*."""
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, (str, int, float)):
        raise _wrong(name, "an option is neither a text nor a number")

    def found(match: re.Match[str]) -> str:
        call = _CALL.fullmatch(match[1])
        if call is None:
            raise _wrong(name, "there is something other than env_var(NAME) in double braces")
        if not environment.get(call[1]):
            raise _wrong(name, f"the environment variable {call[1]!r} is not set")
        secrets.append(environment[call[1]])
        return environment[call[1]]

    return _VARIABLE.sub(found, str(value))


def _parsed(name: str, path: Path) -> dict[str, Any]:
    try:
        if sys.version_info >= (3, 11):
            import tomllib
        else:
            import tomli as tomllib
    except ImportError as cause:
        raise errors.make(
            Status.NOT_IMPLEMENTED,
            f"could not read the profile {name!r}: this Python has nothing that reads TOML",
            hint="pip install tomli, or use Python 3.11 or later",
        ) from cause
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        failure = f"cannot be read: {error.strerror}"
    except ValueError:
        failure = "is no TOML"
    # Not from the parser's error, whose frames have the text of the file.
    raise _wrong(name, f"{path} {failure}")


def _found(name: str, environment: Mapping[str, str]) -> Path:
    file = name if name.endswith(".toml") else f"{name}.toml"
    if Path(file).is_absolute():
        return Path(file)
    if not re.fullmatch(r"[\w. -]+", name):
        raise _wrong(name, "that is no name of a profile")
    folders = list(_folders(environment))
    for folder in folders:
        if (folder / file).is_file():
            return folder / file
    raise errors.make(
        Status.NOT_FOUND,
        f"could not read the profile {name!r}: there is no {file} in {', '.join(map(str, folders))}",
        hint="ADBC_PROFILE_PATH names more folders",
    )


def _folders(environment: Mapping[str, str]) -> Iterator[Path]:
    """Gives where ADBC's driver manager looks for profiles, in its order."""
    for text in environment.get("ADBC_PROFILE_PATH", "").split(os.pathsep):
        if text:
            yield Path(text)
    if sys.prefix != sys.base_prefix:
        yield Path(sys.prefix, "etc", "adbc", "profiles")
    if conda := environment.get("CONDA_PREFIX"):
        yield Path(conda, "etc", "adbc", "profiles")
    if sys.platform == "win32":
        yield Path(environment.get("LOCALAPPDATA", ""), "ADBC", "Profiles")
    elif sys.platform == "darwin":
        yield Path.home() / "Library" / "Application Support" / "ADBC" / "Profiles"
    else:
        yield Path(
            environment.get("XDG_CONFIG_HOME") or Path.home() / ".config", "adbc", "profiles"
        )


def _wrong(name: str, cause: str) -> errors.Error:
    return errors.make(Status.INVALID_ARGUMENT, f"could not read the profile {name!r}: {cause}")
