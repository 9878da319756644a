"""The gateway's client at the real Keycloak, set up for a gateway of the tests, and the login form by hand."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.cookiejar import Cookie
from typing import Any

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar

from demo.browser import Browser
from harness.keycloak import Keycloak


@contextmanager
def client_for(keycloak: Keycloak, gateway: str, frontend: str, **attributes: str) -> Iterator[None]:
    """Its client has this gateway's callback and back channel, and this frontend to come back to after a logout.

    `attributes` are more of the client's (`access.token.lifespan`), with `_` for `.`.
    """
    before = keycloak.admin.client()
    path = f"/clients/{before['id']}"
    wanted = {
        "post.logout.redirect.uris": f"{frontend}/*",
        "backchannel.logout.url": f"{gateway}/auth/backchannel-logout",
        "backchannel.logout.session.required": "true",
        **{name.replace("_", "."): value for name, value in attributes.items()},
    }
    changed = {"redirectUris": [f"{gateway}/auth/callback"], "attributes": before["attributes"] | wanted}
    keycloak.admin.call("PUT", path, before | changed)
    try:
        yield
    finally:
        gone = dict.fromkeys(wanted, "")
        keycloak.admin.call("PUT", path, before | {"attributes": {**gone, **before["attributes"]}})


class _Jar(RequestsCookieJar):
    """Keycloak's login cookies are `Secure` on plain http too; a browser sends those to the loopback."""

    def set_cookie(self, cookie: Cookie, *args: Any, **kwargs: Any) -> None:
        cookie.secure = False
        super().set_cookie(cookie, *args, **kwargs)


def keycloak_browser() -> Browser:
    """The demo's browser in small, as Keycloak's form needs it."""
    browser = Browser()
    browser.http.cookies = _Jar()
    return browser


class Elsewhere(HTTPAdapter):
    """For `browser.http.mount`: what is asked of `public` goes to `real`, and nobody notices."""

    def __init__(self, public: str, real: str) -> None:
        super().__init__()
        self._public, self._real = public, real

    def send(self, request: PreparedRequest, *args: Any, **options: Any) -> Response:
        moved = request.copy()
        moved.url = self._real + str(request.url).removeprefix(self._public)
        response = super().send(moved, *args, **options)
        response.url = str(request.url)
        return response
