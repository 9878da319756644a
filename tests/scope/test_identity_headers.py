"""Who the user is, as a service is told: any name and role survives."""

from urllib.parse import unquote

import pytest
from harness import http
from harness.gateway import Gateway
from harness.issuer import CLIENT, Issuer
from harness.service import Service

NAMES = {
    "plain": "admin",
    "cyrillic": "администратор",
    "accent": "zoë",
    "emoji": "🎬",
    "percent": "100%",
    "escape": "%2C",
    "newline": "a\r\nX-Evil: 1",
    "nul": "a\x00b",
    "tab": "a\tb",
    "delete": "a\x7fb",
    "space": "a b",
    "quotes": '"a"',
    "long": "r" * 3000,
    "line-separator": "a\u2028b",
}


@pytest.mark.conformance("P15")
@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_any_name_survives(gateway: Gateway, issuer: Issuer, users: Service, name: str) -> None:
    email = f"{name}@example.test"
    token = issuer.mint({"sub": name, "email": email, "realm_access": {"roles": [name]}})
    assert gateway.get("/users/me", token).status == 200
    received = users.last
    assert "x-evil" not in received.names
    assert unquote(received.header("X-User-Id") or "") == name
    assert unquote(received.header("X-User-Email") or "") == email
    roles = (received.header("X-User-Roles") or "").split(",")
    assert name in [unquote(role) for role in roles]
    assert received.raw.isascii()
    assert received.header("X-User-Id") == name or not (name.isascii() and name.isprintable() and "%" not in name)


@pytest.mark.conformance("P15")
def test_roles_are_sorted_and_commas_in_them_escaped(gateway: Gateway, issuer: Issuer, users: Service) -> None:
    client = {CLIENT: {"roles": ["zebra", "a,b"]}}
    token = issuer.mint({"realm_access": {"roles": ["candidate", "ärzte"]}, "resource_access": client})
    assert gateway.get("/users/me", token).status == 200
    value = users.last.header("X-User-Roles") or ""
    roles = value.split(",")
    assert " " not in value
    assert [unquote(role) for role in roles] == sorted(unquote(role) for role in roles)
    assert {unquote(role) for role in roles} >= {"candidate", "ärzte", "zebra", "a,b"}
    assert "a%2Cb" in roles


@pytest.mark.conformance("P15")
@pytest.mark.parametrize(
    "claims",
    [{"realm_access": {}}, {"realm_access": None}, {"realm_access": {"roles": []}},
     {"realm_access": {"roles": [""]}}, {"realm_access": {"roles": [1, None, {"a": 1}]}},
     {"realm_access": {"roles": "admin"}}, {"resource_access": []}, {"email": 7}, {"email": ""},
     {"email": None}],
    ids=str,
)  # fmt: skip
def test_odd_claims_are_no_error(gateway: Gateway, issuer: Issuer, users: Service, claims: dict[str, object]) -> None:
    status = gateway.get("/users/me", issuer.mint(claims)).status
    assert status in (200, 401)
    assert [received.header("X-User-Id") for received in users.requests] == ["user-1"] * (status == 200)


@pytest.mark.conformance("P15")
def test_users_who_share_a_connection_share_nothing_else(gateway: Gateway, issuer: Issuer, users: Service) -> None:
    """A proxy in front sends the requests of all its clients over few connections."""
    tokens = {name: issuer.mint({"sub": name, "realm_access": {"roles": [name]}}) for name in ("ann", "bob")}
    with http.Connection(gateway.port) as connection:
        for name in ("ann", None, "bob", "ann", None, "bob"):
            headers = [("Authorization", f"Bearer {tokens[name]}")] if name is not None else []
            connection.request("GET", "/users/me", headers)
            assert connection.receive().status == (200 if name is not None else 401)
            if name is not None:
                assert (users.last.header("X-User-Id"), users.last.header("X-User-Roles")) == (name, name)
