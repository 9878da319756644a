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
from gateway.errors import ServiceUnavailable
from gateway.keys import NO_KEYS, KeySet
from gateway.tokens import REQUIREMENTS, InvalidToken, KeySource, roles_of, signed_claims
from gateway.tokens.claims import shown, text_claim
from gateway.wiring.sign_in import policy_of, signatures_of

_TIMES = ("exp", "nbf", "iat")
_LEEWAY = "compare the clocks of Keycloak and of this machine (NTP); JWT_LEEWAY is how far they may differ"

_OF_SIGNATURE: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "malformed": ("three parts of base64url with dots between them, at most 16 KiB", "send the access token alone"),
        "header": ("no crit, b64 or odd kid in its header", "this token is not Keycloak's"),
        "key": (
            "a kid that the issuer's JWKS holds, for that alg",
            "the token is of another realm or issuer, or its key was disabled; compare iss below with"
            " KEYCLOAK_ISSUER_URL",
        ),
        "signature": ("a signature of the issuer's key", "the token was changed on its way, or is of another issuer"),
    }
)
_OF_CLAIM: Mapping[str, str] = MappingProxyType(
    {
        "type": "send the access token: neither the ID token nor the refresh token is one",
        "issuer": "set KEYCLOAK_ISSUER_URL to the token's iss, character for character, where that is your realm; where"
        " only the host differs, sign in through the address that KEYCLOAK_ISSUER_URL names, or set --hostname",
        "client": "sign in with one of these clients, or add the token's azp to JWT_ALLOWED_CLIENTS",
        "times": _LEEWAY,
        "expired": "refresh it (POST /auth/refresh) or sign in again; " + _LEEWAY,
        "bound": "turn DPoP or mutual TLS off for the client (Clients > the client > Advanced)",
        "malformed": "correct the user's attributes in Keycloak (Users > the user > Details)",
    }
)
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
    claims: Mapping[str, Any] = part_of(token, 1)
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
            fix = _OF_CLAIM.get(refusal.reason) or refusal.explanation.rpartition(": ")[2]
            yield bad(name, _found(name, claims), _expected(name, settings, now), fix)
    yield from _user(claims, settings)


def _advice_on_keys(keys: KeySource) -> str:
    if isinstance(keys, NoKeysHere):
        return "leave --offline out, or give --jwks"
    return "Keycloak's keys cannot be read: `gateway doctor` says why; `gateway explain --jwks` takes saved ones"


def _unsigned(refusal: InvalidToken, header: Mapping[str, Any], settings: Settings) -> Finding:
    if refusal.reason == "algorithm":
        return bad(
            "signature",
            f"alg is {shown(header.get('alg'))}",
            f"one of {', '.join(settings.jwt_algorithms)} (JWT_ALGORITHMS)",
            "set the client's algorithm in Keycloak (Clients > the client > Advanced > Access token signature"
            " algorithm), or JWT_ALGORITHMS",
        )
    if refusal.reason == "type":
        return bad("signature", f"typ is {shown(header.get('typ'))}", "typ JWT or at+jwt, or none", _OF_CLAIM["type"])
    expected, fix = _OF_SIGNATURE.get(refusal.reason, ("a good token", ""))
    return bad("signature", f"{refusal.reason}; kid is {shown(header.get('kid'))}", expected, fix)


def part_of(token: str, part: int) -> Mapping[str, Any]:
    """The JSON object of a part, unverified; empty where there is none."""
    try:
        text = token.split(".")[part]
        found = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, IndexError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


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
        yield bad("claims", "a text with a lone surrogate", "UTF-8", _OF_CLAIM[refusal.reason])
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
