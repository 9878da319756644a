"""Connections to a service are kept, and die when they like: what is tried again, and what never."""

import socket

import pytest
from harness import replies
from harness.gateway import Gateway
from harness.service import Received, Service, reset
from harness.waiting import until


class DiesOnReuse:
    """Answers the first request of each connection, and ends the connection at the second."""

    def __init__(self, *, hard: bool) -> None:
        self.hard = hard
        self.seen: set[int] = set()

    def __call__(self, received: Received, conn: socket.socket) -> bool:
        if received.connection not in self.seen:
            self.seen.add(received.connection)
            return bool(replies.sized(200, body=b"first")(received, conn))
        if self.hard:
            reset(conn)
        return True


def test_connections_are_kept(gateway: Gateway, interviews: Service, token: str) -> None:
    before = interviews.accepted
    for number in range(10):
        gateway.get(f"/interviews/{number}", token)
    assert interviews.accepted - before <= 1


@pytest.mark.conformance("F6")
@pytest.mark.parametrize("hard", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_get_is_tried_once_more(gateway: Gateway, interviews: Service, token: str, method: str, hard: bool) -> None:
    interviews.answer = DiesOnReuse(hard=hard)
    assert gateway.get("/interviews/1", token).status == 200
    assert gateway.get("/interviews/2", token, method=method).status == 200
    tries = [received for received in interviews.requests if received.target == b"/interviews/2"]
    assert len(tries) == 2
    assert tries[0].connection != tries[1].connection


@pytest.mark.conformance("F6")
@pytest.mark.parametrize("hard", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("body", [b"", b"hello", [b"hel", b"lo"]], ids=["empty", "sized", "chunked"])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_a_post_is_not_tried_again(
    gateway: Gateway, interviews: Service, token: str, method: str, body: bytes | list[bytes], hard: bool
) -> None:
    interviews.answer = DiesOnReuse(hard=hard)
    assert gateway.get("/interviews/1", token).status == 200
    assert gateway.get("/interviews/1/answers", token, method=method, body=body).status == 502
    assert [received.method for received in interviews.requests] == ["GET", method]


@pytest.mark.conformance("F6")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_connection_closed_while_idle_is_noticed(
    gateway: Gateway, interviews: Service, token: str, method: str
) -> None:
    """Nothing was sent on it, so a POST goes out on a new one."""
    body = b"hello" if method == "POST" else None
    for _ in range(5):
        assert gateway.get("/interviews/1/answers", token, method=method, body=body).status == 200
        interviews.hang_up()
        until(lambda: interviews.connections == 0)
    assert len(interviews.requests) == 5


@pytest.mark.conformance("F6")
def test_a_get_is_not_tried_for_ever(gateway: Gateway, interviews: Service, token: str) -> None:
    interviews.answer = replies.raw(b"", close=True)
    assert gateway.get("/interviews/1", token).status == 502
    assert len(interviews.requests) <= 2


@pytest.mark.conformance("F6")
def test_no_try_after_the_answer_has_begun(gateway: Gateway, interviews: Service, token: str) -> None:
    interviews.answer = replies.raw(replies.head(200, [("Content-Length", "10")]) + b"hello", close=True)
    answer = gateway.get("/interviews/1", token)
    assert not (answer.status == 200 and answer.complete)
    assert len(interviews.requests) == 1


@pytest.mark.conformance("F6")
def test_an_answer_is_not_tried_again(gateway: Gateway, interviews: Service, token: str) -> None:
    for status in (500, 502, 503, 504, 408, 429):
        interviews.answer = replies.sized(status)
        assert gateway.get(f"/interviews/{status}", token).status == status
    assert len(interviews.requests) == 6


@pytest.mark.conformance("P10")
def test_what_a_service_says_unasked_is_nobodys_answer(gateway: Gateway, interviews: Service, token: str) -> None:
    """A second answer behind the first must not be given to the next request."""
    twice = replies.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst" * 2)
    interviews.answer = replies.by_turn(twice, replies.sized(200, body=b"second"))
    assert gateway.get("/interviews/1", token).body == b"first"
    assert gateway.get("/interviews/2", token).body == b"second"
