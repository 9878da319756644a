"""The scope of one request: its ids, its addresses, its target as it came."""

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
# gunicorn's master imports this too: each worker has to begin with a seed of its own.
os.register_at_fork(after_in_child=_ids.seed)

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


@dataclass(slots=True)
class Scope:
    """One request, `environ` as WSGI has it. `client` is the address found through the trusted proxies, `forwarded_for`
    the chain to hand on; `path` and `query` (with its `?`) are the target byte for byte; `endpoint` and `route` are
    Flask's and None where none fits, `marks` those of its view; `code` is that of the error it is answered with;
    `started` is a `perf_counter` time in seconds. Of who asks there is a `principal` or a `refusal`, or neither for
    views that are open to everybody. `peer_trusted`: the peer is a trusted proxy; `parent_sampled` is its decision,
    None where there is none; `span` is what a traced request's calls are children of. `upstream` names the service that
    was asked, `instance` its host."""

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
    started: float = field(default_factory=perf_counter)

    @property
    def target(self) -> str:
        """Path and query as they came."""
        return self.path + self.query

    def require_principal(self) -> Principal:
        """Who asks. The refusal where that was not found out: a view that forwards can not be public."""
        if self.principal is None:
            raise self.refusal or errors.Unauthorized()
        return self.principal

    @property
    def traceparent(self) -> str:
        """The trace context a service is given (W3C Trace Context section 3.2): the same trace, our span as parent."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"

    def traceparent_of(self, span: Span) -> str:
        """The trace context of what is a child of this span of ours."""
        return f"00-{self.trace_id}-{span.get_span_context().span_id:016x}-01"


CUT = "gateway.cut"
"""In the environ of a request whose answer did not reach the client as a whole; `gateway.worker` puts it there."""


def new_trace_id() -> str:
    """A trace id no one else has (W3C Trace Context section 3.2.2.3)."""
    return f"{_ids.getrandbits(128) or 1:032x}"


# A variable of the greenlet: 0.1 us, where Flask's `g` is 1 us each time.
_current: ContextVar[Scope] = ContextVar("scope")


current: Callable[[], Scope] = _current.get
"""The scope of the request being served. The variable's own method: a dozen calls a request."""


def serving() -> Scope | None:
    """The scope of the request that this greenlet serves, or served last; None in one that serves none."""
    return _current.get(None)


def open_scope(
    environ: Mapping[str, Any], trusted: TrustedProxies, rule: Rule | None = None, marks: RouteMarks = NO_ROUTE
) -> Scope:
    """Load what a WSGI environ says of a request that fits `rule`; it is `current` from now on. Refuses nothing (see
    `require_sound`), so that an error, too, has an id and a path."""
    peer = environ.get("REMOTE_ADDR", "")
    if peer.startswith("::ffff:"):
        peer = plain_address(peer)
    parent = headers.parse_traceparent(environ.get("HTTP_TRACEPARENT"))
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
    """Take what a trusted proxy says of the client: its address, scheme, host and request id."""
    chain = trusted.chain(scope.client, environ.get("HTTP_X_FORWARDED_FOR", ""))
    scope.client = chain[0] if chain else ""
    scope.forwarded_for = ", ".join(chain)
    # Each proxy adds the scheme that it was asked by: the first is the client's.
    proto = environ.get("HTTP_X_FORWARDED_PROTO", "").partition(",")[0].strip(" \t").lower()
    if proto in ("http", "https"):
        scope.proto = proto
    scope.host = environ.get("HTTP_X_FORWARDED_HOST", scope.host)
    request_id = environ.get("HTTP_X_REQUEST_ID", "")
    if _REQUEST_ID.fullmatch(request_id):
        scope.request_id = request_id


def require_sound(scope: Scope) -> None:
    """Refuse what could be understood in two ways or would go round for ever.

    Raises UnknownMethod for a method nobody knows, BadRequest for an ambiguous target or an HTTP/1.1 request
    without Host (RFC 9112 section 3.2), LoopDetected for one that came through this gateway before (RFC 9110
    section 7.6.3).
    """
    environ = scope.environ
    # Methods are case-sensitive (RFC 9110 section 9.1); werkzeug would make a GET of a get.
    if environ["REQUEST_METHOD"] not in http_methods.KNOWN:
        raise errors.UnknownMethod()
    if scope.path == "*" and environ["REQUEST_METHOD"] == "OPTIONS":
        return
    if not target.is_sound(scope.path, scope.query):
        raise errors.BadRequest()
    if "HTTP_HOST" not in environ and environ["SERVER_PROTOCOL"] != "HTTP/1.0":
        raise errors.BadRequest("Host header missing")
    if "HTTP_VIA" in environ and headers.VIA in environ["HTTP_VIA"].replace(",", " ").split():
        raise errors.LoopDetected()
