"""Advice for the log on what to fix in Keycloak or in the settings: once per cause and minute."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from time import monotonic
from types import MappingProxyType

from gateway.oidc.repeats import Repeats

log = logging.getLogger("gateway.oidc")

_CREDENTIALS = (
    "compare KEYCLOAK_CLIENT_ID and KEYCLOAK_CLIENT_SECRET (or the key of KEYCLOAK_CLIENT_KEY_FILE) with Clients > the"
    " client > Credentials in Keycloak"
)
_CAPABILITIES = "(Clients > the client > Settings > Capability config)"

CLIENT_FIXES: Mapping[str, str] = MappingProxyType(
    {
        "invalid_client": _CREDENTIALS,
        "unauthorized_client": f"{_CREDENTIALS}; Standard flow and Client authentication have to be on {_CAPABILITIES}",
        "invalid_request": f"turn Client authentication on {_CAPABILITIES}",
        "invalid_scope": "compare KEYCLOAK_SCOPES with Clients > the client > Client scopes in Keycloak",
    }
)
"""What to do, by the error of the token endpoint (RFC 6749 section 5.2)."""

ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "invalid_scope": f"Keycloak refuses a scope (invalid_scope): {CLIENT_FIXES['invalid_scope']}",
        "unauthorized_client": "Keycloak does not let the client sign users in (unauthorized_client): turn Standard"
        f" flow on for KEYCLOAK_CLIENT_ID {_CAPABILITIES}",
        "iss_missing": "a callback came without iss, which Keycloak says it sends: turn Exclude Issuer From"
        " Authentication Response off (Clients > the client > Advanced > OpenID Connect Compatibility Modes), and"
        " compare KEYCLOAK_ISSUER_URL",
    }
)


class Advice:
    """Warns of a cause, at most once per minute for each."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._repeats = Repeats(now)

    def give(self, cause: str) -> None:
        """`cause` is a key of ADVICE."""
        if self._repeats.due(cause):
            log.warning("Auth: %s", ADVICE[cause], extra={"reason": cause})
