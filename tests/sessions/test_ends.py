"""An end has a time, and a logout holds (CONFORMANCE O8, O12, O13): what it refuses, and what lifts it."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
from harness.each_worker import each_worker
from harness.errors import check_error, check_refused
from harness.gateway import Gateway
from harness.gateways import GatewayFactory
from harness.issuer import CLIENT, as_json
from harness.logout import end_by_keycloak
from harness.provider import Scripted, credentials, refusal
from harness.visitor import Visitor
from harness.waiting import until

from gateway.scope import Principal
from gateway.sessions import SessionRevocations
from gateway.store import Store
from gateway.tokens import LogoutNotice

SID = "sid-that-keycloak-gives-again"
LEEWAY = 30.0
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def pair(make_gateway: GatewayFactory, running_realm: Scripted) -> Iterator[Gateway]:
    with make_gateway(issuer=running_realm, workers=2) as running:
        yield running


def next_second() -> None:
    """`iat` counts seconds: what is issued from here on is told from what was issued before."""
    now = int(time.time())
    until(lambda: int(time.time()) > now, 10, "the next second")


def into_one_session(realm: Scripted, sub: str) -> None:
    """Every sign-in is into the same session at Keycloak, of this user."""
    realm.access_token = realm.id_token = {"claims": {"sid": SID, "sub": sub}}


@pytest.mark.conformance("O12")
@pytest.mark.parametrize("by", ["sid", "sub"])
def test_a_sign_in_after_the_end_lasts(pair: Gateway, realm: Scripted, by: str) -> None:
    into_one_session(realm, f"user-{by}")
    old = Visitor(pair)
    tokens = old.signed_in(realm.authorize)
    end_by_keycloak(pair, realm, **({"sid": SID} if by == "sid" else {"sub": f"user-{by}"}))
    check_refused(old.get("/users/me"))
    check_error(Visitor(pair).post("/auth/refresh", {"refreshToken": tokens["refreshToken"]}), 401)
    new = Visitor(pair)
    new.signed_in(realm.authorize)
    assert new.authenticated, "at once, in the second of the end"
    next_second()
    assert new.post("/auth/refresh").status == 200
    program = realm.mint({"sid": SID, "sub": f"user-{by}"})
    with each_worker(pair) as lines:
        for line in lines.values():
            assert new.get("/users/me", over=line).status == 200
            assert new.get("/auth/session", over=line).json()["authenticated"]
            assert (
                Visitor(pair).get("/users/me", headers={"Authorization": f"Bearer {program}"}, over=line).status == 200
            )
            check_refused(Visitor(pair).get("/users/me", headers=bearer(tokens["accessToken"]), over=line))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.conformance("O12")
def test_an_end_refuses_what_was_issued_up_to_it(pair: Gateway, realm: Scripted) -> None:
    now = int(time.time())
    earlier, later = (realm.mint({"sid": "some", "iat": now + shift}) for shift in (-1, 5))
    end_by_keycloak(pair, realm, sid="some", iat=now)
    check_refused(pair.get("/users/me", earlier))
    assert pair.get("/users/me", later).status == 200


@pytest.mark.conformance("O12")
def test_a_logout_ends_as_of_now_whatever_token_asks(pair: Gateway, realm: Scripted) -> None:
    now = int(time.time())
    old, new = (realm.mint({"sid": "older", "iat": now - age}) for age in (60, 1))
    assert pair.get("/users/me", new).status == 200
    assert pair.get("/auth/logout", old, method="POST").status == 200
    with each_worker(pair) as lines:
        for line in lines.values():
            for token in (old, new):
                check_refused(Visitor(pair).get("/users/me", headers=bearer(token), over=line))


@pytest.mark.conformance("O12")
def test_a_logout_holds_for_newer_tokens_of_a_clock_that_is_ahead(pair: Gateway, realm: Scripted) -> None:
    now = int(time.time())
    old, new = (realm.mint({"sid": "ahead", "iat": now + ahead}) for ahead in (5, 15))
    assert pair.get("/users/me", new).status == 200
    assert pair.get("/auth/logout", old, method="POST").status == 200
    for token in (old, new):
        check_refused(pair.get("/users/me", token))


@pytest.mark.conformance("O12")
def test_a_logout_by_cookie_holds_for_newer_bearer_tokens(pair: Gateway, realm: Scripted) -> None:
    into_one_session(realm, "user-with-both")
    visitor = Visitor(pair)
    visitor.signed_in(realm.authorize)
    newer = realm.mint({"sid": SID, "sub": "user-with-both", "iat": int(time.time()) + 15})
    assert visitor.post("/auth/logout").status == 200
    check_refused(pair.get("/users/me", newer))
    visitor.signed_in(realm.authorize)
    assert visitor.authenticated, "a sign-in lifts it"
    next_second()
    assert visitor.post("/auth/refresh").status == 200
    assert visitor.authenticated


@pytest.mark.conformance("O13")
def test_after_a_logout_by_bearer_a_refresh_token_is_revoked(pair: Gateway, realm: Scripted) -> None:
    into_one_session(realm, "user-of-o13")
    visitor = Visitor(pair)
    tokens = visitor.signed_in(realm.authorize)
    assert pair.get("/auth/logout", tokens["accessToken"], method="POST").status == 200
    next_second()
    answer = Visitor(pair).post("/auth/refresh", {"refreshToken": tokens["refreshToken"]})
    check_error(answer, 401)
    assert answer.json()["code"] == "session_ended"
    given = realm.asked("revoke")[-1]["token"]
    assert given != tokens["refreshToken"], "the one that Keycloak has just given"
    answer = visitor.post("/auth/refresh")
    check_error(answer, 401)
    assert not visitor.jar
    visitor.signed_in(realm.authorize)
    next_second()
    assert visitor.post("/auth/refresh").status == 200, "there was a sign-in since"
    assert visitor.authenticated


@pytest.mark.conformance("O8")
@pytest.mark.parametrize("refreshes", [0, 1])
def test_a_logout_by_its_refresh_token_alone_ends_the_session_here(
    pair: Gateway, realm: Scripted, refreshes: int
) -> None:
    """Whoever has a refresh token that the gateway gave is of its session."""
    visitor = Visitor(pair)
    tokens = visitor.signed_in(realm.authorize)
    for _ in range(refreshes):
        tokens = Visitor(pair).post("/auth/refresh", {"refreshToken": tokens["refreshToken"]}).json()
    body = {"refreshToken": tokens["refreshToken"]}
    assert Visitor(pair, origin=None).post("/auth/logout", body).status == 200
    with each_worker(pair) as lines:
        for line in lines.values():
            check_refused(Visitor(pair).get("/users/me", headers=bearer(tokens["accessToken"]), over=line))
            check_refused(visitor.get("/users/me", over=line))


@pytest.mark.conformance("O8")
def test_a_logout_by_the_access_cookie_alone_ends_the_session_here(pair: Gateway, realm: Scripted) -> None:
    """The other cookie was lost."""
    visitor = Visitor(pair)
    tokens = visitor.signed_in(realm.authorize)
    half = visitor.copy()
    half.jar = half.named("access")
    check_error(half.copy().post("/auth/logout", origin="https://evil.test"), 403)
    assert visitor.authenticated
    assert half.post("/auth/logout").status == 200
    assert not half.jar
    check_refused(visitor.get("/users/me"))
    check_refused(pair.get("/users/me", tokens["accessToken"]))


@pytest.mark.conformance("O8", "C3")
def test_a_logout_by_the_session_cookie_alone_ends_the_session(pair: Gateway, realm: Scripted) -> None:
    visitor = Visitor(pair)
    tokens = visitor.signed_in(realm.authorize)
    half = visitor.copy()
    half.jar = half.named("session")
    answer = half.post("/auth/logout", origin="https://evil.test")
    check_error(answer, 403)
    assert not answer.all("Set-Cookie")
    assert visitor.authenticated
    assert half.post("/auth/logout").status == 200
    assert not half.jar
    check_refused(visitor.get("/users/me"))
    check_refused(pair.get("/users/me", tokens["accessToken"]))
    assert realm.asked("revoke")[-1]["token"] == tokens["refreshToken"]


class TestAtKeycloak:
    @pytest.fixture
    def ends(self, realm: Scripted) -> Scripted:
        """A realm whose end-session call takes refresh tokens, as Keycloak's."""
        realm.ends_sessions = True
        return realm

    @pytest.mark.conformance("O8")
    def test_the_session_is_ended_by_its_refresh_token(self, pair: Gateway, ends: Scripted) -> None:
        visitor = Visitor(pair)
        tokens = visitor.signed_in(ends.authorize)
        before = ends.calls["revoke"]
        answer = visitor.post("/auth/logout")
        assert answer.status == 200 and "endSessionUrl" in answer.json()
        form = ends.asked("logout")[-1]
        assert form == {"client_id": CLIENT, "refresh_token": tokens["refreshToken"]}
        call = [call for call in ends.seen if call.name == "logout"][-1]
        assert credentials(call) == (CLIENT, pair.env["KEYCLOAK_CLIENT_SECRET"])
        assert ends.calls["revoke"] == before, "revoking as well would be one call too many"

    @pytest.mark.conformance("O8")
    def test_by_what_an_older_one_was_exchanged_for(self, pair: Gateway, ends: Scripted) -> None:
        program = Visitor(pair, origin=None)
        tokens = Visitor(pair).signed_in(ends.authorize)
        newer = program.post("/auth/refresh", {"refreshToken": tokens["refreshToken"]}).json()
        body = {"refreshToken": tokens["refreshToken"]}
        assert program.post("/auth/logout", body, headers=bearer(newer["accessToken"])).status == 200
        assert ends.asked("logout")[-1]["refresh_token"] == newer["refreshToken"]

    @pytest.mark.conformance("O8")
    def test_it_is_revoked_where_that_call_fails(self, pair: Gateway, realm: Scripted) -> None:
        """This realm has no such endpoint: 404."""
        visitor = Visitor(pair)
        tokens = visitor.signed_in(realm.authorize)
        assert visitor.post("/auth/logout").status == 200
        assert realm.asked("revoke")[-1]["token"] == tokens["refreshToken"]


