"""Refreshing (docs/sign-in.md; statement O7): one token request for each rotation, and no outage signs anybody out."""

import os
import signal
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from harness import jose
from harness.each_worker import connected, each_worker
from harness.errors import check_error
from harness.gateway import Gateway, StartGateway
from harness.gateways import DEMO_SECRET, GatewayFactory
from harness.http import Answer, Connection
from harness.issuer import CLIENT, as_json
from harness.provider import Gate, Scripted, as_user, lapsed, refusal
from harness.refreshes import later
from harness.service import Service
from harness.together import at_once
from harness.visitor import Visitor, set_by
from harness.waiting import until

from demo.identity import Provider

WORKERS = 4
PER_WORKER = 13


@pytest.fixture(scope="module")
def cluster(make_gateway: GatewayFactory, provider: Provider) -> Iterator[Gateway]:
    """Four workers before the demo's provider, which ends a session whose refresh token comes twice."""
    with make_gateway(issuer=provider, workers=WORKERS) as running:
        yield running


@pytest.fixture(scope="module")
def pair(make_gateway: GatewayFactory, running_realm: Scripted) -> Iterator[Gateway]:
    """Two workers before the scripted provider."""
    with make_gateway(issuer=running_realm, services=["users"], workers=2) as running:
        yield running


@pytest.fixture
def visitor(cluster: Gateway) -> Visitor:
    """Somebody who has signed in at the demo's provider."""
    visit = Visitor(cluster)
    visit.signed_in(as_user())
    return visit


@pytest.fixture
def guest(pair: Gateway, realm: Scripted) -> Visitor:
    """Somebody who has signed in at the scripted one."""
    visit = Visitor(pair)
    visit.signed_in(realm.authorize)
    return visit


def each(tabs: Iterable[Visitor], lines: Iterable[Connection], method: str, path: str) -> list[Answer]:
    """The same request of every tab at once, on a connection of its own."""
    pairs = zip(tabs, lines, strict=True)
    return at_once([partial(tab.call, method, path, over=line) for tab, line in pairs])


def connections(gateway: Gateway, stack: ExitStack) -> list[Connection]:
    """PER_WORKER to each worker, in turn."""
    pids = gateway.workers() * PER_WORKER
    return [stack.enter_context(connected(gateway, pid)) for pid in pids]


def token_of(visitor: Visitor, users: Service) -> str | None:
    """The access token that a service gets of this browser."""
    assert visitor.get("/users/me").status == 200
    return users.last.header("Authorization")


class TestByBody:
    @pytest.mark.conformance("O7")
    def test_a_refresh_by_body_gives_new_tokens(self, cluster: Gateway, provider: Provider) -> None:
        tokens = Visitor(cluster).signed_in(as_user())
        program = Visitor(cluster, origin=None)
        seen = {tokens["accessToken"], tokens["refreshToken"]}
        for _ in range(3):
            later()
            answer = program.post("/auth/refresh", {"refreshToken": tokens["refreshToken"]})
            assert answer.status == 200
            assert not answer.all("Set-Cookie")
            tokens = answer.json()
            assert set(tokens) == {"accessToken", "refreshToken", "expiresIn"}
            assert tokens["expiresIn"] == provider.settings.access_lifetime
            assert tokens["accessToken"] not in seen and tokens["refreshToken"] not in seen
            seen |= {tokens["accessToken"], tokens["refreshToken"]}
            assert cluster.get("/users/me", tokens["accessToken"]).status == 200

    @pytest.mark.parametrize("token", ["x", "x.y.z", "\x00", "é", "a b", "x" * 10_000, '"', "\ud800"], ids=ascii)
    def test_a_refresh_refuses_what_is_no_refresh_token(self, cluster: Gateway, token: str) -> None:
        answer = Visitor(cluster).post("/auth/refresh", {"refreshToken": token})
        check_error(answer)
        assert answer.status in (400, 401)

    @pytest.mark.conformance("O7")
    def test_a_refresh_token_that_is_not_rotated_is_kept(self, guest: Visitor, realm: Scripted) -> None:
        realm.answer = {"refresh_token": None}
        answer = guest.post("/auth/refresh", {"refreshToken": "refresh_sid-kept_1"})
        assert answer.json()["refreshToken"] == "refresh_sid-kept_1"
        assert guest.post("/auth/refresh").status == 200
        realm.restore()
        used = realm.asked()[-1]["refresh_token"]
        assert guest.post("/auth/refresh").status == 200, "10 s long it is answered without Keycloak"
        assert realm.asked()[-1]["refresh_token"] == used


