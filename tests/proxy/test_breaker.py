"""One stuck or dead service takes no other down: calls in flight are bounded, a breaker opens and closes."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness import http, replies
from harness.gateway import Gateway, StartGateway
from harness.ports import free_port
from harness.service import Answerer, Received, Service
from harness.waiting import until

pytestmark = pytest.mark.timed

BREAKS_AFTER = 5
TRIES_AGAIN = 5


@pytest.fixture
def mortal() -> Iterator[Service]:
    """A service of the test's own, to be stopped and started."""
    with Service() as service:
        yield service


def unavailable(answer: http.Answer) -> None:
    assert (answer.status, answer.json()["message"]) == (503, "Service unavailable")
    assert int(answer.header("Retry-After") or "") > 0


@pytest.mark.conformance("L5")
def test_a_stuck_service_is_bounded_and_takes_no_other_down(
    start_gateway: StartGateway, users: Service, interviews: Service, token: str
) -> None:
    gateway = start_gateway({"PROXY_MAX_IN_FLIGHT": "5", "PROXY_USER_SHARE": "1"})
    release = threading.Event()

    def stuck(received: Received, conn: socket.socket) -> None:
        release.wait(20)
        replies.sized(200, body=b"late")(received, conn)

    users.answer = stuck
    with ThreadPoolExecutor(5) as pool:
        try:
            held = [pool.submit(gateway.get, "/users/me", token, timeout=20) for _ in range(5)]
            until(lambda: len(users.requests) == 5)
            for _ in range(3):
                unavailable(gateway.get("/users/me", token))
            start = time.monotonic()
            for _ in range(20):
                assert gateway.get("/interviews", token).status == 200
            assert time.monotonic() - start < 5
        finally:
            release.set()
        assert [future.result().body for future in held] == [b"late"] * 5
    assert len(users.requests) == 5
    users.answer = None
    assert gateway.get("/users/me", token).status == 200


@pytest.mark.conformance("L5")
def test_calls_that_clients_have_left_make_room(start_gateway: StartGateway, users: Service, token: str) -> None:
    gateway = start_gateway({"PROXY_MAX_IN_FLIGHT": "5", "PROXY_USER_SHARE": "1"})
    users.answer = replies.hang()
    for _ in range(3):
        left = [http.Connection(gateway.port) for _ in range(5)]
        for connection in left:
            connection.request("GET", "/users/me", {"Authorization": f"Bearer {token}"})
        until(lambda: users.connections >= 5)
        for connection in left:
            connection.close()
        until(lambda: users.connections == 0, 4, "the calls' end")
    users.answer = None
    assert gateway.get("/users/me", token).status == 200


def statuses_until_open(gateway: Gateway, token: str, failure: int) -> list[int]:
    seen: list[int] = []
    while len(seen) < BREAKS_AFTER + 3:
        answer = gateway.get("/interviews/1", token)
        seen.append(answer.status)
        if answer.status == 503:
            unavailable(answer)
            return seen
        assert answer.status == failure
    raise AssertionError(f"the breaker did not open: {seen}")


def test_the_breaker_opens_for_refusals_and_closes(start_gateway: StartGateway, mortal: Service, token: str) -> None:
    gateway = start_gateway(services={"interviews": mortal.url})
    assert gateway.get("/interviews/1", token).status == 200
    mortal.stop()
    seen = statuses_until_open(gateway, token, 502)
    assert len(seen) > BREAKS_AFTER // 2, "each request is one call, and a second one at most"
    mortal.start()
    until(lambda: gateway.get("/interviews/1", token).status == 200, TRIES_AGAIN + 2, "the breaker to close")
    assert [gateway.get("/interviews/1", token).status for _ in range(5)] == [200] * 5


def test_one_line_says_that_the_breaker_opened(start_gateway: StartGateway, mortal: Service, token: str) -> None:
    """Of calls that were in flight together, the one whose failure opened it."""
    gateway = start_gateway({"PROXY_READ_TIMEOUT": "1"}, services={"interviews": mortal.url})
    mortal.answer = replies.hang()
    paths = [f"/interviews/{number}" for number in range(2 * BREAKS_AFTER)]
    with ThreadPoolExecutor(len(paths)) as pool:
        assert set(pool.map(lambda path: gateway.get(path, token, timeout=20).status, paths)) == {504}
    assert [gateway.access_line(path).get("breaker") for path in paths].count("opened") == 1


