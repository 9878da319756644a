"""An attacker's uploads in a real browser: nothing of theirs runs or reads, and honest files open."""

import base64
import time
from collections.abc import Iterator

import pytest
from harness import replies
from harness.gateway import Gateway
from harness.recordings import tone
from harness.service import Service
from harness.waiting import until
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.timeout(120)

SECRET = b"what only the user may read"
SETTLES = 1.0
"""Seconds that a script, a frame or a picture gets to ask for something."""

STEAL = "fetch('/users/me').then(r => r.text()).then(t => fetch('/media/stolen?' + encodeURIComponent(t)))"
PAGE = f"""<!doctype html><title>quiet</title><base href="/users/">
<script>document.title = 'ran'; {STEAL}</script>
<img src="/media/none" onerror="document.title = 'ran'; {STEAL}">
<iframe src="/users/me"></iframe><iframe srcdoc="<script>parent.document.title = 'ran'</script>"></iframe>
<object data="/users/me"></object><embed src="/users/me"><link rel="stylesheet" href="/users/me">
<svg onload="{STEAL}"><script>{STEAL}</script></svg>
<a id="link" href="javascript:document.title = 'ran'">link</a>
<form id="form" action="/media/stolen" method="post"><button id="send">send</button></form>
""".encode()
DRAWING = f"""<svg xmlns="http://www.w3.org/2000/svg" width="90" height="90" onload="{STEAL.replace(">", "&gt;")}">
<script><![CDATA[{STEAL}]]></script><rect width="90" height="90" fill="red"/>
<foreignObject><iframe xmlns="http://www.w3.org/1999/xhtml" src="/users/me"></iframe></foreignObject></svg>
""".encode()
SHEET = b'<?xml version="1.0"?><?xml-stylesheet type="text/xsl" href="/users/me"?><a/>'
HOSTILE = {
    "page": ("text/html", PAGE),
    "drawing": ("image/svg+xml", DRAWING),
    "XHTML": ("application/xhtml+xml", DRAWING),
    "XML with XSLT": ("text/xml", SHEET),
}
PICTURE = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
PAPER = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj"
    b" 3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]/Contents 4 0 R>>endobj 4 0 obj<</Length 30>>stream\n"
    b"1 0 0 rg 0 0 200 200 re f     \nendstream endobj\ntrailer<</Root 1 0 R>>\n"
)


@pytest.fixture
def page(browser: Browser, bearer: dict[str, str]) -> Iterator[Page]:
    context = browser.new_context(extra_http_headers=bearer)
    yield context.new_page()
    context.close()


def serve(media: Service, users: Service, kind: str, body: bytes) -> None:
    media.answer = replies.per_path({b"/media/file": replies.sized(200, [("Content-Type", kind)], body)})
    users.answer = replies.sized(200, [("Content-Type", "text/plain")], SECRET)


@pytest.mark.parametrize(("kind", "body"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file_runs_nothing_and_reads_nothing(
    gateway: Gateway, media: Service, users: Service, page: Page, kind: str, body: bytes
) -> None:
    serve(media, users, kind, body)
    page.goto(f"{gateway.url}/media/file")
    time.sleep(SETTLES)
    if kind == "text/html":
        page.click("#link")
        page.click("#send")
        time.sleep(SETTLES)
        assert page.title() == "quiet"
    assert users.requests == []
    assert not [received for received in media.requests if b"stolen" in received.target]


def test_the_same_page_would_steal_without_the_policy(
    gateway: Gateway, media: Service, users: Service, page: Page
) -> None:
    """Else the test above could pass for another reason."""
    serve(media, users, "text/html", PAGE)
    loose = [("Content-Type", "text/html"), ("Content-Security-Policy", "img-src *")]
    media.answer = replies.per_path({b"/media/file": replies.sized(200, loose, PAGE)})
    page.goto(f"{gateway.url}/media/file")
    until(lambda: [received for received in media.requests if b"stolen" in received.target])


def test_an_image_opens(gateway: Gateway, media: Service, users: Service, page: Page) -> None:
    serve(media, users, "image/png", PICTURE)
    page.goto(f"{gateway.url}/media/file")
    assert page.evaluate("document.querySelector('img').naturalWidth") == 1


def test_a_recording_opens(gateway: Gateway, media: Service, users: Service, page: Page) -> None:
    serve(media, users, "audio/wav", tone(1))
    page.goto(f"{gateway.url}/media/file")
    page.wait_for_function("document.querySelector('video, audio').readyState === 4")


def test_a_pdf_opens(gateway: Gateway, media: Service, users: Service, page: Page) -> None:
    """The viewer shows it in a frame of its own."""
    serve(media, users, "application/pdf", PAPER)
    page.goto(f"{gateway.url}/media/file")
    for _ in range(100):
        page.wait_for_timeout(100)
        if sum(frame.url.endswith("/media/file") for frame in page.frames) == 2:
            return
    raise AssertionError(f"no viewer: {[frame.url for frame in page.frames]}")
