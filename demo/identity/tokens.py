"""The shapes of Keycloak's tokens, as plain dictionaries of claims (tried against Keycloak 26.7)."""

from __future__ import annotations

import time
import uuid
from typing import Any

from demo.identity.sessions import Session
from demo.identity.settings import Client, User

BACKCHANNEL_EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGOUT_LIFETIME = 120

Claims = dict[str, Any]


def access_claims(issuer: str, session: Session, client: Client, scope: str, lifetime: int) -> Claims:
    """An access token: the payload's ``typ`` is the one thing that tells it from the others."""
    user = session.user
    audience: Any = list(client.audience) if len(client.audience) != 1 else client.audience[0]
    return {
        **_common(issuer, session, client, lifetime),
        "jti": f"onrtac:{uuid.uuid4()}",
        "aud": audience,
        "typ": "Bearer",
        "acr": "1",
        "realm_access": {"roles": list(user.realm_roles)},
        "resource_access": {name: {"roles": list(roles)} for name, roles in user.client_roles.items()},
        "scope": scope,
        **profile_claims(user, scope),
    }


def id_client_claims(issuer: str, client: Client, lifetime: int) -> Claims:
    """The half of an ID token that tells of the client (OIDC Core, 2)."""
    now = int(time.time())
    return {
        "exp": now + lifetime,
        "iat": now,
        "jti": str(uuid.uuid4()),
        "iss": issuer,
        "aud": client.client_id,
        "typ": "ID",
        "azp": client.client_id,
        "acr": "1",
    }


def id_user_claims(session: Session, scope: str) -> Claims:
    """The half that tells of the sign-in; ``nonce`` and ``at_hash`` belong to one answer and come last."""
    user = session.user
    return {"auth_time": session.auth_time, "sub": user.id, "sid": session.sid, **profile_claims(user, scope)}


def refresh_claims(
    issuer: str, session: Session, client: Client, scope: str, lifetime: int, chain: str, jti: str
) -> Claims:
    """A refresh token: for the provider alone, opaque to everybody else."""
    return {
        **_common(issuer, session, client, lifetime),
        "jti": jti,
        "aud": issuer,
        "typ": "Refresh",
        "scope": scope,
        "reuse_id": chain,
    }


def logout_claims(issuer: str, session: Session, client: Client) -> Claims:
    """A logout token (OIDC Back-Channel Logout 1.0, 2.4): ``aud`` a string, no nonce."""
    now = int(time.time())
    return {
        "exp": now + LOGOUT_LIFETIME,
        "iat": now,
        "jti": str(uuid.uuid4()),
        "iss": issuer,
        "aud": client.client_id,
        "sub": session.user.id,
        "typ": "Logout",
        "sid": session.sid,
        "events": {BACKCHANNEL_EVENT: {}},
    }


def profile_claims(user: User, scope: str) -> Claims:
    """What the scopes ``profile`` and ``email`` tell about somebody."""
    scopes = scope.split()
    claims: Claims = {}
    if "email" in scopes and user.email is not None:
        claims |= {"email_verified": True, "email": user.email}
    if "profile" in scopes:
        claims |= {
            "name": f"{user.first_name} {user.last_name}",
            "preferred_username": user.username,
            "given_name": user.first_name,
            "family_name": user.last_name,
        }
    return claims


def _common(issuer: str, session: Session, client: Client, lifetime: int) -> Claims:
    now = int(time.time())
    return {
        "exp": now + lifetime,
        "iat": now,
        "auth_time": session.auth_time,
        "iss": issuer,
        "sub": session.user.id,
        "azp": client.client_id,
        "sid": session.sid,
    }
