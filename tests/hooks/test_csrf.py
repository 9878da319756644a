"""Cross-site writes (docs/sign-in.md; statement C3): a cookie alone is no permission, its page has to be the
frontend's."""

import json
from collections.abc import Iterator, Mapping

import pytest
from harness.errors import check_error
from harness.gateway import FRONTEND, Gateway
from harness.gateways import GatewayFactory
from harness.provider import Scripted
from harness.service import Service
from harness.visitor import Visitor

SECOND = "https://app.example.com"
WRITES = [
    ("PUT", "/users/me"),
    ("POST", "/interviews"),
    ("PUT", "/interviews/1"),
    ("PATCH", "/interviews/1"),
    ("DELETE", "/interviews/1"),
    ("POST", "/interviews/1/answers"),
    ("POST", "/media/1"),
    ("DELETE", "/media/1"),
]
SIGN_IN_WRITES = [("POST", "/auth/refresh"), ("POST", "/auth/logout")]
OWN_PAGES: dict[str, dict[str, str]] = {
    "the frontend": {"Origin": FRONTEND},
    "the second frontend": {"Origin": SECOND},
    "the frontend, cross-site by name": {"Origin": SECOND, "Sec-Fetch-Site": "cross-site"},
    "no origin, of one origin": {"Sec-Fetch-Site": "same-origin"},
}
FOREIGN_PAGES: dict[str, dict[str, str]] = {
    "a foreign origin": {"Origin": "https://evil.test"},
    "a foreign origin that says same-origin": {"Origin": "https://evil.test", "Sec-Fetch-Site": "same-origin"},
    "null": {"Origin": "null"},
    "null that says same-origin": {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
    "empty": {"Origin": ""},
    "the gateway's own": {"Origin": "{own}"},
    "the gateway's own, same-origin": {"Origin": "{own}", "Sec-Fetch-Site": "same-origin", "Host": "{host}"},
    "none": {},
    "none, same-site": {"Sec-Fetch-Site": "same-site"},
    "none, cross-site": {"Sec-Fetch-Site": "cross-site"},
    "none, by the user": {"Sec-Fetch-Site": "none"},
    "none, a referrer of the frontend": {"Referer": f"{FRONTEND}/"},
    "none, a method laid over": {"X-HTTP-Method-Override": "GET"},
    "look-alike": {"Origin": f"{FRONTEND}.evil.test"},
    "another port": {"Origin": "http://localhost:3001"},
    "another scheme": {"Origin": "https://localhost:3000"},
    "another case": {"Origin": "http://LOCALHOST:3000"},
    "a slash": {"Origin": f"{FRONTEND}/"},
    "two in one": {"Origin": f"{FRONTEND}, https://evil.test"},
}


@pytest.fixture(scope="module")
def realm() -> Iterator[Scripted]:
    with Scripted() as running:
        yield running


@pytest.fixture(scope="module")
def gateway(make_gateway: GatewayFactory, realm: Scripted) -> Iterator[Gateway]:
    env = {"FRONTEND_URL": f"{FRONTEND},{SECOND}"}
    with make_gateway(env, issuer=realm) as running:
        yield running


@pytest.fixture
def visitor(gateway: Gateway, realm: Scripted) -> Visitor:
    visit = Visitor(gateway, origin=None)
    visit.signed_in(realm.authorize)
    return visit


def page(gateway: Gateway, headers: Mapping[str, str]) -> dict[str, str]:
    known = {"own": gateway.url, "host": f"127.0.0.1:{gateway.port}"}
    return {name: value.format(**known) for name, value in headers.items()}


def arrived(services: Mapping[str, Service]) -> int:
    return sum(len(service.requests) for service in services.values())


@pytest.mark.conformance("C3")
@pytest.mark.parametrize("headers", FOREIGN_PAGES.values(), ids=FOREIGN_PAGES.keys())
def test_a_write_of_a_foreign_page(
    visitor: Visitor, realm: Scripted, services: Mapping[str, Service], headers: Mapping[str, str]
) -> None:
    """403, nothing forwarded, nothing asked of Keycloak, and the session lives."""
    headers = page(visitor.gateway, headers)
    before = realm.calls["token"], realm.calls["revoke"]
    for method, path in WRITES + SIGN_IN_WRITES:
        answer = visitor.call(method, path, headers=headers)
        check_error(answer, 403, "Forbidden")
        assert not answer.all("Set-Cookie")
    assert not arrived(services)
    assert (realm.calls["token"], realm.calls["revoke"]) == before
    assert visitor.authenticated


@pytest.mark.conformance("C3")
def test_a_write_with_two_origins(visitor: Visitor, users: Service) -> None:
    pairs = [("Origin", FRONTEND), ("Origin", "https://evil.test")]
    for headers in (pairs, pairs[::-1]):
        assert visitor.call("PUT", "/users/me", headers=headers).status in (400, 403)
    assert not users.requests


@pytest.mark.conformance("C3")
@pytest.mark.parametrize("headers", OWN_PAGES.values(), ids=OWN_PAGES.keys())
def test_a_write_of_the_frontends_page(
    visitor: Visitor, services: Mapping[str, Service], headers: Mapping[str, str]
) -> None:
    for method, path in WRITES:
        assert visitor.call(method, path, headers=headers).status == 200
    assert arrived(services) == len(WRITES)
    for method, path in SIGN_IN_WRITES:
        assert visitor.call(method, path, headers=headers).status == 200


@pytest.mark.conformance("C3")
@pytest.mark.parametrize("headers", FOREIGN_PAGES.values(), ids=FOREIGN_PAGES.keys())
def test_a_bearers_write_needs_no_origin(
    visitor: Visitor, realm: Scripted, services: Mapping[str, Service], headers: Mapping[str, str]
) -> None:
    """No page can make a browser send that header to another origin unasked; a cookie beside it changes nothing."""
    headers = {**page(visitor.gateway, headers), "Authorization": f"Bearer {realm.mint()}"}
    for method, path in WRITES:
        assert visitor.call(method, path, headers=headers).status == 200
        assert visitor.gateway.get(path, headers=headers, method=method).status == 200
    assert arrived(services) == 2 * len(WRITES)


@pytest.mark.conformance("C3")
@pytest.mark.parametrize("headers", FOREIGN_PAGES.values(), ids=FOREIGN_PAGES.keys())
def test_a_read_needs_none(visitor: Visitor, headers: Mapping[str, str]) -> None:
    """A foreign page can not read the answer: CORS."""
    headers = page(visitor.gateway, headers)
    for method in ("GET", "HEAD"):
        answer = visitor.call(method, "/users/me", headers=headers)
        assert answer.status == 200
    assert visitor.get("/auth/session", headers=headers).json()["authenticated"]


@pytest.mark.conformance("C3")
def test_a_bearer_that_is_bad_does_not_fall_back_on_the_cookie(visitor: Visitor, users: Service) -> None:
    for value in ("Bearer bad", "Bearer ", "Basic dTpw", ""):
        answer = visitor.call("PUT", "/users/me", headers={"Authorization": value, "Origin": "https://evil.test"})
        assert answer.status in (400, 401, 403)
        assert visitor.get("/users/me", headers={"Authorization": value}).status in (400, 401)
    assert not users.requests


@pytest.mark.conformance("C3")
@pytest.mark.parametrize("path", ["/auth/login", "/auth/refresh", "/auth/logout"])
@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize("body", [b"", b'{"refreshToken": "x"}'], ids=["empty", "JSON"])
def test_what_a_form_can_send(visitor: Visitor, realm: Scripted, path: str, kind: str, body: bytes) -> None:
    """A form of any page can post these three kinds without a preflight."""
    before = realm.calls["token"], realm.calls["revoke"]
    headers = [("Content-Type", kind), ("Origin", "https://evil.test"), ("Cookie", visitor.cookie_header(path))]
    answer = visitor.gateway.get(path, headers=headers, method="POST", body=body)
    check_error(answer, 415)
    assert not answer.all("Set-Cookie")
    assert (realm.calls["token"], realm.calls["revoke"]) == before
    assert visitor.authenticated


@pytest.mark.conformance("C3")
def test_a_refresh_token_in_the_body_is_no_cookie(gateway: Gateway, realm: Scripted) -> None:
    """Whoever holds the token may use it, from anywhere."""
    body = json.dumps({"refreshToken": "refresh_sid-x_1"}).encode()
    headers = {"Content-Type": "application/json", "Origin": "https://evil.test"}
    assert gateway.get("/auth/refresh", headers=headers, method="POST", body=body).status == 200


@pytest.mark.conformance("G1")
@pytest.mark.parametrize(
    ("origin", "shown"),
    [
        ("http://evil.test:81/a?token=marked-one", "'http://evil.test:81…'"),
        ("http://marked-one:marked-one@evil.test", "'http://evil.test…'"),
        ("marked-one", "'…'"),
        ("http://localhost:5173", "'http://localhost:5173'"),
    ],
)
def test_of_a_refused_origin_scheme_and_host_are_logged(visitor: Visitor, origin: str, shown: str) -> None:
    visitor.call("PUT", "/users/me", headers={"Origin": origin})
    visitor.gateway.wait_line(lambda line: line["message"] == f"Auth: write refused: Origin {shown} is no FRONTEND_URL")
    assert "marked-one" not in visitor.gateway.raw_output()
