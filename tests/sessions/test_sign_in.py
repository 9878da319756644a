"""Signing in (docs/sign-in.md; statements O1-O6, O9): from the login to the tokens, and every way to be refused."""

import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha512, shake_256
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest
from ada_url import URL
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey
from harness import jose, replies
from harness.errors import check_error
from harness.gateway import FRONTEND, Gateway, StartGateway
from harness.gateways import GatewayFactory
from harness.issuer import CLIENT, Issuer, Key, as_json
from harness.provider import Scripted, as_user, credentials, refusal
from harness.service import Service
from harness.visitor import NAVIGATION, Visitor, set_by, target

from demo.identity import Provider

SECOND = "https://app.example.com"
LISTED = "https://native.example.com/callback"
FRONTENDS = {"FRONTEND_URL": f"{FRONTEND},{SECOND}", "ALLOWED_REDIRECT_URIS": LISTED}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def gateway(make_gateway: GatewayFactory, provider: Provider) -> Iterator[Gateway]:
    with make_gateway(FRONTENDS, issuer=provider) as running:
        yield running


@pytest.fixture(scope="module")
def hostile(make_gateway: GatewayFactory, running_realm: Scripted) -> Iterator[Gateway]:
    """A gateway before the scripted provider."""
    with make_gateway(FRONTENDS, issuer=running_realm, services=["users"]) as running:
        yield running


@pytest.fixture
def visitor(gateway: Gateway) -> Visitor:
    return Visitor(gateway)


@pytest.fixture
def victim(hostile: Gateway) -> Visitor:
    """A visitor of the gateway whose provider is scripted."""
    return Visitor(hostile)


def has_session(visitor: Visitor) -> bool:
    return bool(visitor.named("access") or visitor.named("session"))


def callback(**query: str) -> str:
    return f"/auth/callback?{urlencode(query)}"


