"""A `requests.Session` that is only a transport: without cookie jar, proxy, `.netrc`, redirects or default headers."""

from __future__ import annotations

import ssl
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path

import requests
from requests import Response

from gateway.settings_files import pem_of
from gateway.transport.adapter import Adapter, Timeouts


def tls_context(ca_bundle: Path | None) -> ssl.SSLContext:
    """Verifies peers by the system's certificates and those in `ca_bundle` (PEM). Raises OSError if unreadable."""
    context = ssl.create_default_context()
    if ca_bundle is not None:
        context.load_verify_locations(cadata=pem_of(ca_bundle))
    return context


def seal(session: requests.Session, adapter: Adapter) -> None:
    """Remove everything from `session` that adds to a request: the environment, its own headers, its cookie jar."""
    session.trust_env = False
    session.headers.clear()
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.adapters.clear()
    session.mount("http://", adapter)
    session.mount("https://", adapter)


class SealedSession(requests.Session):
    """For the gateway's own calls to Keycloak and to health endpoints; forwarding uses the adapter directly."""

    def __init__(self, adapter: Adapter) -> None:
        super().__init__()
        seal(self, adapter)

    def document(self, url: str, timeouts: Timeouts, most: int) -> tuple[int, bytes]:
        """The status, and of a 200 the body: at most one byte more than `most`, so that a longer one shows.

        For JSON documents. Raises RequestException without a response.
        """
        accept = {"Accept": "application/json"}
        with self.get(url, headers=accept, timeout=timeouts, stream=True) as response:  # type: ignore[arg-type]
            return response.status_code, response.raw.read(most + 1) if response.status_code == 200 else b""

    def get_redirect_target(self, resp: Response) -> str | None:
        """Never follow a redirect: it is returned as the response."""
        return None
