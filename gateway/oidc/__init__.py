"""The OpenID Connect client of Keycloak: its discovery document, its keys, and its grants."""

from gateway.oidc.advice import Advice
from gateway.oidc.credentials import ClientCredentials, KeyCredentials, SecretCredentials
from gateway.oidc.grants import Grants
from gateway.oidc.keycloak import Keycloak
from gateway.oidc.token_endpoint import SessionOver, TokenAnswer, digest_of

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
