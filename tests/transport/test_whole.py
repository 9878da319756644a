"""The fast path for whole responses accepts a strict subset of what llhttp accepts, with the same result."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.transport.faults import ProtocolError
from gateway.transport.parser import ResponseParser
from gateway.transport.whole import whole_response

TOKEN = b"!#$%&'*+-.^_`|~09AZaz"
ODD = [b"\r", b"\n", b"\r\n", b"\0", b" ", b"\t", b":", b"\x7f", b"\x80", b"\xff", b",", b"/", b"(", b""]
NAMES = [b"Content-Length", b"Content-Type", b"Transfer-Encoding", b"Connection", b"Upgrade", b"Proxy-Connection",
         b"Keep-Alive", b"Trailer", b"TE", b"X-A", b"content-length", b"ETag", b"Set-Cookie"]  # fmt: skip
VALUES = [b"0", b"2", b"5", b"05", b" 2", b"2 ", b"\t2\t", b"2, 2", b"+2", b"0x2", b"9" * 12, b"chunked", b"gzip",
          b"close", b"keep-alive", b"keep-alive, x", b"upgrade", b"h2c", b"a=b; c", b"", b"\xe4"]  # fmt: skip
STARTS = [b"HTTP/1.1 200 OK", b"HTTP/1.1 200 ", b"HTTP/1.1 200", b"HTTP/1.1 204 No", b"HTTP/1.1 304 N",
          b"HTTP/1.0 200 OK", b"HTTP/1.1 100 C", b"HTTP/1.1 999 X", b"HTTP/1.1 404 Not Found",
          b"HTTP/1.1  200 OK", b"http/1.1 200 OK",
          b"HTTP/1.1 500 \xe4\t", b"HTTP/2 200 OK", b" HTTP/1.1 200 OK"]  # fmt: skip

token = st.lists(st.sampled_from(list(TOKEN)), min_size=1, max_size=8).map(bytes)
text = st.binary(max_size=12)
name = st.sampled_from(NAMES) | token | text
value = st.sampled_from(VALUES) | text
colon = st.sampled_from([b": ", b":", b" : ", b":\t", b":  "])
line = st.tuples(name, colon, value).map(b"".join)
end = st.sampled_from([b"\r\n"] * 8 + [b"\n", b"\r", b"\r\n "])
body = st.sampled_from([b"", b"ok", b"hello", b"2\r\nok\r\n0\r\n\r\n", b"ok" + b"HTTP/1.1 200 OK\r\n\r\n"]) | st.binary(
    max_size=6
)


@st.composite
def anything_like_a_response(draw: st.DrawFn) -> bytes:
    """A response by the grammar, with odd bytes put in here and there."""
    content = draw(body)
    sized = b"Content-Length: %d" % len(content)
    lines = draw(st.lists(line, max_size=5))
    if draw(st.booleans()):
        lines.insert(draw(st.integers(0, len(lines))), sized)
    data = draw(st.sampled_from(STARTS)) + draw(end)
    data += b"".join(one + draw(end) for one in lines) + b"\r\n" + content
    if draw(st.booleans()):
        place = draw(st.integers(0, len(data)))
        data = data[:place] + draw(st.sampled_from(ODD)) + data[place + draw(st.integers(0, 2)) :]
    return data


def by_llhttp(data: bytes) -> tuple[ResponseParser, bytes]:
    arrived: list[bytes] = []
    parser = ResponseParser(arrived, head_only=False)
    parser.feed(data)
    return parser, b"".join(arrived)


@settings(max_examples=1500)
@given(anything_like_a_response())
@example(b"HTTP/1.1 200 OK\r\nProxy-Connection: close\r\nContent-Length: 2\r\n\r\nok")
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok")
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\nok")
@example(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
def test_says_what_llhttp_says(data: bytes) -> None:
    fast = whole_response(data)
    if fast is None:
        return
    head, content = fast
    parser, expected = by_llhttp(data)
    assert parser.head is not None
    assert (head.status, head.reason, head.headers) == (parser.head.status, parser.head.reason, parser.head.headers)
    assert (head.fields, head.length, content) == (parser.head.fields, parser.head.length, expected)
    assert parser.is_complete and not parser.is_dirty
    assert parser.head.keeps_alive or not head.keeps_alive


USUAL = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 404 Not Found\r\nX-A: \xe4 b\t\r\ncontent-length:0\r\n\r\n",
    b"HTTP/1.1 500 \r\nContent-Length: 5 \r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\nConnection: Close\r\n\r\nhello",
]


@pytest.mark.parametrize("data", USUAL, ids=range(len(USUAL)))
def test_takes_the_usual(data: bytes) -> None:
    """Else the property above could hold of nothing."""
    assert whole_response(data) is not None
    test_says_what_llhttp_says.hypothesis.inner_test(data)  # type: ignore[attr-defined]


@settings(max_examples=500)
@given(anything_like_a_response(), st.lists(st.integers(0, 120), max_size=4))
def test_it_does_not_matter_where_the_bytes_are_parted(data: bytes, cuts: list[int]) -> None:
    def read(pieces: list[bytes]) -> object:
        arrived: list[bytes] = []
        parser = ResponseParser(arrived, head_only=False)
        try:
            for piece in pieces:
                if piece:
                    parser.feed(piece)
        except ProtocolError:
            return None
        return parser.head, b"".join(arrived), parser.is_complete

    places = sorted({min(cut, len(data)) for cut in cuts})
    pieces = [data[start:end] for start, end in zip([0, *places], [*places, len(data)], strict=True)]
    if b"\t" not in data:  # a tab at a line's end that is parted from it is refused
        assert read(pieces) == read([data])
