"""The stand-in provider behaves as Keycloak 26 does, where the gateway can notice."""

from __future__ import annotations

import hashlib
import time
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from flask import Flask, request
from joserfc import jwt
from joserfc.jwk import KeySet

from demo.browser import Browser, query
from demo.identity import Client, Provider, running_provider
from demo.identity.settings import UriPatterns
from demo.serve import serving

CALLBACK = "http://localhost:3001/auth/callback"
CLIENT = ("ai-video-interview-app", "test-secret-not-for-production")
VERIFIER = "v" * 64
CHALLENGE = urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
PAGE = "http://localhost:3000"


@pytest.fixture(scope="module")
def posted() -> list[str]:
    """The logout tokens that reached the client."""
    return []


@pytest.fixture(scope="module")
def provider(posted: list[str]) -> Iterator[Provider]:
    receiver = Flask("receiver")

    @receiver.post("/auth/backchannel-logout")
    def receive() -> str:
        posted.append(request.form["logout_token"])
        return ""

    with serving(receiver) as url:
        clients = (
            Client(backchannel_logout_url=f"{url}/auth/backchannel-logout"),
            Client("page", secret=None, grants=("password",), access_lifetime=3600),
            Client("other-app", secret="other", audience=("ai-video-interview-app", "account")),
        )
        with running_provider(clients=clients, demo_endpoints=True, cors_origins=(PAGE,)) as provider:
            yield provider


@pytest.fixture
def browser() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


def auth_url(provider: Provider, **changes: str | None) -> str:
    asked = {
        "response_type": "code",
        "client_id": CLIENT[0],
        "redirect_uri": CALLBACK,
        "state": "st",
        "nonce": "no",
        "scope": "openid profile email",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    } | changes
    given = {name: value for name, value in asked.items() if value is not None}
    return f"{provider.issuer}/protocol/openid-connect/auth?{urlencode(given)}"


def post(provider: Provider, endpoint: str, auth: Any = CLIENT, **fields: str) -> requests.Response:
    return requests.post(
        f"{provider.issuer}/protocol/openid-connect/{endpoint}",
        data=fields,
        auth=auth,
        allow_redirects=False,
        timeout=5,
    )


