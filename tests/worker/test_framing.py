"""Where a request begins and ends: what can be read two ways is refused and smuggles nothing."""

import pytest
from harness import http
from harness.gateway import Gateway
from harness.issuer import Issuer
from harness.service import Service
from harness.waiting import until

SMUGGLED = b"GET /interviews/smuggled HTTP/1.1\r\nHost: gateway.test\r\n\r\n"


@pytest.fixture
def bearer(issuer: Issuer) -> bytes:
    return b"Authorization: Bearer " + issuer.mint().encode() + b"\r\n"


def post(bearer: bytes, lines: bytes, body: bytes, start: bytes = b"POST /interviews HTTP/1.1\r\n") -> bytes:
    return start + b"Host: gateway.test\r\n" + bearer + lines + b"\r\n" + body


def refused(gateway: Gateway, data: bytes, codes: tuple[int, ...] = (400, 501)) -> None:
    """One error, then the connection ends: whatever follows the bad request is never read as another."""
    with http.Connection(gateway.port) as connection:
        connection.send(data)
        answer = connection.receive()
        assert answer.status in codes
        assert connection.rest() == b""


CHUNKED = b"5\r\nhello\r\n0\r\n\r\n"
HEADS = {
    "length and chunked": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "chunked and length": b"Transfer-Encoding: chunked\r\nContent-Length: 15\r\n",
    "length and identity": b"Content-Length: 5\r\nTransfer-Encoding: identity\r\n",
    "length 0 and chunked": b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
    "chunked twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
    "chunked, chunked": b"Transfer-Encoding: chunked, chunked\r\n",
    "chunked then identity": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    "chunked, identity": b"Transfer-Encoding: chunked, identity\r\n",
    "identity": b"Transfer-Encoding: identity\r\n",
    "identity then chunked": b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
    "gzip": b"Transfer-Encoding: gzip\r\n",
    "gzip, chunked": b"Transfer-Encoding: gzip, chunked\r\n",
    "chunked, gzip": b"Transfer-Encoding: chunked, gzip\r\n",
    "nonsense": b"Transfer-Encoding: cow\r\n",
    "cow, chunked": b"Transfer-Encoding: cow, chunked\r\n",
    "xchunked": b"Transfer-Encoding: xchunked\r\n",
    "chunkedx": b"Transfer-Encoding: chunkedx\r\n",
    "quoted": b'Transfer-Encoding: "chunked"\r\n',
    "with a parameter": b"Transfer-Encoding: chunked;q=1\r\n",
    "vertical tab": b"Transfer-Encoding: \x0bchunked\r\n",
    "empty coding": b"Transfer-Encoding: \r\n",
    "space before colon": b"Transfer-Encoding : chunked\r\n",
    "tab before colon": b"Transfer-Encoding\t: chunked\r\n",
    "underscore": b"Transfer_Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
    "folded": b"Transfer-Encoding:\r\n chunked\r\n",
    "folded value": b"Transfer-Encoding: chunked\r\n , identity\r\n",
    "behind a bare CR": b"X-A: b\rTransfer-Encoding: chunked\r\n",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 15\r\n",
    "two equal lengths": b"Content-Length: 15\r\nContent-Length: 15\r\n",
    "length list": b"Content-Length: 5, 15\r\n",
    "equal length list": b"Content-Length: 15, 15\r\n",
    "length +": b"Content-Length: +15\r\n",
    "length -": b"Content-Length: -15\r\n",
    "length hex": b"Content-Length: 0x0f\r\n",
    "length float": b"Content-Length: 15.0\r\n",
    "length exponent": b"Content-Length: 1e1\r\n",
    "length with a space": b"Content-Length: 1 5\r\n",
    "length with underscore": b"Content-Length: 1_5\r\n",
    "length empty": b"Content-Length: \r\n",
    "length in other digits": b"Content-Length: \xd9\xa1\xd9\xa5\r\n",
    "length superscript": b"Content-Length: \xb2\r\n",
    "length beyond 64 bits": b"Content-Length: 18446744073709551631\r\n",
    "length endless": b"Content-Length: " + b"9" * 5000 + b"\r\n",
    "length space before colon": b"Content-Length : 15\r\n",
    "length folded": b"Content-Length:\r\n 15\r\n",
}


