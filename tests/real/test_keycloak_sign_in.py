"""Signing in at a real Keycloak by its own form, with rotation of refresh tokens on; every way out of a session."""

import json
import re
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from harness import jose
from harness.each_worker import each_worker
from harness.gateway import FRONTEND, Gateway, StartGateway
from harness.gateways import GatewayFactory
from harness.http import Answer
from harness.issuer import CLIENT
from harness.keycloak import CORA, RICK, SECRETS, Keycloak
from harness.keycloak_client import Elsewhere, client_for, keycloak_browser
from harness.ports import free_port
from harness.service import Service
from harness.visitor import Authorize, Visitor, set_by
from harness.waiting import until

from demo.browser import Browser

pytestmark = pytest.mark.timeout(600)  # the first start downloads Keycloak

WORKERS = 2
ROTATION = 1.1
"""Seconds between two rotations: an older token replayed within its second is still accepted by Keycloak."""

SUPERSEDED = 10.0
"""Seconds that the gateway answers to a superseded refresh token what superseded it."""


@pytest.fixture(scope="module")
def issuer(keycloak: Keycloak) -> Keycloak:
    """What the suite's own `gateway` fixtures are pointed at."""
    return keycloak


@pytest.fixture(scope="module")
def events(keycloak: Keycloak) -> Iterator[None]:
    """Keycloak notes what it was asked, so that requests can be counted."""
    before = keycloak.admin.call("GET", "/events/config").json()
    wanted = ["REFRESH_TOKEN", "REFRESH_TOKEN_ERROR", "CODE_TO_TOKEN", "CODE_TO_TOKEN_ERROR"]
    keycloak.admin.call("PUT", "/events/config", before | {"eventsEnabled": True, "enabledEventTypes": wanted})
    yield
    keycloak.admin.call("PUT", "/events/config", before)


def refreshes(keycloak: Keycloak) -> int:
    """How often Keycloak was asked for a refresh, whatever it answered."""
    kinds = "type=REFRESH_TOKEN&type=REFRESH_TOKEN_ERROR"
    return len(keycloak.admin.call("GET", f"/events?{kinds}&max=1000").json())


@pytest.fixture(scope="module")
def gateway(make_gateway: GatewayFactory, keycloak: Keycloak) -> Iterator[Gateway]:
    """Two workers; Keycloak's client has its callback and its back channel."""
    with (
        make_gateway(issuer=keycloak, workers=WORKERS) as running,
        client_for(keycloak, running.url, FRONTEND),
    ):
        yield running
    text = running.raw_output()
    assert "eyJ" not in text, "a token in the log"


@pytest.fixture
def person() -> Iterator[Browser]:
    """Someone's browser as Keycloak knows it."""
    with keycloak_browser() as browser:
        yield browser


def by(person: Browser, who: Mapping[str, Any] = CORA) -> Authorize:
    """Through Keycloak's form, or past it where this browser is signed in there."""

    def authorize(auth_url: str) -> str:
        page = person.open(auth_url)
        if page.status_code == 302:
            return page.headers["Location"]
        answer = person.submit(page, username=who["username"], password=who["credentials"][0]["value"])
        assert answer.status_code == 302, answer.text[-500:]
        return answer.headers["Location"]

    return authorize


def session_of(token: str) -> str:
    return str(json.loads(jose.unb64(token.split(".")[1]))["sid"])


def at_keycloak(keycloak: Keycloak, refresh_token: str) -> requests.Response:
    """The refresh grant asked for by somebody else who has the client's secret."""
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token}
    url = f"{keycloak.url}/protocol/openid-connect/token"
    return requests.post(url, data=form, auth=(CLIENT, SECRETS[CLIENT]), timeout=10)


def cleared(answer: Answer) -> bool:
    """Whether it takes the session's cookies away."""
    gone = [cookie.name for cookie in set_by(answer) if cookie.life == 0]
    return any("access" in name for name in gone) and any("session" in name for name in gone)


def is_over(gateway: Gateway, visitor: Visitor) -> bool:
    """Whether every worker refuses the visitor's cookies."""
    headers = {"Cookie": visitor.cookie_header("/users/me")}
    with each_worker(gateway) as connections:
        for connection in connections.values():
            connection.request("GET", "/users/me", headers)
        return {connection.receive().status for connection in connections.values()} == {401}


# In


