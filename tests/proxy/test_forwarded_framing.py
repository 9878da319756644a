"""Bodies as a service gets them, and a connection that serves one request after another."""

import hashlib
import json

import pytest
from harness import http, replies
from harness.gateway import Gateway
from harness.service import Answerer, Received, Service

SMUGGLED = b"GET /interviews/smuggled HTTP/1.1\r\nHost: gateway.test\r\n\r\n"


def framing(received: Received) -> list[str]:
    return sorted(received.names & {"content-length", "transfer-encoding"})


ONE = (["content-length"], ["transfer-encoding"])


@pytest.mark.conformance("P7")
@pytest.mark.parametrize("path", ["/interviews", "/media/a"])
@pytest.mark.parametrize(
    "body",
    [b"", b"x", b"hello" * 20_000, [], [b"x"], [b"hello", b" world" * 9000], [b"a"] * 200],
    ids=["empty", "one byte", "large", "chunked empty", "chunked one byte", "chunked large", "many chunks"],
)
def test_a_body_has_one_framing(
    gateway: Gateway, services: dict[str, Service], token: str, path: str, body: bytes | list[bytes]
) -> None:
    assert gateway.get(path, token, method="POST", body=body).status == 200
    received = services["media" if path.startswith("/media") else "interviews"].last
    whole = body if isinstance(body, bytes) else b"".join(body)
    assert received.sha256 == hashlib.sha256(whole).hexdigest()
    assert framing(received) in ONE
    assert len(received.all("Content-Length") + received.all("Transfer-Encoding")) == 1
    if isinstance(body, bytes):
        assert received.header("Content-Length") == str(len(body))


@pytest.mark.conformance("P7")
def test_a_post_without_a_body_is_framed(gateway: Gateway, interviews: Service, token: str) -> None:
    assert gateway.get("/interviews", token, method="POST").status == 200
    assert framing(interviews.last) in ONE
    assert interviews.last.length == 0


@pytest.mark.conformance("P7")
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_get_without_a_body_stays_without(gateway: Gateway, interviews: Service, token: str, method: str) -> None:
    assert gateway.get("/interviews", token, method=method).status == 200
    assert framing(interviews.last) == []


@pytest.mark.conformance("P7", "P5")
@pytest.mark.parametrize("method", ["GET", "DELETE"])
@pytest.mark.parametrize("body", [b"hello", [b"hel", b"lo"]], ids=["sized", "chunked"])
def test_an_unusual_body_smuggles_nothing(
    gateway: Gateway, interviews: Service, token: str, method: str, body: bytes | list[bytes]
) -> None:
    answer = gateway.get("/interviews/1", token, method=method, body=body)
    assert answer.status in (200, 400)
    for received in interviews.requests:
        assert framing(received) in ONE
        assert received.body == b"hello"


@pytest.mark.conformance("P7")
@pytest.mark.parametrize("sized", [True, False], ids=["sized", "chunked"])
def test_expect_continue(gateway: Gateway, interviews: Service, token: str, sized: bool) -> None:
    """The body is sent after 100 Continue only, as curl and most HTTP libraries do."""
    framed = ("Content-Length", "5") if sized else ("Transfer-Encoding", "chunked")
    headers = [("Authorization", f"Bearer {token}"), ("Expect", "100-continue"), framed]
    with http.Connection(gateway.port) as connection:
        connection.send(http.head("POST", "/interviews", headers))
        assert connection.receive_head(interim=True).status == 100
        connection.send(b"hello" if sized else b"5\r\nhello\r\n0\r\n\r\n")
        assert connection.receive().status == 200
        connection.request("GET", "/interviews/2", headers[:1])
        assert connection.receive().json()["target"] == "/interviews/2"
    first = interviews.requests[0]
    assert first.body == b"hello"
    assert framing(first) in ONE


@pytest.mark.conformance("P7")
def test_a_refusal_does_not_wait_for_the_expected_body(gateway: Gateway, interviews: Service) -> None:
    headers = [("Expect", "100-continue"), ("Content-Length", "500000")]
    with http.Connection(gateway.port) as connection:
        connection.send(http.head("POST", "/interviews", headers))
        answer = connection.receive()
    assert answer.status == 401
    assert interviews.requests == []


def test_pipelined_requests_are_answered_in_order(gateway: Gateway, interviews: Service, token: str) -> None:
    bearer = {"Authorization": f"Bearer {token}"}
    paths = [f"/interviews/{number}" for number in range(20)]
    bodies = [b"x" * number if number % 3 == 0 else None for number in range(20)]
    data = b"".join(
        http.head("PUT" if body is not None else "GET", path, bearer, body) + (body or b"")
        for path, body in zip(paths, bodies, strict=True)
    )
    with http.Connection(gateway.port) as connection:
        connection.send(data)
        answers = [connection.receive().json() for _ in paths]
    assert [answer["target"] for answer in answers] == paths
    assert [answer["bodyLength"] for answer in answers] == [len(body or b"") for body in bodies]


