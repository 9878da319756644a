"""`gateway doctor` and `gateway explain` against a real Keycloak: what only it can say."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from harness.chromium import PATIENCE, Person
from harness.command import Ran, run
from harness.environment import SECRET
from harness.gateway import StartGateway
from harness.issuer import CLIENT
from harness.keycloak import CORA, SECRETS, Keycloak
from harness.keycloak_client import client_for
from harness.ports import free_port
from harness.service import Service
from harness.waiting import until
from playwright.sync_api import Browser

pytestmark = pytest.mark.timeout(600)  # the first start downloads Keycloak

CONSOLE = "from gateway.cli.main import console; console()"
CALLBACK = "http://localhost:3001/auth/callback"


@pytest.fixture
def settings(
    keycloak: Keycloak, users: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Mapping[str, str | None]:
    """As the realm of deploy/keycloak has the client."""
    monkeypatch.chdir(tmp_path)
    return {
        "NODE_ENV": "development",
        "PORT": str(free_port()),
        "KEYCLOAK_ISSUER_URL": keycloak.issuer,
        "KEYCLOAK_CLIENT_ID": CLIENT,
        "KEYCLOAK_CLIENT_SECRET": SECRETS[CLIENT],
        "KEYCLOAK_REDIRECT_URI": CALLBACK,
        "JWT_AUDIENCE": CLIENT,
        "SESSION_SECRET": SECRET,
        "FRONTEND_URL": "http://localhost:3000",
        "USER_SERVICE_URL": users.url,
        "INTERVIEW_SERVICE_URL": users.url,
    }


def wrong(ran: Ran) -> dict[str, dict[str, Any]]:
    """The problems and warnings, by what was looked at."""
    rows = [row for rows in ran.json()["groups"].values() for row in rows]
    return {row["check"]: row for row in rows if row["verdict"] in ("problem", "warning")}


def test_the_shipped_realm_has_no_problem_and_a_user_signs_in(
    settings: Mapping[str, str | None], keycloak: Keycloak
) -> None:
    keycloak.token()  # the first one takes a Keycloak that has just started seconds
    password = CORA["credentials"][0]["value"]
    ran = run("doctor", "--json", "--user", "cora", env={**settings, "GATEWAY_DOCTOR_PASSWORD": password})
    assert wrong(ran) == {}, ran.output
    found = {row["check"]: row["found"] for row in ran.json()["groups"]["Tokens"]}
    assert "1800 s" in found["session's life"] and "300 s" in found["access token's life"]
    assert CORA["id"] in found["sub"] and "candidate" in found["roles"] and found["email"] == "cora@example.test"
    assert password not in ran.output and SECRETS[CLIENT] not in ran.output


@pytest.mark.parametrize(
    ("changes", "check", "fix"),
    [
        ({"KEYCLOAK_CLIENT_ID": "nobody"}, "client", "KEYCLOAK_CLIENT_ID"),
        ({"KEYCLOAK_CLIENT_SECRET": "another-0123456789"}, "client", "Credentials"),
        ({"KEYCLOAK_REDIRECT_URI": "http://localhost:3001/elsewhere/auth/callback"}, "redirect URI", "Valid redirect"),
        ({"FRONTEND_URL": "http://localhost:3999"}, "post-logout URI", "Valid post logout"),
        ({"KEYCLOAK_SCOPES": "openid no-such-scope"}, "scopes", "KEYCLOAK_SCOPES"),
        ({"JWT_ALGORITHMS": "PS512"}, "keys", "JWT_ALGORITHMS"),
    ],
    ids=["client id", "secret", "redirect URI", "post-logout URI", "scope", "algorithm"],
)
def test_what_is_wrong_at_the_client_is_named(
    settings: Mapping[str, str | None], changes: Mapping[str, str], check: str, fix: str
) -> None:
    found = wrong(run("doctor", "--json", env={**settings, **changes}))
    assert fix in found[check]["fix"], found


def test_the_wrong_realm_and_the_wrong_name_of_its_host_are_named(
    settings: Mapping[str, str | None], keycloak: Keycloak
) -> None:
    env = {**settings, "KEYCLOAK_ISSUER_URL": keycloak.base + "/realms/another"}
    assert "no realm 'another'" in wrong(run("doctor", "--json", env=env))["Keycloak"]["found"]
    env = {**settings, "KEYCLOAK_ISSUER_URL": keycloak.issuer + "/"}
    assert "a slash at the end" in wrong(run("doctor", "--json", env=env))["issuer"]["found"]


def test_a_token_without_the_audience_is_named(settings: Mapping[str, str | None], keycloak: Keycloak) -> None:
    with keycloak.admin.without_mapper("audience-self"):
        token = keycloak.token()
    found = wrong(run("doctor", "--json", "--token", "-", env=settings, stdin=token))
    assert "Audience mapper" in found["aud"]["fix"]
    assert "Audience mapper" in run("explain", "-", env=settings, stdin=token).output


def test_a_token_without_a_subject_is_named(settings: Mapping[str, str | None], keycloak: Keycloak) -> None:
    with keycloak.admin.without_scope("basic"):
        found = wrong(run("doctor", "--json", "--token", "-", env=settings, stdin=keycloak.token()))
    assert "`basic`" in found["sub"]["fix"]


def test_a_client_that_may_sign_nobody_in_is_named(settings: Mapping[str, str | None], keycloak: Keycloak) -> None:
    before = keycloak.admin.client()
    path = f"/clients/{before['id']}"
    keycloak.admin.call("PUT", path, before | {"standardFlowEnabled": False})
    try:
        found = wrong(run("doctor", "--json", env=settings))
    finally:
        keycloak.admin.call("PUT", path, before)
    assert any("Standard flow" in row["fix"] for row in found.values()), found


def test_somebody_signs_in_in_a_browser_while_the_gateway_runs(
    keycloak: Keycloak, start_gateway: StartGateway, users: Service, browser: Browser, tmp_path: Path
) -> None:
    """The page that Chromium lands on is the frontend's; its address is pasted, as the doctor asks."""
    gateway = start_gateway({"FRONTEND_URL": users.url}, issuer=keycloak)
    said, found = tmp_path / "said", tmp_path / "found"
    command = [sys.executable, "-c", CONSOLE, "doctor", "--login", "--json"]
    with (
        client_for(keycloak, gateway.url, users.url),
        said.open("wb") as err,
        found.open("wb") as out,
        subprocess.Popen(
            command, cwd=tmp_path, env={**gateway.env, "PATH": str(tmp_path)},  # where no program opens a page
            stdin=subprocess.PIPE, stdout=out, stderr=err, text=True, start_new_session=True,
        ) as doctor,
        Person(browser, tmp_path) as person,
    ):  # fmt: skip
        try:
            (url,) = until(lambda: re.findall(r"^http\S+$", said.read_text(), re.MULTILINE), 30, "the address to open")
            page, _ = person.tab()
            page.goto(url)
            page.locator("#username").fill("cora")
            page.locator("#password").fill("cora-password")
            page.locator("#kc-login").click()
            page.wait_for_url(re.compile(f"{re.escape(users.url)}/.*#.*code="), timeout=PATIENCE)
            doctor.communicate(page.url + "\n", timeout=30)
        finally:
            doctor.kill()
    ran = Ran(doctor.returncode, found.read_text())
    assert ran.status == 0, said.read_text() + ran.output
    told = {row["check"]: row for row in ran.json()["groups"]["Tokens"]}
    assert CORA["id"] in told["sub"]["found"] and told["session's life"]["verdict"] == "ok"
    code = re.search(r"code=([^&]+)", page.url)
    assert code and code[1] not in gateway.raw_output() + said.read_text() + ran.output