class TestLogin:
    @pytest.mark.conformance("O1", "C6")
    def test_a_login_asks_for_a_code_with_state_nonce_and_challenge(self, visitor: Visitor, provider: Provider) -> None:
        answer = visitor.post("/auth/login", {})
        assert answer.status == 200
        assert set(answer.json()) == {"authUrl", "state"}
        assert answer.header("Cache-Control") == "no-store"
        url, login = answer.json()["authUrl"], visitor.begin()
        assert url.startswith(f"{provider.issuer}/protocol/openid-connect/auth?")
        asked = login.asked
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT
        assert asked["redirect_uri"] == f"{visitor.gateway.url}/auth/callback"
        assert set(asked["scope"].split()) == {"openid", "profile", "email"}
        assert asked["state"] == login.state
        assert asked["code_challenge_method"] == "S256"
        assert re.fullmatch(r"[A-Za-z0-9_-]{43}", asked["code_challenge"])
        assert set(asked) == {
            *("response_type", "client_id", "redirect_uri", "scope", "state", "nonce"),
            *("code_challenge", "code_challenge_method"),
        }

    @pytest.mark.conformance("O1")
    def test_state_nonce_and_challenge_are_fresh_each_time(self, visitor: Visitor) -> None:
        """22 base64 characters hold 128 bits."""
        logins = [visitor.begin().asked for _ in range(12)]
        for name in ("state", "nonce", "code_challenge"):
            values = {login[name] for login in logins}
            assert len(values) == len(logins)
            assert min(map(len, values)) >= 22
        assert not {login["state"] for login in logins} & {login["nonce"] for login in logins}

    @pytest.mark.conformance("O1", "O2", "C1")
    def test_a_login_sets_one_cookie_that_tells_nothing(self, visitor: Visitor) -> None:
        answer = visitor.post("/auth/login", {"returnTo": "/marked"})
        (cookie,) = set_by(answer)
        assert 0 < cookie.life <= 600
        assert {"httponly", "samesite", "path"} <= set(cookie.attributes)
        assert "domain" not in cookie.attributes
        assert cookie.attributes["path"] == "/auth"
        state = answer.json()["state"]
        assert state not in cookie.value and state not in cookie.name
        text = cookie.value.partition(".")[2]
        assert b"marked" not in jose.unb64(text[: len(text) // 4 * 4])

    @pytest.mark.conformance("O5")
    def test_a_login_believes_no_host_header(self, visitor: Visitor) -> None:
        evil = {
            "Host": "evil.test",
            "X-Forwarded-Host": "evil.test",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Prefix": "/evil",
            "Forwarded": "host=evil.test;proto=https",
            "X-Original-URL": "/evil",
        }
        answer = visitor.post("/auth/login", {}, headers=evil)
        assert answer.status == 200
        assert "evil" not in answer.text + str(answer.headers)
        refused = visitor.get(callback(code="c", state="s"), headers={**evil, **NAVIGATION})
        assert refused.header("Location") == f"{FRONTEND}/?authError=expired"


BODIES: dict[str, tuple[str | None, bytes]] = {
    "text": ("text/plain", b"{}"),
    "a form": ("application/x-www-form-urlencoded", b"redirectUri=x"),
    "an empty form": ("application/x-www-form-urlencoded", b""),
    "an upload": ("multipart/form-data; boundary=x", b"--x--\r\n"),
    "a look-alike": ("application/json-patch+json", b"{}"),
    "a longer name": ("application/jsonx", b"{}"),
    "text that says JSON": ("text/plain; charset=application/json", b"{}"),
    "nothing said": (None, b"{}"),
}
BROKEN = {
    "cut": b"{",
    "an array": b"[]",
    "a text": b'"x"',
    "a number": b"1",
    "bad UTF-8": b'{"returnTo": "/\xff"}',
    "nested": b"[" * 5000 + b"]" * 5000,
    "a huge number": b'{"returnTo": ' + b"9" * 10_000 + b"}",
    "NaN alone": b"NaN",
    "two values": b"{}{}",
}
FIELDS = [("/auth/login", "redirectUri"), ("/auth/login", "returnTo"), ("/auth/refresh", "refreshToken")]
FIELDS += [("/auth/logout", "refreshToken")]


class TestBodies:
    @pytest.mark.conformance("C3")
    @pytest.mark.parametrize("path", ["/auth/login", "/auth/refresh", "/auth/logout"])
    @pytest.mark.parametrize(("kind", "body"), BODIES.values(), ids=BODIES.keys())
    def test_a_body_that_is_not_json_is_415(self, gateway: Gateway, path: str, kind: str | None, body: bytes) -> None:
        headers = {"Content-Type": kind} if kind else {}
        check_error(gateway.get(path, headers=headers, method="POST", body=body), 415)

    @pytest.mark.parametrize("path", ["/auth/login", "/auth/refresh", "/auth/logout"])
    @pytest.mark.parametrize("body", BROKEN.values(), ids=BROKEN.keys())
    def test_a_broken_body_is_400(self, gateway: Gateway, path: str, body: bytes) -> None:
        check_error(gateway.get(path, headers=JSON, method="POST", body=body), 400)

    @pytest.mark.parametrize(
        ("kind", "body"),
        [
            (None, None),
            ("application/json", b""),
            ("application/json", b"null"),
            ("application/json", b"{}"),
            ("application/json", b'{"redirectUri": null, "returnTo": null, "refreshToken": null}'),
            ("Application/JSON; charset=utf-8", b'{"more": [1]}'),
        ],
        ids=["none", "empty", "null", "an empty object", "null fields", "fields it does not know"],
    )
    def test_a_body_that_says_nothing_is_as_none(self, gateway: Gateway, kind: str | None, body: bytes | None) -> None:
        headers = {"Content-Type": kind} if kind else {}
        for path, status in (("/auth/login", 200), ("/auth/refresh", 401), ("/auth/logout", 200)):
            assert gateway.get(path, headers=headers, method="POST", body=body).status == status

    @pytest.mark.parametrize(("path", "name"), FIELDS, ids=[f"{name} of {path}" for path, name in FIELDS])
    @pytest.mark.parametrize("value", ["", 1, True, False, 0, [], ["/x"], {}], ids=repr)
    def test_a_field_that_is_no_text_is_400(self, visitor: Visitor, path: str, name: str, value: Any) -> None:
        check_error(visitor.post(path, {name: value}), 400)

    @pytest.mark.parametrize("path", ["/auth/login", "/auth/refresh", "/auth/logout"])
    def test_a_body_that_is_too_long_is_413(self, visitor: Visitor, path: str) -> None:
        answer = visitor.post(path, {"refreshToken": "x" * 2_000_000, "returnTo": "/" + "x" * 2_000_000})
        check_error(answer, 413)


class TestRedirectUri:
    @pytest.mark.parametrize("uri", [f"{FRONTEND}/auth/callback", f"{FRONTEND}/a?b=c", f"{SECOND}/cb", LISTED], ids=str)
    def test_a_listed_redirect_uri_is_used(self, visitor: Visitor, uri: str) -> None:
        assert visitor.begin(redirectUri=uri).asked["redirect_uri"] == uri

    def test_the_default_redirect_uri_is_used(self, visitor: Visitor) -> None:
        own = f"{visitor.gateway.url}/auth/callback"
        for login in (visitor.begin(), visitor.begin(redirectUri=None), visitor.begin(redirectUri=own)):
            assert login.asked["redirect_uri"] == own

    @pytest.mark.conformance("O5")
    @pytest.mark.parametrize(
        "uri",
        [
            "https://evil.test/",
            "{own}/auth/callback/",
            "{own}/auth/callback?x=1",
            "{own}/auth/callback#x",
            "{own}/users/me",
            "{own}@evil.test/",
            "http://localhost:3000.evil.test/",
            "http://localhost:3000@evil.test/",
            "http://user@localhost:3000/cb",
            "http://user:secret@localhost:3000/cb",
            "http://localhost:3001/cb",
            "http://localhost/cb",
            "https://localhost:3000/cb",
            "http://app.example.com/cb",
            "https://app.example.com.evil.test/cb",
            "https://app.example.com:8443/cb",
            "http://localhost:3000/cb#x",
            "http://localhost:3000/cb#",
            "http://evil.test\\@localhost:3000/cb",
            "http://evil.test#@localhost:3000/cb",
            "http://evil.test?@localhost:3000/cb",
            "//localhost:3000/cb",
            "/auth/callback",
            "javascript:alert(1)//localhost:3000",
            "data:text/html,x",
            "blob:http://localhost:3000/x",
            "filesystem:http://localhost:3000/x",
            "https://native.example.com/callback/",
            "https://native.example.com/callback?more=1",
            "https://native.example.com/callback/../x",
            "native.example.com",
            "*",
            "null",
            " ",
        ],
    )
    def test_another_redirect_uri_is_refused(self, visitor: Visitor, uri: str) -> None:
        uri = uri.format(own=visitor.gateway.url)
        check_error(visitor.post("/auth/login", {"redirectUri": uri}), 400)

    @pytest.mark.parametrize(
        "uri",
        [
            "http://localhost:3000\\@evil.test/",
            "http:\\\\localhost:3000\\cb",
            "http:/localhost:3000/cb",
            "http:localhost:3000/cb",
            "\thttp://localhost:3000/cb",
            "ht\ntp://localhost:3000/cb",
            "HTTP://LOCALHOST:3000/cb",
            "http://localhost:3000/../cb",
            "http://localhost:03000/cb",
            "http://%6cocalhost:3000/cb",
            "http://localhost:3000/ü ",
        ],
        ids=repr,
    )
    def test_a_redirect_uri_that_parsers_read_differently_is_refused(self, visitor: Visitor, uri: str) -> None:
        """Refused, or sent on in the one form that every reader reads alike."""
        answer = visitor.post("/auth/login", {"redirectUri": uri})
        if answer.status != 200:
            check_error(answer, 400)
            return
        sent = Visitor(visitor.gateway).begin(redirectUri=uri).asked["redirect_uri"]
        assert sent == URL(sent).href
        assert sent.startswith(f"{FRONTEND}/") and sent.isascii() and sent.isprintable() and "\\" not in sent

    def test_the_token_request_names_the_same_redirect_uri(self, victim: Visitor, realm: Scripted) -> None:
        login = victim.begin(redirectUri=f"{FRONTEND}/cb?x=1&y=%20")
        back = realm.authorize(login.auth_url)
        code = dict(part.split("=") for part in urlsplit(back.replace("?x=1&y=%20?", "?")).query.split("&"))
        answer = victim.get(callback(code=code["code"], state=login.state, iss=realm.issuer))
        assert answer.status == 200
        assert realm.asked()[-1]["redirect_uri"] == f"{FRONTEND}/cb?x=1&y=%20"


FINE_PATHS = [
    *("/", "/x", "/x/", "/x?y=1&z=a%20b", "/x#part", "/x?y#z", "/?u=//evil.test", "/#//evil.test", "/a//b"),
    *("/@evil.test", "/:80", "/;x", "/%2f%2fevil.test", "/%5cevil.test", "/%09/evil.test", "/%0a/evil.test"),
    *("/%2e%2e%2f", "/grüße", "/a b", "/https://evil.test", "/x?authError=x"),
]
EVIL_PATHS = [
    *("//evil.test", "///evil.test", "/\\evil.test", "\\\\evil.test", "\\/evil.test", "/\\/evil.test"),
    *("https://evil.test/", "https:evil.test", "https:/evil.test", "https:\\\\evil.test", "http:evil.test"),
    *("http:/evil.test", "http:", "https:", "javascript:alert(1)", "data:text/html,x", "mailto:a@evil.test"),
    *("/\t/evil.test", "/\n/evil.test", "/\r/evil.test", "\t//evil.test", " //evil.test", "\n//evil.test"),
    *("/\r\n/evil.test", "/\t\\evil.test", "\x00//evil.test", "\x1f//evil.test", "h\nttps://evil.test"),
    *("//evil.test\\@localhost:3000", "//localhost:3000@evil.test", "//evil.test#@localhost:3000", "//"),
    *("/\n\r/evil.test", "/\t/\t/evil.test", "http://localhost:3000.evil.test/", "", "evil.test", "@evil.test"),
    *(".evil.test", ":80", "../x", "?x", "#x", " /x"),
]
ODD_PATHS = [
    *("/.//evil.test", "/..//evil.test", "/a/..//evil.test", "/%2e//evil.test", "/%2E%2e//evil.test"),
    *("/./\\evil.test", "/.\\/evil.test", "/x\r\nSet-Cookie: a=b", "/x\x00", "/x\x7f", "/\u2028//evil.test"),
    *("/\u00a0/evil.test", "/\uff0f/evil.test", "/\u3002/evil.test", "/\\", "/\ud800", "/x\\..\\..\\\\evil.test"),
    *("http://localhost:3000/x", "http://localhost:3000//evil.test"),
]


def lands(visitor: Visitor, realm: Scripted, path: str) -> str:
    answer = visitor.sign_in(realm.authorize, navigates=True, returnTo=path)
    assert answer.status == 303, answer
    return answer.header("Location") or ""


class TestReturnTo:
    """O6, by the WHATWG URL standard as Ada reads it."""

    @pytest.mark.conformance("O6")
    @pytest.mark.parametrize("path", FINE_PATHS)
    def test_return_to_is_a_path_of_the_frontend(self, victim: Visitor, realm: Scripted, path: str) -> None:
        """The browser lands where its own reading of the path would take it."""
        assert URL(lands(victim, realm, path)).href == URL(path, FRONTEND).href

    @pytest.mark.conformance("O6")
    @pytest.mark.parametrize("path", EVIL_PATHS, ids=repr)
    def test_return_to_refuses_what_leaves_the_frontend(self, victim: Visitor, path: str) -> None:
        check_error(victim.post("/auth/login", {"returnTo": path}), 400)

    @pytest.mark.conformance("O6")
    @pytest.mark.parametrize("path", ODD_PATHS, ids=ascii)
    def test_return_to_with_an_odd_path_stays_at_the_frontend(
        self, victim: Visitor, realm: Scripted, path: str
    ) -> None:
        """Refused, or it ends at the frontend, also where that reads the path from its own address once more."""
        answer = victim.post("/auth/login", {"returnTo": path})
        if answer.status != 200:
            check_error(answer, 400)
            return
        location = lands(Visitor(victim.gateway), realm, path)
        there = URL(location)
        assert there.origin == FRONTEND
        assert URL(there.pathname, FRONTEND).origin == FRONTEND
        assert location.isascii() and location.isprintable()

    @pytest.mark.conformance("O6")
    @pytest.mark.parametrize(
        ("origin", "home"),
        [(FRONTEND, FRONTEND), (SECOND, SECOND), (None, FRONTEND), ("https://evil.test", FRONTEND), ("null", FRONTEND)],
        ids=str,
    )
    def test_return_to_goes_to_the_frontend_that_asked(
        self, hostile: Gateway, realm: Scripted, origin: str | None, home: str
    ) -> None:
        assert lands(Visitor(hostile, origin=origin), realm, "/x?y#z") == f"{home}/x?y#z"


class TestCallback:
    def test_a_callback_gives_the_tokens_to_a_program(self, visitor: Visitor, provider: Provider) -> None:
        answer = visitor.sign_in(as_user("cora"))
        assert answer.status == 200
        assert answer.header("Cache-Control") == "no-store"
        tokens = answer.json()
        assert set(tokens) == {"accessToken", "refreshToken", "expiresIn", "tokenType"}
        assert tokens["tokenType"] == "Bearer"
        assert tokens["expiresIn"] == provider.settings.access_lifetime
        claims = jose.decode(tokens["accessToken"])[1]
        assert claims["preferred_username"] == "cora"
        assert visitor.authenticated
        assert visitor.gateway.get("/users/me", tokens["accessToken"]).status == 200

    @pytest.mark.conformance("C6")
    @pytest.mark.parametrize(
        "headers",
        [
            NAVIGATION,
            {"Sec-Fetch-Mode": "navigate"},
            {"Sec-Fetch-Mode": "navigate", "Accept": "application/json"},
            {"Accept": NAVIGATION["Accept"]},
        ],
        ids=["a browser", "fetch metadata alone", "fetch metadata before Accept", "Accept alone"],
    )
    def test_a_callback_sends_a_browser_to_the_frontend(
        self, victim: Visitor, realm: Scripted, headers: Mapping[str, str]
    ) -> None:
        back = target(realm.authorize(victim.begin(returnTo="/home?x=1#y").auth_url))
        answer = victim.get(back, headers=headers)
        assert answer.status == 303
        assert answer.header("Location") == f"{FRONTEND}/home?x=1#y"
        assert answer.header("Cache-Control") == "no-store"
        assert answer.body == b""
        assert victim.authenticated

    @pytest.mark.parametrize(
        "headers",
        [{}, {"Accept": "*/*"}, {"Accept": "application/json"}, {"Accept": "application/json, text/html;q=0.5"}],
        ids=["nothing", "anything", "JSON", "rather JSON"],
    )
    def test_a_callback_does_not_take_a_program_for_a_browser(
        self, victim: Visitor, realm: Scripted, headers: Mapping[str, str]
    ) -> None:
        back = target(realm.authorize(victim.begin().auth_url))
        assert victim.get(back, headers=headers).status == 200

    @pytest.mark.conformance("O1")
    def test_a_callback_without_its_cookie_is_refused(self, victim: Visitor, realm: Scripted) -> None:
        """Nothing is asked of Keycloak, and the login stays usable."""
        login = victim.begin()
        back = target(realm.authorize(login.auth_url))
        stranger, other = Visitor(victim.gateway), Visitor(victim.gateway)
        other.begin()
        renamed = Visitor(victim.gateway)
        (mine,), (theirs,) = victim.jar.values(), other.jar.values()
        renamed.jar = {mine.name: type(mine)(mine.name, theirs.value, mine.attributes)}
        before = realm.calls["token"]
        for visit in (stranger, other, renamed):
            answer = visit.get(back)
            check_error(answer, 400)
            assert not has_session(visit)
        assert realm.calls["token"] == before
        assert victim.get(back).status == 200

    @pytest.mark.conformance("O1")
    @pytest.mark.parametrize(
        "change",
        [
            lambda back, state: back.replace(state, "x" * len(state)),
            lambda back, state: back.replace(state, state[:-1]),
            lambda back, state: back.replace(state, state + "x"),
            lambda back, state: back.replace(state, state.swapcase()),
            lambda back, state: back.replace(state, ""),
            lambda back, state: back.replace(f"state={state}", "x=y"),
            lambda back, state: back + f"&state={state}",
            lambda back, state: back + "&state=other",
            lambda back, state: back + "&code=other",
            lambda back, state: back.replace("code=", "kode="),
            lambda back, state: re.sub("code=[^&]*", "code=", back),
            lambda back, state: back.replace(state, "%00"),
            lambda back, state: back.replace(state, "%ff%fe"),
        ],
        ids=[
            *("other", "short", "long", "case", "empty", "absent", "twice", "two", "two codes", "no code"),
            *("empty code", "NUL", "bad UTF-8"),
        ],
    )
    def test_a_callback_with_a_wrong_state_is_refused(self, victim: Visitor, realm: Scripted, change: Any) -> None:
        login = victim.begin()
        back = target(realm.authorize(login.auth_url))
        before = realm.calls["token"]
        check_error(victim.get(change(back, login.state)), 400)
        assert realm.calls["token"] == before
        assert victim.get(back).status == 200

    @pytest.mark.conformance("O2")
    def test_a_callback_is_good_once(self, visitor: Visitor, provider: Provider) -> None:
        """Also with the cookie that the first one took away; the session of the first stays."""
        back = target(as_user()(visitor.begin().auth_url))
        twin = visitor.copy()
        assert visitor.get(back).status == 200
        before = provider.calls["token"]
        for visit in (visitor, twin):
            check_error(visit.get(back), 400)
        assert provider.calls["token"] == before
        assert not has_session(twin)
        assert visitor.authenticated

    @pytest.mark.conformance("O2")
    def test_two_tabs_both_sign_in(self, visitor: Visitor) -> None:
        """In either order."""
        for order in (1, -1):
            backs = [target(as_user()(visitor.begin().auth_url)) for _ in range(2)][::order]
            assert [visitor.get(back).status for back in backs] == [200, 200]
            assert not visitor.named("login")

    @pytest.mark.conformance("O2")
    def test_at_most_five_logins_are_under_way(self, victim: Visitor, realm: Scripted) -> None:
        """The oldest go."""
        backs = [target(realm.authorize(victim.begin().auth_url)) for _ in range(7)]
        assert len(victim.named("login")) == 5
        assert [victim.get(back).status for back in backs] == [400, 400, 200, 200, 200, 200, 200]

    @pytest.mark.conformance("O2")
    def test_five_logins_with_long_paths_fit_the_cookie(self, victim: Visitor, realm: Scripted) -> None:
        """However long `returnTo` may be, the cookies of five logins and a session fit into a request."""
        length = next(size for size in (8000, 4000, 2000, 1000) if long_login(victim.gateway, size))
        victim.signed_in(realm.authorize)
        backs = [target(realm.authorize(victim.begin(returnTo="/" + "x" * length).auth_url)) for _ in range(6)]
        assert [victim.get(back).status for back in backs[1:]] == [200] * 5

    @pytest.mark.conformance("O4")
    @pytest.mark.parametrize(
        "issuers",
        [[], [""], ["https://evil.test/realms/x"], ["{issuer}/"], ["{issuer}", "{issuer}"], ["{issuer}", "x"]],
        ids=["absent", "empty", "another", "nearly", "twice", "two"],
    )
    def test_a_callback_of_another_issuer_is_refused(
        self, victim: Visitor, realm: Scripted, issuers: list[str]
    ) -> None:
        back = realm.authorize(victim.begin().auth_url).replace(urlencode({"iss": realm.issuer}), "x=y")
        query = urlencode([("iss", issuer.format(issuer=realm.issuer)) for issuer in issuers])
        before = realm.calls["token"]
        check_error(victim.get(f"{target(back)}&{query}"), 400)
        assert realm.calls["token"] == before
        assert not has_session(victim)

    @pytest.mark.conformance("O4")
    @pytest.mark.parametrize(
        ("error", "reported"),
        [
            ("access_denied", "access_denied"),
            ("server_error", None),
            ("temporarily_unavailable", None),
            ("login_required", "failed"),
            ("<script>marked", "failed"),
            ("", "failed"),
        ],
    )
    def test_a_callback_with_an_error_reflects_nothing(
        self, victim: Visitor, realm: Scripted, error: str, reported: str | None
    ) -> None:
        """A clean refusal that repeats nothing; no token request even where a code came along."""
        said = {"error": error, "error_description": "<b>marked", "error_uri": "https://evil.test/marked"}
        before = realm.calls["token"]
        for more in ({}, {"code": "marked"}):
            state = victim.begin().state
            answer = victim.get(callback(state=state, iss=realm.issuer, **said, **more))
            check_error(answer, 400)
            assert "marked" not in answer.text + str(answer.headers)
        state = victim.begin(returnTo="/x?y=1#z").state
        answer = victim.get(callback(state=state, iss=realm.issuer, **said), headers=NAVIGATION)
        assert answer.status == 303
        kinds = [reported] if reported else ["failed", "unavailable"]
        assert answer.header("Location") in [f"{FRONTEND}/x?y=1&authError={kind}#z" for kind in kinds]
        assert realm.calls["token"] == before
        assert not has_session(victim)

    @pytest.mark.conformance("O9")
    def test_secret_and_verifier_go_to_the_token_endpoint_only(self, victim: Visitor, realm: Scripted) -> None:
        realm.seen.clear()
        first = victim.begin()
        victim.get(target(realm.authorize(first.auth_url)))
        victim.post("/auth/refresh")
        exchange, refresh = (call for call in realm.seen if call.name == "token")
        secret = victim.gateway.env["KEYCLOAK_CLIENT_SECRET"]
        assert credentials(exchange) == credentials(refresh) == (CLIENT, secret)
        form = realm.asked()[0]
        assert len(form["code_verifier"]) >= 43
        assert "client_secret" not in form and "?" not in exchange.path
        assert form["code_verifier"] not in first.auth_url and secret not in first.auth_url
        assert "code_verifier" not in realm.asked()[1]

    def test_a_callback_is_get_only(self, gateway: Gateway) -> None:
        for method in ("POST", "HEAD", "PUT"):
            assert gateway.get(callback(code="c", state="s"), method=method).status == 405


def long_login(gateway: Gateway, size: int) -> bool:
    return Visitor(gateway).post("/auth/login", {"returnTo": "/" + "x" * size}).status == 200


OTHER_KEY = Key("other", "RS256", jose.generate("RS256"))
BAD_ID_TOKENS: dict[str, dict[str, Any]] = {
    "wrong nonce": {"claims": {"nonce": "other"}},
    "no nonce": {"drop": ["nonce"]},
    "nonce no text": {"claims": {"nonce": 1}},
    "nonce null": {"claims": {"nonce": None}},
    "aud of another client": {"claims": {"aud": "other"}},
    "aud of ours and another": {"claims": {"aud": [CLIENT, "other"]}},
    "aud of ours and another, azp ours": {"claims": {"aud": [CLIENT, "other"], "azp": CLIENT}},
    "aud empty": {"claims": {"aud": []}},
    "no aud": {"drop": ["aud"]},
    "aud no text": {"claims": {"aud": [1]}},
    "azp of another client": {"claims": {"azp": "other"}},
    "azp empty": {"claims": {"azp": ""}},
    "at_hash of another token": {"claims": {"at_hash": jose.b64(b"x" * 16)}},
    "at_hash empty": {"claims": {"at_hash": ""}},
    "at_hash no text": {"claims": {"at_hash": 1}},
    "iss of another issuer": {"claims": {"iss": "https://evil.test"}},
    "iss with a slash": {"claims": {"iss": "slash"}},
    "no iss": {"drop": ["iss"]},
    "lapsed": {"life": -600},
    "no exp": {"drop": ["exp"]},
    "exp no number": {"claims": {"exp": "9999999999"}},
    "no iat": {"drop": ["iat"]},
    "iat in the future": {"claims": {"iat": 9_999_999_999}},
    "iat no number": {"claims": {"iat": "1"}},
    "nbf in the future": {"claims": {"nbf": 9_999_999_999}},
    "no sub": {"drop": ["sub"]},
    "sub empty": {"claims": {"sub": ""}},
    "sub no text": {"claims": {"sub": 1}},
    "typ of an access token": {"claims": {"typ": "Bearer"}},
    "typ of a refresh token": {"claims": {"typ": "Refresh"}},
    "typ of a logout token": {"headers": {"typ": "logout+jwt"}},
    "typ of an access token in the header": {"headers": {"typ": "at+jwt"}},
    "alg none": {"headers": {"alg": "none"}, "key": None},
    "no signature": {"key": None},
    "key of somebody else": {"key": OTHER_KEY},
    "HS256": {"alg": "HS256", "key": b"client-secret-of-the-tests-0123456789"},
    "unknown kid": {"headers": {"kid": "unknown"}},
    "crit": {"headers": {"crit": ["x"], "x": 1}},
}
GOOD_ID_TOKENS: dict[str, dict[str, Any]] = {
    "aud a list": {"claims": {"aud": [CLIENT]}},
    "no azp": {"drop": ["azp"]},
    "no at_hash": {"drop": ["at_hash"]},
    "no typ": {"drop": ["typ"], "headers": {"typ": None}},
    "just lapsed": {"life": -5},
}
BAD_ANSWERS: dict[str, tuple[dict[str, Any], set[int]]] = {
    "no ID token": ({"id_token": None}, {400, 502}),
    "ID token no text": ({"id_token": 1}, {400, 502}),
    "ID token empty": ({"id_token": ""}, {400, 502}),
    "ID token garbage": ({"id_token": "x.y.z"}, {400, 502}),
    "no access token": ({"access_token": None}, {502}),
    "access token no text": ({"access_token": ["x"]}, {502}),
    "access token empty": ({"access_token": ""}, {502}),
    "refresh token no text": ({"refresh_token": 1}, {502}),
    "token type unknown": ({"token_type": "mac"}, {400, 502}),
}


class TestIdToken:
    @pytest.mark.conformance("O3")
    @pytest.mark.parametrize("change", BAD_ID_TOKENS.values(), ids=BAD_ID_TOKENS.keys())
    def test_a_bad_id_token_signs_nobody_in(self, victim: Visitor, realm: Scripted, change: dict[str, Any]) -> None:
        if change.get("claims", {}).get("iss") == "slash":
            change = {"claims": {"iss": realm.issuer + "/"}}
        realm.id_token = change
        check_error(victim.sign_in(realm.authorize), 400)
        assert not has_session(victim)
        answer = victim.sign_in(realm.authorize, navigates=True)
        assert (answer.status, answer.header("Location")) == (303, f"{FRONTEND}/?authError=failed")
        assert not has_session(victim)

    @pytest.mark.conformance("O3")
    @pytest.mark.parametrize("change", GOOD_ID_TOKENS.values(), ids=GOOD_ID_TOKENS.keys())
    def test_a_good_id_token_signs_in(self, victim: Visitor, realm: Scripted, change: dict[str, Any]) -> None:
        realm.id_token = change
        assert victim.sign_in(realm.authorize).status == 200
        assert victim.authenticated

    @pytest.mark.conformance("O3")
    @pytest.mark.parametrize(("change", "statuses"), BAD_ANSWERS.values(), ids=BAD_ANSWERS.keys())
    def test_a_bad_token_answer_signs_nobody_in(
        self, victim: Visitor, realm: Scripted, change: dict[str, Any], statuses: set[int]
    ) -> None:
        realm.answer = change
        answer = victim.sign_in(realm.authorize)
        check_error(answer)
        assert answer.status in statuses
        assert not has_session(victim)

    @pytest.mark.parametrize(
        "life", [None, 0, -1, 1.5, "300", "x", [], True, 1e300, float("inf"), float("nan")], ids=str
    )
    def test_an_odd_expires_in_is_as_absent(self, victim: Visitor, realm: Scripted, life: Any) -> None:
        """A number that makes no sense is as absent, or the answer is refused."""
        realm.answer = {"expires_in": life, "refresh_expires_in": life}
        answer = victim.sign_in(realm.authorize)
        assert answer.status in (200, 502)
        if answer.status == 200:
            assert answer.json()["expiresIn"] > 0
            assert victim.authenticated

    @pytest.mark.conformance("O3")
    def test_an_id_token_of_another_login_is_refused(self, victim: Visitor, realm: Scripted) -> None:
        """A whole good answer, of another browser's login."""
        other = Visitor(victim.gateway)
        theirs = target(realm.authorize(other.begin().auth_url))
        mine = victim.begin()
        code = theirs.partition("code=")[2].partition("&")[0]
        check_error(victim.get(callback(code=code, state=mine.state, iss=realm.issuer)), 400)
        assert not has_session(victim)

    def test_the_log_explains_a_bad_id_token(self, victim: Visitor, realm: Scripted) -> None:
        realm.answer = {"id_token": None}
        victim.sign_in(realm.authorize)
        victim.gateway.wait_line(lambda line: "openid" in line["message"] and "KEYCLOAK_SCOPES" in line["message"])


HALF_HASHES: dict[str, tuple[Callable[[bytes], bytes], int]] = {
    "SHAKE256 of 114 bytes": (lambda token: shake_256(token).digest(114)[:57], 200),
    "SHAKE256 of 64 bytes": (lambda token: shake_256(token).digest(64)[:32], 400),
    "SHA-512, as of Ed25519": (lambda token: sha512(token).digest()[:32], 400),
    "of another token": (lambda token: shake_256(b"another").digest(114)[:57], 400),
}


@pytest.mark.conformance("O3")
@pytest.mark.parametrize(("half", "status"), HALF_HASHES.values(), ids=HALF_HASHES)
def test_the_at_hash_of_an_ed448_key(make_gateway: GatewayFactory, half: Callable[[bytes], bytes], status: int) -> None:
    """Ed448 hashes with SHAKE256 to 114 bytes (RFC 8032 section 5.2), of which `at_hash` is the first half."""
    with Scripted() as realm:
        realm.keys.append(Key("ed448", "EdDSA", Ed448PrivateKey.generate()))
        realm.id_token = {"alg": "EdDSA"}
        realm.at_hash = lambda token: jose.b64(half(token.encode()))
        with make_gateway({"JWT_ALGORITHMS": "RS256,EdDSA"}, issuer=realm, services=["users"]) as gateway:
            visitor = Visitor(gateway)
            assert visitor.sign_in(realm.authorize).status == status
            assert visitor.authenticated is (status == 200)
            if status == 200:
                assert visitor.post("/auth/refresh").status == 200


TOKEN_FAILURES: dict[str, tuple[Any, set[int], str]] = {
    "HTML": (lambda call: (200, {"Content-Type": "text/html"}, b"<html>marked"), {502}, "unavailable"),
    "an array": (lambda call: as_json([]), {502}, "unavailable"),
    "a text": (lambda call: as_json("x"), {502}, "unavailable"),
    "null": (lambda call: as_json(None), {502}, "unavailable"),
    "nothing": (lambda call: (200, {}, b""), {502}, "unavailable"),
    "nested": (lambda call: (200, {}, b"[" * 100_000), {502}, "unavailable"),
    "500": (lambda call: (500, {}, b"marked"), {502}, "unavailable"),
    "500 that says invalid_grant": (refusal("invalid_grant", 500), {502}, "unavailable"),
    "503": (refusal("temporarily_unavailable", 503), {502, 503}, "unavailable"),
    "429": (lambda call: (429, {"Retry-After": "1"}, b"slow down"), {502, 503}, "unavailable"),
    "404": (lambda call: (404, {}, b"marked"), {502}, "unavailable"),
    "invalid_client": (refusal("invalid_client", 401), {502}, "unavailable"),
    "unauthorized_client": (refusal("unauthorized_client", 401), {502}, "unavailable"),
    "error no text": (lambda call: as_json({"error": {"marked": 1}}, 400), {502}, "unavailable"),
    "invalid_grant": (refusal("invalid_grant"), {400}, "expired"),
}


class TestTokenEndpoint:
    @pytest.mark.conformance("F1")
    @pytest.mark.parametrize(("reply", "statuses", "reported"), TOKEN_FAILURES.values(), ids=TOKEN_FAILURES.keys())
    def test_a_token_endpoint_that_fails_signs_nobody_in(
        self, victim: Visitor, realm: Scripted, reply: Any, statuses: set[int], reported: str
    ) -> None:
        realm.instead = reply
        answer = victim.sign_in(realm.authorize)
        check_error(answer)
        assert answer.status in statuses
        assert "marked" not in answer.text
        answer = victim.sign_in(realm.authorize, navigates=True, returnTo="/x#y")
        assert (answer.status, answer.header("Location")) == (303, f"{FRONTEND}/x?authError={reported}#y")
        assert not has_session(victim)
        realm.restore()
        assert victim.sign_in(realm.authorize).status == 200

    @pytest.mark.parametrize("error", ["invalid_client", "unauthorized_client"])
    def test_a_refused_client_is_said_by_the_settings_name(self, victim: Visitor, realm: Scripted, error: str) -> None:
        realm.instead = refusal(error, 401)
        victim.sign_in(realm.authorize)
        line = victim.gateway.wait_line(lambda line: f"({error})" in line["message"] and line["level"] == "error")
        assert "KEYCLOAK_CLIENT_SECRET" in line["message"] and "KEYCLOAK_CLIENT_ID" in line["message"]

    @pytest.mark.conformance("O9")
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_a_token_endpoint_that_redirects_is_not_followed(
        self, victim: Visitor, realm: Scripted, users: Service, status: int
    ) -> None:
        users.answer = replies.sized(200, [("Content-Type", "application/json")], b"{}")
        realm.instead = lambda call: (status, {"Location": f"{users.url}/stolen"}, b"")
        check_error(victim.sign_in(realm.authorize), 502)
        assert not users.requests
        assert not has_session(victim)

    @pytest.mark.conformance("F1")
    def test_a_token_endpoint_that_hangs_ends_in_time(
        self, victim: Visitor, realm: Scripted, running_realm: Scripted
    ) -> None:
        """Within the time-out, and the gateway serves others meanwhile."""
        program, browser = Visitor(victim.gateway), Visitor(victim.gateway)
        backs = [target(realm.authorize(visit.begin(returnTo="/x").auth_url)) for visit in (program, browser)]
        running_realm.hang()
        try:
            with ThreadPoolExecutor(2) as pool:
                reported = pool.submit(program.get, backs[0])
                sent = pool.submit(browser.get, backs[1], headers=NAVIGATION)
                assert victim.post("/auth/login", {}).status == 200
                check_error(reported.result(), 504)
                assert sent.result().header("Location") == f"{FRONTEND}/x?authError=unavailable"
        finally:
            running_realm.start()
        assert not has_session(program) and not has_session(browser)

    @pytest.mark.conformance("F1")
    def test_a_token_endpoint_that_is_not_there_is_503(
        self, victim: Visitor, realm: Scripted, running_realm: Scripted
    ) -> None:
        back = target(realm.authorize(victim.begin().auth_url))
        running_realm.stop()
        try:
            check_error(victim.get(back), 503)
            assert victim.post("/auth/login", {}).status == 200
        finally:
            running_realm.start()
        assert victim.sign_in(realm.authorize).status == 200


@pytest.mark.conformance("F1")
def test_keycloak_down_at_the_start(start_gateway: StartGateway) -> None:
    """503 for a login, and for a browser that comes back; then it works by itself."""
    with Scripted() as realm:
        realm.stop()
        gateway = start_gateway(issuer=realm)
        visitor = Visitor(gateway)
        check_error(visitor.post("/auth/login", {}), 503)
        assert visitor.get("/auth/session").json() == {"authenticated": False}
        realm.start()
        gateway._wait_for("/health/ready", 10)
        assert visitor.sign_in(realm.authorize).status == 200


@pytest.mark.conformance("O4")
def test_an_issuer_that_does_not_name_itself(start_gateway: StartGateway) -> None:
    """An older Keycloak sends no `iss`; a wrong one is refused all the same."""
    with Scripted() as realm:
        silent = Issuer.discovery(realm)
        del silent["authorization_response_iss_parameter_supported"]
        realm.discovery_answer = lambda call: as_json(silent)
        visitor = Visitor(start_gateway(issuer=realm))
        back = target(realm.authorize(visitor.begin().auth_url)).replace(urlencode({"iss": realm.issuer}), "x=y")
        assert visitor.get(back).status == 200
        back = target(realm.authorize(visitor.begin().auth_url)).replace(urlencode({"iss": realm.issuer}), "iss=x")
        check_error(visitor.get(back), 400)
