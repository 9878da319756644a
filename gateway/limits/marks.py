"""How a view says which rate limit is its own: one line over it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from gateway.limits.rules import Key, by_caller

View = TypeVar("View", bound=Callable[..., Any])


def free(view: View) -> View:
    """Mark a view as not limited."""
    view.is_free = True  # type: ignore[attr-defined]
    return view


def limited(rule: str, key: Key | None = by_caller) -> Callable[[View], View]:
    """Mark a view with a rule of its own, in the place of the default one.

    `rule` is one of the settings' (`auth`, `media`) or a limit as `limits` reads it ("10 per minute", several separated
    by semicolons). `key` says whose calls are counted together: by default the verified user's, else the address's;
    with None the view counts by itself, with `RateLimits.count`.
    """

    def mark(view: View) -> View:
        view.limit = rule, key  # type: ignore[attr-defined]
        return view

    return mark
