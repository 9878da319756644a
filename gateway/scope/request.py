"""The scope of one request: its ids, its addresses, its unchanged target."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from random import Random
from time import perf_counter
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span
from werkzeug.routing import Rule

from gateway import errors, headers, http_methods
from gateway.marks import NO_ROUTE, RouteMarks
from gateway.scope import target
from gateway.scope.allowance import Allowance
from gateway.scope.peers import TrustedProxies, plain_address
from gateway.scope.principal import Principal

# Ids must be unique, not secret: bits of one well-seeded generator cost 1.2 us, a uuid4 5.5.
_ids = Random()  # noqa: S311
# gunicorn's master imports this too, so each worker must start with its own seed.
os.register_at_fork(after_in_child=_ids.seed)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


@dataclass(slots=True)
class Scope:
    """One request with its WSGI `environ`. `client` is the client's address, found through the trusted proxies, and
    `forwarded_for` the chain that is sent on; `path` and `query` (with its `?`) are the target byte for byte;
    `endpoint` and `route` are Flask's, None if no route matches, and `marks` those of its view; `code` is that of the
    error in the response; `started` is a `perf_counter` time in seconds. Authentication results in a `principal` or a
    `refusal`, or neither for public views. `peer_trusted`: the peer is a trusted proxy; `parent_sampled` is its
    sampling decision, if any; `span` is the parent of the spans of calls. `upstream` names the service that was called,
    `instance` its host; `upstream_seconds` is the time to the head of its response or to the failure, from
    `upstream_began` on, a monotonic time; `failure` is the kind of the last failed call, `retries` the number of
    calls after the first; `broken` says that the service gave no complete response; `queue_seconds` is how long it
    waited for a slot, if it did, and `breaker` what the instance's breaker did: `open` (it refused the call), `trial`
    (it was open and allowed this one), `opened` (by the failure of this call)."""

    environ: Mapping[str, Any]
    request_id: str
    trace_id: str
    span_id: str
    sampled: bool
    parent_id: str | None
    tracestate: str | None
    client: str
    forwarded_for: str
    proto: str
    host: str
    path: str
    query: str
    endpoint: str | None = None
    route: str | None = None
    marks: RouteMarks = NO_ROUTE
    parent_sampled: bool | None = None
    span: Context | None = None
    span_token: Token[Context] | None = None
    peer_trusted: bool = False
    forwarding_distrusted: bool = False
    principal: Principal | None = None
    refusal: errors.GatewayError | None = None
    allowance: Allowance | None = None
    code: errors.ErrorCode | None = None
    upstream: str | None = None
    instance: str | None = None
    upstream_began: float | None = None
    upstream_seconds: float | None = None
    failure: str | None = None
    broken: bool = False
    retries: int = 0
    queue_seconds: float | None = None
    breaker: str | None = None
    started: float = field(default_factory=perf_counter)

    def require_principal(self) -> Principal:
        """The Principal. Raises the refusal if there is none: a view that forwards cannot be public."""
        if self.principal is None:
            raise self.refusal or errors.Unauthorized()
        return self.principal

    @property
    def traceparent(self) -> str:
        """The trace context for a service (W3C Trace Context section 3.2): the same trace, our span as parent."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def traceparent_of(self, span: Span) -> str:
        """The trace context of a child of this span."""
        return f"00-{self.trace_id}-{span.get_span_context().span_id:016x}-01"


CUT = "gateway.cut"
"""Set in the environ by `gateway.worker` if the response did not reach the client completely; ABORTED if the gateway
itself aborted it."""

ABORTED = "aborted"

SENT = "gateway.sent"
"""Set in the environ by `gateway.worker` when a response ends: the bytes of its body."""


def new_trace_id() -> str:
    """A unique trace id (W3C Trace Context section 3.2.2.3)."""
    return f"{_ids.getrandbits(128) or 1:032x}"


# A variable of the greenlet: 0.1 us, where Flask's `g` is 1 us each time.
_current: ContextVar[Scope] = ContextVar("scope")


current: Callable[[], Scope] = _current.get
"""The scope of the request being served. The variable's own method: a dozen calls a request."""


