"""The way of one request to a service and of its response back."""

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
"""Pieces of a body that are passed on before others have a turn."""


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
        """`bounds` of a call whose view asks for no others; `defaults`: response headers (lower-case name to value) set
        where the service does not set them."""
        self._upstream = upstream
        self._bounds = bounds
        self._adapter = adapter
        self._disconnects = disconnects
        self._defaults = {"cache-control": "private, no-cache", **defaults}
        self._tracer = tracer

    def forward(self, timeouts: Timeouts | None = None) -> ForwardedResponse:
        """The service's response to the request that is being served, whatever it is.

        1. The body is read as far as it is small (`Body`).
        2. A place among the calls under way is taken; too many, or an open breaker, is ServiceUnavailable.
        3. The request is sent, once more where that is safe; a fault is BadGateway or GatewayTimeout.
        4. The response gets the time-outs of its kind, and where it has a length the first of its body is awaited.
        5. The response goes back; its end, or the client's leaving, gives place and connection back.

        `timeouts` are this call's own, in place of the service's.
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
        """The call has ended, however it did."""
        self._disconnects.forget(exchange.call)
        exchange.claim.release()


class _Pieces:
    """The body of a response that is still arriving; closing it ends the call, wherever it is."""

    def __init__(self, proxy: ServiceProxy, response: UpstreamResponse, exchange: Exchange) -> None:
        self._proxy = proxy
        self._response = response
        self._exchange: Exchange | None = exchange

    def __iter__(self) -> Iterator[bytes]:
        if self._response.length is None and not self._response.has_arrived:
            yield b""  # the head goes out now: an event stream may be silent for long
        try:
            for number, piece in enumerate(self._response):
                self._bound_client()
                yield piece
                if number % TURN == TURN - 1:
                    gevent.sleep(0)  # a quick service and a quick client would leave no turn to others
        except CallFault as fault:
            if self._exchange is not None:
                self._exchange.error(fault)
            raise

    def _bound_client(self) -> None:
        """A client that does not read can not stretch the response's total time-out."""
        deadline = self._response.deadline
        if deadline is not None and self._exchange is not None:
            self._exchange.call.client.settimeout(max(0.001, deadline - monotonic()))

    def close(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.call.detach()
            self._response.close()
            self._proxy.over(exchange)
