"""Marks, which are decorators of views: access, rate limit, logging and tracing of a route.

The hooks read the marks of the matched route from the request's scope. A view without marks requires a Principal, is
counted by the default rate limit, logged at info, and traced by the gateway's own spans.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

View = TypeVar("View", bound=Callable[..., Any])

LimitKey = Callable[[], str]
"""The key by which requests are counted; never empty."""


@dataclass(frozen=True, slots=True)
class LimitMark:
    """The rate limit of a view: `rule` is the name of a setting or a limit in the format of `limits`; with `key` None
    the view itself counts."""

    rule: str
    key: LimitKey | None


@dataclass(frozen=True, slots=True)
class RouteMarks:
    """The marks of one route."""

    public: bool = False
    """Public: no Principal is required."""

    identified: bool = False
    """Public, but the Principal is determined if possible."""

    limited: bool = True
    """Counted by a rate limit: the default one, or `limit`."""

    limit: LimitMark | None = None

    quiet: bool = False
    """Called every few seconds by machines: logged at debug."""

    instrumented: bool = False
    """opentelemetry-instrumentation-flask creates its spans."""

    any_origin: bool = False
    """Readable by pages of every origin, without credentials."""

    answers_options: bool = False
    """OPTIONS with credentials that is no preflight is for the view."""

    routed: bool = True
    """Whether the route exists."""

    @property
    def loads_identity(self) -> bool:
        """Whether the Principal is determined."""
        return self.routed and (not self.public or self.identified)


NO_ROUTE = RouteMarks(public=True, routed=False)
"""The marks of an unknown route or method, which is answered for everybody."""

_UNMARKED = RouteMarks()


def marks_of(view: Callable[..., Any]) -> RouteMarks:
    """The marks of a view."""
    found: RouteMarks = getattr(view, "marks", _UNMARKED)
    return found


def _marked(view: View, **changes: Any) -> View:
    view.marks = replace(marks_of(view), **changes)  # type: ignore[attr-defined]
    return view


def public(view: View) -> View:
    """Mark a view as public."""
    return _marked(view, public=True)


def identified(view: View) -> View:
    """Mark a view as public, with the Principal determined if possible."""
    return _marked(view, public=True, identified=True)


def free(view: View) -> View:
    """Mark a view as not limited."""
    return _marked(view, limited=False)


def limited(rule: str, key: LimitKey | None) -> Callable[[View], View]:
    """Mark a view with its own rate limit, instead of the default one.

    `rule` is the name of a setting (`auth`, `media`) or a limit in the format of `limits` ("10 per minute", several
    separated by semicolons). `key` determines which calls are counted together (`gateway.limits.by_caller`,
    `by_address`); with None the view itself counts, with `RateLimiter.count`.
    """
    return lambda view: _marked(view, limit=LimitMark(rule, key))


def quiet(view: View) -> View:
    """Mark a view as one whose requests are logged at debug."""
    return _marked(view, quiet=True)


def instrumented(view: View) -> View:
    """Mark a view with a fixed path: opentelemetry-instrumentation-flask creates its spans."""
    return _marked(view, instrumented=True)


def any_origin(view: View) -> View:
    """Mark a view as readable by pages of every origin."""
    return _marked(view, any_origin=True)


def answers_options(view: View) -> View:
    """Mark a view as one that answers OPTIONS itself where that comes with credentials and is no preflight: what the
    service behind it is able to do. Its route names the method."""
    return _marked(view, answers_options=True)