@pytest.mark.conformance("O1", "O3", "O4")
def test_a_sign_in_by_keycloaks_form(gateway: Gateway, person: Browser, users: Service) -> None:
    visitor = Visitor(gateway)
    answer = visitor.sign_in(by(person, RICK), navigates=True, returnTo="/interviews")
    assert (answer.status, answer.header("Location")) == (303, f"{FRONTEND}/interviews")
    assert visitor.get("/users/me").status == 200
    assert users.last.header("X-User-Id") == RICK["id"]
    assert "gateway" not in (users.last.header("Cookie") or "")
    session = visitor.get("/auth/session").json()
    assert session["authenticated"] and 0 < session["expiresIn"] <= 300
    assert session["user"]["email"] == "rick@example.test" and session["user"]["firstName"] == "Rick"
    assert {"recruiter", "admin", "interview:review"} <= set(session["user"]["roles"])
    gateway.wait_line(lambda line: line.get("action") == "login_success" and line["userId"] == RICK["id"])


@pytest.mark.conformance("O1", "O2")
def test_a_callback_is_good_once_and_for_its_browser_alone(
    gateway: Gateway, keycloak: Keycloak, person: Browser
) -> None:
    visitor = Visitor(gateway)
    login = visitor.begin()
    back = by(person)(login.auth_url).removeprefix(gateway.url)
    assert Visitor(gateway).get(back).status == 400, "another browser's"
    replay = visitor.copy()
    assert visitor.get(back).status == 200
    assert replay.get(back).status == 400
    assert visitor.authenticated, "Keycloak was not told of the replay, which would have ended the session"


def test_two_tabs_sign_in_at_once(gateway: Gateway, person: Browser) -> None:
    visitor = Visitor(gateway)
    first, second = visitor.begin(), visitor.begin()
    for login in (second, first):
        assert visitor.get(by(person)(login.auth_url).removeprefix(gateway.url)).status == 200
    assert visitor.authenticated


@pytest.mark.conformance("O4")
def test_an_error_of_keycloaks_is_a_clean_refusal(gateway: Gateway, person: Browser) -> None:
    visitor = Visitor(gateway)
    back = person.open(visitor.begin().auth_url + "&prompt=none").headers["Location"]
    assert "error=login_required" in back
    answer = visitor.copy().get(back.removeprefix(gateway.url))
    assert answer.status == 400 and "login_required" not in answer.text
    answer = visitor.get(back.removeprefix(gateway.url), headers={"Sec-Fetch-Mode": "navigate"})
    assert answer.status == 303
    assert (answer.header("Location") or "").startswith(f"{FRONTEND}/?authError=")


# Refresh


@pytest.mark.conformance("O7", "C8")
@pytest.mark.usefixtures("events")
def test_parallel_refreshes_by_cookie_sign_nobody_out(gateway: Gateway, keycloak: Keycloak, person: Browser) -> None:
    visitor = Visitor(gateway)
    visitor.signed_in(by(person))
    for _ in range(3):
        time.sleep(ROTATION)
        asked = refreshes(keycloak)
        with ThreadPoolExecutor(20) as pool:
            tabs = [visitor.copy() for _ in range(20)]
            answers = list(pool.map(lambda tab: tab.post("/auth/refresh"), tabs))
        assert {answer.status for answer in answers} == {200}
        assert {frozenset(answer.json()) for answer in answers} == {frozenset({"expiresIn"})}
        assert refreshes(keycloak) == asked + 1
        assert all(tab.authenticated for tab in tabs[::5])
        visitor = tabs[7]


@pytest.mark.conformance("O7")
@pytest.mark.usefixtures("events")
def test_parallel_refreshes_by_body_get_the_same_tokens(gateway: Gateway, keycloak: Keycloak, person: Browser) -> None:
    token = Visitor(gateway).signed_in(by(person))["refreshToken"]
    for _ in range(3):
        time.sleep(ROTATION)
        asked = refreshes(keycloak)
        with ThreadPoolExecutor(20) as pool:
            body = {"refreshToken": token}
            answers = list(pool.map(lambda _, body=body: Visitor(gateway).post("/auth/refresh", body), range(20)))
        assert {answer.status for answer in answers} == {200} and len({answer.text for answer in answers}) == 1
        assert refreshes(keycloak) == asked + 1
        fresh = answers[0].json()
        assert fresh["refreshToken"] != token and gateway.get("/users/me", fresh["accessToken"]).status == 200
        token = fresh["refreshToken"]


