"""Why an access token is refused or passed: header, signature and each claim, by the gateway's own checks.

The token itself is in no finding; its claims are.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from gateway.config import Settings
from gateway.doctor.finding import Finding, bad, good, questionable, unknown
from gateway.doctor.token_fixes import TOKEN_FIXES
from gateway.errors import ServiceUnavailable
from gateway.keys import NO_KEYS, KeySet
from gateway.tokens import REQUIREMENTS, InvalidToken, KeySource, kind_of, roles_of, signed_claims, typed
from gateway.tokens.claims import shown, text_claim
from gateway.wiring.sign_in import policy_of, signatures_of

_TIMES = ("exp", "nbf", "iat")
_OF_SIGNATURE: Mapping[str, str] = MappingProxyType(
    {
        "malformed": "three parts of base64url with dots between them, at most 16 KiB",
        "header": "no crit, b64 or odd kid in its header",
        "key": "a kid that the issuer's JWKS holds, for that alg",
        "signature": "a signature of the issuer's key",
    }
)
"""What is expected, by the reason."""

_TEXTS = ("email", "sid", "jti", "given_name", "family_name")
"""What a service, the log or the store is told of a user, besides `sub` and roles."""


class FixedKeys:
    """The keys of a JWKS document that is at hand."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.keys = KeySet(document)

    def keys_for(self, kid: str | None, *, at_once: bool = False) -> KeySet:
        """The keys, whatever the id."""
        return self.keys


class NoKeysHere:
    """Nobody is asked for keys."""

    keys = NO_KEYS

    def keys_for(self, kid: str | None, *, at_once: bool = False) -> KeySet:
        """ServiceUnavailable."""
        raise ServiceUnavailable


def token_findings(token: str, settings: Settings, keys: KeySource, now: float) -> Iterator[Finding]:
    """Everything about `token`, at `now` (seconds since the epoch).

    1. Header and signature. 2. Each requirement. 3. What a service is told of the user.
    """
    claims = _read(token)
    try:
        claims = signed_claims(token, signatures_of(settings, keys))
        yield good("signature", f"good, {shown(part_of(token, 0).get('alg'))}")
    except InvalidToken as refusal:
        yield _unsigned(refusal, part_of(token, 0), settings)
    except ServiceUnavailable:
        yield unknown("signature", "not looked at: there are no keys of the issuer here", _advice_on_keys(keys))
    if not claims:
        yield bad("claims", "no JSON object with claims", "those of an access token", "send the access token alone")
        return
    for name, require in REQUIREMENTS:
        try:
            require(claims, policy_of(settings), now)
            yield good(name, _found(name, claims))
        except InvalidToken as refusal:
            fix = TOKEN_FIXES[refusal.reason]
            yield bad(name, _found(name, claims), _expected(name, settings, now), fix)
    yield from _user(claims, settings)


def _advice_on_keys(keys: KeySource) -> str:
    if isinstance(keys, NoKeysHere):
        return "leave --offline out, or give --jwks"
    return "Keycloak's keys cannot be read: `gateway doctor` says why; `gateway explain --jwks` takes saved ones"


def _unsigned(refusal: InvalidToken, header: Mapping[str, Any], settings: Settings) -> Finding:
    reason, alg, typ = refusal.reason, shown(header.get("alg")), shown(header.get("typ"))
    found, expected = {
        "algorithm": (f"alg is {alg}", f"one of {', '.join(settings.jwt_algorithms)} (JWT_ALGORITHMS)"),
        "type": (f"typ is {typ}", "typ JWT or at+jwt, or none"),
    }.get(reason) or (f"{reason}; kid is {shown(header.get('kid'))}", _OF_SIGNATURE[reason])
    return bad("signature", found, expected, TOKEN_FIXES[reason])


def part_of(token: str, part: int) -> Mapping[str, Any]:
    """The JSON object of a part, unverified; empty where there is none."""
    try:
        text = token.split(".")[part]
        found = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, IndexError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _read(token: str) -> Mapping[str, Any]:
    """The claims, unverified, with the type that the header says; empty where there are none."""
    claims = part_of(token, 1)
    try:
        return typed(claims, kind_of(part_of(token, 0))) if claims else claims
    except InvalidToken:
        return claims


def _found(name: str, claims: Mapping[str, Any]) -> str:
    if name == "exp":
        return ", ".join(f"{claim} {_moment(claims[claim])}" for claim in _TIMES if claim in claims) or "no exp"
    return shown(claims[name]) if name in claims else f"no {name}"


def _expected(name: str, settings: Settings, now: float) -> str:
    return {
        "typ": "an access token (typ Bearer), not bound to a key",
        "iss": f"{settings.issuer!r} (KEYCLOAK_ISSUER_URL)",
        "aud": f"{settings.audience!r} among them (JWT_AUDIENCE)",
        "azp": f"one of {', '.join(settings.jwt_allowed_clients)} (JWT_ALLOWED_CLIENTS)",
        "exp": f"exp after, nbf and iat before {_moment(now)}, give or take {settings.jwt_leeway:g} s (JWT_LEEWAY)",
        "sub": "whose token it is",
    }[name]


def _moment(value: Any) -> str:
    try:
        return datetime.fromtimestamp(float(value), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (TypeError, ValueError, OverflowError, OSError):
        return shown(value)


def _user(claims: Mapping[str, Any], settings: Settings) -> Iterator[Finding]:
    """What a service is told; what is missing there is no condition, and missed all the same."""
    try:
        roles = ", ".join(sorted(roles_of(claims, settings.client_id)))
        texts = {name: text_claim(claims.get(name)) for name in _TEXTS}
    except InvalidToken as refusal:
        yield bad("claims", "a text with a lone surrogate", "UTF-8", TOKEN_FIXES[refusal.reason])
        return
    if "sid" not in claims:
        yield questionable(
            "sid",
            "no sid",
            "the id of the session",
            "back-channel logout can end all of the user's sessions alone: add"
            " the client scope `basic` (Clients > the client > Client scopes)",
        )
    if roles:
        yield good("roles", roles)
    else:
        yield questionable(
            "roles",
            "none",
            "realm roles, or roles of the client",
            "give the user roles, and the client the scope `roles` (Clients > the client > Client scopes)",
        )
    email = texts["email"]
    if email is None:
        yield questionable(
            "email",
            "none",
            "an e-mail address",
            "add the client scope `email`, and `email` to KEYCLOAK_SCOPES: services get no X-User-Email without it",
        )
    else:
        yield good("email", email)


def is_passed(findings: tuple[Finding, ...]) -> bool | None:
    """Whether the gateway lets such a token in; None where the signature was not looked at, and all else is good."""
    verdicts = {finding.check: finding.verdict for finding in findings}
    if "problem" in verdicts.values():
        return False
    return None if verdicts.get("signature") == "unknown" else True