def test_the_breaker_opens_for_silence_and_lets_one_call_try(
    start_gateway: StartGateway, mortal: Service, token: str
) -> None:
    gateway = start_gateway({"PROXY_READ_TIMEOUT": "1"}, services={"interviews": mortal.url})
    mortal.answer = replies.hang()
    statuses_until_open(gateway, token, 504)
    opened, arrived = time.monotonic(), len(mortal.requests)
    for _ in range(5):
        unavailable(gateway.get("/interviews/1", token))
    assert time.monotonic() - opened < 0.9, "an open breaker refuses at once"
    assert len(mortal.requests) == arrived
    mortal.answer = replies.slow(0.7)
    time.sleep(TRIES_AGAIN + 0.2)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: gateway.get("/interviews/1", token), range(8)))
    assert sorted(answer.status for answer in answers) == [200] + [503] * 7
    assert len(mortal.requests) == arrived + 1
    assert gateway.get("/interviews/1", token).status == 200


def test_a_try_whose_client_left_closes_nothing(start_gateway: StartGateway, mortal: Service, token: str) -> None:
    """It says nothing of the service, which is still silent."""
    gateway = start_gateway({"PROXY_READ_TIMEOUT": "1"}, services={"interviews": mortal.url})
    mortal.stop()
    statuses_until_open(gateway, token, 502)
    mortal.answer = replies.hang()
    mortal.start()
    time.sleep(TRIES_AGAIN + 0.2)
    with http.Connection(gateway.port) as leaver:
        leaver.request("GET", "/interviews/1", {"Authorization": f"Bearer {token}"})
        until(lambda: mortal.requests)
    assert mortal.last.left.wait(2.5)
    assert 503 in [gateway.get("/interviews/1", token).status for _ in range(3)]


def test_an_open_breaker_is_that_services_alone(start_gateway: StartGateway, users: Service, token: str) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    gateway = start_gateway(services={"interviews": nobody, "users": users})
    statuses_until_open(gateway, token, 502)
    assert gateway.get("/users/me", token).status == 200
    assert gateway.get("/health/live").status == 200


@pytest.mark.parametrize(
    ("reply", "status"),
    [
        (replies.sized(500), 500),
        (replies.sized(503), 503),
        (replies.sized(504), 504),
        (replies.raw(b"garbage\r\n\r\n", close=True), 502),
        (replies.raw(b"HTTP/1.1 101 Switching\r\n\r\n"), 502),
    ],
    ids=["500", "503", "504", "garbage", "101"],
)
def test_an_answer_never_opens_the_breaker(
    gateway: Gateway, interviews: Service, token: str, reply: Answerer, status: int
) -> None:
    interviews.answer = reply
    answers = [gateway.get("/interviews/1/answers", token, method="POST", body=b"") for _ in range(12)]
    assert [answer.status for answer in answers] == [status] * 12
    assert len(interviews.requests) == 12


def test_a_good_call_in_between_starts_the_count_anew(start_gateway: StartGateway, mortal: Service, token: str) -> None:
    gateway = start_gateway({"PROXY_READ_TIMEOUT": "1"}, services={"interviews": mortal.url})
    good = replies.sized(200)
    mortal.answer = replies.per_path({b"/interviews/1/stuck": replies.hang(), b"/interviews/1/good": good})
    for _ in range(2):
        with ThreadPoolExecutor(4) as pool:
            stuck = [pool.submit(gateway.get, "/interviews/1/stuck", token, method="POST") for _ in range(4)]
            assert [future.result().status for future in stuck] == [504] * 4
        assert gateway.get("/interviews/1/good", token).status == 200


@pytest.mark.parametrize("dead_first", [True, False], ids=["dead first", "dead last"])
def test_a_dead_instance_is_passed_over(
    start_gateway: StartGateway, users: Service, token: str, dead_first: bool
) -> None:
    urls = [f"http://127.0.0.1:{free_port()}", users.url]
    gateway = start_gateway(services={"users": ",".join(urls if dead_first else urls[::-1])})
    bodies = [b"hello", None] * 10
    for body in bodies:
        assert gateway.get("/users/me", token, method="PUT" if body else "GET", body=body).status == 200
    assert [received.body for received in users.requests] == [body or b"" for body in bodies]


def test_instances_share_the_calls(start_gateway: StartGateway, users: Service, mortal: Service, token: str) -> None:
    gateway = start_gateway(services={"users": f"{users.url},{mortal.url}"})
    for _ in range(20):
        assert gateway.get("/users/me", token).status == 200
    assert len(users.requests) + len(mortal.requests) == 20
    assert users.requests and mortal.requests
    mortal.stop()
    assert [gateway.get("/users/me", token).status for _ in range(10)] == [200] * 10
