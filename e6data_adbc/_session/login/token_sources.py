"""Where an access token can come from: given as it is, from a file, from a callable of the user's."""

from __future__ import annotations

import dataclasses
import math
import os
import stat
from typing import Final, Protocol

from e6data_adbc import errors
from e6data_adbc._session.login.hooks import Hook
from e6data_adbc._session.login.renewed_token import (
    MAX_LIFETIME_SECONDS,
    Grant,
    RenewedToken,
    Waiting,
    token_problem,
)
from e6data_adbc.options import Secret

__all__ = ["AccessToken", "Bearer", "TokenFile", "provided_token"]

_MAX_FILE: Final = 64 * 1024


class Bearer(Protocol):
    """A source of access tokens, one of which goes with every call; every method is for any thread."""

    def bearer(self, scope: Waiting, timeout: float) -> Secret:
        """Returns the token to send; waits for it at most *timeout* seconds, less if *scope* is cancelled.

        Raises:
            Error: There is none to be had.
        """
        ...

    def renew(self, rejected: Secret, scope: Waiting, timeout: float) -> Secret | None:
        """Returns another token after the server refused *rejected*, or None if there is no other.

        Raises:
            Error: There is none to be had.
        """
        ...


@dataclasses.dataclass(frozen=True)
class AccessToken:
    """A token that was given as it is."""

    token: Secret

    def bearer(self, scope: Waiting, timeout: float) -> Secret:  # noqa: ARG002
        """Returns the token."""
        return self.token

    def renew(self, rejected: Secret, scope: Waiting, timeout: float) -> None:  # noqa: ARG002
        """Returns None: there is no other."""
        return


class TokenFile:
    """A token in a file that something else renews; read again when the file has changed."""

    def __init__(self, path: str) -> None:
        self._path = path
        # Replaced as a whole; threads that read the file at the same time do no harm.
        self._seen: tuple[tuple[int, ...], Secret] | None = None

    def bearer(self, scope: Waiting, timeout: float) -> Secret:  # noqa: ARG002 - a local file
        """Returns the file's token.

        Raises:
            ProgrammingError: The file cannot be read, or does not hold one token (UNAUTHENTICATED).
        """
        seen = self._seen
        return seen[1] if seen is not None and seen[0] == self._version() else self._read()

    def renew(self, rejected: Secret, scope: Waiting, timeout: float) -> Secret | None:  # noqa: ARG002
        """Returns the file's token if it is another by now."""
        token = self._read()
        return None if token == rejected else token

    def _version(self) -> tuple[int, ...]:
        try:
            return _version(os.stat(self._path))
        except (OSError, ValueError) as cause:
            raise self._failed(_os_text(cause)) from None

    def _read(self) -> Secret:
        self._version()  # says what is wrong with a path, where `open` of a pipe would block
        try:
            with open(self._path, "rb") as file:
                version = _version(os.fstat(file.fileno()))
                token = Secret(file.read(_MAX_FILE + 1).decode("latin-1").strip())
        except OSError as cause:
            raise self._failed(_os_text(cause)) from None
        problem = token_problem(token)
        if problem is not None:
            raise self._failed(problem)
        self._seen = (version, token)
        return token

    def _failed(self, cause: str) -> errors.Error:
        return errors.make(
            errors.Status.UNAUTHENTICATED,
            f"could not read an access token from the file {self._path!r}: {cause}",
            hint="check 'adbc.e6data.auth.token_file'",
            sqlstate="28000",
        )


def _version(status: os.stat_result) -> tuple[int, ...]:
    if not stat.S_ISREG(status.st_mode):
        raise OSError("it is not a regular file")
    return status.st_dev, status.st_ino, status.st_mtime_ns, status.st_size


def _os_text(cause: OSError | ValueError) -> str:
    return str(getattr(cause, "strerror", None) or cause)


def provided_token(hook: Hook) -> RenewedToken:
    """Returns the token that the user's callable gives.

    The callable returns the token's text, or a pair of the text and the seconds that the token lives. Without the
    seconds it is asked again when a token is needed a minute later, so it may keep the token itself.
    """

    def ask() -> Grant:
        try:
            answer = _Answer(hook())
        except Exception as cause:
            raise errors.make(
                errors.Status.UNAUTHENTICATED,
                f"could not get an access token: the token provider raised {type(cause).__name__}: {cause}",
                sqlstate="28000",
            ) from cause
        grant = answer.grant()
        if isinstance(grant, Grant):
            return grant
        raise errors.make(
            errors.Status.INVALID_ARGUMENT,
            f"could not use what the token provider returned: {grant}",
            hint="return the token's text, or a pair of the text and the seconds that it lives",
        )

    return RenewedToken(ask)


class _Answer:
    """What a token provider returned, hidden."""

    __slots__ = ("_answer",)

    def __init__(self, answer: object) -> None:
        self._answer = answer

    def grant(self) -> Grant | str:
        """Returns the token, or what is wrong; raises nothing, since its locals are secret."""
        text: object = self._answer
        life: object = None
        if isinstance(self._answer, tuple) and len(self._answer) == 2:
            text, life = self._answer
        if not isinstance(text, str):
            return f"it is a {type(text).__name__}"
        problem = token_problem(Secret(text))
        if problem is not None:
            return problem
        if life is None:
            return Grant(Secret(text))
        if isinstance(life, bool) or not isinstance(life, int | float):
            return f"its seconds are a {type(life).__name__}"
        if not 0 < life < math.inf:
            return "its seconds are not a finite number above 0"
        return Grant(Secret(text), float(min(life, MAX_LIFETIME_SECONDS)))
