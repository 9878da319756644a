"""A real browser and the demo's frontend: what a person sees, what a script could get, what another site can do.

`BROWSER_SHOTS=folder` keeps the pictures.
"""

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import requests
from harness.chromium import Person, Seen
from harness.ports import free_port
from harness.recordings import tone
from harness.stage import Stage
from harness.waiting import until
from playwright.sync_api import Browser, Page, expect

pytestmark = pytest.mark.timeout(120)

SHORT = 2
"""Seconds a short-lived access token lives."""


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = Path(os.environ.get("BROWSER_SHOTS") or tmp_path_factory.mktemp("shots"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def person(browser: Browser, shots: Path) -> Iterator[Person]:
    with Person(browser, shots) as someone:
        yield someone


@pytest.fixture
def short_lives(stage: Stage) -> Iterator[None]:
    """Access tokens that lapse while one looks."""
    stage.order("access-lifetime", seconds=SHORT)
    yield
    stage.order("access-lifetime", seconds=300)


def opened(person: Person, stage: Stage) -> tuple[Page, Seen]:
    """A tab with the frontend in it."""
    page, seen = person.tab()
    page.goto(stage.frontend)
    return page, seen


def fill_in(page: Page, name: str = "cora") -> None:
    """The provider's login form."""
    page.get_by_label("Username or email").fill(name)
    page.get_by_label("Password").fill(f"{name}-password")
    page.get_by_role("button", name="Sign in").click()


def signed_in(person: Person, stage: Stage, name: str = "cora") -> tuple[Page, Seen]:
    page, seen = opened(person, stage)
    page.get_by_role("button", name="Sign in").click()
    fill_in(page, name)
    expect(page.locator("#board")).to_be_visible()
    expect(page.locator("#roles")).not_to_be_empty()
    return page, seen


LISTED = """rows => rows.map(row => ["status", "method", "path"].map(kind => row.querySelector("." + kind).textContent)
  .join(" ")).reverse()"""


def calls(page: Page) -> list[str]:
    """The calls that the page lists, oldest first, as `401 POST /interviews`."""
    found: list[str] = page.locator("#calls li").evaluate_all(LISTED)  # at once: the list grows meanwhile
    return found


def add_interview(page: Page, title: str) -> None:
    page.get_by_label("Title of the new interview").fill(title)
    page.get_by_role("button", name="Add", exact=True).click()


def upload(page: Page, name: str, kind: str, content: bytes) -> None:
    page.get_by_label("File to upload").set_input_files({"name": name, "mimeType": kind, "buffer": content})
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.locator("#notice")).to_have_text(f"{name} is uploaded.")


def delete(page: Page, name: str) -> None:
    button = page.get_by_role("button", name=f"Delete {name}")
    button.click()
    expect(button).to_have_count(0)


def come_back_late(page: Page, stage: Stage) -> None:
    """Leave the page, which renews a token in time while it is open, and open it after the token has lapsed."""
    page.goto("about:blank")
    time.sleep(SHORT + 0.5)
    page.goto(stage.frontend)
    expect(page.locator("#who")).to_have_text("Cora")
    assert calls(page)[:3] == ["200 GET /auth/session", "200 POST /auth/refresh", "200 GET /auth/session"]


def session_cookies(person: Person, stage: Stage) -> list[Any]:
    """The gateway's; the provider is on the same host and has some too."""
    cookies = person.context.cookies(f"{stage.gateway}/auth")
    return [cookie for cookie in cookies if cookie["value"] and cookie["path"] in ("/", "/auth")]


# What a person does


def test_the_page_boots_without_a_word_in_the_console(stage: Stage, person: Person) -> None:
    page, seen = opened(person, stage)
    expect(page.get_by_role("heading", name="Interviews, on your own time.")).to_be_visible()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    expect(page.locator("#board")).to_be_hidden()
    until(lambda: calls(page) == ["200 GET /auth/session"], 5, "the one call of the boot")
    person.picture(page, "1-welcome")
    assert (seen.complaints, seen.failures) == ([], [])


@pytest.mark.conformance("O1", "O3")
def test_sign_in_through_the_form_shows_the_profile(stage: Stage, person: Person) -> None:
    page, seen = opened(person, stage)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_label("Password")).to_be_visible()
    assert page.url.startswith(f"{stage.provider}/")
    person.picture(page, "2-login-form")
    fill_in(page, "rick")
    expect(page.locator("#who")).to_have_text("Rick")
    expect(page.get_by_label("First name")).to_have_value("Rick")
    expect(page.locator("#roles")).to_contain_text("rick@example.test")
    expect(page.locator("#roles")).to_contain_text("recruiter")
    assert page.url == f"{stage.frontend}/"
    assert not {answer.status for answer in seen.answers} & {401, 403, 404, 500}

    page.get_by_label("Headline").fill("Finds people")
    page.get_by_role("button", name="Save").click()
    expect(page.locator("#notice")).to_have_text("Profile saved.")
    page.reload()
    expect(page.get_by_label("Headline")).to_have_value("Finds people")
    person.picture(page, "3-board")
    leaving = [failure for failure in seen.failures if "/interviews/events" not in failure]
    assert (seen.complaints, leaving) == ([], []), "but for the event stream, which a reload cuts"


