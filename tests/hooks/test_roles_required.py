"""A route for one role only: `gateway.hooks.identity.require`, as a blueprint's guard and as a call in a view."""

from collections.abc import Iterator

import pytest
from harness.errors import check_error, check_refused
from harness.gateway import Gateway
from harness.gateways import GatewayFactory
from harness.issuer import Issuer

PATHS = ["/own/reports", "/own/summary"]


@pytest.fixture(scope="module")
def guarded(make_gateway: GatewayFactory) -> Iterator[Gateway]:
    with make_gateway(app="harness.guarded:app") as running:
        yield running


def of_roles(issuer: Issuer, *roles: str) -> str:
    return issuer.mint({"realm_access": {"roles": list(roles)}, "resource_access": {}})


@pytest.mark.parametrize("path", PATHS)
def test_somebody_with_the_role_gets_the_answer(guarded: Gateway, issuer: Issuer, path: str) -> None:
    answer = guarded.get(path, of_roles(issuer, "candidate", "recruiter"))
    assert (answer.status, answer.json()) == (200, "for recruiters")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("roles", [(), ("candidate",), ("Recruiter",), ("recruiter ",), ("recruiters",)], ids=repr)
def test_somebody_without_it_is_forbidden(guarded: Gateway, issuer: Issuer, path: str, roles: tuple[str, ...]) -> None:
    answer = guarded.get(path, of_roles(issuer, *roles))
    check_error(answer, 403)
    assert answer.json()["code"] == "role_missing"


@pytest.mark.parametrize("path", PATHS)
def test_nobody_is_asked_to_sign_in(guarded: Gateway, path: str) -> None:
    check_error(guarded.get(path), 401)


@pytest.mark.parametrize("path", PATHS)
def test_a_bad_token_is_refused_as_everywhere(guarded: Gateway, issuer: Issuer, path: str) -> None:
    check_refused(guarded.get(path, issuer.mint({"aud": "another"})))
