"""Sign-in, tokens and sessions."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.authentication import Authenticator
from gateway.config import Settings
from gateway.events import Announcer, Announces, Publisher, SessionRegistry, Silent
from gateway.instruments import Instruments
from gateway.oidc import Grants, Keycloak
from gateway.sessions import (
    Cookies,
    Redirects,
    Refresher,
    Seal,
    SessionCookies,
    SessionRevocations,
    SignIn,
    derive,
)
from gateway.store import Store
from gateway.tokens import AccessTokenPolicy, IdTokens, LogoutTokens, Signatures, Verifier
from gateway.wiring.lifecycle import Part, Stage
from gateway.wiring.outbound import Outbound


@dataclass(frozen=True, slots=True)
class SignInParts:
    """What signs users in and out, and tells who they are."""

    keycloak: Keycloak
    grants: Grants
    verifier: Verifier
    id_tokens: IdTokens
    logout_tokens: LogoutTokens
    redirects: Redirects
    cookies: Cookies
    sessions: SessionCookies
    revocations: SessionRevocations
    sign_in: SignIn
    refresher: Refresher
    authenticator: Authenticator
    announcer: Announces
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class _Tokens:
    """The verifiers of the three kinds of tokens."""

    access: Verifier
    identity: IdTokens
    logout: LogoutTokens


def store(settings: Settings, outbound: Outbound, instruments: Instruments) -> Store:
    """What the workers, and with REDIS_URL the machines, know together. Touches nothing."""
    return Store(
        derive(settings.sealing_secrets[0], "store"),
        f"{settings.issuer} {settings.client_id}",
        settings.redis_url.get_secret_value() if settings.redis_url else None,
        tracer=outbound.tracer,
        redis_away=instruments.redis_away,
    )


def sign_in(
    settings: Settings, outbound: Outbound, kept: Store, publisher: Publisher, instruments: Instruments
) -> SignInParts:
    """Calls nobody."""
    keycloak = Keycloak(settings.issuer, settings.internal_url, outbound.session)
    tokens = _tokens(settings, keycloak)
    secret = settings.client_secret.get_secret_value()
    grants = Grants(keycloak, outbound.adapter, settings.client_id, secret, settings.scopes)
    cookies = Cookies(settings.public_url, secure=settings.secure_cookies)
    secrets = settings.sealing_secrets
    sessions = SessionCookies(cookies, secrets)
    revocations = SessionRevocations(kept)
    return SignInParts(
        keycloak=keycloak,
        grants=grants,
        verifier=tokens.access,
        id_tokens=tokens.identity,
        logout_tokens=tokens.logout,
        redirects=Redirects(settings.redirect_uri, settings.allowed_redirect_uris, settings.frontend),
        cookies=cookies,
        sessions=sessions,
        revocations=revocations,
        sign_in=SignIn(grants, tokens.identity, Seal(secrets, "login cookie"), kept, settings.issuer),
        refresher=Refresher(grants, kept, Seal(secrets, "refresh outcome")),
        authenticator=Authenticator(tokens.access, sessions, revocations, settings.frontend, instruments.tokens),
        announcer=Announcer(publisher, SessionRegistry(kept)) if settings.kafka_brokers else Silent(),
        parts=((Stage.WATCHERS, keycloak),),
    )


def _tokens(settings: Settings, keycloak: Keycloak) -> _Tokens:
    secret = settings.jwt_secret.get_secret_value().encode() if settings.jwt_secret is not None else None
    signatures = Signatures(settings.jwt_algorithms, keycloak, secret)
    # Only the issuer says who signed in and out: a shared secret does not.
    public = Signatures(tuple(name for name in settings.jwt_algorithms if name != "HS256") or ("RS256",), keycloak)
    policy = AccessTokenPolicy(
        settings.issuer, settings.audience, settings.jwt_leeway, settings.jwt_allowed_clients, settings.client_id
    )
    client = settings.issuer, settings.client_id, settings.jwt_leeway
    return _Tokens(Verifier(policy, signatures), IdTokens(public, *client), LogoutTokens(public, *client))