@pytest.mark.conformance("O4")
def test_a_sign_in_that_is_cancelled_is_told(stage: Stage, person: Person) -> None:
    page, seen = opened(person, stage)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#notice")).to_have_text("You cancelled the sign-in.")
    expect(page.get_by_role("button", name="Sign in")).to_be_enabled()
    assert page.url == f"{stage.frontend}/"
    person.picture(page, "4-cancelled")
    assert seen.complaints == []


def test_an_interview_is_created_listed_changed_and_deleted(stage: Stage, person: Person) -> None:
    page, seen = signed_in(person, stage)
    title = "Backend <b>engineer</b> · 1"
    add_interview(page, title)
    expect(page.locator("#interviews")).to_contain_text(title)
    page.get_by_label(f"Status of {title}").select_option("completed")
    until(lambda: any(call.startswith("200 PATCH") for call in calls(page)), 5, "the change")
    page.reload()
    expect(page.get_by_label(f"Status of {title}")).to_have_value("completed")
    delete(page, title)
    assert seen.complaints == []


def test_a_recording_is_uploaded_played_and_downloaded(stage: Stage, person: Person) -> None:
    page, seen = signed_in(person, stage)
    recording = tone(3.0)
    upload(page, "my answer.wav", "audio/wav", recording)
    expect(page.locator("#media li")).to_contain_text("my-answer.wav")

    page.get_by_role("button", name="Play my-answer.wav").click()
    player = page.locator("#player audio")
    until(lambda: player.evaluate("it => it.currentTime > 0.1"), 10, "it to play")
    assert player.evaluate("it => it.duration") == pytest.approx(3.0, abs=0.1)
    assert player.evaluate("it => it.currentSrc").startswith(stage.gateway), "streamed, with the cookie"
    assert 206 in {answer.status for answer in seen.answers}, "in ranges"
    person.picture(page, "5-playing")

    with page.expect_download() as download:
        page.get_by_role("button", name="Download my-answer.wav").click()
    assert download.value.path().read_bytes() == recording
    delete(page, "my-answer.wav")
    assert seen.complaints == []


@pytest.mark.conformance("O2")
def test_two_tabs_sign_in_at_once(stage: Stage, person: Person) -> None:
    (one, seen_by_one), (other, seen_by_other) = opened(person, stage), opened(person, stage)
    for page in (one, other):
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_label("Password")).to_be_visible()
    for page in (one, other):
        fill_in(page)
        expect(page.locator("#who")).to_have_text("Cora")
    for page in (one, other):
        add_interview(page, "From a tab")
        expect(page.locator("#notice")).to_have_text("From a tab is added.")
    expect(other.locator("#interviews li")).to_have_count(2)
    assert seen_by_one.complaints == seen_by_other.complaints == []
    for _ in range(2):
        other.get_by_role("button", name="Delete From a tab").first.click()
        until(
            lambda: "No interviews" in other.inner_text("#interviews") or other.locator("#interviews li").count() == 1
        )


# Sessions that lapse and end


@pytest.mark.conformance("O7")
@pytest.mark.usefixtures("short_lives")
def test_a_lapsed_token_is_renewed_unseen(stage: Stage, person: Person) -> None:
    """In time while the event stream needs it; where the page was closed meanwhile, when it is opened again."""
    page, _ = signed_in(person, stage)
    time.sleep(SHORT + 0.5)
    for number in range(5):  # what happens between two connections of the stream is not told
        title = f"After a while {number}"
        add_interview(page, title)
        expect(page.locator("#interviews li")).to_contain_text(title)
        with suppress(AssertionError):
            expect(page.locator("#events")).to_contain_text(title)
            break
        delete(page, title)
    expect(page.locator("#events")).to_contain_text(title)
    assert "200 POST /auth/refresh" in calls(page)
    person.picture(page, "6-renewed")

    come_back_late(page, stage)
    delete(page, title)


