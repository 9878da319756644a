"""Back-channel logout (OIDC Back-Channel Logout 1.0; docs/conformance.md, O10): Keycloak's word that a session is
over."""

import os
import signal
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from harness import jose
from harness.each_worker import each_worker
from harness.errors import check_error, check_refused
from harness.gateway import Gateway, StartGateway
from harness.gateways import DEMO_SECRET, GatewayFactory
from harness.http import Answer
from harness.provider import as_user
from harness.service import Service
from harness.visitor import Visitor, set_by
from harness.waiting import until

from demo.identity import Client, Provider, ProviderSettings, create_provider, provider_of
from demo.serve import listen, serving

PATH = "/auth/backchannel-logout"
EVENT = "http://schemas.openid.net/event/backchannel-logout"
FORM = "application/x-www-form-urlencoded"
STRANGER = jose.generate("RS256")


@pytest.fixture(scope="module")
def cluster(make_gateway: GatewayFactory, provider: Provider) -> Iterator[Gateway]:
    with make_gateway(issuer=provider, workers=4) as running:
        yield running


class Guest(Visitor):
    """Somebody who is signed in; `sid` is Keycloak's name for the session."""

    def __init__(self, gateway: Gateway, name: str = "cora") -> None:
        super().__init__(gateway)
        self.name = name
        self.enter()

    def enter(self) -> None:
        self.tokens = self.signed_in(as_user(self.name))
        self.claims = jose.decode(self.tokens["accessToken"])[1]
        self.sid: str = self.claims["sid"]


@pytest.fixture
def guest(cluster: Gateway) -> Guest:
    return Guest(cluster)


def tell(gateway: Gateway, token: str, headers: Mapping[str, str] | None = None) -> Answer:
    """Post a logout token, as Keycloak does."""
    body = urlencode({"logout_token": token}).encode()
    return gateway.get(PATH, headers={"Content-Type": FORM, **(headers or {})}, method="POST", body=body)


def check_over(guest: Guest) -> None:
    """On every worker, by cookie and by token."""
    with each_worker(guest.gateway) as lines:
        for line in lines.values():
            check_refused(guest.get("/users/me", over=line))
            bearer = {"Authorization": f"Bearer {guest.tokens['accessToken']}"}
            check_refused(Visitor(guest.gateway).get("/users/me", headers=bearer, over=line))
            assert guest.get("/auth/session", over=line).json() == {"authenticated": False}


BAD: dict[str, dict[str, Any]] = {
    "iss": {"iss": "https://evil.test"},
    "no iss": {"drop": ("iss",)},
    "aud": {"aud": "other"},
    "aud empty": {"aud": []},
    "no aud": {"drop": ("aud",)},
    "aud no text": {"aud": [1]},
    "no iat": {"drop": ("iat",)},
    "iat no number": {"iat": "1"},
    "iat in the future": {"iat": 9_999_999_999},
    "lapsed": {"exp": 1_000_000_000},
    "no exp": {"drop": ("exp",)},
    "no events": {"drop": ("events",)},
    "events empty": {"events": {}},
    "events a list": {"events": [EVENT]},
    "events a text": {"events": EVENT},
    "another event": {"events": {"http://schemas.openid.net/event/other": {}}},
    "an event that is no object": {"events": {EVENT: True}},
    "a nonce": {"nonce": "x"},
    "a nonce that is null": {"nonce": None},
    "neither sub nor sid": {"drop": ("sub", "sid")},
    "sub and sid empty": {"sub": "", "sid": ""},
    "sub no text": {"sub": 1, "drop": ("sid",)},
    "sid no text": {"sid": [1], "drop": ("sub",)},
    "sid empty, and a sub": {"sid": ""},
    "sid a number, and a sub": {"sid": 5},
    "sid null, and a sub": {"sid": None},
    "no jti": {"drop": ("jti",)},
    "jti empty": {"jti": ""},
    "typ of an access token": {"headers": {"typ": "at+jwt"}},
    "typ of another kind": {"headers": {"typ": "secevent+jwt"}},
    "typ empty": {"headers": {"typ": ""}},
    "payload typ of an ID token": {"typ": "ID"},
    "payload typ of an access token": {"typ": "Bearer"},
    "unknown kid": {"headers": {"kid": "unknown"}},
    "RS512": {"headers": {"alg": "RS512"}},
    "crit": {"headers": {"crit": ["b64"], "b64": True}},
}


