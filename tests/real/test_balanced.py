"""Two gateways, as on two machines, behind Debian's nginx with TLS, which balances request by request; one real Redis.

nginx runs with the configuration of deploy/nginx.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest
from harness import jose, replies
from harness.gateway import Gateway
from harness.gateways import DEMO_SECRET, GatewayFactory
from harness.http import Answer
from harness.nginx import Nginx, Public
from harness.ports import free_port
from harness.provider import as_user
from harness.redis_server import RedisServer
from harness.refreshes import later
from harness.service import Service
from harness.together import at_once
from harness.visitor import Authorize, Visitor, set_by, target
from harness.waiting import until

from demo.identity import Client, Provider, running_provider
from demo.identity.settings import CORA, RICK

NAMES = {"": "localhost", "/api": "127.0.0.1"}
TABS = 50
KNOWN_SOON = 1.0
"""Seconds until one machine knows what has ended on the other; it is 0.05 while Redis is well."""

DARK = replace(
    CORA, id="33333333-3333-4333-8333-333333333333", username="dora", password="dora-password",
    email="dora@example.test", realm_roles=tuple(f"a-role-of-some-length-{number}" for number in range(200)),
)  # fmt: skip
"""Someone with many roles."""


@dataclass(frozen=True)
class Site:
    """Provider, services, Redis, two gateways, and nginx before them: `public` is what a browser sees."""

    provider: Provider
    users: Service
    media: Service
    redis: RedisServer
    gateways: tuple[Gateway, Gateway]
    public: Public
    frontend: str

    def visitor(self) -> Visitor:
        return Visitor(self.public, origin=self.frontend, root=self.public.root)  # type: ignore[arg-type]

    def as_user(self, name: str = "cora") -> Authorize:
        """Comes back to a callback as the gateways have it, without nginx's path."""
        return lambda url: as_user(name)(url).replace(f"{self.public.root}/auth/callback", "/auth/callback")

    def signed_in(self, name: str = "cora") -> Visitor:
        visitor = self.visitor()
        visitor.signed_in(self.as_user(name))
        return visitor

    def so_far(self, path: str) -> list[int]:
        """How many requests of this path each gateway has logged, once all that it holds is written."""
        for number, gateway in enumerate(self.gateways):
            fence = f"/fence/{time.monotonic_ns()}-{number}"
            gateway.get(fence)
            gateway.access_line(fence)  # one worker writes its lines in order
        return [sum(line.get("url") == path for line in gateway.lines()) for gateway in self.gateways]

    def served(self, path: str, so_far: Sequence[int] = (0, 0), *, count: int) -> list[int]:
        """How many requests of this path each gateway has served since `so_far`, which makes `count` in all."""

        def counted() -> list[int]:
            each = [sum(line.get("url") == path for line in gateway.lines()) for gateway in self.gateways]
            return [now - then for now, then in zip(each, so_far, strict=True)]

        return until(lambda: (found := counted()) and sum(found) == count and found, 5, f"lines of {path}")