@pytest.mark.conformance("O7")
def test_a_superseded_token_is_good_for_ten_seconds_and_then_ends_the_session(
    gateway: Gateway, keycloak: Keycloak, person: Browser
) -> None:
    visitor = Visitor(gateway)
    visitor.signed_in(by(person))
    stale = visitor.copy()
    time.sleep(ROTATION)
    assert visitor.post("/auth/refresh").status == 200
    assert stale.copy().post("/auth/refresh").status == 200, "a slow tab"
    assert visitor.authenticated
    time.sleep(SUPERSEDED + 0.5)
    refused = stale.post("/auth/refresh")
    assert refused.status == 401 and cleared(refused), "Keycloak takes it for stolen"
    gateway.wait_line(lambda line: line.get("action") == "token_refresh_failed" and line["userId"] == CORA["id"])
    refused = visitor.post("/auth/refresh")
    assert refused.status == 401 and cleared(refused), "and the newest one with it"
    assert visitor.jar == {}


@pytest.mark.conformance("O7")
def test_a_disabled_user_ends_at_the_next_refresh(gateway: Gateway, keycloak: Keycloak, person: Browser) -> None:
    visitor = Visitor(gateway)
    visitor.signed_in(by(person, RICK))
    path = f"/users/{RICK['id']}"
    user = keycloak.admin.call("GET", path).json()
    keycloak.admin.call("PUT", path, user | {"enabled": False})
    try:
        assert visitor.authenticated, "until the token lapses: nobody was told"
        refused = visitor.post("/auth/refresh")
        assert refused.status == 401 and cleared(refused)
        assert visitor.get("/auth/session").json() == {"authenticated": False}
    finally:
        keycloak.admin.call("PUT", path, user)


@contextmanager
def another_secret(keycloak: Keycloak) -> Iterator[None]:
    client = keycloak.admin.client()
    keycloak.admin.call("PUT", f"/clients/{client['id']}", client | {"secret": "somebody-changed-it-0123456789"})
    try:
        yield
    finally:
        keycloak.admin.call("PUT", f"/clients/{client['id']}", client | {"secret": SECRETS[CLIENT]})


@pytest.mark.conformance("O7", "F1")
def test_a_wrong_client_secret_ends_nothing_and_is_explained(
    gateway: Gateway, keycloak: Keycloak, person: Browser
) -> None:
    visitor = Visitor(gateway)
    visitor.signed_in(by(person))
    seen = len(gateway.lines())
    with another_secret(keycloak):
        refused = visitor.post("/auth/refresh")
        assert refused.status == 502 and refused.json()["message"] == "Bad gateway"
        assert set_by(refused) == []
        until(lambda: any(line.get("url") == "/auth/refresh" for line in gateway.lines()[seen:]), 5, "its line")
        (error,) = [line for line in gateway.lines()[seen:] if line["level"] == "error" and "url" not in line]
        assert "KEYCLOAK_CLIENT_SECRET" in error["message"]
        assert visitor.authenticated
    until(lambda: visitor.post("/auth/refresh").status == 200, 5, "the refresh to work again")


# Out


@pytest.mark.conformance("O8", "O10")
def test_a_logout_revokes_at_keycloak_and_ends_on_every_worker(
    gateway: Gateway, keycloak: Keycloak, person: Browser
) -> None:
    visitor = Visitor(gateway)
    tokens = visitor.signed_in(by(person))
    stale = visitor.copy()
    answer = visitor.post("/auth/logout")
    assert answer.status == 200 and cleared(answer)
    assert at_keycloak(keycloak, tokens["refreshToken"]).json()["error"] == "invalid_grant"
    assert is_over(gateway, stale)
    assert gateway.get("/users/me", tokens["accessToken"]).status == 401
    refused = stale.post("/auth/refresh")
    assert refused.status == 401 and cleared(refused)


@pytest.mark.conformance("O8")
def test_a_logout_by_body_revokes_too(gateway: Gateway, keycloak: Keycloak, person: Browser) -> None:
    tokens = Visitor(gateway).signed_in(by(person))
    bearer = {"Authorization": f"Bearer {tokens['accessToken']}"}
    answer = Visitor(gateway).post("/auth/logout", {"refreshToken": tokens["refreshToken"]}, headers=bearer)
    assert answer.status == 200
    assert at_keycloak(keycloak, tokens["refreshToken"]).json()["error"] == "invalid_grant"
    assert gateway.get("/users/me", tokens["accessToken"]).status == 401


