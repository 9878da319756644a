"""A peer on Redis's port that is none, or a broken one (docs/conformance.md, F3): whatever it says, that is an
outage."""

import itertools
import socket
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

import pytest
from harness.gateway import Gateway, StartGateway
from harness.gateways import GatewayFactory
from harness.issuer import Issuer
from harness.metrics import counted
from harness.relay import Relay
from harness.waiting import until

LIMIT = 5
ODD = {
    "a number": b":1\r\n",
    "nothing": b"$-1\r\n",
    "an empty list": b"*0\r\n",
    "a short list": b"*1\r\n:1\r\n",
    "a list of nothing": b"*2\r\n:1\r\n$-1\r\n",
    "a list of lists": b"*1\r\n" * 3000 + b":1\r\n",
    "a count that goes back": b"*2\r\n:-5\r\n:60000\r\n",
    "a huge list": b"*1000000000\r\n",
    "no number": b":abc\r\n",
    "no length": b"$abc\r\n",
    "a state": b"+OK\r\n",
    "a text": b"$2\r\nab\r\n",
    "an error": b"-OOM command not allowed\r\n",
    "an error of no text": b"-\xff\xfe\r\n",
    "HTTP": b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
    "noise": bytes(range(256)),
}
KEPT = ("a number", "an empty list", "a short list", "no length", "a state", "noise")

users = map("odd-{}".format, itertools.count())


class Peer:
    """Answers as a Redis that counts and keeps nothing else, but for what `says` has, by command or for `ALL`."""

    ALL = b""

    def __init__(self) -> None:
        self.says: dict[bytes, bytes] = {}
        self.asked: list[bytes] = []
        self._counts: Counter[bytes] = Counter()
        self.relay = Relay(self._serve)
        self.env = {"REDIS_URL": f"redis://{self.relay.address}/0", "RATE_LIMIT_DEFAULT": f"{LIMIT} per hour"}

    def be_good(self) -> None:
        self.says.clear()

    def _serve(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as lines:
            while line := lines.readline():
                words = [self._word(lines) for _ in range(int(line[1:]))]
                self.asked.append(words[0].upper())
                connection.sendall(self._answer(*words))

    @staticmethod
    def _word(lines: BinaryIO) -> bytes:
        length = int(lines.readline()[1:])
        return lines.read(length + 2)[:-2]

    def _answer(self, command: bytes, *words: bytes) -> bytes:
        command = command.upper()
        for reported in (command, self.ALL):
            if reported in self.says:
                return self.says[reported]
        if command == b"EVALSHA":
            self._counts[words[2]] += int(words[3])
            return b"*2\r\n:%d\r\n:3600000\r\n" % self._counts[words[2]]
        if command == b"SUBSCRIBE":
            return b"*3\r\n$9\r\nsubscribe\r\n$%d\r\n%s\r\n:1\r\n" % (len(words[0]), words[0])
        return {b"XRANGE": b"*0\r\n", b"GET": b"$-1\r\n", b"EVAL": b":1\r\n"}.get(command, b"+OK\r\n")


@pytest.fixture(scope="module")
def running_peer() -> Iterator[Peer]:
    peer = Peer()
    with peer.relay:
        peer.relay.open()
        yield peer


@pytest.fixture
def peer(running_peer: Peer) -> Iterator[Peer]:
    yield running_peer
    running_peer.be_good()


@pytest.fixture(scope="module")
def gateway(make_gateway: GatewayFactory, running_peer: Peer) -> Iterator[Gateway]:
    with make_gateway(running_peer.env, services=["users"]) as running:
        yield running
    check_quiet(running)


def check_quiet(gateway: Gateway) -> None:
    """It is an outage, not a fault of the gateway's own; the issuer refuses what is no refresh token."""
    errors = [line for line in gateway.lines() if line["level"] == "error"]
    assert [line for line in errors if "Keycloak" not in line["message"]] == []
    assert "Traceback" not in gateway.raw_output()


def wait_well(gateway: Gateway) -> None:
    counted(gateway, lambda now: now.value("redis_fallback") == 0)


def check_recovered(gateway: Gateway, issuer: Issuer, peer: Peer) -> None:
    """By itself; it counts there again. On a busy machine the peer may be late once more, which is an outage, too."""
    peer.be_good()

    def counts_there() -> bool:
        before = peer.asked.count(b"EVALSHA")
        assert gateway.get("/users/me", issuer.mint(sub=next(users))).status == 200
        return peer.asked.count(b"EVALSHA") > before

    until(counts_there, 15, "a count in Redis")
    until(lambda: gateway.get("/health").json()["services"]["redis"] == "healthy", 15, "a healthy Redis")


@pytest.mark.conformance("F3")
@pytest.mark.parametrize("answer", ODD.values(), ids=ODD.keys())
def test_a_count_that_is_none(gateway: Gateway, issuer: Issuer, peer: Peer, answer: bytes) -> None:
    """Neither an error nor without a limit."""
    wait_well(gateway)
    peer.says[b"EVALSHA"] = answer
    token = issuer.mint(sub=next(users))
    assert [gateway.get("/users/me", token).status for _ in range(LIMIT + 3)] == [200] * LIMIT + [429] * 3
    check_recovered(gateway, issuer, peer)


@pytest.mark.conformance("F3")
@pytest.mark.parametrize("command", [b"GET", b"SET", b"EVAL", b"XRANGE", b"SUBSCRIBE"], ids=bytes.decode)
@pytest.mark.parametrize("answer", [ODD[name] for name in KEPT], ids=KEPT)
def test_what_is_kept_is_none(gateway: Gateway, peer: Peer, command: bytes, answer: bytes) -> None:
    peer.be_good()
    wait_well(gateway)
    peer.says[command] = answer
    body, headers = b'{"refreshToken": "junk"}', {"Content-Type": "application/json"}
    for path in ("/auth/refresh", "/auth/logout", "/auth/login"):
        assert gateway.get(path, headers=headers, method="POST", body=body).status != 500, path


@pytest.mark.conformance("F3")
@pytest.mark.parametrize("name", ["a number", "no length", "a state", "HTTP", "noise"])
def test_at_the_start(start_gateway: StartGateway, issuer: Issuer, peer: Peer, name: str) -> None:
    peer.says[Peer.ALL] = ODD[name]
    gateway = start_gateway(peer.env)
    token = issuer.mint(sub=next(users))
    assert [gateway.get("/users/me", token).status for _ in range(LIMIT + 3)] == [200] * LIMIT + [429] * 3
    assert gateway.get("/health").json()["services"]["redis"] == "unhealthy"
    until(lambda: any("REDIS_URL" in line["message"] for line in gateway.lines()), 5, "a line that says so")
    check_recovered(gateway, issuer, peer)
    check_quiet(gateway)


@pytest.mark.conformance("F3")
@pytest.mark.parametrize("hello", [b"+OK\r\n", b"-ERR unknown command 'HELLO'\r\n", b"-NOPROTO sorry\r\n"], ids=ascii)
def test_one_that_speaks_no_newer_protocol_is_used(
    start_gateway: StartGateway, issuer: Issuer, peer: Peer, hello: bytes
) -> None:
    peer.says[b"HELLO"] = hello
    gateway = start_gateway(peer.env)
    wait_well(gateway)
    before = peer.asked.count(b"EVALSHA")
    assert gateway.get("/users/me", issuer.mint(sub=next(users))).status == 200
    assert peer.asked.count(b"EVALSHA") > before
    check_quiet(gateway)
