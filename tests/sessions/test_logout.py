"""Signing out (docs/sign-in.md; statement O8): here at once and on every worker, at Keycloak when it can be reached."""

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from urllib.parse import parse_qs, urlsplit

import pytest
from harness import jose
from harness.each_worker import each_worker
from harness.errors import check_error, check_refused
from harness.gateway import FRONTEND, Gateway
from harness.gateways import GatewayFactory
from harness.http import Answer, Connection
from harness.issuer import CLIENT
from harness.provider import Scripted, as_user, credentials, lapsed
from harness.visitor import Visitor, set_by
from harness.waiting import until

from demo.browser import Browser
from demo.identity import Provider

SECOND = "https://app.example.com"
FRONTENDS = {"FRONTEND_URL": f"{FRONTEND},{SECOND}"}
MESSAGE = "Logged out successfully"


@pytest.fixture(scope="module")
def cluster(make_gateway: GatewayFactory, provider: Provider) -> Iterator[Gateway]:
    """Four workers, each of which has read the keys: what is called then is called for a request."""
    before = provider.calls["certs"]
    with make_gateway(FRONTENDS, issuer=provider, workers=4) as running:
        until(lambda: provider.calls["certs"] >= before + 4, 30, "the keys of four workers")
        yield running


@pytest.fixture(scope="module")
def single(make_gateway: GatewayFactory, running_realm: Scripted) -> Iterator[Gateway]:
    with make_gateway(FRONTENDS, issuer=running_realm, services=["users"]) as running:
        yield running


def check_left(answer: Answer) -> dict[str, list[str]]:
    """A logout's answer; what its `endSessionUrl` says."""
    assert answer.status == 200
    assert set(answer.json()) == {"message", "endSessionUrl"}
    assert answer.json()["message"] == MESSAGE
    assert answer.header("Cache-Control") == "no-store"
    return parse_qs(urlsplit(answer.json()["endSessionUrl"]).query)


def check_over(visitor: Visitor, access_token: str, refresh_token: str) -> None:
    """Neither cookies nor tokens of this session are worth anything, on no worker."""
    program = Visitor(visitor.gateway, origin=None)
    with each_worker(visitor.gateway) as lines:
        for line in lines.values():
            check_refused(visitor.get("/users/me", over=line))
            bearer = {"Authorization": f"Bearer {access_token}"}
            check_refused(program.get("/users/me", headers=bearer, over=line))
            for who, headers in ((visitor, {}), (program, bearer)):
                assert who.get("/auth/session", headers=headers, over=line).json() == {"authenticated": False}
            answer = program.post("/auth/refresh", {"refreshToken": refresh_token}, over=line)
            check_error(answer, 401)
    answer = visitor.post("/auth/refresh")
    check_error(answer, 401)
    assert not visitor.jar