@pytest.mark.conformance("O7")
@pytest.mark.usefixtures("short_lives")
def test_tabs_share_their_refreshes(stage: Stage, person: Person) -> None:
    pages = [signed_in(person, stage)[0]] + [opened(person, stage)[0] for _ in range(3)]
    for page in pages:
        expect(page.locator("#roles")).not_to_be_empty()
    asked, began = stage.calls("token"), time.monotonic()
    time.sleep(3 * SHORT)
    for page in pages:
        page.get_by_role("button", name="Save").click()
        expect(page.locator("#notice")).to_have_text("Profile saved.")
    # Each is renewed after more than half of its life, by one of the four.
    assert stage.calls("token") - asked <= (time.monotonic() - began) / (SHORT * 0.6) + 1


@pytest.mark.conformance("O8")
def test_a_sign_out_in_one_tab_is_seen_in_the_other(stage: Stage, person: Person) -> None:
    one, seen = signed_in(person, stage)
    other, _ = opened(person, stage)
    expect(other.locator("#board")).to_be_visible()
    one.get_by_role("button", name="Sign out").click()
    expect(one.get_by_role("button", name="Sign in")).to_be_visible()
    until(lambda: one.url == f"{stage.frontend}/", 5, "the way back from the provider")
    expect(other.get_by_role("button", name="Sign in")).to_be_visible()
    expect(other.locator("#board")).to_be_hidden()
    # The gateway aborts the stream of a session that has ended, unless the page has closed it before.
    aborted = f"error: Failed to load resource: net::ERR_CONNECTION_RESET ({stage.gateway}/interviews/events)"
    assert set(seen.complaints) <= {aborted}
    # It ended at the provider as well: the form is asked for again.
    other.get_by_role("button", name="Sign in").click()
    expect(other.get_by_label("Password")).to_be_visible()


LISTEN = """url => {
  window.told = [];
  const events = new EventSource(url, {withCredentials: true});
  events.onopen = () => window.told.push("open");
  events.onerror = () => { window.told.push("error"); events.close(); };
}"""


@pytest.mark.conformance("O14")
def test_an_open_event_stream_breaks_off_at_a_sign_out_in_another_tab(stage: Stage, person: Person) -> None:
    first, _ = signed_in(person, stage)
    second, _ = opened(person, stage)
    expect(second.locator("#board")).to_be_visible()
    second.evaluate(LISTEN, f"{stage.gateway}/interviews/events")
    until(lambda: second.evaluate("window.told") == ["open"], 5, "the stream")
    first.get_by_role("button", name="Sign out").click()
    expect(first.get_by_role("button", name="Sign in")).to_be_visible()
    until(lambda: second.evaluate("window.told") == ["open", "error"], 3, "its end")


def test_a_callback_that_comes_again_leads_to_the_board(stage: Stage, person: Person) -> None:
    """The Back button, or a tab that is restored."""
    page, seen = signed_in(person, stage)
    (callback,) = [answer.url for answer in seen.answers if "/auth/callback?" in answer.url]
    page.goto(callback)
    expect(page.locator("#board")).to_be_visible()
    assert page.url.startswith(stage.frontend) and "authError" not in page.url


def test_the_next_user_of_a_browser_sees_nothing_of_the_last(stage: Stage, person: Person) -> None:
    page, _ = signed_in(person, stage)
    add_interview(page, "Of Cora alone")
    expect(page.locator("#interviews")).to_contain_text("Of Cora alone")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("button", name="Sign in").click()
    fill_in(page, "rick")
    expect(page.locator("#who")).to_have_text("Rick")
    page.go_back()
    page.go_forward()
    expect(page.locator("#who")).to_have_text("Rick")
    assert "Of Cora alone" not in page.locator("#interviews").inner_text()


@pytest.mark.conformance("O7", "O8")
def test_a_session_that_ended_elsewhere_asks_to_sign_in_again(stage: Stage, person: Person) -> None:
    page, _ = signed_in(person, stage)
    cookies = "; ".join(
        f"{cookie['name']}={cookie['value']}" for cookie in person.context.cookies(stage.gateway + "/auth")
    )
    headers = {"Cookie": cookies, "Origin": stage.frontend}
    assert requests.post(f"{stage.gateway}/auth/logout", headers=headers, timeout=5).status_code == 200
    # The event stream ends with its session: nothing has to be clicked.
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    expect(page.locator("#board")).to_be_hidden()
    expect(page.locator("#notice")).to_contain_text("session has ended")
    person.picture(page, "7-ended")
    assert session_cookies(person, stage) == [], "cleared with the refused refresh"


# What a script could get

HELD = "() => JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}, location.href, history.state])"


