"""Keycloak's word by the back channel that a session is over (OpenID Connect Back-Channel Logout 1.0)."""

import time
from typing import Any
from urllib.parse import urlencode

from harness.gateway import Gateway
from harness.issuer import CLIENT, Issuer

EVENT = "http://schemas.openid.net/event/backchannel-logout"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


def end_by_keycloak(gateway: Gateway, issuer: Issuer, **claims: Any) -> None:
    """Post a logout token with these claims (`sid`, `sub`, `iat`)."""
    now = int(time.time())
    said = {"aud": CLIENT, "iat": now, "exp": now + 60, "typ": "Logout", "events": {EVENT: {}}, **claims}
    token = issuer.mint(said, drop={"sid", "sub", "azp"} - claims.keys(), headers={"typ": "logout+jwt"})
    body = urlencode({"logout_token": token}).encode()
    assert gateway.get("/auth/backchannel-logout", headers=FORM, method="POST", body=body).status == 200
