"""The discovery document (OIDC Discovery 1.0, 3), as full of offers as Keycloak's."""

from __future__ import annotations

from typing import Any

from demo.identity.settings import ProviderSettings

ALGORITHMS = "PS384 RS384 EdDSA ES384 HS256 HS512 ES256 RS256 HS384 ES512 PS256 PS512"
CLAIMS = "iss sub aud exp iat auth_time name given_name family_name preferred_username email acr"


def document(settings: ProviderSettings, asked_at: str) -> dict[str, Any]:
    """The realm's document; ``asked_at`` is the base URL of the call, used with ``backchannel_dynamic``."""
    path = f"/realms/{settings.realm}/protocol/openid-connect"
    public = settings.base_url + path
    back = asked_at + path if settings.backchannel_dynamic else public
    return {
        "issuer": settings.issuer,
        "authorization_endpoint": f"{public}/auth",
        "token_endpoint": f"{back}/token",
        "userinfo_endpoint": f"{back}/userinfo",
        "jwks_uri": f"{back}/certs",
        "end_session_endpoint": f"{public}/logout",
        # Public also when the others are internal: Keycloak 26.7 does so.
        "revocation_endpoint": f"{public}/revoke",
        "grant_types_supported": ["authorization_code", "refresh_token", "password"],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "subject_types_supported": ["public"],
        # HMAC is offered here as well; whoever takes a list of algorithms from this document is lost.
        "id_token_signing_alg_values_supported": ALGORITHMS.split(),
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "claims_supported": CLAIMS.split(),
        "claims_parameter_supported": False,
        "scopes_supported": ["openid", "email", "profile"],
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "code_challenge_methods_supported": ["S256"],
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "authorization_response_iss_parameter_supported": True,
    }
