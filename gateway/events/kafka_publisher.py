"""The publisher: a queue that never blocks, and one greenlet that sends its events to Kafka."""

from __future__ import annotations

import logging
from time import monotonic
from typing import Protocol

import gevent
from gevent.event import Event as Signal

from gateway.events.broker_status import BrokerStatus
from gateway.events.counts import Counts
from gateway.events.event import Event
from gateway.events.faults import AckTimeout, Fault, RecordRejected
from gateway.events.outbox import Outbox
from gateway.events.transport import Report, Transport

log = logging.getLogger("gateway.events")

CAPACITY = 10_000
BATCH_EVENTS = 500
OUTBOX_WAIT_SECONDS = 1.0
CLIENT_CLOSE_SECONDS = 0.5  # of the time to close, for what has to end after the queue
SILENT_SECONDS = 2.0  # without a report, before the client's own word for it is said
POLLS = (0.002, 0.1)  # the first and the longest wait for a report
RETRIES = (0.1, 2.0)  # the first and the longest wait for another client


class ClientFactory(Protocol):
    """Creates clients of Kafka."""

    def prepare(self) -> None:
        """Do slow preparations before requests are served."""

    def open(self) -> Transport:
        """A new client. Raises Unreachable, IncompatibleClient, or another Fault."""

    def worked(self) -> None:
        """The client that was opened last has delivered an event."""


class Reachability(Protocol):
    """Checks whether a broker answers."""

    def any_answers(self) -> bool: ...


class KafkaPublisher:
    """Publishes at least once, each user's events in order.

    1. `publish` adds an event to the outbox; nothing else runs in a request's greenlet.
    2. The publisher's own greenlet owns the client. It sends a batch, and the next one only after each event was
       acknowledged, so that nothing overtakes an event that must be sent again.
    3. After any failure the client is discarded, unacknowledged events go back to the front, and another client is
       created after a pause.
    4. A batch that is refused as too large is sent one by one; an event that is still refused is lost.
    """

    def __init__(
        self, clients: ClientFactory, reach: Reachability, counts: Counts, condition: BrokerStatus, capacity: int
    ) -> None:
        """`capacity`: the maximum number of queued events."""
        self._clients = clients
        self._reach = reach
        self._counts = counts
        self._condition = condition
        self._outbox = Outbox(capacity)
        self._wake = Signal()
        self._singly = 0
        self._failures = 0
        self._greenlet: gevent.Greenlet[[], None] | None = None

    def start(self) -> None:
        """Start to connect, without waiting."""
        self._clients.prepare()
        self._greenlet = gevent.spawn(self._run)

    def publish(self, event: Event) -> None:  # 1
        if self._outbox.add(event):
            self._counts.dropped(1)
            self._condition.full(len(self._outbox))
        self._counts.queued(len(self._outbox))
        self._wake.set()

    def healthy(self) -> bool:
        return not self._condition.ill(waiting=len(self._outbox) > 0) and self._reach.any_answers()

    def close(self, deadline: float) -> None:
        if self._greenlet is None:
            return
        while len(self._outbox) and monotonic() < deadline - CLIENT_CLOSE_SECONDS:
            gevent.sleep(0.02)
        self._greenlet.kill(timeout=max(0.0, deadline - monotonic()))
        self._greenlet = None
        left = len(self._outbox)
        if left:
            self._counts.dropped(left)
            log.error("Kafka: %d events were not sent before the worker stopped, and are lost", left)

    def _run(self) -> None:
        while True:
            try:
                transport = self._clients.open()
                self._condition.opened(proven=transport.connects)
                self._serve(transport)
            except Fault as fault:
                self._fail(fault)
            except Exception as error:  # pykafka raises what its workers died of, whatever that was
                self._fail(Fault(f"the client failed ({type(error).__name__})"))
            first, longest = RETRIES
            gevent.sleep(min(first * 2 ** min(self._failures - 1, 10), longest))

    def _fail(self, fault: Fault) -> None:
        self._failures += 1
        if self._failures >= fault.said_after:
            self._condition.fails(fault)

    def _serve(self, transport: Transport) -> None:
        """Send through this client until it fails."""
        try:
            while True:
                self._wake.clear()
                batch = self._outbox.take(1 if self._singly else BATCH_EVENTS)
                if batch:
                    transport.send(batch)  # 2
                    self._await_reports(transport, len(batch))
                    continue
                self._wake.wait(OUTBOX_WAIT_SECONDS)
                transport.reports()
                if transport.fault is not None and transport.fault.lasting:
                    self._condition.fails(transport.fault)
        finally:  # 3
            transport.discard()
            self._outbox.put_back()

    def _await_reports(self, transport: Transport, size: int) -> None:
        """Wait until each event of the batch is settled. Raises the first fault of them, or AckTimeout for a client
        that reports nothing for too long."""
        last, pause = monotonic(), POLLS[0]
        while self._outbox.under_way:
            reports = transport.reports()
            if reports:
                last, pause = monotonic(), POLLS[0]
                self._settle(reports, transport.name, size)
                continue
            silent = monotonic() - last
            if silent > transport.patience:
                raise AckTimeout("a broker takes events and acknowledges none")
            if transport.fault is not None and (transport.fault.lasting or silent > SILENT_SECONDS):
                self._condition.fails(transport.fault)
            gevent.sleep(pause)
            pause = min(pause * 1.5, POLLS[1])
        self._singly = max(0, self._singly - 1)

    def _settle(self, reports: list[Report], name: str, size: int) -> None:
        faults = []
        for report in reports:
            if report.fault is None:
                self._outbox.settle(report.event)
                self._counts.sent(1)
                self._succeed(name)
            elif isinstance(report.fault, RecordRejected) and size == 1:  # 4
                self._outbox.settle(report.event)
                self._counts.failed(1)
                self._condition.rejected(report.fault, len(report.event.value))
            else:
                faults.append(report.fault)
        self._counts.queued(len(self._outbox))
        if any(isinstance(fault, RecordRejected) for fault in faults):  # 4
            self._singly = size
            raise next(fault for fault in faults if isinstance(fault, RecordRejected))
        if faults:
            raise faults[0]

    def _succeed(self, name: str) -> None:
        self._failures = 0
        self._clients.worked()
        self._condition.flows(name)
