"""The page of docs/frontend.md, a Vite server of its own before the demo's gateway, in Chromium."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from harness.chromium import Person
from harness.description import CLIENT
from harness.ports import free_port
from harness.recordings import tone
from harness.stage import Stage
from harness.waiting import until
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.timeout(240)

SHORT = 4
"""Seconds an access token lives."""


@pytest.fixture(scope="module")
def page_url() -> str:
    return f"http://localhost:{free_port()}"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, page_url: str) -> Iterator[Stage]:
    own = {
        "FRONTEND_URL": page_url,
        "DEMO_FRONTEND": "theirs",
        "PUBLIC_URL": f"{page_url}/api",
        "KEYCLOAK_REDIRECT_URI": f"{page_url}/api/auth/callback",
    }
    with Stage(tmp_path_factory.mktemp("stage"), own) as running:
        yield running


@pytest.fixture(scope="module")
def site(stage: Stage, page_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("vite") / "log"
    port = page_url.rpartition(":")[2]
    command = [str(CLIENT / "node_modules" / ".bin" / "vite"), "--port", port, "--strictPort", "--host", "localhost"]
    environment = {**os.environ, "GATEWAY": stage.gateway}
    with log.open("wb") as output:
        vite = subprocess.Popen(command, cwd=CLIENT / "example", env=environment, stdout=output, stderr=output)
    try:
        until(lambda: vite.poll() is not None or answers(page_url), 60, "Vite to answer")
        assert vite.poll() is None, log.read_text()
        yield page_url
    finally:
        vite.terminate()
        vite.wait(20)


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


def test_its_own_code_is_short_and_compiles() -> None:
    lines = (CLIENT / "example" / "src" / "main.tsx").read_text().splitlines()
    assert len([line for line in lines if line.strip()]) <= 60
    done = subprocess.run(["npx", "--no-install", "tsc", "-p", "example"], cwd=CLIENT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def sign_in(page: Page) -> None:
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Username or email").fill("cora")
    page.get_by_label("Password").fill("cora-password")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Hello Cora")).to_be_visible()


def test_the_whole_way(stage: Stage, site: str, browser: Browser, tmp_path: Path) -> None:
    with Person(browser, tmp_path) as person:
        page, seen = person.tab()
        page.goto(site)
        sign_in(page)

        page.get_by_label("Title").fill("First round")
        page.get_by_role("button", name="Create").click()
        expect(page.get_by_role("listitem")).to_have_text("First round")
        expect(page.get_by_role("status")).to_have_text("interview.created")

        recording = {"name": "answer.wav", "mimeType": "audio/wav", "buffer": tone(30.0)}
        page.get_by_label("Recording").set_input_files(recording)  # type: ignore[arg-type]
        player = page.locator("video")
        until(lambda: player.evaluate("it => it.readyState >= 1"), 20, "the head of the recording")
        assert page.get_by_label("Upload").evaluate("it => it.value") == 1

        stage.order("access-lifetime", seconds=SHORT)
        page.reload()
        expect(page.get_by_role("heading", name="Hello Cora")).to_be_visible()
        page.evaluate("() => fetch('/api/auth/refresh', {method: 'POST'})")
        page.reload()
        page.get_by_label("Recording").set_input_files(recording)  # type: ignore[arg-type]
        until(lambda: player.evaluate("it => it.readyState >= 1"), 20, "the recording again")
        time.sleep(SHORT + 1)
        player.evaluate("it => { it.currentTime = 20 }")
        until(lambda: player.evaluate("it => !it.seeking && it.readyState >= 2"), 20, "the seek over a token's end")
        stage.order("access-lifetime", seconds=300)

        other, _ = person.tab()
        other.goto(site)
        expect(other.get_by_role("heading", name="Hello Cora")).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        expect(other.get_by_role("button", name="Sign in")).to_be_visible()
        assert not [complaint for complaint in seen.complaints if "exception" in complaint]