@pytest.mark.conformance("P5")
@pytest.mark.parametrize("lines", HEADS.values(), ids=HEADS)
def test_ambiguous_framing_is_refused(gateway: Gateway, interviews: Service, bearer: bytes, lines: bytes) -> None:
    codes = (400, 413, 501) if b"184467" in lines or b"9999" in lines else (400, 501)
    refused(gateway, post(bearer, lines, CHUNKED + SMUGGLED), codes)
    assert interviews.requests == []


LINES = {
    "no colon": b"garbage\r\n",
    "empty name": b": value\r\n",
    "space in a name": b"X Name: value\r\n",
    "space before the colon": b"X-Name : value\r\n",
    "leading space": b" X-Name: value\r\n",
    "folded": b"X-Name: value\r\n more\r\n",
    "folded by tab": b"X-Name: value\r\n\tmore\r\n",
    "bare CR in a value": b"X-Name: a\rX-Evil: b\r\n",
    "CR CR LF": b"X-Name: a\r\r\n",
    "NUL in a value": b"X-Name: a\x00b\r\n",
    "NUL in a name": b"X-\x00Name: a\r\n",
    "control in a name": b"X-\x01: a\r\n",
    "bytes in a name": b"X-\xe9: a\r\n",
    "brackets in a name": b"X-(Name): a\r\n",
}


@pytest.mark.conformance("P5")
@pytest.mark.parametrize("lines", LINES.values(), ids=LINES)
def test_a_malformed_header_line_is_refused(gateway: Gateway, interviews: Service, bearer: bytes, lines: bytes) -> None:
    refused(gateway, post(bearer, lines, SMUGGLED, b"GET /interviews HTTP/1.1\r\n"))
    assert interviews.requests == []


@pytest.mark.conformance("P5")
@pytest.mark.parametrize(
    "lines", [b"X-Name: a\nX-Evil: b\r\n", b"X-Name: a\n\nGET /interviews/smuggled HTTP/1.1\r\nA: b\r\n"]
)
def test_a_bare_newline_is_refused_or_a_line_end(
    gateway: Gateway, interviews: Service, bearer: bytes, lines: bytes
) -> None:
    """RFC 9112, 2.2 lets a recipient take it for a line end; inside a value it must not go on."""
    answer = http.send(gateway.port, post(bearer, lines, b"", b"GET /interviews HTTP/1.1\r\n"))
    assert answer.status in (200, 400)
    for received in interviews.requests:
        assert b"\n" not in received.raw.replace(b"\r\n", b"")
        assert received.header("X-Name") == "a"
    assert all(received.target == b"/interviews" for received in interviews.requests)


REQUEST_LINES = {
    "no version": b"GET /interviews\r\n",
    "HTTP/2": b"GET /interviews HTTP/2.0\r\n",
    "HTTP/0.9": b"GET /interviews HTTP/0.9\r\n",
    "lower case": b"GET /interviews http/1.1\r\n",
    "another protocol": b"GET /interviews ICY/1.1\r\n",
    "long version": b"GET /interviews HTTP/1.10\r\n",
    "padded version": b"GET /interviews HTTP/01.1\r\n",
    "signed version": b"GET /interviews HTTP/+1.1\r\n",
    "nothing but spaces": b"   \r\n",
    "no target": b"GET HTTP/1.1\r\n",
    "more words": b"GET /interviews HTTP/1.1 HTTP/1.1\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",
    "HTTP/2 preface": b"PRI * HTTP/2.0\r\n",
}


@pytest.mark.conformance("P5")
@pytest.mark.parametrize("line", REQUEST_LINES.values(), ids=REQUEST_LINES)
def test_a_malformed_request_line_is_refused(gateway: Gateway, interviews: Service, bearer: bytes, line: bytes) -> None:
    refused(gateway, post(bearer, b"", SMUGGLED, line), (400, 405, 501, 505))
    assert interviews.requests == []