class TestOfNobody:
    """Whoever has no session that goes on is counted: each call could ask Keycloak something."""

    LIMITS: ClassVar[dict[str, str]] = {"RATE_LIMIT_DEFAULT": "20 per hour", "RATE_LIMIT_AUTH": "1000 per hour"}

    def test_is_counted_as_a_bad_token(self, make_gateway: GatewayFactory, running_realm: Scripted) -> None:
        with make_gateway(self.LIMITS, issuer=running_realm) as gateway:
            program = Visitor(gateway, origin=None)
            before = running_realm.calls["revoke"]
            answers = [program.post("/auth/logout", {"refreshToken": f"made-up-{n}"}) for n in range(30)]
            assert [answer.status for answer in answers] == [200] * 20 + [429] * 10
            assert running_realm.calls["revoke"] - before == 20
            assert answers[-1].json()["code"] == "rate_limited"
            visitor = Visitor(gateway)
            visitor.signed_in(running_realm.authorize)
            assert visitor.post("/auth/logout").status == 200, "one with a session is free"
            body = {"refreshToken": Visitor(gateway).signed_in(running_realm.authorize)["refreshToken"]}
            assert program.post("/auth/logout", body).status == 200, "so is one with a session's refresh token"
            assert program.post("/auth/logout", body).status == 429, "which is over now"
            token = running_realm.mint()
            assert gateway.get("/auth/logout", token, method="POST").status == 200
            json = {"Content-Type": "application/json"}
            made_up = b'{"refreshToken": "made-up"}'
            assert gateway.get("/auth/logout", token, json, method="POST", body=made_up).status == 429, (
                "its session is over"
            )

    @pytest.mark.parametrize(
        ("headers", "body", "status"),
        [({"Authorization": "Basic x"}, None, 401), ({"Authorization": "Bearer a,b"}, None, 400), (JSON, b"{", 400)],
        ids=["another scheme", "two tokens", "no JSON"],
    )
    @pytest.mark.conformance("R3")
    def test_is_counted_where_it_is_malformed(
        self,
        make_gateway: GatewayFactory,
        running_realm: Scripted,
        headers: dict[str, str],
        body: bytes | None,
        status: int,
    ) -> None:
        with make_gateway({"RATE_LIMIT_DEFAULT": "3 per hour"}, issuer=running_realm) as gateway:
            asked = [gateway.get("/auth/logout", headers=headers, method="POST", body=body).status for _ in range(5)]
            assert asked == [status] * 3 + [429] * 2


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(b"s" * 32, "tests", directory=tmp_path)
    opened.start()
    yield opened
    opened.close(time.monotonic() + 5)


