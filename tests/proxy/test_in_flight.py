"""Calls under way: honest clients are all served, and one user's uploads and streams take nobody's place."""

import socket
import threading
import time

import pytest
from harness import http, replies
from harness.gateway import StartGateway
from harness.issuer import Issuer
from harness.service import Received, Service
from harness.waiting import until

EVENTS = [("Content-Type", "text/event-stream")]


class Crowd:
    """`size` clients on kept connections, each of which asks again as soon as it is answered, for `seconds`."""

    def __init__(self, port: int, token: str, size: int, seconds: float) -> None:
        self.statuses: list[int] = []
        self.failures: list[str] = []
        end = time.monotonic() + seconds
        barrier = threading.Barrier(size)

        def client() -> None:
            try:
                with http.Connection(port, timeout=30) as connection:
                    barrier.wait(30)
                    while time.monotonic() < end:
                        connection.request("GET", "/users/me", {"Authorization": f"Bearer {token}"})
                        self.statuses.append(connection.receive().status)
            except Exception as error:
                self.failures.append(repr(error))

        threads = [threading.Thread(target=client, name="crowd") for _ in range(size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)


@pytest.mark.conformance("F11")
def test_500_clients_of_a_service_that_takes_50_ms_get_no_error(
    start_gateway: StartGateway, users: Service, token: str
) -> None:
    gateway = start_gateway()
    users.answer = replies.slow(0.05, replies.sized(200, body=b"ok"))
    crowd = Crowd(gateway.port, token, 500, 6)
    assert crowd.failures == []
    assert set(crowd.statuses) == {200}
    assert len(crowd.statuses) > 500


@pytest.mark.conformance("L9")
def test_one_users_dripping_uploads_leave_others_alone(
    start_gateway: StartGateway, media: Service, issuer: Issuer
) -> None:
    gateway = start_gateway({"PROXY_MAX_IN_FLIGHT": "5"})
    slow, polite = issuer.mint(sub="slow"), issuer.mint(sub="polite")
    uploads = [http.Connection(gateway.port) for _ in range(5)]
    try:
        for upload in uploads:
            framed = [("Authorization", f"Bearer {slow}"), ("Content-Length", "100000000")]
            upload.send(http.head("POST", "/media/a", framed) + bytes(70_000))
        until(lambda: len(media.requests) == 2)
        for number in range(5):
            for upload in uploads[:2]:
                upload.send(b"x")
            assert gateway.get(f"/media/{number}", polite).status == 200
        answer = gateway.get("/media/mine", polite, method="POST", body=[bytes(70_000)] * 2)
        assert (answer.status, answer.json()["bodyLength"]) == (200, 140_000)
    finally:
        for upload in uploads:
            upload.close()


@pytest.mark.conformance("L9")
def test_one_users_stuck_calls_leave_others_alone(start_gateway: StartGateway, users: Service, issuer: Issuer) -> None:
    gateway = start_gateway({"PROXY_MAX_IN_FLIGHT": "4"})
    greedy, polite = issuer.mint(sub="greedy"), issuer.mint(sub="polite")
    release = threading.Event()

    def answer(received: Received, conn: socket.socket) -> bool:
        if greedy in (received.header("Authorization") or ""):
            release.wait(20)
        return bool(replies.sized(200, body=b"ok")(received, conn))

    users.answer = answer
    held = [http.Connection(gateway.port, timeout=30) for _ in range(2)]
    try:
        for connection in held:
            connection.request("GET", "/users/me", {"Authorization": f"Bearer {greedy}"})
        until(lambda: len(users.requests) == 2)
        refused = gateway.get("/users/me", greedy)
        assert (refused.status, refused.header("Retry-After")) == (503, "1")
        assert [gateway.get("/users/me", polite).status for _ in range(5)] == [200] * 5
        release.set()
        assert [connection.receive().status for connection in held] == [200, 200]
    finally:
        release.set()
        for connection in held:
            connection.close()
    assert gateway.get("/users/me", greedy).status == 200


@pytest.mark.conformance("L5", "F11")
def test_event_streams_are_apart_from_calls_and_give_their_places_back(
    start_gateway: StartGateway, interviews: Service, token: str
) -> None:
    gateway = start_gateway({"PROXY_MAX_IN_FLIGHT": "2", "PROXY_USER_SHARE": "1"})
    stream = replies.hang(replies.head(200, EVENTS) + b"data: 1\n\n")
    interviews.answer = replies.per_path({b"/interviews/1/events": stream})
    bearer = {"Authorization": f"Bearer {token}"}
    for _ in range(3):
        streams = [http.Connection(gateway.port) for _ in range(2)]
        for connection in streams:
            connection.request("GET", "/interviews/1/events", bearer)
            assert connection.receive_head().status == 200
        assert [gateway.get("/interviews/2", token).status for _ in range(5)] == [200] * 5
        assert gateway.get("/interviews/1/events", token).status == 503
        for connection in streams:
            connection.close()
        until(lambda: interviews.connections <= 1, 5, "the streams' end")


@pytest.mark.conformance("L9")
def test_a_small_body_that_drips_asks_for_no_place_before_it_is_here(
    start_gateway: StartGateway, interviews: Service, token: str
) -> None:
    gateway = start_gateway({"PROXY_MAX_IN_FLIGHT": "2", "PROXY_USER_SHARE": "1"})
    dripping = [http.Connection(gateway.port) for _ in range(5)]
    try:
        for connection in dripping:
            framed = [("Authorization", f"Bearer {token}"), ("Content-Length", "1000")]
            connection.send(http.head("POST", "/interviews/1/answers", framed) + b"x")
        assert [gateway.get("/interviews/2", token).status for _ in range(5)] == [200] * 5
        assert len(interviews.requests) == 5
    finally:
        for connection in dripping:
            connection.close()
