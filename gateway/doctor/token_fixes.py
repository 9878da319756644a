"""What to do about a refused token, by the reason that `InvalidToken` and the log have."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_CLOCKS = "compare the clocks of Keycloak and of this machine (NTP); JWT_LEEWAY is how far they may differ"

TOKEN_FIXES: Mapping[str, str] = MappingProxyType(
    {
        "malformed": "send the access token alone, as it was given; where the text of a claim is no Unicode, correct"
        " the user's attributes in Keycloak (Users > the user > Details)",
        "header": "this token is not Keycloak's",
        "algorithm": "set the client's algorithm in Keycloak (Clients > the client > Advanced > Access token signature"
        " algorithm), or JWT_ALGORITHMS",
        "key": "the token is of another realm or issuer, or its key was disabled: compare its iss with"
        " KEYCLOAK_ISSUER_URL",
        "signature": "the token was changed on its way, or is of another issuer",
        "type": "send the access token: neither the ID token nor the refresh token is one",
        "bound": "turn DPoP or mutual TLS off for the client (Clients > the client > Advanced)",
        "issuer": "set KEYCLOAK_ISSUER_URL to the token's iss, character for character, where that is your realm; where"
        " only the host differs, sign in through the address that KEYCLOAK_ISSUER_URL names, or set --hostname",
        "audience": "add an Audience mapper for JWT_AUDIENCE to the client in Keycloak (Clients > the client > Client"
        " scopes > its dedicated scope > Add mapper > Audience)",
        "client": "sign in with a client of JWT_ALLOWED_CLIENTS, or add the token's azp to it",
        "times": _CLOCKS,
        "expired": f"refresh it (POST /auth/refresh) or sign in again; {_CLOCKS}",
        "subject": "add the client scope `basic` to the client in Keycloak (Clients > the client > Client scopes), or"
        " turn lightweight access tokens off (Advanced)",
    }
)
