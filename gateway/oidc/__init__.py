"""Keycloak as the gateway sees it: its documents and keys, and the grants it makes."""

from gateway.oidc.grants import Grants, SessionOver, TokenAnswer, digest_of
from gateway.oidc.keycloak import Keycloak

__all__ = ["Grants", "Keycloak", "SessionOver", "TokenAnswer", "digest_of"]
