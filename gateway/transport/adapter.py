"""The adapter under `requests`: sends a prepared request unchanged, byte for byte, on a kept connection.

`HTTPAdapter.send` is requests' extension point. The standard one normalises the target (`%7e` becomes `~`), adds
headers, folds repeated ones and costs three times as much per call.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import inf
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.trace import Tracer
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from gateway import spans
from gateway.spans import NO_TRACER
from gateway.transport.connections import Connection
from gateway.transport.faults import ConnectError
from gateway.transport.origin import Origin
from gateway.transport.request import send
from gateway.transport.resolver import Resolver
from gateway.transport.response import UpstreamResponse
from gateway.transport.sweeper import Sweeper


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Bounds of one call, in seconds: `connect` (name resolution and TLS included), `read` (between two bytes), `total`
    (from the last byte of the request to the end of the response's head; None: unbounded) and `max_stream_duration`
    (to the last byte of the response; None: as `total`, inf: unbounded, as long as bytes come within `read`)."""

    connect: float
    read: float
    total: float | None = None
    max_stream_duration: float | None = None


class Adapter(HTTPAdapter):
    """Sends prepared requests over its own connections. It follows, retries, decodes, stores and adds nothing."""

    def __init__(
        self, tls: ssl.SSLContext, default: Timeouts, tracer: Tracer = NO_TRACER, resolver: Resolver | None = None
    ) -> None:
        """`tls` verifies peers; `default` bounds calls without their own time-outs; `tracer` creates the spans of a
        session's calls; `resolver` is a new one if none is shared."""
        super().__init__()
        self._tracer = tracer
        self._tls = tls
        self._default = default
        self._resolver = resolver or Resolver()
        self._origins: dict[str, Origin] = {}
        self._sweeper = Sweeper(self._origins.values)

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float, float] | tuple[float, None] | Timeouts | None = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> Response:
        """The response to `request` for a session, with its body unread; `response.raw` is an UpstreamResponse.

        `verify`, `cert` and `proxies` are ignored: this adapter always verifies and never uses a proxy. Raises the
        exceptions of `call`.
        """
        request.headers.update({name: _text(value) for name, value in request.headers.items()})
        request.headers.pop("Host", None)  # that of the URL is sent
        answer = (self._traced_call if spans.traced() else self.call)(request, self._bounds(timeout))
        response = Response()
        response.status_code = answer.status
        response.reason = answer.reason
        response.url = request.url or ""
        response.raw = answer
        response.request = request
        return response

    def _traced_call(self, request: PreparedRequest, bounds: Timeouts) -> UpstreamResponse:
        with spans.HttpCall(self._tracer, request.method or "GET", request.url or "") as traced:
            response = self.call(request, bounds)
            traced.status = response.status
        return response

    def call(
        self,
        request: PreparedRequest,
        bounds: Timeouts,
        *,
        fresh: bool = False,
        opened: Callable[[Connection], None] | None = None,
    ) -> UpstreamResponse:
        """The response to `request`, its head read. Forwarding uses this, because requests' Response costs 27 us.

        `request.headers` are str, without Host, and contain the framing of `request.body`: bytes, or a StreamedBody,
        which is stopped if the response arrives before its end. `fresh` requires a new connection, `opened` is called
        with the connection. Raises the faults of `gateway.transport.faults`, and the exceptions of `request.body`.
        """
        scheme, _, netloc, path = (request.url or "").split("/", 3)
        origin = self._origins.get(f"{scheme}//{netloc}") or self._origin(scheme, netloc)
        method = request.method or "GET"
        connection = origin.connection(bounds.connect, fresh=fresh)
        response = UpstreamResponse(origin, connection, method, bounds.read)
        try:
            if opened is not None:
                opened(connection)
            start = (f"{method} /{path} HTTP/1.1", f"Host: {netloc}")
            if not send(connection, start, request, response, bounds.read):
                response.refuse_reuse()
            sent = monotonic()
            response.deadline = None if bounds.total is None else sent + bounds.total
            response.read_head()
        except BaseException:
            response.drop()
            raise
        if bounds.max_stream_duration is not None:
            response.deadline = None if bounds.max_stream_duration == inf else sent + bounds.max_stream_duration
        return response

    def start(self) -> None:
        """Nothing: connections are made when they are needed."""

    def close(self, deadline: float = 0.0) -> None:
        """Close every kept connection."""
        self._sweeper.close()
        for origin in self._origins.values():
            origin.close()

    def _bounds(self, timeout: Any) -> Timeouts:
        if isinstance(timeout, Timeouts):
            return timeout
        if timeout is None:
            return self._default
        connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        return replace(self._default, connect=connect or self._default.connect, read=read or self._default.read)

    def _origin(self, scheme: str, netloc: str) -> Origin:
        parts = urlsplit(f"{scheme}//{netloc}")
        if parts.hostname is None:
            raise ConnectError("no host in the URL")
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        origin = Origin((parts.scheme, parts.hostname, port), self._tls, self._resolver, self._sweeper.ensure)
        # Bounded by the configuration: only its services and Keycloak's endpoints are called.
        return self._origins.setdefault(f"{scheme}//{netloc}", origin)


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