class TestRefuses:
    @pytest.fixture(scope="class")
    @classmethod
    def one(cls, cluster: Gateway) -> Guest:
        return Guest(cluster)

    @pytest.mark.conformance("O10")
    @pytest.mark.parametrize("change", BAD.values(), ids=BAD.keys())
    def test_a_bad_logout_token_is_refused(self, one: Guest, provider: Provider, change: dict[str, Any]) -> None:
        answer = tell(one.gateway, provider.mint_logout(**{"sid": one.sid, **change}))
        check_error(answer, 400)
        assert answer.header("Cache-Control") == "no-store"
        assert one.authenticated

    @pytest.mark.conformance("O10")
    def test_an_unsigned_logout_token_is_refused(self, one: Guest, provider: Provider) -> None:
        good = provider.mint_logout(sid=one.sid)
        head, claims = jose.decode(good)
        signed, _, signature = good.rpartition(".")
        none = {**head, "alg": "none"}
        forged = [
            f"{signed}.",
            f"{signed}.{signature[:-4]}AAAA",
            jose.compact(none, claims, "none", None),
            jose.compact(head, claims, "RS256", STRANGER),
            jose.compact({**head, "alg": "HS256"}, claims, "HS256", DEMO_SECRET.encode()),
            jose.compact({**head, "jwk": jose.jwk(STRANGER)}, claims, "RS256", STRANGER),
        ]
        for token in forged:
            check_error(tell(one.gateway, token), 400)
        assert one.authenticated

    @pytest.mark.conformance("O10")
    def test_tokens_of_another_kind_are_refused(self, one: Guest, provider: Provider) -> None:
        for token in (
            one.tokens["accessToken"],
            one.tokens["refreshToken"],
            provider.mint_id(sid=one.sid),
            provider.mint_id(sid=one.sid, events={EVENT: {}}),
            provider.mint(sid=one.sid, events={EVENT: {}}),
        ):
            check_error(tell(one.gateway, token), 400)
        assert one.authenticated

    @pytest.mark.conformance("O10")
    @pytest.mark.parametrize("text", ["", "x", "x.y.z", "..", "a.b.c.d", "\xff", "x" * 20_000], ids=lambda t: t[:9])
    def test_garbage_is_no_logout_token(self, one: Guest, text: str) -> None:
        check_error(tell(one.gateway, text), 400)

    @pytest.mark.conformance("O10")
    @pytest.mark.parametrize(
        ("kind", "make"),
        [
            (FORM, lambda token: b""),
            (FORM, lambda token: b"logout_token"),
            (FORM, lambda token: b"token=" + token),
            (FORM, lambda token: b"logout_token=" + token + b"&logout_token=" + token),
            (FORM, lambda token: b"logout_token=%ff" + token),
            (FORM, lambda token: b"logout_token=\xff" + token),
            (FORM, lambda token: b"x=1&" * 5000 + b"logout_token=" + token),
            ("application/json", lambda token: b'{"logout_token": "' + token + b'"}'),
            ("text/plain", lambda token: b"logout_token=" + token),
            (None, lambda token: b"logout_token=" + token),
            (FORM, None),
        ],
        ids=[
            *("nothing", "no value", "another field", "two", "bad UTF-8", "no ASCII", "many fields", "JSON", "text"),
            *("no type", "no body"),
        ],
    )
    def test_a_body_that_is_no_logout_form_is_refused(
        self, one: Guest, provider: Provider, kind: str | None, make: Any
    ) -> None:
        body = make(provider.mint_logout(sid=one.sid).encode()) if make else None
        headers = {"Content-Type": kind} if kind else {}
        answer = one.gateway.get(PATH, headers=headers, method="POST", body=body)
        check_error(answer)
        assert answer.status in (400, 415)
        assert one.authenticated

    def test_a_logout_token_in_the_query_is_refused(self, one: Guest, provider: Provider) -> None:
        query = urlencode({"logout_token": provider.mint_logout(sid=one.sid)})
        check_error(one.gateway.get(f"{PATH}?{query}", headers={"Content-Type": FORM}, method="POST"), 400)
        check_error(one.gateway.get(f"{PATH}?{query}"), 405)
        assert one.authenticated

    @pytest.mark.conformance("O10")
    def test_a_refused_jti_is_not_used_up(self, one: Guest, cluster: Gateway, provider: Provider) -> None:
        other = Guest(cluster)
        check_error(tell(cluster, provider.mint_logout(sid=other.sid, jti="twice", aud="other")), 400)
        assert tell(cluster, provider.mint_logout(sid=other.sid, jti="twice")).status == 200
        assert not other.authenticated


