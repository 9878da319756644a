"""Keycloak's token endpoint and its odd answers, as requests-mock gives them: what each is to the gateway."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import requests
from requests_mock import Mocker

from gateway import errors
from gateway.oidc import Grants, SecretCredentials, SessionOver
from gateway.oidc.documents import KEYCLOAK_TIMEOUTS, Endpoints
from gateway.transport import Adapter, ConnectError, NoResponse, ResponseTimeout, tls_context

TOKEN = "https://keycloak.test/token"
LOGOUT = "https://inside.test/logout"
REVOKE = "https://keycloak.test/revoke"
GOOD = {"access_token": "a", "refresh_token": "r", "token_type": "bearer", "expires_in": 60, "refresh_expires_in": 1800}


@dataclass(frozen=True)
class Realm:
    endpoints: Endpoints

    @property
    def known_endpoints(self) -> Endpoints:
        return self.endpoints


@pytest.fixture
def grants() -> Grants:
    endpoints = Endpoints(
        jwks="", authorization="https://keycloak.test/auth", token=TOKEN, revocation=REVOKE, end_session="https://keycloak.test/logout",
        end_session_internal=LOGOUT,
        iss_parameter_supported=True,
    )  # fmt: skip
    realm: Any = Realm(endpoints)
    return Grants(realm, Adapter(tls_context(None), KEYCLOAK_TIMEOUTS), SecretCredentials("client", "secret"), "openid")


def test_a_good_answer(grants: Grants, requests_mock: Mocker) -> None:
    requests_mock.post(TOKEN, json=GOOD)
    answer = grants.refresh("old")
    assert (answer.access_token, answer.refresh_token, answer.id_token) == ("a", "r", None)
    assert (answer.expires_in, answer.refresh_expires_in) == (60, 1800)
    sent = requests_mock.last_request
    assert sent is not None
    assert sent.headers["Authorization"] == requests.auth._basic_auth_str("client", "secret")
    assert "grant_type=refresh_token" in sent.text and "refresh_token=old" in sent.text
    assert "secret" not in sent.text


@pytest.mark.conformance("O7")
@pytest.mark.parametrize(
    ("reply", "raised"),
    [
        ({"json": {"error": "invalid_grant"}, "status_code": 400}, SessionOver),
        ({"json": {"error": "unauthorized_client"}, "status_code": 401}, errors.BadGateway),
        ({"json": {"error": "invalid_client"}, "status_code": 400}, errors.BadGateway),
        ({"json": {"error": ["invalid_grant"]}, "status_code": 400}, errors.BadGateway),
        ({"json": {**GOOD, "token_type": "mac"}}, errors.BadGateway),
        ({"json": {**GOOD, "access_token": ""}}, errors.BadGateway),
        ({"json": {**GOOD, "refresh_token": "\ud800"}}, errors.BadGateway),
        ({"json": []}, errors.BadGateway),
        ({"text": "<html>"}, errors.BadGateway),
        ({"text": "", "status_code": 503}, errors.BadGateway),
        ({"exc": ConnectError("refused")}, errors.ServiceUnavailable),
        ({"exc": ResponseTimeout("slow")}, errors.GatewayTimeout),
        ({"exc": NoResponse("reset")}, errors.BadGateway),
    ],
    ids=lambda value: str(value)[:50],
)
def test_an_odd_answer(
    grants: Grants, requests_mock: Mocker, reply: dict[str, object], raised: type[Exception]
) -> None:
    requests_mock.post(TOKEN, **reply)  # type: ignore[arg-type]
    for ask in asks(grants):
        with pytest.raises(raised):
            ask()


def asks(grants: Grants) -> tuple[Callable[[], object], ...]:
    return (lambda: grants.refresh("old"), lambda: grants.exchange("code", "https://gateway.test/auth/callback", "v"))


@pytest.mark.parametrize("status", [302, 400, 500])
def test_a_revocation_that_failed_is_said(grants: Grants, requests_mock: Mocker, status: int) -> None:
    requests_mock.post(REVOKE, status_code=status, headers={"Location": "https://evil.test/"})
    with pytest.raises(errors.BadGateway):
        grants.revoke("token")
    assert len(requests_mock.request_history) == 1


@pytest.mark.conformance("O8")
@pytest.mark.parametrize(("status", "ended"), [(204, True), (200, False), (302, False), (400, False), (404, False)])
def test_a_session_is_ended_by_a_204_alone(grants: Grants, requests_mock: Mocker, status: int, ended: bool) -> None:
    """A provider that does not take refresh tokens there answers with a page for a person, or an error."""
    requests_mock.post(LOGOUT, status_code=status, text="" if ended else "<p>Sign out?</p>")
    assert grants.end_session("refresh") is ended