class TestByCookie:
    @pytest.mark.conformance("O7", "C8")
    def test_a_refresh_by_cookie_renews_the_cookies(self, visitor: Visitor, users: Service) -> None:
        before, token = dict(visitor.jar), token_of(visitor, users)
        answer = visitor.post("/auth/refresh")
        assert answer.status == 200
        assert set(answer.json()) == {"expiresIn"}
        assert {name: cookie.value for name, cookie in visitor.jar.items()}.keys() == before.keys()
        assert all(visitor.jar[name].value != cookie.value for name, cookie in before.items())
        assert token_of(visitor, users) != token
        assert visitor.post("/auth/refresh").status == 200, "the rotated token was kept"

    def test_a_refresh_by_cookie_needs_both_cookies(self, visitor: Visitor, provider: Provider) -> None:
        before = provider.calls["token"]
        for missing in ("access", "session"):
            half = visitor.copy()
            half.jar = {name: cookie for name, cookie in visitor.jar.items() if missing not in name}
            check_error(half.post("/auth/refresh"), 401)
        check_error(Visitor(visitor.gateway).post("/auth/refresh"), 401)
        assert provider.calls["token"] == before

    def test_a_refresh_works_after_the_access_token_has_expired(self, pair: Gateway, realm: Scripted) -> None:
        realm.access_token = lapsed()
        late = Visitor(pair)
        late.signed_in(realm.authorize)
        check_error(late.get("/users/me"), 401, "Token expired")
        realm.restore()
        assert late.post("/auth/refresh").status == 200
        assert late.authenticated


