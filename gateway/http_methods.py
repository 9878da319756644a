"""HTTP methods and their properties (RFC 9110 section 9), each table once."""

from __future__ import annotations

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""RFC 9110 section 9.2.1, without TRACE, which no route has."""

IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE"})
"""RFC 9110 section 9.2.2: may be sent once more."""

WITH_CONTENT = frozenset({"POST", "PUT", "PATCH"})
"""A request of these has a body, if an empty one."""

ROUTED = ("GET", "POST", "PUT", "DELETE", "PATCH")
"""What routes are made of; HEAD comes with GET, OPTIONS is the gateway's own."""

SERVED = frozenset({*ROUTED, "HEAD", "OPTIONS"})

KNOWN = SERVED | {"TRACE", "CONNECT"}
"""RFC 9110 section 9.1 and RFC 5789. Any other is 501."""

OTHER = "other"
"""The label of a method that is not SERVED: a client may make any text up."""


def label(method: str) -> str:
    """A method as metrics, spans and log lines name it."""
    return method if method in SERVED else OTHER
