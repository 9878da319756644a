"""Refused clients that still send: they can read their answer, and it is bounded."""

import socket
import time

import pytest
from harness import http
from harness.gateway import Gateway
from harness.waiting import until


def send_slowly(connection: http.Connection, size: int, seconds: float, steps: int = 20) -> None:
    for _ in range(steps):
        connection.send(bytes(size // steps))
        time.sleep(seconds / steps)


@pytest.mark.conformance("L6")
@pytest.mark.parametrize("status", [401, 413])
def test_a_client_that_sends_on_reads_its_answer(gateway: Gateway, bearer: dict[str, str], status: int) -> None:
    """It looks for it only when it has sent all, and takes its time (RFC 9112 section 9.6)."""
    headers = bearer if status == 413 else {"Authorization": "Bearer x.y.z"}
    with http.Connection(gateway.port, timeout=10) as connection:
        connection.send(http.head("POST", "/interviews", {**headers, "Content-Length": "4000000"}))
        send_slowly(connection, 4_000_000, 3.5)
        answer = connection.receive()
    assert (answer.status, answer.header("Connection")) == (status, "close")


@pytest.mark.conformance("L6")
def test_a_refused_head_is_read_away_too(gateway: Gateway) -> None:
    with http.Connection(gateway.port, timeout=10) as connection:
        connection.send(b"GET /" + b"a" * 20_000)
        send_slowly(connection, 1_000_000, 3)
        assert connection.receive().status == 414


@pytest.mark.conformance("L6")
def test_who_falls_silent_is_let_go(gateway: Gateway) -> None:
    with http.Connection(gateway.port, timeout=10) as connection:
        connection.send(http.head("POST", "/interviews", {"Content-Length": "4000000"}) + b"a")
        assert connection.receive().status == 401
        ours = connection.socket.getsockname()
        until(lambda: ours not in peers(gateway.port), 8, "the end of the connection")


def peers(port: int) -> list[tuple[str, int]]:
    """Who is connected to a port, the orphans of the system left out."""
    found = []
    with open("/proc/net/tcp") as table:
        for line in list(table)[1:]:
            fields = line.split()
            local, remote, inode = fields[1], fields[2], fields[9]
            if int(local.split(":")[1], 16) == port and inode != "0":
                address, remote_port = remote.split(":")
                found.append((socket.inet_ntoa(bytes.fromhex(address)[::-1]), int(remote_port, 16)))
    return found
