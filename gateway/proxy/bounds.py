"""The bounds of one call, independent of its service."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.transport import Timeouts


@dataclass(frozen=True, slots=True)
class CallBounds:
    """`timeouts` of the call to the service; the maximum size of the request body (`body_bytes`), and the seconds
    between two of its reads (`body_timeout`)."""

    timeouts: Timeouts
    body_bytes: int
    body_timeout: float
