"""Accessibility of `/docs` and the demo's pages: axe finds nothing, also narrow and dark; the keyboard is enough."""

import json
import re
from collections.abc import Callable, Iterator

import pytest
import requests
from harness import replies
from harness.chromium import PATIENCE, Seen
from harness.description import CLIENT
from harness.service import Service
from harness.stage import Stage
from harness.waiting import until
from playwright.sync_api import Browser, BrowserContext, FilePayload, Page, expect

pytestmark = pytest.mark.timeout(180)

AXE = CLIENT / "node_modules" / "axe-core" / "axe.min.js"
FOUND = """async () => (await axe.run()).violations.map(
  ({id, nodes}) => [id, ...nodes.slice(0, 5).map(({html, failureSummary}) => html.slice(0, 160) + failureSummary)]
)"""
LOOKS = {"wide and light": (1200, 900, "light"), "narrow and dark": (390, 844, "dark")}


NAMES = ("elements", "dataset", "body")
"""Of parameters of a service; a form has properties of these names."""
OWN = {
    "openapi": "3.1.0",
    "paths": {
        "/users/me": {
            "get": {
                "parameters": [{"name": name, "in": "query", "schema": {"type": "string"}} for name in NAMES],
                "responses": {"200": {"description": "The profile."}},
            }
        }
    },
}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    with Service() as service:
        service.answer = replies.sized(200, [("Content-Type", "application/json")], json.dumps(OWN).encode())
        own = {"USER_SERVICE_OPENAPI_URL": f"{service.url}/openapi.json"}
        with Stage(tmp_path_factory.mktemp("stage"), own) as running:
            until(lambda: "dataset" in requests.get(f"{running.gateway}/docs", timeout=5).text, what="the description")
            yield running


@pytest.fixture(params=LOOKS.values(), ids=list(LOOKS))
def look(request: pytest.FixtureRequest, browser: Browser) -> Iterator[BrowserContext]:
    width, height, scheme = request.param
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    context.set_default_timeout(PATIENCE)
    yield context
    context.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    context.set_default_timeout(PATIENCE)
    yield context.new_page()
    context.close()


def check(page: Page) -> None:
    """axe finds no violation, and nothing is wider than the window."""
    page.evaluate(AXE.read_text())
    assert page.evaluate(FOUND) == []
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def press(page: Page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def sign_in(page: Page, stage: Stage, look_at: Callable[[Page], None] = lambda page: None) -> None:
    """By keyboard alone; `look_at` gets each page on the way."""
    page.goto(stage.frontend)
    begin = page.get_by_role("button", name="Sign in")
    expect(begin).to_be_visible()
    look_at(page)
    press(page, "Tab")
    expect(begin).to_be_focused()
    press(page, "Enter")
    expect(page.get_by_label("Password")).to_be_visible()
    look_at(page)
    page.get_by_label("Username or email").focus()
    page.keyboard.type("cora")
    press(page, "Tab")
    page.keyboard.type("cora-password")
    press(page, "Enter")
    expect(page.locator("#roles")).not_to_be_empty()


def test_axe_finds_nothing_in_the_demo(stage: Stage, look: BrowserContext) -> None:
    page = look.new_page()
    sign_in(page, stage, check)
    page.get_by_label("Title of the new interview").focus()
    page.keyboard.type("For everybody")
    press(page, "Enter")
    expect(page.locator("#notice")).to_have_text("For everybody is added.")
    note = FilePayload(name="note.txt", mimeType="text/plain", buffer=b"note")
    page.get_by_label("File to upload").set_input_files(note)
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.locator("#notice")).to_have_text("note.txt is uploaded.")
    check(page)
    for name in ("note.txt", "For everybody"):
        page.get_by_role("button", name=f"Delete {name}").focus()
        press(page, "Enter")
        expect(page.locator("#notice")).to_have_text(f"{name} is deleted.")
        assert page.evaluate("document.activeElement !== document.body"), "the focus is not lost"
    page.goto(f"{stage.provider}/realms/ai-video-interview/protocol/openid-connect/auth")
    check(page)


def test_axe_finds_nothing_in_the_docs(stage: Stage, look: BrowserContext) -> None:
    page = look.new_page()
    seen = Seen.of(page)
    page.goto(f"{stage.gateway}/docs")
    expect(page.locator("#page-who")).to_contain_text("Nobody is signed in")
    check(page)
    page.locator("#createInterview details").evaluate_all("all => all.forEach(it => it.open = true)")
    page.get_by_label("Search the calls").fill("create an interview")
    expect(page.locator("#page-status")).to_have_text(re.compile(r"^\d+ of \d+ calls$"))
    check(page)
    assert (seen.complaints, seen.failures) == ([], [])


def answered(page: Page, call: str) -> str:
    """What a call's form says after Enter on its button, opened by Enter as well."""
    form = page.locator(f"#{call} form")
    if not form.is_visible():
        page.locator(f"#{call} .try summary").focus()
        press(page, "Enter")
    form.get_by_role("button", name="Send").focus()
    press(page, "Enter")
    expect(form.get_by_role("status")).to_have_text(re.compile(r"^\d{3} .* ms$"))
    return form.inner_text()


def test_a_call_is_found_and_tried_by_keyboard(stage: Stage, page: Page) -> None:
    sign_in(page, stage)
    page.goto(f"{stage.gateway}/docs")
    press(page, "Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    expect(page.locator("#page-who")).to_contain_text("Signed in as cora@example.test")
    page.get_by_label("Search the calls").focus()
    page.keyboard.type("profile")
    expect(page.locator("#readMe")).to_be_visible()
    expect(page.locator("#createInterview")).to_be_hidden()
    expect(page.locator("nav a[href='#createInterview']")).to_be_hidden()

    read = answered(page, "readMe")
    assert "\n200 " in read and '"email": "cora@example.test"' in read
    assert '"code": "foreign_origin"' in answered(page, "changeMe"), "an upload could be such a page"
    page.get_by_label("Access token").fill(stage.token())
    assert '"firstName": "Cora"' in answered(page, "changeMe")


def test_names_of_a_services_parameters_are_no_properties_of_the_form(stage: Stage, page: Page) -> None:
    page.goto(f"{stage.gateway}/docs")
    form = page.locator("#readMe form")
    page.locator("#readMe .try summary").click()
    for name in NAMES:
        form.get_by_label(re.compile(f"^{name} query")).fill("1")
    with page.expect_request(lambda request: "/users/me" in request.url) as asked:
        form.get_by_role("button", name="Send").click()
    assert asked.value.url.endswith("/users/me?elements=1&dataset=1&body=1")


def test_a_long_answer_is_shown_as_far_as_it_was_read(stage: Stage, page: Page) -> None:
    page.goto(f"{stage.gateway}/docs")
    answered(page, "openapi")
    shown = page.locator("#openapi form pre")
    expect(shown).to_contain_text('"openapi": "3.1.0"')
    expect(shown).to_contain_text(re.compile("…$"))
    expect(page.locator("#openapi form").get_by_role("status")).to_have_text(re.compile("^200 "))


def test_a_line_is_copied(stage: Stage, page: Page) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{stage.gateway}/docs")
    button = page.locator("#readMe").get_by_role("button", name="Copy")
    button.first.focus()
    press(page, "Enter")
    expect(page.locator("#page-status")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()").startswith('curl "$GATEWAY"/users/me')
