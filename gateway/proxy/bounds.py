"""What one call may cost, apart from the service that it goes to."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.transport import Timeouts


@dataclass(frozen=True, slots=True)
class CallBounds:
    """`timeouts` of the call to the service; of a request's body `body_bytes` in all and `body_timeout` seconds between
    two reads."""

    timeouts: Timeouts
    body_bytes: int
    body_timeout: float