def serving() -> Scope | None:
    """The scope of the request that this greenlet serves, or served last; None in other greenlets."""
    return _current.get(None)


def open_scope(
    environ: Mapping[str, Any], trusted: TrustedProxies, rule: Rule | None = None, marks: RouteMarks = NO_ROUTE
) -> Scope:
    """Create the scope of a request that matches `rule` from its WSGI environ, and make it `current`. Refuses nothing
    (see `require_sound`), so that errors have an id and a path too."""
    peer = environ.get("REMOTE_ADDR", "")
    if peer.startswith("::ffff:"):
        peer = plain_address(peer)
    sent = environ.get("HTTP_TRACEPARENT")
    parent = headers.parse_traceparent(sent) if sent else None
    path, query = target.split(environ["RAW_URI"])
    ids = f"{_ids.getrandbits(320):080x}"
    scope = Scope(
        environ=environ,
        request_id=ids[:32],
        trace_id=parent[0] if parent else ids[32:64],
        span_id=ids[64:],
        sampled=False,
        parent_id=parent[1] if parent else None,
        tracestate=environ.get("HTTP_TRACESTATE") if parent else None,
        client=peer,
        forwarded_for=peer,
        proto=environ["wsgi.url_scheme"],
        host=environ.get("HTTP_HOST", ""),
        path=path,
        query=query,
        endpoint=rule.endpoint if rule is not None else None,
        route=rule.rule if rule is not None else None,
        marks=marks,
    )
    if trusted.contains(peer):
        scope.peer_trusted = True
        _believe(scope, environ, trusted)
        if parent is not None:
            scope.sampled = scope.parent_sampled = bool(parent[2] & 1)
    else:
        scope.forwarding_distrusted = "HTTP_X_FORWARDED_FOR" in environ or "HTTP_FORWARDED" in environ
    _current.set(scope)
    return scope


def _believe(scope: Scope, environ: Mapping[str, Any], trusted: TrustedProxies) -> None:
    """Read the client's address, scheme, host and request id from the headers of a trusted proxy."""
    chain = trusted.chain(scope.client, environ.get("HTTP_X_FORWARDED_FOR", ""))
    scope.client = chain[0] if chain else ""
    scope.forwarded_for = ", ".join(chain)
    # Each proxy appends the scheme of its own client: the first one is that of the client.
    proto = environ.get("HTTP_X_FORWARDED_PROTO", "").partition(",")[0].strip(" \t").lower()
    if proto in ("http", "https"):
        scope.proto = proto
    scope.host = environ.get("HTTP_X_FORWARDED_HOST", scope.host)
    request_id = environ.get("HTTP_X_REQUEST_ID", "")
    if _REQUEST_ID.fullmatch(request_id):
        scope.request_id = request_id


def require_sound(scope: Scope) -> None:
    """Refuse ambiguous and looping requests.

    Raises UnknownMethod for an unknown method, or one without routes whose target is no path, BadRequest for an
    ambiguous target or an HTTP/1.1 request without Host (RFC 9112 section 3.2), LoopDetected for a request that already
    passed through this gateway (RFC 9110 section 7.6.3).
    """
    environ = scope.environ
    # Methods are case-sensitive (RFC 9110 section 9.1); werkzeug would make a GET of a get.
    if environ["REQUEST_METHOD"] not in http_methods.KNOWN:
        raise errors.UnknownMethod()
    if scope.path == "*" and environ["REQUEST_METHOD"] == "OPTIONS":
        return
    if scope.path in ("*", "") and environ["REQUEST_METHOD"] not in http_methods.SERVED:
        raise errors.UnknownMethod()  # CONNECT's target is an authority (RFC 9110 section 9.3.6)
    if not target.is_sound(scope.path, scope.query):
        raise errors.BadRequest()
    if "HTTP_HOST" not in environ and environ["SERVER_PROTOCOL"] != "HTTP/1.0":
        raise errors.BadRequest("Host header missing")
    if "HTTP_VIA" in environ and headers.VIA in environ["HTTP_VIA"].replace(",", " ").split():
        raise errors.LoopDetected()
