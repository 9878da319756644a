"""What a client may take: time for a head and a body, their sizes, how many headers."""

import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from harness import http
from harness.gateway import Gateway
from harness.gateways import GatewayFactory
from harness.service import Service
from harness.waiting import until

pytestmark = pytest.mark.timed


@pytest.fixture(scope="module")
def tight(make_gateway: GatewayFactory) -> Iterator[Gateway]:
    env = {"BODY_TIMEOUT": "1", "UPLOAD_TIMEOUT": "2", "MAX_BODY_BYTES": "1000", "MAX_UPLOAD_BYTES": "100000"}
    with make_gateway(env) as running:
        yield running


def settled(service: Service) -> None:
    until(lambda: all(received.ended.is_set() for received in service.requests), 5, "the calls' end")


@pytest.mark.conformance("L1")
def test_unfinished_heads_are_closed_and_starve_nobody(gateway: Gateway) -> None:
    starts = [b"", b"G", b"GET /health/live HTTP/1.1\r\n", b"GET /health/live HTTP/1.1\r\nHost: a\r\nX-A: b"]
    start = time.monotonic()
    idlers = [http.Connection(gateway.port) for _ in range(300)]
    try:
        for number, idler in enumerate(idlers):
            if number % 10 == 9:  # an earlier request gives no more time
                idler.request("GET", "/health/live")
                assert idler.receive().status == 200
            idler.send(starts[number % len(starts)] or starts[number % 10 // 4])
        waiting = set(idlers)
        while waiting:
            passed = time.monotonic() - start
            assert passed < 21, f"{len(waiting)} unfinished heads are still open"
            asked = time.monotonic()
            assert gateway.get("/health/live").status == 200
            assert time.monotonic() - asked < 2
            waiting = {idler for idler in waiting if not idler.closed(0)}
            for idler in [*waiting][:60]:
                with suppress(OSError):  # closed in between, as it should be
                    idler.send(b"x")
            time.sleep(0.5)
    finally:
        for idler in idlers:
            idler.close(hard=True)


@pytest.mark.conformance("L1")
def test_a_head_in_pieces_is_served(gateway: Gateway, users: Service, bearer: dict[str, str]) -> None:
    data = http.head("GET", "/users/me", bearer)
    with http.Connection(gateway.port) as connection:
        for begin in range(0, len(data), 100):
            connection.send(data[begin : begin + 100])
            time.sleep(0.02)
        assert connection.receive().status == 200


@pytest.mark.conformance("L4")
@pytest.mark.parametrize("end", [0, 1, 2, 3, 4])
def test_a_bodys_lines_are_no_headers(gateway: Gateway, interviews: Service, bearer: dict[str, str], end: int) -> None:
    """Wherever the bytes of a head are cut on their way, the last of them too."""
    body = b"\n" * 3000
    head = http.head("POST", "/interviews", bearer, body)
    with http.Connection(gateway.port) as connection:
        connection.send(head[: len(head) - end])
        time.sleep(0.1)
        connection.send(head[len(head) - end :] + body)
        assert connection.receive().status == 200
    assert interviews.last.body == body


@pytest.mark.conformance("L2")
@pytest.mark.parametrize("path", ["/interviews", "/media/a"])
@pytest.mark.parametrize("lead", [b"", b"hello"], ids=["at once", "on the way"])
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
def test_a_stalled_body_is_408(
    tight: Gateway,
    services: dict[str, Service],
    bearer: dict[str, str],
    path: str,
    lead: bytes,
    chunked: bool,
) -> None:
    framed = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", "100")
    with http.Connection(tight.port) as connection:
        connection.send(http.head("POST", path, [*bearer.items(), framed]))
        connection.send(http.chunk(lead) if chunked else lead)
        start = time.monotonic()
        answer = connection.receive()
        assert (answer.status, answer.json()["statusCode"]) == (408, 408)
        assert 0.5 < time.monotonic() - start < 4
        assert connection.closed(2)
    for service in services.values():
        settled(service)
        assert not [received for received in service.requests if received.complete]


@pytest.mark.conformance("L2")
def test_an_upload_may_stall_longer(tight: Gateway, media: Service, bearer: dict[str, str]) -> None:
    """UPLOAD_TIMEOUT holds on `/media`, in place of BODY_TIMEOUT: here a second more."""
    with http.Connection(tight.port) as connection:
        connection.send(http.head("PATCH", "/media/a", [*bearer.items(), ("Content-Length", "2")]) + b"a")
        time.sleep(1.4)
        connection.send(b"b")
        assert connection.receive().status == 200
    assert media.last.body == b"ab"


@pytest.mark.conformance("L2")
def test_a_stalled_sign_in_body_is_408(tight: Gateway) -> None:
    with http.Connection(tight.port) as connection:
        headers = {"Content-Type": "application/json", "Content-Length": "100"}
        connection.send(http.head("POST", "/auth/login", headers) + b'{"')
        assert connection.receive().status == 408


@pytest.mark.conformance("L2")
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
def test_a_slow_body_is_served(tight: Gateway, interviews: Service, bearer: dict[str, str], chunked: bool) -> None:
    """The time is for each read."""
    framed = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", "6")
    with http.Connection(tight.port) as connection:
        connection.send(http.head("POST", "/interviews", [*bearer.items(), framed]))
        for _ in range(6):
            connection.send(http.chunk(b"a") if chunked else b"a")
            time.sleep(0.35)
        connection.send(b"0\r\n\r\n" if chunked else b"")
        assert connection.receive().status == 200
    assert interviews.last.body == b"aaaaaa"


SIZES = [
    ("/interviews", 1000, 200),
    ("/interviews", 1001, 413),
    ("/interviews", 3_000_000, 413),
    ("/media/a", 100_000, 200),
    ("/media/a", 100_001, 413),
    ("/media/a", 3_000_000, 413),
    ("/auth/login", 1001, 413),
]


@pytest.mark.conformance("L2")
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
@pytest.mark.parametrize(("path", "size", "status"), SIZES)
def test_a_body_over_the_limit_is_413(
    tight: Gateway,
    services: dict[str, Service],
    bearer: dict[str, str],
    path: str,
    size: int,
    status: int,
    chunked: bool,
) -> None:
    whole = b"a" * size
    body = [whole[:600], whole[600:]] if chunked else whole
    headers = {**bearer, "Content-Type": "application/json"}
    answer = http.request(tight.port, "POST", path, headers, body)
    assert answer.status == status
    assert status == 200 or answer.json()["message"] == "Payload too large"
    for service in services.values():
        settled(service)
        complete = [received.length for received in service.requests if received.complete]
        assert complete in ([], [size] if status == 200 else [])


@pytest.mark.conformance("L2")
def test_a_body_that_says_it_is_too_large_is_not_waited_for(
    tight: Gateway, interviews: Service, bearer: dict[str, str]
) -> None:
    with http.Connection(tight.port) as connection:
        headers = {**bearer, "Content-Length": "1001", "Expect": "100-continue"}
        connection.send(http.head("POST", "/interviews", headers))
        answer = connection.receive()
    assert answer.status == 413
    assert interviews.requests == []


@pytest.mark.conformance("L2")
def test_chunk_sizes_are_counted_as_they_come(tight: Gateway, interviews: Service, bearer: dict[str, str]) -> None:
    with http.Connection(tight.port) as connection:
        connection.send(http.head("POST", "/interviews", bearer, []))
        for _ in range(1001):
            connection.send(http.chunk(b"a"))
        connection.send(b"0\r\n\r\n")
        answer = connection.receive()
    assert answer.status == 413
    settled(interviews)
    assert not [received for received in interviews.requests if received.complete]


@pytest.mark.conformance("L2", "P5")
@pytest.mark.parametrize("size", [b"10000000000000005", b"7fffffffffffffff", b"ffffffffffffffff"])
def test_an_enormous_chunk_is_refused(tight: Gateway, interviews: Service, bearer: dict[str, str], size: bytes) -> None:
    with http.Connection(tight.port) as connection:
        connection.send(http.head("POST", "/interviews", bearer, []) + size + b"\r\nhello\r\n0\r\n\r\n")
        assert connection.receive().status in (400, 408, 413)
        assert connection.closed(2)
    settled(interviews)
    assert not [received for received in interviews.requests if received.complete]


def many(count: int, length: int) -> list[tuple[str, str]]:
    return [(f"X-{number}", "a" * length) for number in range(count)]


@pytest.mark.conformance("L4")
@pytest.mark.parametrize("known", [True, False], ids=["with a token", "without"])
@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        ("/media/" + "a" * 100_000, [], 414),
        ("/media/a?" + "a" * 100_000, [], 414),
        ("/media/" + "a" * 1_000_000, [], 414),
        ("/media/a", many(1, 100_000), 431),
        ("/media/a", many(1, 1_000_000), 431),
        ("/media/a", many(500, 1), 431),
        ("/media/a", many(2000, 2000), 431),
        ("/media/a", [("X-" + "a" * 100_000, "b")], 431),
    ],
    ids=["path", "query", "endless path", "header", "endless header", "many", "many and long", "name"],
)
def test_a_head_too_large_is_refused(
    gateway: Gateway,
    media: Service,
    bearer: dict[str, str],
    known: bool,
    target: str,
    headers: list[tuple[str, str]],
    status: int,
) -> None:
    sent = [*headers, *bearer.items()] if known else headers
    answer = http.request(gateway.port, "GET", target, sent)
    assert (answer.status, answer.closed) == (status, True)
    assert media.requests == []


@pytest.mark.conformance("L4", "C2")
def test_large_cookies_pass(gateway: Gateway, media: Service, bearer: dict[str, str]) -> None:
    """All of a browser's cookies are one field, and some of them hold tokens."""
    cookie = "; ".join(f"c{number}={'a' * 3000}" for number in range(6))
    assert http.request(gateway.port, "GET", "/media/a", {**bearer, "Cookie": cookie}).status == 200
    assert media.last.header("Cookie") == cookie
