"""The service behind all candidates, the issuer's documents, and who takes log lines and spans: `python -m bench.stub`.

One asyncio protocol that answers every request of a load with the same bytes: about 20 us a request, the same for all
candidates, on the load's core. It prints its port, then reads the issuer's documents (path to JSON, one line) from
standard input, and ends when that does. With a number as its argument it answers a user so many milliseconds late.
"""

import asyncio
import json
import sys
from typing import ClassVar

from bench.loads import ANSWER_BYTES, LARGE_BYTES, SHAPES, STREAM_PIECES


def _head(framing: str) -> bytes:
    return (
        "HTTP/1.1 200 OK\r\n"
        "Server: stub\r\n"
        "Date: Sun, 01 Nov 2026 12:00:00 GMT\r\n"
        "Content-Type: application/json\r\n"
        f"{framing}\r\n"
        'ETag: "6544-400"\r\n'
        "\r\n"
    ).encode()


def _answer(body: bytes) -> bytes:
    return _head(f"Content-Length: {len(body)}") + body


def _text(size: int) -> bytes:
    return b'{"text":"%b"}' % (b"x" * (size - 11))


_STREAM = SHAPES["stream"].path.encode()
_CHUNK = b"%x\r\n%b\r\n" % (ANSWER_BYTES, _text(ANSWER_BYTES))
_METHODS_WITH_BODY = (b"POST", b"PUT")


class Stub(asyncio.Protocol):
    """One connection. A request with a body comes alone: a client's PUT, or a batch of lines or spans."""

    answers: ClassVar[dict[bytes, bytes]] = {SHAPES["large"].path.encode(): _answer(_text(LARGE_BYTES))}
    ordinary = _answer(_text(ANSWER_BYTES))
    late = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._read = b""

    def data_received(self, data: bytes) -> None:
        self._read += data
        if self._read.startswith(_METHODS_WITH_BODY):
            head, _, body = self._read.partition(b"\r\n\r\n")
            if len(body) == int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0):
                self._read = b""
                self._transport.write(b"HTTP/1.1 204 No Content\r\n\r\n" if head[:4] == b"POST" else self.ordinary)
            return
        *heads, self._read = self._read.split(b"\r\n\r\n")
        for head in heads:
            path = head.split(b" ", 2)[1]
            if path == _STREAM:
                self._transport.write(_head("Transfer-Encoding: chunked"))
                self._stream(STREAM_PIECES)
            elif path in self.answers or not self.late:
                self._transport.write(self.answers.get(path, self.ordinary))
            else:
                asyncio.get_running_loop().call_later(self.late, self._transport.write, self.ordinary)

    def _stream(self, left: int) -> None:
        self._transport.write(_CHUNK if left else b"0\r\n\r\n")
        if left:
            asyncio.get_running_loop().call_soon(self._stream, left - 1)


async def serve() -> None:
    """Serve until standard input ends."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Stub, "127.0.0.1", 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    documents = json.loads(await loop.run_in_executor(None, sys.stdin.readline))
    Stub.answers |= {path.encode(): _answer(text.encode()) for path, text in documents.items()}
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    Stub.late = float(sys.argv[1]) / 1000 if sys.argv[1:] else 0.0
    asyncio.run(serve())