def exchange(provider: Provider, code: str, **changes: str) -> requests.Response:
    fields = {"code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER} | changes
    return post(provider, "token", grant_type="authorization_code", **fields)


def refresh(provider: Provider, token: str, **options: Any) -> requests.Response:
    return post(provider, "token", grant_type="refresh_token", refresh_token=token, **options)


def signed_in(provider: Provider, browser: Browser) -> dict[str, Any]:
    code = query(browser.sign_in(auth_url(provider)))["code"]
    answer = exchange(provider, code)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def read(provider: Provider, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, verified with the keys that the provider publishes."""
    keys = requests.get(f"{provider.issuer}/protocol/openid-connect/certs", timeout=5).json()
    decoded = jwt.decode(token, KeySet.import_key_set(keys), ["RS256"])
    return dict(decoded.header), dict(decoded.claims)


def test_discovery_names_keycloaks_endpoints(provider: Provider) -> None:
    found = requests.get(f"{provider.issuer}/.well-known/openid-configuration", timeout=5).json()
    base = f"{provider.issuer}/protocol/openid-connect"
    assert found["issuer"] == provider.issuer
    assert found["token_endpoint"] == f"{base}/token"
    assert found["jwks_uri"] == f"{base}/certs"
    assert found["revocation_endpoint"] == f"{base}/revoke"
    assert found["end_session_endpoint"] == f"{base}/logout"
    assert "HS256" in found["id_token_signing_alg_values_supported"]


def test_discovery_at_an_internal_address_leaves_revocation_public() -> None:
    with running_provider(backchannel_dynamic=True) as provider:
        internal = provider.settings.base_url.replace("127.0.0.1", "localhost")
        path = f"/realms/{provider.settings.realm}"
        found = requests.get(f"{internal}{path}/.well-known/openid-configuration", timeout=5).json()
    assert found["issuer"] == provider.issuer
    assert found["token_endpoint"].startswith(f"{internal}{path}/")
    assert found["jwks_uri"].startswith(f"{internal}{path}/")
    assert found["revocation_endpoint"].startswith(f"{provider.issuer}/")


def test_a_sign_in_gives_tokens_of_keycloaks_shape(provider: Provider, browser: Browser) -> None:
    back = query(browser.sign_in(auth_url(provider), "rick"))
    assert (back["state"], back["iss"]) == ("st", provider.issuer)
    answer = exchange(provider, back["code"]).json()
    assert (answer["token_type"], answer["expires_in"], answer["refresh_expires_in"]) == ("Bearer", 60, 1800)

    header, access = read(provider, answer["access_token"])
    assert (header["alg"], header["typ"]) == ("RS256", "JWT")
    assert (access["typ"], access["azp"], access["aud"]) == ("Bearer", CLIENT[0], CLIENT[0])
    assert access["sub"] == "22222222-2222-4222-8222-222222222222"
    assert access["realm_access"]["roles"] == ["default-roles-ai-video-interview", "recruiter", "admin"]
    assert access["resource_access"] == {CLIENT[0]: {"roles": ["interview:review"]}}
    assert (access["email"], access["given_name"]) == ("rick@example.test", "Rick")
    assert access["exp"] - access["iat"] == 60
    assert access["sid"] in back["code"]

    _, identity = read(provider, answer["id_token"])
    half = hashlib.sha256(answer["access_token"].encode()).digest()[:16]
    assert identity["at_hash"] == urlsafe_b64encode(half).rstrip(b"=").decode()
    assert (identity["typ"], identity["aud"], identity["nonce"]) == ("ID", CLIENT[0], "no")
    assert identity["sid"] == access["sid"]


def test_a_browser_that_is_signed_in_sees_no_form(provider: Provider, browser: Browser) -> None:
    browser.sign_in(auth_url(provider))
    again = browser.open(auth_url(provider))
    assert again.status_code == 302 and "code" in query(again.headers["Location"])
    asked_anew = browser.open(auth_url(provider, prompt="login"))
    assert asked_anew.status_code == 200 and "<form" in asked_anew.text


def test_a_wrong_password_keeps_the_form(provider: Provider, browser: Browser) -> None:
    page = browser.open(auth_url(provider))
    again = browser.submit(page, username="cora", password='"><script>')
    assert again.status_code == 200 and "Invalid username or password" in again.text
    again = browser.submit(again, username="cora", password="cora-password")
    assert again.status_code == 302


def test_cancel_is_access_denied(provider: Provider, browser: Browser) -> None:
    back = query(browser.submit(browser.open(auth_url(provider)), cancel="").headers["Location"])
    assert (back["error"], back["state"], back["iss"]) == ("access_denied", "st", provider.issuer)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        pytest.param({"code_challenge": None, "code_challenge_method": None}, "invalid_request", id="no pkce"),
        pytest.param({"code_challenge_method": "plain"}, "invalid_request", id="plain pkce"),
        pytest.param({"scope": "openid none-such"}, "invalid_scope", id="unknown scope"),
        pytest.param({"prompt": "none"}, "login_required", id="no form wanted"),
        pytest.param({"response_type": "token"}, "unsupported_response_type", id="implicit"),
    ],
)
def test_an_error_goes_back_to_the_client(
    provider: Provider, browser: Browser, changes: dict[str, str | None], error: str
) -> None:
    answer = browser.open(auth_url(provider, **changes))
    assert answer.status_code == 302, answer.text
    back = query(answer.headers["Location"])
    assert (back["error"], back["state"], back["iss"]) == (error, "st", provider.issuer)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"redirect_uri": "https://evil.example/auth/callback"}, id="foreign"),
        pytest.param({"redirect_uri": None}, id="none"),
        pytest.param({"client_id": "nobody"}, id="unknown client"),
    ],
)
def test_nobody_is_sent_to_an_unknown_address(
    provider: Provider, browser: Browser, changes: dict[str, str | None]
) -> None:
    answer = browser.open(auth_url(provider, **changes))
    assert answer.status_code == 400 and "Location" not in answer.headers


@pytest.mark.parametrize(
    ("pattern", "uri", "known"),
    [
        ("http://localhost/cb", "http://localhost/cb", True),
        ("http://localhost/cb", "http://localhost:3001/cb", True),
        ("http://localhost/cb", "http://localhost:3001/cb/", False),
        ("http://localhost/cb", "http://localhost@evil.example/cb", False),
        ("http://localhost/cb", "http://evil@localhost/cb", False),
        ("http://localhost/cb", "https://localhost/cb", False),
        ("http://localhost:8090/cb", "http://localhost:3001/cb", False),
        ("https://app.example/cb", "https://app.example:444/cb", False),
        ("http://127.0.0.1/*", "http://127.0.0.1:3000/any", True),
        ("https://app.example/*", "https://app.example/any", True),
        ("https://app.example/*", "https://app.example.evil/any", False),
    ],
)
def test_redirect_uris_are_compared_as_keycloak_does(pattern: str, uri: str, known: bool) -> None:
    assert (uri in UriPatterns([pattern])) is known


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"code_verifier": "w" * 64}, id="verifier"),
        pytest.param({"redirect_uri": "http://localhost:3002/auth/callback"}, id="redirect"),
        pytest.param({"code": "made-up"}, id="code"),
    ],
)
def test_a_code_is_bound_and_spent_by_one_attempt(
    provider: Provider, browser: Browser, changes: dict[str, str]
) -> None:
    code = query(browser.sign_in(auth_url(provider)))["code"]
    refused = exchange(provider, **({"code": code} | changes))
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert exchange(provider, code).status_code == (200 if "code" in changes else 400)


def test_a_replayed_code_kills_the_first_exchanges_tokens(provider: Provider, browser: Browser) -> None:
    code = query(browser.sign_in(auth_url(provider)))["code"]
    first = exchange(provider, code).json()
    assert exchange(provider, code).json()["error"] == "invalid_grant"
    assert refresh(provider, first["refresh_token"]).json()["error"] == "invalid_grant"


def test_refresh_tokens_rotate_and_reuse_kills_the_newest(provider: Provider, browser: Browser) -> None:
    first = signed_in(provider, browser)
    second = refresh(provider, first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    _, identity = read(provider, second["id_token"])
    assert identity["sid"] == read(provider, first["access_token"])[1]["sid"] and "nonce" not in identity
    third = refresh(provider, second["refresh_token"]).json()
    reused = refresh(provider, first["refresh_token"])
    assert (reused.status_code, reused.json()["error"]) == (400, "invalid_grant")
    assert refresh(provider, third["refresh_token"]).json()["error"] == "invalid_grant"


def test_of_parallel_refreshes_one_wins_and_its_token_is_dead(provider: Provider, browser: Browser) -> None:
    token = signed_in(provider, browser)["refresh_token"]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: refresh(provider, token), range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400]
    (winner,) = (answer.json() for answer in answers if answer.ok)
    assert refresh(provider, winner["refresh_token"]).json()["error"] == "invalid_grant"


def test_a_refresh_token_is_its_clients(provider: Provider, browser: Browser) -> None:
    token = signed_in(provider, browser)["refresh_token"]
    assert refresh(provider, token, auth=("other-app", "other")).json()["error"] == "invalid_grant"
    assert refresh(provider, token).status_code == 200


@pytest.mark.parametrize(
    ("auth", "fields", "error"),
    [
        pytest.param((CLIENT[0], "wrong"), {}, "unauthorized_client", id="wrong secret"),
        pytest.param((CLIENT[0], ""), {}, "unauthorized_client", id="empty secret"),
        pytest.param(("nobody", "x"), {}, "invalid_client", id="unknown client"),
        pytest.param(None, {}, "invalid_client", id="no client"),
        pytest.param(None, {"client_id": CLIENT[0]}, "unauthorized_client", id="no secret"),
        pytest.param(None, {"client_id": CLIENT[0], "client_secret": "wrong"}, "unauthorized_client", id="in the form"),
    ],
)
@pytest.mark.parametrize("endpoint", ["token", "revoke", "logout"])
def test_a_client_that_cannot_prove_itself_is_401(
    provider: Provider, endpoint: str, auth: Any, fields: dict[str, str], error: str
) -> None:
    fields = {"grant_type": "refresh_token", "refresh_token": "x", "token": "x"} | fields
    answer = post(provider, endpoint, auth=auth, **fields)
    assert (answer.status_code, answer.json()["error"]) == (401, error)


def test_a_direct_grant_takes_a_password(provider: Provider) -> None:
    fields = {"grant_type": "password", "username": "cora", "scope": "openid"}
    good = post(provider, "token", password="cora-password", **fields)
    assert read(provider, good.json()["access_token"])[1]["preferred_username"] == "cora"
    bad = post(provider, "token", password="wrong", **fields)
    assert (bad.status_code, bad.json()["error"]) == (401, "invalid_grant")


def test_a_page_may_fetch_a_long_token_from_its_origin_alone(provider: Provider) -> None:
    url = f"{provider.issuer}/protocol/openid-connect/token"
    fields = {"grant_type": "password", "client_id": "page", "username": "cora", "password": "cora-password"}
    answers = {
        origin: requests.post(url, data=fields, headers={"Origin": origin}, timeout=5)
        for origin in (PAGE, "http://localhost:3000.evil.example")
    }
    assert [a.headers.get("Access-Control-Allow-Origin") for a in answers.values()] == [PAGE, None]
    body = answers[PAGE].json()
    assert (body["expires_in"], "refresh_token" in body) == (3600, False)
    claims = read(provider, body["access_token"])[1]
    assert (claims["aud"], claims["azp"]) == (CLIENT[0], "page")


def test_a_revoked_refresh_token_ends_the_session_quietly(
    provider: Provider, browser: Browser, posted: list[str]
) -> None:
    tokens, before = signed_in(provider, browser), len(posted)
    assert post(provider, "revoke", token=tokens["refresh_token"]).status_code == 200
    assert refresh(provider, tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert userinfo(provider, tokens["access_token"]).status_code == 401
    assert len(posted) == before


def test_revoking_garbage_is_200_with_an_error(provider: Provider) -> None:
    answer = post(provider, "revoke", token="garbage")
    assert (answer.status_code, answer.json()["error"]) == (200, "invalid_token")


def userinfo(provider: Provider, token: str) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"}
    return requests.get(f"{provider.issuer}/protocol/openid-connect/userinfo", headers=headers, timeout=5)


def test_userinfo(provider: Provider, browser: Browser) -> None:
    tokens = signed_in(provider, browser)
    assert userinfo(provider, tokens["access_token"]).json()["email"] == "cora@example.test"
    assert userinfo(provider, tokens["id_token"]).status_code == 401


def test_end_session_tells_the_client_and_goes_back(provider: Provider, browser: Browser, posted: list[str]) -> None:
    tokens, before = signed_in(provider, browser), len(posted)
    fields = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": PAGE + "/", "state": "s"}
    answer = post(provider, "logout", auth=None, **fields)
    assert (answer.status_code, answer.headers["Location"]) == (302, f"{PAGE}/?state=s")
    assert refresh(provider, tokens["refresh_token"]).json()["error"] == "invalid_grant"

    header, claims = read(provider, posted[-1])
    access = read(provider, tokens["access_token"])[1]
    assert len(posted) == before + 1 and header["typ"] == "logout+jwt"
    assert (claims["aud"], claims["sid"], claims["sub"]) == (CLIENT[0], access["sid"], access["sub"])
    assert claims["exp"] == claims["iat"] + 120 and "nonce" not in claims
    assert list(claims["events"]) == ["http://schemas.openid.net/event/backchannel-logout"]

    assert post(provider, "logout", auth=None, **fields).status_code == 302
    assert len(posted) == before + 1
    assert "<form" in browser.open(auth_url(provider)).text


def test_end_session_trusts_no_strangers_hint(provider: Provider, browser: Browser) -> None:
    tokens = signed_in(provider, browser)
    with running_provider() as stranger:
        forged = stranger.mint_id(sid=read(provider, tokens["access_token"])[1]["sid"])
    for hint in (forged, "garbage", tokens["id_token"][:-4] + "AAAA"):
        answer = post(provider, "logout", auth=None, id_token_hint=hint, post_logout_redirect_uri=PAGE)
        assert answer.status_code == 400
    evil = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": "https://evil.example/"}
    assert refresh(provider, tokens["refresh_token"]).status_code == 200
    assert "Location" not in post(provider, "logout", auth=None, **evil).headers


def test_a_client_ends_the_session_of_its_refresh_token(
    provider: Provider, browser: Browser, posted: list[str]
) -> None:
    tokens, before = signed_in(provider, browser), len(posted)
    for auth, token in ((("other-app", "other"), tokens["refresh_token"]), (CLIENT, "garbage")):
        refused = post(provider, "logout", auth=auth, refresh_token=token)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert len(posted) == before
    answer = post(provider, "logout", refresh_token=tokens["refresh_token"])
    assert (answer.status_code, answer.content) == (204, b"")
    assert refresh(provider, tokens["refresh_token"]).json()["error"] == "invalid_grant"
    assert len(posted) == before + 1
    assert "<form" in browser.open(auth_url(provider)).text
    assert post(provider, "logout", refresh_token=tokens["refresh_token"]).status_code == 204


def test_end_session_without_a_hint_is_confirmed(provider: Provider, browser: Browser) -> None:
    browser.sign_in(auth_url(provider))
    url = f"{provider.issuer}/protocol/openid-connect/logout"
    assert "Sign out?" in browser.open(url).text
    assert browser.open(auth_url(provider)).status_code == 302
    assert "signed out" in browser.http.post(url, data={"confirm": "yes"}).text
    assert browser.open(auth_url(provider)).status_code == 200


def test_keys_rotate_and_go(provider: Provider) -> None:
    old = provider.mint()
    kid = provider.rotate_keys()
    new = provider.mint()
    assert read(provider, new)[0]["kid"] == kid
    assert read(provider, old)[1]["iss"] == provider.issuer
    provider.drop_key(jwt_kid(provider, old))
    with pytest.raises(Exception, match="No key"):
        read(provider, old)
    with pytest.raises(KeyError):
        provider.drop_key("none-such")


def jwt_kid(provider: Provider, token: str) -> str:
    return str(read(provider, token)[0]["kid"])


def test_minted_tokens_are_as_a_test_wants_them(provider: Provider) -> None:
    header, claims = read(
        provider,
        provider.mint("rick", headers={"typ": "at+jwt"}, drop=("sid",), exp=int(time.time()) + 5, aud=["a", "b"]),
    )
    assert header["typ"] == "at+jwt" and "sid" not in claims
    assert claims["aud"] == ["a", "b"] and claims["given_name"] == "Rick"
    assert read(provider, provider.mint(client_id="other-app"))[1]["aud"] == [CLIENT[0], "account"]
    assert read(provider, provider.mint_logout(nonce="n"))[1]["nonce"] == "n"


def test_the_endpoints_for_tests_in_another_process(provider: Provider, browser: Browser) -> None:
    base = provider.settings.base_url
    provider.reset_calls()
    tokens = signed_in(provider, browser)
    calls = requests.get(f"{base}/demo/calls", timeout=5).json()
    assert calls == {"auth": 1, "login": 1, "token": 1} == provider.calls
    kid = requests.post(f"{base}/demo/rotate-keys", timeout=5).json()["kid"]
    assert kid == jwt_kid(provider, provider.mint())
    sid = read(provider, tokens["access_token"])[1]["sid"]
    for ended in (True, False):
        answer = requests.post(f"{base}/demo/end-session", data={"sid": sid}, timeout=5)
        assert answer.json() == {"ended": ended}


def test_nobody_else_has_those_endpoints() -> None:
    with running_provider() as provider:
        assert requests.get(f"{provider.settings.base_url}/demo/calls", timeout=5).status_code == 404


def test_a_session_lapses() -> None:
    with running_provider(refresh_lifetime=0) as provider:
        fields = {"grant_type": "password", "username": "cora", "password": "cora-password"}
        token = post(provider, "token", **fields).json()["refresh_token"]
        assert refresh(provider, token).json()["error"] == "invalid_grant"
