"""The line that the log has of each thing that happens to a session."""

from __future__ import annotations

import logging

log = logging.getLogger("gateway.auth")


def note(action: str, user_id: str | None, **more: str) -> None:
    """One line for what happened to a session; never a token or a code."""
    log.info("Auth: %s", action, extra={"action": action, "userId": user_id, **more})
