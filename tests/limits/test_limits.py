"""Rate limits (docs/operating.md; statements R1-R3): who is counted together, for what, and what everybody is told of
it.

What an answer says is left shows whose bucket it was counted in; the gateways that are asked for it have room for all.
"""

import itertools
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from harness import jose, replies
from harness.allowance import NAMES, Quota, no_quota, quota_of
from harness.client import Client
from harness.errors import check_error, check_refused
from harness.gateway import FRONTEND, Gateway, StartGateway
from harness.gateways import GatewayFactory
from harness.http import Answer, Connection, request
from harness.issuer import CLIENT, Issuer
from harness.provider import Gate, Scripted, lapsed, refusal
from harness.refreshes import later
from harness.service import Service
from harness.together import at_once
from harness.visitor import NAVIGATION, Visitor, target
from harness.waiting import until
from limits import parse
from limits.strategies import FixedWindowRateLimiter

from gateway.limits import by_address, by_caller
from gateway.limits.windows import Windows
from gateway.scope import TrustedProxies, open_scope
from gateway.store import Store

WIDE = {
    "RATE_LIMIT_DEFAULT": "100000 per day",
    "RATE_LIMIT_MEDIA": "200000 per day",
    "RATE_LIMIT_AUTH": "300000 per day",
}
NARROW = {"RATE_LIMIT_DEFAULT": "5 per day", "RATE_LIMIT_MEDIA": "3 per day", "RATE_LIMIT_AUTH": "4 per day"}
BEHIND = {"TRUSTED_PROXIES": "127.0.0.1,10.0.0.0/8"}
JSON = {"Content-Type": "application/json"}
BACKCHANNEL = "/auth/backchannel-logout"
PARALLEL = 50

numbers = itertools.count(1)


def new_address() -> str:
    """One that no test has used."""
    number = next(numbers)
    return f"203.0.{number // 256}.{number % 256}"


def new_user() -> str:
    return f"user-{next(numbers)}"


Starts = Callable[..., Gateway]


@pytest.fixture(scope="module")
def starts(make_gateway: GatewayFactory, running_realm: Scripted) -> Iterator[Starts]:
    """Gateways before the scripted provider that run until the last test."""
    with ExitStack() as stack:

        def start(*settings: Mapping[str, str], workers: int = 1) -> Gateway:
            env = {name: value for part in settings for name, value in part.items()}
            return stack.enter_context(make_gateway(env, issuer=running_realm, workers=workers, limits=True))

        yield start


@pytest.fixture(scope="module")
def narrow(starts: Starts) -> Gateway:
    """Little is let through: each test is clients of its own, by their addresses."""
    return starts(NARROW, BEHIND)


@pytest.fixture(scope="module")
def wide(starts: Starts) -> Gateway:
    """Everything is let through and counted, behind a trusted proxy."""
    return starts(WIDE, BEHIND)


@pytest.fixture(scope="module")
def open_to_all(starts: Starts) -> Gateway:
    """The same without a trusted proxy: the address is the peer's."""
    return starts(WIDE)


@pytest.fixture(scope="module")
def default(starts: Starts) -> Gateway:
    """The limits that nobody has set, with two workers."""
    return starts(BEHIND, workers=2)


@pytest.fixture
def client(narrow: Gateway) -> Client:
    return Client(narrow, new_address())


@pytest.fixture
def token(running_realm: Scripted) -> str:
    """Of a user whom no other test has asked as."""
    return running_realm.mint(sub=new_user())


def signed_in_program(client: Client, realm: Scripted) -> str:
    """The refresh token of a program that has just signed in."""
    realm.restore()
    return str(Visitor(client).signed_in(realm.authorize)["refreshToken"])  # type: ignore[arg-type]


def signed_in(client: Client, realm: Scripted, sub: str | None = None) -> Visitor:
    sub = sub or new_user()
    realm.access_token = realm.id_token = {"claims": {"sub": sub}}
    visitor = Visitor(client)  # type: ignore[arg-type]
    visitor.signed_in(realm.authorize)
    return visitor


def post(client: Client | Gateway, path: str, body: bytes = b"{}", headers: Mapping[str, str] = JSON) -> Answer:
    return client.get(path, headers=headers, method="POST", body=body)


def refresh_by_body(client: Client | Gateway, refresh_token: str) -> Answer:
    return post(client, "/auth/refresh", b'{"refreshToken": "%s"}' % refresh_token.encode())


def logout_token(realm: Issuer, **claims: Any) -> bytes:
    """The form that Keycloak posts."""
    event = "http://schemas.openid.net/event/backchannel-logout"
    made = {"aud": CLIENT, "events": {event: {}}, "jti": uuid.uuid4().hex, "sid": uuid.uuid4().hex, **claims}
    text = realm.mint(made, drop=["typ", "azp"], headers={"typ": "logout+jwt"})
    return urlencode({"logout_token": text}).encode()


def tell(client: Client, body: bytes) -> Answer:
    return post(client, BACKCHANNEL, body, {"Content-Type": "application/x-www-form-urlencoded"})


def check_limited(answer: Answer, rule: str) -> Quota:
    """The refusal of a request over this rule's limit."""
    check_error(answer, 429, "Too many requests")
    allowance = quota_of(answer)
    assert (allowance.rule, allowance.left) == (rule, 0)
    assert int(answer.header("Retry-After") or "") == allowance.reset
    assert answer.header("Cache-Control") == "no-store"
    return allowance


