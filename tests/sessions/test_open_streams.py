"""Signed out is signed out, also for what is open (CONFORMANCE O14): streams end with their session."""

import time
from collections.abc import Callable, Iterator
from typing import Any, ClassVar

import pytest
from harness import jose, replies
from harness.each_worker import connected
from harness.gateway import Gateway
from harness.gateways import GatewayFactory
from harness.http import Connection, CutError
from harness.logout import end_by_keycloak
from harness.provider import Scripted
from harness.service import Answerer, Service
from harness.visitor import Visitor

ENDED = 2.5
"""Two seconds, and what a loaded machine adds."""

SSE = ("Content-Type", "text/event-stream")
CHUNKED = ("Transfer-Encoding", "chunked")
STREAMS: dict[str, tuple[str, Answerer]] = {
    "an event stream": ("/interviews/1/events", replies.chunked(200, [SSE], [b"data: 1\n\n"] * 200, 0.1)),
    "a quiet event stream": ("/interviews/1/events", replies.hang(replies.head(200, [SSE, CHUNKED]) + b"1\r\na\r\n")),
    "one until the connection ends": ("/interviews/1/events", replies.hang(replies.head(200, [SSE]) + b"data: 1\n\n")),
    "a slow download": ("/media/a", replies.drip(b"x" * 400, replies.head(200, [("Content-Length", "400")]))),
    "a large download": ("/media/a", replies.large(1 << 31)),
}


QUIET = (STREAMS["a quiet event stream"][1], STREAMS["one until the connection ends"][1])
CUT = "Proxy: a stream ends with its session"


@pytest.fixture(scope="module")
def pair(make_gateway: GatewayFactory, running_realm: Scripted) -> Iterator[Gateway]:
    with make_gateway({"JWT_LEEWAY": "1"}, issuer=running_realm, workers=2) as running:
        yield running


class Guest(Visitor):
    """Somebody who is signed in; `sid` is Keycloak's name for the session."""

    def __init__(self, gateway: Gateway, realm: Scripted, user: str) -> None:
        super().__init__(gateway)
        self.user = user
        realm.access_token = realm.id_token = {"claims": {"sub": user}}
        self.sid: str = jose.decode(self.signed_in(realm.authorize)["accessToken"])[1]["sid"]
        realm.restore()


def by_logout(guest: Guest, realm: Scripted) -> None:
    assert guest.copy().post("/auth/logout").status == 200


def by_back_channel(guest: Guest, realm: Scripted) -> None:
    end_by_keycloak(guest.gateway, realm, sid=guest.sid)


def for_all_of_the_user(guest: Guest, realm: Scripted) -> None:
    end_by_keycloak(guest.gateway, realm, sub=guest.user)


def opened(line: Connection, who: Guest | str, path: str) -> Any:
    """The response to this request by cookie or token, its head and first bytes read."""
    headers = {"Authorization": f"Bearer {who}"} if isinstance(who, str) else {"Cookie": who.cookie_header(path)}
    line.request("GET", path, headers)
    answer = line.receive_head()
    assert answer.status == 200
    pieces = line.pieces(answer)
    assert next(pieces)
    return pieces


def cut_after(pieces: Any) -> float:
    """How long the body goes on until it breaks off; AssertionError where it comes to a clean end."""
    began = time.monotonic()
    try:
        for _ in pieces:
            assert time.monotonic() - began < 8, "it goes on"
    except CutError:
        return time.monotonic() - began
    raise AssertionError("it came to a clean end")


@pytest.mark.conformance("O14")
@pytest.mark.parametrize("end", [by_logout, by_back_channel, for_all_of_the_user])
@pytest.mark.parametrize(("path", "reply"), STREAMS.values(), ids=STREAMS)
def test_a_stream_is_cut_off_on_every_worker(
    pair: Gateway,
    realm: Scripted,
    services: dict[str, Service],
    path: str,
    reply: Answerer,
    end: Callable[[Guest, Scripted], None],
) -> None:
    services[path.split("/")[1]].answer = reply
    guest, other = Guest(pair, realm, f"user-{end.__name__}-{path}"), Guest(pair, realm, "somebody-else")
    first, second = pair.workers()
    with (
        connected(pair, first, timeout=10) as one,
        connected(pair, second, timeout=10) as two,
        connected(pair, second, timeout=10) as three,
    ):
        streams = [opened(line, guest, path) for line in (one, two)]
        goes_on = opened(three, other, path)
        end(guest, realm)
        for stream in streams:
            assert cut_after(stream) < ENDED
        if reply not in QUIET:
            assert next(goes_on), "somebody else's goes on"
    pair.wait_line(lambda line: line["message"] == CUT and line["userId"] == guest.user)


@pytest.mark.conformance("O14")
def test_a_client_that_does_not_read_is_cut_off_too(
    pair: Gateway, realm: Scripted, services: dict[str, Service]
) -> None:
    services["media"].answer = replies.large(1 << 31)
    guest = Guest(pair, realm, "user-who-does-not-read")
    with Connection(pair.port, timeout=10, receive_buffer=65536) as line:
        opened(line, guest, "/media/a")
        by_logout(guest, realm)
        pair.wait_line(lambda line: line.get("url") == "/media/a" and line.get("userId") == guest.user)


class TestAtTheEndOfTheToken:
    """Its `exp`, and the leeway of a second."""

    SHORT: ClassVar[dict[str, Any]] = {"life": 3}

    @pytest.mark.conformance("O14")
    def test_an_event_stream_ends(self, pair: Gateway, realm: Scripted, services: dict[str, Service]) -> None:
        services["interviews"].answer = STREAMS["an event stream"][1]
        token = realm.mint(**self.SHORT)
        with Connection(pair.port, timeout=10) as line:
            stream = opened(line, token, "/interviews/1/events")
            assert 1.5 < cut_after(stream) < 4 + ENDED

    def test_a_download_finishes(self, pair: Gateway, realm: Scripted, services: dict[str, Service]) -> None:
        body = b"x" * 60
        services["media"].answer = replies.drip(body, replies.head(200, [("Content-Length", str(len(body)))]))
        with Connection(pair.port, timeout=10) as line:
            rest = opened(line, realm.mint(**self.SHORT), "/media/a")
            assert len(b"".join(rest)) + 1 == len(body)

    def test_it_may_outlive_it(
        self, make_gateway: GatewayFactory, realm: Scripted, services: dict[str, Service]
    ) -> None:
        services["interviews"].answer = replies.chunked(200, [SSE], [b"data: 1\n\n"] * 60, 0.1)
        env = {"JWT_LEEWAY": "1", "STREAMS_OUTLIVE_TOKEN": "true"}
        with make_gateway(env, issuer=realm) as gateway, Connection(gateway.port, timeout=10) as line:
            for _ in opened(line, realm.mint(**self.SHORT), "/interviews/1/events"):
                pass
