"""A real browser, the demo's frontend and a real Keycloak with its own login form."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.chromium import Person, chromium
from harness.keycloak import CORA, SECRETS, Keycloak
from harness.keycloak_client import client_for
from harness.stage import Stage
from playwright.sync_api import expect

pytestmark = pytest.mark.timeout(600)  # the first start downloads Keycloak

SHORT = 4
"""Seconds an access token lives."""


@pytest.fixture(scope="module")
def stage(keycloak: Keycloak, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    settings = {"KEYCLOAK_ISSUER_URL": keycloak.issuer, "KEYCLOAK_CLIENT_SECRET": SECRETS["ai-video-interview-app"]}
    with (
        Stage(tmp_path_factory.mktemp("stage"), settings) as stage,
        client_for(keycloak, stage.gateway, stage.frontend, access_token_lifespan=str(SHORT)),
    ):
        yield stage


@pytest.mark.conformance("O1", "O3", "O7", "O8", "O10", "C1")
def test_a_person_signs_in_works_and_signs_out(stage: Stage, keycloak: Keycloak, tmp_path: Path) -> None:
    shots = Path(os.environ.get("BROWSER_SHOTS", tmp_path))
    with chromium() as browser, Person(browser, shots) as person:
        heard = person.overhear()
        page, seen = person.tab()

        def sign_in() -> None:
            page.get_by_role("button", name="Sign in").click()
            page.locator("#username").fill("cora")
            person.picture(page, "8-keycloak")
            page.locator("#password").fill("cora-password")
            page.locator("#kc-login").click()
            expect(page.locator("#who")).to_have_text("Cora")
            expect(page.locator("#roles")).to_contain_text("cora@example.test")

        page.goto(stage.frontend)
        sign_in()
        assert page.url == f"{stage.frontend}/"
        assert seen.complaints == []

        time.sleep(SHORT + 0.5)
        page.get_by_label("Title of the new interview").fill("With Keycloak")
        page.get_by_role("button", name="Add").click()
        expect(page.locator("#interviews")).to_contain_text("With Keycloak")
        listed = page.locator("#calls").inner_text().split()
        assert listed.count("/auth/refresh") >= 1, "in time, or after a 401"
        person.picture(page, "9-keycloak-board")

        # Keycloak's administrator ends the session: Keycloak tells the gateway, which ends the page's event stream.
        keycloak.admin.call("POST", f"/users/{CORA['id']}/logout")
        expect(page.locator("#notice")).to_contain_text("session has ended")
        sign_in()

        # And the user signs out, of Keycloak too: the way back is the frontend's, the form is asked for again.
        other, _ = person.tab()
        other.goto(stage.frontend)
        expect(other.locator("#who")).to_have_text("Cora")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        page.wait_for_url(f"{stage.frontend}/")
        expect(other.get_by_role("button", name="Sign in")).to_be_visible()
        other.get_by_role("button", name="Sign in").click()
        expect(other.locator("#password")).to_be_visible()

        assert "eyJ" not in "\n".join(reported for reported in heard if "endSessionUrl" not in reported), "a JWT"
        assert "eyJ" not in stage.log("gateway")
