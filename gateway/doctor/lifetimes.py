"""How long tokens and sessions live, against what they must agree with: RATE_LIMIT_AUTH, cookies, JWT_LEEWAY."""

from __future__ import annotations

import math
from collections.abc import Iterator

from limits import parse_many

from gateway.config import Settings
from gateway.doctor.deployment import Deployment
from gateway.doctor.finding import Finding, bad, good, questionable, unknown
from gateway.doctor.token_report import part_of
from gateway.oidc import TokenAnswer
from gateway.oidc.token_endpoint import UNKNOWN_LIFE
from gateway.sign_in.login import LOGIN_SECONDS

RENEWED_AFTER = 0.65
"""Of a token's life, after which the TypeScript client renews it at the earliest."""

LONGEST_ACCESS_SECONDS = 3600
LONGEST_COOKIE_SECONDS = 400 * 86_400
"""Browsers cut `Max-Age` (RFC 6265bis section 5.5)."""

_LIFESPAN = "Realm settings > Tokens > Access Token Lifespan (or Clients > the client > Advanced): 5 minutes"
_IDLE = "Realm settings > Sessions > SSO Session Idle: 30 minutes or more"


def lifetimes(deployment: Deployment) -> Iterator[Finding]:
    """1. Of the access token. 2. Of the session, by a sign-in. 3. What Keycloak tells administrators alone."""
    life = None if deployment.token is None else _life_of(deployment.token)
    if life is None:
        yield unknown("lifetimes", "no document of Keycloak's tells them", "--user NAME or --login shows most of them")
        return
    yield _access(life, deployment.settings)
    yield _renewals(life, deployment.settings)
    if deployment.signed_in is None:
        yield unknown("session's life", "an access token does not tell it", "--user NAME or --login shows it")
    else:
        yield from _session(deployment.signed_in, life, deployment.settings)
    yield unknown(
        "SSO Session Max and Login timeout",
        "Keycloak tells them administrators alone",
        f"Realm settings > Sessions, Login: a Login timeout over {LOGIN_SECONDS // 60} minutes is of no use, as the"
        " gateway forgets a sign-in then",
    )


def _life_of(token: str) -> float | None:
    """Seconds from `iat` to `exp`; None where one of them is no number."""
    claims = part_of(token, 1)
    issued, expires = claims.get("iat"), claims.get("exp")
    if not isinstance(issued, (int, float)) or not isinstance(expires, (int, float)):
        return None
    return expires - issued


def _access(life: float, settings: Settings) -> Finding:
    if life <= settings.jwt_leeway:
        return questionable(
            "access token's life",
            f"{life:g} s",
            f"more than JWT_LEEWAY, {settings.jwt_leeway:g} s: it is accepted for twice as long as it lives",
            _LIFESPAN,
        )
    if life > LONGEST_ACCESS_SECONDS:
        return questionable(
            "access token's life",
            f"{life:g} s: a disabled user, or a role that was taken away, stays for so long",
            f"at most {LONGEST_ACCESS_SECONDS} s",
            _LIFESPAN,
        )
    return good("access token's life", f"{life:g} s")


def _renewals(life: float, settings: Settings) -> Finding:
    """A client renews a token before its end, and each session may do so as often as RATE_LIMIT_AUTH says."""
    for limit in parse_many(settings.rate_limit_auth):
        needed = math.ceil(limit.get_expiry() / max(life * RENEWED_AFTER, 1.0))
        if needed > limit.amount:
            return bad(
                "refreshes",
                f"a token of {life:g} s is renewed {needed} times in {limit.get_expiry()} s",
                f"at most {limit.amount} (RATE_LIMIT_AUTH, {settings.rate_limit_auth}): the rest is 429",
                f"{_LIFESPAN}; or raise RATE_LIMIT_AUTH",
            )
    return good("refreshes", f"a token of {life:g} s needs no more than RATE_LIMIT_AUTH lets pass")


def _session(answer: TokenAnswer, life: float, settings: Settings) -> Iterator[Finding]:
    """What a browser is told: `expiresIn` of a refresh, and how long its cookies live."""
    if abs(answer.expires_in - life) > settings.jwt_leeway:
        yield questionable(
            "expiresIn",
            f"the token endpoint says {answer.expires_in} s, and the token lives {life:g} s",
            "the same: frontends renew the token by it",
            "which mapper or policy changes exp? (Clients > the client > Client scopes)",
        )
    if answer.refresh_token is None:
        yield bad(
            "session's life",
            f"no refresh token: it ends with its access token, after {answer.expires_in} s",
            "a refresh token",
            "Clients > the client > Advanced > OpenID Connect Compatibility Modes > Use refresh tokens",
        )
    elif answer.refresh_expires_in == UNKNOWN_LIFE:
        yield questionable(
            "session's life",
            f"the token endpoint does not tell it: cookies live {UNKNOWN_LIFE // 86_400} days",
            "refresh_expires_in",
            "take offline_access out of KEYCLOAK_SCOPES, where it is there",
        )
    elif answer.refresh_expires_in <= life:
        yield bad(
            "session's life",
            f"{answer.refresh_expires_in} s without a refresh, no longer than its access token's {life:g} s",
            "longer: nobody can renew a session that is over, and its cookies end with it",
            f"{_IDLE}; {_LIFESPAN}",
        )
    elif answer.refresh_expires_in > LONGEST_COOKIE_SECONDS:
        yield questionable(
            "session's life",
            f"{answer.refresh_expires_in} s",
            f"at most {LONGEST_COOKIE_SECONDS} s: browsers keep no cookie longer",
            _IDLE,
        )
    else:
        yield good("session's life", f"{answer.refresh_expires_in} s without a refresh, as its cookies")


CHECKS = (lifetimes,)