BASIC = {"Authorization": "Basic eDp5"}
Call = Callable[[Client, str], Answer]
CALLS: dict[str, tuple[str, int, Call]] = {
    "a user": ("default", 5, lambda client, token: client.get("/users/me", token)),
    "nobody": ("default", 5, lambda client, token: client.get("/interviews")),
    "another scheme": ("default", 5, lambda client, token: client.get("/users/me", headers=BASIC)),
    "no such path": ("default", 5, lambda client, token: client.get("/nope", token)),
    "no such method": ("default", 5, lambda client, token: client.get("/users/me", token, method="DELETE")),
    "who am I": ("default", 5, lambda client, token: client.get("/auth/session")),
    "the documents": ("default", 5, lambda client, token: client.get("/openapi.json")),
    "media": ("media", 3, lambda client, token: client.get("/media/a", token)),
    "login": ("auth.login", 4, lambda client, token: post(client, "/auth/login")),
    "callback": ("auth.callback", 4, lambda client, token: client.get("/auth/callback?code=c&state=s")),
    "refresh": ("auth.refresh", 4, lambda client, token: post(client, "/auth/refresh")),
    "a bad token": ("token", 5, lambda client, token: client.get("/users/me", token[:-5] + "AAAAA")),
    "a bad logout token": ("default", 5, lambda client, token: tell(client, b"logout_token=x")),
}  # fmt: skip


class TestWindow:
    @pytest.mark.conformance("R1")
    @pytest.mark.parametrize(("rule", "limit", "call"), CALLS.values(), ids=CALLS.keys())
    def test_n_pass_and_the_next_is_refused(
        self, client: Client, token: str, rule: str, limit: int, call: Call
    ) -> None:
        for left in reversed(range(limit)):
            answer = call(client, token)
            assert answer.status != 429
            allowance = quota_of(answer)
            assert (allowance.rule, allowance.limit, allowance.left) == (rule, limit, left)
        for _ in range(3):
            assert check_limited(call(client, token), rule).reset > 86_000

    @pytest.mark.conformance("R1")
    def test_what_is_refused_reaches_no_service(self, client: Client, token: str, users: Service) -> None:
        statuses = [client.get("/users/me", token).status for _ in range(8)]
        assert statuses == [200] * 5 + [429] * 3
        assert len(users.requests) == 5

    @pytest.mark.conformance("R1")
    @pytest.mark.parametrize(
        ("limit", "path", "method"), [(5, "/users/me", "GET"), (4, "/auth/login", "POST")], ids=["default", "login"]
    )
    def test_many_at_once_do_not_overshoot(
        self, client: Client, token: str, users: Service, limit: int, path: str, method: str
    ) -> None:
        users.answer = replies.slow(0.05)
        answers = at_once([partial(client.get, path, token, method=method)] * 40)
        assert sorted(answer.status for answer in answers) == [200] * limit + [429] * (40 - limit)
        assert sorted(quota_of(answer).left for answer in answers if answer.status == 200) == list(range(limit))

    @pytest.mark.conformance("R1")
    def test_a_window_begins_with_its_first_request(self, start_gateway: StartGateway) -> None:
        """Not on the clock: it goes on over the end of one of the clock's own."""
        gateway = start_gateway({"RATE_LIMIT_DEFAULT": "3 per 5 seconds"})
        while time.time() % 5 < 4.5:
            time.sleep(0.05)
        first = quota_of(gateway.get("/nope"))
        assert first.reset == 5
        time.sleep(1.2)
        second, third = quota_of(gateway.get("/nope")), quota_of(gateway.get("/nope"))
        assert (first.left, second.left, third.left) == (2, 1, 0)
        assert second.reset <= 4, "the rest of the first one's"
        over = check_limited(gateway.get("/nope"), "default")
        time.sleep(over.reset)
        assert quota_of(gateway.get("/nope")).left == 2, "and no refusal made it longer"

    @pytest.mark.conformance("R1")
    def test_each_of_several_limits_holds(self, start_gateway: StartGateway) -> None:
        """The client is told of the one with the least left."""
        gateway = start_gateway({"RATE_LIMIT_DEFAULT": "5 per hour; 3 per 4 seconds"})
        answers = [quota_of(gateway.get("/nope")) for _ in range(3)]
        assert [(answer.limit, answer.left) for answer in answers] == [(3, 2), (3, 1), (3, 0)]
        assert answers[0].windows == (4, 3600)
        short = check_limited(gateway.get("/nope"), "default")
        assert short.reset <= 4
        time.sleep(short.reset)
        answers = [quota_of(gateway.get("/nope")) for _ in range(2)]
        assert [(answer.limit, answer.left) for answer in answers] == [(5, 1), (5, 0)]
        assert check_limited(gateway.get("/nope"), "default").reset > 3500