@pytest.mark.conformance("O8")
def test_the_end_session_url_leads_back_to_the_frontend(gateway: Gateway, person: Browser) -> None:
    visitor = Visitor(gateway)
    visitor.signed_in(by(person))
    url = visitor.post("/auth/logout").json()["endSessionUrl"]
    asked = parse_qs(urlsplit(url).query)
    assert asked["post_logout_redirect_uri"] == [f"{FRONTEND}/"] and "id_token_hint" in asked
    left = person.open(url)
    assert (left.status_code, left.headers.get("Location")) == (302, f"{FRONTEND}/"), left.text[-500:]
    page = person.open(visitor.begin().auth_url)
    assert page.status_code == 200 and "kc-form-login" in page.text, "the form is asked for again"


@pytest.mark.conformance("O8")
def test_signing_in_again_after_a_logout_here_works(gateway: Gateway, person: Browser) -> None:
    visitor = Visitor(gateway)
    for _ in range(2):
        visitor.signed_in(by(person))
        assert visitor.authenticated
        assert visitor.post("/auth/logout").status == 200
        time.sleep(ROTATION)
    visitor.signed_in(by(person))
    assert visitor.authenticated


@pytest.mark.conformance("O10")
@pytest.mark.parametrize("how", ["the user's sessions", "one session", "the user at Keycloak"])
def test_a_logout_at_keycloak_ends_it_here_at_once(
    gateway: Gateway, keycloak: Keycloak, person: Browser, how: str
) -> None:
    visitor = Visitor(gateway)
    tokens = visitor.signed_in(by(person))
    with keycloak_browser() as elsewhere:
        other = Visitor(gateway)
        other.signed_in(by(elsewhere, RICK))
    seen = len(gateway.lines())
    if how == "the user's sessions":
        keycloak.admin.call("POST", f"/users/{CORA['id']}/logout")
    elif how == "one session":
        keycloak.admin.call("DELETE", f"/sessions/{session_of(tokens['accessToken'])}")
    else:
        page = person.open(f"{keycloak.url}/protocol/openid-connect/logout")
        code = re.search(r'name="session_code" value="([^"]+)"', page.text)
        assert code, page.text[-500:]
        assert person.submit(page, session_code=code[1], confirmLogout="Logout").status_code == 200
    assert is_over(gateway, visitor)
    assert gateway.get("/users/me", tokens["accessToken"]).status == 401
    refused = visitor.post("/auth/refresh")
    assert refused.status == 401 and cleared(refused)
    assert other.authenticated, "somebody else's goes on"

    def reported() -> list[str]:
        return [line["userId"] for line in gateway.lines()[seen:] if line.get("action") == "backchannel_logout"]

    until(lambda: set(reported()) == {CORA["id"]}, 5, "the line of the back-channel logout")
    visitor.signed_in(by(person))
    assert visitor.authenticated, "a later sign-in works"


# Where Keycloak is


@pytest.mark.conformance("O5", "O9")
def test_the_browser_goes_to_the_public_keycloak_and_the_gateway_to_the_internal_one(
    start_gateway: StartGateway, keycloak: Keycloak
) -> None:
    public = f"http://localhost:{free_port()}"  # nobody listens there: what the gateway asks for there fails
    keycloak.stop()
    keycloak.resume(public)
    try:
        gateway = start_gateway()
        assert gateway.env["KEYCLOAK_ISSUER_URL"].startswith(public)
        assert gateway.env["KEYCLOAK_INTERNAL_URL"].startswith(keycloak.base)
        with client_for(keycloak, gateway.url, FRONTEND), keycloak_browser() as person:
            person.http.mount(public, Elsewhere(public, keycloak.base))
            visitor = Visitor(gateway)
            login = visitor.begin()
            assert login.auth_url.startswith(f"{public}/")
            answer = visitor.get(by(person)(login.auth_url).removeprefix(gateway.url))
            assert answer.status == 200, gateway.raw_output()
            assert visitor.authenticated
            time.sleep(ROTATION)
            assert visitor.post("/auth/refresh").status == 200

            # Keycloak names a public address for the revocation: it is asked at the internal one all the same.
            answer = visitor.post("/auth/logout")
            assert answer.json()["endSessionUrl"].startswith(f"{public}/")
            assert person.open(answer.json()["endSessionUrl"]).headers["Location"] == f"{FRONTEND}/"
            assert not [
                line for line in gateway.lines() if line["level"] in ("warn", "error") and "Keycloak" in str(line)
            ]

            tokens = Visitor(gateway).signed_in(by(person))
            Visitor(gateway).post("/auth/logout", {"refreshToken": tokens["refreshToken"]})
            assert at_keycloak(keycloak, tokens["refreshToken"]).json()["error"] == "invalid_grant"
    finally:
        keycloak.stop()
        keycloak.resume()
