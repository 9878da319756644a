"""The gateway's cookies (docs/sign-in.md; statements C1, C2, C4-C6, C8): what they look like, and that nobody can bend
them."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from harness import jose, replies
from harness.gateway import FRONTEND, Gateway, StartGateway
from harness.gateways import GatewayFactory
from harness.http import Answer
from harness.provider import Scripted
from harness.service import Service
from harness.visitor import NAVIGATION, Cookie, Visitor, set_by, target

MANY = [f"interview:role-of-some-length-{number:03}" for number in range(160)]
PRODUCTION = {
    "NODE_ENV": "production",
    "KEYCLOAK_CLIENT_SECRET": "5f0c2e8b7a9d4c3e8f1a6b2d9c7e4f10",
    "SESSION_SECRET": "9b1d7c3e5f8a2046b8d0e2f4a6c8091b",
}


@pytest.fixture(scope="module")
def gateway(make_gateway: GatewayFactory, running_realm: Scripted) -> Iterator[Gateway]:
    with make_gateway(issuer=running_realm) as running:
        yield running
    running.lines()


@pytest.fixture
def visitor(gateway: Gateway, realm: Scripted) -> Visitor:
    """Somebody who is signed in."""
    visit = Visitor(gateway)
    visit.signed_in(realm.authorize)
    return visit


def of_many_roles(gateway: Gateway, realm: Scripted) -> Visitor:
    """Somebody whose access token fills several cookies."""
    realm.access_token = {"claims": {"realm_access": {"roles": MANY}}}
    visit = Visitor(gateway)
    visit.signed_in(realm.authorize)
    return visit


def whole_visit(visitor: Visitor, realm: Scripted) -> list[Cookie]:
    """Every cookie that a visit sets or removes, from login to logout."""
    answers = [visitor.post("/auth/login", {})]
    back = target(realm.authorize(answers[0].json()["authUrl"]))
    answers += [visitor.get(back), visitor.post("/auth/refresh"), visitor.post("/auth/logout")]
    assert [answer.status for answer in answers] == [200] * 4
    return [cookie for answer in answers for cookie in set_by(answer)]


def check_attributes(cookies: list[Cookie], *, prefix: str, root: str = "") -> None:
    """C1; `prefix` is that of the access token's cookie."""
    secure = bool(prefix)
    for cookie in cookies:
        access, login = "access" in cookie.name, "login" in cookie.name
        attributes = cookie.attributes
        assert "httponly" in attributes
        assert attributes["samesite"].lower() == "lax"
        assert "domain" not in attributes
        assert ("secure" in attributes) is secure
        at_root = access or (login and prefix == "__Host-")
        assert attributes["path"] == ((root or "/") if at_root else f"{root}/auth")
        expected = prefix if at_root else ("__Secure-" if secure else "")
        assert cookie.name.startswith(expected) and (secure or not cookie.name.startswith("__"))
        assert len(cookie.name) + len(cookie.value) <= 4096
        if cookie.name.startswith("__Host-"):
            assert attributes["path"] == "/"


