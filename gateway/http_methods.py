"""HTTP methods and their properties (RFC 9110 section 9), each table once."""

from __future__ import annotations

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""RFC 9110 section 9.2.1, without TRACE, which no route has."""

IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
"""RFC 9110 section 9.2.2: may be retried."""

WITH_CONTENT = frozenset({"POST", "PUT", "PATCH"})
"""Methods whose requests have a body, even if it is empty."""

ROUTED = ("GET", "POST", "PUT", "DELETE", "PATCH")
"""The methods of routes; HEAD comes with GET, OPTIONS is answered by the gateway unless a view is marked otherwise."""

SERVED = frozenset({*ROUTED, "HEAD", "OPTIONS"})

KNOWN = SERVED | {"TRACE", "CONNECT"}
"""RFC 9110 section 9.1 and RFC 5789. Any other is 501."""

OTHER = "other"
"""The label of a method that is not SERVED, because a client can send any text."""


def label(method: str) -> str:
    """The name of a method in metrics, spans and log lines."""
    return method if method in SERVED else OTHER
