"""A call by itself: what it leaves behind."""

import gc
from collections.abc import Iterator
from contextlib import suppress

import pytest
from harness import replies
from harness.service import Answerer, Service
from requests import PreparedRequest, RequestException, Session
from requests.structures import CaseInsensitiveDict

from gateway.transport import Adapter, Connection, Timeouts, UpstreamResponse, tls_context

BOUNDS = Timeouts(2.0, 0.2, 2.0)


@pytest.fixture
def adapter() -> Iterator[Adapter]:
    running = Adapter(tls_context(None), BOUNDS)
    yield running
    running.close()


def call_and_read(adapter: Adapter, request: PreparedRequest) -> None:
    got = adapter.call(request, BOUNDS)
    try:
        got.read()
    finally:
        got.close()


@pytest.mark.parametrize(
    "answer",
    [
        replies.sized(200, body=b"all"),
        replies.sized(200, [("X", "x")] * 200),
        replies.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhal", True),
        replies.raw(b"garbage\r\n\r\n", True),
        replies.reset(),
        replies.hang(),
    ],
    ids=["good", "refused", "cut", "garbage", "reset", "hanging"],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_leaves_nothing_to_the_garbage_collector(
    users: Service, adapter: Adapter, method: str, answer: Answerer
) -> None:
    users.answer = answer
    request = PreparedRequest()
    request.method, request.url, request.headers = method, f"{users.url}/a", CaseInsensitiveDict()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(3):
            with suppress(RequestException):
                call_and_read(adapter, request)
        gc.collect()
        left = [thing for thing in gc.garbage if isinstance(thing, (UpstreamResponse, Connection))]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == []


def test_host_is_that_of_the_url(users: Service, adapter: Adapter) -> None:
    session = Session()
    session.mount("http://", adapter)
    assert session.get(f"{users.url}/a", headers={"Host": "elsewhere.example"}).status_code == 200
    assert users.last.all("Host") == [users.url.removeprefix("http://")]
