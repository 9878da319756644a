"""A body that ends with its connection is whole only where the peer ended it cleanly (RFC 9112 section 8)."""

import socket
import ssl
import struct
from collections.abc import Iterator

import pytest
from harness import http, replies
from harness.certificate import self_signed
from harness.gateway import ROOMY, Gateway
from harness.issuer import Issuer
from harness.service import Received, Service

PART = b'{"users": [{"id": 1}, '
OPEN = replies.head(200, [("Content-Type", "application/json"), ("Connection", "close")])


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that speaks TLS."""
    files = self_signed(tmp_path_factory.mktemp("tls"))
    with Service(tls=files) as service:
        yield service


@pytest.fixture(scope="module")
def both(
    secure: Service, issuer: Issuer, services: dict[str, Service], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Gateway]:
    """A gateway whose users are behind TLS, and whose interviews are not."""
    assert secure._tls is not None
    urls = {"users": secure.url, "interviews": services["interviews"].url}
    env = {**ROOMY, "CA_BUNDLE": str(secure._tls[0]), "PROXY_READ_TIMEOUT": "2"}
    with Gateway(env, issuer=issuer, services=urls, cwd=tmp_path_factory.mktemp("both")) as running:
        yield running


@pytest.fixture(autouse=True)
def fresh(secure: Service) -> None:
    secure.clear()


def closed_cleanly(received: Received, conn: socket.socket) -> bool:
    conn.sendall(OPEN + PART)
    if isinstance(conn, ssl.SSLSocket):
        conn.unwrap()
    return True


def reset_after(received: Received, conn: socket.socket) -> bool:
    conn.sendall(OPEN + PART)
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return True


def ended_without_close_notify(received: Received, conn: socket.socket) -> bool:
    conn.sendall(OPEN + PART)
    conn.shutdown(socket.SHUT_RDWR)
    return True


def ask(gateway: Gateway, path: str, token: str, version: str) -> http.Answer:
    lines = f"GET {path} {version}\r\nHost: a\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
    return http.send(gateway.port, lines.encode())


@pytest.mark.conformance("F8")
@pytest.mark.parametrize("path", ["/users/me", "/interviews/1"], ids=["TLS", "plain"])
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
def test_a_clean_end_is_the_end(
    both: Gateway, secure: Service, interviews: Service, token: str, path: str, version: str
) -> None:
    secure.answer = interviews.answer = closed_cleanly
    answer = ask(both, path, token, version)
    assert (answer.status, answer.body, answer.complete) == (200, PART, True)


@pytest.mark.conformance("F8")
@pytest.mark.parametrize(
    ("path", "reply"),
    [
        ("/interviews/1", reset_after),
        ("/users/me", reset_after),
        ("/users/me", ended_without_close_notify),
    ],
    ids=["reset", "TLS, reset", "TLS, no close_notify"],
)
@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/1.0"])
def test_any_other_end_is_a_cut(
    both: Gateway, secure: Service, interviews: Service, token: str, path: str, reply: object, version: str
) -> None:
    secure.answer = interviews.answer = reply  # type: ignore[assignment]
    with http.Connection(both.port) as connection:
        lines = f"GET {path} {version}\r\nHost: a\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n"
        connection.send(lines.encode())
        try:
            answer = connection.receive()
        except http.NoAnswerError:
            return  # reset before the head was read
        if answer.status == 502:
            return
        assert not answer.complete
    assert both.wait_line(lambda line: line.get("kind") == "cut")


def test_a_service_behind_tls_is_asked_streamed_to_and_kept(both: Gateway, secure: Service, token: str) -> None:
    for _ in range(3):
        assert both.get("/users/me", token).status == 200
        answer = both.get("/users/me", token, method="PUT", body=bytes(900_000), timeout=20)
        assert (answer.status, answer.json()["bodyLength"]) == (200, 900_000)
    asked = [(received.method, received.connection) for received in secure.requests]
    assert len({connection for _, connection in asked}) == 1, asked


@pytest.mark.conformance("P12")
def test_an_event_stream_behind_tls_may_be_silent_for_long(both: Gateway, secure: Service, token: str) -> None:
    secure.answer = replies.chunked(200, [("Content-Type", "text/event-stream")], [b"data: 1\n\n", b"data: 2\n\n"], 3.0)
    assert both.get("/users/me", token, timeout=20).body == b"data: 1\n\ndata: 2\n\n"
