"""GET /auth/session (docs/sign-in.md): who is signed in, for a frontend that boots, and never an error."""

from collections.abc import Iterator
from typing import Any

import pytest
from harness.errors import check_error
from harness.gateway import FRONTEND, Gateway
from harness.gateways import GatewayFactory
from harness.provider import Scripted, lapsed
from harness.visitor import Visitor

NOBODY = {"authenticated": False}
REFRESHABLE = {"authenticated": False, "refreshable": True}
CORA = {
    "id": "user-1",
    "email": "cora@example.test",
    "firstName": "Cora",
    "lastName": "Candidate",
    "roles": ["candidate"],
}


@pytest.fixture(scope="module")
def gateway(make_gateway: GatewayFactory, running_realm: Scripted) -> Iterator[Gateway]:
    with make_gateway(issuer=running_realm, services=["users"]) as running:
        yield running


@pytest.fixture
def visitor(gateway: Gateway, realm: Scripted) -> Visitor:
    visit = Visitor(gateway)
    visit.signed_in(realm.authorize)
    return visit


@pytest.fixture
def late(gateway: Gateway, realm: Scripted) -> Visitor:
    """Somebody whose access token has lapsed."""
    realm.access_token = lapsed()
    visit = Visitor(gateway)
    visit.signed_in(realm.authorize)
    realm.restore()
    return visit


def session_of(visitor: Visitor, **options: Any) -> dict[str, Any]:
    answer = visitor.get("/auth/session", **options)
    assert answer.status == 200
    assert answer.header("Cache-Control") == "no-store"
    body: dict[str, Any] = answer.json()
    return body


def check_cora(body: dict[str, Any]) -> None:
    assert set(body) == {"authenticated", "user", "expiresIn"}
    assert body["authenticated"] is True
    assert body["user"] == CORA
    assert 240 < body["expiresIn"] <= 300 and isinstance(body["expiresIn"], int)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_by_cookie(visitor: Visitor) -> None:
    check_cora(session_of(visitor))
    check_cora(session_of(visitor, origin=FRONTEND))


def test_by_bearer(gateway: Gateway, realm: Scripted) -> None:
    check_cora(session_of(Visitor(gateway), headers=bearer(realm.mint())))


def test_the_header_wins(visitor: Visitor, realm: Scripted) -> None:
    assert session_of(visitor, headers=bearer(realm.mint({"sub": "other"})))["user"]["id"] == "other"
    assert session_of(visitor, headers=bearer("bad")) == NOBODY


@pytest.mark.parametrize(
    ("drop", "gone"),
    [(["given_name"], "firstName"), (["family_name"], "lastName"), (["given_name", "family_name"], "firstName")],
    ids=["first", "last", "both"],
)
def test_without_a_name(gateway: Gateway, realm: Scripted, drop: list[str], gone: str) -> None:
    user = session_of(Visitor(gateway), headers=bearer(realm.mint(drop=drop)))["user"]
    assert gone not in user
    assert user["id"] == "user-1"


def test_without_an_address_or_roles(gateway: Gateway, realm: Scripted) -> None:
    token = realm.mint(drop=["email", "realm_access", "resource_access"])
    user = session_of(Visitor(gateway), headers=bearer(token))["user"]
    assert user.get("email") is None
    assert user["roles"] == []


def test_names_of_any_script(gateway: Gateway, realm: Scripted) -> None:
    token = realm.mint({"given_name": "Żółć 🎬", "realm_access": {"roles": ["оператор", "a,b", "%"]}})
    user = session_of(Visitor(gateway), headers=bearer(token))["user"]
    assert user["firstName"] == "Żółć 🎬"
    assert user["roles"] == sorted(["оператор", "a,b", "%"])


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer("bad"),
        bearer(""),
        {"Authorization": "Basic dTpw"},
        {"Authorization": ""},
        {"Cookie": "gateway_access=1.x; gateway_session=1.y"},
        {"Cookie": "theirs=1"},
        {"Cookie": ";;=;\xff"},
    ],
    ids=["nothing", "bad", "empty", "another scheme", "empty header", "bad cookies", "other cookies", "garbage"],
)
def test_of_nobody(gateway: Gateway, headers: dict[str, str]) -> None:
    assert session_of(Visitor(gateway), headers=headers) == NOBODY


@pytest.mark.parametrize(
    "options",
    [{"life": -600}, {"claims": {"aud": "other"}}, {"claims": {"iss": "x"}}, {"claims": {"typ": "ID"}}],
    ids=["lapsed", "another audience", "another issuer", "an ID token"],
)
def test_a_bearer_that_is_refused(gateway: Gateway, realm: Scripted, options: dict[str, Any]) -> None:
    """A program's lapsed token can not be renewed by this gateway's word."""
    assert session_of(Visitor(gateway), headers=bearer(realm.mint(**options))) == NOBODY


def test_two_bearers(gateway: Gateway, realm: Scripted) -> None:
    token = realm.mint()
    answer = gateway.get("/auth/session", headers=[("Authorization", f"Bearer {token}")] * 2)
    assert answer.status in (200, 400)
    assert answer.status == 400 or answer.json() == NOBODY


class TestRefreshable:
    def test_refreshable_when_only_the_access_token_has_expired(self, late: Visitor) -> None:
        assert session_of(late) == REFRESHABLE
        assert late.post("/auth/refresh").status == 200
        check_cora(session_of(late))

    def test_not_refreshable_without_the_session_cookie(self, late: Visitor) -> None:
        late.jar.pop(late.own("gateway_session"))
        assert session_of(late) == NOBODY

    def test_not_refreshable_with_a_session_cookie_of_another(self, late: Visitor, visitor: Visitor) -> None:
        late.jar[late.own("gateway_session")] = visitor.jar[visitor.own("gateway_session")]
        assert session_of(late) == NOBODY

    def test_not_refreshable_without_a_refresh_token(self, gateway: Gateway, realm: Scripted) -> None:
        realm.access_token, realm.answer = lapsed(), {"refresh_token": None}
        visitor = Visitor(gateway)
        visitor.sign_in(realm.authorize)
        assert session_of(visitor) == NOBODY
        check_error(visitor.post("/auth/refresh"), 401)

    @pytest.mark.conformance("O8")
    def test_not_refreshable_after_the_logout(self, late: Visitor) -> None:
        twin = late.copy()
        assert late.post("/auth/logout").status == 200
        assert session_of(twin) == NOBODY

    def test_not_refreshable_when_the_access_token_is_bad_otherwise(
        self, make_gateway: GatewayFactory, visitor: Visitor, realm: Scripted
    ) -> None:
        """The setting was changed since the sign-in: a refresh would bring the same."""
        with make_gateway({"JWT_AUDIENCE": "another"}, issuer=realm, services=["users"]) as changed:
            visitor.move_to(changed)
            assert session_of(visitor) == NOBODY

    def test_not_refreshable_by_a_bearer_beside_the_cookies(self, late: Visitor, realm: Scripted) -> None:
        assert session_of(late, headers=bearer(realm.mint(life=-600))) == NOBODY


def test_costs_keycloak_nothing(visitor: Visitor, late: Visitor, realm: Scripted) -> None:
    before = dict(realm.calls)
    for visit in (visitor, late):
        session_of(visit)
    assert dict(realm.calls) == before
