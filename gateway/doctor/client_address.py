"""Whether the gateway sees its clients' addresses through the proxy: told by what is left of rate limits, which are
counted by address. Paths that do not exist are asked for, a dozen times."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from ipaddress import ip_address
from random import SystemRandom
from urllib.parse import urlsplit

from gateway.bind import address_of, asked_at
from gateway.config import Settings
from gateway.doctor.before_gateway import connection_to, stands_alone, through_public_url
from gateway.doctor.deployment import Deployment
from gateway.doctor.finding import Finding, bad, good, unknown
from gateway.scope import TrustedProxies

ANOTHER_LOOPBACK = "127.0.0.77"
"""Where the proxy is on this machine, the doctor asks it from an address that nobody else has (RFC 1122 section
3.2.1.3)."""

_QUESTIONS = 4
"""How often the proxy is asked between two looks at what is left of a limit."""

FEW = 40
"""A limit under which these questions are not asked: they would use it up."""

_CHECK = "clients' addresses"
_LEFT = re.compile(r'"default[^"]*";r=(\d+)')
_NO_PATH = "/doctor"


class _Asker:
    """Asks at one base URL from one address; `address` is where the last question came from."""

    def __init__(self, base: str, settings: Settings, source: str | None = None) -> None:
        self._base = base
        self._settings = settings
        self._source = source
        self.address = ""

    def left(self, forwarded_for: str | None = None) -> int | None:
        """What is left of the rate limit of the address that the gateway sees; None where that cannot be told."""
        with (
            suppress(OSError, HTTPException),
            connection_to(self._base, self._settings, source=self._source) as (connection, root),
        ):
            headers = {"X-Forwarded-For": forwarded_for} if forwarded_for else {}
            connection.connect()
            self.address = str(connection.sock.getsockname()[0])
            connection.request("GET", root + _NO_PATH, headers=headers)
            found = _LEFT.search(connection.getresponse().headers.get("RateLimit", ""))
            return int(found[1]) if found else None
        return None


@through_public_url
def client_addresses(deployment: Deployment) -> Iterator[Finding]:
    """1. Does the gateway believe what a client says of its address? 2. Does it see the client's, or the proxy's?"""
    settings = deployment.settings
    if stands_alone(settings):
        return
    through = _Asker(settings.public_url, settings, _source(settings))
    before = [through.left() for _ in range(_QUESTIONS)]
    if None in before or min(found for found in before if found is not None) < FEW:
        yield unknown(_CHECK, "no rate limit, or too little left of it, tells them", _ADVICE)
    elif _is_believed(through, before):
        yield bad(
            _CHECK,
            "the gateway believes the X-Forwarded-For that a client sends: a client can choose its"
            " address, and with it its rate limit and its name in the log",
            "the address that the proxy sees",
            "nginx: proxy_set_header X-Forwarded-For $remote_addr (deploy/nginx); TRUSTED_PROXIES: the proxies alone",
        )
    else:
        yield _seen(through, settings)


_ADVICE = "the gateway's log names a proxy that it does not trust (`a proxy at`): TRUSTED_PROXIES"


def _source(settings: Settings) -> str | None:
    """The address to ask from, where the proxy is on this machine."""
    host = urlsplit(settings.public_url).hostname or ""
    trial = _Asker(settings.public_url, settings, ANOTHER_LOOPBACK)
    with suppress(ValueError):
        if host != "localhost" and not ip_address(host).is_loopback:
            return None
    return ANOTHER_LOOPBACK if trial.left() is not None else None


def _is_believed(through: _Asker, before: list[int | None]) -> bool:
    """Whether addresses that nobody has (RFC 2544 appendix C) each have a limit of their own, of which one is used."""
    made_up = [f"198.18.{number >> 8}.{number & 255}" for number in SystemRandom().sample(range(1 << 16), 2)]
    fresh = {through.left(address) for address in made_up}
    lefts = [found for found in before if found is not None]
    return len(fresh) == 1 and None not in fresh and max(lefts[1:]) < min(found or 0 for found in fresh)


def _seen(through: _Asker, settings: Settings) -> Finding:
    own = _Asker(f"http://{address_of(asked_at(settings.host), settings.port)}", settings)
    if own.left() is None:
        return unknown(_CHECK, "not told: the gateway is not on this machine, or its limit is used up", _ADVICE)
    if own.address != through.address and _share_a_limit(own, through, None):
        return bad(
            _CHECK,
            f"the gateway takes the proxy's address ({own.address}) for that of every client: all share one rate limit",
            "each client's own",
            f"TRUSTED_PROXIES={own.address}, and the proxy sends X-Forwarded-For (nginx: proxy_set_header"
            " X-Forwarded-For $remote_addr)",
        )
    if TrustedProxies(settings.trusted_proxies).contains(own.address) and _share_a_limit(own, through, through.address):
        return good(_CHECK, f"the gateway sees them through the proxy, this machine as {through.address}")
    return unknown(_CHECK, "whether the gateway sees them or the proxy's is not told from this machine", _ADVICE)


def _share_a_limit(own: _Asker, through: _Asker, forwarded_for: str | None) -> bool:
    """Whether what is asked through the proxy is taken from the limit of the direct asker, or of `forwarded_for`."""
    before = own.left(forwarded_for)
    for _ in range(_QUESTIONS):
        through.left()
    after = own.left(forwarded_for)
    return before is not None and after is not None and before - after > _QUESTIONS


CHECKS = (client_addresses,)
