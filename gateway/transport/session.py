"""A `requests.Session` that is only a transport: no cookie jar, proxy, `.netrc`, redirect or header of its own."""

from __future__ import annotations

import ssl
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path

import requests
from requests import Response

from gateway.transport.adapter import Adapter


def tls_context(ca_bundle: Path | None) -> ssl.SSLContext:
    """Verifies peers by the system's certificates and those in `ca_bundle` (PEM). OSError where it can not be read."""
    context = ssl.create_default_context()
    if ca_bundle is not None:
        context.load_verify_locations(cafile=ca_bundle)
    return context


def seal(session: requests.Session, adapter: Adapter) -> None:
    """Take from `session` whatever would add to a request: the environment, its own headers, its cookie jar."""
    session.trust_env = False
    session.headers.clear()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.adapters.clear()
    session.mount("http://", adapter)
    session.mount("https://", adapter)


class SealedSession(requests.Session):
    """For the gateway's own calls to Keycloak and to health endpoints; forwarding speaks to the adapter itself."""

    def __init__(self, adapter: Adapter) -> None:
        super().__init__()
        seal(self, adapter)

    def get_redirect_target(self, resp: Response) -> str | None:
        """Never one: a redirect is an answer."""
        return None