class TestSession:
    @pytest.mark.conformance("O10")
    def test_only_the_session_of_the_sid_ends(self, cluster: Gateway, provider: Provider, guest: Guest) -> None:
        """Not the user's others; and the refresh token is dead at the gateway too."""
        other, stranger = Guest(cluster), Guest(cluster, "rick")
        answer = tell(cluster, provider.mint_logout(sid=guest.sid, sub=guest.claims["sub"]))
        assert answer.status == 200
        assert answer.header("Cache-Control") == "no-store"
        check_over(guest)
        assert other.authenticated and stranger.authenticated
        before = provider.calls["token"]
        answer = guest.post("/auth/refresh")
        check_error(answer, 401)
        assert {cookie.name for cookie in set_by(answer)} == {guest.own("gateway_access"), guest.own("gateway_session")}
        assert provider.calls["token"] == before, "the gateway knows without asking"

    @pytest.mark.conformance("O10", "O8")
    def test_an_ended_session_refuses_superseded_refresh_tokens_too(self, guest: Guest, provider: Provider) -> None:
        """Which is answered for 10 s without Keycloak, but not beyond the end of its session."""
        body = {"refreshToken": guest.tokens["refreshToken"]}
        assert guest.copy().post("/auth/refresh", body).status == 200
        assert tell(guest.gateway, provider.mint_logout(sid=guest.sid)).status == 200
        for who, sent in ((Visitor(guest.gateway), body), (guest, {})):
            check_error(who.post("/auth/refresh", sent), 401)

    @pytest.mark.conformance("O10")
    @pytest.mark.parametrize(
        "change",
        [
            {},
            {"drop": ("sub",)},
            {"drop": ("typ",)},
            {"headers": {"typ": "JWT"}},
            {"headers": {"typ": "jwt"}},
            {"headers": {"typ": "application/logout+jwt"}},
            {"headers": {"typ": "Logout+JWT"}},
            {"aud": ["ai-video-interview-app", "other"]},
            {"events": {EVENT: {}, "http://other": {}}},
            {"more": "claims"},
        ],
        ids=[
            *("as Keycloak sends it", "sid without sub", "no payload typ", "JWT", "jwt", "a media type", "other case"),
            *("aud a list", "more events", "more claims"),
        ],
    )
    def test_any_good_logout_token_ends_the_session(
        self, guest: Guest, provider: Provider, change: dict[str, Any]
    ) -> None:
        token = provider.mint_logout(**{"sid": guest.sid, "sub": guest.claims["sub"], **change})
        assert tell(guest.gateway, token).status == 200
        assert not guest.authenticated

    @pytest.mark.conformance("O10")
    def test_the_session_ends_whatever_the_sub(self, guest: Guest, provider: Provider) -> None:
        """The `sid` names one session: another session of the `sub` must not end with it."""
        other = Guest(guest.gateway, "rick")
        assert tell(guest.gateway, provider.mint_logout("rick", sid="unknown")).status == 200
        assert other.authenticated and guest.authenticated

    @pytest.mark.conformance("O10")
    @pytest.mark.parametrize(
        "headers",
        [
            {"Origin": "https://evil.test"},
            {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
            {"Cookie": "gateway_access=1.x"},
            {"Authorization": "Bearer x"},
        ],
        ids=["a foreign origin", "null", "a cookie", "a bearer"],
    )
    def test_anybody_may_deliver_a_logout_token(
        self, guest: Guest, provider: Provider, headers: dict[str, str]
    ) -> None:
        """The signature is the permission."""
        assert tell(guest.gateway, provider.mint_logout(sid=guest.sid), headers).status == 200
        assert not guest.authenticated

    @pytest.mark.conformance("O10")
    def test_a_session_that_is_over_may_end_again(self, guest: Guest, provider: Provider) -> None:
        assert guest.copy().post("/auth/logout").status == 200
        for _ in range(2):
            assert tell(guest.gateway, provider.mint_logout(sid=guest.sid)).status == 200
        assert tell(guest.gateway, provider.mint_logout(sid="never-seen")).status == 200
        check_over(guest)

    @pytest.mark.conformance("O10")
    def test_an_ended_session_stays_over_when_workers_come_and_go(
        self, cluster: Gateway, provider: Provider, guest: Guest
    ) -> None:
        assert tell(cluster, provider.mint_logout(sid=guest.sid)).status == 200
        before = set(cluster.workers())
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        until(lambda: len(set(cluster.workers()) - before) == 4, 60, "new workers")
        cluster._wait_for("/health/ready", 60)
        check_over(guest)


class TestUser:
    @pytest.mark.conformance("O10")
    def test_all_sessions_of_the_sub_alone_end(self, cluster: Gateway, provider: Provider, guest: Guest) -> None:
        """All sessions of the user whose tokens were issued up to then; a later sign-in works."""
        second, stranger = Guest(cluster), Guest(cluster, "rick")
        token = provider.mint_logout(sub=guest.claims["sub"], drop=("sid",))
        assert tell(cluster, token).status == 200
        check_over(guest)
        check_over(second)
        assert stranger.authenticated
        answer = second.post("/auth/refresh")
        check_error(answer, 401)
        assert not second.jar
        until(lambda: int(time.time()) > jose.decode(token)[1]["iat"], 10, "the next second")
        later = Guest(cluster)
        assert later.authenticated
        assert later.post("/auth/refresh").status == 200
        check_over(guest)

    @pytest.mark.conformance("O10")
    def test_a_late_logout_token_spares_later_sign_ins(self, cluster: Gateway, provider: Provider) -> None:
        old, new = Guest(cluster, "rick"), None
        token = provider.mint_logout("rick", drop=("sid",))
        until(lambda: int(time.time()) > jose.decode(token)[1]["iat"], 10, "the next second")
        new = Guest(cluster, "rick")
        assert tell(cluster, token).status == 200
        assert not old.authenticated
        assert new.authenticated

    @pytest.mark.conformance("O10")
    def test_an_earlier_logout_token_does_not_undo_a_later_one(self, cluster: Gateway, provider: Provider) -> None:
        guest = Guest(cluster, "rick")
        now = int(time.time())
        for issued in (now + 1, now - 60):
            assert tell(cluster, provider.mint_logout("rick", drop=("sid",), iat=issued)).status == 200
        assert not guest.authenticated
        until(lambda: int(time.time()) > now + 1, 10, "the next second")
        assert Guest(cluster, "rick").authenticated


class TestReplay:
    @pytest.mark.conformance("O10")
    def test_a_replayed_logout_token_does_nothing(self, cluster: Gateway, provider: Provider, guest: Guest) -> None:
        """200, on whatever worker, and no second line in the log."""
        token = provider.mint_logout(sid=guest.sid, sub="marked-for-the-log")
        before = sum(line.get("url") == PATH for line in cluster.lines())
        with each_worker(cluster) as lines:
            sent = 2 * len(lines)
            for _ in range(2):
                for line in lines.values():
                    body = urlencode({"logout_token": token}).encode()
                    line.request("POST", PATH, {"Content-Type": FORM}, body)
                    assert line.receive().status == 200
        # Each worker holds its lines for a moment.
        until(lambda: sum(line.get("url") == PATH for line in cluster.lines()) >= before + sent, 5, "their lines")
        reported = [line for line in cluster.lines() if line.get("userId") == "marked-for-the-log"]
        assert len(reported) == 1
        assert reported[0]["action"] == "backchannel_logout"

    @pytest.mark.conformance("O10")
    def test_a_replayed_jti_for_another_session_does_nothing(self, cluster: Gateway, provider: Provider) -> None:
        one, two = Guest(cluster), Guest(cluster)
        assert tell(cluster, provider.mint_logout(sid=one.sid, jti="one-and-two")).status == 200
        assert tell(cluster, provider.mint_logout(sid=two.sid, jti="one-and-two")).status == 200
        assert not one.authenticated
        assert two.authenticated


@pytest.mark.conformance("O10")
def test_sent_by_the_provider_itself(start_gateway: StartGateway, services: Mapping[str, Service]) -> None:
    """An administrator ends a session; and a browser that signs out at the provider does."""
    listener = listen()
    base_url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    settings = ProviderSettings(base_url=base_url)
    env = {"KEYCLOAK_ISSUER_URL": settings.issuer, "KEYCLOAK_CLIENT_SECRET": DEMO_SECRET}
    gateway = start_gateway(env, issuer=None, ready=False)
    client = Client(backchannel_logout_url=gateway.url + PATH)
    app = create_provider(ProviderSettings(base_url=base_url, clients=(client,)))
    with serving(app, listener):
        gateway._wait_for("/health/ready", 10)
        guest = Guest(gateway)
        assert provider_of(app).end_session(guest.sid)
        check_over(guest)
