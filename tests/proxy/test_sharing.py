"""Nothing of one user reaches another, and nothing of the machine's surroundings gets into a call."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from harness import http, replies
from harness.gateway import Gateway, StartGateway
from harness.issuer import Issuer
from harness.service import Received, Service
from harness.waiting import until


@pytest.fixture
def proxy() -> Iterator[Service]:
    with Service() as service:
        yield service


@pytest.mark.conformance("P10", "P9")
def test_a_services_cookie_stays_with_its_user(gateway: Gateway, issuer: Issuer, users: Service) -> None:
    cookies = ["sid=of-anna; Path=/", "everywhere=1; Domain=127.0.0.1", "local=2; Path=/users; HttpOnly"]
    users.answer = replies.sized(200, [("Set-Cookie", cookie) for cookie in cookies])
    assert gateway.get("/users/me", issuer.mint(sub="anna")).all("Set-Cookie") == cookies
    for sub in ("ben", "anna"):
        assert gateway.get("/users/me", issuer.mint(sub=sub)).status == 200
        assert "cookie" not in users.last.names
    assert gateway.get("/users/me", issuer.mint(sub="ben"), {"Cookie": "own=1"}).status == 200
    assert users.last.header("Cookie") == "own=1"


@pytest.mark.conformance("P10")
def test_no_answer_is_kept_for_another(gateway: Gateway, issuer: Issuer, users: Service) -> None:
    def answer(received: Received, conn: socket.socket) -> None:
        headers = [("Cache-Control", "public, max-age=600"), ("ETag", '"1"')]
        replies.sized(200, headers, (received.header("X-User-Id") or "").encode())(received, conn)

    users.answer = answer
    for sub in ("anna", "ben", "anna"):
        assert gateway.get("/users/me", issuer.mint(sub=sub)).body == sub.encode()
    assert len(users.requests) == 3


@pytest.mark.conformance("P10")
def test_many_users_at_once_stay_apart(gateway: Gateway, issuer: Issuer, users: Service) -> None:
    def answer(received: Received, conn: socket.socket) -> None:
        user = received.header("X-User-Id") or ""
        headers = [("Set-Cookie", f"user={user}"), ("X-Roles", received.header("X-User-Roles") or "")]
        replies.slow(0.002, replies.sized(200, headers, user.encode() * 500))(received, conn)

    users.answer = answer
    subs = [f"user-{number:02d}" for number in range(40)]
    tokens = {sub: issuer.mint({"realm_access": {"roles": [f"role-{sub}"]}}, sub=sub) for sub in subs}

    def ask(sub: str) -> list[str]:
        wrong = []
        with http.Connection(gateway.port, timeout=20) as connection:
            for _ in range(10):
                connection.request("GET", "/users/me", {"Authorization": f"Bearer {tokens[sub]}"})
                got = connection.receive()
                mine = (sub.encode() * 500, [f"user={sub}"])
                if (got.body, got.all("Set-Cookie")) != mine or f"role-{sub}" not in (got.header("X-Roles") or ""):
                    wrong.append(f"{sub} got {got.body[:40]!r} {got.headers}")
        return wrong

    with ThreadPoolExecutor(20) as pool:
        assert [fault for faults in pool.map(ask, subs) for fault in faults] == []
    assert len(users.requests) == 400


@pytest.mark.conformance("P10")
def test_a_connection_given_up_in_an_answer_is_not_used_again(gateway: Gateway, issuer: Issuer, users: Service) -> None:
    """Anna leaves in the middle of her answer; what is left of it is not the beginning of Ben's."""

    def answer(received: Received, conn: socket.socket) -> None:
        if received.header("X-User-Id") == "anna":
            replies.chunked(pieces=[b"of anna " * 100] * 20, pause=0.02)(received, conn)
        else:
            replies.sized(200, body=b"of ben")(received, conn)

    users.answer = answer
    anna, ben = issuer.mint(sub="anna"), issuer.mint(sub="ben")
    for number in range(5):
        with http.Connection(gateway.port) as connection:
            connection.request("GET", "/users/me", {"Authorization": f"Bearer {anna}"})
            assert connection.receive_head().status == 200
            connection.close(hard=bool(number % 2))
        assert gateway.get("/users/me", ben).body == b"of ben"


@pytest.mark.conformance("P9", "P10")
@pytest.mark.parametrize("upper", [True, False], ids=["HTTP_PROXY", "http_proxy"])
def test_the_surroundings_change_no_call(
    start_gateway: StartGateway, proxy: Service, users: Service, token: str, tmp_path: Path, upper: bool
) -> None:
    (tmp_path / ".netrc").write_text(
        "machine 127.0.0.1 login someone password netrc-secret\ndefault login someone password netrc-secret\n"
    )
    (tmp_path / ".netrc").chmod(0o600)
    names = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"]
    surroundings = {name if upper else name.lower(): proxy.url for name in names}
    netrc = {"HOME": str(tmp_path), "NETRC": str(tmp_path / ".netrc")}
    gateway = start_gateway({**surroundings, **netrc})
    assert gateway.get("/users/me", token).status == 200
    assert users.last.header("Authorization") == f"Bearer {token}"
    assert gateway.get("/health").status == 200
    until(lambda: users.probes)
    assert proxy.accepted == 0