class TestRules:
    @pytest.mark.parametrize(
        ("call", "limit", "window"),
        [("no such path", 100, 900), ("a bad token", 100, 900), ("media", 1000, 900), ("login", 5, 60),
         ("callback", 5, 60), ("refresh", 5, 60)],
        ids=lambda value: value if isinstance(value, str) else "",
    )  # fmt: skip
    def test_the_default_limits_hold(self, default: Gateway, token: str, call: str, limit: int, window: int) -> None:
        allowance = quota_of(CALLS[call][2](Client(default, new_address()), token))
        assert (allowance.limit, allowance.left, allowance.windows) == (limit, limit - 1, (window,))
        assert window - 5 <= allowance.reset <= window

    @pytest.mark.conformance("R1")
    def test_all_routes_count_in_the_default_limit_together(self, client: Client, token: str) -> None:
        paths = ["/users/me", "/interviews", "/interviews/1", "/interviews/1/answers", "/auth/session"]
        assert [quota_of(client.get(path, token)).left for path in paths] == [4, 3, 2, 1, 0]
        check_limited(client.get("/users/me", token), "default")
        assert client.get("/media/a", token).status == 200, "media is apart"
        assert post(client, "/auth/login").status == 200, "and so is sign-in"

    @pytest.mark.conformance("R1")
    def test_media_is_counted_apart(self, client: Client, token: str) -> None:
        statuses = [client.get(f"/media/{number}", token).status for number in range(4)]
        assert statuses == [200, 200, 200, 429]
        assert quota_of(client.get("/users/me", token)).left == 4

    @pytest.mark.conformance("R1")
    @pytest.mark.parametrize("first", ["login", "callback", "refresh"])
    def test_each_sign_in_call_is_counted_by_itself(self, client: Client, token: str, first: str) -> None:
        while CALLS[first][2](client, token).status != 429:
            pass
        for other in {"login", "callback", "refresh"} - {first}:
            assert quota_of(CALLS[other][2](client, token)).left == 3
        assert quota_of(client.get("/nope")).left == 4

    def test_a_view_has_its_own_in_one_line(self, start_gateway: StartGateway, issuer: Issuer) -> None:
        gateway = start_gateway({**WIDE, **BEHIND}, app="harness.own_rules:app")
        here, there = (Client(gateway, new_address()) for _ in range(2))
        mine, theirs = issuer.mint(sub="mine"), issuer.mint(sub="theirs")
        assert [here.get("/own/ten", mine).status for _ in range(11)] == [200] * 10 + [429]
        assert quota_of(here.get("/own/ten", theirs)) == Quota("own.ten", 10, 9, 60, (60,))
        assert [here.get("/own/several", mine).status for _ in range(3)] == [200, 200, 429]
        assert check_limited(here.get("/own/several", theirs), "own.several").windows == (3600, 86_400)
        assert quota_of(there.get("/own/several", mine)).left == 1
        assert here.get("/own/free").status == 200 and no_quota(here.get("/own/free"))
        assert quota_of(here.get("/users/me", mine)).limit == 100_000


FORGED = [
    *("X-Forwarded-For", "X-Real-IP", "X-Client-IP", "True-Client-IP", "CF-Connecting-IP", "X-Cluster-Client-IP"),
    *("X-User-Id", "X-User-Email", "X-User-Roles", "X-Request-Id", "X-Forwarded-Host", "X-Forwarded-User"),
    *("X-Original-URL", "X-Api-Key", "User-Agent", "Host", "Origin", "Via", "From", "X_Forwarded_For"),
]


class TestKey:
    @pytest.mark.conformance("R2")
    def test_the_key_is_the_user_whatever_token(self, wide: Gateway, realm: Scripted) -> None:
        """Two tokens, the session cookie, another address: one user, one bucket."""
        sub = new_user()
        client = Client(wide, new_address())
        visitor = signed_in(client, realm, sub)
        answers = [
            client.get("/users/me", realm.mint(sub=sub)),
            visitor.get("/interviews"),
            client.get("/users/me", realm.mint(sub=sub)),
            Client(wide, new_address()).get("/users/me", realm.mint(sub=sub)),
            visitor.get("/auth/session"),
        ]
        assert [quota_of(answer).left for answer in answers] == [99_999, 99_998, 99_997, 99_996, 99_995]

    @pytest.mark.conformance("R2")
    def test_users_of_one_address_are_counted_apart(self, wide: Gateway, realm: Scripted) -> None:
        client = Client(wide, new_address())
        answers = [client.get("/users/me", realm.mint(sub=new_user())) for _ in range(3)] + [client.get("/users/me")]
        assert [quota_of(answer).left for answer in answers] == [99_999] * 4

    @pytest.mark.conformance("R2")
    def test_a_user_named_like_an_address_is_not_that_address(self, wide: Gateway, realm: Scripted) -> None:
        address = new_address()
        for sub in (address, f"address {address}", f" {address}"):
            assert quota_of(Client(wide, new_address()).get("/users/me", realm.mint(sub=sub))).left == 99_999
        assert quota_of(Client(wide, address).get("/nope")).left == 99_999

    @pytest.mark.conformance("R2")
    @pytest.mark.parametrize("name", [*FORGED, "Forwarded"])
    def test_no_header_of_a_client_changes_the_key(self, open_to_all: Gateway, token: str, name: str) -> None:
        before, mine = (
            quota_of(open_to_all.get("/nope")).left,
            quota_of(open_to_all.get("/users/me", token)).left,
        )
        for number in range(3):
            value = f"for=198.51.100.{number}" if name == "Forwarded" else f"198.51.100.{number}"
            forged = {name: value}
            assert quota_of(open_to_all.get("/nope", headers=forged)).left == before - 1 - number
            assert quota_of(open_to_all.get("/users/me", token, forged)).left == mine - 1 - number

    @pytest.mark.conformance("R2")
    @pytest.mark.parametrize("path", ["/auth/login", "/auth/refresh"])
    def test_no_header_of_a_client_changes_the_key_of_a_sign_in(self, open_to_all: Gateway, path: str) -> None:
        before = quota_of(post(open_to_all, path)).left
        for number, name in enumerate(FORGED):
            forged = {**JSON, name: f"198.51.100.{number}", "Cookie": f"session={number}; access={number}"}
            assert quota_of(post(open_to_all, path, headers=forged)).left == before - 1 - number

    @pytest.mark.conformance("R2")
    @pytest.mark.parametrize("path", ["/users/me?user={}", "/users/me?{}", "/{}", "/nope/{}?x-forwarded-for={}"])
    def test_nothing_of_a_target_changes_the_key(self, open_to_all: Gateway, path: str) -> None:
        before = quota_of(open_to_all.get("/nope")).left
        lefts = [quota_of(open_to_all.get(path.replace("{}", str(number)))).left for number in range(3)]
        assert lefts == [before - 1, before - 2, before - 3]

    @pytest.mark.conformance("R2", "R3")
    def test_a_bad_token_does_not_choose_the_key(self, wide: Gateway, running_realm: Scripted) -> None:
        """Whatever they say of their user: they are counted by address, apart from what else comes from there."""
        stranger = jose.generate("RS256")
        client = Client(wide, new_address())
        tokens = [
            running_realm.mint(sub=new_user(), key=stranger),
            running_realm.mint(sub=new_user(), key=None, alg="none"),
            running_realm.mint({"aud": "another"}, sub=new_user()),
            running_realm.mint({"iss": "https://evil.test"}, sub=new_user()),
            running_realm.mint({"iss": "https://evil.test"}, sub=new_user(), life=-600),
            running_realm.mint({"typ": "ID"}, sub=new_user()),
            running_realm.mint({"nbf": time.time() + 3600}, sub=new_user()),
            running_realm.mint(drop=["sub"]),
            running_realm.mint(sub=new_user(), headers={"kid": "another"}),
            f"{uuid.uuid4().hex}.{uuid.uuid4().hex}.x",
            uuid.uuid4().hex,
        ]
        for number, bad in enumerate(tokens, 1):
            answer = client.get("/users/me", bad)
            check_refused(answer)
            allowance = quota_of(answer)
            assert (allowance.rule, allowance.left) == ("token", 100_000 - number), number
        assert quota_of(client.get("/users/me")).left == 99_999


