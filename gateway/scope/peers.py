"""Addresses: who may speak for a client, and whom they speak for."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from functools import lru_cache


class Networks:
    """A set of addresses, networks and, as `unix`, of peers on a Unix socket."""

    def __init__(self, members: Iterable[str]) -> None:
        """`members`: IPv4 or IPv6 addresses, CIDR networks, or `unix`. ValueError where one is none of these."""
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
    """The peers whose forwarding headers are believed; with none, nobody's are."""

    def chain(self, peer: str, forwarded_for: str) -> list[str]:
        """The client's address as found, then the trusted proxies the request came through; `peer` is the last one.

        `forwarded_for` is the X-Forwarded-For that a trusted `peer` sent: read right to left, up to the first address
        that is no trusted proxy. What stands left of that, or of a member that is no address, is the client's word.
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
    """An address without the brackets or port that some proxies write, or None where it is none."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        return plain_address(text)
    except ValueError:
        return None


def plain_address(text: str) -> str:
    """An address as it is written: IPv4 as such, also where a socket for both families says `::ffff:192.0.2.1`
    (RFC 4291 section 2.5.5.2). ValueError where it is none."""
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
