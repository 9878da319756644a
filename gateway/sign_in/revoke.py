"""Taking a refresh token back, here and at Keycloak."""

from __future__ import annotations

from gateway import errors
from gateway.oidc import Grants
from gateway.sessions import SessionRevocations
from gateway.sign_in.auth_log import log


def revoke(grants: Grants, revocations: SessionRevocations, refresh_token: str) -> None:
    """RFC 7009, if Keycloak can be reached: the log says where it could not."""
    revocations.revoke_refresh_token(refresh_token)
    try:
        grants.revoke(refresh_token)
    except errors.GatewayError as failure:
        log.warning("Auth: the session goes on at Keycloak until it lapses there: status %d", failure.status)


def end_session(grants: Grants, revocations: SessionRevocations, refresh_token: str) -> None:
    """End the session that a refresh token is of at Keycloak, and what is signed in through it there; where its
    end-session call does not, by revocation."""
    revocations.revoke_refresh_token(refresh_token)
    if not grants.end_session(refresh_token):
        revoke(grants, revocations, refresh_token)