@pytest.mark.conformance("C1", "C8")
@pytest.mark.usefixtures("short_lives")
def test_no_token_can_be_reached_from_javascript(stage: Stage, person: Person) -> None:
    heard = person.overhear()
    page, _ = signed_in(person, stage)
    secrets = {cookie["value"] for cookie in session_cookies(person, stage)}
    heard.append(page.evaluate(HELD))
    come_back_late(page, stage)
    heard.append(page.evaluate(HELD))

    cookies = session_cookies(person, stage)
    assert len(cookies) >= 2 and all(cookie["httpOnly"] and cookie["sameSite"] == "Lax" for cookie in cookies)
    secrets |= {cookie["value"] for cookie in cookies}
    page.goto(f"{stage.gateway}/docs")  # the gateway's own origin
    heard.append(page.evaluate(HELD))
    assert json.loads(heard[-1])[0] == ""

    everything = "\n".join(heard)
    for part in ("/auth/login", '"authenticated":true', "/auth/refresh", "/users/me"):
        assert part in everything, "it was listened to"
    assert "eyJ" not in everything, "a JWT"
    assert not [secret for secret in secrets if secret[:40] in everything]
    log = stage.log("gateway")
    assert "eyJ" not in log and not [secret for secret in secrets if secret[:40] in log]


# What another site can do

FORGED = """<!doctype html><title>You won</title>
<form method="post" action="{0}/interviews" enctype="text/plain"
><input name='{{"title":"Forged","x":"' value='"}}'></form>
<form method="post" action="{0}/media/forged.txt"><input name="a" value="b"></form>
<form method="post" action="{0}/auth/logout"></form>"""


def foreign_page(person: Person, stage: Stage, host: str) -> tuple[Page, Seen]:
    """On 127.0.0.1 another site's, on localhost another origin's of our site; it has forms for the gateway."""
    page, seen = person.tab()
    address = f"http://{host}:{free_port()}/"  # nobody listens there: Playwright answers
    page.route(address, lambda route: route.fulfill(body=FORGED.format(stage.gateway), content_type="text/html"))
    page.goto(address)
    return page, seen


@pytest.mark.conformance("C3")
@pytest.mark.parametrize("number", [0, 1, 2], ids=["to interviews", "to media", "to logout"])
@pytest.mark.parametrize(
    ("host", "statuses"),
    [
        # Another site's form comes without the cookie (SameSite): from nobody, who may log out.
        pytest.param("127.0.0.1", (401, 401, 415), id="another site"),
        # The same site's comes with it, and its Origin betrays it.
        pytest.param("localhost", (403, 403, 415), id="another origin of our site"),
    ],
)
def test_a_form_that_another_page_posts_is_refused(
    stage: Stage, person: Person, host: str, statuses: tuple[int, ...], number: int
) -> None:
    ours, _ = signed_in(person, stage)
    page, seen = foreign_page(person, stage, host)
    with page.expect_navigation():
        page.evaluate(f"() => document.forms[{number}].submit()")
    answer = next(answer for answer in seen.answers if answer.url.startswith(stage.gateway))
    assert answer.request.method == "POST"
    assert answer.status == statuses[number], answer.text()
    ours.reload()
    expect(ours.locator("#who")).to_have_text("Cora")
    expect(ours.locator("#interviews li")).not_to_have_count(0)
    expect(ours.locator("#media li")).not_to_have_count(0)
    assert "orged" not in ours.inner_text("#board")


@pytest.mark.conformance("C3", "C7")
def test_a_foreign_pages_script_reads_and_writes_nothing(stage: Stage, person: Person) -> None:
    ours, _ = signed_in(person, stage)
    page, _ = foreign_page(person, stage, "localhost")
    tried = """async ([url, method]) => {
      try { return (await fetch(url, {method, credentials: "include"})).status } catch (error) { return error.name }
    }"""
    for path, method in (
        ("/auth/session", "GET"),
        ("/users/me", "GET"),
        ("/auth/refresh", "POST"),
        ("/auth/logout", "POST"),
        ("/interviews/1", "DELETE"),
    ):
        assert page.evaluate(tried, [stage.gateway + path, method]) == "TypeError", (method, path)
    ours.reload()
    expect(ours.locator("#who")).to_have_text("Cora")


@pytest.mark.conformance("C3")
def test_an_uploaded_page_does_not_run_in_the_gateways_origin(stage: Stage, person: Person) -> None:
    """That it reads nothing there either is shown by `test_uploads_in_browser.py`."""
    ours, _ = signed_in(person, stage)
    text = "<!doctype html><title>still</title><h1>Upload</h1><script>document.title = 'it ran'</script>"
    upload(ours, "evil.html", "text/html", text.encode())
    page, _ = person.tab()
    page.goto(f"{stage.gateway}/media/evil.html")
    expect(page.get_by_role("heading", name="Upload")).to_be_visible()
    assert page.title() == "still"
    delete(ours, "evil.html")