# What the trusted proxy at 127.0.0.1 says: the address that is found, {} being one of the test's own.
CHAINS = {
    "alone": "{}",
    "a client's word before it": "6.6.6.6, {}",
    "much of a client's word": "evil, 6.6.6.6, 10.0.0.1, {}",
    "a trusted proxy after it": "{}, 10.1.2.3",
    "two of them": "6.6.6.6,{},10.1.2.3 , 10.9.9.9",
    "with a port": "{}:4711",
    "as IPv6": "::ffff:{}",
    "as IPv6, with a port": "[::ffff:{}]:4711",
}


class TestAddress:
    @pytest.mark.conformance("R2")
    def test_the_address_is_found_through_the_trusted_chain(self, wide: Gateway) -> None:
        address = new_address()
        for number, chain in enumerate(CHAINS.values(), 1):
            assert quota_of(Client(wide, chain.format(address)).get("/nope")).left == 100_000 - number, chain
        assert quota_of(Client(wide, new_address()).get("/nope")).left == 99_999
        assert quota_of(Client(wide, f"{address}, {new_address()}").get("/nope")).left == 99_999

    @pytest.mark.conformance("R2")
    @pytest.mark.parametrize("name", [name for name in FORGED if name != "X-Forwarded-For"] + ["Forwarded"])
    def test_no_other_header_of_a_proxy_names_the_address(self, wide: Gateway, name: str) -> None:
        client = Client(wide, new_address())
        values = [f"for={new_address()}" if name == "Forwarded" else new_address() for _ in range(3)]
        assert [quota_of(client.get("/nope", headers={name: value})).left for value in values] == [
            99_999,
            99_998,
            99_997,
        ]

    @pytest.mark.conformance("R2")
    def test_a_proxy_that_names_no_client_is_the_address(self, wide: Gateway) -> None:
        lefts = [
            quota_of(wide.get("/nope", headers=headers)).left
            for headers in (
                {}, {"X-Forwarded-For": ""}, {"X-Forwarded-For": "unknown"}, {"X-Forwarded-For": "6.6.6.6, garbage"},
                {"X-Forwarded-For": "6.6.6.6,"}, {"X-Forwarded-For": "127.0.0.1"},
            )
        ]  # fmt: skip
        assert lefts == list(range(lefts[0], lefts[0] - len(lefts), -1))

    @pytest.mark.conformance("R2")
    def test_an_ipv6_address_counts_with_its_network(self, wide: Gateway) -> None:
        """A client has all of a /64."""
        network = f"2001:db8:{next(numbers):x}:{next(numbers):x}"
        mine = [f"{network}::1", f"{network}:ffff::2", f"{network}:1:2:3:4", f"[{network}::5]:4711"]
        assert [quota_of(Client(wide, address).get("/nope")).left for address in mine] == [
            99_999,
            99_998,
            99_997,
            99_996,
        ]
        for other in (f"2001:db8:{next(numbers):x}::1", f"2001:db8:{next(numbers):x}:1::1"):
            assert quota_of(Client(wide, other).get("/nope")).left == 99_999

    @pytest.mark.conformance("R2")
    @pytest.mark.parametrize("trusted", [None, "unix"], ids=["untrusted", "trusted"])
    def test_an_empty_address_is_not_unlimited(
        self, start_gateway: StartGateway, tmp_path: Path, trusted: str | None
    ) -> None:
        """Peers on a Unix socket have none; a trusted one may name its client's."""
        unix = tmp_path / "socket"
        start_gateway({**NARROW, "TRUSTED_PROXIES": trusted}, unix=unix)

        def ask(**headers: str) -> Answer:
            return request(unix, "GET", "/nope", {name.replace("_", "-"): value for name, value in headers.items()})

        assert [ask().status for _ in range(6)] == [404] * 5 + [429]
        check_limited(ask(X_Forwarded_For="garbage"), "default")
        named = ask(X_Forwarded_For=new_address())
        assert named.status == (404 if trusted else 429)

    @pytest.mark.conformance("R2")
    def test_another_peer_is_another_address(self, open_to_all: Gateway) -> None:
        def ask(source: str) -> int:
            with Connection(open_to_all.port, source=source) as connection:
                connection.request("GET", "/nope")
                return quota_of(connection.receive()).left

        assert [ask("127.0.0.77"), ask("127.0.0.77"), ask("127.0.0.78")] == [99_999, 99_998, 99_999]


