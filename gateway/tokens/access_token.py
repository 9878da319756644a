"""Access tokens (RFC 8725, RFC 9068): verified locally, cached until they expire."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import time
from typing import Any

from gateway import errors
from gateway.cache import Cache
from gateway.keys import KeySet
from gateway.scope import Principal
from gateway.tokens.claims import audience, require_times, shown, text_claim
from gateway.tokens.invalid import ExpiredToken, InvalidToken
from gateway.tokens.signatures import Signatures

CACHED_BYTES = 32 << 20
"""The size of the cache; about 10,000 tokens of the usual length."""

PRINCIPAL_OVERHEAD_BYTES = 1700
"""The memory of a cached token in addition to its own length."""

_KINDS = frozenset({"jwt", "at+jwt"})


@dataclass(frozen=True, slots=True)
class AccessTokenPolicy:
    """The requirements for an access token: from `issuer`, for `audience`, of one of `clients` (empty: any). Roles are
    those of the realm and of `client_id`. `leeway` is the allowed clock skew in seconds."""

    issuer: str
    audience: str
    leeway: float
    clients: tuple[str, ...]
    client_id: str


class Verifier:
    """Verifies access tokens, each once: the result is cached until the token's `exp`, or until the keys change."""

    def __init__(self, rules: AccessTokenPolicy, signatures: Signatures, now: Callable[[], float] = time) -> None:
        self._rules = rules
        self._signatures = signatures
        self._now = now
        self._known: Cache[tuple[Principal, KeySet]] = Cache(CACHED_BYTES)

    def verify(self, token: str, *, fetched: bool = False) -> Principal:
        """The Principal of `token`. `fetched`: it comes from Keycloak itself, so that an unknown key is a new one.

        Raises InvalidToken, ExpiredToken, ServiceUnavailable if no keys were ever read, or new ones cannot be read.
        """
        known = self._known.get(token)
        if known is not None and known[1] is self._signatures.keys:
            if self._now() >= known[0].expires + self._rules.leeway:
                self._known.drop(token)
                raise ExpiredToken(known[0].user_id)
            return known[0]
        claims = signed_claims(token, self._signatures, fetched=fetched)
        principal = principal_of(claims, token, self._rules, self._now())
        self._known.put(token, (principal, self._signatures.keys), len(token) + PRINCIPAL_OVERHEAD_BYTES)
        return principal

    def subject(self, token: str) -> Principal | None:
        """The Principal of `token`, also if it has expired; None if it is invalid or there are no keys."""
        try:
            claims = signed_claims(token, self._signatures)
            return principal_of(claims, token, self._rules, min(self._now(), float(claims.get("exp") or 0) - 1))
        except (InvalidToken, errors.ServiceUnavailable, TypeError, ValueError, OverflowError):
            return None


def signed_claims(token: str, signatures: Signatures, *, fetched: bool = False) -> dict[str, Any]:
    """The claims of `token`, whose header and signature are good; `fetched` as in `Signatures.claims`. Raises
    InvalidToken, ServiceUnavailable."""
    kind, claims = signatures.claims(token, _KINDS, fetched=fetched)
    return typed(claims, kind)


def typed(claims: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """`claims`, with the type that the header's `typ` (`kind`) says where they have none (RFC 9068 section 2.1)."""
    return {"typ": "Bearer", **claims} if kind == "at+jwt" else dict(claims)


def principal_of(claims: Mapping[str, Any], token: str, rules: AccessTokenPolicy, now: float) -> Principal:
    """The Principal of verified claims by `rules`, at `now` (seconds since the epoch). Raises InvalidToken."""
    for _, require in REQUIREMENTS:
        require(claims, rules, now)
    return Principal(
        user_id=str(claims["sub"]),
        email=text_claim(claims.get("email")),
        roles=roles_of(claims, rules.client_id),
        token=token,
        expires=float(claims["exp"]),
        issued=float(claims.get("iat") or 0),
        session_id=text_claim(claims.get("sid")),
        token_id=text_claim(claims.get("jti")),
        first_name=text_claim(claims.get("given_name")),
        last_name=text_claim(claims.get("family_name")),
    )


def _require_access_token(claims: Mapping[str, Any], rules: AccessTokenPolicy, now: float) -> None:
    kind = claims.get("typ")
    if kind is None and claims.keys() & {"nonce", "at_hash", "c_hash"}:
        raise InvalidToken("type", "this is an ID token")
    if kind not in (None, "Bearer") or "events" in claims:
        raise InvalidToken("type", f"expected an access token, this is {shown(kind)}")
    if "cnf" in claims:
        raise InvalidToken("bound", "the token is bound to a key (cnf), whose proof the gateway does not take")


def _require_issuer(claims: Mapping[str, Any], rules: AccessTokenPolicy, now: float) -> None:
    if claims.get("iss") != rules.issuer:
        raise InvalidToken("issuer", f"expected iss {rules.issuer!r}, the token has {shown(claims.get('iss'))}")


def _require_audience(claims: Mapping[str, Any], rules: AccessTokenPolicy, now: float) -> None:
    if rules.audience not in audience(claims):
        raise InvalidToken(
            "audience",
            f"expected aud {rules.audience!r} (JWT_AUDIENCE), the token has {shown(claims.get('aud'))}: add an Audience"
            f" mapper for {rules.audience!r} to the client in Keycloak (Clients > the client > Client scopes >"
            " its dedicated scope > Add mapper > Audience)",
        )


def _require_client(claims: Mapping[str, Any], rules: AccessTokenPolicy, now: float) -> None:
    client = claims.get("azp")
    if rules.clients and client not in rules.clients:
        raise InvalidToken("client", f"expected azp in JWT_ALLOWED_CLIENTS {rules.clients}, it is {shown(client)}")


def _require_fresh(claims: Mapping[str, Any], rules: AccessTokenPolicy, now: float) -> None:
    try:
        require_times(claims, rules.leeway, now)
    except ExpiredToken:
        raise ExpiredToken(text_claim(claims.get("sub"))) from None


def _require_subject(claims: Mapping[str, Any], rules: AccessTokenPolicy, now: float) -> None:
    if text_claim(claims.get("sub")) is None:
        raise InvalidToken(
            "subject",
            "the token has no sub: add the client scope `basic` to the client in Keycloak (Clients > the client >"
            " Client scopes), or turn lightweight access tokens off (Advanced)",
        )


Requirement = Callable[[Mapping[str, Any], AccessTokenPolicy, float], None]
"""Of the verified claims, by the policy, at a time (seconds since the epoch); raises InvalidToken."""

REQUIREMENTS: tuple[tuple[str, Requirement], ...] = (
    ("typ", _require_access_token),
    ("iss", _require_issuer),
    ("aud", _require_audience),
    ("azp", _require_client),
    ("exp", _require_fresh),
    ("sub", _require_subject),
)
"""What an access token has to meet, in order: the claim that it is about, and the check."""


def roles_of(claims: Mapping[str, Any], client_id: str) -> frozenset[str]:
    """The realm roles and those of the gateway's client; roles of other clients do not count."""
    resources = claims.get("resource_access")
    holders = [claims.get("realm_access"), resources.get(client_id) if isinstance(resources, dict) else None]
    lists = [holder.get("roles") for holder in holders if isinstance(holder, dict)]
    named = (text_claim(role) for roles in lists if isinstance(roles, list) for role in roles)
    return frozenset(role for role in named if role is not None)
