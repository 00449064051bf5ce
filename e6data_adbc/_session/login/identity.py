"""Who calls: what each call carries to say so, and how the server's doubts about it are met."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from typing import Final

from google.protobuf.message import Message

from e6data_adbc._session.login.call_signer import CallSigner
from e6data_adbc._session.login.login_methods import Authenticator, Password
from e6data_adbc._transport.headers import SecretHeaders
from e6data_adbc._transport.methods import AUTHENTICATE
from e6data_adbc._transport.scope import Scope
from e6data_adbc.options import Secret

__all__ = ["Identity"]

#: Keys the fingerprints of credentials, so that they mean nothing outside of this process.
_SALT: Final = secrets.token_bytes(32)


class Identity:
    """One way to sign in, with the user's signer; any thread may use it."""

    def __init__(self, authenticator: Authenticator, signer: CallSigner) -> None:
        self._authenticator = authenticator
        self._signer = signer
        password = authenticator if isinstance(authenticator, Password) else None
        self._password = password
        #: Whether calls need a session; otherwise each carries a token.
        self.has_sessions = password is not None
        #: Whether no call has secret metadata.
        self.signs_nothing = password is not None and not signer.is_asked
        #: Whether each call's secret metadata are its own: the user's signer may look at the clock.
        self.signs_each = signer.is_asked
        #: The user's name, where there is one.
        self.user = None if password is None else password.user
        #: Tells whose sessions are whose; two with equal credentials have the same.
        self.principal = "" if password is None else _fingerprint(password)

    def sign(self, path: str, scope: Scope, timeout: float) -> SecretHeaders | None:
        """Returns the secret metadata of one try; None where its message alone says who calls.

        Args:
            path: `/Service/method`.
            scope: Cancels the wait for a token.
            timeout: Bounds it, in seconds.

        Raises:
            Error: There is no token to be had, or the signer failed.
        """
        if isinstance(self._authenticator, Password):
            return self._signer.sign(path) if self._signer.is_asked else None
        return self._signer.sign(path, self._authenticator.bearer(scope, timeout))

    def renew(self, rejected: Secret, scope: Scope, timeout: float) -> bool:
        """Gets another token after the server refused one; False if there is no other.

        Raises:
            Error: There is none to be had.
        """
        if isinstance(self._authenticator, Password):
            return False
        return self._authenticator.renew(rejected, scope, timeout) is not None

    def authenticate_message(self) -> bytes:
        """Returns the message that signs in; it holds the password."""
        assert self._password is not None  # noqa: S101 - asked only where there are sessions
        request = AUTHENTICATE.request(
            user=self._password.user, password=self._password.token.reveal()
        )
        if self._password.impersonated_user is not None:
            request.userNameForImpersonation = self._password.impersonated_user
        if self._password.identity_claim is not None:
            request.customIdentityClaim = self._password.identity_claim
        return request.SerializeToString()

    def cluster_message(self, kind: Callable[..., Message]) -> Callable[[], bytes]:
        """Returns what makes a message to the cluster service; with tokens, user and password stay empty."""
        password = self._password
        if password is None:
            return lambda: kind().SerializeToString()
        return lambda: kind(
            user=password.user, password=password.token.reveal()
        ).SerializeToString()


def _fingerprint(password: Password) -> str:
    digest = hashlib.blake2b(key=_SALT, digest_size=16)
    parts = (password.user, password.impersonated_user, password.identity_claim)
    for part in (*parts, password.token.reveal()):
        text = "" if part is None else f"+{part}"
        digest.update(f"{len(text)}:{text}".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
