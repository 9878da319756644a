"""What lasts longer than a call may, and what does not: downloads, uploads, event streams."""

import time
from collections.abc import Iterator

import pytest
from harness import http, replies
from harness.gateway import Gateway
from harness.gateways import GatewayFactory
from harness.service import Service
from harness.waiting import until

pytestmark = pytest.mark.timed


@pytest.fixture(scope="module")
def impatient(make_gateway: GatewayFactory) -> Iterator[Gateway]:
    env = {"PROXY_READ_TIMEOUT": "1", "PROXY_TOTAL_TIMEOUT": "2"}
    with make_gateway(env) as running:
        yield running


@pytest.mark.parametrize("quiet", [0.2, 1.5], ids=["longer than the total", "quieter than a read"])
def test_an_event_stream_outlives_the_time_outs(
    impatient: Gateway, interviews: Service, bearer: dict[str, str], quiet: float
) -> None:
    events = [b"data: %d\n\n" % number for number in range(round(2.8 / quiet))]
    typed = ("Content-Type", "Text/Event-Stream; charset=utf-8")
    interviews.answer = replies.chunked(200, [typed], events, pause=quiet)
    answer = http.request(impatient.port, "GET", "/interviews/1/events", bearer)
    assert (answer.body, answer.complete) == (b"".join(events), True)


def test_a_download_outlives_the_total(impatient: Gateway, media: Service, bearer: dict[str, str]) -> None:
    media.answer = replies.chunked(pieces=[b"a"] * 15, pause=0.2)
    answer = http.request(impatient.port, "GET", "/media/a", bearer)
    assert (answer.body, answer.complete) == (b"a" * 15, True)


def test_an_upload_outlives_the_total(impatient: Gateway, media: Service, bearer: dict[str, str]) -> None:
    def slowly() -> Iterator[bytes]:
        for _ in range(15):
            yield b"a"
            time.sleep(0.2)

    assert http.request(impatient.port, "POST", "/media/a", bearer, slowly()).status == 200
    assert media.last.body == b"a" * 15


def test_a_download_that_stalls_is_cut(impatient: Gateway, media: Service, bearer: dict[str, str]) -> None:
    media.answer = replies.hang(replies.head(200, [("Content-Length", "10")]) + b"hello")
    start = time.monotonic()
    answer = http.request(impatient.port, "GET", "/media/a", bearer)
    assert (answer.status, answer.complete) == (200, False)
    assert time.monotonic() - start < 4


@pytest.mark.conformance("L3")
def test_a_client_that_does_not_read_is_given_up(
    impatient: Gateway, interviews: Service, bearer: dict[str, str]
) -> None:
    """Outside /media the total time bounds the answer to its last byte, whoever is slow."""
    interviews.answer = replies.large(400 << 20)
    with http.Connection(impatient.port, receive_buffer=4096) as connection:
        connection.request("GET", "/interviews/1", bearer)
        until(lambda: interviews.requests)
        until(lambda: interviews.connections == 0, 5, "the call's end")
