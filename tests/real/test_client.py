"""The TypeScript client with the demo's gateway: in Node with tokens, in Chromium with cookies, in one tab or three."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from harness.chromium import Person, Seen
from harness.description import CLIENT
from harness.stage import Stage
from harness.waiting import until
from playwright.sync_api import Browser, Page, expect

from demo.browser import Browser as SmallBrowser

pytestmark = pytest.mark.timeout(120)

SHORT = 2
"""Seconds: the lifetime of the first access token."""
LONG = 60
SIZE = 3 << 20
SLOW = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": SIZE // 2}
"""In bytes per second: an upload takes two seconds."""


@pytest.fixture
def person(browser: Browser, tmp_path: Path, stage: Stage) -> Iterator[Person]:
    """Signed in, with all pages closed, so that their clients refresh nothing."""
    stage.order("access-lifetime", seconds=SHORT)
    with Person(browser, tmp_path) as someone:
        page, _ = someone.tab()
        page.goto(stage.frontend)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_label("Username or email").fill("cora")
        page.get_by_label("Password").fill("cora-password")
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#roles")).not_to_be_empty()
        page.close()
        yield someone


CREATE = """async gateway => {
  const { createClient } = await import("/client/index.js");
  window.calls = [];
  window.client = createClient({ baseUrl: gateway, onCall: call => window.calls.push(call) });
}"""


def with_client(person: Person, stage: Stage) -> tuple[Page, Seen]:
    """A tab of the frontend's origin that contains only `client`."""
    page, seen = person.tab()
    page.goto(f"{stage.frontend}/config.js")
    page.evaluate(CREATE, stage.gateway)
    return page, seen


def refreshes(*seen: Seen) -> int:
    return sum(answer.url.endswith("/auth/refresh") and answer.ok for each in seen for answer in each.answers)


def refusals(seen: Seen) -> int:
    return sum(answer.status == 401 for answer in seen.answers)


def test_a_program_in_node(stage: Stage) -> None:
    stage.order("access-lifetime", seconds=SHORT)
    with SmallBrowser() as browser:
        begun = requests.post(f"{stage.gateway}/auth/login", timeout=5)
        callback = browser.sign_in(begun.json()["authUrl"])
        tokens = requests.get(callback, cookies=begun.cookies, timeout=5).json()
    time.sleep(SHORT + 0.2)
    stage.order("access-lifetime", seconds=LONG)
    environment = {**os.environ, "GATEWAY": stage.gateway, "TOKENS": json.dumps(tokens)}
    done = subprocess.run(
        ["node", "--test", "test/gateway.test.mjs"],
        cwd=CLIENT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stdout[-4000:]


PARALLEL = "async () => (await Promise.all(Array.from({length: 8}, () => client.get('/users/me')))).length"


@pytest.mark.parametrize("tabs", [1, 3])
def test_parallel_401s_make_one_refresh(stage: Stage, person: Person, tabs: int) -> None:
    opened = [with_client(person, stage) for _ in range(tabs)]
    time.sleep(SHORT + 0.2)
    stage.order("access-lifetime", seconds=LONG)
    for page, _ in opened:
        page.evaluate(f"() => {{ window.done = ({PARALLEL})(); }}")
    assert [page.evaluate("done") for page, _ in opened] == [8] * tabs
    assert refreshes(*(seen for _, seen in opened)) == 1
    assert sum(refusals(seen) for _, seen in opened) >= 8


FOLLOW = """() => {
  window.received = [];
  window.opened = 0;
  window.stop = client.events("/interviews/events", event => received.push(event), {onOpen: () => opened++});
}"""


def test_a_stream_outlives_tokens_without_a_refusal(stage: Stage, person: Person) -> None:
    """The token is refreshed in time; the stream ends with its token, and the client reconnects with the next one."""
    page, seen = with_client(person, stage)
    stage.order("access-lifetime", seconds=2 * SHORT)
    page.evaluate("client.refresh()")
    page.evaluate(FOLLOW)
    page.wait_for_function("() => opened >= 3", timeout=30_000)
    assert refreshes(seen) >= 2 and refusals(seen) == 0
    title = "While a stream goes on"
    page.evaluate("title => client.post('/interviews', {json: {title}})", title)
    page.wait_for_function("title => received.some(({data}) => JSON.parse(data).title === title)", arg=title)
    page.evaluate("stop()")


def test_a_sign_out_reaches_the_clients_of_other_tabs(stage: Stage, person: Person) -> None:
    (one, _), (other, _) = with_client(person, stage), with_client(person, stage)
    for page in (one, other):
        assert page.evaluate("async () => (await client.session()).authenticated")
    other.evaluate("() => { window.changes = 0; client.subscribe(() => changes++); }")
    one.evaluate("client.signOut({navigate: false})")
    other.wait_for_function("() => changes > 0 && client.current.authenticated === false")


UPLOAD = """([size, cancelAt]) => {
  window.progress = [];
  const stop = new AbortController();
  const onProgress = ({loaded, total}) => {
    progress.push(loaded / total);
    if (loaded / total >= cancelAt) stop.abort(new Error("enough"));
  };
  const file = new Blob([new Uint8Array(size)], {type: "video/webm"});
  return client.upload("/media/long.webm", file, {onProgress, signal: stop.signal}).then(
    stored => ({stored}), error => ({error: error.message}));
}"""


@pytest.mark.parametrize("cancel_at", [0.3, 2.0], ids=["cancelled", "whole"])
def test_an_upload_reports_its_progress_and_can_be_cancelled(stage: Stage, person: Person, cancel_at: float) -> None:
    page, _ = with_client(person, stage)
    stage.order("access-lifetime", seconds=LONG)
    page.evaluate("client.refresh()")
    person.context.new_cdp_session(page).send("Network.emulateNetworkConditions", SLOW)
    ended: dict[str, Any] = page.evaluate(UPLOAD, [SIZE, cancel_at])
    progress: list[float] = page.evaluate("progress")
    assert progress == sorted(progress) and any(0 < share < 1 for share in progress)
    names = "async () => (await client.get('/media/mine')).items.map(({name}) => name)"
    if cancel_at < 1:
        assert ended == {"error": "enough"} and progress[-1] < 1
        until(lambda: "long.webm" not in page.evaluate(names), what="nothing to be stored of it")
    else:
        assert ended["stored"]["size"] == SIZE and progress[-1] == 1
        page.evaluate("client.delete('/media/{name}', {path: {name: 'long.webm'}})")
