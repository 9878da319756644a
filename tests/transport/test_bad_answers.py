"""A service that refuses, breaks off, dawdles or speaks garbage: one stated answer for each."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from harness import http, replies
from harness.gateway import Gateway, StartGateway
from harness.gateways import GatewayFactory
from harness.ports import free_port
from harness.replies import head, raw
from harness.service import Answerer, Received, Service

pytestmark = pytest.mark.timed

TOTAL = 2.0


@pytest.fixture(scope="module")
def hasty(make_gateway: GatewayFactory) -> Iterator[Gateway]:
    """A gateway with short time-outs."""
    times = {"PROXY_CONNECT_TIMEOUT": "1", "PROXY_READ_TIMEOUT": "1", "PROXY_TOTAL_TIMEOUT": f"{TOTAL:.0f}"}
    with make_gateway(times) as running:
        yield running


def error(answer: http.Answer, status: int, message: str) -> None:
    assert (answer.status, answer.complete) == (status, True)
    body = answer.json()
    assert (body["statusCode"], body["message"], body["path"]) == (status, message, "/interviews/1")
    assert set(body) == {"statusCode", "message", "error", "code", "timestamp", "path", "traceId"}


OK = b"HTTP/1.1 200 OK\r\n"
OK_CHUNK = b"2\r\nok\r\n0\r\n\r\n"
SHORT = b"Content-Length: 2\r\n\r\nok"
BAD: dict[str, Answerer] = {
    "closed at once": raw(b"", close=True),
    "reset at once": replies.reset(),
    "closed in the status line": raw(b"HTTP/1.1 20", close=True),
    "closed in the head": raw(OK + b"X-A: b\r\n", close=True),
    "reset in the head": replies.reset(OK + b"X-A: b\r\n"),
    "garbage": raw(b"\x16\x03\x01\x00garbage\r\n\r\n" * 10, close=True),
    "another protocol": raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n", close=True),
    "HTTP/0.9": raw(b"<html>hello</html>", close=True),
    "HTTP/2.0": raw(b"HTTP/2.0 200 OK\r\n" + SHORT, close=True),
    "HTTP/0.9 with a head": raw(b"HTTP/0.9 200 OK\r\n" + SHORT, close=True),
    "HTTP/2": raw(b"HTTP/2 200\r\n" + SHORT, close=True),
    "status too short": raw(b"HTTP/1.1 20 OK\r\n" + SHORT, close=True),
    "status too long": raw(b"HTTP/1.1 2000 OK\r\n" + SHORT, close=True),
    "status no number": raw(b"HTTP/1.1 abc OK\r\n" + SHORT, close=True),
    "status signed": raw(b"HTTP/1.1 +20 OK\r\n" + SHORT, close=True),
    "status 099": raw(b"HTTP/1.1 099 OK\r\n" + SHORT, close=True),
    "101": raw(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n"),
    "101 without fields": raw(b"HTTP/1.1 101 Switching Protocols\r\n\r\n" + OK + SHORT),
    "100 and no more": raw(b"HTTP/1.1 100 Continue\r\n\r\n", close=True),
    "status 000": raw(b"HTTP/1.1 000 OK\r\n" + SHORT, close=True),
    "a header line over 32 KiB": raw(OK + b"X-A: " + b"a" * 33_000 + b"\r\n" + SHORT),
    "a head over 64 KiB": raw(OK + b"".join(b"X-%d: %b\r\n" % (n, b"a" * 20_000) for n in range(4)) + SHORT),
    "two lengths": raw(OK + b"Content-Length: 5\r\nContent-Length: 2\r\n\r\nok", close=True),
    "length list": raw(OK + b"Content-Length: 5, 2\r\n\r\nok", close=True),
    "length and chunked": raw(OK + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n" + OK_CHUNK),
    "chunked twice": raw(OK + b"Transfer-Encoding: chunked, chunked\r\n\r\n" + OK_CHUNK, close=True),
    "gzip coding": raw(OK + b"Transfer-Encoding: gzip\r\n\r\nok", close=True),
    "length negative": raw(OK + b"Content-Length: -2\r\n\r\nok", close=True),
    "length signed": raw(OK + b"Content-Length: +2\r\n\r\nok", close=True),
    "length hex": raw(OK + b"Content-Length: 0x2\r\n\r\nok", close=True),
    "length no number": raw(OK + b"Content-Length: two\r\n\r\nok", close=True),
    "length empty": raw(OK + b"Content-Length: \r\n\r\nok", close=True),
    "500 headers": raw(OK + b"".join(b"X-%d: a\r\n" % n for n in range(500)) + SHORT),
    "header of 1 MB": raw(OK + b"X-A: " + b"a" * 1_000_000 + b"\r\n" + SHORT),
    "status line of 1 MB": raw(b"HTTP/1.1 200 " + b"a" * 1_000_000 + b"\r\n" + SHORT),
    "bare CR in a header": raw(OK + b"X-A: a\rSet-Cookie: evil=1\r\n" + SHORT),
    "NUL in a header": raw(OK + b"X-A: a\x00b\r\n" + SHORT),
    "obs-fold": raw(OK + b"X-A: a\r\n Set-Cookie: evil=1\r\n" + SHORT),
    "obs-fold in the first line": raw(OK + b" X-A: a\r\n" + SHORT),
    "no colon": raw(OK + b"X-A\r\n" + SHORT),
    "space in a name": raw(OK + b"X A: b\r\n" + SHORT),
    "space before the colon": raw(OK + b"Content-Length : 2\r\n\r\nok", close=True),
    "empty name": raw(OK + b": b\r\n" + SHORT),
}  # fmt: skip


@pytest.mark.conformance("F5", "P11", "P16")
@pytest.mark.parametrize("reply", BAD.values(), ids=BAD)
def test_a_bad_answer_is_502(hasty: Gateway, interviews: Service, token: str, reply: Answerer) -> None:
    interviews.answer = reply
    answer = hasty.get("/interviews/1", token)
    error(answer, 502, "Bad gateway")
    assert b"evil" not in answer.raw
    interviews.answer = None
    assert hasty.get("/interviews/2", token).json()["target"] == "/interviews/2"


INTERIM = {
    "100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "102": b"HTTP/1.1 102 Processing\r\n\r\n",
    "103": b"HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload\r\nSet-Cookie: early=1\r\n\r\n",
    "104 with an offset": b"HTTP/1.1 104 Upload Resumption Supported\r\nUpload-Offset: 5\r\n\r\n" * 3,
    "199": b"HTTP/1.1 199 What\r\n\r\n",
    "with a length": b"HTTP/1.1 103 Early Hints\r\nContent-Length: 50\r\n\r\n",
    "many": b"HTTP/1.1 102 Processing\r\n\r\n" * 200,
}


@pytest.mark.conformance("P17")
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("pause", [0.0, 0.1], ids=["at once", "later"])
@pytest.mark.parametrize("interim", INTERIM.values(), ids=INTERIM)
def test_an_interim_answer_is_passed_over(
    hasty: Gateway, interviews: Service, token: str, interim: bytes, pause: float, method: str
) -> None:
    def reply(received: Received, conn: socket.socket) -> None:
        conn.sendall(interim)
        time.sleep(pause)
        conn.sendall(OK + SHORT)

    interviews.answer = reply
    for _ in range(2):
        answer = hasty.get("/interviews/1/answers", token, method=method)
        assert (answer.status, answer.body, answer.interim) == (200, b"ok", [])
        assert not {name for name, _ in answer.headers} & {"Link", "Set-Cookie", "Upload-Offset"}
    assert len({received.connection for received in interviews.requests}) == 1


@pytest.mark.conformance("F5")
@pytest.mark.parametrize("blanks", [b" ", b"  ", b"\t", b" \t "], ids=repr)
def test_blanks_after_a_coding_are_no_part_of_it(
    hasty: Gateway, interviews: Service, token: str, blanks: bytes
) -> None:
    interviews.answer = raw(
        OK + b"Transfer-Encoding: chunked" + blanks + b"\r\nX-B: b" + blanks + b"\r\n\r\n" + OK_CHUNK
    )
    answer = hasty.get("/interviews/1", token)
    assert (answer.status, answer.body, answer.header("X-B")) == (200, b"ok", "b")


@pytest.mark.conformance("F5")
def test_a_refused_connection_is_502(start_gateway: StartGateway, token: str) -> None:
    gateway = start_gateway(services={"interviews": f"http://127.0.0.1:{free_port()}"})
    error(gateway.get("/interviews/1", token), 502, "Bad gateway")
    error(gateway.get("/interviews/1", token, method="PUT", body=b"x"), 502, "Bad gateway")


@pytest.mark.conformance("F5")
def test_a_service_nobody_can_resolve_is_502(start_gateway: StartGateway, token: str) -> None:
    gateway = start_gateway(services={"interviews": "http://no-such-service.invalid:3004"})
    answer = gateway.get("/interviews/1", token)
    error(answer, 502, "Bad gateway")
    assert b"invalid" not in answer.body


@pytest.mark.conformance("F5")
def test_a_service_that_takes_no_connection_is_504(start_gateway: StartGateway, token: str) -> None:
    """Its queue of unaccepted connections is full, so that a connect hangs."""
    with ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(3):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}"
        gateway = start_gateway({"PROXY_CONNECT_TIMEOUT": "1"}, services={"interviews": url})
        start = time.monotonic()
        error(gateway.get("/interviews/1", token), 504, "Gateway timeout")
        assert time.monotonic() - start < 5


@pytest.mark.conformance("F5")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_silent_service_is_504(hasty: Gateway, interviews: Service, token: str, method: str) -> None:
    interviews.answer = replies.hang()
    start = time.monotonic()
    path, body = ("/interviews/1", None) if method == "GET" else ("/interviews/1/answers", b"x")
    answer = hasty.get(path, token, method=method, body=body)
    assert (answer.status, answer.json()["message"]) == (504, "Gateway timeout")
    assert time.monotonic() - start < 2 * TOTAL + 1
    assert len(interviews.requests) == 1 or method == "GET"


@pytest.mark.conformance("F5")
def test_a_dripping_head_ends_at_the_total(hasty: Gateway, interviews: Service, token: str) -> None:
    interviews.answer = replies.drip(OK + b"X-A: " + b"a" * 1000, every=0.2)
    start = time.monotonic()
    error(hasty.get("/interviews/1", token), 504, "Gateway timeout")
    assert TOTAL - 0.5 < time.monotonic() - start < TOTAL + 2
    assert interviews.last.left.wait(2)


@pytest.mark.conformance("F5")
@pytest.mark.parametrize("sized", [True, False], ids=["sized", "chunked"])
def test_a_dripping_body_ends_at_the_total(hasty: Gateway, interviews: Service, token: str, sized: bool) -> None:
    framed = ("Content-Length", "1000") if sized else ("Transfer-Encoding", "chunked")
    data = b"a" * 1000 if sized else b"1\r\na\r\n" * 1000
    interviews.answer = replies.drip(data, prefix=head(200, [framed]), every=0.2)
    start = time.monotonic()
    answer = hasty.get("/interviews/1", token)
    assert (answer.status, answer.complete, answer.closed) == (200, False, True)
    assert TOTAL - 0.5 < time.monotonic() - start < TOTAL + 2
    assert interviews.last.left.wait(2)


SIZED = head(200, [("Content-Length", "10")])
CHUNKED = head(200, [("Transfer-Encoding", "chunked")])
ZIPPED = head(200, [("Content-Encoding", "gzip"), ("Content-Length", "99")])
LARGE = head(200, [("Content-Length", "1000000")])
CUT: dict[str, Answerer] = {
    "sized": raw(SIZED + b"hello", close=True),
    "sized, reset": replies.reset(SIZED + b"hello"),
    "sized, nothing of it": raw(SIZED, close=True),
    "sized, large": raw(LARGE + b"a" * 999_999, close=True),
    "chunked": raw(CHUNKED + b"5\r\nhello\r\n", close=True),
    "chunked, reset": replies.reset(CHUNKED + b"5\r\nhello\r\n"),
    "chunked, nothing of it": raw(CHUNKED, close=True),
    "chunked, in a chunk": raw(CHUNKED + b"a\r\nhello", close=True),
    "chunked, in a size": raw(CHUNKED + b"5\r\nhello\r\n1", close=True),
    "chunked, in the end": raw(CHUNKED + b"5\r\nhello\r\n0", close=True),
    "chunked, garbage": raw(CHUNKED + b"5\r\nhello\r\nfive\r\nhello\r\n"),
    "sized, stalled": replies.hang(SIZED + b"hello"),
    "chunked, stalled": replies.hang(CHUNKED + b"5\r\nhello\r\n"),
    "gzip": raw(ZIPPED + b"\x1f\x8b", close=True),
}  # fmt: skip


@pytest.mark.conformance("F5")
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0", "HTTP/1.1 keep-alive"])
@pytest.mark.parametrize("reply", CUT.values(), ids=CUT)
def test_a_body_cut_short_is_an_aborted_connection(
    hasty: Gateway, interviews: Service, token: str, reply: Answerer, version: str
) -> None:
    interviews.answer = reply
    number, _, persistence = version.partition(" ")
    lines = f"GET /interviews/1 {number}\r\nHost: a\r\nAuthorization: Bearer {token}\r\n"
    lines += f"Connection: {persistence or 'close'}\r\n\r\n"
    try:
        answer = http.send(hasty.port, lines.encode())
    except http.NoAnswerError:
        return
    assert (answer.status, answer.complete) in ((200, False), (502, True))
    assert answer.closed or answer.status == 502