class TestTokens:
    @pytest.mark.conformance("R3")
    def test_tokens_that_fail_use_up_a_bucket_of_their_own(
        self, client: Client, token: str, running_realm: Scripted
    ) -> None:
        bad = running_realm.mint({"aud": "another"})
        for _ in range(5):
            check_refused(client.get("/users/me", bad))
        for path in ("/users/me", "/interviews/1", "/media/a", "/auth/session"):
            check_limited(client.get(path, bad), "token")
        assert client.get("/users/me", token).status == 200, "a valid one from there still passes"
        assert quota_of(client.get("/users/me")).left == 4, "and who has none is asked for one"
        check_refused(Client(client.gateway, new_address()).get("/users/me", bad))

    @pytest.mark.conformance("R3")
    def test_that_have_expired_count_against_the_address(self, client: Client, running_realm: Scripted) -> None:
        """A leaked one of last year keeps its owner out of nothing."""
        sub = new_user()
        old, new = running_realm.mint(sub=sub, life=-600), running_realm.mint(sub=sub)
        assert quota_of(client.get("/users/me", new)).left == 4
        for left in (4, 3, 2, 1, 0):
            answer = client.get("/users/me", old)
            check_refused(answer, "Token expired")
            assert (quota_of(answer).rule, quota_of(answer).left) == ("token", left)
        check_limited(client.get("/users/me", old), "token")
        check_limited(client.get("/users/me", running_realm.mint({"aud": "another"})), "token")
        assert quota_of(client.get("/users/me", new)).left == 3, "the user's own, from there"
        assert quota_of(Client(client.gateway, new_address()).get("/users/me", new)).left == 2
        check_refused(Client(client.gateway, new_address()).get("/users/me", old), "Token expired")
        assert quota_of(client.get("/nope")).left == 4

    @pytest.mark.conformance("R3")
    def test_that_have_expired_in_a_cookie(self, wide: Gateway, realm: Scripted) -> None:
        sub = new_user()
        client = Client(wide, new_address())
        made = lapsed()["claims"]
        realm.access_token = {"claims": {**made, "sub": sub}}
        realm.id_token = {"claims": {"sub": sub}}
        visitor = Visitor(client)  # type: ignore[arg-type]
        visitor.signed_in(realm.authorize)
        for left in (99_999, 99_998):
            answer = visitor.get("/users/me")
            check_error(answer, 401, "Token expired")
            assert (quota_of(answer).rule, quota_of(answer).left) == ("token", left)
        assert quota_of(client.get("/users/me", realm.mint(sub=sub))).left == 99_999

    @pytest.mark.conformance("R3")
    def test_tokens_of_an_ended_session_count_against_the_address(self, wide: Gateway, realm: Scripted) -> None:
        client, sub, sid = Client(wide, new_address()), new_user(), uuid.uuid4().hex
        token = realm.mint({"sid": sid}, sub=sub)
        assert client.get("/users/me", token).status == 200
        assert tell(client, logout_token(realm, sub=sub, sid=sid)).status == 200
        answer = client.get("/users/me", token)
        check_refused(answer)
        assert (quota_of(answer).rule, quota_of(answer).left) == ("token", 99_999)


PREFLIGHT = {"Origin": FRONTEND, "Access-Control-Request-Method": "PUT"}
FREE: dict[str, tuple[int, Call]] = {
    "health": (200, lambda client, token: client.get("/health")),
    "live": (200, lambda client, token: client.get("/health/live")),
    "live, with a token": (200, lambda client, token: client.get("/health/live", token)),
    "ready": (200, lambda client, token: client.get("/health/ready", "a bad token")),
    "metrics": (403, lambda client, token: client.get("/metrics")),
    "preflight": (204, lambda client, token: client.get("/users/me", method="OPTIONS", headers=PREFLIGHT)),
    "preflight of a login": (
        204, lambda client, token: client.get("/auth/login", method="OPTIONS", headers=PREFLIGHT),
    ),
}  # fmt: skip


