"""Addresses: the trusted proxies, and the client behind them."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache


class Networks:
    """A set of addresses, networks and, as `unix`, of peers on a Unix socket."""

    def __init__(self, members: Iterable[str]) -> None:
        """`members`: IPv4 or IPv6 addresses, CIDR networks, or `unix`. Raises ValueError for anything else."""
        members = tuple(members)
        self._unix = "unix" in members
        self._networks = tuple(ipaddress.ip_network(m, strict=False) for m in members if m != "unix")
        # Bounded: a peer's address repeats with every request, and parsing one costs 10 us.
        self.contains = lru_cache(maxsize=1024)(self._contains)

    def _contains(self, address: str) -> bool:
        if not address:
            return self._unix
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return False
        if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._networks)


class TrustedProxies(Networks):
    """The peers whose forwarding headers are trusted; empty: none."""

    def chain(self, peer: str, forwarded_for: str) -> list[str]:
        """The client's address, then the trusted proxies that the request passed; `peer` is the last one.

        `forwarded_for` is the X-Forwarded-For that a trusted `peer` sent: read right to left, up to the first address
        that is not a trusted proxy. Members to the left of that, or of an invalid member, come from the client.
        """
        chain = [peer] if peer else []
        for member in reversed(forwarded_for.split(",")):
            address = _bare(member.strip())
            if address is None:
                break
            chain.insert(0, address)
            if not self.contains(address):
                break
        return chain


def _bare(text: str) -> str | None:
    """An address without the brackets or port that some proxies write, or None if it is invalid."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return plain_address(text)
    except ValueError:
        return None


def plain_address(text: str) -> str:
    """The canonical form of an address: IPv4 also for `::ffff:192.0.2.1` of a dual-stack socket (RFC 4291 section
    2.5.5.2). Raises ValueError if it is invalid."""
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
