"""How a database signs in: the ways there are, and which one the options ask for."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

from e6data_adbc import errors
from e6data_adbc._options.option_values import SIGN_IN_WAYS, Settings
from e6data_adbc._session.login.hooks import HOOKS, Hook, HookRegistry
from e6data_adbc._session.login.renewed_token import token_problem
from e6data_adbc._session.login.shared_tokens import SHARED_TOKENS, SharedTokens
from e6data_adbc._session.login.token_sources import AccessToken, Bearer, TokenFile, provided_token
from e6data_adbc.options import ClientAuth, Secret

if TYPE_CHECKING:
    from e6data_adbc._session.login.oauth import ClientCredentials

__all__ = ["Authenticator", "Credentials", "Password", "choose"]

_AREA: Final = "adbc.e6data.auth."


@dataclasses.dataclass(frozen=True)
class Password:
    """A user and an access token of the engine's own, which `authenticate` exchanges for a session.

    Attributes:
        user: Usually an e-mail address.
        token: The user's.
        impersonated_user: On whose behalf queries run, or None.
        identity_claim: The claim that says who the user is, or None.
    """

    user: str
    token: Secret
    impersonated_user: str | None = None
    identity_claim: str | None = None


#: Either a session is made with `authenticate`, or each call carries a token and there is no session.
Authenticator = Password | Bearer


@dataclasses.dataclass(frozen=True)
class Credentials:
    """What was said about signing in; None where nothing was.

    Attributes:
        username: Who signs in with `password`.
        password: The user's access token of the engine's own.
        access_token: A bearer token, given as it is.
        token_file: The path of a file that holds a bearer token.
        token_provider: A callable that returns a bearer token.
        oauth_client_id: For the OAuth client credentials grant.
        oauth_client_secret: For the same.
        oauth_token_url: For the same.
        oauth_scope: For the same; may be missing.
        oauth_client_auth: For the same; may be missing.
        impersonated_user: Sent with `authenticate`.
        identity_claim: Sent with `authenticate`.
    """

    username: str | None = None
    password: Secret | None = None
    access_token: Secret | None = None
    token_file: str | None = None
    token_provider: Hook | None = None
    oauth_client_id: str | None = None
    oauth_client_secret: Secret | None = None
    oauth_token_url: str | None = None
    oauth_scope: str | None = None
    oauth_client_auth: ClientAuth | None = None
    impersonated_user: str | None = None
    identity_claim: str | None = None

    @staticmethod
    def of(
        user: str | None, token: Secret | None, settings: Settings, hooks: HookRegistry = HOOKS
    ) -> Credentials:
        """Returns what the options of a database say.

        Args:
            user: The `username`, or the URI's.
            token: The `password`, or the URI's.
            settings: Holds the options of the area `auth`.
            hooks: Where a token provider is on offer.

        Raises:
            ProgrammingError: The token provider is not on offer.
        """
        found = {name: settings.get(_AREA + name) for name in _OPTIONS}
        provider = hooks.take("token_provider", settings.get(_AREA + "token_provider"))
        return Credentials(username=user, password=token, token_provider=provider, **found)


_PASSWORD: Final = SIGN_IN_WAYS[0]
_OAUTH: Final = SIGN_IN_WAYS[-1]
_ON_AUTHENTICATE: Final = ("impersonated_user", "identity_claim")
_OPTIONS: Final = ("access_token", "token_file", *_OAUTH, *_ON_AUTHENTICATE)


def choose(
    credentials: Credentials,
    *,
    root_certs: bytes | None = None,
    shared: SharedTokens = SHARED_TOKENS,
) -> Authenticator:
    """Returns the one way to sign in that *credentials* describe. Calls nobody.

    Args:
        credentials: What was said.
        root_certs: PEM text that the token endpoint's certificate is checked with instead of the system's.
        shared: Where equal OAuth credentials find the same token.

    Raises:
        ProgrammingError: There is no way or more than one, or something is missing or unfit; the text names options,
            never values.
    """
    given = vars(credentials)
    ways = [way for way in SIGN_IN_WAYS if any(given[name] is not None for name in way)]
    if len(ways) > 1:
        names = [name for way in ways for name in way if given[name] is not None]
        raise _refused(
            f"more than one way is given, by {_listed(names)}", "give the options of one way"
        )
    if not ways:
        raise _refused(
            "no user, token or other credential was given",
            "use e6data://user:token@host, or one of"
            f" {_listed(['password', 'access_token', 'token_file', 'oauth_client_id', 'token_provider'])}",
        )
    extra = [name for name in _ON_AUTHENTICATE if given[name] is not None]
    if extra and ways[0] is not _PASSWORD:
        raise _refused(
            f"{_listed(extra)} needs a session, and {_listed(_given(given, ways[0]))} makes none",
            f"sign in with {_listed(_PASSWORD)}",
        )
    return _made(credentials, root_certs, shared)


def _made(
    credentials: Credentials, root_certs: bytes | None, shared: SharedTokens
) -> Authenticator:
    """Returns the way whose options are given, which are those of one way."""
    if credentials.access_token is not None:
        problem = token_problem(credentials.access_token)
        if problem is not None:
            raise _refused(
                f"{_listed(['access_token'])} cannot be sent: {problem}",
                None if credentials.access_token.reveal() else _IN_PROFILES,
            )
        return AccessToken(credentials.access_token)
    if credentials.token_file is not None:
        return TokenFile(credentials.token_file)
    if credentials.token_provider is not None:
        return provided_token(credentials.token_provider)
    if any(vars(credentials)[name] is not None for name in _OAUTH):
        return shared.get(_client_credentials(credentials, root_certs))
    if not credentials.username or credentials.password is None:
        missing = "password" if credentials.username else "username"
        raise _refused(
            f"{_listed([missing])} is missing",
            f"use e6data://user:token@host, or {_listed(_PASSWORD)}; {_IN_PROFILES}",
        )
    if not credentials.password.reveal():
        raise _refused(f"{_listed(['password'])} is empty", _IN_PROFILES)
    return Password(
        credentials.username,
        credentials.password,
        credentials.impersonated_user,
        credentials.identity_claim,
    )


def _client_credentials(credentials: Credentials, root_certs: bytes | None) -> ClientCredentials:
    url, client, secret = (
        credentials.oauth_token_url,
        credentials.oauth_client_id,
        credentials.oauth_client_secret,
    )
    if url is None or client is None or secret is None:
        missing = [name for name in _OAUTH[:3] if vars(credentials)[name] is None]
        raise _refused(
            f"{_listed(missing)} is missing beside {_listed(_given(vars(credentials), _OAUTH))}"
        )
    from e6data_adbc._session.login.oauth import ClientCredentials  # brings HTTP and TLS

    return ClientCredentials(
        token_url=url,
        client_id=client,
        client_secret=secret,
        scope=credentials.oauth_scope,
        client_auth=credentials.oauth_client_auth or ClientAuth.BASIC,
        root_certs=root_certs,
    )


def _given(values: dict[str, Any], names: tuple[str, ...]) -> list[str]:
    return [name for name in names if values[name] is not None]


def _listed(names: list[str] | tuple[str, ...]) -> str:
    """Returns the names as a user writes them: options by their keys, arguments of `connect` by their own."""
    shown = [repr(_AREA + name if name in _OPTIONS else name) for name in names]
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


#: The driver manager puts nothing in place of a variable that it does not find (adbc_driver_manager 1.13).
_IN_PROFILES: Final = (
    "in a profile, {{ env_var(NAME) }} is empty where NAME is not set, or is in quotes"
)


def _refused(cause: str, hint: str | None = None) -> errors.Error:
    return errors.make(
        errors.Status.INVALID_ARGUMENT, f"could not choose how to sign in: {cause}", hint=hint
    )
