"""The exchange with a service: sends one request, retries it if that is safe, and reads the head of the response."""

from __future__ import annotations

import logging
from dataclasses import replace
from time import monotonic

from opentelemetry.trace import Tracer
from requests import PreparedRequest

from gateway import errors, http_methods, spans
from gateway.proxy import fields
from gateway.proxy.body import Body
from gateway.proxy.disconnects import InFlightCall
from gateway.proxy.instances import Instance
from gateway.proxy.upstream import Claim
from gateway.scope import Scope
from gateway.transport import (
    Adapter,
    CallFault,
    ConnectError,
    NoResponse,
    ResponseTimeout,
    Timeouts,
    UpstreamResponse,
)

log = logging.getLogger("gateway.proxy")


# The codes of faults that their status does not identify.
_CODES = {fault.kind: errors.ErrorCode.SERVICE_UNREACHABLE for fault in (ConnectError, NoResponse)}


class _Request(PreparedRequest):
    """requests' request without what only its sessions use: hooks, cookies, the place of a body (3 us)."""

    def __init__(self, method: str, headers: dict[str, str], body: bytes | Body) -> None:
        self.method = method
        self.url = ""
        self.headers = headers  # type: ignore[assignment]
        self.body = body  # type: ignore[assignment]


class Exchange:
    """The calls of one request; its creator ends it, which releases `claim` and `call`."""

    __slots__ = ("_adapter", "_body", "_scope", "_timeouts", "_tracer", "call", "claim")

    def __init__(
        self,
        scope: Scope,
        body: Body,
        claim: Claim,
        call: InFlightCall,
        timeouts: Timeouts,
        adapter: Adapter,
        tracer: Tracer,
    ) -> None:
        self._scope = scope
        self._body = body
        self.claim = claim
        self.call = call
        self._timeouts = timeouts
        self._adapter = adapter
        self._tracer = tracer

    def respond(self) -> UpstreamResponse:
        """The response with its head and, if it states a length, the first part of its body. Raises GatewayError."""
        upstream = self.claim.upstream
        began = self._scope.upstream_began = monotonic()
        try:
            response = self._send_until_answered(began)
        finally:
            self._scope.upstream_seconds = seconds = monotonic() - began
        upstream.metrics.answered(seconds)
        if self.claim.is_call:
            upstream.limit.answered(seconds)
        if not response.is_whole:
            self._prepare_body(response)
        return response

    def _send_until_answered(self, began: float) -> UpstreamResponse:
        """Send, and retry once if that is safe (`_may_repeat`)."""
        upstream = self.claim.upstream
        scope = self._scope
        body = self._body
        request = _Request(
            scope.environ["REQUEST_METHOD"], fields.to_service(scope, body), body.first if body.is_whole else body
        )
        timeouts = self._timeouts
        failed: Instance | None = None
        while True:
            instance = self._ask(failed)
            request.url = f"{instance.base_url}{scope.path}{scope.query}"
            try:
                response = self._send(request, timeouts, again=failed is not None)
            except CallFault as fault:
                if not self.call.abandoned:  # a client that disconnects says nothing about the service
                    was_open = instance.breaker.is_open
                    upstream.failed(instance, fault)
                    if instance.breaker.is_open and not was_open:
                        scope.breaker = "opened"
                timeouts = self._left(timeouts, fault, began)
                if failed is not None or not self._may_repeat(fault, request, timeouts) or not upstream.retries.spend():
                    if isinstance(fault, ResponseTimeout):
                        upstream.limit.answered(monotonic() - began)
                    raise self.error(fault) from fault
                failed = instance
                self._note_retry(instance, fault)
                continue
            upstream.answered(instance)
            upstream.metrics.responded(instance.name, response.status)
            return response

    def _ask(self, but: Instance | None) -> Instance:
        """The instance of the next attempt, noted in the scope. Raises ServiceUnavailable."""
        scope = self._scope
        try:
            instance = self.claim.ask(but)
        except errors.ServiceUnavailable:
            scope.breaker = "open"
            self.claim.upstream.metrics.failed("breaker_open")
            raise
        scope.instance = instance.name
        if instance.breaker.is_open:
            scope.breaker = "trial"
        return instance

    def _note_retry(self, instance: Instance, fault: CallFault) -> None:
        upstream, scope = self.claim.upstream, self._scope
        upstream.metrics.retried()
        scope.retries += 1
        scope.failure = fault.kind
        log.warning(
            "Proxy: %s: retry after %s", upstream.name, fault,
            extra={"upstream": upstream.name, "instance": instance.name, "kind": fault.kind},
        )  # fmt: skip

    def _send(self, request: PreparedRequest, timeouts: Timeouts, *, again: bool) -> UpstreamResponse:
        scope = self._scope
        if scope.span is None:
            return self._adapter.call(request, timeouts, fresh=again, opened=self.call.attach)
        method, url = request.method or "", request.url or ""
        with spans.HttpCall(self._tracer, method, url, scope.span, resent=again) as traced:
            request.headers["Traceparent"] = scope.traceparent_of(traced.span)
            response = self._adapter.call(request, timeouts, fresh=again, opened=self.call.attach)
            traced.status = response.status
        return response

    def _may_repeat(self, fault: CallFault, request: PreparedRequest, timeouts: Timeouts) -> bool:
        """Retry on another instance if the first could not be reached. If the method is idempotent and the body still
        available, also without a response: on a new connection, or on another instance in the remaining time."""
        if self.call.abandoned:
            return False
        has_others = len(self.claim.upstream.instances.all) > 1
        if isinstance(fault, ConnectError):
            return has_others
        if request.method not in http_methods.IDEMPOTENT or not self._body.is_whole:
            return False
        in_time = timeouts.total is None or timeouts.total > 0
        return in_time and (isinstance(fault, NoResponse) or (isinstance(fault, ResponseTimeout) and has_others))

    def _left(self, timeouts: Timeouts, fault: CallFault, began: float) -> Timeouts:
        """The time-outs of another attempt, less the time that the first one took. To connect has its own."""
        if timeouts.total is None or isinstance(fault, ConnectError):
            return timeouts
        return replace(timeouts, total=timeouts.total - (monotonic() - began))

    def _prepare_body(self, response: UpstreamResponse) -> None:
        """Set the time-outs for the type of body, and wait for its first part if it has a length."""
        try:
            self.claim.upstream.transfer(self.claim)
            if fields.is_event_stream(response):
                response.deadline = response.read_timeout = None
            if response.length is not None:  # without a length it may be a stream that is silent for long
                response.await_body()
        except CallFault as fault:
            response.drop()
            raise self.error(fault) from fault
        except BaseException:
            response.drop()
            raise

    def error(self, fault: CallFault) -> errors.GatewayError:
        """The error for the client, after the details of the fault were logged."""
        if self.call.abandoned:
            return errors.ClientClosedRequest()
        upstream = self.claim.upstream
        upstream.metrics.failed(fault.kind)
        self._scope.failure = fault.kind
        self._scope.broken = True
        error = (errors.GatewayTimeout if fault.timed_out else errors.BadGateway)(_CODES.get(fault.kind))
        log.error(
            "Proxy: %s: %s", upstream.name, fault,
            extra={
                "upstream": upstream.name,
                "instance": self._scope.instance,
                "kind": fault.kind,
                "statusCode": error.status,
            },
        )  # fmt: skip
        return error
