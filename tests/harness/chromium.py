"""Debian's Chromium, driven by Playwright: persons with a profile of their own, and what their pages did."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, sync_playwright

from harness.lifetime import Lifetime

PROGRAM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox",  # as root, in a container
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
]
PATIENCE = 15_000
"""Milliseconds that an element may take to show."""


OVERHEARD = """
const ask = window.fetch;
window.fetch = async (...asked) => {
  const answer = await ask(...asked);
  const told = [answer.url, ...[...answer.headers].flat(), await answer.clone().text()];
  await window.overheard(told.join("\\n"));
  return answer;
};
"""


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=PROGRAM, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Seen:
    """What a page did, gathered while it did it."""

    complaints: list[str] = field(default_factory=list)
    """Errors and warnings of the console, and exceptions nobody caught."""
    failures: list[str] = field(default_factory=list)
    """Requests that got no answer."""
    answers: list[Response] = field(default_factory=list)

    @classmethod
    def of(cls, page: Page) -> Self:
        seen = cls()

        def console(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                seen.complaints.append(f"{message.type}: {message.text} ({message.location['url']})")

        def failed(request: Request) -> None:
            seen.failures.append(f"{request.method} {request.url}: {request.failure}")

        page.on("console", console)
        page.on("pageerror", lambda error: seen.complaints.append(f"exception: {error}"))
        page.on("requestfailed", failed)
        page.on("response", lambda answer: seen.answers.append(answer))
        return seen


class Person(Lifetime):
    """Someone with a browser: every tab shares its cookies. A `with` closes all tabs; `shots` is for pictures."""

    def __init__(self, browser: Browser, shots: Path) -> None:
        self._shots = shots
        self.context = browser.new_context(viewport={"width": 1200, "height": 900}, accept_downloads=True)
        self.context.set_default_timeout(PATIENCE)

    def stop(self) -> None:
        self.context.close()

    def tab(self) -> tuple[Page, Seen]:
        page = self.context.new_page()
        return page, Seen.of(page)

    def overhear(self) -> list[str]:
        """All that the scripts of pages opened from now on get to read of their calls: addresses, headers, bodies."""
        heard: list[str] = []
        self.context.expose_function("overheard", lambda reported: heard.append(reported))
        self.context.add_init_script(OVERHEARD)
        return heard

    def picture(self, page: Page, name: str) -> None:
        # Written here: Playwright would keep a thread for it.
        (self._shots / f"{name}.png").write_bytes(page.screenshot(full_page=True))
