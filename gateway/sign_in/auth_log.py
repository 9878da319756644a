"""The log line of each change of a session."""

from __future__ import annotations

import logging

log = logging.getLogger("gateway.auth")


def note(action: str, user_id: str | None, **more: str) -> None:
    """Log one change of a session; never a token or a code."""
    log.info("Auth: %s", action, extra={"action": action, "userId": user_id, **more})
