"""Cookies of others (CONFORMANCE O16): of several of one name each is tried."""

from collections.abc import Iterator

import pytest
from harness.errors import check_refused
from harness.gateway import FRONTEND, Gateway
from harness.gateways import GatewayFactory
from harness.provider import Scripted, lapsed
from harness.visitor import Visitor, target

MANY = [f"interview:role-of-some-length-{number:03}" for number in range(160)]


@pytest.fixture(scope="module")
def gateway(make_gateway: GatewayFactory, running_realm: Scripted) -> Iterator[Gateway]:
    with make_gateway(issuer=running_realm) as running:
        yield running


@pytest.mark.conformance("O16")
@pytest.mark.parametrize("count", [1, 7])
@pytest.mark.parametrize("junk", ["1.junk", "x", "", "2.x", "1."])
def test_one_before_the_good_one_hides_nothing(gateway: Gateway, realm: Scripted, junk: str, count: int) -> None:
    visitor = Visitor(gateway)
    back = target(realm.authorize(visitor.begin().auth_url))

    def call(method: str, path: str) -> int:
        """With this junk under the name of each cookie, before it."""
        sent = [
            pair
            for cookie in visitor.jar.values()
            for pair in (*[f"{cookie.name}={junk}"] * count, f"{cookie.name}={cookie.value}")
        ]
        headers = {"Cookie": "; ".join(sent), "Origin": FRONTEND}
        answer = gateway.get(path, headers=headers, method=method)
        visitor.keep(answer)
        return answer.status

    assert call("GET", back) == 200
    assert call("GET", "/users/me") == 200
    assert call("POST", "/auth/refresh") == 200
    assert call("GET", "/users/me") == 200
    assert call("POST", "/auth/logout") == 200
    assert not visitor.jar


@pytest.mark.conformance("O16", "C2")
def test_nor_does_one_of_a_piece(gateway: Gateway, realm: Scripted) -> None:
    realm.access_token = {"claims": {"realm_access": {"roles": MANY}}}
    visitor = Visitor(gateway)
    visitor.signed_in(realm.authorize)
    assert len(visitor.named("access")) > 1
    for name in visitor.named("access"):
        headers = {"Cookie": f"{name}=junk; {visitor.cookie_header('/users/me')}"}
        assert gateway.get("/users/me", headers=headers).status == 200


@pytest.mark.conformance("O16", "C4")
def test_nor_does_one_of_another_session(gateway: Gateway, realm: Scripted) -> None:
    """An access cookie of an earlier sign-in, at an older path: the one that belongs to the session is found."""
    earlier, visitor = Visitor(gateway), Visitor(gateway)
    for who in (earlier, visitor):
        who.signed_in(realm.authorize)
    (old,) = earlier.named("access").values()
    headers = {"Cookie": f"{old.name}={old.value}; {visitor.cookie_header('/auth')}", "Origin": FRONTEND}
    assert gateway.get("/auth/refresh", headers=headers, method="POST").status == 200


def together(*visitors: Visitor) -> dict[str, str]:
    """What a browser sends that has the cookies of all, one after the other."""
    return {"Cookie": "; ".join(visitor.cookie_header("/auth") for visitor in visitors), "Origin": FRONTEND}


@pytest.mark.conformance("O16")
@pytest.mark.parametrize("over", ["signed out", "lapsed"])
@pytest.mark.parametrize("first", [True, False])
def test_nor_does_a_whole_session_that_is_over(gateway: Gateway, realm: Scripted, over: str, *, first: bool) -> None:
    """All cookies of an earlier sign-in open as well: calls find the one that goes on."""
    earlier, visitor = Visitor(gateway), Visitor(gateway)
    realm.access_token = lapsed() if over == "lapsed" else {}
    earlier.signed_in(realm.authorize)
    realm.restore()
    if over == "signed out":
        assert earlier.copy().post("/auth/logout").status == 200
    visitor.signed_in(realm.authorize)
    headers = together(earlier, visitor) if first else together(visitor, earlier)
    assert gateway.get("/users/me", headers=headers).status == 200
    assert gateway.get("/auth/session", headers=headers).json()["authenticated"]
    assert gateway.get("/auth/refresh", headers=headers, method="POST").status == 200
    assert gateway.get("/auth/logout", headers=headers, method="POST").status == 200
    if over == "signed out":
        check_refused(visitor.get("/users/me"))


@pytest.mark.conformance("O16")
def test_where_none_goes_on_a_lapsed_one_is_told(gateway: Gateway, realm: Scripted) -> None:
    """A refresh helps."""
    ended, late = Visitor(gateway), Visitor(gateway)
    ended.signed_in(realm.authorize)
    assert ended.copy().post("/auth/logout").status == 200
    realm.access_token = lapsed()
    late.signed_in(realm.authorize)
    realm.restore()
    for headers in (together(ended, late), together(late, ended)):
        assert gateway.get("/users/me", headers=headers).json()["code"] == "token_expired"
    assert gateway.get("/auth/refresh", headers=together(ended, late), method="POST").status == 200


@pytest.mark.conformance("O16")
def test_many_of_them_cost_little(gateway: Gateway) -> None:
    """Pieces of many values could be put together in more ways than anybody has time for."""
    name = Visitor(gateway).own("gateway_access")
    sent = [f"{name}{piece}=8.x" for piece in ("", *(f"-{number}" for number in range(1, 8))) for _ in range(40)]
    assert gateway.get("/users/me", headers={"Cookie": "; ".join(sent)}, timeout=3).status == 401


@pytest.mark.conformance("O16")
def test_two_gateways_of_one_host_do_not_share_a_name(make_gateway: GatewayFactory, realm: Scripted) -> None:
    """Cookies do not tell ports apart (RFC 6265bis section 8.5): on localhost the name does, in development."""
    with make_gateway(issuer=realm) as one, make_gateway(issuer=realm) as two:
        visitor = Visitor(one)
        visitor.signed_in(realm.authorize)
        other = Visitor(two)
        other.jar = visitor.jar  # one browser
        other.signed_in(realm.authorize)
        assert visitor.authenticated and other.authenticated
        assert other.post("/auth/logout").status == 200
        assert visitor.authenticated


@pytest.mark.conformance("C1")
def test_login_cookies_are_host_cookies_where_they_can_be(make_gateway: GatewayFactory, realm: Scripted) -> None:
    for public, prefix in (("https://api.example.com", "__Host-"), ("https://app.example.com/api", "__Secure-")):
        with make_gateway({"PUBLIC_URL": public}, issuer=realm) as gateway:
            visitor = Visitor(gateway)
            visitor.begin()
            (cookie,) = visitor.named("login").values()
            assert cookie.name.startswith(f"{prefix}gateway_login_")
            assert cookie.attributes["path"] == ("/" if prefix == "__Host-" else "/api/auth")
