"""Forwards one request to a service and returns its response."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from time import monotonic
from typing import Any

import gevent
from opentelemetry.trace import Tracer

from gateway.proxy import fields
from gateway.proxy.body import Body
from gateway.proxy.bounds import CallBounds
from gateway.proxy.disconnects import DisconnectMonitor
from gateway.proxy.exchange import Exchange
from gateway.proxy.response import ForwardedResponse
from gateway.proxy.upstream import Upstream
from gateway.scope import current
from gateway.transport import Adapter, CallFault, Timeouts, UpstreamResponse

TURN = 16
"""The number of pieces of a body that are forwarded before other greenlets have a turn."""


class ServiceProxy:
    """Forwards requests to one service."""

    def __init__(
        self,
        upstream: Upstream,
        bounds: CallBounds,
        adapter: Adapter,
        disconnects: DisconnectMonitor,
        defaults: Mapping[str, str],
        tracer: Tracer,
    ) -> None:
        """`bounds` of a call whose view passes no others; `defaults`: response headers (lower-case name to value) that
        are added unless the service sets them."""
        self._upstream = upstream
        self._bounds = bounds
        self._adapter = adapter
        self._disconnects = disconnects
        self._defaults = {"cache-control": "private, no-cache", **defaults}
        self._tracer = tracer

    def forward(self, timeouts: Timeouts | None = None) -> ForwardedResponse:
        """The service's response to the current request.

        1. A small body is read (`Body`).
        2. A slot for a call in flight is taken; without one, or with an open breaker, ServiceUnavailable is raised.
        3. The request is sent, and retried if that is safe; a fault raises BadGateway or GatewayTimeout.
        4. The response gets the time-outs of its type; if it has a length, the first part of its body is awaited.
        5. The response is returned; at its end, or when the client disconnects, slot and connection are released.

        `timeouts` replace those of the service for this call.
        """
        scope = current()
        bounds = self._bounds
        body = Body(scope.environ, bounds.body_bytes, bounds.body_timeout)  # 1
        principal = scope.require_principal()
        scope.upstream = self._upstream.name
        claim = self._upstream.enter(principal.subject, uploads=not body.is_whole)  # 2
        call = self._disconnects.watch(scope.environ["gunicorn.socket"])
        exchange = Exchange(scope, body, claim, call, timeouts or bounds.timeouts, self._adapter, self._tracer)
        try:
            response = exchange.respond()  # 3, 4
        except BaseException:
            self.over(exchange)
            raise
        if response.is_whole:  # 5
            pieces: Any = (response.take(),)
            response.close()
            self.over(exchange)
        else:
            self._disconnects.streams(call, principal, lapses=fields.is_event_stream(response))
            pieces = _Pieces(self, response, exchange)
        return ForwardedResponse(pieces, response.status, response.reason, fields.to_client(response, self._defaults))

    def over(self, exchange: Exchange) -> None:
        """The call has ended, successfully or not."""
        self._disconnects.forget(exchange.call)
        exchange.claim.release()


class _Pieces:
    """The body of a response that is still arriving; closing it ends the call at any point."""

    def __init__(self, proxy: ServiceProxy, response: UpstreamResponse, exchange: Exchange) -> None:
        self._proxy = proxy
        self._response = response
        self._exchange: Exchange | None = exchange

    def __iter__(self) -> Iterator[bytes]:
        if self._response.length is None and not self._response.has_arrived:
            yield b""  # sends the head now: an event stream may be silent for long
        try:
            for number, piece in enumerate(self._response):
                self._bound_client()
                yield piece
                if number % TURN == TURN - 1:
                    gevent.sleep(0)  # a fast service and a fast client would leave no turn to others
        except CallFault as fault:
            if self._exchange is not None:
                self._exchange.error(fault)
            raise

    def _bound_client(self) -> None:
        """A client that does not read cannot extend the response's total time-out."""
        deadline = self._response.deadline
        if deadline is not None and self._exchange is not None:
            self._exchange.call.client.settimeout(max(0.001, deadline - monotonic()))

    def close(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.call.detach()
            self._response.close()
            self._proxy.over(exchange)