class TestByCookie:
    @pytest.mark.conformance("O8")
    def test_a_logout_ends_the_session_everywhere(self, cluster: Gateway, provider: Provider) -> None:
        visitor = Visitor(cluster)
        tokens = visitor.signed_in(as_user())
        stolen = visitor.copy()
        before = provider.calls
        answer = visitor.post("/auth/logout")
        check_left(answer)
        assert not visitor.jar
        assert {cookie.life for cookie in set_by(answer)} == {0}
        assert provider.calls - before == {"logout": 1}
        assert provider.sessions.get(jose.decode(tokens["accessToken"])[1]["sid"]) is None
        check_over(stolen, tokens["accessToken"], tokens["refreshToken"])

    @pytest.mark.conformance("O8")
    def test_a_logout_ends_no_other_session(self, cluster: Gateway) -> None:
        visitors = [Visitor(cluster) for _ in range(3)]
        for visitor, name in zip(visitors, ("cora", "cora", "rick"), strict=True):
            visitor.signed_in(as_user(name))
        assert visitors[0].post("/auth/logout").status == 200
        assert [visitor.authenticated for visitor in visitors] == [False, True, True]
        assert visitors[1].post("/auth/refresh").status == 200

    @pytest.mark.conformance("O8")
    def test_a_logout_ends_what_a_refresh_left_behind(self, cluster: Gateway) -> None:
        """A superseded refresh token is answered for 10 s, but not beyond the end of its session."""
        visitor = Visitor(cluster)
        tokens = visitor.signed_in(as_user())
        stolen = visitor.copy()
        assert visitor.post("/auth/refresh").status == 200
        assert visitor.post("/auth/logout").status == 200
        check_over(stolen, tokens["accessToken"], tokens["refreshToken"])

    @pytest.mark.conformance("O8")
    @pytest.mark.parametrize(("origin", "home"), [(FRONTEND, FRONTEND), (SECOND, SECOND)])
    def test_a_logout_tells_where_the_session_at_keycloak_ends(
        self, cluster: Gateway, provider: Provider, origin: str, home: str
    ) -> None:
        visitor = Visitor(cluster, origin=origin)
        visitor.signed_in(as_user())
        answer = visitor.post("/auth/logout")
        asked = check_left(answer)
        assert answer.json()["endSessionUrl"].startswith(f"{provider.issuer}/protocol/openid-connect/logout?")
        assert asked["client_id"] == [CLIENT]
        assert asked["post_logout_redirect_uri"] == [f"{home}/"]
        (hint,) = asked["id_token_hint"]
        assert jose.decode(hint)[1]["typ"] == "ID"
        assert set(asked) == {"client_id", "post_logout_redirect_uri", "id_token_hint"}

    def test_a_browsers_logout_goes_on_at_keycloak_and_comes_back(self, cluster: Gateway) -> None:
        """The single sign-on session of the browser ends too: the next login sees the form."""
        visitor = Visitor(cluster)
        with Browser() as browser:
            visitor.signed_in(browser.sign_in)
            end = browser.open(visitor.post("/auth/logout").json()["endSessionUrl"])
            assert (end.status_code, end.headers["Location"]) == (302, f"{FRONTEND}/")
            assert browser.open(visitor.begin().auth_url).status_code == 200

    @pytest.mark.conformance("O8")
    def test_an_expired_access_token_can_be_logged_out(self, single: Gateway, realm: Scripted) -> None:
        realm.access_token = lapsed()
        visitor = Visitor(single)
        tokens = visitor.signed_in(realm.authorize)
        assert visitor.post("/auth/logout").status == 200
        assert not visitor.jar
        assert realm.asked("revoke")[-1]["token"] == tokens["refreshToken"]

    @pytest.mark.conformance("O8", "O9")
    def test_a_logout_revokes_as_the_client(self, single: Gateway, realm: Scripted) -> None:
        visitor = Visitor(single)
        tokens = visitor.signed_in(realm.authorize)
        visitor.post("/auth/logout")
        call = [call for call in realm.seen if call.name == "revoke"][-1]
        assert credentials(call) == (CLIENT, single.env["KEYCLOAK_CLIENT_SECRET"])
        form = realm.asked("revoke")[-1]
        assert form["token"] == tokens["refreshToken"]
        assert form["token_type_hint"] == "refresh_token"
        assert "client_secret" not in form

    @pytest.mark.conformance("O8")
    def test_a_second_logout_is_no_error(self, cluster: Gateway) -> None:
        visitor = Visitor(cluster)
        visitor.signed_in(as_user())
        twin = visitor.copy()
        assert [who.post("/auth/logout").status for who in (visitor, visitor, twin, twin)] == [200] * 4
        assert not twin.jar

    @pytest.mark.conformance("O8")
    def test_a_logout_removes_invalid_cookies(self, cluster: Gateway) -> None:
        access, session = (Visitor(cluster).own(name) for name in ("gateway_access", "gateway_session"))
        bad = f"{access}=3.x; {access}-1=x; {access}-2=x; {session}=x; {session}-1=y"
        headers = {"Cookie": bad, "Origin": FRONTEND}
        answer = cluster.get("/auth/logout", headers=headers, method="POST")
        assert answer.status == 200
        assert {cookie.name for cookie in set_by(answer)} >= {pair.split("=")[0] for pair in bad.split("; ")}


