"""What is in a real token: of --token, or of a sign-in."""

from __future__ import annotations

from collections.abc import Iterator
from time import time

from gateway.doctor.deployment import Deployment
from gateway.doctor.finding import Finding, unknown
from gateway.doctor.token_report import token_findings


def token(deployment: Deployment) -> Iterator[Finding]:
    """Audience, subject, session, roles and e-mail, by a token; without one it says how to have one."""
    if deployment.token is None:
        yield unknown(
            "token",
            "mappers (aud, sub, sid, roles, e-mail) show in a token alone",
            "--user NAME signs a test user in, --login signs you in in a browser, --token - reads one",
        )
    elif deployment.document() is None:
        yield unknown(
            "token",
            "not judged: Keycloak's document is not there, or another issuer's",
            "see the findings about Keycloak; `gateway explain --offline` judges all but the signature",
        )
    else:
        with deployment.keycloak() as keys:
            yield from token_findings(deployment.token, deployment.settings, keys, time())


CHECKS = (token,)