class TestAttributes:
    @pytest.mark.conformance("C1")
    def test_over_plain_http_in_development_cookies_have_no_prefix(self, gateway: Gateway, realm: Scripted) -> None:
        check_attributes(whole_visit(Visitor(gateway), realm), prefix="")

    @pytest.mark.conformance("C1")
    @pytest.mark.parametrize(
        ("env", "prefix", "root"),
        [
            ({**PRODUCTION, "NODE_ENV": None}, "__Host-", ""),
            ({"PUBLIC_URL": "https://api.example.com", "FRONTEND_URL": FRONTEND}, "__Host-", ""),
            ({"PUBLIC_URL": "https://app.example.com/api"}, "__Secure-", "/api"),
            ({"PUBLIC_URL": "http://localhost:3001/api"}, "", "/api"),
        ],
        ids=["production", "https in development", "below a path", "http below a path"],
    )
    def test_the_public_url_decides_secure_and_prefix(
        self, start_gateway: StartGateway, realm: Scripted, env: dict[str, str], prefix: str, root: str
    ) -> None:
        gateway = start_gateway(env, issuer=realm)
        visitor = Visitor(gateway, root=root)
        check_attributes(whole_visit(visitor, realm), prefix=prefix, root=root)
        assert not visitor.jar
        visitor.signed_in(realm.authorize)
        assert visitor.authenticated
        bare = visitor.copy()
        bare.jar = {}
        for cookie in visitor.jar.values():
            name = cookie.name.removeprefix("__Host-").removeprefix("__Secure-")
            bare.jar[name] = replace(cookie, name=name)
        assert bare.authenticated is (not prefix), "a cookie without its prefix may be of another origin"

    @pytest.mark.conformance("C1")
    def test_cookies_live_as_long_as_the_refresh_token(self, visitor: Visitor) -> None:
        assert {cookie.life for cookie in visitor.jar.values()} == {1800}

    @pytest.mark.conformance("C2")
    def test_refresh_and_id_token_go_to_auth_only(self, visitor: Visitor, users: Service) -> None:
        assert "session" not in visitor.cookie_header("/users/me")
        assert "session" in visitor.cookie_header("/auth/refresh")
        assert visitor.authenticated

    @pytest.mark.conformance("C4")
    def test_cookies_tell_nothing(self, gateway: Gateway, realm: Scripted) -> None:
        visitor = Visitor(gateway)
        tokens = visitor.signed_in(realm.authorize)
        sent = visitor.cookie_header("/auth/session")
        for token in (tokens["accessToken"], tokens["refreshToken"]):
            assert token not in sent
            for part in token.split("."):
                assert part[:30] not in sent or len(part) < 30
        for cookie in visitor.jar.values():
            text = cookie.value.partition(".")[2]
            assert b"user-1" not in jose.unb64(text[: len(text) // 4 * 4])


class TestSize:
    @pytest.mark.conformance("C2")
    @pytest.mark.parametrize("count", [1, 60, 100, 160])
    def test_cookies_of_many_roles_fit(self, gateway: Gateway, realm: Scripted, users: Service, count: int) -> None:
        """It signs in, is used, renewed and removed without a rest."""
        realm.access_token = {"claims": {"realm_access": {"roles": MANY[:count]}}}
        visitor = Visitor(gateway)
        tokens = visitor.signed_in(realm.authorize)
        assert all(len(c.name) + len(c.value) <= 4096 for c in visitor.jar.values())
        assert visitor.authenticated
        assert users.last.header("Authorization") == f"Bearer {tokens['accessToken']}"
        assert visitor.post("/auth/refresh").status == 200
        assert visitor.authenticated
        assert visitor.post("/auth/logout").status == 200
        assert not visitor.jar

    @pytest.mark.conformance("C2")
    def test_a_session_that_shrinks_leaves_no_piece_behind(self, gateway: Gateway, realm: Scripted) -> None:
        visitor = of_many_roles(gateway, realm)
        many = len(visitor.jar)
        realm.restore()
        assert visitor.post("/auth/refresh").status == 200
        assert len(visitor.jar) < many
        assert visitor.authenticated
        assert visitor.get("/auth/session").json()["user"]["roles"]

    @pytest.mark.conformance("C2")
    @pytest.mark.parametrize("count", [400, 3000])
    def test_a_session_that_is_too_large_fails_clearly(self, gateway: Gateway, realm: Scripted, count: int) -> None:
        """Beyond what one request may carry: a clear error, no session by halves, and never a 500 of the worker's."""
        roles = [f"interview:role-of-some-length-{number:04}" for number in range(count)]
        realm.access_token = {"claims": {"realm_access": {"roles": roles}}}
        visitor = Visitor(gateway)
        answer = visitor.sign_in(realm.authorize)
        if answer.status == 200:
            assert visitor.authenticated
            return
        assert answer.status in (400, 413, 502)
        assert not visitor.named("access") and not visitor.named("session")
        sent = visitor.sign_in(realm.authorize, navigates=True)
        assert sent.status == 303 and "authError=" in (sent.header("Location") or "")


def changed(visitor: Visitor, **values: str | None) -> Visitor:
    """A copy whose cookies have these values; None takes one away."""
    twin = visitor.copy()
    for given, value in values.items():
        name = given if given in visitor.jar else visitor.own(given)
        twin.jar.pop(name)
        if value is not None:
            twin.jar[name] = replace(visitor.jar[name], value=value)
    return twin


def flip(value: str, at: int) -> str:
    return value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :]


def check_absent(visitor: Visitor) -> None:
    """As if no cookie had come; never a 500, and no other session."""
    answer = visitor.get("/users/me")
    assert answer.status == 401
    assert answer.header("WWW-Authenticate") == "Bearer", "without credentials no error is named"
    assert visitor.get("/auth/session").json() == {"authenticated": False}
    assert visitor.post("/auth/refresh").status == 401


class TestTampering:
    @pytest.mark.conformance("C4")
    @pytest.mark.parametrize(
        "bend",
        [
            *(lambda value, at=at: flip(value, at) for at in (3, 12, 40, 200, -30, -3)),
            lambda value: value[:-1],
            lambda value: value[: len(value) // 2],
            lambda value: value + "A",
            lambda value: value[2:],
            lambda value: "1.",
            lambda value: "1",
            lambda value: ".",
            lambda value: "0." + value[2:],
            lambda value: "2." + value[2:],
            lambda value: "9." + value[2:],
            lambda value: "-1." + value[2:],
            lambda value: "1.." + value[2:],
            lambda value: "\u0661." + value[2:],
            lambda value: "x" * 5000,
            lambda value: "1." + "=" * 100,
            lambda value: f'"{value}"' + "\\",
            lambda value: "\xff\xfe",
            lambda value: "1.\xe9" + value[3:],
            lambda value: "%00",
        ],
        ids=[
            *("version", "time", "iv", "text", "end", "tag", "cut", "half", "longer", "no count", "count alone"),
            *("no dot", "dot", "none", "two of one", "too many", "negative", "two dots", "digit of a script"),
            *("garbage", "padding", "quoted", "bad UTF-8", "not ASCII", "NUL"),
        ],
    )
    def test_a_changed_access_cookie_opens_nothing(self, visitor: Visitor, bend: object) -> None:
        value = visitor.jar[visitor.own("gateway_access")].value
        check_absent(changed(visitor, gateway_access=bend(value).encode().decode("latin-1")))  # type: ignore[operator]
        assert visitor.authenticated

    @pytest.mark.conformance("C4")
    @pytest.mark.parametrize("at", [3, 12, 40, 200, -30, -3])
    def test_a_changed_session_cookie_opens_nothing(self, visitor: Visitor, realm: Scripted, at: int) -> None:
        value = visitor.jar[visitor.own("gateway_session")].value
        before = realm.calls["token"]
        for bent in (flip(value, at), value[:-1], None):
            assert changed(visitor, gateway_session=bent).post("/auth/refresh").status == 401
        assert realm.calls["token"] == before

    @pytest.mark.conformance("C4")
    def test_a_cookie_in_the_place_of_another_opens_nothing(self, visitor: Visitor) -> None:
        """Each purpose has its key."""
        login = visitor.copy()
        login.begin()
        (begun,) = login.named("login").values()
        access, session = (visitor.jar[visitor.own(name)].value for name in ("gateway_access", "gateway_session"))
        for value in (session, begun.value):
            check_absent(changed(visitor, gateway_access=value))
        for value in (access, begun.value):
            assert changed(visitor, gateway_session=value).post("/auth/refresh").status == 401
        for value in (access, session):
            login.jar[begun.name] = replace(begun, value=value)
            assert login.get("/auth/callback?code=c&state=s").status == 400

    @pytest.mark.conformance("C4")
    def test_cookies_of_two_sessions_do_not_mix(self, gateway: Gateway, realm: Scripted, visitor: Visitor) -> None:
        other = Visitor(gateway)
        other.signed_in(realm.authorize)
        mixed = changed(visitor, gateway_session=other.jar[other.own("gateway_session")].value)
        before = realm.calls["token"]
        assert mixed.post("/auth/refresh").status == 401
        assert realm.calls["token"] == before

    @pytest.mark.conformance("C4")
    def test_pieces_of_two_sessions_do_not_mix(self, gateway: Gateway, realm: Scripted) -> None:
        one, two = of_many_roles(gateway, realm), of_many_roles(gateway, realm)
        pieces = sorted(one.named("access"))
        assert len(pieces) > 1
        for name in pieces:
            check_absent(changed(one, **{name: two.jar[name].value}))
            check_absent(changed(one, **{name: None}))
            check_absent(changed(one, **{name: flip(one.jar[name].value, 100)}))
        swapped = changed(one, **{pieces[0]: one.jar[pieces[1]].value, pieces[1]: one.jar[pieces[0]].value})
        check_absent(swapped)
        assert one.authenticated and two.authenticated

    @pytest.mark.conformance("C4")
    def test_a_piece_left_over_does_no_harm(self, gateway: Gateway, realm: Scripted, visitor: Visitor) -> None:
        """A piece of an earlier, longer value does no harm, and goes with the next write."""
        longer = of_many_roles(gateway, realm)
        realm.restore()
        rest = {name: cookie for name, cookie in longer.jar.items() if name not in visitor.jar}
        assert rest
        visitor.jar |= rest
        assert visitor.authenticated
        assert visitor.post("/auth/refresh").status == 200
        assert not set(rest) & set(visitor.jar)

    @pytest.mark.conformance("C4")
    def test_cookies_of_another_key_open_nothing(
        self, start_gateway: StartGateway, realm: Scripted, visitor: Visitor
    ) -> None:
        stranger = start_gateway({"SESSION_SECRET": "another-secret-of-the-tests-0123456789"}, issuer=realm)
        elsewhere = visitor.copy()
        elsewhere.gateway = stranger
        check_absent(elsewhere)

    @pytest.mark.conformance("C4")
    def test_a_sign_in_issues_new_values(self, visitor: Visitor, realm: Scripted) -> None:
        """Also to a browser that brings a session of somebody else's choice."""
        before = {cookie.value for cookie in visitor.jar.values()}
        visitor.signed_in(realm.authorize)
        assert not before & {cookie.value for cookie in visitor.jar.values()}

    @pytest.mark.conformance("C4")
    def test_a_cookie_twice_is_the_good_one_or_none(self, visitor: Visitor) -> None:
        """The good one, wherever it stands."""
        good = visitor.jar[visitor.own("gateway_access")].value
        for pair in (["x", good], [good, "x"]):
            header = "; ".join(f"{visitor.own('gateway_access')}={value}" for value in pair)
            assert visitor.gateway.get("/users/me", headers={"Cookie": header}).status == 200


@pytest.mark.conformance("C1")
@pytest.mark.parametrize("space", ["\xa0", "\x85"], ids=ascii)
def test_a_name_behind_a_strange_space_is_another(visitor: Visitor, space: str) -> None:
    """Browsers see no `__Host-` in it: anybody may set it."""
    value = visitor.jar[visitor.own("gateway_access")].value
    name = visitor.own("gateway_access")
    for header, status in ((f"{space}{name}={value}", 401), (f"\t{name}={value} ", 200)):
        assert visitor.gateway.get("/users/me", headers={"Cookie": header}).status == status


@pytest.mark.parametrize(
    "strange", ["a=\xff", "\xff", "a\xff=1", "a=\x80b", "=", ";;=;", "a=%ff", 'a="', "\xc3\xa9=1"], ids=ascii
)
def test_cookies_of_others_with_any_bytes(visitor: Visitor, strange: str) -> None:
    """What another application of the host has set is not the gateway's to stumble over."""
    own = visitor.cookie_header("/auth/session")
    for header in (strange, f"{strange}; {own}", f"{own}; {strange}"):
        mine = {"Cookie": header, "Origin": FRONTEND}
        known = "gateway" in header
        assert visitor.gateway.get("/users/me", headers=mine).status == (200 if known else 401)
        assert visitor.gateway.get("/auth/session", headers=mine).json()["authenticated"] is known
        for path, status in (("/auth/login", 200), ("/auth/refresh", 200 if known else 401)):
            assert visitor.gateway.get(path, headers=mine, method="POST").status == status
    assert visitor.gateway.get("/auth/logout", headers=mine, method="POST").status == 200


def test_session_secrets_rotate(start_gateway: StartGateway, realm: Scripted) -> None:
    """A new first secret signs nobody out; once the old one is gone, what it sealed is."""
    old, new = "old-secret-of-the-tests-0123456789-abcdef", "new-secret-of-the-tests-0123456789-abcdef"
    visitor = Visitor(start_gateway({"SESSION_SECRET": old}, issuer=realm))
    visitor.signed_in(realm.authorize)
    begun = visitor.begin()
    both = start_gateway({"SESSION_SECRET": f"{new}, {old}"}, issuer=realm)
    visitor.move_to(both)
    assert visitor.authenticated
    assert (
        visitor.get(f"/auth/callback?state={begun.state}&iss={realm.issuer}&error=x").json()["message"]
        != (Visitor(both).get(f"/auth/callback?state={begun.state}&iss={realm.issuer}&error=x").json()["message"])
    ), "a login that began under the old secret is known"
    untouched = visitor.copy()
    assert visitor.post("/auth/refresh").status == 200
    only_new = start_gateway({"SESSION_SECRET": new}, issuer=realm)
    visitor.move_to(only_new)
    untouched.move_to(only_new)
    assert visitor.authenticated, "the refresh sealed with the first"
    assert not untouched.authenticated


class TestServices:
    @pytest.mark.conformance("C5")
    def test_a_service_gets_no_cookie_of_the_gateway(self, visitor: Visitor, users: Service) -> None:
        own = visitor.cookie_header("/auth/x")
        decoys = "__Host-gateway_access=a; __Secure-gateway_session=b; gateway_login_0=c; gateway_access-1=d"
        sent = f"theirs=1; {own}; {decoys}; mine=a=b; theme=dark"
        answer = visitor.gateway.get("/users/me", headers={"Cookie": sent})
        assert answer.status == 200
        assert users.last.header("Cookie") == "theirs=1; mine=a=b; theme=dark"
        assert (users.last.header("Authorization") or "").startswith("Bearer ")

    @pytest.mark.conformance("C5")
    def test_a_service_gets_no_cookie_field_where_all_were_the_gateways(self, visitor: Visitor, users: Service) -> None:
        assert visitor.authenticated
        assert users.last.header("Cookie") is None
        visitor.gateway.get("/users/me", visitor_token(visitor, users), {"Cookie": "gateway_access=x"})
        assert users.last.header("Cookie") is None

    @pytest.mark.conformance("C5")
    @pytest.mark.parametrize(
        "line",
        [
            "gateway_access=evil; Path=/",
            "gateway_access=; Max-Age=0; Path=/",
            "gateway_session=evil; Path=/auth",
            "gateway_login_0123=evil",
            "gateway_access-1=evil",
            "__Host-gateway_access=evil; Secure; Path=/",
            "__Secure-gateway_session=evil; Secure",
            "GATEWAY_ACCESS=evil",
            "__HOST-GATEWAY_ACCESS=evil",
            " gateway_access=evil",
            "gateway_access =evil",
            "\tgateway_access=evil",
            "=gateway_access=evil",
            "gateway_access",
        ],
        ids=repr,
    )
    def test_a_service_can_not_set_a_cookie_of_the_gateway(self, visitor: Visitor, users: Service, line: str) -> None:
        users.answer = replies.sized(200, [("Set-Cookie", "a=1"), ("Set-Cookie", line), ("Set-Cookie", "b=2")], b"")
        answer = visitor.get("/users/me")
        assert answer.all("Set-Cookie") == ["a=1", "b=2"]

    def test_a_service_can_set_its_own_cookies(self, visitor: Visitor, users: Service) -> None:
        lines = ["theirs=1; Path=/; HttpOnly", "not_gateway_access=1", "gateway=1"]
        users.answer = replies.sized(200, [("Set-Cookie", line) for line in lines], b"")
        assert visitor.get("/users/me").all("Set-Cookie") == lines


def visitor_token(visitor: Visitor, users: Service) -> str:
    return (users.last.header("Authorization") or "").removeprefix("Bearer ")


class TestAnswers:
    @pytest.mark.conformance("C6")
    def test_answers_of_sign_in_are_never_stored(self, gateway: Gateway, realm: Scripted) -> None:
        visitor = Visitor(gateway)
        answers: list[Answer] = [
            visitor.sign_in(realm.authorize),
            visitor.post("/auth/login"),
            visitor.get("/auth/session"),
            visitor.post("/auth/refresh"),
            visitor.post("/auth/refresh", {"refreshToken": "refresh_x_1"}),
            visitor.post("/auth/logout"),
            visitor.get("/auth/session"),
            visitor.get("/auth/callback?code=c&state=s"),
            visitor.get("/auth/callback?code=c&state=s", headers=NAVIGATION),
            visitor.post("/auth/refresh"),
            visitor.post("/auth/backchannel-logout"),
        ]
        assert [answer.status for answer in answers] == [200] * 7 + [400, 303, 401, 400]
        for answer in answers:
            assert "no-store" in (answer.header("Cache-Control") or "")

    @pytest.mark.conformance("C6")
    def test_answers_of_services_are_private(self, visitor: Visitor, users: Service) -> None:
        assert visitor.get("/users/me").header("Cache-Control") == "private, no-cache"
        users.answer = replies.sized(200, [("Cache-Control", "public, max-age=60")], b"")
        assert visitor.get("/users/me").header("Cache-Control") == "public, max-age=60"

    @pytest.mark.conformance("C8")
    def test_answers_of_a_refresh_by_cookie_hold_no_token(self, visitor: Visitor) -> None:
        answer = visitor.post("/auth/refresh")
        assert answer.status == 200
        assert set(answer.json()) == {"expiresIn"}
        assert answer.json()["expiresIn"] == 300
        assert "eyJ" not in answer.text
