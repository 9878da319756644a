"""A browser in small, for tests: it opens the provider's form, fills it in, and gives what comes back."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import parse_qsl, urljoin, urlsplit

import requests


class Browser:
    """One person's browser with its own cookies; it follows no redirect by itself. Use it with ``with``."""

    def __init__(self) -> None:
        self.http = requests.Session()
        self.http.trust_env = False

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *error: object) -> None:
        self.http.close()

    def open(self, url: str) -> requests.Response:
        return self.http.get(url, allow_redirects=False)

    def submit(self, page: requests.Response, **fields: str) -> requests.Response:
        """Send the one form of a page."""
        action = re.search(r'<form[^>]* action="([^"]+)"', page.text)
        if action is None:
            raise ValueError(f"no form on the page: {page.status_code} {page.text[-300:]}")
        target = urljoin(page.url, unescape(action[1]))
        return self.http.post(target, data=fields, allow_redirects=False)

    def sign_in(self, auth_url: str, username: str = "cora", password: str | None = None) -> str:
        """The URL that the provider sends the browser to after the form: the client's callback."""
        page = self.open(auth_url)
        answer = self.submit(page, username=username, password=password or f"{username}-password")
        if answer.status_code != 302:
            raise ValueError(f"the sign-in was refused: {answer.status_code} {answer.text[-300:]}")
        return answer.headers["Location"]


def query(url: str) -> dict[str, str]:
    """The parameters of a URL."""
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