class TestFree:
    @pytest.mark.conformance("R3")
    @pytest.mark.parametrize(("status", "call"), FREE.values(), ids=FREE.keys())
    def test_health_preflights_and_documents_are_not_limited(
        self, client: Client, token: str, status: int, call: Call
    ) -> None:
        """Before and after everything else is used up, and it uses nothing up."""
        for _ in range(8):
            answer = call(client, token)
            assert answer.status == status and no_quota(answer)
        for path in ("/nope", "/users/me"):
            while client.get(path, token).status != 429:
                pass
        while client.get("/users/me", "bad").status != 429:
            pass
        answer = call(client, token)
        assert answer.status == status and no_quota(answer)

    @pytest.mark.conformance("R3")
    def test_a_logout_with_a_genuine_session_is_not_limited(self, client: Client, running_realm: Scripted) -> None:
        """Also where its address has used up everything."""

        def log_out() -> Answer:
            return client.get("/auth/logout", running_realm.mint(sub=new_user()), method="POST")

        for _ in range(8):
            answer = log_out()
            assert answer.status == 200 and no_quota(answer)
        for bearer in (None, "bad"):
            while client.get("/users/me", bearer).status != 429:
                pass
        answer = log_out()
        assert answer.status == 200 and no_quota(answer)

    @pytest.mark.conformance("R3")
    @pytest.mark.parametrize("kind", ["nobody", "a bad token", "an ended session"])
    def test_a_logout_without_one_counts_as_a_token_that_fails(self, client: Client, token: str, kind: str) -> None:
        """Each could ask Keycloak something; nobody's other calls are kept from their turn by it."""
        assert client.get("/auth/logout", token, method="POST").status == 200
        bearer = {"nobody": None, "a bad token": "bad", "an ended session": token}[kind]
        for left in (4, 3, 2, 1, 0):
            answer = client.get("/auth/logout", bearer, method="POST")
            assert answer.status == 200
            assert (quota_of(answer).rule, quota_of(answer).left) == ("token", left)
        check_limited(client.get("/auth/logout", bearer, method="POST"), "token")
        check_limited(client.get("/users/me", "bad"), "token")
        assert quota_of(client.get("/nope")).left == 4

    @pytest.mark.conformance("R3")
    def test_metrics_are_not_limited_for_who_may_read_them(self, narrow: Gateway) -> None:
        assert all(answer.status == 200 and no_quota(answer) for answer in (narrow.get("/metrics") for _ in range(8)))

    @pytest.mark.conformance("R3")
    def test_back_channel_logouts_are_not_limited(self, client: Client, realm: Scripted) -> None:
        """What is not Keycloak's is counted, and keeps Keycloak's own from nobody."""
        for _ in range(7):
            answer = tell(client, logout_token(realm))
            assert answer.status == 200 and no_quota(answer)
        bad = [logout_token(realm, aud="another"), b"logout_token=x", b"", b"other=x", logout_token(realm, nonce="x")]
        for left, body in enumerate(reversed(bad)):
            answer = tell(client, body)
            check_error(answer, 400)
            assert quota_of(answer).left == 4 - left
        check_limited(tell(client, bad[0]), "default")
        replayed = logout_token(realm)
        for _ in range(2):
            answer = tell(client, replayed)
            assert answer.status == 200 and no_quota(answer)


class TestCallback:
    @pytest.mark.conformance("R2")
    def test_a_callback_is_keyed_by_its_genuine_login(self, client: Client, realm: Scripted) -> None:
        """An office behind one address is not locked out by what others there do."""
        visitors = [Visitor(client) for _ in range(3)]  # type: ignore[arg-type]
        backs = [target(realm.authorize(visitor.begin().auth_url)) for visitor in visitors]
        while client.get("/auth/callback?code=c&state=s").status != 429:
            pass
        for visitor, back in zip(visitors, backs, strict=True):
            replayed = visitor.copy()
            answer = visitor.get(back)
            assert answer.status == 200 and quota_of(answer).left == 3
            assert [quota_of(replayed.get(back)).left for _ in range(3)] == [2, 1, 0], "it is counted all the same"
            check_limited(replayed.get(back), "auth.callback")

    @pytest.mark.conformance("R2")
    def test_a_callback_that_is_not_genuine_is_keyed_by_the_address(self, wide: Gateway, realm: Scripted) -> None:
        client = Client(wide, new_address())
        visitor = Visitor(client)  # type: ignore[arg-type]
        login = visitor.begin()
        back = target(realm.authorize(login.auth_url))
        ((name, cookie),) = visitor.jar.items()
        forged = [
            (back, ""),
            (back, f"{name}={cookie.value[:-6]}AAAAAA"),
            (back, f"{name}=x"),
            (back.replace(login.state, "another-state"), f"{name}={cookie.value}"),
            (back.replace(login.state, "another-state"), f"{name.replace(login.state, 'another-state')}=x"),
            ("/auth/callback", f"{name}={cookie.value}"),
        ]
        for number, (path, sent) in enumerate(forged, 1):
            answer = client.get(path, headers={"Cookie": sent} if sent else {})
            check_error(answer, 400)
            assert quota_of(answer).left == 300_000 - number, path
        assert quota_of(visitor.get(back)).left == 299_999

    @pytest.mark.conformance("R2")
    def test_a_callback_over_the_limit_leaves_other_logins_usable(self, client: Client, realm: Scripted) -> None:
        answers = [client.get("/auth/callback?code=c&state=s", headers=NAVIGATION) for _ in range(6)]
        assert {answer.status for answer in answers} == {303}
        ends = [(answer.header("Location") or "").partition("authError=")[2] for answer in answers]
        assert ends[0] != ends[-1] == "unavailable", "a browser is told as of any other failure"
        assert client.get("/auth/callback?code=c&state=s").status == 429
        assert signed_in(client, realm).authenticated