BODIES = {
    "size hex prefix": b"0x5\r\nhello\r\n0\r\n\r\n",
    "size +": b"+5\r\nhello\r\n0\r\n\r\n",
    "size -": b"-5\r\nhello\r\n0\r\n\r\n",
    "size underscore": b"0_5\r\nhello\r\n0\r\n\r\n",
    "size after a space": b" 5\r\nhello\r\n0\r\n\r\n",
    "size no number": b"five\r\nhello\r\n0\r\n\r\n",
    "size empty": b"\r\nhello\r\n0\r\n\r\n",
    "size only extension": b";a=b\r\nhello\r\n0\r\n\r\n",
    "size in other digits": b"\xd9\xa5\r\nhello\r\n0\r\n\r\n",
    "size ended by LF": b"5\nhello\r\n0\r\n\r\n",
    "size ended by CR": b"5\rhello\r\n0\r\n\r\n",
    "chunk longer than said": b"3\r\nhello\r\n0\r\n\r\n",
    "chunk ended by LF": b"5\r\nhello\n0\r\n\r\n",
    "chunk ended by nothing": b"5\r\nhello0\r\n\r\n",
    "newline in an extension": b"5;a=\nb\r\nhello\r\n0\r\n\r\n",
    "no size line": b"hello\r\n0\r\n\r\n",
    "size endless": b"0" * 100_000 + b"5\r\nhello\r\n0\r\n\r\n",
    "extension endless": b"5;" + b"a" * 100_000 + b"\r\nhello\r\n0\r\n\r\n",
}


@pytest.mark.conformance("P5")
@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_malformed_chunks_are_refused(gateway: Gateway, interviews: Service, bearer: bytes, body: bytes) -> None:
    refused(gateway, post(bearer, b"Transfer-Encoding: chunked\r\n", body + SMUGGLED), (400, 413))
    until(lambda: all(received.ended.is_set() for received in interviews.requests))
    assert not [received for received in interviews.requests if received.complete]


@pytest.mark.conformance("P5")
@pytest.mark.parametrize("tail", [b"X-User-Id: evil\r\n\r\n", b"Content-Length: 9\r\nHost: evil\r\n\r\n"])
def test_trailers_do_not_become_headers(gateway: Gateway, interviews: Service, bearer: bytes, tail: bytes) -> None:
    data = post(bearer, b"Transfer-Encoding: chunked\r\n", b"5\r\nhello\r\n0\r\n" + tail)
    assert http.send(gateway.port, data).status in (200, 400)
    for received in interviews.requests:
        assert b"evil" not in received.raw


@pytest.mark.conformance("P5")
def test_chunked_in_http_1_0_ends_the_connection(gateway: Gateway, interviews: Service, bearer: bytes) -> None:
    lines = b"Connection: keep-alive\r\nTransfer-Encoding: chunked\r\n"
    with http.Connection(gateway.port) as connection:
        connection.send(post(bearer, lines, CHUNKED + SMUGGLED, b"POST /interviews HTTP/1.0\r\n"))
        assert connection.receive().status in (200, 400, 501)
        assert connection.rest() == b""
    assert all(received.target == b"/interviews" for received in interviews.requests)


@pytest.mark.conformance("P5")
@pytest.mark.parametrize("coding", ["chunked", "Chunked", "CHUNKED", " \tchunked \t"])
def test_plain_chunked_is_understood(gateway: Gateway, interviews: Service, bearer: bytes, coding: str) -> None:
    lines = b"Transfer-Encoding:" + coding.encode() + b"\r\n"
    body = b"5;a=b\r\nhello\r\n000006\r\n world\r\nA\r\n0123456789\r\n0\r\nX-Trailer: 1\r\n\r\n"
    assert http.send(gateway.port, post(bearer, lines, body)).status == 200
    assert interviews.last.body == b"hello world0123456789"
