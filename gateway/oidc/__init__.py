"""Keycloak as the gateway sees it: its documents and keys, and the grants it makes."""

from gateway.oidc.advice import Advice
from gateway.oidc.credentials import ClientCredentials, KeyCredentials, SecretCredentials
from gateway.oidc.grants import Grants, SessionOver, TokenAnswer, digest_of
from gateway.oidc.keycloak import Keycloak

__all__ = [
    "Advice",
    "ClientCredentials",
    "Grants",
    "KeyCredentials",
    "Keycloak",
    "SecretCredentials",
    "SessionOver",
    "TokenAnswer",
    "digest_of",
]
