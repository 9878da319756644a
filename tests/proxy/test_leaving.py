"""A client that leaves: the call it made ends with it."""

import socket
import threading

import pytest
from harness import http, replies
from harness.gateway import Gateway
from harness.service import Answerer, Received, Service
from harness.waiting import until

GONE = 2.5
EVENTS = ("Content-Type", "text/event-stream")
CHUNKED = ("Transfer-Encoding", "chunked")


LEAVING: dict[str, tuple[str, Answerer]] = {
    "waiting for the head": ("/interviews/1", replies.hang()),
    "in a quiet stream": ("/interviews/1/events", replies.hang(replies.head(200, [EVENTS]) + b"data: 1\n\n")),
    "in a stream": (
        "/interviews/1/a",
        replies.chunked(pieces=[b"a"] * 200, pause=0.05),
    ),
    "in a stalled body": ("/media/a", replies.hang(replies.head(200, [("Content-Length", "9")]) + b"a")),
    "in a large body": ("/media/a", replies.large(1 << 30)),
}


@pytest.mark.conformance("P12")
@pytest.mark.parametrize("hard", [False, True], ids=["closes", "resets"])
@pytest.mark.parametrize(("path", "reply"), LEAVING.values(), ids=LEAVING)
def test_a_client_that_leaves_ends_the_call(
    gateway: Gateway,
    services: dict[str, Service],
    bearer: dict[str, str],
    path: str,
    reply: Answerer,
    hard: bool,
) -> None:
    service = services[path.split("/")[1]]
    gone = threading.Event()

    def watched(received: Received, conn: socket.socket) -> bool:
        try:
            return bool(reply(received, conn))
        finally:
            gone.set()

    service.answer = watched
    connection = http.Connection(gateway.port, receive_buffer=65536)
    connection.request("GET", path, bearer)
    until(lambda: service.requests)
    if reply is not LEAVING["waiting for the head"][1]:
        assert connection.receive_head().status == 200
    connection.close(hard)
    assert gone.wait(GONE)


@pytest.mark.conformance("P12")
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
@pytest.mark.parametrize("hard", [False, True], ids=["closes", "resets"])
def test_a_client_that_leaves_while_uploading_ends_the_call(
    gateway: Gateway, media: Service, bearer: dict[str, str], chunked: bool, hard: bool
) -> None:
    framed = CHUNKED if chunked else ("Content-Length", "1000000")
    with http.Connection(gateway.port) as connection:
        connection.send(http.head("POST", "/media/a", [*bearer.items(), framed]))
        connection.send(http.chunk(bytes(500_000)) if chunked else bytes(500_000))
        until(lambda: media.requests and media.last.length > 100_000)
        connection.close(hard)
        assert media.last.ended.wait(GONE)
    assert not media.last.complete


@pytest.mark.conformance("P12")
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
def test_a_client_that_leaves_early_in_an_upload_leaves_nothing_whole(
    gateway: Gateway, media: Service, bearer: dict[str, str], chunked: bool
) -> None:
    framed = CHUNKED if chunked else ("Content-Length", "10")
    with http.Connection(gateway.port) as connection:
        connection.send(http.head("POST", "/media/a", [*bearer.items(), framed]))
        connection.send(http.chunk(b"hello") if chunked else b"hello")
    assert gateway.get("/media/b", headers=bearer).status == 200
    assert not [received for received in media.requests if received.complete and received.method == "POST"]
