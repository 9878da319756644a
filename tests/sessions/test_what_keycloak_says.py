"""What Keycloak says is passed on as what it is: to the browser, to programs, and to whoever can mend it in the log."""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlencode

import pytest
from harness import jose
from harness.errors import check_error
from harness.gateway import FRONTEND, Gateway
from harness.gateways import GatewayFactory
from harness.issuer import Key, as_json
from harness.provider import Scripted
from harness.visitor import NAVIGATION, Visitor, target

from gateway.oidc.advice import ADVICE, Advice
from gateway.oidc.repeats import QUIET_SECONDS


@pytest.fixture
def gateway(make_gateway: GatewayFactory, realm: Scripted) -> Iterator[Gateway]:
    with make_gateway(issuer=realm) as running:
        yield running


@pytest.fixture(scope="module")
def shared(make_gateway: GatewayFactory, running_realm: Scripted) -> Iterator[Gateway]:
    with make_gateway(issuer=running_realm) as running:
        yield running


def reported(visitor: Visitor, realm: Scripted, **said: str) -> tuple[str, str]:
    """What an error in a callback is to a browser (`authError`), and to a program (`code`)."""

    def back() -> str:
        return f"/auth/callback?{urlencode({'state': visitor.begin().state, 'iss': realm.issuer, **said})}"

    sent = visitor.get(back(), headers=NAVIGATION)
    assert sent.status == 303
    answer = visitor.get(back())
    check_error(answer, 400)
    return (sent.header("Location") or "").partition("authError=")[2], answer.json()["code"]


@pytest.mark.conformance("O4")
@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({"error": "access_denied"}, ("access_denied", "login_denied")),
        ({"error": "temporarily_unavailable"}, ("unavailable", "keycloak_unavailable")),
        ({"error": "server_error"}, ("unavailable", "keycloak_unavailable")),
        (
            {"error": "temporarily_unavailable", "error_description": "authentication_expired"},
            ("expired", "login_expired"),
        ),
        ({"error": "authentication_expired"}, ("expired", "login_expired")),
        ({"error": "invalid_scope"}, ("misconfigured", "misconfigured")),
        ({"error": "unauthorized_client"}, ("misconfigured", "misconfigured")),
        ({"error": "login_required"}, ("failed", "login_failed")),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_an_error_of_a_callback(
    shared: Gateway, realm: Scripted, said: dict[str, str], expected: tuple[str, str]
) -> None:
    assert reported(Visitor(shared), realm, **said) == expected


class TestAdvice:
    @pytest.mark.parametrize(
        ("error", "names"),
        [("invalid_scope", "KEYCLOAK_SCOPES"), ("unauthorized_client", "KEYCLOAK_CLIENT_ID")],
    )
    def test_names_the_setting_and_the_way_once(
        self, gateway: Gateway, realm: Scripted, error: str, names: str
    ) -> None:
        for _ in range(3):
            reported(Visitor(gateway), realm, error=error)
        gateway.access_line("/auth/login")
        (line,) = [line for line in gateway.lines() if line["level"] == "warn" and error in line["message"]]
        assert names in line["message"] and "Clients > the client" in line["message"]

    def test_of_a_missing_iss(self, gateway: Gateway, realm: Scripted) -> None:
        visitor = Visitor(gateway)
        back = target(realm.authorize(visitor.begin().auth_url)).replace(urlencode({"iss": realm.issuer}), "x=y")
        check_error(visitor.get(back), 400)
        line = gateway.wait_line(lambda line: line.get("reason") == "iss_missing")
        assert "Exclude Issuer From Authentication Response" in line["message"] and line["level"] == "warn"

    def test_comes_again_after_a_minute(self, caplog: pytest.LogCaptureFixture) -> None:
        clock = iter([0.0, QUIET_SECONDS - 1, QUIET_SECONDS, QUIET_SECONDS])
        advice = Advice(lambda: next(clock))
        for cause in ("invalid_scope", "invalid_scope", "invalid_scope", "iss_missing"):
            advice.give(cause)
        assert [record.getMessage() for record in caplog.records] == [
            f"Auth: {ADVICE[cause]}" for cause in ("invalid_scope", "invalid_scope", "iss_missing")
        ]


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no audience mapper": ({"claims": {"aud": "account"}}, "Audience"),
    "no sub": ({"drop": ["sub"]}, "basic"),
    "bound to a key": ({"claims": {"cnf": {"jkt": "x"}}}, "cnf"),
    "an algorithm that is not allowed": ({"alg": "HS256", "key": b"k" * 32}, "JWT_ALGORITHMS"),
}