class TestRefresh:
    @pytest.mark.conformance("R2")
    def test_a_refresh_by_a_genuine_session_is_keyed_by_it(self, client: Client, realm: Scripted) -> None:
        sub = new_user()
        one, other = signed_in(client, realm, sub), signed_in(client, realm, sub)
        for left in (3, 2, 1, 0):
            answer = one.post("/auth/refresh")
            assert answer.status == 200 and quota_of(answer).left == left
            later()
        before = realm.calls["token"]
        over = one.post("/auth/refresh")
        check_limited(over, "auth.refresh")
        assert realm.calls["token"] == before
        assert not over.all("Set-Cookie") and one.authenticated, "it ends no session"
        assert quota_of(other.post("/auth/refresh")).left == 3
        assert quota_of(post(client, "/auth/refresh")).left == 3, "nor is it the address's"

    @pytest.mark.conformance("R2")
    def test_a_refresh_without_a_session_is_keyed_by_the_address(self, client: Client, realm: Scripted) -> None:
        visitor = signed_in(client, realm)
        for cookie in visitor.jar.copy():
            visitor.jar[cookie] = visitor.jar[cookie].of(f"{cookie}={visitor.jar[cookie].value[:-6]}AAAAAA; Path=/")
        for left in (3, 2, 1, 0):
            answer = visitor.post("/auth/refresh")
            check_error(answer, 401)
            assert quota_of(answer).left == left
        check_limited(visitor.post("/auth/refresh"), "auth.refresh")
        check_limited(post(client, "/auth/refresh"), "auth.refresh")

    @pytest.mark.conformance("R2")
    def test_a_refresh_by_a_foreign_page_is_keyed_by_the_address(self, client: Client, realm: Scripted) -> None:
        visitor = signed_in(client, realm)
        answer = visitor.post("/auth/refresh", origin="https://evil.test")
        check_error(answer, 403)
        assert quota_of(answer).left == 3
        assert quota_of(visitor.post("/auth/refresh")).left == 3, "the session has lost nothing by it"

    @pytest.mark.conformance("R2")
    def test_a_refresh_by_body_is_keyed_by_the_address(self, client: Client, realm: Scripted) -> None:
        for left in (3, 2, 1, 0):
            answer = refresh_by_body(client, f"refresh_sid-{new_user()}_1")
            assert answer.status == 200 and quota_of(answer).left == left
        before = realm.calls["token"]
        check_limited(refresh_by_body(client, f"refresh_sid-{new_user()}_1"), "auth.refresh")
        assert realm.calls["token"] == before
        assert refresh_by_body(Client(client.gateway, new_address()), f"refresh_sid-{new_user()}_1").status == 200

    @pytest.mark.conformance("R2")
    def test_a_refresh_by_body_of_a_session_is_keyed_by_it(self, client: Client, realm: Scripted) -> None:
        """Of one that the gateway gave: programs behind one address do not lock each other out."""
        one, other = (signed_in_program(client, realm) for _ in range(2))
        for left in (3, 2, 1, 0):
            answer = refresh_by_body(client, one)
            assert answer.status == 200 and quota_of(answer).left == left
            one = answer.json()["refreshToken"]
            later()
        check_limited(refresh_by_body(client, one), "auth.refresh")
        assert quota_of(refresh_by_body(client, other)).left == 3
        assert quota_of(post(client, "/auth/refresh")).left == 3, "nor is it the address's"

    def test_a_refresh_again_with_a_superseded_token_is_not_counted(self, client: Client) -> None:
        token = f"refresh_sid-{new_user()}_1"
        assert [quota_of(refresh_by_body(client, token)).left for _ in range(6)] == [3] * 6

    @pytest.mark.conformance("R1")
    @pytest.mark.parametrize(
        ("error", "status"), [("invalid_grant", 401), ("server_error", 502)], ids=["no good", "a failure"]
    )
    def test_parallel_refreshes_with_a_junk_token_are_all_counted(
        self, wide: Gateway, realm: Scripted, error: str, status: int
    ) -> None:
        client, token, gate = Client(wide, new_address()), f"junk-{new_user()}", Gate()

        def refuse(call: Any) -> Any:
            gate(call)
            return refusal(error, 400 if status == 401 else 500)(call)

        realm.instead = refuse
        with ThreadPoolExecutor(40) as pool:
            asked = [pool.submit(refresh_by_body, client, token) for _ in range(40)]
            until(lambda: gate.waiting, 5, "the token request")
            gate.opened.set()
            assert [answer.result().status for answer in asked] == [status] * 40
        assert quota_of(post(client, "/auth/refresh")).left == 300_000 - 41

    @pytest.mark.conformance("R1", "O7")
    def test_parallel_refreshes_pass_the_default_limits(self, default: Gateway, realm: Scripted) -> None:
        """Whoever joins a refresh that is under way is not counted: all tabs go on, after one token request."""
        visitor = signed_in(Client(default, new_address()), realm)
        for left in (4, 3):
            before = realm.calls["token"]
            tabs = [visitor.copy() for _ in range(PARALLEL)]
            later()
            answers = at_once([partial(tab.post, "/auth/refresh") for tab in tabs])
            assert {answer.status for answer in answers} == {200}
            assert realm.calls["token"] == before + 1
            assert min(quota_of(answer).left for answer in answers) >= left
            visitor = tabs[-1]
        assert visitor.authenticated


ANSWERS: dict[str, tuple[int, Call]] = {
    "200": (200, lambda client, token: client.get("/users/me", token)),
    "head": (200, lambda client, token: client.get("/users/me", token, method="HEAD")),
    "a stream": (200, lambda client, token: client.get("/interviews/stream", token)),
    "a service's 503": (503, lambda client, token: client.get("/interviews/broken", token)),
    "a service's own limits": (429, lambda client, token: client.get("/interviews/limited", token)),
    "no token": (401, lambda client, token: client.get("/users/me")),
    "a bad token": (401, lambda client, token: client.get("/users/me", "x")),
    "two tokens": (400, lambda client, token: client.get("/users/me", f"{token}, {token}")),
    "no path": (404, lambda client, token: client.get("/nope")),
    "no method": (405, lambda client, token: client.get("/users/me", token, method="PATCH")),
    "too much": (413, lambda client, token: client.get("/users/me", token, method="PUT", body=bytes(2 << 20))),
    "no JSON": (415, lambda client, token: post(client, "/auth/login", b"x", {"Content-Type": "text/plain"})),
    "a bad callback": (400, lambda client, token: client.get("/auth/callback?code=c")),
    "a bad redirect": (400, lambda client, token: post(client, "/auth/login", b'{"redirectUri": "x"}')),
    "a bad refresh": (400, lambda client, token: post(client, "/auth/refresh", b"{")),
    "a bad logout token": (400, lambda client, token: tell(client, b"logout_token=x")),
    "no service": (502, lambda client, token: client.get("/media/a", token)),
    "the page": (200, lambda client, token: client.get("/docs")),
}  # fmt: skip