class TestByToken:
    @pytest.mark.conformance("O8")
    def test_a_logout_by_bearer_ends_its_session(self, cluster: Gateway, provider: Provider) -> None:
        """The session ends here; without its refresh token it goes on at Keycloak."""
        visitor = Visitor(cluster)
        tokens = visitor.signed_in(as_user())
        bearer = {"Authorization": f"Bearer {tokens['accessToken']}"}
        before = provider.calls["revoke"]
        program = Visitor(cluster, origin=None)
        check_left(program.post("/auth/logout", headers=bearer))
        assert provider.calls["revoke"] == before
        with each_worker(cluster) as lines:
            for line in lines.values():
                check_refused(program.get("/users/me", headers=bearer, over=line))
                check_refused(visitor.get("/users/me", over=line))

    @pytest.mark.conformance("O8")
    def test_a_logout_by_bearer_and_body_ends_the_session(self, cluster: Gateway, provider: Provider) -> None:
        visitor = Visitor(cluster)
        tokens = visitor.signed_in(as_user())
        before = provider.calls
        body, bearer = {"refreshToken": tokens["refreshToken"]}, {"Authorization": f"Bearer {tokens['accessToken']}"}
        check_left(Visitor(cluster, origin=None).post("/auth/logout", body, headers=bearer))
        assert provider.calls - before == {"logout": 1}
        assert provider.sessions.get(jose.decode(tokens["accessToken"])[1]["sid"]) is None
        check_over(visitor, tokens["accessToken"], tokens["refreshToken"])

    @pytest.mark.conformance("O8")
    def test_a_logout_by_body_alone_ends_the_session(self, cluster: Gateway, provider: Provider) -> None:
        tokens = Visitor(cluster).signed_in(as_user())
        program, body = Visitor(cluster, origin=None), {"refreshToken": tokens["refreshToken"]}
        check_left(program.post("/auth/logout", body))
        assert provider.sessions.get(jose.decode(tokens["accessToken"])[1]["sid"]) is None
        check_error(program.post("/auth/refresh", body), 401)

    @pytest.mark.conformance("O8")
    def test_a_logout_by_body_ends_superseded_refresh_tokens_too(self, cluster: Gateway) -> None:
        """What a refresh left behind is gone with it."""
        body = {"refreshToken": Visitor(cluster).signed_in(as_user())["refreshToken"]}
        program = Visitor(cluster, origin=None)
        newer = program.post("/auth/refresh", body).json()
        assert program.post("/auth/logout", {"refreshToken": newer["refreshToken"]}).status == 200
        for token in (newer["refreshToken"], body["refreshToken"]):
            check_error(program.post("/auth/refresh", {"refreshToken": token}), 401)

    @pytest.mark.conformance("O8")
    @pytest.mark.parametrize(
        "headers",
        [{}, {"Origin": "https://evil.test"}, {"Authorization": "Bearer x"}, {"Authorization": "Bearer x.y.z"}],
        ids=["nothing", "a foreign origin", "garbage", "three parts"],
    )
    def test_a_logout_of_nobody_is_no_error(
        self, cluster: Gateway, provider: Provider, headers: Mapping[str, str]
    ) -> None:
        before = provider.calls["revoke"]
        asked = check_left(cluster.get("/auth/logout", headers=headers, method="POST"))
        assert "id_token_hint" not in asked
        assert provider.calls["revoke"] == before

    @pytest.mark.conformance("O8")
    def test_a_logout_with_a_forged_access_token_ends_nothing(self, cluster: Gateway, provider: Provider) -> None:
        """A token that does not verify ends no session, whatever it says."""
        visitor = Visitor(cluster)
        token = visitor.signed_in(as_user())["accessToken"]
        head, payload, _ = token.split(".")
        for forged in (f"{head}.{payload}.AAAA", f"{jose.encode({'alg': 'none'})}.{payload}."):
            cluster.get("/auth/logout", forged, method="POST")
        assert visitor.authenticated

    @pytest.mark.conformance("O8")
    def test_a_logout_with_an_invalid_refresh_token_is_no_error(self, cluster: Gateway) -> None:
        """Keycloak answers it with 200 and an error."""
        check_left(Visitor(cluster).post("/auth/logout", {"refreshToken": "marked"}))


