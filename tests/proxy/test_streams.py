"""Bodies of any size pass both ways in constant memory and at once; nobody waits for who has left."""

import socket
import time
from collections.abc import Iterator

import pytest
from harness import http, replies
from harness.gateway import Gateway
from harness.lifetime import Threads
from harness.service import Received, Service
from harness.waiting import until

MIB = 1 << 20
LARGE = 400 * MIB
GROWTH = 40 * MIB
GONE = 2.5
EVENTS = ("Content-Type", "text/event-stream")


class Peak(Threads):
    """The largest resident size of a gateway while the block runs, over what it was before."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self.growth = 0
        super().__init__(self._watch, name="peak")

    def _watch(self) -> None:
        before = self.gateway.rss()
        while not self.done.wait(0.05):
            self.growth = max(self.growth, self.gateway.rss() - before)


def pieces(size: int) -> Iterator[bytes]:
    for _ in range(size // MIB):
        yield bytes(MIB)


@pytest.mark.conformance("P12")
@pytest.mark.parametrize("path", ["/media/large", "/interviews/1/large"])
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
def test_a_large_answer_streams(
    gateway: Gateway, services: dict[str, Service], bearer: dict[str, str], path: str, chunked: bool
) -> None:
    large = replies.chunked(pieces=pieces(LARGE)) if chunked else replies.large(LARGE)
    services[path.split("/")[1]].answer = large
    with http.Connection(gateway.port, timeout=30) as connection, Peak(gateway) as peak:
        connection.request("GET", path, bearer)
        answer = connection.receive_head()
        assert sum(map(len, connection.pieces(answer))) == LARGE
    assert peak.growth < GROWTH


@pytest.mark.conformance("P12")
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
def test_a_large_upload_streams(gateway: Gateway, media: Service, bearer: dict[str, str], chunked: bool) -> None:
    with http.Connection(gateway.port, timeout=30) as connection, Peak(gateway) as peak:
        if chunked:
            connection.request("POST", "/media/large", bearer, pieces(LARGE))
        else:
            connection.send(http.head("POST", "/media/large", {**bearer, "Content-Length": str(LARGE)}))
            for piece in pieces(LARGE):
                connection.send(piece)
        answer = connection.receive()
    assert answer.status == 200
    assert media.last.length == LARGE
    assert peak.growth < GROWTH


@pytest.mark.conformance("L3")
def test_clients_that_do_not_read_cost_little_memory(gateway: Gateway, media: Service, bearer: dict[str, str]) -> None:
    media.answer = replies.large(LARGE)
    with Peak(gateway) as peak:
        idlers = [http.Connection(gateway.port, receive_buffer=4096) for _ in range(20)]
        try:
            for idler in idlers:
                idler.request("GET", "/media/large", bearer)
            until(lambda: len(media.requests) == len(idlers))
            assert gateway.get("/health/live").status == 200
            time.sleep(1)
        finally:
            for idler in idlers:
                idler.close(hard=True)
    assert peak.growth < GROWTH
    assert all(idler.ended.wait(GONE) for idler in media.requests)


CHUNKED = ("Transfer-Encoding", "chunked")
FIRST_BYTES = {
    "events": ("/interviews/1/events", replies.head(200, [EVENTS, CHUNKED]) + b"9\r\ndata: 1\n\n\r\n"),
    "events until close": ("/interviews/1/events", replies.head(200, [EVENTS]) + b"data: 1\n\n"),
    "chunks": ("/interviews/1/a", replies.head(200, [CHUNKED]) + b"9\r\ndata: 1\n\n\r\n"),
    "a part of a chunk": ("/interviews/1/a", replies.head(200, [CHUNKED]) + b"99\r\ndata: 1\n\n"),
    "a part of a sized body": ("/media/a", replies.head(200, [("Content-Length", "100")]) + b"data: 1\n\n"),
}


@pytest.mark.conformance("P12")
@pytest.mark.parametrize(("path", "first"), FIRST_BYTES.values(), ids=FIRST_BYTES)
def test_the_first_bytes_pass_at_once(
    gateway: Gateway, services: dict[str, Service], bearer: dict[str, str], path: str, first: bytes
) -> None:
    services[path.split("/")[1]].answer = replies.hang(first)
    with http.Connection(gateway.port, timeout=2) as connection:
        connection.request("GET", path, bearer)
        answer = connection.receive_head()
        got = b""
        for piece in connection.pieces(answer):
            got += piece
            if got == b"data: 1\n\n":
                break
    assert got == b"data: 1\n\n"


@pytest.mark.conformance("P12")
def test_an_upload_reaches_the_service_as_it_comes(gateway: Gateway, media: Service, bearer: dict[str, str]) -> None:
    """A beginning may be held back, to see whether that is all."""
    with http.Connection(gateway.port) as connection:
        connection.send(http.head("POST", "/media/a", bearer, []))
        for sent in range(1, 4):
            connection.send(http.chunk(bytes(MIB)))
            until(lambda: media.requests and media.last.length > (sent - 0.5) * MIB, 2, "the piece")
        connection.send(b"0\r\n\r\n")
        assert connection.receive().status == 200


@pytest.mark.conformance("P12")
def test_a_service_may_answer_before_the_body_has_come(
    gateway: Gateway, media: Service, bearer: dict[str, str]
) -> None:
    """A 403 to a large upload: the client hears of it, or its connection ends; it does not hang."""

    def early(received: Received, conn: socket.socket) -> bool:
        conn.sendall(replies.head(403, [("Content-Length", "2"), ("Connection", "close")]) + b"no")
        return True

    media.on_head = early
    try:
        answer = http.request(gateway.port, "POST", "/media/a", bearer, pieces(20 * MIB), timeout=10)
    except ConnectionError:
        return
    assert answer.status in (403, 502)
