"""The rules: which requests are counted together, and how many are allowed."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from flask_limiter import Limit
from limits import RateLimitItem

from gateway.marks import LimitKey, RouteMarks
from gateway.scope import current

PREFIX_BITS = 64
"""The prefix of an IPv6 address by which it is counted: a client owns all addresses within."""


def by_caller() -> str:
    """The verified user, otherwise the address. Never empty."""
    principal = current().principal
    return by_address() if principal is None else f"user {principal.user_id}"


def by_address() -> str:
    """The client's address, found through the trusted proxies; one key for all clients without one. Never empty."""
    return _address_key(current().client)


@lru_cache(maxsize=1024)
def _address_key(address: str) -> str:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "address unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is None:
            return f"address {ipaddress.ip_network((parsed, PREFIX_BITS), strict=False)}"
        parsed = parsed.ipv4_mapped
    return f"address {parsed}"


@dataclass(frozen=True, slots=True)
class Rule:
    """`name` is the rule's in metrics and logs and tells its counters from another's; `items` are its limits, the one
    with the shortest window first, each with its name in headers; `policy` is what RateLimit-Policy says of them."""

    name: str
    items: tuple[tuple[str, RateLimitItem], ...]
    policy: str
    # Of each item its name in headers, its name in the storage before the key, how many, in how many seconds.
    bounds: tuple[tuple[str, str, int, int], ...] = ()


class RuleBook:
    """The rule of each endpoint: that of its mark, otherwise the default one."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        """`settings`: limits by the name that marks use, including `default`. Raises ValueError for an invalid one."""
        self._settings = settings
        self.default = self._rule("default", "default")
        self.token = self._rule("token", "default")
        """The rule of invalid tokens, including expired ones: by address, separately from all other counters."""

    def of(self, endpoint: str, marks: RouteMarks) -> tuple[Rule | None, LimitKey | None]:
        """The rule of an endpoint and its key function; None for a free view."""
        if not marks.limited:
            return None, None
        if marks.limit is None:
            return self.default, by_caller
        if marks.limit.rule == "default":
            return self.default, marks.limit.key
        name = ".".join(dict.fromkeys(endpoint.split(".")))  # `media` for `media.media`
        return self._rule(name, marks.limit.rule), marks.limit.key

    def _rule(self, name: str, text: str) -> Rule:
        declared = Limit(self._settings.get(text, text), key_function=by_caller, scope=name, shared=True)
        limits = sorted((bound.limit for bound in declared), key=lambda item: item.get_expiry())
        items = tuple((name if len(limits) == 1 else f"{name}-{item.get_expiry()}", item) for item in limits)
        # RateLimit header fields draft-10, section 3: a name, a quota, a window in seconds.
        policy = ", ".join(f'"{policy}";q={item.amount};w={item.get_expiry()}' for policy, item in items)
        bounds = tuple(
            (
                policy_name,
                f"{item.namespace}/{name}/{item.amount}/{item.multiples}/{item.GRANULARITY.name}/",
                item.amount,
                item.get_expiry(),
            )
            for policy_name, item in items
        )
        return Rule(name, items, policy, bounds)