class TestOnce:
    @pytest.mark.conformance("O7")
    def test_parallel_refreshes_by_cookie_make_one_token_request(
        self, visitor: Visitor, provider: Provider, users: Service
    ) -> None:
        """Fifty tabs on four workers; all end up with the same tokens, and the session goes on."""
        with ExitStack() as stack:
            lines = connections(visitor.gateway, stack)
            for _ in range(3):
                later()
                tabs = [visitor.copy() for _ in lines]
                before = provider.calls["token"]
                answers = each(tabs, lines, "POST", "/auth/refresh")
                assert {answer.status for answer in answers} == {200}
                assert provider.calls["token"] == before + 1
                assert len({token_of(tab, users) for tab in tabs[::10]}) == 1
                visitor = tabs[-1]
        assert visitor.post("/auth/refresh").status == 200

    @pytest.mark.conformance("O7")
    def test_parallel_refreshes_by_body_make_one_token_request(self, cluster: Gateway, provider: Provider) -> None:
        token = Visitor(cluster).signed_in(as_user())["refreshToken"]
        program = Visitor(cluster, origin=None)
        with ExitStack() as stack:
            lines = connections(cluster, stack)
            for _ in range(2):
                later()
                before = provider.calls["token"]
                body = {"refreshToken": token}
                calls = [partial(program.post, "/auth/refresh", body, over=line) for line in lines]
                answers = at_once(calls)
                assert {answer.status for answer in answers} == {200}
                assert provider.calls["token"] == before + 1
                (result,) = {answer.body for answer in answers}
                token = answers[0].json()["refreshToken"]
                assert result
        assert program.post("/auth/refresh", {"refreshToken": token}).status == 200

    @pytest.mark.conformance("O7")
    def test_refreshes_by_cookie_and_body_make_one_token_request(self, cluster: Gateway, provider: Provider) -> None:
        """By cookie and by body in one rotation."""
        visitor = Visitor(cluster)
        token = visitor.signed_in(as_user())["refreshToken"]
        before = provider.calls["token"]
        assert visitor.copy().post("/auth/refresh").status == 200
        first = visitor.post("/auth/refresh", {"refreshToken": token})
        assert first.status == 200
        assert first.json()["refreshToken"] != token
        assert provider.calls["token"] == before + 1

    @pytest.mark.conformance("O7")
    def test_parallel_refreshes_wait_for_a_slow_provider(self, guest: Visitor, realm: Scripted) -> None:
        gate = Gate()
        realm.instead = gate
        before = realm.calls["token"]
        with each_worker(guest.gateway) as lines, ThreadPoolExecutor(8) as pool:
            tabs = [guest.copy() for _ in range(4)]
            over = [*lines.values(), None, None]
            asked = [pool.submit(tab.post, "/auth/refresh", over=line) for tab, line in zip(tabs, over, strict=True)]
            until(lambda: gate.waiting, 5, "the token request")
            assert guest.get("/health/live").status == 200
            assert guest.authenticated, "requests do not wait for a refresh"
            gate.opened.set()
            assert [answer.result().status for answer in asked] == [200] * 4
        assert realm.calls["token"] == before + 1

    @pytest.mark.conformance("O7")
    def test_each_session_has_its_own_token_request(self, cluster: Gateway, provider: Provider) -> None:
        visitors = [Visitor(cluster) for _ in range(4)]
        for visitor in visitors:
            visitor.signed_in(as_user())
        before = provider.calls["token"]
        answers = at_once([partial(visitor.post, "/auth/refresh") for visitor in visitors])
        assert [answer.status for answer in answers] == [200] * 4
        assert provider.calls["token"] == before + 4

    @pytest.mark.conformance("O7")
    def test_a_superseded_refresh_token_gets_the_same_answer(self, cluster: Gateway, provider: Provider) -> None:
        """For 10 s, on every worker."""
        body = {"refreshToken": Visitor(cluster).signed_in(as_user())["refreshToken"]}
        program = Visitor(cluster, origin=None)
        first = program.post("/auth/refresh", body).json()
        before = provider.calls["token"]
        with each_worker(cluster) as lines:
            for line in lines.values():
                assert program.post("/auth/refresh", body, over=line).json() == first
        assert provider.calls["token"] == before
        assert program.post("/auth/refresh", {"refreshToken": first["refreshToken"]}).status == 200

    @pytest.mark.conformance("O2")
    def test_parallel_callbacks_make_one_token_request(self, cluster: Gateway, provider: Provider) -> None:
        """One callback at once on every worker: one sign-in, the others refused without a token request."""
        visitor = Visitor(cluster)
        back = as_user()(visitor.begin().auth_url).removeprefix(cluster.url)
        before = provider.calls["token"]
        with each_worker(cluster) as lines:
            tabs = [visitor.copy() for _ in lines]
            answers = each(tabs, lines.values(), "GET", back)
        assert sorted(answer.status for answer in answers) == [200, 400, 400, 400]
        assert provider.calls["token"] == before + 1
        (winner,) = (tab for tab, answer in zip(tabs, answers, strict=True) if answer.status == 200)
        assert winner.authenticated


FAILURES: dict[str, tuple[Any, set[int]]] = {
    "500": (lambda call: (500, {}, b"marked"), {502}),
    "500 that says invalid_grant": (refusal("invalid_grant", 500), {502}),
    "503": (refusal("temporarily_unavailable", 503), {502, 503}),
    "429": (lambda call: (429, {"Retry-After": "9"}, b""), {502, 503}),
    "HTML": (lambda call: (200, {"Content-Type": "text/html"}, b"<html>marked"), {502}),
    "an array": (lambda call: as_json([]), {502}),
    "nested": (lambda call: (200, {}, b"[" * 100_000), {502}),
    "nothing": (lambda call: (200, {}, b""), {502}),
    "no access token": (lambda call: as_json({"token_type": "Bearer", "expires_in": 1}), {502}),
    "a redirect": (lambda call: (302, {"Location": "/elsewhere"}, b""), {502}),
    "invalid_client": (refusal("invalid_client", 401), {502}),
    "unauthorized_client": (refusal("unauthorized_client", 401), {502}),
    "invalid_request": (refusal("invalid_request"), {502}),
    "invalid_scope": (refusal("invalid_scope"), {502}),
}


