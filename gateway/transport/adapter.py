"""The adapter under `requests`: a prepared request goes out as it is, byte for byte, on a kept connection.

`HTTPAdapter.send` is requests' extension point. The stock one normalises the target (`%7e` becomes `~`), adds headers,
folds repeated ones and costs three times as much a call.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

from opentelemetry.trace import Tracer
from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter

from gateway import spans
from gateway.spans import NO_TRACER
from gateway.transport.connections import Connection, Origin
from gateway.transport.faults import ConnectError, ResponseTimeout
from gateway.transport.response import UpstreamResponse


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Bounds of one call, in seconds: `connect` (name resolution and TLS included), `read` (between two bytes) and
    `total` (from the last byte of the request to the last of the answer; None: unbounded)."""

    connect: float
    read: float
    total: float | None = None


class Adapter(HTTPAdapter):
    """Sends prepared requests over connections of its own. It follows, retries, decodes, stores and adds nothing."""

    def __init__(self, tls: ssl.SSLContext, default: Timeouts, tracer: Tracer = NO_TRACER) -> None:
        """`tls` verifies peers; `default` bounds calls that name no time-out themselves; `tracer` makes the spans of
        what a session sends."""
        super().__init__()
        self._tracer = tracer
        self._tls = tls
        self._default = default
        self._origins: dict[str, Origin] = {}

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float, float] | tuple[float, None] | Timeouts | None = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> Response:
        """The answer to `request` as a session wants it, its body unread; `response.raw` is an `Answer`.

        `verify`, `cert` and `proxies` are not listened to: this adapter always verifies and never uses a proxy. Raises
        what `call` raises.
        """
        request.headers.update({name: _text(value) for name, value in request.headers.items()})
        answer = (self._traced_call if spans.traced() else self.call)(request, self._bounds(timeout))
        response = Response()
        response.status_code = answer.status
        response.reason = answer.reason
        response.url = request.url or ""
        response.raw = answer
        response.request = request
        return response

    def _traced_call(self, request: PreparedRequest, bounds: Timeouts) -> UpstreamResponse:
        with spans.http_call(self._tracer, request.method or "GET", request.url or "") as traced:
            answer = self.call(request, bounds)
            traced.status = answer.status
        return answer

    def call(
        self,
        request: PreparedRequest,
        bounds: Timeouts,
        *,
        fresh: bool = False,
        opened: Callable[[Connection], None] | None = None,
    ) -> UpstreamResponse:
        """The answer to `request`, its head read. What forwarding uses: requests' Response alone costs 27 us.

        `request.headers` must hold the framing of `request.body` (bytes, or an iterable of bytes). `fresh` asks for a
        new connection, `opened` gets the connection that is used. Raises the faults of
        `gateway.transport.faults`, and whatever `request.body` raises.
        """
        scheme, _, netloc, path = (request.url or "").split("/", 3)
        origin = self._origins.get(f"{scheme}//{netloc}") or self._origin(scheme, netloc)
        method = request.method or "GET"
        connection = origin.connection(bounds.connect, fresh=fresh)
        answer = None
        try:
            if opened is not None:
                opened(connection)
            connection.sock.settimeout(bounds.read)
            heard_early = _send(connection, method, f"/{path}", netloc, request)
            deadline = None if bounds.total is None else monotonic() + bounds.total
            answer = UpstreamResponse(origin, connection, method, bounds.read, deadline)
            answer.read_head()
        except BaseException:
            if answer is None:
                origin.drop(connection)
            else:
                answer.drop()
            raise
        if heard_early:
            answer.refuse_reuse()
        return answer

    def start(self) -> None:
        """Nothing: connections are made when they are needed."""

    def close(self, deadline: float = 0.0) -> None:
        """Close every kept connection."""
        for origin in self._origins.values():
            origin.close()

    def _bounds(self, timeout: Any) -> Timeouts:
        if isinstance(timeout, Timeouts):
            return timeout
        if timeout is None:
            return self._default
        connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        return Timeouts(connect or self._default.connect, read or self._default.read, self._default.total)

    def _origin(self, scheme: str, netloc: str) -> Origin:
        parts = urlsplit(f"{scheme}//{netloc}")
        if parts.hostname is None:
            raise ConnectError("no host in the URL")
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
        # Bounded by the configuration: only its services and Keycloak's endpoints are called.
        return self._origins.setdefault(f"{scheme}//{netloc}", Origin(parts.scheme, parts.hostname, port, self._tls))


def _send(connection: Connection, method: str, target: str, netloc: str, request: PreparedRequest) -> bool:
    """Write the request. True where the peer closed its side before the body's end: its answer may be there."""
    fields = request.headers.items()
    lines = [f"{name}: {value}\r\n" for name, value in fields if name != "Host"]
    head = f"{method} {target} HTTP/1.1\r\nHost: {netloc}\r\n{''.join(lines)}\r\n"
    if head.count("\n") != len(lines) + 3:
        raise ValueError("a line break in a header")
    body: Any = request.body
    data = head.encode("latin-1")
    if body is None or isinstance(body, (bytes, str)):
        data += body.encode() if isinstance(body, str) else body or b""
        return not _put(connection, data)
    if not _put(connection, data):
        return True
    chunked = "Transfer-Encoding" in request.headers
    return not all(_put(connection, piece) for piece in (_chunks(body) if chunked else body))


def _put(connection: Connection, data: bytes) -> bool:
    try:
        sent = connection.sock.send(data)
        if sent < len(data):
            connection.sock.sendall(data[sent:])
    except TimeoutError:
        raise ResponseTimeout("the peer does not read") from None
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def _chunks(pieces: Iterable[bytes]) -> Iterable[bytes]:
    """RFC 9112 section 7.1, without trailers."""
    for piece in pieces:
        if piece:
            yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")