HEAD_CHUNKED = replies.head(200, [("Transfer-Encoding", "chunked")])
FIRST: dict[str, tuple[str, str, Answerer | None]] = {
    "sized": ("GET", "/interviews/1", replies.sized(200, body=b"hello")),
    "empty": ("GET", "/interviews/1", replies.sized(200)),
    "chunked": ("GET", "/interviews/1", replies.chunked(pieces=[b"a", b"bc"])),
    "chunked empty": ("GET", "/interviews/1", replies.chunked()),
    "ended by close": ("GET", "/interviews/1", replies.raw(b"HTTP/1.1 200 OK\r\n\r\nhello", close=True)),
    "HTTP/1.0": ("GET", "/interviews/1", replies.raw(b"HTTP/1.0 200 OK\r\n\r\nhello", close=True)),
    "204": ("DELETE", "/interviews/1", replies.sized(204)),
    "304": ("GET", "/interviews/1", replies.sized(304, [("ETag", '"a"')])),
    "304 with length": ("GET", "/interviews/1", replies.sized(304, [("Content-Length", "5")])),
    "HEAD": ("HEAD", "/interviews/1", replies.sized(200, body=b"hello")),
    "HEAD chunked": ("HEAD", "/interviews/1", replies.raw(HEAD_CHUNKED)),
    "HEAD without length": ("HEAD", "/interviews/1", replies.raw(replies.head(200), close=True)),
    "303": ("POST", "/interviews", replies.sized(303, [("Location", "/interviews/1")], b"there")),
    "404 of the service": ("GET", "/interviews/1", replies.sized(404, body=b"no")),
    "500 of the service": ("GET", "/interviews/1", replies.sized(500, body=b"oh")),
    "502": ("GET", "/interviews/1", replies.raw(b"garbage\r\n\r\n", close=True)),
    "own 404": ("GET", "/nope", None),
    "own 405": ("DELETE", "/interviews", None),
    "own 404 of HEAD": ("HEAD", "/nope", None),
    "health": ("GET", "/health/live", None),
    "HEAD of health": ("HEAD", "/health/live", None),
}  # fmt: skip


@pytest.mark.conformance("P8")
@pytest.mark.parametrize(("method", "path", "reply"), FIRST.values(), ids=FIRST)
def test_the_connection_serves_on(
    gateway: Gateway, interviews: Service, token: str, method: str, path: str, reply: Answerer | None
) -> None:
    bearer = {"Authorization": f"Bearer {token}"}
    if reply:
        interviews.answer = replies.by_turn(reply, replies.sized(200, body=b"second"))
    with http.Connection(gateway.port) as connection:
        connection.request(method, path, bearer)
        first = connection.receive(method=method)
        assert first.complete
        if "close" in (first.header("Connection") or "").lower():
            assert connection.rest() == b""
            return
        connection.request("GET", "/interviews/2", bearer)
        second = connection.receive()
    assert (second.status, second.complete) == (200, True)
    assert second.body == b"second" or not reply


REFUSALS = {
    "401": ("POST", "/interviews", False),
    "404": ("POST", "/nope", True),
    "405": ("DELETE", "/users/me", True),
    "400 by path": ("POST", "/media/%2e%2e/a", True),
    "415": ("POST", "/auth/login", True),
}


@pytest.mark.conformance("P5")
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
@pytest.mark.parametrize(("method", "path", "known"), REFUSALS.values(), ids=REFUSALS)
def test_the_body_of_a_refused_request_is_no_request(
    gateway: Gateway, interviews: Service, token: str, method: str, path: str, known: bool, chunked: bool
) -> None:
    bearer = [("Authorization", f"Bearer {token}")]
    hidden = SMUGGLED.replace(b"\r\n\r\n", b"\r\nAuthorization: Bearer " + token.encode() + b"\r\n\r\n")
    with http.Connection(gateway.port) as connection:
        connection.request(method, path, bearer * known, [hidden] if chunked else hidden)
        assert 400 <= connection.receive().status < 500
        try:
            connection.request("GET", "/interviews/2", bearer)
            answer = connection.receive()
        except ConnectionError:
            pass
        else:
            assert json.loads(answer.body)["target"] == "/interviews/2"
    assert b"/interviews/smuggled" not in [received.target for received in interviews.requests]
