"""A streamed body beside the service's answer: which of the two comes first."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from gunicorn.http.unreader import SocketUnreader

from gateway.proxy.body import BUFFERED_BYTES, Body
from gateway.transport import Connection
from gateway.worker.body import ArrivingBody, ArrivingLength

SIZE = BUFFERED_BYTES + 1


@pytest.fixture
def sockets() -> Iterator[tuple[socket.socket, socket.socket, socket.socket, socket.socket]]:
    """A client and the gateway's end of its connection, a service and the gateway's end of that one."""
    with ExitStack() as stack:
        ours = [stack.enter_context(end) for _ in range(2) for end in socket.socketpair()]
        yield ours[0], ours[1], ours[2], ours[3]


@pytest.mark.conformance("P18")
def test_an_answer_after_the_last_byte_is_no_early_one(
    sockets: tuple[socket.socket, socket.socket, socket.socket, socket.socket],
) -> None:
    """The connection would be closed for it, which a quick service would cause often."""
    client, accepted, service, called = sockets
    peer = Connection(called)
    client.sendall(bytes(SIZE - 1))
    environ = {
        "CONTENT_LENGTH": str(SIZE),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "gunicorn.socket": accepted,
        "wsgi.input": ArrivingBody(ArrivingLength(SocketUnreader(accepted), SIZE)),
    }
    body = Body(environ, SIZE, 5.0)
    sent = 0
    while sent < SIZE - 1:
        sent += len(body.next_piece(peer) or b"")
    service.sendall(b"HTTP/1.1 200 OK\r\n")
    assert body.next_piece(peer) is None, "early: a byte is missing"
    client.sendall(b"a")
    assert called.recv(100) == b"HTTP/1.1 200 OK\r\n"
    assert body.next_piece(peer) == b"a"
    service.sendall(b"HTTP/1.1 200 OK\r\n")
    assert body.next_piece(peer) == b""
