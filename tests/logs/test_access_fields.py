"""What a request's line says of its size, its client, and the queue and the breaker on its way."""

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness import http, replies
from harness.gateway import Gateway, StartGateway
from harness.issuer import Issuer
from harness.metrics import counted
from harness.ports import free_port
from harness.service import Received, Service
from harness.waiting import until

from gateway.proxy.concurrency import WINDOW_SECONDS

LONGEST_AGENT = 200


@pytest.fixture
def own(start_gateway: StartGateway, users: Service) -> Iterator[tuple[Gateway, Service]]:
    """A gateway, and an interview service that can be stopped."""
    with Service(port=free_port()) as service:
        yield start_gateway(services={"users": users.url, "interviews": service.url}), service


class TestSizes:
    def test_of_a_body_of_known_length(self, gateway: Gateway, issuer: Issuer, interviews: Service) -> None:
        interviews.answer = replies.sized(200, [], b"y" * 77)
        gateway.get("/interviews/size-1", issuer.mint(), method="PUT", body=b"x" * 1234)
        line = gateway.access_line("/interviews/size-1")
        assert (line["requestBytes"], line["responseBytes"]) == (1234, 77)

    def test_of_chunks(self, gateway: Gateway, issuer: Issuer, media: Service) -> None:
        """Without their framing."""
        media.answer = replies.chunked(200, [], [b"y" * 1000] * 5)
        head = http.head("PUT", "/media/size-2", [("Authorization", f"Bearer {issuer.mint()}"),
                                                  ("Transfer-Encoding", "chunked")])  # fmt: skip
        gateway.provoke(head + b"7\r\nxxxxxxx\r\n3\r\nyyy\r\n0\r\n\r\n")
        line = gateway.access_line("/media/size-2")
        assert (line["statusCode"], line["requestBytes"], line["responseBytes"]) == (200, 10, 5000)

    def test_of_nothing(self, gateway: Gateway, issuer: Issuer, interviews: Service) -> None:
        """The body of a HEAD's answer is not sent."""
        interviews.answer = replies.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n")
        gateway.get("/interviews/size-3", issuer.mint(), method="HEAD")
        line = gateway.access_line("/interviews/size-3")
        assert (line["requestBytes"], line["responseBytes"]) == (0, 0)

    def test_of_an_answer_of_the_gateways_own(self, gateway: Gateway) -> None:
        answer = gateway.get("/auth/login", method="POST", headers={"Content-Type": "application/json"}, body=b"[1]")
        line = gateway.access_line("/auth/login")
        assert (line["requestBytes"], line["responseBytes"]) == (3, len(answer.body))

    def test_of_a_body_that_nobody_reads(self, gateway: Gateway) -> None:
        gateway.get("/interviews/size-4", method="POST", body=b"x" * 50)
        assert gateway.access_line("/interviews/size-4")["requestBytes"] == 0


class TestUserAgent:
    @pytest.mark.parametrize(
        ("number", "sent", "shown"),
        [
            (1, "a-browser/1.0 (X11; Linux)", "a-browser/1.0 (X11; Linux)"),
            (2, "u" * 5000, "u" * LONGEST_AGENT),
            (3, "a\tb\xc2\x9b31mred", "a\ufffdb\ufffd31mred"),
            (4, "\xd0\xaf-\xff", "Я-\ufffd"),
            (5, "я".encode().decode("latin-1") * 300, "я" * 100),
        ],
        ids=["as it came", "cut", "controls", "no text", "cut text"],
    )
    def test_it_is_shown(self, gateway: Gateway, number: int, sent: str, shown: str) -> None:
        gateway.get(f"/agent-{number}", headers={"User-Agent": sent})
        agent = gateway.access_line(f"/agent-{number}")["userAgent"]
        assert agent == shown and agent.isprintable()

    def test_without_one(self, gateway: Gateway) -> None:
        gateway.get("/agent-0")
        assert gateway.access_line("/agent-0")["userAgent"] is None


class TestOnTheWay:
    def test_an_undisturbed_call_says_nothing(self, gateway: Gateway, issuer: Issuer) -> None:
        gateway.get("/interviews/way-1", issuer.mint())
        assert not gateway.access_line("/interviews/way-1").keys() & {"queueDuration", "breaker"}

    def test_a_breaker_opens_refuses_and_tries(self, own: tuple[Gateway, Service], issuer: Issuer) -> None:
        gateway, interviews = own
        token = issuer.mint()
        interviews.stop()
        states = []
        for number in range(7):
            gateway.get(f"/interviews/breaker-{number}", token)
            states.append(gateway.access_line(f"/interviews/breaker-{number}").get("breaker"))
        assert states == [None, None, None, None, "opened", "open", "open"]
        refused = gateway.access_line("/interviews/breaker-6")
        assert (refused["code"], refused["instance"], refused["upstream"]) == (
            "breaker_open",
            None,
            "interview-service",
        )
        interviews.start()
        numbers = itertools.count(7)

        def answered() -> str | None:
            path = f"/interviews/breaker-{next(numbers)}"
            return path if gateway.get(path, token).status == 200 else None

        assert gateway.access_line(until(answered, 15, "the trial"))["breaker"] == "trial"

    @pytest.mark.timed
    def test_a_call_that_waits_for_a_place_says_how_long(
        self, start_gateway: StartGateway, issuer: Issuer, interviews: Service
    ) -> None:
        """A second without an answer takes one of the two places: the next call waits for the end of the first."""
        gateway = start_gateway({"PROXY_MAX_IN_FLIGHT": "2", "PROXY_MIN_IN_FLIGHT": "1", "PROXY_USER_SHARE": "1"})
        release = threading.Event()

        def hold(received: Received, connection: socket.socket) -> None:
            release.wait(20)
            replies.sized()(received, connection)

        interviews.answer = replies.per_path({b"/interviews/queue-1": hold, b"/interviews/queue-2": replies.sized()})
        token = issuer.mint()
        with ThreadPoolExecutor(2, "harness") as pool:
            first = pool.submit(gateway.get, "/interviews/queue-1", token)
            until(lambda: interviews.requests)
            window_ends = time.monotonic() + WINDOW_SECONDS
            until(lambda: time.monotonic() > window_ends)
            second = pool.submit(gateway.get, "/interviews/queue-2", token)
            counted(gateway, lambda now: now.value("active_connections") == 3)  # these two, and the one that asks
            release.set()
            assert first.result().status == second.result().status == 200
        assert "queueDuration" not in gateway.access_line("/interviews/queue-1")
        line = gateway.access_line("/interviews/queue-2")
        assert line["queueDuration"] > 0
        assert line["queueDuration"] + line["upstreamDuration"] < line["duration"] + 0.1, "each has its own time"