@pytest.fixture
def revocations(store: Store) -> SessionRevocations:
    return SessionRevocations(store, LEEWAY)


def principal(issued: float, *, jti: str = "", sid: str | None = "s", user: str = "u") -> Principal:
    ident = jti or f"jti-{issued}"
    return Principal(user, None, frozenset(), "", issued + 300, issued, sid, ident)


class TestClocks:
    """Keycloak's clock and the gateway's may differ by as much as the leeway."""

    @pytest.mark.conformance("O12")
    @pytest.mark.parametrize("ahead", [-25, 0, 25])
    def test_a_sign_in_lifts_and_a_logout_holds(self, revocations: SessionRevocations, ahead: int) -> None:
        now = time.time()
        first = principal(int(now + ahead) - 5)
        revocations.sign_out(first)
        assert revocations.includes(first) and not revocations.may_refresh(first)
        again = principal(int(now + ahead))
        revocations.sign_in(again)
        assert not revocations.includes(again) and revocations.includes(first)
        refreshed = principal(int(now + ahead) + 5)
        assert revocations.may_refresh(refreshed) and not revocations.includes(refreshed)
        revocations.sign_out(again)
        assert revocations.includes(again) and revocations.includes(principal(int(now + ahead), jti="another"))
        assert not revocations.may_refresh(refreshed)

    @pytest.mark.conformance("O12")
    @pytest.mark.parametrize("ahead", [-25, 0, 25])
    def test_a_logout_refuses_newer_tokens_of_the_session(self, revocations: SessionRevocations, ahead: int) -> None:
        now = time.time()
        older, newer = principal(int(now + ahead) - 5), principal(int(now + ahead) + 4)
        revocations.sign_out(older)
        assert revocations.includes(newer) and not revocations.may_refresh(newer)
        revocations.sign_in(newer)
        assert not revocations.includes(newer) and revocations.may_refresh(principal(int(now + ahead) + 5))

    @pytest.mark.conformance("O10")
    @pytest.mark.parametrize("ahead", [-25, 0, 25])
    def test_a_logout_token_ends_what_a_sign_in_began_after_a_logout(
        self, revocations: SessionRevocations, ahead: int
    ) -> None:
        now = int(time.time()) + ahead
        revocations.sign_out(principal(now - 9))
        again = principal(now)
        revocations.sign_in(again)
        revocations.apply_logout_token(LogoutNotice("s", "u", "late", now - 5, now + 60))
        assert not revocations.includes(again), "it is about the session before"
        revocations.apply_logout_token(LogoutNotice("s", "u", "jti", now + 2, now + 60))
        assert revocations.includes(again) and not revocations.may_refresh(principal(now + 1))
        last = principal(now + 3)
        revocations.sign_in(last)
        assert not revocations.includes(last)

    def test_a_logout_token_that_comes_late_spares_a_sign_in_since(self, revocations: SessionRevocations) -> None:
        now = time.time()
        signed_in = principal(int(now))
        revocations.sign_in(signed_in)
        revocations.apply_logout_token(LogoutNotice("s", "u", "jti", int(now) - 10, now + 60))
        assert not revocations.includes(signed_in)
        assert revocations.may_refresh(principal(int(now) + 5))
        assert revocations.includes(principal(int(now) - 20))

    def test_of_one_second_the_older_token_stays_refused(self, revocations: SessionRevocations) -> None:
        now = int(time.time())
        older, newer = principal(now, jti="older"), principal(now, jti="newer")
        revocations.sign_out(older)
        revocations.sign_in(newer)
        assert revocations.includes(older) and not revocations.includes(newer)
        of_its_refresh = principal(now, jti="refreshed")
        revocations.accept(of_its_refresh)
        assert not revocations.includes(of_its_refresh)


def test_an_ended_session_says_so_by_its_code(pair: Gateway, realm: Scripted) -> None:
    token = realm.mint()
    assert pair.get("/auth/logout", token, method="POST").status == 200
    assert pair.get("/users/me", token).json()["code"] == "session_ended"
    assert pair.get("/users/me").json()["code"] == "token_missing"
    assert pair.get("/users/me", "x").json()["code"] == "token_invalid"
    assert pair.get("/users/me", realm.mint(life=-600)).json()["code"] == "token_expired"


def test_a_refresh_token_that_is_over_says_so_by_its_code(pair: Gateway, realm: Scripted) -> None:
    realm.instead = refusal("invalid_grant")
    answer = Visitor(pair).post("/auth/refresh", {"refreshToken": "refresh_over_1"})
    assert (answer.status, answer.json()["code"]) == (401, "session_ended")
    realm.instead = lambda call: as_json({"error": "server_error"}, 500)
    answer = Visitor(pair).post("/auth/refresh", {"refreshToken": "refresh_over_2"})
    assert (answer.status, answer.json()["code"]) == (502, "keycloak_error")
