"""The secret metadata of one call: the bearer token, and what the user's request signer adds."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, cast

from e6data_adbc import errors
from e6data_adbc._session.login.hooks import Hook
from e6data_adbc._transport.headers import SecretHeaders
from e6data_adbc.options import Secret

__all__ = ["CallSigner"]

_AUTHORIZATION: Final = "authorization"

#: Keys that route a call, or belong to HTTP/2 and gRPC.
_RESERVED: Final = frozenset(
    {
        "cluster-name",
        "cluster-uuid",
        "connection",
        "content-length",
        "content-type",
        "host",
        "keep-alive",
        "plannerip",
        "proxy-connection",
        "strategy",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
    }
)
_KEY: Final = re.compile(r"[0-9a-z_.-]+")
_VALUE: Final = re.compile(r"[!-~](?:[ -~]*[!-~])?")  # HTTP/2 trims outer blanks

#: A gRPC server refuses calls with more than about 8 KiB of metadata, unless it was told otherwise.
_MAX_BYTES: Final = 8 * 1024


class CallSigner:
    """Makes the secret metadata of each call; any thread may use it, if the user's signer allows that."""

    def __init__(self, request_signer: Hook | None = None) -> None:
        """Makes a signer that asks *request_signer*, if there is one, before each call.

        Args:
            request_signer: Takes the call's path, returns keys and values. It runs in the thread that calls.
        """
        self._sign = request_signer

    @property
    def is_asked(self) -> bool:
        """Whether the user has a signer of his own."""
        return self._sign is not None

    def sign(self, path: str, bearer: Secret | None = None) -> SecretHeaders:
        """Returns the secret metadata of one try of one call.

        Args:
            path: `/Service/method`.
            bearer: The access token to send.

        Raises:
            ProgrammingError: The signer failed (UNAUTHENTICATED), or returned what is not metadata
                (INVALID_ARGUMENT).
        """
        signed = SecretHeaders() if self._sign is None else self._ask(self._sign, path)
        problem = _problem(signed, has_bearer=bearer is not None)
        if problem is not None:
            raise errors.make(
                errors.Status.INVALID_ARGUMENT,
                f"could not sign the call {path!r}: the request signer returned {problem}",
            )
        if bearer is None:
            return signed
        return SecretHeaders(
            (*signed.reveal(), (_AUTHORIZATION, f"Bearer {bearer.reveal()}")), bearer
        )

    def _ask(self, sign: Hook, path: str) -> SecretHeaders:
        try:
            return _pairs(SecretHeaders(sign(path)))
        except Exception as cause:
            raise errors.make(
                errors.Status.UNAUTHENTICATED,
                f"could not sign the call {path!r}: the request signer raised {type(cause).__name__}: {cause}",
            ) from cause


def _pairs(answer: SecretHeaders) -> SecretHeaders:
    """Returns the items of a mapping, or the name of the type of everything else; no local holds a value."""
    if isinstance(answer.reveal(), Mapping):
        return SecretHeaders(tuple(dict(cast("Mapping[str, str]", answer.reveal())).items()))
    return SecretHeaders(type(answer.reveal()).__name__)


def _problem(signed: SecretHeaders, *, has_bearer: bool) -> str | None:
    """Returns what is wrong with what a signer returned, without a value; never raises."""
    if isinstance(signed.reveal(), str):
        return f"a {signed.reveal()}, not a mapping"
    size = 0
    for key, value in signed.reveal():
        if not isinstance(key, str):
            return f"a key of type {type(key).__name__}"
        if not _KEY.fullmatch(key):
            return f"the key {key!r}, which is not of lower-case letters, digits and '_.-'"
        if key.endswith("-bin"):
            return f"the key {key!r}, but binary metadata is not supported"
        if key in _RESERVED or key.startswith("grpc-"):
            return f"the key {key!r}, which is reserved"
        if key == _AUTHORIZATION and has_bearer:
            return f"the key {key!r}, which carries the access token"
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            return f"for {key!r} what is not printable ASCII text without outer blanks"
        size += len(key) + len(value)
    return f"more than {_MAX_BYTES} bytes, {size} of them" if size > _MAX_BYTES else None