def check_kept(guest: Visitor, answer: Answer, statuses: set[int]) -> None:
    check_error(answer)
    assert answer.status in statuses
    assert not answer.all("Set-Cookie"), "an outage signs nobody out"
    assert guest.authenticated


def check_recovers(guest: Visitor) -> None:
    until(lambda: guest.post("/auth/refresh").status == 200, 5, "a refresh")
    assert guest.authenticated


class TestFailures:
    @pytest.mark.conformance("O7", "F1")
    @pytest.mark.parametrize(("reply", "statuses"), FAILURES.values(), ids=FAILURES.keys())
    def test_a_failure_of_the_provider_keeps_the_session(
        self, guest: Visitor, realm: Scripted, reply: Any, statuses: set[int]
    ) -> None:
        realm.instead = reply
        check_kept(guest, guest.post("/auth/refresh"), statuses)
        answer = guest.post("/auth/refresh", {"refreshToken": f"refresh_sid-of-a-program_{realm.calls['token']}"})
        check_error(answer)
        assert answer.status in statuses

    @pytest.mark.conformance("O7", "F1")
    def test_after_a_failure_the_next_refresh_works(self, guest: Visitor, realm: Scripted) -> None:
        """The next refresh works, with the token that failed."""
        realm.instead = refusal("server_error", 500)
        check_kept(guest, guest.post("/auth/refresh"), {502})
        realm.restore()
        check_recovers(guest)

    @pytest.mark.conformance("O7", "F1")
    def test_a_provider_that_hangs_keeps_the_session(
        self, guest: Visitor, realm: Scripted, running_realm: Scripted
    ) -> None:
        """All who wait for one refresh, on whatever worker, are told within the time-out."""
        running_realm.hang()
        try:
            with each_worker(guest.gateway) as lines:
                tabs = [guest.copy() for _ in lines]
                answers = each(tabs, lines.values(), "POST", "/auth/refresh")
        finally:
            running_realm.start()
        for answer in answers:
            check_kept(guest, answer, {504})
        check_recovers(guest)

    @pytest.mark.conformance("O7", "F1")
    def test_a_provider_that_is_not_there_keeps_the_session(
        self, guest: Visitor, realm: Scripted, running_realm: Scripted
    ) -> None:
        running_realm.stop()
        try:
            check_kept(guest, guest.post("/auth/refresh"), {503})
        finally:
            running_realm.start()
        check_recovers(guest)

    @pytest.mark.conformance("O7")
    def test_a_failure_is_shared_by_those_who_waited(self, guest: Visitor, realm: Scripted) -> None:
        """A provider in trouble is not asked once by every tab."""
        gate = Gate()

        def fail(call: Any) -> Any:
            gate(call)
            return 500, {}, b""

        realm.instead = fail
        before = realm.calls["token"]
        tabs = [guest.copy() for _ in range(10)]
        with ThreadPoolExecutor(10) as pool:
            asked = [pool.submit(tab.post, "/auth/refresh") for tab in tabs]
            until(lambda: gate.waiting, 5, "the token request")
            gate.opened.set()
            assert {answer.result().status for answer in asked} == {502}
        assert realm.calls["token"] - before <= 2
        realm.restore()
        check_recovers(guest)

    @pytest.mark.conformance("O7")
    def test_a_wrong_client_secret_is_said_by_the_settings_name(
        self, start_gateway: StartGateway, visitor: Visitor, provider: Provider
    ) -> None:
        env = {"KEYCLOAK_ISSUER_URL": provider.issuer, "KEYCLOAK_CLIENT_SECRET": "not-the-secret-0123456789"}
        wrong = start_gateway(env, issuer=None, ready=True)
        lost = visitor.copy()
        lost.move_to(wrong)
        answer = lost.post("/auth/refresh")
        check_error(answer, 502)
        assert not answer.all("Set-Cookie")
        assert DEMO_SECRET not in wrong.raw_output()
        wrong.access_line("/auth/refresh")
        (line,) = (line for line in wrong.lines() if "KEYCLOAK_CLIENT_SECRET" in line["message"])
        assert line["level"] == "error"
        assert visitor.post("/auth/refresh").status == 200

    @pytest.mark.conformance("O7")
    def test_a_worker_that_dies_with_the_lease_holds_up_nobody(self, guest: Visitor, realm: Scripted) -> None:
        """Whoever waited for it is told within the time-out, nobody is signed out, and the next refresh works."""
        gate = Gate()
        first = iter([True])
        realm.instead = lambda call: gate(call) if next(first, False) else None
        gateway = guest.gateway
        holder, other = gateway.workers()
        try:
            with connected(gateway, holder) as doomed, connected(gateway, other, timeout=20) as waiting:
                doomed.request("POST", "/auth/refresh", [("Cookie", guest.cookie_header("/auth")), *page(guest)])
                until(lambda: gate.waiting, 5, "the token request")
                with ThreadPoolExecutor(1) as pool:
                    asked = pool.submit(guest.post, "/auth/refresh", over=waiting)
                    os.kill(holder, signal.SIGKILL)
                    answer = asked.result(20)
        finally:
            gate.opened.set()
        assert answer.status in (200, 502, 503, 504)
        check_recovers(guest)
        until(lambda: len(gateway.workers()) == 2, 10, "a new worker")
        with each_worker(gateway) as lines:
            assert [guest.get("/users/me", over=line).status for line in lines.values()] == [200, 200]