@pytest.fixture(scope="module", params=["", "/api"], ids=["own host", "under a path"])
def site(
    make_gateway: GatewayFactory, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    root: str = request.param
    folder, port = tmp_path_factory.mktemp("site"), free_port()
    public_url = f"https://{NAMES[root]}:{port}{root}"
    frontend = f"https://{NAMES[root]}:{free_port()}"
    with ExitStack() as stack:
        users, media = (stack.enter_context(Service()) for _ in range(2))
        redis = stack.enter_context(RedisServer(folder))
        client = Client(redirect_uris=(f"{public_url}/auth/callback",), post_logout_redirect_uris=(f"{frontend}/*",))
        provider = stack.enter_context(running_provider(clients=(client,), users=(CORA, RICK, DARK)))
        settings = {
            "NODE_ENV": "production",
            "KEYCLOAK_ISSUER_URL": provider.issuer,
            "KEYCLOAK_CLIENT_SECRET": DEMO_SECRET,
            "KEYCLOAK_REDIRECT_URI": f"{public_url}/auth/callback",
            "PUBLIC_URL": public_url,
            "FRONTEND_URL": frontend,
            "TRUSTED_PROXIES": "127.0.0.1",
            "REDIS_URL": redis.url,
        }
        services = {"users": users.url, "interviews": users.url, "media": media.url}
        one, other = (stack.enter_context(make_gateway(settings, services=services, ready=True)) for _ in range(2))
        (folder / "nginx").mkdir()
        nginx = stack.enter_context(Nginx(folder / "nginx", port, (one.port, other.port)))
        yield Site(provider, users, media, redis, (one, other), Public(nginx, NAMES[root], root), frontend)
        for gateway in (one, other):
            failed = [line for line in gateway.lines() if line.get("statusCode", 0) >= 500]
            assert not [line for line in failed if not line["url"].startswith("/health")]
        expected = ("Connection refused", "temporarily disabled")  # of the gateway that goes
        assert not [line for line in nginx.errors.splitlines() if not any(words in line for words in expected)]


own_host = pytest.mark.parametrize("site", [""], ids=["own host"], indirect=True)
"""For what does not depend on where the gateways are found."""


def at(gateway: Gateway, visitor: Visitor) -> Visitor:
    """The same browser, with its requests on one gateway straight."""
    twin = visitor.copy()
    twin.gateway = gateway
    return twin


def claims(token: str) -> dict[str, Any]:
    """What a token says, unverified."""
    found: dict[str, Any] = json.loads(jose.unb64(token.split(".")[1]))
    return found


# Signing in


@pytest.mark.conformance("O1", "C1", "C5")
def test_login_and_callback_may_land_on_different_gateways(site: Site) -> None:
    visitor = site.visitor()
    answer = visitor.sign_in(site.as_user(), navigates=True, returnTo="/interviews?page=2#top")
    assert answer.status == 303, answer.text
    assert answer.header("Location") == f"{site.frontend}/interviews?page=2#top"
    login, callback = (site.served(f"/auth/{name}", count=1) for name in ("login", "callback"))
    assert login == callback[::-1]

    # RFC 6265bis section 4.1.3: what a browser asks of the prefixes.
    root = site.public.root
    kept = [cookie for cookie in set_by(answer) if cookie.life]
    assert {cookie.attributes["path"] for cookie in kept} == {root or "/", f"{root}/auth"}
    for cookie in kept:
        at_root = cookie.attributes["path"] == "/"
        assert cookie.name.startswith("__Host-" if at_root else "__Secure-")
        assert {"secure", "httponly"} <= set(cookie.attributes) and "domain" not in cookie.attributes

    assert [visitor.get("/users/me").status for _ in range(6)] == [200] * 6
    assert site.served("/users/me", count=6) == [3, 3]
    assert "gateway" not in (site.users.last.header("Cookie") or "")
    for gateway in site.gateways:
        session = at(gateway, visitor).get("/auth/session").json()
        assert session["authenticated"] and session["user"]["email"] == "cora@example.test"


@pytest.mark.conformance("O2")
def test_a_used_login_is_refused_by_the_other_gateway(site: Site) -> None:
    visitor = site.visitor()
    back = target(site.as_user()(visitor.begin().auth_url))
    replay = visitor.copy()
    one, other = site.gateways
    assert at(one, visitor).get(back).status == 200
    asked = site.provider.calls["token"]
    assert at(other, replay).get(back).status == 400
    assert site.provider.calls["token"] == asked, "the other gateway knew, and asked nobody"


@own_host
@pytest.mark.conformance("C2")
def test_the_cookies_of_someone_with_many_roles_pass(site: Site) -> None:
    visitor = site.signed_in("dora")
    assert len(visitor.cookie_header("/auth/session")) > 8192, "beyond nginx's own limit"
    for _ in range(2):
        assert visitor.get("/users/me").status == 200
        assert visitor.post("/auth/refresh").status == 200
    assert (site.users.last.header("X-User-Roles") or "").count(",") == 199


# Refreshing


@own_host
@pytest.mark.conformance("O7", "C8")
def test_parallel_refreshes_by_cookie_make_one_token_request_per_rotation(site: Site) -> None:
    visitor = site.signed_in()
    so_far = site.so_far("/auth/refresh")
    for turn in range(3):
        later()
        asked = site.provider.calls["token"]
        late = visitor.copy()
        answers = at_once([lambda: visitor.copy().post("/auth/refresh")] * TABS)
        assert {answer.status for answer in answers} == {200}
        assert site.provider.calls["token"] == asked + 1
        # 25 on each, and the two that come late.
        assert site.served("/auth/refresh", so_far, count=50 + turn * 52) == [25 + turn * 26] * 2
        assert not any("token" in answer.text.lower() for answer in answers)

        # A tab that slept, with what the refresh superseded, on either gateway: the same again.
        answers += [at(gateway, late).post("/auth/refresh") for gateway in site.gateways]
        assert site.provider.calls["token"] == asked + 1
        site.users.clear()
        for answer in answers[::7]:
            visitor.keep(answer)
            assert visitor.authenticated
        assert len({received.header("Authorization") for received in site.users.requests}) == 1, "one result"


@own_host
@pytest.mark.conformance("O7")
def test_parallel_refreshes_by_body_get_the_same_tokens(site: Site) -> None:
    visitor = site.visitor()
    token = visitor.signed_in(site.as_user("rick"))["refreshToken"]
    for _ in range(3):
        later()
        asked = site.provider.calls["token"]
        client = site.visitor()
        answers = at_once([lambda: client.post("/auth/refresh", {"refreshToken": token})] * TABS)
        results = {answer.text for answer in answers}
        assert {answer.status for answer in answers} == {200} and len(results) == 1
        assert site.provider.calls["token"] == asked + 1
        fresh = answers[0].json()
        assert fresh["refreshToken"] != token
        assert site.public.get("/users/me", fresh["accessToken"]).status == 200
        token = fresh["refreshToken"]


# Ends


@pytest.mark.conformance("O8", "O10")
def test_a_logout_on_one_gateway_is_401_on_the_other(site: Site) -> None:
    visitor = site.signed_in()
    assert visitor.authenticated
    bearer = (site.users.last.header("Authorization") or "").removeprefix("Bearer ")
    stale = visitor.copy()
    one, other = site.gateways
    answer = at(one, visitor).post("/auth/logout")
    assert answer.status == 200 and "endSessionUrl" in answer.json()
    assert all(cookie.life == 0 for cookie in set_by(answer))

    assert at(one, stale).get("/users/me").status == 401
    assert one.get("/users/me", bearer).status == 401
    until(lambda: not at(other, stale).authenticated, KNOWN_SOON, "the other machine to know")
    assert other.get("/users/me", bearer).status == 401
    for _ in range(2):  # on either
        assert site.public.get("/users/me", bearer).status == 401
        assert stale.copy().get("/auth/session").json() == {"authenticated": False}
        refused = stale.copy().post("/auth/refresh")
        assert refused.status == 401 and all(cookie.life == 0 for cookie in set_by(refused))


@pytest.mark.conformance("O10")
def test_a_back_channel_logout_ends_the_session_on_both(site: Site) -> None:
    mine, another = site.signed_in(), site.signed_in()
    assert mine.authenticated
    bearer = (site.users.last.header("Authorization") or "").removeprefix("Bearer ")
    logout_token = site.provider.mint_logout("cora", sid=claims(bearer)["sid"])

    def reported() -> Answer:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        body = f"logout_token={logout_token}".encode()
        return site.public.get("/auth/backchannel-logout", headers=form, method="POST", body=body)

    assert reported().status == 200
    for gateway in site.gateways:
        until(lambda: not at(gateway, mine).authenticated, KNOWN_SOON, "it to be known there")
        assert gateway.get("/users/me", bearer).status == 401
        assert at(gateway, another).authenticated, "that session alone"
    assert [reported().status for _ in range(2)] == [200, 200], "replayed on either"
    site.served("/auth/backchannel-logout", count=3)  # a worker holds its lines for a moment
    logged = [
        line for gateway in site.gateways for line in gateway.lines() if line.get("action") == "backchannel_logout"
    ]
    assert sum(line["userId"] == CORA.id for line in logged) == 1, "a replay does nothing"


# What nginx makes of it


@pytest.mark.conformance("P2", "P4")
def test_nginx_passes_on_what_was_asked_and_nothing_a_client_made_up(site: Site) -> None:
    visitor = site.signed_in()
    path = "/interviews/a%20b/c%7Ed;v=1?q=%2F%2f&q=a+b&empty="
    made_up = {
        "X-Forwarded-For": "6.6.6.6",
        "X-Forwarded-Proto": "gopher",
        "X-Forwarded-Host": "evil.test",
        "Forwarded": "for=6.6.6.6",
        "X-Real-IP": "6.6.6.6",
        "X-Request-Id": "made-up",
        "X-User-Id": "made-up",
        "traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01",
    }
    answer = visitor.get(path, headers=made_up)
    assert answer.status == 200
    received = site.users.last
    assert received.target == path.encode()
    assert received.header("X-Forwarded-For") == "127.0.0.1, 127.0.0.1"
    assert received.header("X-Forwarded-Proto") == "https"
    assert received.header("X-Forwarded-Host") == site.public.host
    assert received.header("X-User-Id") == CORA.id
    everything = "\n".join(f"{name}: {value}" for name, value in received.headers)
    assert not [value for value in ("6.6.6.6", "made-up", "evil.test", "ab" * 16) if value in everything]
    assert site.public.get("/metrics").status == 404
    arrived = len(site.users.requests)
    for odd in ("/users/../metrics", "/x/../users/me", "/%2e%2e/users/me", "/%2e%2e/metrics"):
        answer = visitor.get(odd)
        assert answer.status in (400, 404) or answer.text == "the frontend", (odd, answer.text)
    assert len(site.users.requests) == arrived


@own_host
@pytest.mark.conformance("P12")
def test_uploads_and_streams_go_through_nginx_as_they_come(site: Site) -> None:
    visitor = site.signed_in()
    site.media.clear()
    pairs = [("Cookie", visitor.cookie_header("/media")), ("Origin", site.frontend)]
    body = bytes(3 << 20)
    answer = site.public.get("/media/a.bin", headers=pairs, method="PUT", body=body)
    assert answer.status == 200 and answer.json()["bodyLength"] == len(body), "over MAX_BODY_BYTES, nginx's limit too"
    refused = site.public.get("/users/me", headers=pairs, method="PUT", body=body)
    assert refused.status == 413 and refused.json()["message"] == "Payload too large", "the gateway's own answer"

    site.users.answer = replies.chunked(
        headers=[("Content-Type", "text/event-stream")], pieces=[b"data: 1\n\n", b"data: 2\n\n"], pause=2
    )
    with site.public.connect() as connection:
        began = time.monotonic()
        connection.request("GET", "/interviews/events", [("Host", site.public.host), *pairs])
        pieces = connection.pieces(connection.receive_head())
        assert next(pieces) == b"data: 1\n\n"
        assert time.monotonic() - began < 1.5, "the first event at once"
        assert list(pieces) == [b"data: 2\n\n"]
    site.users.clear()


# Redis away


def redis_lines(gateway: Gateway, seen: Mapping[int, int]) -> list[tuple[str, str]]:
    lines = gateway.lines()[seen[gateway.port] :]
    return [(line["level"], line["message"]) for line in lines if "REDIS_URL" in line["message"]]


@own_host
@pytest.mark.conformance("F3")
@pytest.mark.parametrize(
    ("down", "up"),
    [
        pytest.param(RedisServer.hang, RedisServer.go_on, id="hanging"),
        pytest.param(RedisServer.kill, RedisServer.start, id="killed"),
    ],
)
def test_while_redis_is_away_each_machine_goes_on(
    site: Site, down: Callable[[RedisServer], None], up: Callable[[RedisServer], None]
) -> None:
    one, other = site.gateways
    leaving, staying = site.signed_in(), site.signed_in("rick")
    stale = leaving.copy()
    seen = {gateway.port: len(gateway.lines()) for gateway in site.gateways}
    down(site.redis)
    try:
        began = time.monotonic()
        assert [staying.get("/users/me").status for _ in range(10)] == [200] * 10
        assert site.signed_in().authenticated, "login and callback on two machines"
        asked = site.provider.calls["token"]
        answers = at_once([lambda: at(one, staying.copy()).post("/auth/refresh")] * TABS)
        assert {answer.status for answer in answers} == {200}
        assert site.provider.calls["token"] == asked + 1, "one machine still agrees"
        staying.keep(answers[0])
        assert at(one, leaving).post("/auth/logout").status == 200
        assert at(one, stale).get("/users/me").status == 401
        assert site.public.get("/health").json()["services"].get("redis", "unhealthy") == "unhealthy"
        assert time.monotonic() - began < 8
        time.sleep(3)  # tries in vain, without a word
        for gateway in site.gateways:
            assert [level for level, _ in redis_lines(gateway, seen)] == ["warn"]
    finally:
        up(site.redis)
    for gateway in site.gateways:
        until(lambda: len(redis_lines(gateway, seen)) == 2, 6, "Redis to be used again")
        assert redis_lines(gateway, seen)[1][0] == "info"
        assert not [text for _, text in redis_lines(gateway, seen) if "MARK" in text], "the password"
    until(lambda: not at(other, stale).authenticated, 6, "what ended meanwhile to be known")
    assert staying.authenticated
    late = site.signed_in()
    asked = site.provider.calls["token"]
    assert {answer.status for answer in at_once([lambda: late.copy().post("/auth/refresh")] * TABS)} == {200}
    assert site.provider.calls["token"] == asked + 1, "and two machines agree again"


@pytest.mark.conformance("S1")
def test_a_gateway_that_goes_takes_no_session_along(site: Site) -> None:
    visitor = site.signed_in()
    one, other = site.gateways
    one.stop()
    assert [visitor.get("/users/me").status for _ in range(10)] == [200] * 10
    assert visitor.post("/auth/refresh").status == 200
    assert at(other, visitor).authenticated