class TestHeaders:
    @pytest.fixture(scope="class")
    @classmethod
    def lonely(cls, running_realm: Scripted, services: Mapping[str, Service], starts: Starts) -> Gateway:
        """A gateway whose media service is not there."""
        return starts(NARROW, BEHIND, {"MEDIA_SERVICE_URL": "http://127.0.0.1:1"})

    @pytest.mark.conformance("R1")
    @pytest.mark.parametrize(("status", "call"), ANSWERS.values(), ids=ANSWERS.keys())
    def test_every_limited_answer_has_the_headers(
        self, lonely: Gateway, token: str, interviews: Service, status: int, call: Call
    ) -> None:
        own = [(name, "1") for name in NAMES] + [("Retry-After", "7")]
        interviews.answer = replies.per_path(
            {
                b"/interviews/stream": replies.chunked(pieces=[b"a", b"b"]),
                b"/interviews/broken": replies.sized(503),
                b"/interviews/limited": replies.sized(429, own),
            }
        )
        answer = call(Client(lonely, new_address()), token)
        assert answer.status == status
        allowance = quota_of(answer)
        assert allowance.left == allowance.limit - 1

    def test_a_services_own_refusal_stays_its_own(self, lonely: Gateway, token: str, interviews: Service) -> None:
        """What it says of its limits would be taken for the gateway's; when to come again is its word."""
        interviews.answer = replies.sized(429, [("X-RateLimit-Limit", "1"), ("Retry-After", "7")], b"slowly")
        answer = lonely.get("/interviews", token)
        assert (answer.status, answer.body, answer.header("Retry-After")) == (429, b"slowly", "7")
        assert quota_of(answer).limit == 5

    @pytest.mark.conformance("R1")
    def test_the_reset_header_tells_seconds_from_now(self, client: Client) -> None:
        first = quota_of(client.get("/nope"))
        time.sleep(1.1)
        second = quota_of(client.get("/nope"))
        assert 86_390 < first.reset <= 86_400
        assert 1 <= first.reset - second.reset <= 10

    @pytest.mark.parametrize("refused", [False, True], ids=["passed", "refused"])
    def test_the_frontend_can_read_the_headers(self, client: Client, token: str, refused: bool) -> None:
        answer = client.get("/users/me", token, {"Origin": FRONTEND})
        while refused and answer.status != 429:
            answer = client.get("/users/me", token, {"Origin": FRONTEND})
        assert answer.header("Access-Control-Allow-Origin") == FRONTEND
        exposed = {name.strip().lower() for name in (answer.header("Access-Control-Expose-Headers") or "").split(",")}
        assert {name.lower() for name in NAMES} | {"retry-after"} <= exposed


def hits(gateway: Gateway, address: str) -> list[dict[str, Any]]:
    return [line for line in gateway.lines() if "rule" in line and line.get("ip") == address]


class TestLog:
    @pytest.mark.conformance("R1")
    def test_the_log_has_a_line_for_each_hit(self, client: Client, running_realm: Scripted) -> None:
        sub = new_user()
        token = running_realm.mint(sub=sub)
        for _ in range(7):
            client.get("/users/me?token=marked", token)
        client.gateway.wait_line(lambda line: len(hits(client.gateway, client.address)) == 2)
        for line in hits(client.gateway, client.address):
            assert line["level"] == "warn"
            assert (line["rule"], line["userId"], line["url"]) == ("default", sub, "/users/me")
            assert "marked" not in str(line)


@pytest.fixture
def windows(tmp_path: Path) -> Iterator[Windows]:
    """Those of a machine without Redis."""
    store = Store(b"a secret of the tests, 32 bytes and more", "tests", directory=tmp_path)
    store.start()
    yield Windows(store)
    store.close(time.monotonic() + 1)


class TestWindows:
    """The storage of the `limits` library."""

    @pytest.mark.conformance("R1")
    def test_windows_count_until_they_end(self, windows: Windows) -> None:
        began = time.time()
        assert [windows.incr("a", 0.3), windows.incr("b", 60, 5), windows.incr("a", 0.3)] == [1, 5, 2]
        assert (windows.get("a"), windows.get("b"), windows.get("c")) == (2, 5, 0)
        assert 0.2 < windows.get_expiry("a") - began < 10, "the first one's"
        assert windows.get_expiry("b") - began > 59
        time.sleep(0.35)
        assert (windows.get("a"), windows.get("b")) == (0, 5)
        assert abs(windows.get_expiry("a") - time.time()) < 5
        assert windows.incr("a", 0.3) == 1

    @pytest.mark.conformance("R1")
    def test_windows_serve_the_engine_of_flask_limiter(self, windows: Windows) -> None:
        engine, item = FixedWindowRateLimiter(windows), parse("3 per hour")
        assert [engine.hit(item, "rule", "me") for _ in range(5)] == [True] * 3 + [False] * 2
        assert engine.hit(item, "rule", "you") and engine.hit(item, "other", "me")
        reset, left = engine.get_window_stats(item, "rule", "me")
        assert left == 0 and 3590 < reset - time.time() <= 3600
        engine.clear(item, "rule", "me")
        assert engine.hit(item, "rule", "me")


@pytest.mark.conformance("R2")
@pytest.mark.parametrize(
    ("address", "key"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::1", "::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("unix", "unknown"),
        ("not an address", "unknown"),
    ],
    ids=lambda value: value or "empty",
)
def test_no_address_is_without_a_key(address: str, key: str) -> None:
    def keys() -> tuple[str, str]:
        open_scope({"REMOTE_ADDR": address, "RAW_URI": "/", "wsgi.url_scheme": "http"}, TrustedProxies(()))
        return by_address(), by_caller()

    assert copy_context().run(keys) == (f"address {key}",) * 2
