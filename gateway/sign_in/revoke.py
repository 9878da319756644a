"""Revokes a refresh token, at the gateway and at Keycloak."""

from __future__ import annotations

from gateway import errors
from gateway.oidc import Grants
from gateway.sessions import SessionRevocations
from gateway.sign_in.auth_log import log


def revoke(grants: Grants, revocations: SessionRevocations, refresh_token: str) -> None:
    """RFC 7009, if Keycloak can be reached; otherwise a log line says so."""
    revocations.revoke_refresh_token(refresh_token)
    try:
        grants.revoke(refresh_token)
    except errors.GatewayError as failure:
        log.warning("Auth: the session remains active at Keycloak until it expires there: status %d", failure.status)


def end_session(grants: Grants, revocations: SessionRevocations, refresh_token: str) -> None:
    """End the session of a refresh token at Keycloak, including that at a brokered identity provider; if the
    end-session call fails, revoke the token."""
    revocations.revoke_refresh_token(refresh_token)
    if not grants.end_session(refresh_token):
        revoke(grants, revocations, refresh_token)
