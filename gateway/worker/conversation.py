"""One client's connection, from accept to close."""

from __future__ import annotations

import socket
from time import monotonic
from typing import Any

import gevent
from gunicorn import util
from gunicorn.http import errors as parsing

from gateway.worker.answering import Answering
from gateway.worker.lingering import linger
from gateway.worker.places import Waiting
from gateway.worker.reader import Reader
from gateway.worker.request import Parser, StrictRequest
from gateway.worker.response import DRAIN_BYTES
from gateway.worker.serving import Serving
from gateway.worker.usual import UsualRequest, usual_request

HEAD_SECONDS = 15.0
"""The time for a complete request head, from its first byte (for the first request: from the connection on)."""

SEND_SECONDS = 60.0
"""The time for a client to receive one piece of a response."""

FIRST_BYTES = 8192


class Conversation:
    """The requests of one connection, one after the other; `listener` is the address that it was accepted on."""

    def __init__(self, serving: Serving, client: socket.socket, addr: Any, listener: Any) -> None:
        self._serving = serving
        self._client = client
        self._parser = Parser(serving.cfg, client, addr)
        self._reader = self._parser.unreader = Reader(client, serving.cfg.limit_request_fields, serving.turns)
        self._base = serving.environ_of(client, listener, addr)
        self._answering = Answering(serving, client, addr, listener)
        self._buffered = getattr(client, "pending", None)  # what TLS has read already wakes nobody

    def run(self) -> None:
        """Serve the connection until it ends."""
        client, log = self._client, self._serving.log
        try:
            self._readable = gevent.get_hub().loop.io(client.fileno(), 1)
            try:
                with self._serving.app.connection_context():
                    unread = self._converse()
            finally:
                self._readable.close()
            if unread:
                self._linger()
        except (OSError, gevent.GreenletExit):
            pass  # the client has disconnected, or was silent for too long
        except Exception:
            log.exception("a connection was aborted by an error")
        finally:
            util.close(client)

    def _converse(self) -> bool:
        """Answer one request after the other; whether there may be unread data from the client."""
        serving = self._serving
        self._client.settimeout(SEND_SECONDS)
        since, what = monotonic(), Waiting.FIRST
        while True:
            serving.places.make_room()
            data = self._await_request(since, what)
            if not data:
                return False
            request: UsualRequest | StrictRequest | None = usual_request(data, self._reader, self._base, serving.limits)
            if request is not None:
                self._parser.mesg = request
            else:
                request = self._parse(data, since if what is Waiting.FIRST else monotonic())
            if request is None:
                return True
            if self._client.timeout != SEND_SECONDS:  # the last exchange has left a shorter one
                self._client.settimeout(SEND_SECONDS)
            if not self._answering.answer(request):
                return True
            if getattr(request.body.reader, "length", 1) and not self._read_away():
                return True
            since, what = monotonic(), Waiting.NEXT

    def _await_request(self, since: float, what: Waiting) -> bytes:
        """The first bytes of a request; empty if the client closed, or sent nothing in time (`Places.close_late`).

        It waits even if they have arrived: a fast client would leave no turn to the others, and an attempt that finds
        nothing costs more than the wait.
        """
        turns, waiting = self._serving.turns, self._serving.places.waiting
        data: bytes = self._reader.take_buffered()
        if data:
            turns.give()
            return data
        waiting[self._client] = since, what
        look = turns.looks
        try:
            if self._buffered is not None and self._buffered():
                turns.give()
            else:
                gevent.get_hub().wait(self._readable)
                if what is Waiting.NEXT:
                    turns.take(look)
            return bytes(self._client.recv(FIRST_BYTES))
        except OSError:
            return b""
        finally:
            waiting.pop(self._client, None)

    def _parse(self, data: bytes, begun: float) -> StrictRequest | None:
        """The request that begins with `data`, whose first byte arrived at `begun`; None if it was refused."""
        waiting = self._serving.places.waiting
        waiting[self._client] = begun, Waiting.HEAD
        try:
            self._reader.expect_head(begun + HEAD_SECONDS, data)
            request: StrictRequest = next(self._parser)
        except StopIteration:
            return None
        except (parsing.ParseException, TimeoutError) as refusal:
            self._answering.refuse(refusal)
            return None
        finally:
            waiting.pop(self._client, None)
        self._reader.expect_body()
        return request

    def _read_away(self) -> bool:
        """Read the unread rest of a request's body; False if it is too long, or does not arrive."""
        return bool(self._parser.finish_body(deadline=monotonic() + 1.0, max_bytes=DRAIN_BYTES))

    def _linger(self) -> None:
        waiting = self._serving.places.waiting
        waiting[self._client] = monotonic(), Waiting.END
        try:
            linger(self._client, self._serving.turns)
        finally:
            waiting.pop(self._client, None)
