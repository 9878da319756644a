"""Sign-in, tokens and sessions."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.authentication import Authenticator
from gateway.config import Settings
from gateway.events import Publisher
from gateway.instruments import Instruments
from gateway.oidc import Advice, ClientCredentials, Grants, Keycloak, KeyCredentials, SecretCredentials
from gateway.sessions import (
    Cookies,
    Redirects,
    RefreshChecks,
    Refresher,
    Seal,
    SessionCookies,
    SessionRevocations,
    derive,
)
from gateway.sign_in import LoginFlow, LogoutFlow, RefreshFlow
from gateway.store import Store
from gateway.tokens import AccessTokenPolicy, IdTokens, KeySource, LogoutTokens, Signatures, Verifier
from gateway.wiring.events import auth_events
from gateway.wiring.lifecycle import Part, Stage
from gateway.wiring.outbound import Outbound


@dataclass(frozen=True, slots=True)
class SignInParts:
    """Signs users in and out, and authenticates requests."""

    keycloak: Keycloak
    redirects: Redirects
    cookies: Cookies
    sessions: SessionCookies
    revocations: SessionRevocations
    login: LoginFlow
    refresh: RefreshFlow
    logout: LogoutFlow
    authenticator: Authenticator
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class _Tokens:
    """The verifiers of the three kinds of tokens."""

    access: Verifier
    identity: IdTokens
    logout: LogoutTokens


def store(settings: Settings, outbound: Outbound, instruments: Instruments) -> Store:
    """The state that workers share, and with REDIS_URL all machines. Touches nothing."""
    return Store(
        *store_identity(settings),
        settings.redis_url.get_secret_value() if settings.redis_url else None,
        tracer=outbound.tracer,
        redis_away=instruments.redis_away,
        counts_alone=instruments.limits_unshared,
    )


def store_identity(settings: Settings) -> tuple[bytes, str]:
    """The secret and the name of a deployment: gateways that have both alike know the same."""
    return derive(settings.sealing_secrets[0], "store"), f"{settings.issuer} {settings.client_id}"


def sign_in(
    settings: Settings, outbound: Outbound, kept: Store, publisher: Publisher, instruments: Instruments
) -> SignInParts:
    """Calls nobody."""
    keycloak = Keycloak(settings.issuer, settings.internal_url, outbound.session)
    tokens = _tokens(settings, keycloak)
    grants = Grants(keycloak, outbound.adapter, credentials_of(settings), settings.scopes)
    cookies = Cookies(settings.public_url, secure=settings.secure_cookies)
    secrets = settings.sealing_secrets
    sessions = SessionCookies(cookies, secrets)
    revocations = SessionRevocations(kept, settings.jwt_leeway)
    checks = RefreshChecks(tokens.identity, tokens.access)
    refresher = Refresher(grants, checks, kept, Seal(secrets, "refresh outcome"))
    events = auth_events(settings, publisher, kept)
    login_seal = Seal(secrets, "login cookie")
    return SignInParts(
        keycloak=keycloak,
        redirects=Redirects(settings.redirect_uri, settings.allowed_redirect_uris, settings.frontend),
        cookies=cookies,
        sessions=sessions,
        revocations=revocations,
        login=LoginFlow(grants, tokens.identity, tokens.access, revocations, events, login_seal, kept, Advice()),
        refresh=RefreshFlow(refresher, grants, tokens.access, revocations, events),
        logout=LogoutFlow(grants, tokens.access, tokens.logout, revocations, refresher, events, kept),
        authenticator=Authenticator(tokens.access, sessions, revocations, settings.frontend, instruments.tokens),
        parts=((Stage.WATCHERS, keycloak),),
    )


def credentials_of(settings: Settings) -> ClientCredentials:
    """The gateway's credentials at Keycloak: the private key, otherwise the secret."""
    if settings.client_key is not None:
        return KeyCredentials(settings.client_id, settings.client_key.get_secret_value(), settings.issuer)
    secret = settings.client_secret.get_secret_value() if settings.client_secret is not None else ""
    return SecretCredentials(settings.client_id, secret)


def _tokens(settings: Settings, keycloak: Keycloak) -> _Tokens:
    signatures = signatures_of(settings, keycloak)
    identity = id_tokens_of(settings, keycloak)
    client = settings.issuer, settings.client_id, settings.jwt_leeway
    return _Tokens(Verifier(policy_of(settings), signatures), identity, LogoutTokens(identity.signatures, *client))


def id_tokens_of(settings: Settings, keys: KeySource) -> IdTokens:
    """What verifies ID tokens with these keys."""
    # ID and logout tokens come only from the issuer, so a shared secret does not verify them.
    public = Signatures(tuple(name for name in settings.jwt_algorithms if name != "HS256") or ("RS256",), keys)
    return IdTokens(public, settings.issuer, settings.client_id, settings.jwt_leeway)


def signatures_of(settings: Settings, keys: KeySource) -> Signatures:
    """What verifies access tokens, with these keys and JWT_SECRET, by JWT_ALGORITHMS."""
    secret = settings.jwt_secret.get_secret_value().encode() if settings.jwt_secret is not None else None
    return Signatures(settings.jwt_algorithms, keys, secret)


def policy_of(settings: Settings) -> AccessTokenPolicy:
    """What an access token has to be."""
    return AccessTokenPolicy(
        settings.issuer, settings.audience, settings.jwt_leeway, settings.jwt_allowed_clients, settings.client_id
    )
