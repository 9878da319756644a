"""Refuses ambiguous requests before anything else is done for them."""

from __future__ import annotations

from gateway.hooks.hook import Hook
from gateway.scope import current, require_sound


class TargetHook(Hook):
    """Refuses an unknown method, an ambiguous target, a missing Host, a loop (see `require_sound`)."""

    def before_request(self) -> None:
        require_sound(current())
