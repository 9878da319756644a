"""The answer that is written at once against gunicorn's own: the same fields, the same framing, the same body."""

import socket
from collections import Counter
from collections.abc import Sequence

from gunicorn.config import Config
from gunicorn.http.errors import InvalidResponseHeader
from gunicorn.http.wsgi import Response
from hypothesis import given, settings
from hypothesis import strategies as some

from gateway.worker.request import Parser, StrictRequest
from gateway.worker.response import CoalescedResponse
from gateway.worker.turns import Turns

CONFIG = Config()
REQUESTS = [
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.0\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
]
STATUSES = ["200 OK", "201 ", "204 No Content", "304 Not Modified", "404 Not Found", "503 \xe9\t"]
NAMES = ["Content-Type", "ETag", "X-A", "x-a", "Set-Cookie"]
OF_ONE_CONNECTION = ["Keep-Alive", "TE", "Transfer-Encoding", "connection", "Upgrade", "Proxy-Authenticate"]

values = some.sampled_from(["", "a", "a=b; c", "\xe9", "a\tb", "chunked", "close", "a\r\nb", "a\nb", "a\0b", "a\x7fb"])
fields = some.tuples(some.sampled_from(NAMES), values | some.text(some.characters(max_codepoint=255), max_size=6))
dropped = some.tuples(some.sampled_from(OF_ONE_CONNECTION), some.sampled_from(["", "a", "chunked", "close", "h2c"]))
lengths = some.tuples(some.sampled_from(["Content-Length", "content-length"]), some.integers(0, 12).map(str))


class Lasting:
    alive = True


def written(kind: type[Response | CoalescedResponse], asked: bytes, status: str, said: list[tuple[str, str]],
            pieces: Sequence[bytes]) -> tuple[Counter[bytes], bytes]:  # fmt: skip
    """The lines of the head and the body, as a client of this kind of response reads them."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(asked)
        request: StrictRequest = next(Parser(CONFIG, ours, ("127.0.0.1", 4711)))
        more = (Lasting(), Turns()) if kind is CoalescedResponse else ()
        response = kind(request, ours, CONFIG, *more)
        response.start_response(status, said)
        for piece in pieces:
            response.write(piece)
        response.close()
        ours.shutdown(socket.SHUT_WR)
        head, _, body = b"".join(iter(lambda: theirs.recv(65_536), b"")).partition(b"\r\n\r\n")
    return Counter(line.rstrip(b" \t") for line in head.split(b"\r\n") if not line.startswith(b"Date: ")), body


@settings(max_examples=150)
@given(
    some.sampled_from(REQUESTS),
    some.sampled_from(STATUSES),
    some.lists(fields | dropped, max_size=5),
    some.none() | lengths,
    some.lists(some.sampled_from([b"", b"a", b"hello", b"0\r\n\r\n"]), max_size=3),
)
def test_it_is_what_gunicorn_writes(
    asked: bytes, status: str, said: list[tuple[str, str]], length: tuple[str, str] | None, pieces: list[bytes]
) -> None:
    said = [(name, value.strip(" \t")) for name, value in said] + ([length] if length else [])
    try:
        ours = written(CoalescedResponse, asked, status, list(said), pieces)
    except InvalidResponseHeader:
        return  # it writes nothing then
    assert ours == written(Response, asked, status, list(said), pieces)
