"""Who the token says its user is, as a service is told."""

from typing import Any

import pytest
from harness.errors import check_refused
from harness.gateway import Gateway
from harness.issuer import CLIENT, Issuer
from harness.service import Service

HOSTILE: dict[str, dict[str, Any]] = {
    "realm_access null": {"realm_access": None},
    "realm_access a list": {"realm_access": ["admin"]},
    "realm_access a string": {"realm_access": "admin"},
    "roles null": {"realm_access": {"roles": None}},
    "roles a string": {"realm_access": {"roles": "admin"}},
    "roles an object": {"realm_access": {"roles": {"admin": True}}},
    "roles no strings": {"realm_access": {"roles": [1, None, True, {}, ["admin"]]}},
    "resource_access a list": {"resource_access": [CLIENT]},
    "another client's": {"resource_access": {"realm-management": {"roles": ["admin"]}}},
    "client null": {"resource_access": {CLIENT: None}},
    "client roles a string": {"resource_access": {CLIENT: {"roles": "admin"}}},
}


def roles_of(gateway: Gateway, issuer: Issuer, users: Service, realm: list[str], client: list[str]) -> str:
    claims = {"realm_access": {"roles": realm}, "resource_access": {CLIENT: {"roles": client}}}
    assert gateway.get("/users/me", issuer.mint(claims)).status == 200
    return users.last.header("X-User-Roles") or ""


@pytest.mark.parametrize(
    ("realm", "client", "reported"),
    [
        (["candidate"], [], "candidate"),
        (["recruiter", "candidate", "admin"], [], "admin,candidate,recruiter"),
        (["candidate"], ["interview:review"], "candidate,interview:review"),
        (["b", "a", "b"], ["a", "c"], "a,b,c"),
        ([], ["z", "y"], "y,z"),
        (["a,b"], [], "a%2Cb"),
        (["100%"], [], "100%25"),
        (["%2C"], [], "%252C"),
        (["рекрутер"], [], "%D1%80%D0%B5%D0%BA%D1%80%D1%83%D1%82%D0%B5%D1%80"),
    ],
)
@pytest.mark.conformance("P15")
def test_roles(
    gateway: Gateway, issuer: Issuer, users: Service, realm: list[str], client: list[str], reported: str
) -> None:
    """Of the realm and of the client together, each once, in order."""
    assert roles_of(gateway, issuer, users, realm, client).upper() == reported.upper()


@pytest.mark.conformance("J9", "P15")
@pytest.mark.parametrize("claims", HOSTILE.values(), ids=HOSTILE.keys())
def test_claims_that_are_no_roles(gateway: Gateway, issuer: Issuer, users: Service, claims: dict[str, Any]) -> None:
    """They give nobody a role; whether the token passes is not told."""
    answer = gateway.get("/users/me", issuer.mint({"realm_access": {}, "resource_access": {}, **claims}))
    if answer.status != 200:
        check_refused(answer)
        return
    assert not users.last.header("X-User-Roles")


@pytest.mark.parametrize("claims", [{}, {"email": ""}, {"email": None}], ids=["absent", "empty", "null"])
def test_an_unknown_email_is_left_out(gateway: Gateway, issuer: Issuer, users: Service, claims: dict[str, Any]) -> None:
    token = issuer.mint(claims, drop=() if claims else ["email"])
    assert gateway.get("/users/me", token).status == 200
    assert not users.last.all("X-User-Email")


@pytest.mark.conformance("J9")
@pytest.mark.parametrize("email", [1, True, ["a@b"], {"a": 1}], ids=repr)
def test_an_email_that_is_none(gateway: Gateway, issuer: Issuer, users: Service, email: object) -> None:
    answer = gateway.get("/users/me", issuer.mint({"email": email}))
    if answer.status != 200:
        check_refused(answer)
