"""A service that answers before an upload's end is heard at once, and the upload is stopped."""

import socket
import threading
import time
from functools import partial

import pytest
from harness import http, replies
from harness.gateway import Gateway
from harness.service import Received, Service
from harness.waiting import until

pytestmark = pytest.mark.timed

SIZE = 100_000_000
REFUSAL = replies.head(413, [("Content-Length", "7")]) + b"too big"


def begin(gateway: Gateway, bearer: dict[str, str], *, chunked: bool, first: bytes) -> http.Connection:
    framed = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(SIZE))
    connection = http.Connection(gateway.port, timeout=10)
    connection.send(http.head("POST", "/media/a", [*bearer.items(), framed]))
    connection.send(http.chunk(first) if chunked else first)
    return connection


@pytest.mark.conformance("P18")
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
@pytest.mark.parametrize("closes", [False, True], ids=["stays", "closes"])
def test_is_passed_on_while_the_client_pauses(
    gateway: Gateway, media: Service, bearer: dict[str, str], chunked: bool, closes: bool
) -> None:
    stays = threading.Event()

    def refuse(received: Received, conn: socket.socket) -> bool:
        conn.sendall(REFUSAL)
        if not closes:
            stays.wait(10)
        return True

    media.on_head = refuse
    try:
        with begin(gateway, bearer, chunked=chunked, first=b"a" * 1000) as connection:
            began = time.monotonic()
            answer = connection.receive()
            assert (answer.status, answer.body) == (413, b"too big")
            assert time.monotonic() - began < 2
    finally:
        stays.set()


@pytest.mark.conformance("P18")
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
def test_is_passed_on_where_the_service_reads_no_more(
    gateway: Gateway, media: Service, bearer: dict[str, str], chunked: bool
) -> None:
    """Its socket is full, the gateway's too, and the client's."""
    done = threading.Event()

    def refuse(received: Received, conn: socket.socket) -> bool:
        time.sleep(0.5)
        conn.sendall(REFUSAL)
        done.wait(20)
        return True

    media.on_head = refuse
    with begin(gateway, bearer, chunked=chunked, first=b"") as connection:

        def flood() -> None:
            piece = bytes(1 << 16)
            try:
                for _ in range(SIZE // len(piece)):
                    connection.send(http.chunk(piece) if chunked else piece)
            except OSError:
                pass

        flooding = threading.Thread(target=flood, name="flood")
        flooding.start()
        try:
            answer = connection.receive()
            assert (answer.status, answer.body) == (413, b"too big")
        finally:
            done.set()
            connection.close(True)
            flooding.join(20)


@pytest.mark.conformance("P18", "P17")
def test_an_interim_one_stops_no_upload(gateway: Gateway, media: Service, bearer: dict[str, str]) -> None:
    def hint(received: Received, conn: socket.socket) -> bool:
        conn.sendall(b"HTTP/1.1 104 Upload Resumption Supported\r\nUpload-Offset: 0\r\n\r\n")
        return False

    media.on_head = hint
    with begin(gateway, bearer, chunked=True, first=b"a" * 1000) as connection:
        time.sleep(0.3)
        connection.send(http.chunk(b"b" * 1000) + b"0\r\n\r\n")
        answer = connection.receive()
    assert (answer.status, answer.json()["bodyLength"]) == (200, 2000)


@pytest.mark.conformance("P18")
def test_a_service_that_goes_during_an_upload_is_502_at_once(
    gateway: Gateway, media: Service, bearer: dict[str, str]
) -> None:
    media.on_head = lambda received, conn: True
    with begin(gateway, bearer, chunked=False, first=b"a" * 1000) as connection:
        began = time.monotonic()
        assert connection.receive().status == 502
        assert time.monotonic() - began < 2


def has_come(service: Service, length: int) -> bool:
    return service.last.length == length


@pytest.mark.conformance("P12")
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
def test_what_arrives_of_an_upload_is_passed_on_at_once(
    gateway: Gateway, media: Service, bearer: dict[str, str], chunked: bool
) -> None:
    with begin(gateway, bearer, chunked=chunked, first=b"a" * 10) as connection:
        until(lambda: media.requests and media.last.length == 10)
        for number in range(1, 4):
            connection.send(http.chunk(b"b" * 10) if chunked else b"b" * 10)
            until(partial(has_come, media, 10 + 10 * number))


@pytest.mark.conformance("P12")
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
@pytest.mark.parametrize("hard", [False, True], ids=["closes", "resets"])
def test_a_client_that_leaves_an_upload_is_499_in_the_log(
    gateway: Gateway, media: Service, bearer: dict[str, str], chunked: bool, hard: bool
) -> None:
    path = f"/media/left-{chunked}-{hard}"
    framed = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(SIZE))
    with http.Connection(gateway.port) as connection:
        connection.send(http.head("POST", path, [*bearer.items(), framed]))
        connection.send(http.chunk(bytes(100_000)) if chunked else bytes(100_000))
        until(lambda: media.requests and media.last.length == 100_000)
        connection.close(hard)
    assert gateway.access_line(path)["statusCode"] == 499