@pytest.mark.parametrize(("change", "mend"), REFUSED.values(), ids=REFUSED)
def test_a_sign_in_whose_access_token_will_be_refused_fails(
    gateway: Gateway, realm: Scripted, change: Mapping[str, Any], mend: str
) -> None:
    """At the sign-in, and not in a loop of a page that finds itself signed out."""
    realm.access_token = change
    visitor = Visitor(gateway)
    answer = visitor.sign_in(realm.authorize)
    check_error(answer, 502)
    assert answer.json()["code"] == "misconfigured"
    assert not visitor.named("access") and not visitor.named("session")
    line = gateway.wait_line(lambda line: line["level"] == "error")
    assert mend in line["message"]
    sent = visitor.sign_in(realm.authorize, navigates=True, returnTo="/x")
    assert sent.header("Location") == f"{FRONTEND}/x?authError=misconfigured"


@pytest.mark.conformance("F2")
def test_a_sign_in_whose_access_token_has_a_new_key_succeeds(shared: Gateway, realm: Scripted) -> None:
    """Its ID token has one that is known; the keys were read a moment ago."""
    assert shared.get("/users/me", realm.mint(headers={"kid": "unknown"})).status == 401
    known = realm.key()
    realm.rotate()
    realm.id_token = {"key": known}
    visitor = Visitor(shared)
    visitor.signed_in(realm.authorize)
    assert visitor.authenticated


class TestBackButton:
    @pytest.mark.parametrize("has_cookie", [True, False])
    def test_leads_to_the_frontend_without_an_error(self, shared: Gateway, realm: Scripted, has_cookie: bool) -> None:
        visitor = Visitor(shared)
        login = visitor.begin(returnTo="/x")
        back, begun = target(realm.authorize(login.auth_url)), dict(visitor.named("login"))
        assert visitor.get(back, headers=NAVIGATION).status == 303
        if has_cookie:
            visitor.jar |= begun
        again = visitor.get(back, headers=NAVIGATION)
        assert again.header("Location") == FRONTEND + ("/x" if has_cookie else "/")
        assert visitor.authenticated

    def test_of_somebody_who_is_not_signed_in_says_so(self, shared: Gateway, realm: Scripted) -> None:
        visitor = Visitor(shared)
        back = target(realm.authorize(visitor.begin().auth_url))
        visitor.get(back, headers=NAVIGATION)
        visitor.post("/auth/logout")
        assert visitor.get(back, headers=NAVIGATION).header("Location") == f"{FRONTEND}/?authError=expired"


@pytest.mark.conformance("J12")
def test_each_key_of_one_id_is_tried(make_gateway: GatewayFactory) -> None:
    with Scripted() as realm:
        mine = realm.key()
        other = Key(mine.kid, "RS256", jose.generate("RS256"))
        realm.jwks_answer = lambda call: as_json({"keys": [other.jwk, mine.jwk]})
        with make_gateway(issuer=realm) as gateway:
            assert gateway.get("/users/me", realm.mint()).status == 200
            assert gateway.get("/users/me", realm.mint(key=other)).status == 200
            stranger = Key(mine.kid, "RS256", jose.generate("RS256"))
            assert gateway.get("/users/me", realm.mint(key=stranger)).status == 401


@pytest.mark.conformance("C10")
def test_logout_clears_the_cache_where_there_is_https(make_gateway: GatewayFactory, realm: Scripted) -> None:
    env = {"PUBLIC_URL": "https://api.example.com"}
    with make_gateway(env, issuer=realm) as secure, make_gateway(issuer=realm) as plain:
        for gateway, expected in ((secure, '"cache"'), (plain, None)):
            visitor = Visitor(gateway)
            visitor.signed_in(realm.authorize)
            assert visitor.post("/auth/logout").header("Clear-Site-Data") == expected