def page(guest: Visitor) -> list[tuple[str, str]]:
    return [("Origin", guest.origin or "")]


class TestEnd:
    @pytest.mark.conformance("O7")
    def test_invalid_grant_ends_the_session(self, cluster: Gateway, provider: Provider) -> None:
        """invalid_grant: 401, and the cookies are gone."""
        visitor = Visitor(cluster)
        tokens = visitor.signed_in(as_user())
        sid = claims(tokens["accessToken"])["sid"]
        assert provider.end_session(sid)
        program = Visitor(cluster, origin=None)
        check_error(program.post("/auth/refresh", {"refreshToken": tokens["refreshToken"]}), 401)
        answer = visitor.post("/auth/refresh")
        check_error(answer, 401)
        assert 'error="invalid_token"' in (answer.header("WWW-Authenticate") or "")
        assert {cookie.name for cookie in set_by(answer)} == {
            visitor.own("gateway_access"),
            visitor.own("gateway_session"),
        }
        assert not visitor.jar
        check_error(visitor.post("/auth/refresh"), 401)

    @pytest.mark.conformance("O7")
    @pytest.mark.parametrize(
        "change",
        [
            {"claims": {"sub": "somebody-else"}},
            {"claims": {"iss": "https://evil.test"}},
            {"claims": {"aud": "other"}},
            {"claims": {"aud": [CLIENT, "other"]}},
            {"claims": {"azp": "other"}},
            {"claims": {"at_hash": "x"}},
            {"drop": ["sub"]},
            {"key": None, "headers": {"alg": "none"}},
            {"life": -600},
        ],
        ids=["sub", "iss", "aud", "aud of two", "azp", "at_hash", "no sub", "no signature", "lapsed"],
    )
    def test_an_id_token_of_another_session_ends_the_session(
        self, guest: Visitor, realm: Scripted, users: Service, change: dict[str, Any]
    ) -> None:
        """Neither the first nor who asks again gets what came with it."""
        other = guest.copy()
        realm.id_token = change
        realm.access_token = {"claims": {"sub": "somebody-else"}}
        for tab in (guest, other):
            answer = tab.post("/auth/refresh")
            check_error(answer)
            assert answer.status in (401, 502)
            assert not [cookie for cookie in set_by(answer) if cookie.value]
        if change != {"claims": {"sub": "somebody-else"}}:
            answer = Visitor(guest.gateway).post("/auth/refresh", {"refreshToken": "refresh_sid-x_9"})
            assert answer.status in (401, 502)

    def test_a_refresh_without_an_id_token_keeps_the_session(self, guest: Visitor, realm: Scripted) -> None:
        """OpenID Connect Core 12.2: a refresh may bring none."""
        realm.answer = {"id_token": None}
        assert guest.post("/auth/refresh").status == 200
        assert guest.authenticated
        assert "id_token_hint" in guest.post("/auth/logout").json()["endSessionUrl"]


def claims(token: str) -> dict[str, Any]:
    return jose.decode(token)[1]
