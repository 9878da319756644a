"""Advice for the log on what to fix in Keycloak or in the settings: once per cause and minute."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from time import monotonic
from types import MappingProxyType

from gateway.oidc.repeats import Repeats

log = logging.getLogger("gateway.oidc")

ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "invalid_scope": "Keycloak refuses a scope (invalid_scope): compare KEYCLOAK_SCOPES with Clients > the client >"
        " Client scopes in Keycloak",
        "unauthorized_client": "Keycloak does not let the client sign users in (unauthorized_client): turn Standard"
        " flow on for KEYCLOAK_CLIENT_ID (Clients > the client > Settings > Capability config)",
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
