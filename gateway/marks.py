"""What a view says of itself in one line over it: who may call it, how it is limited, logged and traced.

The hooks read the marks of the route that a request matched from its scope. A view without a mark is closed, counted
by the default rate limit, logged and traced by hand.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])

LimitKey = Callable[[], str]
"""Whose requests are counted together; never empty."""


@dataclass(frozen=True, slots=True)
class LimitMark:
    """A rate limit of a view's own: `rule` is a name of the settings or a limit as `limits` reads it; `key` None: the
    view counts by itself."""

    rule: str
    key: LimitKey | None


@dataclass(frozen=True, slots=True)
class RouteMarks:
    """The marks of one route."""

    public: bool = False
    """Open to everybody: no Principal is required."""

    identified: bool = False
    """Public, and told who asks where that can be found out."""

    limited: bool = True
    """Counted by a rate limit: the default one, or `limit`."""

    limit: LimitMark | None = None

    quiet: bool = False
    """Asked for every few seconds by machines: its log lines are for debugging."""

    instrumented: bool = False
    """Its spans are made by opentelemetry-instrumentation-flask."""

    any_origin: bool = False
    """Readable by pages of every origin, without credentials."""

    routed: bool = True
    """There is such a route."""

    @property
    def loads_identity(self) -> bool:
        """Whether who asks is looked for."""
        return self.routed and (not self.public or self.identified)


NO_ROUTE = RouteMarks(public=True, routed=False)
"""No such route or method: that is the answer, for everybody."""

_UNMARKED = RouteMarks()


def marks_of(view: Callable[..., Any]) -> RouteMarks:
    """The marks of a view."""
    found: RouteMarks = getattr(view, "marks", _UNMARKED)
    return found


def _marked(view: View, **changes: Any) -> View:
    view.marks = replace(marks_of(view), **changes)  # type: ignore[attr-defined]
    return view


def public(view: View) -> View:
    """Mark a view as open to everybody."""
    return _marked(view, public=True)


def identified(view: View) -> View:
    """Mark a public view as one that is told who asks, if that can be found out."""
    return _marked(view, public=True, identified=True)


def free(view: View) -> View:
    """Mark a view as not limited."""
    return _marked(view, limited=False)


def limited(rule: str, key: LimitKey | None) -> Callable[[View], View]:
    """Mark a view with a rate limit of its own, in the place of the default one.

    `rule` is one of the settings' (`auth`, `media`) or a limit as `limits` reads it ("10 per minute", several separated
    by semicolons). `key` says whose calls are counted together (`gateway.limits.by_caller`, `by_address`); with None
    the view counts by itself, with `RateLimiter.count`.
    """
    return lambda view: _marked(view, limit=LimitMark(rule, key))


def quiet(view: View) -> View:
    """Mark a view as one whose requests are logged at debug."""
    return _marked(view, quiet=True)


def instrumented(view: View) -> View:
    """Mark a view of a fixed path as one whose spans opentelemetry-instrumentation-flask makes."""
    return _marked(view, instrumented=True)


def any_origin(view: View) -> View:
    """Mark a view as readable by pages of every origin."""
    return _marked(view, any_origin=True)
