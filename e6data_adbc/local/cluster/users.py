"""Who may sign in, and what each of them may use."""

from __future__ import annotations

import dataclasses
import hmac
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from e6data_adbc import errors

__all__ = ["DeniedError", "User", "Users"]


class DeniedError(Exception):
    """A user wants what the user may not have."""


@dataclasses.dataclass(frozen=True)
class User:
    """Somebody who may sign in."""

    name: str
    tokens: tuple[str, ...] = dataclasses.field(repr=False)
    #: The catalogs that the user may use, in lower case; None for all.
    catalogs: frozenset[str] | None = None
    #: The user may read only.
    read_only: bool = False

    @property
    def is_limited(self) -> bool:
        """There is something that the user may not do."""
        return self.catalogs is not None or self.read_only

    def may_use(self, catalogs: Iterable[str]) -> bool:
        """Tells whether the user may use all of *catalogs*."""
        return self.catalogs is None or self.catalogs.issuperset(
            catalog.lower() for catalog in catalogs
        )


class Users:
    """The users of one engine; it does not change."""

    def __init__(self, user: str, token: str, file: Path | None = None) -> None:
        """Knows *user*, who may do everything, and those of *file*.

        Raises:
            ProgrammingError: The file cannot be read, or is not of the form that docs/local-engine.md shows.
        """
        self._users = [User(user, (token,))]
        if file is not None:
            self._users += _read(file)

    def named(self, name: str) -> User:
        """Returns the user called *name*."""
        return next(user for user in self._users if user.name == name)

    def verify(self, name: str, token: str) -> User | None:
        """Returns the user, if name and token belong together; takes the same time whichever of them is wrong."""
        found = None
        for user in self._users:
            same_name = hmac.compare_digest(name.encode(), user.name.encode())
            for known in user.tokens:
                if hmac.compare_digest(token.encode(), known.encode()) and same_name:
                    found = user
        return found


def _read(file: Path) -> list[User]:
    try:
        document = json.loads(file.read_text())
        users = [_user(entry) for entry in document["users"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        cause = f"{error} is missing" if isinstance(error, KeyError) else error
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not read the users file {str(file)!r}: {cause}",
            hint='it looks like {"users": [{"name": …, "tokens": […]}]}',
        ) from error
    return users


def _user(entry: dict[str, Any]) -> User:
    unknown = set(entry) - {"name", "tokens", "catalogs", "read_only"}
    if unknown:
        raise ValueError(f"unknown members: {', '.join(sorted(unknown))}")
    name, tokens, catalogs = entry["name"], entry["tokens"], entry.get("catalogs")
    read_only = entry.get("read_only", False)
    if not (isinstance(name, str) and name and _are_texts(tokens) and all(tokens)):
        raise ValueError("a user needs a name and a list of tokens, none of them empty")
    if not (catalogs is None or _are_texts(catalogs)) or not isinstance(read_only, bool):
        raise ValueError(f"catalogs of {name!r} must be a list of names, and read_only a boolean")
    return User(
        name,
        tuple(tokens),
        None if catalogs is None else frozenset(catalog.lower() for catalog in catalogs),
        read_only,
    )


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)