@pytest.mark.conformance("O8")
def test_a_later_sign_in_of_the_same_session_works(cluster: Gateway) -> None:
    """Keycloak, which was not told, signs the browser in again without a form, into the session that ended here."""
    visitor = Visitor(cluster)
    with Browser() as browser:
        tokens = visitor.signed_in(browser.sign_in)
        cluster.get("/auth/logout", tokens["accessToken"], method="POST")
        assert not visitor.authenticated

        def again() -> bool:
            visitor.signed_in(lambda url: browser.open(url).headers["Location"])
            return visitor.authenticated

        until(again, 10, "a sign-in of a later second")


OUTAGES: dict[str, tuple[Callable[[Scripted], object], Callable[[Scripted], object]]] = {
    "refusing": (lambda realm: realm.stop(), lambda realm: realm.start()),
    "hanging": (lambda realm: realm.hang(), lambda realm: realm.start()),
    "failing": (
        lambda realm: setattr(realm, "revoke_instead", lambda call: (500, {}, b"marked")),
        lambda realm: realm.restore(),
    ),
    "garbage": (
        lambda realm: setattr(realm, "revoke_instead", lambda call: (200, {}, b"\xff<html>")),
        lambda realm: realm.restore(),
    ),
    "refusing the client": (
        lambda realm: setattr(realm, "revoke_instead", lambda call: (401, {}, b'{"error": "unauthorized_client"}')),
        lambda realm: realm.restore(),
    ),
    "redirecting": (
        lambda realm: setattr(realm, "revoke_instead", lambda call: (302, {"Location": "/elsewhere"}, b"")),
        lambda realm: realm.restore(),
    ),
}


@pytest.mark.conformance("O8", "F1")
@pytest.mark.parametrize(("begin", "end"), OUTAGES.values(), ids=OUTAGES.keys())
def test_with_keycloak(
    single: Gateway,
    realm: Scripted,
    running_realm: Scripted,
    begin: Callable[[Scripted], object],
    end: Callable[[Scripted], object],
) -> None:
    """The session ends here all the same, and the log says that it did not end there."""
    visitor = Visitor(single)
    tokens = visitor.signed_in(realm.authorize)
    stolen = visitor.copy()
    begin(running_realm)
    try:
        answer = visitor.post("/auth/logout")
        check_left(answer)
        assert not visitor.jar
        check_refused(stolen.get("/users/me"))
        check_refused(single.get("/users/me", tokens["accessToken"]))
    finally:
        end(running_realm)
    answer = stolen.post("/auth/refresh")
    check_error(answer, 401)
    assert not stolen.jar
    assert "/elsewhere" not in running_realm.calls


@pytest.mark.conformance("O8", "O10")
def test_junk_of_nobody_takes_no_place_of_an_ended_session(single: Gateway, realm: Scripted) -> None:
    """Whoever has no session may send what he likes to be taken back, and none of it is kept for long."""
    visitor = Visitor(single)
    tokens = visitor.signed_in(realm.authorize)
    stolen = visitor.copy()
    check_left(visitor.post("/auth/logout"))
    before = ended_in(single)
    program = Visitor(single, origin=None)
    with Connection(single.port) as line:
        for number in range(300):
            check_left(program.post("/auth/logout", {"refreshToken": f"junk-{number}"}, over=line))
    assert before > 0 and ended_in(single) == before
    check_refused(stolen.get("/users/me"))
    check_refused(single.get("/users/me", tokens["accessToken"]))


def ended_in(gateway: Gateway) -> int:
    """How many ends the file of its workers holds."""
    (file,) = gateway.own.glob("tmp/api-gateway-*/store.db")
    with closing(sqlite3.connect(file)) as reader:
        return int(reader.execute("SELECT count(*) FROM ended").fetchone()[0])
