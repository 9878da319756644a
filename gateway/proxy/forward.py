"""The way of one request to a service and of its answer back."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from time import monotonic
from typing import Any

import gevent
from opentelemetry.trace import Tracer
from requests import PreparedRequest

from gateway import errors, http_methods, spans
from gateway.proxy import fields
from gateway.proxy.body import Body
from gateway.proxy.disconnects import DisconnectMonitor, InFlightCall
from gateway.proxy.response import ForwardedResponse
from gateway.proxy.upstream import Upstream
from gateway.scope import Scope, current
from gateway.transport import (
    Adapter,
    ConnectError,
    ConnectTimedOut,
    IncompleteBody,
    NoResponse,
    ProtocolError,
    ResponseTimeout,
    UpstreamResponse,
)

log = logging.getLogger("gateway.proxy")

TURN = 16


# What went wrong, in a word for metrics and logs: the first class that fits.
_KINDS: tuple[tuple[type[Exception], str], ...] = (
    (ConnectTimedOut, "connect_timeout"),
    (ConnectError, "connect"),
    (NoResponse, "closed"),
    (ResponseTimeout, "timeout"),
    (IncompleteBody, "cut"),
    (ProtocolError, "bad_answer"),
)


def kind_of(error: Exception) -> str:
    """The word for a fault of `gateway.transport.faults`."""
    return next(word for kind, word in _KINDS if isinstance(error, kind))


class ServiceProxy:
    """Forwards requests to one service."""

    def __init__(
        self,
        upstream: Upstream,
        adapter: Adapter,
        disconnects: DisconnectMonitor,
        defaults: Mapping[str, str],
        tracer: Tracer,
    ) -> None:
        """`defaults`: answer headers (lower-case name to value) set where the service does not set them."""
        self._tracer = tracer
        self._upstream = upstream
        self._adapter = adapter
        self._disconnects = disconnects
        self._defaults = {"cache-control": "private, no-cache", **defaults}

    def forward(self) -> ForwardedResponse:
        """The service's answer to the request that is being served, whatever it is.

        1. The body is read as far as it is small (`Body`).
        2. A place among the calls under way is taken; too many, or an open breaker, is ServiceUnavailable.
        3. The request is sent, once more where that is safe; a fault is BadGateway or GatewayTimeout.
        4. The answer gets the time-outs of its kind, and where it has a length the first of its body is awaited.
        5. The answer goes back; its end, or the client's leaving, gives place and connection back.
        """
        scope = current()
        bounds = self._upstream.bounds
        body = Body(scope.environ, bounds.body_bytes, bounds.body_timeout)  # 1
        self._upstream.enter()  # 2
        began = monotonic()
        call = self._disconnects.watch(scope.environ["gunicorn.socket"])
        try:
            answer = self._call(scope, body, call)  # 3
            self._upstream.metrics.answered(monotonic() - began)
            self._await_body(answer, call)  # 4
        except BaseException:
            self.over(call)
            raise
        if answer.is_whole:  # 5
            pieces: Any = (answer.take(),)
            answer.close()
            self.over(call)
        else:
            pieces = _Pieces(self, answer, call)
        return ForwardedResponse(pieces, answer.status, answer.reason, fields.to_client(answer, self._defaults))

    def _call(self, scope: Scope, body: Body, call: InFlightCall) -> UpstreamResponse:
        """Send, and send again once where nothing can happen twice: on another instance where the first could not be
        reached, on a new connection where the method is idempotent, the body still here and no byte was answered."""
        upstream = self._upstream
        request = PreparedRequest()
        request.method = scope.environ["REQUEST_METHOD"]
        request.headers = fields.to_service(scope, body)  # type: ignore[assignment]
        request.body = body.first if body.is_whole else body  # type: ignore[assignment]
        again = False
        while True:
            base_url = upstream.next_base_url()
            request.url = base_url + scope.target
            try:
                answer = self._send(request, scope, call, again=again)
            except (ConnectError, NoResponse, ResponseTimeout, ProtocolError) as error:
                if isinstance(error, ConnectError):
                    upstream.unreachable(base_url)
                if not again and self._may_repeat(error, request, body) and not call.abandoned and upstream.may_retry():
                    again = True
                    log.warning(
                        "Proxy: %s: once more after %s", upstream.name, error,
                        extra={"upstream": upstream.name, "kind": kind_of(error)},
                    )  # fmt: skip
                    continue
                if not call.abandoned:  # who leaves says nothing of the service
                    (upstream.silent if isinstance(error, (ConnectError, ResponseTimeout)) else upstream.answered)()
                raise self.fault(error, call) from error
            upstream.answered()
            return answer

    def _send(self, request: PreparedRequest, scope: Scope, call: InFlightCall, *, again: bool) -> UpstreamResponse:
        timeouts = self._upstream.bounds.timeouts
        if scope.span is None:
            return self._adapter.call(request, timeouts, fresh=again, opened=call.attach)
        method, url = request.method or "", request.url or ""
        with spans.http_call(self._tracer, method, url, scope.span, resent=again) as traced:
            request.headers["Traceparent"] = scope.traceparent_of(traced.span)
            answer = self._adapter.call(request, timeouts, fresh=again, opened=call.attach)
            traced.status = answer.status
        return answer

    def _may_repeat(self, error: Exception, request: PreparedRequest, body: Body) -> bool:
        if isinstance(error, ConnectError):
            return self._upstream.has_other_instances
        return isinstance(error, NoResponse) and request.method in http_methods.IDEMPOTENT and body.is_whole

    def _await_body(self, answer: UpstreamResponse, call: InFlightCall) -> None:
        event_stream = (answer.field("content-type") or "").lower().startswith("text/event-stream")
        if self._upstream.bounds.total_to_head or event_stream:
            answer.deadline = None
        if event_stream:
            answer.read_timeout = None
        if answer.length is None:
            return  # it may be a stream that is silent for long
        try:
            answer.await_body()
        except (ResponseTimeout, ProtocolError) as error:
            answer.close()
            raise self.fault(error, call) from error

    def fault(self, error: Exception, call: InFlightCall) -> errors.GatewayError:
        """What the client is told of a fault, after the log was told more."""
        if call.abandoned:
            return errors.ClientClosedRequest()
        self._upstream.metrics.failed(kind_of(error))
        answer: errors.GatewayError = errors.BadGateway()
        if isinstance(error, (ResponseTimeout, ConnectTimedOut)):
            answer = errors.GatewayTimeout()
        elif isinstance(error, (ConnectError, NoResponse)):
            answer = errors.BadGateway(errors.ErrorCode.SERVICE_UNREACHABLE)
        log.error(
            "Proxy: %s: %s", self._upstream.name, error,
            extra={"upstream": self._upstream.name, "kind": kind_of(error), "statusCode": answer.status},
        )  # fmt: skip
        return answer

    def over(self, call: InFlightCall) -> None:
        self._disconnects.forget(call)
        self._upstream.leave()


class _Pieces:
    """The body of an answer that is still arriving; closing it ends the call, wherever it is."""

    def __init__(self, proxy: ServiceProxy, answer: UpstreamResponse, call: InFlightCall) -> None:
        self._proxy = proxy
        self._answer = answer
        self._call: InFlightCall | None = call

    def __iter__(self) -> Iterator[bytes]:
        if self._answer.length is None and not self._answer.has_arrived:
            yield b""  # the head goes out now: an event stream may be silent for long
        try:
            for number, piece in enumerate(self._answer):
                self._bound_client()
                yield piece
                if number % TURN == TURN - 1:
                    gevent.sleep(0)  # a quick service and a quick client would leave no turn to others
        except (ResponseTimeout, ProtocolError) as error:
            if self._call is not None:
                self._proxy.fault(error, self._call)
            raise

    def _bound_client(self) -> None:
        """A client that does not read can not stretch the answer's total time-out."""
        deadline = self._answer.deadline
        if deadline is not None and self._call is not None:
            self._call.client.settimeout(max(0.001, deadline - monotonic()))

    def close(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.detach()
            self._answer.close()
            self._proxy.over(call)
